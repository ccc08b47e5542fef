package vfs

import (
	"encoding/binary"
	"math/rand"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/wait"
)

// epollFor returns an instance in a table.
func epollFor(t testing.TB, tab *Table) (int32, *Epoll) {
	t.Helper()
	d := NewEpoll()
	fd, e := tab.Install(d, false)
	must(t, "epoll", e, abi.OK)
	ep, _ := EpollOf(d)
	return fd, ep
}

func eventFor(t testing.TB, tab *Table, flags uint32) (int32, *Description) {
	t.Helper()
	d, e := NewEventFD(0, flags)
	must(t, "eventfd", e, abi.OK)
	fd, _ := tab.Install(d, false)
	return fd, d
}

func word8(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

// TestEpollNoLostEdge has writers add to eventfds that are watched edge-triggered
// by several waiting threads. Each edge must reach some thread: the sum of what
// was read must become the sum of what was written, without any time-out.
func TestEpollNoLostEdge(t *testing.T) {
	tab := NewTable()
	_, ep := epollFor(t, tab)
	epfd := int32(0)
	const nfd, nwriters, nreaders, each = 8, 3, 3, 4000
	var fds [nfd]*Description
	for i := range fds {
		fd, d := eventFor(t, tab, abi.O_NONBLOCK)
		fds[i] = d
		must(t, "add", tab.EpollControl(epfd, abi.EPOLL_CTL_ADD, fd, &EpollEvent{abi.POLLIN | abi.EPOLLET, uint64(i)}), abi.OK)
	}
	var sum atomic.Uint64
	var wg, writers sync.WaitGroup
	done := make(chan struct{})
	for range nreaders {
		wg.Go(func() {
			var s sleeper
			buf := make([]byte, 3*12)
			got := make([]byte, 8)
			for {
				n, e := ep.Wait(&s, vec(buf), 3, wait.Now()+int64(10*time.Second))
				if e != abi.OK || n == 0 {
					t.Error("an edge was lost:", n, e)
					return
				}
				for i := range n {
					k := binary.LittleEndian.Uint64(buf[i*12+4:])
					if k == 99 {
						return
					}
					for {
						m, e := fds[k].Read(&s, vec(got))
						if e != abi.OK || m != 8 {
							break
						}
						sum.Add(binary.LittleEndian.Uint64(got))
					}
				}
				if sum.Load() == nwriters*each {
					select {
					case <-done:
					default:
						close(done)
					}
				}
			}
		})
	}
	for g := range nwriters {
		writers.Go(func() {
			var s sleeper
			rng := rand.New(rand.NewSource(int64(g)))
			for range each {
				fds[rng.Intn(nfd)].Write(&s, vec(word8(1)))
			}
		})
	}
	writers.Wait()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Error("sum", sum.Load())
	}
	// A level-triggered item that nobody clears ends all readers.
	fd, d := eventFor(t, tab, 0)
	must(t, "add", tab.EpollControl(epfd, abi.EPOLL_CTL_ADD, fd, &EpollEvent{abi.POLLIN, 99}), abi.OK)
	var s sleeper
	d.Write(&s, vec(word8(1)))
	wg.Wait()
	tab.CloseRange(0, MaxFiles, 0, true)
	if epollItems.Load() != 0 {
		t.Error("items left")
	}
}

