package link

import (
	"sync"
	"time"

	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"skerry/kernel/wait"
)

// Delayed acknowledgements (RFC 1122 section 4.2.3.2, RFC 5681 section 4.2).
//
// The IP stack acknowledges every segment at once, with a packet of its own,
// before the program has had a chance to answer. In a dialogue of requests and
// answers that is one packet too many in each direction, since the answer
// carries the acknowledgement too. So the link holds a bare acknowledgement back
// for a moment, but only on connections that have just behaved like a dialogue,
// and lets it go at once when it says more than "I have got it": a duplicate, a
// window update, a selective acknowledgement, the second one in a row, or one
// for two full segments. Bulk transfers are thus acknowledged as before.
//
// Our copy of the IP stack (cmd/trimgvisor) asks HoldACK before it makes one, so that
// a packet which most probably is not needed is not made at all: what is held is then
// the connection, which sends the acknowledgement if nobody else has. With gVisor as
// it is published the packet is held.
const (
	// ackDelay is how long one is held, in ns; Linux takes 40 ms, RFC 1122
	// allows 500.
	ackDelay = 20_000_000
	// dialogue is how many answers must have followed an acknowledgement closely
	// before the next one is held.
	dialogue = 2
	maxTalk  = 4
	// bulkAck is the progress in bytes that is acknowledged at once: two segments
	// of an Ethernet.
	bulkAck = 2 * 1460

	ackSlots = 256
)

// ackFlow is what is known of a connection's outgoing acknowledgements.
type ackFlow struct {
	hash  uint32 // the endpoint's, which it puts on every packet
	ports uint32 // source and destination
	last  uint32 // acknowledgement number sent last
	talk  int8   // answers that followed closely
	since int64  // when the last bare acknowledgement came, sent or held
	held  *gstack.PacketBuffer
	later ACKSender // held before it was made; not both
}

// ACKSender is a connection that can be told to send an acknowledgement, if it is
// still due, from any goroutine that holds no lock.
type ACKSender = interface{ SendHeldACK() }

// delayedAcks holds bare acknowledgements back for one link. send puts a packet
// on its way.
type delayedAcks struct {
	send func(*gstack.PacketBuffer)

	mu    sync.Mutex
	flows [ackSlots]ackFlow
	timer *time.Timer
	armed bool
}

// tcpAck is what an outgoing TCP packet says, as far as this needs it.
type tcpAck struct {
	ports, ack uint32
	bare       bool // an acknowledgement and nothing else
	sack       bool
}

// readTCP reads an outgoing packet; ok is false if it is not TCP.
func readTCP(pkt *gstack.PacketBuffer) (a tcpAck, ok bool) {
	if pkt.TransportProtocolNumber != protoTCP {
		return a, false
	}
	h := pkt.TransportHeader().Slice()
	if len(h) < 20 {
		return a, false
	}
	a.ports, a.ack = be32(h), be32(h[8:])
	if flags := h[13]; flags != 0x10 || pkt.Data().Size() != 0 {
		return a, true
	}
	a.bare = true
	for o := h[20:]; len(o) > 0; {
		if o[0] == 1 { // no-operation
			o = o[1:]
			continue
		}
		if o[0] == 0 || len(o) < 2 || int(o[1]) < 2 || int(o[1]) > len(o) {
			break
		}
		if o[0] == 5 { // SACK
			a.sack = true
		}
		o = o[o[1]:]
	}
	return a, true
}

// hold looks at an outgoing packet and reports whether it was held back, with a
// reference taken. It may send another one that was held before.
func (d *delayedAcks) hold(pkt *gstack.PacketBuffer) bool {
	a, ok := readTCP(pkt)
	if !ok {
		return false
	}
	f := &d.flows[pkt.Hash%ackSlots]
	now := wait.Now()
	d.mu.Lock()
	var first, drop *gstack.PacketBuffer
	var other ACKSender
	held := false
	switch fresh := f.hash != pkt.Hash || f.ports != a.ports; {
	case fresh:
		first, other = f.held, f.later // another connection's
		*f = ackFlow{hash: pkt.Hash, ports: a.ports, last: a.ack}
	case !a.bare:
		drop = f.held // this packet acknowledges it
		if now-f.since < ackDelay {
			f.talk = min(f.talk+1, maxTalk)
		}
	case a.ack == f.last || a.sack || a.ack-f.last >= bulkAck:
		if a.ack == f.last {
			first = f.held
		} else {
			drop = f.held
		}
		f.talk = 0
	case f.held != nil || f.later != nil:
		drop = f.held // the second in a row speaks for both
		f.talk = 0
	case f.talk >= dialogue:
		held = true
	}
	f.held, f.later = nil, nil
	if held {
		f.held = pkt.IncRef()
		d.arm()
	}
	f.last = a.ack
	if a.bare {
		f.since = now
	} else {
		f.since = 0
	}
	d.mu.Unlock()
	if other != nil {
		go other.SendHeldACK() // not here: the caller holds a connection's lock
	}
	if first != nil {
		d.send(first)
		first.DecRef()
	}
	if drop != nil {
		drop.DecRef()
	}
	return held
}

// holdLater is hold for an acknowledgement that is not made yet. If the answer is
// false nothing has changed, and hold decides about the packet.
func (d *delayedAcks) holdLater(hash, ports, ack uint32, a ACKSender) bool {
	f := &d.flows[hash%ackSlots]
	d.mu.Lock()
	defer d.mu.Unlock()
	if f.hash != hash || f.ports != ports {
		return false
	}
	if f.later != nil {
		return ack == f.last // asked again; or the second in a row
	}
	if f.held != nil || f.talk < dialogue || ack == f.last || ack-f.last >= bulkAck {
		return false
	}
	f.later, f.last, f.since = a, ack, wait.Now()
	d.arm()
	return true
}

// arm makes sure that the timer runs; the lock is held. It is not stopped when a
// packet is no longer held: it fires at most every ackDelay.
func (d *delayedAcks) arm() {
	if d.armed {
		return
	}
	d.armed = true
	if d.timer == nil {
		d.timer = time.AfterFunc(ackDelay, d.expire)
	} else {
		d.timer.Reset(ackDelay)
	}
}

// expire sends what was held long enough, on the timer's goroutine.
func (d *delayedAcks) expire() {
	now := wait.Now()
	var due [32]*gstack.PacketBuffer
	var senders [32]ACKSender
	n := 0
	d.mu.Lock()
	left := false
	for i := range d.flows {
		f := &d.flows[i]
		if f.held == nil && f.later == nil {
			continue
		}
		// Half the delay is enough to go now: the next look is a whole one away.
		if now-f.since < ackDelay/2 || n == len(due) {
			left = true
			continue
		}
		due[n], senders[n], f.held, f.later = f.held, f.later, nil, nil
		f.talk = 0 // no answer came
		n++
	}
	d.armed = false
	if left {
		d.arm()
	}
	d.mu.Unlock()
	for i, pkt := range due[:n] {
		if pkt == nil {
			senders[i].SendHeldACK()
			continue
		}
		d.send(pkt)
		pkt.DecRef()
	}
}

// close lets go of everything.
func (d *delayedAcks) close() {
	d.mu.Lock()
	var held []*gstack.PacketBuffer
	for i := range d.flows {
		d.flows[i].later = nil
		if p := d.flows[i].held; p != nil {
			held = append(held, p)
			d.flows[i].held = nil
		}
	}
	d.mu.Unlock()
	for _, p := range held {
		p.DecRef()
	}
}
