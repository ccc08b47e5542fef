// Package ground is the Linux that the kernel's own Go runtime believes to run
// on, and the way into and out of ring 3.
//
// The kernel is an ordinary Go program. Its runtime makes a few dozen system
// calls (mmap, futex, clone, epoll_pwait, …) from ring 0; the SYSCALL entry
// tells them from the program's by the sign of the return address and serves
// them here. Ground also owns what lies below a runtime: physical memory, the
// upper half of the page table, traps, interrupts, CPUs, the clock.
//
// # The rules of ground code
//
// Code that runs in ground context runs on a stack of its CPU with interrupts
// off and a fake g, and therefore never allocates, never blocks, never calls
// into the runtime, and stores no Go pointer anywhere (a write barrier needs a
// real g): what it keeps are addresses, as uintptr. The test of this package
// disassembles the kernel and fails on any call from ground code into the
// runtime but the bounds and division panics, which end in a register dump.
//
// Three kinds of function live here. Functions whose names begin with "g" run
// in ground context. Exported functions are for ordinary kernel Go (a real g,
// interrupts on). boot functions run once, before the runtime starts.
//
// A runtime thread (M) that does not run is one page of saved registers, no
// stack: ground finishes or parks each entry and then resumes whichever M is to
// run, so a ground stack is empty whenever an M or the program runs.
//
// # Locks
//
// mem guards the upper half's page tables and the runtime's address space;
// sched guards Ms, the ready queue, futexes, poll state and deadlines; shoot
// serialises TLB shoot-downs. Order: none is taken while another is held, but
// for frame's own lock, which is innermost. While sched or mem is held no
// memory of the Go heap and no runtime stack is touched, since that may fault
// and the fault takes mem.
//
// It imports only ground/arch, ground/frame and the UART.
package ground
