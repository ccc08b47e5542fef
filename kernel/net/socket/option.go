package socket

import (
	"encoding/binary"

	"skerry/kernel/abi"
)

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
