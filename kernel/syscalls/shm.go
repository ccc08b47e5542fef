package syscalls

import (
	"sync"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/mm"
	"skerry/kernel/task"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
)

// System V shared memory, sysvipc(7), within the program: libraries use it as
// memory with a number. A segment is a file in memory, and attaching it is mapping
// that file, so it is never executable and is counted as such files are.

var shmCalls = []entry{
	{abi.SYS_SHMGET, sysShmget, "within the program; no huge pages"},
	{abi.SYS_SHMAT, sysShmat, "never executable (SHM_EXEC is EACCES)"},
	{abi.SYS_SHMDT, sysShmdt, ""},
	{abi.SYS_SHMCTL, sysShmctl, "the owner does not change (no users)"},
}

// Limits, as sysctl kernel.shmmni and its kin have them in Linux.
const (
	shmMax = 1<<64 - 1 - 1<<24
	shmMin = 1
	shmMNI = 4096
)

// Bits of shm_perm.mode, uapi/linux/shm.h.
const (
	shmDest   = 0o1000
	shmLocked = 0o2000
)

// Segment is one piece of shared memory. All fields are under segments.mu.
type Segment struct {
	Key, ID             int32
	Size                uint64
	Mode                uint32
	Last                int32 // the process that attached or detached last, 0 for none
	Atime, Dtime, Ctime int64

	file  *vfs.Description // nil once it is to go with its last attachment
	inode vfs.Inode
	pages vfs.Mapper
}

// segments is all of them, in the order of their numbers, which are never used
// again. mu is held over calls of mm, whose locks come later.
var segments struct {
	mu   sync.Mutex
	list []*Segment
	next int32
}

// attached counts the mappings of a segment.
func (s *Segment) attached(m *mm.Space) (n uint64) {
	for addr := uintptr(0); ; n++ {
		i, ok := s.next(m, addr)
		if !ok {
			return n
		}
		addr = i.End
	}
}

// next is the segment's first mapping that ends above addr.
func (s *Segment) next(m *mm.Space, addr uintptr) (mm.Info, bool) {
	for {
		i, ok := m.Next(addr)
		if !ok || i.File == s.pages {
			return i, ok
		}
		addr = i.End
	}
}

// gone reports whether the segment was removed and detached. The caller holds mu.
func (s *Segment) gone(m *mm.Space) bool { return s.file == nil && s.attached(m) == 0 }

// sweep forgets removed segments that nobody is attached to any more. The caller
// holds mu.
func sweep(m *mm.Space) {
	keep := segments.list[:0]
	for _, s := range segments.list {
		if !s.gone(m) {
			keep = append(keep, s)
		}
	}
	clear(segments.list[len(keep):])
	segments.list = keep
}

// findSegment is a segment by its number, or nil. The caller holds mu.
func findSegment(m *mm.Space, id uintptr) *Segment {
	for _, s := range segments.list {
		if s.ID == int32(id) && !s.gone(m) {
			return s
		}
	}
	return nil
}

// EachSegment calls f for every segment, for /proc/sysvipc/shm.
func EachSegment(m *mm.Space, f func(s *Segment, attached uint64)) {
	segments.mu.Lock()
	defer segments.mu.Unlock()
	sweep(m)
	for _, s := range segments.list {
		f(s, s.attached(m))
	}
}

func sysShmget(t *task.Thread, key, size, flags, _, _, _ uintptr) (uintptr, abi.Errno) {
	segments.mu.Lock()
	defer segments.mu.Unlock()
	sweep(t.Proc.MM)
	if int32(key) != abi.IPC_PRIVATE {
		for _, s := range segments.list {
			if s.Key != int32(key) || s.file == nil {
				continue
			}
			if flags&(abi.IPC_CREAT|abi.IPC_EXCL) == abi.IPC_CREAT|abi.IPC_EXCL {
				return 0, abi.EEXIST
			}
			if uint64(size) > s.Size {
				return 0, abi.EINVAL
			}
			return uintptr(s.ID), abi.OK
		}
		if flags&abi.IPC_CREAT == 0 {
			return 0, abi.ENOENT
		}
	}
	return newSegment(int32(key), uint64(size), uint32(flags))
}

