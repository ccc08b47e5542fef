package vfs_test

import (
	"fmt"
	"math/rand"
	"strings"
	"sync"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/fs/pseudofs"
	"skerry/kernel/fs/tmpfs"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
	"skerry/kernel/wait"
)

const cwd = abi.AT_FDCWD

func must(t testing.TB, what string, e, want abi.Errno) {
	t.Helper()
	if e != want {
		t.Fatalf("%s: %v, want %v", what, e, want)
	}
}

func vec(b []byte) *usermem.Vec {
	v := new(usermem.Vec)
	v.InitBytes(b)
	return v
}

// world is two tmpfs and a constant file system: /, /mnt, /gen.
func world(t testing.TB) *vfs.Context {
	t.Helper()
	c := vfs.NewContext(tmpfs.New(tmpfs.Options{Size: 1 << 20}))
	for _, d := range []string{"/mnt", "/gen", "/a", "/a/b", "/a/b/c"} {
		must(t, "mkdir "+d, c.Mkdir(cwd, d, 0o755), abi.OK)
	}
	must(t, "mount", c.Mount("/mnt", tmpfs.New(tmpfs.Options{Size: 1 << 20})), abi.OK)
	g := pseudofs.New("gen", 1, vfs.NoNames)
	g.Top().AddText("text", "hello\n")
	g.Top().Sub("sub", "dir").AddText("deep", "x")
	g.Top().Add("magic", &pseudofs.Magic{
		Node:   g.NewNode(abi.S_IFLNK | 0o777),
		Target: func() (*vfs.Dentry, abi.Errno) { return c.Lookup("/a/b") },
		Text:   func() (string, abi.Errno) { return "/somewhere/else", abi.OK },
	})
	must(t, "mount", c.Mount("/gen", g), abi.OK)
	must(t, "mkdir", c.Mkdir(cwd, "/mnt/in", 0o755), abi.OK)
	return c
}

func open(t testing.TB, c *vfs.Context, path string, flags uint32) int32 {
	t.Helper()
	var w wait.Waiter
	fd, e := c.Open(&w, cwd, path, flags, 0o644)
	must(t, "open "+path, e, abi.OK)
	return fd
}

func TestMountsAndDots(t *testing.T) {
	c := world(t)
	for _, x := range []struct{ cd, want string }{
		{"/mnt/in", "/mnt/in"}, {"..", "/mnt"}, {"..", "/"}, {"..", "/"}, {"mnt/../a/b/..", "/a"},
		{"/gen/sub/dir", "/gen/sub/dir"}, {"../..", "/gen"}, {"../mnt/in/../../a//b/./c", "/a/b/c"},
		{"/gen/magic", "/a/b"}, {"/gen/magic/c", "/a/b/c"}, {"/gen/magic/..", "/a"},
	} {
		must(t, "cd "+x.cd, c.Chdir(x.cd), abi.OK)
		if got, e := c.Getcwd(); got != x.want || e != abi.OK {
			t.Errorf("cd %s: %s %v, want %s", x.cd, got, e, x.want)
		}
	}
	c.Chdir("/")
	for _, x := range []struct {
		what string
		got  abi.Errno
		want abi.Errno
	}{
		{"rmdir of a mount point", c.Rmdir(cwd, "/mnt"), abi.EBUSY},
		{"rename of a mount point", c.Rename(cwd, "/mnt", cwd, "/x", 0), abi.EBUSY},
		{"rename over one", c.Rename(cwd, "/a/b/c", cwd, "/mnt", 0), abi.EBUSY},
		{"rename across", c.Rename(cwd, "/a", cwd, "/mnt/a", 0), abi.EXDEV},
		{"mount twice", c.Mount("/mnt", tmpfs.New(tmpfs.Options{})), abi.OK}, // on top of what is there
		{"mkdir in a generated one", c.Mkdir(cwd, "/gen/x", 0), abi.ENOENT},
		{"unlink there", c.Unlink(cwd, "/gen/text"), abi.EPERM},
		{"unlink of nothing there", c.Unlink(cwd, "/gen/nothing"), abi.ENOENT},
		{"rename there", c.Rename(cwd, "/gen/text", cwd, "/gen/y", 0), abi.EPERM},
		{"long name there", c.Chdir("/gen/" + strings.Repeat("x", 256)), abi.ENAMETOOLONG},
		{"long path", c.Chdir(strings.Repeat("/", 4096)), abi.ENAMETOOLONG},
		{"path of slashes", c.Chdir(strings.Repeat("/", 4095)), abi.OK},
		{"text as directory", c.Chdir("/gen/text/"), abi.ENOTDIR},
		{"chown to another", c.Chown(cwd, "/a", 0, abi.ID, 0), abi.EPERM},
		{"chown to another group", c.Chown(cwd, "/a", ^uint32(0), 5, 0), abi.EPERM},
		{"chown to oneself", c.Chown(cwd, "/a", abi.ID, ^uint32(0), 0), abi.OK},
		{"device node", c.Mknod(cwd, "/a/dev", abi.S_IFCHR|0o666), abi.EPERM},
		{"set-ID bits", c.Chmod(cwd, "/a", 0o7755, 0), abi.OK},
	} {
		if x.got != x.want {
			t.Errorf("%s: %v, want %v", x.what, x.got, x.want)
		}
	}
	var st abi.Stat
	c.Stat(cwd, "/a", 0, &st)
	if st.Mode != abi.S_IFDIR|0o755 || st.UID != abi.ID || st.GID != abi.ID {
		t.Errorf("%o %d %d", st.Mode, st.UID, st.GID)
	}
}

