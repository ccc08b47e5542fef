package policy

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"skerry/bootrec"
	"skerry/kernel/abi"
	"skerry/kernel/task"
)

// Audit takes an audit record, one JSON object of at most MaxRecord bytes, and reports
// whether there was room for it; what there was none for is counted, and tried again. For
// one that matters, the first of its place or of a machine that ends, there is room that
// others do not get. nil: nobody asked for any. Set at boot, like Clocks, which are the
// machine's monotonic and wall clock in nanoseconds, and Describe, which is what Event.What
// is of a call of which only numbers were kept. The last events are kept in any case.
var (
	Audit    func(json string, matters bool) bool
	Clocks   = func() (mono, wall int64) { return 0, 0 }
	Describe = func(nr int, args [6]uint64) string { return "" }
)

// Event is something that the model rules out and that was tried.
type Event struct {
	Rule   string // which rule; a constant, such as RuleCall
	Point  Point
	Killed bool   // it ended the program; else it was refused
	Call   string // the system call, "" if there is none
	What   string // the call with its arguments, or what was tried; strings in it are the program's
	Errno  abi.Errno
	TID    int32  // 0 if not known
	PC     uint64 // 0 if not known
	Object Object // what it is about
	// stack are return addresses, the innermost first, 0 behind the last one.
	stack [maxStack]uint64

	// Number and Args stand for a What that is "".
	Number int // not 0, which is read(2)
	Args   [6]uint64

	mono, wall int64 // when; Note fills it in
}

// By fills in thread t, and where it is.
func (e *Event) By(t *task.Thread) {
	e.TID, e.PC, e.stack = t.TID, t.Ctx.Regs.RIP, callers(&t.Ctx.Regs)
}

// Rules of events. Those of memory are mm's.
const (
	RuleCall     = "call"     // a system call that the model has no place for
	RuleIdentity = "identity" // becoming someone else
	RuleOrigin   = "origin"   // a system call from memory that the program made executable
	RuleEgress   = "egress"   // a peer that it may not reach
)

// MaxRecord bounds a record, in bytes; maxText the description in it, maxAt the place and
// maxCall the call's name. What they and maxObject leave is for the names of the callers.
const (
	MaxRecord = 2048
	maxText   = 600
	maxAt     = 320
	maxCall   = 70
	maxOffset = 120
)

// Records are bounded by rule and place, and together: so many at once, then so many in a
// second. The first of a place passes in any case, and so does what ends the machine; what
// was left out is counted in the next record from there, or in one of its own after
// auditPause. When there was no room for one, others wait for auditRetry.
const (
	auditBurst = 50
	auditRate  = 10
	allBurst   = 200
	allRate    = 50
	auditPause = 10 * time.Second
	auditRetry = 10 * time.Millisecond
)

// trail is the audit trail.
var trail struct {
	mu      sync.Mutex
	n       uint64 // records so far
	tried   uint64 // events for them so far
	places  map[key]*place
	all     bucket
	left    uint64      // events left out, that no record has counted yet
	full    int64       // until when there was no room, monotonic
	pending bool        // the timer runs
	closed  bool        // nothing is recorded any more
	lost    atomic.Bool // there was no room for a record that is required
	recent  [maxRecent]Event
	seen    uint64 // events so far, the last of them in recent
}

// maxRecent is how many events are kept for the report about a program that is ended.
const maxRecent = 100

// bucket bounds a rate.
type bucket struct {
	since  int64 // when tokens was right, monotonic
	tokens float64
}

// fill adds what has come since, and reports whether there is a token.
func (b *bucket) fill(mono int64, burst, rate float64) bool {
	b.tokens = min(burst, b.tokens+float64(mono-b.since)/1e9*rate)
	b.since = mono
	return b.tokens >= 1
}

// take takes one, if there is one.
func (b *bucket) take() { b.tokens = max(b.tokens-1, 0) }

// place is what is known of a rule and an address.
type place struct {
	bucket
	told bool   // it has a record
	left uint64 // events that no record has counted
	last Event  // of those, the last one or one that ended the machine
}

