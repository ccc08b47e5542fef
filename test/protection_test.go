package skerrytest

import (
	"context"
	"strings"
	"testing"
	"time"

	"skerry/test/harness"
)

// TestProtection shows that the kernel says what the processor protects it with, and that
// it walked its page table, and that a program runs on a processor that has less to offer.
func TestProtection(t *testing.T) {
	skerry := skerryCommand(t)
	b, err := builder()
	if err != nil {
		t.Fatal(err)
	}
	hello, err := b.Build(context.Background(), harness.Musl, "hello")
	if err != nil {
		t.Fatal(err)
	}
	for cpu, want := range map[string]string{
		"max":             "protection: WP NX SMEP SMAP UMIP\n",
		"max,-smep,-smap": "protection: WP NX UMIP; not offered by this processor: SMEP SMAP\n",
	} {
		t.Run(cpu, func(t *testing.T) {
			t.Parallel()
			slot(t)
			o, err := harness.OnSkerry(context.Background(), skerry, &harness.Program{Path: hello, CPU: cpu, CPUs: 2, Memory: 128,
				Flags: []string{"--quiet=false", "--verbose"}, Timeout: time.Minute})
			if err != nil || o.Status != 0 {
				t.Fatalf("%v, %+v", err, o)
			}
			for _, want := range []string{want, "; no page is both\n"} {
				if !strings.Contains(string(o.Stderr), want) {
					t.Errorf("%q is missing:\n%s", want, o.Stderr)
				}
			}
		})
	}
}