func TestOpenat2(t *testing.T) {
	c := world(t)
	var w wait.Waiter
	must(t, "link", c.Symlink("/a/b", cwd, "/a/abs"), abi.OK)
	must(t, "link", c.Symlink("b/c", cwd, "/a/rel"), abi.OK)
	must(t, "link", c.Symlink("../..", cwd, "/a/b/up"), abi.OK)
	dir := open(t, c, "/a", abi.O_DIRECTORY)
	root := open(t, c, "/", abi.O_DIRECTORY)
	gen := open(t, c, "/gen", abi.O_DIRECTORY)
	for _, x := range []struct {
		at      int32
		path    string
		resolve uint64
		want    abi.Errno
	}{
		{dir, "b/c", abi.RESOLVE_BENEATH, abi.OK}, {dir, "rel", abi.RESOLVE_BENEATH, abi.OK},
		{dir, "..", abi.RESOLVE_BENEATH, abi.EXDEV}, {dir, "/a", abi.RESOLVE_BENEATH, abi.EXDEV},
		{dir, "abs", abi.RESOLVE_BENEATH, abi.EXDEV}, {dir, "b/..", abi.RESOLVE_BENEATH, abi.OK},
		{dir, "b/up", abi.RESOLVE_BENEATH, abi.EXDEV}, {dir, "b/up", 0, abi.OK},
		{dir, "../../..", abi.RESOLVE_IN_ROOT, abi.OK}, {dir, "/b", abi.RESOLVE_IN_ROOT, abi.OK},
		{dir, "abs", abi.RESOLVE_IN_ROOT, abi.ENOENT}, {dir, "/a", abi.RESOLVE_IN_ROOT, abi.ENOENT},
		{dir, "rel", abi.RESOLVE_NO_SYMLINKS, abi.ELOOP}, {dir, "b/c", abi.RESOLVE_NO_SYMLINKS, abi.OK},
		{root, "mnt/in", abi.RESOLVE_NO_XDEV, abi.EXDEV}, {root, "a/b", abi.RESOLVE_NO_XDEV, abi.OK},
		{gen, "..", abi.RESOLVE_NO_XDEV, abi.EXDEV}, {gen, "magic", abi.RESOLVE_NO_MAGICLINKS, abi.ELOOP},
		{gen, "magic", abi.RESOLVE_BENEATH, abi.EXDEV}, {gen, "magic", 0, abi.OK},
		{dir, "b", abi.RESOLVE_CACHED, abi.EAGAIN}, {dir, "b", 0x80, abi.EINVAL},
		{dir, "b", abi.RESOLVE_BENEATH | abi.RESOLVE_IN_ROOT, abi.EINVAL},
	} {
		fd, e := c.Open2(&w, x.at, x.path, &vfs.OpenHow{Flags: abi.O_RDONLY, Resolve: x.resolve})
		if e != x.want {
			t.Errorf("%s with %#x: %v, want %v", x.path, x.resolve, e, x.want)
		}
		if e == abi.OK {
			c.Files.Close(fd)
		}
	}
	for _, how := range []vfs.OpenHow{
		{Flags: 1 << 40}, {Mode: 0o644}, {Flags: abi.O_CREAT, Mode: 0o10000}, {Flags: abi.O_PATH | abi.O_APPEND},
	} {
		if _, e := c.Open2(&w, dir, "b", &how); e != abi.EINVAL {
			t.Errorf("%+v: %v", how, e)
		}
	}
}

