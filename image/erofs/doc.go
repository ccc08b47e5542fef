// Package erofs writes EROFS file systems for images: uncompressed, blocks of
// 4096 bytes. The data of an executable file, and of every file of more than a
// kilobyte, is in whole blocks of its own with a zeroed tail, so that the kernel
// can map the pages of the disk as they are; directories, symbolic links and
// small files lie behind their inodes, which saves a block for each.
//
// Trees are written in one pass, and the same tree gives the same bytes on every
// machine: names are sorted, times are fixed, owners are 65532. Modes say only
// what the model knows (docs/SECURITY.md): files 0444, or 0555 if they may be
// executed, directories 0555.
//
// The format is that of Linux: Documentation/filesystems/erofs.rst and the field
// layout in fs/erofs/erofs_fs.h (dual-licensed MIT; offsets are cited beside the
// code). There is a writer of our own because github.com/erofs/go-erofs, which
// reads images for `inspect`, packs small files behind their inodes even if they
// are executable and writes no checksum.
//
// It imports only the standard library. A Tree belongs to one goroutine.
package erofs
