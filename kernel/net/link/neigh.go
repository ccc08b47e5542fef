package link

import (
	"sync"

	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"skerry/kernel/wait"
)

// answerTime is how long an answer to a neighbour question is waited for, in
// nanoseconds: the stack repeats a question after one second.
const answerTime = 3_000_000_000

// maxQuestions is how many may be open at a time; the oldest gives way.
const maxQuestions = 128

// question is one that the machine asked: who has addr?
type question struct {
	addr  [16]byte // IPv4 addresses in the last four bytes
	mac   MAC      // who may answer, unless any
	any   bool
	until int64
}

// questions are the open ones, a ring.
type questions struct {
	mu   sync.Mutex
	ring [maxQuestions]question
	next int
}

// ask notes a question that goes out to a station, or to all. A unicast
// question is a probe: whether the station known so far still has the address;
// only that station may answer it. Thus a known neighbour (the gateway above
// all) changes its MAC only after it stopped answering.
func (q *questions) ask(addr *[16]byte, to MAC) {
	q.mu.Lock()
	q.ring[q.next] = question{addr: *addr, mac: to, any: to.group(), until: wait.Now() + answerTime}
	q.next = (q.next + 1) % maxQuestions
	q.mu.Unlock()
}

// answered reports whether mac's claim to addr answers an open question. The
// first answer to a question to all settles who may repeat it.
func (q *questions) answered(addr *[16]byte, mac MAC) bool {
	now := wait.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.ring {
		k := &q.ring[i]
		if k.until < now || k.addr != *addr || !k.any && k.mac != mac {
			continue
		}
		k.any, k.mac = false, mac
		return true
	}
	return false
}

// ARP, RFC 826, over Ethernet for IPv4: offsets in the packet.
const (
	arpSize      = 28
	arpSenderMAC = 8
	arpSenderIP  = 14
	arpTargetMAC = 18
	arpTargetIP  = 24
	arpRequest   = 1
	arpReply     = 2
)

// noteARP remembers the question of an outgoing ARP request.
func (e *Endpoint) noteARP(pkt *gstack.PacketBuffer) {
	b := pkt.NetworkHeader().Slice()
	to := pkt.EgressRoute.RemoteLinkAddress
	if len(b) < arpSize || be16(b[6:8]) != arpRequest || len(to) != macSize {
		return
	}
	var addr [16]byte
	copy(addr[12:], b[arpTargetIP:])
	e.questions.ask(&addr, MAC([]byte(to)))
}

// filterARP answers requests for our addresses and passes answers to our own
// questions. Nothing is learnt from requests or unasked-for replies.
func (e *Endpoint) filterARP(f *frame) bool {
	b := f.packet
	if len(b) < arpSize {
		return e.drop(DropRunt)
	}
	b = b[:arpSize]
	f.packet = b
	if be16(b[0:2]) != 1 || be16(b[2:4]) != typeIPv4 || b[4] != macSize || b[5] != 4 {
		return e.drop(DropProtocol)
	}
	sender, mac := be32(b[arpSenderIP:]), MAC(b[arpSenderMAC:arpSenderMAC+macSize])
	if mac.group() || mac == (MAC{}) || mac != f.src {
		return e.drop(DropNeighbor)
	}
	if sender != 0 && f.local.has4(sender) {
		return e.drop(DropConflict)
	}
	switch be16(b[6:8]) {
	case arpRequest:
		if !f.local.has4(be32(b[arpTargetIP:])) {
			return e.drop(DropNotOurs)
		}
		e.answerARP(b, mac)
		return false
	case arpReply:
		var addr [16]byte
		copy(addr[12:], b[arpSenderIP:arpSenderIP+4])
		if f.group || !e.questions.answered(&addr, mac) {
			return e.drop(DropNeighbor)
		}
		return true
	}
	return e.drop(DropProtocol)
}

// answerARP turns a request into its reply and sends it back.
func (e *Endpoint) answerARP(req []byte, to MAC) {
	var b [arpSize]byte
	copy(b[:8], req)
	b[7] = arpReply
	copy(b[arpSenderMAC:], e.mac[:])
	copy(b[arpSenderIP:], req[arpTargetIP:arpTargetIP+4])
	copy(b[arpTargetMAC:], to[:])
	copy(b[arpTargetIP:], req[arpSenderIP:arpSenderIP+4])
	e.SendFrame(to, typeARP, b[:])
}

