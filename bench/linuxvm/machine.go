package linuxvm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Machine types of QEMU.
const (
	MicroVM = "microvm"
	Q35     = "q35"
)

// Config is a machine and what it runs.
type Config struct {
	Machine string // MicroVM or Q35; "" is MicroVM
	CPUs    int    // 0 is 1
	Memory  int64  // bytes
	CPU     string // QEMU's model; "" is DefaultCPU
	Icount  bool   // a guest instruction takes one nanosecond of virtual time

	Program string            // path on the host
	Target  string            // path in the machine; "" is /NAME
	Args    []string          // with argv[0]
	Env     []string          // K=V
	Dir     string            // working directory; "" is /
	Files   map[string]string // path in the machine → path on the host; x bits are kept

	Network  bool
	Forwards map[int]int // port on 127.0.0.1 of the host → port of the machine

	// Exec makes the program process 1, with the serial port as its output.
	// Otherwise it runs under init with pipes, and Run can tell its status.
	Exec bool
	// Output, if not nil, gets what the program prints as it comes: the serial
	// port's text with Exec, else its standard output.
	Output io.Writer
}

// DefaultCPU is what all rows of a comparison use: emulated ERMS counts every
// byte, which makes a Linux page fault dearer than it is.
const DefaultCPU = "max,-erms"

// Machine is a running Linux machine.
type Machine struct {
	Stdout, Stderr, Console bytes.Buffer // complete after Wait
	status                  bytes.Buffer
	own                     bytes.Buffer // QEMU's own messages
	cmd                     *exec.Cmd
	readers                 sync.WaitGroup
	dir                     string
	Started                 time.Time // just before QEMU was started
}

