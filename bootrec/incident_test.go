package bootrec

import (
	"reflect"
	"strings"
	"testing"
)

func TestIncidentRoundTrips(t *testing.T) {
	var p []byte
	threads := []Thread{{1, false, "app"}, {1 << 20, true, ""}}
	for i := range threads {
		p = AppendThread(p, &threads[i])
	}
	if got, err := ParseThreads(p); err != nil || !reflect.DeepEqual(got, threads) {
		t.Error(got, err)
	}
	p = nil
	calls := []Call{{1, 0, 0x401000, [CallArgs]uint64{1, 2, 1<<64 - 1}, "write"}, {7, 4095, 0, [CallArgs]uint64{}, "x"}}
	for i := range calls {
		p = AppendCall(p, &calls[i])
	}
	if got, err := ParseCalls(p); err != nil || !reflect.DeepEqual(got, calls) {
		t.Error(got, err)
	}
	p = nil
	files := []Descriptor{{0, 0, "pipe:[1]", "", ""}, {65535, 1<<32 - 1, "/" + strings.Repeat("x", maxString-1), strings.Repeat("l", maxSockaddr), "p\x00"}}
	for i := range files {
		p = AppendDescriptor(p, &files[i])
	}
	if got, err := ParseDescriptors(p); err != nil || !reflect.DeepEqual(got, files) {
		t.Error(got, err)
	}
	p = nil
	events := []string{`{"n":1}`, "x"}
	for _, e := range events {
		p = AppendEvent(p, e)
	}
	if got, err := ParseEvents(p); err != nil || !reflect.DeepEqual(got, events) {
		t.Error(got, err)
	}
	c := &Counters{CPU: "a processor", Features: "smep smap"}
	for i, v := range c.numbers() {
		*v = uint64(i+1) << 50
	}
	if got, err := ParseCounters(AppendCounters(nil, c)[FrameHeader:]); err != nil || !reflect.DeepEqual(got, c) {
		t.Error(got, err)
	}
}

func TestIncidentRefuses(t *testing.T) {
	thread := AppendThread(nil, &Thread{ID: 1})
	thread[4] = 2
	for name, err := range map[string]error{
		"a thread that is neither":  second(ParseThreads(thread)),
		"a call without a name":     second(ParseCalls(AppendCall(nil, &Call{}))),
		"an impossible errno":       second(ParseCalls(AppendCall(nil, &Call{Name: "x", Errno: 4096}))),
		"an empty event":            second(ParseEvents(AppendEvent(nil, ""))),
		"counters that are cut off": second(ParseCounters(AppendCounters(nil, &Counters{})[FrameHeader : FrameHeader+20])),
		"counters with more behind": second(ParseCounters(append(AppendCounters(nil, &Counters{})[FrameHeader:], 0))),
		"a descriptor that is cut":  second(ParseDescriptors(AppendDescriptor(nil, &Descriptor{Name: "/x"})[:13])),
	} {
		if err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }
