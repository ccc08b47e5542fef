package unix

import (
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/net/budget"
	"skerry/kernel/net/socket"
	"skerry/kernel/net/sockettest"
	"skerry/kernel/usermem"
	"skerry/kernel/wait"
)

type script = sockettest.Script

var i32 = sockettest.I32

func newFamily() *Family { return New(budget.New(64<<20), 212992) }

// hostNames keeps names in a map, but only where the host could too: the paths
// are made on the host by its own side of the comparison.
type hostNames struct {
	mu sync.Mutex
	m  map[string]any
}

func (n *hostNames) Bind(path string, s any) abi.Errno {
	n.mu.Lock()
	defer n.mu.Unlock()
	if strings.Contains(path, "/nonesuch/") {
		return abi.ENOENT
	}
	if n.m[path] != nil {
		return abi.EADDRINUSE
	}
	n.m[path] = s
	return abi.OK
}

func (n *hostNames) Find(path string) (any, abi.Errno) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s := n.m[path]; s != nil {
		return s, abi.OK
	}
	return nil, abi.ENOENT
}

func path(p string) []byte {
	b := make([]byte, 112)
	return b[:socket.PutUnix(b, socket.Unix{Name: p})]
}

func abstract(p string) []byte {
	b := make([]byte, 112)
	return b[:socket.PutUnix(b, socket.Unix{Name: p, Abstract: true})]
}

func diff(t *testing.T, name string, f func(*script)) {
	t.Run(name, func(t *testing.T) {
		fam := newFamily()
		fam.SetNames(&hostNames{m: map[string]any{}})
		mk := func(_, typ, proto int) (socket.Socket, abi.Errno) {
			s, e := fam.Socket(typ, proto)
			if e != abi.OK {
				return nil, e
			}
			return s, e
		}
		sockettest.Diff(t, f, mk, func(_, typ, proto int) (socket.Socket, socket.Socket, abi.Errno) {
			a, b, e := fam.Pair(typ, proto)
			return a, b, e
		})
		if n := fam.Count(); n != 0 || fam.budget.Used() != 0 {
			t.Errorf("%d sockets, %d bytes left", n, fam.budget.Used())
		}
	})
}

var serial atomic.Int32

// unique is an abstract name that nobody else on the host uses. Both sides of a
// comparison get the same one, so it must be freed in between.
func unique() string { return fmt.Sprintf("skerry-test-%d-%d", os.Getpid(), serial.Add(1)) }

