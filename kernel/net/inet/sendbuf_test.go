package inet

import (
	"testing"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/net/socket"
)

// TestFirstWrite: a fresh connection takes a large write in one piece, as Linux
// does, whose send buffer grows when the connection is made. A program that
// fills a connection until EAGAIN and then expects its peer to get that much
// depends on it.
func TestFirstWrite(t *testing.T) {
	h := newHost(t)
	for _, side := range []string{"client", "server"} {
		c, s := connection(t, h, h, loopback)
		if side == "server" {
			c, s = s, c
		}
		var th thread
		data := make([]byte, 70000)
		total := 0
		for {
			th.v.InitBytes(data)
			n, e := c.Send(&th.v, &socket.SendMsg{Flags: abi.MSG_DONTWAIT})
			if e == abi.EAGAIN {
				break
			}
			if e != abi.OK {
				t.Fatal(side, e)
			}
			total += n
		}
		if total < len(data) {
			t.Errorf("%s: %d bytes taken before EAGAIN", side, total)
		}
		var r thread
		s.SetOption(abi.SOL_SOCKET, abi.SO_RCVTIMEO, append([]byte{5}, make([]byte, 15)...))
		if n, e := r.read(s, make([]byte, len(data)), abi.MSG_WAITALL); n != len(data) || e != abi.OK {
			t.Errorf("%s: %d bytes arrived, %v", side, n, e)
		}
		c.Release()
		s.Release()
	}
}

// TestFirstWriteChosen: a send buffer that the program chose stays as it is.
func TestFirstWriteChosen(t *testing.T) {
	h := newHost(t)
	c, s := connection(t, h, h, loopback)
	c.SetOption(abi.SOL_SOCKET, abi.SO_SNDBUF, i32(8000))
	var th thread
	th.v.InitBytes(make([]byte, 70000))
	if n, e := c.Send(&th.v, &socket.SendMsg{}); n > 16000 || e != abi.OK {
		t.Error(n, e)
	}
	time.Sleep(20 * time.Millisecond)
	var b [4]byte
	c.GetOption(abi.SOL_SOCKET, abi.SO_SNDBUF, b[:])
	if got := int(b[0]) | int(b[1])<<8 | int(b[2])<<16; got != 16000 {
		t.Error("SO_SNDBUF", got)
	}
	c.Release()
	s.Release()
}
