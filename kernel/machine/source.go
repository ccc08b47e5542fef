package machine

import (
	"math/bits"
	"strings"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/fs/procfs"
	"skerry/kernel/ground"
	"skerry/kernel/ground/arch"
	"skerry/kernel/ground/frame"
	"skerry/kernel/mm"
	"skerry/kernel/syscalls"
	"skerry/kernel/task"
	"skerry/kernel/vfs"
	"skerry/kernel/vfs/pagecache"
)

// source tells /proc about the program and the machine (procfs.Source).
type source struct {
	m      *Machine
	exe    *vfs.Dentry
	bootID [16]byte
	score  int
	read   func() uint64 // bytes that came from the root's disk
}

var _ procfs.Source = (*source)(nil)

// Process describes the program.
func (s *source) Process() procfs.Process {
	p := task.The
	user, sys := p.Times()
	st := p.MM.Stats()
	u := p.MM.Usage(0, mm.Highest)
	shared, ignored, caught, queued, limit := p.SignalSets()
	r := procfs.Process{
		Comm: p.Comm, Args: p.Args, Env: p.Env, Auxv: p.Auxv, Exe: s.exe,
		Threads: p.Threads(), Start: s.m.started, User: user, Sys: sys,
		Nice: int(p.Nice.Load()), OOMScoreAdj: s.score, Dumpable: p.Dumpable.Load() != 0, NoNewPrivs: true,
		Pending: uint64(shared), Ignored: uint64(ignored), Caught: uint64(caught), Queued: queued, MaxQueued: limit,
		Mem: procfs.ProcessMemory{
			Virtual: st.VM, Peak: st.Peak, Resident: u.Rss, ResidentTop: p.MM.MaxRSS(&u),
			Anon: u.Anonymous, File: u.Rss - u.Anonymous, Locked: st.Locked, Data: st.Data, Stack: st.Stack,
			Text: st.Exec, PageTables: st.Tables,
		},
	}
	r.MinorFaults, r.MajorFaults = st.Faults()
	r.HugeDisabled = p.MM.HugeDisabled()
	r.IO.ReadChars, r.IO.WrittenChars, r.IO.Reads, r.IO.Writes = p.IO()
	if s.read != nil {
		r.IO.ReadBytes = s.read()
	}
	if plan := s.m.plan; plan != nil {
		r.Mem.CodeStart, r.Mem.CodeEnd = plan.CodeLo, plan.CodeHi
		r.Mem.DataStart, r.Mem.DataEnd = plan.DataLo, plan.DataHi
	}
	if stack := s.m.stack; stack != nil {
		r.Mem.StackStart = stack.SP
		r.Mem.ArgStart, r.Mem.ArgEnd = stack.ArgLo, stack.ArgHi
		r.Mem.EnvStart, r.Mem.EnvEnd = stack.EnvLo, stack.EnvHi
	}
	r.Mem.BrkStart = st.Brk
	return r
}

// Next is the lowest thread ID at or above tid.
func (s *source) Next(tid int32) (int32, bool) {
	best := int32(0)
	task.The.Each(func(t *task.Thread) {
		if t.TID >= tid && (best == 0 || t.TID < best) {
			best = t.TID
		}
	})
	return best, best != 0
}

// Thread describes a thread.
func (s *source) Thread(tid int32) (procfs.Thread, bool) {
	t := task.The.Find(tid)
	if t == nil {
		return procfs.Thread{}, false
	}
	user, sys := t.Times()
	pending, blocked := t.SignalSets()
	r := procfs.Thread{Comm: t.Comm(), State: 'R', Start: s.m.started, User: user, Sys: sys,
		Pending: uint64(pending), Blocked: uint64(blocked), CPUs: []uint64{1<<ground.CPUs() - 1}}
	if t.Asleep() {
		r.State = 'S'
	}
	r.Slack, r.Voluntary = uint64(t.TimerSlack()), uint64(t.Sleeps())
	r.IO.ReadChars, r.IO.WrittenChars, r.IO.Reads, r.IO.Writes = t.IO.Counts()
	return r, true
}

// Current is the calling thread, 0 for the kernel itself.
func (s *source) Current() int32 {
	if t := task.The.Current(); t != nil {
		return t.TID
	}
	return 0
}

