package known

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// elfWith is an ELF file with one segment, which is loaded, and text in it.
func elfWith(text string) *bytes.Reader {
	b := make([]byte, 64+56, 64+56+len(text))
	le := binary.LittleEndian
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint16(b[16:], 2)  // ET_EXEC
	le.PutUint16(b[18:], 62) // EM_X86_64
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[32:], 64) // e_phoff
	le.PutUint16(b[52:], 64)
	le.PutUint16(b[54:], 56)
	le.PutUint16(b[56:], 1)
	p := b[64:]
	le.PutUint32(p, 1) // PT_LOAD
	le.PutUint64(p[8:], 120)
	le.PutUint64(p[32:], uint64(len(text)))
	le.PutUint64(p[40:], uint64(len(text)))
	return bytes.NewReader(append(b, text...))
}

func TestContent(t *testing.T) {
	for _, c := range []struct{ text, shell, interpreter string }{
		{"nothing", "", ""},
		{"\x00unalias\x00getopts\x00", "a shell", ""},
		{"\x00unalias\x00 \x00umask\x00ulimit\x00 ", "a shell", ""}, // a NUL may end one word and begin the next
		{"\x00unalias\x00\x00umask\x00\x00getopt\x00", "", ""},
		{"\x00getopts\x00\x00umask\x00\x00readonly\x00", "a shell", ""},
		{"see getopts and unalias, breaksw and onintr", "", ""},
		{"GNU Make\x00unalias\x00\x00getopts\x00", "", ""},
		{"BusyBox v1.35 (x)\nBusyBox is a multi-call binary that", "busybox", ""},
		{wide("fish_func") + wide("tion_path"), "fish", ""},
		{"a\x00PYTHONHOME\x00", "", "Python"},
		{"a\x00NODE_OPTIONS\x00", "", "Node.js"},
		{"PYTHONHOME and NODE_OPTIONS are not names here", "", ""},
	} {
		if got := Shell(elfWith(c.text)); got != c.shell {
			t.Errorf("%q: shell %q, want %q", c.text, got, c.shell)
		}
		if got := Interpreter(elfWith(c.text)); got != c.interpreter {
			t.Errorf("%q: interpreter %q, want %q", c.text, got, c.interpreter)
		}
	}
	for _, junk := range []string{"", "\x7fELF", "#!/bin/sh\n\x00unalias\x00getopts\x00"} {
		if got := Shell(bytes.NewReader([]byte(junk))); got != "" {
			t.Errorf("%q is %q", junk, got)
		}
	}
}

// TestWindows: a text is found wherever it lies, across two windows too, and two halves of
// it that do not meet are no text.
func TestWindows(t *testing.T) {
	const words = "\x00unalias\x00getopts\x00"
	for _, c := range []struct{ text, want string }{{words, "a shell"}, {"BusyBox is a multi-call binary", "busybox"}, {"\x00unalias\x00getoptsx", ""}} {
		for at := windowSize - len(c.text) - 2; at <= windowSize+2; at++ {
			before, after := strings.Repeat("x", at), strings.Repeat("y", 2*windowSize-at)
			for _, text := range []string{before + c.text, before + c.text + after} {
				if got := Shell(elfWith(text)); got != c.want {
					t.Fatalf("%q at %d of %d: %q", c.text, at, len(text), got)
				}
			}
		}
	}
}

// TestHostContent looks at the shells and interpreters of this host, and at programs that
// are none.
func TestHostContent(t *testing.T) {
	for _, c := range []struct{ program, shell, interpreter string }{
		{"bash", "a shell", ""}, {"dash", "a shell", ""}, {"zsh", "a shell", ""}, {"mksh", "a shell", ""}, {"ksh93", "a shell", ""}, {"tcsh", "a shell", ""},
		{"busybox", "busybox", ""}, {"toybox", "toybox", ""}, {"fish", "fish", ""}, {"elvish", "elvish", ""},
		{"/usr/bin/python3", "", "Python"}, {"perl", "", "Perl"}, {"ruby", "", "Ruby"}, {"/usr/bin/node", "", "Node.js"}, {"php", "", "PHP"}, {"tclsh", "", "Tcl"},
		{"make", "", ""}, {"ls", "", ""}, {"sed", "", ""}, {"grep", "", ""}, {"env", "", ""}, {"gcc", "", ""}, {"go", "", ""}, {"redis-server", "", ""},
		{"/usr/sbin/nginx", "", ""}, {"caddy", "", ""}, {"sqlite3", "", ""}, {"memcached", "", ""}, {"qemu-system-x86_64", "", ""}, {"git", "", ""}, {"vim", "", ""},
	} {
		path, err := exec.LookPath(c.program)
		if err != nil {
			continue
		}
		if path, err = filepath.EvalSymlinks(path); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := Shell(f); got != c.shell {
			t.Errorf("%s: shell %q, want %q", path, got, c.shell)
		}
		if got := Interpreter(f); got != c.interpreter {
			t.Errorf("%s: interpreter %q, want %q", path, got, c.interpreter)
		}
		f.Close()
	}
}

// FuzzContent: no file is too strange to be looked at.
func FuzzContent(f *testing.F) {
	for _, s := range []string{"", "\x00unalias\x00getopts\x00"} {
		b := make([]byte, 1000)
		n, _ := elfWith(s).Read(b)
		f.Add(b[:n])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		Shell(bytes.NewReader(b))
		Interpreter(bytes.NewReader(b))
	})
}
