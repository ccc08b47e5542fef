package ports

import (
	"bytes"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/bootrec"
	"skerry/kernel/abi"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
	"skerry/kernel/wait"
)

func vec(b []byte) *usermem.Vec {
	v := new(usermem.Vec)
	v.InitBytes(b)
	return v
}

// TestBackPressure: a port that nobody reads takes what it has room for, then
// answers EAGAIN; a waiter is woken when the reader goes on; no byte is lost,
// doubled or out of order, with several writers whose lines stay whole.
func TestBackPressure(t *testing.T) {
	l, p, _ := open(t)
	out := p.Stdout()
	l.holdPort(bootrec.PortStdout, true)
	chunk := bytes.Repeat([]byte("x"), 5000)
	total := 0
	for {
		n, e := out.Write(vec(chunk), 0)
		total += n
		if e == abi.EAGAIN {
			break
		}
		if e != abi.OK || n == 0 || total > 1<<20 {
			t.Fatal(n, e, total)
		}
	}
	if out.Readiness(waiter.EventOut)&waiter.EventOut != 0 {
		t.Error("writable although full")
	}
	if total < 32<<10 || total > 64<<10 {
		t.Error("took", total, "bytes")
	}
	var w wait.Waiter
	if e := w.Ready(out, waiter.EventOut, wait.Now()+2e6); e != abi.ETIMEDOUT {
		t.Error("waiting for a reader that does not read:", e)
	}
	// Standard error has a port of its own.
	if n, e := p.Stderr().Write(vec([]byte("error\n")), 0); n != 6 || e != abi.OK {
		t.Error(n, e)
	}
	l.holdPort(bootrec.PortStdout, false)
	if e := w.Ready(out, waiter.EventOut, soon()); e != abi.OK {
		t.Fatal(e)
	}
	eventually(t, "all of it comes out", func() bool { return len(l.output(bootrec.PortStdout)) == total })
	const writers, lines = 6, 2000
	var wg sync.WaitGroup
	for i := range writers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			var w wait.Waiter
			for k := range lines {
				line := []byte(fmt.Sprintf("%d %d %s\n", i, k, strings.Repeat("y", (i*k)%300)))
				v := vec(line)
				for v.Len() > 0 {
					if _, e := w.Retry(out, waiter.EventOut, soon(), func() (int, abi.Errno) { return out.Write(v, 0) }); e != abi.OK {
						t.Error(e)
						return
					}
				}
			}
		}()
	}
	stop := make(chan bool)
	go func() {
		for on := true; ; on = !on {
			select {
			case <-stop:
				l.holdPort(bootrec.PortStdout, false)
				close(stop)
				return
			case <-time.After(time.Millisecond):
				l.holdPort(bootrec.PortStdout, on)
			}
		}
	}()
	wg.Wait()
	stop <- true
	<-stop
	p.con.Drain(soon())
	var next [writers]int
	text := l.output(bootrec.PortStdout)[total:]
	for _, line := range strings.SplitAfter(string(text), "\n") {
		var i, k int
		if line == "" {
			break
		}
		if n, _ := fmt.Sscanf(line, "%d %d", &i, &k); n != 2 || i >= writers || next[i] != k || line != fmt.Sprintf("%d %d %s\n", i, k, strings.Repeat("y", (i*k)%300)) {
			t.Fatalf("line %q, writer at %v", line, next)
		}
		next[i]++
	}
	for i, n := range next {
		if n != lines {
			t.Error("writer", i, "has", n, "lines")
		}
	}
	if s := string(l.output(bootrec.PortStderr)); s != "error\n" {
		t.Errorf("%q", s)
	}
}

