package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"skerry/bootrec"
	"skerry/image"
	"skerry/vmm"
	"skerry/vmm/audit"
)

// TestAuditFile: what run --audit makes of a file that is there, and audit verify of one.
func TestAuditFile(t *testing.T) {
	w := newWorld(t)
	run := func(args ...string) outcome { t.Helper(); return w.runK(t, append([]string{"run"}, args...)...) }
	run("--audit", "record", "./app", "exit:3").want(t, 3, "", "")
	run("--audit", "record", "./app", "exit:0").want(t, 0, "", "")
	whole, err := os.ReadFile(w.path("record"))
	if err != nil || bytes.Count(whole, []byte("\n")) != 4 || !bytes.Contains(whole, []byte(`"rule":"end"`)) || !bytes.Contains(whole, []byte(`"status":3`)) {
		t.Fatalf("%v: %s", err, whole)
	}
	if info, err := os.Stat(w.path("record")); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if o := w.run(t, "audit", "verify", "record"); o.status != 0 || !strings.HasPrefix(o.stdout, "record: whole\nmachines  2\n") {
		t.Errorf("%+v", o)
	}
	// One machine at a time.
	f, err := os.Open(w.path("record"))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH); err != nil {
		t.Fatal(err)
	}
	run("--audit", "record", "./app", "exit:0").want(t, 125, "", "--audit record: another machine writes to it")
	f.Close()
	// What is no record, or is not whole, is not written to.
	for name, text := range map[string]string{"text": "hello\n", "cut": string(whole[:len(whole)-5]), "changed": strings.Replace(string(whole), `"status":3`, `"status":4`, 1)} {
		w.put(t, name, []byte(text), 0o600)
		run("--audit", name, "./app", "exit:0").want(t, 125, "", "--audit "+name+": is there, and is no whole audit record: line ")
		if now, _ := os.ReadFile(w.path(name)); string(now) != text {
			t.Errorf("%s was changed", name)
		}
		if o := w.run(t, "audit", "verify", name); o.status != 1 || !strings.HasPrefix(o.stderr, "skerry: "+name+": line ") || o.stdout != "" {
			t.Errorf("%s: %+v", name, o)
		}
	}
	run("--audit", ".", "./app").want(t, 125, "", "--audit .: ")
	run("--audit", "none/record", "./app").want(t, 125, "", "--audit none/record: ")
	run("--quiet", "--audit", "-", "./app").want(t, 125, "", "")
	w.run(t, "audit").want(t, 125, "", "skerry audit verify FILE")
	w.run(t, "audit", "verify").want(t, 125, "", "FILE is missing")
	w.run(t, "audit", "verify", "nothing").want(t, 125, "", "nothing: no such file")
	if o := run("--audit", "-", "./app", "exit:0"); o.status != 0 || !strings.Contains(o.stderr, `skerry: audit: {"v":1,"seq":0,`) {
		t.Errorf("%+v", o)
	}
}

// startOf is the first line of the last machine in a record.
func startOf(t *testing.T, path string) (l audit.Line) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		var m audit.Line
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatal(err)
		}
		if m.Rule == audit.Start {
			l = m
		}
	}
	return l
}

