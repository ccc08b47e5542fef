package linuxvm

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// compile returns the path of a small static program, built once for each source.
func compile(ctx context.Context, name string, source []byte) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(source)
	path := filepath.Join(cache, name+"-"+hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	tmp, err := os.MkdirTemp(cache, name)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	in, out := filepath.Join(tmp, name+".c"), filepath.Join(tmp, name)
	if err := os.WriteFile(in, source, 0o644); err != nil {
		return "", err
	}
	text, err := exec.CommandContext(ctx, "musl-gcc", "-static", "-Os", "-s", "-o", out, in).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s.c: musl-gcc does not build it: %v: %s(on Debian: apt-get install musl-tools)", name, err, text)
	}
	return path, os.Rename(out, path)
}

//go:embed tsc/tsc.c
var tscSource []byte

var counter struct {
	sync.Mutex
	khz int
}

// CounterKHz is the frequency of the host's time-stamp counter, which is what the
// emulator shows its guest (QEMU: cpu_get_tsc). Linux on microvm has only the PIT
// to find it out, and stops for ever if the emulator was slow at that moment.
func CounterKHz(ctx context.Context) (int, error) {
	counter.Lock()
	defer counter.Unlock()
	if counter.khz != 0 {
		return counter.khz, nil
	}
	path, err := compile(ctx, "tsc", tscSource)
	if err != nil {
		return 0, err
	}
	out, err := exec.CommandContext(ctx, path).Output()
	if err != nil {
		return 0, err
	}
	counter.khz, err = strconv.Atoi(strings.TrimSpace(string(out)))
	return counter.khz, err
}
