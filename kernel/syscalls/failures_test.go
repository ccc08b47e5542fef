package syscalls

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"skerry/bootrec"
	"skerry/kernel/abi"
)

func missedList() (list []string) {
	Missed(func(p string) { list = append(list, p) })
	return list
}

// TestMissed keeps the last paths, each once, whoever is at it.
func TestMissed(t *testing.T) {
	if l := missedList(); l != nil {
		t.Fatal("paths at the start:", l)
	}
	if e := missed(nil, cwd, "/etc/a", abi.EACCES); e != abi.EACCES {
		t.Error(e)
	}
	if e := missed(nil, cwd, "", abi.ENOENT); e != abi.ENOENT {
		t.Error(e)
	}
	for _, p := range []string{"/etc/a", "/etc/b", "/etc/a", "/" + strings.Repeat("x", bootrec.MaxMissedPath-1), "/" + strings.Repeat("y", bootrec.MaxMissedPath)} {
		if e := missed(nil, cwd, p, abi.ENOENT); e != abi.ENOENT {
			t.Error(e)
		}
	}
	if l := missedList(); len(l) != 3 || l[0] != "/etc/a" || l[1] != "/etc/b" || len(l[2]) != bootrec.MaxMissedPath {
		t.Error(l)
	}
	for i := range 1000 {
		missed(nil, cwd, fmt.Sprint("/usr/", i), abi.ENOENT)
	}
	l := missedList()
	if len(l) != bootrec.MaxMissed || l[0] != fmt.Sprint("/usr/", 1000-bootrec.MaxMissed) || l[len(l)-1] != "/usr/999" {
		t.Errorf("%d paths, %q to %q", len(l), l[0], l[len(l)-1])
	}
	missed(nil, cwd, "/etc/a", abi.ENOENT) // long out of the ring
	if l := missedList(); l[len(l)-1] != "/etc/a" {
		t.Error(l[len(l)-1])
	}
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Go(func() {
			for i := range 2000 {
				missed(nil, cwd, fmt.Sprint("/opt/", (i+k)%300), abi.ENOENT)
			}
		})
	}
	wg.Wait()
	l = missedList()
	slices.Sort(l)
	if len(slices.Compact(l)) != bootrec.MaxMissed {
		t.Error("a path stands there twice")
	}
	if n := testing.AllocsPerRun(100, func() { missed(nil, cwd, "/opt/1", abi.EACCES) }); n != 0 {
		t.Error(n, "allocations without a miss")
	}
}

// TestAsked keeps the last requests that were refused.
func TestAsked(t *testing.T) {
	list := func() (l []uint64) {
		Asked(func(a bootrec.Asked) { l = append(l, a.Size) })
		return l
	}
	if tooMuch(5, abi.OK) != abi.OK || tooMuch(6, abi.EINVAL) != abi.EINVAL || list() != nil {
		t.Error("noted what was no want of memory")
	}
	for i := range uintptr(20) {
		if tooMuch(i+1, abi.ENOMEM) != abi.ENOMEM {
			t.Error("another errno")
		}
	}
	if l := list(); !slices.Equal(l, []uint64{13, 14, 15, 16, 17, 18, 19, 20}) {
		t.Error(l)
	}
}
