package vfs

import (
	"bytes"
	"math/rand"
	"sync"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
)

// TestPipeStream sends random amounts through a pipe with blocking ends and
// compares what comes out.
func TestPipeStream(t *testing.T) {
	before := frame.Read().Cache
	r, w := pipeFor(t, 0)
	data := make([]byte, 3<<20)
	rand.New(rand.NewSource(1)).Read(data)
	var wg sync.WaitGroup
	wg.Go(func() {
		var s sleeper
		rng := rand.New(rand.NewSource(2))
		for rest := data; len(rest) > 0; {
			n := min(1+rng.Intn(100000), len(rest))
			if rng.Intn(3) == 0 {
				n = min(1+rng.Intn(50), len(rest))
			}
			m, e := w.Write(&s, vec(rest[:n]))
			if m != n || e != abi.OK {
				t.Errorf("write of %d: %d %v", n, m, e)
				break
			}
			rest = rest[n:]
		}
		w.Unref()
	})
	var got []byte
	var s sleeper
	rng := rand.New(rand.NewSource(3))
	buf := make([]byte, 70000)
	for {
		n, e := r.Read(&s, vec(buf[:1+rng.Intn(len(buf))]))
		if e != abi.OK {
			t.Fatal(e)
		}
		if n == 0 {
			break
		}
		got = append(got, buf[:n]...)
	}
	wg.Wait()
	if !bytes.Equal(got, data) {
		t.Error("the stream was changed")
	}
	r.Unref()
	if n := frame.Read().Cache; n != before {
		t.Errorf("%d frames left", n-before)
	}
	if n := pipePagesAll.Load(); n != 0 {
		t.Errorf("%d pages still charged", n)
	}
}

// TestPipeAtomic: writes of up to PIPE_BUF bytes by several writers do not mix.
func TestPipeAtomic(t *testing.T) {
	r, w := pipeFor(t, 0)
	const size, each = 1000, 300
	var wg sync.WaitGroup
	for g := range 4 {
		w.Ref()
		wg.Go(func() {
			var s sleeper
			for range each {
				if n, e := w.Write(&s, vec(bytes.Repeat([]byte{byte(g)}, size))); n != size || e != abi.OK {
					t.Error(n, e)
				}
			}
			w.Unref()
		})
	}
	w.Unref()
	var s sleeper
	var got []byte
	buf := make([]byte, 777)
	for {
		n, _ := r.Read(&s, vec(buf))
		if n == 0 {
			break
		}
		got = append(got, buf[:n]...)
	}
	wg.Wait()
	if len(got) != 4*each*size {
		t.Fatal(len(got))
	}
	for i := 0; i < len(got); i += size {
		if bytes.Count(got[i:i+size], got[i:i+1]) != size {
			t.Fatal("writes were mixed")
		}
	}
	r.Unref()
}

func TestPipeEnds(t *testing.T) {
	var s sleeper
	r, w := pipeFor(t, abi.O_NONBLOCK)
	if n, e := r.Read(&s, vec(make([]byte, 1))); n != 0 || e != abi.EAGAIN {
		t.Error("empty:", n, e)
	}
	if _, e := r.Write(&s, vec(make([]byte, 1))); e != abi.EBADF {
		t.Error("write to the reading end:", e)
	}
	if _, e := w.Read(&s, vec(make([]byte, 1))); e != abi.EBADF {
		t.Error("read from the writing end:", e)
	}
	if _, e := r.Pread(vec(make([]byte, 1)), 0); e != abi.ESPIPE {
		t.Error("pread:", e)
	}
	if _, e := r.Lseek(0, 0); e != abi.ESPIPE {
		t.Error("lseek:", e)
	}
	must(t, "fsync", r.Sync(false), abi.EINVAL)
	w.Write(&s, vec([]byte("abc")))
	if n, e := w.Write(&s, vec(make([]byte, 5000))); n != 5000 || e != abi.OK {
		t.Error("write:", n, e)
	}
	if p := w.File().(*pipeEnd).p; p.head-p.tail != 2 || p.queued() != 5003 {
		t.Error("slots:", p.head-p.tail, p.queued())
	}
	w.Unref()
	if m := r.Readiness(waiter.AllEvents); m != waiter.ReadableEvents|waiter.EventHUp {
		t.Errorf("readiness %#x", m)
	}
	if n, e := r.Read(&s, vec(make([]byte, 9000))); n != 5003 || e != abi.OK {
		t.Error("rest:", n, e)
	}
	if n, e := r.Read(&s, vec(make([]byte, 1))); n != 0 || e != abi.OK {
		t.Error("end:", n, e)
	}
	r.Unref()

	r, w = pipeFor(t, 0)
	r.Unref()
	if n, e := w.Write(&s, vec([]byte("x"))); n != 0 || e != abi.EPIPE {
		t.Error("no reader:", n, e)
	}
	w.Unref()
	if _, _, e := NewPipe(abi.O_APPEND); e != abi.EINVAL {
		t.Error("packets:", e)
	}
}

