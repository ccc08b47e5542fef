package inet

import (
	"sync"
	"testing"
	"time"

	"skerry/kernel/abi"

	"gvisor.dev/gvisor/pkg/waiter"
)

// looker looks at a socket whenever it has news, as an epoll instance on another CPU
// may do.
type looker struct {
	s  *Stream
	mu sync.Mutex
	// saw is what the last look has seen.
	saw waiter.EventMask
}

func (l *looker) NotifyEvent(waiter.EventMask) {
	m := l.s.Readiness(waiter.ReadableEvents | waiter.WritableEvents | waiter.EventRdHUp)
	l.mu.Lock()
	l.saw = m
	l.mu.Unlock()
}

func (l *looker) last() waiter.EventMask {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.saw
}

// TestEndIsTold: who looks when the end of the input is announced sees EPOLLRDHUP. An
// edge is announced once, and a program may read until a read is short and then rely on
// RDHUP for the end (tokio does). The published gVisor announces it before the state is
// that of a connection whose input has ended (cmd/trimgvisor/edits.go).
func TestEndIsTold(t *testing.T) {
	if !edited() {
		t.Skip("this is gVisor as it is published; cmd/trimgvisor's test runs this with the kernel's copy")
	}
	for name, before := range map[string]func(c, s *Stream){
		"alone":     func(c, s *Stream) {},
		"with data": func(c, s *Stream) { new(thread).write(c, make([]byte, 5000)) },
		"second":    func(c, s *Stream) { s.Shutdown(abi.SHUT_WR) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			c, s := connection(t, h, h, loopback)
			client, server := c.(*Stream), s.(*Stream)
			l := &looker{s: server}
			var e waiter.Entry
			e.Init(l, waiter.AllEvents)
			server.EventRegister(&e)
			defer server.EventUnregister(&e)
			before(client, server)
			client.Shutdown(abi.SHUT_WR)
			deadline := time.Now().Add(2 * time.Second)
			for l.last()&waiter.EventRdHUp == 0 && time.Now().Before(deadline) {
				time.Sleep(time.Millisecond)
			}
			if m := l.last(); m&waiter.EventRdHUp == 0 || m&waiter.EventIn == 0 {
				t.Errorf("at the last news the socket had %#x; it has %#x now", m, server.Readiness(waiter.AllEvents))
			}
		})
	}
}
