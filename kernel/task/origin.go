package task

import (
	"skerry/kernel/abi"
	"skerry/kernel/mm"
	"skerry/kernel/usermem"
)

// origin is a range of addresses at which a SYSCALL instruction may stand, as the
// return addresses of such instructions: start is the first one's, size the
// distance to the last one's.
type origin struct{ start, size uintptr }

// origins are the two ranges in which nothing becomes executable but code of the
// image and the vDSO. Until SetOrigins says where they are, the first holds
// everything. Constant while threads run, like near.
var origins = [2]origin{{0, ^uintptr(0)}, {nowhere, 0}}

// near is the range from which calls are served at once: the first of origins, or
// nothing when calls are traced.
var near = origins[0]

// has reports whether a call that returns to rip comes from the range.
func (o *origin) has(rip uintptr) bool { return rip-o.start <= o.size }

// nowhere is an address that no instruction returns to: it is not canonical.
const nowhere = 1 << 63

// syscallSize is the size of the SYSCALL instruction in bytes (Intel SDM vol. 2).
const syscallSize = 2

// SetOrigins names the ranges [start, end) whose system calls are served without a
// look at the mapping that they come from; the first is tried first, an empty one
// is never met. Once, before the first thread runs.
func SetOrigins(ranges [2][2]uintptr) {
	for i, r := range ranges {
		origins[i] = origin{nowhere, 0}
		if r[1] >= r[0]+syscallSize {
			origins[i] = origin{r[0] + syscallSize, r[1] - r[0] - syscallSize}
		}
	}
	if !tracing {
		near = origins[0]
	}
}

// foreign decides about a system call: it must come from code of the image,
// wherever that is mapped. If it does not, someone has written the code and made it
// run, out of the JIT budget, and the program ends: no program does this by itself,
// so there is no error number for it.
//
// Outside of the ranges such code may stand beside the image's, and another thread may put
// a file of the image in its place between the trap and this look. So both bytes of the
// instruction must be of the image, and be that instruction: then it is one that anybody
// could have jumped to.
func (t *Thread) foreign() bool {
	rip := uintptr(t.Ctx.Regs.RIP)
	if origins[0].has(rip) || origins[1].has(rip) || t.imageCall(rip-syscallSize) {
		return false
	}
	t.Proc.end(Status{Signal: SIGSYS, Thread: t, Origin: true})
	return true
}

// imageCall reports whether a SYSCALL instruction of the image or the vDSO stands at addr.
func (t *Thread) imageCall(addr uintptr) bool {
	return t.Proc.MM.ImageCode(addr) && t.Proc.MM.ImageCode(addr+syscallSize-1) && instruction(t.Proc.MM, addr) == syscallCode
}

// syscallCode is the instruction's bytes (Intel SDM vol. 2, SYSCALL).
var syscallCode = [syscallSize]byte{0x0f, 0x05}

// instruction reads code of the program, which may be there to execute only. Replaced in
// tests.
var instruction = func(space *mm.Space, addr uintptr) (code [syscallSize]byte) {
	for i := range code {
		if _, e := usermem.CopyIn(code[i:i+1], addr+uintptr(i)); e != abi.OK && space.Fault(addr+uintptr(i), mm.Exec) == mm.FaultOK {
			_, _ = usermem.CopyIn(code[i:i+1], addr+uintptr(i)) // if it is gone again, it was no call of the image's
		}
	}
	return code
}
