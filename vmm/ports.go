package vmm

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"skerry/bootrec"

	"golang.org/x/sys/unix"
)

// ports carries a machine's ports. Its goroutines end when QEMU closes its ends.
type ports struct {
	c     *Config
	p     *process
	begin time.Time // when QEMU was started

	// events, which Run waits for. Each gets one value at most, but for
	// hello, which a confused kernel might say twice.
	hello    chan uint32
	exit     chan bootrec.Exit
	protocol chan error // a port's bytes are no frames
	unseen   chan error // what the kernel refuses cannot be recorded

	uart tail
	// failure belongs to the control port's goroutine until the exit record, which
	// comes after it, has gone through exit.
	failure          failure
	ended            bool // it came
	lastOut, lastErr lastOutput
	wg               sync.WaitGroup
	done             chan struct{} // closed when every port is at its end

	control sync.Mutex // held while a frame is written to the control port
	logMu   sync.Mutex // held while a line is written to c.Log or c.Strace
}

// carry starts a goroutine for each port.
func carry(c *Config, p *process, begin time.Time) *ports {
	s := &ports{
		c: c, p: p, begin: begin,
		hello: make(chan uint32, 1), exit: make(chan bootrec.Exit, 1), protocol: make(chan error, 2),
		unseen: make(chan error, 1),
		done:   make(chan struct{}),
	}
	s.wg.Go(func() { s.copyOut(p.port[bootrec.PortStdout], c.Stdout, &s.lastOut, "stdout") })
	s.wg.Go(func() { s.copyOut(p.port[bootrec.PortStderr], c.Stderr, &s.lastErr, "stderr") })
	s.wg.Go(func() { s.frames(p.port[bootrec.PortLog], s.text) })
	s.wg.Go(func() { s.frames(p.port[bootrec.PortControl], s.controlFrame) })
	s.wg.Go(s.serial)
	go func() {
		s.wg.Wait()
		close(s.done)
	}()
	return s
}

// copyOut copies the program's output as it comes. It reads no more while w does
// not take what it has, and then the program waits. If w fails for good, the port
// is hung up, which the program sees as a closed pipe.
func (s *ports) copyOut(port *os.File, w io.Writer, last *lastOutput, name string) {
	buf := make([]byte, 64<<10)
	for {
		n, err := port.Read(buf)
		if n > 0 {
			last.add(buf[:n])
			if _, err := w.Write(buf[:n]); err != nil {
				if !errors.Is(err, unix.EPIPE) {
					s.c.Say("cannot write to " + name + ": " + cause(err))
				}
				port.Close()
				return
			}
		}
		// A reset is QEMU closing its end; what it sent before was read.
		if err != nil {
			return
		}
	}
}

// serial reads the serial port: what the kernel prints before its ports work and
// when it dies.
func (s *ports) serial() {
	buf := make([]byte, 4096)
	var line []byte
	for {
		n, err := s.p.uart.Read(buf)
		_, _ = s.uart.Write(buf[:n])
		for _, b := range buf[:n] {
			if line = append(line, b); b == '\n' || len(line) > maxLine {
				s.kernelText(string(line))
				line = line[:0]
			}
		}
		if err != nil {
			if len(line) > 0 {
				s.kernelText(string(line))
			}
			return
		}
	}
}

// frames reads frames from a port until its end or an error in them.
func (s *ports) frames(port *os.File, handle func(bootrec.Frame) error) {
	r := bootrec.NewReader(bootrec.MaxPayload)
	buf := make([]byte, 64<<10)
	for {
		n, err := port.Read(buf)
		for p := buf[:n]; ; {
			f, rest, ok, err := r.Next(p)
			if err == nil && ok {
				err = handle(f)
			}
			if err != nil {
				s.protocol <- err
				_, _ = io.Copy(io.Discard, port) // QEMU is not to wait for us
				return
			}
			if !ok {
				break
			}
			p = rest
		}
		if err != nil {
			return
		}
	}
}

