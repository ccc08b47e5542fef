package policy

import (
	"strconv"
	"sync"
	"time"

	"skerry/kernel/abi"
)

// Audit takes an audit record, one JSON object of at most MaxRecord bytes. nil: nobody
// asked for any. Set at boot, like Clocks, which are the machine's monotonic and wall
// clock in nanoseconds. The last events are kept in any case.
var (
	Audit  func(json string)
	Clocks = func() (mono, wall int64) { return 0, 0 }
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

	mono, wall int64 // when; Note fills it in
}

// Rules of events. Those of memory are mm's.
const (
	RuleCall     = "call"     // a system call that the model has no place for
	RuleIdentity = "identity" // becoming someone else
	RuleOrigin   = "origin"   // a system call from memory that the program made executable
	RuleEgress   = "egress"   // a peer that it may not reach
)

// MaxRecord bounds a record, in bytes; maxText a string in it.
const (
	MaxRecord = 2048
	maxText   = 700
)

// Records are bounded by rule and place: burst at once, then rate in a second. What is
// new passes in any case; what was left out is counted in the next record from there, or
// in one of its own after auditPause.
const (
	auditBurst = 50
	auditRate  = 10
	auditPause = 10 * time.Second
)

// trail is the audit trail.
var trail struct {
	mu      sync.Mutex
	n       uint64 // records so far
	places  map[key]*place
	left    uint64 // events left out, that no record has counted yet
	pending bool   // the timer runs
	recent  [maxRecent]Event
	seen    uint64 // events so far, the last of them in recent
}

// maxRecent is how many events are kept for the report about a program that is ended.
const maxRecent = 100

// place is what is known of a rule and an address.
type place struct {
	since  int64 // when tokens was right, monotonic
	tokens float64
	left   uint64
	last   Event
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

// Note records an event.
func Note(e Event) {
	e.mono, e.wall = Clocks()
	trail.mu.Lock()
	defer trail.mu.Unlock()
	trail.recent[trail.seen%maxRecent] = e
	trail.seen++
	if Audit == nil {
		return
	}
	mono := e.mono
	if trail.places == nil {
		trail.places = map[key]*place{}
	}
	k := key{e.Rule + " " + e.Call, e.PC}
	p := trail.places[k]
	if p == nil {
		if len(trail.places) >= maxPlaces {
			k = key{}
			p = trail.places[k]
		}
		if p == nil {
			p = &place{since: mono, tokens: auditBurst}
			trail.places[k] = p
		}
	}
	p.tokens = min(auditBurst, p.tokens+float64(mono-p.since)/1e9*auditRate)
	p.since = mono
	if p.tokens < 1 {
		p.left++
		trail.left++
		p.last = e
		if !trail.pending {
			trail.pending = true
			time.AfterFunc(auditPause, leftOut)
		}
		return
	}
	p.tokens--
	write(&e, p)
}

// leftOut tells of what was left out for some time.
func leftOut() {
	trail.mu.Lock()
	defer trail.mu.Unlock()
	trail.pending = false
	tellLeft()
}

// Close writes what has not been told yet. It is for the machine's end.
func Close() {
	if Audit == nil {
		return
	}
	trail.mu.Lock()
	defer trail.mu.Unlock()
	tellLeft()
}

// tellLeft writes a record for each place with events that were left out. The lock is
// held.
func tellLeft() {
	if trail.left == 0 {
		return
	}
	for _, p := range trail.places {
		if p.left > 0 {
			p.left-- // the one that is told
			trail.left--
			write(&p.last, p)
		}
	}
}

// write writes a record, with what was left out of the place. The lock is held.
func write(e *Event, p *place) {
	trail.n++
	Audit(string(record(e, trail.n, p.left)))
	trail.left -= p.left
	p.left = 0
}

// record is the JSON of an event.
func record(e *Event, n, left uint64) []byte {
	action := "denied"
	if e.Killed {
		action = "killed"
	}
	b := make([]byte, 0, 256)
	number := func(name string, v uint64) {
		b = append(b, `,"`...)
		b = append(b, name...)
		b = append(b, `":`...)
		b = strconv.AppendUint(b, v, 10)
	}
	text := func(name, v string) {
		b = append(b, `,"`...)
		b = append(b, name...)
		b = append(b, `":`...)
		b = quote(b, v)
	}
	b = append(b, `{"n":`...)
	b = strconv.AppendUint(b, n, 10)
	number("mono", uint64(max(e.mono, 0)))
	number("wall", uint64(max(e.wall, 0)))
	text("rule", e.Rule)
	number("point", uint64(e.Point))
	text("action", action)
	if e.Call != "" {
		text("call", e.Call)
	}
	if e.What != "" {
		text("what", e.What)
	}
	if e.Errno != 0 {
		text("errno", e.Errno.Error())
	}
	if e.TID != 0 {
		number("tid", uint64(e.TID))
	}
	if e.PC != 0 {
		text("pc", "0x"+strconv.FormatUint(e.PC, 16))
		text("at", Place(e.PC))
	}
	if left != 0 {
		number("left_out", left)
	}
	return append(b, '}')
}

// quote appends s as a JSON string of printable ASCII, cut where it would have more than
// maxText bytes: every other byte is \u00xx, so that nothing in it can be a line, a quote
// or a command for a terminal.
func quote(b []byte, s string) []byte {
	b = append(b, '"')
	from := len(b)
	for i := 0; i < len(s); i++ {
		if len(b)-from > maxText-9 { // room for one escape and the dots
			b = append(b, "..."...)
			break
		}
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' || c >= 0x7f:
			const hex = "0123456789abcdef"
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
