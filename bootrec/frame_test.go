package bootrec

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

type frame struct {
	kind    Kind
	payload string
}

// read feeds b to a Reader in the given pieces.
func read(max int, b []byte, cut func(int) int) (list []frame, pending bool, err error) {
	r := NewReader(max)
	for len(b) > 0 {
		n := min(len(b), max1(cut(len(b))))
		p := b[:n:n]
		b = b[n:]
		for {
			f, rest, ok, err := r.Next(p)
			if err != nil {
				return list, r.Pending(), err
			}
			if !ok {
				break
			}
			list = append(list, frame{f.Kind, string(f.Payload)})
			p = rest
		}
	}
	return list, r.Pending(), nil
}

func max1(n int) int { return max(n, 1) }

func stream() []byte {
	b := AppendHello(nil)
	b = AppendText(b, KindLog, "one")
	b = AppendText(b, KindNotice, []byte(""))
	b = AppendTimeReq(b, 1<<63)
	b = AppendText(b, KindAudit, strings.Repeat("x", MaxPayload))
	b = AppendExit(b, &Exit{Reason: Exited, Code: 255})
	return b
}

func TestReaderCuts(t *testing.T) {
	b := stream()
	want, _, err := read(MaxPayload, b, func(n int) int { return n })
	if err != nil || len(want) != 6 {
		t.Fatal(len(want), err)
	}
	same := func(name string, cut func(int) int) {
		got, pending, err := read(MaxPayload, b, cut)
		if err != nil || pending || len(got) != len(want) {
			t.Fatalf("%s: %d frames, pending %v, %v", name, len(got), pending, err)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("%s: frame %d differs", name, i)
			}
		}
	}
	for n := 1; n < 70; n++ {
		same("pieces", func(int) int { return n })
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		same("random", func(int) int { return 1 + rnd.IntN(1<<rnd.IntN(17)) })
	}
	for n := range 40 {
		if got, pending, err := read(MaxPayload, b[:n], func(int) int { return 3 }); err != nil || pending != (n != 0 && n != 12 && n != 23 && n != 31) {
			t.Fatalf("first %d bytes: %d frames, pending %v, %v", n, len(got), pending, err)
		}
	}
}

func TestReaderRefuses(t *testing.T) {
	for name, b := range map[string][]byte{
		"length":   {1, 0, 1, 0, 1, 0, 0, 0},
		"huge":     {255, 255, 255, 255, 1, 0, 0, 0},
		"kind":     {0, 0, 0, 0, 0, 0, 0, 0},
		"reserved": {0, 0, 0, 0, 1, 0, 0, 1},
	} {
		for n := 1; n <= 8; n++ {
			in := append(AppendStop(nil), b...)
			list, _, err := read(MaxPayload, in, func(int) int { return n })
			if _, ok := err.(*FrameError); !ok || len(list) != 1 {
				t.Errorf("%s in pieces of %d: %v, %v", name, n, list, err)
			}
		}
		r := NewReader(MaxPayload)
		if _, _, _, err := r.Next(b); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if _, _, _, err := r.Next(AppendStop(nil)); err == nil {
			t.Errorf("%s: an error was forgotten", name)
		}
	}
	if _, _, err := read(MaxToMachine, AppendText(nil, KindLog, strings.Repeat("x", MaxToMachine+1)), func(n int) int { return n }); err == nil {
		t.Error("the Reader's own limit does not hold")
	}
	for _, b := range [][]byte{AppendTime(nil, Time{}), AppendSignal(nil, 1), AppendStop(nil)} {
		if list, _, err := read(MaxToMachine, b, func(n int) int { return n }); err != nil || len(list) != 1 {
			t.Errorf("kind %#x does not fit MaxToMachine: %v", b[4], err)
		}
	}
}

func TestPayloads(t *testing.T) {
	payload := func(b []byte) []byte { return b[FrameHeader:] }
	if v, err := ParseHello(payload(AppendHello(nil))); v != ProtocolVersion || err != nil {
		t.Error(v, err)
	}
	if id, err := ParseTimeReq(payload(AppendTimeReq(nil, 77))); id != 77 || err != nil {
		t.Error(id, err)
	}
	tm := Time{1 << 63, 1_700_000_000_000_000_000, 12345}
	if got, err := ParseTime(payload(AppendTime(nil, tm))); got != tm || err != nil {
		t.Error(got, err)
	}
	for _, s := range []int{1, 15, 64} {
		if got, err := ParseSignal(payload(AppendSignal(nil, s))); got != s || err != nil {
			t.Error(got, err)
		}
	}
	for _, s := range []int{0, 65, 1 << 30} {
		if got, err := ParseSignal(payload(AppendSignal(nil, s))); err == nil {
			t.Errorf("signal %d accepted as %d", s, got)
		}
	}
	for _, a := range []Audited{{}, {3, 3}, {3, 1 << 40}} {
		if got, err := ParseAudited(payload(AppendAudited(nil, a))); got != a || err != nil {
			t.Error(got, err)
		}
	}
	for _, a := range []Audited{{2, 1}, {0, 1 << 63}} {
		if _, err := ParseAudited(payload(AppendAudited(nil, a))); err == nil {
			t.Error("accepted", a)
		}
	}
	if _, err := ParseTime(payload(AppendTime(nil, Time{Wall: -1}))); err == nil {
		t.Error("negative wall clock accepted")
	}
	for n := range 40 {
		p := make([]byte, n)
		if _, err := ParseAudited(p); (err == nil) != (n == 16) {
			t.Error("audited of", n)
		}
		if _, err := ParseHello(p); (err == nil) != (n == 4) {
			t.Error("hello", n, err)
		}
		if _, err := ParseTimeReq(p); (err == nil) != (n == 8) {
			t.Error("time request", n, err)
		}
		if _, err := ParseTime(p); (err == nil) != (n == 24) {
			t.Error("time", n, err)
		}
		if _, err := ParseExit(p); err == nil {
			t.Error("exit of zeros", n)
		}
	}
	// Text longer than a frame comes in several and loses nothing.
	long := strings.Repeat("0123456789", 20000)
	list, _, err := read(MaxPayload, AppendText(nil, KindLog, long), func(n int) int { return n })
	var sum string
	for _, f := range list {
		sum += f.payload
	}
	if err != nil || sum != long || len(list) != 4 {
		t.Error(len(list), len(sum), err)
	}
}

