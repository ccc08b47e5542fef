#include "textflag.h"

// The access primitives. Each instruction that touches user memory stands in a
// symbol of its own, which is the range of one entry of the fix-up table: a
// fault on a user address inside it makes ground go on at the symbol's landing
// with all other registers as they were. RFLAGS.AC is set only between OPEN and
// CLOSE (Intel SDM vol. 3, 4.6.1); STAC and CLAC exist only where SMAP does.

#define STAC BYTE $0x0f; BYTE $0x01; BYTE $0xcb
#define CLAC BYTE $0x0f; BYTE $0x01; BYTE $0xca
#define HAVE_SMAP CMPB skerry∕kernel∕ground∕arch·SMAP(SB), $0
#define RETURN BYTE $0xc3

// func rawCopy(dst, src, n uintptr) (left uintptr)
// 64-byte steps, then 8, 4, 2 and 1: a word that another thread stores to is read
// whole, or not at all. A fault in a step falls back to single bytes, which find the
// exact byte that cannot be reached.
TEXT ·rawCopy(SB),NOSPLIT,$0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	HAVE_SMAP
	JEQ  go
	STAC
go:
	CALL bulk<>(SB)
	HAVE_SMAP
	JEQ  done
	CLAC
done:
	MOVQ CX, left+24(FP)
	RET

// DI to, SI from, CX bytes left.
TEXT bulk<>(SB),NOSPLIT|NOFRAME,$0-0
	CMPQ CX, $64
	JCS  out
loop:
	MOVUPS 0(SI), X0
	MOVUPS 16(SI), X1
	MOVUPS 32(SI), X2
	MOVUPS 48(SI), X3
	MOVUPS X0, 0(DI)
	MOVUPS X1, 16(DI)
	MOVUPS X2, 32(DI)
	MOVUPS X3, 48(DI)
	ADDQ $64, SI
	ADDQ $64, DI
	SUBQ $64, CX
	CMPQ CX, $64
	JCC  loop
out:
	JMP  words<>(SB)

TEXT words<>(SB),NOSPLIT|NOFRAME,$0-0
	CMPQ CX, $8
	JCS  four
loop:
	MOVQ (SI), AX
	MOVQ AX, (DI)
	ADDQ $8, SI
	ADDQ $8, DI
	SUBQ $8, CX
	CMPQ CX, $8
	JCC  loop
four:
	CMPQ CX, $4
	JCS  two
	MOVL (SI), AX
	MOVL AX, (DI)
	ADDQ $4, SI
	ADDQ $4, DI
	SUBQ $4, CX
two:
	CMPQ CX, $2
	JCS  one
	MOVW (SI), AX
	MOVW AX, (DI)
	ADDQ $2, SI
	ADDQ $2, DI
	SUBQ $2, CX
one:
	JMP  bytes<>(SB)

TEXT bytes<>(SB),NOSPLIT|NOFRAME,$0-0
	TESTQ CX, CX
	JEQ  out
loop:
	MOVB (SI), AX
	MOVB AX, (DI)
	INCQ SI
	INCQ DI
	DECQ CX
	JNE  loop
out:
	RETURN

// copied is where a fault in bytes lands: back to rawCopy with CX bytes left.
TEXT copied<>(SB),NOSPLIT|NOFRAME,$0-0
	RETURN

// The word forms: one MOV or one LOCK CMPXCHG each. DX says whether it went
// through; a fault lands at missed, which clears it.
TEXT loadL<>(SB),NOSPLIT|NOFRAME,$0-0
	MOVL (SI), AX
	RETURN

TEXT loadQ<>(SB),NOSPLIT|NOFRAME,$0-0
	MOVQ (SI), AX
	RETURN

TEXT storeL<>(SB),NOSPLIT|NOFRAME,$0-0
	MOVL AX, (SI)
	RETURN

TEXT casL<>(SB),NOSPLIT|NOFRAME,$0-0
	LOCK
	CMPXCHGL BX, (SI)
	RETURN

TEXT missed<>(SB),NOSPLIT|NOFRAME,$0-0
	XORL DX, DX
	RETURN

#define OPEN \
	HAVE_SMAP; \
	JEQ  open; \
	STAC; \
open: \
	MOVL $1, DX

#define CLOSE \
	HAVE_SMAP; \
	JEQ  closed; \
	CLAC; \
closed:

// func rawLoad32(addr uintptr) (v uint32, ok bool)
TEXT ·rawLoad32(SB),NOSPLIT,$0-13
	MOVQ addr+0(FP), SI
	OPEN
	CALL loadL<>(SB)
	CLOSE
	MOVL AX, v+8(FP)
	MOVB DX, ok+12(FP)
	RET

// func rawLoad64(addr uintptr) (v uint64, ok bool)
TEXT ·rawLoad64(SB),NOSPLIT,$0-17
	MOVQ addr+0(FP), SI
	OPEN
	CALL loadQ<>(SB)
	CLOSE
	MOVQ AX, v+8(FP)
	MOVB DX, ok+16(FP)
	RET

// func rawStore32(addr uintptr, v uint32) (ok bool)
TEXT ·rawStore32(SB),NOSPLIT,$0-17
	MOVQ addr+0(FP), SI
	MOVL v+8(FP), AX
	OPEN
	CALL storeL<>(SB)
	CLOSE
	MOVB DX, ok+16(FP)
	RET

// func rawCmpxchg32(addr uintptr, old, new uint32) (prev uint32, ok bool)
TEXT ·rawCmpxchg32(SB),NOSPLIT,$0-21
	MOVQ addr+0(FP), SI
	MOVL old+8(FP), AX
	MOVL new+12(FP), BX
	OPEN
	CALL casL<>(SB)
	CLOSE
	MOVL AX, prev+16(FP)
	MOVB DX, ok+20(FP)
	RET

#define ENTRY(i, sym, land) \
	LEAQ sym<>(SB), AX; \
	MOVQ AX, (i*24)(DI); \
	LEAQ land<>(SB), AX; \
	MOVQ AX, (i*24+16)(DI)

// func fixups(table *[7][3]uintptr)
// Fills start and landing; the Go side finds the ends.
TEXT ·fixups(SB),NOSPLIT,$0-8
	MOVQ table+0(FP), DI
	ENTRY(0, bulk, bytes)
	ENTRY(1, words, bytes)
	ENTRY(2, bytes, copied)
	ENTRY(3, loadL, missed)
	ENTRY(4, loadQ, missed)
	ENTRY(5, storeL, missed)
	ENTRY(6, casL, missed)
	RET
