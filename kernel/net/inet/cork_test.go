package inet

import (
	"reflect"
	"testing"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/net/socket"

	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// TestCorkEnds: closing or shutting down sends what TCP_CORK holds, at once, although
// the 200 ms after which it goes anyway have passed before (tcp(7)).
func TestCorkEnds(t *testing.T) {
	for name, end := range map[string]func(c socket.Socket){
		"close":    func(c socket.Socket) { c.Release() },
		"shutdown": func(c socket.Socket) { c.Shutdown(abi.SHUT_WR) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			c, s := connection(t, h, h, loopback)
			var th, rt thread
			b := make([]byte, 1024)
			c.SetOption(abi.SOL_TCP, abi.TCP_CORK, i32(1))
			th.write(c, []byte("first"))
			if n, e := rt.read(s, b, 0); string(b[:n]) != "first" || e != abi.OK {
				t.Fatal(n, e)
			}
			th.write(c, []byte("second"))
			at := time.Now()
			end(c)
			s.SetOption(abi.SOL_SOCKET, abi.SO_RCVTIMEO, timeval(5))
			if n, e := rt.read(s, b, 0); string(b[:n]) != "second" || e != abi.OK {
				t.Fatal(n, e)
			}
			if n, e := rt.read(s, b, 0); n != 0 || e != abi.OK {
				t.Fatal(n, e)
			}
			if d := time.Since(at); d > 150*time.Millisecond {
				t.Errorf("after %v", d)
			}
		})
	}
}

// TestCorkCeiling: what TCP_CORK holds goes after 200 ms, each time. The published
// gVisor forgets that after the first time (cmd/trimgvisor/edits.go).
func TestCorkCeiling(t *testing.T) {
	if !edited() {
		t.Skip("this is gVisor as it is published; cmd/trimgvisor's test runs this with the kernel's copy")
	}
	h := newHost(t)
	c, s := connection(t, h, h, loopback)
	var th, rt thread
	b := make([]byte, 1024)
	c.SetOption(abi.SOL_TCP, abi.TCP_CORK, i32(1))
	s.SetOption(abi.SOL_SOCKET, abi.SO_RCVTIMEO, timeval(5))
	for range 3 {
		at := time.Now()
		th.write(c, []byte("line"))
		if n, e := rt.read(s, b, 0); string(b[:n]) != "line" || e != abi.OK {
			t.Fatal(n, e)
		}
		if d := time.Since(at); d < 100*time.Millisecond {
			t.Errorf("after %v", d)
		}
	}
	c.SetOption(abi.SOL_TCP, abi.TCP_CORK, i32(0))
	c.SetOption(abi.SOL_TCP, abi.TCP_CORK, i32(1))
	th.write(c, []byte("again"))
	if n, e := rt.read(s, b, 0); string(b[:n]) != "again" || e != abi.OK {
		t.Fatal(n, e)
	}
}

// edited reports whether the IP stack is the kernel's copy, whose network interfaces
// have a field that the published ones have not.
func edited() bool {
	nics, ok := reflect.TypeFor[gstack.Stack]().FieldByName("nics")
	if !ok || nics.Type.Kind() != reflect.Map {
		return false
	}
	_, ok = nics.Type.Elem().Elem().FieldByName("burster")
	return ok
}

// timeval is a struct timeval of whole seconds.
func timeval(s byte) []byte { return append([]byte{s}, make([]byte, 15)...) }
