package loader

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/ground/arch"
	"skerry/kernel/vdso"
	"skerry/kernel/vdso/vdsotest"
)

// The tests below load real programs with this package into a process of the
// host and jump to them: a C library, a dynamic linker and the Go runtime then
// judge the mappings, the stack and the vDSO. The host's kernel serves their
// system calls.

// skew is how far the vDSO's wall clock is off, so that its answers can be told
// from the kernel's.
const skew = 1000 * 24 * time.Hour

// hostFile is a File of the host.
type hostFile struct {
	*os.File
	size int64
}

func openHost(path string) (File, abi.Errno) {
	f, err := os.Open(path)
	if err != nil {
		return nil, abi.ENOENT
	}
	st, err := f.Stat()
	if err != nil {
		return nil, abi.EIO
	}
	return hostFile{f, st.Size()}, abi.OK
}

func (h hostFile) Size() int64 { return h.size }

func (h hostFile) ReadAt(b []byte, off int64) (int, abi.Errno) {
	n, err := syscall.Pread(int(h.Fd()), b, off)
	if err != nil {
		return 0, abi.EIO
	}
	return n, abi.OK
}

// hostSpace makes mappings in this process.
type hostSpace struct{ sealed []Range }

func mapHost(addr, n uintptr, prot uint32, flags, fd int, off uint64) abi.Errno {
	_, err := vdsotest.Mmap(addr, n, int(prot), flags|vdsotest.MapFixedNoReplace, fd, int64(off))
	if errno, ok := err.(syscall.Errno); ok {
		return abi.Errno(errno)
	}
	return abi.OK
}

func (h *hostSpace) MapFile(f File, addr, n uintptr, prot uint32, off uint64) abi.Errno {
	return mapHost(addr, n, prot, syscall.MAP_PRIVATE, int(f.(hostFile).Fd()), off)
}

func (h *hostSpace) MapAnon(addr, n uintptr, prot uint32) abi.Errno {
	return mapHost(addr, n, prot, syscall.MAP_PRIVATE|syscall.MAP_ANON, -1, 0)
}

func (h *hostSpace) Zero(addr, n uintptr) abi.Errno {
	clear(vdsotest.At(addr, int(n)))
	return abi.OK
}

func (h *hostSpace) Seal(addr, n uintptr) abi.Errno {
	h.sealed = append(h.sealed, Range{addr, addr + n})
	return abi.OK
}

// becomeProgram is the child: with LOADER_RUN set, this process turns into that
// program, with the arguments and the environment below.
func becomeProgram() {
	path := os.Getenv("LOADER_RUN")
	if path == "" {
		return
	}
	runtime.LockOSThread()
	fail := func(what string, v any) {
		fmt.Fprintln(os.Stderr, "loader test:", what, v)
		os.Exit(99)
	}
	program, errno := openHost(path)
	if errno != abi.OK {
		fail("open", errno)
	}
	l, object := hostLayout(fail)
	startClock(vdso.At(object.Data))
	p, e := Load(program, openHost, l)
	if e != nil {
		fail("load", e)
	}
	space := &hostSpace{}
	if e := p.Apply(space); e != nil {
		fail("apply", e)
	}
	_, _, _, hwcap := arch.CPUID(1, 0)
	st, e := NewStack(&Start{
		Args: []string{"argument zero", "", "two words", strings.Repeat("x", 100_000)},
		Env:  []string{"HOME=/", "EMPTY=", "LANG=C"}, Path: path, Random: [16]byte([]byte("0123456789abcdef")),
		CPU: CPU{HWCAP: uint64(hwcap), HWCAP2: HWCAP2FSGSBase, MinSignalStack: 3376}, StackLimit: DefaultStack,
	}, p, l)
	if e != nil {
		fail("stack", e)
	}
	copy(vdsotest.At(st.SP, len(st.Bytes)), st.Bytes)
	fmt.Printf("start phdr %d phnum %d base %d entry %d vdso %d sp %d seals %d\n",
		p.Phdr, p.Phnum, p.Base, p.Entry, l.vDSO(), st.SP, len(space.sealed))

	// From here on this thread is no longer Go's: no signal may come.
	mask := ^uint64(0)
	b := le.AppendUint64(nil, mask)
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, 2, vdsotest.Addr(b), 0, 8, 0, 0)
	vdsotest.Jump(p.Start, st.SP)
}

// hostLayout draws until vDSO and stack fall on addresses that are free in this
// process, and maps them.
func hostLayout(fail func(string, any)) (*Layout, *vdsotest.Object) {
	for range 100 {
		l := Draw(rand.Uint64)
		room := StackRoom(DefaultStack)
		if mapHost(l.StackTop-room, room, ProtRead|ProtWrite, syscall.MAP_PRIVATE|syscall.MAP_ANON, -1, 0) != abi.OK {
			continue
		}
		object, err := vdsotest.MapAt(vdso.Image(), l.VDSO)
		if err != nil {
			fail("vDSO", err)
		}
		return &l, object
	}
	fail("layout", "no free addresses")
	return nil, nil
}

