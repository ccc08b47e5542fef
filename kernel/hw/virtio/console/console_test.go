package console

import (
	"bytes"
	"encoding/binary"
	"flag"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/virtio"
	"skerry/kernel/hw/virtio/virtiotest"
	"skerry/kernel/wait"
)

var runs = flag.Int("runs", 2000, "executions of each campaign against a hostile device")

func TestMain(m *testing.M) {
	flag.Parse()
	frame.InitHost(1 << 18) // a driver's goroutine keeps its frames, test after test
	os.Exit(m.Run())
}

const hostPorts = 5 // that the device has

func config(ports uint32) []byte {
	return binary.LittleEndian.AppendUint32(make([]byte, 4), ports)
}

// queues is the sizes of all queues of a device with n ports.
func queues(n int, size uint16) []uint16 {
	q := make([]uint16, 2*n+2)
	for i := range q {
		q[i] = size
	}
	return q
}

// host is an honest device and what is behind it: the ends of its ports.
type host struct {
	*virtiotest.Device
	mu      sync.Mutex
	got     [hostPorts][]byte
	opened  [hostPorts]bool     // the driver's end
	mine    [hostPorts]bool     // the host's end
	hold    [hostPorts]bool     // takes nothing for now
	todo    [][]byte            // control messages to give
	toPort  [hostPorts][][]byte // input to give
	pending map[int][]virtiotest.Chain
	shuffle *rand.Rand
	present []int
	ready   bool
	connect bool // the host's ends are open from the start
}

func newHost(features uint64, size uint16) *host {
	return &host{
		Device:  virtiotest.New(virtio.TypeConsole, features|1<<featureMultiport, config(hostPorts), queues(hostPorts, size)...),
		pending: map[int][]virtiotest.Chain{}, present: []int{0, 1, 2, 3}, connect: true,
	}
}

func message(port uint32, event, value uint16, name string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, port)
	b = binary.LittleEndian.AppendUint16(b, event)
	b = binary.LittleEndian.AppendUint16(b, value)
	return append(b, name...)
}

// say queues a control message.
func (h *host) say(port uint32, event, value uint16, name string) {
	h.mu.Lock()
	h.add(port, event, value, name)
	h.mu.Unlock()
}

func (h *host) add(port uint32, event, value uint16, name string) {
	h.todo = append(h.todo, message(port, event, value, name))
	if event == ctlPortOpen || event == ctlConsolePort {
		h.mine[port] = value != 0
	}
}

func (h *host) send(port int, b string) {
	h.mu.Lock()
	h.toPort[port] = append(h.toPort[port], []byte(b))
	h.mu.Unlock()
}

func (h *host) setHold(port int, on bool) {
	h.mu.Lock()
	h.hold[port] = on
	h.mu.Unlock()
}

func (h *host) output(port int) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return string(h.got[port])
}

