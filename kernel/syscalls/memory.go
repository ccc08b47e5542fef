package syscalls

import (
	"skerry/kernel/abi"
	"skerry/kernel/task"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"

	"skerry/kernel/mm"
)

// jitNote is a note of the table.
const jitNote = "PROT_EXEC for written memory within `--jit` only: else EACCES, or ENOMEM beyond it"

var memoryCalls = []entry{
	{abi.SYS_MMAP, sysMmap, jitNote},
	{abi.SYS_MUNMAP, sysMunmap, ""},
	{abi.SYS_MPROTECT, sysMprotect, jitNote},
	{abi.SYS_MREMAP, sysMremap, "growth of memory that may become executable counts for `--jit`"},
	{abi.SYS_MADVISE, sysMadvise, "MADV_FREE frees at once; no KSM, no MADV_COLLAPSE"},
	{abi.SYS_BRK, sysBrk, ""},
	{abi.SYS_MSYNC, sysMsync, ""},
	{abi.SYS_MINCORE, sysMincore, ""},
	{abi.SYS_MLOCK, sysMlock, ""},
	{abi.SYS_MLOCK2, sysMlock2, ""},
	{abi.SYS_MUNLOCK, sysMunlock, ""},
	{abi.SYS_MLOCKALL, sysMlockall, ""},
	{abi.SYS_MUNLOCKALL, sysMunlockall, ""},
	{abi.SYS_MSEAL, sysMseal, ""},
	{abi.SYS_MEMFD_CREATE, sysMemfdCreate, "never executable memory, whatever its flags; no huge pages"},
	{abi.SYS_PKEY_MPROTECT, sysPkeyMprotect, "protection keys are off: key -1 only"},
}

func sysMmap(t *task.Thread, addr, n, prot, flags, fd, off uintptr) (uintptr, abi.Errno) {
	if off&4095 != 0 {
		return 0, abi.EINVAL
	}
	r := mm.Request{Addr: addr, Len: n, Prot: uint32(prot), Flags: uint32(flags)}
	if flags&abi.MAP_ANONYMOUS != 0 {
		v, e := t.Proc.MM.Mmap(&r)
		return v, tooMuch(n, e)
	}
	d, e := t.Proc.Files.Get(int32(fd))
	if e != abi.OK {
		return 0, e
	}
	defer d.Unref()
	m, ok := d.File().(vfs.Mapper)
	if !ok {
		return 0, abi.ENODEV
	}
	if _, ok := m.(vfs.ZeroMapper); ok && flags&abi.MAP_TYPE != abi.MAP_PRIVATE {
		if prot&abi.PROT_WRITE != 0 && !d.Writable() || !d.Readable() {
			return 0, abi.EACCES
		}
		r.Flags |= abi.MAP_ANONYMOUS
		return t.Proc.MM.Mmap(&r)
	}
	r.File, r.Offset = m, uint64(off)
	mode := d.Flags() & abi.O_ACCMODE
	r.Readable = mode != abi.O_WRONLY
	r.Writable = mode != abi.O_RDONLY
	r.Name = d.Path()
	return t.Proc.MM.Mmap(&r)
}

func sysMunmap(t *task.Thread, addr, n, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return 0, t.Proc.MM.Munmap(addr, n)
}

func sysMprotect(t *task.Thread, addr, n, prot, _, _, _ uintptr) (uintptr, abi.Errno) {
	return 0, t.Proc.MM.Mprotect(addr, n, uint32(prot))
}

// sysPkeyMprotect is mprotect(2) with a protection key. There are none, as on
// a processor without them.
func sysPkeyMprotect(t *task.Thread, addr, n, prot, key, _, _ uintptr) (uintptr, abi.Errno) {
	if int32(key) != -1 && addr&4095 == 0 && n != 0 {
		return 0, abi.EINVAL // what comes first is checked first
	}
	return sysMprotect(t, addr, n, prot, 0, 0, 0)
}

func sysMremap(t *task.Thread, addr, oldLen, newLen, flags, newAddr, _ uintptr) (uintptr, abi.Errno) {
	if flags>>32 != 0 {
		return 0, abi.EINVAL
	}
	v, e := t.Proc.MM.Mremap(addr, oldLen, newLen, uint32(flags), newAddr)
	return v, tooMuch(newLen, e)
}

func sysMadvise(t *task.Thread, addr, n, advice, _, _, _ uintptr) (uintptr, abi.Errno) {
	return 0, t.Proc.MM.Madvise(addr, n, int(int32(advice)))
}

func sysBrk(t *task.Thread, addr, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	end := t.Proc.MM.Brk(addr)
	if addr > end && end != 0 {
		tooMuch(addr-end, abi.ENOMEM)
	}
	return end, abi.OK
}

func sysMsync(t *task.Thread, addr, n, flags, _, _, _ uintptr) (uintptr, abi.Errno) {
	return 0, t.Proc.MM.Msync(addr, n, uint32(flags))
}

func sysMincore(t *task.Thread, addr, n, vec, _, _, _ uintptr) (uintptr, abi.Errno) {
	if addr&4095 != 0 {
		return 0, abi.EINVAL
	}
	if !usermem.InRange(addr, n) {
		return 0, abi.ENOMEM
	}
	pages := (n + 4095) / 4096
	var buf [512]byte
	for done := uintptr(0); done < pages; {
		m := min(pages-done, uintptr(len(buf)))
		if e := t.Proc.MM.Mincore(addr+done*4096, buf[:m]); e != abi.OK {
			return 0, e
		}
		if _, e := usermem.CopyOut(vec+done, buf[:m]); e != abi.OK {
			return 0, e
		}
		done += m
	}
	return 0, abi.OK
}

func sysMlock(t *task.Thread, addr, n, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return 0, t.Proc.MM.Mlock(addr, n, 0)
}

func sysMlock2(t *task.Thread, addr, n, flags, _, _, _ uintptr) (uintptr, abi.Errno) {
	return 0, t.Proc.MM.Mlock(addr, n, uint32(flags))
}

func sysMunlock(t *task.Thread, addr, n, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return 0, t.Proc.MM.Munlock(addr, n)
}

func sysMlockall(t *task.Thread, flags, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return 0, t.Proc.MM.Mlockall(uint32(flags))
}

func sysMunlockall(t *task.Thread, _, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	return 0, t.Proc.MM.Munlockall()
}

func sysMseal(t *task.Thread, addr, n, flags, _, _, _ uintptr) (uintptr, abi.Errno) {
	return 0, t.Proc.MM.Seal(addr, n, uint64(flags))
}
