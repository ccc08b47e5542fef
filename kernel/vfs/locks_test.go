package vfs

import (
	"math/rand"
	"testing"
	"time"

	"skerry/kernel/abi"
)

// lockedFile gives descriptions of one inode.
func lockedFile(n int) []*Description {
	e := NewAnonymous("file", &fifoNode{})
	var all []*Description
	for range n {
		all = append(all, newHeld(&counted{}, e, abi.O_RDWR))
	}
	return all
}

func TestFlock(t *testing.T) {
	d := lockedFile(3)
	var s sleeper
	for _, x := range []struct {
		i, op int
		want  abi.Errno
	}{
		{0, abi.LOCK_SH, abi.OK}, {1, abi.LOCK_SH, abi.OK}, {2, abi.LOCK_EX | abi.LOCK_NB, abi.EAGAIN}, {0, abi.LOCK_UN, abi.OK},
		{1, abi.LOCK_EX | abi.LOCK_NB, abi.OK}, {0, abi.LOCK_SH | abi.LOCK_NB, abi.EAGAIN}, {1, abi.LOCK_SH, abi.OK}, {0, abi.LOCK_SH, abi.OK},
		{0, 0, abi.EINVAL}, {0, abi.LOCK_SH | abi.LOCK_EX, abi.EINVAL}, {1, abi.LOCK_UN, abi.OK}, {1, abi.LOCK_UN, abi.OK},
	} {
		must(t, "flock", d[x.i].Flock(&s, x.op), x.want)
	}
	// A waiter gets it when the holder is closed; a signal ends the wait.
	time.AfterFunc(10*time.Millisecond, d[0].Unref)
	must(t, "wait", d[2].Flock(&s, abi.LOCK_EX), abi.OK)
	time.AfterFunc(10*time.Millisecond, func() { s.Pending.Store(1); s.Unpark() })
	must(t, "signal", d[1].Flock(&s, abi.LOCK_EX), abi.ERESTARTSYS)
	d[1].Unref()
	d[2].Unref()
	if n := fileLocks.n.Load(); n != 0 || len(fileLocks.files) != 0 {
		t.Error("locks left:", n)
	}
}

// TestRecordLocksAgainstModel compares with an array of bytes per owner: three
// open file descriptions and the process.
func TestRecordLocksAgainstModel(t *testing.T) {
	const size = 40
	rng := rand.New(rand.NewSource(1))
	for range 40 {
		d := lockedFile(3)
		var s sleeper
		var model [4][size + 1]byte // 0, 's' or 'x'; the last byte stands for the rest
		for range 300 {
			owner := rng.Intn(4)
			f := d[rng.Intn(3)]
			if owner < 3 {
				f = d[owner]
			}
			a := rng.Intn(size)
			b := a + rng.Intn(size-a)
			r := RecordLock{Start: int64(a), End: int64(b), Exclusive: rng.Intn(2) == 0, Unlock: rng.Intn(3) == 0, OFD: owner < 3}
			if rng.Intn(8) == 0 {
				r.End, b = maxOffset, size
			}
			// Where each other owner's first conflict is, and of what kind.
			conflict := false
			var first [4]int
			for o := range model {
				first[o] = -1
				for i := a; i <= b && o != owner && first[o] < 0; i++ {
					if m := model[o][i]; m != 0 && (m == 'x' || r.Exclusive) {
						conflict, first[o] = true, i
					}
				}
			}
			if found, process, ok := f.GetLock(&r); ok != conflict {
				t.Fatalf("get %+v: %v, want %v", r, ok, conflict)
			} else if ok {
				right := false
				for o, i := range first {
					right = right || i >= 0 && found.Start <= int64(i) && found.End >= int64(min(i, size-1)) &&
						found.Exclusive == (model[o][i] == 'x') && found.OFD == (o < 3)
				}
				if !right || process != !found.OFD {
					t.Fatalf("get: %+v, first conflicts at %d", found, first)
				}
			}
			e := f.SetLock(&s, &r, false)
			if conflict && !r.Unlock {
				must(t, "conflict", e, abi.EAGAIN)
				continue
			}
			must(t, "set", e, abi.OK)
			for i := a; i <= b; i++ {
				model[owner][i] = 's'
				if r.Unlock {
					model[owner][i] = 0
				} else if r.Exclusive {
					model[owner][i] = 'x'
				}
			}
			// Stretches of one kind are one lock each.
			want := 0
			for o := range model {
				for i := range model[o] {
					if model[o][i] != 0 && (i == 0 || model[o][i-1] != model[o][i]) {
						want++
					}
				}
			}
			if got := recordsOf(d[0]); got != want {
				t.Fatalf("%d locks, want %d", got, want)
			}
		}
		d[0].Unref()
		model[0] = [size + 1]byte{}
		fileLocks.closeRecordLocks(d[1])
		d[1].Unref()
		d[2].Unref()
		if n := fileLocks.n.Load(); n != 0 {
			t.Fatal("locks left:", n)
		}
	}
}

