package skerrytest

import (
	"context"
	"errors"
	"math/bits"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// parts of the address space of cat, which is position-independent and dynamic, by what
// /proc/self/maps calls them. The bits are those that are drawn at random.
var layoutParts = map[string]int{"program": 32, "interpreter": 32, "library": 32, "heap": 30, "stack": 32, "vdso": 32, "mmap": 32}

// layout reads where the parts begin.
func layout(maps string) (map[string]uint64, error) {
	at := map[string]uint64{}
	for line := range strings.Lines(maps) {
		f := strings.Fields(line)
		if len(f) < 5 {
			return nil, errors.New("a line of maps that is none: " + line)
		}
		from, to, _ := strings.Cut(f[0], "-")
		name := ""
		if len(f) > 5 {
			name = f[5]
		}
		part := ""
		switch {
		case strings.HasSuffix(name, "/cat"):
			part = "program"
		case strings.Contains(name, "/ld-linux"):
			part = "interpreter"
		case strings.Contains(name, "/libc.so"), strings.Contains(name, "/libc-"):
			part = "library"
		case name == "[heap]":
			part = "heap"
		case name == "[stack]":
			part, from = "stack", to
		case name == "[vdso]":
			part = "vdso"
		case name == "" && len(from) == 12 && from >= "4e0000000000": // above the code, which has anonymous memory too
			part = "mmap"
		}
		v, err := strconv.ParseUint(from, 16, 64)
		if err != nil {
			return nil, err
		}
		if _, seen := at[part]; part != "" && !seen {
			at[part] = v
		}
	}
	return at, nil
}

// TestLayouts: no two machines have any part of the address space at the same place, be
// they started one after the other or at once, and the places differ in all of the bits
// that are said to be random.
func TestLayouts(t *testing.T) {
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Skip("cat is not installed")
	}
	skerry := skerryCommand(t)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	slot(t)
	boot := func() map[string]uint64 {
		out, err := exec.CommandContext(ctx, skerry, "run", "--quiet", "-m", "64M", cat, "/proc/self/maps").Output()
		if err != nil {
			t.Error(err)
			return nil
		}
		at, err := layout(string(out))
		if err != nil {
			t.Error(err)
		}
		return at
	}
	var all []map[string]uint64
	for range 20 {
		all = append(all, boot())
	}
	for range 2 {
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				at := boot()
				mu.Lock()
				all = append(all, at)
				mu.Unlock()
			})
		}
		wg.Wait()
	}
	if t.Failed() {
		return
	}
	for part, random := range layoutParts {
		seen := map[uint64]int{}
		ones, zeros := uint64(0), uint64(0)
		for i, at := range all {
			v, ok := at[part]
			if !ok {
				t.Fatalf("boot %d has no %s: %v", i, part, at)
			}
			if j, twice := seen[v]; twice {
				t.Errorf("boots %d and %d have the %s at %#x", j, i, part, v)
			}
			seen[v] = i
			ones |= v
			zeros |= ^v
		}
		// A bit is the same in 24 boots with a chance of 2^-23.
		if n := bits.OnesCount64(ones & zeros); n < random {
			t.Errorf("the place of the %s differs in %d bits (%#x), want %d", part, n, ones&zeros, random)
		}
	}
	// The parts are drawn on their own: what one boot's differ by is no other's.
	for a := range layoutParts {
		for b := range layoutParts {
			if a >= b {
				continue
			}
			apart := map[uint64]bool{}
			for _, at := range all {
				apart[at[a]-at[b]] = true
			}
			if len(apart) != len(all) && !(a == "interpreter" && b == "library") {
				t.Errorf("%s and %s are equally far apart in some of the boots", a, b)
			}
		}
	}
}