// TestClosedPipe: when the reader goes away, writes answer EPIPE and waits end;
// the other streams go on.
func TestClosedPipe(t *testing.T) {
	l, p, c := open(t)
	out := p.Stdout()
	l.holdPort(bootrec.PortStdout, true)
	for e := abi.OK; e == abi.OK; {
		_, e = out.Write(vec(make([]byte, 4096)), 0)
	}
	woken := make(chan abi.Errno)
	go func() {
		var w wait.Waiter
		_, e := w.Retry(out, waiter.EventOut, soon(), func() (int, abi.Errno) { return out.Write(vec([]byte("a")), 0) })
		woken <- e
	}()
	l.close(bootrec.PortStdout)
	if e := <-woken; e != abi.EPIPE {
		t.Error("a write that waited:", e)
	}
	if _, e := out.Write(vec([]byte("b")), 0); e != abi.EPIPE {
		t.Error("a write:", e)
	}
	if r := out.Readiness(waiter.EventOut | waiter.EventIn); r != waiter.EventErr|waiter.EventOut {
		t.Error("readiness", r)
	}
	if n, e := p.Stderr().Write(vec([]byte("c")), 0); n != 1 || e != abi.OK {
		t.Error(n, e)
	}
	c.read(func() {
		if c.hangUps != 0 {
			t.Error("the machine hangs up because of standard output")
		}
	})
	// The log's reader goes: lines are dropped, nobody waits, and who needs it is told.
	unread := make(chan bool, 2)
	p.OnUnread(func() { unread <- true })
	l.close(bootrec.PortLog)
	p.Log("gone?")
	eventually(t, "the log is gone", func() bool {
		p.Strace([]byte("call"))
		p.log.mu.Lock()
		defer p.log.mu.Unlock()
		return p.log.gone
	})
	<-unread
	p.OnUnread(func() { unread <- true })
	<-unread // at once
	for range 10_000 {
		p.Strace(make([]byte, 1000))
	}
	l.close(bootrec.PortControl)
	eventually(t, "the end is told", func() bool { n := 0; c.read(func() { n = c.hangUps }); return n == 1 })
	p.Exit(&bootrec.Exit{Code: 1}, 20*time.Second) // returns: nobody is there
}

// TestStreams: what the streams are besides.
func TestStreams(t *testing.T) {
	_, p, _ := open(t)
	in := NewStdin()
	var st abi.Stat
	for _, f := range []vfs.File{p.Stdout(), p.Stderr(), in} {
		if f.Stat(&st) != abi.OK || st.Mode&abi.S_IFMT != abi.S_IFIFO {
			t.Errorf("mode %o", st.Mode)
		}
	}
	if _, e := p.Stdout().Read(vec(make([]byte, 1)), 0); e != abi.EBADF {
		t.Error("read of standard output:", e)
	}
	if n, e := in.Read(vec(make([]byte, 1)), 0); n != 0 || e != abi.OK {
		t.Error("standard input:", n, e)
	}
	if _, e := in.Write(vec(make([]byte, 1)), 0); e != abi.EBADF {
		t.Error("write to standard input:", e)
	}
	type reopener interface {
		Reopen(flags uint32) (vfs.File, abi.Errno)
	}
	for _, c := range []struct {
		f    vfs.File
		mode uint32
		want abi.Errno
	}{
		{p.Stdout(), abi.O_WRONLY, abi.OK}, {p.Stdout(), abi.O_RDONLY, abi.EACCES}, {p.Stdout(), abi.O_RDWR, abi.EACCES},
		{p.Stdout(), 3, abi.EINVAL}, {in, abi.O_RDONLY, abi.OK}, {in, abi.O_WRONLY, abi.EACCES}, {in, abi.O_RDWR, abi.EACCES},
	} {
		if _, e := c.f.(reopener).Reopen(c.mode); e != c.want {
			t.Error("reopen", c.mode, e)
		}
	}
	// A fault in the middle: what came before counts.
	v := new(usermem.Vec)
	v.InitUser(0x10000, 100)
	if n, e := p.Stdout().Write(v, 0); n != 0 || e != abi.EFAULT {
		t.Error("write from nowhere:", n, e)
	}
}

