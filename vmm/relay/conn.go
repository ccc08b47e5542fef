package relay

import (
	"net"
	"os"
	"sync"
	"time"
)

// bufferSize is how much is carried at a time, in bytes.
const bufferSize = 32 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// conn is a connection: a client's and the one to QEMU that stands for it.
type conn struct {
	client, machine *net.TCPConn
	grown           func() // called when the machine has answered; more calls do nothing
}

// outcome is how one direction ended.
type outcome int

const (
	finished    outcome = iota // the end was read and passed on
	readFailed                 // the source was reset
	writeFailed                // the destination has gone
	interrupted                // by conn.end
)

// carry carries both directions to their end and closes both connections.
func (c *conn) carry() {
	_ = c.client.SetNoDelay(true) // as it is by default in Go; said here since it matters
	_ = c.machine.SetNoDelay(true)
	up := make(chan outcome, 1)
	go func() {
		o := stream(c.machine, c.client, nil)
		switch o {
		case readFailed:
			// The client has reset its connection: so does the other one.
			// That ends the other direction, too.
			abort(c.machine)
		case interrupted:
			_ = c.machine.CloseWrite() // in case that somebody is still there
		}
		up <- o
	}()
	down := stream(c.client, c.machine, c.grown)
	switch down {
	case writeFailed: // the client has gone
		abort(c.machine)
		abort(c.client)
		<-up
		return
	case readFailed:
		// The machine has reset its end, or QEMU has ended and left unread what
		// the client sent. What was sent before is not to be lost by that.
		c.settle()
		abort(c.client)
		<-up
		c.machine.Close()
		return
	}
	// The machine sends nothing any more. The client may.
	switch <-up {
	case finished:
		c.client.Close()
		c.machine.Close()
	case readFailed:
		abort(c.client)
	case writeFailed: // nobody reads in the machine
		c.settle()
		abort(c.client)
		abort(c.machine)
	case interrupted:
		c.settle()
		c.client.Close()
		abort(c.machine)
	}
}

// stream copies from src to dst. A buffer is held only while there is data. When
// src has said anything, even that it ends, first is called.
func stream(dst, src *net.TCPConn, first func()) outcome {
	in, err := newReader(src)
	if err != nil {
		return readFailed
	}
	for {
		b, n, err := in.read()
		if first != nil {
			first()
			first = nil
		}
		if n > 0 {
			_, werr := dst.Write(b[:n])
			buffers.Put(b)
			if werr != nil {
				return writeFailed
			}
			continue
		}
		switch {
		case err == nil:
			_ = dst.CloseWrite() // if it has gone, the other direction tells
			return finished
		case os.IsTimeout(err):
			return interrupted
		default:
			return readFailed
		}
	}
}

// end wakes up what waits for the client: the machine has ended, so nobody reads
// what it sends. The other direction comes to its end by itself, since QEMU's
// sockets are closed.
func (c *conn) end() { _ = c.client.SetReadDeadline(time.Unix(1, 0)) }

// reset ends the connection at once.
func (c *conn) reset() {
	abort(c.client)
	abort(c.machine)
}

// settle waits until the client's side has taken what was sent. A connection that
// is closed while there is something that was not read is reset by the system,
// and a reset overtakes data that is under way.
func (c *conn) settle() {
	pause := 100 * time.Microsecond
	for begin := time.Now(); time.Since(begin) < settleTime; {
		n, err := unsent(c.client)
		if n == 0 || err != nil {
			return
		}
		time.Sleep(pause)
		pause = min(2*pause, 20*time.Millisecond)
	}
}