// TestEpollCloseRaces closes watched files, instances and both at once while
// others wait, control and notify.
func TestEpollCloseRaces(t *testing.T) {
	tab := NewTable()
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			var s sleeper
			rng := rand.New(rand.NewSource(int64(g)))
			buf := make([]byte, 12*4)
			for range 6000 {
				fd := int32(rng.Intn(24))
				switch rng.Intn(10) {
				case 0:
					tab.Install(NewEpoll(), false)
				case 1:
					d, _ := NewEventFD(uint32(rng.Intn(2)), abi.O_NONBLOCK)
					tab.Install(d, false)
				case 2:
					r, w, _ := NewPipe(abi.O_NONBLOCK)
					tab.InstallPair(r, w, false)
				case 3:
					if tab.Count() > 16 || rng.Intn(3) == 0 {
						tab.Close(fd)
					}
				case 4, 5:
					tab.EpollControl(fd, abi.EPOLL_CTL_ADD, int32(rng.Intn(24)), &EpollEvent{uint32(abi.POLLIN | abi.POLLOUT | rng.Intn(2)<<31), uint64(fd)})
				case 6:
					tab.EpollControl(fd, 2+rng.Intn(2), int32(rng.Intn(24)), &EpollEvent{abi.POLLIN, uint64(fd)})
				case 7:
					if d, e := tab.Get(fd); e == abi.OK {
						if ep, e := EpollOf(d); e == abi.OK {
							ep.Wait(&s, vec(buf), 4, Immediate)
						} else {
							d.Read(&s, vec(buf[:8]))
						}
						d.Unref()
					}
				default:
					if d, e := tab.Get(fd); e == abi.OK {
						d.Write(&s, vec(word8(1)))
						d.Unref()
					}
				}
			}
		})
	}
	wg.Wait()
	tab.CloseRange(0, MaxFiles, 0, true)
	if n := epollItems.Load(); n != 0 {
		t.Error(n, "items left")
	}
}

func TestEpollNesting(t *testing.T) {
	tab := NewTable()
	var fds [8]int32
	var eps [8]*Epoll
	for i := range fds {
		fds[i], eps[i] = epollFor(t, tab)
	}
	ev := &EpollEvent{abi.POLLIN, 7}
	add := func(i, j int) abi.Errno { return tab.EpollControl(fds[i], abi.EPOLL_CTL_ADD, fds[j], ev) }
	must(t, "itself", add(0, 0), abi.EINVAL)
	for i := range 4 {
		must(t, "chain", add(i, i+1), abi.OK)
	}
	must(t, "too deep", add(4, 5), abi.ELOOP)
	must(t, "too deep from above", add(5, 0), abi.ELOOP)
	must(t, "cycle", add(4, 0), abi.ELOOP)
	must(t, "short cycle", add(1, 0), abi.ELOOP)
	// An event at the bottom shows at the top.
	fd, d := eventFor(t, tab, 0)
	must(t, "bottom", tab.EpollControl(fds[4], abi.EPOLL_CTL_ADD, fd, ev), abi.OK)
	var s sleeper
	buf := make([]byte, 12)
	if n, _ := eps[0].Wait(&s, vec(buf), 1, Immediate); n != 0 {
		t.Error("nothing happened yet")
	}
	time.AfterFunc(5*time.Millisecond, func() { d.Write(new(sleeper), vec(word8(1))) })
	if n, e := eps[0].Wait(&s, vec(buf), 1, wait.Forever); n != 1 || e != abi.OK {
		t.Error(n, e)
	}
	d.Read(&s, vec(buf[:8]))
	if n, _ := eps[0].Wait(&s, vec(buf), 1, Immediate); n != 0 {
		t.Error("it is over")
	}
	// Removing a link makes room again.
	must(t, "cut", tab.EpollControl(fds[1], abi.EPOLL_CTL_DEL, fds[2], ev), abi.OK)
	must(t, "cycle no more", add(4, 0), abi.OK)
	must(t, "cycle the other way", add(1, 2), abi.ELOOP)
	// A wide graph is looked at once per instance: this ends at once.
	var rows [4][30]int32
	for r := range rows {
		for i := range rows[r] {
			rows[r][i], _ = epollFor(t, tab)
		}
	}
	start := time.Now()
	for r := range 3 {
		for _, a := range rows[r] {
			for _, b := range rows[r+1] {
				must(t, "wide", tab.EpollControl(a, abi.EPOLL_CTL_ADD, b, ev), abi.OK)
			}
		}
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Error("the check of a wide graph took", d)
	}
	tab.CloseRange(0, MaxFiles, 0, true)
	if n := epollItems.Load(); n != 0 {
		t.Error(n, "items left")
	}
}

