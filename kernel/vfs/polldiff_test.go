package vfs

import (
	"encoding/binary"
	"fmt"
	"math/rand"
	"os"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"skerry/kernel/abi"
)

// TestPollAgainstHost runs the same random operations on pipes, eventfds and epoll
// instances (nested ones too) of the host and of ours, and compares results, and
// above all which events epoll_wait, poll and select report, and in which order.
func TestPollAgainstHost(t *testing.T) {
	rounds := 250
	if s := os.Getenv("SKERRY_DIFF_ROUNDS"); s != "" {
		rounds, _ = strconv.Atoi(s)
	}
	ops, events := 0, 0
	for seed := 0; seed < rounds; seed++ {
		d := &pollDiffer{rng: rand.New(rand.NewSource(int64(seed))), table: NewTable()}
		for i := 0; i < 400; i++ {
			host, ours := d.step()
			d.log = append(d.log, host)
			if host != ours {
				t.Fatalf("seed %d step %d:\n host %s\n ours %s\nbefore:\n  %s", seed, i, host, ours,
					strings.Join(d.log[max(0, len(d.log)-60):], "\n  "))
			}
			ops++
			if strings.Contains(host, "{") {
				events++
			}
		}
		for _, o := range d.objs {
			syscall.Close(o.host)
			d.table.Close(o.ours)
		}
		if n := epollItems.Load(); n != 0 {
			t.Fatalf("%d items left", n)
		}
	}
	t.Logf("%d operations, %d of them reported events", ops, events)
}

type pollDiffer struct {
	rng   *rand.Rand
	table *Table
	w     sleeper
	p     Poller
	objs  []object
	next  int
	log   []string
	// unordered says that EPOLLEXCLUSIVE was used, which on Linux changes the
	// order in which instances hear of an event.
	unordered bool
}

type object struct {
	id   int
	host int
	ours int32
	kind string // "r", "w", "event", "epoll"
}

func (d *pollDiffer) add(host int, f *Description, kind string) int {
	fd, e := d.table.Install(f, false)
	if e != abi.OK {
		panic(e)
	}
	d.next++
	d.objs = append(d.objs, object{d.next, host, fd, kind})
	return d.next
}

