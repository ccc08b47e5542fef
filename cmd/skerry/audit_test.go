package main

import (
	"bytes"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"skerry/image"
	"skerry/vmm"
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
		p.config.Audit([]byte(`{"n":` + n + `,"rule":"exec","wall":1,"point":"single process","action":"denied"}`))
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
