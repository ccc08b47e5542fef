// Package uart writes to a 16550 serial port by polling: text of early boot and
// of a kernel that is about to end. It uses no interrupts and no memory of its
// own, and works before anything else does.
//
// It may be called from trap context: every function is nosplit, calls nothing
// but port and register accesses, and never waits without a bound. There is no
// lock: two CPUs that write at the same time mix their text.
//
// Reference: National Semiconductor, PC16550D data sheet (1995), table II and
// section 8. It imports kernel/ground/arch.
package uart

import "skerry/kernel/ground/arch"

// COM1 is where a PC has its first serial port.
const COM1 = 0x3f8

// Registers, as offsets from the base.
const (
	regData    = 0 // transmit holding register; divisor low with lineDLAB
	regIntEn   = 1 // interrupt enable; divisor high with lineDLAB
	regFIFO    = 2 // FIFO control (write), interrupt identification (read)
	regLine    = 3 // line control
	regModem   = 4 // modem control
	regStatus  = 5 // line status
	regScratch = 7

	line8N1     = 3
	lineDLAB    = 0x80
	fifoOn      = 7    // enable, clear both
	fifoWorks   = 0xc0 // both bits of the identification
	modemReady  = 3    // DTR, RTS
	statusEmpty = 0x20 // the holding register or FIFO is empty

	divisor   = 1 // 115,200 baud
	fifoDepth = 16
)

// spins bounds the wait for room, in reads of the status: two orders of
// magnitude more than a FIFO takes at 115,200 baud where a read takes 1 µs.
const spins = 100000

// Port is one serial port. Fill in where it is, then Init.
type Port struct {
	// Base is the first I/O port; Mem, where not 0, is the address of the
	// registers in memory, one byte each, instead.
	Base uint16
	Mem  uintptr

	room  uint32 // bytes that can be written without asking
	depth uint32 // bytes that there is room for when the status says empty; 0 if there is no port
	stuck uint32 // 1 once the port did not empty in time
}

//go:nosplit
func (u *Port) in(r uint16) uint8 {
	if u.Mem != 0 {
		return arch.Load8(u.Mem + uintptr(r))
	}
	return arch.In8(u.Base + r)
}

//go:nosplit
func (u *Port) out(r uint16, v uint8) {
	if u.Mem != 0 {
		arch.Store8(u.Mem+uintptr(r), v)
		return
	}
	arch.Out8(u.Base+r, v)
}

// Init sets the port up and reports whether there is one: a place where nothing
// answers does not keep what is written to the scratch register. Until then,
// and without a port, writing does nothing.
//
//go:nosplit
func (u *Port) Init() bool {
	u.room, u.depth, u.stuck = 0, 0, 0
	u.out(regScratch, 0x5a)
	if u.in(regScratch) != 0x5a {
		return false
	}
	u.out(regIntEn, 0)
	u.out(regLine, lineDLAB)
	u.out(regData, divisor)
	u.out(regIntEn, divisor>>8)
	u.out(regLine, line8N1)
	u.out(regFIFO, fifoOn)
	u.out(regModem, modemReady)
	u.depth = 1
	if u.in(regFIFO)&fifoWorks == fifoWorks {
		u.depth = fifoDepth
	}
	return true
}

// Byte writes one byte. A port that stays full is waited for once; after that
// bytes which find no room are lost, so that a dying kernel gets to its end.
//
//go:nosplit
func (u *Port) Byte(b uint8) {
	if u.depth == 0 {
		return
	}
	if u.room == 0 {
		n := uint32(spins)
		if u.stuck != 0 {
			n = 1
		}
		for u.in(regStatus)&statusEmpty == 0 {
			if n--; n == 0 {
				u.stuck = 1
				return
			}
			arch.Pause()
		}
		u.room, u.stuck = u.depth, 0
	}
	u.room--
	u.out(regData, b)
}

// Write writes p.
//
//go:nosplit
func (u *Port) Write(p []byte) {
	for _, b := range p {
		u.Byte(b)
	}
}

// String writes s.
//
//go:nosplit
func (u *Port) String(s string) {
	for i := 0; i < len(s); i++ {
		u.Byte(s[i])
	}
}

// Hex writes v as 16 hexadecimal digits.
//
//go:nosplit
func (u *Port) Hex(v uint64) {
	for shift := 60; shift >= 0; shift -= 4 {
		d := uint8(v>>uint(shift&63)) & 15
		if d < 10 {
			u.Byte('0' + d)
		} else {
			u.Byte('a' + d - 10)
		}
	}
}
