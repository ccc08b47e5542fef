package known

import (
	"bytes"
	"debug/elf"
	"io"

	"skerry/image/dynlink"
)

// maxShell and maxInterpreter are the bytes that a program may have to be looked at: more
// than any of the shells, and of the interpreters, has. Every program that is run is
// looked at for the first, so it has to be quick.
const (
	maxShell       = 16 << 20
	maxInterpreter = 256 << 20
)

// A mark is what programs of one kind have in them.
type mark struct {
	name string
	// any of these is enough, as it stands.
	any []string
	// or this many of rare, each with a NUL on both sides, as a name in a table is.
	rare []string
	many int
	// or one of rare and this many of common.
	common   []string
	manyMore int
}

// shells are told by the names of commands that only a shell has itself, since POSIX
// asks for them, or by what they say of themselves. Of a thousand other programs of a
// distribution only make has two of these names.
var shells = []mark{
	{name: "busybox", any: []string{"multi-call binary that combines many common Unix", "BusyBox is a multi-call binary"}},
	{name: "toybox", any: []string{"toybox [--long | --help | --version | [COMMAND] [ARGUMENTS...]]", "see toybox --help"}},
	{name: "sash", any: []string{"Stand-alone shell (version"}},
	{name: "fish", any: []string{wide("fish_func")}}, // all of its strings are wide
	{name: "elvish", any: []string{"src.elv.sh/pkg/eval"}},
	{name: "a shell in Go", any: []string{"mvdan.cc/sh/v3/interp.(*Runner)"}},
	{name: "a shell", rare: []string{"unalias", "getopts", "breaksw", "onintr"}, many: 2, common: []string{"ulimit", "umask", "readonly"}, manyMore: 2},
}

// notShells are programs that have a shell's names for another reason: make knows which
// commands it has to leave to one.
var notShells = []string{"GNU Make"}

// interpreters are told by what they read from the environment, or by what they export or
// need from their library.
var interpreters = []mark{
	{name: "Python", any: []string{"\x00PYTHONHOME\x00", "\x00Py_BytesMain\x00"}},
	{name: "Perl", any: []string{"\x00PERL5LIB\x00", "\x00perl_parse\x00"}},
	{name: "Ruby", any: []string{"\x00RUBYLIB\x00", "\x00ruby_run_node\x00"}},
	{name: "Node.js", any: []string{"\x00NODE_OPTIONS\x00"}},
	{name: "PHP", any: []string{"\x00php_execute_script\x00", "\x00PHP_INI_SCAN_DIR\x00"}},
	{name: "Lua", any: []string{"\x00LUA_INIT\x00", "=LUA_INIT\x00"}},
	{name: "Tcl", any: []string{"\x00Tcl_MainEx\x00", "\x00Tcl_Main\x00"}},
	{name: "Java", any: []string{"\x00JLI_Launch\x00"}},
	{name: "Guile", any: []string{"\x00scm_shell\x00"}},
	{name: "awk", any: []string{"\x00AWKPATH\x00", "\x00POSIXLY_CORRECT\x00getline\x00", "mawk: "}},
}

// wide is ASCII text as C's wchar_t has it on Linux.
func wide(s string) string {
	var b []byte
	for _, c := range []byte(s) {
		b = append(b, c, 0, 0, 0)
	}
	return string(b)
}

// Shell says which shell the ELF file r is, whatever its name, or "". It looks at what is
// loaded into memory; a shell that is packed, or whose strings are hidden, is not found.
func Shell(r io.ReaderAt) string { return match(r, maxShell, shells, notShells) }

// Interpreter says of which language the ELF file r is an interpreter, or "".
func Interpreter(r io.ReaderAt) string { return match(r, maxInterpreter, interpreters, nil) }

func match(r io.ReaderAt, limit uint64, marks []mark, not []string) string {
	b := loaded(r, limit)
	for _, m := range marks {
		if !m.in(b) {
			continue
		}
		for _, n := range not {
			if bytes.Contains(b, []byte(n)) {
				return ""
			}
		}
		return m.name
	}
	return ""
}

func (m *mark) in(b []byte) bool {
	for _, a := range m.any {
		if bytes.Contains(b, []byte(a)) {
			return true
		}
	}
	rare := words(b, m.rare)
	return rare > 0 && (rare >= m.many || words(b, m.common) >= m.manyMore)
}

// words counts which of list stand in b between NULs.
func words(b []byte, list []string) (n int) {
	for _, w := range list {
		if word(b, w) {
			n++
		}
	}
	return n
}

// word reports whether w stands in b between NULs. These are what is most frequent in a
// program, so it is not them that are looked for.
func word(b []byte, w string) bool {
	for {
		i := bytes.Index(b, []byte(w))
		if i < 0 {
			return false
		}
		if i > 0 && b[i-1] == 0 && i+len(w) < len(b) && b[i+len(w)] == 0 {
			return true
		}
		b = b[i+1:]
	}
}

// loaded is what an ELF file has in its segments, nil if that is more than limit.
func loaded(r io.ReaderAt, limit uint64) []byte {
	f, err := elf.NewFile(dynlink.NoSections(r))
	if err != nil {
		return nil
	}
	var size uint64
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			if p.Filesz > limit || size+p.Filesz > limit {
				return nil
			}
			size += p.Filesz
		}
	}
	all := make([]byte, 0, size+uint64(len(f.Progs)))
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD {
			continue
		}
		at := len(all)
		n, _ := p.ReadAt(all[at:at+int(p.Filesz)], 0)
		all = append(all[:at+n], 0)
	}
	return all
}
