package net

import (
	"encoding/binary"

	"skerry/kernel/hw/nic"
)

// struct virtio_net_hdr, virtio 1.2, 5.1.6: u8 flags, u8 gso_type, le16
// hdr_len, gso_size, csum_start, csum_offset, num_buffers. A modern device has
// all of it whatever was negotiated.
const (
	headerSize = 12

	flagNeedsCsum = 1
	flagDataValid = 2

	gsoNone  = 0
	gsoTCPv4 = 1
	gsoTCPv6 = 4
)

// offload turns the header of a received frame, as read from the buffer (lo is
// its first eight bytes, hi the other four), into neutral form, for a frame of n
// bytes. ok is false if it contradicts the frame or what was negotiated.
func (c *Card) offload(lo uint64, hi uint32, n int) (o nic.Offload, ok bool) {
	flags, gso := uint8(lo), uint8(lo>>8)
	hdrLen, gsoSize := uint16(lo>>16), uint16(lo>>32)
	start, offset := uint16(lo>>48), uint16(hi)
	if n < etherHeader {
		return o, false
	}
	switch {
	case flags&flagNeedsCsum != 0:
		if !c.caps.RxCsum || start < etherHeader || int(start)+int(offset)+2 > n {
			return o, false
		}
		o.NeedsCsum, o.CsumStart, o.CsumOffset = true, start, offset
	case flags&flagDataValid != 0:
		o.CsumValid = c.caps.RxCsum
	}
	switch gso {
	case gsoNone:
		return o, true
	case gsoTCPv4:
		o.GSO = nic.GSOTCPv4
	case gsoTCPv6:
		o.GSO = nic.GSOTCPv6
	default:
		return o, false
	}
	if !c.tso[o.GSO] || gsoSize == 0 || int(hdrLen) > n {
		return o, false
	}
	if int(gsoSize) >= n {
		o.GSO = nic.GSONone // one segment, so not joined at all
		return o, true
	}
	o.HdrLen, o.GSOSize = hdrLen, gsoSize
	return o, true
}

// putHeader writes the header of a frame of n bytes to be sent; ok is false if
// it asks for what was not negotiated or does not fit the frame.
func (c *Card) putHeader(b []byte, o *nic.Offload, n int) (ok bool) {
	b = b[:headerSize]
	clear(b)
	if o.NeedsCsum {
		if !c.caps.TxCsum || int(o.CsumStart)+int(o.CsumOffset)+2 > n {
			return false
		}
		b[0] = flagNeedsCsum
		binary.LittleEndian.PutUint16(b[6:], o.CsumStart)
		binary.LittleEndian.PutUint16(b[8:], o.CsumOffset)
	}
	switch o.GSO {
	case nic.GSONone:
		// 5.1.6.2.1: without segmentation a frame keeps to the MTU.
		return n <= c.mtu+etherHeader+vlanTag
	case nic.GSOTCPv4:
		b[1] = gsoTCPv4
		ok = c.caps.TxGSO4
	case nic.GSOTCPv6:
		b[1] = gsoTCPv6
		ok = c.caps.TxGSO6
	}
	// 5.1.6.2.1: segmentation goes with a checksum left to the device.
	if !ok || !o.NeedsCsum || o.GSOSize == 0 || o.HdrLen == 0 || int(o.HdrLen) > n {
		return false
	}
	binary.LittleEndian.PutUint16(b[2:], o.HdrLen)
	binary.LittleEndian.PutUint16(b[4:], o.GSOSize)
	return true
}
