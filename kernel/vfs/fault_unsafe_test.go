package vfs_test

import (
	"bytes"
	"testing"
	"unsafe"

	"skerry/kernel/abi"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
	"skerry/kernel/wait"
)

// userBase is where the program's memory of these tests begins: two pages, behind
// which nothing is mapped.
const userBase = 0x10000

// fakeUser makes a buffer of two pages stand for the program's memory.
func fakeUser(t *testing.T) []byte {
	mem := make([]byte, 2*4096)
	usermem.HostTranslate = func(addr uintptr, write bool) (uintptr, bool) {
		if addr < userBase || addr >= userBase+uintptr(len(mem)) {
			return 0, false
		}
		return uintptr(unsafe.Pointer(&mem[addr-userBase])), true
	}
	t.Cleanup(func() { usermem.HostTranslate = func(uintptr, bool) (uintptr, bool) { return 0, false } })
	return mem
}

// TestFaults: copies that run into memory that is not there. What was moved
// counts, what was not is neither lost nor made up.
func TestFaults(t *testing.T) {
	mem := fakeUser(t)
	c := world(t)
	var w wait.Waiter
	user := func(off, n uintptr) *usermem.Vec {
		v := new(usermem.Vec)
		must(t, "vector", v.InitUser(userBase+off, n), abi.OK)
		return v
	}
	check := func(what string, n int, e abi.Errno, wantN int, want abi.Errno) {
		t.Helper()
		if n != wantN || e != want {
			t.Errorf("%s: %d %v, want %d %v", what, n, e, wantN, want)
		}
	}
	for i := range mem {
		mem[i] = byte(i * 7)
	}
	d, _ := c.Files.Get(open(t, c, "/a/f", abi.O_CREAT|abi.O_RDWR))
	n, e := d.Write(&w, user(8192-100, 300))
	check("write", n, e, 100, abi.OK)
	n, e = d.Write(&w, user(9000, 10))
	check("write from nowhere", n, e, 0, abi.EFAULT)
	var st abi.Stat
	d.Stat(&st)
	if st.Size != 100 {
		t.Error("size", st.Size)
	}
	d.Pwrite(vec(bytes.Repeat([]byte{9}, 10000)), 0)
	n, e = d.Pread(user(0, 20000), 0)
	check("read", n, e, 8192, abi.OK)
	n, e = d.Pread(user(8192, 1), 0)
	check("read to nowhere", n, e, 0, abi.EFAULT)
	d.Lseek(0, abi.SEEK_SET)
	d.Read(&w, user(8000, 500))
	if d.Position() != 192 {
		t.Error("position after a short read:", d.Position())
	}
	hole, _ := c.Files.Get(open(t, c, "/a/hole", abi.O_CREAT|abi.O_RDWR))
	must(t, "truncate", c.Truncate("/a/hole", 1<<20), abi.OK)
	n, e = hole.Read(&w, user(4096, 9000))
	check("read of a hole", n, e, 4096, abi.OK)

	r, p, _ := vfs.NewPipe(abi.O_NONBLOCK)
	p.Write(&w, vec(bytes.Repeat([]byte{5}, 3000)))
	n, e = r.Read(&w, user(8192-1000, 3000))
	check("pipe read", n, e, 1000, abi.OK)
	n, e = r.Read(&w, user(8192, 3000))
	check("pipe read to nowhere", n, e, 0, abi.EFAULT)
	n, e = r.Read(&w, vec(make([]byte, 9000)))
	check("the rest", n, e, 2000, abi.OK)
	n, e = p.Write(&w, user(8192-50, 200))
	check("pipe write", n, e, 50, abi.OK)
	n, e = p.Write(&w, user(8192, 200))
	check("pipe write from nowhere", n, e, 0, abi.EFAULT)
	n, e = r.Read(&w, vec(make([]byte, 9000)))
	check("what was written", n, e, 50, abi.OK)

	ev, _ := vfs.NewEventFD(0, abi.O_NONBLOCK)
	n, e = ev.Write(&w, user(8190, 8))
	check("eventfd write", n, e, 0, abi.EFAULT)
	n, e = ev.Read(&w, vec(make([]byte, 8)))
	check("eventfd", n, e, 0, abi.EAGAIN)

	gen, _ := c.Files.Get(open(t, c, "/gen/text", 0))
	n, e = gen.Read(&w, user(8190, 100))
	check("generated file", n, e, 2, abi.OK)
	n, e = gen.Read(&w, user(8192, 100))
	check("generated file to nowhere", n, e, 0, abi.EFAULT)

	dir, _ := c.Files.Get(open(t, c, "/a", abi.O_DIRECTORY))
	n, e = dir.Getdents(user(8192, 4096))
	check("getdents to nowhere", n, e, 0, abi.EFAULT)
	if dir.Position() != 0 {
		t.Error("getdents moved on")
	}
	n, e = dir.Getdents(user(4096, 4096))
	if n == 0 || e != abi.OK {
		t.Error("getdents:", n, e)
	}

	// ioctl numbers that every file knows.
	fd := open(t, c, "/a/f", 0)
	if _, e := c.Ioctl(fd, abi.FIONREAD, userBase); e != abi.OK || mem[0] != 10000&0xff || mem[1] != 10000>>8 {
		t.Error("FIONREAD:", e, mem[:4])
	}
	if _, e := c.Ioctl(fd, abi.FIONREAD, 0x1000); e != abi.EFAULT {
		t.Error("FIONREAD to nowhere:", e)
	}
	mem[0], mem[1] = 1, 0
	g, _ := c.Files.Get(fd)
	if _, e := c.Ioctl(fd, abi.FIONBIO, userBase); e != abi.OK || g.Flags()&abi.O_NONBLOCK == 0 {
		t.Error("FIONBIO:", e)
	}
	if _, e := c.Ioctl(fd, abi.FIOCLEX, 0); e != abi.OK {
		t.Error("FIOCLEX:", e)
	}
	if on, _ := c.Files.Cloexec(fd); !on {
		t.Error("FIOCLEX had no effect")
	}
	for cmd, want := range map[uint32]abi.Errno{abi.FIOASYNC: abi.ENOTTY, 0x5401: abi.ENOTTY, 0xdeadbeef: abi.ENOTTY} {
		if _, e := c.Ioctl(fd, cmd, userBase); e != want {
			t.Errorf("ioctl %#x: %v", cmd, e)
		}
	}
}