func (d *pollDiffer) pick(kinds string) (object, int, bool) {
	var at []int
	for i, o := range d.objs {
		if strings.Contains(kinds, o.kind) {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return object{}, 0, false
	}
	i := at[d.rng.Intn(len(at))]
	return d.objs[i], i, true
}

func hostErr(e syscall.Errno) string { return abi.Errno(e).Error() }

func (d *pollDiffer) step() (host, ours string) {
	r := d.rng
	switch k := r.Intn(30); {
	case k < 2 && len(d.objs) < 14:
		var p [2]int
		syscall.Pipe2(p[:], syscall.O_NONBLOCK)
		a, b, _ := NewPipe(abi.O_NONBLOCK)
		s := fmt.Sprintf("pipe %d %d", d.add(p[0], a, "r"), d.add(p[1], b, "w"))
		return s, s
	case k < 4 && len(d.objs) < 14:
		flags := r.Intn(2)
		n := r.Intn(3)
		h, _ := sysN(syscall.SYS_EVENTFD2, uintptr(n), uintptr(flags|syscall.O_NONBLOCK))
		f, _ := NewEventFD(uint32(n), uint32(flags)|abi.O_NONBLOCK)
		s := fmt.Sprintf("eventfd(%d, %d) %d", n, flags, d.add(int(h), f, "event"))
		return s, s
	case k < 6 && len(d.objs) < 14:
		h, _ := syscall.EpollCreate1(0)
		s := fmt.Sprintf("epoll %d", d.add(h, NewEpoll(), "epoll"))
		return s, s
	case k == 6 && r.Intn(3) == 0:
		o, i, ok := d.pick("r w event epoll")
		if !ok {
			break
		}
		d.objs = append(d.objs[:i], d.objs[i+1:]...)
		op := fmt.Sprintf("close %d", o.id)
		e, _ := syscall.Close(o.host).(syscall.Errno)
		return op + hostErr(e), op + d.table.Close(o.ours).Error()
	case k == 7 && len(d.objs) < 14 && r.Intn(3) == 0:
		o, _, ok := d.pick("r w event epoll")
		if !ok {
			break
		}
		h, _ := syscall.Dup(o.host)
		n, _ := d.table.Dup(o.ours, 0, false)
		d.next++
		d.objs = append(d.objs, object{d.next, h, n, o.kind})
		s := fmt.Sprintf("dup %d is %d", o.id, d.next)
		return s, s
	case k < 16:
		return d.transfer()
	case k < 22:
		return d.control()
	case k < 28:
		return d.wait()
	case k == 28:
		return d.poll()
	default:
		return d.selects()
	}
	return "", ""
}

// transfer reads or writes.
func (d *pollDiffer) transfer() (host, ours string) {
	r := d.rng
	o, _, ok := d.pick("r w event")
	if !ok {
		return "", ""
	}
	n := []int{0, 1, 7, 8, 100, 4095, 4096, 4097, 9000, 65536, 70000}[r.Intn(11)]
	if o.kind == "event" {
		n = 8
	}
	a, b := make([]byte, n), make([]byte, n)
	f, e := d.table.Get(o.ours)
	if e != abi.OK {
		panic(e)
	}
	defer f.Unref()
	if o.kind == "w" || o.kind == "event" && r.Intn(2) == 0 {
		r.Read(a)
		if o.kind == "event" {
			binary.LittleEndian.PutUint64(a, []uint64{0, 1, 5, 1<<64 - 2, 1<<64 - 1}[r.Intn(5)])
		}
		copy(b, a)
		op := fmt.Sprintf("write %d, %d bytes ", o.id, n)
		m, he := sysBuf(syscall.SYS_WRITE, o.host, a)
		m2, e := f.Write(&d.w, vec(b))
		if he != 0 {
			m = 0
		}
		return fmt.Sprint(op, hostErr(he), m), fmt.Sprint(op, e.Error(), m2)
	}
	op := fmt.Sprintf("read %d, %d bytes ", o.id, n)
	m, he := sysBuf(syscall.SYS_READ, o.host, a)
	m2, e := f.Read(&d.w, vec(b))
	if he != 0 {
		m = 0
	}
	return fmt.Sprint(op, hostErr(he), m, check32(a)), fmt.Sprint(op, e.Error(), m2, check32(b))
}

func check32(b []byte) uint32 {
	h := uint32(0)
	for _, c := range b {
		h = h*31 + uint32(c)
	}
	return h
}

func (d *pollDiffer) control() (host, ours string) {
	r := d.rng
	ep, _, ok := d.pick("epoll")
	if !ok {
		return "", ""
	}
	if r.Intn(15) == 0 {
		ep, _, _ = d.pick("r w event epoll")
	}
	o, _, _ := d.pick("r w event epoll")
	op := []int{1, 1, 1, 2, 3, 3, 4}[r.Intn(7)]
	events := uint32(0)
	for _, b := range []uint32{abi.POLLIN, abi.POLLIN, abi.POLLOUT, abi.POLLRDHUP, abi.POLLRDNORM, abi.POLLWRNORM, abi.POLLPRI, abi.EPOLLET, abi.EPOLLET, abi.EPOLLONESHOT} {
		if r.Intn(3) == 0 {
			events |= b
		}
	}
	if r.Intn(12) == 0 {
		events |= abi.EPOLLEXCLUSIVE
	}
	what := fmt.Sprintf("ctl %d op %d on %d, %#x ", ep.id, op, o.id, events)
	ev := make([]byte, 12)
	binary.LittleEndian.PutUint32(ev, events)
	binary.LittleEndian.PutUint64(ev[4:], uint64(o.id))
	_, he := sysN(syscall.SYS_EPOLL_CTL, uintptr(ep.host), uintptr(op), uintptr(o.host), bufAddr(ev))
	e := d.table.EpollControl(ep.ours, op, o.ours, &EpollEvent{events, uint64(o.id)})
	d.unordered = d.unordered || e == abi.OK && events&abi.EPOLLEXCLUSIVE != 0
	return what + hostErr(he), what + e.Error()
}

func (d *pollDiffer) wait() (host, ours string) {
	r := d.rng
	ep, _, ok := d.pick("epoll")
	if !ok {
		return "", ""
	}
	n := 1 + r.Intn(5)
	if d.unordered {
		n = 30
	}
	op := fmt.Sprintf("wait %d, %d ", ep.id, n)
	a, b := make([]byte, n*12), make([]byte, n*12)
	m, he := sysN(syscall.SYS_EPOLL_WAIT, uintptr(ep.host), bufAddr(a), uintptr(n), 0)
	f, _ := d.table.Get(ep.ours)
	defer f.Unref()
	ours1, _ := EpollOf(f)
	m2, e := ours1.Wait(&d.w, vec(b), n, Immediate)
	return op + hostErr(he) + d.eventList(a[:m*12]), op + e.Error() + d.eventList(b[:m2*12])
}

func (d *pollDiffer) eventList(b []byte) string {
	var all []string
	for ; len(b) > 0; b = b[12:] {
		all = append(all, fmt.Sprintf(" {%d %#x}", binary.LittleEndian.Uint64(b[4:]), binary.LittleEndian.Uint32(b)))
	}
	if d.unordered {
		sort.Strings(all)
	}
	return strings.Join(all, "")
}

func (d *pollDiffer) poll() (host, ours string) {
	r := d.rng
	var a, b []PollFD
	op := "poll"
	for range r.Intn(6) {
		events := int16(0)
		for _, e := range []int16{abi.POLLIN, abi.POLLOUT, abi.POLLRDNORM, abi.POLLWRNORM, abi.POLLPRI, abi.POLLRDHUP} {
			if r.Intn(2) == 0 {
				events |= e
			}
		}
		h, o := 999, int32(999)
		if x, _, ok := d.pick("r w event epoll"); ok && r.Intn(9) > 0 {
			h, o = x.host, x.ours
			op += fmt.Sprintf(" %d:%#x", x.id, events)
		} else if r.Intn(2) == 0 {
			h, o = -1, -1
		}
		a = append(a, PollFD{FD: int32(h), Events: events})
		b = append(b, PollFD{FD: o, Events: events})
	}
	n, he := sysPoll(a)
	m, e := d.p.Poll(&d.w, d.table, b, Immediate)
	for i := range a {
		a[i].FD, b[i].FD = 0, 0
	}
	return fmt.Sprint(op, hostErr(he), n, a), fmt.Sprint(op, e.Error(), m, b)
}

func (d *pollDiffer) selects() (host, ours string) {
	r := d.rng
	var a, b [3][16]uint64
	op := "select"
	set := func(k, h int, o int32) {
		a[k][h/64] |= 1 << (h % 64)
		b[k][o/64] |= 1 << (o % 64)
	}
	var in []object
	for range r.Intn(5) {
		if x, _, ok := d.pick("r w event epoll"); ok {
			in = append(in, x)
			for k := range 3 {
				if r.Intn(2) == 0 {
					set(k, x.host, x.ours)
					op += fmt.Sprintf(" %d/%d", x.id, k)
				}
			}
		}
	}
	n, he := sysSelect(1024, &a)
	m, e := d.p.Select(&d.w, d.table, 1024, b[0][:], b[1][:], b[2][:], Immediate)
	bits := func(sets *[3][16]uint64, fd func(object) int) string {
		s := ""
		for _, x := range in {
			for k := range 3 {
				s += fmt.Sprint(sets[k][fd(x)/64] >> (fd(x) % 64) & 1)
			}
		}
		return s
	}
	return fmt.Sprint(op, hostErr(he), n, bits(&a, func(o object) int { return o.host })),
		fmt.Sprint(op, e.Error(), m, bits(&b, func(o object) int { return int(o.ours) }))
}