func TestStates(t *testing.T) {
	for _, typ := range []int{abi.SOCK_STREAM, abi.SOCK_DGRAM, abi.SOCK_SEQPACKET} {
		kind := map[int]string{1: "stream", 2: "dgram", 5: "seqpacket"}[typ]
		diff(t, kind+" new", func(x *script) {
			s := x.NewSocket("s", abi.AF_UNIX, typ)
			x.Poll(s)
			x.Name(s)
			x.Peer(s)
			x.Send(s, "x", 0, nil)
			x.Recv(s, 10, 0)
			x.Error(s)
			x.Accept(s, "a")
			x.Listen(s, 1)
			x.Ioctl(s, abi.FIONREAD)
			x.Ioctl(s, abi.TIOCOUTQ)
			x.Shutdown(s, 3)
			x.Shutdown(s, 0)
			x.Poll(s)
			x.Recv(s, 10, 0)
			x.Shutdown(s, 1)
			x.Poll(s)
			x.Send(s, "x", 0, nil)
		})
		name := unique()
		diff(t, kind+" names", func(x *script) {
			s := x.NewSocket("s", abi.AF_UNIX, typ)
			x.Bind(s, abstract(name)[:1])
			x.Bind(s, []byte{2, 0, 0, 0, 0, 0})
			x.Bind(s, make([]byte, 111))
			x.Bind(s, abstract(name))
			x.Name(s)
			x.Bind(s, abstract(name+"2"))
			x.Bind(s, []byte{1, 0})
			o := x.NewSocket("o", abi.AF_UNIX, typ)
			x.Bind(o, abstract(name))
			x.Connect(o, abstract(name+"none"))
			x.Connect(o, abstract(name))
			x.Connect(o, []byte{1, 0})
			x.Connect(o, []byte{1})
			x.Connect(o, make([]byte, 2)) // AF_UNSPEC
			x.Close(s)
			x.Bind(o, abstract(name))
			for _, other := range []int{abi.SOCK_STREAM, abi.SOCK_DGRAM, abi.SOCK_SEQPACKET} {
				c := x.NewSocket("c", abi.AF_UNIX, other)
				x.Connect(c, abstract(name))
			}
		})
		dir := t.TempDir()
		n := 0
		diff(t, kind+" paths", func(x *script) {
			n++ // a directory for each side
			d := filepath.Join(dir, fmt.Sprint(n))
			os.Mkdir(d, 0o700)
			s := x.NewSocket("s", abi.AF_UNIX, typ)
			x.Bind(s, path(d+"/nonesuch/s"))
			x.Bind(s, path(d+"/s"))
			o := x.NewSocket("o", abi.AF_UNIX, typ)
			x.Bind(o, path(d+"/s"))
			x.Connect(o, path(d+"/none"))
			x.Connect(o, path(d+"/s"))
			x.Close(s)
			x.Connect(o, path(d+"/s"))
			x.Bind(o, path(d+"/s"))
		})
		diff(t, kind+" pair", func(x *script) {
			a, b := x.SocketPair("a", "b", abi.AF_UNIX, typ)
			x.Poll(a, b)
			x.Name(a)
			x.Peer(a)
			x.Recv(a, 10, 0)
			x.Send(a, "hello", 0, nil)
			x.Send(a, "world!", 0, nil)
			x.Send(a, "", 0, nil)
			x.Poll(a, b)
			x.Ioctl(b, abi.FIONREAD)
			x.Recv(b, 3, abi.MSG_PEEK)
			x.Recv(b, 3, 0)
			x.Recv(b, 3, 0)
			x.Ioctl(b, abi.FIONREAD)
			x.Recv(b, 3, abi.MSG_TRUNC)
			x.Recv(b, 100, 0)
			x.Recv(b, 100, 0)
			x.Recv(b, 100, abi.MSG_OOB)
			x.Get(a, abi.SOL_SOCKET, abi.SO_TYPE, 4)
			x.Get(a, abi.SOL_SOCKET, abi.SO_DOMAIN, 4)
			x.Get(a, abi.SOL_SOCKET, abi.SO_PROTOCOL, 4)
			x.Get(a, abi.SOL_SOCKET, abi.SO_ACCEPTCONN, 4)
			x.Get(a, 6, 1, 4)
			x.Set(a, 6, 1, i32(1))
			x.Set(a, abi.SOL_SOCKET, abi.SO_PASSCRED, i32(1))
			x.Get(a, abi.SOL_SOCKET, abi.SO_PASSCRED, 4)
			x.Shutdown(a, 1)
			x.Poll(a, b)
			x.Send(a, "x", 0, nil)
			x.Recv(b, 10, 0)
			x.Send(b, "back", 0, nil)
			x.Recv(a, 10, 0)
			x.Shutdown(b, 1)
			x.Poll(a, b)
			x.Recv(a, 10, 0)
			x.Close(b)
			x.Poll(a)
			x.Recv(a, 10, 0)
			x.Send(a, "x", 0, nil)
			x.Peer(a)
		})
		diff(t, kind+" closed with unread data", func(x *script) {
			a, b := x.SocketPair("a", "b", abi.AF_UNIX, typ)
			x.Send(a, "unread", 0, nil)
			x.Send(b, "other", 0, nil)
			x.Close(b)
			x.Poll(a)
			x.Recv(a, 10, 0)
			x.Recv(a, 10, 0)
			x.Poll(a)
			x.Send(a, "x", 0, nil)
			x.Poll(a)
			x.Error(a)
		})
	}
	for _, typ := range []int{abi.SOCK_STREAM, abi.SOCK_SEQPACKET} {
		name := unique()
		diff(t, fmt.Sprint("connection ", typ), func(x *script) {
			l := x.NewSocket("l", abi.AF_UNIX, typ)
			x.Bind(l, abstract(name))
			c := x.NewSocket("c", abi.AF_UNIX, typ)
			x.Connect(c, abstract(name))
			x.Listen(l, 1)
			x.Poll(l)
			x.Recv(l, 10, 0)
			x.Send(l, "x", 0, nil)
			x.Accept(l, "s")
			x.Connect(c, abstract(name))
			x.Poll(l, c)
			x.Connect(c, abstract(name))
			x.Send(c, "early", 0, nil)
			d := x.NewSocket("d", abi.AF_UNIX, typ)
			x.Bind(d, abstract(name+"d"))
			x.Connect(d, abstract(name))
			e := x.NewSocket("e", abi.AF_UNIX, typ)
			x.Connect(e, abstract(name))
			x.Poll(e)
			s := x.Accept(l, "s")
			x.Name(s)
			x.Peer(s)
			x.Poll(s)
			x.Recv(s, 10, 0)
			x.Peer(c)
			s2 := x.Accept(l, "s2")
			x.Peer(s2)
			x.Send(s2, "addressed", 0, abstract(name))
			x.Connect(e, abstract(name))
			x.Close(l)
			x.Poll(e, c)
			x.Recv(e, 10, 0)
			x.Send(e, "x", 0, nil)
			x.Send(c, "x", 0, nil)
			x.Listen(s, 1)
		})
	}
	name := unique()
	diff(t, "datagrams", func(x *script) {
		a, b, c := x.NewSocket("a", abi.AF_UNIX, 2), x.NewSocket("b", abi.AF_UNIX, 2), x.NewSocket("c", abi.AF_UNIX, 2)
		x.Bind(a, abstract(name))
		x.Bind(b, abstract(name+"b"))
		x.Send(b, "one", 0, abstract(name))
		x.Send(c, "two", 0, abstract(name))
		x.Send(c, "none", 0, abstract(name+"none"))
		x.Send(c, "", 0, abstract(name))
		x.Poll(a)
		x.Ioctl(a, abi.FIONREAD)
		x.Recv(a, 10, 0)
		x.Recv(a, 10, 0)
		x.Recv(a, 10, 0)
		x.Recv(a, 10, 0)
		x.Connect(b, abstract(name))
		x.Connect(a, abstract(name+"b"))
		x.Send(c, "refused", 0, abstract(name))
		x.Connect(c, abstract(name))
		x.Send(b, "ok", 0, nil)
		x.Recv(a, 10, 0)
		for i := 0; i < 13; i++ {
			x.Send(a, "self", 0, abstract(name))
		}
		x.Poll(a)
		d := x.NewSocket("d", abi.AF_UNIX, 2)
		x.Bind(d, abstract(name+"d"))
		for i := 0; i < 13; i++ {
			x.Send(c, "x", 0, abstract(name+"d"))
		}
		x.Connect(c, abstract(name+"d"))
		x.Poll(c)
		x.Recv(d, 10, 0)
		x.Poll(c)
		x.Recv(d, 10, 0)
		x.Poll(c)
		x.Close(d)
		x.Poll(c)
		x.Send(c, "x", 0, nil)
		x.Send(c, "x", 0, nil)
		x.Peer(c)
		x.Send(b, string(make([]byte, 300000)), 0, abstract(name))
	})
}

