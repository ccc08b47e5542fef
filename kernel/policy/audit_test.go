package policy

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"skerry/bootrec"
	"skerry/kernel/abi"
	"skerry/kernel/task"
)

// audited runs f with an audit trail of its own and returns its records. at moves the
// clock.
func audited(t *testing.T, f func(at func(seconds float64))) (records []map[string]any) {
	t.Helper()
	return auditedBy(t, func(bool) bool { return true }, f)
}

// auditedBy is audited with a queue that takes what room says.
func auditedBy(t *testing.T, room func(matters bool) bool, f func(at func(seconds float64))) (records []map[string]any) {
	t.Helper()
	mono := int64(1e9)
	Audit = func(s string, matters bool) bool {
		if !room(matters) {
			return false
		}
		if len(s) > MaxRecord {
			t.Errorf("a record of %d bytes", len(s))
		}
		var m map[string]any
		if err := json.Unmarshal([]byte(s), &m); err != nil {
			t.Errorf("%v: %s", err, s)
		}
		for _, c := range []byte(s) {
			if c < ' ' || c >= 0x7f {
				t.Errorf("byte %#x in %q", c, s)
			}
		}
		records = append(records, m)
		return true
	}
	old := Clocks
	Clocks = func() (int64, int64) { return mono, 1700000000e9 + mono }
	trail.places, trail.n, trail.tried, trail.left, trail.full = nil, 0, 0, 0, 0
	trail.pending, trail.closed = true, false // no timer
	defer func() { Audit, Clocks, trail.places, trail.pending, trail.closed = nil, old, nil, false, false }()
	f(func(s float64) { mono = 1e9 + int64(s*1e9) })
	return records
}

func TestAuditRecord(t *testing.T) {
	r := audited(t, func(func(float64)) {
		Note(&Event{Rule: RuleCall, Point: SingleProcess, Call: "execve", What: "execve(\"/bin/\x1b[2Jsh\n\", \u202e\xff)", Errno: abi.EPERM, TID: 7, PC: 0x401000})
		Note(&Event{Rule: RuleOrigin, Killed: true, What: strings.Repeat("\x00\"", 5000)})
	})
	if len(r) != 2 {
		t.Fatal(r)
	}
	for k, want := range map[string]any{"n": 1.0, "mono": 1e9, "wall": 1700000001e9, "rule": "call", "point": 1.0, "action": "denied", "call": "execve",
		"errno": "EPERM", "tid": 7.0, "pc": "0x401000", "what": "execve(\"/bin/\x1b[2Jsh\n\", \u00e2\u0080\u00ae\u00ff)"} {
		if r[0][k] != want {
			t.Errorf("%s is %q, want %q", k, r[0][k], want)
		}
	}
	if r[1]["n"] != 2.0 || r[1]["action"] != "killed" || !strings.HasSuffix(r[1]["what"].(string), "...") || r[1]["pc"] != nil {
		t.Errorf("%v", r[1])
	}
}

// counted is how many events records stand for.
func counted(r []map[string]any) (n uint64) {
	for _, m := range r {
		n++
		if l, ok := m["left_out"].(float64); ok {
			n += uint64(l)
		}
	}
	return n
}

// TestAuditFlood: refusals from many places at once are bounded together, too, but for
// the first of each place; nothing is left uncounted.
func TestAuditFlood(t *testing.T) {
	const calls, times = 120, 60
	var records, events uint64
	r := audited(t, func(at func(float64)) {
		for i := range times {
			at(float64(i) / 1000)
			for nr := range calls {
				Note(&Event{Rule: RuleCall, Call: strconv.Itoa(nr), PC: 1})
			}
		}
	})
	if n := len(r); n < allBurst || n > calls+allBurst+allRate/10+1 {
		t.Errorf("%d records at once", n)
	}
	r = audited(t, func(at func(float64)) {
		for range times {
			for nr := range calls {
				Note(&Event{Rule: RuleCall, Call: strconv.Itoa(nr), PC: 1})
			}
		}
		records, events = Close(0)
		Note(&Event{Rule: RuleCall, Call: "late"})
	})
	if records != uint64(len(r)) || events != calls*times || counted(r) != events {
		t.Errorf("%d records, %d events; %d came, for %d", records, events, len(r), counted(r))
	}
}