func TestRecordLockWaits(t *testing.T) {
	d := lockedFile(2)
	var s sleeper
	all := RecordLock{End: maxOffset, Exclusive: true, OFD: true}
	must(t, "lock", d[0].SetLock(&s, &all, false), abi.OK)
	time.AfterFunc(10*time.Millisecond, func() {
		d[0].SetLock(new(sleeper), &RecordLock{End: 99, Unlock: true, OFD: true}, false)
	})
	must(t, "wait", d[1].SetLock(&s, &RecordLock{Start: 10, End: 20, OFD: true}, true), abi.OK)
	d[1].flags.Store(abi.O_RDONLY)
	must(t, "exclusive on a reader", d[1].SetLock(&s, &all, false), abi.EBADF)
	d[0].Unref()
	d[1].Unref()
}

// recordsOf counts the record locks of a file.
func recordsOf(d *Description) (n int) {
	for _, o := range fileLocks.list(d.key()).owners {
		n += len(o.records)
	}
	return n
}

// TestManyRecordLocks: so many that the limit is met, in a time that does not grow
// with their square; at the limit, unlocking works but for what would make one
// more.
func TestManyRecordLocks(t *testing.T) {
	d := lockedFile(2)
	var s sleeper
	begin := time.Now()
	one := func(i int64) *RecordLock { return &RecordLock{Start: 10 * i, End: 10*i + 4, Exclusive: true} }
	for i := range int64(maxLocks) {
		if e := d[0].SetLock(&s, one(i), false); e != abi.OK {
			t.Fatal(i, e)
		}
	}
	must(t, "one more", d[0].SetLock(&s, one(maxLocks), false), abi.ENOLCK)
	must(t, "flock", d[0].Flock(&s, abi.LOCK_EX|abi.LOCK_NB), abi.ENOLCK)
	must(t, "cut in two", d[0].SetLock(&s, &RecordLock{Start: 2, End: 2, Unlock: true}, false), abi.ENOLCK)
	must(t, "shorter", d[0].SetLock(&s, &RecordLock{Start: 4, End: 4, Unlock: true}, false), abi.OK)
	must(t, "another's", d[1].SetLock(&s, &RecordLock{Start: 10*maxLocks - 10, End: 10*maxLocks - 10, OFD: true}, false), abi.EAGAIN)
	must(t, "joined", d[0].SetLock(&s, &RecordLock{Start: 4, End: 9, Exclusive: true}, false), abi.OK)
	must(t, "now one more", d[0].SetLock(&s, one(maxLocks), false), abi.OK)
	must(t, "all", d[0].SetLock(&s, &RecordLock{End: maxOffset, Unlock: true}, false), abi.OK)
	if n := fileLocks.n.Load(); n != 0 || len(fileLocks.files) != 0 {
		t.Error("locks left:", n)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Error(took)
	}
	d[0].Unref()
	d[1].Unref()
}
