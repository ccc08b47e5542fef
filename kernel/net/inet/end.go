package inet

import "gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

// Sending is the number of closed connections whose peer has not yet
// acknowledged everything, the end included: what the end of the machine waits
// for, for a moment.
func (h *Host) Sending() int {
	h.reg.mu.Lock()
	defer h.reg.mu.Unlock()
	n := 0
	for s := h.reg.orphans.first; s != nil; s = s.next {
		switch s.ep.Load().tcp.EndpointState() {
		case tcp.StateFinWait1, tcp.StateClosing, tcp.StateLastAck, tcp.StateEstablished, tcp.StateCloseWait:
			n++
		}
	}
	return n
}
