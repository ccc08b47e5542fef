package inet

import (
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/net/socket"
	"skerry/kernel/net/stack"
)

// TestMemberships: a socket may be in so many multicast groups and no more, as on
// Linux, and leaving one makes room.
func TestMemberships(t *testing.T) {
	mreq := func(i int) []byte { return []byte{239, 1, byte(i >> 8), byte(i), 127, 0, 0, 1} }
	diff(t, "IPv4", func(x *script) {
		s := x.NewSocket("s", abi.AF_INET, abi.SOCK_DGRAM)
		for i := 0; i < 22; i++ {
			x.Set(s, abi.SOL_IP, abi.IP_ADD_MEMBERSHIP, mreq(i))
		}
		x.Set(s, abi.SOL_IP, abi.IP_ADD_MEMBERSHIP, mreq(3))
		x.Set(s, abi.SOL_IP, abi.IP_DROP_MEMBERSHIP, mreq(50))
		x.Set(s, abi.SOL_IP, abi.IP_DROP_MEMBERSHIP, mreq(3))
		x.Set(s, abi.SOL_IP, abi.IP_ADD_MEMBERSHIP, mreq(30))
		x.Set(s, abi.SOL_IP, abi.IP_ADD_MEMBERSHIP, mreq(31))
	})
}

// TestCorkMemory: datagrams that are being collected are charged, so that a
// program cannot hold memory in them beyond the limit.
func TestCorkMemory(t *testing.T) {
	st := stack.New(stack.Config{Memory: 64 << 20, Random: testRandom()})
	defer st.Close()
	h := New(st)
	var list []socket.Socket
	var th thread
	refused := 0
	for i := 0; i < 200; i++ {
		s, e := h.Socket(abi.AF_INET, abi.SOCK_DGRAM, 0)
		if e != abi.OK {
			t.Fatal(i, e)
		}
		list = append(list, s)
		s.Connect(in4("127.0.0.1", 9))
		th.v.InitBytes(make([]byte, 60000))
		switch _, e := s.Send(&th.v, &socket.SendMsg{Flags: abi.MSG_MORE}); e {
		case abi.OK:
		case abi.ENOBUFS:
			refused++
		default:
			t.Fatal(e)
		}
	}
	if held := (200 - refused) * 60000; held < 3<<20 || int64(held) > st.Budget.QueueLimit() {
		t.Errorf("%d bytes collected, queues may hold %d", held, st.Budget.QueueLimit())
	}
	// Sending one makes room for another.
	th.v.InitBytes([]byte("end"))
	if _, e := list[0].Send(&th.v, &socket.SendMsg{}); e != abi.OK && e != abi.ECONNREFUSED {
		t.Error(e)
	}
	th.v.InitBytes(make([]byte, 50000))
	if _, e := list[199].Send(&th.v, &socket.SendMsg{Flags: abi.MSG_MORE}); e != abi.OK {
		t.Error("no room after one was sent:", e)
	}
	for _, s := range list {
		s.Release()
	}
	if st.Budget.Recount(); st.Budget.Used() != 0 {
		t.Error(st.Budget.Used(), "bytes are still charged")
	}
}

// TestOptionMemory: what is remembered of options is what they mean, not what
// the program padded them with.
func TestOptionMemory(t *testing.T) {
	h := newHost(t)
	s, _ := h.Socket(abi.AF_INET, abi.SOCK_STREAM, 0)
	defer s.Release()
	long := make([]byte, 4096)
	long[0] = 1
	for name := 0; name < 100; name++ {
		for _, level := range []int{abi.SOL_SOCKET, abi.SOL_IP, abi.SOL_TCP} {
			s.SetOption(level, name, long)
		}
	}
	total := 0
	for _, r := range s.(*Stream).record {
		total += len(r.val)
	}
	if total == 0 || total > 4096 {
		t.Error(total, "bytes of options")
	}
}
