package inet

import (
	"encoding/binary"
	"testing"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/net/socket"
	"skerry/kernel/net/sockettest"
)

// TestTimestamps receives datagrams with the time of their arrival.
func TestTimestamps(t *testing.T) {
	x := sockettest.Alone(t, newHost(t).Socket)
	for _, c := range []struct {
		name, unit int
	}{{abi.SO_TIMESTAMP, 1000}, {abi.SO_TIMESTAMPNS, 1}, {abi.SO_TIMESTAMP_NEW, 1000}, {abi.SO_TIMESTAMPNS_NEW, 1}} {
		a, b := x.NewSocket("a", abi.AF_INET, abi.SOCK_DGRAM), x.NewSocket("b", abi.AF_INET, abi.SOCK_DGRAM)
		x.Bind(a, in4("127.0.0.1", 0))
		x.Set(a, abi.SOL_SOCKET, c.name, i32(1))
		before := time.Now()
		x.Send(b, "x", 0, x.Name(a))
		x.Settle(a, 1)
		after := time.Now()
		data, control := make([]byte, 20), make([]byte, 200)
		_, _, n, _, e := x.RecvMsg(a, data, 0, nil, control)
		m, rest, ok, _ := socket.NextCmsg(control[:n])
		if e != abi.OK || !ok || len(rest) != 0 || m.Level != abi.SOL_SOCKET || m.Type != c.name || len(m.Data) != 16 {
			t.Errorf("%d: %v, % x", c.name, e, control[:n])
			continue
		}
		at := time.Unix(int64(binary.LittleEndian.Uint64(m.Data)), int64(binary.LittleEndian.Uint64(m.Data[8:]))*int64(c.unit))
		if at.Before(before.Truncate(time.Microsecond)) || at.After(after) {
			t.Errorf("%d: %v is not between %v and %v", c.name, at, before, after)
		}
		x.Set(a, abi.SOL_SOCKET, c.name, i32(0))
		x.Send(b, "y", 0, x.Name(a))
		x.Settle(a, 1)
		if _, _, n, _, _ := x.RecvMsg(a, data, 0, nil, control); n != 0 {
			t.Errorf("%d: not asked for, % x", c.name, control[:n])
		}
	}
}
