// Package nettest is for tests only: network devices that are not there. A Pair
// is two nic.Devices joined by a wire, for two stacks back to back; a Wire is a
// device whose other end is the test, which sends and records frames.
package nettest

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"skerry/kernel/hw/nic"
)

// Frame is one frame on a wire.
type Frame struct {
	Data []byte
	Off  nic.Offload
	due  time.Time // when it arrives
}

// Dev is a device of a Pair or Wire.
type Dev struct {
	mac  [6]byte
	mtu  int
	caps nic.Caps

	// Lose, if set before Start, says which frames get lost on the way out.
	Lose func(frame []byte) bool
	// Delay, if set before Start, is how long frames to this device are on their
	// way, and Ring how many may be (256).
	Delay time.Duration
	Ring  int

	peer *Dev
	sink func(Frame) // instead of a peer

	mu    sync.Mutex
	cond  *sync.Cond
	ring  []Frame // on its way to the receiver of this device
	full  bool    // a sender was turned away
	recv  nic.Receiver
	done  bool
	Sent  atomic.Int64 // frames
	Bells atomic.Int64 // flushes
}

// NewPair joins two devices with the given capabilities.
func NewPair(caps nic.Caps, mtu int) (*Dev, *Dev) {
	a, b := newDev(1, caps, mtu), newDev(2, caps, mtu)
	a.peer, b.peer = b, a
	return a, b
}

// NewWire makes a device whose outgoing frames go to sink, on the sender's
// goroutine. Frames for it are given to Inject.
func NewWire(caps nic.Caps, mtu int, sink func(Frame)) *Dev {
	d := newDev(1, caps, mtu)
	d.sink = sink
	return d
}

func newDev(n byte, caps nic.Caps, mtu int) *Dev {
	d := &Dev{mac: [6]byte{2, 0, 0, 0, 0, n}, mtu: mtu, caps: caps, Ring: 256}
	d.cond = sync.NewCond(&d.mu)
	return d
}

// MAC implements nic.Device.
func (d *Dev) MAC() [6]byte { return d.mac }

// MTU implements nic.Device.
func (d *Dev) MTU() int { return d.mtu }

// Caps implements nic.Device.
func (d *Dev) Caps() nic.Caps { return d.caps }

// Start implements nic.Device.
func (d *Dev) Start(r nic.Receiver) {
	d.mu.Lock()
	d.recv = r
	d.mu.Unlock()
	if d.peer != nil {
		go d.run()
	}
}

// Stop ends the device's goroutine.
func (d *Dev) Stop() {
	d.mu.Lock()
	d.done = true
	d.cond.Signal()
	d.mu.Unlock()
}

// Send implements nic.Device.
func (d *Dev) Send(pieces [][]byte, off nic.Offload) bool {
	n := 0
	for _, p := range pieces {
		n += len(p)
	}
	data := make([]byte, 0, n)
	for _, p := range pieces {
		data = append(data, p...)
	}
	if d.sink != nil {
		d.Sent.Add(1)
		d.sink(Frame{Data: data, Off: off})
		return true
	}
	if !d.peer.push(Frame{Data: data, Off: off}, d.Lose) {
		return false
	}
	d.Sent.Add(1)
	return true
}

// Flush implements nic.Device.
func (d *Dev) Flush() { d.Bells.Add(1) }

func (d *Dev) push(f Frame, lose func([]byte) bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.ring) >= d.Ring {
		d.full = true
		return false
	}
	if lose != nil && lose(f.Data) {
		return true
	}
	if d.Delay > 0 {
		f.due = time.Now().Add(d.Delay)
	}
	d.ring = append(d.ring, f)
	d.cond.Signal()
	return true
}

// run hands frames to the receiver, in bursts, on one goroutine.
func (d *Dev) run() {
	for {
		d.mu.Lock()
		for len(d.ring) == 0 && !d.done {
			d.cond.Wait()
		}
		if d.done {
			d.mu.Unlock()
			return
		}
		n := len(d.ring)
		if d.Delay > 0 {
			if left := time.Until(d.ring[0].due); left > 0 {
				d.mu.Unlock()
				time.Sleep(left)
				continue
			}
			for n = 1; n < len(d.ring) && time.Until(d.ring[n].due) <= 0; n++ {
			}
		}
		burst := d.ring[:n:n]
		d.ring = append([]Frame(nil), d.ring[n:]...)
		full := d.full
		d.full = false
		r := d.recv
		d.mu.Unlock()
		for _, f := range burst {
			r.Receive(f.Data, f.Off)
		}
		r.Batch()
		if full {
			d.peer.mu.Lock()
			peer := d.peer.recv
			d.peer.mu.Unlock()
			if peer != nil {
				peer.TxReady()
			}
		}
	}
}

