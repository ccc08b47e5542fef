package main

import (
	"skerry/kernel/ground"
)

func main() {
	ground.EnableVector()
	println("hello from the kernel, cpus", ground.CPUs())
	ground.Reset()
}
