package loader

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"skerry/kernel/abi"
)

// linuxProcess is what the host's kernel made of a program, before its first
// instruction.
type linuxProcess struct {
	maps []linuxMap
	auxv map[uint64]uint64
}

type linuxMap struct {
	lo, hi, off uint64
	prot        string
	path        string
}

// onLinux starts a program, stopped by ptrace(2), and reads what /proc says.
func onLinux(path string) (*linuxProcess, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command(path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	pid := cmd.Process.Pid
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil || !ws.Stopped() {
		return nil, fmt.Errorf("not stopped: %#x, %v", ws, err)
	}
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	auxv, err := os.ReadFile(fmt.Sprintf("/proc/%d/auxv", pid))
	if err != nil {
		return nil, err
	}
	p := &linuxProcess{auxv: map[uint64]uint64{}}
	for _, line := range strings.Split(strings.TrimSpace(string(maps)), "\n") {
		var m linuxMap
		var dev string
		var ino uint64
		if n, _ := fmt.Sscanf(line, "%x-%x %s %x %s %d %s", &m.lo, &m.hi, &m.prot, &m.off, &dev, &ino, &m.path); n < 6 {
			return nil, fmt.Errorf("maps: %q", line)
		}
		p.maps = append(p.maps, m)
	}
	for ; len(auxv) >= 16; auxv = auxv[16:] {
		p.auxv[le.Uint64(auxv)] = le.Uint64(auxv[8:])
	}
	return p, nil
}

// resolved is a path as /proc/pid/maps shows it.
func resolved(path string) string {
	if p, err := filepath.EvalSymlinks(path); err == nil {
		return p
	}
	return path
}

// TestSameAsLinux compares plan and auxiliary vector with what Linux does with
// the same file.
func TestSameAsLinux(t *testing.T) {
	l := &someLayout
	for name, path := range programs(t) {
		host, err := onLinux(path)
		if err != nil {
			t.Skipf("cannot look at a process here: %v", err)
		}
		f, _ := openHost(path)
		p, e := Load(f, openHost, l)
		if e != nil {
			t.Errorf("%s: %v", name, e)
			continue
		}
		img, _ := Parse(f)
		bias := uint64(0)
		if img.PositionIndependent {
			bias = host.auxv[atEntry] - img.Entry
			if align := bias & (img.Align - 1); align != 0 {
				t.Logf("%s: this Linux does not align", name)
			}
		}
		// Our address of a place in the program or the interpreter.
		ours := func(addr uint64, interp bool) uint64 {
			if interp {
				return addr - host.auxv[atBase] + uint64(p.Base)
			}
			return addr - bias + uint64(p.Entry) - img.Entry
		}
		// Linux makes one of two mappings that go on in memory and in the file.
		var got, want []linuxMap
		add := func(list []linuxMap, m linuxMap) []linuxMap {
			if n := len(list) - 1; n >= 0 {
				if last := &list[n]; last.hi == m.lo && last.prot == m.prot && last.off+last.hi-last.lo == m.off {
					last.hi = m.hi
					return list
				}
			}
			return append(list, m)
		}
		for _, m := range host.maps {
			program := m.path == path
			interp := p.Interp != "" && !program && m.path == resolved(p.Interp)
			if program || interp {
				want = add(want, linuxMap{ours(m.lo, interp), ours(m.hi, interp), m.off, m.prot, ""})
			}
		}
		for i := range p.Mappings {
			if m := &p.Mappings[i]; m.File != nil {
				prot := [...]string{"---p", "r--p", "-w-p", "rw-p", "--xp", "r-xp"}[m.Prot]
				got = add(got, linuxMap{uint64(m.Addr), uint64(m.Addr) + uint64(m.Len), m.Off, prot, ""})
			}
		}
		// Linux lists by address, the plan has the program first: the program lies
		// below the interpreter in either.
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n%x\nLinux, moved there:\n%x", name, got, want)
		}
		st, e := NewStack(&Start{Path: path, CPU: CPU{MinSignalStack: 1}, StackLimit: DefaultStack}, p, l)
		if e != nil {
			t.Fatal(e)
		}
		aux := map[uint64]uint64{}
		for b := st.Auxv; len(b) > 0; b = b[16:] {
			aux[le.Uint64(b)] = le.Uint64(b[8:])
		}
		for kind, v := range host.auxv {
			mine, ok := aux[kind]
			switch kind {
			case 27, 28: // rseq, which there is not
				if ok {
					t.Errorf("%s: auxv %d is there", name, kind)
				}
				continue
			case atPhdr, atEntry:
				v = ours(v, false)
			case atBase:
				if v != 0 {
					v = ours(v, true)
				}
			case atPhent, atPhnum, atPagesz, atFlags, atClktck, atSecure, atNull:
			default: // addresses, the machine, the user
				v = mine
			}
			if !ok || mine != v {
				t.Errorf("%s: auxv %d is %#x, on Linux %#x", name, kind, mine, v)
			}
		}
		for kind := range aux {
			if _, ok := host.auxv[kind]; !ok {
				t.Errorf("%s: auxv %d is not on Linux", name, kind)
			}
		}
	}
}

