#include "textflag.h"

// A frame for the red zone's sake: the callee is a leaf, but it is C's to use
// 128 bytes below its stack pointer.
TEXT ·Call(SB),NOSPLIT,$256-40
	MOVQ fn+0(FP), AX
	MOVQ a0+8(FP), DI
	MOVQ a1+16(FP), SI
	MOVQ a2+24(FP), DX
	MOVQ SP, BX
	ANDQ $~15, SP
	CALL AX
	MOVQ BX, SP
	MOVQ AX, ret+32(FP)
	RET

TEXT ·Jump(SB),NOSPLIT,$0-16
	MOVQ entry+0(FP), AX
	MOVQ sp+8(FP), SP
	MOVQ BP, CX // vet wants BP read before it changes; there is no way back
	XORL BX, BX
	XORL CX, CX
	XORL DX, DX
	XORL SI, SI
	XORL DI, DI
	XORL BP, BP
	XORL R8, R8
	XORL R9, R9
	XORL R10, R10
	XORL R11, R11
	XORL R12, R12
	XORL R13, R13
	XORL R14, R14
	XORL R15, R15
	JMP  AX
