package socket

import (
	"encoding/binary"
	"sync/atomic"

	"skerry/kernel/abi"
)

// TimeLimits are SO_RCVTIMEO and SO_SNDTIMEO of a socket in ns, as Timeval reads
// them. The zero value has none; it needs no lock.
type TimeLimits struct{ receive, send atomic.Int64 }

// Timeouts implements vfs.Timeouts.
func (l *TimeLimits) Timeouts() (read, write int64) { return l.receive.Load(), l.send.Load() }

// of is the limit that an option names, nil if it is another option.
func (l *TimeLimits) of(name int) *atomic.Int64 {
	switch name {
	case abi.SO_RCVTIMEO, abi.SO_RCVTIMEO_NEW:
		return &l.receive
	case abi.SO_SNDTIMEO, abi.SO_SNDTIMEO_NEW:
		return &l.send
	}
	return nil
}

// SetTimeout sets one of the two options; done is false for any other option. The
// error is Timeval's.
func (l *TimeLimits) SetTimeout(name int, val []byte) (done bool, e abi.Errno) {
	limit := l.of(name)
	if limit == nil {
		return false, abi.OK
	}
	d, e := Timeval(val)
	if e == abi.OK {
		limit.Store(d)
	}
	return true, e
}

// GetTimeout reads one of the two options; done is false for any other option.
func (l *TimeLimits) GetTimeout(name int, val []byte) (n int, done bool) {
	limit := l.of(name)
	if limit == nil {
		return 0, false
	}
	return PutTimeval(val, limit.Load()), true
}

// Inherit takes over the limits of a listener.
func (l *TimeLimits) Inherit(from *TimeLimits) {
	l.receive.Store(from.receive.Load())
	l.send.Store(from.send.Load())
}

// PutInt writes an option's value as an int, as much as fits, and returns the
// length (getsockopt(2)).
func PutInt(val []byte, v int) (int, abi.Errno) {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], uint32(v))
	return copy(val, b[:]), abi.OK
}

// Timeval reads a struct timeval as a time limit in ns (SO_RCVTIMEO, socket(7)):
// 0 means none, a negative time that none is left. EINVAL if short, EDOM if the
// microseconds are no microseconds.
func Timeval(val []byte) (int64, abi.Errno) {
	if len(val) < 16 {
		return 0, abi.EINVAL
	}
	sec, usec := int64(binary.LittleEndian.Uint64(val)), int64(binary.LittleEndian.Uint64(val[8:]))
	const most = int64(1) << 33 // s; 272 years are no limit
	switch {
	case usec < 0 || usec >= 1_000_000:
		return 0, abi.EDOM
	case sec < 0:
		return 1, abi.OK
	case sec >= most:
		return 0, abi.OK
	}
	return sec*1_000_000_000 + usec*1000, abi.OK
}

// PutTimeval writes a time limit as a struct timeval, as much as fits, and
// returns the length.
func PutTimeval(val []byte, ns int64) int {
	var b [16]byte
	if ns > 1 {
		binary.LittleEndian.PutUint64(b[:], uint64(ns/1_000_000_000))
		binary.LittleEndian.PutUint64(b[8:], uint64(ns%1_000_000_000/1000))
	}
	return copy(val, b[:])
}
