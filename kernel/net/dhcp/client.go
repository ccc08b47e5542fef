// Package dhcp is a DHCPv4 client (RFC 2131, RFC 3442) for one link and one
// address.
//
// It trusts servers no further than it must: an answer counts only with the
// client's own random transaction number and MAC; the first server that offers
// something acceptable is the server until its lease ends; leases are held to
// one minute at least and thirty days at most; routes that would lead
// loopback, link-local or metadata addresses somewhere are left out; names that
// could break out of a line of resolv.conf are ignored.
//
// The client builds and reads whole IPv4 packets, since it speaks before the
// machine has an address. It runs on one goroutine of its own, which sleeps
// between messages; Deliver is called by the driver's goroutine and only
// leaves the packet's meaning behind. It imports kernel/wait and gVisor's
// header package.
package dhcp

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/wait"
)

// Route is a route that a lease brings. An unspecified Via means on the link.
type Route struct {
	To  netip.Prefix
	Via netip.Addr
}

// Lease is what a server granted.
type Lease struct {
	Addr   netip.Prefix
	Routes []Route
	DNS    []netip.Addr
	Domain string
	MTU    int // 0: not said
	Server netip.Addr

	Duration, T1, T2 time.Duration // from the acknowledgement on
}

// Config is what the client needs.
type Config struct {
	MAC      [6]byte
	Hostname string
	// Send sends an IPv4 packet to a station on the link.
	Send func(to [6]byte, packet []byte)
	// Random fills its argument with unpredictable bytes.
	Random func([]byte)
	// Bound hears of every lease gained or changed, and of nil when there is
	// none any more. It is called on the client's goroutine.
	Bound func(*Lease)
}

// Client is a DHCP client. Make it with New, then call Run.
type Client struct {
	cfg Config
	w   wait.Waiter
	// fast divides every time span; 1 but in tests.
	fast int64

	mu   sync.Mutex
	xid  uint32 // of the exchange under way; answers to others are dropped
	want [2]byte
	from netip.Addr // the only server whose answer counts, if valid
	got  *reply
	mac  [6]byte // where got came from
}

var broadcast = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// New makes a client.
func New(cfg Config) *Client { return &Client{cfg: cfg, fast: 1} }

// Deliver takes an IPv4 packet for UDP port 68. Packets that are no good are
// dropped; b is not kept.
func (c *Client) Deliver(b []byte, from [6]byte) {
	c.mu.Lock()
	waiting := c.want[0] != 0 && c.got == nil
	c.mu.Unlock()
	if !waiting {
		return
	}
	r, ok := parse(b, c.cfg.MAC)
	if !ok {
		return
	}
	c.mu.Lock()
	if c.got == nil && r.xid == c.xid && (r.kind == c.want[0] || r.kind == c.want[1]) &&
		(!c.from.IsValid() || r.server == c.from) {
		c.got, c.mac = &r, from
		c.w.Unpark()
	}
	c.mu.Unlock()
}

// Stop ends Run soon. The lease is kept.
func (c *Client) Stop() {
	c.w.Pending.Store(1)
	c.w.Unpark()
}

// Run obtains and keeps a lease until Stop is called.
func (c *Client) Run() {
	for c.w.Pending.Load() == 0 {
		if l, server, ok := c.acquire(); ok && !c.hold(l, server) {
			c.cfg.Bound(nil)
		}
	}
}

// Retransmission: RFC 2131 section 4.1 doubles the wait and adds up to a second
// either way. A virtual machine's server is near, so the first wait is short.
const (
	firstWait = time.Second
	lastWait  = 64 * time.Second
)

