package main

import (
	"bytes"
	"fmt"
)

// replaced are the packages of gVisor that have a thin one of this folder in
// their place.
var replaced = map[string]string{
	"pkg/log":  "log",
	"pkg/refs": "refs",
}

// replacedFiles likewise, one file each.
var replacedFiles = map[string]string{
	"pkg/rand/rand_linux.go": "rand/reader.go",
}

// added are files that belong to no package of ours, since they are part of one of
// gVisor's.
var added = map[string]string{
	"pkg/tcpip/stack/notables.go":      "stack/notables.go.txt",
	"pkg/tcpip/stack/burst.go":         "stack/burst.go.txt",
	"pkg/tcpip/transport/tcp/burst.go": "tcp/burst.go.txt",
	"pkg/tcpip/transport/tcp/ended.go": "tcp/ended.go.txt",
	"pkg/tcpip/transport/tcp/local.go": "tcp/local.go.txt",
	"pkg/tcpip/transport/tcp/room.go":  "tcp/room.go.txt",
}

const iptables = "pkg/tcpip/stack/iptables.go"

// dropped are packages that nothing imports once the rest is done.
var dropped = map[string]bool{
	"pkg/context":    true,
	"pkg/linewriter": true,
	"pkg/state":      true,
	"pkg/state/wire": true,
}

// An edit replaces old, which occurs exactly once in file, by new.
type edit struct{ file, old, new string }

