package unwind

import "path"

// The line table: DWARF 5, 6.2, versions 2 to 5. It stands alone: which line an
// address belongs to needs nothing of the other sections but strings.

type lineTable struct {
	lines, lineStr, str []byte
}

// lineUnit is one unit of the table.
type lineUnit struct {
	*lineTable
	version uint64
	offset  uint64 // size of an offset, 4 or 8
	min     uint64 // length of the shortest instruction
	base    int64
	span    uint64
	first   uint64 // first special opcode
	lengths []byte // arguments of the standard opcodes
	files   reader // directories and files
	program reader
}

// find is the source of an address.
func (l *lineTable) find(va uint64) (source string, line int) {
	for r := (reader{b: l.lines}); len(r.b) > 0; {
		u, ok := l.unit(&r)
		if r.bad {
			break
		}
		if !ok {
			continue
		}
		if file, line := u.run(va); line > 0 {
			return u.file(file), line
		}
	}
	return "", 0
}

// unit takes a unit from the table. One that is not understood is skipped: ok is
// false.
func (l *lineTable) unit(r *reader) (u *lineUnit, ok bool) {
	n, size := r.uint(4), uint64(4)
	if n == 0xffffffff {
		n, size = r.uint(8), 8
	}
	b := reader{b: r.take(n)}
	u = &lineUnit{lineTable: l, offset: size, version: b.uint(2)}
	if u.version < 2 || u.version > 5 {
		return nil, false
	}
	if u.version == 5 {
		b.take(2) // sizes of addresses and segment selectors
	}
	h := reader{b: b.take(b.uint(size))}
	u.min = h.uint(1)
	if u.version >= 4 {
		h.take(1) // operations of an instruction, 1
	}
	h.take(1) // whether rows are statements at first
	u.base, u.span, u.first = h.int(1), h.uint(1), h.uint(1)
	if u.span == 0 || u.first == 0 {
		return nil, false
	}
	u.lengths = h.take(u.first - 1)
	u.files, u.program = h, b
	return u, !h.bad && !b.bad
}

// run executes the program up to the row that holds va, and answers its file and
// line; line is 0 if there is none.
func (u *lineUnit) run(va uint64) (file uint64, line int) {
	type state struct {
		addr, file uint64
		line       int64
	}
	begin := state{file: 1, line: 1}
	s := begin
	var last state
	inside := false // last is a row of this sequence
	// row adds one and reports whether the last one is what is looked for.
	row := func() bool {
		found := inside && last.addr <= va && va < s.addr
		if !found {
			last, inside = s, true
		}
		return found
	}
	for r := u.program; len(r.b) > 0 && !r.bad; {
		op, found := r.uint(1), false
		switch {
		case op >= u.first:
			op -= u.first
			s.addr += op / u.span * u.min
			s.line += u.base + int64(op%u.span)
			found = row()
		case op == 0:
			x := reader{b: r.take(r.uleb())}
			switch x.uint(1) {
			case 1: // DW_LNE_end_sequence
				found = row()
				if !found {
					s, inside = begin, false
				}
			case 2: // DW_LNE_set_address
				s.addr = x.uint(8)
			}
		case op == 1: // DW_LNS_copy
			found = row()
		case op == 2: // DW_LNS_advance_pc
			s.addr += r.uleb() * u.min
		case op == 3: // DW_LNS_advance_line
			s.line += r.sleb()
		case op == 4: // DW_LNS_set_file
			s.file = r.uleb()
		case op == 8: // DW_LNS_const_add_pc
			s.addr += (255 - u.first) / u.span * u.min
		case op == 9: // DW_LNS_fixed_advance_pc
			s.addr += r.uint(2)
		default:
			for range u.lengths[op-1] {
				r.uleb()
			}
		}
		if found {
			if last.line <= 0 || last.line > 1<<30 {
				return 0, 0
			}
			return last.file, int(last.line)
		}
	}
	return 0, 0
}

// file is the name of a file.
func (u *lineUnit) file(i uint64) string {
	r := u.files
	if u.version == 5 {
		dirs := r
		u.skipEntries(&r)
		name, dir := u.entry(r, i)
		if d, _ := u.entry(dirs, dir); dir != 0 && !path.IsAbs(name) {
			name = path.Join(d, name)
		}
		return name
	}
	dirs := r
	for r.text() != "" {
	}
	for n := uint64(1); !r.bad; n++ {
		name := r.text()
		dir := r.uleb()
		r.uleb()
		r.uleb()
		if name == "" || r.bad {
			break
		}
		if n < i {
			continue
		}
		if dir != 0 && !path.IsAbs(name) {
			for ; dir > 1 && !dirs.bad; dir-- {
				dirs.text()
			}
			name = path.Join(dirs.text(), name)
		}
		return short(name)
	}
	return ""
}

// short bounds a name.
func short(name string) string { return name[max(0, len(name)-maxName):] }

// format takes how entries look: pairs of a content type and a form.
func (u *lineUnit) format(r *reader) (f [][2]uint64) {
	for range r.uint(1) {
		f = append(f, [2]uint64{r.uleb(), r.uleb()})
	}
	return f
}

// skipEntries goes over a table of directories.
func (u *lineUnit) skipEntries(r *reader) {
	f := u.format(r)
	for range r.uleb() {
		if r.bad || len(f) == 0 {
			return
		}
		for _, c := range f {
			u.value(r, c[1])
		}
	}
}

// entry is the name, and the directory's number, of entry i of a table.
func (u *lineUnit) entry(r reader, i uint64) (name string, dir uint64) {
	f := u.format(&r)
	n := r.uleb()
	if i >= n || len(f) == 0 {
		return "", 0
	}
	for k := uint64(0); k <= i && !r.bad; k++ {
		for _, c := range f {
			s, v := u.value(&r, c[1])
			if k == i && c[0] == 1 { // DW_LNCT_path
				name = s
			} else if k == i && c[0] == 2 { // DW_LNCT_directory_index
				dir = v
			}
		}
	}
	if r.bad {
		return "", 0
	}
	return short(name), dir
}

// value takes a value of a form, DWARF 5, 7.5.5. A form that line tables do not
// have makes r bad.
func (u *lineUnit) value(r *reader, form uint64) (s string, v uint64) {
	switch form {
	case 0x08: // DW_FORM_string
		return r.text(), 0
	case 0x0e: // DW_FORM_strp
		return text(u.str, r.uint(u.offset)), 0
	case 0x1f: // DW_FORM_line_strp
		return text(u.lineStr, r.uint(u.offset)), 0
	case 0x0b: // DW_FORM_data1
		return "", r.uint(1)
	case 0x05: // DW_FORM_data2
		return "", r.uint(2)
	case 0x06: // DW_FORM_data4
		return "", r.uint(4)
	case 0x07: // DW_FORM_data8
		return "", r.uint(8)
	case 0x0f: // DW_FORM_udata
		return "", r.uleb()
	case 0x1e: // DW_FORM_data16, a file's hash
		r.take(16)
	case 0x09: // DW_FORM_block
		r.take(r.uleb())
	default:
		r.b, r.bad = nil, true
	}
	return "", 0
}