// TestDescriptorFirst: no descriptor, no effect; and no effect, no descriptor.
func TestDescriptorFirst(t *testing.T) {
	c := world(t)
	var w wait.Waiter
	c.Files.SetLimit(1)
	open(t, c, "/a", 0)
	if _, e := c.Open(&w, cwd, "/new", abi.O_CREAT|abi.O_WRONLY, 0o644); e != abi.EMFILE {
		t.Error(e)
	}
	var st abi.Stat
	must(t, "the file", c.Stat(cwd, "/new", 0, &st), abi.ENOENT)
	c.Files.SetLimit(2)
	if _, e := c.Open(&w, cwd, "/nothing", 0, 0); e != abi.ENOENT {
		t.Error(e)
	}
	if fd := open(t, c, "/a", 0); fd != 1 {
		t.Error("a failed open kept its descriptor:", fd)
	}
}

// TestNamesTogether changes names from several threads; the tree must stay one,
// and everything must be removable in the end.
func TestNamesTogether(t *testing.T) {
	c := world(t)
	var wg sync.WaitGroup
	for g := range 5 {
		wg.Go(func() {
			rng := rand.New(rand.NewSource(int64(g)))
			var w wait.Waiter
			name := func() string {
				p := ""
				for range 1 + rng.Intn(3) {
					p += "/" + string(rune('a'+rng.Intn(4)))
				}
				return p
			}
			for range 4000 {
				switch rng.Intn(8) {
				case 0:
					c.Mkdir(cwd, name(), 0o755)
				case 1:
					c.Rmdir(cwd, name())
				case 2:
					c.Unlink(cwd, name())
				case 3:
					c.Rename(cwd, name(), cwd, name(), uint32(rng.Intn(3)))
				case 4:
					c.Link(cwd, name(), cwd, name(), 0)
				case 5:
					if d, e := c.OpenFile(&w, cwd, name(), abi.O_RDWR|abi.O_CREAT, 0o644, 0); e == abi.OK {
						d.Write(&w, vec([]byte("data")))
						d.Path()
						d.Unref()
					}
				case 6:
					if d, e := c.OpenFile(&w, cwd, name(), abi.O_DIRECTORY, 0, 0); e == abi.OK {
						d.Getdents(vec(make([]byte, 500)))
						d.Path()
						d.Unref()
					}
				default:
					var st abi.Stat
					c.Stat(cwd, name(), 0, &st)
				}
			}
		})
	}
	wg.Wait()
	removeAll(t, c, "/")
	var st vfs.Statfs
	c.Statfs("/", &st)
	if st.Bfree != st.Blocks || st.Ffree != st.Files-3 { // the root and two mount points
		t.Errorf("left behind: %d pages, %d inodes", st.Blocks-st.Bfree, st.Files-3-st.Ffree)
	}
}

