package ground

import (
	"skerry/kernel/ground/arch"
	"skerry/kernel/ground/frame"
)

// LinearEnd is patched by the post-link step (image/kernelelf): the first BSS
// address that is not loaded as memory behind the image but mapped on first
// use. Large tables that few programs touch (32 MiB in crypto/internal/fips140)
// then cost nothing. Its initial value only keeps it out of the BSS.
var LinearEnd uintptr = 1

// Boot is what ground learned before the runtime started; ordinary Go reads it.
var Boot struct {
	// Record is the direct-map address and length of the boot record, 0 if the
	// loader passed none.
	Record, RecordLen uintptr
	// Cmdline likewise: the loader's command line (device list).
	Cmdline, CmdlineLen uintptr
	// RSDP is the physical address of the ACPI root pointer, or 0.
	RSDP uint64
	// RAM is the memory that the loader reported, in bytes.
	RAM uint64
	// TSC at the kernel's first instruction.
	TSC uint64
}

// hvm_start_info and its tables: Xen public headers, arch-x86/hvm/start_info.h.
const (
	startMagic   = 0x336ec578
	memmapRAM    = 1
	maxMemRanges = 32
)

type memRange struct{ start, end uint64 }

// early is the state of the boot CPU before there are frames.
var early struct {
	sym    symbolTable
	next   uint64 // physical bump pointer
	ram    [maxMemRanges]memRange
	nram   int
	held   [8]memRange // not to be handed out: image, record
	nheld  int
	rodata memRange // physical ranges of the image by protection
	text   memRange
	data   memRange
}

// boot brings the machine up to the point where the Go runtime can start and
// returns the stack pointer for rt0. info is the physical address of the PVH
// start info; the first GiB is reachable at DirectMap.
func boot(info uintptr) uintptr {
	Boot.TSC = arch.RDTSC()
	symbols(&early.sym)
	if LinearEnd <= 1 {
		LinearEnd = early.sym.end
	}
	bootCPU.Self = bootCPU.addr()
	arch.WriteMSR(arch.MSRGSBase, uint64(bootCPU.Self))
	checkCPU()
	parseStartInfo(info)
	readImageHeader()
	early.next = up(early.data.end, pageSize)
	buildTables()
	initFrames()
	mapRuntime()
	c := newCPU(0)
	c.online = 1
	ncpu = 1
	loadCPU(c)
	gEnableVector()
	initAPIC(c)
	initClock()
	seedRuntime()
	startAPs()
	return firstThread(c)
}

// bootCPU stands in for the boot CPU's block until there are frames to make it.
var bootCPU percpu

func up(x, to uint64) uint64 { return (x + to - 1) &^ (to - 1) }

// direct is the direct-map address of a physical one.
func direct(pa uint64) uintptr { return DirectMap + uintptr(pa) }

func parseStartInfo(info uintptr) {
	p := DirectMap + info
	if *word32(p) != startMagic || *word32(p + 4) < 1 {
		fatal("the boot loader gave no PVH start info of version 1 or newer")
	}
	if n := *word32(p + 12); n > 0 {
		m := direct(*word(p + 16))
		pa, size := *word(m), *word(m + 8)
		if size > 0 && size <= 64<<20 && pa < 1<<40 {
			Boot.Record, Boot.RecordLen = direct(pa), uintptr(size)
			hold(pa, pa+size)
		}
	}
	if pa := *word(p + 24); pa != 0 && pa < 1<<30 {
		Boot.Cmdline = direct(pa)
		for Boot.CmdlineLen < 4096 && *byteAt(Boot.Cmdline + Boot.CmdlineLen) != 0 {
			Boot.CmdlineLen++
		}
	}
	Boot.RSDP = *word(p + 32)
	m, n := direct(*word(p + 40)), *word32(p + 48)
	for ; n > 0 && early.nram < maxMemRanges; n-- {
		start, size, kind := *word(m), *word(m + 8), *word32(m + 16)
		m += 24
		if kind != memmapRAM || size == 0 || start+size < start || start >= 1<<44 {
			continue
		}
		early.ram[early.nram] = memRange{start, start + size}
		early.nram++
		Boot.RAM += size
		if start+size > ramTop {
			ramTop = start + size
		}
	}
	if early.nram == 0 {
		fatal("the boot loader reported no memory")
	}
}

