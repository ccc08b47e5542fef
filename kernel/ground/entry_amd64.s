#include "go_asm.h"
#include "textflag.h"

// entry is the ELF entry point: 64-bit, paging on with the boot stub's tables
// (first GiB at 0, at DirectMap and at -2 GiB), interrupts off, RBX = physical
// address of the PVH start info. The stub itself is written by the post-link
// step (image/kernelelf). Nothing of the Go runtime has run.
TEXT ·entry(SB),NOSPLIT|NOFRAME,$0
	MOVB $0, skerry∕kernel∕ground∕arch·Hosted(SB)
	LEAQ ·bootTables(SB), AX // keeps the stub's tables in the link
	LEAQ ·bootStack+32768(SB), SP
	// SSE on, emulation off (SDM vol. 3, 9.6); the stub set PAE and PGE.
	MOVQ CR0, AX
	ANDQ $~0xc, AX      // EM, TS
	ORQ  $0x50022, AX   // AM, WP, NE, MP
	MOVQ AX, CR0
	MOVQ CR4, AX
	ORQ  $0x600, AX     // OSFXSR, OSXMMEXCPT
	MOVQ AX, CR4
	// A fake g in the boot stack's lowest words: guard 0, so no stack check
	// fails; FS:-8 is its address.
	LEAQ ·bootStack(SB), R14
	MOVQ R14, 128(R14)
	LEAQ 136(R14), AX
	MOVQ AX, DX
	SHRQ $32, DX
	MOVL $0xc0000100, CX
	WRMSR
	XORPS X15, X15
	MOVQ BX, AX
	SUBQ $64, SP
	MOVQ ·fnBoot(SB), DX
	MOVQ (DX), CX
	CALL CX
	// AX = stack pointer for rt0, with argc at it; FS and registers as at exec.
	MOVQ AX, SP
	XORL BP, BP
	XORL DX, DX
	STI
	JMP  _rt0_amd64_linux(SB)

// apEntry is where the trampoline sends an application processor: 64-bit,
// trampoline tables, RDI = its percpu block.
TEXT ·apEntry(SB),NOSPLIT|NOFRAME,$0
	MOVQ CR0, AX
	ANDQ $~0xc, AX
	ORQ  $0x50022, AX
	MOVQ AX, CR0
	MOVQ CR4, AX
	ORQ  $0x600, AX
	MOVQ AX, CR4
	MOVQ ·rootTable(SB), AX
	MOVQ AX, CR3
	MOVQ percpu_stackTop(DI), SP
	MOVQ percpu_stackG(DI), R14
	MOVQ percpu_stackTLS(DI), AX
	MOVQ AX, DX
	SHRQ $32, DX
	MOVL $0xc0000100, CX
	WRMSR
	XORPS X15, X15
	MOVQ DI, AX
	SUBQ $64, SP
	MOVQ ·fnAP(SB), DX
	MOVQ (DX), CX
	CALL CX
	HLT