// TestAuditBlocked: nobody reads. What there is no room for is neither numbered nor lost:
// it is in the count of a later record; what ends the machine has room.
func TestAuditBlocked(t *testing.T) {
	full, reserved := true, 0
	room := func(matters bool) bool {
		if !full {
			return true
		}
		if matters && reserved > 0 {
			reserved--
			return true
		}
		return false
	}
	var records, events uint64
	r := auditedBy(t, room, func(at func(float64)) {
		for i := range 100 {
			at(float64(i))
			Note(&Event{Rule: RuleCall, Call: "fork", PC: uint64(i % 10)})
		}
		reserved = 1
		Note(&Event{Rule: RuleOrigin, What: "kill", Killed: true, PC: 99}) // in the moment of a failure
		if reserved != 0 {
			t.Error("what ended the machine was not written")
		}
		at(200)
		Note(&Event{Rule: RuleOrigin, What: "kill", Killed: true, PC: 98}) // no room for this one
		Note(&Event{Rule: RuleOrigin, What: "other", PC: 98})
		go func() { time.Sleep(5 * time.Millisecond); full = false }()
		records, events = Close(20 * time.Second)
	})
	if records != uint64(len(r)) || events != 103 || counted(r) != events {
		t.Errorf("%d records, %d events; %d came, for %d", records, events, len(r), counted(r))
	}
	killed := 0
	for i, m := range r {
		if m["n"] != float64(i+1) {
			t.Errorf("record %d has number %v", i, m["n"])
		}
		if m["action"] == "killed" {
			killed++
		}
	}
	if killed != 2 || len(r) != 12 {
		t.Errorf("%d of %d say what ended the machine", killed, len(r))
	}
	// Nobody ever reads.
	r = auditedBy(t, func(bool) bool { return false }, func(at func(float64)) {
		for i := range 10 {
			Note(&Event{Rule: RuleCall, Call: "fork", PC: uint64(i)})
		}
		begin := time.Now()
		records, events = Close(20 * time.Millisecond)
		if d := time.Since(begin); d > 10*time.Second {
			t.Error("gave up after", d)
		}
	})
	if len(r) != 0 || records != 0 || events != 10 {
		t.Errorf("%d records, %d events", records, events)
	}
}

// TestAuditRequired: a record for which there is no room ends the program if the policy
// requires all of them, and says so, unless the program ends for something else.
func TestAuditRequired(t *testing.T) {
	defer func() { rules, task.The, _ = make([]byte, 8), nil, trail.lost.Swap(false) }()
	for _, c := range []struct {
		name     string
		required bool
		room     int
		do       func()
		ends     bool
	}{
		{"no room", true, 0, func() {}, true},
		{"no room, not required", false, 0, func() {}, false},
		{"room for one", true, 1, func() {}, false},
		{"room for one of two", true, 1, func() { Note(&Event{Rule: RuleCall, Call: "fork", PC: 2}) }, true},
		{"left out by the bound", true, 1 << 10, func() {
			for range 10 * allBurst {
				Note(&Event{Rule: RuleCall, Call: "fork", PC: 1})
			}
		}, false},
		{"what was left out has no room later", true, auditBurst, func() {
			for range 2 * auditBurst {
				Note(&Event{Rule: RuleCall, Call: "fork", PC: 1})
			}
			Clocks = func() (int64, int64) { return 100e9, 0 }
			leftOut()
		}, true},
		{"the reader is gone", true, 9, Unread, true},
		{"the machine ends", true, 1, func() {
			Note(&Event{Rule: RuleCall, Call: "fork", PC: 1, Killed: true})
		}, false},
		{"what is left at the end", true, 1, func() {
			trail.places[key{}] = &place{left: 1}
			Close(0)
			required()
		}, false},
	} {
		SetRules(make([]byte, 8), map[bool]bootrec.Rules{true: bootrec.AuditRequired, false: bootrec.SealLibraries}[c.required])
		task.The = task.NewProcess()
		trail.lost.Store(false)
		ended := make(chan task.Status, 1)
		task.The.OnExit = func(s task.Status) { ended <- s }
		auditedBy(t, func(bool) bool { c.room--; return c.room >= 0 }, func(func(float64)) {
			Note(&Event{Rule: RuleCall, Call: "fork", PC: 1})
			c.do()
		})
		if task.The.Dying() != c.ends {
			t.Errorf("%s: ends: %v", c.name, !c.ends)
		}
		if c.ends {
			if s := <-ended; !strings.HasPrefix(s.Policy, bootrec.AuditLost) {
				t.Errorf("%s: %q", c.name, s.Policy)
			}
		}
	}
}

// TestAuditLater: what was left out is told after a while, at no higher rate.
func TestAuditLater(t *testing.T) {
	full := true
	r := auditedBy(t, func(bool) bool { return !full }, func(at func(float64)) {
		for i := range 3 * allBurst {
			Note(&Event{Rule: RuleCall, Call: "fork", PC: uint64(i)})
		}
		full = false
		at(10)
		leftOut()
		if n := trail.n; n != allBurst {
			t.Errorf("%d records at once", n)
		}
		at(20)
		leftOut()
		at(30)
		leftOut()
	})
	if len(r) != 3*allBurst || counted(r) != 3*allBurst {
		t.Errorf("%d records for %d events", len(r), counted(r))
	}
}

