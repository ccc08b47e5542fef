package policy

import (
	"encoding/json"
	"strings"
	"testing"

	"skerry/kernel/abi"
)

// audited runs f with an audit trail of its own and returns its records. at moves the
// clock.
func audited(t *testing.T, f func(at func(seconds float64))) (records []map[string]any) {
	t.Helper()
	mono := int64(1e9)
	Audit = func(s string) {
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
	}
	old := Clocks
	Clocks = func() (int64, int64) { return mono, 1700000000e9 + mono }
	trail.places, trail.n, trail.left, trail.pending = nil, 0, 0, true // no timer
	defer func() { Audit, Clocks, trail.places, trail.pending = nil, old, nil, false }()
	f(func(s float64) { mono = 1e9 + int64(s*1e9) })
	return records
}

func TestAuditRecord(t *testing.T) {
	r := audited(t, func(func(float64)) {
		Note(Event{Rule: RuleCall, Point: SingleProcess, Call: "execve", What: "execve(\"/bin/\x1b[2Jsh\n\", \u202e\xff)", Errno: abi.EPERM, TID: 7, PC: 0x401000})
		Note(Event{Rule: RuleOrigin, Killed: true, What: strings.Repeat("\x00\"", 5000)})
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

// TestAuditBound: a place that repeats itself is bounded, a new one is told of all the
// same, and nothing is left uncounted.
func TestAuditBound(t *testing.T) {
	const calls = 1000
	sum := func(r []map[string]any) (n float64) {
		for _, m := range r {
			n++
			if l, ok := m["left_out"].(float64); ok {
				n += l
			}
		}
		return n
	}
	r := audited(t, func(at func(float64)) {
		for i := range calls {
			at(float64(i) / 1000) // within a second
			Note(Event{Rule: RuleCall, Call: "fork", PC: 1})
		}
		Note(Event{Rule: RuleCall, Call: "fork", PC: 2})
		Close()
	})
	if n := len(r); n < auditBurst || n > auditBurst+auditRate+3 {
		t.Errorf("%d records for %d calls in a second", n, calls)
	}
	if got := sum(r); got != calls+1 {
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
			Note(Event{Rule: RuleCall, Call: "fork", PC: uint64(i)})
		}
		Close()
	})
	if n := len(r); n < maxPlaces || n > maxPlaces+auditBurst+2 {
		t.Errorf("%d records for %d places", n, 3*maxPlaces)
	}
	if got := sum(r); got != 3*maxPlaces {
		t.Errorf("%v events are accounted for, of %d", got, 3*maxPlaces)
	}
}

// TestAuditOff: nothing is made of an event that nobody asked for.
func TestAuditOff(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { Note(Event{Rule: RuleCall, Call: "fork", PC: 1}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
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
		Note(Event{Rule: RuleCall, What: "a", PC: uint64(now)})
	}
	now = 1e9
	if l := recent(); len(l) != 3 || l[2]["mono"] != 2.0 || l[2]["wall"] != 7.0 || l[0]["n"] != 1.0 {
		t.Error(l)
	}
	for i := range 5 * maxRecent {
		Note(Event{Rule: RuleCall, What: "b", PC: uint64(i)})
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
