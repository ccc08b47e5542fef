package vdso

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"skerry/kernel/ground/arch"
	"skerry/kernel/vdso/vdsotest"
)

// A tracee is a child of the test that calls one function of the object over and
// over, with a breakpoint before each call, and is stepped through it with
// ptrace(2), one instruction at a time.
type tracee struct {
	t   *testing.T
	cmd *exec.Cmd
	pid int
	// Where the child has the object, its Data page, and the results.
	base, data, out uint64
	regs            syscall.PtraceRegs
}

// The child: on its first thread, where its tracer looks.
func init() {
	name, ok := os.LookupEnv("VDSO_STEP")
	if !ok {
		return
	}
	runtime.LockOSThread()
	img := Image()
	l, err := newLinker(img)
	if err != nil {
		os.Exit(3)
	}
	m, err := vdsotest.Map(img)
	if err != nil {
		os.Exit(3)
	}
	d := At(m.Data)
	d.Init()
	d.Update(Base{TSC: arch.RDTSC(), Mult: 1 << 31, Mono: 1e9, Real: 1e18, Boot: 1e9})
	if _, _, _, dx := arch.CPUID(0x80000001, 0); dx&(1<<27) != 0 {
		d.SetTSCAux()
	}
	off, err := l.find(prefix + name)
	if err != nil {
		os.Exit(3)
	}
	out := vdsotest.Addr(m.Out)
	a0, a1 := out, out+16
	if strings.HasPrefix(name, "clock_") {
		a0, a1 = Monotonic, out
	}
	fmt.Println(m.Base, m.Data, out)
	for {
		runtime.Breakpoint()
		vdsotest.Call(m.Base+uintptr(off), a0, a1, 0)
	}
}

// trace starts a child for a function and stops before the first call. The test
// stays on this thread, which is the tracer.
func trace(t *testing.T, name string) *tracee {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c := &tracee{t: t, cmd: exec.Command(os.Args[0], "-test.run=^$")}
	c.cmd.Env = append(os.Environ(), "VDSO_STEP="+name, "GODEBUG=asyncpreemptoff=1", "GOGC=off")
	c.cmd.Stdout = w
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL}
	err = c.cmd.Start()
	w.Close()
	if err != nil {
		t.Skipf("no tracing here: %v", err)
	}
	t.Cleanup(func() {
		c.cmd.Process.Kill()
		c.cmd.Wait()
	})
	c.pid = c.cmd.Process.Pid
	c.wait() // stopped by execve
	c.toBreakpoint()
	var line [100]byte
	n, err := r.Read(line[:])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(line[:n]), &c.base, &c.data, &c.out); err != nil {
		t.Fatalf("%q: %v", line[:n], err)
	}
	return c
}

func (c *tracee) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// wait waits for the child's next stop and answers the signal.
func (c *tracee) wait() syscall.Signal {
	c.t.Helper()
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(c.pid, &ws, syscall.WALL, nil); err != nil || !ws.Stopped() {
		c.t.Fatalf("the child ended: %#x, %v", ws, err)
	}
	return ws.StopSignal()
}

// toBreakpoint lets the child run to its next breakpoint.
func (c *tracee) toBreakpoint() {
	c.t.Helper()
	for sig := syscall.Signal(0); ; {
		c.must(syscall.PtraceCont(c.pid, int(sig)))
		if sig = c.wait(); sig == syscall.SIGTRAP {
			return
		}
	}
}

// step executes one instruction and reads the registers.
func (c *tracee) step() {
	c.t.Helper()
	for {
		c.must(syscall.PtraceSingleStep(c.pid))
		if c.wait() == syscall.SIGTRAP {
			break
		}
		// Any other signal is dropped: none matters to this child.
	}
	c.must(syscall.PtraceGetRegs(c.pid, &c.regs))
}

// inside reports whether the next instruction is the object's.
func (c *tracee) inside() bool { return c.regs.Rip >= c.base && c.regs.Rip < c.base+PageSize }

// enter steps from the breakpoint into the function and answers the registers
// at the CALL.
func (c *tracee) enter() (call syscall.PtraceRegs) {
	c.t.Helper()
	for range 1000 {
		call = c.regs
		if c.step(); c.inside() {
			return call
		}
	}
	c.t.Fatal("the function is not called")
	return
}

// poke writes words into the Data page, from byte off on.
func (c *tracee) poke(off int, words ...uint64) {
	c.t.Helper()
	var b []byte
	for _, w := range words {
		b = le.AppendUint64(b, w)
	}
	_, err := syscall.PtracePokeData(c.pid, uintptr(c.data)+uintptr(off), b)
	c.must(err)
}

// result is what the function stored: seconds and nanoseconds, in nanoseconds.
func (c *tracee) result() uint64 {
	c.t.Helper()
	var b [16]byte
	_, err := syscall.PtracePeekData(c.pid, uintptr(c.out), b[:])
	c.must(err)
	return le.Uint64(b[:])*1e9 + le.Uint64(b[8:])
}