// startClock fills the vvar page from the host's clock.
func startClock(d *vdso.Data) {
	t0, c0 := time.Now(), arch.RDTSC()
	time.Sleep(50 * time.Millisecond)
	dt, c1 := time.Since(t0), arch.RDTSC()
	d.Init()
	var ts [16]byte
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, vdso.Monotonic, vdsotest.Addr(ts[:]), 0)
	mono := le.Uint64(ts[:])*1e9 + le.Uint64(ts[8:])
	d.Update(vdso.Base{TSC: arch.RDTSC(), Mult: uint64(dt) << 32 / (c1 - c0), Mono: mono,
		Real: uint64(time.Now().Add(skew).UnixNano()), Boot: mono})
}

// report is what a child printed: values by the words before them.
type report struct {
	start map[string]uint64
	lines []string
}

func runLoaded(t *testing.T, path string) report {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{"LOADER_RUN=" + path, "GODEBUG=asyncpreemptoff=1", "GOGC=off"}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	timer := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	out, err := cmd.Output()
	timer.Stop()
	if code := cmd.ProcessState.ExitCode(); code != 42 {
		t.Fatalf("%v, code %d, stderr %q, output:\n%.2000s", err, code, stderr.String(), out)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	r := report{start: map[string]uint64{}, lines: lines[1:]}
	words := strings.Fields(lines[0])
	for i := 1; i+1 < len(words); i += 2 {
		var v uint64
		fmt.Sscan(words[i+1], &v)
		r.start[words[i]] = v
	}
	return r
}

// find is what follows prefix in all lines that have it.
func (r report) find(prefix string) (all []string) {
	for _, l := range r.lines {
		if rest, ok := strings.CutPrefix(l, prefix); ok {
			all = append(all, rest)
		}
	}
	return all
}

func (r report) check(t *testing.T, prefix string, want ...string) {
	t.Helper()
	if got := r.find(prefix); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%q: %.300q, want %.300q", prefix, got, want)
	}
}

func TestRealPrograms(t *testing.T) {
	if testing.Short() {
		t.Skip("starts programs")
	}
	for name, path := range programs(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runLoaded(t, path)
			r.check(t, "arg ", "argument zero", "", "two words", strings.Repeat("x", 100_000))
			r.check(t, "argc ", "4")
			r.check(t, "env ", "HOME=/", "EMPTY=", "LANG=C")
			if strings.HasPrefix(name, "go") {
				var now int64
				fmt.Sscan(strings.Join(r.find("now "), ""), &now)
				if d := time.Until(time.Unix(now, 0)) - skew; d < -5*time.Second || d > 5*time.Second {
					t.Errorf("the Go program's time is %v off the vDSO's", d)
				}
				return
			}
			r.check(t, "memory ", "0 data two 77")
			r.check(t, "platform ", "x86_64")
			r.check(t, "execfn ", path)
			r.check(t, "random ", fmt.Sprintf("%x", "0123456789abcdef"))
			r.check(t, "stack ", fmt.Sprint(r.start["sp"]))
			_, _, _, hwcap := arch.CPUID(1, 0)
			for _, c := range []struct {
				kind int
				v    uint64
			}{
				{atPhdr, r.start["phdr"]}, {atPhent, 56}, {atPhnum, r.start["phnum"]}, {atPagesz, 4096},
				{atBase, r.start["base"]}, {atFlags, 0}, {atEntry, r.start["entry"]}, {atUID, 65532}, {atEUID, 65532},
				{atGID, 65532}, {atEGID, 65532}, {atHwcap, uint64(hwcap)}, {atClktck, 100}, {atSecure, 0}, {atHwcap2, 2},
				{atSysinfoEhdr, r.start["vdso"]}, {atMinsigstksz, 3376},
			} {
				if c.kind == atHwcap && !strings.HasPrefix(name, "musl") {
					continue // glibc answers a number of its own
				}
				r.check(t, fmt.Sprintf("auxv %d ", c.kind), fmt.Sprint(c.v))
			}
			var mono, real, mono2, real2 int64
			fmt.Sscan(strings.Join(r.find("clock "), ""), &mono, &real)
			fmt.Sscan(strings.Join(r.find("kernel "), ""), &mono2, &real2)
			near := func(d int64) bool { return time.Duration(d).Abs() < time.Second }
			if mono == 0 || !near(mono2-mono) || !near(real2+int64(skew)-real) {
				t.Errorf("vDSO %d %d, kernel %d %d: the C library does not use the vDSO", mono, real, mono2, real2)
			}
			if hasInterp := r.start["base"] != 0; hasInterp != strings.Contains(name, "dynamic") && name != "2 MiB pages" {
				t.Errorf("interpreter at %#x", r.start["base"])
			}
		})
	}
}
