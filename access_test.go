package skerry_test

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The kernel reaches the program's memory through kernel/usermem alone. What could
// get around it is known: an address of the program's is a number (uintptr or uint64),
// and a number becomes memory only by one of these:
//
//   - a door: a function that is handed an address and gives memory for it. The first
//     doors are those of kernel/ground/arch, and all functions in assembly that take a
//     uintptr.
//   - unsafe: a conversion of a number to a pointer; one of a pointer to a pointer to
//     something that holds pointers, which changes what is a number into one that is
//     none; unsafe.Add, Slice, String.
//   - reflect.NewAt and its like, and go:linkname.
//
// Each function with one of these in it stands in access_list_test.go with a reason why no
// address of the program's comes there. A function that hands a door an address which its
// caller gave it, and is not in the list, is a door itself, so that its callers are looked at.

// accessPackage is a package that was type-checked.
type accessPackage struct {
	files []*ast.File
	info  *types.Info
	pkg   *types.Package
}

// kernelPackages type-checks the packages below kernel/ without their tests.
func kernelPackages(t *testing.T, fset *token.FileSet) (all []*accessPackage, imp types.Importer) {
	t.Helper()
	cmd := exec.Command("go", "list", "-export", "-deps", "-f", `{{.ImportPath}}|{{.Export}}|{{.Dir}}|{{join .GoFiles ","}}`, "./kernel/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	exports := map[string]string{}
	var list [][]string
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		f := strings.Split(line, "|")
		exports[f[0]] = f[1]
		if strings.HasPrefix(f[0], "skerry/kernel") && !strings.HasSuffix(f[0], "test") {
			list = append(list, f)
		}
	}
	imp = importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(exports[path])
	})
	for _, f := range list {
		var files []*ast.File
		for _, name := range strings.Split(f[3], ",") {
			file, err := parser.ParseFile(fset, filepath.Join(f[2], name), nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
		all = append(all, checkAccess(t, fset, imp, f[0], files))
	}
	return all, imp
}

func checkAccess(t *testing.T, fset *token.FileSet, imp types.Importer, path string, files []*ast.File) *accessPackage {
	t.Helper()
	p := &accessPackage{files: files, info: &types.Info{Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}, Types: map[ast.Expr]types.TypeAndValue{}}}
	var err error
	if p.pkg, err = (&types.Config{Importer: imp}).Check(path, fset, files, p.info); err != nil {
		t.Fatal(err)
	}
	return p
}

// nameOf is a function's name as the list has it: frame.PFN.Bytes.
func nameOf(f *types.Func) string {
	name := f.Name()
	if r := f.Signature().Recv(); r != nil {
		rt := r.Type()
		if p, ok := rt.(*types.Pointer); ok {
			rt = p.Elem()
		}
		if n, ok := rt.(*types.Named); ok {
			name = n.Obj().Name() + "." + name
		}
	}
	if f.Pkg() == nil {
		return name
	}
	return strings.TrimPrefix(f.Pkg().Path(), "skerry/kernel/") + "." + name
}

// isAddress reports whether values of a type can be addresses of the program.
func isAddress(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && (b.Kind() == types.Uintptr || b.Kind() == types.Uint64)
}

// holdsPointers reports whether memory of a type has pointers in it.
func holdsPointers(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Basic:
		return u.Kind() == types.UnsafePointer || u.Kind() == types.String
	case *types.Array:
		return holdsPointers(u.Elem())
	case *types.Struct:
		for i := range u.NumFields() {
			if holdsPointers(u.Field(i).Type()) {
				return true
			}
		}
		return false
	}
	return true // pointers, slices, interfaces, functions, type parameters
}

// opening is a place where a number may become memory.
type opening struct {
	in    string // the function, or the variable, that it stands in
	how   string
	hands bool // the address is what the caller of the function, which is no method, gave
	pos   token.Pos
}

