package image

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"skerry/image/dynlink"
)

// userLimit is the end of the addresses that a program may use: 47 bits, but for
// the last page (docs/SECURITY.md).
const userLimit = 1<<47 - 4096

// CheckProgram tells whether the program at path, which the user called name, is
// one that a machine can run, so that a user learns it before one is booted. The
// kernel checks again; it trusts no image.
func CheckProgram(path, name string) error {
	f, err := openFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return &Error{StatusNotFound, name, "no such file", ""}
	case err != nil:
		return cannotRun(name, "cannot be read: "+cause(err), "")
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return cannotRun(name, cause(err), "")
	case info.IsDir():
		return cannotRun(name, "is a directory", "")
	case !info.Mode().IsRegular():
		return cannotRun(name, "is not a regular file", "")
	}
	if err := checkELF(f, info.Size(), name); err != nil {
		return err
	}
	// Last, since for a file that is no program it is not the mend.
	if info.Mode().Perm()&0o111 == 0 {
		return cannotRun(name, "is not marked executable", "chmod +x "+name)
	}
	if info.Mode()&(os.ModeSetuid|os.ModeSetgid) != 0 {
		return cannotRun(name, "has the setuid or setgid bit, and a machine has no other user to become", "chmod ug-s "+name)
	}
	if hasCapabilities(path) {
		return cannotRun(name, "has file capabilities, and a machine has no others to give", "setcap -r "+name)
	}
	return nil
}

// checkELF checks the file's ELF header and program headers. Sections are not
// looked at: programs run without.
func checkELF(r io.ReaderAt, size int64, name string) error {
	var h [64]byte
	n, err := r.ReadAt(h[:], 0)
	if err != nil && err != io.EOF {
		return cannotRun(name, "cannot be read: "+cause(err), "")
	}
	if why, mend := checkIdent(h[:n], name); why != "" {
		return cannotRun(name, why, mend)
	}
	f, err := elf.NewFile(dynlink.NoSections(r))
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return cannotRun(name, "is a damaged ELF file: its headers lie behind its end", "build or copy it again")
	}
	if err != nil {
		return cannotRun(name, "is a damaged ELF file: "+err.Error(), "build it again")
	}
	switch f.Type {
	case elf.ET_EXEC, elf.ET_DYN:
	case elf.ET_REL:
		return cannotRun(name, "is an object file, not a program", "link it")
	case elf.ET_CORE:
		return cannotRun(name, "is a core dump, not a program", "")
	default:
		return cannotRun(name, "is an ELF file of unknown type "+f.Type.String(), "")
	}
	if err := checkSegments(f, size, name); err != nil {
		return err
	}
	o, err := dynlink.Read(r)
	switch {
	case err != nil:
		return cannotRun(name, err.Error(), "build or copy it again")
	case o.TextRel:
		return cannotRun(name, textRel, "build all of it with -fPIE or -fPIC")
	}
	return nil
}

// checkIdent looks at the first bytes, which tell most mistakes apart.
func checkIdent(h []byte, name string) (why, mend string) {
	switch {
	case len(h) == 0:
		return "is empty", ""
	case bytes.HasPrefix(h, []byte("#!")):
		line, _, _ := strings.Cut(string(h[2:]), "\n")
		return fmt.Sprintf("is a script for %q, not an ELF program", strings.TrimSpace(line)),
			"it is not run by another script's interpreter: name a program there"
	case bytes.HasPrefix(h, []byte("!<arch>\n")):
		return "is an archive, not a program", "a Go package that is not `main` is built to one"
	case bytes.HasPrefix(h, []byte("MZ")):
		return "is a Windows program", "build it for Linux x86-64"
	case len(h) >= 4 && (le.Uint32(h) == 0xfeedfacf || le.Uint32(h) == 0xbebafeca):
		return "is a macOS program", "build it for Linux x86-64, with GOOS=linux GOARCH=amd64 if it is in Go"
	case !bytes.HasPrefix(h, []byte(elf.ELFMAG)):
		return "is not an ELF program", ""
	case len(h) < 64:
		return "is a truncated ELF file", "build it again"
	case elf.Class(h[elf.EI_CLASS]) == elf.ELFCLASS32:
		return "is a 32-bit program", "build it for x86-64"
	}
	if elf.Data(h[elf.EI_DATA]) == elf.ELFDATA2MSB {
		return "is built for another processor (big-endian)", "build it for x86-64"
	}
	if m := elf.Machine(le.Uint16(h[18:])); elf.Class(h[elf.EI_CLASS]) != elf.ELFCLASS64 ||
		elf.Data(h[elf.EI_DATA]) != elf.ELFDATA2LSB || m != elf.EM_X86_64 {
		arch := strings.ToLower(strings.TrimPrefix(m.String(), "EM_"))
		return "is built for another processor (" + arch + ")", "build it for x86-64"
	}
	// As in kernel/loader: what is not marked, and what is marked as Linux's.
	if abi := elf.OSABI(h[elf.EI_OSABI]); abi != elf.ELFOSABI_NONE && abi != elf.ELFOSABI_LINUX {
		system := strings.TrimPrefix(abi.String(), "ELFOSABI_")
		return "is built for another system (" + system + ")", "build it for Linux x86-64"
	}
	return "", ""
}

func checkSegments(f *elf.File, size int64, name string) error {
	const again = "build or copy it again"
	loads, entry, dynamic := 0, false, false
	for _, p := range f.Progs {
		switch p.Type {
		case elf.PT_INTERP:
			interp := make([]byte, min(p.Filesz, 4096))
			n, err := p.ReadAt(interp, 0)
			end := bytes.IndexByte(interp[:n], 0)
			if err != nil || end < 1 || interp[0] != '/' || uint64(end) != p.Filesz-1 {
				return cannotRun(name, "is a damaged ELF file: its interpreter is not an absolute path", again)
			}
		case elf.PT_DYNAMIC:
			dynamic = true
		case elf.PT_GNU_STACK:
			if p.Flags&elf.PF_X != 0 {
				return cannotRun(name, "asks for an executable stack", "link it with -z noexecstack")
			}
		case elf.PT_LOAD:
			loads++
			if p.Off > uint64(size) || p.Filesz > uint64(size)-p.Off {
				return cannotRun(name, "is truncated", again)
			}
			if p.Filesz > p.Memsz || p.Vaddr > userLimit || p.Memsz > userLimit-p.Vaddr {
				return cannotRun(name, "is a damaged ELF file: a segment has an impossible size or address", again)
			}
			if p.Flags&(elf.PF_W|elf.PF_X) == elf.PF_W|elf.PF_X {
				return cannotRun(name, "has a segment that is both writable and executable, which no machine allows",
					"do not pack it (upx), do not link it with -N or -z execstack")
			}
			if p.Flags&elf.PF_X != 0 && f.Entry >= p.Vaddr && f.Entry-p.Vaddr < p.Memsz {
				entry = true
			}
		}
	}
	switch {
	case loads == 0:
		return cannotRun(name, "is an ELF file without anything to load", "")
	case !entry && f.Type == elf.ET_DYN && dynamic:
		return cannotRun(name, "is a shared library, not a program", "")
	case !entry:
		return cannotRun(name, "is a damaged ELF file: it starts outside of its code", again)
	}
	return nil
}
