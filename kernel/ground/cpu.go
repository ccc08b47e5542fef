package ground

import (
	"skerry/kernel/ground/arch"
	"skerry/kernel/ground/frame"
)

// newCPU makes the block of CPU id: its stacks, descriptor tables and idle M.
func newCPU(id uint32) *percpu {
	c := cpuAt(bootFrames(uintptr(sizePercpu)))
	c.Self, c.ID = c.addr(), id
	c.slow = slowTick
	for i := range c.stacks {
		s := &c.stacks[i]
		size := stackSizeOf(i)
		base := stackBase + (uintptr(id)*(1+ists)+uintptr(i)+1)*stackStride - size
		for off := uintptr(0); off < size; off += pageSize {
			f := frame.AllocZero(frame.KindKernel)
			if f == 0 || !mapPage(base+off, f.Phys(), pteP|pteW|pteNX|pteG|pteA|pteD) {
				fatal("too little memory for the stacks of the CPUs (give the machine more)")
			}
		}
		s.top = base + size
		s.g.stackLo, s.g.stackHi = base, s.top
		s.g.guard0, s.g.guard1 = base+1024, base+1024
		s.slot = s.g.addr()
		s.tls = s.tlsBase()
	}
	// A word above the frames of these stacks tells deadEntry whose CPU this is.
	for _, i := range []int{istIRQ, istDouble, istCheck} {
		c.stacks[i].top -= 16
		*word(c.stacks[i].top) = uint64(c.Self)
	}
	c.stackTop = uint64(c.stacks[0].top)
	c.stackTLS = uint64(c.stacks[0].tls)
	c.stackG = uint64(c.stacks[0].slot)
	c.idleM = bootFrames(uintptr(sizeM))
	mAt(c.idleM).fs = c.stackTLS
	c.curM = c.idleM
	c.tables = sealedPage()
	tss := c.tables + offTSS
	// The accessed bits are set, so that the processor writes none.
	for i, d := range [gdtSize / 8]uint64{
		selKCode / 8:      0x00af9b000000ffff, // 64-bit code, DPL 0
		selKData / 8:      0x00cf93000000ffff, // data, DPL 0
		selUData / 8:      0x00cff3000000ffff, // data, DPL 3
		selUCode / 8:      0x00affb000000ffff, // 64-bit code, DPL 3
		selTSS / 8:        tssLow(tss),
		selTSS/8 + 1:      uint64(tss) >> 32,
		starBase &^ 3 / 8: 0, // 32-bit user code: absent on purpose
	} {
		*word(c.tables + uintptr(i)*8) = d
	}
	*word(tss + 4) = c.stackTop // RSP0: never used, every gate has an IST
	for i := 1; i <= ists; i++ {
		*word(tss + 36 + uintptr(i-1)*8) = uint64(c.stacks[i].top)
	}
	*word32(tss + 100) = 104 << 16 // no I/O bitmap: all ports closed to ring 3
	cpus[id] = c.Self
	return c
}

// gdtSize is the size of a GDT in bytes, offTSS where the TSS stands behind it.
const (
	gdtSize = 8 * 8
	offTSS  = 128
)

// stackSizeOf is the size of a CPU's stack i (percpu.stacks).
func stackSizeOf(i int) uintptr {
	switch i {
	case istNMI, istDebug:
		return bareStack
	case istDouble, istCheck:
		return endStack
	}
	return stackSize
}

// tssLow is the first half of a 64-bit TSS descriptor (SDM vol. 3, 7.2.3).
func tssLow(base uintptr) uint64 {
	b := uint64(base)
	return 103 | b&0xffffff<<16 | 0x89<<40 | b>>24&0xff<<56
}

// bootFrames allocates n bytes of zeroed memory in whole frames.
func bootFrames(n uintptr) uintptr {
	order := uint8(0)
	for uintptr(pageSize)<<order < n {
		order++
	}
	f := frame.AllocOrderZero(frame.KindKernel, order)
	if f == 0 {
		fatal("too little memory to start (give the machine more)")
	}
	return f.Addr()
}

// idt is shared by all CPUs.
var idt uintptr

