// Package arch is the processor as Go functions: control registers, MSRs,
// ports, volatile memory access, the per-CPU header behind GS, and the one
// spin lock of the kernel. It decides nothing.
//
// It imports nothing but sync/atomic. Everything here may be called from ground
// (interrupts off, no g) and from ordinary kernel Go; on the developer's host,
// where Hosted is true, only the functions that say so may be called.
//
// Sources: Intel SDM volumes 2 and 3 (named per item), AMD APM volume 2.
package arch

// Hosted is true in a program that runs as an ordinary Linux process (tests)
// and false inside the machine: ground's entry clears it before any Go runs.
var Hosted uint8 = 1

// CPU is the head of the per-CPU block that GS points to in ring 0. Ground
// embeds it at offset 0 of its own block; assembly reaches the fields through
// go_asm.h, so order and size may change freely but for Self.
type CPU struct {
	// Self is the block's own address, so that one load gives it.
	Self uintptr
	// ID counts from 0 in the order in which CPUs came up.
	ID uint32
	// Shoot is 1 while this CPU owes a TLB shoot-down (set by the initiator,
	// cleared by this CPU once it has flushed).
	Shoot uint32
}

// Bits of RFLAGS, Intel SDM vol. 1, 3.4.3.
const (
	FlagCF   = 1 << 0
	FlagR1   = 1 << 1 // always one
	FlagPF   = 1 << 2
	FlagAF   = 1 << 4
	FlagZF   = 1 << 6
	FlagSF   = 1 << 7
	FlagTF   = 1 << 8
	FlagIF   = 1 << 9
	FlagDF   = 1 << 10
	FlagOF   = 1 << 11
	FlagIOPL = 3 << 12
	FlagNT   = 1 << 14
	FlagRF   = 1 << 16
	FlagVM   = 1 << 17
	FlagAC   = 1 << 18
	FlagVIF  = 1 << 19
	FlagVIP  = 1 << 20
	FlagID   = 1 << 21
)

// Control register bits, Intel SDM vol. 3, 2.5.
const (
	CR0PE = 1 << 0
	CR0MP = 1 << 1
	CR0EM = 1 << 2
	CR0TS = 1 << 3
	CR0ET = 1 << 4
	CR0NE = 1 << 5
	CR0WP = 1 << 16
	CR0AM = 1 << 18
	CR0NW = 1 << 29
	CR0CD = 1 << 30
	CR0PG = 1 << 31

	CR4TSD        = 1 << 2
	CR4DE         = 1 << 3
	CR4PAE        = 1 << 5
	CR4MCE        = 1 << 6
	CR4PGE        = 1 << 7
	CR4PCE        = 1 << 8
	CR4OSFXSR     = 1 << 9
	CR4OSXMMEXCPT = 1 << 10
	CR4UMIP       = 1 << 11
	CR4FSGSBASE   = 1 << 16
	CR4PCIDE      = 1 << 17
	CR4OSXSAVE    = 1 << 18
	CR4SMEP       = 1 << 20
	CR4SMAP       = 1 << 21
)

// Model-specific registers, Intel SDM vol. 4 and AMD APM vol. 2, appendix A.
const (
	MSRAPICBase    = 0x1b
	MSRTSCDeadline = 0x6e0

	MSRArchCapabilities = 0x10a
	MSRTSXCtrl          = 0x122

	MSRSysenterCS   = 0x174
	MSRSysenterESP  = 0x175
	MSRSysenterEIP  = 0x176
	MSRMiscEnable   = 0x1a0
	MSRPAT          = 0x277
	MSREFER         = 0xc0000080
	MSRSTAR         = 0xc0000081
	MSRLSTAR        = 0xc0000082
	MSRCSTAR        = 0xc0000083
	MSRSFMASK       = 0xc0000084
	MSRFSBase       = 0xc0000100
	MSRGSBase       = 0xc0000101
	MSRKernelGSBase = 0xc0000102
	MSRTSCAux       = 0xc0000103
	MSRX2APICBase   = 0x800

	EFERSCE = 1 << 0
	EFERLME = 1 << 8
	EFERLMA = 1 << 10
	EFERNXE = 1 << 11
)

