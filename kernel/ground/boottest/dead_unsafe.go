package main

import (
	"bytes"
	"runtime"
	"strconv"
	"sync/atomic"
	"unsafe"

	"skerry/kernel/ground"
	"skerry/kernel/ground/arch"
)

// The entries from which there is no way back, with a GS base that is not the kernel's:
// between the first instruction of an entry and its SWAPGS, and in ring 3, GS is the
// program's.

// raise turns interrupts off, sets the GS base if gs is not 1, and raises a double fault
// (vector 8: a page fault whose gate is gone), or a vector by INT, of which the processor
// pushes what it pushes when it comes by itself.
func raise(vector, gs uintptr)

// deadEnd raises what the boot record says, as "dead VECTOR WHOSE", and does not return.
// WHOSE GS base it is: the kernel's, 0, a program's, one of the kernel's half that is not
// the kernel's, or that of ring 3, which runs then.
func deadEnd() {
	_, rest, ok := bytes.Cut(ground.Record(), []byte("dead "))
	if !ok {
		return
	}
	vector := int(rest[0]-'0')*10 + int(rest[1]-'0')
	gs := map[byte]uintptr{'k': 1, '0': 0, 'p': 0x123456789000, 'h': 0xffff888000001000, 'u': 0x7ffffffff000}[rest[3]]
	// On the last CPU: the block of another one would be found there by mistake.
	cpu := ground.CPUs() - 1
	// The others stand still: a page fault of theirs would find no gate, either.
	var still atomic.Int32
	for other := range cpu {
		for range 4 * ground.CPUs() {
			go func() {
				runtime.LockOSThread()
				for {
					flags := arch.IRQSave()
					if int((*arch.CPU)(arch.Ptr(arch.This())).ID) == other {
						still.Add(1)
						for {
							arch.Pause()
						}
					}
					arch.IRQRestore(flags)
					runtime.Gosched()
				}
			}()
		}
	}
	for range 4 * ground.CPUs() {
		go func() {
			runtime.LockOSThread()
			for ground.CurrentCPU() != cpu || int(still.Load()) < cpu {
				runtime.Gosched()
			}
			println("boottest: vector " + strconv.Itoa(vector) + " with GS " + string(rest[3:4]))
			if vector == 8 {
				idt, _ := tables()
				*(*byte)(unsafe.Pointer(arch.Ptr(idt + 14*16 + 5))) &^= 0x80 // not present
			}
			if rest[3] != 'u' {
				raise(uintptr(vector), gs)
			}
			c := newUser(0, nowhereVA)
			c.GS = uint64(gs)
			c.Enter()
		}()
	}
	select {}
}

// nowhereVA is never mapped.
const nowhereVA = 0x600000