func TestEpollErrors(t *testing.T) {
	tab := NewTable()
	epfd, ep := epollFor(t, tab)
	fd, _ := eventFor(t, tab, 0)
	f, _ := tab.Install(NewDescription(&noPoll{}, 0), false)
	ev := &EpollEvent{abi.POLLIN, 0}
	var s sleeper
	for _, x := range []struct {
		what   string
		ep, fd int32
		op     int
		want   abi.Errno
	}{
		{"bad instance", 99, fd, abi.EPOLL_CTL_ADD, abi.EBADF}, {"bad descriptor", epfd, 99, abi.EPOLL_CTL_ADD, abi.EBADF},
		{"no instance", fd, epfd, abi.EPOLL_CTL_ADD, abi.EINVAL}, {"regular file", epfd, f, abi.EPOLL_CTL_ADD, abi.EPERM},
		{"modify", epfd, fd, abi.EPOLL_CTL_MOD, abi.ENOENT}, {"delete", epfd, fd, abi.EPOLL_CTL_DEL, abi.ENOENT},
		{"add", epfd, fd, abi.EPOLL_CTL_ADD, abi.OK}, {"add again", epfd, fd, abi.EPOLL_CTL_ADD, abi.EEXIST},
		{"operation", epfd, fd, 9, abi.EINVAL}, {"delete", epfd, fd, abi.EPOLL_CTL_DEL, abi.OK},
	} {
		must(t, x.what, tab.EpollControl(x.ep, x.op, x.fd, ev), x.want)
	}
	for _, n := range []int{0, -1, 1 << 30} {
		if _, e := ep.Wait(&s, vec(nil), n, Immediate); e != abi.EINVAL {
			t.Error("max", n, e)
		}
	}
	start := wait.Now()
	if n, e := ep.Wait(&s, vec(make([]byte, 12)), 1, start+20e6); n != 0 || e != abi.OK || wait.Now() < start+20e6 {
		t.Error("deadline:", n, e)
	}
	time.AfterFunc(10*time.Millisecond, func() { s.Pending.Store(1); s.Unpark() })
	if n, e := ep.Wait(&s, vec(make([]byte, 12)), 1, wait.Forever); n != 0 || e != abi.EINTR {
		t.Error("signal:", n, e)
	}
	tab.CloseRange(0, MaxFiles, 0, true)
}

type noPoll struct{ BaseFile }

func (*noPoll) Stat(st *abi.Stat) abi.Errno { return anonStat(st, 1) }
func (*noPoll) Unpollable()                 {}

// TestEpollFault: an event whose copy to the program fails is not lost.
func TestEpollFault(t *testing.T) {
	tab := NewTable()
	epfd, ep := epollFor(t, tab)
	var s sleeper
	for i := range uint64(3) {
		fd, d := eventFor(t, tab, 0)
		must(t, "add", tab.EpollControl(epfd, abi.EPOLL_CTL_ADD, fd, &EpollEvent{abi.POLLIN | abi.EPOLLET, i}), abi.OK)
		d.Write(&s, vec(word8(1)))
	}
	short := make([]byte, 12) // room for one of three: the next one faults
	if n, e := ep.Wait(&s, vec(short), 3, Immediate); n != 1 || e != abi.OK {
		t.Fatal(n, e)
	}
	if n, e := ep.Wait(&s, vec(nil), 3, Immediate); n != 0 || e != abi.EFAULT {
		t.Fatal(n, e)
	}
	buf := make([]byte, 36)
	if n, e := ep.Wait(&s, vec(buf), 3, Immediate); n != 2 || e != abi.OK || buf[4] != 1 || buf[16] != 2 {
		t.Fatal(n, e, buf)
	}
	tab.CloseRange(0, MaxFiles, 0, true)
}

