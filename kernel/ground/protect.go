package ground

import (
	"skerry/kernel/ground/frame"
)

// Protection of what is in the direct map: memory that was written for good
// (the boot record, descriptor tables) and page-cache frames of the verified
// root, which the device fills and the CPU only reads.

// gProtect makes [addr, addr+n) of the direct map read-only, or writable again.
// Whole 2 MiB pages keep their size; others are split. It answers 0 without
// memory for a table, with nothing changed in that 2 MiB.
func gProtect(addr, n, writable uintptr) uintptr {
	ok := uintptr(1)
	start, end := addr&^(pageSize-1), (addr+n+pageSize-1)&^(pageSize-1)
	for va := start; va < end && ok != 0; {
		next := (va + hugeSize) &^ (hugeSize - 1)
		whole := va&(hugeSize-1) == 0 && next <= end
		fl := mem.Lock()
		d := hugeEntry(va)
		switch {
		case d == nil || *d&pteP == 0:
			ok = 0
		case *d&ptePS != 0 && whole:
			*d = withW(*d, writable)
		default:
			if *d&ptePS != 0 && !splitDirect(d) {
				ok = 0
				break
			}
			for p := va; p < next && p < end; p += pageSize {
				e := word(direct(*d&pteMem) + index(p, 1)*8)
				*e = withW(*e, writable)
			}
		}
		mem.Unlock(fl)
		va = next
	}
	gShoot(start, end)
	return ok
}

func withW(e uint64, writable uintptr) uint64 {
	if writable != 0 {
		return e | pteW
	}
	return e &^ pteW
}

// splitDirect replaces a 2 MiB entry by a table of 4 KiB ones. mem is held.
func splitDirect(d *uint64) bool {
	f := frame.AllocZero(frame.KindKernel)
	if f == 0 {
		return false
	}
	pa, flags := *d&pteMem, *d&^(pteMem|ptePS)
	for i := uintptr(0); i < 512; i++ {
		*word(f.Addr() + i*8) = (pa + uint64(i)*pageSize) | flags
	}
	*d = f.Phys() | pteP | pteW | pteA
	return true
}

// ReadOnly makes n bytes of kernel memory outside the Go heap read-only for
// good: the boot record, tables. A later store faults, which ends the machine.
func ReadOnly(addr, n uintptr) bool {
	return call(funcAddr(&fnProtect), addr, n, 0) != 0
}

// TakeRun takes 2 MiB of frames, each with one reference, that the CPU can only
// read: the device writes them. 0 when there is no such run.
func TakeRun() frame.PFN {
	f := frame.AllocOrder(frame.KindRoot, frame.HugeOrder)
	if f == 0 {
		return 0
	}
	f.Split()
	if call(funcAddr(&fnProtect), f.Addr(), hugeSize, 0) == 0 {
		GiveRun(f)
		return 0
	}
	return f
}

// GiveRun returns a run whole; nothing else refers to its frames.
func GiveRun(f frame.PFN) {
	call(funcAddr(&fnProtect), f.Addr(), hugeSize, 1)
	for i := frame.PFN(0); i < 1<<frame.HugeOrder; i++ {
		(f + i).Unref()
	}
}

var fnProtect = gProtect
