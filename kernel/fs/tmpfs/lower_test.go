package tmpfs

import (
	"bytes"
	"sort"
	"sync"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/vfs"
	"skerry/kernel/wait"
)

// image is a lower file system of executable files in one directory.
type image struct {
	dir
	files map[string]*program
}

// program is a file that may be mapped executable, and that counts who holds it.
type program struct {
	file
	held int
}

func (p *program) Executable() bool { return true }

func (p *program) MayWriteShared() bool { return false }

func (p *program) Open(*vfs.Dentry, uint32) (vfs.File, abi.Errno) { return p, abi.OK }

func (p *program) Hold() bool { p.held++; return true }

func (p *program) Drop() { p.held-- }

func newImage(t *testing.T, files map[string]string) *image {
	i := &image{files: make(map[string]*program)}
	fs := New(Options{})
	i.init(fs, abi.S_IFDIR|0o555)
	for name, text := range files {
		p := &program{}
		p.init(fs, abi.S_IFREG|0o555)
		p.nlink = 1
		n, e := p.Write(bytesVec([]byte(text)), 0)
		must(t, "write", e, abi.OK)
		if n != len(text) {
			t.Fatal("short write")
		}
		i.files[name] = p
	}
	return i
}

func (i *image) Root() vfs.Inode              { return i }
func (i *image) Info() vfs.Info               { return vfs.Info{Type: "erofs", ReadOnly: true, Dev: 77} }
func (i *image) Statfs(*vfs.Statfs) abi.Errno { return abi.OK }
func (i *image) Stat(st *abi.Stat) abi.Errno  { return i.dir.Stat(st) }
func (i *image) Lookup(name string) (vfs.Inode, abi.Errno) {
	if p := i.files[name]; p != nil {
		return p, abi.OK
	}
	return nil, abi.ENOENT
}

func (i *image) ReadDir(pos int64, emit func(*vfs.DirEntry) bool) abi.Errno {
	var names []string
	for n := range i.files {
		names = append(names, n)
	}
	sort.Strings(names)
	for at, n := range names {
		if int64(at) >= pos && !emit(&vfs.DirEntry{Name: n, Ino: i.files[n].ino, Type: abi.DT_REG, Next: int64(at) + 1}) {
			break
		}
	}
	return abi.OK
}

func contents(t *testing.T, d *vfs.Description) string {
	t.Helper()
	b := make([]byte, 100)
	n, e := d.Pread(bytesVec(b), 0)
	must(t, "read", e, abi.OK)
	return string(b[:n])
}

// page is the first page of a mapped file.
func page(t *testing.T, m vfs.Mapper) string {
	t.Helper()
	p, e := m.Page(0, false)
	must(t, "page", e, abi.OK)
	defer p.Unref()
	return string(bytes.TrimRight(p.Bytes(), "\x00"))
}

