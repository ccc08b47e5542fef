#include "textflag.h"

// The program of ringThree: R15 is the thread's number. It fills registers and
// vector registers with values of its own, makes a call or spins, and checks
// them all. AX = 99 with DI = which says that something changed.

#define BAD(n) \
	MOVQ $n, DI; \
	MOVQ $99, AX; \
	SYSCALL

TEXT code<>(SB),NOSPLIT|NOFRAME,$0
	MOVQ $0x1111111111111111, BX
	IMULQ R15, BX
	MOVQ BX, BP
	ADDQ $1, BP
	MOVQ BP, R8
	ADDQ $1, R8
	MOVQ R8, R9
	ADDQ $1, R9
	MOVQ R9, R10
	ADDQ $1, R10
	MOVQ R10, R12
	ADDQ $1, R12
	MOVQ R12, R13
	ADDQ $1, R13
	MOVQ R13, R14
	ADDQ $1, R14
	MOVQ R14, SI
	ADDQ $1, SI
	MOVQ BX, X0
	PUNPCKLQDQ X0, X0
	MOVO X0, X1
	PADDQ X1, X1
	MOVO X1, X7
	PADDQ X0, X7
	MOVO X7, X15
	PADDQ X0, X15
	MOVO X15, X14
	PADDQ X0, X14
	PUSHQ BX
	POPQ DX
loop:
	MOVQ $0, CX
	MOVQ $1, AX
	SYSCALL
	MOVQ $2000, CX
spin:
	DECQ CX
	JNE  spin
	MOVQ $0x1111111111111111, DX
	IMULQ R15, DX
	CMPQ DX, BX
	JNE  b1
	ADDQ $1, DX
	CMPQ DX, BP
	JNE  b2
	ADDQ $1, DX
	CMPQ DX, R8
	JNE  b3
	ADDQ $1, DX
	CMPQ DX, R9
	JNE  b3
	ADDQ $1, DX
	CMPQ DX, R10
	JNE  b3
	ADDQ $1, DX
	CMPQ DX, R12
	JNE  b4
	ADDQ $1, DX
	CMPQ DX, R13
	JNE  b4
	ADDQ $1, DX
	CMPQ DX, R14
	JNE  b4
	ADDQ $1, DX
	CMPQ DX, SI
	JNE  b5
	MOVQ X0, DX
	CMPQ DX, BX
	JNE  b6
	MOVQ X1, DX
	SUBQ BX, DX
	CMPQ DX, BX
	JNE  b6
	MOVQ X14, DX
	LEAQ (BX)(BX*4), DI
	CMPQ DX, DI
	JNE  b7
	MOVQ X15, DX
	SHRQ $0, DX
	LEAQ (BX)(BX*2), DI
	ADDQ BX, DI
	CMPQ DX, DI
	JNE  b7
	JMP  loop
b1:
	BAD(1)
b2:
	BAD(2)
b3:
	BAD(3)
b4:
	BAD(4)
b5:
	BAD(5)
b6:
	BAD(6)
b7:
	BAD(7)
TEXT codeEnd<>(SB),NOSPLIT|NOFRAME,$0
	BYTE $0xc3

TEXT ·userCode(SB),NOSPLIT,$0-16
	LEAQ code<>(SB), AX
	MOVQ AX, start+0(FP)
	LEAQ codeEnd<>(SB), AX
	MOVQ AX, end+8(FP)
	RET

TEXT ·maskedInterrupt(SB),NOSPLIT,$0
	CLI
	INT $0x30
	RET

// SIDT and SGDT store a 10-byte descriptor: limit and base.
TEXT ·tables(SB),NOSPLIT,$16-16
	BYTE $0x0f; BYTE $0x01; BYTE $0x0c; BYTE $0x24 // SIDT (SP)
	MOVQ 2(SP), AX
	MOVQ AX, idt+0(FP)
	BYTE $0x0f; BYTE $0x01; BYTE $0x04; BYTE $0x24 // SGDT (SP)
	MOVQ 2(SP), AX
	MOVQ AX, gdt+8(FP)
	RET

TEXT ·overflow(SB),NOSPLIT,$0-16
	MOVQ tss+0(FP), BX
	ADDQ off+8(FP), BX
	CLI
	MOVQ (BX), SP
push:
	PUSHQ AX
	JMP  push

TEXT ·raise(SB),NOSPLIT,$0-16
	CLI
	MOVQ vector+0(FP), BX
	MOVQ gs+8(FP), AX
	CMPQ AX, $1
	JEQ  kept
	MOVQ AX, DX
	SHRQ $32, DX
	MOVL $0xc0000101, CX // IA32_GS_BASE
	WRMSR
kept:
	CMPQ BX, $18
	JEQ  check
	CMPQ BX, $48
	JEQ  masked
	MOVQ 0x600000, AX
check:
	INT $18
masked:
	INT $48
	RET
