package skerrytest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"skerry/test/harness"
)

// incident is a report about a machine that a policy ended, as far as this looks at it.
type incident struct {
	What   string `json:"what"`
	Rule   string `json:"rule"`
	Point  string `json:"point"`
	Call   string `json:"call"`
	Image  string `json:"image"`
	Thread int    `json:"thread"`
	Name   string `json:"thread_name"`
	Stack  []struct {
		Function string `json:"function"`
		Source   string `json:"source"`
	} `json:"stack"`
	Mapping   string            `json:"mapping"`
	Registers map[string]string `json:"registers"`
	Calls     []pastCall        `json:"calls"`
	Others    []struct {
		Thread  int        `json:"thread"`
		Name    string     `json:"name"`
		Running bool       `json:"running"`
		Calls   []pastCall `json:"calls"`
	} `json:"other_threads"`
	Events []struct {
		Action string `json:"action"`
		Call   string `json:"call"`
		What   string `json:"what"`
		Wall   int64  `json:"wall"`
		Obj    *struct {
			Path string `json:"path"`
			Addr string `json:"addr"`
			Len  int    `json:"len"`
		} `json:"obj"`
	} `json:"events"`
	Descriptors []struct {
		FD    int    `json:"fd"`
		Name  string `json:"name"`
		Local string `json:"local"`
		Peer  string `json:"peer"`
	} `json:"descriptors"`
	Machine struct {
		Threads  int    `json:"threads"`
		Entropy  int    `json:"entropy_bits"`
		Features string `json:"cpu_features"`
	} `json:"machine"`
}

type pastCall struct {
	Call  string   `json:"call"`
	Args  []string `json:"args"`
	Errno string   `json:"errno"`
	At    string   `json:"at"`
}

