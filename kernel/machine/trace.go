package machine

import (
	"bytes"
	"strconv"
	"time"

	"skerry/bootrec"
	"skerry/kernel/abi"
	"skerry/kernel/ground"
	"skerry/kernel/policy"
	"skerry/kernel/strace"
	"skerry/kernel/syscalls"
	"skerry/kernel/task"
)

// decoder writes calls. What the program reads and writes is not shown if it was
// given secrets, which could be among it.
func (m *Machine) decoder() *strace.Decoder {
	if len(m.Record.Secrets) > 0 {
		return &strace.Decoder{StrMax: -1}
	}
	return &strace.Decoder{}
}

// trace sends every call to the launcher as a line of text (--strace). A line is
// built in two steps, since a call may change the memory that its arguments point
// to, and goes out when the call returns.
func (m *Machine) trace() {
	dec := m.decoder()
	task.Trace.Enter = func(t *task.Thread, nr uint64, a *[6]uintptr) {
		b := strconv.AppendInt(t.TraceLine[:0], int64(t.TID), 10)
		b = append(b, ' ')
		t.TraceLine = dec.Enter(b, int(nr), words(a), strace.User{})
		t.TraceStart = ground.Nanotime()
		if nr == abi.SYS_EXIT || nr == abi.SYS_EXIT_GROUP {
			m.Ports.Strace(dec.NoReturn(t.TraceLine))
			return
		}
		line := bytes.Clone(t.TraceLine)
		t.Traced.Store(&line)
	}
	task.Trace.Exit = func(t *task.Thread, nr uint64, a *[6]uintptr, v uintptr, e abi.Errno) {
		if nr == abi.SYS_EXIT || nr == abi.SYS_EXIT_GROUP {
			return
		}
		if t.Traced.Swap(nil) == nil {
			return // the program has ended, and unfinished has printed it
		}
		if (e == abi.EINTR || e >= abi.ERESTARTSYS) && t.Proc.Dying() {
			// Nothing interrupted it but that all threads are stopped.
			m.Ports.Strace(dec.Unfinished(t.TraceLine))
			return
		}
		ret := int64(v)
		if e != abi.OK {
			ret = -int64(e)
		}
		t.TraceLine = dec.Exit(t.TraceLine, int(nr), words(a), ret, ground.Nanotime()-t.TraceStart, strace.User{})
		m.Ports.Strace(t.TraceLine)
	}
	task.Trace.Signal = func(t *task.Thread, info *[abi.SiginfoSize]byte) {
		b := strconv.AppendInt(nil, int64(t.TID), 10)
		m.Ports.Strace(dec.Signal(append(b, ' '), info))
	}
	task.SetTracing()
}

// unfinished prints the calls that go on while the program ends. It waits for
// the launcher to take them, but not for long.
func (m *Machine) unfinished() {
	if p := task.The; m.Record.Trace && p != nil {
		done := make(chan struct{})
		go func() {
			dec := m.decoder()
			p.Each(func(t *task.Thread) {
				if line := t.Traced.Swap(nil); line != nil {
					m.Ports.Strace(dec.Unfinished(*line))
				}
			})
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(time.Second):
		}
	}
}

func words(a *[6]uintptr) (w [6]uint64) {
	for i, v := range a {
		w[i] = uint64(v)
	}
	return w
}

// refused tells of a call that has no handler, or of one whose arguments ask for
// what the model rules out.
func (m *Machine) refused(t *task.Thread, nr uint64, a *[6]uintptr, e abi.Errno) {
	if e != abi.ENOSYS { // else task.NotThere is told
		policy.Count(nr, e)
	}
	point := policy.CallPoint(int(nr))
	denied := point == policy.SingleProcess || point == policy.NoUsers || point == policy.NoShells
	matters := m.Record.Audit || point == policy.AttackSurface && policy.Kills(bootrec.RuleSurface)
	if !denied && (!matters || nr == abi.SYS_RSEQ) && !m.Record.Verbose {
		// For the log alone, which nobody reads, and the description is much cold code:
		// for the report about a program that a policy ends, numbers are kept. Every
		// thread with a C library asks for rseq and goes on without: that says nothing
		// of the program.
		if nr != abi.SYS_RSEQ {
			v := &policy.Event{Rule: policy.RuleCall, Point: point, Errno: e, Number: int(nr), Args: words(a)}
			v.By(t)
			policy.Note(v)
		}
		return
	}
	what := strace.Describe(int(nr), words(a), strace.User{})
	about := policy.Path(int(nr), what)
	if denied {
		policy.Denied(t, point, policy.RuleCall, what, about, e)
	} else {
		policy.Missing(t, point, what, about, e, nr != abi.SYS_RSEQ)
	}
}

// identityDenied tells of an attempt to become someone else.
func identityDenied(t *task.Thread, id uint32) {
	policy.Count(uint64(t.Call()), abi.EPERM)
	a := t.Args()
	what := strace.Describe(t.Call(), words(&a), strace.User{})
	about := policy.Path(t.Call(), what)
	if id != syscalls.NoID {
		about.Members, about.N[0] = policy.AnID, uint64(id)
	}
	policy.Denied(t, policy.NoUsers, policy.RuleIdentity, what, about, abi.EPERM)
}

// described is a call of which only the numbers are known any more.
func described(nr int, args [6]uint64) string { return strace.Describe(nr, args, nil) }

func (m *Machine) traceHooks() {
	policy.Describe = described
	syscalls.Refused = m.refused
	syscalls.Identity = identityDenied
	task.NotThere = policy.Count
	if m.Record.Trace {
		m.trace()
	}
}
