package ground

import "skerry/kernel/ground/arch"

// What is written once: descriptor tables, the table of fix-ups and what the kernel
// above asks for. Each is a page of its own outside the Go heap, and Seal makes all of
// them read-only before the program starts. A later store faults, which ends the
// machine.

// maxSealed is room for the tables of each CPU, the IDT, the fix-ups and some more.
const maxSealed = MaxCPU + 8

var (
	sealedPages [maxSealed]uintptr
	nsealed     uintptr
)

// sealedPage allocates a zeroed page that Seal seals.
func sealedPage() uintptr {
	if nsealed == maxSealed {
		fatal("kernel bug: too many pages to seal")
	}
	p := bootFrames(pageSize)
	sealedPages[nsealed] = p
	nsealed++
	return p
}

// SealedPage returns a page of zeroed memory that can be written until Seal. It is for
// what decides about the program, and holds no pointers.
func SealedPage() []byte { return arch.Bytes(call(funcAddr(&fnSealedPage), 0, 0, 0), pageSize) }

// Seal makes what is written once read-only, on every CPU; false without memory for
// the page tables. The other CPUs have started.
func Seal() bool { return call(funcAddr(&fnSeal), 0, 0, 0) != 0 }

var (
	fnSealedPage  = gSealedPage
	fnSeal        = gSeal
	fnCheckTables = gCheckTables
)

func gSealedPage(_, _, _ uintptr) uintptr { return sealedPage() }

func gSeal(_, _, _ uintptr) uintptr {
	for i := uintptr(0); i < nsealed; i++ {
		if gProtect(sealedPages[i], pageSize, 0) == 0 {
			return 0
		}
	}
	return 1
}

// Tables is what the kernel's half of the page table maps, in bytes.
type Tables struct {
	Code, ReadOnly, Writable uint64
	// Bad is the first address whose rights break a rule, or 0: no page is of the
	// program, none is executable but the kernel's text, and none that is writable
	// shows text, read-only data or a sealed page.
	Bad uintptr
}

// CheckTables walks the kernel's half of the page table; after Seal. No other CPU may
// add to it meanwhile, so it takes as long as the kernel is large.
func CheckTables() Tables {
	call(funcAddr(&fnCheckTables), 0, 0, 0)
	return checked
}

// checked is the result of the last walk.
var checked Tables

func gCheckTables(_, _, _ uintptr) uintptr {
	checked = Tables{}
	fl := mem.Lock()
	gWalk(rootTable, 4, 0, pteW)
	mem.Unlock(fl)
	return 0
}

// gWalk looks at a table of level l (4 is the top) for the addresses from va on. above
// are the rights that the tables above leave: pteW if all have it, pteNX if one has it.
func gWalk(table uint64, l uint, va uintptr, above uint64) {
	first := uintptr(0)
	if l == 4 {
		first = 256
	}
	for i := first; i < 512; i++ {
		e := *word(direct(table) + i*8)
		if e&pteP == 0 {
			continue
		}
		at := va | i<<(12+9*(l-1))
		if l == 4 {
			at |= 0xffff << 48
		}
		rights := above&e&pteW | (above|e)&pteNX
		if l > 1 && e&ptePS == 0 {
			gWalk(e&pteMem, l-1, at, rights)
			continue
		}
		size := uint64(pageSize) << (9 * (l - 1))
		if (e&pteU != 0 || !gAllowed(at, e&pteMem, size, rights)) && checked.Bad == 0 {
			checked.Bad = at
		}
		switch {
		case rights&pteNX == 0:
			checked.Code += size
		case rights&pteW == 0:
			checked.ReadOnly += size
		default:
			checked.Writable += size
		}
	}
}

// gAllowed reports whether the n bytes at va, which show the memory at pa, may have
// the rights that they have.
func gAllowed(va uintptr, pa, n, rights uint64) bool {
	if rights&pteNX == 0 {
		end := uint64(va) + n
		return rights&pteW == 0 && uint64(va) >= imageOffset+early.text.start && end <= imageOffset+early.text.end
	}
	if rights&pteW == 0 {
		return true
	}
	if pa < early.rodata.end && pa+n > early.text.start {
		return false
	}
	for i := uintptr(0); i < nsealed; i++ {
		if p := uint64(sealedPages[i] - DirectMap); p >= pa && p < pa+n {
			return false
		}
	}
	return true
}

// Protection is what the processor protects the kernel with, where it is on (Intel SDM
// vol. 3, 2.5 and 4.1.3).
type Protection struct{ WP, NX, SMEP, SMAP, UMIP bool }

// Protected reads it from the control registers.
func Protected() Protection {
	cr4 := arch.ReadCR4()
	return Protection{
		WP: arch.ReadCR0()&arch.CR0WP != 0, NX: arch.ReadMSR(arch.MSREFER)&arch.EFERNXE != 0,
		SMEP: cr4&arch.CR4SMEP != 0, SMAP: cr4&arch.CR4SMAP != 0, UMIP: cr4&arch.CR4UMIP != 0,
	}
}
