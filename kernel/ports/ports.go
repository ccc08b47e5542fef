// Package ports is the machine's line to its launcher: the program's standard
// streams, the kernel's log, and the control channel, each a port of the
// virtio console device (bootrec says which is which).
//
// What the program writes goes out byte for byte, with back-pressure: a full
// port makes its writes wait, or answer EAGAIN. Log lines are buffered; when the
// buffer is full a traced call waits, an audit record is given back to who made it,
// everything else is dropped and counted.
//
// Locks: stream.mu serialises writers of one stream and may be held while user
// memory is read; log.mu is held for copying only. It imports bootrec, vfs,
// usermem, wait and hw/virtio/console.
package ports

import (
	"strconv"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/bootrec"
	"skerry/kernel/abi"
	"skerry/kernel/hw/virtio"
	"skerry/kernel/hw/virtio/console"
	"skerry/kernel/wait"
)

// Handlers is what the launcher can ask for. They are called from the driver's
// goroutine and must not block.
type Handlers struct {
	Signal func(signo int)
	Stop   func()
	Time   func(t bootrec.Time)
	// HangUp: the launcher is gone, and the machine goes with it.
	HangUp func()
}

// Ports is the open device.
type Ports struct {
	con  *console.Console
	out  *stream
	err  *stream
	ctl  *console.Port
	log  logger
	h    Handlers
	in   *bootrec.Reader
	send sync.Mutex
}

// Open takes the console device into use.
func Open(t virtio.Transport, h Handlers, failed func(why string)) (*Ports, error) {
	p := &Ports{h: h, in: bootrec.NewReader(bootrec.MaxToMachine)}
	o := console.Options{OnFail: failed}
	o.Ports[bootrec.FirstPort+bootrec.PortStdout] = &console.PortOptions{Output: 64 << 10}
	o.Ports[bootrec.FirstPort+bootrec.PortStderr] = &console.PortOptions{}
	o.Ports[bootrec.FirstPort+bootrec.PortLog] = &console.PortOptions{}
	o.Ports[bootrec.FirstPort+bootrec.PortControl] = &console.PortOptions{Output: 8 << 10, Input: p.input, HangUp: h.HangUp}
	c, err := console.New(t, o)
	if err != nil {
		return nil, err
	}
	p.con = c
	p.out = newStream(c.Port(bootrec.FirstPort + bootrec.PortStdout))
	p.err = newStream(c.Port(bootrec.FirstPort + bootrec.PortStderr))
	p.ctl = c.Port(bootrec.FirstPort + bootrec.PortControl)
	p.log.start(c.Port(bootrec.FirstPort + bootrec.PortLog))
	return p, nil
}

// input takes bytes of the control port. A launcher that sends nonsense is as
// good as gone.
func (p *Ports) input(b []byte) {
	for {
		f, rest, ok, err := p.in.Next(b)
		if err != nil {
			p.h.HangUp()
			return
		}
		if !ok {
			return
		}
		b = rest
		switch f.Kind {
		case bootrec.KindSignal:
			if s, err := bootrec.ParseSignal(f.Payload); err == nil {
				p.h.Signal(s)
			}
		case bootrec.KindStop:
			p.h.Stop()
		case bootrec.KindTime:
			if t, err := bootrec.ParseTime(f.Payload); err == nil {
				p.h.Time(t)
			}
		}
	}
}

// Hello tells the launcher that the kernel is up.
func (p *Ports) Hello() { p.control(bootrec.AppendHello(nil)) }

// AskTime asks for the launcher's clocks; the answer comes to Handlers.Time.
func (p *Ports) AskTime(id uint64) { p.control(bootrec.AppendTimeReq(nil, id)) }

// control sends a small frame; if the launcher does not read, it is lost, as
// the machine is about to be.
func (p *Ports) control(frame []byte) {
	p.send.Lock()
	p.ctl.Write(frame)
	p.send.Unlock()
}

// Exit sends everything that was written, then the exit record, and waits until
// the device has taken it, or for the given time. A machine that ends as soon as it has
// begun waits for the ports to be opened.
func (p *Ports) Exit(e *bootrec.Exit, patience time.Duration) {
	deadline := wait.Now() + int64(patience)
	p.ctl.AwaitOpen(deadline)
	p.log.flush(deadline)
	p.con.Drain(deadline)
	p.Report(bootrec.AppendExit(nil, e), deadline)
	p.con.Drain(deadline)
}

// Report sends frames on the control port, waiting for room until the deadline on
// the clock of wait.Now. It is for the end, when nobody else sends any.
func (p *Ports) Report(frames []byte, deadline int64) {
	var w wait.Waiter
	p.send.Lock()
	defer p.send.Unlock()
	for len(frames) > 0 {
		n, errno := p.ctl.Write(frames[:min(len(frames), 4096)])
		frames = frames[n:]
		if errno == abi.EAGAIN {
			if w.Ready(p.ctl, waiter.EventOut, deadline) != abi.OK {
				return
			}
		} else if errno != abi.OK {
			return
		}
	}
}

