package unwind

import (
	"slices"
	"strings"

	"skerry/bootrec"
)

// maxSteps bounds the way up, in frames.
const maxSteps = 4096

// scanWords is how many words of the stack are searched for a return address.
const scanWords = 256

// Frame is one place in a stack, the innermost first.
type Frame struct {
	// PC is the instruction that was to be executed next.
	PC uint64
	// File is the name of the mapping that holds it, "" for anonymous memory, and
	// Offset where in it that is, if it is a file.
	File   string
	Offset uint64
	Mapped bool
	// Function holds the instruction, Into bytes behind its start; "" if unknown.
	Function string
	Into     uint64
	// Source and Line are where in the source it is, if the file says.
	Source string
	Line   int
	// Guess is set if the frame was found by its return address alone.
	Guess bool
	// Signal is set if the frame is where a signal's handler returns to.
	Signal bool
	// Times is how often the frame stands there, one above the other.
	Times int
}

// Memory is what is known of the program's memory.
type Memory struct {
	Mappings []bootrec.Mapping // ordered, not overlapping
	// Stack is what begins at address StackAt.
	StackAt uint64
	Stack   []byte
	// Open opens a file of the image; nil if that cannot be.
	Open func(path string) *File

	files map[string]*File
}

// Mapping is the mapping that holds an address, or nil.
func (m *Memory) Mapping(addr uint64) *bootrec.Mapping {
	i, ok := slices.BinarySearchFunc(m.Mappings, addr, func(e bootrec.Mapping, addr uint64) int {
		switch {
		case e.End <= addr:
			return -1
		case e.Start > addr:
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return &m.Mappings[i]
}

// word is a word of the stack.
func (m *Memory) word(addr uint64) (uint64, bool) {
	off := addr - m.StackAt
	if addr < m.StackAt || off > uint64(len(m.Stack)) || uint64(len(m.Stack))-off < 8 {
		return 0, false
	}
	return le.Uint64(m.Stack[off:]), true
}

// file is the ELF file of an executable mapping, with the address that the file
// gives to pc.
func (m *Memory) file(e *bootrec.Mapping, pc uint64) (f *File, va uint64) {
	if e.Flags&bootrec.MapFile == 0 || e.Flags&bootrec.MapExec == 0 || m.Open == nil {
		return nil, 0
	}
	f, known := m.files[e.Name]
	if !known {
		guarded(func() { f = m.Open(e.Name) })
		if m.files == nil {
			m.files = map[string]*File{}
		}
		m.files[e.Name] = f
	}
	if f == nil {
		return nil, 0
	}
	va, ok := f.address(pc - e.Start + e.Offset)
	if !ok {
		return nil, 0
	}
	return f, va
}

// Walk returns at most limit frames, the innermost first. Frames at one place that
// follow each other, as recursion makes them, count as one.
func (m *Memory) Walk(regs *[bootrec.Regs]uint64, limit int) (list []Frame) {
	s := state{m: m, exact: true}
	copy(s.regs[:], regs[:numRegs])
	guarded(func() {
		for range maxSteps {
			if n := len(list); n > 0 && list[n-1].PC == s.regs[regRA] && list[n-1].Guess == s.guess {
				list[n-1].Times++
			} else if n == limit {
				break
			} else {
				list = append(list, s.frame())
			}
			if !s.up() {
				break
			}
		}
	})
	return list
}

// At is the frame of a thread that is at pc, or, if after is set, has returned there.
func (m *Memory) At(pc uint64, after bool) (f Frame) {
	s := state{m: m, exact: !after}
	s.regs[regRA] = pc
	f = Frame{PC: pc, Times: 1}
	guarded(func() { f = s.frame() })
	return f
}

// state is a frame on the way up. regs[regRA] is its program counter.
type state struct {
	m    *Memory
	regs [numRegs]uint64
	// exact: the thread stood at the program counter, which is not behind a call.
	exact bool
	guess bool
}

// pc is an address inside the instruction that the frame is at.
func (s *state) pc() uint64 {
	if s.exact {
		return s.regs[regRA]
	}
	return s.regs[regRA] - 1
}

func (s *state) frame() Frame {
	f := Frame{PC: s.regs[regRA], Guess: s.guess, Times: 1, Signal: s.signalReturn(s.regs[regRA])}
	e := s.m.Mapping(s.pc())
	if e == nil {
		return f
	}
	f.Mapped, f.File = true, e.Name
	if e.Flags&bootrec.MapFile != 0 {
		f.Offset = f.PC - e.Start + e.Offset
	}
	file, va := s.m.file(e, s.pc())
	if file == nil {
		return f
	}
	p := file.place(va)
	if f.Function = p.function; p.function != "" {
		f.Into = p.into + f.PC - s.pc()
	}
	f.Source, f.Line = p.source, p.line
	return f
}

// signalReturn reports whether pc is the code that C libraries have a
// signal handler return to, which calls rt_sigreturn(2), number 15:
// mov $15, %rax; syscall.
func (s *state) signalReturn(pc uint64) bool {
	e := s.m.Mapping(pc)
	if e == nil {
		return false
	}
	f, _ := s.m.file(e, pc)
	if f == nil {
		return false
	}
	code := string(f.before(pc-e.Start+e.Offset+9, 9))
	return code == "\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05" || strings.HasPrefix(code, "\xb8\x0f\x00\x00\x00\x0f\x05")
}

// Where a signal's frame has the registers, counted from the stack pointer at
// signalReturn: struct ucontext and struct sigcontext_64, Linux uapi, asm/ucontext.h
// and asm/sigcontext.h, in the order of the DWARF numbers.
var savedAt = [numRegs]uint64{
	bootrec.RegAX: 144, bootrec.RegDX: 136, bootrec.RegCX: 152, bootrec.RegBX: 128, bootrec.RegSI: 112, bootrec.RegDI: 104,
	bootrec.RegBP: 120, bootrec.RegSP: 160, 8: 40, 9: 48, 10: 56, 11: 64, 12: 72, 13: 80, 14: 88, 15: 96, regRA: 168,
}

// interrupted moves up to what the signal interrupted.
func (s *state) interrupted() bool {
	next, sp := s.regs, s.regs[bootrec.RegSP]
	for i := range next {
		var ok bool
		if next[i], ok = s.m.word(sp + savedAt[i]); !ok {
			return false
		}
	}
	if next[bootrec.RegSP] <= sp {
		return false // on another stack, which was not copied
	}
	s.regs, s.exact, s.guess = next, true, false
	return true
}

// up goes to the caller and reports whether there is one.
func (s *state) up() bool {
	if s.signalReturn(s.regs[regRA]) {
		return s.interrupted()
	}
	e := s.m.Mapping(s.pc())
	if e == nil || e.Flags&bootrec.MapExec == 0 {
		// A jump to where no code is. If it was a call, the way back is on top of
		// the stack.
		sp := s.regs[bootrec.RegSP]
		if ret, ok := s.m.word(sp); ok && s.exact && s.returns(ret, true) {
			s.to(ret, sp+8, false)
			return true
		}
		return s.exact && s.scan()
	}
	if file, va := s.m.file(e, s.pc()); file != nil {
		if r := file.row(va); r != nil {
			return s.apply(r)
		}
	}
	return s.frameChain() || s.scan()
}

// to moves to the frame of a return address, whose stack pointer is sp.
func (s *state) to(ret, sp uint64, guess bool) {
	s.regs[regRA], s.regs[bootrec.RegSP] = ret, sp
	s.exact, s.guess = false, guess
}

// apply moves up by call-frame information.
func (s *state) apply(r *row) bool {
	var cfa uint64
	if r.cfa.kind == ruleRegister {
		cfa = s.regs[r.cfa.n] + uint64(r.off)
	} else {
		var ok bool
		if cfa, ok = evaluate(r.cfa.expr, &s.regs, s.m.word, false, 0); !ok {
			return false
		}
	}
	next := s.regs
	for i := range next {
		q := &r.regs[i]
		ok := true
		switch q.kind {
		case ruleUndefined:
			next[i] = 0
		case ruleOffset:
			next[i], ok = s.m.word(cfa + uint64(q.n))
		case ruleValOffset:
			next[i] = cfa + uint64(q.n)
		case ruleRegister:
			if q.n >= numRegs {
				return false
			}
			next[i] = s.regs[q.n]
		case ruleExpr:
			var addr uint64
			if addr, ok = evaluate(q.expr, &s.regs, s.m.word, true, cfa); ok {
				next[i], ok = s.m.word(addr)
			}
		case ruleValExpr:
			next[i], ok = evaluate(q.expr, &s.regs, s.m.word, true, cfa)
		}
		if !ok && i == regRA {
			return false
		}
	}
	if r.regs[bootrec.RegSP].kind == ruleSame {
		next[bootrec.RegSP] = cfa
	}
	// Up the stack only, or there would be no end. A signal's frame may lie on a
	// stack of its own, and the program's below or above it; what was copied ends
	// the way then.
	if e := s.m.Mapping(next[regRA] - 1); e == nil || e.Flags&bootrec.MapExec == 0 || next[bootrec.RegSP] <= s.regs[bootrec.RegSP] {
		return false
	}
	s.regs = next
	s.exact, s.guess = r.signal, false
	return true
}

// frameChain moves up by the frame pointer: where it points to are the caller's and
// the return address.
func (s *state) frameChain() bool {
	bp, sp := s.regs[bootrec.RegBP], s.regs[bootrec.RegSP]
	if bp < sp || bp%8 != 0 {
		return false
	}
	up, ok := s.m.word(bp)
	ret, ok2 := s.m.word(bp + 8)
	if !ok || !ok2 || !s.returns(ret, false) {
		return false
	}
	s.regs[bootrec.RegBP] = up
	s.to(ret, bp+16, false)
	return true
}

// scan moves up to the next word that looks like a return address.
func (s *state) scan() bool {
	sp := (s.regs[bootrec.RegSP] + 7) &^ 7
	for i := range uint64(scanWords) {
		ret, ok := s.m.word(sp + 8*i)
		if !ok {
			return false
		}
		if s.returns(ret, true) {
			s.to(ret, sp+8*i+8, true)
			return true
		}
	}
	return false
}

// returns reports whether a call may return to an address: it is executable, and
// what stands before it in the file is a call. sure says that without a file the
// answer is no.
func (s *state) returns(pc uint64, sure bool) bool {
	e := s.m.Mapping(pc - 1)
	if e == nil || e.Flags&bootrec.MapExec == 0 {
		return false
	}
	f, _ := s.m.file(e, pc-1)
	if f == nil {
		return !sure
	}
	return call(f.before(pc-e.Start+e.Offset, 7)) || s.signalReturn(pc)
}

// call reports whether code ends in a call instruction: E8 with a displacement of 32
// bits, or FF /2 (SDM vol. 2, CALL; the length follows from ModRM, table 2-2).
func call(b []byte) bool {
	n := len(b)
	if n >= 5 && b[n-5] == 0xe8 {
		return true
	}
	for k := 2; k <= min(n, 7); k++ {
		if m := b[n-k+1]; b[n-k] == 0xff && m>>3&7 == 2 && modRMLength(b[n-k+1:]) == k-1 {
			return true
		}
	}
	return false
}

// modRMLength is the length of a ModRM byte with what belongs to it, 0 if b is too
// short to tell.
func modRMLength(b []byte) int {
	mod, rm, n := b[0]>>6, b[0]&7, 1
	if mod == 3 {
		return n
	}
	if rm == 4 {
		if len(b) < 2 {
			return 0
		}
		n++
		if mod == 0 && b[1]&7 == 5 {
			return n + 4
		}
	}
	switch {
	case mod == 1:
		n++
	case mod == 2 || mod == 0 && rm == 5:
		n += 4
	}
	return n
}
