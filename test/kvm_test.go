package skerrytest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"skerry/bench/linuxvm"
	"skerry/test/harness"
)

// nestedPlan, nestedCommand and nestedResult are the plan, job and result of
// programs/go/nested.
type nestedPlan struct {
	Modules []string
	Jobs    []nestedCommand
}

type nestedCommand struct {
	Name    string
	Args    []string
	Seconds int
	Get     string
	Until   string
}

type nestedResult struct {
	Name           string
	Status         int
	Error          string
	Stdout, Stderr string
	Body           string
	Milliseconds   int64
	MixedUp        int
	State          string
	Log            string
}

// kvmRun is a program of the table that runs under KVM.
type kvmRun struct {
	test    string // its name in the table
	cpus    int
	machine string
	cpu     string   // QEMU's model, "" is the launcher's choice
	args    []string // instead of the table's, if not nil
}

// kvmRuns are run one after the other. Models without x2APIC or the timer's
// deadline mode are the other paths; one with tsc-frequency, to which the
// counter's is added, makes QEMU tell its speed in CPUID 40000010.
var kvmRuns = []kvmRun{
	{test: "hello", cpus: 1, machine: linuxvm.MicroVM},
	{test: "hello", cpus: 2, machine: linuxvm.Q35},
	{test: "hello", cpus: 4, machine: linuxvm.MicroVM},
	{test: "exit-return-5", cpus: 1, machine: linuxvm.MicroVM},
	{test: "exit-thread-exit-4", cpus: 2, machine: linuxvm.MicroVM},
	{test: "exit-abort", cpus: 2, machine: linuxvm.MicroVM},
	{test: "exit-segv", cpus: 1, machine: linuxvm.Q35},
	{test: "exit-divide", cpus: 1, machine: linuxvm.MicroVM},
	{test: "exit-overflow", cpus: 1, machine: linuxvm.MicroVM},
	{test: "exit-alarm", cpus: 2, machine: linuxvm.MicroVM},
	{test: "threads", cpus: 1, machine: linuxvm.MicroVM},
	{test: "threads", cpus: 2, machine: linuxvm.MicroVM},
	{test: "timers", cpus: 1, machine: linuxvm.MicroVM},
	{test: "timers", cpus: 2, machine: linuxvm.MicroVM, cpu: "host,-x2apic"},
	{test: "timers", cpus: 2, machine: linuxvm.MicroVM, cpu: "host,-tsc-deadline"},
	{test: "timers", cpus: 2, machine: linuxvm.MicroVM, cpu: "host,tsc-frequency="},
	{test: "clocks", cpus: 1, machine: linuxvm.MicroVM},
	{test: "clocks", cpus: 2, machine: linuxvm.Q35},
	{test: "signals", cpus: 2, machine: linuxvm.MicroVM},
	{test: "vector", cpus: 2, machine: linuxvm.MicroVM},
	{test: "hostile-fuzz", cpus: 2, machine: linuxvm.MicroVM, args: []string{"fuzz", "2000"}},
	{test: "hostile-fuzz", cpus: 1, machine: linuxvm.Q35, args: []string{"fuzz", "2000"}},
	{test: "hostile-frame-kernel", cpus: 2, machine: linuxvm.MicroVM},
	// The limit of the 99th percentile in milliseconds is of an emulator in an emulator.
	{test: "spin", cpus: 2, machine: linuxvm.MicroVM, args: []string{"300", "500"}},
	{test: "tlb", cpus: 2, machine: linuxvm.MicroVM},
	{test: "memory", cpus: 2, machine: linuxvm.MicroVM},
}

// name is unique: a program may run with several models.
func (r *kvmRun) name() string {
	n := fmt.Sprintf("%s/%s/%d", r.test, r.machine, r.cpus)
	if r.cpu != "" {
		n += "/" + strings.TrimSuffix(r.cpu, "=")
	}
	return n
}