// Neighbour discovery, RFC 4861 sections 4.3 and 4.4: offsets in the ICMPv6
// message.
const (
	ndTarget  = 8
	ndOptions = 24
	optSource = 1 // source link-layer address
	optTarget = 2 // target link-layer address

	advSolicited = 0x40
	advOverride  = 0x20
)

// noteSolicitation remembers the question of an outgoing neighbour
// solicitation.
func (e *Endpoint) noteSolicitation(pkt *gstack.PacketBuffer) {
	ip := pkt.NetworkHeader().Slice()
	to := pkt.EgressRoute.RemoteLinkAddress
	if len(ip) < 40 || ip[6] != protoICMPv6 || len(to) != macSize {
		return
	}
	b, ok := pkt.Data().PullUp(ndOptions) // the stack sends these without a transport header
	if !ok || b[0] != icmp6Solicit {
		return
	}
	addr := [16]byte(b[ndTarget : ndTarget+16])
	e.questions.ask(&addr, MAC([]byte(to)))
}

// linkAddress finds a link-layer address option. ok is false if the options
// are malformed; found is false if there is none.
func linkAddress(opts []byte, kind byte) (mac MAC, found, ok bool) {
	for len(opts) > 0 {
		if len(opts) < 8 || opts[1] == 0 || int(opts[1])*8 > len(opts) {
			return mac, false, false
		}
		if opts[0] == kind && opts[1] == 1 && !found {
			mac, found = MAC(opts[2:8]), true
		}
		opts = opts[int(opts[1])*8:]
	}
	return mac, found, true
}

// checksum6 verifies an ICMPv6 checksum (RFC 4443 section 2.3).
func checksum6(packet, b []byte) bool {
	s := sum(packet[8:40], uint32(len(b))+protoICMPv6)
	return fold(sum(b, s)) == 0xffff
}

// answerSolicitation answers a neighbour solicitation for one of our
// addresses, false if it is not a good one.
func (e *Endpoint) answerSolicitation(f *frame, b []byte) bool {
	if len(b) < ndOptions || b[1] != 0 || !checksum6(f.packet, b) {
		return false
	}
	target := [16]byte(b[ndTarget : ndTarget+16])
	if !f.local.has6(&target) {
		return false
	}
	if _, _, ok := linkAddress(b[ndOptions:], optSource); !ok {
		return false
	}
	src := [16]byte(f.packet[8:24])
	var p [40 + 32]byte
	p[0] = 0x60
	p[5], p[6], p[7] = 32, protoICMPv6, 255
	copy(p[8:24], target[:])
	to, flags := f.src, byte(advSolicited|advOverride)
	if src == [16]byte{} {
		// Duplicate address detection: everyone hears that it is taken.
		src = [16]byte{0: 0xff, 1: 0x02, 15: 1}
		to, flags = MAC{0x33, 0x33, 0, 0, 0, 1}, advOverride
	}
	copy(p[24:40], src[:])
	m := p[40:]
	m[0], m[4] = icmp6Advert, flags
	copy(m[ndTarget:], target[:])
	m[24], m[25] = optTarget, 1
	copy(m[26:], e.mac[:])
	c := ^fold(sum(m, sum(p[8:40], 32+protoICMPv6)))
	m[2], m[3] = byte(c>>8), byte(c)
	e.SendFrame(to, typeIPv6, p[:])
	return true
}

// advertAsked reports whether a neighbour advertisement answers an open
// question.
func (e *Endpoint) advertAsked(f *frame, b []byte) bool {
	if len(b) < ndOptions || b[1] != 0 {
		return false
	}
	mac, found, ok := linkAddress(b[ndOptions:], optTarget)
	if !ok {
		return false
	}
	if !found {
		mac = f.src
	}
	if mac.group() || mac != f.src {
		return false
	}
	target := [16]byte(b[ndTarget : ndTarget+16])
	return checksum6(f.packet, b) && e.questions.answered(&target, mac)
}
