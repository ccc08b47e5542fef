// Package task is the program's threads: one goroutine per thread around
// ground's Enter, and what threads share — signals, futexes, timers, exit.
//
// The machine runs one program, so what Linux keeps per process is the
// package's Process, of which there is one. A thread's own fields are touched
// only by its own goroutine unless the field says otherwise; other threads reach
// it through its mutex, its Waiter and Ctx.Interrupt.
//
// # How a thread is made to notice something
//
// Whoever wants a thread's attention (a signal, the end of the program) changes
// the state under the process lock and then calls poke, which sets
// Waiter.Pending, unparks the thread if it sleeps and interrupts it if it is in
// ring 3. The thread's loop looks at the state before it enters ring 3 again.
//
// Locks: Process.mu (threads, signals, timers), piMu (who waits for which owner of
// a futex), futex buckets; none is held while user memory is touched that may
// fault or while anything sleeps. Order: Process.mu, piMu, a futex bucket; the queue of signalfds is told under Process.mu, which its
// listeners do not want. It imports ground, mm, vfs, net/socket, wait, usermem,
// abi and gVisor's waiter.
package task
