package loader

import (
	"strings"

	"skerry/kernel/abi"
)

// Limits on arguments and environment, execve(2), "Limits on size of arguments
// and environment".
const (
	// maxString is MAX_ARG_STRLEN of linux/binfmts.h, with the NUL.
	maxString = 32 * pageSize
	// leastArgs is what always fits, ARG_MAX of linux/limits.h.
	leastArgs = 128 << 10
	// mostArgs is three quarters of the default stack limit.
	mostArgs = DefaultStack / 4 * 3
)

// Types of auxiliary vector entries, getauxval(3), linux/auxvec.h, and
// arch/x86/include/uapi/asm/auxvec.h.
const (
	atNull        = 0
	atPhdr        = 3
	atPhent       = 4
	atPhnum       = 5
	atPagesz      = 6
	atBase        = 7
	atFlags       = 8
	atEntry       = 9
	atUID         = 11
	atEUID        = 12
	atGID         = 13
	atEGID        = 14
	atPlatform    = 15
	atHwcap       = 16
	atClktck      = 17
	atSecure      = 23
	atRandom      = 25
	atHwcap2      = 26
	atExecfn      = 31
	atSysinfoEhdr = 33
	atMinsigstksz = 51
)

const (
	platform = "x86_64"
	// clockTicks is USER_HZ: times(2) counts in hundredths of a second.
	clockTicks = 100
	// HWCAP2FSGSBase is the bit of CPU.HWCAP2 that says that RDFSBASE and the
	// like work in ring 3, arch/x86/include/uapi/asm/hwcap2.h.
	HWCAP2FSGSBase = 1 << 1
)

// CPU is what the program is told about the processor.
type CPU struct {
	// HWCAP is EDX of CPUID leaf 1; HWCAP2 see HWCAP2FSGSBase.
	HWCAP, HWCAP2 uint64
	// MinSignalStack is the size of the largest signal frame in bytes
	// (AT_MINSIGSTKSZ), 0 to leave it out.
	MinSignalStack uint64
}

// Start is what the first stack is made of.
type Start struct {
	Args, Env []string
	// Path is the program's path, AT_EXECFN.
	Path string
	// Random is 16 secret bytes, AT_RANDOM: a C library makes its stack canary
	// from them.
	Random [16]byte
	CPU    CPU
	// StackLimit is RLIMIT_STACK in bytes.
	StackLimit uint64
}

// Stack is the first stack of the program, as bytes that belong at SP.
type Stack struct {
	// SP is the stack pointer at the first instruction; argc lies there. It is
	// a multiple of 16.
	SP uintptr
	// Bytes go to SP. Above them, up to Layout.StackTop, are zeroes.
	Bytes []byte
	// The strings of the arguments and of the environment, each with its NUL:
	// what /proc/self/cmdline and environ show.
	ArgLo, ArgHi, EnvLo, EnvHi uintptr
	// Auxv is the auxiliary vector, part of Bytes: what /proc/self/auxv shows.
	Auxv []byte
}

// Mapped is how many bytes below StackTop to map for the start: what is used,
// and 128 KiB that need not grow. Whole pages.
func (s *Stack) Mapped(l *Layout) uintptr {
	return uintptr(pageUp(uint64(l.StackTop-s.SP)) + 128<<10)
}

