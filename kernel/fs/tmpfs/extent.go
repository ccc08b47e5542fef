package tmpfs

import (
	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
)

// SeekHole implements vfs.HoleSeeker by the pages that are there.
func (f *file) SeekHole(off int64, data bool) (int64, abi.Errno) {
	size := f.size.Load()
	if off < 0 || off >= size {
		return 0, abi.ENXIO
	}
	index := uint64(off) >> frame.Shift
	if data {
		next, ok := f.NextData(index)
		if !ok || next > uint64(size-1)>>frame.Shift {
			return 0, abi.ENXIO
		}
		return max(off, int64(next<<frame.Shift)), abi.OK
	}
	next := f.NextHole(index)
	if next > uint64(size-1)>>frame.Shift {
		return size, abi.OK
	}
	return max(off, int64(next<<frame.Shift)), abi.OK
}

// Fallocate implements vfs.Allocator: allocate, or punch a hole.
func (f *file) Fallocate(mode uint32, off, length int64) abi.Errno {
	if mode&abi.FALLOC_FL_ZERO_RANGE != 0 {
		return abi.EOPNOTSUPP
	}
	f.wmu.Lock()
	defer f.wmu.Unlock()
	if mode&abi.FALLOC_FL_PUNCH_HOLE != 0 {
		return f.punch(off, off+length)
	}
	return f.reserve(off, off+length, mode&abi.FALLOC_FL_KEEP_SIZE != 0)
}

// PunchHole is MADV_REMOVE of mm: the range is whole pages of a shared writable
// mapping.
func (f *file) PunchHole(off, n int64) abi.Errno {
	if off < 0 || n <= 0 || off+n < 0 {
		return abi.EINVAL
	}
	f.wmu.Lock()
	defer f.wmu.Unlock()
	return f.punch(off, off+n)
}

// punch makes [off, end) a hole, as far as whole pages go, and zeros the rest.
// The caller holds wmu.
func (f *file) punch(off, end int64) abi.Errno {
	if f.seals&(abi.F_SEAL_WRITE|abi.F_SEAL_FUTURE_WRITE) != 0 {
		return abi.EPERM
	}
	first := (uint64(off) + frame.Size - 1) >> frame.Shift
	past := uint64(end) >> frame.Shift
	if first < past {
		f.Unmap(first, past-1, false)
		f.fs.uncharge(int64(f.Remove(first, past-1)))
	}
	if first > past { // both ends in one page
		f.zero(off, end)
	} else {
		f.zero(off, min(end, int64(first<<frame.Shift)))
		f.zero(max(off, int64(past<<frame.Shift)), end)
	}
	f.modified()
	return abi.OK
}

// zero clears [off, end), which lies in one page, if that is there.
func (f *file) zero(off, end int64) {
	if off >= end {
		return
	}
	if p := f.Cache.Peek(uint64(off) >> frame.Shift); p != 0 {
		at := off & (frame.Size - 1)
		clear(p.Bytes()[at : at+end-off])
		p.Unref()
	}
}

// reserve makes the pages of [off, end). If they do not all fit, those made here
// go again. The caller holds wmu.
func (f *file) reserve(off, end int64, keepSize bool) abi.Errno {
	if !keepSize && end > f.size.Load() && f.seals&abi.F_SEAL_GROW != 0 {
		return abi.EPERM
	}
	first := uint64(off) >> frame.Shift
	past := (uint64(end) + frame.Size - 1) >> frame.Shift
	if past-first > uint64(f.fs.pages) {
		return abi.ENOSPC
	}
	for i := first; i < past; i++ {
		had := f.Cache.Peek(i)
		if had != 0 {
			had.Unref()
			continue
		}
		p, e := f.page(i)
		if e != abi.OK {
			f.undo(first, i)
			return e
		}
		p.Unref()
	}
	if !keepSize && end > f.size.Load() {
		f.zeroTail(f.size.Load())
		f.size.Store(end)
	}
	f.modified()
	return abi.OK
}

// undo is called when reserve fails at page past.
func (f *file) undo(first, past uint64) {
	// Which of the pages were there before is not recorded; those beyond the end
	// of the file hold nothing.
	first = max(first, uint64(f.size.Load()+frame.Size-1)>>frame.Shift)
	if first < past {
		f.fs.uncharge(int64(f.Remove(first, past-1)))
	}
}

// Fcntl implements vfs.Controller: the seals of memfds, fcntl(2).
func (f *file) Fcntl(cmd int, arg uint64) (int, abi.Errno) {
	f.wmu.Lock()
	defer f.wmu.Unlock()
	switch cmd {
	case abi.F_GET_SEALS:
		return int(f.seals), abi.OK
	case abi.F_ADD_SEALS:
		return 0, f.addSeals(uint32(arg))
	}
	return 0, abi.EINVAL
}

// addSeals adds seals for good. The caller holds wmu.
func (f *file) addSeals(seals uint32) abi.Errno {
	const all = abi.F_SEAL_SEAL | abi.F_SEAL_SHRINK | abi.F_SEAL_GROW | abi.F_SEAL_WRITE |
		abi.F_SEAL_FUTURE_WRITE | abi.F_SEAL_EXEC
	if seals&^all != 0 {
		return abi.EINVAL
	}
	if f.seals&abi.F_SEAL_SEAL != 0 {
		return abi.EPERM
	}
	if seals&abi.F_SEAL_EXEC != 0 && f.Mode()&0o111 != 0 {
		seals |= abi.F_SEAL_SHRINK | abi.F_SEAL_GROW | abi.F_SEAL_WRITE | abi.F_SEAL_FUTURE_WRITE
	}
	if seals&abi.F_SEAL_WRITE != 0 && f.seals&abi.F_SEAL_WRITE == 0 && f.Mapped() {
		// Whether the mapping is a writable one is not known here; refusing too
		// often is what callers are ready for (EBUSY, fcntl(2)).
		return abi.EBUSY
	}
	f.seals |= seals
	return abi.OK
}
