// Package block is the border between block drivers and file systems: a driver
// implements Device and knows no file system, a file system reads through it
// and knows no driver. It imports abi.
package block

import "skerry/kernel/abi"

// Seg is a piece of physical memory that takes part in one transfer.
type Seg struct {
	Phys uint64 // bytes; aligned to 512
	Len  uint32 // bytes; a multiple of 512
}

// Device is a disk. Transfers block the calling goroutine until the device has
// answered (not interruptible; a device that does not answer is failed by its
// driver and answers EIO from then on). Safe for concurrent use.
type Device interface {
	// Size in bytes, as the device stated it at start.
	Size() int64
	// ReadOnly reports whether writes are refused.
	ReadOnly() bool
	// Read fills segs, in order, from byte offset off (a multiple of 512).
	// EINVAL outside the device or misaligned; EIO when the device fails.
	Read(off int64, segs []Seg) abi.Errno
}
