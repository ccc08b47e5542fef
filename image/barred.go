package image

import (
	"slices"

	"skerry/image/dynlink"
	"skerry/image/erofs"
	"skerry/image/known"
)

// textRel is why no machine runs or loads what has relocations in its code.
const textRel = "wants its code to be changed when it is loaded (DT_TEXTREL), which no machine allows"

// barred tells why no machine loads a library or module, and the mend; "" if nothing
// speaks against it. With stack, it must have a PT_GNU_STACK.
func barred(o *dynlink.Object, stack bool) (why, mend string) {
	switch {
	case o.TextRel:
		return textRel, "build it with -fPIC"
	case o.ExecStack:
		return "asks for an executable stack", "link it with -z noexecstack, or clear its flag with patchelf --clear-execstack"
	case stack && !o.Stack:
		return "has no PT_GNU_STACK, and so asks glibc for an executable stack", "link it with -z noexecstack, or give it one with patchelf --clear-execstack"
	}
	return "", ""
}

// needStack reports whether what a program loads must have a PT_GNU_STACK. glibc takes a
// file without one for a file that needs an executable stack (DEFAULT_STACK_PERMS of its
// elf/dl-load.c), and does not load it, but if the program itself has none: then it takes
// the stack for executable already. musl does not look, and neither does Linux since 5.8.
func needStack(program *dynlink.Object) bool {
	return program.Stack && dynlink.KindOf(program.Interp) == dynlink.Glibc
}

// stackNote warns of a program of glibc without PT_GNU_STACK: it starts, but glibc makes
// the stacks of its threads executable.
func stackNote(name string, program *dynlink.Object) []known.Note {
	if program.Stack || dynlink.KindOf(program.Interp) != dynlink.Glibc {
		return nil
	}
	return []known.Note{{Level: known.Warn, Text: name + " has no PT_GNU_STACK, so that glibc asks for executable stacks for its threads, and none of them can start: link it with -z noexecstack"}}
}

// moduleAt reads the library or module at a path of the host, nil if there is none; code
// is set if it can be loaded.
func (p *packer) moduleAt(host string) (o *dynlink.Object, code bool) {
	if o = elfAt(host); o == nil || !o.Library {
		return nil, false
	}
	why, _ := barred(o, p.stack)
	return o, why == ""
}

// collect takes a module, which stands at guest now. One that cannot be loaded was packed
// as data: a runtime may never ask for it, so it is no reason not to start. What the user
// gave in its place is not meant.
func (p *packer) collect(m module, guest string, found *[]module) {
	why, mend := barred(m.o, p.stack)
	if why == "" {
		*found = append(*found, m)
		return
	}
	if src, ok := p.t.Source(guest).(erofs.HostFile); ok && sameFile(src.Path, m.host) {
		p.warn(src.Path + " " + why + ": it is packed as data, and cannot be loaded (" + mend + ")")
	}
}

// warn notes what may fail, once.
func (p *packer) warn(text string) {
	if n := (known.Note{Level: known.Warn, Text: text}); !slices.Contains(p.notes, n) {
		p.notes = append(p.notes, n)
	}
}
