#include "go_asm.h"
#include "textflag.h"

// Every way into and out of ring 3 and of ground. Read with state.go beside it.
//
// In ring 0 GS always points to the CPU's percpu block; SWAPGS is the first and
// the last thing done on the ring-3 side. Interrupts are off from entry until
// the STI just before control returns to ordinary Go.

#define RETURN BYTE $0xc3 // RET without the assembler's frame checks

#define PUSH_REGS \
	PUSHQ DI; PUSHQ SI; PUSHQ DX; PUSHQ CX; PUSHQ AX; \
	PUSHQ R8; PUSHQ R9; PUSHQ R10; PUSHQ R11; PUSHQ BX; PUSHQ BP; \
	PUSHQ R12; PUSHQ R13; PUSHQ R14; PUSHQ R15

#define POP_REGS \
	POPQ R15; POPQ R14; POPQ R13; POPQ R12; POPQ BP; POPQ BX; \
	POPQ R11; POPQ R10; POPQ R9; POPQ R8; POPQ AX; POPQ CX; \
	POPQ DX; POPQ SI; POPQ DI

// STORE_REGS_AX saves the registers at (AX); AX itself was pushed before and
// the stack below it holds vector, error code and the processor's frame.
#define STORE_REGS_AX \
	MOVQ DI, Regs_DI(AX); MOVQ SI, Regs_SI(AX); MOVQ DX, Regs_DX(AX); \
	MOVQ CX, Regs_CX(AX); POPQ Regs_AX(AX); MOVQ R8, Regs_R8(AX); \
	MOVQ R9, Regs_R9(AX); MOVQ R10, Regs_R10(AX); MOVQ R11, Regs_R11(AX); \
	MOVQ BX, Regs_BX(AX); MOVQ BP, Regs_BP(AX); MOVQ R12, Regs_R12(AX); \
	MOVQ R13, Regs_R13(AX); MOVQ R14, Regs_R14(AX); MOVQ R15, Regs_R15(AX); \
	POPQ Regs_Vec(AX); POPQ Regs_Err(AX); POPQ Regs_RIP(AX); POPQ Regs_CS(AX); \
	POPQ Regs_RFlags(AX); POPQ Regs_RSP(AX); POPQ Regs_SS(AX)

#define SAVE_XMM(off, r) \
	MOVUPS X0, (off+0x00)(r); MOVUPS X1, (off+0x10)(r); \
	MOVUPS X2, (off+0x20)(r); MOVUPS X3, (off+0x30)(r); \
	MOVUPS X4, (off+0x40)(r); MOVUPS X5, (off+0x50)(r); \
	MOVUPS X6, (off+0x60)(r); MOVUPS X7, (off+0x70)(r); \
	MOVUPS X8, (off+0x80)(r); MOVUPS X9, (off+0x90)(r); \
	MOVUPS X10, (off+0xa0)(r); MOVUPS X11, (off+0xb0)(r); \
	MOVUPS X12, (off+0xc0)(r); MOVUPS X13, (off+0xd0)(r); \
	MOVUPS X14, (off+0xe0)(r); MOVUPS X15, (off+0xf0)(r)

#define LOAD_XMM(off, r) \
	MOVUPS (off+0x00)(r), X0; MOVUPS (off+0x10)(r), X1; \
	MOVUPS (off+0x20)(r), X2; MOVUPS (off+0x30)(r), X3; \
	MOVUPS (off+0x40)(r), X4; MOVUPS (off+0x50)(r), X5; \
	MOVUPS (off+0x60)(r), X6; MOVUPS (off+0x70)(r), X7; \
	MOVUPS (off+0x80)(r), X8; MOVUPS (off+0x90)(r), X9; \
	MOVUPS (off+0xa0)(r), X10; MOVUPS (off+0xb0)(r), X11; \
	MOVUPS (off+0xc0)(r), X12; MOVUPS (off+0xd0)(r), X13; \
	MOVUPS (off+0xe0)(r), X14; MOVUPS (off+0xf0)(r), X15