// CPUID executes CPUID with the given leaf and subleaf. Works when Hosted.
func CPUID(leaf, sub uint32) (eax, ebx, ecx, edx uint32)

// Capabilities is IA32_ARCH_CAPABILITIES (Intel SDM vol. 4), what the processor says of
// itself; 0 if it says nothing.
func Capabilities() uint64 {
	if top, _, _, _ := CPUID(0, 0); top < 7 {
		return 0
	}
	if _, _, _, d := CPUID(7, 0); d&(1<<29) == 0 {
		return 0
	}
	return ReadMSR(MSRArchCapabilities)
}

// RDTSC reads the time-stamp counter after earlier loads have completed.
// Works when Hosted.
func RDTSC() uint64

// Pause is the spin-wait hint. Works when Hosted.
func Pause()

// ReadMSR and WriteMSR access a model-specific register.
func ReadMSR(msr uint32) uint64
func WriteMSR(msr uint32, v uint64)

// Control registers.
func ReadCR0() uint64
func WriteCR0(v uint64)
func ReadCR2() uint64
func ReadCR3() uint64
func WriteCR3(v uint64)
func ReadCR4() uint64
func WriteCR4(v uint64)

// WriteXCR0 sets extended control register 0; CR4.OSXSAVE must be set.
func WriteXCR0(v uint64)

// ReadXCR0 reads it.
func ReadXCR0() uint64

// Invlpg drops the translation of the page that holds addr, global or not.
func Invlpg(addr uintptr)

// In8 to Out32 are port accesses.
func In8(port uint16) uint8
func In16(port uint16) uint16
func In32(port uint16) uint32
func Out8(port uint16, v uint8)
func Out16(port uint16, v uint16)
func Out32(port uint16, v uint32)

// Load8 to Store32 are single accesses that the compiler neither merges nor
// splits nor repeats: device registers and shared rings. Work when Hosted.
func Load8(p uintptr) uint8
func Load16(p uintptr) uint16
func Load32(p uintptr) uint32
func Load64(p uintptr) uint64
func Store8(p uintptr, v uint8)
func Store16(p uintptr, v uint16)
func Store32(p uintptr, v uint32)
func Store64(p uintptr, v uint64)

// CLI and STI mask and unmask interrupts on this CPU.
func CLI()
func STI()

// StiHlt enables interrupts and halts until the next one, without a gap in
// which an interrupt could be missed, and returns with interrupts off.
func StiHlt()

// HLT halts with interrupts as they are.
func HLT()

// IRQSave masks interrupts and returns the former RFLAGS. A no-op when Hosted.
//
// Between IRQSave and IRQRestore only nosplit leaf code that touches mapped
// memory may run: neither the Go scheduler nor ground may be entered.
func IRQSave() uint64

// IRQRestore puts the interrupt flag back to what IRQSave returned.
func IRQRestore(flags uint64)

// This returns the address of the per-CPU block; call it with interrupts off.
func This() uintptr

// LoadGDT, LoadIDT take the address of a 10-byte descriptor; LoadTR a selector.
func LoadGDT(desc uintptr)
func LoadIDT(desc uintptr)
func LoadTR(sel uint16)

// LoadLDT takes a selector; with 0 there is no local descriptor table.
func LoadLDT(sel uint16)

// WriteDR7 sets the debug control register, Intel SDM vol. 3, 17.2.4.
func WriteDR7(v uint64)

// ZeroPage clears n bytes at p with plain 16-byte stores; p is 16-byte aligned
// and n a multiple of 64. (REP STOSB is counted byte by byte by emulators, and
// a kernel without VEX has nothing wider.) Works when Hosted.
func ZeroPage(p uintptr, n uintptr)

// SMAP is 1 when CR4.SMAP is on, and then user memory is reachable only
// between STAC and CLAC.
var SMAP uint8

// RDRAND returns a random word from the processor; false if it had none ready.
// CPUID.1:ECX bit 30 says whether the instruction exists. Works when Hosted.
func RDRAND() (v uint64, ok bool)

// RDSEED likewise; CPUID.(7,0):EBX bit 18.
func RDSEED() (v uint64, ok bool)
