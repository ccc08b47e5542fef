// Package image makes and reads image files: one file that holds a kernel, a
// root file system and a manifest (docs/IMAGE.md), and that boots the kernel
// inside it.
//
//	Resolve      what a user named: a program, an image, a Go package folder
//	CheckProgram whether a program can run in a machine
//	Root, Data   the trees of a program's root and of files added at run time
//	Write, Open  the file itself, sealed by SHA-256 throughout
//	Cache        images that were built before, by content
//
// Equal inputs give equal bytes, on every machine and at any time. Files are
// created with mode 0600, since an image may hold secrets.
//
// It runs on the host only. It imports the standard library, bootrec, image/erofs,
// go-erofs (to list an image's files) and golang.org/x/sys; it knows nothing of
// QEMU and prints nothing: what a user should read is in the error.
package image
