package unwind

// Call-frame information: DWARF 5, 6.4, in the form of .eh_frame, LSB Core
// (generic), 10.6.

// ruleKind says how the caller's value of a register is found.
type ruleKind uint8

const (
	ruleSame      ruleKind = iota // it is unchanged
	ruleUndefined                 // it is lost
	ruleOffset                    // saved at CFA + n
	ruleValOffset                 // is CFA + n
	ruleRegister                  // is in register n
	ruleExpr                      // saved at the address that expr gives
	ruleValExpr                   // is what expr gives
)

type rule struct {
	kind ruleKind
	n    int64
	expr []byte
}

// numRegs are the registers whose rules are kept: the sixteen general ones and the
// return address.
const (
	numRegs = 17
	regRA   = 16
)

// row is what is known at one address of the code.
type row struct {
	cfa  rule // ruleValExpr, or ruleRegister with offset
	off  int64
	regs [numRegs]rule
	// signal: the frame is that of a signal handler's return, so the address in it
	// is not behind a call.
	signal bool
}

// cie is what frames share.
type cie struct {
	code, data   int64
	ra           uint64
	enc          byte
	signal       bool
	sized        bool // augmentation data has a length
	instructions []byte
}

// maxStates bounds DW_CFA_remember_state.
const maxStates = 64

// find looks for the row of address pc in an .eh_frame section that is linked to
// address base, nil if there is none.
func find(section []byte, base, pc uint64) *row {
	for at := uint64(0); ; {
		body, next, ok := entry(section, at)
		if !ok {
			return nil
		}
		start := next - uint64(len(body))
		r := reader{b: body}
		if id := r.uint(4); id != 0 && !r.bad && id <= start {
			if c := readCIE(section, start-id, base); c != nil {
				where := base + start
				begin := r.pointer(c.enc, where, len(body))
				size := r.pointer(c.enc&peFormat, where, len(body))
				if !r.bad && pc-begin < size { // unsigned: pc >= begin as well
					if c.sized {
						r.take(r.uleb())
					}
					return run(c, &r, begin, pc)
				}
			}
		}
		at = next
	}
}

// entry is the entry at an offset without its length, and where the next one is.
func entry(section []byte, at uint64) (body []byte, next uint64, ok bool) {
	if at >= uint64(len(section)) {
		return nil, 0, false
	}
	r := reader{b: section[at:]}
	n := r.uint(4)
	if n == 0xffffffff {
		n = r.uint(8)
	}
	body = r.take(n)
	if r.bad || n == 0 {
		return nil, 0, false // the end
	}
	return body, uint64(len(section) - len(r.b)), true
}

// readCIE reads the CIE at an offset; nil if it is none that can be used.
func readCIE(section []byte, at, base uint64) *cie {
	body, next, ok := entry(section, at)
	if !ok {
		return nil
	}
	where := base + next - uint64(len(body))
	r := reader{b: body}
	if r.uint(4) != 0 {
		return nil
	}
	version := r.uint(1)
	aug := r.text()
	c := &cie{code: int64(r.uleb()), data: r.sleb()}
	if version == 1 {
		c.ra = r.uint(1)
	} else {
		c.ra = r.uleb()
	}
	if version != 1 && version != 3 || c.ra != regRA {
		return nil
	}
	if aug != "" {
		if aug[0] != 'z' {
			return nil
		}
		c.sized = true
		data := reader{b: r.take(r.uleb())}
		from, n := where+uint64(len(body)-len(r.b)-len(data.b)), len(data.b)
		for _, a := range aug[1:] {
			switch a {
			case 'R':
				c.enc = byte(data.uint(1))
			case 'P':
				enc := byte(data.uint(1))
				data.pointer(enc&^0x80, from, n)
			case 'L':
				data.uint(1)
			case 'S':
				c.signal = true
			default:
				return nil
			}
		}
		if data.bad {
			return nil
		}
	}
	if r.bad || c.enc&0x80 != 0 || c.enc == peOmit {
		return nil
	}
	c.instructions = r.b
	return c
}

// run executes a CIE's and an FDE's instructions up to pc.
func run(c *cie, fde *reader, begin, pc uint64) *row {
	var first row
	first.signal = c.signal
	first.regs[regRA].kind = ruleUndefined
	m := machine{cie: c, row: first, loc: begin, pc: ^uint64(0)}
	m.run(reader{b: c.instructions})
	m.initial, m.loc, m.pc = m.row, begin, pc
	m.run(*fde)
	if m.bad || fde.bad {
		return nil
	}
	return &m.row
}

// machine executes instructions.
type machine struct {
	*cie
	row, initial row
	saved        []row
	loc, pc      uint64
	bad          bool
}