// TestKVM runs machines of Skerry under KVM, which they choose by themselves: in
// Linux on an emulated AMD processor with SVM. That Linux is the benchmark's,
// which is fetched. What this KVM does not show is the processor: AVX
// (QEMU 7.2 does not intercept XSETBV), Intel's virtualization, and speed. QEMU 7.2 also
// destroys machines with two busy processors now and then (docs/SECURITY.md, "Untested");
// such a one is run again (programs/go/nested).
func TestKVM(t *testing.T) {
	if testing.Short() {
		t.Skip("boots Linux with KVM under the emulator: takes minutes")
	}
	cache, err := linuxvm.CacheDir()
	if err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 28*time.Minute)
	defer cancel()
	k, err := linuxKernel()
	if err != nil {
		t.Skip("the benchmark's Linux kernel cannot be had: ", err)
	}
	skerry := skerryCommand(t)
	files := map[string]string{"/skerry": skerry}
	var p nestedPlan
	for _, m := range []string{"virt/lib/irqbypass.ko", "arch/x86/kvm/kvm.ko", "arch/x86/kvm/kvm-amd.ko"} {
		path := filepath.Join(cache, "linux", "lib", "modules", k.Version, "kernel", m)
		if _, err := os.Stat(path); err != nil {
			t.Skip("this Linux kernel has no KVM:", err)
		}
		files["/"+filepath.Base(m)] = path
		p.Modules = append(p.Modules, "/"+filepath.Base(m))
	}
	khz, err := linuxvm.CounterKHz(ctx)
	if err != nil {
		t.Fatal(err)
	}
	addQEMU(ctx, t, files)

	// A loaded host can make the probe fail; once it has worked it is not repeated.
	p.Jobs = append(p.Jobs, nestedCommand{Name: "doctor", Args: []string{"/skerry", "doctor"}, Seconds: 60, Until: "ok    kvm"})
	type expected struct {
		c       test
		path    string
		machine string
	}
	want := map[string]expected{}
	b, err := builder()
	if err != nil {
		t.Fatal(err)
	}
	all := allTests()
	for _, r := range kvmRuns {
		i := slices.IndexFunc(all, func(c test) bool { return c.name == r.test })
		if i < 0 {
			t.Fatalf("%s: not in the table", r.test)
		}
		c := all[i]
		c.looseStderr, c.cpus = true, []int{r.cpus} // -verbose writes there
		if r.args != nil {
			c.args = r.args
		}
		path, err := b.Build(ctx, c.toolchain[0], c.program)
		if err != nil {
			t.Fatal(err)
		}
		in := "/programs/" + filepath.Base(path)
		files[in] = path
		args := []string{"/skerry", "run", "--verbose", "--machine", r.machine, "--cpus", strconv.Itoa(r.cpus), "-m", strconv.Itoa(c.memory) + "M"}
		if cpu := r.cpu; cpu != "" {
			if strings.HasSuffix(cpu, "tsc-frequency=") {
				cpu += strconv.Itoa(khz) + "000"
			}
			args = append(args, "--cpu", cpu)
		}
		for _, e := range c.env { // the time of now is the other program's to fill in
			args = append(args, "-e", e)
		}
		args = append(append(args, in), c.args...)
		p.Jobs = append(p.Jobs, nestedCommand{Name: r.name(), Args: args, Seconds: int(c.timeout / time.Second)})
		want[r.name()] = expected{c, path, r.machine}
	}
	server, err := b.Build(ctx, harness.Go, "../../examples/http")
	if err != nil {
		t.Fatal(err)
	}
	files["/programs/http"] = server
	for _, m := range anyType {
		p.Jobs = append(p.Jobs, nestedCommand{Name: "http/" + m, Seconds: 120, Get: "http://127.0.0.1:8080/",
			Args: []string{"/skerry", "run", "--verbose", "--machine", m, "-p", "127.0.0.1:8080:8080", "/programs/http"}})
	}

	slot(t)
	for _, r := range runNested(ctx, t, k, &p, files) {
		t.Run(r.Name, func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("stderr %s\nLinux %s", tail([]byte(r.Stderr), 20000), tail([]byte(r.Log), 2000))
				}
			}()
			if r.MixedUp > 0 {
				t.Logf("run again %d times, since the emulator had destroyed the machine", r.MixedUp)
			}
			if r.Error != "" {
				t.Fatalf("%s; end of stdout %q\n%s", r.Error, tail([]byte(r.Stdout), 500), r.State)
			}
			t.Logf("%d ms", r.Milliseconds)
			if r.Name == "doctor" {
				if r.Status != 0 || !strings.Contains(r.Stdout, "ok    kvm") {
					t.Errorf("status %d: %s", r.Status, r.Stdout)
				}
				return
			}
			if !strings.Contains(r.Stderr, "CPUs run by KVM:") || strings.Contains(r.Stderr, "by translation") {
				t.Error("the launcher did not choose KVM, or QEMU did not get it")
			}
			e, ok := want[r.Name]
			if !ok { // a server
				if r.Status != 0 || !strings.Contains(r.Body, "Hello from http.") {
					t.Errorf("status %d, answer %q", r.Status, r.Body)
				}
				return
			}
			checkMachine(t, &e.c, e.c.toolchain[0], e.path, e.machine, &harness.Outcome{
				Stdout: []byte(r.Stdout), Stderr: []byte(r.Stderr), Status: r.Status, Elapsed: time.Duration(r.Milliseconds) * time.Millisecond})
		})
	}
}

