package vfs

// Limits and units of this package. What programs pass as numbers is in kernel/abi.
const (
	modeBits  = 0o777
	pageBits  = 12
	pageSize  = 1 << pageBits
	maxOffset = 1<<63 - 1

	maxSymlinks = 40 // path_resolution(7)
)
