package usermem

import "skerry/kernel/abi"

// Seg is one piece of user memory, laid out as struct iovec (readv(2)).
type Seg struct{ Addr, Len uintptr }

// MaxIovec is the most segments that a call may name, UIO_MAXIOV of linux/uio.h.
const MaxIovec = 1024

// maxRW is the most bytes that one call moves, MAX_RW_COUNT of Linux:
// INT_MAX rounded down to a page.
const maxRW = 0x7ffff000

// Vec is a cursor over the memory that one read or write call names: user
// segments, or a kernel buffer when the kernel itself reads or writes a file.
// CopyOut and CopyIn move it forward. It is reused from call to call and owned
// by the calling thread; files must not keep it after they return.
type Vec struct {
	segs []Seg
	off  uintptr // bytes of segs[0] that are done
	buf  []byte  // the kernel buffer, when kernel is set
	left int
	kern bool
	own  [8]Seg // room for short vectors
}

// InitUser makes the vector one user buffer.
func (v *Vec) InitUser(addr, n uintptr) abi.Errno {
	if !InRange(addr, n) {
		return abi.EFAULT
	}
	v.own[0] = Seg{addr, n}
	v.segs, v.off, v.buf, v.kern = v.own[:1], 0, nil, false
	v.left = int(min(n, maxRW))
	return abi.OK
}

// InitIovec copies count segments from the user array at addr, once, and
// checks them: EINVAL for a bad count or a negative length, EFAULT for a range
// outside user space. The total is capped as Linux caps it.
func (v *Vec) InitIovec(addr uintptr, count int) abi.Errno {
	if count < 0 || count > MaxIovec {
		return abi.EINVAL
	}
	segs := v.own[:]
	if count > len(segs) {
		if cap(v.segs) >= count {
			segs = v.segs[:cap(v.segs)]
		} else {
			segs = make([]Seg, count)
		}
	}
	segs = segs[:count]
	if e := InSlice(segs, addr); e != abi.OK {
		return e
	}
	total := uintptr(0)
	for i := range segs {
		s := &segs[i]
		if int(s.Len) < 0 {
			return abi.EINVAL
		}
		if !InRange(s.Addr, s.Len) {
			return abi.EFAULT
		}
		s.Len = min(s.Len, maxRW-total)
		total += s.Len
	}
	v.segs, v.off, v.buf, v.kern = segs, 0, nil, false
	v.left = int(total)
	return abi.OK
}

// InitBytes makes the vector a kernel buffer.
func (v *Vec) InitBytes(b []byte) {
	v.segs, v.off, v.buf, v.kern = nil, 0, b, true
	v.left = len(b)
}

// Len is the number of bytes left.
func (v *Vec) Len() int { return v.left }

// Limit cuts the vector to at most n bytes from here on.
func (v *Vec) Limit(n int) { v.left = min(v.left, max(n, 0)) }

// CopyOut copies from src to the vector, up to what is left of it, and moves
// it forward by the count returned. EFAULT comes with the bytes that did fit.
func (v *Vec) CopyOut(src []byte) (int, abi.Errno) {
	src = src[:min(len(src), v.left)]
	if v.kern {
		n := copy(v.buf, src)
		v.buf, v.left = v.buf[n:], v.left-n
		return n, abi.OK
	}
	done := 0
	for done < len(src) {
		addr, n := v.next(len(src) - done)
		m, e := CopyOut(addr, src[done:done+n])
		v.advance(m)
		done += m
		if e != abi.OK {
			return done, e
		}
	}
	return done, abi.OK
}

// CopyIn copies from the vector to dst, up to what is left of it, and moves it
// forward by the count returned.
func (v *Vec) CopyIn(dst []byte) (int, abi.Errno) {
	dst = dst[:min(len(dst), v.left)]
	if v.kern {
		n := copy(dst, v.buf)
		v.buf, v.left = v.buf[n:], v.left-n
		return n, abi.OK
	}
	done := 0
	for done < len(dst) {
		addr, n := v.next(len(dst) - done)
		m, e := CopyIn(dst[done:done+n], addr)
		v.advance(m)
		done += m
		if e != abi.OK {
			return done, e
		}
	}
	return done, abi.OK
}

// Zero writes up to n zero bytes to the vector.
func (v *Vec) Zero(n int) (int, abi.Errno) {
	done := 0
	n = min(n, v.left)
	for done < n {
		m, e := v.CopyOut(zeroes[:min(n-done, len(zeroes))])
		done += m
		if e != abi.OK {
			return done, e
		}
	}
	return done, abi.OK
}

// next is the address and length of the next piece, at most max bytes; max and
// left are positive.
func (v *Vec) next(max int) (uintptr, int) {
	for v.segs[0].Len == v.off {
		v.segs, v.off = v.segs[1:], 0
	}
	s := v.segs[0]
	return s.Addr + v.off, int(min(s.Len-v.off, uintptr(max)))
}

func (v *Vec) advance(n int) {
	v.off += uintptr(n)
	v.left -= n
}
