package mm

import (
	"testing"

	"skerry/kernel/abi"
)

// TestRelro: a named range is sealed by the change that leaves no writable page
// in it, not before, and nothing beside it is.
func TestRelro(t *testing.T) {
	for _, steps := range [][][2]uintptr{
		{{2, 4}},                 // exactly
		{{0, 8}},                 // in a larger change
		{{2, 3}, {3, 4}},         // piece by piece
		{{3, 4}, {5, 6}, {1, 3}}, // with others in between
	} {
		m := newMachine(t, 2000, 1, Options{})
		const base = 1 << 40
		must(t, "map", mapAt(m, base, 8*pageSize, rw))
		m.SealRelro(base+2*pageSize, base+4*pageSize)
		errno(t, "to none and back", m.Mprotect(base+2*pageSize, pageSize, protNone), abi.OK)
		errno(t, "back", m.Mprotect(base+2*pageSize, pageSize, rw), abi.OK)
		for i, s := range steps {
			if i > 0 {
				errno(t, "still open", m.Mprotect(base+7*pageSize, pageSize, rw), abi.OK)
			}
			errno(t, "read-only", m.Mprotect(base+s[0]*pageSize, (s[1]-s[0])*pageSize, protRead), abi.OK)
		}
		errno(t, "writable again", m.Mprotect(base+2*pageSize, pageSize, rw), abi.EPERM)
		errno(t, "second page", m.Mprotect(base+3*pageSize, pageSize, rw), abi.EPERM)
		errno(t, "munmap", m.Munmap(base, 8*pageSize), abi.EPERM)
		errno(t, "discard", m.Madvise(base+2*pageSize, pageSize, madvDontNeed), abi.EPERM)
		errno(t, "before", m.Mprotect(base, 2*pageSize, rw), abi.OK)
		errno(t, "behind", m.Mprotect(base+4*pageSize, 4*pageSize, rw), abi.OK)
		errno(t, "behind again", m.Mprotect(base+4*pageSize, 4*pageSize, protRead), abi.OK)
		m.close()
	}
}

// TestRelroHole: a range that is unmapped is never sealed, and does not hinder
// what is mapped in its place.
func TestRelroHole(t *testing.T) {
	m := newMachine(t, 2000, 1, Options{})
	const base = 1 << 40
	must(t, "map", mapAt(m, base, 4*pageSize, rw))
	m.SealRelro(base+pageSize, base+3*pageSize)
	must(t, "munmap", m.Munmap(base+2*pageSize, pageSize))
	errno(t, "read-only", m.Mprotect(base, 2*pageSize, protRead), abi.OK)
	errno(t, "writable again", m.Mprotect(base, 2*pageSize, rw), abi.OK)
	m.close()
}

// TestRefuseExecGain is PR_SET_MDWE on top of what AllowJIT lets through.
func TestRefuseExecGain(t *testing.T) {
	m := newMachine(t, 2000, 1, Options{JIT: 1 << 30})
	const base = 1 << 40
	must(t, "RWX", mapAt(m, base, pageSize, rw|protExec))
	must(t, "RW", mapAt(m, base+pageSize, pageSize, rw))
	must(t, "RX", mapAt(m, base+2*pageSize, pageSize, protRead|protExec))
	m.RefuseExecGain()
	errno(t, "RW to RX", m.Mprotect(base+pageSize, pageSize, protRead|protExec), abi.EACCES)
	errno(t, "RW to RWX", m.Mprotect(base+pageSize, pageSize, rw|protExec), abi.EACCES)
	errno(t, "RX to RX", m.Mprotect(base+2*pageSize, pageSize, protRead|protExec), abi.OK)
	errno(t, "RX to RWX", m.Mprotect(base+2*pageSize, pageSize, rw|protExec), abi.EACCES)
	errno(t, "RWX to RX", m.Mprotect(base, pageSize, protRead|protExec), abi.OK)
	errno(t, "RX to R", m.Mprotect(base, pageSize, protRead), abi.OK)
	errno(t, "R to RX", m.Mprotect(base, pageSize, protRead|protExec), abi.EACCES)
	errno(t, "new RWX", mapAt(m, base+4*pageSize, pageSize, rw|protExec), abi.EACCES)
	errno(t, "new RX", mapAt(m, base+4*pageSize, pageSize, protRead|protExec), abi.OK)
	m.close()
}

func mapAt(m *machine, addr, n uintptr, prot uint32) abi.Errno {
	_, e := m.Mmap(&Request{Addr: addr, Len: n, Prot: prot, Flags: mapPrivate | mapAnonymous | mapFixed})
	return e
}