// Map is the first mapping that ends above addr.
func (s *source) Map(addr uintptr) (procfs.Mapping, bool) {
	i, ok := task.The.MM.Next(addr)
	if !ok {
		return procfs.Mapping{}, false
	}
	r := procfs.Mapping{Start: i.Start, End: i.End, Read: i.Read, Write: i.Write, Exec: i.Exec, Shared: i.Shared,
		MayWrite: i.MayWrite, MayExec: i.MayExec, GrowsDown: i.GrowsDown, Locked: i.Locked, Offset: i.Offset, Name: i.Name}
	if i.File != nil {
		var st abi.Stat
		if i.File.Stat(&st) == abi.OK {
			r.Dev, r.Ino = st.Dev, st.Ino
		}
	}
	return r, true
}

// Usage is what a range of addresses has in memory.
func (s *source) Usage(start, end uintptr) procfs.Usage {
	u := task.The.MM.Usage(start, end)
	return procfs.Usage{Resident: u.Rss, Anonymous: u.Anonymous, Huge: u.Huge, Shared: u.Shared,
		PrivateDirty: u.PrivateDirty, Referenced: u.Referenced}
}

// Segments are those of System V shared memory.
func (s *source) Segments() (l []procfs.Segment) {
	syscalls.EachSegment(task.The.MM, func(g *syscalls.Segment, attached uint64) {
		l = append(l, procfs.Segment{Key: g.Key, ID: g.ID, Mode: g.Mode, Size: g.Size, Resident: g.Resident(), Attached: attached,
			Last: g.Last, Atime: g.Atime, Dtime: g.Dtime, Ctime: g.Ctime})
	})
	return l
}

// Limits are the resource limits.
func (s *source) Limits() (l [16][2]uint64) {
	for i := range l {
		l[i][0], l[i][1] = task.The.Limits.Get(i)
	}
	return l
}

// Memory is the machine's memory.
func (s *source) Memory() procfs.Memory {
	f := frame.Read()
	size := func(n int64) uint64 { return uint64(max(n, 0)) * frame.Size }
	st := task.The.MM.Stats()
	return procfs.Memory{
		Total: size(f.Total), Free: size(f.Free), Available: size(f.Free + max(f.RootFS-pagecache.Kept, 0) - f.Reserve),
		Cached: size(f.Cache + f.RootFS), Shmem: size(f.Cache), Anon: size(f.User),
		Mapped: size(f.User + f.RootFS), Kernel: size(f.Kernel), PageTables: st.Tables,
		Heap: size(f.Heap), Locked: st.Locked, Committed: st.VM,
	}
}

// CPUs describes the processors, all alike.
func (s *source) CPUs() []procfs.CPU {
	c := describeCPU()
	list := make([]procfs.CPU, ground.CPUs())
	for i := range list {
		list[i] = c
	}
	user, sys := task.The.Times()
	list[0].User, list[0].Sys = user, sys
	up := ground.Nanotime()
	for i := range list {
		list[i].Idle = max(up-list[i].User-list[i].Sys, 0)
	}
	return list
}

// System is the rest of the machine's state.
func (s *source) System() procfs.System {
	running := 0
	last := int32(1)
	task.The.Each(func(t *task.Thread) {
		if !t.Asleep() {
			running++
		}
		last = max(last, t.TID)
	})
	up := ground.Nanotime()
	return procfs.System{
		Uptime: up, Boot: time.Now().Add(-time.Duration(up)).Unix(),
		Release: syscalls.Release, Version: syscalls.Version, Hostname: syscalls.Hostname,
		Running: running, LastTID: last, Interrupts: ground.Interrupts(), MaxThreads: task.MaxThreads,
		BootID: s.bootID,
		NewUUID: func() (u [16]byte) {
			s.m.Pool.Read(u[:])
			u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80 // RFC 9562, version 4
			return u
		},
	}
}

// SetComm sets a thread's name.
func (s *source) SetComm(tid int32, name string) bool {
	t := task.The.Find(tid)
	if t == nil {
		return false
	}
	t.Name.Store(&name)
	return true
}

// SetOOMScoreAdj keeps the value; there is only one process to choose from.
func (s *source) SetOOMScoreAdj(n int) { s.score = n }