func TestEventFDBlocking(t *testing.T) {
	var wg sync.WaitGroup
	d, _ := NewEventFD(0, 0)
	var sum atomic.Uint64
	for range 3 {
		wg.Go(func() {
			var s sleeper
			b := make([]byte, 8)
			for {
				if n, e := d.Read(&s, vec(b)); n != 8 || e != abi.OK {
					t.Error(n, e)
					return
				}
				n := binary.LittleEndian.Uint64(b)
				sum.Add(n % 1000)
				if n >= 1000 {
					d.Write(&s, vec(word8(1000))) // the end, for the others too
					return
				}
			}
		})
	}
	var s sleeper
	for range 500 {
		d.Write(&s, vec(word8(1)))
	}
	d.Write(&s, vec(word8(1000)))
	wg.Wait()
	if sum.Load() != 500 {
		t.Error(sum.Load())
	}
	d.Unref()

	// A write that would overflow waits for a read.
	d, _ = NewEventFD(0, 0)
	d.Write(&s, vec(word8(eventMax)))
	time.AfterFunc(10*time.Millisecond, func() { d.Read(new(sleeper), vec(make([]byte, 8))) })
	if n, e := d.Write(&s, vec(word8(5))); n != 8 || e != abi.OK {
		t.Error(n, e)
	}
	b := make([]byte, 8)
	d.Read(&s, vec(b))
	if b[0] != 5 {
		t.Error(b)
	}
	for _, x := range []struct {
		n int
		v uint64
	}{{7, 1}, {8, 1<<64 - 1}} {
		if _, e := d.Write(&s, vec(word8(x.v)[:x.n])); e != abi.EINVAL {
			t.Error(x, e)
		}
	}
	// Since Linux 6.9 more than one number is refused too.
	if n, e := d.Write(&s, vec(make([]byte, 16))); n != 0 || e != abi.EINVAL {
		t.Error(n, e)
	}
	d.Unref()
	if _, e := NewEventFD(0, 2); e != abi.EINVAL {
		t.Error("flags:", e)
	}
}

func TestTimerFD(t *testing.T) {
	var s sleeper
	d, e := NewTimerFD(abi.CLOCK_MONOTONIC, 0)
	must(t, "create", e, abi.OK)
	ms := func(n int64) abi.Timespec { return timespec(n * 1e6) }
	read := func() uint64 {
		b := make([]byte, 8)
		if n, e := d.Read(&s, vec(b)); n != 8 || e != abi.OK {
			t.Fatal(n, e)
		}
		return binary.LittleEndian.Uint64(b)
	}
	start := time.Now()
	must(t, "one shot", SetTimerFD(d, 0, &TimerSpec{Value: ms(20)}, nil), abi.OK)
	if n := read(); n != 1 || time.Since(start) < 20*time.Millisecond {
		t.Error(n, time.Since(start))
	}
	var cur TimerSpec
	GetTimerFD(d, &cur)
	if cur != (TimerSpec{}) {
		t.Error("expired one-shot:", cur)
	}
	start = time.Now()
	must(t, "interval", SetTimerFD(d, 0, &TimerSpec{Value: ms(10), Interval: ms(10)}, nil), abi.OK)
	time.Sleep(55 * time.Millisecond)
	if n := read(); n < 5 || n > uint64(time.Since(start)/(10*time.Millisecond)) {
		t.Error("missed expirations:", n, time.Since(start))
	}
	if n := read(); n < 1 {
		t.Error(n)
	}
	GetTimerFD(d, &cur)
	if cur.Interval != ms(10) || cur.Value.Sec != 0 || cur.Value.Nsec > 10e6 {
		t.Error(cur)
	}
	var old TimerSpec
	must(t, "disarm", SetTimerFD(d, 0, &TimerSpec{}, &old), abi.OK)
	if old.Interval != ms(10) {
		t.Error(old)
	}
	d.flags.Or(abi.O_NONBLOCK)
	if _, e := d.Read(&s, vec(make([]byte, 8))); e != abi.EAGAIN {
		t.Error("disarmed:", e)
	}
	d.flags.And(^uint32(abi.O_NONBLOCK))
	past := timespec(Monotonic() - 35e6)
	must(t, "absolute, past", SetTimerFD(d, abi.TFD_TIMER_ABSTIME, &TimerSpec{Value: past, Interval: ms(10)}, nil), abi.OK)
	if n := read(); n < 4 {
		t.Error("absolute in the past:", n)
	}
	must(t, "far future", SetTimerFD(d, 0, &TimerSpec{Value: abi.Timespec{Sec: 1<<63 - 1}}, nil), abi.OK)
	for _, x := range []TimerSpec{
		{Value: abi.Timespec{Nsec: 1e9}}, {Value: abi.Timespec{Sec: -1}}, {Interval: abi.Timespec{Nsec: -1}},
	} {
		must(t, "malformed", SetTimerFD(d, 0, &x, nil), abi.EINVAL)
	}
	must(t, "cancel on set", SetTimerFD(d, abi.TFD_TIMER_CANCEL_ON_SET, &TimerSpec{}, nil), abi.EINVAL)
	if _, e := d.Read(&s, vec(make([]byte, 7))); e != abi.EINVAL {
		t.Error("short read:", e)
	}
	d.Unref()
	for clock, want := range map[int]abi.Errno{0: abi.OK, 1: abi.OK, 7: abi.OK, 8: abi.EPERM, 9: abi.EPERM, 2: abi.EINVAL, -1: abi.EINVAL} {
		d, e := NewTimerFD(clock, 0)
		must(t, "clock", e, want)
		if e == abi.OK {
			d.Unref()
		}
	}
	must(t, "not a timer", SetTimerFD(NewEpoll(), 0, &TimerSpec{}, nil), abi.EINVAL)

	// CLOCK_REALTIME that jumps back: the timer waits until it is really time.
	real := Realtime
	defer func() { Realtime = real }()
	var offset atomic.Int64
	Realtime = func() int64 { return real() + offset.Load() }
	d, _ = NewTimerFD(abi.CLOCK_REALTIME, 0)
	at := Realtime() + 20e6
	SetTimerFD(d, abi.TFD_TIMER_ABSTIME, &TimerSpec{Value: timespec(at)}, nil)
	offset.Store(-30e6)
	read()
	if Realtime() < at {
		t.Error("expired early")
	}
	d.Unref()
}

