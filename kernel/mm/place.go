package mm

// low is where the addresses of MAP_32BIT end.
const low = 2 << 30

// vacant reports whether [addr, addr+n) touches no mapping and no stack's guard
// gap. The caller holds mu.
func (s *Space) vacant(addr, n uintptr) bool {
	next := s.set.find(addr)
	return next == nil || addr+n <= next.edge()
}

// inText reports whether a range touches the text window, or the code of a program
// that is linked at a fixed address.
func (s *Space) inText(addr, n uintptr) bool {
	l := &s.layout
	return addr < l.TextEnd && addr+n > l.TextStart || addr < l.FixedEnd && addr+n > l.FixedStart
}

// place chooses an address for a mapping, or 0: the hint if it is free, else as
// high as possible below the mmap base, else anywhere. Executable files go into
// the text window and nothing else does. The caller holds mu for writing.
func (s *Space) place(r *Request, m *mapping) uintptr {
	guard := uintptr(0)
	if m.flags&vmGrowsDown != 0 {
		guard = guardGap // room to grow, kept free below
	}
	if m.len > Highest-Lowest-guard {
		return 0
	}
	n, l := m.len+guard, &s.layout
	text := m.flags&vmMayExec != 0 && r.File != nil && l.TextEnd != 0
	end := uintptr(Highest)
	if r.Flags&map32Bit != 0 {
		end = low
	}
	if hint := r.Addr &^ pageMask; hint != 0 {
		hint = max(hint, Lowest)
		if m.len <= end && hint <= end-m.len && s.vacant(hint, m.len) && (text || !s.inText(hint, m.len)) {
			return hint
		}
	}
	if r.Flags&map32Bit != 0 {
		if a := s.placeLow(n); a != 0 {
			return a + guard
		}
		return 0
	}
	if text {
		if a := s.set.highest(n, l.TextStart, l.TextEnd, pageSize); a != 0 {
			return a
		}
	}
	align := uintptr(pageSize)
	if s.wantsHuge() && r.File == nil && m.flags&vmShared == 0 && m.len >= hugeSize && m.len&hugeMask == 0 && guard == 0 {
		align = hugeSize
	}
	a := s.placeBelow(n, align)
	if a == 0 && align != pageSize {
		a = s.placeBelow(n, pageSize)
	}
	if a == 0 {
		return 0
	}
	return a + guard
}

// placeBelow looks below the mmap base, then above it, around the text window.
func (s *Space) placeBelow(n, align uintptr) uintptr {
	l := &s.layout
	for _, r := range [...][2]uintptr{{Lowest, l.MmapBase}, {l.MmapBase, Highest}} {
		lo, hi := r[0], r[1]
		if l.TextEnd > lo && l.TextStart < hi {
			if a := s.set.highest(n, max(lo, l.TextEnd), hi, align); a != 0 {
				return a
			}
			hi = max(lo, l.TextStart)
		}
		if a := s.set.highest(n, lo, hi, align); a != 0 {
			return a
		}
	}
	return 0
}

// placeLow finds room for MAP_32BIT in the second gigabyte, where Linux looks
// for it too: at a random page or as near above it as possible, else below.
func (s *Space) placeLow(n uintptr) uintptr {
	const lo, hi = 1 << 30, low
	if n > hi-lo {
		return 0
	}
	from := uintptr(lo)
	if s.opt.Random != nil {
		from += uintptr(s.opt.Random()) % ((hi-lo-n)/pageSize + 1) * pageSize
	}
	if a := s.set.lowest(n, from, hi, pageSize); a != 0 {
		return a
	}
	return s.set.lowest(n, lo, hi, pageSize)
}
