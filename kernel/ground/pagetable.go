package ground

import (
	"skerry/kernel/ground/arch"
	"skerry/kernel/ground/frame"
)

// mem guards the upper half of the page table and the runtime's address space.
var mem arch.Spin

// buildTables makes the real page tables and switches to them: all memory at
// DirectMap, writable but never executable, with the aliases of the kernel's
// text and read-only data read-only too; the image at its own addresses, each
// segment with its own rights. The identity map is gone after this, so a nil
// dereference faults.
func buildTables() {
	rootTable = earlyAlloc(pageSize)
	arch.ZeroPage(direct(rootTable), pageSize)
	for i := 0; i < early.nram; i++ {
		r := early.ram[i]
		for pa := r.start &^ (hugeSize - 1); pa < r.end; pa += hugeSize {
			mapDirect(pa)
		}
	}
	mapImage(early.text, pteP|pteG)
	mapImage(early.rodata, pteP|pteG|pteNX)
	mapImage(early.data, pteP|pteW|pteG|pteNX)
	arch.WriteMSR(arch.MSREFER, arch.ReadMSR(arch.MSREFER)|arch.EFERNXE|arch.EFERSCE)
	if havePGE != 0 {
		arch.WriteCR4(arch.ReadCR4() | arch.CR4PGE)
	}
	arch.WriteCR3(rootTable)
}

// mapDirect maps the 2 MiB at pa into the direct map, in small pages where the
// kernel's read-only segments lie in it.
func mapDirect(pa uint64) {
	ro := memRange{early.text.start, early.rodata.end}
	if pa+hugeSize <= ro.start || pa >= ro.end {
		*earlyEntry(direct(pa), 2) = pa | pteP | pteW | pteG | pteNX | ptePS | pteA | pteD
		return
	}
	for p := pa; p < pa+hugeSize; p += pageSize {
		flags := uint64(pteP | pteG | pteNX | pteA | pteD)
		if p < ro.start || p >= ro.end {
			flags |= pteW
		}
		*earlyEntry(direct(p), 1) = p | flags
	}
}

// mapImage maps a segment at its link address, in 2 MiB pages where one lies
// wholly inside.
func mapImage(r memRange, flags uint64) {
	for pa := r.start; pa < r.end; {
		if pa&(hugeSize-1) == 0 && pa+hugeSize <= r.end {
			*earlyEntry(imageOffset+uintptr(pa), 2) = pa | flags | ptePS | pteA | pteD
			pa += hugeSize
			continue
		}
		*earlyEntry(imageOffset+uintptr(pa), 1) = pa | flags | pteA | pteD
		pa += pageSize
	}
}

// earlyEntry is the entry for va in the level-l table (1 = page, 2 = 2 MiB),
// making tables on the way from early memory.
func earlyEntry(va uintptr, l uint) *uint64 {
	t := rootTable
	for lv := uint(4); lv > l; lv-- {
		e := word(direct(t) + index(va, lv)*8)
		if *e == 0 {
			pa := earlyAlloc(pageSize)
			arch.ZeroPage(direct(pa), pageSize)
			*e = pa | pteP | pteW | pteA
		}
		t = *e & pteMem
	}
	return word(direct(t) + index(va, l)*8)
}

// index is va's index in a table of level l.
func index(va uintptr, l uint) uintptr { return va >> (12 + 9*(l-1)) & 511 }

// pte is the level-1 entry for a kernel address, making tables from frames if
// alloc is set; nil if there is none. A 2 MiB page on the way also answers nil.
// The caller holds mem (or is alone).
func pte(va uintptr, alloc bool) *uint64 {
	t := rootTable
	for lv := uint(4); lv > 1; lv-- {
		e := word(direct(t) + index(va, lv)*8)
		if *e&pteP == 0 {
			if !alloc {
				return nil
			}
			f := frame.AllocZero(frame.KindKernel)
			if f == 0 {
				return nil
			}
			*e = f.Phys() | pteP | pteW | pteA
		} else if *e&ptePS != 0 {
			return nil
		}
		t = *e & pteMem
	}
	return word(direct(t) + index(va, 1)*8)
}

// hugeEntry is the level-2 entry for a kernel address, or nil.
func hugeEntry(va uintptr) *uint64 {
	t := rootTable
	for lv := uint(4); lv > 2; lv-- {
		e := *word(direct(t) + index(va, lv)*8)
		if e&pteP == 0 || e&ptePS != 0 {
			return nil
		}
		t = e & pteMem
	}
	return word(direct(t) + index(va, 2)*8)
}

// mapPage maps one kernel page. It reports false when there is no memory for a
// table.
func mapPage(va uintptr, pa, flags uint64) bool {
	fl := mem.Lock()
	e := pte(va, true)
	if e != nil {
		*e = pa | flags
	}
	mem.Unlock(fl)
	return e != nil
}

// deviceNext is the next free address of the device window.
var deviceNext uintptr = deviceBase

// gMapDevice maps n bytes of device memory at pa, uncached, and returns its
// address, or 0. It is never unmapped.
func gMapDevice(pa, n, _ uintptr) uintptr {
	first := pa &^ (pageSize - 1)
	pages := (pa + n - first + pageSize - 1) / pageSize
	if n == 0 || pages > (deviceEnd-deviceBase)/pageSize || pa+n < pa {
		return 0
	}
	fl := mem.Lock()
	va := deviceNext
	if va+pages*pageSize > deviceEnd {
		va = 0
	}
	for i := uintptr(0); va != 0 && i < pages; i++ {
		e := pte(va+i*pageSize, true)
		if e == nil {
			va = 0
			break
		}
		*e = uint64(first+i*pageSize) | pteP | pteW | pteNX | ptePCD | ptePWT | pteG | pteA | pteD
	}
	if va != 0 {
		deviceNext += pages * pageSize
		va += pa - first
	}
	mem.Unlock(fl)
	return va
}
