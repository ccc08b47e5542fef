package kernelelf

import "encoding/binary"

// asm collects machine code; the text beside each line is the instruction.
type asm struct{ b []byte }

func (a *asm) op(b ...byte) { a.b = append(a.b, b...) }

func (a *asm) op32(v uint32, b ...byte) {
	a.b = binary.LittleEndian.AppendUint32(append(a.b, b...), v)
}

// bootStub is the code that PVH enters (hvm_start_info.h: 32-bit protected mode,
// paging off, flat segments, EBX = start info). It maps the first GiB with 2 MiB
// pages at 0, at ground.DirectMap and at -2 GiB, turns long mode on (Intel SDM
// vol. 3, 9.8.5) and jumps to the kernel's entry with RBX = start info.
//
// base is where the stub itself is loaded, tables the physical address of
// ground.bootTables, entry the kernel's 64-bit entry point. The stub uses no
// stack.
func bootStub(base, tables uint32, entry uint64) []byte {
	t := (tables + 4095) &^ 4095
	pml4, low, high, pd := t, t+0x1000, t+0x2000, t+0x3000
	a := &asm{}
	a.op(0xfa)           // cli
	a.op(0xfc)           // cld
	a.op32(t, 0xbf)      // mov edi, tables
	a.op32(0x1000, 0xb9) // mov ecx, 4 pages / 4
	a.op(0x31, 0xc0)     // xor eax, eax
	a.op(0xf3, 0xab)     // rep stosd
	// PML4: [0] and [256] -> low, [511] -> high.
	a.op32(low|3, 0xb8) // mov eax, low|P|W
	a.op32(pml4, 0xa3)  // mov [pml4], eax
	a.op32(pml4+256*8, 0xa3)
	a.op32(high|3, 0xb8)
	a.op32(pml4+511*8, 0xa3)
	// PDPTs: low[0] and high[510] -> pd.
	a.op32(pd|3, 0xb8)
	a.op32(low, 0xa3)
	a.op32(high+510*8, 0xa3)
	// Page directory: 512 entries of 2 MiB, P|W|PS.
	a.op32(pd, 0xbf)   // mov edi, pd
	a.op32(0x83, 0xb8) // mov eax, 0x83
	a.op32(512, 0xb9)  // mov ecx, 512
	loop := len(a.b)
	a.op(0x89, 0x07)                    // mov [edi], eax
	a.op32(2<<20, 0x05)                 // add eax, 2 MiB
	a.op(0x83, 0xc7, 8)                 // add edi, 8
	a.op(0xe2, byte(loop-(len(a.b)+2))) // loop
	// CR4.PAE, CR3, EFER.LME, CR0.PG.
	a.op(0x0f, 0x20, 0xe0) // mov eax, cr4
	a.op32(0x20, 0x0d)     // or eax, PAE
	a.op(0x0f, 0x22, 0xe0) // mov cr4, eax
	a.op32(pml4, 0xb8)     // mov eax, pml4
	a.op(0x0f, 0x22, 0xd8) // mov cr3, eax
	a.op32(0xc0000080, 0xb9)
	a.op(0x0f, 0x32)       // rdmsr
	a.op32(0x101, 0x0d)    // or eax, LME|SCE
	a.op(0x0f, 0x30)       // wrmsr
	a.op(0x0f, 0x20, 0xc0) // mov eax, cr0
	a.op32(0x80000001, 0x0d)
	a.op(0x0f, 0x22, 0xc0) // mov cr0, eax
	// Descriptors: null, 64-bit code, data; then a far jump into 64-bit code.
	lgdt := len(a.b)
	a.op32(0, 0x0f, 0x01, 0x15) // lgdt [gdtr]
	ljmp := len(a.b)
	a.op32(0, 0xea) // ljmp 0x08:long
	a.op(0x08, 0x00)
	long := len(a.b)
	a.op32(0x10, 0xb8) // mov eax, data selector
	a.op(0x8e, 0xd8)   // mov ds, eax
	a.op(0x8e, 0xc0)   // mov es, eax
	a.op(0x8e, 0xd0)   // mov ss, eax
	a.op(0x31, 0xc0)   // xor eax, eax
	a.op(0x8e, 0xe0)   // mov fs, eax
	a.op(0x8e, 0xe8)   // mov gs, eax
	a.op(0x89, 0xdb)   // mov ebx, ebx: clear the upper half
	a.op(0x48, 0xb8)   // mov rax, entry
	a.b = binary.LittleEndian.AppendUint64(a.b, entry)
	a.op(0xff, 0xe0) // jmp rax
	for len(a.b)%8 != 0 {
		a.op(0)
	}
	gdt := len(a.b)
	for _, d := range []uint64{0, 0x00af9b000000ffff, 0x00cf93000000ffff} {
		a.b = binary.LittleEndian.AppendUint64(a.b, d)
	}
	gdtr := len(a.b)
	a.op(23, 0)
	a.b = binary.LittleEndian.AppendUint32(a.b, base+uint32(gdt))
	binary.LittleEndian.PutUint32(a.b[lgdt+3:], base+uint32(gdtr))
	binary.LittleEndian.PutUint32(a.b[ljmp+1:], base+uint32(long))
	return a.b
}