// newSegment makes one. The caller holds mu.
func newSegment(key int32, size uint64, flags uint32) (uintptr, abi.Errno) {
	switch {
	case size < shmMin || size > shmMax:
		return 0, abi.EINVAL
	case len(segments.list) >= shmMNI || segments.next < 0:
		return 0, abi.ENOSPC
	case flags&abi.SHM_HUGETLB != 0:
		return 0, abi.EPERM
	case size > uint64(frame.Total())*frame.Size:
		return 0, abi.ENOMEM
	}
	d, e := Memfd("SYSV", abi.MFD_NOEXEC_SEAL)
	if e != abi.OK {
		return 0, e
	}
	s := &Segment{Key: key, ID: segments.next, Size: size, Mode: flags & 0o777, Ctime: time.Now().Unix(), file: d, inode: d.Inode()}
	// Whole pages, as those who attach it may use the last one whole.
	n := (int64(size) + frame.Size - 1) &^ (frame.Size - 1)
	if e := s.inode.(vfs.Mutable).SetAttr(&vfs.Attr{Set: vfs.AttrSize, Size: n}); e != abi.OK {
		d.Unref()
		return 0, e
	}
	s.pages = d.File().(vfs.Mapper)
	segments.next++
	segments.list = append(segments.list, s)
	return uintptr(s.ID), abi.OK
}

func sysShmat(t *task.Thread, id, addr, flags, _, _, _ uintptr) (uintptr, abi.Errno) {
	if int32(id) < 0 {
		return 0, abi.EINVAL
	}
	const mask = frame.Size - 1
	r := mm.Request{Addr: addr, Prot: abi.PROT_READ | abi.PROT_WRITE, Flags: abi.MAP_SHARED, Readable: true, Writable: true, Shmat: true}
	switch {
	case addr == 0:
		if flags&abi.SHM_REMAP != 0 {
			return 0, abi.EINVAL
		}
	case addr&mask != 0 && flags&abi.SHM_RND == 0, addr <= mask && flags&abi.SHM_REMAP != 0:
		return 0, abi.EINVAL
	default:
		r.Addr &^= mask
		r.Flags |= abi.MAP_FIXED_NOREPLACE
		if flags&abi.SHM_REMAP != 0 {
			r.Flags ^= abi.MAP_FIXED_NOREPLACE | abi.MAP_FIXED
		}
	}
	if flags&abi.SHM_RDONLY != 0 {
		r.Prot, r.Writable = abi.PROT_READ, false
	}
	if flags&abi.SHM_EXEC != 0 {
		r.Prot |= abi.PROT_EXEC
	}
	segments.mu.Lock()
	defer segments.mu.Unlock()
	s := findSegment(t.Proc.MM, id)
	if s == nil || !s.inode.Hold() {
		return 0, abi.EINVAL
	}
	r.Len, r.File, r.Name = uintptr(s.Size), s.pages, "/SYSV"+hex8(uint32(s.Key))+" (deleted)"
	got, e := t.Proc.MM.Mmap(&r)
	s.inode.Drop()
	switch e {
	case abi.OK:
		s.Atime, s.Last = time.Now().Unix(), pid
	case abi.EEXIST:
		e = abi.EINVAL // something is there
	}
	return got, e
}

// hex8 is a number in eight hexadecimal digits.
func hex8(n uint32) string {
	var b [8]byte
	for i := range b {
		b[i] = "0123456789abcdef"[n>>(28-4*i)&15]
	}
	return string(b[:])
}

// sysShmdt unmaps what one shmat mapped: of the segment that is found first, the
// mappings that lie as they would from addr on.
func sysShmdt(t *task.Thread, addr, _, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	if addr&(frame.Size-1) != 0 {
		return 0, abi.EINVAL
	}
	m := t.Proc.MM
	segments.mu.Lock()
	defer segments.mu.Unlock()
	var s *Segment
	for at, limit := addr, uintptr(usermem.Limit); at < limit; {
		i, ok := m.Next(at)
		if !ok || i.Start >= limit {
			break
		}
		at = i.End
		if i.File == nil || uint64(i.Start-addr) != i.Offset {
			continue
		}
		if s == nil {
			for _, x := range segments.list {
				if x.pages == i.File {
					s = x
					limit = min(limit, addr+uintptr(s.Size+frame.Size-1)&^uintptr(frame.Size-1))
				}
			}
		}
		if s != nil && s.pages == i.File {
			if e := m.Munmap(i.Start, i.End-i.Start); e != abi.OK {
				return 0, e
			}
		}
	}
	if s == nil {
		return 0, abi.EINVAL
	}
	s.Dtime, s.Last = time.Now().Unix(), pid
	sweep(m)
	return 0, abi.OK
}

