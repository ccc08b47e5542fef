// Package pagecache keeps the pages of files in physical frames: one Cache per
// inode, which read, write and mmap share. A Cache by itself serves files that
// live in memory (tmpfs). A Backed cache reads its pages from a block device,
// ahead of need, once each, and gives them up when memory is short.
//
// Frames of a Backed cache come from runs of 2 MiB that the CPU cannot write
// through the direct map (docs/SECURITY.md, "verified pages stay verified"): only
// the device fills them. A run changes its role only whole, so Reclaim empties
// runs, while a lack of pages inside the pool evicts single ones by a clock.
//
// References: a cache holds one reference to each of its frames, every reader,
// page-table entry or transfer its own. A frame that only the cache holds may be
// evicted, under the cache's lock, which is also needed to get a reference.
//
// Locks: Pool.evictMu → (mm, by Mapping.Unmap) and Pool.evictMu → Pool.mu → Cache.mu →
// frame. Nothing is copied from or to the program with one of them held, and no
// device is waited for.
//
// It imports abi, vfs, hw/block and ground/frame.
package pagecache
