package task

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
	"skerry/kernel/wait"

	"gvisor.dev/gvisor/pkg/waiter"
)

const handler = 0x1000

func queue(sig Signal, value uint64) *SigInfo {
	i := &SigInfo{Signo: int32(sig), Code: abi.SI_QUEUE}
	i.Union[1] = value
	return i
}

// TestActions: arguments of sigaction(2).
func TestActions(t *testing.T) {
	p := newProcess(t)
	for _, c := range []struct {
		sig  Signal
		set  bool
		want abi.Errno
	}{
		{0, false, abi.EINVAL}, {65, false, abi.EINVAL}, {-1, true, abi.EINVAL}, {SIGKILL, false, abi.OK}, {SIGSTOP, false, abi.OK},
		{SIGKILL, true, abi.EINVAL}, {SIGSTOP, true, abi.EINVAL}, {64, true, abi.OK}, {1, true, abi.OK},
	} {
		var a *Action
		if c.set {
			a = &Action{Handler: handler}
		}
		_, e := p.SetAction(c.sig, a)
		want(t, "action", e, c.want)
	}
}

// TestRetarget: a signal for the program goes to another thread when the one
// that was woken for it blocks it, or ends, before it took it.
func TestRetarget(t *testing.T) {
	for _, how := range []string{"mask", "temporary mask", "handler", "end"} {
		p := newProcess(t)
		p.SetAction(SIGUSR1, &Action{Handler: handler})
		first, second := p.thread(), p.thread()
		if e := p.Kill(queue(SIGUSR1, 1)); e != abi.OK {
			t.Fatal(e)
		}
		if first.Pending.Load() == 0 || second.Pending.Load() != 0 {
			t.Fatal("the first thread should be the one that takes it")
		}
		switch how {
		case "mask":
			first.SetMask(SIGUSR1.Bit())
		case "temporary mask":
			first.SetTempMask(SIGUSR1.Bit())
		case "handler":
			p.mu.Lock()
			first.setMask(^SigSet(0))
			p.mu.Unlock()
		case "end":
			first.Exit(0)
			first.finish()
		}
		if second.Pending.Load() == 0 || second.Ctx.Work == 0 {
			t.Errorf("%s: nobody takes the signal", how)
		}
		want(t, how, second.Sleep(wait.Forever), abi.ERESTARTSYS)
		if second.drain() != 1 {
			t.Errorf("%s: the signal is gone", how)
		}
	}
}

// TestEndedThread: what was queued for a thread goes with it and no longer
// counts; it takes no more.
func TestEndedThread(t *testing.T) {
	p := newProcess(t)
	p.SetAction(40, &Action{Handler: handler})
	p.thread()
	for range 3 {
		x := p.thread()
		x.SetMask(^SigSet(0))
		for n := range 1000 {
			want(t, "queue", x.Kill(queue(40, uint64(n))), abi.OK)
		}
		x.Exit(0)
		want(t, "to an ended thread", x.Kill(queue(40, 1)), abi.ESRCH)
		if p.Find(x.TID) != nil {
			t.Error("an ended thread is found")
		}
		x.finish()
		if _, _, _, queued, _ := p.SignalSets(); queued != 0 {
			t.Fatal("still queued:", queued)
		}
	}
}

// TestSigWait: order, timeout, other signals.
func TestSigWait(t *testing.T) {
	p := newProcess(t)
	for s := Signal(1); s <= nsig; s++ {
		p.SetAction(s, &Action{Handler: handler})
	}
	x := p.thread()
	x.SetMask(^SigSet(0) &^ SIGUSR2.Bit())
	// As Linux takes them: the thread's own first, each by number.
	x.Kill(queue(40, 1))
	p.Kill(queue(SIGUSR1, 2))
	x.Kill(queue(12, 3))
	p.Kill(queue(34, 4))
	p.Kill(queue(SIGSEGV, 5))
	x.Kill(queue(40, 6))
	for _, s := range []Signal{12, 40, 40, SIGSEGV, SIGUSR1, 34} {
		info, e := x.SigWait(^SigSet(0), -1)
		if e != abi.OK || Signal(info.Signo) != s {
			t.Errorf("took %d %v, want %d", info.Signo, e, s)
		}
	}
	_, e := x.SigWait(^SigSet(0), -1)
	want(t, "nothing", e, abi.EAGAIN)
	deadline := wait.Now() + 5e6
	_, e = x.SigWait(SIGUSR1.Bit(), deadline)
	want(t, "timeout", e, abi.EAGAIN)
	if wait.Now() < deadline {
		t.Error("too early")
	}
	// Both what is waited for and a handler's: the former.
	go func() {
		time.Sleep(time.Millisecond)
		p.mu.Lock()
		p.sendLocked(nil, queue(SIGUSR2, 7), nil)
		p.sendLocked(nil, queue(SIGUSR1, 8), nil)
		p.mu.Unlock()
	}()
	info, e := x.SigWait(SIGUSR1.Bit(), wait.Forever)
	if e != abi.OK || info.Union[1] != 8 {
		t.Error(info, e)
	}
	_, e = x.SigWait(SIGUSR1.Bit(), wait.Forever)
	want(t, "a handler's signal", e, abi.EINTR)
	if x.drain() != 1 {
		t.Error("it was not left for the handler")
	}
}

