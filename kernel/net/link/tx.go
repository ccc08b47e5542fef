package link

import (
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"skerry/kernel/hw/nic"
)

// Bounds of the queue that holds packets while the device's ring is full.
const (
	maxQueuedPackets = 1024
	maxQueuedBytes   = 1 << 20
)

// pieces is what sending one packet needs of memory.
type pieces struct {
	list [][]byte         // the packet's parts
	cut  [][]byte         // one segment's, see sendCut
	head [maxHeaders]byte // the packet's headers
	seg  [maxHeaders]byte // one segment's
}

var piecesPool = sync.Pool{New: func() any {
	return &pieces{list: make([][]byte, 0, 24), cut: make([][]byte, 0, 8)}
}}

// waiting is a packet that waits for room in the device's ring, from byte done of
// its payload on.
type waiting struct {
	pkt  *gstack.PacketBuffer
	done int
}

// AddHeader implements stack.LinkEndpoint: it writes the Ethernet header for
// the neighbour that the stack resolved.
func (e *Endpoint) AddHeader(pkt *gstack.PacketBuffer) {
	eth := pkt.LinkHeader().Push(ethSize)
	copy(eth[0:6], pkt.EgressRoute.RemoteLinkAddress)
	copy(eth[6:12], e.mac[:])
	eth[12], eth[13] = byte(pkt.NetworkProtocolNumber>>8), byte(pkt.NetworkProtocolNumber)
}

// WritePackets implements stack.LinkWriter.
func (e *Endpoint) WritePackets(list gstack.PacketBufferList) (int, tcpip.Error) {
	for i, pkt := range list.AsSlice() {
		if err := e.WritePacket(pkt); err != nil {
			return i, err
		}
	}
	return list.Len(), nil
}

// Close implements stack.QueueingDiscipline and stack.LinkEndpoint: packets
// that wait for the ring are let go.
func (e *Endpoint) Close() {
	e.acks.close()
	e.txMu.Lock()
	queue := e.txQueue
	e.txQueue, e.txBytes = nil, 0
	e.txQueued.Store(0)
	e.txMu.Unlock()
	for _, w := range queue {
		w.pkt.DecRef()
	}
}

// WritePacket implements stack.QueueingDiscipline, which the endpoint is
// itself so that a packet reaches the device without a list around it. The
// packet stays the caller's.
func (e *Endpoint) WritePacket(pkt *gstack.PacketBuffer) tcpip.Error {
	switch pkt.NetworkProtocolNumber {
	case header.ARPProtocolNumber:
		e.noteARP(pkt)
	case header.IPv6ProtocolNumber:
		if !e.cfg.IPv6 {
			e.drop(DropTxProtocol)
			return nil
		}
		e.noteSolicitation(pkt)
	}
	if e.acks.hold(pkt) {
		return nil
	}
	return e.transmit(pkt)
}

// transmit sends a packet or queues it.
func (e *Endpoint) transmit(pkt *gstack.PacketBuffer) tcpip.Error {
	done := 0
	if e.txQueued.Load() == 0 {
		var ok bool
		if done, ok = e.send(pkt, 0); ok {
			e.flush()
			return nil
		}
	}
	return e.queue(pkt, done)
}

// kickEvery is after how many packets of a burst the bell is rung all the same:
// the device works while the rest is made.
const kickEvery = 32

// flush rings the device's bell, unless the driver is in the middle of a burst
// of received frames, or the stack in one of its own. Who ends a burst counts it
// off first and then flushes, and the packet is in the ring before the count is
// looked at, so one of the two flushes it.
func (e *Endpoint) flush() {
	if e.burst.Load() || e.bursts.Load() > 0 && e.unkicked.Add(1) < kickEvery {
		return
	}
	e.ring()
}

// ring rings the bell for all that is in the ring.
func (e *Endpoint) ring() {
	if e.unkicked.Load() != 0 {
		e.unkicked.Store(0)
	}
	e.dev.Flush()
}

// BeginBurst tells that the goroutine is about to make several packets in a row
// without waiting, which EndBurst sends together. Our copy of the IP stack calls
// it (cmd/trimgvisor); as published, gVisor has no such call.
func (e *Endpoint) BeginBurst() { e.bursts.Add(1) }

// EndBurst ends a burst. It flushes whatever is there, other goroutines' bursts
// in progress or not.
func (e *Endpoint) EndBurst() {
	if e.bursts.Add(-1); !e.burst.Load() {
		e.ring()
	}
}

// HoldACK reports whether an acknowledgement need not be made now; see delayedAcks.
func (e *Endpoint) HoldACK(hash, ports, ack uint32, a ACKSender) bool {
	return e.acks.holdLater(hash, ports, ack, a)
}