// Start starts a machine; it ends with ctx.
func Start(ctx context.Context, k *Kernel, c *Config) (*Machine, error) {
	rd, err := initramfs(ctx, k, c)
	if err != nil {
		return nil, err
	}
	khz := 1000000 // a tick of the counter is an instruction then, which takes 1 ns
	if !c.Icount {
		if khz, err = CounterKHz(ctx); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp("", "skerry-linuxvm")
	if err != nil {
		return nil, err
	}
	m := &Machine{dir: dir}
	path := filepath.Join(dir, "initramfs")
	if err := os.WriteFile(path, rd, 0o600); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	m.cmd = exec.CommandContext(ctx, "qemu-system-x86_64", args(k, c, path, khz)...)
	// The machine ends with us, even if we are killed.
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var ours, theirs []*os.File
	port := func(b *bytes.Buffer) error {
		var to io.Writer = b
		if c.Output != nil && (b == &m.Console && c.Exec || b == &m.Stdout && !c.Exec) {
			to = io.MultiWriter(b, c.Output)
		}
		p, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		// The names are for error messages only.
		a, t := os.NewFile(uintptr(p[0]), "port"), os.NewFile(uintptr(p[1]), "port")
		ours, theirs = append(ours, a), append(theirs, t)
		m.readers.Add(1)
		go func() {
			defer m.readers.Done()
			io.Copy(to, a) // until QEMU ends
			a.Close()
		}()
		return nil
	}
	for _, b := range []*bytes.Buffer{&m.Console, &m.Stdout, &m.Stderr, &m.status} {
		if err == nil {
			err = port(b)
		}
	}
	if err == nil {
		m.cmd.ExtraFiles = theirs // descriptors 3 to 6
		m.cmd.Stderr = &m.own
		m.Started = time.Now()
		err = m.cmd.Start()
	}
	for _, f := range theirs {
		f.Close()
	}
	if err != nil {
		for _, f := range ours {
			f.Close()
		}
		os.RemoveAll(dir)
		return nil, err
	}
	return m, nil
}

func args(k *Kernel, c *Config, initrd string, khz int) []string {
	cpus, memory, cpu := max(c.CPUs, 1), c.Memory, c.CPU
	if memory == 0 {
		memory = 256 << 20
	}
	if cpu == "" {
		cpu = DefaultCPU
	}
	accel := "tcg,thread=multi"
	if c.Icount {
		accel = "tcg,thread=single"
	}
	pci := c.Machine == Q35
	// Only with ACPI does this kernel find virtio-mmio devices: its configuration
	// has no VIRTIO_MMIO_CMDLINE_DEVICES.
	machine := "microvm,acpi=on,isa-serial=on"
	if pci {
		machine = "q35,usb=off,sata=off,smbus=off"
	}
	// Where there could be a second CPU, Linux takes an emulated counter for unstable
	// and leaves the vDSO's fast clock, and its KVM puts guests' counters right at
	// every entry; here it is stable.
	command := "console=ttyS0 quiet mitigations=off panic=-1 reboot=t random.trust_cpu=on tsc=reliable tsc_early_khz=" + strconv.Itoa(khz)
	smp := strconv.Itoa(cpus)
	if cpus == 1 {
		smp = "1,maxcpus=2" // as Skerry's launcher, which says why
	}
	a := []string{"-M", machine, "-accel", accel, "-cpu", cpu,
		"-smp", smp, "-m", strconv.FormatInt(memory>>10, 10) + "K",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-kernel", k.Image, "-initrd", initrd, "-append", command,
		"-chardev", "socket,id=uart,fd=3", "-serial", "chardev:uart"}
	if c.Icount {
		a = append(a, "-icount", "shift=0")
	}
	device := func(name, options string) {
		if pci {
			a = append(a, "-device", name+"-pci"+",disable-legacy=on"+options)
		} else {
			a = append(a, "-device", name+"-device"+options)
		}
	}
	if !pci {
		a = append(a, "-global", "virtio-mmio.force-legacy=false")
	}
	if !c.Exec {
		device("virtio-serial", ",id=ports")
		for i, name := range []string{"stdout", "stderr", "status"} {
			a = append(a, "-chardev", fmt.Sprintf("socket,id=%s,fd=%d", name, 4+i),
				"-device", fmt.Sprintf("virtserialport,bus=ports.0,nr=%d,chardev=%s,name=%s", i+1, name, name))
		}
	}
	if c.Network {
		user := "user,id=net"
		for host, guest := range c.Forwards {
			user += fmt.Sprintf(",hostfwd=tcp:127.0.0.1:%d-10.0.2.15:%d", host, guest)
		}
		a = append(a, "-netdev", user)
		rom := ""
		if pci {
			rom = ",romfile="
		}
		device("virtio-net", ",netdev=net"+rom)
	}
	return a
}

// PID is QEMU's process.
func (m *Machine) PID() int { return m.cmd.Process.Pid }

// Kill ends the machine.
func (m *Machine) Kill() { m.cmd.Process.Kill() }

// Wait waits for the machine's end and returns the program's exit status, 128+n
// for a signal.
func (m *Machine) Wait() (int, error) {
	err := m.cmd.Wait()
	m.readers.Wait()
	os.RemoveAll(m.dir)
	m.Console.Write(m.own.Bytes())
	s := strings.TrimSpace(m.status.String())
	if s == "" {
		if err == nil {
			err = errors.New("ended without a status")
		}
		return -1, fmt.Errorf("Linux machine: %w: %s", err, m.Console.String())
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1, err
	}
	if w := syscall.WaitStatus(n); w.Signaled() {
		return 128 + int(w.Signal()), nil
	}
	return syscall.WaitStatus(n).ExitStatus(), nil
}

// Run runs a program to its end.
func Run(ctx context.Context, k *Kernel, c *Config) (*Machine, int, error) {
	m, err := Start(ctx, k, c)
	if err != nil {
		return nil, -1, err
	}
	status, err := m.Wait()
	if ctx.Err() != nil {
		err = fmt.Errorf("%w: %s", ctx.Err(), m.Console.String())
	}
	return m, status, err
}

// InitramfsSize is the size of a machine's initramfs in bytes.
func InitramfsSize(ctx context.Context, k *Kernel, c *Config) (int, error) {
	b, err := initramfs(ctx, k, c)
	return len(b), err
}

// FreePort returns a TCP port of 127.0.0.1 that nothing uses at the moment.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