func (h *host) step() (worked bool) {
	if !h.Running() {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	give := func(q uint16, list *[][]byte) {
		ring := h.Ring(q)
		if ring == nil {
			return
		}
		for len(*list) > 0 {
			c, ok := ring.Pop()
			if !ok {
				ring.WantBells(true)
				return
			}
			n := c.Fill((*list)[0])
			if (*list)[0] = (*list)[0][n:]; len((*list)[0]) == 0 {
				*list = (*list)[1:]
			}
			if ring.Push(c.Head, n) {
				h.Interrupt()
			}
			worked = true
		}
	}
	h.take(queueControlOut, func(b []byte) {
		port, event, value := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint16(b[6:])
		switch {
		case len(b) != controlSize || value != 1:
			panic("bad control message")
		case event == ctlDeviceReady:
			h.ready = true
			for _, p := range h.present {
				h.add(uint32(p), ctlDeviceAdd, 1, "")
			}
		case event == ctlPortReady:
			h.add(port, ctlPortName, 1, "port"+string('0'+rune(port))+"\x00")
			if h.connect {
				h.add(port, ctlPortOpen, 1, "")
			}
		case event == ctlPortOpen:
			h.opened[port] = true
		}
	})
	give(queueControlIn, &h.todo)
	for i := range hostPorts {
		if !h.hold[i] {
			if h.take(inputQueue(i)+1, func(b []byte) {
				if h.mine[i] { // else it is lost, as with QEMU
					h.got[i] = append(h.got[i], b...)
				}
			}) {
				worked = true
			}
		}
		give(inputQueue(i), &h.toPort[i])
	}
	return worked
}

// take serves an output queue when told to, in order of data, returning the
// buffers in any order.
func (h *host) take(q uint16, use func(b []byte)) bool {
	ring := h.Ring(q)
	if ring == nil || !h.Rung(q) && h.pending[int(q)] == nil {
		return false
	}
	for {
		ring.WantBells(false)
		var held []virtiotest.Chain
		for {
			c, ok := ring.Pop()
			if !ok {
				break
			}
			use(c.Read())
			held = append(held, c)
		}
		if h.shuffle != nil {
			h.shuffle.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
		}
		for _, c := range held {
			ring.Put(c.Head, 0)
		}
		if len(held) > 0 && ring.Publish() {
			h.Interrupt()
		}
		if !ring.WantBells(true) {
			return true
		}
	}
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

func ports(n int, o PortOptions) (list [MaxPorts]*PortOptions) {
	for i := range n {
		p := o
		list[i] = &p
	}
	return list
}

func soon() int64 { return wait.Now() + int64(10*time.Second) }

// writeAll writes as a blocking file does.
func writeAll(t testing.TB, p *Port, b []byte) {
	var w wait.Waiter
	for len(b) > 0 {
		n, e := w.Retry(p, waiter.EventOut, soon(), func() (int, abi.Errno) { return p.Write(b) })
		if e != abi.OK {
			t.Error("write:", e)
			return
		}
		b = b[n:]
	}
}

// TestPorts writes to four ports from several goroutines, in pieces of all
// sizes, with and without event indices, with rings small and large.
func TestPorts(t *testing.T) {
	for name, c := range map[string]struct {
		features uint64
		size     uint16
		ring     uint32
	}{
		"event":      {virtio.FeatureEventIdx, 128, 0},
		"flags":      {0, 128, 4096},
		"tiny queue": {virtio.FeatureEventIdx, 2, 4096},
		"two chains": {0, 4, 8192},
	} {
		h := newHost(c.features, c.size)
		h.shuffle = rand.New(rand.NewPCG(1, 1))
		h.Run(t, h.step)
		con, err := New(h, Options{Ports: ports(4, PortOptions{Output: c.ring})})
		if err != nil {
			t.Fatal(err)
		}
		const lines = 400
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				r := rand.New(rand.NewPCG(uint64(g), 3))
				for i := range lines {
					// A line is at most 4096 bytes, so it is never torn.
					line := make([]byte, 5+r.IntN(200))
					if i%50 == 0 {
						line = make([]byte, 4096)
					}
					for k := range line {
						line[k] = byte('a' + g)
					}
					line[0], line[1], line[2], line[3] = byte(i>>8)|128, byte(i)&127|128, byte(len(line)>>7)|128, byte(len(line))&127|128
					line[len(line)-1] = '\n'
					writeAll(t, con.Port(g%4), line)
				}
			}()
		}
		wg.Wait()
		if e := con.Drain(soon()); e != abi.OK || !con.Drained() {
			t.Fatal(name, e)
		}
		for p := range 4 {
			var next [8]int
			b := []byte(h.output(p))
			for len(b) > 0 {
				n := int(b[2]&127)<<7 | int(b[3]&127)
				if n < 5 || n > len(b) || b[n-1] != '\n' {
					t.Fatal(name, "torn line")
				}
				g := int(b[4] - 'a')
				if n > 5 && (g < 0 || g > 7 || bytes.Count(b[4:n-1], b[4:5]) != n-5) {
					t.Fatal(name, "mixed line")
				}
				if n > 5 {
					next[g]++
				}
				b = b[n:]
			}
			if n := strings.Count(h.output(p), "\n"); n != 2*lines {
				t.Error(name, "port", p, n, "lines")
			}
		}
		if con.Port(1).Name() != "port1" || !con.Port(1).Open() || con.Port(5) != nil || con.Ignored() != 0 {
			t.Error(name, con.Port(1).Name(), con.Ignored())
		}
	}
}

