// Package kernelelf is the post-link step of the kernel: it turns what the Go
// linker wrote (an ordinary ELF executable linked at a negative address) into
// one that a virtual machine monitor can load directly.
//
//   - physical addresses: p_paddr = p_vaddr - 0xffffffff80000000;
//   - the PVH entry: a note with the 32-bit entry point (Xen public headers,
//     elfnote.h, XEN_ELFNOTE_PHYS32_ENTRY) and the stub behind it, which turns
//     on long mode and jumps to ground's entry; both fit into the unused part of
//     the header page;
//   - the BSS is cut where its large, rarely touched symbols begin; ground maps
//     those on first use;
//   - section headers and symbols are dropped from the loaded file.
//
// It runs on the build host and imports only the standard library.
package kernelelf
