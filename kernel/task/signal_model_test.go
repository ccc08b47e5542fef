package task

import (
	"math/rand"
	"slices"
	"testing"

	"skerry/kernel/abi"
)

// A model of what signal(7) and sigqueue(3) say about pending signals, written
// without a look at how the package keeps them: lists of instances.

type modelSignal struct {
	sig   Signal
	value uint64 // 0 for one without siginfo
	bare  bool   // only the bit: kill(2) at the limit
}

type signalModel struct {
	shared  []modelSignal
	own     [3][]modelSignal
	mask    [3]SigSet
	handler [nsig + 1]uint64
	limit   int
}

func (m *signalModel) queued() (n int) {
	for _, l := range append(m.own[:], m.shared) {
		for _, s := range l {
			if !s.bare {
				n++
			}
		}
	}
	return n
}

func (m *signalModel) ignored(sig Signal) bool {
	switch m.handler[sig] {
	case abi.SIG_IGN:
		return true
	case abi.SIG_DFL:
		return slices.Contains([]Signal{SIGCHLD, SIGURG, SIGWINCH, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, SIGSTOP}, sig)
	}
	return false
}

func (m *signalModel) discard(sigs ...Signal) {
	gone := func(s modelSignal) bool { return slices.Contains(sigs, s.sig) }
	m.shared = slices.DeleteFunc(m.shared, gone)
	for i := range m.own {
		m.own[i] = slices.DeleteFunc(m.own[i], gone)
	}
}

// send is for thread to, or for the program if that is -1.
func (m *signalModel) send(to int, s modelSignal, code int32) abi.Errno {
	stops := []Signal{SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU}
	if s.sig == SIGCONT {
		m.discard(stops...)
	} else if slices.Contains(stops, s.sig) {
		m.discard(SIGCONT)
	}
	list, decides := &m.shared, 0
	if to >= 0 {
		list, decides = &m.own[to], to
	}
	if m.ignored(s.sig) && m.mask[decides]&s.sig.Bit() == 0 {
		return abi.OK
	}
	pending := slices.ContainsFunc(*list, func(o modelSignal) bool { return o.sig == s.sig })
	if s.sig < 32 && pending {
		return abi.OK
	}
	if s.sig >= 32 && m.queued() >= m.limit {
		if code != abi.SI_USER {
			return abi.EAGAIN
		}
		if !pending {
			*list = append(*list, modelSignal{sig: s.sig, bare: true})
		}
		return abi.OK
	}
	// The siginfo of one that came bare before is this one's.
	*list = slices.DeleteFunc(*list, func(o modelSignal) bool { return o.bare && o.sig == s.sig })
	*list = append(*list, s)
	return abi.OK
}

func takeFrom(list *[]modelSignal, set SigSet) (s modelSignal, ok bool) {
	rank := func(s modelSignal) int {
		if slices.Contains([]Signal{SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS}, s.sig) {
			return int(s.sig)
		}
		return 100 + int(s.sig)
	}
	at := -1
	for i, s := range *list {
		if set&s.sig.Bit() != 0 && (at < 0 || rank(s) < rank((*list)[at])) {
			at = i
		}
	}
	if at < 0 {
		return s, false
	}
	s = (*list)[at]
	*list = slices.Delete(*list, at, at+1)
	return s, true
}

func (m *signalModel) take(thread int, set SigSet) (modelSignal, bool) {
	if s, ok := takeFrom(&m.own[thread], set); ok {
		return s, true
	}
	return takeFrom(&m.shared, set)
}

func setOf(l []modelSignal) (set SigSet) {
	for _, s := range l {
		set |= s.sig.Bit()
	}
	return set
}

// TestSignalModel makes 10⁵ random sends, masks, dispositions and reads.
func TestSignalModel(t *testing.T) {
	p := newProcess(t)
	m := &signalModel{limit: 15}
	p.Limits.Set(abi.RLIMIT_SIGPENDING, 15, 15)
	var threads [3]*Thread
	for i := range threads {
		threads[i] = p.thread()
	}
	r := rand.New(rand.NewSource(3))
	some := []Signal{SIGHUP, SIGILL, SIGUSR1, SIGSEGV, SIGALRM, SIGCHLD, SIGCONT, SIGTSTP, SIGTTIN, SIGURG, 31, 32, 33, 34, 40, 63, 64}
	full := 0
	for step := range 100_000 {
		i, sig := r.Intn(3), some[r.Intn(len(some))]
		switch r.Intn(12) {
		case 0: // mask
			set := SigSet(r.Uint64() | r.Uint64())
			threads[i].SetMask(set)
			m.mask[i] = set &^ unblockable
		case 1: // disposition
			h := uint64(r.Intn(3))
			old, e := p.SetAction(sig, &Action{Handler: h, Mask: ^SigSet(0), Flags: ^uint64(0)})
			if e != abi.OK || old.Handler != m.handler[sig] {
				t.Fatal(step, "action", e, old)
			}
			m.handler[sig] = h
			if m.ignored(sig) {
				m.discard(sig)
			}
			if a, _ := p.SetAction(sig, nil); a.Mask&unblockable != 0 {
				t.Fatal("SIGKILL in a mask")
			}
		case 2, 3, 4, 5: // read
			set := SigSet(r.Uint64())
			info, e := threads[i].SigWait(set, -1)
			want, ok := m.take(i, set&^unblockable)
			if ok != (e == abi.OK) || ok && (Signal(info.Signo) != want.sig || info.Union[1] != want.value) {
				t.Fatalf("step %d: took %d %d %v, want %+v %v", step, info.Signo, info.Union[1], e, want, ok)
			}
		default:
			code := []int32{abi.SI_USER, abi.SI_QUEUE, abi.SI_TKILL}[r.Intn(3)]
			info := SigInfo{Signo: int32(sig), Code: code}
			info.Union[1] = uint64(step + 1)
			to := r.Intn(4) - 1
			var e abi.Errno
			if to < 0 {
				e = p.Kill(&info)
			} else {
				e = threads[to].Kill(&info)
			}
			want := m.send(to, modelSignal{sig: sig, value: info.Union[1]}, code)
			if e != want {
				t.Fatalf("step %d: send %d to %d: %v, want %v", step, sig, to, e, want)
			}
			if e == abi.EAGAIN {
				full++
			}
		}
		for k, x := range threads {
			own, blocked := x.SignalSets()
			shared, _, _, queued, limit := p.SignalSets()
			if own != setOf(m.own[k]) || shared != setOf(m.shared) || blocked != m.mask[k] || queued != m.queued() || limit != 15 {
				t.Fatalf("step %d: thread %d pends %x of it, %x of all, blocks %x, %d queued; want %x, %x, %x, %d",
					step, k, own, shared, blocked, queued, setOf(m.own[k]), setOf(m.shared), m.mask[k], m.queued())
			}
			if x.Pendings() != (own|shared)&blocked {
				t.Fatal("sigpending")
			}
		}
	}
	if full < 1000 {
		t.Error("the queue was full only", full, "times")
	}
}