// describeCPU reads what /proc/cpuinfo shows from CPUID (Intel SDM vol. 2).
func describeCPU() procfs.CPU {
	top, b, c, d := arch.CPUID(0, 0)
	r := procfs.CPU{Vendor: text4(b, d, c), CPUIDLevel: int(top)}
	a, b, c1, d1 := arch.CPUID(1, 0)
	r.Stepping, r.Model, r.Family = int(a&15), int(a>>4&15), int(a>>8&15)
	if r.Family == 15 {
		r.Family += int(a >> 20 & 255)
	}
	if r.Family >= 6 {
		r.Model += int(a>>16&15) << 4
	}
	r.CLFlush = int(b>>8&255) * 8
	r.KHz = ground.TSCkHz()
	r.Flags = append(flagNames(d1, &flags1D), flagNames(c1, &flags1C)...)
	ext, _, _, _ := arch.CPUID(0x80000000, 0)
	if ext >= 0x80000001 {
		_, _, ce, de := arch.CPUID(0x80000001, 0)
		r.Flags = append(r.Flags, flagNames(de, &flagsExtD)...)
		r.Flags = append(r.Flags, flagNames(ce, &flagsExtC)...)
	}
	if top >= 7 {
		_, b7, c7, _ := arch.CPUID(7, 0)
		r.Flags = append(r.Flags, flagNames(b7, &flags7B)...)
		r.Flags = append(r.Flags, flagNames(c7, &flags7C)...)
	}
	if ext >= 0x80000004 {
		var name string
		for l := uint32(0x80000002); l <= 0x80000004; l++ {
			a, b, c, d := arch.CPUID(l, 0)
			name += text4(a, b, c, d)
		}
		r.Name = strings.TrimSpace(name)
	}
	r.PhysBits, r.VirtBits = 40, 48
	if ext >= 0x80000008 {
		a, _, _, _ := arch.CPUID(0x80000008, 0)
		r.PhysBits, r.VirtBits = int(a&255), 48
	}
	if ext >= 0x80000006 {
		_, _, c, _ := arch.CPUID(0x80000006, 0)
		r.CacheKB = int(c >> 16)
	}
	return r
}

func text4(regs ...uint32) string {
	var b []byte
	for _, r := range regs {
		for i := 0; i < 4; i++ {
			if v := byte(r >> (8 * i)); v != 0 {
				b = append(b, v)
			}
		}
	}
	return string(b)
}

// flagNames are the names of the bits that are set and have one.
func flagNames(v uint32, names *[32]string) (l []string) {
	for ; v != 0; v &= v - 1 {
		if n := names[bits.TrailingZeros32(v)]; n != "" {
			l = append(l, n)
		}
	}
	return l
}

// Names of CPUID bits as /proc/cpuinfo shows them, arch/x86/include/asm/
// cpufeatures.h of Linux; those that the program can use.
var (
	flags1D = [32]string{0: "fpu", 3: "pse", 4: "tsc", 5: "msr", 6: "pae", 8: "cx8", 9: "apic", 13: "pge", 15: "cmov",
		16: "pat", 19: "clflush", 23: "mmx", 24: "fxsr", 25: "sse", 26: "sse2"}
	flags1C = [32]string{0: "pni", 1: "pclmulqdq", 9: "ssse3", 12: "fma", 13: "cx16", 19: "sse4_1", 20: "sse4_2",
		22: "movbe", 23: "popcnt", 25: "aes", 26: "xsave", 28: "avx", 29: "f16c", 30: "rdrand", 31: "hypervisor"}
	flagsExtD = [32]string{11: "syscall", 20: "nx", 26: "pdpe1gb", 27: "rdtscp", 29: "lm"}
	flagsExtC = [32]string{0: "lahf_lm", 5: "abm", 6: "sse4a", 8: "3dnowprefetch"}
	flags7B   = [32]string{0: "fsgsbase", 3: "bmi1", 5: "avx2", 7: "smep", 8: "bmi2", 9: "erms", 16: "avx512f", 17: "avx512dq",
		18: "rdseed", 19: "adx", 20: "smap", 21: "avx512ifma", 23: "clflushopt", 24: "clwb", 28: "avx512cd", 29: "sha_ni",
		30: "avx512bw", 31: "avx512vl"}
	flags7C = [32]string{1: "avx512vbmi", 2: "umip", 6: "avx512_vbmi2", 8: "gfni", 9: "vaes", 10: "vpclmulqdq",
		11: "avx512_vnni", 12: "avx512_bitalg", 14: "avx512_vpopcntdq", 22: "rdpid"}
)
