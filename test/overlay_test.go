package skerrytest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"skerry/test/harness"
)

// overlaySeed makes the folder that overlay.c works in.
func overlaySeed(t *testing.T, dir string) string {
	t.Helper()
	var big bytes.Buffer
	for i := range 200000 {
		big.WriteByte(byte('a' + i/1000%26))
	}
	files := map[string]string{"a": "first\n", "big": big.String(), "tool": "#!x\n", "sub/b": "bbb", "sub/deep/c": "ccc"}
	for i := range 40 {
		files[fmt.Sprintf("many/%d", i)] = "m"
	}
	for i := range 60 {
		files[fmt.Sprintf("race/%d", i)] = "old"
	}
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestOverlay changes the files of an image in every way, beside a folder on Linux,
// and looks at what an overlay keeps from being executed.
func TestOverlay(t *testing.T) {
	skerry := skerryCommand(t)
	b, err := builder()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	slot(t)
	dir := t.TempDir()
	run := skerryIn(ctx, skerry, dir)
	seed := overlaySeed(t, filepath.Join(dir, "seed"))
	for _, toolchain := range []string{harness.Musl, harness.Glibc} {
		program, err := b.Build(ctx, toolchain, "overlay")
		if err != nil {
			t.Fatal(err)
		}
		linux, err := exec.CommandContext(ctx, program, overlaySeed(t, filepath.Join(dir, toolchain))).CombinedOutput()
		if err != nil || bytes.Contains(linux, []byte("FAIL")) {
			t.Fatalf("on Linux: %v\n%s", err, linux)
		}
		for _, cpus := range cpuCounts() {
			out, errs, status := run("run", "--cpus", fmt.Sprint(cpus), "--overlay", "--dir", seed+":/seed", program, "/seed")
			if status != 0 || out != string(linux) {
				t.Errorf("%s, %d CPUs: status %d, %s", toolchain, cpus, status, errs)
				for i, l := range strings.Split(string(linux), "\n") {
					if s := strings.Split(out, "\n"); i >= len(s) || s[i] != l {
						t.Errorf("line %d: Linux %q, Skerry %q", i+1, l, s[min(i, len(s)-1)])
						break
					}
				}
			}
		}
	}
	program, err := b.Build(ctx, harness.Musl, "overlay")
	if err != nil {
		t.Fatal(err)
	}
	const code = `the image's own, before: mapped
access(self, X_OK) = 0
opened to write: yes
pwrite(fd, "\xc3\xc3\xc3\xc3", 4, 0) = 4
mapped before, it is what it was: 1
what was written, as code: EACCES
as data: mapped, then as code: EACCES
opened again, as code: EACCES
access(self, X_OK) = EACCES
opened before, as code: as it was
chmod(self, 0777) = 0
rename(self, "/moved") = 0
put(self, O_CREAT, "\xc3") = 0
chmod(self, 0777) = 0
another in its place, as code: EACCES
put("/etc/ld.so.preload", O_CREAT, "/moved") = 0
put("/etc/resolv.conf", O_TRUNC, "nameserver 127.0.0.1\n") = 0
resolv.conf: nameserver 127.0.0.1.
`
	image := filepath.Join(dir, "app.img")
	if _, errs, status := run("build", "-o", image, "--overlay=1M", program, "/", "code"); status != 0 {
		t.Fatalf("build: %s", errs)
	}
	if out, errs, status := run("run", image); status != 0 || out != code {
		t.Errorf("code: status %d\n%s%s", status, out, errs)
	}
	if out, _, _ := run("inspect", image); !strings.Contains(out, "all of the root can be written to, 1024 KiB at most") {
		t.Errorf("inspect: %s", out)
	}
	// The limit holds, and the image is what it was.
	if out, errs, status := run("run", image, "/", "fill"); status != 0 || out != "wrote 1024 KiB, then ENOSPC\n" {
		t.Errorf("a limit of the image: status %d\n%s%s", status, out, errs)
	}
	if out, errs, status := run("run", "--overlay=2M", image, "/", "fill"); status != 0 || out != "wrote 2048 KiB, then ENOSPC\n" {
		t.Errorf("a limit when it is run: status %d\n%s%s", status, out, errs)
	}
	if _, errs, status := run("run", "--overlay=3", program); status != 125 || !strings.Contains(errs, "--overlay=3: is not a size") {
		t.Errorf("an impossible size: status %d, %s", status, errs)
	}
}
