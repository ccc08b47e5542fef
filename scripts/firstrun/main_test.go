package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fakeVariable makes this test binary a skerry command that behaves as it says.
const fakeVariable = "FIRSTRUN_FAKE"

func TestMain(m *testing.M) {
	if how := os.Getenv(fakeVariable); how != "" {
		os.Exit(fake(how))
	}
	os.Exit(m.Run())
}

// fake is `skerry build` and `skerry run`. What it does at TERM is in how, too.
func fake(how string) int {
	if os.Args[1] == "build" {
		if how == "no-build" {
			return 126
		}
		if os.WriteFile(os.Args[3], make([]byte, 3<<20), 0o600) != nil {
			return 125
		}
		return 0
	}
	if how == "early" {
		return 3
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 125
	}
	fmt.Fprintf(os.Stderr, "skerry: -p %v -> 8080\n", l.Addr())
	if how != "silent" {
		fmt.Println("listening")
	}
	if how != "deaf" {
		go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "the page") }))
	}
	<-stop
	if how == "stubborn" {
		select {}
	}
	return 0
}

func plannedFor(t *testing.T, how string) *plan {
	t.Setenv(fakeVariable, how)
	return &plan{skerry: os.Args[0], image: t.TempDir() + "/x.img", memory: "64M", program: "x"}
}

func TestRun(t *testing.T) {
	for how, want := range map[string]string{
		"good":     "",
		"silent":   "",
		"no-build": "exit status 126",
		"early":    "ended before it answered, with status 3",
	} {
		err := run(context.Background(), plannedFor(t, how))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, expected %q", how, err, want)
		}
	}
}

// TestNothingLeft looks for the machine's process after each way to end.
func TestNothingLeft(t *testing.T) {
	for _, how := range []string{"good", "stubborn", "deaf"} {
		m, err := start(plannedFor(t, how))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		a, err := m.answer(ctx, 500*time.Millisecond)
		cancel()
		if (how == "deaf") != (err != nil) {
			t.Errorf("%s: %v", how, err)
		}
		if err == nil && (a.page != "the page" || a.after <= 0) {
			t.Errorf("%s: %+v", how, a)
		}
		limit := 10 * time.Second // the race detector's own end takes a second
		if how == "stubborn" {
			limit = 300 * time.Millisecond
		}
		if err := m.stop(limit); (how == "stubborn") != (err != nil) {
			t.Errorf("%s: %v", how, err)
		}
		if err := syscall.Kill(m.cmd.Process.Pid, 0); err != syscall.ESRCH {
			t.Errorf("%s: the process is still there: %v", how, err)
		}
	}
}

// TestInterrupt ends the wait for a server that does not answer.
func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(300*time.Millisecond, cancel)
	begin := time.Now()
	if err := run(ctx, plannedFor(t, "deaf")); err != context.Canceled {
		t.Errorf("%v", err)
	}
	if d := time.Since(begin); d > 10*time.Second {
		t.Errorf("took %v", d)
	}
}
