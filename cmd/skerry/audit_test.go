package main

import (
	"bytes"
	"os"
	"strings"
	"syscall"
	"testing"
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