// openings finds all of them. What is in the list hands on nothing; any other function that
// hands on an address of its caller's becomes a door.
func openings(packages []*accessPackage, listed map[string]bool) (all []opening) {
	doors := map[string]bool{"ground/arch.Ptr": true, "ground/arch.Bytes": true}
	for _, p := range packages { // assembly
		for _, file := range p.files {
			for _, d := range file.Decls {
				f, ok := d.(*ast.FuncDecl)
				if !ok || f.Body != nil {
					continue
				}
				o := p.info.Defs[f.Name].(*types.Func)
				for i := range o.Signature().Params().Len() {
					if b, ok := o.Signature().Params().At(i).Type().(*types.Basic); ok && b.Kind() == types.Uintptr && !listed[nameOf(o)] {
						doors[nameOf(o)] = true
					}
				}
			}
		}
	}
	for {
		n := len(doors)
		all = nil
		for _, p := range packages {
			if slices.Contains(accessPackages, p.pkg.Path()) {
				continue
			}
			for _, file := range p.files {
				for _, o := range p.openings(file, doors) {
					if o.hands && !listed[o.in] {
						doors[o.in] = true
						continue
					}
					all = append(all, o)
				}
			}
		}
		if len(doors) == n {
			return all
		}
	}
}

func (p *accessPackage) openings(file *ast.File, doors map[string]bool) (all []opening) {
	for _, g := range file.Comments {
		for _, c := range g.List {
			if strings.HasPrefix(c.Text, "//go:linkname") {
				all = append(all, opening{in: strings.TrimPrefix(p.pkg.Path(), "skerry/kernel/") + "." + strings.Fields(c.Text)[1], how: "go:linkname", pos: c.Pos()})
			}
		}
	}
	for _, d := range file.Decls {
		in, params := strings.TrimPrefix(p.pkg.Path(), "skerry/kernel/")+".variables", map[types.Object]bool{}
		if f, ok := d.(*ast.FuncDecl); ok {
			o := p.info.Defs[f.Name].(*types.Func)
			in = nameOf(o)
			// A method may be called by another name, that of an interface.
			for i := 0; o.Signature().Recv() == nil && i < o.Signature().Params().Len(); i++ {
				if v := o.Signature().Params().At(i); isAddress(v.Type()) {
					params[v] = true
				}
			}
		}
		add := func(n ast.Node, how string, args ...ast.Expr) {
			o := opening{in: in, how: how, pos: n.Pos()}
			for _, a := range args {
				ast.Inspect(a, func(n ast.Node) bool {
					if id, ok := n.(*ast.Ident); ok && params[p.info.Uses[id]] {
						o.hands = true
					}
					return true
				})
			}
			all = append(all, o)
		}
		called := map[*ast.Ident]bool{}
		ast.Inspect(d, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				fun := ast.Unparen(n.Fun)
				if tv := p.info.Types[fun]; tv.IsType() && len(n.Args) == 1 {
					from, to := p.info.Types[n.Args[0]].Type, tv.Type
					if pointer, ok := to.Underlying().(*types.Pointer); ok && isUnsafe(from) && holdsPointers(pointer.Elem()) {
						add(n, "pointer to pointers", n.Args[0])
					}
					if isUnsafe(to) && !isUnsafe(from) && isAddress(from) {
						add(n, "unsafe.Pointer", n.Args[0])
					}
					return true
				}
				if id := last(fun); id != nil {
					if o := p.info.Uses[id]; o != nil && p.opens(o, doors) {
						called[id] = true
						add(n, shortName(o), n.Args...)
					}
				}
			case *ast.Ident: // a door that is not called here is handed to somebody
				if o := p.info.Uses[n]; o != nil && !called[n] && p.opens(o, doors) {
					add(n, shortName(o)+", not called")
				}
			}
			return true
		})
	}
	return all
}

func isUnsafe(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Kind() == types.UnsafePointer
}

// last is the name of the function in a call.
func last(fun ast.Expr) *ast.Ident {
	switch f := fun.(type) {
	case *ast.Ident:
		return f
	case *ast.SelectorExpr:
		return f.Sel
	case *ast.IndexExpr:
		return last(f.X)
	}
	return nil
}

func shortName(o types.Object) string {
	if f, ok := o.(*types.Func); ok {
		return nameOf(f)
	}
	return "unsafe." + o.Name()
}

