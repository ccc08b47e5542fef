package task

import "unsafe"

// indexOf orders buckets, so that pairs are locked in one order.
func indexOf(b *futexBucket) uintptr { return uintptr(unsafe.Pointer(b)) }