// TestPipeSignals: what a signal does to blocked calls.
func TestPipeSignals(t *testing.T) {
	r, w := pipeFor(t, 0)
	interrupt := func(s *sleeper) {
		time.AfterFunc(10*time.Millisecond, func() { s.Pending.Store(1); s.Unpark() })
	}
	var s sleeper
	interrupt(&s)
	if n, e := r.Read(&s, vec(make([]byte, 5))); n != 0 || e != abi.ERESTARTSYS {
		t.Error("read:", n, e)
	}
	s.Pending.Store(0)
	interrupt(&s)
	if n, e := w.Write(&s, vec(make([]byte, 100000))); n != 65536 || e != abi.OK {
		t.Error("partial write:", n, e)
	}
	s.Pending.Store(0)
	interrupt(&s)
	if n, e := w.Write(&s, vec(make([]byte, 1))); n != 0 || e != abi.ERESTARTSYS {
		t.Error("write:", n, e)
	}
	// The reader goes while a writer waits: what was written counts, and EPIPE is
	// there for the signal.
	s.Pending.Store(0)
	big := make([]byte, 5000)
	r.Read(&s, vec(big))
	time.AfterFunc(10*time.Millisecond, r.Unref)
	if n, e := w.Write(&s, vec(make([]byte, 60000))); n == 0 || e != abi.EPIPE {
		t.Error("reader gone:", n, e)
	}
	w.Unref()
}

func TestPipeSize(t *testing.T) {
	tab := NewTable()
	r, w := pipeFor(t, abi.O_NONBLOCK)
	fd, _ := tab.Install(w, false)
	var s sleeper
	if n, e := tab.Fcntl(fd, abi.F_GETPIPE_SZ, 0); n != 65536 || e != abi.OK {
		t.Error(n, e)
	}
	for _, x := range []struct {
		arg  uint64
		want int
		e    abi.Errno
	}{
		{0, 4096, abi.OK}, {4097, 8192, abi.OK}, {1 << 20, 1 << 20, abi.OK}, {1<<20 + 1, 0, abi.EPERM},
		{1<<31 + 1, 0, abi.EINVAL}, {65536, 65536, abi.OK},
	} {
		if n, e := tab.Fcntl(fd, abi.F_SETPIPE_SZ, x.arg); n != x.want || e != x.e {
			t.Errorf("set %d: %d %v, want %d %v", x.arg, n, e, x.want, x.e)
		}
	}
	data := make([]byte, 20000)
	rand.New(rand.NewSource(1)).Read(data)
	w.Write(&s, vec(data))
	if _, e := tab.Fcntl(fd, abi.F_SETPIPE_SZ, 4096); e != abi.EBUSY {
		t.Error("smaller than what is in it:", e)
	}
	if n, e := tab.Fcntl(fd, abi.F_SETPIPE_SZ, 32768); n != 32768 || e != abi.OK {
		t.Error(n, e)
	}
	got := make([]byte, 20000)
	if n, e := r.Read(&s, vec(got)); n != 20000 || e != abi.OK || !bytes.Equal(got, data) {
		t.Error("contents after a change of size:", n, e)
	}
	r.Unref()
	tab.Close(fd)
}

// fifoNode is a FIFO's inode for tests.
type fifoNode struct {
	DefaultInode
	f FIFO
}

func (n *fifoNode) Mode() uint32 { return abi.S_IFIFO | 0o644 }
func (n *fifoNode) Stat(st *abi.Stat) abi.Errno {
	*st = abi.Stat{Mode: n.Mode(), Ino: 5}
	return abi.OK
}
func (n *fifoNode) FIFO() *FIFO { return &n.f }