// A Linux that ends before its work, or brings no further result for nestedStall, has been
// brought down by the emulator, as its machines are now and then, and another goes on where
// it was. Jobs have shorter times of their own.
const (
	nestedStall = 5 * time.Minute
	nestedBoots = 3
)

// onWrite is called for each write.
type onWrite func()

func (f onWrite) Write(b []byte) (int, error) {
	f()
	return len(b), nil
}

// runNested boots that Linux and has it run the plan.
func runNested(ctx context.Context, t *testing.T, k *linuxvm.Kernel, p *nestedPlan, files map[string]string) (l []nestedResult) {
	t.Helper()
	b, err := builder()
	if err != nil {
		t.Fatal(err)
	}
	inside, err := b.Build(ctx, harness.Go, "go/nested")
	if err != nil {
		t.Fatal(err)
	}
	plan := filepath.Join(t.TempDir(), "plan")
	files["/plan"] = plan
	for boot := 1; ; boot++ {
		rest := nestedPlan{Modules: p.Modules, Jobs: p.Jobs[len(l):]}
		text, err := json.Marshal(rest)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(plan, text, 0o644); err != nil {
			t.Fatal(err)
		}
		booted, cancel := context.WithCancel(ctx)
		stall := time.AfterFunc(nestedStall, cancel)
		m, status, err := linuxvm.Run(booted, k, &linuxvm.Config{
			CPUs: 2, Memory: 2 << 30, Program: inside, Target: "/nested", Args: []string{"/nested", "/plan"}, Files: files,
			Output: onWrite(func() { stall.Reset(nestedStall) }),
			Env:    []string{"HOME=/tmp", "PATH=/usr/bin:/bin", "TMPDIR=/tmp", "SKERRY_QEMU_ARGS=-monitor unix:/tmp/monitor,server=on,wait=off"},
		})
		stalled := booted.Err() != nil
		stall.Stop()
		cancel()
		if m != nil {
			for d := json.NewDecoder(&m.Stdout); d.More(); {
				var r nestedResult
				if err := d.Decode(&r); err != nil {
					t.Logf("result %d of %d: %v", len(l)+1, len(p.Jobs), err)
					break
				}
				l = append(l, r)
			}
		}
		switch {
		case ctx.Err() == nil && boot < nestedBoots && len(l) < len(p.Jobs):
			t.Logf("Linux ended after %d results of %d (stalled: %t, %v, status %d); another one goes on", len(l), len(p.Jobs), stalled, err, status)
			continue
		case err != nil:
			t.Errorf("Linux: %v", err)
		case status != 0:
			t.Errorf("Linux: status %d: %s", status, m.Stderr.String())
		}
		if len(l) != len(p.Jobs) {
			t.Errorf("%d results of %d", len(l), len(p.Jobs))
		}
		return l
	}
}

// addQEMU puts this host's QEMU into the machine: its libraries, and its firmware
// and option ROMs at the places where it looks for them.
func addQEMU(ctx context.Context, t *testing.T, files map[string]string) {
	t.Helper()
	qemu, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		t.Skip(err)
	}
	files["/usr/bin/qemu-system-x86_64"] = qemu
	addLibraries(t, qemu, files)
	places, err := exec.CommandContext(ctx, qemu, "-L", "help").Output()
	if err != nil {
		t.Fatalf("%s -L help: %v", qemu, err)
	}
	found := 0
	for line := range bytes.Lines(places) {
		dir := filepath.Clean(strings.TrimSpace(string(line)))
		for _, name := range []string{"qboot.rom", "bios-microvm.bin", "bios-256k.bin", "pvh.bin", "linuxboot_dma.bin", "kvmvapic.bin"} {
			path := filepath.Join(dir, name)
			if _, err := os.Stat(path); err == nil {
				files[path] = path
				found++
			}
		}
	}
	if found == 0 {
		t.Skipf("no firmware of QEMU in %q", places)
	}
	// Some distributions have its translator in a module, which doctor asks for.
	for _, pattern := range []string{"/usr/lib/*/qemu/accel-tcg-x86_64.so", "/usr/lib*/qemu*/accel-tcg-x86_64.so"} {
		modules, _ := filepath.Glob(pattern) // the pattern is right
		for _, path := range modules {
			files[path] = path
		}
	}
}
