package vfs

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"skerry/kernel/abi"
)

// MaxFiles is the most descriptors there can be, the hard limit of
// RLIMIT_NOFILE.
const MaxFiles = 65536

// Table is the descriptor table. Get takes no lock: it loads the array, loads
// the slot, and takes a reference unless the description is closing. That is
// safe against everything: arrays and descriptions are never reused, and a call
// that overlaps a close may as well have come before it.
type Table struct {
	slots atomic.Pointer[[]atomic.Pointer[Description]]

	// mu guards what follows, and every store to a slot.
	mu      sync.Mutex
	used    []uint64 // bit per descriptor: taken, perhaps not installed yet
	full    []uint64 // bit per word of used: all taken
	cloexec []uint64
	limit   int
}

// NewTable returns an empty table with the usual soft limit of 1024.
func NewTable() *Table {
	t := &Table{limit: 1024}
	t.grow(64)
	return t
}

// grow makes room for at least n descriptors, n ≤ MaxFiles. The caller holds mu.
func (t *Table) grow(n int) {
	size := 64
	for size < n {
		size *= 2
	}
	s := make([]atomic.Pointer[Description], size)
	if old := t.slots.Load(); old != nil {
		for i := range *old {
			s[i].Store((*old)[i].Load())
		}
	}
	t.used = append(t.used, make([]uint64, size/64-len(t.used))...)
	t.cloexec = append(t.cloexec, make([]uint64, size/64-len(t.cloexec))...)
	if w := (size/64 + 63) / 64; w > len(t.full) {
		t.full = append(t.full, make([]uint64, w-len(t.full))...)
	}
	t.slots.Store(&s)
}

// Get returns the description of fd with a reference for the caller, who calls
// Unref. EBADF if there is none, or only one opened with O_PATH.
func (t *Table) Get(fd int32) (*Description, abi.Errno) {
	s := *t.slots.Load()
	if uint(fd) >= uint(len(s)) {
		return nil, abi.EBADF
	}
	d := s[fd].Load()
	if d == nil || d.flags.Load()&abi.O_PATH != 0 || !d.tryRef() {
		return nil, abi.EBADF
	}
	return d, abi.OK
}

// GetAny is Get for the calls that take O_PATH descriptors too.
func (t *Table) GetAny(fd int32) (*Description, abi.Errno) {
	s := *t.slots.Load()
	if uint(fd) >= uint(len(s)) {
		return nil, abi.EBADF
	}
	d := s[fd].Load()
	if d == nil || !d.tryRef() {
		return nil, abi.EBADF
	}
	return d, abi.OK
}

// free finds the lowest descriptor from start on that is not taken, and takes
// it. EMFILE if it would be at or above the limit. The caller holds mu.
func (t *Table) free(start int) (int, abi.Errno) {
	limit := min(t.limit, MaxFiles)
	fd := t.lowest(start)
	if fd >= limit {
		return 0, abi.EMFILE
	}
	if fd >= len(*t.slots.Load()) {
		t.grow(fd + 1)
	}
	t.take(fd)
	return fd, abi.OK
}

// lowest is the lowest descriptor from start on that is not taken, perhaps one
// that the table has no room for yet.
func (t *Table) lowest(start int) int {
	w := start / 64
	if w >= len(t.used) {
		return start
	}
	if free := ^t.used[w] >> (start % 64); free != 0 {
		return start + bits.TrailingZeros64(free)
	}
	w++
	for i := w / 64; i < len(t.full); i++ {
		free := ^t.full[i]
		if i == w/64 {
			free &= ^uint64(0) << (w % 64)
		}
		if free != 0 {
			if w := i*64 + bits.TrailingZeros64(free); w < len(t.used) {
				return w*64 + bits.TrailingZeros64(^t.used[w])
			}
			break
		}
	}
	return max(len(t.used)*64, start)
}

func (t *Table) take(fd int) {
	w := fd / 64
	t.used[w] |= 1 << (fd % 64)
	if t.used[w] == ^uint64(0) {
		t.full[w/64] |= 1 << (w % 64)
	}
}

