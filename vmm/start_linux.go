package vmm

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"skerry/bootrec"

	"golang.org/x/sys/unix"
)

// process is a running QEMU and our ends of its ports.
type process struct {
	proc   *os.Process
	port   [bootrec.Ports]*os.File
	uart   *os.File
	stderr tail
	// exited gets how QEMU ended, once.
	exited chan *os.ProcessState
}

// start starts QEMU at path with this environment and args, which get the numbers of the descriptors,
// and lets it go on when c.Ready has nothing against it.
func start(path string, c *Config, record []byte, env []string, args func(fds) []string) (*process, error) {
	p := &process{exited: make(chan *os.ProcessState, 1)}
	var theirs []*os.File
	closeTheirs := func() {
		for _, f := range theirs {
			f.Close()
		}
	}
	defer closeTheirs()
	// give says which number a file has over there: 0, 1, 2 are the standard ones.
	give := func(f *os.File) int {
		theirs = append(theirs, f)
		return 2 + len(theirs)
	}
	fail := func(what string, err error) (*process, error) {
		p.close()
		return nil, failed(what, "cannot be made: "+cause(err), "")
	}

	var n fds
	for _, m := range []struct {
		name string
		data io.Reader
		fd   *int
	}{{"skerry-kernel", io.NewSectionReader(c.Kernel, 0, c.Kernel.Size()), &n.kernel}, {"skerry-record", bytes.NewReader(record), &n.record}} {
		f, err := memfd(m.name, m.data)
		if err != nil {
			return fail("memory file", err)
		}
		*m.fd = give(f)
	}
	for i := range p.port {
		ours, other, err := socketPair()
		if err != nil {
			return fail("socket pair", err)
		}
		p.port[i], n.port[i] = ours, give(other)
	}
	ours, other, err := socketPair()
	if err != nil {
		return fail("socket pair", err)
	}
	p.uart, n.uart = ours, give(other)
	for _, d := range []struct {
		disk *Disk
		fd   *int
	}{{&c.Root, &n.root}, {c.Data, &n.data}} {
		if d.disk == nil {
			continue
		}
		f, err := dup(d.disk.File)
		if err != nil {
			return fail("descriptor of a disk", err)
		}
		*d.fd = give(f)
	}

	var gate *os.File
	if c.Ready != nil {
		other, ours, err := os.Pipe()
		if err != nil {
			return fail("pipe", err)
		}
		gate = ours
		defer gate.Close()
		n.gate = give(other)
	}

	cmd := exec.Command(path, args(n)...)
	cmd.Env = env
	cmd.Dir = "/"
	cmd.ExtraFiles = theirs
	cmd.Stderr = &p.stderr
	cmd.WaitDelay = time.Second // for whoever else might hold QEMU's stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		// A group of its own: Ctrl-C is for us, and we pass it on.
		Setpgid:   true,
		Pdeathsig: syscall.SIGKILL,
	}
	started := make(chan error)
	go func() {
		// The death signal is sent when the thread that started QEMU ends, so
		// that thread must live until QEMU has ended. It is not unlocked: it
		// ends with this goroutine.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // the state says it all
		p.exited <- cmd.ProcessState
	}()
	if err := <-started; err != nil {
		p.close()
		return nil, failed(path, "cannot be started: "+cause(err), HowToInstall)
	}
	p.proc = cmd.Process
	if c.Ready != nil {
		if err := c.Ready(); err != nil {
			p.kill()
			<-p.exited // before the gate opens
			p.close()
			return nil, &NotReady{err}
		}
	}
	return p, nil
}

// kill ends QEMU at once; nothing happens if it has ended.
func (p *process) kill() { _ = p.proc.Kill() }

// close closes our ends of the ports.
func (p *process) close() {
	for _, f := range p.port {
		if f != nil {
			f.Close()
		}
	}
	if p.uart != nil {
		p.uart.Close()
	}
}

// memfd makes a file in memory that holds data, sealed against every change.
func memfd(name string, data io.Reader) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	buf := make([]byte, 256<<10)
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{data}, buf)
	clear(buf) // a record may hold secrets
	if err != nil {
		f.Close()
		return nil, err
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	// EBUSY says that somebody holds a page for a moment, such as memory management
	// that moves it (fcntl(2), F_SEAL_WRITE); the kernel has waited for 150 ms then.
	for try := 0; ; try++ {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
		if err == nil {
			return f, nil
		}
		if err != unix.EBUSY || try == 20 {
			f.Close()
			return nil, fmt.Errorf("sealing: %w", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// socketPair makes a connected pair; ours can be waited for by the runtime.
func socketPair() (ours, theirs *os.File, err error) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	if err := unix.SetNonblock(p[0], true); err != nil {
		unix.Close(p[0])
		unix.Close(p[1])
		return nil, nil, err
	}
	return os.NewFile(uintptr(p[0]), "port"), os.NewFile(uintptr(p[1]), "port"), nil
}

func dup(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// clocks reads the wall and the monotonic clock, one right after the other, in
// nanoseconds.
func clocks() (wall, mono int64) {
	var w, m unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_REALTIME, &w)
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &m)
	return w.Nano(), m.Nano()
}

// signalNumber is the Linux number of a signal.
func signalNumber(s os.Signal) int {
	if n, ok := s.(syscall.Signal); ok {
		return int(n)
	}
	return 0
}
