package skerrytest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"skerry/test/harness"
)

// executedCode is a library whose text is one page; see programs/execrace.c.
const executedCode = `
	.text
	.p2align 12
	.globl marked
marked:
	.asciz "execrace's mark"
	movl $42, %eax
	ret
	.p2align 12
	.section .note.GNU-stack,"",@progbits
`

// TestExecuted: on four CPUs, three threads execute a page that a fourth keeps replacing
// by memory with other code in it. Written code never runs. A round waits for the other
// CPUs several times, each of them as long as the host's scheduler likes.
func TestExecuted(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 25*time.Minute)
	defer cancel()
	program := built(ctx, t, harness.Musl, "execrace")
	dir := t.TempDir()
	source, library := filepath.Join(dir, "code.s"), filepath.Join(dir, "libcode.so")
	if err := os.WriteFile(source, []byte(executedCode), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(ctx, "gcc", "-shared", "-nostdlib", "-o", library, source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	rounds := 10_000
	if testing.Short() {
		rounds = 300
	}
	slot(t)
	want := "rounds " + strconv.Itoa(rounds) + ", failed 0, wrong 0, idle 0\n"
	if out, err := exec.CommandContext(ctx, program, library, strconv.Itoa(rounds)).CombinedOutput(); err != nil || string(out) != want {
		t.Fatalf("on Linux: %v: %s", err, out)
	}
	for _, cpus := range []string{"2", "4"} {
		out, err := exec.CommandContext(ctx, skerryCommand(t), "run", "--quiet", "-m", "64M", "--cpus", cpus, "--file", library+":/lib/libcode.so",
			program, "/lib/libcode.so", strconv.Itoa(rounds)).CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%s CPUs: %v: %s", cpus, err, out)
		}
	}
}