// TestOptionsAndTypes compares the rest.
func TestOptionsAndTypes(t *testing.T) {
	diff(t, "options", func(x *script) {
		a, _ := x.SocketPair("a", "b", abi.AF_UNIX, abi.SOCK_STREAM)
		for _, o := range []int{abi.SO_SNDBUF, abi.SO_RCVBUF, abi.SO_RCVLOWAT, abi.SO_SNDLOWAT, abi.SO_LINGER, 999} {
			x.Get(a, abi.SOL_SOCKET, o, 8)
			x.Set(a, abi.SOL_SOCKET, o, append(i32(8000), i32(0)...))
			x.Set(a, abi.SOL_SOCKET, o, []byte{1})
			if o != abi.SO_LINGER {
				x.Get(a, abi.SOL_SOCKET, o, 4)
			}
		}
	})
	diff(t, "types", func(x *script) {
		for _, c := range [][2]int{{1, 0}, {1, 1}, {1, 2}, {3, 0}, {4, 0}, {5, 1}, {7, 0}, {2, 17}} {
			x.Note("%v: %v", c, x.TrySocket(abi.AF_UNIX, c[0], c[1]))
		}
	})
}

// TestStreamModel writes and reads random amounts from two threads with
// blocking calls: the bytes arrive in order, and the memory is bounded.
func TestStreamModel(t *testing.T) {
	f := newFamily()
	a, b, _ := f.Pair(abi.SOCK_STREAM, 0)
	const total = 8 << 20
	go func() {
		rng := rand.New(rand.NewSource(1))
		var w wait.Waiter
		var v usermem.Vec
		buf := make([]byte, 200000)
		for at := 0; at < total; {
			n := min(1+rng.Intn(len(buf)), total-at)
			for i := range buf[:n] {
				buf[i] = byte((at + i) * 7 >> 3)
			}
			v.InitBytes(buf[:n])
			if k, e := socket.Transmit(a, &w, &v, &socket.SendMsg{}, false); k != n || e != abi.OK {
				t.Error(k, e)
				return
			}
			at += n
		}
		a.Shutdown(abi.SHUT_WR)
	}()
	rng := rand.New(rand.NewSource(2))
	var w wait.Waiter
	var v usermem.Vec
	buf := make([]byte, 150000)
	at, most := 0, int64(0)
	for {
		v.InitBytes(buf[:1+rng.Intn(len(buf))])
		n, e := socket.Receive(b, &w, &v, &socket.RecvMsg{}, false)
		if e != abi.OK {
			t.Fatal(e)
		}
		if n == 0 {
			break
		}
		for i := range buf[:n] {
			if buf[i] != byte((at+i)*7>>3) {
				t.Fatal("wrong byte at", at+i)
			}
		}
		at += n
		most = max(most, f.budget.Used())
	}
	if at != total || most > 600000 {
		t.Fatal(at, most)
	}
	a.Release()
	b.Release()
	if f.budget.Used() != 0 {
		t.Fatal(f.budget.Used())
	}
}