// SETFS_AX writes AX to the FS base; without FSGSBASE through the MSR, which
// clobbers CX and DX.
#define SETFS_AX \
	CMPB ·fsgsbase(SB), $0; \
	JEQ  3(PC); \
	WRFSBASEQ AX; \
	JMP  5(PC); \
	MOVL $0xc0000100, CX; \
	MOVQ AX, DX; \
	SHRQ $32, DX; \
	WRMSR

// FENCE_FLAGS clears what the gates leave as the interrupted code had it: DF,
// and AC where SMAP makes it matter (SECURITY: every entry begins with both).
#define FENCE_FLAGS \
	CLD; \
	CMPB ·haveSMAP(SB), $0; \
	JEQ  4(PC); \
	BYTE $0x0f; BYTE $0x01; BYTE $0xca // CLAC

// LOAD_SS gives SS the kernel's selector, which the gates leave null (SDM vol. 3,
// 6.14.5): with one value everywhere in ring 0, an emulator that keeps the state of SS
// with the code that it translates does not translate the kernel twice. Clobbers AX.
#define LOAD_SS \
	MOVL $const_selKData, AX; \
	MOVW AX, SS

// GROUND_STACK leaves for the CPU's ground stack with its fake g. AX must hold
// nothing. Go's ABIInternal wants spill space above the return address, R14 = g
// and X15 = 0.
#define GROUND_STACK \
	MOVQ percpu_stackTLS(GS), AX; \
	SETFS_AX; \
	MOVQ percpu_stackG(GS), R14; \
	MOVQ percpu_stackTop(GS), SP; \
	XORPS X15, X15

// CALL_GO calls a Go function through its static function value: no ABI0
// wrapper, which would want a real g.
#define CALL_GO(fn) \
	MOVQ fn(SB), DX; \
	MOVQ (DX), R11; \
	CALL R11

// syscallEntry is LSTAR. RCX = return address, R11 = flags (SDM vol. 2,
// SYSCALL). Bit 63 of RCX tells the kernel's own Go from the program: the last
// user page is never mapped, so a user RCX is below 2^47.
TEXT ·syscallEntry(SB),NOSPLIT|NOFRAME,$0
	TESTQ CX, CX
	JMI  ring0
	SWAPGS
	MOVQ SP, percpu_scratch(GS)
	MOVQ percpu_curCtx(GS), SP
	ADDQ $Regs_SS, SP
	PUSHQ percpu_scratch(GS)
	PUSHQ R11
	PUSHQ $const_selUCode
	PUSHQ CX
	LEAQ -16(SP), SP
	PUSH_REGS
	SAVE_XMM(Ctx_XMM, SP)
	STMXCSR Ctx_MXCSR(SP)
	LDMXCSR ·mxcsr(SB)
	MOVL $0, Ctx_IRet(SP)
	CMPB ·fsgsbase(SB), $0
	JEQ  nofs
	RDFSBASEQ AX
	MOVQ AX, Ctx_FS(SP)
	MOVQ percpu_curM(GS), AX
	MOVQ mstate_fs(AX), AX
	WRFSBASEQ AX
back:
	MOVQ Ctx_g(SP), R14
	MOVQ Ctx_gBP(SP), BP
	MOVQ Ctx_gSP(SP), SP
	XORPS X15, X15
	MOVQ $const_ReasonSyscall, 16(SP)
	STI
	RETURN
nofs:
	MOVQ percpu_curM(GS), AX
	MOVQ mstate_fs(AX), AX
	SETFS_AX
	JMP  back
ring0:
	JMP groundSyscall<>(SB)

// groundSyscall serves the kernel's own Go runtime.
TEXT groundSyscall<>(SB),NOSPLIT|NOFRAME,$0
	MOVQ SP, percpu_scratch(GS)
	MOVQ percpu_curM(GS), SP
	ADDQ $Regs__size, SP
	PUSHQ $const_selKData
	PUSHQ percpu_scratch(GS)
	PUSHQ R11
	PUSHQ $const_selKCode
	PUSHQ CX
	LEAQ -16(SP), SP
	PUSH_REGS
	MOVL $0, mstate_full(SP)
	MOVQ SP, BX
	GROUND_STACK
	MOVQ BX, AX
	SUBQ $64, SP
	CALL_GO(·fnSyscall)
	JMP resume<>(SB)

