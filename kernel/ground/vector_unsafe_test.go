package ground

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	_ "unsafe" // for the name of another package's variable
)

// features is the beginning of internal/cpu.X86: a cache line of padding, then a
// bool for each feature.
//
//go:linkname features internal/cpu.X86
var features [256]bool

// cacheLine is internal/cpu.CacheLinePadSize on amd64.
const cacheLine = 64

// featureNames are the fields of X86 in order, from the source of the toolchain.
func featureNames(t *testing.T) []string {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(runtime.GOROOT(), "src/internal/cpu/cpu.go"), nil, 0)
	if err != nil {
		t.Skip("no source of the toolchain: ", err)
	}
	var names []string
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || v.Names[0].Name != "X86" {
			return true
		}
		for _, f := range v.Type.(*ast.StructType).Fields.List {
			for _, name := range f.Names {
				if typ, ok := f.Type.(*ast.Ident); ok && typ.Name == "bool" {
					names = append(names, name.Name)
				} else if name.Name != "_" {
					t.Fatalf("internal/cpu.X86 has a field %s that is not a bool", name.Name)
				}
			}
		}
		return false
	})
	if len(names) < 10 || len(names) > len(features)-cacheLine {
		t.Fatalf("%d features in internal/cpu.X86", len(names))
	}
	return names
}

// TestNoWideVectors starts a Go runtime as the kernel starts its own, and holds
// that what anybody asks before a VEX instruction is off. The features that have
// no switch (GFNI, VAES, VNNI and others in AVX forms) are asked for by package
// simd alone, which the kernel does not have (kernel/DEPS).
func TestNoWideVectors(t *testing.T) {
	const child = "SKERRY_TEST_FEATURES"
	if os.Getenv(child) != "" {
		for i, name := range featureNames(t) {
			if features[cacheLine+i] {
				os.Stdout.WriteString("on " + name + "\n")
			}
		}
		return
	}
	on := func(debug string) string {
		cmd := exec.Command(os.Args[0], "-test.run=^TestNoWideVectors$")
		cmd.Env = append(os.Environ(), child+"=1", "GODEBUG="+debug)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	if featureNames(t); !strings.Contains(on(""), "on HasAVX\n") {
		t.Skip("this processor has no AVX")
	}
	got := on(runtimeDebug)
	if !strings.Contains(got, "on HasSSE41\n") {
		t.Fatalf("the features are not where they were looked for:\n%s", got)
	}
	for _, name := range []string{"HasAVX", "HasAVX2", "HasFMA", "HasAVX512", "HasAVX512F", "HasAVX512VPCLMULQDQ"} {
		if strings.Contains(got, "on "+name+"\n") {
			t.Errorf("%s is on", name)
		}
	}
	deps, err := os.ReadFile("../DEPS")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(deps), "\n") {
		if strings.HasPrefix(line, "simd") {
			t.Errorf("the kernel has package %s, which asks for features without a switch", line)
		}
	}
}
