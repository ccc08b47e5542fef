package procfs

import "strconv"

// each calls f for every mapping in order.
func (p *proc) each(f func(m *Mapping)) {
	for at := uintptr(0); ; {
		m, ok := p.Source.Map(at)
		if !ok {
			return
		}
		f(&m)
		at = m.End
	}
}

// nameColumn is where a line of maps has its name, proc_pid_maps(5).
const nameColumn = 73

// mapsLine appends the line of a mapping.
func (b *text) mapsLine(m *Mapping) {
	start := len(*b)
	b.hex(uint64(m.Start), 8).str("-").hex(uint64(m.End), 8).str(" ")
	flags := []byte("---p")
	for i, on := range []bool{m.Read, m.Write, m.Exec, m.Shared} {
		if on {
			flags[i] = "rwxs"[i]
		}
	}
	b.str(string(flags)).str(" ").hex(m.Offset, 8).str(" ")
	b.hex(m.Dev>>8&0xfff, 2).str(":").hex(m.Dev&0xff|m.Dev>>12&^0xff, 2).str(" ").unum(m.Ino)
	b.str(" ")
	if m.Name != "" {
		for len(*b)-start < nameColumn {
			b.str(" ")
		}
		// A newline in a path would look like the end of the line.
		for _, c := range []byte(m.Name) {
			if c == '\n' {
				b.str(`\012`)
			} else {
				*b = append(*b, c)
			}
		}
	}
	b.str("\n")
}

// maps is /proc/N/maps.
func (p *proc) maps() []byte {
	var b text
	p.each(b.mapsLine)
	return b
}

// usageLines appends the figures of smaps, proc_pid_smaps(5).
func (b *text) usageLines(u *Usage) {
	dirty := min(u.PrivateDirty, u.Resident-min(u.Shared, u.Resident))
	clean := u.Resident - min(u.Shared+dirty, u.Resident)
	for _, l := range []struct {
		name  string
		bytes uint64
	}{
		{"Rss", u.Resident}, {"Pss", u.Resident}, {"Pss_Dirty", dirty}, {"Shared_Clean", u.Shared}, {"Shared_Dirty", 0},
		{"Private_Clean", clean}, {"Private_Dirty", dirty}, {"Referenced", u.Referenced}, {"Anonymous", u.Anonymous},
		{"KSM", 0}, {"LazyFree", 0}, {"AnonHugePages", u.Huge}, {"ShmemPmdMapped", 0}, {"FilePmdMapped", 0},
		{"Shared_Hugetlb", 0}, {"Private_Hugetlb", 0}, {"Swap", 0}, {"SwapPss", 0},
	} {
		b.kB(l.name, l.bytes, 16, 8)
	}
}

// smaps is /proc/N/smaps.
func (p *proc) smaps() []byte {
	var b text
	p.each(func(m *Mapping) {
		b.mapsLine(m)
		b.kB("Size", uint64(m.End-m.Start), 16, 8).kB("KernelPageSize", 4096, 16, 8).kB("MMUPageSize", 4096, 16, 8)
		u := p.Source.Usage(m.Start, m.End)
		b.usageLines(&u)
		locked := uint64(0)
		if m.Locked {
			locked = u.Resident
		}
		b.kB("Locked", locked, 16, 8).str("VmFlags: ")
		for _, f := range []struct {
			on   bool
			name string
		}{
			{m.Read, "rd"}, {m.Write, "wr"}, {m.Exec, "ex"}, {m.Shared, "sh"}, {true, "mr"}, {m.MayWrite, "mw"},
			{m.MayExec, "me"}, {m.GrowsDown, "gd"}, {m.Locked, "lo"},
		} {
			if f.on {
				b.str(f.name).str(" ")
			}
		}
		b.str("\n")
	})
	return b
}

// rollup is /proc/N/smaps_rollup: the sums.
func (p *proc) rollup() []byte {
	var sum Usage
	var first, last uintptr
	locked := uint64(0)
	p.each(func(m *Mapping) {
		if first == 0 {
			first = m.Start
		}
		last = m.End
		u := p.Source.Usage(m.Start, m.End)
		sum.Resident += u.Resident
		sum.Anonymous += u.Anonymous
		sum.Huge += u.Huge
		sum.Shared += u.Shared
		sum.PrivateDirty += u.PrivateDirty
		sum.Referenced += u.Referenced
		if m.Locked {
			locked += u.Resident
		}
	})
	var b text
	m := Mapping{Start: first, End: last, Name: "[rollup]"}
	b.mapsLine(&m)
	b.usageLines(&sum)
	b.kB("Locked", locked, 16, 8)
	return b
}

func itoa(n int) string { return strconv.Itoa(n) }