// Log sends a line of the kernel's log. It never waits.
func (p *Ports) Log(text string) { p.log.add(bootrec.KindLog, text, logBuffer, drop) }

// Notice sends a line for the user, such as a denied call. It never waits.
func (p *Ports) Notice(text string) { p.log.add(bootrec.KindNotice, text, logBuffer, drop) }

// Audit sends an audit event, for which there is more room if it matters, and reports
// whether there was any. It never waits.
func (p *Ports) Audit(json string, matters bool) bool {
	room := logBuffer + auditRoom
	if matters {
		room += matterRoom
	}
	return p.log.add(bootrec.KindAudit, json, room, giveBack)
}

// OnUnread has f called when nobody is left to read the log port. Once.
func (p *Ports) OnUnread(f func()) {
	p.log.mu.Lock()
	p.log.unread = f
	gone := p.log.gone
	p.log.mu.Unlock()
	if gone {
		f()
	}
}

// Strace sends a traced call, waiting for room: a trace has no gaps.
func (p *Ports) Strace(line []byte) { p.log.add(bootrec.KindStrace, string(line), logBuffer, await) }

// logger buffers frames for the log port and writes them from a goroutine of
// its own.
type logger struct {
	port    *console.Port
	mu      sync.Mutex
	room    sync.Cond
	buf     []byte
	dropped int
	wake    wait.Parker
	busy    bool
	gone    bool
	unread  func()       // called when it is; may be nil
	flusher *wait.Waiter // who waits until all is written
}

// logBuffer bounds what waits for the log port, in bytes, logLine one line;
// logSlack is room for headers and for saying what was lost.
const (
	logBuffer = 256 << 10
	logLine   = logBuffer / 2
	logSlack  = 256
	// auditRoom is room behind logBuffer for audit records alone, in bytes: nothing else
	// that a program makes the kernel say can take their place. matterRoom is behind
	// that, for those that matter.
	auditRoom  = 64 << 10
	matterRoom = 64 << 10
)

// What happens to a line for which there is no room.
type fate int

const (
	drop     fate = iota // it is counted
	giveBack             // it is the caller's to try again
	await                // it waits
)

func (l *logger) start(port *console.Port) {
	l.port = port
	l.room.L = &l.mu
	go l.run()
}

// add buffers a line if the buffer then has at most room bytes, and reports whether it
// does; where nobody is to read it any more it is as good as read.
func (l *logger) add(k bootrec.Kind, text string, room int, f fate) bool {
	text = text[:min(len(text), logLine)]
	l.mu.Lock()
	for len(l.buf)+len(text)+logSlack > room && !l.gone {
		if f != await {
			if f == drop {
				l.dropped++
			}
			l.mu.Unlock()
			return false
		}
		l.room.Wait()
	}
	if l.gone {
		l.mu.Unlock()
		return true
	}
	l.noteLoss()
	l.buf = bootrec.AppendText(l.buf, k, text)
	l.mu.Unlock()
	l.wake.Unpark()
	return true
}

// noteLoss says how many lines were dropped, in the place where they would be.
// l.mu is held.
func (l *logger) noteLoss() {
	if l.dropped > 0 {
		l.buf = bootrec.AppendText(l.buf, bootrec.KindLog, strconv.Itoa(l.dropped)+" log lines were lost: nobody read them in time")
		l.dropped = 0
	}
}

func (l *logger) run() {
	var w wait.Waiter
	var work []byte
	for {
		l.mu.Lock()
		l.noteLoss()
		work, l.buf = l.buf, work[:0]
		l.busy = len(work) > 0
		l.room.Broadcast()
		if !l.busy && l.flusher != nil {
			l.flusher.Unpark()
		}
		l.mu.Unlock()
		if len(work) == 0 {
			l.wake.Park()
			continue
		}
		for b := work; len(b) > 0; {
			n, e := l.port.Write(b[:min(len(b), 4096)])
			b = b[n:]
			if e == abi.EAGAIN {
				w.Ready(l.port, waiter.EventOut, wait.Forever)
			} else if e != abi.OK {
				l.mu.Lock()
				l.gone, l.busy, l.buf = true, false, nil
				l.room.Broadcast()
				if l.flusher != nil {
					l.flusher.Unpark()
				}
				f := l.unread
				l.mu.Unlock()
				if f != nil {
					f()
				}
				return
			}
		}
	}
}

// flush waits until what was logged has been written, or the deadline. One
// caller at a time.
func (l *logger) flush(deadline int64) {
	var w wait.Waiter
	l.mu.Lock()
	l.flusher = &w
	for !l.gone && (len(l.buf) > 0 || l.busy || l.dropped > 0) {
		l.mu.Unlock()
		e := w.Sleep(deadline)
		l.mu.Lock()
		if e == abi.ETIMEDOUT {
			break
		}
	}
	l.flusher = nil
	l.mu.Unlock()
}
