package abi

// Flags of struct ucontext, uapi/asm/ucontext.h.
const (
	UC_FP_XSTATE         = 1
	UC_SIGCONTEXT_SS     = 2
	UC_STRICT_RESTORE_SS = 4
)

// Marks of the extended state in a signal frame, uapi/asm/sigcontext.h:
// FP_XSTATE_MAGIC1 in FpxSwBytes, FP_XSTATE_MAGIC2 in the word after the state.
const (
	FP_XSTATE_MAGIC1      = 0x46505853
	FP_XSTATE_MAGIC2      = 0x46505845
	FP_XSTATE_MAGIC2_SIZE = 4
)

// Sigcontext is struct sigcontext of x86-64: the registers of the interrupted
// program. Fpstate points to the Fpstate in the frame, or is 0.
type Sigcontext struct {
	R8      uint64    // r8
	R9      uint64    // r9
	R10     uint64    // r10
	R11     uint64    // r11
	R12     uint64    // r12
	R13     uint64    // r13
	R14     uint64    // r14
	R15     uint64    // r15
	DI      uint64    // rdi
	SI      uint64    // rsi
	BP      uint64    // rbp
	BX      uint64    // rbx
	DX      uint64    // rdx
	AX      uint64    // rax
	CX      uint64    // rcx
	SP      uint64    // rsp
	IP      uint64    // rip
	Flags   uint64    // eflags
	CS      uint16    // cs
	GS      uint16    // gs
	FS      uint16    // fs
	SS      uint16    // ss
	Err     uint64    // err
	Trapno  uint64    // trapno
	Oldmask uint64    // oldmask
	CR2     uint64    // cr2
	Fpstate uint64    // fpstate
	Unused  [8]uint64 // reserved1
}

// Ucontext is struct ucontext, the second argument of a handler's frame. The
// library's ucontext_t is longer; this is what the kernel writes.
type Ucontext struct {
	Flags    uint64      // uc_flags
	Link     uint64      // uc_link
	Stack    SigaltStack // uc_stack
	Mcontext Sigcontext  // uc_mcontext
	Sigmask  Sigset      // uc_sigmask
}

// FpxSwBytes is struct _fpx_sw_bytes, which the kernel keeps in the last 48
// bytes of the FXSAVE image. ExtendedSize is the size of the state with
// FP_XSTATE_MAGIC2 behind it, XstateSize without.
type FpxSwBytes struct {
	Magic1       uint32    // magic1
	ExtendedSize uint32    // extended_size
	Xfeatures    uint64    // xfeatures
	XstateSize   uint32    // xstate_size
	Pad          [7]uint32 // padding
}

// Fpstate is struct _fpstate_64: the FXSAVE image (Intel SDM vol. 1, 10.5.1).
type Fpstate struct {
	Cwd       uint16       // cwd
	Swd       uint16       // swd
	Twd       uint16       // twd
	Fop       uint16       // fop
	RIP       uint64       // rip
	RDP       uint64       // rdp
	Mxcsr     uint32       // mxcsr
	MxcsrMask uint32       // mxcsr_mask
	ST        [8][16]byte  // st_space
	XMM       [16][16]byte // xmm_space
	Reserved2 [12]uint32   // reserved2
	SW        FpxSwBytes   // sw_reserved
}

// XstateHeader is struct _header, the 64 bytes of the XSAVE header behind the
// FXSAVE image (Intel SDM vol. 1, 13.4.2).
type XstateHeader struct {
	Xfeatures uint64    // xfeatures
	Reserved1 [2]uint64 // reserved1
	Reserved2 [5]uint64 // reserved2
}

// Xstate is the fixed beginning of struct _xstate; the state components follow
// at the offsets that CPUID leaf 0xd gives.
type Xstate struct {
	Fpstate Fpstate      // fpstate
	Header  XstateHeader // xstate_hdr
}
