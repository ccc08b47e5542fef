package mm

import (
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"skerry/kernel/abi"
)

// The differential test: the same calls with the same arguments on the host's
// kernel and on a Space, in an arena at the same address in both. After each
// call errno, protection, kind and contents of every page are compared. What is
// executable is left out: there the two differ on purpose.

const (
	hostArena = uintptr(0x100000200000) - 16*pageSize
	hostPages = 40
	hostEnd   = hostArena + hostPages*pageSize
)

func sys(nr uintptr, a ...uintptr) (uintptr, abi.Errno) {
	var args [6]uintptr
	copy(args[:], a)
	r, _, e := syscall.RawSyscall6(nr, args[0], args[1], args[2], args[3], args[4], args[5])
	return r, abi.Errno(e)
}

// twin is the two kernels.
type twin struct {
	*machine
	rng  *rand.Rand
	file punchFile
	fd   uintptr
	done string
}

// newTwin needs a host whose arena is empty and whose kernel behaves like
// Linux; else the test is skipped with the reason.
func newTwin(t *testing.T, seed int64) *twin {
	if runtime.GOOS != "linux" {
		t.Skip("the host is not Linux")
	}
	if l := hostMaps(t, hostArena-1<<30, hostEnd+1<<30); len(l) != 0 {
		t.Skipf("the host maps something in the arena: %v", l)
	}
	name := []byte("mm\x00")
	fd, e := sys(319 /* memfd_create */, uintptr(unsafe.Pointer(&name[0])), 0)
	if e != abi.OK {
		t.Skip("memfd_create on the host:", e)
	}
	const pages = 16
	if err := syscall.Ftruncate(int(fd), pages*pageSize); err != nil {
		t.Fatal(err)
	}
	w := &twin{machine: newMachine(t, 4000, 1, Options{JIT: 1 << 30}), rng: rand.New(rand.NewSource(seed)),
		file: punchFile{newFile("mm", 0, pages)}, fd: fd}
	for i := int64(0); i < pages; i++ {
		b := [8]byte{byte(i)}
		if _, err := syscall.Pwrite(int(fd), b[:], i*pageSize); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// punchFile is a fakeFile that takes MADV_REMOVE.
type punchFile struct{ *fakeFile }

func (f punchFile) PunchHole(off, n int64) abi.Errno {
	for i := uint64(off) >> pageShift; i < uint64(off+n)>>pageShift && i < f.size.Load(); i++ {
		f.evict(i)
		p, e := f.Page(i, true)
		if e != abi.OK {
			return e
		}
		word(p).Store(0)
		p.Unref()
	}
	return abi.OK
}

func (w *twin) end() {
	sys(syscall.SYS_MUNMAP, hostArena, hostEnd-hostArena)
	syscall.Close(int(w.fd))
	w.unmapArena()
	w.file.drop(w.t)
	w.close()
}

func (w *twin) unmapArena() {
	w.mu.Lock()
	w.drain(w.detach(hostArena, hostEnd), hostArena, hostEnd)
	w.unlock()
}

// hostVMA is one line of /proc/self/maps.
type hostVMA struct {
	start, end uintptr
	perm       string
	off        uint64
	file       bool // our memfd
}

func hostVMAs(t testing.TB, lo, hi uintptr) []hostVMA {
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Skip(err)
	}
	var l []hostVMA
	for _, s := range strings.Split(string(b), "\n") {
		f := strings.Fields(s)
		if len(f) < 5 {
			continue
		}
		start, end, _ := strings.Cut(f[0], "-")
		a, _ := strconv.ParseUint(start, 16, 64)
		z, _ := strconv.ParseUint(end, 16, 64)
		off, _ := strconv.ParseUint(f[2], 16, 64)
		if uintptr(z) > lo && uintptr(a) < hi {
			l = append(l, hostVMA{uintptr(a), uintptr(z), f[1], off, len(f) > 5 && strings.HasPrefix(f[5], "/memfd:mm")})
		}
	}
	return l
}

// hostMaps lists the host's pages in a range.
func hostMaps(t testing.TB, lo, hi uintptr) []string {
	var l []string
	for _, v := range hostVMAs(t, lo, hi) {
		for p := max(v.start, lo); p < min(v.end, hi); p += pageSize {
			l = append(l, pageLine(p, v.perm, v.file, v.off+uint64(p-v.start)))
		}
	}
	return l
}

func pageLine(p uintptr, perm string, file bool, off uint64) string {
	if !file {
		off = 0
	}
	return fmt.Sprintf("%#x %s %v %#x", p, perm, file, off)
}

func (w *twin) ourMaps() []string {
	var l []string
	for a := hostArena; ; {
		i, ok := w.Next(a)
		if !ok || i.Start >= hostEnd {
			return l
		}
		perm := []byte("---p")
		for j, b := range []bool{i.Read, i.Write, i.Exec} {
			if b {
				perm[j] = "rwx"[j]
			}
		}
		if i.Shared {
			perm[3] = 's'
		}
		for p := max(i.Start, hostArena); p < min(i.End, hostEnd); p += pageSize {
			l = append(l, pageLine(p, string(perm), i.File != nil, i.Offset+uint64(p-i.Start)))
		}
		a = i.End
	}
}

// hostWord reads or writes a word of the host's arena as the program could, by
// process_vm_readv(2) and process_vm_writev(2) on this very process.
func hostWord(addr uintptr, v *uint64, write bool) bool {
	local := [2]uintptr{uintptr(unsafe.Pointer(v)), 8}
	remote := [2]uintptr{addr, 8}
	nr := uintptr(310)
	if write {
		nr = 311
	}
	_, e := sys(nr, uintptr(os.Getpid()), uintptr(unsafe.Pointer(&local)), 1, uintptr(unsafe.Pointer(&remote)), 1, 0)
	return e == abi.OK
}

// pick draws from a list.
func pick[T any](rng *rand.Rand, l ...T) T { return l[rng.Intn(len(l))] }

// span is a range, mostly good, sometimes odd.
func (w *twin) span() (addr, n uintptr) {
	p := w.rng.Intn(hostPages)
	addr = hostArena + uintptr(p)<<pageShift
	n = uintptr(1+w.rng.Intn(min(12, hostPages-p))) << pageShift
	switch w.rng.Intn(30) {
	case 0:
		addr++
	case 1:
		n -= uintptr(w.rng.Intn(pageSize))
	case 2:
		n = 0
	}
	return
}

func (w *twin) step() {
	addr, n := w.span()
	huge := pick(w.rng, uintptr(1)<<47, 1<<63, ^uintptr(0), ^uintptr(0)-pageSize+1, ^uintptr(0)-2*pageSize)
	odd := w.rng.Intn(60) == 0
	var host, ours abi.Errno
	switch w.rng.Intn(16) {
	case 0, 1, 2, 3:
		host, ours = w.mmap(addr, n, huge, odd)
	case 4:
		if odd {
			n = huge
		}
		w.done = fmt.Sprintf("munmap(%#x, %#x)", addr, n)
		_, host = sys(syscall.SYS_MUNMAP, addr, n)
		ours = w.Munmap(addr, n)
	case 5, 6:
		prot := uintptr(pick(w.rng, 0, 1, 3, 3, 1, 2))
		if odd {
			prot = pick(w.rng, uintptr(0x10), 0x1000001, 0x3000001, 0x2000001, 9, 1<<31)
			if prot < 1<<20 { // with PROT_GROWSDOWN it depends on what else the host maps
				n = pick(w.rng, n, huge)
			}
		}
		w.done = fmt.Sprintf("mprotect(%#x, %#x, %#x)", addr, n, prot)
		_, host = sys(syscall.SYS_MPROTECT, addr, n, prot)
		ours = w.Mprotect(addr, n, uint32(prot))
	case 7, 8:
		host, ours = w.mremap(addr, n, huge, odd)
	case 9, 10:
		advice := pick(w.rng, 0, 1, 2, 3, 4, 4, 4, 8, 9, 10, 11, 16, 17, 18, 19, 20, 21, 22, 23, 24, 14, 15)
		if odd {
			advice = pick(w.rng, -1, 5, 6, 7, 26, 99, 1000)
			n = pick(w.rng, n, ^uintptr(0), ^uintptr(0)-2*pageSize)
		}
		w.done = fmt.Sprintf("madvise(%#x, %#x, %d)", addr, n, advice)
		_, host = sys(syscall.SYS_MADVISE, addr, n, uintptr(advice))
		ours = w.Madvise(addr, n, advice)
		if advice == madvFree {
			// The host may free later: make it certain that it has.
			sys(syscall.SYS_MADVISE, addr, n, madvDontNeed)
			w.Madvise(addr, n, madvDontNeed)
		}
	case 11:
		flags := uintptr(pick(w.rng, 0, 1, 2, 4, 4, 6, 5, 8))
		w.done = fmt.Sprintf("msync(%#x, %#x, %d)", addr, n, flags)
		_, host = sys(syscall.SYS_MSYNC, addr, n, flags)
		ours = w.Msync(addr, n, uint32(flags))
	case 12:
		w.done = fmt.Sprintf("mlock2/munlock(%#x, %#x)", addr, n)
		if flags := uintptr(w.rng.Intn(4)); flags < 3 {
			_, host = sys(325 /* mlock2 */, addr, n, flags)
			ours = w.Mlock(addr, n, uint32(flags))
		} else {
			_, host = sys(syscall.SYS_MUNLOCK, addr, n)
			ours = w.Munlock(addr, n)
		}
	case 13:
		pages := (n + pageMask) >> pageShift
		a, b := make([]byte, 64), make([]byte, 64)
		w.done = fmt.Sprintf("mincore(%#x, %#x)", addr, n)
		_, host = sys(syscall.SYS_MINCORE, addr, n, uintptr(unsafe.Pointer(&a[0])))
		ours = w.Mincore(addr, b[:pages])
	default:
		w.access(addr &^ 7)
		return
	}
	if host != ours {
		w.t.Fatalf("%s: the host answers %v, the space %v\n%q", w.done, host, ours, w.ourMaps())
	}
	a, b := hostMaps(w.t, hostArena, hostEnd), w.ourMaps()
	if strings.Join(a, "\n") != strings.Join(b, "\n") {
		w.t.Fatalf("%s:\nhost  %q\nspace %q", w.done, a, b)
	}
}

func (w *twin) mmap(addr, n, huge uintptr, odd bool) (host, ours abi.Errno) {
	flags := pick(w.rng, mapPrivate|mapAnonymous, mapPrivate|mapAnonymous, mapShared|mapAnonymous, mapPrivate, mapShared, mapSharedValidate)
	flags |= pick(w.rng, mapFixed, mapFixed, mapFixedNoReplace, mapFixed|mapNoReserve, mapFixed|mapPopulate, mapFixed|mapStack)
	prot := uintptr(pick(w.rng, 0, 1, 3, 3, 2))
	off := uintptr(w.rng.Intn(14)) << pageShift
	if odd {
		flags ^= pick(w.rng, mapPrivate, mapShared, mapFixed, mapSync, mapHugeTLB, mapGrowsDown, mapLocked, 4, 8, mapHugeTLB|mapHugeShift1G, mapHugeTLB|3<<mapHugeShift)
		off += pick(w.rng, uintptr(0), 1, 1<<52, 1<<62)
		if flags&mapHugeTLB != 0 {
			off = 0
		}
		n = pick(w.rng, n, huge)
		addr = pick(w.rng, addr, 1<<47-pageSize, 1<<47, 1<<63)
	}
	fd, r := ^uintptr(0), Request{Addr: addr, Len: n, Prot: uint32(prot), Flags: uint32(flags), Offset: uint64(off)}
	if flags&mapAnonymous == 0 {
		fd, r.File, r.Readable, r.Writable = w.fd, w.file, true, true
	}
	w.done = fmt.Sprintf("mmap(%#x, %#x, %d, %#x, file %v, %#x)", addr, n, prot, flags, r.File != nil, off)
	a, host := sys(syscall.SYS_MMAP, addr, n, prot, uintptr(flags), fd, off)
	b, ours := w.Mmap(&r)
	w.elsewhere(a, b, n, host, ours)
	if host == abi.EEXIST && ours != abi.OK {
		ours = host // two errors at once: the order is of no interest
	}
	if flags&mapHugeTLB != 0 && ours != abi.OK && (host == abi.EINVAL || host == abi.ENOMEM) {
		ours = host // which of the two depends on the host's page sizes
	}
	return
}

// elsewhere undoes mappings that were placed outside the arena.
func (w *twin) elsewhere(a, b, n uintptr, host, ours abi.Errno) {
	if host == abi.OK && (a < hostArena || a >= hostEnd) {
		sys(syscall.SYS_MUNMAP, a, n)
	}
	if ours == abi.OK && (b < hostArena || b >= hostEnd) {
		w.Munmap(b, n)
	}
	if host == abi.OK && a < hostEnd && a+n > hostEnd {
		sys(syscall.SYS_MUNMAP, hostEnd, n)
	}
	if ours == abi.OK && b < hostEnd && b+n > hostEnd {
		w.Munmap(hostEnd, n)
	}
}

func (w *twin) mremap(addr, n, huge uintptr, odd bool) (host, ours abi.Errno) {
	flags := pick(w.rng, mremapMayMove, mremapMayMove|mremapFixed, mremapMayMove|mremapFixed, 0)
	size := uintptr(1+w.rng.Intn(8)) << pageShift
	to := hostArena + uintptr(w.rng.Intn(hostPages-8))<<pageShift
	if odd {
		flags = pick(w.rng, flags, 2, 4, 5, 7, 8)
		if flags&mremapFixed == 0 { // else the host unmaps the target before it finds out
			n = pick(w.rng, n, huge)
		}
		size = pick(w.rng, n, size, 0, huge)
		to = pick(w.rng, to, to+1, addr, 1<<47-pageSize)
	}
	if i, ok := w.Find(addr); (n+pageMask)&^pageMask == (size+pageMask)&^pageMask && (!ok || addr+n > i.End) {
		// Linux 6.17 moves several mappings at once if the length stays; 6.12,
		// which is the reference, answers EFAULT.
		size += pageSize
	}
	// The host does not join all neighbours that could be joined.
	for _, size := range []uintptr{n, min(n, size)} {
		host1 := false
		for _, v := range hostVMAs(w.t, addr, addr+1) {
			host1 = v.end >= addr+size
		}
		if i, ok := w.Find(addr); host1 != (ok && i.End >= addr+size) {
			return
		}
	}
	w.done = fmt.Sprintf("mremap(%#x, %#x, %#x, %d, %#x)", addr, n, size, flags, to)
	a, host := sys(syscall.SYS_MREMAP, addr, n, size, uintptr(flags), to)
	b, ours := w.Mremap(addr, n, size, uint32(flags), to)
	w.elsewhere(a, b, (size+pageMask)&^pageMask, host, ours)
	if size > Highest && host == abi.EINVAL && ours != abi.OK {
		ours = host // since Linux 6.17; 6.12 says EFAULT or ENOMEM
	}
	return
}

// access reads or writes one word in both.
func (w *twin) access(addr uintptr) {
	v := uint64(w.rng.Intn(1000)) + 100
	host, ours := v, v
	write := w.rng.Intn(2) == 0
	if i, ok := w.Find(addr); ok && i.Write && !i.Read {
		write = true // the processor reads what may be written; the host's call does not
	}
	okHost := hostWord(addr, &host, write)
	var r FaultResult
	if write {
		r = w.cpus[0].store(addr, v)
	} else {
		ours, r = w.cpus[0].load(addr)
	}
	if okHost != (r == FaultOK) || okHost && host != ours {
		w.t.Fatalf("after %s: word at %#x: host %d (%v), space %d (%d), write %v", w.done, addr, host, okHost, ours, r, write)
	}
}

func TestLinux(t *testing.T) {
	n := rounds(16000)
	if v, err := strconv.Atoi(os.Getenv("MM_OPS")); err == nil {
		n = v
	}
	for seed := int64(1); n > 0; seed++ {
		w := newTwin(t, seed)
		for i := 0; i < 1000 && n > 0; i, n = i+1, n-1 {
			w.step()
		}
		w.end()
	}
}

// TestConstants compares the constants with those of package syscall.
func TestConstants(t *testing.T) {
	for _, c := range [][2]int{
		{protRead, syscall.PROT_READ}, {protWrite, syscall.PROT_WRITE}, {protExec, syscall.PROT_EXEC},
		{protGrowsDown, syscall.PROT_GROWSDOWN}, {protGrowsUp, syscall.PROT_GROWSUP},
		{mapShared, syscall.MAP_SHARED}, {mapPrivate, syscall.MAP_PRIVATE}, {mapFixed, syscall.MAP_FIXED},
		{mapAnonymous, syscall.MAP_ANON}, {map32Bit, syscall.MAP_32BIT}, {mapGrowsDown, syscall.MAP_GROWSDOWN},
		{mapLocked, syscall.MAP_LOCKED}, {mapNoReserve, syscall.MAP_NORESERVE}, {mapPopulate, syscall.MAP_POPULATE},
		{mapNonblock, syscall.MAP_NONBLOCK}, {mapStack, syscall.MAP_STACK}, {mapHugeTLB, syscall.MAP_HUGETLB},
		{mapDenyWrite, syscall.MAP_DENYWRITE}, {mapExecutable, syscall.MAP_EXECUTABLE}, {mapType, syscall.MAP_TYPE},
		{madvDontNeed, syscall.MADV_DONTNEED}, {madvRemove, syscall.MADV_REMOVE}, {madvWillNeed, syscall.MADV_WILLNEED},
		{madvHugePage, syscall.MADV_HUGEPAGE}, {madvNoHugePage, syscall.MADV_NOHUGEPAGE},
		{madvDontFork, syscall.MADV_DONTFORK}, {madvHWPoison, syscall.MADV_HWPOISON},
		{mclCurrent, syscall.MCL_CURRENT}, {mclFuture, syscall.MCL_FUTURE},
	} {
		if c[0] != c[1] {
			t.Errorf("%#x is %#x in package syscall", c[0], c[1])
		}
	}
}