func TestPollSleeps(t *testing.T) {
	tab := NewTable()
	var p Poller
	var s sleeper
	r, w := pipeFor(t, 0)
	fds, _ := tab.InstallPair(r, w, false)
	set := []PollFD{{FD: fds[0], Events: abi.POLLIN}, {FD: -5}, {FD: 77}}
	if n, e := p.Poll(&s, tab, set, wait.Forever); n != 1 || e != abi.OK || set[2].Revents != abi.POLLNVAL {
		t.Error(n, e, set)
	}
	set = set[:2]
	start := wait.Now()
	if n, e := p.Poll(&s, tab, set, start+10e6); n != 0 || e != abi.OK || wait.Now() < start+10e6 {
		t.Error("deadline:", n, e)
	}
	time.AfterFunc(10*time.Millisecond, func() { w.Write(new(sleeper), vec([]byte("x"))) })
	if n, e := p.Poll(&s, tab, set, wait.Forever); n != 1 || e != abi.OK || set[0].Revents != abi.POLLIN {
		t.Error(n, e, set)
	}
	if !r.File().(*pipeEnd).p.readQ.IsEmpty() {
		t.Error("still registered")
	}
	r.Read(&s, vec(make([]byte, 9)))
	var in [1]uint64
	in[0] = 1 << fds[0]
	time.AfterFunc(10*time.Millisecond, func() { w.Write(new(sleeper), vec([]byte("x"))) })
	if n, e := p.Select(&s, tab, 64, in[:], nil, nil, wait.Forever); n != 1 || e != abi.OK || in[0] != 1<<fds[0] {
		t.Error(n, e, in)
	}
	r.Read(&s, vec(make([]byte, 9)))
	time.AfterFunc(10*time.Millisecond, func() { s.Pending.Store(1); s.Unpark() })
	if n, e := p.Select(&s, tab, 64, in[:], nil, nil, wait.Forever); n != 0 || e != abi.ERESTARTNOHAND || in[0] == 0 {
		t.Error(n, e, in)
	}
	s.Pending.Store(0)
	// A hang-up of something watched for writing only is no event to select.
	var out [1]uint64
	out[0] = 1 << fds[0]
	tab.Close(fds[1])
	if n, e := p.Select(&s, tab, 64, nil, out[:], nil, wait.Now()+10e6); n != 0 || e != abi.OK || out[0] != 0 {
		t.Error(n, e, out)
	}
	in[0] = 1 << 50
	if _, e := p.Select(&s, tab, 64, in[:], nil, nil, Immediate); e != abi.EBADF {
		t.Error("closed descriptor in a set:", e)
	}
	tab.SetLimit(2)
	if _, e := p.Poll(&s, tab, make([]PollFD, 3), Immediate); e != abi.EINVAL {
		t.Error("too many:", e)
	}
	tab.CloseRange(0, MaxFiles, 0, true)
}
