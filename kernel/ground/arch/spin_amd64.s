#include "go_asm.h"
#include "textflag.h"

TEXT ·lockIRQ(SB),NOSPLIT,$0-16
	MOVQ word+0(FP), DI
	PUSHFQ
	POPQ AX
	CLI
	MOVQ AX, ret+8(FP)
try:
	MOVL  $1, CX
	XCHGL CX, (DI)
	TESTL CX, CX
	JNE   wait
	RET
wait:
	PAUSE
	CMPL CPU_Shoot(GS), $0
	JEQ  look
	CALL serve<>(SB)
look:
	CMPL (DI), $0
	JNE  wait
	JMP  try

// serve flushes [ShootStart, ShootEnd) and acknowledges. Clobbers AX, CX, DX.
// Both bounds zero: all translations, by switching CR4.PGE off and on (SDM
// vol. 3, 4.10.4.1).
TEXT serve<>(SB),NOSPLIT|NOFRAME,$0-0
	CMPL CPU_Shoot(GS), $0
	JEQ  none
	MOVQ ·ShootStart(SB), AX
	MOVQ ·ShootEnd(SB), DX
	TESTQ DX, DX
	JEQ  all
page:
	INVLPG (AX)
	ADDQ $4096, AX
	CMPQ AX, DX
	JCS  page
	JMP  ack
all:
	MOVQ CR4, AX
	MOVQ AX, CX
	XORQ $0x80, CX
	MOVQ CX, CR4
	MOVQ AX, CR4
ack:
	XORL AX, AX
	XCHGL AX, CPU_Shoot(GS)
none:
	RET

TEXT ·ServeShoot(SB),NOSPLIT|NOFRAME,$0-0
	JMP serve<>(SB)

TEXT ·FlushAll(SB),NOSPLIT,$0-0
	MOVQ CR4, AX
	MOVQ AX, CX
	XORQ $0x80, CX
	MOVQ CX, CR4
	MOVQ AX, CR4
	RET
