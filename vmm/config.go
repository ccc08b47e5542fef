package vmm

import (
	"io"
	"os"
	"strings"
	"time"

	"skerry/bootrec"
)

// Machine types of QEMU that the kernel boots on.
const (
	MicroVM = "microvm" // virtio-mmio, no firmware to speak of: the default
	Q35     = "q35"     // virtio-pci
)

// Limits of a machine.
const (
	MinMemory = 16 << 20 // bytes; less does not hold a kernel
	MaxMemory = 1 << 40
	MaxCPUs   = 32 // the kernel's own limit (ground.MaxCPU)
)

// Config is what to run and how. Run does not change it.
type Config struct {
	// QEMU is the path of the hypervisor; "" looks for it.
	QEMU string
	// Machine is MicroVM or Q35, "" the first.
	Machine string
	// CPU is QEMU's CPU model, "" the best one.
	CPU string
	// Accel is how the CPU is run; the zero value asks ChooseAccel.
	Accel Accel

	// CacheDir is a folder for what is found out about the host; "" keeps nothing.
	CacheDir string

	// Extra are further arguments for QEMU, for debugging a machine.
	Extra []string

	// Name is shown by ps(1) as the machine's name.
	Name   string
	CPUs   int
	Memory int64 // bytes, a multiple of 4096

	// Kernel is the kernel's ELF file, checked.
	Kernel *io.SectionReader
	// Root is the disk with the root file system.
	Root Disk
	// Data is the second disk, nil if there is none.
	Data *Disk
	// Ready, if not nil, is called once QEMU was started: it tells whether what the
	// machine will run is what it should be. QEMU takes some hundredths of a second
	// to load itself; meanwhile there is time for a look. Until Ready returns, QEMU
	// reads none of its files, and if that is with an error, it never does: the
	// error is Run's, as a *NotReady.
	Ready func() error
	// Built is set if Root is of an image that was built before: what only its builder
	// can change is then said so. BuiltJIT is the JIT budget that it was built with.
	Built    bool
	BuiltJIT uint64
	// Record says what the kernel is to run. Run fills in CPUs, Memory, Wall,
	// StopTimeout, Seed, Data and Net.
	Record bootrec.Record

	// Network gives the machine a network device on the user network.
	Network bool
	// HostAccess lets the program reach the host's own loopback.
	HostAccess bool
	// Forwards are the ports of the host that lead to the machine's. They need
	// Network.
	Forwards []Forward

	// Stdout and Stderr take the program's output.
	Stdout, Stderr io.Writer
	// Log takes the kernel's log, audit events and the text of the serial port,
	// a line each; nil drops them.
	Log io.Writer
	// Strace takes traced calls, a line each. They are asked for in the record.
	Strace io.Writer
	// Audit takes the events of the kernel's, a JSON object each; nil asks for none. An
	// error is one for which the machine is to end: its record cannot be written.
	Audit func(event []byte) error
	// Audited takes how many there were, at the end of a machine that could tell. It may be
	// called before the last of them has come to Audit. The func may be nil.
	Audited func(bootrec.Audited)
	// Say takes a line for the user, without prefix and newline. It may be
	// called from several goroutines.
	Say func(line string)
	// Verbose, if not nil, takes a line for the curious.
	Verbose func(line string)

	// ImageFile reads a file of Root, for the names of functions in the stack of a
	// program that crashed; nil if there is none. The func may be nil.
	ImageFile func(path string) []byte
	// Folders are those of this host in which files that the program missed are looked
	// for, besides /usr and others where every system has them (hostLook).
	Folders []string
	// Secret, if not nil, says which paths are not looked for at all.
	Secret func(path string) bool

	// Mounted, if not nil, says where every machine has a file system of its own.
	Mounted func(path string) bool

	// Signals is where the signals for the program come from.
	Signals <-chan os.Signal
	// Timeout ends the machine, 0 never.
	Timeout time.Duration
	// StopTimeout is how long the program may take to end after INT, TERM or
	// the timeout.
	StopTimeout time.Duration
	// BootTimeout is how long the kernel may take to say hello; 0 is the
	// default for the accelerator.
	BootTimeout time.Duration
}

// NotReady is the error of a machine that Config.Ready did not allow.
type NotReady struct{ Err error }

func (n *NotReady) Error() string { return n.Err.Error() }

// Unwrap is what Ready said.
func (n *NotReady) Unwrap() error { return n.Err }

// Disk is a read-only disk: part of a file, or what a server of package nbd has.
type Disk struct {
	File         *os.File
	Offset, Size int64 // bytes, multiples of 4096
	// NBD: File is a connected socket, on whose other end somebody serves the disk.
	NBD bool
}

// mounted reports whether the program has at a path what is in memory, or the kernel's.
func (c *Config) mounted(path string) bool {
	for _, t := range c.Record.Tmpfs {
		if path == t.Path || strings.HasPrefix(path, t.Path+"/") {
			return true
		}
	}
	return c.Mounted != nil && c.Mounted(path)
}

func (c *Config) verbose(line string) {
	if c.Verbose != nil {
		c.Verbose(line)
	}
}
