package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
)

// fuzzTarget is a function for `go test -fuzz`.
type fuzzTarget struct{ pkg, name string }

// fuzzTargets finds the targets below a folder, but for the module in test.
func fuzzTargets(root string) (list []fuzzTarget, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() {
			if rel == "test" || rel == "build" || rel == "bin" || d.Name() == "testdata" || rel != "." && strings.HasPrefix(d.Name(), ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Fuzz") {
				list = append(list, fuzzTarget{"./" + filepath.ToSlash(filepath.Dir(rel)), fn.Name.Name})
			}
		}
		return nil
	})
	return list, err
}
