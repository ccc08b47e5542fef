package qtest

import (
	"bytes"
	"encoding/binary"
	"flag"
	"os"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"skerry/kernel/hw/nic"
	"skerry/kernel/hw/virtio"
	vnet "skerry/kernel/hw/virtio/net"
)

var useTap = flag.Bool("tap", false, "test offloads over a tap device of the host (needs CAP_NET_ADMIN)")

// Numbers of linux/if_tun.h, linux/if_packet.h.
const (
	tunSetIff      = 0x400454ca
	iffTap         = 0x0002
	iffNoPI        = 0x1000
	iffVnetHdr     = 0x4000
	packetVnetHdr  = 15
	solPacket      = 263
	ethPAll        = 0x0003
	vnetHdrSize    = 10 // on a packet socket: without num_buffers
	hostMAC        = "\x52\x54\x00\x11\x22\x99"
	machineMAC     = "\x52\x54\x00\x11\x22\x33"
	tcpHeaders     = 54
	segmentPayload = 1448
)

func ioctl(t *testing.T, fd, op uintptr, arg *[40]byte) {
	if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, fd, op, uintptr(unsafe.Pointer(arg))); e != 0 {
		t.Fatal("ioctl: ", e)
	}
}

// tap makes a tap device that is up and answers it with a packet socket on its
// host side.
func tap(t *testing.T) (*os.File, int) {
	fd, err := syscall.Open("/dev/net/tun", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var req [40]byte
	binary.LittleEndian.PutUint16(req[16:], iffTap|iffNoPI|iffVnetHdr)
	ioctl(t, uintptr(fd), tunSetIff, &req)
	s, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, ethPAll<<8)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(s) })
	name := string(bytes.TrimRight(req[:16], "\x00"))
	os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0)
	ioctl(t, uintptr(s), syscall.SIOCGIFINDEX, &req)
	index := int(binary.LittleEndian.Uint32(req[16:]))
	clear(req[16:])
	binary.LittleEndian.PutUint16(req[16:], syscall.IFF_UP)
	ioctl(t, uintptr(s), syscall.SIOCSIFFLAGS, &req)
	if err := syscall.SetsockoptInt(s, solPacket, packetVnetHdr, 1); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Bind(s, &syscall.SockaddrLinklayer{Protocol: ethPAll << 8, Ifindex: index}); err != nil {
		t.Fatal(err)
	}
	syscall.SetsockoptTimeval(s, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 10})
	syscall.SetsockoptInt(s, syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, 16<<20)
	return os.NewFile(uintptr(fd), "tap"), s
}

// segment is a TCP segment of n payload bytes without a transport checksum but
// for the pseudo-header, as an offloading sender leaves it.
func segment(dst, src string, n int) []byte {
	b := append([]byte(dst+src), 0x08, 0x00)
	ip := make([]byte, 20)
	ip[0], ip[8], ip[9] = 0x45, 64, 6
	binary.BigEndian.PutUint16(ip[2:], uint16(40+n))
	copy(ip[12:], []byte{10, 9, 8, 7, 10, 9, 8, 6})
	binary.BigEndian.PutUint16(ip[10:], ^sum(ip, 0))
	tcp := make([]byte, 20)
	binary.BigEndian.PutUint16(tcp, 1000)
	binary.BigEndian.PutUint16(tcp[2:], 2000)
	tcp[12], tcp[13] = 5<<4, 0x10
	pseudo := append(bytes.Clone(ip[12:20]), 0, 6, byte((20+n)>>8), byte(20+n))
	binary.BigEndian.PutUint16(tcp[16:], sum(pseudo, 0))
	return append(append(append(b, ip...), tcp...), random(n)...)
}

