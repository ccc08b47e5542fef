package kernelelf

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
)

const (
	// physOffset is the difference between link and load address.
	physOffset = 0xffffffff80000000
	// lazySymbol is the size in bytes from which a BSS symbol is left to demand.
	lazySymbol = 1 << 20

	pageSize  = 4096
	headerEnd = 0xf00 // the Go linker keeps its build-ID note above this
)

// Link is the post-link step: from the linker's output to a bootable image.
func Link(in []byte) ([]byte, error) {
	f, err := elf.NewFile(bytes.NewReader(in))
	if err != nil {
		return nil, fmt.Errorf("kernel: %w", err)
	}
	syms, err := f.Symbols()
	if err != nil {
		return nil, fmt.Errorf("kernel: %w (link it without -s)", err)
	}
	addr := make(map[string]elf.Symbol, len(syms))
	for _, s := range syms {
		addr[s.Name] = s
	}
	need := func(name string) (uint64, error) {
		s, ok := addr[name]
		if !ok {
			return 0, fmt.Errorf("kernel: no symbol %s: is this the kernel?", name)
		}
		return s.Value, nil
	}
	tables, err := need("skerry/kernel/ground.bootTables")
	if err != nil {
		return nil, err
	}
	linear, err := need("skerry/kernel/ground.LinearEnd")
	if err != nil {
		return nil, err
	}

	le := binary.LittleEndian
	var loads []*elf.Prog
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			loads = append(loads, p)
		}
	}
	if len(loads) != 3 || loads[0].Off != 0 || loads[0].Vaddr != physOffset+2<<20 {
		return nil, errors.New("kernel: not linked with -T -0x7fdff000 into three segments")
	}
	data := loads[2]
	end := lazyStart(syms, data)
	if f.Entry < loads[0].Vaddr {
		return nil, errors.New("kernel: the entry point lies outside the text")
	}

	// The file: the loaded bytes only.
	size := data.Off + data.Filesz
	if size > uint64(len(in)) {
		return nil, errors.New("kernel: truncated")
	}
	out := append([]byte(nil), in[:size]...)
	off := linear - data.Vaddr
	if off+8 > data.Filesz {
		return nil, errors.New("kernel: LinearEnd is not initialised data")
	}
	le.PutUint64(out[data.Off+off:], end)

	// Header page: ELF header, program headers, then note and stub.
	phoff, phnum := le.Uint64(out[32:]), int(le.Uint16(out[56:]))
	at := (phoff + uint64(phnum)*56 + 15) &^ 15
	for i := at; i < headerEnd; i++ {
		out[i] = 0 // the section headers stood here
	}
	note := at
	stub := (at + 32 + 15) &^ 15
	code := bootStub(uint32(2<<20+stub), uint32(tables-physOffset), f.Entry)
	if stub+uint64(len(code)) > headerEnd {
		return nil, errors.New("kernel: the boot stub does not fit into the header page")
	}
	copy(out[stub:], code)
	le.PutUint32(out[note:], 4)      // namesz
	le.PutUint32(out[note+4:], 8)    // descsz
	le.PutUint32(out[note+8:], 0x12) // XEN_ELFNOTE_PHYS32_ENTRY
	copy(out[note+12:], "Xen\x00")
	le.PutUint64(out[note+16:], 2<<20+stub)

	for i := 0; i < phnum; i++ {
		p := out[phoff+uint64(i)*56:]
		vaddr := le.Uint64(p[16:])
		switch elf.ProgType(le.Uint32(p)) {
		case elf.PT_LOAD:
			le.PutUint64(p[24:], vaddr-physOffset)
			if vaddr == data.Vaddr {
				le.PutUint64(p[40:], end-vaddr)
			}
		case elf.PT_NOTE:
			le.PutUint64(p[8:], note)
			le.PutUint64(p[16:], loads[0].Vaddr+note)
			le.PutUint64(p[24:], 2<<20+note)
			le.PutUint64(p[32:], 24)
			le.PutUint64(p[40:], 24)
			le.PutUint64(p[48:], 4)
		case elf.PT_PHDR:
			le.PutUint64(p[24:], vaddr-physOffset)
		}
	}
	// No section headers.
	le.PutUint64(out[40:], 0)
	le.PutUint16(out[58:], 0)
	le.PutUint16(out[60:], 0)
	le.PutUint16(out[62:], 0)
	return out, nil
}

// lazyStart is where the part of the BSS begins that is mapped on demand: the
// first page boundary such that only large symbols lie behind it.
func lazyStart(syms []elf.Symbol, data *elf.Prog) uint64 {
	end := data.Vaddr + data.Memsz
	bss := make([]elf.Symbol, 0, len(syms))
	for _, s := range syms {
		if s.Value >= data.Vaddr+data.Filesz && s.Value < end && s.Size > 0 {
			bss = append(bss, s)
		}
	}
	sort.Slice(bss, func(i, j int) bool { return bss[i].Value > bss[j].Value })
	lazy := end
	for _, s := range bss {
		if s.Size < lazySymbol {
			break
		}
		lazy = s.Value
	}
	if lazy == end {
		return end
	}
	return (lazy + pageSize - 1) &^ (pageSize - 1)
}
