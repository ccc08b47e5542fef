package audit

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// sample is a record of two machines, with everything that a line can be.
func sample(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	var old Summary
	for _, boot := range []string{"aa", "bb"} {
		r, err := New(&b, old, Line{Boot: boot, Image: "12", Program: "/app \u00e9\x1b"})
		if err != nil {
			t.Fatal(err)
		}
		for n := 1; n <= 5; n++ {
			r.Event(fmt.Appendf(nil, `{"n":%d,"mono":%d,"wall":1700000000000000000,"rule":"call","point":1,"action":"denied","call":"execve","what":"execve(\"/bin/sh\", <\u00e9\u001b[2J>)","errno":"EPERM","tid":7,"pc":"0x40","at":"f+0x1","left_out":%d}`, n, n, n-1))
		}
		r.Event([]byte(`{"n":9,"rule":"wx"}`)) // 6 to 8 are lost
		r.Event([]byte(`not JSON`))
		r.Event([]byte(`{"n":9,"rule":"wx"}`)) // again
		if boot == "bb" {                      // its kernel can tell that two more records are missing
			r.Total(11, 30)
		}
		if err := r.Close("exited", 3); err != nil {
			t.Fatal(err)
		}
		if old, err = Verify(bytes.NewReader(b.Bytes())); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func TestVerify(t *testing.T) {
	b := sample(t)
	s, err := Verify(bytes.NewReader(b))
	if err != nil || s.Machines != 2 || len(s.Open) != 0 || s.Events != 12 || s.LeftOut != 20 || s.Lost != 8 || s.Lines != 23 || s.Uncounted != 1 || s.Untold != 30-16 {
		t.Errorf("%+v, %v", s, err)
	}
	for i, c := range b {
		if c != '\n' && (c < ' ' || c >= 0x7f) {
			t.Fatalf("byte %d is %#x", i, c)
		}
	}
	if s, err := Verify(strings.NewReader("")); err != nil || s.Lines != 0 {
		t.Errorf("an empty file: %+v, %v", s, err)
	}
}

// before is a record as it was written when events said neither what they are about nor
// where they come from.
const before = `{"v":1,"seq":0,"prev":"0000000000000000000000000000000000000000000000000000000000000000","boot":"ab","rule":"start","time":"2026-11-27T18:09:18.156798735Z","image":"12","kernel":"34","policy":"process=deny seal=default jit=0 host-access=false","policy_sha256":"56","program":"/app","by":"skerry 0.9"}
{"v":1,"seq":1,"prev":"73ce02f257e5ec31b71550df763fa2dc2370875241804be187cb481bdf85e066","boot":"ab","rule":"call","time":"2023-11-14T22:13:20Z","n":1,"mono":5,"point":1,"action":"denied","call":"execve","what":"execve(\"/bin/sh\", [\"/bin/sh\"])","errno":"EPERM","tid":7,"pc":"0x40","at":"f+0x1 (/app)"}
{"v":1,"seq":2,"prev":"169b9d01d0a567731cc1c05588c34937a45d65f48e7d0ba777b6c1e4dba868a5","boot":"ab","rule":"wx","time":"2023-11-14T22:13:20.000000001Z","n":2,"mono":6,"point":1,"action":"killed","what":"jump to 0x1","errno":"EACCES","tid":7,"pc":"0x1","at":"0x1 (not mapped)","left_out":3}
{"v":1,"seq":3,"prev":"fa8c85b1d1f18a12aa24870553b76069cd9b6f45dcb2dc81433adafe45bc7a03","boot":"ab","rule":"end","time":"2026-11-27T18:09:18.158007818Z","left_out":3,"events":2,"made":2,"tried":5,"ended":"policy","status":121}
`

// TestBefore: such a record still verifies, and goes on with events that say it; what they
// say is part of the chain.
func TestBefore(t *testing.T) {
	old, err := Verify(strings.NewReader(before))
	if err != nil || old.Lines != 4 || old.Events != 2 || old.LeftOut != 3 || len(old.Open) != 0 {
		t.Fatalf("%+v, %v", old, err)
	}
	b := bytes.NewBufferString(before)
	r, err := New(b, old, Line{Boot: "cd"})
	if err != nil {
		t.Fatal(err)
	}
	objects := []string{`{"path":"/bin/\u001bsh"}`, `{"path":""}`, `{"addr":"0x1000","len":0,"prot":"r-x","map":"/lib/a"}`, `{"family":0,"type":3,"proto":0}`,
		`{"addr":"[::1]:443"}`, `{"id":0}`, `{"family":16,"proto":0,"request":24}`, `{}`}
	for i, o := range objects {
		r.Event(fmt.Appendf(nil, `{"n":%d,"rule":"call","obj":%s,"stack":["0x1","0x2"],"stack_at":["/a+0x1"]}`, i+1, o))
	}
	if err := r.Close("exited", 0); err != nil {
		t.Fatal(err)
	}
	if s, err := Verify(bytes.NewReader(b.Bytes())); err != nil || s.Lines != 6+uint64(len(objects)) {
		t.Errorf("%+v, %v", s, err)
	}
	for _, o := range objects {
		if !strings.Contains(b.String(), `"obj":`+o+`,"stack":["0x1","0x2"],"stack_at":["/a+0x1"]}`) {
			t.Errorf("%s is not there: %s", o, b)
		}
	}
	for _, c := range []string{`"/a+0x1"`, `"id":0`, `"proto":0`, `"0x2"`, `"0x1000"`} {
		changed := strings.Replace(b.String(), c, strings.Replace(c, "0", "1", 1), 1)
		if changed == b.String() {
			t.Fatal("not there:", c)
		}
		if _, err := Verify(strings.NewReader(changed)); err == nil {
			t.Errorf("a changed %s is not found", c)
		}
	}
}

// TestTotal: what the kernel says at its end makes every loss visible, also behind the last
// record that came, and whenever it is said; what cannot be is said to be nonsense, and the
// record stays one that verifies.
func TestTotal(t *testing.T) {
	for _, c := range []struct {
		name                    string
		came                    int
		made, tried             uint64
		lost, untold            uint64
		uncounted, more, before int
	}{
		{name: "nothing", tried: 0},
		{name: "all", came: 3, made: 3, tried: 3},
		{name: "all, before they came", came: 3, made: 3, tried: 3, before: 1},
		{name: "none came", made: 5, tried: 9, lost: 5, untold: 9, more: 1},
		{name: "the last", came: 3, made: 4, tried: 4, lost: 1, untold: 1, more: 1},
		{name: "events without a record", came: 3, made: 3, tried: 7, untold: 4},
		{name: "fewer than came", came: 3, made: 2, tried: 7, uncounted: 1, more: 1},
		{name: "fewer events than came", came: 3, made: 3, tried: 2, uncounted: 1, more: 1},
	} {
		var b bytes.Buffer
		r, err := New(&b, Summary{}, Line{Boot: "x"})
		if err != nil {
			t.Fatal(err)
		}
		if c.before != 0 {
			r.Total(c.made, c.tried)
		}
		for n := range c.came {
			r.Event(fmt.Appendf(nil, `{"n":%d,"rule":"wx"}`, n+1))
		}
		if c.before == 0 {
			r.Total(c.made, c.tried)
		}
		if err := r.Close("exited", 0); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		s, err := Verify(&b)
		if err != nil || s.Lost != c.lost || s.Untold != c.untold || s.Uncounted != c.uncounted || s.Lines != uint64(2+c.came+c.more) {
			t.Errorf("%s: %+v, %v\n%s", c.name, s, err, text)
		}
	}
	// An end whose counts do not fit is no end that was written.
	var b bytes.Buffer
	r, _ := New(&b, Summary{}, Line{Boot: "x"})
	r.Total(0, 0)
	r.Close("exited", 0)
	for _, bad := range []string{`"made":1,"tried":1`, `"made":1,"tried":0`} {
		if _, err := Verify(strings.NewReader(strings.Replace(b.String(), `"made":0,"tried":0`, bad, 1))); err == nil {
			t.Error("not found:", bad)
		}
	}
}

// TestTampering: whatever one does to a record but to take off whole lines at its end, it
// is found; that is seen by the last hash, and by the end that is missing.
func TestTampering(t *testing.T) {
	b := sample(t)
	whole, err := Verify(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(string(b), "\n"), "\n")
	lines[len(lines)-1] += "\n"
	found := func(what string, l []string) {
		t.Helper()
		if _, err := Verify(strings.NewReader(strings.Join(l, ""))); err == nil {
			t.Errorf("%s is not found", what)
		} else if !strings.HasPrefix(err.Error(), "line ") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range lines {
		if i < len(lines)-1 {
			found(fmt.Sprint("removal of line ", i), append(append([]string{}, lines[:i]...), lines[i+1:]...))
		}
		found(fmt.Sprint("line twice ", i), append(append(append([]string{}, lines[:i+1]...), lines[i]), lines[i+1:]...))
		for j := range i {
			swapped := append([]string{}, lines...)
			swapped[i], swapped[j] = swapped[j], swapped[i]
			found(fmt.Sprint("exchange of ", i, " and ", j), swapped)
		}
	}
	// Every single byte, in several ways. The last line's are seen by its hash at least.
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		for _, c := range []byte{b[i] ^ 1, b[i] ^ 0x20, byte(rnd.Uint32())} {
			if c == b[i] {
				continue
			}
			changed := bytes.Clone(b)
			changed[i] = c
			if s, err := Verify(bytes.NewReader(changed)); err == nil && s.Last == whole.Last {
				t.Errorf("byte %d as %q is not found", i, c)
			}
		}
		if s, err := Verify(bytes.NewReader(b[:i])); err == nil && s.Last == whole.Last {
			t.Errorf("a cut at %d is not found", i)
		} else if err == nil && i > 0 && len(s.Open) == 0 && s.Machines == 2 {
			t.Errorf("a cut at %d has an end", i)
		}
	}
}

// TestContinue: what does not verify is not continued by accident: a machine's part
// names the hash of what was there.
func TestContinue(t *testing.T) {
	b := sample(t)
	first := b[:bytes.Index(b, []byte(`"end"`))]
	first = b[:len(first)+bytes.IndexByte(b[len(first):], '\n')+1]
	second := b[len(first):]
	if _, err := Verify(bytes.NewReader(second)); err == nil {
		t.Error("the second machine's part alone is taken for a whole record")
	}
	if s, err := Verify(bytes.NewReader(first)); err != nil || s.Machines != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, fmt.Errorf("no space left")
	}
	return len(p), nil
}

// TestFull: an error of the file is kept, and nothing is written behind it.
func TestFull(t *testing.T) {
	r, err := New(&full{600}, Summary{}, Line{Boot: "x"})
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 9; n++ {
		r.Event(fmt.Appendf(nil, `{"n":%d,"rule":"wx"}`, n))
	}
	if r.Err() == nil || r.Close("exited", 0) == nil {
		t.Error("no error")
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(sample(f))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := Verify(bytes.NewReader(b)); err == nil && s.Lines != uint64(bytes.Count(b, []byte("\n"))) {
			t.Errorf("%d lines", s.Lines)
		}
	})
}

func FuzzEvent(f *testing.F) {
	f.Add([]byte(`{"n":9,"rule":"wx","what":"\u0000"}`), []byte(`{"n":1,"rule":"end"}`), uint64(10), uint64(12))
	f.Add([]byte(`{"n":9,"rule":"wx","left_out":18446744073709551615}`), []byte(`{"n":10,"rule":"wx","left_out":7}`), uint64(10), uint64(1))
	f.Fuzz(func(t *testing.T, a, b []byte, made, tried uint64) {
		var out bytes.Buffer
		r, err := New(&out, Summary{}, Line{Boot: "x"})
		if err != nil {
			t.Fatal(err)
		}
		r.Event(a)
		r.Event(b)
		r.Total(made, tried)
		if err := r.Close("exited", 0); err != nil {
			t.Fatal(err)
		}
		if s, err := Verify(&out); err != nil || len(s.Open) != 0 {
			t.Errorf("%+v, %v", s, err)
		}
	})
}
