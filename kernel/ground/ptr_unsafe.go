package ground

import (
	"unsafe"

	"skerry/kernel/ground/arch"
)

// Views of ground's memory outside the Go heap. The pointers live in registers
// and on ground stacks only; what is stored is always the address.

func word(p uintptr) *uint64            { return (*uint64)(arch.Ptr(p)) }
func word32(p uintptr) *uint32          { return (*uint32)(arch.Ptr(p)) }
func mAt(p uintptr) *mstate             { return (*mstate)(arch.Ptr(p)) }
func cpuAt(p uintptr) *percpu           { return (*percpu)(arch.Ptr(p)) }
func ctxAt(p uintptr) *Ctx              { return (*Ctx)(arch.Ptr(p)) }
func regsAt(p uintptr) *Regs            { return (*Regs)(arch.Ptr(p)) }
func byteAt(p uintptr) *byte            { return (*byte)(arch.Ptr(p)) }
func (m *mstate) addr() uintptr         { return uintptr(unsafe.Pointer(m)) }
func (c *percpu) addr() uintptr         { return uintptr(unsafe.Pointer(c)) }
func (c *Ctx) addr() uintptr            { return uintptr(unsafe.Pointer(c)) }
func (c *Ctx) xarea() uintptr           { return uintptr(unsafe.Pointer(&c.XArea)) }
func (r *Regs) addr() uintptr           { return uintptr(unsafe.Pointer(r)) }
func (g *fakeG) addr() uintptr          { return uintptr(unsafe.Pointer(g)) }
func (s *groundStack) tlsBase() uintptr { return uintptr(unsafe.Pointer(&s.tls)) }

// me is this CPU's block. In ground context only.
func me() *percpu { return cpuAt(arch.This()) }

// Sizes that assembly and layout depend on.
const (
	sizePercpu = unsafe.Sizeof(percpu{})
	sizeM      = unsafe.Sizeof(mstate{})
	sizeCtx    = unsafe.Sizeof(Ctx{})
	offXArea   = unsafe.Offsetof(Ctx{}.XArea)

	offSelf     = unsafe.Offsetof(percpu{}.CPU) + unsafe.Offsetof(arch.CPU{}.Self)
	offStacks   = unsafe.Offsetof(percpu{}.stacks)
	sizeStack   = unsafe.Sizeof(groundStack{})
	offFaultTLS = offStacks + istFault*sizeStack + unsafe.Offsetof(groundStack{}.tls)
	offFaultG   = offStacks + istFault*sizeStack + unsafe.Offsetof(groundStack{}.slot)
	offPageTLS  = offStacks + istPage*sizeStack + unsafe.Offsetof(groundStack{}.tls)
	offPageG    = offStacks + istPage*sizeStack + unsafe.Offsetof(groundStack{}.slot)
	offDeadTop  = offStacks + istDouble*sizeStack + unsafe.Offsetof(groundStack{}.top)
	offDeadTLS  = offStacks + istDouble*sizeStack + unsafe.Offsetof(groundStack{}.tls)
	offDeadG    = offStacks + istDouble*sizeStack + unsafe.Offsetof(groundStack{}.slot)
)

// A Ctx and an mstate fill one page at most, and the XSAVE area is aligned.
var (
	_ [pageSize - sizeCtx]byte
	_ [pageSize - sizeM]byte
	_ [0 - offXArea%64]byte
)

// funcAddr is the address of a static function value, for call.
func funcAddr(f *func(a, b, c uintptr) uintptr) uintptr {
	return *(*uintptr)(unsafe.Pointer(f))
}

// tableAddr is the address of the stub table.
func tableAddr() uintptr { return uintptr(unsafe.Pointer(&stubs)) }

// descAddr is the address of room for a 10-byte descriptor.
func descAddr(d *[2]uint64) uintptr { return uintptr(unsafe.Pointer(d)) }

func clockAt(p uintptr) *clockData { return (*clockData)(arch.Ptr(p)) }

// clockAddr is the address of c, for call.
func clockAddr(c *clockData) uintptr { return uintptr(unsafe.Pointer(c)) }

// cpuTableAddr is the address of the table of percpu blocks.
func cpuTableAddr() uintptr { return uintptr(unsafe.Pointer(&cpus)) }

// xmmAddr is the address of saved vector registers.
func xmmAddr(x *[16][2]uint64) uintptr { return uintptr(unsafe.Pointer(x)) }

// vdsoClockgettimeSym is the runtime's pointer to a vDSO clock_gettime
// (runtime/badlinkname_linux.go keeps the name for users like us).
//
//go:linkname vdsoClockgettimeSym runtime.vdsoClockgettimeSym
var vdsoClockgettimeSym uintptr

func clockSymbol() *uintptr { return &vdsoClockgettimeSym }