// TestLogBounds: the log never holds more than its buffer, says what it lost,
// and keeps order; a trace waits instead, and loses nothing.
func TestLogBounds(t *testing.T) {
	l, p, _ := open(t)
	l.holdPort(bootrec.PortLog, true)
	const lines = 20_000
	for i := range lines {
		p.Log(fmt.Sprintf("%d %s", i, strings.Repeat("z", i%100)))
		if i%100 == 0 {
			p.log.mu.Lock()
			if n := len(p.log.buf); n > logBuffer {
				t.Fatal("buffered:", n)
			}
			p.log.mu.Unlock()
		}
	}
	traced := make(chan bool)
	go func() {
		for i := range 3000 {
			p.Strace([]byte(fmt.Sprintf("trace %d %s", i, strings.Repeat("w", 200))))
		}
		// As long as may be, and longer than the buffer is.
		p.Strace(bytes.Repeat([]byte("L"), logBuffer*2))
		close(traced)
	}()
	select {
	case <-traced:
		t.Error("a trace did not wait")
	case <-time.After(5 * time.Millisecond):
	}
	l.holdPort(bootrec.PortLog, false)
	<-traced
	p.Audit("{}", false)
	p.Notice("last")
	p.log.flush(soon())
	p.con.Drain(soon())
	next, lost, calls, long := 0, 0, 0, 0
	for _, f := range l.frames(t, bootrec.PortLog) {
		text := string(f.Payload)
		var n int
		switch {
		case f.Kind == bootrec.KindStrace && text[0] == 'L':
			long += len(text)
		case f.Kind == bootrec.KindStrace:
			if fmt.Sscanf(text, "trace %d", &n); n != calls {
				t.Fatal("trace", n, "after", calls)
			}
			calls++
		case strings.Contains(text, "lost"):
			fmt.Sscanf(text, "%d", &n)
			lost += n
			next += n
		case f.Kind == bootrec.KindLog:
			if fmt.Sscanf(text, "%d", &n); n != next {
				t.Fatal("line", n, "after", next)
			}
			next++
		}
	}
	if next != lines || lost == 0 || calls != 3000 || long != logLine {
		t.Error(next, "lines,", lost, "lost,", calls, "traced,", long)
	}
}

