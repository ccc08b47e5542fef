package nbd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// disk is a Disk whose last block cannot be read.
type disk []byte

func (d disk) Size() int64 { return int64(len(d)) }

func (d disk) ReadAt(b []byte, off int64) (int, error) {
	if off+int64(len(b)) > int64(len(d))-block {
		return 0, errors.New("damaged")
	}
	return copy(b, d[off:]), nil
}

func content() disk {
	d := make(disk, 64*block)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range d {
		d[i] = byte(r.Uint32())
	}
	return d
}

// TestQEMU: QEMU's own tool reads the disk, and may not write it.
func TestQEMU(t *testing.T) {
	tool, err := exec.LookPath("qemu-io")
	if err != nil {
		t.Skip("there is no qemu-io (package qemu-utils)")
	}
	d := content()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan error, 8)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { done <- Serve(c, d); c.Close() }()
		}
	}()
	out := filepath.Join(t.TempDir(), "out")
	cmd := exec.Command(filepath.Join(filepath.Dir(tool), "qemu-img"), "dd", "-f", "raw", "-O", "raw", "bs=4096", "count=63", "if=nbd+unix:///x?socket="+socket, "of="+out)
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	if b, err := os.ReadFile(out); err != nil || !bytes.Equal(b, d[:63*block]) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// peer is the other side, by hand.
type peer struct {
	t *testing.T
	net.Conn
}

func (p *peer) send(parts ...any) {
	for _, x := range parts {
		if err := binary.Write(p, binary.BigEndian, x); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *peer) get(n int) []byte {
	p.t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(p, b); err != nil {
		p.t.Fatal(err)
	}
	return b
}

func start(t *testing.T, d Disk) (*peer, chan error) {
	a, b := net.Pipe()
	deadline := time.Now().Add(20 * time.Second)
	a.SetDeadline(deadline)
	b.SetDeadline(deadline)
	done := make(chan error, 1)
	go func() { done <- Serve(b, d); b.Close() }()
	p := &peer{t, a}
	if h := p.get(18); string(h[:16]) != "NBDMAGICIHAVEOPT" || h[17] != 3 {
		t.Fatalf("%q", h)
	}
	p.send(uint32(3))
	return p, done
}

func (p *peer) export() {
	p.send(uint64(magicOption), uint32(optExportName), uint32(1), []byte("x"))
	p.get(10)
}

func (p *peer) request(kind uint16, off uint64, n uint32) (e uint32) {
	p.send(uint32(magicRequest), uint16(0), kind, uint64(7), off, n)
	if kind == 1 {
		p.send(make([]byte, n))
	}
	h := p.get(16)
	if binary.BigEndian.Uint32(h) != magicSimple || binary.BigEndian.Uint64(h[8:]) != 7 {
		p.t.Fatalf("%x", h)
	}
	return binary.BigEndian.Uint32(h[4:])
}

func TestRequests(t *testing.T) {
	d := content()
	p, done := start(t, d)
	p.send(uint64(magicOption), uint32(8), uint32(0)) // structured replies
	if h := p.get(20); binary.BigEndian.Uint32(h[12:]) != repErrUnsup {
		t.Errorf("%x", h)
	}
	p.export()
	for _, c := range []struct {
		kind uint16
		off  uint64
		n    uint32
		want uint32
	}{
		{cmdRead, 0, block, 0}, {cmdRead, 3 * block, 100, 0}, {cmdRead, 64 * block, 0, errIO}, {cmdRead, 63 * block, block, errIO}, {cmdRead, 64 * block, 1, errInval},
		{cmdRead, 1 << 63, 1, errInval}, {cmdRead, ^uint64(0), 1, errInval}, {cmdRead, 0, 1 << 31, errInval}, {cmdFlush, 0, 0, 0}, {1, 0, 512, errPerm}, {4, 0, 0, errInval}, {99, 0, 0, errInval},
	} {
		e := p.request(c.kind, c.off, c.n)
		if e != c.want {
			t.Errorf("%+v: %d", c, e)
		}
		if c.kind == cmdRead && e == 0 {
			if b := p.get(int(c.n)); !bytes.Equal(b, d[c.off:c.off+uint64(c.n)]) {
				t.Errorf("%+v: other bytes", c)
			}
		}
	}
	p.send(uint32(magicRequest), uint16(0), uint16(cmdDisc), uint64(0), uint64(0), uint32(0))
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestBroken: what breaks the protocol ends it with an error, and nothing hangs.
func TestBroken(t *testing.T) {
	for name, f := range map[string]func(p *peer){
		"option magic":  func(p *peer) { p.send(uint64(1), uint32(1), uint32(0)) },
		"option length": func(p *peer) { p.send(uint64(magicOption), uint32(1), uint32(1<<31)) },
		"request magic": func(p *peer) { p.export(); p.send(make([]byte, 28)) },
	} {
		p, done := start(t, content())
		f(p)
		if err := <-done; err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	p, done := start(t, content())
	p.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

type stream struct {
	io.Reader
	io.Writer
}

func FuzzServe(f *testing.F) {
	f.Add([]byte{0, 0, 0, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = Serve(stream{bytes.NewReader(b), io.Discard}, content())
	})
}
