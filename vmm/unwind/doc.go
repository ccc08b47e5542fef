// Package unwind tells by which calls a thread of a crashed program came to where
// it stopped: from its registers, a copy of the top of its stack, the executable
// mappings, and the ELF files of the image.
//
// The way up from a frame is, in this order: the call-frame information in the
// file's .eh_frame, which compilers write by default and which is exact; the frame
// pointer, for what has none, such as Go and code made at run time; the nearest word
// on the stack that could be a return address, since a call stands before it. The
// last is marked as a guess.
//
// Both the files and what the kernel sent may come from somebody hostile. All reads
// are checked, memory is bounded, each step moves up the stack, and work grows with
// the files' sizes only; for large ones, who calls sets a limit of time. The standard
// library's debug/elf and debug/dwarf would do, but a file of a few kilobytes makes
// them allocate all of the host's memory, which no caller can catch.
//
// The package imports bootrec. Nothing in it is for several goroutines.
package unwind
