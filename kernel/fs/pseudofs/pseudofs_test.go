package pseudofs

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"skerry/kernel/abi"
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

func must(t *testing.T, what string, e, want abi.Errno) {
	t.Helper()
	if e != want {
		t.Fatalf("%s: %v, want %v", what, e, want)
	}
}

func openAt(t *testing.T, c *vfs.Context, path string, flags uint32) *vfs.Description {
	t.Helper()
	var w wait.Waiter
	d, e := c.OpenFile(&w, abi.AT_FDCWD, path, flags, 0, 0)
	must(t, "open "+path, e, abi.OK)
	return d
}

// TestContents: a reader in pieces sees one state, one that goes back to the
// beginning a new one, and two readers do not disturb each other.
func TestContents(t *testing.T) {
	fs := New("gen", 1, vfs.NoNames)
	calls := 0
	fs.Top().AddFile("f", func() []byte {
		calls++
		return []byte(strings.Repeat(strconv.Itoa(calls), 10))
	})
	c := vfs.NewContext(fs)
	var w wait.Waiter
	d, e := openAt(t, c, "/f", 0), openAt(t, c, "/f", 0)
	b := make([]byte, 4)
	read := func(d *vfs.Description, want string) {
		t.Helper()
		n, errno := d.Read(&w, vec(b))
		if string(b[:n]) != want || errno != abi.OK {
			t.Errorf("%q %v, want %q", b[:n], errno, want)
		}
	}
	read(d, "1111")
	read(e, "2222")
	read(d, "1111")
	read(d, "11")
	read(d, "")
	if n, errno := d.Pread(vec(b), 8); n != 2 || errno != abi.OK || b[0] != '1' {
		t.Error(n, errno, b)
	}
	if n, errno := d.Pread(vec(b), 1<<62); n != 0 || errno != abi.OK {
		t.Error(n, errno)
	}
	d.Lseek(0, abi.SEEK_SET)
	read(d, "3333")
	read(e, "2222")
	e.Lseek(5, abi.SEEK_SET)
	read(e, "2222")
	fresh := openAt(t, c, "/f", 0)
	fresh.Lseek(8, abi.SEEK_SET)
	read(fresh, "44") // made at the first read, wherever it is
}

func TestWriting(t *testing.T) {
	fs := New("gen", 1, vfs.NoNames)
	var got string
	fs.Top().Add("w", fs.NewWritable(0o644, func() []byte { return []byte(got) }, func(b []byte) abi.Errno {
		if len(b) > 0 && b[0] == '!' {
			return abi.EINVAL
		}
		got = string(b)
		return abi.OK
	}))
	fs.Top().AddText("r", "text")
	c := vfs.NewContext(fs)
	var w wait.Waiter
	d := openAt(t, c, "/w", abi.O_RDWR|abi.O_TRUNC)
	if n, e := d.Write(&w, vec([]byte("value"))); n != 5 || e != abi.OK || got != "value" {
		t.Error(n, e, got)
	}
	if _, e := d.Write(&w, vec([]byte("more"))); e != abi.EINVAL || got != "value" {
		t.Error("not at the beginning:", e, got)
	}
	d.Lseek(0, 0)
	if _, e := d.Write(&w, vec([]byte("!"))); e != abi.EINVAL {
		t.Error(e)
	}
	if _, e := d.Write(&w, vec(make([]byte, 4096))); e != abi.EINVAL {
		t.Error("too much:", e)
	}
	if _, e := c.OpenFile(&w, abi.AT_FDCWD, "/r", abi.O_WRONLY, 0, 0); e != abi.EACCES {
		t.Error("read-only file for writing:", e)
	}
	if _, e := c.OpenFile(&w, abi.AT_FDCWD, "/new", abi.O_CREAT|abi.O_WRONLY, 0, 0); e != abi.ENOENT {
		t.Error("new file:", e)
	}
	must(t, "chmod", c.Chmod(abi.AT_FDCWD, "/r", 0o777, 0), abi.EPERM)
	must(t, "truncate", c.Truncate("/r", 0), abi.EPERM)
	must(t, "mkdir", c.Mkdir(abi.AT_FDCWD, "/d", 0), abi.ENOENT)
	must(t, "link", c.Link(abi.AT_FDCWD, "/r", abi.AT_FDCWD, "/s", 0), abi.EPERM)
}