func TestInput(t *testing.T) {
	h := newHost(virtio.FeatureEventIdx, 64)
	h.Run(t, h.step)
	var mu sync.Mutex
	var got [2]strings.Builder
	o := Options{}
	for i := range 2 {
		o.Ports[i] = &PortOptions{Input: func(b []byte) {
			mu.Lock()
			got[i].Write(b)
			mu.Unlock()
		}}
	}
	o.Ports[3] = &PortOptions{}
	if _, err := New(h, o); err != nil {
		t.Fatal(err)
	}
	var want [2]strings.Builder
	r := rand.New(rand.NewPCG(1, 5))
	for i := range 200 {
		s := strings.Repeat(string('a'+rune(i%26)), 1+r.IntN(3000))
		h.send(i%2, s)
		want[i%2].WriteString(s)
	}
	h.send(3, "nobody reads this")
	for i := range want {
		eventually(t, "input arrives", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return got[i].Len() >= want[i].Len()
		})
		if got[i].String() != want[i].String() {
			t.Error("other input on port", i)
		}
	}
}

// TestOpen: what is written before the host opens its end is kept; what follows
// a hang-up is EPIPE; an end may open again.
func TestOpen(t *testing.T) {
	h := newHost(virtio.FeatureEventIdx, 16)
	h.connect = false
	h.Run(t, h.step)
	hangUps := make(chan int, 10)
	o := Options{}
	o.Ports[0] = &PortOptions{Output: 4096}
	o.Ports[3] = &PortOptions{Output: 4096, HangUp: func() { hangUps <- 3 }}
	c, err := New(h, o)
	if err != nil {
		t.Fatal(err)
	}
	p := c.Port(3)
	if n, e := p.Write([]byte("early ")); n != 6 || e != abi.OK {
		t.Fatal(n, e)
	}
	if n, e := p.Write(make([]byte, 4096)); n != 0 || e != abi.EAGAIN {
		t.Fatal("a write of 4096 bytes is torn:", n, e)
	}
	if n, e := p.Write(make([]byte, 5000)); n != 4090 || e != abi.OK {
		t.Fatal("a long write:", n, e)
	}
	if p.Readiness(waiter.EventOut) != 0 {
		t.Error("room where there is none")
	}
	if !c.Drained() {
		t.Error("an end that never opened is waited for")
	}
	eventually(t, "driver opens its end", func() bool { h.mu.Lock(); defer h.mu.Unlock(); return h.opened[3] })
	h.say(3, ctlPortOpen, 1, "")
	var w wait.Waiter
	if e := w.Ready(p, waiter.EventOut, soon()); e != abi.OK {
		t.Fatal("never room:", e)
	}
	eventually(t, "early output arrives", func() bool { return len(h.output(3)) == 4096 })
	if len(hangUps) != 0 {
		t.Error("hang-up of an end that was not open")
	}
	h.say(3, ctlPortOpen, 0, "")
	<-hangUps
	if n, e := p.Write([]byte("x")); n != 0 || e != abi.EPIPE || p.Readiness(^waiter.EventMask(0))&waiter.EventHUp == 0 {
		t.Error("after the hang-up:", n, e)
	}
	h.say(3, ctlPortOpen, 1, "")
	eventually(t, "open again", p.Open)
	writeAll(t, p, []byte("again"))
	eventually(t, "output arrives", func() bool { return strings.HasSuffix(h.output(3), "again") })
	h.say(3, ctlDeviceRemove, 1, "")
	<-hangUps
	// The console port of QEMU is open without saying so.
	h.say(0, ctlConsolePort, 1, "")
	writeAll(t, c.Port(0), []byte("boot"))
	eventually(t, "console output arrives", func() bool { return h.output(0) == "boot" })
}

// TestDrain: waits for what is written, no longer than allowed.
func TestDrain(t *testing.T) {
	for _, features := range []uint64{0, virtio.FeatureEventIdx} {
		h := newHost(features, 16)
		h.Run(t, h.step)
		c, err := New(h, Options{Ports: ports(4, PortOptions{})})
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "open", c.Port(3).Open)
		h.setHold(1, true)
		writeAll(t, c.Port(1), make([]byte, 10000))
		if c.Drained() {
			t.Fatal("drained too early")
		}
		at := time.Now()
		if e := c.Drain(wait.Now() + int64(50*time.Millisecond)); e != abi.ETIMEDOUT || time.Since(at) > 5*time.Second {
			t.Fatal(e)
		}
		go func() {
			time.Sleep(20 * time.Millisecond)
			h.setHold(1, false)
		}()
		if e := c.Drain(soon()); e != abi.OK || len(h.output(1)) != 10000 {
			t.Fatal(e, len(h.output(1)))
		}
		// A hang-up ends the wait too.
		h.setHold(1, true)
		writeAll(t, c.Port(1), make([]byte, 10000))
		go func() {
			time.Sleep(20 * time.Millisecond)
			h.say(1, ctlPortOpen, 0, "")
		}()
		if e := c.Drain(soon()); e != abi.OK {
			t.Fatal(e)
		}
	}
}

