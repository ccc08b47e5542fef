package unix

import (
	"bytes"
	"sync/atomic"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/net/socket"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
)

// desc is an open file description that counts its references.
type desc struct {
	refs atomic.Int32
	file vfs.File
	t    testing.TB
}

func newDesc(t testing.TB, f vfs.File) *desc {
	d := &desc{file: f, t: t}
	d.refs.Store(1)
	return d
}

func (d *desc) Ref() { d.refs.Add(1) }

func (d *desc) Unref() {
	switch n := d.refs.Add(-1); {
	case n == 0:
		d.file.Release()
	case n < 0:
		d.t.Error("a reference too many was given back")
	}
}

func (d *desc) Refs() int { return int(d.refs.Load()) }

func (d *desc) File() vfs.File { return d.file }

type plain struct {
	vfs.BaseFile
	released atomic.Bool
}

func (p *plain) Stat(*abi.Stat) abi.Errno { return abi.OK }

func (p *plain) Release() { p.released.Store(true) }

// pass sends descriptions with a byte.
func pass(t testing.TB, to *Socket, list ...*desc) abi.Errno {
	m := socket.SendMsg{}
	for _, d := range list {
		d.Ref()
		m.Rights = append(m.Rights, d)
	}
	var v usermem.Vec
	v.InitBytes([]byte("x"))
	_, e := to.Send(&v, &m)
	for _, p := range m.Rights {
		p.Unref()
	}
	return e
}

func recv(s *Socket, n int, flags int) (string, *socket.RecvMsg, abi.Errno) {
	b := make([]byte, n)
	var v usermem.Vec
	v.InitBytes(b)
	m := &socket.RecvMsg{Flags: flags, Control: make([]byte, 200)}
	k, e := s.Recv(&v, m)
	return string(b[:max(k, 0)]), m, e
}

func TestRights(t *testing.T) {
	for _, typ := range []int{abi.SOCK_STREAM, abi.SOCK_DGRAM, abi.SOCK_SEQPACKET} {
		f := newFamily()
		a, b, _ := f.Pair(typ, 0)
		file := &plain{}
		d := newDesc(t, file)
		pass(t, a, d, d)
		if d.Refs() != 3 {
			t.Fatal(d.Refs())
		}
		if _, m, _ := recv(b, 1, abi.MSG_PEEK); len(m.Rights) != 2 || d.Refs() != 5 {
			t.Fatal(len(m.Rights), d.Refs())
		} else {
			f.rights.drop(m.Rights)
		}
		if _, m, e := recv(b, 1, 0); e != abi.OK || len(m.Rights) != 2 || m.Rights[0] != socket.Passed(d) {
			t.Fatal(m.Rights, e)
		} else {
			f.rights.drop(m.Rights)
		}
		// A message that nobody reads drops its rights; read(2) does too.
		pass(t, a, d)
		pass(t, a, d)
		var v usermem.Vec
		v.InitBytes(make([]byte, 1))
		b.Read(&v, 0)
		if d.Refs() != 2 {
			t.Fatal(d.Refs())
		}
		b.Release()
		if d.Refs() != 1 || f.rights.total != 0 {
			t.Fatal(d.Refs(), f.rights.total)
		}
		// To a closed peer they stay the sender's.
		if e := pass(t, a, d); e == abi.OK || d.Refs() != 1 {
			t.Fatal(e, d.Refs())
		}
		d.Unref()
		if !file.released.Load() {
			t.Fatal("file not released")
		}
		a.Release()
		if f.budget.Used() != 0 {
			t.Fatal(f.budget.Used())
		}
	}
}

// TestRightsStopStreams reads across messages: descriptors come with their
// bytes.
func TestRightsStopStreams(t *testing.T) {
	f := newFamily()
	a, b, _ := f.Pair(abi.SOCK_STREAM, 0)
	d := newDesc(t, &plain{})
	send := func(s string) { var v usermem.Vec; v.InitBytes([]byte(s)); a.Send(&v, &socket.SendMsg{}) }
	send("one")
	pass(t, a, d)
	send("two")
	s, m, _ := recv(b, 100, 0)
	if s != "onex" || len(m.Rights) != 1 {
		t.Fatal(s, m.Rights)
	}
	f.rights.drop(m.Rights)
	if s, m, _ := recv(b, 100, 0); s != "two" || len(m.Rights) != 0 {
		t.Fatal(s)
	}
}

