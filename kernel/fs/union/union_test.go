package union

import (
	"os"
	"sort"
	"strings"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/fs/pseudofs"
	"skerry/kernel/ground/frame"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
	"skerry/kernel/wait"
)

func TestMain(m *testing.M) {
	frame.InitHost(1024)
	os.Exit(m.Run())
}

const cwd = abi.AT_FDCWD

func vec(b []byte) *usermem.Vec {
	v := new(usermem.Vec)
	v.InitBytes(b)
	return v
}

// layer makes a file system of a list: "path=text" a file, "path*=text" an
// executable one, "path->target" a link, "path/" a directory.
func layer(entries ...string) vfs.FileSystem {
	fs := pseudofs.New("layer", 1, vfs.DropNames)
	for _, e := range entries {
		dir := func(path string) (*pseudofs.Dir, string) {
			p := strings.Split(path, "/")
			return fs.Top().Sub(p[:len(p)-1]...), p[len(p)-1]
		}
		if path, target, ok := strings.Cut(e, "->"); ok {
			d, name := dir(path)
			d.AddLink(name, target)
		} else if path, text, ok := strings.Cut(e, "*="); ok {
			d, name := dir(path)
			d.Add(name, fs.NewFile(0o555, func() []byte { return []byte(text) }))
		} else if path, text, ok := strings.Cut(e, "="); ok {
			d, name := dir(path)
			d.AddText(name, text)
		} else {
			dir(e)
		}
	}
	return readOnly{fs}
}

// readOnly makes a layer refuse changes as an image does.
type readOnly struct{ *pseudofs.FS }

func (r readOnly) Info() vfs.Info {
	i := r.FS.Info()
	i.ReadOnly = true
	return i
}

func static(t *testing.T, text string) *Static {
	t.Helper()
	f, e := NewStatic([]byte(text))
	if e != abi.OK {
		t.Fatal(e)
	}
	return f
}

func read(c *vfs.Context, path string) string {
	var w wait.Waiter
	d, e := c.OpenFile(&w, cwd, path, 0, 0, 0)
	if e != abi.OK {
		return e.Error()
	}
	defer d.Unref()
	b := make([]byte, 20000)
	n, e := d.Read(&w, vec(b))
	if e != abi.OK {
		return e.Error()
	}
	return string(b[:n])
}

func list(t *testing.T, c *vfs.Context, path string, size int) string {
	t.Helper()
	var w wait.Waiter
	d, e := c.OpenFile(&w, cwd, path, abi.O_DIRECTORY, 0, 0)
	if e != abi.OK {
		t.Fatal(path, e)
	}
	defer d.Unref()
	var names []string
	buf := make([]byte, size)
	for {
		n, e := d.Getdents(vec(buf))
		if e != abi.OK {
			t.Fatal(e)
		}
		if n == 0 {
			break
		}
		for b := buf[:n]; len(b) > 0; b = b[int(b[16])|int(b[17])<<8:] {
			name, _, _ := strings.Cut(string(b[19:int(b[16])|int(b[17])<<8]), "\x00")
			if name == "." || name == ".." {
				continue
			}
			names = append(names, name)
			// What a listing says of an entry must be what a look at it says.
			var st abi.Stat
			if e := c.Stat(cwd, path+"/"+name, abi.AT_SYMLINK_NOFOLLOW, &st); e != abi.OK || uint8(st.Mode>>12) != b[18] {
				t.Errorf("%s/%s: %v, mode %o, listed as %d", path, name, e, st.Mode, b[18])
			}
			ino := uint64(0)
			for i := range 8 {
				ino |= uint64(b[i]) << (8 * i)
			}
			if ino != st.Ino {
				t.Errorf("%s/%s: listed as inode %d, is %d", path, name, ino, st.Ino)
			}
		}
	}
	sort.Strings(names)
	return strings.Join(names, " ")
}

