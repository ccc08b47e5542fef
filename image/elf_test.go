package image

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestCheckELF(t *testing.T) {
	for name, c := range map[string]struct {
		change func(b []byte)
		why    string // "" for a good program
	}{
		"good":             {nil, ""},
		"static PIE":       {func(b []byte) { le.PutUint16(b[16:], 3) }, ""},
		"no stack header":  {func(b []byte) { b[56] = 1 }, ""},
		"broken sections":  {func(b []byte) { le.PutUint64(b[0x28:], 1<<60); le.PutUint16(b[0x3c:], 77) }, ""},
		"bss":              {func(b []byte) { putSegment(b[64:], 1, 5, 0, 0x400000, 0x2000, 0x900000) }, ""},
		"magic":            {func(b []byte) { b[0] = 0 }, "is not an ELF program"},
		"script":           {func(b []byte) { copy(b, "#!/bin/sh -e\n") }, `is a script for "/bin/sh -e"`},
		"archive":          {func(b []byte) { copy(b, "!<arch>\n") }, "archive"},
		"windows":          {func(b []byte) { copy(b, "MZ") }, "Windows"},
		"macos":            {func(b []byte) { copy(b, "\xcf\xfa\xed\xfe") }, "macOS"},
		"32 bit":           {func(b []byte) { b[4] = 1; b[18] = 3 }, "32-bit"},
		"arm":              {func(b []byte) { b[18] = 183 }, "another processor (aarch64)"},
		"big endian":       {func(b []byte) { b[5] = 2 }, "another processor"},
		"object":           {func(b []byte) { b[16] = 1 }, "object file"},
		"core":             {func(b []byte) { b[16] = 4 }, "core dump"},
		"type":             {func(b []byte) { b[16] = 9 }, "unknown type"},
		"phentsize":        {func(b []byte) { b[54] = 1 }, "damaged"},
		"phoff":            {func(b []byte) { b[0x20+6] = 0xff }, "damaged"},
		"phnum":            {func(b []byte) { b[56], b[57] = 0xff, 0xff }, "damaged"},
		"executable stack": {func(b []byte) { b[124] = 7 }, "executable stack"},
		"dynamic": {func(b []byte) {
			putSegment(b[120:], 3, 4, 0x1000, 0, 19, 19)
			copy(b[0x1000:], "/lib64/ld-linux.so\x00")
		}, ""},
		"interp outside": {func(b []byte) { putSegment(b[120:], 3, 4, 1<<40, 0, 1<<50, 20) }, "interpreter is not an absolute path"},
		"library": {func(b []byte) {
			le.PutUint16(b[16:], 3)
			le.PutUint64(b[24:], 0)
			putSegment(b[120:], 2, 6, 0, 0, 0, 0)
		}, "shared library"},
		"text relocations": {func(b []byte) { putDynamic(b, 22, 0) }, "(DT_TEXTREL), which no machine allows (build all of it with -fPIE"},
		"text flag":        {func(b []byte) { le.PutUint16(b[16:], 3); putDynamic(b, 30, 4) }, "DT_TEXTREL"},
		"other flags":      {func(b []byte) { putDynamic(b, 30, 0xfb) }, ""},
		"behind the end":   {func(b []byte) { putDynamic(b, 0, 0); le.PutUint64(b[0x1110:], 22) }, ""},
		"dynamic long":     {func(b []byte) { putDynamic(b, 22, 0); le.PutUint64(b[152:], 64<<10+1) }, "dynamic section is too long"},
		"dynamic outside":  {func(b []byte) { putDynamic(b, 22, 0); le.PutUint64(b[128:], 0x1ff1) }, "dynamic section lies behind its end"},
		"headers":          {func(b []byte) { b[56] = 129 }, "129 program headers"},
		"big-endian":       {func(b []byte) { b[5] = 2 }, "big-endian"},
		"FreeBSD":          {func(b []byte) { b[7] = 9 }, "another system (FREEBSD)"},
		"entry":            {func(b []byte) { le.PutUint64(b[24:], 0x402000) }, "starts outside of its code"},
		"entry in data":    {func(b []byte) { b[68] = 6 }, "starts outside of its code"},
		"no load":          {func(b []byte) { b[64] = 0 }, "anything to load"},
		"truncated":        {func(b []byte) { putSegment(b[64:], 1, 5, 0, 0x400000, 0x2001, 0x2001) }, "truncated"},
		"offset huge":      {func(b []byte) { putSegment(b[64:], 1, 5, 1<<62, 0x400000, 0x2000, 0x2000) }, "truncated"},
		"filesz over":      {func(b []byte) { putSegment(b[64:], 1, 5, 0, 0x400000, 0x2000, 0x1000) }, "impossible size"},
		"address kernel":   {func(b []byte) { putSegment(b[64:], 1, 5, 0, 0xffffffff80000000, 0x2000, 0x2000) }, "impossible size or address"},
		"address wraps":    {func(b []byte) { putSegment(b[64:], 1, 5, 0, 0x400000, 0x2000, 1<<63) }, "impossible size or address"},
		"writable code":    {func(b []byte) { b[68] = 7 }, "writable and executable"},
	} {
		b := elfFile(c.change)
		err := checkELF(bytes.NewReader(b), int64(len(b)), "./x")
		if c.why == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err == nil || !strings.HasPrefix(err.Error(), "./x: ") || !strings.Contains(err.Error(), c.why) || Status(err) != StatusCannotRun {
			t.Errorf("%s: got %v, want %s", name, err, c.why)
		}
	}
	good := elfFile(nil)
	for n := range len(good) {
		if err := checkELF(bytes.NewReader(good[:n]), int64(n), "x"); err == nil {
			t.Fatalf("the first %d of %d bytes accepted", n, len(good))
		}
	}
}

