package task

import (
	"slices"
	"sync"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/usermem"
	"skerry/kernel/wait"
)

// TestClearTID: the end of a thread clears its word and wakes who waits for it
// (set_tid_address(2)), as pthread_join(3) does; a bad address is passed over.
func TestClearTID(t *testing.T) {
	p := newProcess(t)
	const threads = 50
	last := p.thread() // the program lives until this one ends
	var wg sync.WaitGroup
	for i := range threads {
		addr := userBase + uintptr(i)*4
		word(addr).Store(99)
		wg.Add(1)
		x := p.thread()
		p.start(func(x *Thread) {
			defer wg.Done()
			for v := word(addr).Load(); v != 0; v = word(addr).Load() {
				x.FutexWait(addr, false, v, all, wait.Forever)
			}
		})
		x.ClearTID = addr
		p.begin(x, func(x *Thread) { x.Exit(i) })
	}
	for _, bad := range []uintptr{1, userBase + 2, userBase + userSize, usermem.Limit, ^uintptr(0)} {
		x := p.thread()
		x.ClearTID = bad
		p.begin(x, func(*Thread) {})
	}
	wg.Wait()
	p.begin(last, func(x *Thread) { x.Exit(0) })
	<-p.ended
}

// TestLastThread: the program ends with its last thread and that one's status,
// and its word stays: nobody is left to look.
func TestLastThread(t *testing.T) {
	p := newProcess(t)
	x, y := p.thread(), p.thread()
	word(userBase).Store(5)
	y.ClearTID = userBase
	if x.TID != mainTID || y.TID != mainTID+1 {
		t.Error("IDs", x.TID, y.TID)
	}
	p.begin(x, func(x *Thread) { x.Exit(1) })
	until(t, "the first is gone", func() bool { return p.Threads() == 1 })
	p.begin(y, func(y *Thread) { y.Exit(2) })
	if s := <-p.ended; s.Code != 2 || s.Signal != 0 {
		t.Errorf("%+v", s)
	}
	if v := word(userBase).Load(); v != 5 {
		t.Error("word", v)
	}
	if _, e := p.NewThread(); e != abi.EAGAIN {
		t.Error("a thread of a program that has ended:", e)
	}
}

// TestThreadLimit: EAGAIN at the limit, and room again after an end.
func TestThreadLimit(t *testing.T) {
	p := newProcess(t)
	var list []*Thread
	for range MaxThreads {
		list = append(list, p.thread())
	}
	_, e := p.NewThread()
	want(t, "one more", e, abi.EAGAIN)
	list[7].Exit(0)
	list[7].finish()
	list[7] = p.thread()
	seen := map[int32]bool{}
	p.Each(func(x *Thread) { seen[x.TID] = true })
	if len(seen) != MaxThreads {
		t.Error(len(seen), "IDs")
	}
	// RLIMIT_NPROC, below what there is already, at it, and as it was.
	list[8].Exit(0)
	list[8].finish()
	for limit, want := range map[uint64]abi.Errno{0: abi.EAGAIN, MaxThreads - 1: abi.EAGAIN, MaxThreads: abi.OK} {
		p.Limits.Set(abi.RLIMIT_NPROC, limit, MaxThreads)
		x, e := p.NewThread()
		if e != want {
			t.Error("limit", limit, e)
		}
		if x != nil {
			x.Exit(0)
			x.finish()
		}
	}
	list = slices.Delete(list, 8, 9)
	for _, x := range list {
		x.Exit(0)
		x.finish()
	}
	<-p.ended
}

// TestFatalSignal: a signal without a handler ends the program once, whoever
// takes it; who sleeps is woken.
func TestFatalSignal(t *testing.T) {
	p := newProcess(t)
	var wg sync.WaitGroup
	var list []*Thread
	for range 8 {
		list = append(list, p.thread())
	}
	for _, x := range list {
		wg.Add(1)
		p.begin(x, func(x *Thread) {
			defer wg.Done()
			for !x.dead.Load() {
				x.FutexWait(userBase, true, 0, all, wait.Forever)
				x.work()
			}
		})
	}
	until(t, "all sleep", func() bool {
		for _, x := range list {
			if x.fx.queued.Load() == nil {
				return false
			}
		}
		return true
	})
	want(t, "kill", p.Kill(&SigInfo{Signo: int32(SIGTERM)}), abi.OK)
	wg.Wait()
	if s := <-p.ended; s.Signal != SIGTERM || s.Thread == nil || !p.Dying() {
		t.Errorf("%+v", s)
	}
	want(t, "kill after the end", p.Kill(&SigInfo{Signo: int32(SIGTERM)}), abi.OK)
}

// TestIgnoredByDefault: these do not end the program, nor disturb a sleep.
func TestIgnoredByDefault(t *testing.T) {
	p := newProcess(t)
	x := p.thread()
	for _, s := range []Signal{SIGCHLD, SIGURG, SIGWINCH, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU} {
		want(t, "kill", p.Kill(&SigInfo{Signo: int32(s)}), abi.OK)
		want(t, "kill", x.Kill(&SigInfo{Signo: int32(s)}), abi.OK)
		if x.Pending.Load() != 0 || p.Dying() {
			t.Error("signal", s, "is noticed")
		}
	}
	want(t, "sleep", x.Sleep(wait.Now()+1e6), abi.ETIMEDOUT)
}