// text handles a frame of the log port.
func (s *ports) text(f bootrec.Frame) error {
	text := string(f.Payload)
	switch f.Kind {
	case bootrec.KindNotice:
		lines(s.c.builderSays(text), s.c.Say)
		s.logLines(text)
	case bootrec.KindLog:
		s.kernelText(text)
	case bootrec.KindAudit:
		if s.c.Audit != nil {
			if err := s.c.Audit(f.Payload); err != nil {
				select {
				case s.unseen <- err:
				default: // the first one counts
				}
			}
		}
		s.logLines(text)
	case bootrec.KindStrace:
		if s.c.Strace != nil {
			s.writeLines(s.c.Strace, text)
		}
	case bootrec.KindHello, bootrec.KindTimeReq, bootrec.KindExit, bootrec.KindAudited:
		return &bootrec.FrameError{Why: "a control frame on the log port"}
	}
	return nil // a kind of a newer kernel
}

// controlFrame handles a frame of the control port.
func (s *ports) controlFrame(f bootrec.Frame) error {
	switch f.Kind {
	case bootrec.KindTimeReq:
		id, err := bootrec.ParseTimeReq(f.Payload)
		if err != nil {
			return err
		}
		s.control.Lock()
		defer s.control.Unlock()
		t := bootrec.Time{ID: id}
		t.Wall, t.Mono = clocks()
		s.write(bootrec.AppendTime(make([]byte, 0, 64), t))
	case bootrec.KindHello:
		version, err := bootrec.ParseHello(f.Payload)
		if err != nil {
			return err
		}
		select {
		case s.hello <- version:
		default:
		}
		// Said here and not by Run: whoever reads our stderr may be slow.
		s.c.verbose(fmt.Sprintf("kernel up after %d ms", time.Since(s.begin).Milliseconds()))
	case bootrec.KindExit:
		e, err := bootrec.ParseExit(f.Payload)
		if err != nil {
			return err
		}
		s.ended = true
		select {
		case s.exit <- e:
		default: // one is on its way; it counts
		}
	case bootrec.KindMissed, bootrec.KindRefused, bootrec.KindMemory, bootrec.KindCrash, bootrec.KindMappings, bootrec.KindStack,
		bootrec.KindThreads, bootrec.KindCalls, bootrec.KindDescriptors, bootrec.KindEvents, bootrec.KindCounters:
		if !s.ended {
			return s.failure.add(f)
		}
	case bootrec.KindAudited:
		a, err := bootrec.ParseAudited(f.Payload)
		if err != nil {
			return err
		}
		if s.c.Audited != nil {
			s.c.Audited(a)
		}
	default:
		return s.text(f)
	}
	return nil
}

// send writes a frame to the control port.
func (s *ports) send(frame []byte) {
	s.control.Lock()
	defer s.control.Unlock()
	s.write(frame)
}

// write writes to the control port, with control held. A machine that does not
// read for a second gets no more: whoever waits for its answer has a timeout.
func (s *ports) write(frame []byte) {
	port := s.p.port[bootrec.PortControl]
	if port.SetWriteDeadline(time.Now().Add(time.Second)) == nil {
		_, _ = port.Write(frame)
	}
}

// kernelText is what the kernel has to say about itself.
func (s *ports) kernelText(text string) {
	if s.c.Verbose != nil {
		lines(text, func(l string) { s.c.Verbose("kernel: " + l) })
	}
	s.logLines(text)
}

func (s *ports) logLines(text string) {
	if s.c.Log != nil {
		s.writeLines(s.c.Log, text)
	}
}

// writeLines writes text line by line. Logs are for people who look; that one
// cannot be written does not end the machine.
func (s *ports) writeLines(w io.Writer, text string) {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	lines(text, func(l string) { _, _ = io.WriteString(w, l+"\n") })
}
