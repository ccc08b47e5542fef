// Package mm is the program's address space: its mappings, its page tables,
// and the system calls of the mmap family.
//
// There is one address space in the machine: entries 0 to 255 of the one PML4
// belong to a Space, the rest is ground's. Mappings are vmas in a sorted set;
// page tables are reached through the direct map.
//
// # What holds always
//
//   - Writable xor executable, by structure. A vma carries mayWrite and mayExec
//     from birth. Both are open only for a private mapping of a file that the
//     image marks executable, where the first grant of one closes the other for
//     good; everywhere else mayExec is clear. The one exception is anonymous
//     memory within the byte budget of Options.JIT (jit.go). Kernel writes to
//     user memory go through the user's own translation (kernel/usermem): there
//     is no forced copy in this package.
//   - A frame goes back to its allocator only after every CPU has dropped every
//     translation to it: entries are cleared, then flushed, then released.
//   - The first 64 KiB and the last user page are never mapped.
//   - Every frame that is mapped writable and private was allocated here, zeroed
//     or wholly overwritten, and belongs to exactly one page-table entry.
//
// # Locks
//
// Space.mu guards the set of vmas and their fields. A fault holds it for
// reading and installs entries by compare-and-swap; what changes mappings holds
// it for writing. No I/O, no access to user memory and no call that could wait
// for them happens under it. Space.rmu is what a file's truncate and reclaim
// take instead (fileMap.Unmap): it guards the position of file mappings and the
// moment at which a file's frame is installed. Order:
//
//	Space.mu → a file's own locks (AddMapping, RemoveMapping, Peek) → Space.rmu → frame
//
// so a file may call Unmap with its locks held, and must not call anything else
// here. An entry that someone is replacing holds pteBusy: others yield and look
// again, and whoever set it finishes without any lock.
//
// The package imports abi, usermem (the user limit), vfs (Mapper, Mapping),
// ground/frame and ground/arch.
package mm
