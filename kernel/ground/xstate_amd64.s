#include "textflag.h"

// Saving and restoring the extended state, Intel SDM vol. 1, 13.

// func xsave(area uintptr, mask uint64), xrstor (ok bool), fxsave, fxrstor (ok bool)
TEXT ·xsave(SB),NOSPLIT,$0-16
	MOVQ area+0(FP), DI
	MOVQ mask+8(FP), AX
	MOVQ AX, DX
	SHRQ $32, DX
	XSAVE64 (DI)
	RET

TEXT ·xrstor(SB),NOSPLIT,$0-17
	MOVQ area+0(FP), DI
	MOVQ mask+8(FP), AX
	MOVQ AX, DX
	SHRQ $32, DX
	CALL ·xrstorInsn(SB)
	MOVB AX, ok+16(FP)
	LDMXCSR ·mxcsr(SB)
	RET

TEXT ·fxsave(SB),NOSPLIT,$0-8
	MOVQ area+0(FP), DI
	FXSAVE64 (DI)
	RET

// The two instructions that refuse what they are given (#GP). gTrap knows their
// addresses and then goes on at restoreFailed.
TEXT ·xrstorInsn(SB),NOSPLIT|NOFRAME,$0
	XRSTOR64 (DI)
	MOVL $1, AX
	RET

TEXT ·fxrstorInsn(SB),NOSPLIT|NOFRAME,$0
	FXRSTOR64 (DI)
	MOVL $1, AX
	RET

TEXT ·restoreFailed(SB),NOSPLIT|NOFRAME,$0
	XORL AX, AX
	RET

TEXT ·fxrstor(SB),NOSPLIT,$0-9
	MOVQ area+0(FP), DI
	CALL ·fxrstorInsn(SB)
	MOVB AX, ok+8(FP)
	LDMXCSR ·mxcsr(SB)
	XORPS X15, X15
	RET