// makeIDT fills the gates (SDM vol. 3, 6.14.1). Only #BP and #OF may be raised
// by the program with INT n; vectors without a stub stay absent.
func makeIDT() {
	idt = sealedPage()
	for v := uintptr(0); v < 256; v++ {
		stub := stubs[v]
		if stub == 0 {
			continue
		}
		ist, dpl := uint64(istIRQ), uint64(0)
		switch {
		case v == 1:
			ist = istDebug
		case v == 2:
			ist = istNMI
		case v == 8:
			ist = istDouble
		case v == 14:
			ist = istPage
		case v == 18:
			ist = istCheck
		case v < 32:
			ist = istFault
		}
		if v == 3 || v == 4 {
			dpl = 3
		}
		s := uint64(stub)
		*word(idt + v*16) = s&0xffff | selKCode<<16 | ist<<32 | (0x8e|dpl<<5)<<40 | s>>16&0xffff<<48
		*word(idt + v*16 + 8) = s >> 32
	}
}

// loadCPU makes the running CPU use block c: tables, MSRs, control registers.
func loadCPU(c *percpu) {
	if idt == 0 {
		makeIDT()
	}
	var desc [2]uint64 // a 10-byte descriptor at offset 6
	d := descAddr(&desc)
	setDesc(d, c.tables, gdtSize-1)
	arch.LoadGDT(d)
	setDesc(d, idt, 4095)
	arch.LoadIDT(d)
	arch.LoadTR(selTSS)
	arch.LoadLDT(0)
	arch.WriteDR7(1 << 10) // the bit that is always set: no breakpoint
	arch.WriteMSR(arch.MSRGSBase, uint64(c.Self))
	arch.WriteMSR(arch.MSRKernelGSBase, 0)
	arch.WriteMSR(arch.MSREFER, arch.ReadMSR(arch.MSREFER)|arch.EFERSCE|arch.EFERNXE)
	arch.WriteMSR(arch.MSRSTAR, selKCode<<32|starBase<<48)
	arch.WriteMSR(arch.MSRLSTAR, uint64(early.sym.syscallEntry))
	arch.WriteMSR(arch.MSRSFMASK, arch.FlagTF|arch.FlagIF|arch.FlagDF|arch.FlagIOPL|arch.FlagNT|arch.FlagAC)
	// CSTAR is only reached from 32-bit code, which no selector allows; on Intel
	// the MSR does not exist for writing in effect. SYSENTER: CS 0 makes it #GP.
	arch.WriteMSR(arch.MSRCSTAR, 0)
	arch.WriteMSR(arch.MSRSysenterCS, 0)
	arch.WriteMSR(arch.MSRSysenterESP, 0)
	arch.WriteMSR(arch.MSRSysenterEIP, 0)
	// What the loader may have left on besides stays off: PKE, CET, PCE, TSD, PCIDE.
	cr4 := arch.ReadCR4() & (arch.CR4PAE | arch.CR4OSFXSR | arch.CR4OSXMMEXCPT)
	if havePGE != 0 {
		cr4 |= arch.CR4PGE
	}
	// Without it a machine check would shut the processor down (SDM vol. 3, 2.5), and
	// nobody would be told why the machine is gone.
	if _, _, _, d := arch.CPUID(1, 0); d&(1<<7) != 0 {
		cr4 |= arch.CR4MCE
	}
	if top, _, _, _ := arch.CPUID(0, 0); top >= 7 {
		_, b, cx, _ := arch.CPUID(7, 0)
		if b&1 != 0 {
			cr4 |= arch.CR4FSGSBASE
			fsgsbase = 1
		}
		if b&(1<<7) != 0 {
			cr4 |= arch.CR4SMEP
		}
		if b&(1<<20) != 0 {
			cr4 |= arch.CR4SMAP
			haveSMAP, arch.SMAP = 1, 1
		}
		if cx&(1<<2) != 0 {
			cr4 |= arch.CR4UMIP
		}
	}
	arch.WriteCR4(cr4)
	noTSX()
	if _, _, _, d := arch.CPUID(0x80000001, 0); d&(1<<27) != 0 { // RDTSCP
		arch.WriteMSR(arch.MSRTSCAux, uint64(c.ID))
	}
}

// noTSX turns transactions off where the processor has the switch (Intel SDM vol. 4,
// IA32_ARCH_CAPABILITIES bit 7; IA32_TSX_CTRL): RTM aborts always, CPUID hides it.
func noTSX() {
	const tsxCtrl, off = 1 << 7, 3
	if arch.Capabilities()&tsxCtrl != 0 {
		arch.WriteMSR(arch.MSRTSXCtrl, off)
	}
}

func setDesc(d uintptr, base uintptr, limit uint16) {
	*byteAt(d) = byte(limit)
	*byteAt(d + 1) = byte(limit >> 8)
	for i := uintptr(0); i < 8; i++ {
		*byteAt(d + 2 + i) = byte(base >> (8 * i))
	}
}