// acquire goes from INIT to BOUND.
func (c *Client) acquire() (*Lease, [6]byte, bool) {
	began := wait.Now()
	for pause := firstWait; ; pause = min(pause*2, lastWait) {
		m := c.message(discover, began)
		r, _, e := c.exchange(m, broadcast, netip.Addr{}, offer, 0, pause)
		if e == abi.ERESTARTSYS {
			return nil, broadcast, false
		}
		if e != abi.OK {
			continue
		}
		m.kind, m.requested, m.server = request, r.lease.Addr.Addr(), r.server
		for try := 0; try < 4; try++ {
			r, mac, e := c.exchange(m, broadcast, m.server, ack, nak, firstWait<<try)
			if e == abi.ERESTARTSYS {
				return nil, broadcast, false
			}
			if e == abi.OK {
				if r.kind == ack {
					return &r.lease, mac, true
				}
				break // refused: begin again
			}
		}
	}
}

// hold keeps a lease from BOUND on, through RENEWING and REBINDING, until it
// ends or is refused (false) or the client is stopped (true).
func (c *Client) hold(l *Lease, mac [6]byte) bool {
	c.cfg.Bound(l)
	start := wait.Now()
	for {
		if c.pause(start+int64(l.T1)/c.fast) == abi.ERESTARTSYS {
			return true
		}
		end := start + int64(l.Duration)/c.fast
		renewed := false
		for now := wait.Now(); now < end && !renewed; now = wait.Now() {
			m := c.message(request, now)
			m.ciaddr, m.src = l.Addr.Addr(), l.Addr.Addr()
			to := broadcast
			if now < start+int64(l.T2)/c.fast { // RENEWING: the server itself, by where it answered from
				m.dst, to = l.Server, mac
			}
			// RFC 2131 section 4.4.5: half of what is left, at least a minute.
			next := end
			if t2 := start + int64(l.T2)/c.fast; now < t2 {
				next = t2
			}
			r, from, e := c.exchange(m, to, l.Server, ack, nak, max(time.Duration((next-now)*c.fast)/2, time.Minute))
			switch {
			case e == abi.ERESTARTSYS:
				return true
			case e != abi.OK:
				continue
			case r.kind == nak || r.lease.Addr.Addr() != l.Addr.Addr():
				return false
			}
			l, mac, start, renewed = &r.lease, from, now, true
			c.cfg.Bound(l)
		}
		if !renewed {
			return false
		}
	}
}

// message begins a message with a transaction number of its own.
func (c *Client) message(kind byte, began int64) *message {
	var b [4]byte
	c.cfg.Random(b[:])
	secs := (wait.Now() - began) / int64(time.Second)
	return &message{
		kind: kind, xid: binary.LittleEndian.Uint32(b[:]), secs: uint16(min(secs, 0xffff)), mac: c.cfg.MAC,
		hostname: c.cfg.Hostname,
		src:      netip.IPv4Unspecified(), dst: netip.AddrFrom4([4]byte{255, 255, 255, 255}),
	}
}

// exchange sends m and waits for an answer of one of two kinds from a server
// (any, if from is not valid), for a time that varies by up to a quarter.
// ETIMEDOUT means none came, ERESTARTSYS that the client was stopped.
func (c *Client) exchange(m *message, to [6]byte, from netip.Addr, want, or byte, limit time.Duration) (reply, [6]byte, abi.Errno) {
	c.mu.Lock()
	c.xid, c.want, c.from, c.got = m.xid, [2]byte{want, or}, from, nil
	c.mu.Unlock()
	c.cfg.Send(to, m.build())
	var b [2]byte
	c.cfg.Random(b[:])
	span := int64(limit) / c.fast
	deadline := wait.Now() + span + span/4*int64(binary.LittleEndian.Uint16(b[:]))/0xffff
	e := abi.OK
	for {
		c.mu.Lock()
		got, mac := c.got, c.mac
		if got != nil || e == abi.ETIMEDOUT || e == abi.ERESTARTSYS {
			c.want, c.got = [2]byte{}, nil
			c.mu.Unlock()
			if got != nil {
				return *got, mac, abi.OK
			}
			return reply{}, mac, e
		}
		c.mu.Unlock()
		e = c.w.Sleep(deadline)
	}
}

// pause sleeps until a time on wait.Now's clock.
func (c *Client) pause(until int64) abi.Errno {
	for {
		if e := c.w.Sleep(until); e != abi.OK {
			return e
		}
	}
}