// TestCollect builds every kind of knot of sockets in flight and lets go of it.
func TestCollect(t *testing.T) {
	f := newFamily()
	start := func(typ int) (*desc, *desc) {
		a, b, _ := f.Pair(typ, 0)
		return newDesc(t, a), newDesc(t, b)
	}
	sock := func(d *desc) *Socket { return d.file.(*Socket) }
	file := &plain{}
	payload := newDesc(t, file)
	// A socket in its own queue.
	a, b := start(abi.SOCK_STREAM)
	pass(t, sock(a), b, payload)
	a.Unref()
	b.Unref()
	// Both ends in each other's queues.
	a, b = start(abi.SOCK_DGRAM)
	pass(t, sock(a), a)
	pass(t, sock(b), b)
	a.Unref()
	b.Unref()
	// A ring of three pairs.
	var ring [3][2]*desc
	for i := range ring {
		ring[i][0], ring[i][1] = start(abi.SOCK_SEQPACKET)
	}
	for i := range ring {
		pass(t, sock(ring[i][0]), ring[(i+1)%3][1], ring[(i+1)%3][0])
	}
	for i := range ring {
		ring[i][0].Unref()
		ring[i][1].Unref()
	}
	// In the queue of a connection that nobody accepts.
	l, _ := f.Socket(abi.SOCK_STREAM, 0)
	l.Bind(abstract("collect"))
	l.Listen(1)
	ld := newDesc(t, l)
	c, _ := f.Socket(abi.SOCK_STREAM, 0)
	c.Connect(abstract("collect"))
	cd := newDesc(t, c)
	pass(t, c, ld, cd)
	ld.Unref()
	cd.Unref()
	f.rights.collect(true)
	if n := f.Count(); n != 0 {
		t.Errorf("%d sockets are left", n)
	}
	if f.rights.total != 0 || f.budget.Used() != 0 {
		t.Error(f.rights.total, f.budget.Used())
	}
	payload.Unref()
	if !file.released.Load() {
		t.Error("what the garbage held was not released")
	}
	// What can still be received is kept: x is in y's queue, y in b's, b is open.
	a, b = start(abi.SOCK_STREAM)
	x, y := start(abi.SOCK_STREAM)
	pass(t, sock(x), x)
	x.Unref()
	pass(t, sock(a), y)
	y.Unref()
	f.rights.collect(true)
	if f.Count() != 4 {
		t.Fatal("sockets that can be reached were collected")
	}
	b.Unref()
	if f.Count() != 1 {
		t.Fatal(f.Count(), "left")
	}
	a.Unref()
}

// TestLongChain drops a chain of descriptors in each other's queues: no
// recursion on its length.
func TestLongChain(t *testing.T) {
	f := newFamily()
	var prev *desc
	n := 0
	for ; n < maxInFlight-1; n++ {
		a, b, e := f.Pair(abi.SOCK_STREAM, 0)
		if e != abi.OK {
			break
		}
		da, db := newDesc(t, a), newDesc(t, b)
		if prev != nil {
			if e := pass(t, a, prev); e != abi.OK {
				t.Fatal(n, e)
			}
			prev.Unref()
		}
		da.Unref()
		prev = db
	}
	prev.Unref()
	if f.Count() != 0 || f.rights.total != 0 {
		t.Fatal(f.Count(), f.rights.total)
	}
}

func TestTooMany(t *testing.T) {
	f := newFamily()
	a, b, _ := f.Pair(abi.SOCK_STREAM, 0)
	d := newDesc(t, &plain{})
	for i := 0; ; i++ {
		if e := pass(t, a, d, d, d, d); e != abi.OK {
			if e != abi.ETOOMANYREFS && e != abi.EAGAIN || i < 100 {
				t.Fatal(i, e)
			}
			break
		}
	}
	b.Release()
	a.Release()
	if d.Refs() != 1 {
		t.Fatal(d.Refs())
	}
}

func TestCredentials(t *testing.T) {
	f := newFamily()
	a, b, _ := f.Pair(abi.SOCK_DGRAM, 0)
	b.SetOption(abi.SOL_SOCKET, abi.SO_PASSCRED, i32(1))
	send := func(control []byte) abi.Errno {
		var v usermem.Vec
		v.InitBytes([]byte("x"))
		_, e := a.Send(&v, &socket.SendMsg{Control: control})
		return e
	}
	cred := func(pid, uid, gid int) []byte {
		m := socket.RecvMsg{Control: make([]byte, 64)}
		m.Put(abi.SOL_SOCKET, abi.SCM_CREDENTIALS, append(append(i32(pid), i32(uid)...), i32(gid)...))
		return m.Control[:m.Used]
	}
	if e := send(cred(1, abi.ID, abi.ID)); e != abi.OK {
		t.Fatal(e)
	}
	for _, c := range [][3]int{{2, abi.ID, abi.ID}, {1, 0, abi.ID}, {1, abi.ID, 0}} {
		if e := send(cred(c[0], c[1], c[2])); e != abi.EPERM {
			t.Error(c, e)
		}
	}
	if e := send(cred(1, abi.ID, abi.ID)[:20]); e != abi.EINVAL {
		t.Error(e)
	}
	_, m, _ := recv(b, 10, 0)
	if !bytes.Equal(m.Control[:m.Used], cred(1, abi.ID, abi.ID)) {
		t.Fatalf("% x", m.Control[:m.Used])
	}
	var c [12]byte
	if n, e := a.GetOption(abi.SOL_SOCKET, abi.SO_PEERCRED, c[:]); n != 12 || e != abi.OK || c[0] != 1 {
		t.Fatal(n, e, c)
	}
}
