package net

import (
	"bytes"
	"encoding/binary"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/net/sockettest"
)

// ifreqSize is sizeof(struct ifreq).
const ifreqSize = 40

// ifreq is a struct ifreq that asks about a link, its union full of a pattern.
func ifreq(name string) []byte {
	b := bytes.Repeat([]byte{0xee}, ifreqSize)
	clear(b[:abi.IFNAMSIZ])
	copy(b, name)
	return b
}

// TestLinkRequests compares the questions about lo, which is the same
// everywhere.
func TestLinkRequests(t *testing.T) {
	n := newNet(t)
	for _, domain := range []int{abi.AF_INET, abi.AF_INET6, abi.AF_UNIX, abi.AF_NETLINK} {
		for _, typ := range []int{abi.SOCK_STREAM, abi.SOCK_DGRAM} {
			if domain == abi.AF_NETLINK && typ == abi.SOCK_STREAM {
				continue
			}
			sockettest.Diff(t, func(x *sockettest.Script) {
				s := x.NewSocket("s", domain, typ)
				for _, cmd := range []uint{abi.SIOCGIFFLAGS, abi.SIOCGIFADDR, abi.SIOCGIFDSTADDR, abi.SIOCGIFBRDADDR, abi.SIOCGIFNETMASK,
					abi.SIOCGIFMETRIC, abi.SIOCGIFMTU, abi.SIOCGIFHWADDR, abi.SIOCGIFINDEX, abi.SIOCGIFTXQLEN,
					abi.SIOCGIFMAP, 0x89aa} {
					x.IoctlBytes(s, cmd, ifreq("lo"))
					x.IoctlBytes(s, cmd, ifreq("none"))
					x.IoctlBytes(s, cmd, ifreq("lo\x00x"))
					x.IoctlBytes(s, cmd, ifreq(""))
					x.IoctlBytes(s, cmd, ifreq("lolololololololo"))
					x.IoctlBytes(s, cmd, ifreq("lo:1"))
					x.IoctlBytes(s, cmd, nil)
				}
				for _, i := range []int{1, 0, -1, 1 << 30} {
					r := ifreq("name")
					copy(r[abi.IFNAMSIZ:], sockettest.I32(i))
					x.IoctlBytes(s, abi.SIOCGIFNAME, r)
				}
				x.IoctlBytes(s, 0x12345678, ifreq("lo"))
			}, n.Socket)
		}
	}
}

func TestLinkList(t *testing.T) {
	s, e := newNet(t).Socket(abi.AF_INET, abi.SOCK_DGRAM, 0)
	if e != abi.OK {
		t.Fatal(e)
	}
	defer s.Release()
	ask := func(buf []byte, room int) (int, abi.Errno) {
		c := make([]byte, 16)
		binary.LittleEndian.PutUint32(c, uint32(room))
		binary.LittleEndian.PutUint64(c[8:], uint64(sockettest.Address(buf)))
		_, e := s.Ioctl(abi.SIOCGIFCONF, sockettest.Address(c))
		return int(int32(binary.LittleEndian.Uint32(c))), e
	}
	if n, e := ask(nil, 0); n != 2*ifreqSize || e != abi.OK {
		t.Error("asked for the length:", n, e)
	}
	buf := make([]byte, 200)
	for room, want := range map[int]int{200: 80, 80: 80, 79: 40, 40: 40, 39: 0, 0: 0, -1: 0} {
		clear(buf)
		n, e := ask(buf, room)
		if n != want || e != abi.OK {
			t.Error("room for", room, ":", n, e)
		}
		if i := bytes.IndexByte(buf[n:], 127); i >= 0 {
			t.Error("room for", room, ": wrote more than", n)
		}
	}
	ask(buf, 200)
	if string(buf[:3]) != "lo\x00" || !bytes.Equal(buf[16:24], []byte{2, 0, 0, 0, 127, 0, 0, 1}) ||
		string(buf[40:45]) != "eth0\x00" || !bytes.Equal(buf[56:64], []byte{2, 0, 0, 0, 10, 0, 2, 15}) {
		t.Errorf("% x", buf[:80])
	}
	if _, e := s.Ioctl(abi.SIOCGIFCONF, 1); e != abi.EFAULT {
		t.Error(e)
	}
	for _, cmd := range []uint32{abi.SIOCSIFFLAGS, abi.SIOCSIFADDR, 0x8924, abi.SIOCADDRT} {
		if _, e := s.Ioctl(cmd, sockettest.Address(ifreq("lo"))); e != abi.EPERM {
			t.Error(cmd, e)
		}
	}
}