// Recent calls f for each of the last events, the oldest first: the record that it has, or
// would have.
func Recent(f func(json string)) {
	trail.mu.Lock()
	defer trail.mu.Unlock()
	for n := trail.seen - min(trail.seen, maxRecent); n < trail.seen; n++ {
		f(string(record(&trail.recent[n%maxRecent], n+1, 0)))
	}
}

// Note records an event. Without anybody who asked for records it allocates nothing.
func Note(e *Event) {
	e.mono, e.wall = Clocks()
	note(e)
	if !e.Killed { // else the program ends, and says why
		required()
	}
}

// Unread says that nobody reads records any more, under a policy that requires them.
func Unread() {
	trail.lost.Store(true)
	required()
}

// required ends the program if there was no room for a record and the policy requires all.
func required() {
	if trail.lost.Load() {
		task.The.EndByPolicy(nil, bootrec.AuditLost+"nobody reads it in time")
	}
}

// Lost reports whether the machine ends since nobody reads its records.
func Lost() bool { return trail.lost.Load() }

// note is Note for an event with its time.
func note(e *Event) {
	trail.mu.Lock()
	defer trail.mu.Unlock()
	trail.recent[trail.seen%maxRecent] = *e
	trail.seen++
	if Audit == nil || trail.closed {
		return
	}
	trail.tried++
	p := placeOf(e)
	p.left++
	trail.left++
	if p.left == 1 || !p.last.Killed {
		p.last = *e
	}
	mine, all := p.fill(e.mono, auditBurst, auditRate), trail.all.fill(e.mono, allBurst, allRate)
	switch {
	case e.Killed:
		tell(p, true)
	case e.mono < trail.full: // no room a moment ago
	case !p.told:
		tell(p, true)
	case mine && all:
		tell(p, false)
	}
	if p.left > 0 && !trail.pending {
		trail.pending = true
		time.AfterFunc(auditPause, leftOut)
	}
}

// placeOf finds an event's place, or makes one. The lock is held.
func placeOf(e *Event) *place {
	if trail.places == nil {
		trail.places = map[key]*place{}
		trail.all = bucket{e.mono, allBurst}
	}
	name := e.Call
	if strings.HasPrefix(name, "syscall_0x") {
		name = "syscall" // else a program could make a place of each number
	}
	k := key{e.Rule + " " + name, e.PC}
	p := trail.places[k]
	if p == nil && len(trail.places) >= maxPlaces {
		k = key{}
		p = trail.places[k]
	}
	if p == nil {
		p = &place{bucket: bucket{e.mono, auditBurst}}
		trail.places[k] = p
	}
	return p
}

// tell writes the record of the place's last event, with how many others it stands for, and
// reports whether there was room. The lock is held.
func tell(p *place, matters bool) bool {
	if !Audit(string(record(&p.last, trail.n+1, p.left-1)), matters) {
		mono, _ := Clocks()
		trail.full = mono + int64(auditRetry)
		if !trail.closed && Kills(bootrec.AuditRequired) {
			trail.lost.Store(true)
		}
		return false
	}
	trail.n++
	trail.left -= p.left
	p.left, p.told, p.last = 0, true, Event{}
	p.take()
	trail.all.take()
	return true
}

// leftOut tells of what was left out for some time, as much as the bound on all records
// allows; the rest is for another time.
func leftOut() {
	defer required()
	trail.mu.Lock()
	defer trail.mu.Unlock()
	trail.pending = false
	if trail.closed {
		return
	}
	mono, _ := Clocks()
	for _, p := range trail.places {
		if p.left > 0 && (!trail.all.fill(mono, allBurst, allRate) || !tell(p, !p.told)) {
			break
		}
	}
	if trail.left > 0 {
		trail.pending = true
		time.AfterFunc(auditPause, leftOut)
	}
}