// TestAuditRoom: while nobody reads, neither a full log nor a flood of audit records takes
// the place of those that matter; what is not taken is said so, and what is taken comes
// out.
func TestAuditRoom(t *testing.T) {
	l, p, _ := open(t)
	l.holdPort(bootrec.PortLog, true)
	// The goroutine may take one buffer to the port, which has room for less than that.
	flood := func(add func() bool) (taken int) {
		for refused := 0; refused < 1000; {
			if add() {
				taken++
			} else if refused++; refused%100 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		return taken
	}
	line := strings.Repeat("z", 1000)
	logs := 0
	flood(func() bool {
		logs++
		p.Log(line)
		p.log.mu.Lock()
		defer p.log.mu.Unlock()
		return p.log.dropped == 0
	})
	record := strings.Repeat("a", 1000)
	others := flood(func() bool { return p.Audit(record, false) })
	matter := flood(func() bool { return p.Audit(strings.ToUpper(record), true) })
	if others < 32 || others > 2*auditRoom/1000 || matter < 32 || matter > 2*matterRoom/1000 {
		t.Error(others, "records were taken,", matter, "that matter")
	}
	l.holdPort(bootrec.PortLog, false)
	p.log.flush(soon())
	p.con.Drain(soon())
	lost, came := 0, map[string]int{}
	for _, f := range l.frames(t, bootrec.PortLog) {
		var n int
		if c, _ := fmt.Sscanf(string(f.Payload), "%d log lines were lost", &n); c == 1 {
			lost += n
			continue
		}
		came[string(f.Payload[:1])]++
	}
	if came["a"] != others || came["A"] != matter || came["z"]+lost != logs {
		t.Error(came, lost, "of", logs, others, matter)
	}
	// A reader that is gone is no reason to try again.
	l.close(bootrec.PortLog)
	eventually(t, "the log is gone", func() bool { p.Log("x"); p.log.mu.Lock(); defer p.log.mu.Unlock(); return p.log.gone })
	if !p.Audit("{}", false) {
		t.Error("a record is given back though nobody is there")
	}
}

// TestExit: the record is the last that comes out, behind everything that was
// written, also when the reader is slow; without a reader Exit gives up.
func TestExit(t *testing.T) {
	l, p, _ := open(t)
	p.Hello()
	p.AskTime(7)
	for port := range bootrec.Ports {
		l.holdPort(port, true)
	}
	for range 100 {
		p.AskTime(9) // fills the control port, whatever is too much is dropped
	}
	p.Stdout().Write(vec([]byte("bye")), 0)
	p.Log("end")
	begin := wait.Now()
	p.Exit(&bootrec.Exit{Code: 3}, 20*time.Millisecond)
	if d := wait.Now() - begin; d < 15e6 || d > 15e9 {
		t.Error("gave up after", d)
	}
	done := make(chan bool)
	go func() {
		p.Exit(&bootrec.Exit{Reason: bootrec.Signaled, Signal: 9, Message: strings.Repeat("m", 5000)}, 20*time.Second)
		close(done)
	}()
	time.Sleep(2 * time.Millisecond)
	for port := range bootrec.Ports {
		l.holdPort(port, false)
	}
	<-done
	list := l.frames(t, bootrec.PortControl)
	if len(list) < 3 || list[0].Kind != bootrec.KindHello || list[1].Kind != bootrec.KindTimeReq {
		t.Fatal(len(list), "frames")
	}
	last := list[len(list)-1]
	e, err := bootrec.ParseExit(last.Payload)
	if last.Kind != bootrec.KindExit || err != nil || e.Signal != 9 || len(e.Message) == 0 {
		t.Error(last.Kind, err, e.Signal)
	}
	if s := string(l.output(bootrec.PortStdout)); s != "bye" {
		t.Errorf("%q", s)
	}
}

// TestControl: what the launcher may say, in pieces of any size, from the first
// moment on; what it may not is passed over, or is the end.
func TestControl(t *testing.T) {
	header := func(n uint32, kind, zero byte) []byte {
		return []byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24), kind, zero, 0, 0}
	}
	frame := func(kind byte, payload ...byte) []byte {
		return append(header(uint32(len(payload)), kind, 0), payload...)
	}
	good := slices.Concat(bootrec.AppendSignal(nil, 15), bootrec.AppendTime(nil, bootrec.Time{ID: 1, Wall: 2, Mono: 3}),
		bootrec.AppendSignal(nil, 64), bootrec.AppendStop(nil))
	passedOver := slices.Concat(
		frame(0x82, 0, 0, 0, 0), frame(0x82, 65, 0, 0, 0), frame(0x82, 255, 255, 255, 255), // no signals
		frame(0x82), frame(0x82, 15), frame(0x82, 15, 0, 0, 0, 0), // of the wrong length
		frame(0x81, 1, 2, 3), frame(0x81, bytes.Repeat([]byte{255}, 24)...), // no times
		frame(0x7f), frame(0xff, make([]byte, 24)...), frame(1, 1, 0, 0, 0), frame(7), // kinds that do not come here
	)
	for _, pieces := range []int{1, 3, 7, 8, 9, 1024} {
		l := newLauncher()
		l.pieces = pieces
		l.input = slices.Concat(passedOver, good, passedOver, good) // before the port is even open
		c := &calls{}
		l.Run(t, l.step)
		_, err := Open(l, Handlers{
			Signal: func(n int) { c.read(func() { c.signals = append(c.signals, n) }) },
			Stop:   func() { c.read(func() { c.stops++ }) },
			Time:   func(x bootrec.Time) { c.read(func() { c.times = append(c.times, x) }) },
			HangUp: func() { t.Error("hung up") },
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "the last frame arrives", func() bool { n := 0; c.read(func() { n = c.stops }); return n == 2 })
		if !slices.Equal(c.signals, []int{15, 64, 15, 64}) || len(c.times) != 2 || c.times[0] != (bootrec.Time{ID: 1, Wall: 2, Mono: 3}) {
			t.Error(pieces, c.signals, c.times)
		}
	}
	for name, bad := range map[string][]byte{
		"too long": header(25, 0x82, 0), "largest": header(1<<32-1, 0x82, 0), "kind 0": header(4, 0, 0), "reserved": header(4, 0x82, 1),
	} {
		l, _, c := open(t)
		l.set(func() { l.input = slices.Concat(good, bad, good) })
		eventually(t, name+" ends the machine", func() bool { n := 0; c.read(func() { n = c.hangUps }); return n > 0 })
		if len(c.signals) != 2 || c.stops != 1 {
			t.Error(name, c.signals, c.stops)
		}
	}
	// Half a frame waits, and is nothing.
	l, _, c := open(t)
	l.set(func() { l.input = good[:len(good)-3] })
	eventually(t, "two signals", func() bool { n := 0; c.read(func() { n = len(c.signals) }); return n == 2 })
	time.Sleep(2 * time.Millisecond)
	c.read(func() {
		if c.stops != 0 || c.hangUps != 0 {
			t.Error(c.stops, c.hangUps)
		}
	})
}