// resume continues the M in AX. A full state goes back by IRETQ with every
// register; otherwise it is a system call or a return from Enter, where the
// vector registers are dead and interrupts were on.
TEXT resume<>(SB),NOSPLIT|NOFRAME,$0
	MOVQ AX, SP
	MOVQ mstate_fs(SP), AX
	SETFS_AX
	CMPL mstate_full(SP), $0
	JNE  full
	POP_REGS
	MOVQ 16(SP), CX // RIP
	MOVQ 40(SP), SP // RSP
	XORPS X15, X15
	STI
	JMP  CX
full:
	LOAD_XMM(mstate_xmm, SP)
	POP_REGS
	ADDQ $16, SP
	IRETQ

// func enter(c *Ctx) (r Reason)
// Goes to ring 3 as c says and returns when the program came back.
TEXT ·enter(SB),NOSPLIT|NOFRAME,$0-16
	MOVQ 8(SP), DI
	CLI
again:
	CMPL Ctx_Work(DI), $0
	JNE  work
	CMPL percpu_slow(GS), $0
	JNE  slow
	CMPQ percpu_xowner(GS), DI
	JNE  slow
	MOVQ SP, Ctx_gSP(DI)
	MOVQ BP, Ctx_gBP(DI)
	MOVQ R14, Ctx_g(DI)
	MOVQ DI, percpu_curCtx(GS)
	MOVQ Ctx_FS(DI), AX
	SETFS_AX
	LOAD_XMM(Ctx_XMM, DI)
	LDMXCSR Ctx_MXCSR(DI)
	MOVQ Regs_RIP(DI), CX
	MOVQ CX, AX
	SHRQ $47, AX
	JNE  badrip
	MOVQ Regs_R15(DI), R15
	MOVQ Regs_R14(DI), R14
	MOVQ Regs_R13(DI), R13
	MOVQ Regs_R12(DI), R12
	MOVQ Regs_BP(DI), BP
	MOVQ Regs_BX(DI), BX
	MOVQ Regs_R10(DI), R10
	MOVQ Regs_R9(DI), R9
	MOVQ Regs_R8(DI), R8
	MOVQ Regs_AX(DI), AX
	MOVQ Regs_DX(DI), DX
	MOVQ Regs_SI(DI), SI
	CMPL Ctx_IRet(DI), $0
	JNE  iret
	MOVQ Regs_RFlags(DI), R11
	BTL  $8, R11
	JCS  iret // SYSRET would trap before the next instruction, not after it
	MOVQ Regs_RSP(DI), SP
	MOVQ Regs_DI(DI), DI
	SWAPGS
	BYTE $0x48; BYTE $0x0f; BYTE $0x07 // SYSRETQ: RIP = RCX, RFLAGS = R11
iret:
	MOVQ Regs_R11(DI), R11
	MOVQ Regs_CX(DI), CX
	MOVQ $const_selUCode, Regs_CS(DI)
	MOVQ $const_selUData, Regs_SS(DI)
	LEAQ Regs_RIP(DI), SP
	MOVQ Regs_DI(DI), DI
	SWAPGS
	JMP  ·userIRET(SB)
work:
	MOVQ $const_ReasonWork, 16(SP)
	STI
	RETURN
badrip:
	// SYSRET and IRETQ fault in ring 0 on a non-canonical address, and ring 3 is
	// never let loose at one of the kernel's; the program gets the fault that the
	// jump would have given it: #GP, or a page fault on the fetch (error code:
	// user mode, instruction fetch).
	MOVQ AX, BX
	MOVQ percpu_curM(GS), AX
	MOVQ mstate_fs(AX), AX
	SETFS_AX
	LDMXCSR ·mxcsr(SB)
	XORPS X15, X15
	MOVL $1, Ctx_IRet(DI)
	CMPQ BX, $0x1ffff
	JEQ  badfetch
	MOVQ $13, Regs_Vec(DI)
	MOVQ $0, Regs_Err(DI)
	MOVQ $(const_ReasonFault+13), 16(SP)
	STI
	RETURN
