// Package erofs reads EROFS images from a block device: the root file system of
// the machine, and the data image of files that were added at run time.
//
// It reads what is uncompressed: flat, inline-tail and chunk-based layouts, with
// 4096-byte blocks. Nothing in an image is trusted: each offset, length and count
// is checked before it is used, a contradiction answers EUCLEAN, and no image can
// make the reader panic, loop, or read outside the device. Owners, set-ID bits
// and extended attributes are not read; device nodes, FIFOs and sockets cannot be
// opened.
//
// File pages come through pagecache.Backed, so they lie in runs that the CPU
// cannot write. The one exception is the last page of a file whose tail is stored
// inside its inode, which must be put together; such a file is never executable.
// Metadata (inodes, directories, chunk tables) is read through a Backed cache of
// the device itself. A Verify hook sees each page that the device delivers.
//
// Sources: Documentation/filesystems/erofs.rst of Linux 6.12, and the layout of
// its on-disk structures (fs/erofs/erofs_fs.h) as facts.
//
// Locks: FS.mu guards the table of inodes and is a leaf. Everything else is
// constant. It imports abi, usermem, ground/frame, hw/block, vfs, vfs/pagecache.
package erofs