// TestCoalesce: while the device is slow, small writes are collected.
func TestCoalesce(t *testing.T) {
	h := newHost(virtio.FeatureEventIdx, 128)
	c, err := open(h, Options{Ports: ports(1, PortOptions{})})
	if err != nil {
		t.Fatal(err)
	}
	p := c.Port(0)
	p.setOpen(true)
	for i := range 1000 {
		if n, e := p.Write([]byte{byte(i)}); n != 1 || e != abi.OK {
			t.Fatal(n, e)
		}
	}
	ring := h.Ring(1)
	var all []byte
	pieces := 0
	for {
		ch, ok := ring.Pop()
		if !ok {
			break
		}
		pieces++
		all = append(all, ch.Read()...)
		if ring.Push(ch.Head, 0) {
			c.interrupt()
		}
	}
	if pieces != maxChains+1 || len(all) != 1000 || all[999] != byte(999&255) {
		t.Error(pieces, "pieces,", len(all), "bytes")
	}
}

func TestNewRefuses(t *testing.T) {
	for want, c := range map[string]struct {
		change func(h *host)
		o      Options
	}{
		"no ports":          {func(h *host) { h.Offered = 0 }, Options{Ports: ports(1, PortOptions{})}},
		"only 5 ports":      {func(h *host) {}, Options{Ports: ports(6, PortOptions{})}},
		"of 5000 bytes":     {func(h *host) {}, Options{Ports: ports(1, PortOptions{Output: 5000})}},
		"of 2048 bytes":     {func(h *host) {}, Options{Ports: ports(1, PortOptions{Output: 2048})}},
		"of 2097152 bytes":  {func(h *host) {}, Options{Ports: ports(1, PortOptions{Output: 2 << 20})}},
		"has no queue 3":    {func(h *host) { h.QueueSizes[3] = 0 }, Options{Ports: ports(1, PortOptions{})}},
		"small a queue for": {func(h *host) { h.QueueSizes[1] = 1 }, Options{Ports: ports(1, PortOptions{})}},
		"never stands":      {func(h *host) { h.OnGeneration = rand.Uint32 }, Options{Ports: ports(1, PortOptions{})}},
	} {
		h := newHost(0, 16)
		c.change(h)
		if _, err := New(h, c.o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestFailed: all ports hang up once, writers and drainers do not sleep on.
func TestFailed(t *testing.T) {
	h := newHost(virtio.FeatureEventIdx, 16)
	h.Run(t, h.step)
	var hung atomic.Int32
	c, err := New(h, Options{Ports: ports(4, PortOptions{Output: 4096, HangUp: func() { hung.Add(1) }})})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "open", c.Port(3).Open)
	h.setHold(2, true)
	writeAll(t, c.Port(2), make([]byte, 4096))
	done := make(chan abi.Errno, 2)
	go func() { done <- c.Drain(soon()) }()
	go func() {
		var w wait.Waiter
		_, e := w.Retry(c.Port(2), waiter.EventOut, soon(), func() (int, abi.Errno) { return c.Port(2).Write([]byte("x")) })
		done <- e
	}()
	time.Sleep(10 * time.Millisecond)
	c.dev.Fail("is a test")
	if a, b := <-done, <-done; a|b != abi.EIO || a&b != abi.OK {
		t.Error(a, b)
	}
	eventually(t, "all ports hang up", func() bool { return hung.Load() == 4 })
	if _, e := c.Port(0).Write([]byte("x")); e != abi.EIO {
		t.Error(e)
	}
}

func TestWriteAllocatesNothing(t *testing.T) {
	h := newHost(virtio.FeatureEventIdx, 128)
	c, err := open(h, Options{Ports: ports(1, PortOptions{})})
	if err != nil {
		t.Fatal(err)
	}
	p := c.Port(0)
	p.setOpen(true)
	ring := h.Ring(1)
	b := make([]byte, 3000)
	n := testing.AllocsPerRun(1000, func() {
		if _, e := p.Write(b); e != abi.OK {
			t.Fatal(e)
		}
		head, _ := ring.PopHead()
		if ring.Push(head, 0) {
			c.interrupt()
		}
	})
	if n != 0 {
		t.Error(n, "allocations")
	}
}
