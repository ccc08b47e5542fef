// Package dynlink finds what a dynamically linked ELF file needs, as the dynamic
// linkers of glibc and musl would find it (ld.so(8); gABI chapter 5, "Dynamic
// Linking"): the interpreter and the shared libraries, theirs included. Files are
// read, never run.
//
//	Read     what one ELF file says of itself: an Object
//	Closure  the libraries of a program, and of whatever else is added to it
//	Cache    a ld.so.cache in which glibc's linker finds them
//
// The files may be hostile: sizes and offsets are checked, and what is read of one
// is bounded. It runs on the host only and imports the standard library.
package dynlink