// TestBlockedConnect and datagram senders wait for room and are woken.
func TestWoken(t *testing.T) {
	f := newFamily()
	l, _ := f.Socket(abi.SOCK_STREAM, 0)
	l.Bind(abstract("woken"))
	l.Listen(0)
	connected := make(chan abi.Errno, 3)
	for i := 0; i < 3; i++ {
		go func() {
			var w wait.Waiter
			c, _ := f.Socket(abi.SOCK_STREAM, 0)
			connected <- socket.Connect(c, &w, abstract("woken"), false)
		}()
	}
	var w wait.Waiter
	var peer [128]byte
	for i := 0; i < 3; i++ {
		time.Sleep(2 * time.Millisecond)
		if _, _, e := socket.Accept(l, &w, peer[:], false); e != abi.OK {
			t.Fatal(e)
		}
		if e := <-connected; e != abi.OK {
			t.Fatal(e)
		}
	}
	d, _ := f.Socket(abi.SOCK_DGRAM, 0)
	d.Bind(abstract("grams"))
	done := make(chan bool)
	go func() {
		var w wait.Waiter
		var v usermem.Vec
		s, _ := f.Socket(abi.SOCK_DGRAM, 0)
		for i := 0; i < 500; i++ {
			v.InitBytes([]byte{byte(i)})
			if _, e := socket.Transmit(s, &w, &v, &socket.SendMsg{Addr: abstract("grams")}, false); e != abi.OK {
				t.Error(e)
			}
		}
		close(done)
	}()
	var v usermem.Vec
	for i := 0; i < 500; i++ {
		b := make([]byte, 1)
		v.InitBytes(b)
		if _, e := socket.Receive(d, &w, &v, &socket.RecvMsg{}, false); e != abi.OK || b[0] != byte(i) {
			t.Fatal(i, e, b)
		}
	}
	<-done
	// A blocked reader of a datagram socket that is shut down is let go.
	go func() { time.Sleep(5 * time.Millisecond); d.Shutdown(abi.SHUT_RD) }()
	v.InitBytes(make([]byte, 1))
	if n, e := socket.Receive(d, &w, &v, &socket.RecvMsg{}, false); n != 0 || e != abi.OK {
		t.Fatal(n, e)
	}
}

// TestConcurrent runs everything at once; the race detector watches.
func TestConcurrent(t *testing.T) {
	f := newFamily()
	var wg sync.WaitGroup
	for g := 0; g < 4; g++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			rng := rand.New(rand.NewSource(int64(g)))
			for i := 0; i < 300; i++ {
				a, b, _ := f.Pair([]int{1, 2, 5}[rng.Intn(3)], 0)
				da, db := newDesc(t, a), newDesc(t, b)
				pass(t, a, da, db)
				if rng.Intn(2) == 0 {
					if _, m, e := recv(b, 1, 0); e == abi.OK {
						f.rights.drop(m.Rights)
					}
				}
				a.Readiness(0xffff)
				da.Unref()
				db.Unref()
				f.ProcUnix()
			}
		}()
	}
	wg.Wait()
	f.rights.collect(true)
	if f.Count() != 0 || f.budget.Used() != 0 {
		t.Fatal(f.Count(), f.budget.Used())
	}
}
