package vmm

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"skerry/bootrec"
)

func TestSockaddr(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "\x02": "", "\x00\x00": "", "\x01\x00": "",
		"\x02\x00\x1f\x90\x7f\x00\x00\x01":                       "127.0.0.1:8080",
		"\x02\x00\x1f\x90\x7f\x00\x00":                           "family 2",
		"\x0a\x00\x00\x50" + strings.Repeat("\x00", 19) + "\x01": "[::1]:80",
		"\x01\x00/run/x.sock\x00\x00":                            "/run/x.sock",
		"\x01\x00\x00abs\x1b":                                    `@abs\x1b`,
		"\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00":       "netlink",
		"\xff\xff1": "family 65535",
	} {
		if got := sockaddr(in); got != want {
			t.Errorf("%q: %q, expected %q", in, got, want)
		}
	}
}

// TestIncident: what a kernel tells of a program that a policy ended becomes a report in
// which nothing of the program's can move a cursor or begin a line.
func TestIncident(t *testing.T) {
	t.Parallel()
	const evil = "x\x1b[31m\nINCIDENT"
	var threads, calls, files, events []byte
	threads = bootrec.AppendThread(threads, &bootrec.Thread{ID: 3, Name: "worker\x1b"})
	threads = bootrec.AppendThread(threads, &bootrec.Thread{ID: 4, Name: "\n", Asleep: true})
	for range 100 {
		calls = bootrec.AppendCall(calls, &bootrec.Call{Thread: 3, PC: 0x400010, Name: "read", Args: [bootrec.CallArgs]uint64{7}})
	}
	calls = bootrec.AppendCall(calls, &bootrec.Call{Thread: 3, PC: 0x400123, Name: "execve" + evil, Errno: 1})
	calls = bootrec.AppendCall(calls, &bootrec.Call{Thread: 4, PC: 0x10, Name: "futex"})
	calls = bootrec.AppendCall(calls, &bootrec.Call{Thread: 99, Name: "nobody's"})
	files = bootrec.AppendDescriptor(files, &bootrec.Descriptor{FD: 3, Flags: 2, Name: evil, Local: "\x02\x00\x1f\x90\x7f\x00\x00\x01", Peer: "\x01\x00" + evil})
	for _, e := range []string{`{"n":1,"rule":"wx","action":"denied","what":"first"}`, "no JSON\n", `{"n":2,"rule":"start"}`,
		`{"n":3,"rule":"call","point":1,"action":"killed","call":"execve","what":"execve(\"/bin/\u001b\")"}`} {
		events = bootrec.AppendEvent(events, e)
	}
	b := bootrec.AppendFrame(nil, bootrec.KindThreads, threads)
	b = bootrec.AppendFrame(b, bootrec.KindCalls, calls)
	b = bootrec.AppendFrame(b, bootrec.KindEvents, events)
	b = bootrec.AppendCounters(b, &bootrec.Counters{Uptime: 1.5e9, Memory: 64 << 20, Threads: 2, Entropy: 256, CPU: evil, Features: "smep smap"})
	b = bootrec.AppendFrame(b, bootrec.KindDescriptors, files)
	crash := crashFrames(&bootrec.Crash{Thread: 3, Name: "worker\x1b", Signal: 31, Reg: [bootrec.Regs]uint64{bootrec.RegIP: 0x400123, bootrec.RegAX: 59}},
		bootrec.Mapping{Start: 0x400000, End: 0x401000, Flags: bootrec.MapRead | bootrec.MapExec | bootrec.MapFile, Name: "/bin/app"})
	r := newSession(t, "hello", control(slices.Concat(b, crash)), "reason:4").run(t)
	i := r.Incident
	if r.Status != StatusPolicy || i == nil {
		t.Fatalf("%+v", r)
	}
	if i.Rule != "call" || i.Point != "single process" || i.Call != "execve" || i.Thread != 3 || i.Name != `worker\x1b` || i.Registers["rax"] != "0x3b" ||
		i.Mapping != "0x400000-0x401000 r-xp text of app" || len(i.Stack) == 0 || len(i.Events) != 2 || i.Machine.Entropy != 256 {
		t.Errorf("%+v", i)
	}
	if n := len(i.Calls); n != 101 || i.Calls[100].Errno != "EPERM" || i.Calls[100].At != "app+0x123 (/bin/app)" || i.Calls[0].Args[0] != "0x7" {
		t.Errorf("%d calls, %+v", n, i.Calls[max(0, n-1):])
	}
	if len(i.Others) != 1 || i.Others[0].Running || len(i.Others[0].Calls) != 1 || i.Others[0].Calls[0].At != "0x10 (not mapped)" {
		t.Errorf("%+v", i.Others)
	}
	if d := i.Descriptors; len(d) != 1 || d[0].Mode != "rw" || d[0].Local != "127.0.0.1:8080" {
		t.Errorf("%+v", d)
	}
	page := i.Page()
	if strings.Contains(page, "\x1b") || strings.Count(page, "\nINCIDENT") != 0 || strings.Count(page, "\n") > 100 {
		t.Errorf("%q", page)
	}
	for _, want := range []string{"its last calls (20 of 101, the newest last)\n", "= EPERM at app+0x123 (/bin/app)\n", "127.0.0.1:8080 <-> ", "entropy   256 bits\n", "what was refused (2 of 2", "  rax    0x3b "} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in\n%s", want, page)
		}
	}
	text, err := json.Marshal(i)
	if err != nil || strings.Contains(string(text), `\u001b`) {
		t.Errorf("%s, %v", text, err)
	}
	// Without the thread, and without anything but that it ended.
	if r := newSession(t, "hello", control(b), "reason:4").run(t); r.Incident == nil || r.Incident.Thread != 0 || len(r.Incident.Others) != 2 || len(r.Incident.Others[0].Calls) != 101 || len(r.Incident.Calls) != 0 {
		t.Errorf("%+v", r.Incident)
	} else if page := r.Incident.Page(); !strings.Contains(page, "thread    it is not known which\n") || !strings.Contains(page, "\nthreads (2 of 2)\n") || strings.Contains(page, "its last calls") {
		t.Error(page)
	}
	if r := newSession(t, "hello", "reason:4").run(t); r.Incident != nil || r.Status != StatusPolicy {
		t.Errorf("%+v", r)
	}
	// A program that ended in another way leaves none, whatever was sent.
	if r := newSession(t, "hello", control(b), "exit:1").run(t); r.Incident != nil {
		t.Errorf("%+v", r.Incident)
	}
}
