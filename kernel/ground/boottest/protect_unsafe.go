package main

import (
	"bytes"
	"fmt"
	"reflect"
	"runtime/debug"
	"unsafe"

	"skerry/kernel/ground"
	"skerry/kernel/ground/arch"
	"skerry/kernel/ground/frame"
)

// What the page table and the control registers protect the kernel from, tried out:
// each access has to fault.

// tables returns the bases of the IDT and of this CPU's GDT.
func tables() (idt, gdt uintptr)

// overflow turns interrupts off, goes to the stack whose top stands in the TSS at off,
// and pushes until something happens.
func overflow(tss, off uintptr)

// Of a CPU's page of tables: where the TSS is, and in it the ground stack's top and
// that of IST 1 (Intel SDM vol. 3, 7.7).
const (
	tssAt = 128
	rsp0  = 4
	ist1  = 36
)

// imageOffset is the difference between the kernel's addresses and physical ones.
const imageOffset = 0xffffffff80000000

var rodata = "never written"

func protections() string {
	if p := ground.Protected(); p != (ground.Protection{WP: true, NX: true, SMEP: true, SMAP: true, UMIP: true}) {
		return fmt.Sprintf("%+v", p)
	}
	sealed := ground.SealedPage()
	sealed[0] = 1
	idt, gdt := tables()
	if !ground.Seal() {
		return "nothing was sealed"
	}
	sum := ground.CheckTables()
	if sum.Bad != 0 {
		return fmt.Sprintf("page table: %#x", sum.Bad)
	}
	if sum.Code == 0 || sum.ReadOnly < sum.Code || sum.Writable < 64<<20 {
		return fmt.Sprintf("page table: %+v", sum)
	}
	text := reflect.ValueOf(protections).Pointer()
	ro := uintptr(unsafe.Pointer(unsafe.StringData(rodata)))
	run := ground.TakeRun()
	if run == 0 {
		return "no run"
	}
	const userVA = 0x500000
	mapUser(userVA, 7|1<<63)
	for _, a := range []struct {
		name string
		at   uintptr
	}{
		{"text", text},
		{"the text's alias", ground.DirectMap + text - imageOffset},
		{"read-only data", ro},
		{"its alias", ground.DirectMap + ro - imageOffset},
		{"IDT", idt},
		{"GDT", gdt},
		{"TSS", gdt + tssAt + rsp0},
		{"a sealed page", uintptr(unsafe.Pointer(&sealed[0]))},
		{"a page of the root's cache", run.Addr()},
		{"the program's memory", userVA},
	} {
		if !faults(func() { arch.Store8(a.at, 0) }) {
			return "a store reached " + a.name
		}
	}
	if !faults(func() { arch.Load8(userVA) }) {
		return "a load reached the program's memory"
	}
	ground.GiveRun(run)
	if faults(func() { arch.Store8(run.Addr(), 0) }) {
		return "a run that was given back stays read-only"
	}
	// The walk finds what it is there to find.
	e := leaf(sealed)
	old := *e
	*e |= 2
	bad := ground.CheckTables().Bad
	*e = old
	if bad != uintptr(unsafe.Pointer(&sealed[0]))&^4095 {
		return fmt.Sprintf("a writable sealed page was not found: %#x", bad)
	}
	return ""
}

// leaf is the page-table entry of a small page of the direct map.
func leaf(b []byte) *uint64 {
	va := uintptr(unsafe.Pointer(&b[0]))
	t := ground.RootTable()
	for shift := uint(39); shift > 12; shift -= 9 {
		t = frame.FromPhys(*(*uint64)(arch.Ptr(t.Addr() + va>>shift&511*8)) &^ (0xfff | 1<<63))
	}
	return (*uint64)(arch.Ptr(t.Addr() + va>>12&511*8))
}

// faults reports whether f ends with a fault that the runtime sees.
func faults(f func()) (yes bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { yes = recover() != nil }()
	f()
	return
}

// stackToOverflow is N if the boot record says "overflow N": the ground stack is 0,
// that of IST n is n.
func stackToOverflow() (n int, ok bool) {
	_, rest, ok := bytes.Cut(ground.Record(), []byte("overflow "))
	if !ok || len(rest) == 0 {
		return 0, false
	}
	return int(rest[0] - '0'), true
}

// overflowStack does not return.
func overflowStack(n int) {
	_, gdt := tables()
	off := uintptr(rsp0)
	if n > 0 {
		off = ist1 + uintptr(n-1)*8
	}
	println("boottest: overflowing stack", n)
	overflow(gdt+tssAt, off)
}
