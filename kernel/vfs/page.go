package vfs

import "skerry/kernel/ground/frame"

// Reclaim is asked to free frames (it returns how many) when there are none for
// a page of a file or pipe. The page cache sets it at boot. It takes no lock
// that a caller of AllocPage may hold.
var Reclaim func() int

// AllocPage takes a frame for the contents of a file or pipe, or 0 when there is
// no memory. The contents are undefined unless zeroed is set.
func AllocPage(zeroed bool) frame.PFN {
	for try := 0; ; try++ {
		var p frame.PFN
		if zeroed {
			p = frame.AllocZero(frame.KindCache)
		} else {
			p = frame.Alloc(frame.KindCache)
		}
		if p != 0 || try == 16 || Reclaim == nil || Reclaim() == 0 {
			return p
		}
	}
}
