package skerrytest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"skerry/bench/linuxvm"
	"skerry/bootrec"
)

// TestGround boots a kernel that tests the bottom of the kernel from inside, with nothing
// above it: kernel/ground/boottest. At its end an interrupt comes although interrupts are
// off, which has to be reported as what it is.
func TestGround(t *testing.T) {
	kernel := filepath.Join(t.TempDir(), "boottest.elf")
	build := exec.Command("../scripts/kernel", "./kernel/ground/boottest", kernel)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cpus := []int{1, 2, 4}
	if testing.Short() {
		cpus = cpus[1:2]
	}
	for _, n := range cpus {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			slot(t)
			r := bootrec.Record{
				Program: "/none", Args: []string{"none"}, Cwd: "/", Hostname: "ground",
				CPUs: n, Memory: 256 << 20, Wall: time.Now().UnixNano(), Seed: [32]byte{1},
			}
			b, err := bootrec.Encode(&r)
			if err != nil {
				t.Fatal(err)
			}
			record := filepath.Join(t.TempDir(), "record")
			if err := os.WriteFile(record, b, 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
			defer cancel()
			// Why at least two CPUs may be plugged in: vmm/args.go.
			smp := strconv.Itoa(n) + ",maxcpus=" + strconv.Itoa(max(n, 2))
			q := exec.CommandContext(ctx, "qemu-system-x86_64", "-M", "q35", "-accel", "tcg", "-cpu", linuxvm.DefaultCPU,
				"-smp", smp, "-m", "256M", "-kernel", kernel, "-initrd", record, "-serial", "stdio",
				"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot")
			out, err := q.Output()
			text := strings.ReplaceAll(string(out), "\r", "")
			if ctx.Err() != nil {
				t.Errorf("did not end")
			}
			if err != nil { // with -no-reboot, a reset ends it without an error
				t.Errorf("QEMU: %v", err)
			}
			for _, want := range []string{
				"boottest: cpus " + strconv.Itoa(n) + " ",
				"\nboottest: all passed\n",
				"\nskerry: an interrupt came while interrupts were off, which no processor does",
				"; vector 0000000000000030 at ffffffff8",
			} {
				if !strings.Contains(text, want) {
					t.Errorf("%q is missing", want)
				}
			}
			if t.Failed() {
				t.Log(text)
			}
		})
	}
}