// TestAuditBound: a place that repeats itself is bounded, a new one is told of all the
// same, and nothing is left uncounted.
func TestAuditBound(t *testing.T) {
	const calls = 1000
	r := audited(t, func(at func(float64)) {
		for i := range calls {
			at(float64(i) / 1000) // within a second
			Note(&Event{Rule: RuleCall, Call: "fork", PC: 1})
		}
		Note(&Event{Rule: RuleCall, Call: "fork", PC: 2})
		Close(0)
	})
	if n := len(r); n < auditBurst || n > auditBurst+auditRate+3 {
		t.Errorf("%d records for %d calls in a second", n, calls)
	}
	if got := counted(r); got != calls+1 {
		t.Errorf("%v events are accounted for, of %d", got, calls+1)
	}
	for i, m := range r {
		if m["n"] != float64(i+1) {
			t.Errorf("record %d has number %v", i, m["n"])
		}
	}
	// From everywhere at once: each place once, up to a bound, and the rest together.
	r = audited(t, func(func(float64)) {
		for i := range 3 * maxPlaces {
			Note(&Event{Rule: RuleCall, Call: "fork", PC: uint64(i)})
		}
		Close(0)
	})
	if n := len(r); n < maxPlaces || n > maxPlaces+auditBurst+2 {
		t.Errorf("%d records for %d places", n, 3*maxPlaces)
	}
	if got := counted(r); got != 3*maxPlaces {
		t.Errorf("%v events are accounted for, of %d", got, 3*maxPlaces)
	}
}

// TestAuditNumbers: calls by numbers that are none are of one place, and told by number.
func TestAuditNumbers(t *testing.T) {
	r := audited(t, func(func(float64)) {
		for i := range 2 * maxPlaces {
			Note(&Event{Rule: RuleCall, Call: "syscall_0x" + strconv.FormatInt(1000+int64(i), 16), PC: 1})
		}
		Close(0)
	})
	if len(r) > auditBurst+2 || counted(r) != 2*maxPlaces || r[1]["call"] != "syscall_0x3e9" {
		t.Errorf("%d records for %d events, the second of %v", len(r), counted(r), r[1]["call"])
	}
}

// TestAuditOff: nothing is made of an event that nobody asked for, but what it takes to
// describe it later.
func TestAuditOff(t *testing.T) {
	oldSeen, oldRecent, oldDescribe := trail.seen, trail.recent, Describe
	defer func() { trail.seen, trail.recent, Describe = oldSeen, oldRecent, oldDescribe }()
	Describe = func(nr int, a [6]uint64) string {
		return "mq_open(" + strconv.Itoa(nr) + ", " + strconv.FormatUint(a[5], 10) + ")"
	}
	if n := testing.AllocsPerRun(100, func() { Note(&Event{Rule: RuleCall, Number: 7, Args: [6]uint64{5: 6}, PC: 1}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	Recent(func(s string) {
		if trail.seen > maxRecent && !strings.Contains(s, `"call":"mq_open","what":"mq_open(7, 6)"`) {
			t.Error(s)
		}
	})
}

// TestRecent: the last events are kept, whoever asked for records, at the time at which
// they were.
func TestRecent(t *testing.T) {
	recent := func() (l []map[string]any) {
		Recent(func(s string) {
			var m map[string]any
			if err := json.Unmarshal([]byte(s), &m); err != nil {
				t.Fatalf("%v: %s", err, s)
			}
			l = append(l, m)
		})
		return l
	}
	oldClocks, oldSeen, oldRecent := Clocks, trail.seen, trail.recent
	defer func() { Clocks, trail.seen, trail.recent = oldClocks, oldSeen, oldRecent }()
	now := int64(0)
	Clocks = func() (int64, int64) { return now, now + 5 }
	trail.seen = 0
	if l := recent(); len(l) != 0 {
		t.Fatal(l)
	}
	for now = range int64(3) {
		Note(&Event{Rule: RuleCall, What: "a", PC: uint64(now)})
	}
	now = 1e9
	if l := recent(); len(l) != 3 || l[2]["mono"] != 2.0 || l[2]["wall"] != 7.0 || l[0]["n"] != 1.0 {
		t.Error(l)
	}
	for i := range 5 * maxRecent {
		Note(&Event{Rule: RuleCall, What: "b", PC: uint64(i)})
	}
	l := recent()
	if len(l) != maxRecent {
		t.Fatal(len(l))
	}
	for i, m := range l {
		if m["n"] != float64(3+5*maxRecent-maxRecent+i+1) || m["what"] != "b" {
			t.Errorf("%d: %v", i, m)
		}
	}
}
