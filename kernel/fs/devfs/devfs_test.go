package devfs

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/fs/tmpfs"
	"skerry/kernel/ground/frame"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
	"skerry/kernel/wait"
)

func TestMain(m *testing.M) {
	frame.InitHost(1024)
	os.Exit(m.Run())
}

func vec(b []byte) *usermem.Vec {
	v := new(usermem.Vec)
	v.InitBytes(b)
	return v
}

// world is a tmpfs with /dev mounted; random bytes count up, and what is mixed
// in is kept.
func world(t *testing.T) (*vfs.Context, *[]byte) {
	t.Helper()
	c := vfs.NewContext(tmpfs.New(tmpfs.Options{}))
	c.Mkdir(abi.AT_FDCWD, "/dev", 0o755)
	mixed := new([]byte)
	n := byte(0)
	e := c.Mount("/dev", New(Options{
		Random: func(b []byte) {
			for i := range b {
				n++
				b[i] = n
			}
		},
		Mix: func(b []byte) { *mixed = append(*mixed, b...) },
	}))
	if e != abi.OK {
		t.Fatal(e)
	}
	return c, mixed
}

// TestAgainstHost makes the same calls on the host's devices and compares
// results, error numbers and bytes.
func TestAgainstHost(t *testing.T) {
	c, _ := world(t)
	var w wait.Waiter
	for _, name := range []string{"null", "zero", "full", "random", "urandom"} {
		path := "/dev/" + name
		h, err := syscall.Open(path, syscall.O_RDWR, 0)
		if err != nil {
			t.Skip(err)
		}
		d, e := c.OpenFile(&w, abi.AT_FDCWD, path, abi.O_RDWR, 0, 0)
		if e != abi.OK {
			t.Fatal(path, e)
		}
		var hs syscall.Stat_t
		var st abi.Stat
		syscall.Fstat(h, &hs)
		d.Stat(&st)
		if hs.Mode&abi.S_IFMT != st.Mode&abi.S_IFMT || hs.Rdev != st.Rdev {
			t.Errorf("%s: mode %o rdev %#x, want %o %#x", name, st.Mode, st.Rdev, hs.Mode, hs.Rdev)
		}
		for _, size := range []int{0, 1, 4096, 5000} {
			a, b := bytes.Repeat([]byte{1}, size), bytes.Repeat([]byte{1}, size)
			n, err := syscall.Read(h, a)
			m, e := d.Read(&w, vec(b))
			compare(t, fmt.Sprintf("%s: read %d", name, size), n, err, m, e)
			if name != "random" && name != "urandom" && !bytes.Equal(a, b) {
				t.Errorf("%s: bytes differ", name)
			}
			n, err = syscall.Pread(h, a, 10)
			m, e = d.Pread(vec(b), 10)
			compare(t, fmt.Sprintf("%s: pread %d", name, size), n, err, m, e)
			n, err = syscall.Write(h, a)
			m, e = d.Write(&w, vec(b))
			compare(t, fmt.Sprintf("%s: write %d", name, size), n, err, m, e)
		}
		// epoll takes /dev/random only.
		tab := vfs.NewTable()
		ep, _ := tab.Install(vfs.NewEpoll(), false)
		d.Ref()
		fd, _ := tab.Install(d, false)
		hep, _ := syscall.EpollCreate1(0)
		err = syscall.EpollCtl(hep, syscall.EPOLL_CTL_ADD, h, &syscall.EpollEvent{Events: syscall.EPOLLIN})
		compare(t, name+": epoll", 0, err, 0, tab.EpollControl(ep, abi.EPOLL_CTL_ADD, fd, &vfs.EpollEvent{Events: abi.POLLIN}))
		tab.CloseRange(0, 99, 0, true)
		syscall.Close(hep)
		syscall.Close(h)
		d.Unref()
	}
}

func compare(t *testing.T, what string, n int, err error, m int, e abi.Errno) {
	t.Helper()
	host := abi.OK
	if errno, ok := err.(syscall.Errno); ok {
		host, n = abi.Errno(errno), 0
	}
	if n != m || host != e {
		t.Errorf("%s: %d %v, host %d %v", what, m, e, n, host)
	}
}

func TestRandom(t *testing.T) {
	c, mixed := world(t)
	var w wait.Waiter
	d, _ := c.OpenFile(&w, abi.AT_FDCWD, "/dev/urandom", abi.O_RDWR, 0, 0)
	b := make([]byte, 1500)
	if n, e := d.Read(&w, vec(b)); n != 1500 || e != abi.OK {
		t.Fatal(n, e)
	}
	for i := range b {
		if b[i] != byte(i+1) {
			t.Fatalf("byte %d is %d", i, b[i])
		}
	}
	if n, e := d.Write(&w, vec(b)); n != 1500 || e != abi.OK || !bytes.Equal(*mixed, b) {
		t.Error("mixing:", n, e)
	}
	chunk := chunks.Get().(*[512]byte)
	if bytes.Count(chunk[:], []byte{0}) != 512 {
		t.Error("random bytes left behind")
	}
	for cmd, want := range map[uint32]abi.Errno{
		rndAddEntropy: abi.EPERM, rndZapEntCnt: abi.EPERM, rndReseedCRNG: abi.EPERM, 0x5401: abi.EINVAL, rndGetEntCnt: abi.EFAULT,
	} {
		if _, e := d.File().Ioctl(cmd, 0x1000); e != want {
			t.Errorf("ioctl %#x: %v", cmd, e)
		}
	}
}

func TestZeroMapping(t *testing.T) {
	c, _ := world(t)
	var w wait.Waiter
	d, _ := c.OpenFile(&w, abi.AT_FDCWD, "/dev/zero", abi.O_RDWR, 0, 0)
	m := d.File().(vfs.Mapper)
	p, e := m.Page(1<<40, false)
	if e != abi.OK || bytes.Count(p.Bytes(), []byte{0}) != 4096 || m.MayWriteShared() || m.Executable() {
		t.Fatal(e)
	}
	p.Unref()
	if _, e := m.Page(0, true); e != abi.EACCES {
		t.Error(e)
	}
}

func TestTree(t *testing.T) {
	c, _ := world(t)
	if e := c.Mount("/dev/shm", tmpfs.New(tmpfs.Options{})); e != abi.OK {
		t.Error("mount on shm:", e)
	}
	for _, name := range []string{"tty", "console", "ptmx", "mem", "kmsg", "sda", "vda"} {
		var st abi.Stat
		if e := c.Stat(abi.AT_FDCWD, "/dev/"+name, 0, &st); e != abi.ENOENT {
			t.Errorf("%s: %v", name, e)
		}
	}
	for name, want := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stderr": "/proc/self/fd/2"} {
		if got, e := c.Readlink(abi.AT_FDCWD, "/dev/"+name); got != want || e != abi.OK {
			t.Errorf("%s: %s %v", name, got, e)
		}
	}
	var w wait.Waiter
	if d, e := c.OpenFile(&w, abi.AT_FDCWD, "/dev/null", abi.O_WRONLY|abi.O_CREAT|abi.O_TRUNC, 0o644, 0); e != abi.OK {
		t.Error("a shell's >/dev/null:", e)
	} else {
		d.Unref()
	}
}
