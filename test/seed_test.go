package skerrytest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"skerry/bootrec"
	"skerry/test/harness"
)

// seedless is a QEMU that keeps the machine's boot record, or gives it another one, and may
// leave out the entropy device. A balloon stands in its place, which the kernel ignores.
const seedless = `#!/bin/sh
n=$#
while [ $n -gt 0 ]; do
	a=$1; shift; n=$((n-1))
	if [ "$last" = -initrd ]; then
		RECORD
	fi
	last=$a
	[ "$a" = "DEVICE" ] && a=virtio-balloon-device
	set -- "$@" "$a"
done
exec QEMU "$@"
`

// TestSeedless: a machine starts with any of the launcher's seed, the processor's and the
// device's randomness, and with none of them it ends before the program does anything.
func TestSeedless(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	program := built(ctx, t, harness.Musl, "hello")
	qemu, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		t.Fatal(err)
	}
	slot(t)
	dir := t.TempDir()
	kept, other := filepath.Join(dir, "kept"), filepath.Join(dir, "other")
	run := func(seed, device, processor bool) (out, errs string, status int) {
		record, dev := "a="+other, "virtio-rng-device"
		if seed {
			record = "cat $a >" + kept
		}
		if device {
			dev = "no device"
		}
		text := strings.NewReplacer("RECORD", record, "DEVICE", dev, "QEMU", qemu).Replace(seedless)
		if err := os.WriteFile(filepath.Join(dir, "qemu-system-x86_64"), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		cpu := "max"
		if !processor {
			cpu = "max,-rdrand,-rdseed"
		}
		var o, e bytes.Buffer
		cmd := exec.CommandContext(ctx, skerryCommand(t), "run", "--cpu", cpu, program)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		cmd.Stdout, cmd.Stderr = &o, &e
		cmd.Run() // the status is what counts
		return o.String(), e.String(), cmd.ProcessState.ExitCode()
	}
	want, errs, status := run(true, true, true)
	if status != 0 || want == "" {
		t.Fatalf("%d: %q %s", status, want, errs)
	}
	b, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	r, err := bootrec.Decode(b)
	if err != nil || r.Seed == [32]byte{} {
		t.Fatalf("the launcher's record: %v, seed %x", err, r.Seed)
	}
	r.Seed = [32]byte{}
	if b, err = bootrec.Encode(r); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for n := range 8 {
		seed, device, processor := n&1 != 0, n&2 != 0, n&4 != 0
		out, errs, status := run(seed, device, processor)
		switch {
		case n != 0 && (status != 0 || out != want):
			t.Errorf("seed %v, device %v, processor %v: status %d, %q, %s", seed, device, processor, status, out, errs)
		case n == 0 && (status != 122 || out != "" || !strings.Contains(errs, "only 0 of 256 bits of randomness")):
			t.Errorf("without any: status %d, %q, %s", status, out, errs)
		}
	}
}
