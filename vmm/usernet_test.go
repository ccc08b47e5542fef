package vmm

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"skerry/vmm/fakevm"
)

// TestLoopbackAliases sends datagrams into QEMU's user network as a machine
// would, and sees which destinations reach the host's loopback: all of them are
// denied to the program, or are such that a network stack never sends them out.
func TestLoopbackAliases(t *testing.T) {
	qemu, err := FindQEMU()
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	ours, theirs := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: ours, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	user := fakevm.Option(args(&Config{Network: true}, Accel{}, nil, fds{}, false), "-netdev", 0)
	cmd := exec.Command(qemu, "-M", "none", "-display", "none", "-nodefaults", "-netdev", user,
		"-netdev", fmt.Sprintf("dgram,id=s,local.type=unix,local.path=%s,remote.type=unix,remote.path=%s", theirs, ours),
		"-netdev", "hubport,id=h1,hubid=0,netdev=net", "-netdev", "hubport,id=h2,hubid=0,netdev=s")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()

	l4, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l4.Close()
	port := l4.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	listeners := []net.PacketConn{l4}
	if l6, err := net.ListenPacket("udp6", fmt.Sprintf("[::1]:%d", port)); err == nil {
		defer l6.Close()
		listeners = append(listeners, l6)
	} else {
		t.Log("no IPv6 loopback here: IPv6 not tried")
	}
	var mu sync.Mutex
	reached := map[netip.Addr]bool{}
	var wg sync.WaitGroup
	for _, l := range listeners {
		wg.Go(func() {
			b := make([]byte, 100)
			for {
				n, _, err := l.ReadFrom(b)
				if err != nil {
					return
				}
				mu.Lock()
				reached[netip.MustParseAddr(string(b[:n]))] = true
				mu.Unlock()
			}
		})
	}
	go func() { // the network may ask for us; its questions are not needed here
		b := make([]byte, 2048)
		for {
			if _, err := conn.Read(b); err != nil {
				return
			}
		}
	}()

	// The host's own alias goes first, until it is there: then QEMU is up.
	host := netip.MustParseAddr(hostV4)
	source := uint16(4000)
	send := func(a netip.Addr) error {
		source++ // a port each: the network keeps one peer for a port
		_, err := conn.WriteTo(datagram(a, source, port, a.String()), &net.UnixAddr{Name: theirs, Net: "unixgram"})
		return err
	}
	seen := func(a netip.Addr) bool { mu.Lock(); defer mu.Unlock(); return reached[a] }
	for begin := time.Now(); !seen(host); time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > 5*time.Second {
			t.Skipf("cannot be tried with this QEMU: %s", &stderr)
		}
		_ = send(host)
	}
	candidates := "10.0.2.3 10.0.2.4 10.0.2.77 10.0.2.0 10.0.2.255 255.255.255.255 127.0.0.1 127.1.2.3 0.0.0.0 10.0.2.15 224.0.0.1 192.168.0.1 169.254.1.1 " +
		"fec0::2 fec0::3 fec0::77 fec0::ffff:1 fec0:0:0:1::2 ::1 :: fe80::2 ff02::1 ff02::2 ff05::1 ff01::1 ::ffff:127.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::"
	for c := range strings.FieldsSeq(candidates) {
		if err := send(netip.MustParseAddr(c)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(300 * time.Millisecond)
	for _, l := range listeners {
		l.Close()
	}
	wg.Wait()
	deny := network(false, "/dev/null").Deny
	for a := range reached {
		denied := a.Unmap().IsLoopback() || a.IsUnspecified()
		for _, p := range deny {
			denied = denied || p.Contains(a)
		}
		t.Logf("%v reaches the loopback", a)
		if !denied {
			t.Errorf("%v reaches the host's loopback and is not denied", a)
		}
	}
}

// datagram is an Ethernet frame with a UDP datagram from the machine.
func datagram(to netip.Addr, from, port uint16, text string) []byte {
	be := binary.BigEndian
	udp := make([]byte, 8, 8+len(text))
	be.PutUint16(udp, from)
	be.PutUint16(udp[2:], port)
	be.PutUint16(udp[4:], uint16(8+len(text)))
	udp = append(udp, text...)
	var ip []byte
	kind := uint16(0x0800)
	if to.Is4() {
		ip = make([]byte, 20)
		ip[0], ip[8], ip[9] = 0x45, 64, 17
		be.PutUint16(ip[2:], uint16(20+len(udp)))
		copy(ip[12:], netip.MustParseAddr(machineV4).AsSlice())
		copy(ip[16:], to.AsSlice())
		be.PutUint16(ip[10:], checksum(ip))
	} else {
		kind = 0x86dd
		ip = make([]byte, 40)
		ip[0], ip[6], ip[7] = 0x60, 17, 64
		be.PutUint16(ip[4:], uint16(len(udp)))
		copy(ip[8:], netip.MustParseAddr(machineV6).AsSlice())
		copy(ip[24:], to.AsSlice())
		pseudo := append(append([]byte{}, ip[8:]...), 0, 0, byte(len(udp)>>8), byte(len(udp)), 0, 0, 0, 17)
		be.PutUint16(udp[6:], checksum(append(pseudo, udp...)))
	}
	f := append([]byte{0x52, 0x55, 10, 0, 2, 2, 0x52, 0x54, 0, 0x12, 0x34, 0x56}, byte(kind>>8), byte(kind))
	f = append(append(f, ip...), udp...)
	return append(f, make([]byte, max(0, 60-len(f)))...)
}

// checksum is the Internet checksum (RFC 1071).
func checksum(b []byte) uint16 {
	var s uint32
	for i, x := range b {
		s += uint32(x) << (8 * (1 - i%2))
	}
	for s>>16 != 0 {
		s = s&0xffff + s>>16
	}
	return ^uint16(s)
}
