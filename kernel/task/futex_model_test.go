package task

import (
	"math/rand"
	"slices"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/wait"
)

// A model of futex(2): per key the waiters in the order in which they came, or
// were moved there. Random steps are made with threads that really sleep, one
// step at a time, and who wakes up with which answer is compared.

type modelEntry struct {
	thread, index int
	bits          uint32
}

type futexModel struct {
	t       *testing.T
	r       *rand.Rand
	p       *process
	threads []*modelThread
	done    chan answer
	queues  map[uintptr][]modelEntry // by the word's address in the low mapping
	private map[uintptr][]modelEntry // of private futexes
}

type modelThread struct {
	*Thread
	do   chan func(*Thread) (int, abi.Errno)
	busy bool
	list []FutexWaiter
}

type answer struct {
	thread, n int
	e         abi.Errno
}

// place is a futex: its word, how it is named, and the queue it has.
type place struct {
	addr    uintptr // as it is given to the call
	word    uintptr // in the low mapping
	private bool
}

const modelWords = 6

func (m *futexModel) place() place {
	w := userBase + uintptr(m.r.Intn(modelWords))*4
	switch m.r.Intn(3) {
	case 0:
		return place{w, w, true}
	case 1:
		return place{w, w, false}
	}
	return place{w - userBase + aliasBase, w, false}
}

func (m *futexModel) queue(p place) map[uintptr][]modelEntry {
	if p.private {
		return m.private
	}
	return m.queues
}

// wake takes n entries that meet bits from a queue.
func (m *futexModel) wake(p place, n int, bits uint32) (woken []modelEntry) {
	q := m.queue(p)
	q[p.word] = slices.DeleteFunc(q[p.word], func(e modelEntry) bool {
		if len(woken) < n && e.bits&bits != 0 {
			woken = append(woken, e)
			return true
		}
		return false
	})
	return woken
}

// expect receives the answers of the threads that own the woken entries: a wait
// for several answers the last of its woken futexes.
func (m *futexModel) expect(step int, woken []modelEntry) {
	m.t.Helper()
	want := map[int]int{}
	for _, e := range woken {
		want[e.thread] = max(want[e.thread], e.index)
	}
	for len(want) > 0 {
		a := <-m.done
		n, ok := want[a.thread]
		if !ok || a.e != abi.OK || a.n != n {
			m.t.Fatalf("step %d: thread %d answers %d %v; expected %v", step, a.thread, a.n, a.e, want)
		}
		delete(want, a.thread)
		m.gone(a.thread)
	}
}

// gone removes what is left of a thread.
func (m *futexModel) gone(thread int) {
	m.threads[thread].busy = false
	for _, q := range []map[uintptr][]modelEntry{m.queues, m.private} {
		for w := range q {
			q[w] = slices.DeleteFunc(q[w], func(e modelEntry) bool { return e.thread == thread })
		}
	}
}

// asleep waits until a thread is in its queues, or has answered already.
func (m *futexModel) asleep(x *modelThread, n int) (a answer, answered bool) {
	until(m.t, "the thread sleeps or answers", func() bool {
		select {
		case a = <-m.done:
			answered = true
			return true
		default:
		}
		if n == 0 {
			return x.fx.queued.Load() != nil
		}
		// The last futex of the list is looked at last, under its lock.
		return x.list[n-1].w.queued.Load() != nil
	})
	return a, answered
}

func (m *futexModel) wait(step int) {
	i := m.r.Intn(len(m.threads))
	x := m.threads[i]
	if x.busy {
		if m.r.Intn(4) == 0 { // a signal ends the wait
			if e := x.Kill(&SigInfo{Signo: int32(SIGUSR1)}); e != abi.OK {
				m.t.Fatal(e)
			}
			a := <-m.done
			if a.thread != i || a.e != abi.ERESTARTSYS {
				m.t.Fatalf("step %d: signal to %d: %+v", step, i, a)
			}
			m.gone(i)
		}
		return
	}
	deadline, timeout := wait.Forever, m.r.Intn(50) == 0
	if timeout {
		deadline = wait.Now() + int64(m.r.Intn(20_000))
	}
	if m.r.Intn(4) != 0 { // for one
		p, bits := m.place(), uint32(1+m.r.Intn(7))
		val := word(p.word).Load()
		wrong := m.r.Intn(8) == 0
		if wrong {
			val++
		}
		x.do <- func(t *Thread) (int, abi.Errno) { return 0, t.FutexWait(p.addr, p.private, val, bits, deadline) }
		m.settle(step, x, i, 0, wrong, timeout, func() {
			q := m.queue(p)
			q[p.word] = append(q[p.word], modelEntry{i, 0, bits})
		})
		return
	}
	n := 1 + m.r.Intn(4)
	x.list = make([]FutexWaiter, n)
	places := make([]place, n)
	wrong := m.r.Intn(8) == 0
	for k := range x.list {
		places[k] = m.place()
		x.list[k] = FutexWaiter{Addr: places[k].addr, Private: places[k].private, Val: word(places[k].word).Load()}
	}
	if wrong {
		x.list[m.r.Intn(n)].Val++
	}
	x.do <- func(t *Thread) (int, abi.Errno) { return t.FutexWaitAny(x.list, deadline) }
	m.settle(step, x, i, n, wrong, timeout, func() {
		for k, p := range places {
			q := m.queue(p)
			q[p.word] = append(q[p.word], modelEntry{i, k, ^uint32(0)})
		}
	})
}

