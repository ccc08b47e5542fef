package skerrytest

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"skerry/test/harness"
)

// TestPlaces gives a program file systems in memory, secrets, and configuration
// that differs from run to run, for a program and for an image.
func TestPlaces(t *testing.T) {
	skerry := skerryCommand(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	program := built(ctx, t, harness.Musl, "places")
	dir := t.TempDir()
	put := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	const secret = "hunter2-the-secret"
	token, conf, env := put("token", secret), put("app.conf", "setting=1"), put("env", "FROM_FILE=yes\n")
	image, trace := filepath.Join(dir, "app.img"), filepath.Join(dir, "trace")
	slot(t)
	run := skerryIn(ctx, skerry, dir)
	want := func(what string, args []string, text string) {
		t.Helper()
		out, errs, status := run(args...)
		if status != 0 || out != text {
			t.Errorf("%s: status %d\n%s\nwant\n%s\n%s", what, status, out, text, errs)
		}
	}
	const (
		megabyte = ": 1024 KiB\nwrote 1024 KiB, then ENOSPC\nas code: EACCES\nunlink: done\n"
		usual    = "mounted /dev/shm\nmounted /tmp\nmounted /run\n"
	)
	want("a program", []string{"run", "--tmpfs", "/data:1M", "--tmpfs", "/tmp:1M", "--tmpfs", "/run/deep/er:1M", "--secret", "token=" + token, "--secret", "other=" + conf, "--strace=" + trace,
		program, "/data", "/tmp", "/run/deep/er", "list=/run/secrets"},
		"/data"+megabyte+"/tmp"+megabyte+"/run/deep/er"+megabyte+
			"/run/secrets/other 400 9 'setting=1'\n/run/secrets/token 400 18 '"+secret+"'\n"+usual+"mounted /data\nmounted /run/deep/er\n")
	if text, err := os.ReadFile(trace); err != nil || bytes.Contains(text, []byte("hunter2")) || !bytes.Contains(text, []byte("/run/secrets/token")) {
		t.Errorf("the trace shows the secret, or not that its file was read: %v", err)
	}
	if _, errs, status := run("build", "-o", image, "--tmpfs", "/data:1M", "-e", "STORED=1", program, "/data", "env=STORED"); status != 0 {
		t.Fatalf("build: %s", errs)
	}
	want("an image", []string{"run", image}, "/data"+megabyte+"STORED is 1\n"+usual+"mounted /data\n")
	// Everything is other, and nothing is built.
	want("an image that is told otherwise", []string{"run", "-e", "STORED=2", "-e", "NEW=x", "--env-file", env, "--file", conf + ":/etc/app/app.conf", "--tmpfs", "/data:2M", "--tmpfs", "/new/place:1M",
		"--secret", "token=" + token, image, "/new/place", "env=STORED", "env=NEW", "env=FROM_FILE", "list=/etc/app", "list=/run/secrets"},
		"/new/place"+megabyte+"STORED is 2\nNEW is x\nFROM_FILE is yes\n/etc/app/app.conf 444 9 'setting=1'\n/run/secrets/token 400 18 '"+secret+"'\n"+usual+"mounted /data\nmounted /new/place\n")
	if text, err := os.ReadFile(image); err != nil || bytes.Contains(text, []byte(secret)) {
		t.Errorf("the image holds the secret: %v", err)
	}
	if out, _, _ := run("inspect", image); !strings.Contains(out, "in memory") || !strings.Contains(out, "/data:1M") {
		t.Errorf("inspect: %s", out)
	}
	for text, args := range map[string][]string{
		"--secret token: is not NAME=FILE":                            {"run", "--secret", "token", program},
		"no such file":                                                {"run", "--secret", "token=" + token + "x", program},
		"there is a token already":                                    {"run", "--secret", "token=" + token, "--secret", "token=" + token, program},
		"--tmpfs /proc/x: the kernel's own files are":                 {"run", "--tmpfs", "/proc/x", program},
		"--tmpfs /data:9: 9 is not a size":                            {"run", "--tmpfs", "/data:9", program},
		"would be hidden by --tmpfs /srv":                             {"run", "--tmpfs", "/srv", "--file", conf + ":/srv/x", program},
		"--secret: is not a flag of `skerry build`":                   {"build", "--secret", "a=b", program},
		"--file " + conf + ":/srv/x: would be hidden by --tmpfs /srv": {"run", "--tmpfs", "/srv", "--file", conf + ":/srv/x", image},
		"would be hidden by --tmpfs /data:1M":                         {"run", "--file", conf + ":/data/x", image},
		"would hide the program, " + program:                          {"run", "--tmpfs", filepath.Dir(program), image},
		"/etc/passwd: is not a directory in " + image:                 {"run", "--tmpfs", "/etc/passwd", image},
	} {
		if _, errs, status := run(args...); status != 125 || !strings.Contains(errs, text) {
			t.Errorf("%q: status %d, %s", args, status, errs)
		}
	}
}