// Inject hands frames to the receiver as one burst, on the caller's goroutine;
// the test must call it from one goroutine at a time.
func (d *Dev) Inject(frames ...[]byte) {
	d.mu.Lock()
	r := d.recv
	d.mu.Unlock()
	for _, f := range frames {
		r.Receive(f, nic.Offload{})
	}
	r.Batch()
}

// Receiver is what Start was given.
func (d *Dev) Receiver() nic.Receiver {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.recv
}

// Sum is the Internet checksum (RFC 1071) of b on top of initial.
func Sum(b []byte, initial uint32) uint16 {
	s := initial
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}

// Ethernet puts a packet into a frame.
func Ethernet(to, from [6]byte, etherType uint16, packet []byte) []byte {
	b := append(append(append([]byte(nil), to[:]...), from[:]...), byte(etherType>>8), byte(etherType))
	return append(b, packet...)
}

// IPv4 makes a packet with correct checksums around a transport header and
// payload; options are padded to a multiple of four.
func IPv4(src, dst [4]byte, proto byte, options, body []byte) []byte {
	for len(options)%4 != 0 {
		options = append(options, 0)
	}
	ihl := 20 + len(options)
	b := make([]byte, ihl, ihl+len(body))
	b[0] = 0x40 | byte(ihl/4)
	binary.BigEndian.PutUint16(b[2:], uint16(ihl+len(body)))
	b[8], b[9] = 64, proto
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	copy(b[20:], options)
	binary.BigEndian.PutUint16(b[10:], Sum(b[:ihl], 0))
	b = append(b, body...)
	fixSum(b[ihl:], proto, src[:], dst[:])
	return b
}

// IPv6 makes a packet around an upper-layer header and payload. Extension
// headers go between, each beginning with its next-header byte.
func IPv6(src, dst [16]byte, proto, hops byte, ext, body []byte, first byte) []byte {
	b := make([]byte, 40, 40+len(ext)+len(body))
	b[0], b[6], b[7] = 0x60, first, hops
	binary.BigEndian.PutUint16(b[4:], uint16(len(ext)+len(body)))
	copy(b[8:], src[:])
	copy(b[24:], dst[:])
	b = append(append(b, ext...), body...)
	fixSum(b[40+len(ext):], proto, src[:], dst[:])
	return b
}

// fixSum stores the transport checksum.
func fixSum(b []byte, proto byte, src, dst []byte) {
	at := map[byte]int{1: 2, 6: 16, 17: 6, 58: 2}[proto]
	if at == 0 || len(b) < at+2 {
		return
	}
	b[at], b[at+1] = 0, 0
	s := uint32(0)
	if proto != 1 {
		s = uint32(^Sum(src, 0)) + uint32(^Sum(dst, 0)) + uint32(proto) + uint32(len(b))
	}
	binary.BigEndian.PutUint16(b[at:], Sum(b, s))
}

// UDP makes a UDP header and payload; the checksum is stored by IPv4 or IPv6.
func UDP(from, to uint16, payload []byte) []byte {
	b := make([]byte, 8, 8+len(payload))
	binary.BigEndian.PutUint16(b[0:], from)
	binary.BigEndian.PutUint16(b[2:], to)
	binary.BigEndian.PutUint16(b[4:], uint16(8+len(payload)))
	return append(b, payload...)
}

// TCP makes a TCP header of 20 bytes and payload.
func TCP(from, to uint16, seq, ack uint32, flags byte, payload []byte) []byte {
	b := make([]byte, 20, 20+len(payload))
	binary.BigEndian.PutUint16(b[0:], from)
	binary.BigEndian.PutUint16(b[2:], to)
	binary.BigEndian.PutUint32(b[4:], seq)
	binary.BigEndian.PutUint32(b[8:], ack)
	b[12], b[13], b[14], b[15] = 0x50, flags, 0xff, 0xff
	return append(b, payload...)
}

// ARP makes an ARP packet.
func ARP(op uint16, mac [6]byte, ip [4]byte, tmac [6]byte, tip [4]byte) []byte {
	b := []byte{0, 1, 8, 0, 6, 4, byte(op >> 8), byte(op)}
	b = append(append(b, mac[:]...), ip[:]...)
	return append(append(b, tmac[:]...), tip[:]...)
}