// settle checks how a wait began and notes it in the model.
func (m *futexModel) settle(step int, x *modelThread, i, n int, wrong, timeout bool, queue func()) {
	var a answer
	answered := wrong || timeout
	if answered {
		a = <-m.done
	} else {
		a, answered = m.asleep(x, n)
	}
	want := abi.ETIMEDOUT
	if wrong {
		want = abi.EAGAIN
	}
	switch {
	case answered && !wrong && !timeout, answered && (a.thread != i || a.e != want):
		m.t.Fatalf("step %d: wait of %d: %+v", step, i, a)
	case !answered:
		x.busy = true
		queue()
	}
}

func (m *futexModel) check(step int, what string, n, want int, e, wantE abi.Errno) {
	m.t.Helper()
	if n != want || e != wantE {
		m.t.Fatalf("step %d: %s: %d %v, want %d %v", step, what, n, e, want, wantE)
	}
}

func (m *futexModel) step(step int) {
	r := m.r
	switch r.Intn(10) {
	case 0, 1:
		p, n, bits := m.place(), r.Intn(4), uint32(1+r.Intn(7))
		got, e := FutexWake(p.addr, p.private, n, bits)
		woken := m.wake(p, n, bits)
		m.check(step, "wake", got, len(woken), e, abi.OK)
		m.expect(step, woken)
	case 2, 3:
		p, q, n, move, cmp := m.place(), m.place(), r.Intn(3), r.Intn(4), r.Intn(2) == 0
		val := word(p.word).Load()
		if cmp && r.Intn(4) == 0 {
			got, e := FutexRequeue(p.addr, p.private, q.addr, q.private, n, move, true, val+1)
			m.check(step, "requeue of another value", got, 0, e, abi.EAGAIN)
			return
		}
		got, e := FutexRequeue(p.addr, p.private, q.addr, q.private, n, move, cmp, val)
		woken := m.wake(p, n, ^uint32(0))
		same := p.private == q.private && p.word == q.word
		var moved []modelEntry
		if same {
			m.check(step, "requeue to itself", got, len(woken)+min(move, len(m.queue(p)[p.word])), e, abi.OK)
		} else {
			moved = m.wake(p, move, ^uint32(0))
			t := m.queue(q)
			t[q.word] = append(t[q.word], moved...)
			m.check(step, "requeue", got, len(woken)+len(moved), e, abi.OK)
		}
		m.expect(step, woken)
	case 4:
		m.wakeOp(step)
	case 5:
		word(m.place().word).Store(uint32(r.Intn(4)))
	default:
		m.wait(step)
	}
}

func (m *futexModel) wakeOp(step int) {
	r := m.r
	p, q, n, k := m.place(), m.place(), 1+r.Intn(3), 1+r.Intn(3)
	q.private = p.private
	if q.private {
		q.addr = q.word
	}
	op, cmp := uint32(r.Intn(5)), uint32(r.Intn(6))
	arg, cmparg := uint32(r.Intn(8)), uint32(r.Intn(5))
	code := op<<28 | cmp<<24 | arg<<12 | cmparg
	if r.Intn(3) == 0 {
		code |= 8 << 28
		arg = 1 << arg
	}
	old := word(q.word).Load()
	got, e := FutexWakeOp(p.addr, q.addr, p.private, n, k, code)
	want := []uint32{arg, old + arg, old | arg, old &^ arg, old ^ arg}[op]
	if v := word(q.word).Load(); v != want {
		m.t.Fatalf("step %d: op %#x on %d gives %d, want %d", step, code, old, v, want)
	}
	woken := m.wake(p, n, ^uint32(0))
	a, b := int32(old), int32(cmparg)
	if []bool{a == b, a != b, a < b, a <= b, a > b, a >= b}[cmp] {
		woken = append(woken, m.wake(q, k, ^uint32(0))...)
	}
	m.check(step, "wake-op", got, len(woken), e, abi.OK)
	m.expect(step, woken)
}

// TestFutexModel makes 10⁵ steps with 20 threads.
func TestFutexModel(t *testing.T) {
	p := newProcess(t)
	p.SetAction(SIGUSR1, &Action{Handler: 0x1000})
	m := &futexModel{t: t, r: rand.New(rand.NewSource(1)), p: p, done: make(chan answer, 64),
		queues: map[uintptr][]modelEntry{}, private: map[uintptr][]modelEntry{}}
	for i := range 20 {
		x := &modelThread{do: make(chan func(*Thread) (int, abi.Errno))}
		x.Thread = p.start(func(t *Thread) {
			for f := range x.do {
				n, e := f(t)
				t.drain()
				m.done <- answer{i, n, e}
			}
		})
		m.threads = append(m.threads, x)
	}
	for step := range 100_000 {
		m.step(step)
	}
	// Nobody is forgotten: every waiter of the model is there to be woken.
	for i := range modelWords {
		w := userBase + uintptr(i)*4
		for _, private := range []bool{false, true} {
			pl := place{w, w, private}
			n, e := FutexWake(w, private, 1000, ^uint32(0))
			woken := m.wake(pl, 1000, ^uint32(0))
			m.check(-1, "the rest", n, len(woken), e, abi.OK)
			m.expect(-1, woken)
		}
	}
	for _, x := range m.threads {
		close(x.do)
	}
	if s := <-p.ended; s.Code != 0 || s.Signal != 0 {
		t.Errorf("%+v", s)
	}
	for i := range futexes {
		if futexes[i].head != nil || futexes[i].tail != nil {
			t.Error("bucket", i, "is not empty")
		}
	}
}
