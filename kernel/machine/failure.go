package machine

import (
	"skerry/bootrec"
	"skerry/kernel/abi"
	"skerry/kernel/mm"
	"skerry/kernel/policy"
	"skerry/kernel/syscalls"
	"skerry/kernel/task"
	"skerry/kernel/usermem"
)

// stackGap is how far below its stack a thread that overflowed it may have its stack
// pointer, in bytes: Linux's stack_guard_gap, and more than C libraries' guard pages.
const stackGap = 1 << 20

// maxReport is from which size on, in bytes, no mapping is added: names may be long.
const maxReport = 256 << 10

// payload collects entries of one kind into frames.
type payload struct {
	frames []byte
	kind   bootrec.Kind
	p      []byte
}

// room makes room for an entry of n bytes.
func (w *payload) room(n int) {
	if len(w.p)+n > bootrec.MaxPayload {
		w.end()
	}
}

func (w *payload) end() {
	if len(w.p) > 0 {
		w.frames = bootrec.AppendFrame(w.frames, w.kind, w.p)
		w.p = w.p[:0]
	}
}

// failure is what the launcher is told of a program that failed, as frames.
func failure(s *task.Status) []byte {
	w := &payload{kind: bootrec.KindMissed}
	syscalls.Missed(func(path string) {
		w.room(len(path) + 2)
		w.p = bootrec.AppendMissed(w.p, path)
	})
	w.end()
	w.kind = bootrec.KindRefused
	left := bootrec.MaxRefused
	policy.Refusals(func(nr int, e abi.Errno, n uint32) {
		name := "unknown call"
		if c := abi.Lookup(nr); c != nil {
			name = c.Name
		}
		if left--; left >= 0 {
			w.p = bootrec.AppendRefused(w.p, &bootrec.RefusedCall{Name: name, Errno: int(e), Count: n})
		}
	})
	w.end()
	w.kind = bootrec.KindMemory
	syscalls.Asked(func(a bootrec.Asked) { w.p = bootrec.AppendAsked(w.p, a) })
	w.end()
	switch s.Signal {
	case task.SIGSEGV, task.SIGBUS, task.SIGILL, task.SIGFPE, task.SIGTRAP, task.SIGSYS, task.SIGABRT:
		if s.Thread != nil {
			w.crash(s)
		}
	}
	return w.frames
}

// crash adds where the thread was, and what is needed to tell how it came there: the
// executable mappings, those about the address and the stack pointer, and the stack.
func (w *payload) crash(s *task.Status) {
	r := &s.Thread.Ctx.Regs
	c := bootrec.Crash{Thread: int(s.Thread.TID), Name: s.Thread.Comm(), Signal: int(s.Signal), Code: s.Info.Code, Addr: s.Info.Union[0],
		Reg: [bootrec.Regs]uint64{r.AX, r.DX, r.CX, r.BX, r.SI, r.DI, r.BP, r.RSP, r.R8, r.R9, r.R10, r.R11, r.R12, r.R13, r.R14, r.R15, r.RIP, r.RFlags}}
	if s.Info.Code <= 0 {
		c.Addr = 0 // sent, not raised: no address
	}
	if s.Signal == task.SIGSEGV && (s.Info.Code == abi.SEGV_MAPERR || s.Info.Code == abi.SEGV_ACCERR) ||
		s.Signal == task.SIGBUS && s.Info.Code == abi.BUS_ADRERR {
		// The error code of a page fault, SDM vol. 3, 4.7.
		c.Fault = bootrec.FaultPage
		if r.Err&2 != 0 {
			c.Fault |= bootrec.FaultWrite
		}
		if r.Err&16 != 0 {
			c.Fault |= bootrec.FaultFetch
		}
	}
	w.frames = bootrec.AppendCrash(w.frames, &c)
	space := task.The.MM
	w.mappings(space, uintptr(c.Addr), uintptr(r.RSP))
	w.stack(space, uintptr(r.RSP)&^7)
}

func (w *payload) mappings(space *mm.Space, addr, sp uintptr) {
	w.kind = bootrec.KindMappings
	n, told := 0, uintptr(0)
	add := func(i *mm.Info) {
		if i.End <= told || n == bootrec.MaxMappings || len(w.frames)+len(w.p) > maxReport {
			return
		}
		n, told = n+1, i.End
		e := bootrec.Mapping{Start: uint64(i.Start), End: uint64(i.End), Offset: i.Offset, Name: i.Name}
		for bit, on := range [...]bool{i.Read, i.Write, i.Exec, i.Shared, i.Stack, i.Heap, i.File != nil} {
			if on {
				e.Flags |= 1 << bit
			}
		}
		w.room(30 + len(e.Name))
		w.p = bootrec.AppendMapping(w.p, &e)
	}
	// The nearest below each address, what holds it, and the nearest above.
	var before, last mm.Info
	for {
		i, ok := space.Next(last.End)
		take := ok && i.Exec
		for _, at := range [...]uintptr{addr, sp} {
			if last.End != 0 && at >= last.End && (!ok || at < i.End) {
				add(&last)
			}
			take = take || ok && at >= before.End && at < i.End
		}
		if take {
			add(&i)
		}
		if !ok {
			break
		}
		before, last = last, i
	}
	w.end()
}

// stack adds what lies on the stack from sp on, or, if sp is where nothing can be
// read, from the start of the memory just above.
func (w *payload) stack(space *mm.Space, sp uintptr) {
	i, ok := space.Next(sp)
	if ok && i.Start <= sp && !i.Read {
		i, ok = space.Next(i.End)
	}
	if !ok || !i.Read || i.Start > sp && i.Start-sp > stackGap {
		return
	}
	start := max(sp, i.Start)
	b := make([]byte, min(i.End-start, bootrec.MaxStack))
	m, _ := usermem.CopyIn(b, start)
	w.frames = append(bootrec.AppendStackHeader(w.frames, uint64(start), m), b[:m]...)
}