// TestIncident: a machine that ends by policy leaves a report with where it was, what it
// did before, and with whom it was connected.
func TestIncident(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	path := built(ctx, t, harness.Musl, "incident")
	jit := built(ctx, t, harness.Musl, "jit")
	slot(t)
	skerry := skerryCommand(t)
	run := func(t *testing.T, args ...string) (i incident, page string) {
		t.Helper()
		dir := t.TempDir()
		out, err := exec.CommandContext(ctx, skerry, append([]string{"run", "--incident", dir}, args...)...).CombinedOutput()
		if e, ok := err.(*exec.ExitError); !ok || e.ExitCode() != 121 {
			t.Fatalf("%v: %s", err, out)
		}
		var text []byte
		for _, ending := range []string{"txt", "json"} {
			list, _ := filepath.Glob(filepath.Join(dir, "*."+ending))
			if len(list) != 1 {
				t.Fatalf("%v: %s", list, out)
			}
			if text, err = os.ReadFile(list[0]); err != nil {
				t.Fatal(err)
			}
			if ending == "txt" {
				page = string(text)
			}
		}
		if err := json.Unmarshal(text, &i); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(page, "\x1b\r") || i.Image == "" || !strings.Contains(page, i.Image) || len(i.Registers) != 18 || i.Machine.Entropy < 256 || !strings.Contains(i.Machine.Features, "sse2") {
			t.Errorf("%+v\n%s", i, page)
		}
		return i, page
	}
	for _, c := range []struct{ what, verdict, rule, call, point, message string }{
		{"exec", "process=kill", "call", "execve", "single process", `ended by policy: execve("/bin/sh\n", ["/bin/sh\n"]`},
		{"memory", "memory=kill", "jit", "mmap", "single process", "ended by policy: mmap of 4096 bytes at "},
		{"egress", "egress=kill", "egress", "", "", "ended by policy: a connection to 10.0.2.2:22, which is the host's own services"},
	} {
		for cpus := 1; cpus <= 2; cpus++ {
			t.Run(fmt.Sprint(c.what, "/", cpus), func(t *testing.T) {
				i, page := run(t, "--cpus", fmt.Sprint(cpus), "--verdict", c.verdict, path, c.what)
				defer func() {
					if t.Failed() {
						t.Log(page)
					}
				}()
				if i.Rule != c.rule || i.Call != c.call || i.Point != c.point || !strings.HasPrefix(i.What, c.message) || i.Thread != 1 || i.Name != "incident" {
					t.Errorf("%q: rule %q, call %q, point %q, thread %d %q", i.What, i.Rule, i.Call, i.Point, i.Thread, i.Name)
				}
				// What the last event, for which it ended, was about.
				if o := i.Events[len(i.Events)-1].Obj; o == nil || o.Path+o.Addr != map[string]string{"exec": `/bin/sh\x0a`, "memory": "0x0", "egress": "10.0.2.2:22"}[c.what] || o.Len != map[string]int{"memory": 4096}[c.what] {
					t.Errorf("it is about %+v", o)
				}
				found := false
				for _, f := range i.Stack {
					found = found || strings.HasPrefix(f.Function, "handle_request+0x")
				}
				if !found || !strings.Contains(i.Mapping, " r-xp text of incident") {
					t.Errorf("stack %+v, mapping %q", i.Stack, i.Mapping)
				}
				// The last call is the one that it was about; before are those that the
				// program made, and no more of the 200 than are kept.
				n := len(i.Calls)
				if n < 100 {
					t.Fatalf("%d calls", n)
				}
				last := map[string]string{"exec": "execve", "memory": "mmap", "egress": "connect"}[c.what]
				if k := i.Calls[n-1]; k.Call != last || k.Errno == "" || len(k.Args) != 3 || !strings.Contains(k.At, "(/") {
					t.Errorf("the last call is %+v", k)
				}
				before, parents := map[string]bool{}, 0
				for _, k := range i.Calls[:n-1] {
					before[k.Call] = true
					if k.Call == "getppid" {
						parents++
					}
				}
				if !before["read"] || !before["write"] || parents < 100 || parents > 128 {
					t.Errorf("%d of getppid; %v", parents, before)
				}
				if len(i.Others) != 2 || i.Machine.Threads != 3 {
					t.Errorf("%d threads, others %+v", i.Machine.Threads, i.Others)
				}
				for _, o := range i.Others {
					switch {
					case strings.HasPrefix(o.Name, "waits") && !o.Running && o.Calls[len(o.Calls)-1].Call == "read":
					case o.Name == "turns" && o.Calls[len(o.Calls)-1].Call == "prctl":
					default:
						t.Errorf("%+v", o)
					}
				}
				denied, killed := 0, 0
				for _, e := range i.Events {
					if e.Call == "setuid" && e.Action == "denied" {
						denied++
					}
					if e.Action == "killed" {
						killed++
					}
					if at := time.Unix(0, e.Wall); time.Since(at) > 5*time.Minute || time.Until(at) > time.Minute {
						t.Errorf("an event at %v", at)
					}
				}
				if killed != 1 || denied != 1 {
					t.Errorf("%+v", i.Events)
				}
				open := map[string]bool{}
				for _, d := range i.Descriptors {
					open[d.Name] = true
					if d.Peer == "127.0.0.1:8080" && strings.HasPrefix(d.Local, "127.0.0.1:") {
						open["client"] = true
					}
					if d.Local == "127.0.0.1:8080" && d.Peer != "" {
						open["server"] = true
					}
				}
				if !open["/etc/hosts"] || !open["client"] || !open["server"] {
					t.Errorf("%+v", i.Descriptors)
				}
			})
		}
	}
	t.Run("origin", func(t *testing.T) {
		i, page := run(t, "--jit", "64K", jit, "from-private")
		if i.Rule != "origin" || i.Point != "single process" || i.Thread == 0 || len(i.Calls) == 0 || len(i.Events) == 0 || !strings.Contains(i.Mapping, "anonymous memory") {
			t.Errorf("%+v\n%s", i, page)
		}
	})
}
