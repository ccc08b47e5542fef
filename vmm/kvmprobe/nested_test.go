package kvmprobe

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"skerry/bench/linuxvm"
)

// TestNested tries KVM where it is known to work: in Linux on an emulated AMD
// processor with SVM. The kernel is the benchmark's; without it there is no test.
func TestNested(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a Linux machine")
	}
	cache, err := linuxvm.CacheDir()
	if err != nil {
		t.Skip(err)
	}
	if list, _ := filepath.Glob(filepath.Join(cache, "linux", "boot", "vmlinuz-*")); len(list) == 0 {
		t.Skip("the benchmark's Linux kernel has not been fetched (make bench does)")
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	k, err := linuxvm.Fetch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "inside")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "./testdata/inside")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	modules := filepath.Join(cache, "linux", "lib", "modules", k.Version, "kernel")
	files, args := map[string]string{}, []string{"/inside"}
	for _, m := range []string{"virt/lib/irqbypass.ko", "arch/x86/kvm/kvm.ko", "arch/x86/kvm/kvm-amd.ko"} {
		path := filepath.Join(modules, m)
		if _, err := os.Stat(path); err != nil {
			t.Skip("this Linux kernel has no KVM:", err)
		}
		files["/"+filepath.Base(m)] = path
		args = append(args, "/"+filepath.Base(m))
	}
	m, _, err := linuxvm.Run(ctx, k, &linuxvm.Config{Memory: 512 << 20, Program: program, Target: "/inside", Args: args, Files: files})
	if err != nil {
		t.Fatal(err)
	}
	var r Result
	if err := json.Unmarshal(m.Stdout.Bytes(), &r); err != nil || !r.Works {
		t.Errorf("KVM works there, but: %s%s (%v)", m.Stdout.String(), m.Stderr.String(), err)
	}
	t.Log(r.Why)
}
