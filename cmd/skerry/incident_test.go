package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"skerry/bootrec"
	"skerry/vmm"
)

// TestIncidents: where the report about a machine that a policy ended goes.
func TestIncidents(t *testing.T) {
	w := newWorld(t)
	frames := bootrec.AppendFrame(nil, bootrec.KindThreads, bootrec.AppendThread(nil, &bootrec.Thread{ID: 1, Name: "app"}))
	script := []string{"./app", "hello", "raw-control:" + hex.EncodeToString(frames), "reason:4"}
	run := func(args ...string) outcome {
		t.Helper()
		return w.runK(t, append(append([]string{"run"}, args...), script...)...)
	}
	reports := func(dir string) (names []string) {
		list, err := os.ReadDir(w.path(dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range list {
			names = append(names, f.Name())
			if info, err := f.Info(); err != nil || info.Mode() != 0o600 {
				t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
			}
		}
		return names
	}

	o := run("--level", "strict", "--status-file", "st")
	own := reports("state/skerry/incidents")
	if len(own) != 2 || !strings.HasSuffix(own[0], "-app.json") || !strings.HasSuffix(own[1], "-app.txt") {
		t.Fatalf("%v", own)
	}
	page := filepath.Join(w.path("state/skerry/incidents"), own[1])
	if o.status != vmm.StatusPolicy || !strings.Contains(o.stderr, "skerry: incident report: "+page+" (and .json)\n") || !strings.Contains(read(t, "st"), `"incident":"`+page+`"`) {
		t.Errorf("%+v, %s", o, read(t, "st"))
	}
	var i vmm.Incident
	if err := json.Unmarshal([]byte(read(t, strings.TrimSuffix(page, "txt")+"json")), &i); err != nil {
		t.Fatal(err)
	}
	if i.V != 1 || i.Program != w.path("app") || len(i.Image) != 64 || len(i.Kernel) != 64 || len(i.PolicySHA256) != 64 || !strings.Contains(i.Policy, "end the machine for process,") || i.Thread != 0 || len(i.Others) != 1 || i.Others[0].ID != 1 {
		t.Errorf("%+v", i)
	}
	if text := read(t, page); !strings.HasPrefix(text, "INCIDENT  2") || !strings.Contains(text, i.Image) {
		t.Error(text)
	}

	if o := run("--incident", "here/and/there"); o.status != vmm.StatusPolicy || len(reports("here/and/there")) != 2 {
		t.Errorf("%+v", o)
	}
	w.put(t, "skerry.toml", []byte("incident = \"none\"\n"), 0o644)
	if o := run(); o.status != vmm.StatusPolicy || strings.Contains(o.stderr, "incident") {
		t.Errorf("%+v", o)
	}
	if err := os.Remove("skerry.toml"); err != nil {
		t.Fatal(err)
	}
	if n := len(reports("state/skerry/incidents")); n != 2 {
		t.Errorf("%d files in the user's folder", n)
	}
	run("--incident", "app/x").want(t, 125, "", "--incident app/x: ")
	t.Setenv("XDG_STATE_HOME", "relative")
	t.Setenv("HOME", "")
	if o := run(); o.status != vmm.StatusPolicy || !strings.Contains(o.stderr, "skerry: no incident report: neither XDG_STATE_HOME nor HOME is an absolute path (--incident DIR names a folder)\n") {
		t.Errorf("%+v", o)
	}
	// A machine that ends in another way leaves none, and does not need a place for it.
	if o := w.runK(t, "run", "./app", "hello", "exit:0"); o.status != 0 || strings.Contains(o.stderr, "incident") {
		t.Errorf("%+v", o)
	}
}

// TestForgetIncidents: the newest are kept, and what is no report.
func TestForgetIncidents(t *testing.T) {
	dir := t.TempDir()
	for i := range maxIncidents + 7 {
		for _, ending := range []string{"json", "txt"} {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("2026%04d-app.%s", i, ending)), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "0.notes"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	forgetIncidents(dir)
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != 2*maxIncidents+1 || list[0].Name() != "0.notes" || list[1].Name() != "20260007-app.json" {
		t.Errorf("%d files, first %v, %v", len(list), list[:3], err)
	}
}
