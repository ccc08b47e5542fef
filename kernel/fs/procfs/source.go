// Package procfs is /proc: what programs and their libraries read about
// themselves and the machine, in the formats of proc(5) and its parts.
//
// What it shows comes from a Source, which the rest of the kernel implements, and
// from the vfs.Context (descriptors, mounts). There is one process, number 1,
// whose directory /proc/self leads to. Files that would give memory, registers,
// page frames or kernel addresses away (mem, pagemap, syscall, stack, wchan,
// kallsyms, kcore) are not there.
//
// It imports abi, vfs and fs/pseudofs, and has no state of its own.
package procfs

import "skerry/kernel/vfs"

// Source tells /proc about the program and the machine. Its methods are called
// with no locks held, by any thread, and answer the state of that moment.
type Source interface {
	// Process is the program.
	Process() Process
	// Next is the lowest thread ID at or above tid.
	Next(tid int32) (next int32, ok bool)
	// Thread is a thread; ok is false if there is none with that ID.
	Thread(tid int32) (t Thread, ok bool)
	// Current is the calling thread's ID, 0 if unknown: for /proc/thread-self.
	Current() int32
	// Map is the first mapping that ends above addr.
	Map(addr uintptr) (m Mapping, ok bool)
	// Usage is what a range of addresses has in memory.
	Usage(start, end uintptr) Usage
	// Limits are the resource limits by RLIMIT_ number, soft and hard.
	Limits() [16][2]uint64
	// Memory is the machine's memory.
	Memory() Memory
	// CPUs describes the processors.
	CPUs() []CPU
	// Segments are those of System V shared memory.
	Segments() []Segment
	// System is the rest.
	System() System
	// SetComm sets the name of a thread, SetOOMScoreAdj the value that
	// oom_score_adj shows.
	SetComm(tid int32, name string) bool
	SetOOMScoreAdj(n int)
}

// Process is what /proc/1 shows. Times are in nanoseconds, sizes in bytes.
type Process struct {
	Comm        string
	Args, Env   []string
	Auxv        []byte
	Exe         *vfs.Dentry
	Threads     int
	Start       int64 // since boot
	User, Sys   int64 // processor time, all threads
	MinorFaults uint64
	MajorFaults uint64
	Nice        int
	OOMScoreAdj int
	Dumpable    bool
	NoNewPrivs  bool
	Seccomp     int
	Pending     uint64 // signals pending for the process, bit 0 is signal 1
	Ignored     uint64
	Caught      uint64
	Queued      int // signals queued, and how many may be
	MaxQueued   int
	// HugeDisabled says that the program asked for no large pages.
	HugeDisabled bool
	IO           IO
	Mem          ProcessMemory
}

// IO is what was read and written: bytes and calls of read(2) and write(2), and
// bytes that came from a disk.
type IO struct {
	ReadChars, WrittenChars, Reads, Writes, ReadBytes uint64
}

// ProcessMemory is the program's address space in figures of bytes.
type ProcessMemory struct {
	Virtual, Peak         uint64
	Resident, ResidentTop uint64
	Anon, File, Shmem     uint64 // parts of Resident
	Locked                uint64
	Data, Stack, Text     uint64
	Library, PageTables   uint64
	CodeStart, CodeEnd    uintptr
	DataStart, DataEnd    uintptr
	BrkStart, StackStart  uintptr
	ArgStart, ArgEnd      uintptr
	EnvStart, EnvEnd      uintptr
}

// Thread is what /proc/1/task/N shows.
type Thread struct {
	Comm                   string
	State                  byte // R running, S sleeping, D waiting for a disk, T stopped, Z ended
	Start                  int64
	User, Sys              int64
	Pending, Blocked       uint64
	CPU                    int
	Slack                  uint64 // of timers, in nanoseconds
	IO                     IO
	CPUs                   []uint64 // bitmap of CPUs that it may run on
	Voluntary, Involuntary uint64   // context switches
}

// Mapping is a line of /proc/self/maps.
type Mapping struct {
	Start, End        uintptr
	Read, Write, Exec bool
	Shared            bool
	MayWrite, MayExec bool
	GrowsDown         bool
	Locked            bool
	Offset            uint64
	Dev, Ino          uint64
	Name              string // path, "[heap]", "[stack]", "[vdso]", or nothing
}

// Usage is what a range of memory has in frames, in bytes.
type Usage struct {
	Resident, Anonymous, Huge, Shared, PrivateDirty, Referenced uint64
}

// Memory is the machine's memory in bytes.
type Memory struct {
	Total, Free, Available     uint64
	Cached, Shmem, Anon        uint64
	Mapped, Kernel, PageTables uint64
	Heap                       uint64 // the kernel's own
	HugeAnon                   uint64
	Locked                     uint64
	Committed                  uint64
}

// CPU describes a processor and what it did, in nanoseconds.
type CPU struct {
	Vendor                  string
	Family, Model, Stepping int
	Name                    string
	KHz                     int64
	CacheKB                 int
	Flags                   []string
	PhysBits, VirtBits      int
	CLFlush                 int
	CPUIDLevel              int

	User, Sys, Idle, IRQ int64
}

// System is the rest of the machine's state.
type System struct {
	Uptime     int64 // nanoseconds
	Boot       int64 // seconds since 1970
	Release    string
	Version    string
	Hostname   string
	Load       [3]uint64 // load averages times 100
	Running    int       // threads that run or could
	LastTID    int32
	Switches   uint64
	Interrupts uint64
	MaxThreads int
	BootID     [16]byte
	NewUUID    func() [16]byte
}

// Segment is a line of /proc/sysvipc/shm: sizes in bytes, times in seconds since
// 1970.
type Segment struct {
	Key, ID                  int32
	Mode                     uint32
	Size, Resident, Attached uint64
	Last                     int32
	Atime, Dtime, Ctime      int64
}
