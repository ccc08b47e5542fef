#include "go_asm.h"
#include "textflag.h"

// The functions of the object. They run in ring 3 at another address than the
// linker's: each is one symbol that jumps only within itself, keeps to the
// System V calling convention (psABI 3.2.1: arguments DI, SI; results AX; BX,
// BP, R12 to R15 and the stack stay as they are), touches neither the stack nor
// a g, and ends in END, which Image looks for. Image also fills in the
// displacement of VVAR. The program's compiler has never heard of X15 or R14.
//
// Man pages: clock_gettime(2), gettimeofday(2), time(2), getcpu(2), vdso(7).

// Each symbol ends with UD2 and these eight bytes, "end code".
#define END \
	BYTE $0x0f; BYTE $0x0b; \
	QUAD $0x65646f6320646e65

// LEAQ data(IP), R8, with the displacement to be filled in: "vvar".
#define VVAR \
	BYTE $0x4c; BYTE $0x8d; BYTE $0x05; LONG $0x72617676

// NOW puts the time of the clock with base at the address operand into AX, in
// nanoseconds, or goes to kernel. R8 is the Data page; changes CX, DX, R9, R10.
//
// LFENCE keeps RDTSC behind the reads of the page before it (Intel SDM vol. 2,
// RDTSC). A counter behind Data.tsc counts as equal. R10 < 0 is askKernel.
#define NOW(base) \
again: \
	MOVL  Data_seq(R8), R9; \
	TESTB $1, R9; \
	JNE   busy; \
	MOVQ  base, R10; \
	TESTQ R10, R10; \
	JMI   kernel; \
	XORL  CX, CX; \
	LFENCE; \
	RDTSC; \
	SHLQ  $32, DX; \
	ORQ   DX, AX; \
	SUBQ  Data_tsc(R8), AX; \
	CMOVQCS CX, AX; \
	MULQ  Data_mult(R8); \
	SHRQ  $32, DX, AX; \
	ADDQ  R10, AX; \
	CMPL  R9, Data_seq(R8); \
	JNE   again

// SPLIT divides AX by 10^9 = 2^9 * 5^9: seconds in DX, nanoseconds in CX; changes
// AX. The constant is ceil(2^75 / 5^9), too large by less than 2^20 / 5^9, which
// keeps the quotient exact for every dividend.
#define SPLIT \
	MOVQ  AX, CX; \
	SHRQ  $9, AX; \
	MOVQ  $0x44b82fa09b5a53, DX; \
	MULQ  DX; \
	SHRQ  $11, DX; \
	IMUL3Q $1000000000, DX, AX; \
	SUBQ  AX, CX

// int clock_gettime(clockid_t clock, struct timespec *t)
TEXT ·clockGettime(SB),NOSPLIT|NOFRAME,$0-0
	CMPL  DI, $11
	JHI   kernel
	VVAR
	MOVL  DI, DI // the upper half of an int argument is undefined
	NOW(Data_base(R8)(DI*8))
	SPLIT
	MOVQ  DX, 0(SI)
	MOVQ  CX, 8(SI)
	XORL  AX, AX
	RET
busy:
	PAUSE
	JMP   again
kernel:
	MOVL  $228, AX
	SYSCALL
	RET
	END

// int gettimeofday(struct timeval *t, struct timezone *z)
TEXT ·gettimeofday(SB),NOSPLIT|NOFRAME,$0-0
	TESTQ DI, DI
	JEQ   zone
	VVAR
	NOW(Data_base(R8))
	SPLIT
	MOVQ  DX, 0(DI)
	IMUL3Q $274877907, CX, CX // / 1000: exact below 2^32, ceil(2^38/1000)
	SHRQ  $38, CX
	MOVQ  CX, 8(DI)
zone:
	XORL  AX, AX
	TESTQ SI, SI
	JEQ   done
	MOVQ  AX, 0(SI) // UTC: two ints, both 0
done:
	RET
busy:
	PAUSE
	JMP   again
kernel:
	MOVL  $96, AX
	SYSCALL
	RET
	END

// time_t time(time_t *t)
TEXT ·time(SB),NOSPLIT|NOFRAME,$0-0
	VVAR
	NOW(Data_base(R8))
	SPLIT
	MOVQ  DX, AX
	TESTQ DI, DI
	JEQ   done
	MOVQ  AX, 0(DI)
done:
	RET
busy:
	PAUSE
	JMP   again
kernel:
	MOVL  $201, AX
	SYSCALL
	RET
	END

// int clock_getres(clockid_t clock, struct timespec *t)
//
// One nanosecond for the clocks 0, 1, 4, 7 and 11 whoever answers them. What a
// coarse clock and the others have is for the kernel to say.
TEXT ·clockGetres(SB),NOSPLIT|NOFRAME,$0-0
	CMPL  DI, $11
	JHI   kernel
	MOVL  $0x893, AX
	BTL   DI, AX
	JCC   kernel
	XORL  AX, AX
	TESTQ SI, SI
	JEQ   done
	MOVQ  AX, 0(SI)
	MOVQ  $1, 8(SI)
done:
	RET
kernel:
	MOVL  $229, AX
	SYSCALL
	RET
	END

// int getcpu(unsigned *cpu, unsigned *node, void *unused)
TEXT ·getcpu(SB),NOSPLIT|NOFRAME,$0-0
	VVAR
	TESTB $1, Data_flags(R8)
	JEQ   kernel
	RDTSCP
	TESTQ DI, DI
	JEQ   node
	MOVL  CX, AX
	ANDL  $0xfff, AX
	MOVL  AX, 0(DI)
node:
	TESTQ SI, SI
	JEQ   done
	SHRL  $12, CX
	MOVL  CX, 0(SI)
done:
	XORL  AX, AX
	RET
kernel:
	MOVL  $309, AX
	SYSCALL
	RET
	END

// func entries(e *[functions]uintptr)
//
// Addresses are taken here: a Go reference would be to the ABI wrapper.
TEXT ·entries(SB),NOSPLIT,$0-8
	MOVQ e+0(FP), DI
	LEAQ ·clockGettime(SB), AX
	MOVQ AX, 0(DI)
	LEAQ ·gettimeofday(SB), AX
	MOVQ AX, 8(DI)
	LEAQ ·time(SB), AX
	MOVQ AX, 16(DI)
	LEAQ ·clockGetres(SB), AX
	MOVQ AX, 24(DI)
	LEAQ ·getcpu(SB), AX
	MOVQ AX, 32(DI)
	RET
