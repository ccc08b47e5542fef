package ground

import (
	"skerry/kernel/ground/arch"
	"skerry/kernel/ground/frame"
)

// runtimeDebug is the GODEBUG of the kernel's own runtime. The kernel executes no
// VEX instruction that touches the upper halves of the vector registers, since
// those are the program's: here they are turned off, before the runtime or a
// package chooses (TestNoWideVectors).
//
// CR4.OSXSAVE and XCR0 are nevertheless as the program needs them before the
// runtime starts: QEMU's translator keeps code apart by the state of them, and
// would translate a second time what the runtime's start has in common with the
// rest, which is a tenth of the time to the program's first instruction.
const runtimeDebug = "cpu.avx=off,cpu.avx2=off,cpu.fma=off,cpu.avx512f=off,cpu.vpclmulqdq=off,decoratemappings=0"

// firstThread makes the M in which the Go runtime starts and its initial stack
// (argc, argv, environment, auxiliary vector), and returns the stack pointer.
func firstThread(c *percpu) uintptr {
	f := frame.AllocZero(frame.KindKernel)
	if f == 0 {
		fatal("too little memory to start (give the machine more)")
	}
	m := mAt(f.Addr())
	run.nextTID, run.live = 1, 1
	m.tid = 1
	m.all, run.all = 0, m.addr()
	gRun(c, m)

	stack := gMmap(0, m0Stack, 0)
	top := stack + m0Stack
	if !ensure(top-3*pageSize, 3*pageSize) {
		fatal("too little memory to start (give the machine more)")
	}
	p := top - pageSize // strings
	env := [...]string{
		"GOMAXPROCS=", // number appended
		"GODEBUG=" + runtimeDebug,
		"GOGC=50",
		"GOTRACEBACK=all",
	}
	var at [len(env)]uintptr
	name := p
	p = putString(p, "skerry-kernel")
	for i := range env {
		at[i] = p
		p = putString(p, env[i])
		if i == 0 {
			p = putDecimal(p-1, uint64(ncpu))
		}
	}
	p = (p + 15) &^ 15
	random := p
	for i := uintptr(0); i < 16; i++ {
		*byteAt(random + i) = byte(runtimeSeed[i/8] >> (i % 8 * 8))
	}
	runtimeSeed = [2]uint64{}
	sp := top - pageSize - 1024
	q := sp
	put := func(v uint64) {
		*word(q) = v
		q += 8
	}
	put(1)
	put(uint64(name))
	put(0)
	for i := range at {
		put(uint64(at[i]))
	}
	put(0)
	const atPagesz, atRandom, atSecure = 6, 25, 23
	put(atPagesz)
	put(pageSize)
	put(atSecure)
	put(0)
	put(atRandom)
	put(uint64(random))
	put(0)
	put(0)
	*clockSymbol() = early.sym.clockGettime
	return sp
}

func putString(p uintptr, s string) uintptr {
	for i := 0; i < len(s); i++ {
		*byteAt(p) = s[i]
		p++
	}
	*byteAt(p) = 0
	return p + 1
}

func putDecimal(p uintptr, v uint64) uintptr {
	if v >= 10 {
		p = putDecimal(p, v/10)
	}
	*byteAt(p) = byte('0' + v%10)
	*byteAt(p + 1) = 0
	return p + 1
}

// runtimeSeed becomes AT_RANDOM of the kernel's runtime: hash and scheduler
// seeds, which an attacker must not know.
var runtimeSeed [2]uint64

// rngState is the state of gGetrandom, a xorshift-multiply mix over what the
// processor and the launcher gave. It serves only what the runtime and its
// libraries draw before kernel/entropy takes over.
var rngState [4]uint64

// seedRuntime mixes the launcher's record (which holds its seed), RDSEED or
// RDRAND, and the counter.
func seedRuntime() {
	s := [4]uint64{0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb, 0xd6e8feb86659fd93}
	absorb := func(v uint64) {
		s[0] ^= v
		for i := 0; i < 4; i++ {
			s[i] = (s[i] ^ s[(i+3)&3]<<17 ^ s[(i+1)&3]>>11) * 0xff51afd7ed558ccd
			s[i] ^= s[i] >> 32
		}
	}
	n := Boot.RecordLen
	if n > 64<<10 {
		n = 64 << 10
	}
	for i := uintptr(0); i+8 <= n; i += 8 {
		absorb(*word(Boot.Record + i))
	}
	_, _, c, _ := arch.CPUID(1, 0)
	for i := 0; i < 8; i++ {
		if c&(1<<30) != 0 {
			if v, ok := arch.RDRAND(); ok {
				absorb(v)
			}
		}
		absorb(arch.RDTSC())
	}
	rngState = s
	runtimeSeed = [2]uint64{nextRandom(), nextRandom()}
}

func nextRandom() uint64 {
	s := &rngState
	s[0] ^= arch.RDTSC()
	for i := 0; i < 4; i++ {
		s[i] = (s[i] ^ s[(i+3)&3]<<17 ^ s[(i+1)&3]>>11) * 0xff51afd7ed558ccd
		s[i] ^= s[i] >> 32
	}
	return s[0] ^ s[2]
}

// gGetrandom fills n bytes at buf for the runtime.
func gGetrandom(buf, n uintptr) uintptr {
	for i := uintptr(0); i < n; i += 8 {
		v := nextRandom()
		for j := uintptr(0); j < 8 && i+j < n; j++ {
			*byteAt(buf + i + j) = byte(v >> (8 * j))
		}
	}
	return n
}
