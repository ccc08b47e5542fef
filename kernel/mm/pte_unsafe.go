package mm

import "skerry/kernel/ground/arch"

// entry is the entry for addr in the table at a direct-map address; shift is
// that of the level. Tables lie outside the Go heap.
func entry(table, addr uintptr, shift uint) *slot {
	return (*slot)(arch.Ptr(table + addr>>shift&(entries-1)<<3))
}
