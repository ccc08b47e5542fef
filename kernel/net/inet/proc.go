package inet

import (
	"fmt"
	"net/netip"
	"sort"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"skerry/kernel/abi"
	"skerry/kernel/net/stack"
)

// The tables /proc/net/{tcp,tcp6,udp,udp6} (proc(5)): a line for each socket.
// Every line is padded to 149 bytes for IPv4, as on Linux.

// ProcTCP is the text of /proc/net/tcp or, with v6 set, tcp6.
func (h *Host) ProcTCP(v6 bool) []byte {
	h.reg.mu.Lock()
	var list []*Stream
	for s := range h.reg.streams {
		list = append(list, s)
	}
	for s := h.reg.orphans.first; s != nil; s = s.next {
		list = append(list, s)
	}
	h.reg.mu.Unlock()
	sort.Slice(list, func(i, j int) bool { return list[i].id < list[j].id })
	b := head(v6, "tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode", false)
	n := 0
	for _, s := range list {
		ep := s.ep.Load()
		st := ep.tcp.EndpointState()
		if (s.domain == abi.AF_INET6) != v6 || st == tcp.StateInitial || st == tcp.StateBound || over(st) {
			continue // Linux lists no unconnected ones
		}
		local, _ := ep.GetLocalAddress()
		remote, _ := ep.GetRemoteAddress()
		rx, _ := ep.GetSockOptInt(tcpip.ReceiveQueueSizeOption)
		ep.tcp.LockUser()
		tx := stack.SendQueue(ep.tcp)
		ep.tcp.UnlockUser()
		uid, inode := abi.ID, s.id
		if s.closed.Load() {
			uid, inode = 0, 0
		}
		line := fmt.Sprintf("%4d: %s %s %02X %08X:%08X %02X:%08X %08X %5d %8d %d 1 0000000000000000 %d 4 0 %d -1",
			n, hexName(v6, local), hexName(v6, remote), linuxState(st), tx, rx, 0, 0, 0, uid, 0, inode,
			20, s.cwnd(ep))
		b = pad(b, v6, line, 149)
		n++
	}
	return b
}

// ProcUDP is the text of /proc/net/udp or, with v6 set, udp6.
func (h *Host) ProcUDP(v6 bool) []byte {
	h.reg.mu.Lock()
	var list []*Datagram
	for _, d := range h.reg.grams {
		list = append(list, d)
	}
	h.reg.mu.Unlock()
	sort.Slice(list, func(i, j int) bool { return list[i].id < list[j].id })
	b := head(v6, "tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops", true)
	n := 0
	for _, d := range list {
		ep := d.ep.Load()
		local, err := ep.GetLocalAddress()
		if (d.domain == abi.AF_INET6) != v6 || err != nil || local.Port == 0 {
			continue
		}
		state := 7 // unconnected
		remote, err := ep.GetRemoteAddress()
		if err == nil {
			state = 1
		}
		drops := ep.Stats().(*tcpip.TransportEndpointStats).ReceiveErrors.ReceiveBufferOverflow.Value()
		line := fmt.Sprintf("%5d: %s %s %02X %08X:%08X %02X:%08X %08X %5d %8d %d 2 0000000000000000 %d",
			n, hexName(v6, local), hexName(v6, remote), state, 0, d.count(), 0, 0, 0, abi.ID, 0, d.id, drops)
		b = pad(b, v6, line, 127)
		n++
	}
	return b
}

// ProcSockstat is the text of /proc/net/sockstat; memory is in pages of 4096
// bytes. unix is the number of AF_UNIX sockets.
func (h *Host) ProcSockstat(unix int) []byte {
	streams, grams, orphans := h.Counts()
	waiting := 0
	h.reg.mu.Lock()
	for s := h.reg.orphans.first; s != nil; s = s.next {
		if s.ep.Load().tcp.EndpointState() == tcp.StateTimeWait {
			waiting++
		}
	}
	h.reg.mu.Unlock()
	h.st.Budget.Recount()
	return fmt.Appendf(nil, "sockets: used %d\nTCP: inuse %d orphan %d tw %d alloc %d mem %d\nUDP: inuse %d mem %d\nUDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n",
		streams+grams+unix, streams, orphans-waiting, waiting, streams+orphans, h.st.Budget.Used()/4096, grams, 0)
}

// head is the line of column names.
func head(v6 bool, columns string, udp bool) []byte {
	switch {
	case v6:
		return []byte("  sl  local_address                         remote_address                        st " + columns + "\n")
	case udp:
		return fmt.Appendf(nil, "%-127s\n", "   sl  local_address rem_address   st "+columns)
	}
	return fmt.Appendf(nil, "%-149s\n", "  sl  local_address rem_address   st "+columns)
}

func pad(b []byte, v6 bool, line string, width int) []byte {
	if v6 {
		return append(append(b, line...), '\n')
	}
	return fmt.Appendf(b, "%-*s\n", width, line)
}

// hexName is an address and port as the tables show them.
func hexName(v6 bool, a tcpip.FullAddress) string {
	addr := addrOf(a.Addr)
	switch {
	case v6 && !addr.IsValid():
		addr = netip.IPv6Unspecified()
	case v6:
		addr = netip.AddrFrom16(addr.As16())
	case !addr.IsValid():
		addr = netip.IPv4Unspecified()
	}
	return fmt.Sprintf("%s:%04X", stack.HexAddr(nil, addr), a.Port)
}

func (s *Stream) cwnd(ep *endpoint) uint32 {
	var o tcpip.TCPInfoOption
	ep.GetSockOpt(&o)
	if o.SndCwnd == 0 {
		return 10
	}
	return o.SndCwnd
}