// TestOverlayExecutable: what was written never comes into a mapping that may be
// executed, whichever of opening, mapping and writing comes first.
func TestOverlayExecutable(t *testing.T) {
	low := newImage(t, map[string]string{"app": "code", "lib": "more code"})
	c, fs := world(Options{Lower: low})
	var w wait.Waiter
	if e := c.Access(abi.AT_FDCWD, "/app", abi.X_OK, 0); e != abi.OK {
		t.Error("access:", e)
	}
	before := open(t, c, "/app", abi.O_RDONLY, 0)
	mapped := before.File().(vfs.Mapper)
	if !mapped.Executable() || mapped.MayWriteShared() {
		t.Error("the image's file is not what it was")
	}
	wr := open(t, c, "/app", abi.O_RDWR, 0)
	if _, e := wr.Pwrite(bytesVec([]byte("evil")), 0); e != abi.OK {
		t.Fatal(e)
	}
	if wr.File().(vfs.Mapper).Executable() {
		t.Error("what can be written may be executed")
	}
	if got := page(t, mapped); got != "code" {
		t.Errorf("a mapping that may be executed shows %q", got)
	}
	if got := contents(t, before); got != "evil" {
		t.Errorf("an open file shows %q", got)
	}
	after := open(t, c, "/app", abi.O_RDONLY, 0)
	if after.File().(vfs.Mapper).Executable() || contents(t, after) != "evil" {
		t.Error("a file that was written to may be executed")
	}
	must(t, "access", c.Access(abi.AT_FDCWD, "/app", abi.X_OK, 0), abi.EACCES)
	// Nor by a change of its mode, or under another name.
	must(t, "chmod", c.Chmod(abi.AT_FDCWD, "/app", 0o777, 0), abi.OK)
	must(t, "link", c.Link(abi.AT_FDCWD, "/app", abi.AT_FDCWD, "/app2", 0), abi.OK)
	must(t, "rename", c.Rename(abi.AT_FDCWD, "/app2", abi.AT_FDCWD, "/lib", 0), abi.OK)
	lib := open(t, c, "/lib", abi.O_RDONLY, 0)
	if lib.File().(vfs.Mapper).Executable() || contents(t, lib) != "evil" {
		t.Error("data in a library's place may be executed")
	}
	// A file of the image that was only moved is what it was.
	must(t, "mkdir", c.Mkdir(abi.AT_FDCWD, "/d", 0o755), abi.OK)
	for _, d := range []*vfs.Description{before, wr, after, lib} {
		d.Unref()
	}
	if n := low.files["app"].held; n != 0 {
		t.Errorf("the image's file is held %d times", n)
	}
	must(t, "unlink", c.Unlink(abi.AT_FDCWD, "/app"), abi.OK)
	must(t, "unlink", c.Unlink(abi.AT_FDCWD, "/lib"), abi.OK)
	must(t, "rmdir", c.Rmdir(abi.AT_FDCWD, "/d"), abi.OK)
	if fs.usedPages.Load() != 0 || fs.usedInodes.Load() != 1 {
		t.Errorf("%d pages and %d inodes left", fs.usedPages.Load(), fs.usedInodes.Load())
	}
	_, e := c.OpenFile(&w, abi.AT_FDCWD, "/app", 0, 0, 0)
	must(t, "open what was removed", e, abi.ENOENT)
}

// TestOverlayMoved: a file of the image stays executable under another name.
func TestOverlayMoved(t *testing.T) {
	c, _ := world(Options{Lower: newImage(t, map[string]string{"app": "code"})})
	must(t, "rename", c.Rename(abi.AT_FDCWD, "/app", abi.AT_FDCWD, "/b", 0), abi.OK)
	d := open(t, c, "/b", abi.O_RDONLY, 0)
	defer d.Unref()
	if !d.File().(vfs.Mapper).Executable() || contents(t, d) != "code" {
		t.Error("it is not what it was")
	}
}

// TestOverlayFull: a file that does not fit is left as it was.
func TestOverlayFull(t *testing.T) {
	text := string(bytes.Repeat([]byte("x"), 10*frame.Size))
	c, fs := world(Options{Lower: newImage(t, map[string]string{"big": text, "small": "s"}), Size: 4 * frame.Size})
	var w wait.Waiter
	_, e := c.OpenFile(&w, abi.AT_FDCWD, "/big", abi.O_RDWR, 0, 0)
	must(t, "open", e, abi.ENOSPC)
	must(t, "truncate", c.Truncate("/big", 5), abi.ENOSPC)
	if fs.usedPages.Load() != 0 {
		t.Errorf("%d pages are counted", fs.usedPages.Load())
	}
	var st abi.Stat
	must(t, "stat", c.Stat(abi.AT_FDCWD, "/big", 0, &st), abi.OK)
	if st.Size != int64(len(text)) || st.Dev != 77 {
		t.Errorf("size %d, dev %d", st.Size, st.Dev)
	}
	d := open(t, c, "/big", abi.O_RDONLY, 0)
	if got := contents(t, d); got != text[:100] {
		t.Errorf("it holds %.20q", got)
	}
	d.Unref()
	// Emptied, it fits.
	d = open(t, c, "/big", abi.O_WRONLY|abi.O_TRUNC, 0)
	d.Unref()
	d = open(t, c, "/small", abi.O_RDWR, 0)
	d.Unref()
	if fs.usedPages.Load() != 1 {
		t.Errorf("%d pages are counted", fs.usedPages.Load())
	}
}