func TestNumbered(t *testing.T) {
	fs := New("gen", 1, vfs.NoNames)
	set := map[int32]bool{0: true, 3: true, 40: true, 1<<31 - 1: true}
	next := func(n int32) (int32, bool) {
		best, ok := int32(0), false
		for k := range set {
			if k >= n && (!ok || k < best) {
				best, ok = k, true
			}
		}
		return best, ok
	}
	d := fs.Top().AddDir("d")
	d.AddText("const", "x")
	d.SetMore(&Numbered{Node: fs.NewNode(abi.S_IFDIR), Next: next, Type: abi.DT_REG,
		InoOf: func(n int32) uint64 { return 1<<40 + uint64(n) },
		Make: func(n int32) (vfs.Inode, abi.Errno) {
			f := fs.NewFile(0o444, func() []byte { return Append(nil, int64(n)) })
			return f.WithNode(fs.NewNumberedNode(abi.S_IFREG|0o444, 1<<40+uint64(n))), abi.OK
		}})
	c := vfs.NewContext(fs)
	var w wait.Waiter
	for name, want := range map[string]abi.Errno{
		"0": abi.OK, "3": abi.OK, "2147483647": abi.OK, "const": abi.OK, "00": abi.ENOENT, "03": abi.ENOENT, "-3": abi.ENOENT,
		"4": abi.ENOENT, "2147483648": abi.ENOENT, "99999999999999999999": abi.ENOENT, "3 ": abi.ENOENT, "+3": abi.ENOENT, "0x3": abi.ENOENT,
	} {
		var st abi.Stat
		must(t, name, c.Stat(abi.AT_FDCWD, "/d/"+name, 0, &st), want)
	}
	list := func(size int) string {
		f := openAt(t, c, "/d", abi.O_DIRECTORY)
		defer f.Unref()
		var names []string
		buf := make([]byte, size)
		for {
			n, e := f.Getdents(vec(buf))
			must(t, "getdents", e, abi.OK)
			if n == 0 {
				return strings.Join(names, " ")
			}
			for b := buf[:n]; len(b) > 0; b = b[int(b[16])|int(b[17])<<8:] {
				name, _, _ := strings.Cut(string(b[19:int(b[16])|int(b[17])<<8]), "\x00")
				names = append(names, name)
			}
		}
	}
	for _, size := range []int{32, 64, 1000} {
		if got := list(size); got != ". .. const 0 3 40 2147483647" {
			t.Error(got)
		}
	}
	delete(set, 3)
	if _, e := c.OpenFile(&w, abi.AT_FDCWD, "/d/3", 0, 0, 0); e != abi.ENOENT {
		t.Error("a number that is gone:", e)
	}
	var st abi.Stat
	c.Stat(abi.AT_FDCWD, "/d", 0, &st)
	if st.Mode != abi.S_IFDIR|0o555 || st.UID != abi.ID {
		t.Errorf("%+v", st)
	}
}

// TestFill: a directory with Fill is filled when somebody looks into it or asks
// for its links, not before, once, and whole for whoever looks at the same time.
func TestFill(t *testing.T) {
	for _, look := range []func(t *testing.T, d *Dir){
		func(t *testing.T, d *Dir) {
			if n, e := d.Lookup("49"); e != abi.OK || n.Mode() != abi.S_IFDIR|0o555 {
				t.Error("the last entry is not there: ", e)
			}
		},
		func(t *testing.T, d *Dir) {
			n := 0
			d.ReadDir(0, func(*vfs.DirEntry) bool { n++; return true })
			if n != 50 {
				t.Errorf("%d entries, want 50", n)
			}
		},
		func(t *testing.T, d *Dir) {
			var st abi.Stat
			if d.Stat(&st); st.Nlink != 52 {
				t.Errorf("%d links, want 52", st.Nlink)
			}
		},
	} {
		fs := New("gen", 1, vfs.NoNames)
		d := fs.Top().AddDir("d")
		var calls atomic.Int32
		d.Fill(func() {
			calls.Add(1)
			for i := range 50 {
				d.AddDir(strconv.Itoa(i))
			}
		})
		c := vfs.NewContext(fs)
		if _, e := c.Lookup("/d"); e != abi.OK || calls.Load() != 0 {
			t.Fatalf("%v; filled %d times by a look at its name", e, calls.Load())
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { look(t, d) })
		}
		wg.Wait()
		if n := calls.Load(); n != 1 {
			t.Errorf("filled %d times", n)
		}
	}
}