func TestExit(t *testing.T) {
	for _, e := range []Exit{
		{Reason: Exited, Code: 0}, {Reason: Exited, Code: 255, Message: "x"},
		{Reason: Signaled, Signal: 1}, {Reason: Signaled, Signal: 64, Message: "at 0x0"},
		{Reason: OutOfMemory, Message: strings.Repeat("m", MaxMessage)},
		{Reason: Policy}, {Reason: KernelBug}, {Reason: NoEntropy}, {Reason: DeviceFailed}, {Reason: CannotRun}, {Reason: NotFound}, {Reason: Stopped},
	} {
		b := AppendExit(nil, &e)
		got, err := ParseExit(b[FrameHeader:])
		if err != nil || got != e || int(le.Uint32(b)) != len(b)-FrameHeader {
			t.Errorf("%+v: got %+v, %v", e, got, err)
		}
		if e.Reason.String() == Reason(0).String() {
			t.Errorf("reason %d has no name", e.Reason)
		}
	}
	for _, e := range []Exit{{}, {Reason: reasonEnd}, {Reason: Exited, Code: 256}, {Reason: Exited, Signal: 9}, {Reason: Signaled}, {Reason: Signaled, Signal: 65},
		{Reason: Signaled, Signal: 9, Code: 1}, {Reason: Policy, Code: 1}} {
		if got, err := ParseExit(AppendExit(nil, &e)[FrameHeader:]); err == nil {
			t.Errorf("%+v accepted as %+v", e, got)
		}
	}
	for pad := range 5 {
		m := strings.Repeat("a", pad) + strings.Repeat("\u20ac\U0001f600", 1000)
		got, err := ParseExit(AppendExit(nil, &Exit{Reason: Policy, Message: m})[FrameHeader:])
		if err != nil || !utf8.ValidString(got.Message) || !strings.HasPrefix(m, got.Message) || len(got.Message) < MaxMessage-3 {
			t.Errorf("pad %d: %d bytes, %v", pad, len(got.Message), err)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	buf := make([]byte, 0, 1<<17)
	text := []byte("a line of the log")
	exit := &Exit{Reason: Signaled, Signal: 11, Message: "at 0x0"}
	r := NewReader(MaxPayload)
	if n := testing.AllocsPerRun(100, func() {
		b := AppendHello(buf)
		b = AppendText(b, KindLog, text)
		b = AppendTimeReq(b, 1)
		b = AppendTime(b, Time{})
		b = AppendSignal(b, 1)
		b = AppendStop(b)
		b = AppendExit(b, exit)
		for p := b; ; {
			_, rest, ok, err := r.Next(p)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			p = rest
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// model cuts a whole stream into frames the obvious way.
func model(max int, b []byte) (list []frame, lost bool) {
	for len(b) >= FrameHeader {
		n := uint64(le.Uint32(b))
		if n > uint64(max) || b[4] == 0 || b[5] != 0 || b[6] != 0 || b[7] != 0 {
			return list, true
		}
		if uint64(len(b)) < FrameHeader+n {
			return list, false
		}
		list = append(list, frame{Kind(b[4]), string(b[FrameHeader : FrameHeader+n])})
		b = b[FrameHeader+n:]
	}
	return list, false
}

func checkStream(t testing.TB, b []byte, cut func(int) int) {
	want, lost := model(200, b)
	got, _, err := read(200, b, cut)
	if (err != nil) != lost || len(got) != len(want) {
		t.Fatalf("%d frames and %v, want %d and lost %v", len(got), err, len(want), lost)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("frame %d is %v, want %v", i, got[i], want[i])
		}
		p := []byte(got[i].payload)
		if e, err := ParseExit(p); err == nil && !bytes.Equal(AppendExit(nil, &e)[FrameHeader:], p) {
			t.Fatalf("exit %+v is not stable", e)
		}
		ParseHello(p)
		ParseAudited(p)
		ParseTime(p)
		ParseTimeReq(p)
		ParseSignal(p)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(stream()[:60], uint16(3))
	f.Add(AppendExit(AppendSignal(nil, 3), &Exit{Reason: Policy, Message: "m"}), uint16(9))
	f.Fuzz(func(t *testing.T, b []byte, n uint16) { checkStream(t, b, func(int) int { return int(n) }) })
}

func TestReaderRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 20000 {
		var b []byte
		for n := rnd.IntN(6); n > 0; n-- {
			switch rnd.IntN(4) {
			case 0:
				b = AppendText(b, Kind(1+rnd.IntN(255)), make([]byte, rnd.IntN(220)))
			case 1:
				b = AppendExit(b, &Exit{Reason: Reason(rnd.IntN(12)), Code: rnd.IntN(300), Message: "m"})
			case 2:
				b = AppendSignal(b, rnd.IntN(70))
			case 3:
				b = append(b, byte(rnd.IntN(4)), 0, 0, byte(rnd.IntN(2)), byte(rnd.IntN(2)), 0, 0, byte(rnd.IntN(8)/7))
			}
		}
		checkStream(t, b, func(int) int { return 1 + rnd.IntN(30) })
	}
}