// TestAuditPolicy: the first line of a machine names the policy that it is held to, as the
// image has it and flags have tightened it, with a hash that is the same for the same one.
func TestAuditPolicy(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		flags  []string
		policy string
	}{
		{nil, "egress=deny identity=deny memory=deny process=deny surface=deny seal=default audit=optional jit=0 host-access=false"},
		{[]string{"--level", "strict"}, "egress=deny identity=deny memory=deny process=kill surface=deny seal=default audit=optional jit=0 host-access=false"},
		{[]string{"--verdict", "surface=kill", "--seal", "all"}, "egress=deny identity=deny memory=deny process=deny surface=kill seal=all audit=optional jit=0 host-access=false"},
		{[]string{"--audit-required"}, "egress=deny identity=deny memory=deny process=deny surface=deny seal=default audit=required jit=0 host-access=false"},
		{[]string{"--jit", "64K", "--host-access"}, "egress=deny identity=deny memory=deny process=deny surface=deny seal=default audit=optional jit=65536 host-access=true"},
	} {
		for range 2 {
			w.runK(t, append(append([]string{"run", "--audit", "record"}, c.flags...), "./app", "hello", "exit:0")...).want(t, 0, "", "")
			l := startOf(t, w.path("record"))
			if l.Policy != c.policy || l.PolicySHA256 != fmt.Sprintf("%x", sha256.Sum256([]byte(c.policy))) {
				t.Errorf("%q: %q, %s", c.flags, l.Policy, l.PolicySHA256)
			}
		}
	}
	for _, name := range image.PolicyRules() {
		kill := &image.Policy{Verdicts: map[string]string{name: image.Kill}}
		want := strings.Replace("egress=deny identity=deny memory=deny process=deny surface=deny seal=default audit=optional", name+"=deny", name+"=kill", 1)
		if got := image.VerdictsOf(bootrec.EncodePolicy(kill.Rules())); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestAuditLost: what the kernel counts and did not come is told, by verify as well; and so
// is a machine that could not tell.
func TestAuditLost(t *testing.T) {
	w := newWorld(t)
	event := `audit:{"n":1,"rule":"call","action":"denied","wall":1}`
	for _, c := range []struct {
		file, total string
		says        string
	}{
		{"all", "audited:1", "\nlost      0\n"},
		{"some", "audited:3", "\nlost      2 (2 events have no line and are in the count of none)\n"},
		{"untold", "log:x", "\nlost      0; 1 ended without a count, so what was lost at the end is not known\n"},
	} {
		w.runK(t, "run", "--audit", c.file, "./app", "hello", event, c.total, "exit:0").want(t, 0, "", "")
		if o := w.run(t, "audit", "verify", c.file); o.status != 0 || !strings.Contains(o.stdout, c.says) || !strings.Contains(o.stdout, "\nevents    1, and 0 ") {
			t.Errorf("%s: %+v", c.file, o)
		}
	}
}

// TestAuditNoEnd: a machine that was killed from outside leaves a record that is complete up
// to a line and has no end, which is told apart from one that is whole, is not what it was,
// or belongs to a machine that runs.
func TestAuditNoEnd(t *testing.T) {
	w := newWorld(t)
	event := `audit:{"n":1,"rule":"call","action":"denied","wall":1}`
	verify := func(file string) (o outcome, v verified) {
		t.Helper()
		o = w.run(t, "audit", "verify", "--json", file)
		if err := json.Unmarshal([]byte(o.stdout), &v); err != nil {
			t.Fatalf("%v: %+v", err, o)
		}
		text := w.run(t, "audit", "verify", file)
		if text.status != o.status {
			t.Errorf("status %d, with --json %d", text.status, o.status)
		}
		o.stdout, o.stderr = text.stdout, text.stderr
		return o, v
	}
	w.runK(t, "run", "--audit", "record", "./app", "hello", event, "exit:0").want(t, 0, "", "")
	p := w.start(t, nil, "--audit", "record", "./app", "hello", event, "sleep:300", "out:up\n", "hang")
	p.line(t)
	if o, v := verify("record"); o.status != 0 || !v.Whole || !v.Running || len(v.NoEnd) != 0 || v.Machines != 2 || !strings.HasPrefix(o.stdout, "record: whole so far; a machine writes to it\n") {
		t.Errorf("running: %+v, %+v", o, v)
	}
	p.Process.Kill()
	p.Wait()
	o, v := verify("record")
	if o.status != 2 || v.Whole || v.Running || fmt.Sprint(v.NoEnd) != "[5]" || v.Lines != 5 || v.Events != 2 ||
		!strings.HasPrefix(o.stdout, "record: complete up to line 5, no end: the machine was killed, or lines behind it were cut off\nmachines  2, of which 1 without an end") {
		t.Errorf("killed: %+v, %+v", o, v)
	}
	// It goes on behind it, and the gap stays.
	w.runK(t, "run", "--audit", "record", "./app", "hello", "audited:0", "exit:0").want(t, 0, "", "")
	if o, v := verify("record"); o.status != 2 || fmt.Sprint(v.NoEnd) != "[5]" || v.Lines != 7 || !strings.Contains(o.stdout, "line 5, no end: the machine was killed, or lines behind it were cut off before the next one began\n") {
		t.Errorf("behind it: %+v, %+v", o, v)
	}
	// Lines that are cut off, whole or not, and a changed one.
	b, err := os.ReadFile(w.path("record"))
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(b, []byte("\n"))
	for n, want := range map[int]int{1: 2, 2: 2, 3: 0, 4: 2, 5: 2} {
		w.put(t, "cut", bytes.Join(lines[:n], nil), 0o600)
		if o, v := verify("cut"); o.status != want || v.Lines != uint64(n) || v.Whole != (want == 0) {
			t.Errorf("cut behind line %d: %+v, %+v", n, o, v)
		}
	}
	w.put(t, "torn", b[:len(b)-9], 0o600)
	if o, v := verify("torn"); o.status != 1 || v.Whole || v.Error != "line 7 is cut off" || v.Lines != 6 || o.stderr != "skerry: torn: line 7 is cut off\nskerry: torn: complete up to line 6\n" {
		t.Errorf("torn: %+v, %+v", o, v)
	}
	w.put(t, "changed", bytes.Replace(b, []byte("denied"), []byte("killed"), 1), 0o600)
	if o, v := verify("changed"); o.status != 1 || v.Whole || v.Lines != 2 || !strings.HasPrefix(v.Error, "line 3 does not belong behind") {
		t.Errorf("changed: %+v, %+v", o, v)
	}
}

// TestAuditDiskFull: a record that cannot be written any more, here since the file may not
// grow, is told once, when it happens, and the machine goes on.
func TestAuditDiskFull(t *testing.T) {
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	path := t.TempDir() + "/record"
	var stderr bytes.Buffer
	a := &app{stderr: &lockedWriter{w: &stderr}}
	p := &prepared{image: &image.Image{}}
	done, err := a.openAudit(p, path)
	if err != nil {
		t.Fatal(err)
	}
	event := func(n string) {
		err := p.config.Audit([]byte(`{"n":` + n + `,"rule":"exec","wall":1,"point":"single process","action":"denied"}`))
		if err != nil {
			t.Error("the machine is to end:", err)
		}
	}
	event("1")
	info, err := os.Stat(path)
	if err != nil || stderr.Len() != 0 {
		t.Fatalf("%v, %s", err, &stderr)
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	full := old
	full.Cur = uint64(info.Size()) + 20
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
		t.Fatal(err)
	}
	event("2")
	told := stderr.String()
	event("3")
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	done(&vmm.Result{Reason: "exited"})
	want := "skerry: --audit " + path + ": the record is not whole: file too large\n"
	if told != want || stderr.String() != want {
		t.Errorf("told %q at once, %q in all; want %q", told, &stderr, want)
	}
	// What there is of it is found to be broken.
	if o := newWorld(t).run(t, "audit", "verify", path); o.status != 1 {
		t.Errorf("verify: %+v", o)
	}
}

// TestAuditRequired: a policy that requires a record is refused without one before anything
// boots, and may be tightened to that only.
func TestAuditRequired(t *testing.T) {
	w := newWorld(t)
	w.put(t, "required.toml", []byte("[policy]\naudit = \"required\"\n"), 0o600)
	w.put(t, "optional.toml", []byte("[policy]\naudit = \"optional\"\n"), 0o600)
	w.put(t, "wrong.toml", []byte("[policy]\naudit = true\n"), 0o600)
	w.put(t, "file.toml", []byte("[policy]\naudit = \"record\"\n"), 0o600)
	build := func(name string, args ...string) {
		t.Helper()
		if o := w.runK(t, append(append([]string{"build", "-o", name}, args...), "./app", "hello", "exit:0")...); o.status != 0 {
			t.Fatalf("%+v", o)
		}
	}
	build("required.img", "--config", "required.toml")
	build("flag.img", "--audit-required")
	build("optional.img")
	for _, name := range []string{"required.img", "flag.img"} {
		if o := w.run(t, "inspect", name); !strings.Contains(o.stdout, "\npolicy       default, audit=required\n") {
			t.Errorf("%+v", o)
		}
		if o := w.run(t, "inspect", "--json", name); !strings.Contains(o.stdout, `"audit": "required"`) {
			t.Errorf("%+v", o)
		}
	}
	const missing, loosened = ": its policy requires a record of what the kernel refuses (add --audit FILE)", "an audit record is required by the image's policy, and a run may only tighten that"
	for _, c := range []struct {
		args   string
		status int
		says   string
	}{
		{"--audit-required %s ./app hello exit:0", 125, missing},
		{"--config required.toml %s ./app hello exit:0", 125, missing},
		{"--policy required.toml %s ./app hello exit:0", 125, missing},
		{"--policy required.toml %s optional.img", 125, missing},
		{"--audit-required %s optional.img", 125, missing},
		{"%s required.img", 125, missing},
		{"%s flag.img", 125, missing},
		{"--policy optional.toml %s optional.img", 0, ""},
		{"--audit-required --policy optional.toml %s optional.img", 125, missing}, // what is said here wins
		{"--policy optional.toml --audit record %s required.img", 125, loosened},
		{"--audit-required=false --audit record %s required.img", 125, loosened},
		{"--config wrong.toml %s ./app", 125, "wrong.toml: policy: audit is neither"},
		{"--config file.toml %s ./app", 125, "where the record goes is the flag --audit"},
		{"--policy wrong.toml %s ./app", 125, "policy: audit is neither"},
		{"--audit-required=maybe %s ./app", 125, "--audit-required"},
	} {
		for _, also := range []string{"", "--audit record"} {
			status, says := c.status, c.says
			if also != "" && strings.Contains(c.args, "--audit record") {
				continue
			}
			if also != "" && says == missing {
				status, says = 0, ""
			}
			o := w.run(t, append([]string{"run"}, w.args(fmt.Sprintf(c.args, also))...)...)
			o.want(t, status, "", says)
		}
	}
	if l := startOf(t, w.path("record")); !strings.Contains(l.Policy, " audit=required ") {
		t.Errorf("%+v", l)
	}
}

// args splits arguments, and names the kernel for a program, which is not in an image yet.
func (w *world) args(s string) []string {
	list := strings.Fields(s)
	if slices.Contains(list, "./app") {
		return append([]string{"--kernel", w.path("kernel")}, list...)
	}
	return list
}

// TestAuditUnwritten: a machine whose record is required ends with 121 when it cannot be
// written, whatever it does itself; what a policy ended it for is told before that.
func TestAuditUnwritten(t *testing.T) {
	w := newWorld(t)
	event := func(n int) string { return fmt.Sprintf(`audit:{"n":%d,"rule":"call","action":"denied","wall":1}`, n) }
	const lost = "ended by policy: the audit record cannot be written: broken pipe"
	for _, c := range []struct {
		name     string
		required bool
		script   []string
		reason   string
		status   int
		says     string
	}{
		{"goes on", false, []string{event(1), "sleep:300", "exit:7"}, "exited", 7, ""},
		{"obeys", true, []string{event(1), "stop"}, "policy", 121, lost},
		{"hangs", true, []string{event(1), "hang"}, "policy", 121, lost},
		{"ends meanwhile", true, []string{event(1), "exit:0"}, "policy", 121, lost},
		{"has nothing to tell but its end", true, []string{"exit:0"}, "policy", 121, lost},
		{"is ended by a policy", true, []string{event(1), "reason:4"}, "policy", 121, "because"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, stderr, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			args := []string{"run", "--kernel", w.path("kernel"), "--audit", "-", "--status-file", w.path("status"), "--incident", "none"}
			if c.required {
				args = append(args, "--audit-required")
			}
			cmd := exec.Command(w.skerry, append(append(args, "./app", "hello", "out:up\n", "sleep:300"), c.script...)...)
			cmd.Stderr = stderr
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			timer := time.AfterFunc(15*time.Second, func() { cmd.Process.Kill() })
			defer timer.Stop()
			stdout.Read(make([]byte, 3))
			r.Close() // nobody reads the record from now on
			stderr.Close()
			io.Copy(io.Discard, stdout)
			cmd.Wait()
			b, err := os.ReadFile(w.path("status"))
			if err != nil {
				t.Fatal(err)
			}
			var got vmm.Result
			if err := json.Unmarshal(b, &got); err != nil {
				t.Fatal(err)
			}
			if status := cmd.ProcessState.ExitCode(); status != c.status || got.Status != c.status || got.Reason != c.reason || !strings.Contains(got.Message, c.says) {
				t.Errorf("status %d, %s", status, b)
			}
			if d := time.Since(begin); d > 10*time.Second {
				t.Error("after", d)
			}
		})
	}
}