badfetch:
	MOVQ CX, Ctx_CR2(DI)
	MOVQ $14, Regs_Vec(DI)
	MOVQ $0x14, Regs_Err(DI)
	MOVQ $(const_ReasonFault+14), 16(SP)
	STI
	RETURN
slow:
	MOVQ SP, Ctx_gSP(DI)
	MOVQ BP, Ctx_gBP(DI)
	MOVQ R14, Ctx_g(DI)
	MOVQ DI, percpu_scratch(GS)
	GROUND_STACK
	MOVQ DI, AX
	SUBQ $64, SP
	CALL_GO(·fnEnterSlow)
	MOVQ percpu_scratch(GS), DI
	MOVQ AX, BX
	MOVQ percpu_curM(GS), AX
	MOVQ mstate_fs(AX), AX
	SETFS_AX
	MOVQ Ctx_g(DI), R14
	MOVQ Ctx_gBP(DI), BP
	MOVQ Ctx_gSP(DI), SP
	XORPS X15, X15
	TESTQ BX, BX
	JEQ  again
	MOVQ BX, 16(SP)
	STI
	RETURN

// userIRET is the one instruction on the way to ring 3 that could still fault;
// exception knows its address.
TEXT ·userIRET(SB),NOSPLIT|NOFRAME,$0
	IRETQ

// enterReturn is where an M goes on that was in ring 3 when an interrupt came:
// enter's own return, with the result already stored.
TEXT enterReturn<>(SB),NOSPLIT|NOFRAME,$0
	RETURN

// interrupt: the stack (IST 2) holds vector, 0, and the processor's frame. One
// that came with the interrupt flag (bit 9 of RFLAGS) off has overwritten the
// frame of the one before, or will overwrite what curM was saved with. No
// processor delivers it (SDM vol. 3, 6.8.1), an emulated one can.
TEXT ·irqEntry(SB),NOSPLIT|NOFRAME,$0
	FENCE_FLAGS
	TESTB $3, 24(SP)
	JNE  user
	TESTB $2, 33(SP)
	JEQ  masked
	PUSHQ AX
	MOVQ percpu_curM(GS), AX
	STORE_REGS_AX
	SAVE_XMM(mstate_xmm, AX)
	MOVL $1, mstate_full(AX)
	MOVQ AX, BX
	MOVQ Regs_Vec(AX), SI
	JMP  call
user:
	SWAPGS
	PUSHQ AX
	MOVQ percpu_curCtx(GS), AX
	STORE_REGS_AX
	SAVE_XMM(Ctx_XMM, AX)
	STMXCSR Ctx_MXCSR(AX)
	LDMXCSR ·mxcsr(SB)
	MOVL $1, Ctx_IRet(AX)
	CMPB ·fsgsbase(SB), $0
	JEQ  nofs
	RDFSBASEQ CX
	MOVQ CX, Ctx_FS(AX)
nofs:
	// From here on the M has "returned from enter because of an interrupt".
	MOVQ Regs_Vec(AX), SI
	MOVQ percpu_curM(GS), BX
	MOVQ Ctx_gSP(AX), CX
	MOVQ $const_ReasonInterrupt, 16(CX)
	MOVQ CX, Regs_RSP(BX)
	MOVQ Ctx_gBP(AX), CX
	MOVQ CX, Regs_BP(BX)
	MOVQ Ctx_g(AX), CX
	MOVQ CX, Regs_R14(BX)
	LEAQ enterReturn<>(SB), CX
	MOVQ CX, Regs_RIP(BX)
	MOVL $0, mstate_full(BX)
call:
	LOAD_SS
	GROUND_STACK
	MOVQ BX, AX
	MOVQ SI, BX
	SUBQ $64, SP
	CALL_GO(·fnIRQ)
	JMP resume<>(SB)
