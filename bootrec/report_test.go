package bootrec

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

func TestReportRoundTrips(t *testing.T) {
	paths := []string{"/a", "/etc/foo.conf", "/" + strings.Repeat("x", MaxMissedPath-1)}
	var p []byte
	for _, s := range paths {
		p = AppendMissed(p, s)
	}
	if got, err := ParseMissed(p); err != nil || !reflect.DeepEqual(got, paths) {
		t.Error(got, err)
	}
	calls := []RefusedCall{{"fork", 1, 1}, {"io_uring_setup", 38, 1 << 31}}
	p = nil
	for i := range calls {
		p = AppendRefused(p, &calls[i])
	}
	if got, err := ParseRefused(p); err != nil || !reflect.DeepEqual(got, calls) {
		t.Error(got, err)
	}
	asked := []Asked{{1, 2}, {1 << 63, 0}}
	p = nil
	for _, a := range asked {
		p = AppendAsked(p, a)
	}
	if got, err := ParseMemory(p); err != nil || !reflect.DeepEqual(got, asked) {
		t.Error(got, err)
	}
	c := &Crash{Thread: 7, Name: "worker-with-long-name"[:maxThreadName], Signal: 11, Code: -6, Addr: 1<<64 - 1, Fault: FaultPage | FaultWrite}
	for i := range c.Reg {
		c.Reg[i] = uint64(i) << 56
	}
	if got, err := ParseCrash(AppendCrash(nil, c)[FrameHeader:]); err != nil || !reflect.DeepEqual(got, c) {
		t.Error(got, err)
	}
	maps := []Mapping{{0x1000, 0x2000, 0, MapRead | MapExec | MapFile, "/bin/app"}, {0x2000, 0x5000, 1 << 40, MapRead | MapWrite | MapStack, "[stack]"}, {1 << 46, 1<<46 + 1, 0, 0, ""}}
	p = nil
	for i := range maps {
		p = AppendMapping(p, &maps[i])
	}
	if got, err := ParseMappings(p); err != nil || !reflect.DeepEqual(got, maps) {
		t.Error(got, err)
	}
	f := append(AppendStackHeader(nil, 0x7000, 3), 1, 2, 3)
	if addr, mem, err := ParseStack(f[FrameHeader:]); err != nil || addr != 0x7000 || string(mem) != "\x01\x02\x03" {
		t.Error(addr, mem, err)
	}
}

func TestReportRefuses(t *testing.T) {
	ok := func(err error) bool { return err == nil }
	if _, err := ParseMissed(AppendMissed(nil, "relative")); ok(err) {
		t.Error("a relative path")
	}
	if _, err := ParseMissed(AppendMissed(nil, "")); ok(err) {
		t.Error("an empty path")
	}
	for _, c := range []RefusedCall{{"", 1, 1}, {"x", 0, 1}, {"x", 4096, 1}, {"x", 1, 0}} {
		if _, err := ParseRefused(AppendRefused(nil, &c)); ok(err) {
			t.Error("accepted", c)
		}
	}
	if _, err := ParseMemory(make([]byte, 16*(MaxAsked+1))); ok(err) {
		t.Error("too many requests")
	}
	for _, c := range []Crash{{Signal: 0}, {Signal: 65}, {Signal: 11, Fault: 8}} {
		if _, err := ParseCrash(AppendCrash(nil, &c)[FrameHeader:]); ok(err) {
			t.Error("accepted", c)
		}
	}
	for _, l := range [][]Mapping{{{5, 5, 0, 0, ""}}, {{1, 5, 0, 0, ""}, {4, 6, 0, 0, ""}}, {{1, 5, 0, mapEnd, ""}}} {
		var p []byte
		for i := range l {
			p = AppendMapping(p, &l[i])
		}
		if _, err := ParseMappings(p); ok(err) {
			t.Error("accepted", l)
		}
	}
}

// parseAll feeds every parser of a report.
func parseAll(p []byte) {
	ParseMissed(p)
	ParseRefused(p)
	ParseMemory(p)
	ParseCrash(p)
	ParseMappings(p)
	ParseStack(p)
	ParseThreads(p)
	ParseCalls(p)
	ParseDescriptors(p)
	ParseEvents(p)
	ParseCounters(p)
}

func reportSeeds() [][]byte {
	c := AppendCrash(nil, &Crash{Signal: 11, Name: "x"})[FrameHeader:]
	return [][]byte{AppendMissed(nil, "/x"), AppendRefused(nil, &RefusedCall{"fork", 1, 1}), AppendAsked(nil, Asked{1, 2}), c,
		AppendMapping(nil, &Mapping{1, 2, 3, 4, "/x"}), AppendStackHeader(nil, 1, 0)[FrameHeader:],
		AppendThread(nil, &Thread{ID: 1, Name: "x"}), AppendCall(nil, &Call{Name: "read"}), AppendDescriptor(nil, &Descriptor{Name: "/x", Local: "\x02\x00"}),
		AppendEvent(nil, "{}"), AppendCounters(nil, &Counters{CPU: "x"})[FrameHeader:]}
}

func TestReportHostile(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 12))
	for range 20000 {
		seeds := reportSeeds()
		p := seeds[rnd.IntN(len(seeds))]
		for range rnd.IntN(4) {
			if len(p) > 0 {
				p[rnd.IntN(len(p))] = byte(rnd.Uint32())
			}
		}
		parseAll(p[:rnd.IntN(len(p)+1)])
	}
}

func FuzzReport(f *testing.F) {
	for _, s := range reportSeeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, p []byte) { parseAll(p) })
}