func (t *Table) give(fd int) {
	w := fd / 64
	t.used[w] &^= 1 << (fd % 64)
	t.full[w/64] &^= 1 << (w % 64)
	t.cloexec[w] &^= 1 << (fd % 64)
}

func (t *Table) setCloexec(fd int, on bool) {
	if on {
		t.cloexec[fd/64] |= 1 << (fd % 64)
	} else {
		t.cloexec[fd/64] &^= 1 << (fd % 64)
	}
}

// Reserve takes the lowest free descriptor before the file is opened, so that
// EMFILE comes before any effect. Commit or Cancel follows.
func (t *Table) Reserve() (int32, abi.Errno) {
	t.mu.Lock()
	fd, e := t.free(0)
	t.mu.Unlock()
	return int32(fd), e
}

// Commit installs d, and the caller's reference with it, at a reserved
// descriptor.
func (t *Table) Commit(fd int32, d *Description, cloexec bool) {
	t.mu.Lock()
	t.setCloexec(int(fd), cloexec)
	(*t.slots.Load())[fd].Store(d)
	t.mu.Unlock()
}

// Cancel gives a reserved descriptor back.
func (t *Table) Cancel(fd int32) {
	t.mu.Lock()
	t.give(int(fd))
	t.mu.Unlock()
}

// Install puts d, and the caller's reference with it, at the lowest free
// descriptor. On EMFILE the reference is given back.
func (t *Table) Install(d *Description, cloexec bool) (int32, abi.Errno) {
	t.mu.Lock()
	fd, e := t.free(0)
	if e == abi.OK {
		t.setCloexec(fd, cloexec)
		(*t.slots.Load())[fd].Store(d)
	}
	t.mu.Unlock()
	if e != abi.OK {
		d.Unref()
	}
	return int32(fd), e
}

// InstallPair is Install for two at once: both or none.
func (t *Table) InstallPair(a, b *Description, cloexec bool) (fds [2]int32, e abi.Errno) {
	if fds[0], e = t.Install(a, cloexec); e != abi.OK {
		b.Unref()
		return fds, e
	}
	if fds[1], e = t.Install(b, cloexec); e != abi.OK {
		t.Close(fds[0])
	}
	return fds, e
}

// remove empties a slot and returns what was there. The caller holds mu.
func (t *Table) remove(fd int) *Description {
	s := *t.slots.Load()
	if uint(fd) >= uint(len(s)) {
		return nil
	}
	d := s[fd].Load()
	if d == nil {
		return nil // free, or reserved by an open that is under way
	}
	s[fd].Store(nil)
	t.give(fd)
	return d
}

// Close is close(2).
func (t *Table) Close(fd int32) abi.Errno {
	t.mu.Lock()
	d := t.remove(int(fd))
	t.mu.Unlock()
	if d == nil {
		return abi.EBADF
	}
	d.closed()
	return abi.OK
}

// closed follows the removal of a descriptor of d: record locks of the process
// on the file end (fcntl(2)), and the descriptor's reference goes.
func (d *Description) closed() {
	fileLocks.closeRecordLocks(d)
	d.Unref()
}

// Limit is the soft limit of RLIMIT_NOFILE.
func (t *Table) Limit() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.limit
}

// SetLimit sets it. Descriptors above it stay.
func (t *Table) SetLimit(n int) {
	t.mu.Lock()
	if n < 0 || n > MaxFiles {
		n = MaxFiles
	}
	t.limit = n
	t.mu.Unlock()
}

// Next is the lowest descriptor at or above fd that is open, for /proc/self/fd
// and the end of the program; ok is false if there is none.
func (t *Table) Next(fd int32) (next int32, ok bool) {
	s := *t.slots.Load()
	for i := max(int(fd), 0); i < len(s); i++ {
		if s[i].Load() != nil {
			return int32(i), true
		}
	}
	return 0, false
}

// Count is the number of open descriptors.
func (t *Table) Count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, w := range t.used {
		n += bits.OnesCount64(w)
	}
	return n
}

// Size is the number of descriptors that the table has room for now.
func (t *Table) Size() int { return len(*t.slots.Load()) }
