package kvmprobe

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Where things are in the guest's memory, which is mapped one to one.
const (
	pml4      = 0x1000
	pdpt      = 0x2000
	directory = 0x3000
	codeAt    = 0x4000
	dataAt    = 0x5000
	memSize   = 0x10000

	// port is where the guest tells what it has done, a byte each time.
	port = 0x510
)

// What the guest tells, in this order; stepLoop comes rounds times.
const (
	stepSSE  = '1'
	stepMSR  = '2'
	stepLoop = '3'
	stepEnd  = '4'
)

const (
	rounds = 4         // of the loop
	turns  = 1_000_000 // of a round
)

// Offsets of results in the data page, and what must be there.
const (
	operandA = 0  // 16 bytes
	operandB = 16 // 16 bytes
	resXOR   = 32 // A xor B, by SSE
	resEFER  = 48 // u32
	resLSTAR = 56 // u64
	resGS    = 64 // u64, the second half of A, read through GS

	// EFER: SCE, LME, LMA (AMD64 Architecture Programmer's Manual, volume 2,
	// 3.1.7). The guest sets SCE itself.
	efer  = 1<<8 | 1<<10
	sce   = 1
	lstar = 0xffffffff_92345678
)

// code is the guest's program, entered in 64-bit mode at codeAt. It uses no stack.
var code = []byte{
	0x48, 0xc7, 0xc3, 0x00, 0x50, 0x00, 0x00, // mov rbx, dataAt

	0x0f, 0x10, 0x03, // movups xmm0, [rbx+operandA]
	0x0f, 0x10, 0x4b, 0x10, // movups xmm1, [rbx+operandB]
	0x0f, 0x57, 0xc1, // xorps xmm0, xmm1
	0x0f, 0x11, 0x43, 0x20, // movups [rbx+resXOR], xmm0
	0x66, 0xba, 0x10, 0x05, // mov dx, port
	0xb0, '1', // mov al, stepSSE
	0xee, // out dx, al

	0xb9, 0x80, 0x00, 0x00, 0xc0, // mov ecx, 0xc0000080: EFER
	0x0f, 0x32, // rdmsr
	0x83, 0xc8, 0x01, // or eax, SCE
	0x0f, 0x30, // wrmsr
	0x0f, 0x32, // rdmsr
	0x89, 0x43, 0x30, // mov [rbx+resEFER], eax
	0xb9, 0x82, 0x00, 0x00, 0xc0, // mov ecx, 0xc0000082: LSTAR
	0xb8, 0x78, 0x56, 0x34, 0x92, // mov eax, lstar, lower half
	0xba, 0xff, 0xff, 0xff, 0xff, // mov edx, lstar, upper half
	0x0f, 0x30, // wrmsr
	0x31, 0xc0, // xor eax, eax
	0x31, 0xd2, // xor edx, edx
	0x0f, 0x32, // rdmsr
	0x89, 0x43, 0x38, // mov [rbx+resLSTAR], eax
	0x89, 0x53, 0x3c, // mov [rbx+resLSTAR+4], edx
	0xb9, 0x01, 0x01, 0x00, 0xc0, // mov ecx, 0xc0000101: GS base
	0xb8, 0x00, 0x50, 0x00, 0x00, // mov eax, dataAt
	0x31, 0xd2, // xor edx, edx
	0x0f, 0x30, // wrmsr
	0x65, 0x48, 0x8b, 0x04, 0x25, 0x08, 0x00, 0x00, 0x00, // mov rax, gs:[operandA+8]
	0x48, 0x89, 0x43, 0x40, // mov [rbx+resGS], rax
	0x66, 0xba, 0x10, 0x05, // mov dx, port
	0xb0, '2', // mov al, stepMSR
	0xee, // out dx, al

	0xbe, rounds, 0x00, 0x00, 0x00, // mov esi, rounds
	0xb9, 0x40, 0x42, 0x0f, 0x00, // 1: mov ecx, turns
	0xff, 0xc9, // 2: dec ecx
	0x75, 0xfc, // jnz 2b
	0xb0, '3', // mov al, stepLoop
	0xee,       // out dx, al
	0xff, 0xce, // dec esi
	0x75, 0xf0, // jnz 1b

	0xb0, '4', // mov al, stepEnd
	0xee,       // out dx, al
	0xf4,       // 3: hlt
	0xeb, 0xfd, // jmp 3b
}

// Bits of a page-table entry (the same manual, 5.4.1).
const (
	present  = 1 << 0
	writable = 1 << 1
	large    = 1 << 7
)

// fill writes tables, program and operands into the guest's memory.
func fill(mem []byte) {
	le := binary.LittleEndian
	le.PutUint64(mem[pml4:], pdpt|present|writable)
	le.PutUint64(mem[pdpt:], directory|present|writable)
	le.PutUint64(mem[directory:], 0|present|writable|large) // 2 MiB from 0
	copy(mem[codeAt:], code)
	for i := range 16 {
		mem[dataAt+operandA+i] = byte(0x11 * i)
		mem[dataAt+operandB+i] = byte(0xa5 - 3*i)
	}
}

// verify looks at what the guest has left in its memory.
func verify(mem []byte) error {
	d := mem[dataAt:]
	var xor [16]byte
	for i := range xor {
		xor[i] = d[operandA+i] ^ d[operandB+i]
	}
	if !bytes.Equal(d[resXOR:resXOR+16], xor[:]) {
		return fmt.Errorf("SSE instructions give %x instead of %x", d[resXOR:resXOR+16], xor)
	}
	le := binary.LittleEndian
	if got := le.Uint32(d[resEFER:]); got&(efer|sce) != efer|sce {
		return fmt.Errorf("the register EFER reads as %#x after SCE was set", got)
	}
	if got := le.Uint64(d[resLSTAR:]); got != lstar {
		return fmt.Errorf("the register LSTAR reads as %#x after %#x was written", got, uint64(lstar))
	}
	if got, want := le.Uint64(d[resGS:]), le.Uint64(d[operandA+8:]); got != want {
		return fmt.Errorf("a load through GS gives %#x instead of %#x", got, want)
	}
	return nil
}
