package ground_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// groundPackages are the packages whose code may run in ground context.
var groundPackages = []string{
	"skerry/kernel/ground.",
	"skerry/kernel/ground/arch.",
	"skerry/kernel/ground/frame.",
}

// allowed are the calls out of them that may stay: bounds and division checks
// and stack overflow, which with a fake g all end in a register dump.
var allowed = regexp.MustCompile(`^runtime\.(panicBounds|panicIndex\w*|panicSlice\w*|panicdivide|panicoverflow|panicshift|panicunsafeslice\w+|morestack\w*|goPanic\w*)(\.abi0)?$`)

// TestNoRuntimeCalls disassembles a kernel and fails on any call from ground's
// packages to anything else: no allocation, no write barrier, no copying helper.
func TestNoRuntimeCalls(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a kernel")
	}
	bin := filepath.Join(t.TempDir(), "kernel")
	build := exec.Command("go", "build", "-trimpath", "-o", bin,
		"-ldflags", "-T -0x7fdff000 -E skerry/kernel/ground.entry", "skerry/kernel/ground/boottest")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOAMD64=v1", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command("go", "tool", "objdump", "-s", "skerry/kernel/ground", bin).Output()
	if err != nil {
		t.Fatal(err)
	}
	call := regexp.MustCompile(`\bCALL ([^\s(]+)\(SB\)`)
	fn, ours, funcs := "", false, 0
	s := bufio.NewScanner(bytes.NewReader(out))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		line := s.Text()
		if name, ok := strings.CutPrefix(line, "TEXT "); ok {
			fn, _, _ = strings.Cut(name, "(SB)")
			ours = inGround(fn)
			if ours {
				funcs++
			}
			continue
		}
		if !ours {
			continue
		}
		if m := call.FindStringSubmatch(line); m != nil && !inGround(m[1]) && !allowed.MatchString(m[1]) {
			t.Errorf("%s calls %s", fn, m[1])
		}
	}
	if funcs < 100 {
		t.Fatalf("only %d ground functions found: the test looks at the wrong thing", funcs)
	}
}

func inGround(fn string) bool {
	if !strings.Contains(fn, ".") {
		return true // a symbol local to an assembly file
	}
	for _, p := range groundPackages {
		if strings.HasPrefix(fn, p) {
			return true
		}
	}
	return false
}
