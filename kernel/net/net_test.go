package net

import (
	"math/rand"
	"sync"
	"testing"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/net/sockettest"
	"skerry/kernel/net/stack"
)

func TestFamilies(t *testing.T) {
	var mu sync.Mutex
	rng := rand.New(rand.NewSource(1))
	st := stack.New(stack.Config{Memory: 256 << 20, Random: func(b []byte) { mu.Lock(); rng.Read(b); mu.Unlock() }})
	defer st.Close()
	refused := 0
	n := New(st, func(int, int, int, abi.Errno) { refused++ })
	for _, c := range []struct {
		domain, typ, proto int
		e                  abi.Errno
		report             bool
	}{
		{1, 1, 0, abi.OK, false}, {2, 1, 0, abi.OK, false}, {10, 2, 17, abi.OK, false}, {16, 3, 0, abi.OK, false},
		{17, 3, 3, abi.EPERM, true}, {2, 10, 3, abi.EPERM, true}, {2, 3, 1, abi.EPERM, true}, {10, 3, 58, abi.EPERM, true},
		{2, 2, 1, abi.EACCES, true}, {10, 2, 58, abi.EACCES, true}, {16, 3, 16, abi.EPROTONOSUPPORT, true},
		{40, 1, 0, abi.EAFNOSUPPORT, true}, {38, 5, 0, abi.EAFNOSUPPORT, true}, {44, 3, 0, abi.EAFNOSUPPORT, true}, {15, 3, 2, abi.EAFNOSUPPORT, true},
		{29, 3, 1, abi.EAFNOSUPPORT, true}, {31, 3, 1, abi.EAFNOSUPPORT, true},
		{0, 1, 0, abi.EAFNOSUPPORT, false}, {3, 1, 0, abi.EAFNOSUPPORT, false}, {46, 1, 0, abi.EAFNOSUPPORT, false}, {-1, 1, 0, abi.EAFNOSUPPORT, false},
		{2, 11, 0, abi.EINVAL, false}, {2, -1, 0, abi.EINVAL, false}, {1, 2, 9, abi.EPROTONOSUPPORT, false},
	} {
		before := refused
		s, e := n.Socket(c.domain, c.typ, c.proto)
		if e != c.e || (s != nil) != (e == abi.OK) || (refused > before) != c.report {
			t.Errorf("socket(%d, %d, %d): %v %v, reported %v", c.domain, c.typ, c.proto, s, e, refused > before)
		}
		if s != nil {
			s.Release()
		}
	}
	if a, b, e := n.Pair(1, 1, 0); e != abi.OK {
		t.Error(e)
	} else {
		a.Release()
		b.Release()
	}
	if _, _, e := n.Pair(2, 1, 0); e != abi.EOPNOTSUPP {
		t.Error(e)
	}
	if _, _, e := n.Pair(9, 1, 0); e != abi.EAFNOSUPPORT {
		t.Error(e)
	}
	for i := 0; st.Budget.Used() != 0; i++ {
		if i == 1000 {
			t.Fatal(st.Budget.Used(), "bytes are still charged")
		}
		time.Sleep(time.Millisecond)
	}
	// What does not exist answers as on the host, where privileges do not decide.
	sockettest.Diff(t, func(x *sockettest.Script) {
		for _, c := range [][3]int{{0, 1, 0}, {46, 1, 0}, {-1, 1, 0}, {2, 11, 0}, {2, -1, 0}, {1, 2, 9}, {2, 1, 300}, {45, 99, 0}} {
			x.Note("%v: %v", c, x.TrySocket(c[0], c[1], c[2]))
		}
	}, n.Socket)
}