// Close writes what has not been told yet, waiting for room for as long as patience, and
// answers how many records there were and how many events were for them: who has fewer has
// lost some. Nothing is recorded behind it. It is for the machine's end.
func Close(patience time.Duration) (records, events uint64) {
	if Audit == nil {
		return 0, 0
	}
	trail.mu.Lock()
	defer trail.mu.Unlock()
	trail.closed = true
	end := time.Now().Add(patience)
	for _, killed := range [...]bool{true, false} { // what may be too late comes last
		for _, p := range trail.places {
			for p.left > 0 && p.last.Killed == killed && !tell(p, true) && time.Now().Before(end) {
				time.Sleep(time.Millisecond)
			}
		}
	}
	return trail.n, trail.tried
}

// record is the JSON of an event.
func record(e *Event, n, left uint64) []byte {
	w := &writer{b: make([]byte, 0, 512)}
	w.number("n", n)
	w.number("mono", uint64(max(e.mono, 0)))
	w.number("wall", uint64(max(e.wall, 0)))
	w.text("rule", e.Rule, maxCall)
	w.number("point", uint64(e.Point))
	action := "denied"
	if e.Killed {
		action = "killed"
	}
	w.text("action", action, maxCall)
	name, what := e.Call, e.What
	if what == "" && e.Number != 0 {
		what = Describe(e.Number, e.Args)
		name = call(what)
	}
	if name != "" {
		w.text("call", name, maxCall)
	}
	if what != "" {
		w.text("what", what, maxText)
	}
	if e.Errno != 0 {
		w.text("errno", e.Errno.Error(), maxCall)
	}
	if e.TID != 0 {
		w.number("tid", uint64(e.TID))
	}
	if e.PC != 0 {
		w.text("pc", hex(e.PC), maxCall)
		w.text("at", Place(e.PC), maxAt)
	}
	if left != 0 {
		w.number("left_out", left)
	}
	e.Object.write(w)
	if e.stack[0] != 0 {
		w.list("stack", &e.stack, hex)
		w.list("stack_at", &e.stack, Offset)
	}
	w.byte('}')
	return w.b
}

func hex(v uint64) string { return "0x" + strconv.FormatUint(v, 16) }

// writer writes a JSON object.
type writer struct {
	b    []byte
	more bool // it has begun
}

func (w *writer) byte(c byte) { w.b = append(w.b, c) }

func (w *writer) str(s string) { w.b = append(w.b, s...) }

// name begins a member.
func (w *writer) name(s string) {
	c := byte('{')
	if w.more {
		c = ','
	}
	w.more = true
	w.byte(c)
	w.byte('"')
	w.str(s)
	w.str(`":`)
}

func (w *writer) number(name string, v uint64) {
	w.name(name)
	w.b = strconv.AppendUint(w.b, v, 10)
}

func (w *writer) text(name, v string, limit int) {
	w.name(name)
	w.quote(v, limit)
}

// list writes what there is of pcs, each as item has it, as far as there is room.
func (w *writer) list(name string, pcs *[maxStack]uint64, item func(pc uint64) string) {
	w.name(name)
	c := byte('[')
	for _, pc := range pcs {
		if pc == 0 || len(w.b) > MaxRecord-maxOffset-8 {
			break
		}
		w.byte(c)
		c = ','
		w.quote(item(pc), maxOffset)
	}
	if c == '[' {
		w.byte(c)
	}
	w.byte(']')
}

// quote writes s as a JSON string of printable ASCII, cut where it would have more than
// limit bytes: every other byte is \u00xx, so that nothing in it can be a line, a quote
// or a command for a terminal.
func (w *writer) quote(s string, limit int) {
	w.byte('"')
	from := len(w.b)
	for i := 0; i < len(s); i++ {
		if len(w.b)-from > limit-9 { // room for one escape and the dots
			w.str("...")
			break
		}
		c := s[i]
		if c < ' ' || c >= 0x7f {
			const hex = "0123456789abcdef"
			w.str(`\u00`)
			w.byte(hex[c>>4])
			c = hex[c&15]
		} else if c == '"' || c == '\\' {
			w.byte('\\')
		}
		w.byte(c)
	}
	w.byte('"')
}