// TestLimitsOfArguments finds how much Linux lets a program start with, and
// compares: the last byte that fits and the first that does not.
func TestLimitsOfArguments(t *testing.T) {
	path, err := exec.LookPath("true")
	if err != nil {
		t.Skip("no program to start")
	}
	var rlim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_STACK, &rlim); err != nil {
		t.Fatal(err)
	}
	p, e := Load(sample().file(), errNoFile, &someLayout)
	if e != nil {
		t.Fatal(e)
	}
	ours := func(args, env []string) bool {
		_, e := NewStack(&Start{Args: args, Env: env, Path: path, StackLimit: rlim.Cur}, p, &someLayout)
		if e != nil && e.Errno != abi.E2BIG {
			t.Fatal(e)
		}
		return e == nil
	}
	linux := func(args, env []string) bool {
		cmd := exec.Cmd{Path: path, Args: args, Env: env}
		if env == nil {
			cmd.Env = []string{}
		}
		err := cmd.Run()
		if err != nil && !errors.Is(err, syscall.E2BIG) {
			t.Fatal(err)
		}
		return err == nil
	}
	for _, c := range []struct {
		name string
		make func(n int) (args, env []string)
		max  int
	}{
		{"one argument", func(n int) ([]string, []string) { return []string{"a", strings.Repeat("x", n)}, nil }, 200 << 10},
		{"one variable", func(n int) ([]string, []string) { return []string{"a"}, []string{"V=" + strings.Repeat("x", n)} }, 200 << 10},
		{"long arguments", func(n int) ([]string, []string) {
			args := []string{"a"}
			for ; n > 0; n -= 100_000 {
				args = append(args, strings.Repeat("x", min(n, 100_000)))
			}
			return args, nil
		}, 7 << 20},
		{"short arguments", func(n int) ([]string, []string) {
			args := make([]string, n+1)
			for i := range args {
				args[i] = "x"
			}
			return args, []string{"A=b"}
		}, 1 << 20},
	} {
		lo, hi := 0, c.max // fits, does not
		if ours(c.make(hi)) {
			t.Errorf("%s: %d fit", c.name, hi)
			continue
		}
		for hi-lo > 1 {
			if mid := (lo + hi) / 2; ours(c.make(mid)) {
				lo = mid
			} else {
				hi = mid
			}
		}
		if !linux(c.make(lo)) || linux(c.make(hi)) {
			t.Errorf("%s: %d fit here; Linux takes %d: %v, %d: %v", c.name, lo, lo, linux(c.make(lo)), hi, linux(c.make(hi)))
		}
		t.Logf("%s: %d", c.name, lo)
	}
}