masked:
	JMP ·deadEntry(SB)

// exception: the stack (IST 1, 4 for #DB, 7 for #PF) holds vector, error code and the
// processor's frame.
TEXT ·excEntry(SB),NOSPLIT|NOFRAME,$0
	FENCE_FLAGS
	TESTB $3, 24(SP)
	JNE  user
	PUSHQ AX
	LEAQ ·userIRET(SB), AX
	CMPQ AX, 24(SP)
	JEQ  iret
	POPQ AX
	JMP  excKernel<>(SB)
user:
	SWAPGS
	PUSHQ AX
	MOVQ percpu_curCtx(GS), AX
	STORE_REGS_AX
	SAVE_XMM(Ctx_XMM, AX)
	STMXCSR Ctx_MXCSR(AX)
	CMPB ·fsgsbase(SB), $0
	JEQ  tail
	RDFSBASEQ CX
	MOVQ CX, Ctx_FS(AX)
	JMP  tail
iret:
	// IRETQ to ring 3 refused what it found: the program's fault, seen before
	// it left ring 0 but after SWAPGS. Its registers are still in its Ctx; FS is
	// the program's and so is in Ctx too.
	SWAPGS
	POPQ AX
	MOVQ 0(SP), BX
	MOVQ 8(SP), CX
	MOVQ percpu_curCtx(GS), AX
	MOVQ BX, Regs_Vec(AX)
	MOVQ CX, Regs_Err(AX)
tail:
	LDMXCSR ·mxcsr(SB)
	MOVL $1, Ctx_IRet(AX)
	MOVQ CR2, CX
	MOVQ CX, Ctx_CR2(AX)
	MOVQ AX, BX
	LOAD_SS
	MOVQ percpu_curM(GS), AX
	MOVQ mstate_fs(AX), AX
	SETFS_AX
	MOVQ Ctx_g(BX), R14
	MOVQ Ctx_gBP(BX), BP
	MOVQ Ctx_gSP(BX), SP
	MOVQ Regs_Vec(BX), CX
	ADDQ $const_ReasonFault, CX
	MOVQ CX, 16(SP)
	XORPS X15, X15
	STI
	RETURN

// excKernel is an exception in ring 0: demand-zero memory of the runtime, a
// fault at a user-access primitive, a fault of kernel Go that becomes a signal
// to its runtime, or a bug in ground. It never changes the M; the frame on this
// stack is what it returns through. A nested one (ground touching a runtime
// page that is not there yet) finds the same stack busy only if the first was in
// this handler, which touches no such page.
TEXT excKernel<>(SB),NOSPLIT|NOFRAME,$0
	PUSH_REGS
	MOVQ SP, BX
	LOAD_SS
	SUBQ $272, SP
	SAVE_XMM(0, SP)
	CMPB ·fsgsbase(SB), $0
	JEQ  msr
	RDFSBASEQ AX
	JMP  have
msr:
	MOVL $0xc0000100, CX
	RDMSR
	SHLQ $32, DX
	ORQ  DX, AX
have:
	MOVQ AX, 256(SP)
	MOVQ const_offFaultG(GS), R14
	MOVQ const_offFaultTLS(GS), AX
	CMPQ Regs_Vec(BX), $14
	JNE  stack
	MOVQ const_offPageG(GS), R14
	MOVQ const_offPageTLS(GS), AX
stack:
	SETFS_AX
	XORPS X15, X15
	MOVQ BX, AX
	MOVQ SP, BX
	MOVQ CR2, CX
	SUBQ $64, SP
	CALL_GO(·fnTrap)
	ADDQ $64, SP
	MOVQ 256(SP), AX
	SETFS_AX
	LOAD_XMM(0, SP)
	ADDQ $272, SP
	POP_REGS
	ADDQ $16, SP
	IRETQ

