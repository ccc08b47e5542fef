package known

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"slices"

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

// ShellMarks is by what Shell knows shells: an image whose program was looked at by other
// marks is another one.
func ShellMarks() string { return fmt.Sprintf("%v, not %v", shells, notShells) }

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
	var list []text
	for i := range marks {
		list = append(list, marks[i].texts()...)
	}
	for _, n := range not {
		list = append(list, text{n, false})
	}
	found := scan(r, limit, list)
	for i := range marks {
		if !marks[i].in(found) {
			continue
		}
		for _, n := range not {
			if found[text{n, false}] {
				return ""
			}
		}
		return marks[i].name
	}
	return ""
}

// text is what is looked for in a program: anywhere, or with a NUL on both sides.
type text struct {
	s    string
	word bool
}

func (m *mark) texts() (list []text) {
	for _, s := range m.any {
		list = append(list, text{s, false})
	}
	for _, s := range append(slices.Clone(m.rare), m.common...) {
		list = append(list, text{s, true})
	}
	return list
}

// in reports whether a program in which these texts were found has the mark.
func (m *mark) in(found map[text]bool) bool {
	for _, s := range m.any {
		if found[text{s, false}] {
			return true
		}
	}
	words := func(list []string) (n int) {
		for _, s := range list {
			if found[text{s, true}] {
				n++
			}
		}
		return n
	}
	rare := words(m.rare)
	return rare > 0 && (rare >= m.many || words(m.common) >= m.manyMore)
}

// windowSize is how much of a program is looked at at a time, in bytes: it stays in the
// processor's cache while every text is looked for.
const windowSize = 256 << 10

// scan says which texts of list stand in what an ELF file has in its segments; none if
// that is more than limit.
func scan(r io.ReaderAt, limit uint64, list []text) map[text]bool {
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
	keep := 0 // of a window, for the next one: a text may begin in it
	for _, t := range list {
		keep = max(keep, len(t.s)+1)
	}
	found := map[text]bool{}
	window := make([]byte, keep+windowSize+1)
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD {
			continue
		}
		// A segment has a NUL on both sides.
		clear(window[:keep])
		for at, left := int64(0), int64(p.Filesz); left > 0; {
			n, _ := p.ReadAt(window[keep:keep+int(min(left, windowSize))], at)
			at, left = at+int64(n), left-int64(n)
			end := keep + n
			if n == 0 || left == 0 {
				window[end] = 0
				end, left = end+1, 0
			}
			for _, t := range list {
				if !found[t] && t.in(window[:end]) {
					found[t] = true
				}
			}
			copy(window, window[end-keep:end])
		}
	}
	return found
}

func (t text) in(b []byte) bool {
	if !t.word {
		return bytes.Contains(b, []byte(t.s))
	}
	// NULs are what is most frequent in a program, so it is not them that are looked for.
	for {
		i := bytes.Index(b, []byte(t.s))
		if i < 0 {
			return false
		}
		if i > 0 && b[i-1] == 0 && i+len(t.s) < len(b) && b[i+len(t.s)] == 0 {
			return true
		}
		b = b[i+1:]
	}
}