// TestSigWaiters: queued signals of a real-time signal reach threads that wait
// for them once each; those that one thread gets are in order.
func TestSigWaiters(t *testing.T) {
	p := newProcess(t)
	const threads, signals = 8, 20_000
	p.SetAction(40, &Action{Handler: handler})
	p.SetAction(41, &Action{Handler: handler})
	seen := make([]atomic.Int32, signals+1)
	var wg sync.WaitGroup
	var list []*Thread
	for range threads {
		x := p.thread()
		x.SetMask(^SigSet(0))
		list = append(list, x)
	}
	for i, x := range list {
		wg.Add(1)
		p.begin(x, func(t *Thread) {
			defer wg.Done()
			last := uint64(0)
			for {
				deadline := wait.Forever
				if i%2 == 0 {
					deadline = wait.Now() + 100_000
				}
				info, e := t.SigWait(Signal(40).Bit()|Signal(41).Bit(), deadline)
				switch {
				case e == abi.EAGAIN:
					continue
				case e != abi.OK:
					p.t.Error(e)
					return
				case info.Signo == 41:
					return
				case info.Union[1] <= last:
					p.t.Error("out of order:", info.Union[1], "after", last)
				}
				last = info.Union[1]
				seen[last].Add(1)
			}
		})
	}
	for n := uint64(1); n <= signals; n++ {
		for p.Kill(queue(40, n)) == abi.EAGAIN {
			time.Sleep(10 * time.Microsecond)
		}
	}
	until(t, "all are taken", func() bool { s, _, _, _, _ := p.SignalSets(); return s == 0 })
	for _, x := range list {
		x.Kill(queue(41, 0))
	}
	wg.Wait()
	for n := 1; n <= signals; n++ {
		if seen[n].Load() != 1 {
			t.Fatal(n, "was taken", seen[n].Load(), "times")
		}
	}
}

// TestSignalFD: several threads read the program's signals from descriptors;
// each signal is read once.
func TestSignalFD(t *testing.T) {
	p := newProcess(t)
	const threads, signals = 6, 10_000
	d := p.NewSignalFD(Signal(40).Bit()|SIGKILL.Bit(), 0)
	p.SetAction(40, &Action{Handler: handler})
	var total, count atomic.Int64
	var wg sync.WaitGroup
	stop := make([]*Thread, threads)
	for i := range stop {
		stop[i] = p.thread()
		stop[i].SetMask(^SigSet(0))
	}
	for _, x := range stop {
		wg.Add(1)
		p.begin(x, func(t *Thread) {
			defer wg.Done()
			b := make([]byte, 128*3+50)
			var v usermem.Vec
			for {
				v.InitBytes(b)
				n, e := t.Retry(d.File(), waiter.EventIn, wait.Forever, func() (int, abi.Errno) { return d.File().Read(&v, 0) })
				if e == abi.ERESTARTSYS {
					return
				}
				if e != abi.OK || n == 0 || n%128 != 0 {
					p.t.Error(n, e)
					return
				}
				for at := 0; at < n; at += 128 {
					if sig := binary.LittleEndian.Uint32(b[at:]); sig != 40 {
						p.t.Error("read signal", sig)
					}
					total.Add(int64(binary.LittleEndian.Uint64(b[at+48:])))
					count.Add(1)
				}
			}
		})
	}
	sum := int64(0)
	for n := range int64(signals) {
		for p.Kill(queue(40, uint64(n))) == abi.EAGAIN {
			time.Sleep(10 * time.Microsecond)
		}
		sum += n
	}
	until(t, "all are read", func() bool { return count.Load() == signals })
	if total.Load() != sum {
		t.Error("sum", total.Load(), "want", sum)
	}
	// Sets that exclude what is pending make it unreadable.
	want(t, "set", SetSignalFD(d, SIGUSR1.Bit()), abi.OK)
	p.Kill(queue(40, 1))
	if d.File().Readiness(waiter.EventIn) != 0 {
		t.Error("readable")
	}
	want(t, "set", SetSignalFD(d, Signal(40).Bit()), abi.OK)
	until(t, "the last is read", func() bool { return count.Load() == signals+1 })
	var v usermem.Vec
	v.InitBytes(make([]byte, 127))
	_, e := d.File().Read(&v, 0)
	want(t, "too short", e, abi.EINVAL)
	r, w, e := vfs.NewPipe(0)
	want(t, "pipe", e, abi.OK)
	want(t, "no signalfd", SetSignalFD(r, 0), abi.EINVAL)
	r.Unref()
	w.Unref()
	p.SetAction(SIGTERM, &Action{Handler: handler})
	for _, x := range stop {
		// Its own mask, changed from outside, as only a test may.
		p.mu.Lock()
		x.sig.mask &^= SIGTERM.Bit()
		p.mu.Unlock()
		x.Kill(queue(SIGTERM, 0))
	}
	wg.Wait()
}