// debugEntry: #DB in ring 0 can only be a leftover of the program's flags or
// of MOV SS; drop the trap flag and go on. GS is not looked at.
TEXT ·debugEntry(SB),NOSPLIT|NOFRAME,$0
	FENCE_FLAGS
	TESTB $3, 24(SP)
	JNE  user
	ADDQ $16, SP
	ANDQ $~0x100, 16(SP)
	IRETQ
user:
	JMP ·excEntry(SB)

// nmiEntry counts and returns; nothing else is safe to assume in an NMI.
TEXT ·nmiEntry(SB),NOSPLIT|NOFRAME,$0
	FENCE_FLAGS
	LOCK
	INCQ ·nmis(SB)
	ADDQ $16, SP
	IRETQ

// deadEntry is #DF on IST 5, #MC on IST 6, and an interrupt with interrupts off on
// IST 2: there is no way back. GS may be anyone's; the word above each of these
// stacks is this CPU's block. It goes on on IST 5, which the fake g is of: below the
// frame of a #DF, for the others at the top.
TEXT ·deadEntry(SB),NOSPLIT|NOFRAME,$0
	FENCE_FLAGS
	PUSH_REGS
	MOVQ SP, BX
	MOVQ Regs__size(SP), AX
	MOVQ AX, DX
	SHRQ $32, DX
	MOVL $0xc0000101, CX
	WRMSR
	MOVQ const_offDeadTLS(GS), AX
	SETFS_AX
	MOVQ const_offDeadG(GS), R14
	XORPS X15, X15
	MOVQ BX, AX
	CMPQ Regs_Vec(BX), $8
	JEQ  double
	MOVQ const_offDeadTop(GS), SP
double:
	SUBQ $64, SP
	CALL_GO(·fnDead)
	HLT

// func call(fn, a, b, c uintptr) (r uintptr)
// Runs a ground function on the CPU's ground stack with interrupts off; fn is
// the address of its function value. For ordinary Go.
TEXT ·call(SB),NOSPLIT|NOFRAME,$0-40
	MOVQ SP, BX
	CLI
	MOVQ BP, SI
	MOVQ R14, DI
	GROUND_STACK
	PUSHQ BX
	PUSHQ SI
	PUSHQ DI
	SUBQ $72, SP
	MOVQ 8(BX), DX
	MOVQ 16(BX), AX
	MOVQ 32(BX), CX
	MOVQ 24(BX), BX
	MOVQ (DX), R11
	CALL R11
	MOVQ AX, BX
	MOVQ percpu_curM(GS), AX
	MOVQ mstate_fs(AX), AX
	SETFS_AX
	ADDQ $72, SP
	POPQ R14
	POPQ BP
	POPQ SP
	XORPS X15, X15
	MOVQ BX, 40(SP)
	STI
	RETURN

// func clockGettime: int clock_gettime(clockid_t DI, struct timespec *SI) in the
// C calling convention, as the runtime calls a vDSO. Clock 0 is real time, all
// others monotonic. clk is written under its sequence count by SetClock.
TEXT ·clockGettime(SB),NOSPLIT|NOFRAME,$0
retry:
	MOVL ·clk+clockData_seq(SB), R8
	TESTL $1, R8
	JNE  retry
	LFENCE
	RDTSC
	SHLQ $32, DX
	ORQ  DX, AX
	SUBQ ·clk+clockData_tsc(SB), AX
	JCC  forward
	XORL AX, AX
forward:
	MULQ ·clk+clockData_mult(SB)
	SHRQ $32, DX, AX
	TESTL DI, DI
	JEQ  real
	ADDQ ·clk+clockData_mono(SB), AX
	JMP  check
real:
	ADDQ ·clk+clockData_real(SB), AX
check:
	CMPL R8, ·clk+clockData_seq(SB)
	JNE  retry
	XORL DX, DX
	MOVQ $1000000000, CX
	DIVQ CX
	MOVQ AX, 0(SI)
	MOVQ DX, 8(SI)
	XORL AX, AX
	RETURN

// func resume(m uintptr): continue M m from ground Go; does not return.
TEXT ·resume(SB),NOSPLIT|NOFRAME,$0-8
	MOVQ 8(SP), AX
	JMP  resume<>(SB)