// set sets a register's rule; rules of vector and other registers are not kept.
func (m *machine) set(reg uint64, r rule) {
	if reg < numRegs {
		m.row.regs[reg] = r
	}
}

func (m *machine) cfa(reg uint64, off int64) {
	m.row.cfa, m.row.off = rule{kind: ruleRegister, n: int64(reg)}, off
	m.bad = m.bad || reg >= numRegs
}

// advance moves on and reports whether that is beyond pc.
func (m *machine) advance(n uint64) bool {
	m.loc += n * uint64(m.code)
	return m.loc > m.pc
}

func (m *machine) run(r reader) {
	for len(r.b) > 0 && !r.bad && !m.bad {
		op := r.uint(1)
		low := op & 0x3f
		switch op >> 6 {
		case 1: // DW_CFA_advance_loc
			if m.advance(low) {
				return
			}
			continue
		case 2: // DW_CFA_offset
			m.set(low, rule{kind: ruleOffset, n: int64(r.uleb()) * m.data})
			continue
		case 3: // DW_CFA_restore
			m.restore(low)
			continue
		}
		if m.extended(op, &r) {
			return
		}
	}
	m.bad = m.bad || r.bad
}

func (m *machine) restore(reg uint64) {
	if reg < numRegs {
		m.row.regs[reg] = m.initial.regs[reg]
	}
}

// extended executes an instruction without an operand in its first byte. It
// reports whether it went beyond pc.
func (m *machine) extended(op uint64, r *reader) bool {
	switch op {
	case 0x00: // DW_CFA_nop
	case 0x02, 0x03, 0x04: // DW_CFA_advance_loc1, 2, 4
		return m.advance(r.uint(1 << (op - 2)))
	case 0x05: // DW_CFA_offset_extended
		m.set(r.uleb(), rule{kind: ruleOffset, n: int64(r.uleb()) * m.data})
	case 0x06: // DW_CFA_restore_extended
		m.restore(r.uleb())
	case 0x07: // DW_CFA_undefined
		m.set(r.uleb(), rule{kind: ruleUndefined})
	case 0x08: // DW_CFA_same_value
		m.set(r.uleb(), rule{})
	case 0x09: // DW_CFA_register
		m.set(r.uleb(), rule{kind: ruleRegister, n: int64(r.uleb() & 0xff)})
	case 0x0a: // DW_CFA_remember_state
		if len(m.saved) == maxStates {
			m.bad = true
			return true
		}
		m.saved = append(m.saved, m.row)
	case 0x0b: // DW_CFA_restore_state
		if len(m.saved) == 0 {
			m.bad = true
			return true
		}
		m.row = m.saved[len(m.saved)-1]
		m.saved = m.saved[:len(m.saved)-1]
	case 0x0c: // DW_CFA_def_cfa
		m.cfa(r.uleb(), int64(r.uleb()))
	case 0x0d: // DW_CFA_def_cfa_register
		m.cfa(r.uleb(), m.row.off)
	case 0x0e: // DW_CFA_def_cfa_offset
		m.row.off = int64(r.uleb())
	case 0x0f: // DW_CFA_def_cfa_expression
		m.row.cfa = rule{kind: ruleValExpr, expr: r.take(r.uleb())}
	case 0x10: // DW_CFA_expression
		m.set(r.uleb(), rule{kind: ruleExpr, expr: r.take(r.uleb())})
	case 0x11: // DW_CFA_offset_extended_sf
		m.set(r.uleb(), rule{kind: ruleOffset, n: r.sleb() * m.data})
	case 0x12: // DW_CFA_def_cfa_sf
		m.cfa(r.uleb(), r.sleb()*m.data)
	case 0x13: // DW_CFA_def_cfa_offset_sf
		m.row.off = r.sleb() * m.data
	case 0x14: // DW_CFA_val_offset
		m.set(r.uleb(), rule{kind: ruleValOffset, n: int64(r.uleb()) * m.data})
	case 0x15: // DW_CFA_val_offset_sf
		m.set(r.uleb(), rule{kind: ruleValOffset, n: r.sleb() * m.data})
	case 0x16: // DW_CFA_val_expression
		m.set(r.uleb(), rule{kind: ruleValExpr, expr: r.take(r.uleb())})
	case 0x2e: // DW_CFA_GNU_args_size
		r.uleb()
	case 0x2f: // DW_CFA_GNU_negative_offset_extended
		m.set(r.uleb(), rule{kind: ruleOffset, n: -int64(r.uleb()) * m.data})
	default:
		m.bad = true
	}
	return m.bad
}