// send hands a packet to the device, or what follows the first done bytes of its
// payload. The answer is false if the ring is full, and up to where it came.
func (e *Endpoint) send(pkt *gstack.PacketBuffer, done int) (int, bool) {
	p := piecesPool.Get().(*pieces)
	list := p.list[:0]
	views, skip := pkt.AsViewList()
	for v := views.Front(); v != nil; v = v.Next() {
		b := v.AsSlice()
		if skip >= len(b) {
			skip -= len(b)
			continue
		}
		list = append(list, b[skip:])
		skip = 0
	}
	p.list = list
	off := offloadOf(pkt)
	ok := false
	if !off.NeedsCsum || e.does(&off) {
		ok = e.dev.Send(list, off)
	} else {
		done, ok = e.sendCut(pkt, p, &off, done)
	}
	clear(p.list)
	clear(p.cut)
	piecesPool.Put(p)
	return done, ok
}

// offloadOf turns the stack's segmentation request into the device's terms.
// With it the stack has stored the pseudo-header's sum in the TCP header.
func offloadOf(pkt *gstack.PacketBuffer) nic.Offload {
	g := &pkt.GSOOptions
	if g.Type != gstack.GSOTCPv4 && g.Type != gstack.GSOTCPv6 || !g.NeedsCsum {
		return nic.Offload{}
	}
	start := ethSize + len(pkt.NetworkHeader().Slice())
	off := nic.Offload{NeedsCsum: true, CsumStart: uint16(start), CsumOffset: g.CsumOffset}
	if pkt.Data().Size() > int(g.MSS) {
		off.GSO = nic.GSOTCPv4
		if g.Type == gstack.GSOTCPv6 {
			off.GSO = nic.GSOTCPv6
		}
		off.HdrLen = uint16(start + len(pkt.TransportHeader().Slice()))
		off.GSOSize = g.MSS
	}
	return off
}

// queue keeps a packet, of whose payload done bytes are sent, until TxReady.
func (e *Endpoint) queue(pkt *gstack.PacketBuffer, done int) tcpip.Error {
	e.txMu.Lock()
	if len(e.txQueue) == 0 {
		var ok bool
		if done, ok = e.send(pkt, done); ok { // it became free meanwhile
			e.txMu.Unlock()
			e.flush()
			return nil
		}
	}
	if len(e.txQueue) >= maxQueuedPackets || e.txBytes+pkt.Size() > maxQueuedBytes {
		e.txMu.Unlock()
		e.drop(DropTxFull)
		return &tcpip.ErrNoBufferSpace{}
	}
	e.txQueue = append(e.txQueue, waiting{pkt.IncRef(), done})
	e.txBytes += pkt.Size()
	e.txQueued.Store(int32(len(e.txQueue)))
	e.txMu.Unlock()
	// The ring may have emptied between the send that failed and the packet
	// becoming visible in the queue, in which case nobody will say TxReady.
	e.drain()
	return nil
}

// drain sends what is queued, as far as the ring takes it.
func (e *Endpoint) drain() {
	e.txMu.Lock()
	sent, some := 0, false
	for ; sent < len(e.txQueue); sent++ {
		w := &e.txQueue[sent]
		before := w.done
		var ok bool
		if w.done, ok = e.send(w.pkt, w.done); !ok {
			some = w.done != before
			break
		}
		e.txBytes -= w.pkt.Size()
	}
	var done []waiting
	if sent > 0 {
		done = append(done, e.txQueue[:sent]...)
		n := copy(e.txQueue, e.txQueue[sent:])
		clear(e.txQueue[n:])
		e.txQueue = e.txQueue[:n]
		e.txQueued.Store(int32(n))
	}
	e.txMu.Unlock()
	if sent > 0 || some {
		e.flush()
	}
	for _, w := range done { // unlocked: letting go may wake a sender
		w.pkt.DecRef()
	}
}

// SendFrame sends one packet that the kernel built itself (DHCP, neighbour
// answers) to a neighbour. It reports false if the ring is full; nothing is
// queued then, since all these are repeated by whoever needs them.
func (e *Endpoint) SendFrame(to MAC, etherType uint16, packet []byte) bool {
	var eth [ethSize]byte
	copy(eth[0:6], to[:])
	copy(eth[6:12], e.mac[:])
	eth[12], eth[13] = byte(etherType>>8), byte(etherType)
	ok := e.dev.Send([][]byte{eth[:], packet}, nic.Offload{})
	e.flush()
	return ok
}

// EtherTypeIPv4 is the type that SendFrame is given for IPv4 packets.
const EtherTypeIPv4 = typeIPv4