// trampoline is copied to trampolinePhys and runs there from real mode (SDM vol.
// 3, 9.4): CS = trampolinePhys>>4, IP = 0. Data at fixed offsets behind it:
//   0xf00 u32 page table root    0xf08 u64 entry
//   0xf10 u32 next CPU index     0xf14 u32 number of CPUs
//   0xf18 u64 address of the table of percpu blocks
//   0xf20 GDT (3 entries)        0xf40 GDT pointer (u16 limit, u32 base)
TEXT ·trampoline(SB),NOSPLIT|NOFRAME,$0
	BYTE $0xfa                                                             // cli
	BYTE $0xfc                                                             // cld
	BYTE $0x31; BYTE $0xc0                                                 // xor ax, ax
	BYTE $0x8e; BYTE $0xd8                                                 // mov ds, ax
	BYTE $0x66; BYTE $0x0f; BYTE $0x01; BYTE $0x16; WORD $0x8f40            // lgdt [0x8f40]
	BYTE $0x0f; BYTE $0x20; BYTE $0xe0                                     // mov eax, cr4
	BYTE $0x66; BYTE $0x0d; LONG $0xa0                                     // or eax, PAE|PGE
	BYTE $0x0f; BYTE $0x22; BYTE $0xe0                                     // mov cr4, eax
	BYTE $0x66; BYTE $0xa1; WORD $0x8f00                                   // mov eax, [0x8f00]
	BYTE $0x0f; BYTE $0x22; BYTE $0xd8                                     // mov cr3, eax
	BYTE $0x66; BYTE $0xb9; LONG $0xc0000080                               // mov ecx, EFER
	BYTE $0x0f; BYTE $0x32                                                 // rdmsr
	BYTE $0x66; BYTE $0x0d; LONG $0x901                                    // or eax, NXE|LME|SCE
	BYTE $0x0f; BYTE $0x30                                                 // wrmsr
	BYTE $0x0f; BYTE $0x20; BYTE $0xc0                                     // mov eax, cr0
	BYTE $0x66; BYTE $0x25; LONG $0x9fffffff                               // and eax, ~(CD|NW)
	BYTE $0x66; BYTE $0x0d; LONG $0x80000001                               // or eax, PG|PE
	BYTE $0x0f; BYTE $0x22; BYTE $0xc0                                     // mov cr0, eax
	BYTE $0x66; BYTE $0xea; LONG $0x8050; WORD $0x08                       // jmp far 0x08:0x8050
	// Padding up to offset 0x50, where 64-bit code begins.
	LONG $0x90909090
	BYTE $0x90; BYTE $0x90; BYTE $0x90
	// 64-bit
	MOVL $0x10, AX
	BYTE $0x8e; BYTE $0xd8 // mov ds, eax
	BYTE $0x8e; BYTE $0xc0 // mov es, eax
	BYTE $0x8e; BYTE $0xd0 // mov ss, eax
	XORL AX, AX
	BYTE $0x8e; BYTE $0xe0 // mov fs, eax
	BYTE $0x8e; BYTE $0xe8 // mov gs, eax
	MOVL $0x8f00, BX
	MOVL $1, CX
	LOCK
	XADDL CX, 0x10(BX)
	CMPL CX, 0x14(BX)
	JCC  surplus
	MOVQ 0x18(BX), DX
	MOVQ (DX)(CX*8), DI
	MOVQ 0x08(BX), AX
	JMP  AX
surplus:
	CLI
	HLT
	JMP  surplus

// func symbols(t *symbolTable)
TEXT ·symbols(SB),NOSPLIT,$0-8
	MOVQ t+0(FP), DI
	LEAQ ·syscallEntry(SB), AX
	MOVQ AX, symbolTable_syscallEntry(DI)
	LEAQ ·apEntry(SB), AX
	MOVQ AX, symbolTable_apEntry(DI)
	LEAQ ·clockGettime(SB), AX
	MOVQ AX, symbolTable_clockGettime(DI)
	LEAQ ·xrstorInsn(SB), AX
	MOVQ AX, symbolTable_xrstor(DI)
	LEAQ ·fxrstorInsn(SB), AX
	MOVQ AX, symbolTable_fxrstor(DI)
	LEAQ ·restoreFailed(SB), AX
	MOVQ AX, symbolTable_restoreFailed(DI)
	LEAQ runtime·text(SB), AX
	MOVQ AX, symbolTable_textStart(DI)
	LEAQ runtime·etext(SB), AX
	MOVQ AX, symbolTable_textEnd(DI)
	LEAQ runtime·erodata(SB), AX
	MOVQ AX, symbolTable_roEnd(DI)
	LEAQ runtime·edata(SB), AX
	MOVQ AX, symbolTable_dataEnd(DI)
	LEAQ runtime·end(SB), AX
	MOVQ AX, symbolTable_end(DI)
	LEAQ ·trampoline(SB), AX
	MOVQ AX, symbolTable_trampoline(DI)
	LEAQ ·symbols(SB), AX
	MOVQ AX, symbolTable_trampolineEnd(DI)
	RET
