package mm

import (
	"testing"

	"skerry/kernel/abi"
)

// TestSealLibraries maps a library as loaders do, in pieces over a mapping of all of it,
// with a hole between and a tail that is cut off: it is sealed when its relocated data
// becomes read-only, not before, and nothing else is.
func TestSealLibraries(t *testing.T) {
	for _, all := range []bool{false, true} {
		m := newMachine(t, 2000, 1, Options{SealLibraries: all})
		lib, other, plain := newFile("lib", 0, 16), newFile("other", 1000, 16), newFile("plain", 2000, 16)
		lib.exec, other.exec = true, true
		place := func(f *fakeFile, addr, page, pages uintptr, prot uint32) abi.Errno {
			_, e := m.Mmap(&Request{Addr: addr, Len: pages * pageSize, Prot: prot, Flags: mapPrivate | mapFixed, File: f, Offset: uint64(page) * pageSize, Readable: true})
			return e
		}
		const base, elsewhere, data = uintptr(1 << 40), uintptr(2 << 40), uintptr(3 << 40)
		// Read-only all of it, text, a hole, data; what is behind the file's end is cut off.
		must(t, "all", place(lib, base, 0, 12, protRead))
		must(t, "text", place(lib, base+2*pageSize, 2, 3, protRead|protExec))
		must(t, "data", place(lib, base+7*pageSize, 7, 4, rw))
		must(t, "hole", m.Mprotect(base+6*pageSize, pageSize, protNone))
		must(t, "tail", m.Munmap(base+11*pageSize, pageSize))
		must(t, "other", place(other, elsewhere, 0, 4, protRead|protExec))
		must(t, "other's data", place(other, elsewhere+4*pageSize, 4, 4, rw))
		must(t, "plain", place(plain, data, 0, 4, rw))
		must(t, "plain's", m.Mprotect(data, pageSize, protRead))
		must(t, "text to read-only and back", m.Mprotect(base+2*pageSize, pageSize, protRead|protExec))
		must(t, "relocated", m.Mprotect(base+7*pageSize, 2*pageSize, protRead))

		want := abi.OK
		if all {
			want = abi.EPERM
		}
		errno(t, "data that is to stay writable", m.Mprotect(base+9*pageSize, pageSize, rw), abi.OK)
		errno(t, "relocated data", m.Mprotect(base+7*pageSize, pageSize, rw), want)
		errno(t, "text", m.Mprotect(base+2*pageSize, pageSize, protRead), want)
		errno(t, "read-only data", m.Munmap(base, pageSize), want)
		errno(t, "the hole", m.Munmap(base+6*pageSize, pageSize), want)
		errno(t, "over text", mapAt(m, base+3*pageSize, pageSize, rw), want)
		errno(t, "all of it, as by dlclose", m.Munmap(base, 11*pageSize), want)
		errno(t, "another library", m.Munmap(elsewhere, 8*pageSize), abi.OK)
		errno(t, "a file of data", m.Munmap(data, 4*pageSize), abi.OK)
		m.close()
	}
}