// NewStack lays out arguments, environment and auxiliary vector for a program
// that is loaded by plan (x86-64 psABI, 3.4.1 and 3.4.3). From the top, as Linux
// has it: the program's path, the environment, the arguments, what the vector
// points to, the vector, the two tables of pointers, argc.
func NewStack(s *Start, p *Plan, l *Layout) (*Stack, *Error) {
	args := s.Args
	if len(args) == 0 {
		// Programs take argv[0] for granted; Linux adds one too.
		args = []string{""}
	}
	if e := checkStrings(s, args); e != nil {
		return nil, e
	}
	var aux [24][2]uint64
	n := 0
	put := func(kind int, v uint64) { aux[n] = [2]uint64{uint64(kind), v}; n++ }

	// Sizes first; b is filled from both ends.
	strs := len(s.Path) + 1 + stringBytes(args) + stringBytes(s.Env)
	top := uint64(l.StackTop) - 8 - uint64(l.StackShift)*16
	low := (top - uint64(strs) - uint64(len(platform)) - 1 - 16) &^ 15
	table := (1 + len(args) + 1 + len(s.Env) + 1) * 8
	sp := (low - uint64(table) - uint64(len(aux))*16) &^ 15
	b := make([]byte, top-sp)
	at := func(addr uint64) []byte { return b[addr-sp:] }

	out := &Stack{SP: uintptr(sp), Bytes: b}
	path := top - uint64(len(s.Path)) - 1
	copy(at(path), s.Path)
	env := path - uint64(stringBytes(s.Env))
	arg := env - uint64(stringBytes(args))
	out.EnvLo, out.EnvHi, out.ArgLo, out.ArgHi = uintptr(env), uintptr(path), uintptr(arg), uintptr(env)
	plat := arg - uint64(len(platform)) - 1
	copy(at(plat), platform)
	random := plat - 16
	copy(at(random), s.Random[:])

	if l.VDSO != 0 {
		put(atSysinfoEhdr, uint64(l.vDSO()))
	}
	if s.CPU.MinSignalStack != 0 {
		put(atMinsigstksz, s.CPU.MinSignalStack)
	}
	put(atHwcap, s.CPU.HWCAP)
	put(atPagesz, pageSize)
	put(atClktck, clockTicks)
	put(atPhdr, uint64(p.Phdr))
	put(atPhent, phdrSize)
	put(atPhnum, uint64(p.Phnum))
	put(atBase, uint64(p.Base))
	put(atFlags, 0)
	put(atEntry, uint64(p.Entry))
	put(atUID, abi.ID)
	put(atEUID, abi.ID)
	put(atGID, abi.ID)
	put(atEGID, abi.ID)
	put(atSecure, 0)
	put(atRandom, random)
	put(atHwcap2, s.CPU.HWCAP2)
	put(atExecfn, path)
	put(atPlatform, plat)
	put(atNull, 0)

	w := at(sp)
	word := func(v uint64) { le.PutUint64(w, v); w = w[8:] }
	word(uint64(len(args)))
	pointers := func(list []string, addr uint64) {
		for _, str := range list {
			word(addr)
			addr += uint64(copy(at(addr), str)) + 1
		}
		word(0)
	}
	pointers(args, arg)
	pointers(s.Env, env)
	out.Auxv = w[: n*16 : n*16]
	for _, a := range aux[:n] {
		word(a[0])
		word(a[1])
	}
	return out, nil
}

// stringBytes is the size of strings with their NULs.
func stringBytes(list []string) (n int) {
	for _, s := range list {
		n += len(s) + 1
	}
	return n
}

// checkStrings applies Linux's limits: the size of one string, and of all and
// the pointers to them.
func checkStrings(s *Start, args []string) *Error {
	room := min(max(s.StackLimit/4, leastArgs), mostArgs)
	used := uint64(len(args)+len(s.Env))*8 + uint64(len(s.Path)) + 1
	for _, list := range [...][]string{args, s.Env, {s.Path}} {
		for _, str := range list {
			if uint64(len(str)) >= maxString {
				return &Error{StatusCannotRun, abi.E2BIG,
					"cannot be started: an argument or a variable of the environment is longer than 128 KiB"}
			}
			if strings.IndexByte(str, 0) >= 0 {
				return &Error{StatusCannotRun, abi.EINVAL,
					"cannot be started: an argument or a variable of the environment holds a NUL byte"}
			}
		}
	}
	if used += uint64(stringBytes(args) + stringBytes(s.Env)); used > room {
		return &Error{StatusCannotRun, abi.E2BIG,
			"cannot be started: its arguments and environment are larger than a quarter of the stack limit"}
	}
	return nil
}
