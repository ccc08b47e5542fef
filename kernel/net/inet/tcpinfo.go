package inet

import (
	"reflect"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"skerry/kernel/abi"
	"skerry/kernel/net/stack"
)

// infoSize is the size of struct tcp_info up to tcpi_rehash, linux/tcp.h.
const infoSize = 240

// senderField reads a number of the endpoint's sender by name, 0 if there is no
// sender. The endpoint's lock is held. Reflection may read unexported fields,
// never write them; it is only as fast as such rare calls need.
func senderField(ep *tcp.Endpoint, name string) int64 { return stateField(ep, "snd", name) }

func stateField(ep *tcp.Endpoint, part, name string) int64 {
	v := reflect.ValueOf(ep).Elem().FieldByName(part)
	if !v.IsValid() || v.Kind() != reflect.Pointer || v.IsNil() {
		return 0
	}
	f := v.Elem().FieldByName(name)
	switch {
	case !f.IsValid():
		return 0
	case f.CanInt():
		return f.Int()
	case f.CanUint():
		return int64(f.Uint())
	}
	return 0
}

// caStates are Linux's TCP_CA_* for the IP stack's congestion states.
func caState(s tcpip.CongestionControlState) int {
	switch s {
	case tcpip.RTORecovery:
		return abi.TCP_CA_Loss
	case tcpip.FastRecovery, tcpip.SACKRecovery:
		return abi.TCP_CA_Recovery
	case tcpip.Disorder:
		return abi.TCP_CA_Disorder
	}
	return 0
}

// linuxState is the state as Linux numbers it: the IP stack uses the same
// numbers for those of the protocol.
func linuxState(st tcp.EndpointState) int {
	switch st {
	case tcp.StateInitial, tcp.StateBound, tcp.StateError, tcp.StateTimeWait:
		// The last only the protocol still remembers, on Linux, and the socket is closed.
		return int(tcp.StateClose)
	case tcp.StateConnecting:
		return int(tcp.StateSynSent)
	}
	return int(st)
}

// info fills struct tcp_info with what the endpoint knows; what it does not keep
// is 0.
func (s *Stream) info(ep *endpoint, out *[infoSize]byte) {
	var o tcpip.TCPInfoOption
	ep.GetSockOpt(&o)
	st := ep.tcp.EndpointState()
	stats := ep.Stats().(*tcp.Stats)
	b := le(out[:])
	b.u8(0, linuxState(st))
	if st == tcp.StateListen { // how many wait to be accepted, and how many may
		n, most := stack.AcceptQueue(ep.tcp)
		b.u32(24, int64(n))
		b.u32(28, int64(most-1)) // see Listen
		return
	}
	b.u8(1, caState(o.CcState))
	ep.tcp.LockUser()
	e := ep.tcp
	options := 0
	if e.SendTSOk {
		options |= abi.TCPI_OPT_TIMESTAMPS
	}
	if e.SACKPermitted {
		options |= abi.TCPI_OPT_SACK
	}
	sndScale, rcvScale := senderField(e, "SndWndScale"), stateField(e, "rcv", "RcvWndScale")
	if sndScale|rcvScale != 0 {
		options |= abi.TCPI_OPT_WSCALE
	}
	mss := senderField(e, "MaxPayloadSize")
	una, nxt := uint32(senderField(e, "SndUna")), uint32(senderField(e, "SndNxt"))
	queue := stack.SendQueue(e)
	outstanding := senderField(e, "Outstanding")
	b.u32(28, senderField(e, "SackedOut"))
	b.u32(228, senderField(e, "SndWnd"))
	b.u32(232, stateField(e, "rcv", "rcvWnd"))
	rcvRTT := e.RcvAutoParams.RTT
	rcvSpace := e.RcvAutoParams.PrevCopiedBytes
	amss := reflect.ValueOf(e).Elem().FieldByName("amss")
	if amss.IsValid() && amss.CanUint() {
		b.u32(84, int64(amss.Uint()))
		b.u32(20, int64(amss.Uint()))
	}
	e.UnlockUser()
	b.u8(5, options)
	b.u8(6, int(sndScale&15|rcvScale&15<<4))
	b.u32(8, o.RTO.Microseconds())
	b.u32(16, mss)
	b.u32(24, outstanding)
	if mtu, ok := s.pathMTU(ep); ok {
		b.u32(60, int64(mtu))
	}
	b.u32(68, o.RTT.Microseconds())
	b.u32(72, o.RTTVar.Microseconds())
	b.u32(76, int64(o.SndSsthresh))
	b.u32(80, int64(o.SndCwnd))
	b.u32(88, 3) // tcp_reordering: the initial degree, as the endpoint keeps none
	b.u32(92, rcvRTT.Microseconds())
	b.u32(96, int64(rcvSpace))
	b.u32(100, int64(stats.SendErrors.Retransmits.Value()))
	b.u64(112, ^uint64(0)) // no limit on pacing
	in, sent := s.bytesIn.Load(), s.bytesOut.Load()
	b.u64(120, sent-min(uint64(queue), sent))
	waiting, _ := ep.GetSockOptInt(tcpip.ReceiveQueueSizeOption)
	b.u64(128, in+uint64(max(waiting, 0)))
	b.u32(136, int64(stats.SegmentsSent.Value()))
	b.u32(140, int64(stats.SegmentsReceived.Value()))
	b.u32(144, max(int64(queue)-int64(nxt-una), 0)) // not sent yet
	b.u64(200, sent-min(uint64(max(int64(queue)-int64(nxt-una), 0)), sent))
	if o.ReorderSeen {
		b.u32(220, 1)
	}
}
