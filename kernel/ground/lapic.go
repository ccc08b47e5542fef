package ground

import "skerry/kernel/ground/arch"

// The local APIC (SDM vol. 3, chapter 11), as memory at lapic or, with x2APIC,
// as MSRs; and the I/O APIC of machines without MSI (82093AA data sheet).
var (
	lapic  uintptr
	ioapic uintptr
	// timerHz is how fast the local timer counts; divider 1.
	timerHz uint64
	// timerMult turns nanoseconds into counts: count = ns*timerMult >> 32.
	timerMult uint64
)

// Local APIC registers, SDM vol. 3, table 11-1.
const (
	apicID      = 0x20
	apicTPR     = 0x80
	apicEOI     = 0xb0
	apicSVR     = 0xf0
	apicICR     = 0x300
	apicICRHigh = 0x310
	apicTimer   = 0x320
	apicLINT0   = 0x350
	apicLINT1   = 0x360
	apicError   = 0x370
	apicInitCnt = 0x380
	apicCurCnt  = 0x390
	apicDivide  = 0x3e0

	lapicPhys  = 0xfee00000
	ioapicPhys = 0xfec00000

	lvtMasked      = 1 << 16
	lvtNMI         = 4 << 8
	lvtTSCDeadline = 2 << 17
	icrInit        = 5 << 8
	icrStartUp     = 6 << 8
	icrAssert      = 1 << 14
	icrPending     = 1 << 12
	icrOthers      = 3 << 18 // all but self
)

func apicRead(reg uintptr) uint32 {
	if x2apic != 0 {
		return uint32(arch.ReadMSR(uint32(arch.MSRX2APICBase + reg>>4)))
	}
	return arch.Load32(lapic + reg)
}

func apicWrite(reg uintptr, v uint32) {
	if x2apic != 0 {
		arch.WriteMSR(uint32(arch.MSRX2APICBase+reg>>4), uint64(v))
		return
	}
	arch.Store32(lapic+reg, v)
}

// initAPIC turns the running CPU's local APIC on.
func initAPIC(c *percpu) {
	base := arch.ReadMSR(arch.MSRAPICBase) | 1<<11
	if x2apic != 0 {
		base |= 1 << 10
	} else if lapic == 0 {
		lapic = gMapDevice(lapicPhys, pageSize, 0)
		if lapic == 0 {
			fatal("too little memory to start (give the machine more)")
		}
	}
	arch.WriteMSR(arch.MSRAPICBase, base)
	apicWrite(apicTPR, 0)
	apicWrite(apicTimer, lvtMasked|vecTimer)
	apicWrite(apicLINT0, lvtMasked)
	apicWrite(apicLINT1, lvtNMI)
	apicWrite(apicError, lvtMasked|vecSpurious)
	apicWrite(apicSVR, 1<<8|vecSpurious)
	apicWrite(apicDivide, 0xb) // divide by 1
	id := apicRead(apicID)
	if x2apic == 0 {
		id >>= 24
	}
	c.apicID = id
	if c.ID == 0 {
		maskPIC()
	}
}

// maskPIC silences the two 8259s where a machine has them; elsewhere the writes
// go nowhere.
func maskPIC() {
	arch.Out8(0x21, 0xff)
	arch.Out8(0xa1, 0xff)
}

// gIPI sends vector to the CPU with the given APIC ID.
func gIPI(id uint32, vector uint32) {
	if x2apic != 0 {
		arch.WriteMSR(arch.MSRX2APICBase+apicICR>>4, uint64(id)<<32|uint64(vector)|icrAssert)
		return
	}
	for arch.Load32(lapic+apicICR)&icrPending != 0 {
		arch.ServeShoot()
		arch.Pause()
	}
	arch.Store32(lapic+apicICRHigh, id<<24)
	arch.Store32(lapic+apicICR, vector|icrAssert)
}

// gIPIOthers sends a command to all CPUs but this one.
func gIPIOthers(cmd uint32) {
	if x2apic != 0 {
		arch.WriteMSR(arch.MSRX2APICBase+apicICR>>4, uint64(cmd)|icrAssert|icrOthers)
		return
	}
	for arch.Load32(lapic+apicICR)&icrPending != 0 {
		arch.Pause()
	}
	arch.Store32(lapic+apicICRHigh, 0)
	arch.Store32(lapic+apicICR, cmd|icrAssert|icrOthers)
}

// gArm makes this CPU's timer fire at the monotonic time at (ns), or at once if
// that is past.
func gArm(c *percpu, at int64) {
	c.armed = at
	ns := at - gNow()
	if ns < 1000 {
		ns = 1000
	}
	if ns > 1e12 {
		ns = 1e12
	}
	if deadlineT != 0 {
		arch.WriteMSR(arch.MSRTSCDeadline, arch.RDTSC()+nsToTSC(uint64(ns)))
		return
	}
	n := mulShift32(uint64(ns), timerMult)
	if n > 0xffffffff {
		n = 0xffffffff
	}
	apicWrite(apicInitCnt, uint32(n))
}

// gTimerOn unmasks the running CPU's timer.
func gTimerOn() {
	mode := uint32(0) // one-shot
	if deadlineT != 0 {
		mode = lvtTSCDeadline
	}
	apicWrite(apicTimer, mode|vecTimer)
}

// I/O APIC registers (82093AA, 3.2).
const (
	ioRegSel = 0x00
	ioRegWin = 0x10
)

// gRouteGSI connects global system interrupt gsi, edge-triggered and active
// high, to the line's vector on the boot CPU. It answers 0 if there is no such
// input.
func gRouteGSI(line, gsi, _ uintptr) uintptr {
	if line >= 64 {
		return 0
	}
	if ioapic == 0 {
		ioapic = gMapDevice(ioapicPhys, pageSize, 0)
		if ioapic == 0 {
			return 0
		}
	}
	arch.Store32(ioapic+ioRegSel, 1)
	inputs := uintptr(arch.Load32(ioapic+ioRegWin)>>16&0xff) + 1
	if gsi >= inputs {
		return 0
	}
	arch.Store32(ioapic+ioRegSel, uint32(0x10+2*gsi+1))
	arch.Store32(ioapic+ioRegWin, cpuAt(cpus[0]).apicID<<24)
	arch.Store32(ioapic+ioRegSel, uint32(0x10+2*gsi))
	arch.Store32(ioapic+ioRegWin, uint32(vecLine+line))
	return 1
}

// gMaskGSI masks or unmasks an input of the I/O APIC.
func gMaskGSI(gsi, masked, _ uintptr) uintptr {
	if ioapic == 0 {
		return 0
	}
	arch.Store32(ioapic+ioRegSel, uint32(0x10+2*gsi))
	v := arch.Load32(ioapic + ioRegWin)
	arch.Store32(ioapic+ioRegWin, v&^lvtMasked|uint32(masked)<<16)
	return 1
}