func hold(start, end uint64) {
	if early.nheld < len(early.held) {
		early.held[early.nheld] = memRange{start &^ (pageSize - 1), up(end, pageSize)}
		early.nheld++
	}
}

// readImageHeader finds the image's segments in its own ELF header, which the
// first segment loads.
func readImageHeader() {
	h := uintptr(imageOffset + 2<<20)
	ph := h + uintptr(*word(h + 32))
	n := int(*word32(h + 56) & 0xffff)
	for i := 0; i < n && i < 16; i++ {
		p := ph + uintptr(i)*56
		if *word32(p) != 1 { // PT_LOAD
			continue
		}
		start := uintptr(*word(p + 16))
		r := memRange{uint64(start) - imageOffset, up(uint64(start)+*word(p + 40), pageSize) - imageOffset}
		switch *word32(p + 4) { // flags: 1 X, 2 W, 4 R
		case 5:
			early.text = r
		case 4:
			early.rodata = r
		case 6:
			r.end = up(uint64(LinearEnd), pageSize) - imageOffset
			early.data = r
		}
	}
	if early.text.end == 0 || early.rodata.end == 0 || early.data.end == 0 {
		fatal("the kernel image has no text, read-only and data segments")
	}
	hold(early.text.start, early.data.end)
}

// earlyAlloc takes n bytes of zeroed physical memory behind the image.
func earlyAlloc(n uint64) uint64 {
	n = up(n, pageSize)
again:
	for i := 0; i < early.nheld; i++ {
		if h := early.held[i]; early.next < h.end && early.next+n > h.start {
			early.next = h.end
			goto again
		}
	}
	ok := false
	for i := 0; i < early.nram; i++ {
		if r := early.ram[i]; early.next >= r.start && early.next+n <= r.end {
			ok = true
		}
	}
	if !ok {
		fatal("too little memory: the kernel's own tables do not fit (give the machine more)")
	}
	pa := early.next
	early.next += n
	return pa
}

// initFrames makes the records and gives all memory that nobody holds to the
// pool.
func initFrames() {
	top := uint32(up(ramTop, 4<<20) / pageSize)
	recs := earlyAlloc(uint64(top) * frame.RecordSize)
	arch.ZeroPage(direct(recs), uintptr(up(uint64(top)*frame.RecordSize, pageSize)))
	frame.Init(DirectMap, direct(recs), top)
	hold(0, 1<<20) // firmware, start info, the trampoline
	hold(early.data.end, early.next)
	for i := 0; i < early.nram; i++ {
		give(early.ram[i], 0)
	}
	reserve := frame.Total() / 16
	if reserve < 512 { // 2 MiB
		reserve = 512
	}
	frame.SetReserve(reserve)
}

// give hands the parts of r that no held range covers to the pool.
func give(r memRange, from int) {
	for i := from; i < early.nheld; i++ {
		h := early.held[i]
		if r.start < h.end && h.start < r.end {
			if r.start < h.start {
				give(memRange{r.start, h.start}, i+1)
			}
			if h.end >= r.end {
				return
			}
			r.start = h.end
		}
	}
	if r.start < r.end {
		frame.AddRange(r.start, r.end)
	}
}

// checkCPU refuses processors that lack what the kernel is built on.
func checkCPU() {
	top, _, _, _ := arch.CPUID(0x80000000, 0)
	if top < 0x80000001 {
		fatal("this processor is not x86-64")
	}
	if _, _, _, d := arch.CPUID(0x80000001, 0); d&(1<<20) == 0 {
		fatal("this processor has no no-execute bit (NX), which the kernel needs")
	}
	_, _, c, d := arch.CPUID(1, 0)
	if d&(1<<9) == 0 {
		fatal("this processor has no local APIC")
	}
	if d&(1<<13) != 0 {
		havePGE = 1
	}
	if c&(1<<21) != 0 {
		x2apic = 1
	}
	if c&(1<<24) != 0 {
		deadlineT = 1
	}
}