// removeAll empties a directory, but for mount points.
func removeAll(t testing.TB, c *vfs.Context, dir string) {
	t.Helper()
	for _, n := range list(t, c, dir) {
		p := dir + n
		e := c.Unlink(cwd, p)
		if e == abi.EISDIR {
			if n == "mnt" || n == "gen" {
				must(t, "rmdir of a mount point", c.Rmdir(cwd, p), abi.EBUSY)
				continue
			}
			removeAll(t, c, p+"/")
			e = c.Rmdir(cwd, p)
		}
		must(t, "remove "+p, e, abi.OK)
	}
}

// list is the names in a directory.
func list(t testing.TB, c *vfs.Context, dir string) (all []string) {
	t.Helper()
	fd := open(t, c, dir, abi.O_DIRECTORY)
	d, _ := c.Files.Get(fd)
	buf := make([]byte, 1000)
	for {
		n, e := d.Getdents(vec(buf))
		must(t, "getdents", e, abi.OK)
		if n == 0 {
			break
		}
		for b := buf[:n]; len(b) > 0; b = b[int(b[16])|int(b[17])<<8:] {
			name := string(b[19 : int(b[16])|int(b[17])<<8])
			if name, _, _ = strings.Cut(name, "\x00"); name != "." && name != ".." {
				all = append(all, name)
			}
		}
	}
	d.Unref()
	c.Files.Close(fd)
	return all
}

func TestGetdents(t *testing.T) {
	c := world(t)
	for i := range 300 {
		must(t, "mkdir", c.Mkdir(cwd, fmt.Sprintf("/a/%s%d", strings.Repeat("n", i%200), i), 0o755), abi.OK)
	}
	d, _ := c.Files.Get(open(t, c, "/a", 0))
	// Any size of buffer that holds the next entry gives the same listing.
	for _, size := range []int{24, 240, 1000, 100000} {
		d.Lseek(0, abi.SEEK_SET)
		n := 0
		buf := make([]byte, size)
		for {
			m, e := d.Getdents(vec(buf))
			if e == abi.EINVAL && size == 24 {
				break // "." fits, some name does not
			}
			must(t, "getdents", e, abi.OK)
			if m == 0 {
				break
			}
			for b := buf[:m]; len(b) > 0; b = b[int(b[16])|int(b[17])<<8:] {
				n++
			}
		}
		if want := 303; n != want && size != 24 {
			t.Errorf("%d entries with a buffer of %d, want %d", n, size, want)
		}
	}
	if _, e := d.Getdents(vec(make([]byte, 23))); e != abi.OK && e != abi.EINVAL {
		t.Error(e)
	}
	d.Lseek(0, abi.SEEK_SET)
	if _, e := d.Getdents(vec(make([]byte, 23))); e != abi.EINVAL {
		t.Error("a buffer too small for anything:", e)
	}
	// Removing while listing neither skips nor repeats.
	d.Lseek(0, abi.SEEK_SET)
	seen := map[string]bool{}
	buf := make([]byte, 700)
	for {
		m, _ := d.Getdents(vec(buf))
		if m == 0 {
			break
		}
		for b := buf[:m]; len(b) > 0; b = b[int(b[16])|int(b[17])<<8:] {
			name, _, _ := strings.Cut(string(b[19:int(b[16])|int(b[17])<<8]), "\x00")
			if seen[name] {
				t.Fatal("twice:", name)
			}
			seen[name] = true
			if name != "." && name != ".." {
				must(t, "rmdir", c.Rmdir(cwd, "/a/"+name), map[bool]abi.Errno{true: abi.ENOTEMPTY, false: abi.OK}[name == "b"])
			}
		}
	}
	if len(seen) != 303 {
		t.Error(len(seen), "names seen")
	}
	d.Unref()
	if _, e := (func() (int, abi.Errno) {
		f, _ := c.Files.Get(open(t, c, "/gen/text", 0))
		defer f.Unref()
		return f.Getdents(vec(buf))
	})(); e != abi.ENOTDIR {
		t.Error("getdents of a file:", e)
	}
}
