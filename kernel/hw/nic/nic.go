// Package nic is the border between network drivers and the network stack: a
// driver implements Device, the stack implements Receiver, and neither knows
// the other. It imports nothing.
package nic

// Checksum and segmentation of a frame, the fields of struct virtio_net_hdr
// (virtio 1.2, 5.1.6) in neutral form. The zero value means a plain frame.
type Offload struct {
	// NeedsCsum: the checksum of the transport header is still to be computed,
	// over the frame from CsumStart, and stored CsumOffset bytes behind that.
	NeedsCsum             bool
	CsumStart, CsumOffset uint16
	// CsumValid: the other side vouches for the transport checksum.
	CsumValid bool
	// GSO: the frame is larger than the MTU and is to be cut (or was joined)
	// into TCP segments of GSOSize payload bytes behind HdrLen header bytes.
	GSO             GSO
	HdrLen, GSOSize uint16
}

// GSO is a kind of segmentation.
type GSO uint8

// Kinds of segmentation.
const (
	GSONone GSO = iota
	GSOTCPv4
	GSOTCPv6
)

// Caps is what was negotiated with the device.
type Caps struct {
	// TxCsum: frames with NeedsCsum may be sent.
	TxCsum bool
	// TxGSO4, TxGSO6: TCP frames of up to 64 KiB may be sent with GSO.
	TxGSO4, TxGSO6 bool
	// RxCsum: frames may arrive with NeedsCsum or CsumValid.
	RxCsum bool
	// RxGSO: joined TCP frames of up to 64 KiB may arrive.
	RxGSO bool
}

// Device is an Ethernet device.
type Device interface {
	// MAC is the hardware address.
	MAC() [6]byte
	// MTU is the largest IP packet in bytes (1500 unless the device says else).
	MTU() int
	Caps() Caps
	// Start begins reception; from then on r gets every good frame and hears
	// of link changes. Called once.
	Start(r Receiver)
	// Send queues one Ethernet frame, given as pieces that are copied before
	// Send returns. It reports false, and sends nothing, if the ring is full;
	// Receiver.TxReady is called when there is room again. Safe for concurrent
	// use. The device may be told only at the next Flush.
	Send(pieces [][]byte, off Offload) bool
	// Flush tells the device about everything queued since the last Flush.
	Flush()
}

// Receiver is the network stack's side. Its methods are called from one
// goroutine of the driver, never concurrently with each other.
type Receiver interface {
	// Receive hands over one Ethernet frame (header first). The memory belongs
	// to the driver again when Receive returns, and the device may write to it
	// before that: whoever looks at the frame more than once, or decides by one
	// part what to do with another, copies it first. Offload fields were checked
	// against the length of the frame.
	Receive(frame []byte, off Offload)
	// Batch is called after the last Receive of a burst.
	Batch()
	// TxReady says that Send may work again after it answered false.
	TxReady()
	// Link reports the link's state; a failed device counts as down.
	Link(up bool)
}
