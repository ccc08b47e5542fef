package abi

// Entries of the auxiliary vector, getauxval(3); uapi/linux/auxvec.h.
const (
	AT_NULL              = 0
	AT_IGNORE            = 1
	AT_EXECFD            = 2
	AT_PHDR              = 3
	AT_PHENT             = 4
	AT_PHNUM             = 5
	AT_PAGESZ            = 6
	AT_BASE              = 7
	AT_FLAGS             = 8
	AT_ENTRY             = 9
	AT_NOTELF            = 10
	AT_UID               = 11
	AT_EUID              = 12
	AT_GID               = 13
	AT_EGID              = 14
	AT_PLATFORM          = 15
	AT_HWCAP             = 16
	AT_CLKTCK            = 17
	AT_SECURE            = 23
	AT_BASE_PLATFORM     = 24
	AT_RANDOM            = 25
	AT_HWCAP2            = 26
	AT_RSEQ_FEATURE_SIZE = 27
	AT_RSEQ_ALIGN        = 28
	AT_HWCAP3            = 29
	AT_HWCAP4            = 30
	AT_EXECFN            = 31
	AT_SYSINFO_EHDR      = 33
	AT_MINSIGSTKSZ       = 51
)

// Bits of AT_HWCAP2 on x86, uapi/asm/hwcap2.h.
const (
	HWCAP2_RING3MWAIT = 0x1
	HWCAP2_FSGSBASE   = 0x2
)

// Identification of an ELF file, elf(5) and the System V ABI.
const (
	EI_NIDENT     = 16
	EI_CLASS      = 4
	EI_DATA       = 5
	EI_VERSION    = 6
	EI_OSABI      = 7
	ELFCLASS32    = 1
	ELFCLASS64    = 2
	ELFDATA2LSB   = 1
	EV_CURRENT    = 1
	ELFOSABI_NONE = 0
	ELFOSABI_GNU  = 3
)

// Types of files, and the machine.
const (
	ET_REL    = 1
	ET_EXEC   = 2
	ET_DYN    = 3
	ET_CORE   = 4
	EM_386    = 3
	EM_X86_64 = 62
)

// Program headers and their flags.
const (
	PT_NULL         = 0x0
	PT_LOAD         = 0x1
	PT_DYNAMIC      = 0x2
	PT_INTERP       = 0x3
	PT_NOTE         = 0x4
	PT_PHDR         = 0x6
	PT_TLS          = 0x7
	PT_GNU_EH_FRAME = 0x6474e550
	PT_GNU_STACK    = 0x6474e551
	PT_GNU_RELRO    = 0x6474e552
	PT_GNU_PROPERTY = 0x6474e553
	PF_X            = 0x1
	PF_W            = 0x2
	PF_R            = 0x4
)

// Notes of a core file and of a program.
const (
	NT_PRSTATUS     = 1
	NT_PRFPREG      = 2
	NT_PRPSINFO     = 3
	NT_AUXV         = 6
	NT_SIGINFO      = 0x53494749
	NT_FILE         = 0x46494c45
	NT_X86_XSTATE   = 0x202
	NT_GNU_BUILD_ID = 3
)

// Elf64Ehdr is Elf64_Ehdr, the header of an ELF file.
type Elf64Ehdr struct {
	Ident     [EI_NIDENT]byte // e_ident
	Type      uint16          // e_type
	Machine   uint16          // e_machine
	Version   uint32          // e_version
	Entry     uint64          // e_entry
	Phoff     uint64          // e_phoff
	Shoff     uint64          // e_shoff
	Flags     uint32          // e_flags
	Ehsize    uint16          // e_ehsize
	Phentsize uint16          // e_phentsize
	Phnum     uint16          // e_phnum
	Shentsize uint16          // e_shentsize
	Shnum     uint16          // e_shnum
	Shstrndx  uint16          // e_shstrndx
}

// Elf64Phdr is Elf64_Phdr, a program header.
type Elf64Phdr struct {
	Type   uint32 // p_type
	Flags  uint32 // p_flags
	Offset uint64 // p_offset
	Vaddr  uint64 // p_vaddr
	Paddr  uint64 // p_paddr
	Filesz uint64 // p_filesz
	Memsz  uint64 // p_memsz
	Align  uint64 // p_align
}

// Elf64Auxv is Elf64_auxv_t, one entry of the auxiliary vector.
type Elf64Auxv struct {
	Type uint64 // a_type
	Val  uint64 // a_un.a_val
}
