package skerrytest

import (
	"context"
	"encoding/hex"
	"os/exec"
	"strings"
	"testing"
	"time"

	"skerry/test/harness"
)

// TestDrawn: what machines give their programs that nobody may guess is never the same
// twice, in one machine or in two; and over 200 machines no bit of it is a favourite.
func TestDrawn(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	boots := 200
	if testing.Short() {
		boots = 20
	}
	program := built(ctx, t, harness.Musl, "drawn")
	slot(t)
	ones := map[string]*[128]int{}
	seen := map[string]string{}
	for range boots {
		out, err := exec.CommandContext(ctx, skerryCommand(t), "run", "--quiet", "-m", "64M", program).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		lines := 0
		for line := range strings.Lines(string(out)) {
			name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
			b, err := hex.DecodeString(text)
			if err != nil || len(b) != 16 {
				t.Fatalf("%q", line)
			}
			if other, twice := seen[text]; twice {
				t.Errorf("%s is %s, as was %s before", name, text, other)
			}
			seen[text] = name
			if ones[name] == nil {
				ones[name] = new([128]int)
			}
			for i := range ones[name] {
				ones[name][i] += int(b[i/8] >> (i % 8) & 1)
			}
			lines++
		}
		if lines != 3 {
			t.Fatalf("%s", out)
		}
	}
	if boots < 100 {
		return // 5σ is as good as all
	}
	for name, count := range ones {
		for i, n := range count {
			// 5σ of a fair coin: (n − boots/2)² > 25 · boots/4.
			if d := 2*n - boots; d*d > 25*boots {
				t.Errorf("bit %d of %s is set in %d of %d machines", i, name, n, boots)
			}
		}
	}
}