func TestLayers(t *testing.T) {
	image := layer("app*=program", "lib/libc.so*=libc", "lib64->lib", "etc/passwd=image", "etc/ssl/certs=image", "etc/ld.so.cache=cache",
		"etc/hosts=image", "srv/index=image", "only/image=x", "bin/tool*=tool")
	data := layer("app=evil", "lib/libc.so=evil", "lib/other=added", "lib64/x=evil", "etc/passwd=data", "etc/ssl/certs/x=evil",
		"etc/ssl/more=data", "etc/ld.so.cache=evil", "etc/ld.so.preload=evil", "etc/hosts=data", "srv/index=data", "srv/new/deep=data",
		"new/dir/file=data", "only=evil", "etc/resolv.conf=evil", "bin=evil", "secret=evil", "run*=not executable here", "l->/app")
	c := vfs.NewContext(New(Options{Image: image, Data: data, Protected: []string{"/secret"},
		Files: map[string]*Static{"/etc/resolv.conf": static(t, "kernel"), "/etc/hosts": static(t, "kernel"), "/made/up/by": static(t, "kernel"),
			"/bin/tool": static(t, "kernel"), "/app": static(t, "kernel")}}))
	for path, want := range map[string]string{
		"/app": "program", "/lib/libc.so": "libc", "/lib/other": "added", "/lib64/other": "added", "/lib64/x": "ENOENT",
		"/etc/passwd": "data", "/etc/ssl/certs": "image", "/etc/ssl/more": "data", "/etc/ld.so.cache": "cache",
		"/etc/ld.so.preload": "ENOENT", "/etc/hosts": "kernel", "/etc/resolv.conf": "kernel", "/srv/index": "data",
		"/srv/new/deep": "data", "/new/dir/file": "data", "/only/image": "x", "/bin/tool": "tool", "/secret": "ENOENT",
		"/made/up/by": "kernel", "/l": "program", "/made": "EISDIR", "/nothing": "ENOENT", "/new/nothing": "ENOENT",
		"/etc/ssl/certs/x": "ENOTDIR",
	} {
		if got := read(c, path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	for _, size := range []int{32, 100, 4000} {
		for path, want := range map[string]string{
			"/": "app bin etc l lib lib64 made new only run srv", "/etc": "hosts ld.so.cache passwd resolv.conf ssl",
			"/lib": "libc.so other", "/srv": "index new", "/made": "up", "/new": "dir", "/only": "image", "/bin": "tool", "/etc/ssl": "certs more",
		} {
			if got := list(t, c, path, size); got != want {
				t.Errorf("%s with %d: %s, want %s", path, size, got, want)
			}
		}
	}
	var w wait.Waiter
	if _, e := c.OpenFile(&w, cwd, "/etc/new", abi.O_CREAT|abi.O_WRONLY, 0o644, 0); e != abi.EROFS {
		t.Error("create:", e)
	}
	if e := c.Unlink(cwd, "/etc/hosts"); e != abi.EROFS {
		t.Error("unlink:", e)
	}
	if e := c.Mkdir(cwd, "/made/x", 0o755); e != abi.EROFS {
		t.Error("mkdir:", e)
	}
	if p, e := c.Getcwd(); p != "/" || e != abi.OK {
		t.Error(p, e)
	}
	if e := c.Chdir("/made/up"); e != abi.OK {
		t.Error(e)
	}
	if p, e := c.Getcwd(); p != "/made/up" || e != abi.OK {
		t.Error(p, e)
	}
}

func TestWithoutData(t *testing.T) {
	image := layer("app*=program", "etc/passwd=image")
	c := vfs.NewContext(New(Options{Image: image, Files: map[string]*Static{"/etc/hosts": static(t, "kernel")}}))
	if got := list(t, c, "/", 999) + "|" + list(t, c, "/etc", 999); got != "app etc|hosts passwd" {
		t.Error(got)
	}
}

// taken notes what a mapping lost.
type taken struct{ calls int }

func (m *taken) Unmap(uint64, uint64, bool) { m.calls++ }

func TestStatic(t *testing.T) {
	before := frame.Read().Cache
	f := static(t, strings.Repeat("abcdefgh", 1000))
	c := vfs.NewContext(New(Options{Image: layer(), Files: map[string]*Static{"/f": f}}))
	if got := read(c, "/f"); got != strings.Repeat("abcdefgh", 1000) {
		t.Error(len(got))
	}
	m := &taken{}
	f.AddMapping(m)
	p, e := f.Page(1, false)
	if e != abi.OK || p.Bytes()[8000-4096] != 0 || p.Bytes()[0] != 'a' {
		t.Error(e)
	}
	if _, e := f.Page(2, false); e != abi.ENXIO {
		t.Error(e)
	}
	if _, e := f.Page(0, true); e != abi.EACCES {
		t.Error(e)
	}
	if e := f.Set([]byte("short")); e != abi.OK || m.calls != 1 {
		t.Error(e, m.calls)
	}
	if p.Bytes()[0] != 'a' {
		t.Error("a page in use was overwritten")
	}
	p.Unref()
	var st abi.Stat
	c.Stat(cwd, "/f", 0, &st)
	if got := read(c, "/f"); got != "short" || st.Size != 5 || st.Mode != abi.S_IFREG|0o444 {
		t.Error(got, st.Size)
	}
	free := frame.FreeFrames()
	frame.SetReserve(free)
	if e := f.Set([]byte("no room")); e != abi.ENOMEM || read(c, "/f") != "short" {
		t.Error("without memory:", e)
	}
	frame.SetReserve(0)
	f.Set(nil)
	if n := frame.Read().Cache; n != before {
		t.Error(n-before, "frames left")
	}
}
