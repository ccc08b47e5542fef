package ports

import (
	"encoding/binary"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"skerry/bootrec"
	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/virtio"
	"skerry/kernel/hw/virtio/virtiotest"
	"skerry/kernel/wait"
)

func TestMain(m *testing.M) {
	frame.InitHost(1 << 16) // a driver keeps its frames, test after test
	os.Exit(m.Run())
}

// Control messages of a console device, virtio 1.2, 5.3.6.2, and its queues,
// 5.3.2.
const (
	deviceReady = 0
	deviceAdd   = 1
	portReady   = 3
	portOpen    = 6

	controlIn  = 2
	controlOut = 3
	devPorts   = bootrec.FirstPort + bootrec.Ports
)

func queueOf(port int) uint16 { return uint16(2*port + 2) }

// launcher is the device and who sits behind it: it takes what ports give when
// it may, and says what its script says.
type launcher struct {
	*virtiotest.Device
	mu     sync.Mutex
	got    [devPorts][]byte
	hold   [devPorts]bool // takes nothing for now
	todo   [][]byte       // control messages to give
	input  []byte         // for the control port
	pieces int            // most bytes of input at once
}

func control(port uint32, event, value uint16) []byte {
	b := binary.LittleEndian.AppendUint32(nil, port)
	b = binary.LittleEndian.AppendUint16(b, event)
	return binary.LittleEndian.AppendUint16(b, value)
}

func newLauncher() *launcher {
	q := make([]uint16, 2*devPorts+2)
	for i := range q {
		q[i] = 64
	}
	conf := binary.LittleEndian.AppendUint32(make([]byte, 4), devPorts)
	const multiport = 1 << 1
	return &launcher{Device: virtiotest.New(virtio.TypeConsole, multiport, conf, q...), pieces: 1024}
}

func (l *launcher) step() (worked bool) {
	if !l.Running() {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.take(controlOut, func(b []byte) {
		port, event := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:])
		switch event {
		case deviceReady:
			for p := uint32(bootrec.FirstPort); p < devPorts; p++ {
				l.todo = append(l.todo, control(p, deviceAdd, 1))
			}
		case portReady:
			l.todo = append(l.todo, control(port, portOpen, 1))
		}
	})
	for len(l.todo) > 0 && l.give(controlIn, l.todo[0]) > 0 {
		l.todo = l.todo[1:]
		worked = true
	}
	for p := bootrec.FirstPort; p < devPorts; p++ {
		if !l.hold[p] && l.take(queueOf(p)+1, func(b []byte) { l.got[p] = append(l.got[p], b...) }) {
			worked = true
		}
	}
	if n := l.give(queueOf(bootrec.FirstPort+bootrec.PortControl), l.input[:min(len(l.input), l.pieces)]); n > 0 {
		l.input = l.input[n:]
		worked = true
	}
	return worked
}

// give puts b into the next buffer of a queue and answers how much fitted.
func (l *launcher) give(q uint16, b []byte) int {
	ring := l.Ring(q)
	if ring == nil || len(b) == 0 {
		return 0
	}
	c, ok := ring.Pop()
	if !ok {
		ring.WantBells(true)
		return 0
	}
	n := c.Fill(b)
	if ring.Push(c.Head, n) {
		l.Interrupt()
	}
	return int(n)
}

// take serves an output queue.
func (l *launcher) take(q uint16, use func([]byte)) (any bool) {
	ring := l.Ring(q)
	if ring == nil {
		return false
	}
	for {
		c, ok := ring.Pop()
		if !ok {
			ring.WantBells(true)
			return any
		}
		use(c.Read())
		if any = true; ring.Push(c.Head, 0) {
			l.Interrupt()
		}
	}
}

func (l *launcher) set(f func()) {
	l.mu.Lock()
	f()
	l.mu.Unlock()
}

// close closes the launcher's end of a port.
func (l *launcher) close(port int) {
	l.set(func() { l.todo = append(l.todo, control(uint32(bootrec.FirstPort+port), portOpen, 0)) })
}

func (l *launcher) holdPort(port int, on bool) {
	l.set(func() { l.hold[bootrec.FirstPort+port] = on })
}

// output is what came out of a port so far.
func (l *launcher) output(port int) (b []byte) {
	l.set(func() {
		b = l.got[bootrec.FirstPort+port][:len(l.got[bootrec.FirstPort+port]):len(l.got[bootrec.FirstPort+port])]
	})
	return b
}

// frames are those that came out of a port.
func (l *launcher) frames(t *testing.T, port int) (list []bootrec.Frame) {
	t.Helper()
	r := bootrec.NewReader(bootrec.MaxPayload)
	for b := l.output(port); ; {
		f, rest, ok, err := r.Next(b)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return list
		}
		list, b = append(list, bootrec.Frame{Kind: f.Kind, Payload: append([]byte(nil), f.Payload...)}), rest
	}
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

// calls counts what Handlers were called with.
type calls struct {
	mu      sync.Mutex
	signals []int
	times   []bootrec.Time
	stops   int
	hangUps int
}

func (c *calls) read(f func()) {
	c.mu.Lock()
	f()
	c.mu.Unlock()
}

func open(t *testing.T) (*launcher, *Ports, *calls) {
	l, c := newLauncher(), &calls{}
	l.Run(t, l.step)
	p, err := Open(l, Handlers{
		Signal: func(n int) { c.read(func() { c.signals = append(c.signals, n) }) },
		Stop:   func() { c.read(func() { c.stops++ }) },
		Time:   func(x bootrec.Time) { c.read(func() { c.times = append(c.times, x) }) },
		HangUp: func() { c.read(func() { c.hangUps++ }) },
	}, func(why string) { t.Error("the device failed:", why) })
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the ports are open", func() bool {
		for i := range bootrec.Ports {
			if !p.con.Port(bootrec.FirstPort + i).Open() {
				return false
			}
		}
		return true
	})
	return l, p, c
}

func soon() int64 { return wait.Now() + int64(20*time.Second) }
