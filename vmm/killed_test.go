package vmm

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// TestKilled: if the launcher is killed, the machine is gone within a second.
func TestKilled(t *testing.T) {
	cmd := exec.Command(asName(t, "fake-launcher"), asName(t, "fake-qemu"), "hello", "pid", "hang")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		// Whoever inherited it may not have waited for it yet.
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || bytes.Contains(b, []byte(") Z ")) {
			return
		}
		if time.Since(begin) > time.Second {
			t.Fatal("the machine outlives its launcher")
		}
	}
}

// TestNothingLeft: many runs leave no descriptor behind.
func TestNothingLeft(t *testing.T) {
	count := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	newSession(t, "hello", "exit:0").run(t)
	var s []*session
	for range 10 {
		s = append(s, newSession(t, "hello", "out:x", "exit:0"))
	}
	before := count()
	for _, s := range s {
		s.run(t)
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}
