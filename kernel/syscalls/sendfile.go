package syscalls

import (
	"skerry/kernel/abi"
	"skerry/kernel/task"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
)

// copyChunk is how much sendfile and copy_file_range move at a time when the
// source has no page cache.
const copyChunk = 16 << 10

// sysSendfile writes from a file's page cache to a descriptor: one copy, into
// the destination's own buffers.
func sysSendfile(t *task.Thread, out, in, offp, count, _, _ uintptr) (uintptr, abi.Errno) {
	src, e := get(t, in)
	if e != abi.OK {
		return 0, e
	}
	defer src.Unref()
	dst, e := get(t, out)
	if e != abi.OK {
		return 0, e
	}
	defer dst.Unref()
	if !src.Readable() || !dst.Writable() {
		return 0, abi.EBADF
	}
	if dst.Flags()&abi.O_APPEND != 0 || !src.File().Seekable() {
		return 0, abi.EINVAL
	}
	pos := src.Position()
	if offp != 0 {
		v, e := load64(offp)
		if e != abi.OK {
			return 0, e
		}
		if pos = int64(v); pos < 0 {
			return 0, abi.EINVAL
		}
	}
	n, e := transfer(t, src, dst, pos, -1, min(int(count), 0x7ffff000))
	if n > 0 {
		pos += int64(n)
		if offp != 0 {
			if e := store64(offp, uint64(pos)); e != abi.OK {
				return 0, e
			}
		} else {
			src.Lseek(pos, vfs.SEEK_SET)
		}
		return uintptr(n), abi.OK
	}
	return wrote(t, n, e)
}

// transfer copies up to count bytes from src at pos to dst, at dst's position
// or at to if that is not negative. It ends early at the end of file, or when
// dst takes no more.
func transfer(t *task.Thread, src, dst *vfs.Description, pos, to int64, count int) (int, abi.Errno) {
	var v usermem.Vec
	var buf []byte
	done := 0
	for done < count {
		chunk, release, e := nextChunk(src, pos, count-done, &buf)
		if e != abi.OK || len(chunk) == 0 {
			return done, e
		}
		v.InitBytes(chunk)
		var n int
		if to >= 0 {
			n, e = dst.Pwrite(&v, to)
			to += int64(n)
		} else {
			n, e = dst.Write(&t.Waiter, &v)
		}
		release()
		done, pos = done+n, pos+int64(n)
		if e != abi.OK || n < len(chunk) {
			if done > 0 {
				e = abi.OK
			}
			return done, e
		}
		if t.Pending.Load() != 0 {
			break
		}
	}
	return done, abi.OK
}

func nothing() {}

// nextChunk is file contents at pos: a page-cache frame where there is one, else
// read into buf.
func nextChunk(src *vfs.Description, pos int64, max int, buf *[]byte) (b []byte, release func(), e abi.Errno) {
	if m, ok := src.File().(vfs.Mapper); ok {
		var st abi.Stat
		if e := m.Stat(&st); e != abi.OK {
			return nil, nothing, e
		}
		if pos >= st.Size {
			return nil, nothing, abi.OK
		}
		p, e := m.Page(uint64(pos)/4096, false)
		if e == abi.ENXIO {
			return nil, nothing, abi.OK // it shrank
		}
		if e != abi.OK {
			return nil, nothing, e
		}
		b := p.Bytes()[pos&4095:]
		n := min(int64(len(b)), st.Size-pos, int64(max))
		return b[:n], p.Unref, abi.OK
	}
	if *buf == nil {
		*buf = make([]byte, copyChunk)
	}
	var v usermem.Vec
	v.InitBytes((*buf)[:min(max, copyChunk)])
	n, e := src.Pread(&v, pos)
	return (*buf)[:n], nothing, e
}

func sysCopyFileRange(t *task.Thread, in, inOff, out, outOff, count, flags uintptr) (uintptr, abi.Errno) {
	if flags != 0 {
		return 0, abi.EINVAL
	}
	src, e := get(t, in)
	if e != abi.OK {
		return 0, e
	}
	defer src.Unref()
	dst, e := get(t, out)
	if e != abi.OK {
		return 0, e
	}
	defer dst.Unref()
	var a, b abi.Stat
	if e := src.Stat(&a); e != abi.OK {
		return 0, e
	}
	if e := dst.Stat(&b); e != abi.OK {
		return 0, e
	}
	for _, m := range [2]uint32{a.Mode, b.Mode} {
		switch m & abi.S_IFMT {
		case abi.S_IFREG:
		case abi.S_IFDIR:
			return 0, abi.EISDIR
		default:
			return 0, abi.EINVAL
		}
	}
	if !src.Readable() || !dst.Writable() || dst.Flags()&abi.O_APPEND != 0 {
		return 0, abi.EBADF
	}
	from, to := src.Position(), dst.Position()
	for _, p := range []struct {
		addr uintptr
		off  *int64
	}{{inOff, &from}, {outOff, &to}} {
		if p.addr != 0 {
			v, e := load64(p.addr)
			if e != abi.OK {
				return 0, e
			}
			*p.off = int64(v)
		}
		if *p.off < 0 {
			return 0, abi.EINVAL
		}
	}
	n := min(int64(count), 0x7ffff000)
	if a.Dev == b.Dev && a.Ino == b.Ino && from < to+n && to < from+n {
		return 0, abi.EINVAL // the ranges overlap
	}
	done, e := transfer(t, src, dst, from, to, int(n))
	if done == 0 {
		return 0, e
	}
	if inOff != 0 {
		e = store64(inOff, uint64(from+int64(done)))
	} else {
		src.Lseek(from+int64(done), vfs.SEEK_SET)
	}
	if outOff != 0 {
		if e2 := store64(outOff, uint64(to+int64(done))); e == abi.OK {
			e = e2
		}
	} else {
		dst.Lseek(to+int64(done), vfs.SEEK_SET)
	}
	return uintptr(done), e
}
