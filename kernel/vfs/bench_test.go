package vfs

import (
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/usermem"
)

// TestHotPathsAllocateNothing: reads and writes of pipes and eventfds, epoll_wait,
// poll, and descriptor look-ups.
func TestHotPathsAllocateNothing(t *testing.T) {
	tab := NewTable()
	var s sleeper
	var p Poller
	var v usermem.Vec
	r, w := pipeFor(t, 0)
	fds, _ := tab.InstallPair(r, w, false)
	epfd, ep := epollFor(t, tab)
	efd, ev := eventFor(t, tab, 0)
	must(t, "add", tab.EpollControl(epfd, abi.EPOLL_CTL_ADD, fds[0], &EpollEvent{abi.POLLIN, 1}), abi.OK)
	must(t, "add", tab.EpollControl(epfd, abi.EPOLL_CTL_ADD, efd, &EpollEvent{abi.POLLIN | abi.EPOLLET, 2}), abi.OK)
	b := make([]byte, 24)
	set := []PollFD{{FD: fds[0], Events: abi.POLLIN}, {FD: efd, Events: abi.POLLIN}}
	if n := testing.AllocsPerRun(1000, func() {
		d, _ := tab.Get(fds[1])
		v.InitBytes(b[:8])
		d.Write(&s, &v)
		d.Unref()
		copy(b, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		v.InitBytes(b[:8])
		ev.Write(&s, &v)
		v.InitBytes(b)
		if n, _ := ep.Wait(&s, &v, 2, Immediate); n != 2 {
			t.Fatal("events:", n)
		}
		p.Poll(&s, tab, set, Immediate)
		v.InitBytes(b[:8])
		r.Read(&s, &v)
		v.InitBytes(b[:8])
		ev.Read(&s, &v)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	tab.CloseRange(0, MaxFiles, 0, true)
}

func BenchmarkPipeSelf(b *testing.B) {
	r, w := pipeFor(b, 0)
	var s sleeper
	var v usermem.Vec
	buf := make([]byte, 1)
	b.ReportAllocs()
	for b.Loop() {
		v.InitBytes(buf)
		w.Write(&s, &v)
		v.InitBytes(buf)
		r.Read(&s, &v)
	}
}

// BenchmarkPipePingPong is a round trip of one byte between two threads.
func BenchmarkPipePingPong(b *testing.B) {
	r1, w1 := pipeFor(b, 0)
	r2, w2 := pipeFor(b, 0)
	go func() {
		var s sleeper
		var v usermem.Vec
		buf := make([]byte, 1)
		for {
			v.InitBytes(buf)
			if n, _ := r1.Read(&s, &v); n == 0 {
				return
			}
			v.InitBytes(buf)
			w2.Write(&s, &v)
		}
	}()
	var s sleeper
	var v usermem.Vec
	buf := make([]byte, 1)
	b.ReportAllocs()
	for b.Loop() {
		v.InitBytes(buf)
		w1.Write(&s, &v)
		v.InitBytes(buf)
		r2.Read(&s, &v)
	}
	w1.Unref()
}

func BenchmarkEventFD(b *testing.B) {
	d, _ := NewEventFD(0, 0)
	var s sleeper
	var v usermem.Vec
	buf := word8(1)
	b.ReportAllocs()
	for b.Loop() {
		v.InitBytes(buf)
		d.Write(&s, &v)
		v.InitBytes(buf)
		d.Read(&s, &v)
	}
}

// BenchmarkEpollWait has one of a thousand watched eventfds ready.
func BenchmarkEpollWait(b *testing.B) {
	tab := NewTable()
	tab.SetLimit(4096)
	epfd, ep := epollFor(b, tab)
	var last *Description
	for i := range 1000 {
		fd, d := eventFor(b, tab, 0)
		last = d
		tab.EpollControl(epfd, abi.EPOLL_CTL_ADD, fd, &EpollEvent{abi.POLLIN | abi.EPOLLET, uint64(i)})
	}
	var s sleeper
	var v usermem.Vec
	buf := word8(1)
	out := make([]byte, 12*16)
	b.ReportAllocs()
	for b.Loop() {
		v.InitBytes(buf)
		last.Write(&s, &v)
		v.InitBytes(out)
		if n, _ := ep.Wait(&s, &v, 16, Immediate); n != 1 {
			b.Fatal(n)
		}
	}
}

func BenchmarkTableGet(b *testing.B) {
	tab := NewTable()
	_, d := eventFor(b, tab, 0)
	_ = d
	for b.Loop() {
		d, _ := tab.Get(0)
		d.Unref()
	}
}
