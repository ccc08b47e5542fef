package unwind

// DWARF expressions, DWARF 5, 2.5, as far as call-frame information uses them: no
// jumps, so that each byte is executed once at most.

// maxDepth bounds an expression's stack.
const maxDepth = 64

// evaluate executes an expression over registers and memory, with first already on
// the stack if push is set.
func evaluate(expr []byte, regs *[numRegs]uint64, read func(addr uint64) (uint64, bool), push bool, first uint64) (uint64, bool) {
	s := make([]uint64, 0, 8)
	if push {
		s = append(s, first)
	}
	for r := (reader{b: expr}); len(r.b) > 0; {
		op := r.uint(1)
		var v uint64
		switch {
		case op == 0x03: // DW_OP_addr
			v = r.uint(8)
		case op >= 0x08 && op <= 0x0f: // DW_OP_const1u to const8s
			n := uint64(1) << ((op - 8) / 2)
			if op&1 == 0 {
				v = r.uint(n)
			} else {
				v = uint64(r.int(n))
			}
		case op == 0x10: // DW_OP_constu
			v = r.uleb()
		case op == 0x11: // DW_OP_consts
			v = uint64(r.sleb())
		case op >= 0x30 && op <= 0x4f: // DW_OP_lit0 to 31
			v = op - 0x30
		case op >= 0x70 && op <= 0x8f || op == 0x92: // DW_OP_breg0 to 31, bregx
			reg := op - 0x70
			if op == 0x92 {
				reg = r.uleb()
			}
			if reg >= numRegs {
				return 0, false
			}
			v = regs[reg] + uint64(r.sleb())
		case op == 0x12 && len(s) > 0: // DW_OP_dup
			v = s[len(s)-1]
		case op == 0x14 && len(s) > 1: // DW_OP_over
			v = s[len(s)-2]
		case op == 0x96: // DW_OP_nop
			continue
		default:
			var ok bool
			if s, ok = operate(s, op, &r, read); !ok || r.bad {
				return 0, false
			}
			continue
		}
		if r.bad || len(s) == maxDepth {
			return 0, false
		}
		s = append(s, v)
	}
	if len(s) == 0 {
		return 0, false
	}
	return s[len(s)-1], true
}

// operate executes an operation on the top of the stack.
func operate(s []uint64, op uint64, r *reader, read func(addr uint64) (uint64, bool)) ([]uint64, bool) {
	if len(s) == 0 {
		return nil, false
	}
	top := &s[len(s)-1]
	switch op {
	case 0x06: // DW_OP_deref
		v, ok := read(*top)
		*top = v
		return s, ok
	case 0x13: // DW_OP_drop
		return s[:len(s)-1], true
	case 0x1f: // DW_OP_neg
		*top = -*top
		return s, true
	case 0x20: // DW_OP_not
		*top = ^*top
		return s, true
	case 0x23: // DW_OP_plus_uconst
		*top += r.uleb()
		return s, true
	}
	if len(s) < 2 {
		return nil, false
	}
	b := *top
	s = s[:len(s)-1]
	a := &s[len(s)-1]
	truth := func(t bool) uint64 {
		if t {
			return 1
		}
		return 0
	}
	x, y := int64(*a), int64(b)
	switch op {
	case 0x16: // DW_OP_swap
		s = append(s, *a)
		*a = b
	case 0x1a: // DW_OP_and
		*a &= b
	case 0x1c: // DW_OP_minus
		*a -= b
	case 0x1e: // DW_OP_mul
		*a *= b
	case 0x21: // DW_OP_or
		*a |= b
	case 0x22: // DW_OP_plus
		*a += b
	case 0x24: // DW_OP_shl
		*a <<= b
	case 0x25: // DW_OP_shr
		*a >>= b
	case 0x26: // DW_OP_shra
		*a = uint64(x >> min(b, 63))
	case 0x27: // DW_OP_xor
		*a ^= b
	case 0x29: // DW_OP_eq
		*a = truth(x == y)
	case 0x2a: // DW_OP_ge
		*a = truth(x >= y)
	case 0x2b: // DW_OP_gt
		*a = truth(x > y)
	case 0x2c: // DW_OP_le
		*a = truth(x <= y)
	case 0x2d: // DW_OP_lt
		*a = truth(x < y)
	case 0x2e: // DW_OP_ne
		*a = truth(x != y)
	default:
		return nil, false
	}
	return s, true
}
