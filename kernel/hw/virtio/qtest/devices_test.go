package qtest

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/block"
	"skerry/kernel/hw/nic"
	"skerry/kernel/hw/virtio"
	"skerry/kernel/hw/virtio/blk"
	"skerry/kernel/hw/virtio/console"
	vnet "skerry/kernel/hw/virtio/net"
	"skerry/kernel/hw/virtio/rng"
	"skerry/kernel/wait"
)

func soon() int64 { return wait.Now() + int64(20*time.Second) }

func random(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestBlock(t *testing.T) {
	for _, m := range machines {
		t.Run(m.name, func(t *testing.T) {
			data := random(4 << 20)
			img := filepath.Join(t.TempDir(), "disk")
			if err := os.WriteFile(img, data, 0o600); err != nil {
				t.Fatal(err)
			}
			found := m.make(t, "-drive", "if=none,id=d,format=raw,read-only=on,file="+img, "-device", "virtio-blk-BUS,drive=d,serial=skerry-root")
			d, err := blk.New(found[virtio.TypeBlock], blk.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if d.Size() != 4<<20 || !d.ReadOnly() {
				t.Error(d.Size(), d.ReadOnly())
			}
			if s, e := d.Serial(); s != "skerry-root" || e != abi.OK {
				t.Error(s, e)
			}
			var wg sync.WaitGroup
			for g := range 4 {
				wg.Add(1)
				go func() {
					defer wg.Done()
					r := rand.New(rand.NewPCG(2, uint64(g)))
					p := frame.AllocOrder(frame.KindKernel, 8)
					for range 40 {
						n := (1 + r.IntN(2048)) * 512
						off := r.IntN((len(data)-n)/512+1) * 512
						var segs []block.Seg
						for at := 0; at < n; {
							k := min((1+r.IntN(16))*512, n-at)
							segs = append(segs, block.Seg{Phys: p.Phys() + uint64(at), Len: uint32(k)})
							at += k
						}
						if r.IntN(2) == 0 { // scattered, so that nothing is joined
							segs = segs[:0]
							n = min(n, 128*4096)
							for at := 0; at < n; at += 512 {
								segs = append(segs, block.Seg{Phys: p.Phys() + uint64(at), Len: 512})
							}
							for i := range segs {
								j := i ^ 1
								if j < len(segs) && i < j {
									segs[i], segs[j] = segs[j], segs[i]
								}
							}
						}
						clear(p.Bytes())
						if e := d.Read(int64(off), segs); e != abi.OK {
							t.Error("read:", e)
							return
						}
						at := off
						for _, s := range segs {
							if !bytes.Equal(p.Bytes()[s.Phys-p.Phys():][:s.Len], data[at:at+int(s.Len)]) {
								t.Error("wrong data at", at)
								return
							}
							at += int(s.Len)
						}
					}
				}()
			}
			wg.Wait()
		})
	}
}

func TestEntropy(t *testing.T) {
	for _, m := range machines {
		t.Run(m.name, func(t *testing.T) {
			found := m.make(t, "-device", "virtio-rng-BUS")
			s, err := rng.New(found[virtio.TypeEntropy])
			if err != nil {
				t.Fatal(err)
			}
			a, b := make([]byte, 64), make([]byte, 1000)
			if n := s.Read(a, soon()); n != len(a) {
				t.Fatal(n, s.Failed())
			}
			if n := s.Read(b, soon()); n != len(b) || bytes.Equal(a, b[:64]) {
				t.Fatal(n, s.Failed())
			}
			s.Close()
		})
	}
}

// sockets makes a listening socket for each name and answers the arguments that
// give QEMU its ends.
func listen(t *testing.T, name string) (*net.UnixListener, string) {
	path := filepath.Join(t.TempDir(), name)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.UnixListener), path
}

func TestConsole(t *testing.T) {
	for _, m := range machines {
		t.Run(m.name, func(t *testing.T) {
			var ls []*net.UnixListener
			args := []string{"-device", "virtio-serial-BUS,max_ports=8"}
			for i, name := range []string{"zero", "one", "two", "three"} {
				l, path := listen(t, name)
				ls = append(ls, l)
				args = append(args, "-chardev", "socket,id=c"+name+",path="+path)
				if i == 0 {
					args = append(args, "-device", "virtconsole,nr=0,chardev=c"+name)
				} else {
					args = append(args, "-device", "virtserialport,name=org."+name+",nr="+string('0'+rune(i))+",chardev=c"+name)
				}
			}
			found := m.make(t, args...)
			var conns []net.Conn
			for _, l := range ls {
				l.SetDeadline(time.Now().Add(20 * time.Second))
				c, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				conns = append(conns, c)
			}
			hung := make(chan bool, 4)
			var mu sync.Mutex
			var got bytes.Buffer
			o := console.Options{}
			o.Ports[0], o.Ports[1], o.Ports[2] = &console.PortOptions{}, &console.PortOptions{}, &console.PortOptions{Output: 4096}
			o.Ports[3] = &console.PortOptions{HangUp: func() { hung <- true }, Input: func(b []byte) {
				mu.Lock()
				got.Write(b)
				mu.Unlock()
			}}
			c, err := console.New(found[virtio.TypeConsole], o)
			if err != nil {
				t.Fatal(err)
			}
			write := func(p *console.Port, b []byte) {
				var w wait.Waiter
				for len(b) > 0 {
					n, e := w.Retry(p, 4 /* POLLOUT */, soon(), func() (int, abi.Errno) { return p.Write(b) })
					if e != abi.OK {
						t.Error("write:", e)
						return
					}
					b = b[n:]
				}
			}
			// Far more than any buffer on the way holds, with a reader that is
			// late: nothing may be lost on a virtserialport.
			data := random(1 << 20)
			var wg sync.WaitGroup
			for i := 1; i <= 3; i++ {
				wg.Add(2)
				go func() { defer wg.Done(); write(c.Port(i), data) }()
				go func() {
					defer wg.Done()
					time.Sleep(50 * time.Millisecond)
					b := make([]byte, len(data))
					conns[i].SetDeadline(time.Now().Add(20 * time.Second))
					if _, err := io.ReadFull(conns[i], b); err != nil || !bytes.Equal(b, data) {
						t.Error("port", i, err)
					}
				}()
			}
			wg.Wait()
			write(c.Port(0), []byte("hello"))
			b := make([]byte, 5)
			if _, err := io.ReadFull(conns[0], b); err != nil || string(b) != "hello" {
				t.Error(string(b), err)
			}
			if e := c.Drain(soon()); e != abi.OK {
				t.Error(e)
			}
			if c.Port(3).Name() != "org.three" || c.Ignored() != 0 {
				t.Error(c.Port(3).Name(), c.Ignored())
			}
			conns[3].Write(data[:100000])
			eventually(t, "input arrives", func() bool { mu.Lock(); defer mu.Unlock(); return got.Len() == 100000 })
			if !bytes.Equal(got.Bytes(), data[:100000]) {
				t.Error("other input")
			}
			conns[3].Close()
			select {
			case <-hung:
			case <-time.After(20 * time.Second):
				t.Fatal("hang-up not seen")
			}
			if _, e := c.Port(3).Write(data[:1]); e != abi.EPIPE {
				t.Error(e)
			}
			write(c.Port(1), []byte("still"))
			if _, err := io.ReadFull(conns[1], b); err != nil || string(b) != "still" {
				t.Error(string(b), err)
			}
		})
	}
}

type stack struct {
	mu     sync.Mutex
	frames [][]byte
	ready  chan bool
}

func (s *stack) Receive(b []byte, o nic.Offload) {
	s.mu.Lock()
	s.frames = append(s.frames, bytes.Clone(b))
	s.mu.Unlock()
}
func (s *stack) Batch()    {}
func (s *stack) TxReady()  { s.ready <- true }
func (s *stack) Link(bool) {}

func TestNetwork(t *testing.T) {
	for _, m := range machines {
		t.Run(m.name, func(t *testing.T) {
			dir := t.TempDir()
			ours, theirs := filepath.Join(dir, "ours"), filepath.Join(dir, "theirs")
			wire, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: ours, Net: "unixgram"})
			if err != nil {
				t.Fatal(err)
			}
			defer wire.Close()
			found := m.make(t, "-netdev", "dgram,id=n,local.type=unix,local.path="+theirs+",remote.type=unix,remote.path="+ours,
				"-device", "virtio-net-BUS,netdev=n,mac=52:54:00:11:22:33")
			c, err := vnet.New(found[virtio.TypeNet], vnet.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if c.MAC() != [6]byte{0x52, 0x54, 0, 0x11, 0x22, 0x33} || c.MTU() != 1500 {
				t.Errorf("%x %d", c.MAC(), c.MTU())
			}
			t.Logf("%+v", c.Caps())
			s := &stack{ready: make(chan bool, 100)}
			c.Start(s)
			const frames = 2000
			make1 := func(i int) []byte {
				b := random(60 + i%1455)
				copy(b, []byte{0x52, 0x54, 0, 0x11, 0x22, 0x33})
				b[14], b[15] = byte(i), byte(i>>8)
				return b
			}
			done := make(chan bool)
			go func() {
				defer close(done)
				b := make([]byte, 4096)
				for i := range frames {
					wire.SetReadDeadline(time.Now().Add(20 * time.Second))
					n, err := wire.Read(b)
					if err != nil || !bytes.Equal(b[:n], make1(i)) {
						t.Error("frame", i, n, err)
						return
					}
				}
			}()
			for i := range frames {
				b := make1(i)
				for !c.Send([][]byte{b[:14], b[14:]}, nic.Offload{}) {
					<-s.ready
				}
				if i%5 == 4 || i == frames-1 {
					c.Flush()
				}
			}
			<-done
			peer := &net.UnixAddr{Name: theirs, Net: "unixgram"}
			for i := range frames {
				if _, err := wire.WriteToUnix(make1(i), peer); err != nil {
					t.Fatal(err)
				}
			}
			eventually(t, "frames arrive", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.frames) >= frames })
			for i, b := range s.frames {
				if !bytes.Equal(b, make1(i)) {
					t.Fatal("frame", i, "is another")
				}
			}
			if c.Stats() != (vnet.Stats{}) {
				t.Errorf("%+v", c.Stats())
			}
		})
	}
}