// hostile feeds bytes to the control port's reader and checks what is called.
func hostile(t testing.TB, b []byte, cut func(int) int) {
	p := &Ports{in: bootrec.NewReader(bootrec.MaxToMachine)}
	p.h = Handlers{
		Signal: func(n int) {
			if n < 1 || n > 64 {
				t.Fatal("signal", n)
			}
		},
		Stop: func() {},
		Time: func(x bootrec.Time) {
			if x.Wall < 0 || x.Mono < 0 {
				t.Fatal("time", x)
			}
		},
		HangUp: func() {},
	}
	for len(b) > 0 {
		n := min(cut(len(b)), len(b))
		p.input(b[:n])
		b = b[n:]
	}
}

// FuzzControl: no bytes of the launcher's end the kernel by a panic.
func FuzzControl(f *testing.F) {
	f.Add(bootrec.AppendSignal(nil, 2))
	f.Add(bootrec.AppendTime(bootrec.AppendStop(nil), bootrec.Time{ID: 1}))
	f.Fuzz(func(t *testing.T, b []byte) { hostile(t, b, func(n int) int { return 1 + n/2 }) })
}

// TestControlRandom is FuzzControl with seeded input.
func TestControlRandom(t *testing.T) {
	r := rand.New(rand.NewSource(4))
	for range 50_000 {
		var b []byte
		for range r.Intn(6) {
			b = append(b, []byte{byte(r.Intn(30)), 0, 0, 0, byte(0x80 + r.Intn(6)), 0, 0, 0}...)
			for range r.Intn(28) {
				b = append(b, byte(r.Intn(256)))
			}
		}
		hostile(t, b, func(n int) int { return 1 + r.Intn(n) })
	}
}

// TestReport sends more frames than the port has room for; they stay whole, though
// others send as well.
func TestReport(t *testing.T) {
	l, p, _ := open(t)
	text := strings.Repeat("m", bootrec.MaxPayload)
	frames := bootrec.AppendFrame(bootrec.AppendFrame(nil, bootrec.KindMissed, []byte(text)), bootrec.KindStack, []byte(text[:50000]))
	l.holdPort(bootrec.PortControl, true)
	done := make(chan bool)
	go func() {
		p.Report(frames, soon())
		close(done)
	}()
	time.Sleep(2 * time.Millisecond)
	go func() {
		for range 50 {
			p.AskTime(9)
		}
	}()
	l.holdPort(bootrec.PortControl, false)
	<-done
	p.con.Drain(soon())
	var got []bootrec.Frame
	for _, f := range l.frames(t, bootrec.PortControl) {
		if f.Kind != bootrec.KindTimeReq {
			got = append(got, f)
		}
	}
	if len(got) != 2 || got[0].Kind != bootrec.KindMissed || string(got[0].Payload) != text || len(got[1].Payload) != 50000 {
		t.Error(len(got), "frames")
	}
	l.holdPort(bootrec.PortControl, true)
	begin := wait.Now()
	p.Report(frames, begin+20e6)
	if d := wait.Now() - begin; d < 15e6 || d > 15e9 {
		t.Error("gave up after", d)
	}
	p.Report(nil, soon())
}