// putDynamic gives a program a dynamic section of one entry, in the place of its
// PT_GNU_STACK.
func putDynamic(b []byte, tag, value uint64) {
	putSegment(b[120:], 2, 6, 0x1100, 0x401100, 32, 32)
	le.PutUint64(b[0x1100:], tag)
	le.PutUint64(b[0x1108:], value)
}

func FuzzCheckELF(f *testing.F) {
	f.Add(elfFile(nil)[:200])
	f.Fuzz(func(t *testing.T, b []byte) { checkELF(bytes.NewReader(b), int64(len(b)), "x") })
}

func TestCheckELFRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(13, 14))
	good := elfFile(nil)
	accepted := 0
	for range 20000 {
		b := bytes.Clone(good)
		for n := 1 + rnd.IntN(4); n > 0; n-- {
			b[rnd.IntN(176)] = byte(rnd.Uint32()) | byte(rnd.Uint32())
		}
		if checkELF(bytes.NewReader(b), int64(len(b)), "x") == nil {
			accepted++
		}
	}
	if accepted == 0 || accepted == 20000 {
		t.Errorf("%d accepted", accepted)
	}
}

func TestCheckProgram(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	suid := put(t, dir, "suid", elfFile(nil), 0o755)
	if err := os.Chmod(suid, 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	for path, c := range map[string]struct {
		status int
		why    string
	}{
		put(t, dir, "good", elfFile(nil), 0o755):   {0, ""},
		put(t, dir, "plain", elfFile(nil), 0o644):  {StatusCannotRun, "not marked executable (chmod +x"},
		put(t, dir, "empty", nil, 0o755):           {StatusCannotRun, "is empty"},
		put(t, dir, "text", []byte("hi\n"), 0o644): {StatusCannotRun, "is not an ELF program"},
		filepath.Join(dir, "none"):                 {StatusNotFound, "no such file"},
		dir:                                        {StatusCannotRun, "is a directory"},
		fifo:                                       {StatusCannotRun, "not a regular file"},
		"/dev/null":                                {StatusCannotRun, "not a regular file"},
		suid:                                       {StatusCannotRun, "setuid"},
	} {
		err := CheckProgram(path, "prog")
		if c.status == 0 {
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
		} else if err == nil || Status(err) != c.status || !strings.Contains(err.Error(), c.why) || !strings.HasPrefix(err.Error(), "prog: ") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestRealPrograms checks what compilers really make.
func TestRealPrograms(t *testing.T) {
	if testing.Short() {
		t.Skip("runs compilers")
	}
	dir := t.TempDir()
	c := put(t, dir, "m.c", []byte("int main(void){return 0;}\n"), 0o600)
	try := func(want string, tool string, args ...string) {
		t.Helper()
		if _, err := exec.LookPath(tool); err != nil {
			t.Logf("%s is not installed: not tried", tool)
			return
		}
		out := filepath.Join(dir, "out")
		os.Remove(out)
		cmd := exec.Command(tool, append(args, "-o", out, c)...)
		if b, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", cmd.Args, err, b)
			return
		}
		err := CheckProgram(out, "out")
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v: %v, want %q", cmd.Args, err, want)
		}
	}
	try("", "gcc", "-static")
	try("", "gcc", "-static-pie")
	try("", "musl-gcc", "-static")
	try("", "gcc")
	try("", "musl-gcc")
	try("shared library", "gcc", "-shared", "-fPIC", "-nostdlib")
	try("object file", "gcc", "-c")
	try("executable stack", "gcc", "-static", "-z", "execstack")
	for _, path := range []string{"/bin/true", "/proc/self/exe"} {
		if err := CheckProgram(path, path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