// TestOverlayKernelFile: a file whose contents the kernel replaces shows the new ones,
// and their time, until the program writes to it.
func TestOverlayKernelFile(t *testing.T) {
	low := newImage(t, map[string]string{"resolv.conf": "one"})
	c, _ := world(Options{Lower: low})
	stat := func() (st abi.Stat) {
		must(t, "stat", c.Stat(abi.AT_FDCWD, "/resolv.conf", 0, &st), abi.OK)
		return st
	}
	first := stat()
	must(t, "chmod", c.Chmod(abi.AT_FDCWD, "/resolv.conf", 0o600, 0), abi.OK)
	if _, e := low.files["resolv.conf"].Write(bytesVec([]byte("two two")), 0); e != abi.OK {
		t.Fatal(e)
	}
	st := stat()
	if st.Size != 7 || st.Mtime == first.Mtime || st.Mode != abi.S_IFREG|0o600 {
		t.Errorf("size %d, mode %o, mtime %v as before", st.Size, st.Mode, st.Mtime)
	}
	d := open(t, c, "/resolv.conf", abi.O_RDWR, 0)
	defer d.Unref()
	if got := contents(t, d); got != "two two" {
		t.Errorf("it holds %q", got)
	}
	if up := stat(); up.Mtime != st.Mtime || up.Ino != st.Ino {
		t.Error("taking a file over changed its time or number")
	}
}

// TestOverlayRace opens, reads, writes, links and lists from several threads.
func TestOverlayRace(t *testing.T) {
	files := map[string]string{}
	for _, n := range []string{"a", "b", "c", "d"} {
		files[n] = string(bytes.Repeat([]byte(n), 3*frame.Size))
	}
	c, _ := world(Options{Lower: lockedImage{newImage(t, files)}})
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			var w wait.Waiter
			for i := range 300 {
				n := "/" + string(rune('a'+(i+g)%4))
				switch (i*7 + g) % 5 {
				case 0:
					if d, e := c.OpenFile(&w, abi.AT_FDCWD, n, abi.O_RDWR, 0, 0); e == abi.OK {
						d.Pwrite(bytesVec([]byte("w")), int64(i))
						d.Unref()
					}
				case 1, 2:
					if d, e := c.OpenFile(&w, abi.AT_FDCWD, n, abi.O_RDONLY, 0, 0); e == abi.OK {
						b := make([]byte, 10)
						// Names change places, files do not mix.
						k, e := d.Pread(bytesVec(b), frame.Size)
						if rest := bytes.ReplaceAll(b, []byte("w"), nil); e != abi.OK || k != len(b) ||
							len(rest) > 0 && bytes.Count(rest, rest[:1]) != len(rest) {
							t.Errorf("%s holds %q, %v", n, b[:k], e)
						}
						d.Unref()
					}
				case 3:
					c.Rename(abi.AT_FDCWD, n, abi.AT_FDCWD, "/x", 0)
					c.Rename(abi.AT_FDCWD, "/x", abi.AT_FDCWD, n, 0)
				default:
					if d, e := c.OpenFile(&w, abi.AT_FDCWD, "/", abi.O_DIRECTORY, 0, 0); e == abi.OK {
						d.Getdents(bytesVec(make([]byte, 400)))
						d.Unref()
					}
				}
			}
		}()
	}
	wg.Wait()
}

// lockedImage is an image whose files may be held by several threads: what counts
// holds in program is for tests of one.
type lockedImage struct{ *image }

func (l lockedImage) Root() vfs.Inode { return l }

func (l lockedImage) Lookup(name string) (vfs.Inode, abi.Errno) {
	n, e := l.image.Lookup(name)
	if e != abi.OK {
		return nil, e
	}
	return quiet{n.(*program)}, abi.OK
}

type quiet struct{ *program }

func (quiet) Hold() bool { return true }
func (quiet) Drop()      {}