func (p *accessPackage) opens(o types.Object, doors map[string]bool) bool {
	switch o := o.(type) {
	case *types.Builtin:
		return slices.Contains([]string{"Add", "Slice", "String"}, o.Name())
	case *types.Func:
		f := o.Origin()
		if f.Pkg() != nil && f.Pkg().Path() == "reflect" {
			return slices.Contains([]string{"NewAt", "SetPointer"}, f.Name())
		}
		return doors[nameOf(f)]
	}
	return false
}

func TestUserMemoryHasOneDoor(t *testing.T) {
	fset := token.NewFileSet()
	listed, used := map[string]bool{}, map[string]bool{}
	for _, l := range accessList {
		for _, name := range strings.Fields(l.names) {
			if listed[name] {
				t.Errorf("%s is in the list twice", name)
			}
			listed[name] = true
		}
	}
	packages, imp := kernelPackages(t, fset)
	if len(packages) < 40 {
		t.Errorf("only %d packages were looked at", len(packages))
	}
	for _, o := range openings(packages, listed) {
		used[o.in] = true
		if !listed[o.in] {
			t.Errorf("%v: %s, by %s: a number may become memory here. The program's memory is reached through kernel/usermem; if no address of the program's comes here, say why in access_list_test.go", fset.Position(o.pos), o.in, o.how)
		}
	}
	for name := range listed {
		if !used[name] {
			t.Errorf("%s is in the list of access_list_test.go, but there is no such place any more", name)
		}
	}

	// The rule finds what it is there to find, and nothing in what is harmless.
	file, err := parser.ParseFile(fset, "sample.go", accessSample, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, o := range openings(append(packages, checkAccess(t, fset, imp, "skerry/kernel/sample", []*ast.File{file})), map[string]bool{"sample.audited": true}) {
		if name, ok := strings.CutPrefix(o.in, "sample."); ok {
			found = append(found, name+": "+o.how)
		}
	}
	slices.Sort(found)
	if want := strings.Split(accessFound, "\n"); !slices.Equal(found, want) {
		t.Errorf("in the sample:\n%s", strings.Join(found, "\n"))
	}
}

// accessSample has a function for each way around usermem.
const accessSample = `package sample

import (
	"reflect"
	"unsafe"

	"skerry/kernel/ground/arch"
	"skerry/kernel/usermem"
)

type call struct{ arg [6]uint64 }

func direct(c *call) uint64           { return arch.Load64(uintptr(c.arg[0])) }
func view(c *call) []byte             { return arch.Bytes(uintptr(c.arg[0]), 8) }
func converted(c *call) byte          { return *(*byte)(unsafe.Pointer(uintptr(c.arg[0]))) }
func disguised(c *call) byte          { return **(**byte)(unsafe.Pointer(&c.arg[0])) }
func added(c *call) unsafe.Pointer    { return unsafe.Add(nil, c.arg[0]) }
func made(c *call) reflect.Value      { return reflect.NewAt(reflect.TypeOf(0), nil) }
func helper(at uintptr) byte          { return arch.Load8(at + 1) }
func helped(c *call) byte             { return helper(uintptr(c.arg[0])) }
func handed(f func(uintptr) byte)     {}
func hands()                          { handed(helper) }
func bodyless(at uintptr) byte
func calls(c *call) byte              { return bodyless(uintptr(c.arg[0])) }
func audited(at uintptr) byte         { return arch.Load8(at) }
func harmless(c *call) byte           { return audited(uintptr(c.arg[0])) }
func (c *call) method(at uintptr) byte { return arch.Load8(at) }

var kept = arch.Load8

//go:linkname linked runtime.linked
func linked()

func right(c *call) (v uint64) {
	usermem.In(&v, uintptr(c.arg[0]))
	return v + *(*uint64)(unsafe.Pointer(&c.arg[1]))
}
`

const accessFound = `added: unsafe.Add
audited: ground/arch.Load8
call.method: ground/arch.Load8
calls: sample.bodyless
converted: unsafe.Pointer
direct: ground/arch.Load64
disguised: pointer to pointers
hands: sample.helper, not called
helped: sample.helper
linked: go:linkname
made: reflect.NewAt
variables: ground/arch.Load8, not called
view: ground/arch.Bytes`
