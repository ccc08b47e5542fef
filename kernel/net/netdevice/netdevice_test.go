package netdevice

import (
	"encoding/binary"
	"math/rand"
	"net/netip"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/hw/nic"
	"skerry/kernel/net/nettest"
	"skerry/kernel/net/sockettest"
	"skerry/kernel/net/stack"
)

func newStack(t testing.TB) *stack.Stack {
	st := stack.New(stack.Config{Memory: 64 << 20, Random: func(b []byte) { clear(b) },
		Device: nettest.NewWire(nic.Caps{}, 1500, func(nettest.Frame) {}),
		V4:     stack.Iface{Addr: netip.MustParsePrefix("10.0.2.15/20")}})
	t.Cleanup(st.Close)
	return st
}

// TestEthernet asks about the link whose answers lo does not have. Sockets of
// each family are compared with Linux in package net.
func TestEthernet(t *testing.T) {
	st := newStack(t)
	for cmd, want := range map[uint32][]byte{
		abi.SIOCGIFADDR:    {2, 0, 0, 0, 10, 0, 2, 15},
		abi.SIOCGIFNETMASK: {2, 0, 0, 0, 255, 255, 240, 0},
		abi.SIOCGIFBRDADDR: {2, 0, 0, 0, 10, 0, 15, 255},
		abi.SIOCGIFINDEX:   {2, 0, 0, 0},
		abi.SIOCGIFMTU:     {0xdc, 5, 0, 0},
		abi.SIOCGIFFLAGS:   {0x43, 0x10},
		abi.SIOCGIFHWADDR:  append([]byte{1, 0}, macOf(st)...),
	} {
		var r request
		copy(r[:], "eth0")
		if e := IoctlInet(st, cmd, sockettest.Address(r[:])); e != abi.OK || string(r.union()[:len(want)]) != string(want) {
			t.Errorf("%#x: %v % x, want % x", cmd, e, r.union(), want)
		}
	}
	var r request
	copy(r[:], "eth0")
	if e := Ioctl(st, abi.SIOCETHTOOL, sockettest.Address(r[:])); e != abi.EOPNOTSUPP {
		t.Error(e)
	}
}

func macOf(st *stack.Stack) []byte {
	m := st.Interfaces()[1].MAC
	return m[:]
}

// check makes a request of arbitrary bytes. Of the buffer nothing but the
// structure may change, and nothing at all if the answer is an error.
func check(t *testing.T, st *stack.Stack, cmd uint32, data []byte) {
	var buf [reqSize + 8]byte
	copy(buf[:reqSize], data)
	if cmd&0xffff == abi.SIOCGIFCONF {
		clear(buf[8:16]) // else it is an address of this test's memory
	}
	was := buf
	e := answer(st, cmd, sockettest.Address(buf[:]), len(data)&1 != 0)
	if e != abi.OK && buf != was || [8]byte(buf[reqSize:]) != [8]byte{} {
		t.Fatalf("%#x: %v, % x became % x", cmd, e, was, buf)
	}
	if e := answer(st, cmd, 8, true); e == abi.OK {
		t.Fatalf("%#x: no memory there, and yet an answer", cmd)
	}
}

// FuzzIoctl makes arbitrary requests.
func FuzzIoctl(f *testing.F) {
	st := newStack(f)
	f.Add(uint32(abi.SIOCGIFADDR), []byte("eth0"))
	f.Add(uint32(abi.SIOCGIFNAME), []byte("0123456789abcdef\x01\x00\x00\x00"))
	f.Add(uint32(abi.SIOCGIFCONF), []byte{80, 0, 0, 0})
	f.Fuzz(func(t *testing.T, cmd uint32, data []byte) { check(t, st, cmd, data) })
}

func TestRandom(t *testing.T) {
	st := newStack(t)
	r := rand.New(rand.NewSource(5))
	for i := 0; i < 20000; i++ {
		b := make([]byte, r.Intn(reqSize+1))
		r.Read(b)
		copy(b, []string{"lo", "eth0", "lo\x00", "eth0:1", ":", ""}[r.Intn(6)])
		if len(b) >= 20 && r.Intn(2) == 0 {
			binary.LittleEndian.PutUint32(b[16:], uint32(r.Intn(4)-1))
		}
		check(t, st, 0x8900+uint32(r.Intn(256)), b)
	}
}