var edits = []edit{
	// SYN cookies by SHA-256, which is linked anyway, instead of SHA-1: block sizes
	// are the same, and of the sum four bytes are taken.
	{"pkg/tcpip/transport/tcp/accept.go", "\t\"crypto/sha1\"\n", "\tsha1 \"crypto/sha256\"\n"},
	// Filter rules: the hooks are those of stack/notables.go.txt, and what would set
	// a rule is no longer exported.
	{"pkg/tcpip/stack/stack.go", "opts.DefaultIPTables = DefaultTables", "opts.DefaultIPTables = noTables"},
	{iptables, "func (it *IPTables) CheckPrerouting(", "func (it *IPTables) unusedPrerouting("},
	{iptables, "func (it *IPTables) CheckInput(", "func (it *IPTables) unusedInput("},
	{iptables, "func (it *IPTables) CheckForward(", "func (it *IPTables) unusedForward("},
	{iptables, "func (it *IPTables) CheckOutput(", "func (it *IPTables) unusedOutput("},
	{iptables, "func (it *IPTables) CheckPostrouting(", "func (it *IPTables) unusedPostrouting("},
	{iptables, "func (it *IPTables) OriginalDst(", "func (it *IPTables) unusedOriginalDst("},
	{iptables, "func (it *IPTables) ReplaceTable(", "func (it *IPTables) unusedReplaceTable("},
	{iptables, "func (it *IPTables) ForceReplaceTable(", "func (it *IPTables) unusedForceReplaceTable("},
	{"pkg/tcpip/stack/stack.go", "func (s *Stack) FindNICNameFromID(", "func (s *Stack) unusedNICNameFromID("},
	// Bursts and held acknowledgements: see stack/burst.go.txt.
	{"pkg/tcpip/stack/nic.go", "\tqDisc QueueingDiscipline\n", "\tqDisc QueueingDiscipline\n\tburster Burster // qDisc, if it is one\n"},
	{"pkg/tcpip/stack/nic.go", "\tnic.linkResQueue.init(nic)\n", "\tnic.burster, _ = qDisc.(Burster)\n\tnic.linkResQueue.init(nic)\n"},
	{"pkg/tcpip/transport/tcp/dispatcher.go", "switch err := ep.handleSegmentsLocked(); {", "switch err := ep.handleSegmentsBurst(); {"},
	{"pkg/tcpip/transport/tcp/connect.go", "\te.snd.sendData()\n", "\te.sendBurst()\n"},
	{"pkg/tcpip/transport/tcp/connect.go", "\tif e.rcv.RcvNxt != e.snd.MaxSentAck {\n", "\tif e.rcv.RcvNxt != e.snd.MaxSentAck && !e.holdACK() {\n"},
	// The end of the input was announced before the state said it, which is what
	// EPOLLRDHUP comes from; an edge is announced once. See tcp/ended.go.txt.
	{"pkg/tcpip/transport/tcp/rcv.go", "\t\tr.ep.readyToRead(nil)\n", "\t\tr.ep.endInput()\n"},
	{"pkg/tcpip/transport/tcp/rcv.go", "\t\t// Flush out any pending segments, except the very first one if\n", "\t\tr.ep.announceEnd()\n\n\t\t// Flush out any pending segments, except the very first one if\n"},
	// What is sent by loopback has arrived when the call returns: see tcp/local.go.txt.
	{"pkg/tcpip/transport/tcp/dispatcher.go", "type dispatcher struct {\n", "type dispatcher struct {\n\tlocal localQueue\n"},
	{"pkg/tcpip/transport/tcp/endpoint.go", "\t// pendingProcessingMu protects pendingProcessing.\n", "\tlocal localRun\n\n\t// pendingProcessingMu protects pendingProcessing.\n"},
	{"pkg/tcpip/transport/tcp/dispatcher.go", "\tif !ep.enqueueSegment(s) {\n\t\treturn\n\t}\n\n\t// Only wakeup", "\tif pkt.NICID == loopNIC && !ep.Local() {\n\t\tep.local.peer.Store(true)\n\t}\n\tif !ep.enqueueSegment(s) {\n\t\treturn\n\t}\n\n\t// Only wakeup"},
	{"pkg/tcpip/transport/tcp/dispatcher.go", "\t\td.selectProcessor(id).queueEndpoint(ep)\n", "\t\td.queue(d.selectProcessor(id), ep)\n"},
	{"pkg/tcpip/transport/tcp/endpoint.go", "then it will fail to process as TryLock() will fail.\n\tprocessor.queueEndpoint(e)\n", "then it will fail to process as TryLock() will fail.\n\te.protocol.dispatcher.queue(processor, e)\n"},
	{"pkg/tcpip/transport/tcp/connect.go", "h.ep.protocol.dispatcher.selectProcessor(h.ep.ID).queueEndpoint(h.ep)", "h.ep.protocol.dispatcher.queue(h.ep.protocol.dispatcher.selectProcessor(h.ep.ID), h.ep)"},
	{"pkg/tcpip/transport/tcp/connect.go", "\tprocessor := e.protocol.dispatcher.selectProcessor(e.ID)\n\te.mu.Unlock()\n\tprocessor.queueEndpoint(e)\n", "\tprocessor := e.protocol.dispatcher.selectProcessor(e.ID)\n\te.mu.Unlock()\n\te.protocol.dispatcher.queue(processor, e)\n"},
	// Whether the receive buffer's growth is worth a window update was judged by the
	// buffer before: a sender that had seen a window of 0 heard of it by its probe only,
	// 200 ms later.
	{"pkg/tcpip/transport/tcp/endpoint.go", "e.windowCrossedACKThresholdLocked(availAfter-availBefore, rcvBufSize)", "e.windowCrossedACKThresholdLocked(availAfter-availBefore, rcvWnd)"},
	// A listener's queue takes payload up to a bound of its own: see tcp/room.go.txt.
	{"pkg/tcpip/transport/tcp/segment_queue.go", "bufSz := q.ep.ops.GetReceiveBufferSize()", "bufSz := q.ep.segmentRoom()"},
	// The timer that sends what TCP_CORK holds was armed for the first time only: what
	// was held after it had run out stayed.
	{"pkg/tcpip/transport/tcp/snd.go", "\t// Assign sequence number and flags to the segment.\n\tseg := s.writeNext\n", "\ts.startCork = false\n\tseg := s.writeNext\n"},
	{"pkg/tcpip/transport/tcp/endpoint.go", "\t\t\te.snd.corkTimer.disable()\n", "\t\t\te.snd.startCork = false\n\t\t\te.snd.corkTimer.disable()\n"},
	// Chunks of pooled memory were cleared whole when they were taken, 64 KiB for a
	// packet of that size, which is then written over. Only Grow shows bytes that
	// nobody wrote, so it is Grow that clears them.
	{"pkg/buffer/chunk.go", "\t\tclear(c.data)\n", ""},
	{"pkg/buffer/view.go", "\t\tv.growCap(n)\n\t}\n\tv.write += n\n", "\t\tv.growCap(n)\n\t}\n\tclear(v.chunk.data[v.write : v.write+n])\n\tv.write += n\n"},
	// 0 takes TCP_MAXSEG back (do_tcp_setsockopt of Linux).
	{"pkg/tcpip/transport/tcp/endpoint.go", "if userMSS < header.TCPMinimumMSS || userMSS", "if userMSS != 0 && userMSS < header.TCPMinimumMSS || userMSS"},
	// What a message says of its own type of service and source address comes in the
	// fields that the other version of IP would use: see kernel/net/inet/control.go.
	{"pkg/tcpip/transport/internal/network/endpoint.go", "\t\ttos = e.ipv4TOS\n", "\t\ttos = e.ipv4TOS\n\t\tif opts.ControlMessages.HasHopLimit {\n\t\t\ttos = opts.ControlMessages.HopLimit\n\t\t}\n"},
	{"pkg/tcpip/transport/internal/network/endpoint.go", "\t\ttos = e.ipv6TClass\n", "\t\ttos = e.ipv6TClass\n\t\tif opts.ControlMessages.HasTTL {\n\t\t\ttos = opts.ControlMessages.TTL\n\t\t}\n"},
	{"pkg/tcpip/transport/internal/network/endpoint.go", "ipv6PktInfoValid := e.effectiveNetProto == header.IPv6ProtocolNumber && opts.ControlMessages.HasIPv6PacketInfo", "ipv6PktInfoValid := opts.ControlMessages.HasIPv6PacketInfo"},
	{"pkg/tcpip/transport/internal/network/endpoint.go", "e.stack.CheckLocalAddress(nicID, header.IPv6ProtocolNumber, pktInfoAddr) == 0", "e.stack.CheckLocalAddress(nicID, protocolOf(pktInfoAddr), pktInfoAddr) == 0"},
	{"pkg/tcpip/transport/internal/network/endpoint.go", "e.stack.CheckLocalAddress(pktInfoNICID, header.IPv6ProtocolNumber, info.ID.LocalAddress) == 0", "e.stack.CheckLocalAddress(pktInfoNICID, protocolOf(info.ID.LocalAddress), info.ID.LocalAddress) == 0"},
	{"pkg/tcpip/transport/internal/network/endpoint.go", "// AcquireContextForWrite acquires", "// protocolOf is the version of IP that an address belongs to.\nfunc protocolOf(a tcpip.Address) tcpip.NetworkProtocolNumber {\n\tif a.Len() == header.IPv4AddressSize {\n\t\treturn header.IPv4ProtocolNumber\n\t}\n\treturn header.IPv6ProtocolNumber\n}\n\n// AcquireContextForWrite acquires"},
	// Package net is there for a type that is a byte slice.
	{"pkg/tcpip/tcpip.go", "\t\"net\"\n", ""},
	{"pkg/tcpip/tcpip.go", "make(net.HardwareAddr, LinkAddressSize)", "make([]byte, LinkAddressSize)"},
}

// apply makes the edits. A text that is not there, or there twice, is an error:
// the version of gVisor has changed, and someone has to look.
func apply(files map[string][]byte, edits []edit) error {
	for _, e := range edits {
		b, ok := files[e.file]
		if !ok {
			return fmt.Errorf("%s is not among the files of gVisor that the kernel links (mend edits.go)", e.file)
		}
		if n := bytes.Count(b, []byte(e.old)); n != 1 {
			return fmt.Errorf("%s has %d times the text %q, want once (mend edits.go)", e.file, n, e.old)
		}
		files[e.file] = bytes.Replace(b, []byte(e.old), []byte(e.new), 1)
	}
	return nil
}
