package relay

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// MaxConnections is how many connections a relay carries at a time, if the
	// limit of descriptors allows. More wait in the listeners' queues.
	MaxConnections = 10_000
	// connectTime is how long QEMU may take to accept a connection.
	connectTime = 20 * time.Second
	// Between attempts to connect to a QEMU whose queue is full. It accepts one
	// connection in each turn of its main loop, some tens of microseconds.
	firstRetry = 200 * time.Microsecond
	lastRetry  = 10 * time.Millisecond
	// The program, too, has a queue of connections that it has not accepted, and
	// QEMU tries again only after six seconds when it overflows. So no more than
	// maxYoung connections are under way that the machine has not answered; one
	// that is youngTime old counts no more, since there are protocols in which only
	// the client speaks. Those get maxYoung connections in youngTime.
	maxYoung  = 64
	youngTime = 500 * time.Millisecond
	// settleTime is how long data that was sent may take to reach the client
	// before its connection is closed for good.
	settleTime = time.Second
)

// Relay carries the connections of some listeners.
type Relay struct {
	slots  chan struct{} // one is taken for each connection
	open   chan struct{} // closed when the machine is up
	ending chan struct{} // closed when the machine has ended

	mu        sync.Mutex
	listeners []*net.TCPListener
	conns     map[*conn]struct{}
	opened    bool
	ended     bool
	cut       bool // connections are reset

	wg sync.WaitGroup // all goroutines
}

// New makes a relay for at most limit connections.
func New(limit int) *Relay {
	return &Relay{
		slots: make(chan struct{}, limit), open: make(chan struct{}), ending: make(chan struct{}),
		conns: map[*conn]struct{}{},
	}
}

// Listen accepts connections from l, which belongs to the relay from now on, for where to
// says that QEMU listens. Until Open is called they wait, and to is not asked.
func (r *Relay) Listen(l *net.TCPListener, to func() netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		l.Close()
		return
	}
	r.listeners = append(r.listeners, l)
	queue := make(chan *net.TCPConn, cap(r.slots))
	r.wg.Go(func() { r.accept(l, queue) })
	r.wg.Go(func() { r.connect(queue, to) })
}

// Open says that QEMU listens and that there is somebody behind it.
//
// If there is no program yet that listens, the machine refuses the connection.
// The client has one already, so it sees a connection that is closed or reset at
// once, as it would with QEMU alone.
func (r *Relay) Open() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.opened {
		r.opened = true
		close(r.open)
	}
}

// End says that the machine has ended. No more connections are accepted, those
// that have not got through are reset, and the others are closed once the client
// has got what the machine sent. The answer is closed when all that is done.
func (r *Relay) End() <-chan struct{} {
	r.mu.Lock()
	if !r.ended {
		r.ended = true
		close(r.ending)
		for _, l := range r.listeners {
			l.Close()
		}
		for c := range r.conns {
			c.end()
		}
	}
	r.mu.Unlock()
	done := make(chan struct{})
	go func() {
		r.wg.Wait()
		close(done)
	}()
	return done
}

// Close ends everything at once: connections that are left are reset.
func (r *Relay) Close() {
	done := r.End()
	r.mu.Lock()
	r.cut = true
	for c := range r.conns {
		c.reset()
	}
	r.mu.Unlock()
	<-done
}

// accept takes connections from a listener. At the limit it takes none: they wait
// in the listener's queue.
func (r *Relay) accept(l *net.TCPListener, queue chan<- *net.TCPConn) {
	defer close(queue)
	for {
		select {
		case r.slots <- struct{}{}:
		case <-r.ending:
			return
		}
		c, err := l.AcceptTCP()
		if err == nil {
			queue <- c // there is room for as many as there are slots
			continue
		}
		<-r.slots
		if errors.Is(err, net.ErrClosed) {
			return
		}
		// No descriptors or memory, or a client that has gone already: others
		// may do better in a moment.
		select {
		case <-time.After(20 * time.Millisecond):
		case <-r.ending:
			return
		}
	}
}

// connect connects what was accepted, one after another, so that QEMU's short
// queue overflows rarely.
func (r *Relay) connect(queue <-chan *net.TCPConn, to func() netip.AddrPort) {
	select {
	case <-r.open:
	case <-r.ending:
	}
	young := make(chan struct{}, maxYoung)
	for client := range queue {
		select {
		case young <- struct{}{}:
		case <-r.ending:
			abort(client)
			<-r.slots
			continue
		}
		machine, err := r.dial(to())
		if err != nil { // also if the machine has ended
			abort(client)
			<-young
			<-r.slots
			continue
		}
		c := &conn{client: client, machine: machine}
		c.grown = sync.OnceFunc(func() { <-young })
		time.AfterFunc(youngTime, c.grown)
		if !r.add(c) {
			continue
		}
		r.wg.Go(func() {
			c.carry()
			r.remove(c)
		})
	}
}

// dial connects to QEMU. An attempt that meets a full queue leaves nothing behind.
func (r *Relay) dial(to netip.AddrPort) (*net.TCPConn, error) {
	wait := firstRetry
	for begin := time.Now(); ; {
		select {
		case <-r.ending:
			return nil, net.ErrClosed
		default:
		}
		c, err := dialOnce(to)
		if !errors.Is(err, errQueueFull) || time.Since(begin) > connectTime {
			return c, err
		}
		select {
		case <-time.After(wait):
		case <-r.ending:
		}
		wait = min(2*wait, lastRetry)
	}
}

// errQueueFull: the listener drops what comes.
var errQueueFull = errors.New("the queue of the listener is full")

func (r *Relay) add(c *conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cut {
		abort(c.client)
		abort(c.machine)
		<-r.slots
		return false
	}
	r.conns[c] = struct{}{}
	if r.ended {
		c.end()
	}
	return true
}

func (r *Relay) remove(c *conn) {
	r.mu.Lock()
	delete(r.conns, c)
	r.mu.Unlock()
	<-r.slots
}

// abort closes a connection with a reset.
func abort(c *net.TCPConn) {
	_ = c.SetLinger(0)
	c.Close()
}
