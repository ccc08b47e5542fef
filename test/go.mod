module skerry/test

go 1.26.8

require skerry v0.0.0

replace skerry => ../
