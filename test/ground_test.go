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
// off, which has to be reported as what it is. Other machines overflow one of the
// kernel's own stacks, or end by a double fault or a machine check, which must be
// reported, too.
func TestGround(t *testing.T) {
	kernel := filepath.Join(t.TempDir(), "boottest.elf")
	build := exec.Command("../scripts/kernel", "./kernel/ground/boottest", kernel)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const ists = 7
	for n := range 1 + ists {
		if testing.Short() && n > 1 {
			break
		}
		t.Run("overflow/"+strconv.Itoa(n), func(t *testing.T) {
			bootGround(t, kernel, 1, "overflow "+strconv.Itoa(n), []string{
				"\nboottest: overflowing stack " + strconv.Itoa(n) + "\n",
				"\nkernel bug: a fault in ground\nvector 000000000000000e error 0000000000000002 ",
			})
		})
	}
	// What there is no way back from, with every kind of GS base: of ring 0 the kernel's,
	// 0, one that a program had, one of the kernel's half; and from ring 3.
	for i, c := range []struct{ vector, gs, line string }{
		{"08", "k", "\nkernel bug: double fault\nvector 0000000000000008 error 0000000000000000 address 0000000000600000\nrip ffffffff8"},
		{"08", "p", "\nkernel bug: double fault\nvector 0000000000000008 error 0000000000000000 address 0000000000600000\nrip ffffffff8"},
		{"18", "p", "\nskerry: machine check: the hardware or the hypervisor is at fault (take another host); vector 0000000000000012 at "},
		{"08", "u", "\nkernel bug: double fault\nvector 0000000000000008 error 0000000000000000 address 0000000000600000\nrip 0000000000600000"},
		{"48", "p", "\nskerry: an interrupt came while interrupts were off, which no processor does"},
		{"08", "0", "\nkernel bug: double fault\nvector 0000000000000008 error 0000000000000000"},
		{"08", "h", "\nkernel bug: double fault\nvector 0000000000000008 error 0000000000000000"},
		{"18", "k", "\nskerry: machine check: the hardware or the hypervisor is at fault (take another host); vector 0000000000000012 at "},
		{"18", "0", "\nskerry: machine check: the hardware or the hypervisor is at fault (take another host); vector 0000000000000012 at "},
		{"18", "h", "\nskerry: machine check: the hardware or the hypervisor is at fault (take another host); vector 0000000000000012 at "},
		{"48", "h", "\nskerry: an interrupt came while interrupts were off, which no processor does"},
	} {
		if testing.Short() && i >= 5 {
			break
		}
		t.Run("dead/"+c.vector+"-"+c.gs, func(t *testing.T) {
			bootGround(t, kernel, 2, "dead "+c.vector+" "+c.gs, []string{"boottest: vector " + strings.TrimPrefix(c.vector, "0") + " with GS " + c.gs + "\n", c.line})
		})
	}
	cpus := []int{1, 2, 4}
	if testing.Short() {
		cpus = cpus[1:2]
	}
	for _, n := range cpus {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			bootGround(t, kernel, n, "none", []string{
				"boottest: cpus " + strconv.Itoa(n) + " ",
				"\nboottest: all passed\n",
				"\nskerry: an interrupt came while interrupts were off, which no processor does",
				"; vector 0000000000000030 at ffffffff8",
			})
		})
	}
}

// bootGround boots the kernel and looks for lines of its output. arg reaches it as an
// argument.
func bootGround(t *testing.T, kernel string, cpus int, arg string, lines []string) {
	t.Parallel()
	slot(t)
	r := bootrec.Record{
		Program: "/none", Args: []string{arg}, Cwd: "/", Hostname: "ground",
		CPUs: cpus, Memory: 256 << 20, Wall: time.Now().UnixNano(), Seed: [32]byte{1},
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
	smp := strconv.Itoa(cpus) + ",maxcpus=" + strconv.Itoa(max(cpus, 2))
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
	for _, want := range lines {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}
