package skerrytest

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"skerry/test/harness"
)

// TestNMI sends non-maskable interrupts to every CPU, as fast as QEMU's monitor
// takes them, while programs go in and out of the kernel with all that ring 3 can
// put into the registers: an NMI arrives anywhere, also between the first
// instruction of an entry and the SWAPGS after it.
func TestNMI(t *testing.T) {
	b, err := builder()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		program string
		args    []string
		machine string
	}{
		{"hostile", []string{"fuzz", "20000"}, "microvm"},
		{"hostile", []string{"fuzz", "20000"}, "q35"},
		{"registers", []string{"20000"}, "microvm"},
		{"vector", nil, "microvm"},
		{"signals", nil, "microvm"},
	} {
		t.Run(c.program+"/"+c.machine, func(t *testing.T) {
			t.Parallel()
			path, err := b.Build(context.Background(), harness.Musl, c.program)
			if err != nil {
				t.Fatal(err)
			}
			slot(t)
			monitor := filepath.Join(t.TempDir(), "m")
			ctx, cancel := context.WithCancel(context.Background())
			sent := make(chan int)
			go func() { sent <- sendNMIs(ctx, monitor) }()
			o, err := harness.OnSkerry(context.Background(), skerryCommand(t), &harness.Program{
				Path: path, Args: c.args, CPUs: 2, Memory: 128, Machine: c.machine, Timeout: 3 * time.Minute,
				HostEnv: []string{"SKERRY_QEMU_ARGS=-monitor unix:" + monitor + ",server,nowait"},
			})
			cancel()
			n := <-sent
			if err != nil {
				t.Fatal(err)
			}
			if o.Status != 0 || n < 100 {
				t.Errorf("status %d after %d interrupts; end of stdout %q, stderr %q", o.Status, n, tail(o.Stdout, 1000), tail(o.Stderr, 2000))
			}
			t.Logf("%d interrupts", n)
		})
	}
}

// TestMachineCheck: a machine check on either CPU, while both run a program with GS bases of
// its own, ends the machine with a report. Without CR4.MCE the processor would shut down,
// and the machine be reset without a word (Intel SDM vol. 3, 2.5 and 6.15, interrupt 18).
func TestMachineCheck(t *testing.T) {
	for cpu := range 2 {
		t.Run(strconv.Itoa(cpu), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			r := monitored(ctx, t, []string{"-m", "128M"}, "registers", "0")
			r.next(t, "at work")
			m, err := dialMonitor(ctx, r.monitor)
			if err != nil {
				t.Fatal(err)
			}
			defer m.c.Close()
			time.Sleep(100 * time.Millisecond) // both threads are at work
			// Valid, not corrected, enabled; MCIP is set.
			if _, err := m.do(fmt.Sprintf("mce %d 1 0xb000000000000000 4 0 0", cpu)); err != nil {
				t.Logf("the monitor's end: %v", err)
			}
			for r.lines.Scan() {
				t.Errorf("the program goes on: %s", r.lines.Text())
			}
			r.cmd.Wait() // the status says it
			text := r.errs.String()
			if n := r.cmd.ProcessState.ExitCode(); n != 125 || !strings.Contains(text, "skerry: machine check: the hardware or the hypervisor is at fault") || !strings.Contains(text, "vector 0000000000000012 ") {
				t.Errorf("status %d, stderr %q", n, tail([]byte(text), 2000))
			}
		})
	}
}

// sendNMIs sends interrupts from half a second after the machine's start, when
// the kernel has its own descriptor tables, to its end. It returns their number.
func sendNMIs(ctx context.Context, monitor string) int {
	var c net.Conn
	for c == nil {
		var err error
		if c, err = net.Dial("unix", monitor); err != nil {
			select {
			case <-ctx.Done():
				return 0
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	defer c.Close()
	time.Sleep(500 * time.Millisecond)
	answer := make([]byte, 4096)
	for n := 0; ; n++ {
		if ctx.Err() != nil {
			return n
		}
		c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Write([]byte("nmi\n")); err != nil {
			return n
		}
		if _, err := c.Read(answer); err != nil {
			return n
		}
	}
}