func sum(b []byte, v uint32) uint16 {
	for i := 0; i+1 < len(b); i += 2 {
		v += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for v > 0xffff {
		v = v>>16 + v&0xffff
	}
	return uint16(v)
}

// TestTap sends segments of up to 64 KiB both ways, with checksum and
// segmentation left to the other side.
func TestTap(t *testing.T) {
	if !*useTap {
		t.Skip("changes the host's network; run with -tap")
	}
	for _, m := range machines {
		t.Run(m.name, func(t *testing.T) {
			f, s := tap(t)
			extraFiles = []*os.File{f}
			defer func() { extraFiles = nil; f.Close() }()
			found := m.make(t, "-netdev", "tap,id=n,fd=3", "-device", "virtio-net-BUS,netdev=n,mac=52:54:00:11:22:33")
			c, err := vnet.New(found[virtio.TypeNet], vnet.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if want := (nic.Caps{TxCsum: true, TxGSO4: true, TxGSO6: true, RxCsum: true, RxGSO: true}); c.Caps() != want {
				t.Fatalf("%+v", c.Caps())
			}
			got := make(chan offloaded, 100)
			c.Start(&receiver{got})
			time.Sleep(50 * time.Millisecond) // the device hears of the features
			buf := make([]byte, 70000)
			for i := range 100 {
				n := 100 + i*651
				b := segment(hostMAC, machineMAC, n)
				o := nic.Offload{NeedsCsum: true, CsumStart: 34, CsumOffset: 16}
				if n > 1460 {
					o.GSO, o.HdrLen, o.GSOSize = nic.GSOTCPv4, tcpHeaders, segmentPayload
				}
				for !c.Send([][]byte{b[:tcpHeaders], b[tcpHeaders:]}, o) {
					time.Sleep(time.Millisecond)
				}
				c.Flush()
				for {
					k, _, err := syscall.Recvfrom(s, buf, 0)
					if err != nil {
						t.Fatal("frame ", i, ": ", err)
					}
					if h, p := buf[:vnetHdrSize], buf[vnetHdrSize:k]; string(p[6:12]) == machineMAC {
						if !bytes.Equal(p, b) || n > 1460 && (h[1]&0x7f != 1 || binary.LittleEndian.Uint16(h[4:]) != segmentPayload) || h[0]&1 == 0 {
							t.Fatal("frame ", i, " of ", len(b), " came as ", len(p), " ", h)
						}
						break
					}
				}
				b = segment(machineMAC, hostMAC, n)
				h := make([]byte, vnetHdrSize)
				h[0] = 1
				binary.LittleEndian.PutUint16(h[6:], 34)
				binary.LittleEndian.PutUint16(h[8:], 16)
				if n > 1460 {
					h[1] = 1
					binary.LittleEndian.PutUint16(h[2:], tcpHeaders)
					binary.LittleEndian.PutUint16(h[4:], segmentPayload)
				}
				if _, err := syscall.Write(s, append(h, b...)); err != nil {
					t.Fatal("write: ", err)
				}
				select {
				case r := <-got:
					if !bytes.Equal(r.b, b) || !r.o.NeedsCsum || r.o.CsumStart != 34 || n > 1460 && (r.o.GSO != nic.GSOTCPv4 || r.o.GSOSize != segmentPayload) {
						t.Fatalf("frame %d of %d came as %d, %+v", i, len(b), len(r.b), r.o)
					}
				case <-time.After(10 * time.Second):
					t.Fatal("frame ", i, " never came; ", c.Stats())
				}
			}
			if c.Stats() != (vnet.Stats{}) {
				t.Errorf("%+v", c.Stats())
			}
		})
	}
}

type offloaded struct {
	b []byte
	o nic.Offload
}

type receiver struct{ got chan offloaded }

func (r *receiver) Receive(b []byte, o nic.Offload) {
	if string(b[6:12]) == hostMAC {
		r.got <- offloaded{bytes.Clone(b), o}
	}
}
func (r *receiver) Batch()    {}
func (r *receiver) TxReady()  {}
func (r *receiver) Link(bool) {}