func TestFIFO(t *testing.T) {
	n := &fifoNode{}
	e := NewAnonymous("fifo", n)
	var s sleeper
	if _, errno := open(&s, e, abi.O_WRONLY|abi.O_NONBLOCK, false); errno != abi.ENXIO {
		t.Error("writer without reader:", errno)
	}
	r, errno := open(&s, e, abi.O_RDONLY|abi.O_NONBLOCK, false)
	must(t, "reader", errno, abi.OK)
	// No writer yet: end of file, yet no hang-up.
	if n, e := r.Read(&s, vec(make([]byte, 1))); n != 0 || e != abi.OK {
		t.Error("no writer yet:", n, e)
	}
	if m := r.Readiness(waiter.AllEvents); m != 0 {
		t.Errorf("no writer yet: %#x", m)
	}
	w, errno := open(&s, e, abi.O_WRONLY, false)
	must(t, "writer", errno, abi.OK)
	w.Write(&s, vec([]byte("hello")))
	w.Unref()
	if m := r.Readiness(waiter.AllEvents); m != waiter.ReadableEvents|waiter.EventHUp {
		t.Errorf("writer gone: %#x", m)
	}
	r.Unref()
	// Contents do not outlive the last end.
	both, errno := open(&s, e, abi.O_RDWR|abi.O_NONBLOCK, false)
	must(t, "both", errno, abi.OK)
	if _, e := both.Read(&s, vec(make([]byte, 1))); e != abi.EAGAIN {
		t.Error("old contents:", e)
	}
	both.Unref()

	// Blocking opens meet.
	var wg sync.WaitGroup
	wg.Go(func() {
		var s sleeper
		w, e := open(&s, e, abi.O_WRONLY, false)
		if e != abi.OK {
			t.Error(e)
			return
		}
		w.Write(&s, vec([]byte("x")))
		w.Unref()
	})
	r, errno = open(&s, e, abi.O_RDONLY, false)
	must(t, "blocking reader", errno, abi.OK)
	b := make([]byte, 4)
	if n, e := r.Read(&s, vec(b)); n != 1 || e != abi.OK {
		t.Error(n, e)
	}
	wg.Wait()
	r.Unref()

	// A signal ends a blocking open and leaves nothing behind.
	time.AfterFunc(10*time.Millisecond, func() { s.Pending.Store(1); s.Unpark() })
	if _, e := open(&s, e, abi.O_RDONLY, false); e != abi.ERESTARTSYS {
		t.Error("interrupted open:", e)
	}
	if n.f.p.readers != 0 || n.f.p.slots != nil {
		t.Error("the interrupted reader stayed")
	}
}

// TestPipeHostErrno: an empty write to a pipe without reader, as on the host.
func TestPipeHostErrno(t *testing.T) {
	var p [2]int
	syscall.Pipe(p[:])
	syscall.Close(p[0])
	n, host := sysN(syscall.SYS_WRITE, uintptr(p[1]), bufAddr(make([]byte, 1)), 0)
	syscall.Close(p[1])
	r, w := pipeFor(t, 0)
	r.Unref()
	var s sleeper
	m, e := w.Write(&s, vec(nil))
	w.Unref()
	if int(n) != m || abi.Errno(host) != e {
		t.Errorf("empty write without reader: %d %v, host %d %v", m, e, n, host)
	}
}

// TestFIFOPassing: who opens a FIFO and closes it again, while the other end is about to
// wait for it, has been there.
func TestFIFOPassing(t *testing.T) {
	for _, flags := range [][2]uint32{{abi.O_RDONLY, abi.O_WRONLY}, {abi.O_WRONLY, abi.O_RDONLY}} {
		n := &fifoNode{}
		first, e := n.f.p.open(flags[0], n)
		must(t, "first", e, abi.OK)
		second, e := n.f.p.open(flags[1], n)
		must(t, "second", e, abi.OK)
		second.Release()
		done := make(chan abi.Errno)
		go func() {
			var s sleeper
			done <- n.f.p.awaitPeer(&s, first)
		}()
		select {
		case e := <-done:
			must(t, "wait", e, abi.OK)
		case <-time.After(5 * time.Second):
			t.Fatal("it waits for who has been there")
		}
		first.Release()
	}
	// The same as a race.
	n := &fifoNode{}
	d := NewAnonymous("fifo", n)
	for range 3000 {
		done := make(chan bool)
		go func() {
			var s sleeper
			if w, e := open(&s, d, abi.O_WRONLY, false); e == abi.OK {
				w.Write(&s, vec([]byte("x")))
				w.Unref()
			}
			close(done)
		}()
		var s sleeper
		r, e := open(&s, d, abi.O_RDONLY, false)
		must(t, "reader", e, abi.OK)
		b := make([]byte, 4)
		if n, e := r.Read(&s, vec(b)); n != 1 || e != abi.OK {
			t.Fatal(n, e)
		}
		<-done
		r.Unref()
	}
}