// Further commands of shmctl(2), uapi/linux/shm.h.
const (
	shmLock    = 11
	shmUnlock  = 12
	shmStat    = 13
	shmInfo    = 14
	shmStatAny = 15
)

// shmidDS is struct shmid64_ds, asm-generic/shmbuf.h.
type shmidDS struct {
	Key                        int32
	UID, GID, CUID, CGID, Mode uint32
	Seq, Pad                   uint16
	Pad2                       uint32
	Unused                     [2]uint64
	Size                       uint64
	Atime, Dtime, Ctime        int64
	CPID, LPID                 int32
	Attached, Unused4, Unused5 uint64
}

func sysShmctl(t *task.Thread, id, cmd, buf, _, _, _ uintptr) (uintptr, abi.Errno) {
	if int32(id) < 0 || int32(cmd) < 0 {
		return 0, abi.EINVAL
	}
	m := t.Proc.MM
	segments.mu.Lock()
	defer segments.mu.Unlock()
	sweep(m)
	switch cmd {
	case abi.IPC_INFO:
		return lastSegment(), usermem.Out(buf, &[9]uint64{shmMax, shmMin, shmMNI, shmMNI, shmMax})
	case shmInfo:
		// struct shm_info: how many, their pages, and those that are in memory.
		i := [6]uint64{uint64(len(segments.list))}
		for _, s := range segments.list {
			i[1] += (s.Size + frame.Size - 1) / frame.Size
			i[2] += s.Resident() / frame.Size
		}
		return lastSegment(), usermem.Out(buf, &i)
	case abi.IPC_RMID, abi.IPC_SET, abi.IPC_STAT, shmStat, shmStatAny, shmLock, shmUnlock:
	default:
		return 0, abi.EINVAL
	}
	s := findSegment(m, id)
	if s == nil {
		return 0, abi.EINVAL
	}
	switch cmd {
	case abi.IPC_STAT, shmStat, shmStatAny:
		d := shmidDS{Key: s.Key, UID: abi.ID, GID: abi.ID, CUID: abi.ID, CGID: abi.ID, Mode: s.Mode, Size: s.Size,
			Atime: s.Atime, Dtime: s.Dtime, Ctime: s.Ctime, CPID: pid, LPID: s.Last, Attached: s.attached(m)}
		if cmd == abi.IPC_STAT {
			id = 0
		}
		return id, usermem.Out(buf, &d)
	case abi.IPC_SET:
		var d shmidDS
		if e := usermem.In(&d, buf); e != abi.OK {
			return 0, e
		}
		if d.UID != abi.ID || d.GID != abi.ID {
			return 0, abi.EPERM
		}
		s.Mode = s.Mode&^0o777 | d.Mode&0o777
		s.Ctime = time.Now().Unix()
	case shmLock, shmUnlock:
		// Nothing is ever written out to make room, so locked is what it is.
		cur, _ := t.Proc.Limits.Get(abi.RLIMIT_MEMLOCK)
		switch {
		case cmd == shmUnlock:
			s.Mode &^= shmLocked
		case cur == 0:
			return 0, abi.EPERM
		case s.Size > cur:
			return 0, abi.ENOMEM
		default:
			s.Mode |= shmLocked
		}
	case abi.IPC_RMID:
		if s.file != nil {
			s.Key, s.Mode = abi.IPC_PRIVATE, s.Mode|shmDest
			s.file.Unref()
			s.file = nil
			sweep(m)
		}
	}
	return 0, abi.OK
}

// lastSegment is the highest number in use. The caller holds mu.
func lastSegment() uintptr {
	if n := len(segments.list); n > 0 {
		return uintptr(segments.list[n-1].ID)
	}
	return 0
}

// Resident is what of the segment is in memory, in bytes.
func (s *Segment) Resident() uint64 {
	var st abi.Stat
	s.inode.Stat(&st)
	return uint64(st.Blocks) * 512
}
