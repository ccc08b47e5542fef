package harness

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestDefaults: a program starts with the default actions, even below nohup.
func TestDefaults(t *testing.T) {
	if os.Getenv("HARNESS_IGNORED") == "" {
		cmd := exec.Command("nohup", os.Args[0], "-test.run=^TestDefaults$", "-test.v")
		cmd.Env = append(os.Environ(), "HARNESS_IGNORED=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	o, err := OnHost(t.Context(), &Program{Path: "/bin/sh", Args: []string{"-c", "kill -HUP $$"}, Timeout: time.Minute})
	if err != nil || o.Status != 128+1 {
		t.Errorf("%+v, %v", o, err)
	}
}
