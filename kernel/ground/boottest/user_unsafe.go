package main

import (
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"skerry/kernel/ground"
	"skerry/kernel/ground/arch"
	"skerry/kernel/ground/frame"
)

// A program of a few instructions in ring 3, without mm: pages are put into the
// page table by hand.

func userCode() (start, end uintptr)

// maskedInterrupt turns interrupts off and raises one with INT, which the kernel
// cannot tell from one that came by itself.
func maskedInterrupt()

// mapUser maps a fresh frame at a user address.
func mapUser(va uintptr, flags uint64) frame.PFN {
	t := ground.RootTable()
	for shift := uint(39); shift > 12; shift -= 9 {
		e := (*uint64)(arch.Ptr(t.Addr() + va>>shift&511*8))
		if *e == 0 {
			*e = frame.AllocZero(frame.KindKernel).Phys() | 7
		}
		t = frame.FromPhys(*e &^ 0xfff)
	}
	f := frame.AllocZero(frame.KindUser)
	*(*uint64)(arch.Ptr(t.Addr() + va>>12&511*8)) = f.Phys() | flags
	return f
}

const (
	codeVA  = 0x400000
	stackVA = 0x7000000000
)

func newUser(i int, entry uintptr) *ground.Ctx {
	c := ground.NewCtx()
	c.Regs.RIP = uint64(entry)
	c.Regs.RSP = uint64(stackVA + uintptr(i)*8192 + 4096)
	c.Regs.R15 = uint64(i)
	return c
}

// ringThree runs n threads that each make calls and check that all their
// registers, vector registers and FS survive, while ticks and interrupts hit.
func ringThree() string {
	start, end := userCode()
	code := mapUser(codeVA, 5)
	copy(code.Bytes(), arch.Bytes(start, end-start))
	const n = 8
	for i := 0; i < n; i++ {
		mapUser(stackVA+uintptr(i)*8192, 7|1<<63)
	}
	var wg sync.WaitGroup
	var bad atomic.Pointer[string]
	var calls, intrs, works, fetches atomic.Int64
	var ctxs [n]*ground.Ctx
	for i := range ctxs {
		ctxs[i] = newUser(i, codeVA)
		ctxs[i].FS = 0x1234560000 + uint64(i)
		ctxs[i].GS = 0x6543210000 + uint64(i)
	}
	stop := time.Now().Add(1500 * time.Millisecond)
	for i := range ctxs {
		c := ctxs[i]
		wg.Add(1)
		go func() {
			defer wg.Done()
			k := uint64(0)
			for {
				r := c.Enter()
				switch r {
				case ground.ReasonSyscall:
					calls.Add(1)
					k++
					if c.Regs.AX == 99 {
						s := "thread " + strconv.Itoa(i) + " found a register changed: " + strconv.FormatUint(c.Regs.DI, 10)
						bad.Store(&s)
						return
					}
					if time.Now().After(stop) {
						return
					}
					c.Regs.AX = k
					if k%64 == 0 {
						runtime.Gosched()
					}
				case ground.ReasonInterrupt:
					intrs.Add(1)
					runtime.Gosched()
				case ground.ReasonWork:
					works.Add(1)
					c.ClearWork()
				case ground.ReasonFetch:
					fetches.Add(1)
					c.Fetch()
				default:
					s := "thread " + strconv.Itoa(i) + " fault " + strconv.FormatUint(uint64(r), 16) + " rip " + strconv.FormatUint(c.Regs.RIP, 16) + " cr2 " + strconv.FormatUint(c.CR2, 16)
					bad.Store(&s)
					return
				}
			}
		}()
	}
	for time.Now().Before(stop) {
		time.Sleep(time.Millisecond)
		for i := range ctxs {
			ctxs[i].Interrupt()
		}
		if time.Now().UnixNano()%8 == 0 {
			runtime.GC()
		}
	}
	wg.Wait()
	println("  calls", calls.Load(), "interrupts", intrs.Load(), "work", works.Load(), "fetches", fetches.Load())
	for i := range ctxs {
		ctxs[i].Free()
	}
	if p := bad.Load(); p != nil {
		return *p
	}
	return ""
}

var _ = unsafe.Pointer(nil)

// refusedState enters ring 3 with an extended state that no processor takes: reserved
// bits in the header of XSAVE (Intel SDM vol. 1, 13.4.2). It has to end as a fault of the
// program.
func refusedState() string {
	c := newUser(0, codeVA)
	for i := range c.XArea[512:576] {
		c.XArea[512+i] = 0xff
	}
	if r := c.Enter(); r != ground.ReasonFault+13 {
		return "answer " + strconv.FormatUint(uint64(r), 16)
	}
	c.Free()
	return ""
}
