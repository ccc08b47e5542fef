package strace

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
)

// ptraceMem is the memory of a traced process.
type ptraceMem struct{ f *os.File }

func (m ptraceMem) Read(dst []byte, addr uintptr) bool {
	if int64(addr) < 0 {
		return false
	}
	n, _ := m.f.ReadAt(dst, int64(addr))
	return n == len(dst)
}

func (m ptraceMem) String(addr uintptr, max int) (string, bool) {
	var out []byte
	for len(out) < max {
		at := addr + uintptr(len(out))
		b := make([]byte, min(max-len(out), int(4096-at&4095)))
		if !m.Read(b, at) {
			return "", false
		}
		for i, x := range b {
			if x == 0 {
				return string(append(out, b[:i]...)), true
			}
		}
		out = append(out, b...)
	}
	return string(out), true
}

// trace runs a program under ptrace(2) and answers a line for each call of its
// first thread.
func trace(t *testing.T, d *Decoder, cmd *exec.Cmd) []string {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		if errors.Is(err, syscall.EPERM) {
			t.Skip("ptrace is not allowed here")
		}
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	defer func() {
		cmd.Process.Kill()
		cmd.Process.Release()
	}()
	var ws syscall.WaitStatus
	wait := func() bool {
		if _, err := syscall.Wait4(pid, &ws, syscall.WALL, nil); err != nil {
			t.Fatal(err)
		}
		return ws.Stopped()
	}
	if !wait() {
		t.Fatal("the program did not start")
	}
	const options = syscall.PTRACE_O_TRACESYSGOOD | 0x100000 // PTRACE_O_EXITKILL
	if err := syscall.PtraceSetOptions(pid, options); err != nil {
		t.Fatal(err)
	}
	var mem ptraceMem
	open := func() {
		mem.f.Close()
		var err error
		if mem.f, err = os.Open("/proc/" + itoa(pid) + "/mem"); err != nil {
			t.Fatal(err)
		}
	}
	open()
	defer func() { mem.f.Close() }()

	var lines []string
	var line []byte
	var args [6]uint64
	inside := false
	signal := 0
	for {
		if err := syscall.PtraceSyscall(pid, signal); err != nil {
			t.Fatal(err)
		}
		if !wait() {
			if inside {
				lines = append(lines, string(d.NoReturn(line)))
			}
			return lines
		}
		signal = 0
		if ws.StopSignal() != syscall.SIGTRAP|0x80 {
			if ws.StopSignal() == syscall.SIGTRAP {
				open() // after an execve(2), which gives it another memory
			} else {
				signal = int(ws.StopSignal())
			}
			continue
		}
		var regs syscall.PtraceRegs
		if err := syscall.PtraceGetRegs(pid, &regs); err != nil {
			t.Fatal(err)
		}
		if !inside {
			args = [6]uint64{regs.Rdi, regs.Rsi, regs.Rdx, regs.R10, regs.R8, regs.R9}
			line = d.Enter(line[:0], int(int32(regs.Orig_rax)), args, mem)
		} else {
			line = d.Exit(line, int(int32(regs.Orig_rax)), args, int64(regs.Rax), -1, mem)
			lines = append(lines, string(line))
			if len(line) > MaxLine {
				t.Errorf("a line of %d bytes: %s", len(line), line)
			}
		}
		inside = !inside
	}
}

func itoa(n int) string {
	var l line
	l.limit = 32
	l.dec(int64(n))
	return string(l.buf)
}
