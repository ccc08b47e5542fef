// Package vdso is the code and the page of numbers that let the program read
// the clock without a system call: a small shared object that the kernel maps
// into the program (vdso(7)), and in front of it one read-only page, the vvar
// page, that says how to turn the time-stamp counter into nanoseconds.
//
// Image is the object; the program finds it through AT_SYSINFO_EHDR. Data is
// the vvar page as the kernel writes it. Both are mapped at a fixed distance:
//
//	base          the Data page, readable
//	base + 4096   Image, readable and executable: what AT_SYSINFO_EHDR names
//
// Every function falls back to the system call of its name when the page says
// so or the clock is not one that a counter can answer, so a program never sees
// a difference but speed.
//
// Data has one writer at a time (the caller's lock) and any number of readers in
// ring 3 and in the kernel; the sequence number in it keeps them apart. The
// image never changes once built. The package imports ground/arch only.
package vdso

// PageSize is the size of the Data page and of the image, in bytes.
const PageSize = 4096

// ImageOffset is the distance from the Data page to the image.
const ImageOffset = PageSize

// Size is the length of both pages together, what the loader reserves.
const Size = ImageOffset + PageSize

// Clock ids of clock_gettime(2), linux/time.h, that a counter can answer.
const (
	Realtime        = 0
	Monotonic       = 1
	MonotonicRaw    = 4
	RealtimeCoarse  = 5
	MonotonicCoarse = 6
	Boottime        = 7
	TAI             = 11

	clocks = 12
)
