// Package vdsotest lets host tests run machine code that is not Go's: a call by
// the System V convention, and the jump into a program that a kernel makes. It
// is never linked into the kernel.
package vdsotest

// Call calls the C function at fn, which needs little stack and blocks no
// signal, and returns its result.
func Call(fn, a0, a1, a2 uintptr) uintptr

// Jump goes to entry with the stack pointer sp and everything else zero, as the
// x86-64 psABI (3.4.1) has a program start. It does not return.
func Jump(entry, sp uintptr)
