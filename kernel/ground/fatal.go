package ground

import (
	"skerry/kernel/ground/arch"
	"skerry/kernel/ground/frame"
)

// com1 is the first serial port, a 16550: text from before and after the time
// in which the machine's ports work.
const com1 = 0x3f8

// gPutc writes a byte to the serial port, waiting at most a while for room.
func gPutc(b byte) {
	for i := 0; i < 1<<16 && arch.In8(com1+5)&0x20 == 0; i++ {
		arch.Pause()
	}
	arch.Out8(com1, b)
}

func gConsole(p, n uintptr) {
	for i := uintptr(0); i < n; i++ {
		b := *byteAt(p + i)
		if b == '\n' {
			gPutc('\r')
		}
		gPutc(b)
	}
}

func gPuts(s string) {
	for i := 0; i < len(s); i++ {
		gPutc(s[i])
	}
}

func gHex(v uint64) {
	const digits = "0123456789abcdef"
	for s := 60; s >= 0; s -= 4 {
		gPutc(digits[v>>uint(s)&15])
	}
}

func gDecimal(v uint64) {
	if v >= 10 {
		gDecimal(v / 10)
	}
	gPutc(byte('0' + v%10))
}

func gPut(name string, v uint64) {
	gPuts(name)
	gHex(v)
}

// fatal ends the boot with a message: what is wrong is not the kernel.
func fatal(msg string) {
	gPuts("skerry: ")
	gPuts(msg)
	gPuts("\r\n")
	gReset()
}

// Fatal ends the machine before there is a launcher to tell: the message goes to
// the serial port.
func Fatal(msg string) { fatal(msg) }

// bugLock lets one CPU report.
var bugLock arch.Spin

// gBug reports a broken invariant of ground, with the registers, and ends the
// machine.
func gBug(msg string, r *Regs, addr uint64) {
	bugLock.Lock()
	gPuts("\r\nkernel bug: ")
	gPuts(msg)
	gPut("\r\nvector ", r.Vec)
	gPut(" error ", r.Err)
	gPut(" address ", addr)
	gPut("\r\nrip ", r.RIP)
	gPut(" rsp ", r.RSP)
	gPut(" flags ", r.RFlags)
	gPut("\r\nax ", r.AX)
	gPut(" bx ", r.BX)
	gPut(" cx ", r.CX)
	gPut(" dx ", r.DX)
	gPut("\r\nsi ", r.SI)
	gPut(" di ", r.DI)
	gPut(" bp ", r.BP)
	gPut(" r8 ", r.R8)
	gPut("\r\nr9 ", r.R9)
	gPut(" r10 ", r.R10)
	gPut(" r11 ", r.R11)
	gPut(" r12 ", r.R12)
	gPut("\r\nr13 ", r.R13)
	gPut(" r14 ", r.R14)
	gPut(" r15 ", r.R15)
	gPuts("\r\n")
	// The words on the stack that look like kernel text, for a rough trace.
	if sp := uintptr(r.RSP); sp >= DirectMap {
		for i, n := uintptr(0), 0; i < 4096 && n < 24; i += 8 {
			if (sp+i)&(pageSize-1) == 0 && i != 0 {
				break
			}
			if v := *word(sp + i); v >= uint64(early.sym.textStart) && v < uint64(early.sym.textEnd) {
				gPut("  ", v)
				n++
			}
		}
		gPuts("\r\n")
	}
	gBugReset()
}

// gDead is the end after a double fault or machine check, or an interrupt that
// came with interrupts off. The last is not the kernel's bug but that of whatever
// emulates or virtualizes the processor, which delivers an interrupt twice; a machine
// check is an error of the hardware (SDM vol. 3, 15.1).
func gDead(rp uintptr) {
	r := regsAt(rp)
	if r.Vec == 8 {
		gBug("double fault", r, uint64(arch.ReadCR2()))
	}
	bugLock.Lock()
	if r.Vec < 32 {
		gPut("\r\nskerry: machine check: the hardware or the hypervisor is at fault (take another host); vector ", r.Vec)
	} else {
		gPut("\r\nskerry: an interrupt came while interrupts were off, which no processor does: the hypervisor is at fault (update it, or take another host); vector ", r.Vec)
	}
	gPut(" at ", r.RIP)
	gPuts("\r\n")
	gReset()
}

// gOutOfMemory: the Go heap could not grow although it may use the reserve. It is
// the last resort; kernel/machine ends the program before, if it is given the time.
func gOutOfMemory() {
	s := frame.Read()
	gPuts("\r\nout of memory: the kernel could not grow; the program and its files have ")
	gDecimal(uint64(s.User+s.Cache+s.RootFS) * frame.Size >> 10)
	gPuts(" KiB of ")
	gDecimal(uint64(s.Total) * frame.Size >> 10)
	gPuts(", the kernel ")
	gDecimal(uint64(s.Kernel+s.Heap) * frame.Size >> 10)
	gPuts(" (give the machine more: -m)\r\n")
	gReset()
}

// gExitGroup is the end of the kernel's own program: a panic that nobody
// recovered (the runtime has printed its trace) or an os.Exit.
func gExitGroup(code int) {
	gPuts("\r\nkernel bug: the kernel's runtime exited\r\n")
	gBugReset()
}

// gBugReset ends the machine after a kernel bug. QEMU's isa-debug-exit device,
// where the launcher put it (bootrec.BugPort), turns the value into an exit
// status; elsewhere the write goes nowhere and the reset does it.
func gBugReset() {
	const bugPort, bugCode = 0x501, 60 // bootrec.BugPort, bootrec.BugCode
	arch.Out16(bugPort, bugCode)
	gReset()
}

// gReset resets the machine by a triple fault: an empty IDT and an exception.
// Every virtual machine monitor knows it; with -no-reboot QEMU ends.
func gReset() {
	var desc [2]uint64
	arch.CLI()
	arch.LoadIDT(descAddr(&desc))
	for {
		arch.Store64(0x10, 0)
	}
}
