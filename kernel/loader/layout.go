package loader

import "skerry/kernel/vdso"

// The user half of the address space, 128 TiB less a page, from the bottom. Each
// part is drawn on its own at page granularity from a range of 2^bits pages, and
// the ranges, with room behind or before them for what lies there, are apart:
// whatever is drawn, nothing overlaps.
//
//	0..17    programs that are linked at fixed addresses, MAP_32BIT, and what
//	         programs ask for by address (Java's and older Go's heaps, the shadow
//	         memory of AddressSanitizer, which ends 2 GiB above 16)
//	17..21   start of the heap (brk), which has room until 22
//	22..78   the text window, below
//	78..110  mmap from the top down; its base is in 94..110, and 80..84 is where
//	         AddressSanitizer wants its heap
//	111..128 the stack, with its top in 112..128
//
// The text window holds all code and nothing else does but a program that is
// linked at a fixed address:
//
//	22..38   a position-independent program, which may be 1 TiB long
//	40..56   the vvar page and the vDSO
//	56..78   the interpreter right below the window's end, which is in 62..78, and
//	         below it the libraries, from the top down, as mmap places them
//
// A range of 16 TiB is 2^32 pages.
const (
	tib uint64 = 1 << 40

	fixedEnd = 17 * tib

	brkBase, brkBits = 17 * tib, 30
	brkEnd           = 22 * tib

	pieBase, pieBits   = 22 * tib, 32
	vdsoBase, vdsoBits = 40 * tib, 32
	textBase, textBits = 62 * tib, 32

	mmapLow            = 78 * tib
	mmapBase, mmapBits = 94 * tib, 32

	// The stack's top is drawn downwards from the end of user memory.
	stackBits = 32
	// maxStack bounds the room for the stack: with the lowest top and the guard
	// below it, it stays above mmapBase's range.
	maxStack = tib

	// stackShiftBits are drawn inside the top page of the stack, in units of 16
	// bytes.
	stackShiftBits = 8

	// libraryRoom is what MakeRoom leaves of the text window, in bytes.
	libraryRoom = 1 << 30
)

// GuardGap is what stays free below the stack, in bytes.
const GuardGap = 1 << 20

// DefaultStack is RLIMIT_STACK unless something else is asked for.
const DefaultStack = 8 << 20

// Layout is where the parts of the address space are. It is drawn once, before
// anything is mapped.
type Layout struct {
	// PIE is where a position-independent program begins, before alignment.
	PIE uintptr
	// VDSO is the vvar page; the vDSO follows (vdso.ImageOffset).
	VDSO uintptr
	// TextStart and TextEnd bound the text window.
	TextStart, TextEnd uintptr
	// MmapBase is where mmap begins to fill downwards.
	MmapBase uintptr
	// Brk is where the heap begins.
	Brk uintptr
	// StackTop is the end of the stack, page-aligned. StackShift is how far below
	// it the first byte is, in units of 16 bytes, below 256.
	StackTop   uintptr
	StackShift uint8

	apart bool // a position-independent program's code is a range of its own
}

// MakeRoom is for a program that writes code (a JIT budget). Compilers want what they write
// to be near to what it calls, within 2 GiB of their own code or of a library's, and in the
// text window no memory becomes executable. So the window is only what the libraries take,
// the program's code is a range by itself as if it was linked at a fixed address, and the
// rest is free. What is drawn stays as it was drawn.
func (l *Layout) MakeRoom() {
	l.TextStart, l.apart = l.TextEnd-libraryRoom, true
}

// Draw draws a layout. random answers 64 bits that nobody can guess; one word is
// used for each part, so that no part says anything about another.
func Draw(random func() uint64) Layout {
	return Layout{
		PIE:        draw(random, pieBase, pieBits),
		VDSO:       draw(random, vdsoBase, vdsoBits),
		TextStart:  uintptr(pieBase),
		TextEnd:    draw(random, textBase, textBits),
		MmapBase:   draw(random, mmapBase, mmapBits),
		Brk:        draw(random, brkBase, brkBits),
		StackTop:   limit - pages(random, stackBits),
		StackShift: uint8(random() >> (64 - stackShiftBits)),
	}
}

func draw(random func() uint64, base uint64, bits uint) uintptr {
	return uintptr(base) + pages(random, bits)
}

// pages is a random number of pages below 2^bits, in bytes.
func pages(random func() uint64, bits uint) uintptr {
	return uintptr(random() >> (64 - bits) * pageSize)
}

// vDSO returns what AT_SYSINFO_EHDR is.
func (l *Layout) vDSO() uintptr { return l.VDSO + vdso.ImageOffset }

// StackRoom is how far the stack may grow below StackTop, for a given
// RLIMIT_STACK: whole pages, and at least what Stack.Mapped can be.
func StackRoom(rlimit uint64) uintptr {
	const least = 512 << 10
	return uintptr(min(max(rlimit, least), maxStack) &^ pageMask)
}
