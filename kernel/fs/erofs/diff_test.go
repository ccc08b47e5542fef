package erofs

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
	"skerry/kernel/wait"
)

// layouts are ways to run mkfs.erofs that lead to different structures.
var layouts = [][]string{
	{},
	{"-Eforce-inode-extended"},
	{"-Eforce-inode-compact"},
	{"-Enoinline_data"},
	{"--chunksize=4096"},
	{"--chunksize=16384"},
	{"-Eforce-chunk-indexes", "--chunksize=4096"},
	{"-x2"},
	{"-Enosbcrc"},
}

// TestAgainstTree makes images of a directory in every layout and compares what
// the reader shows with the directory: names, types, modes, links, bytes.
func TestAgainstTree(t *testing.T) {
	dir := tree(t, 1, 700)
	for _, args := range layouts {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			image := mkfs(t, dir, args...)
			c := vfs.NewContext(mount(t, image))
			seen := 0
			err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				seen++
				compare(t, c, p, "/"+strings.TrimPrefix(strings.TrimPrefix(p, dir), "/"))
				return nil
			})
			if err != nil || seen < 700 {
				t.Fatal(seen, err)
			}
			for _, missing := range []string{"/nothing", "/many/0", "/many/~", "/etc/f", "/etc/fzz", "/many/a/b"} {
				var st abi.Stat
				if e := c.Stat(abi.AT_FDCWD, missing, 0, &st); e != abi.ENOENT && e != abi.ENOTDIR {
					t.Errorf("%s: %v", missing, e)
				}
			}
		})
	}
}

// compare compares one file of the host with the same file of the image.
func compare(t *testing.T, c *vfs.Context, host, path string) {
	t.Helper()
	var hs syscall.Stat_t
	if err := syscall.Lstat(host, &hs); err != nil {
		t.Fatal(err)
	}
	var st abi.Stat
	if e := c.Stat(abi.AT_FDCWD, path, abi.AT_SYMLINK_NOFOLLOW, &st); e != abi.OK {
		t.Fatalf("%s: %v", path, e)
	}
	if want := hs.Mode & (abi.S_IFMT | 0o777); st.Mode != want || st.UID != abi.ID || st.GID != abi.ID {
		t.Errorf("%s: mode %o owner %d, want %o", path, st.Mode, st.UID, want)
	}
	switch st.Mode & abi.S_IFMT {
	case abi.S_IFLNK:
		want, _ := os.Readlink(host)
		if got, e := c.Readlink(abi.AT_FDCWD, path); e != abi.OK || got != want {
			t.Errorf("%s: %q %v, want %q", path, got, e, want)
		}
	case abi.S_IFDIR:
		compareDir(t, c, host, path)
	case abi.S_IFREG:
		if st.Nlink != uint64(hs.Nlink) || st.Size != hs.Size {
			t.Errorf("%s: nlink %d size %d, want %d %d", path, st.Nlink, st.Size, hs.Nlink, hs.Size)
		}
		compareBytes(t, c, host, path)
	}
}

func compareDir(t *testing.T, c *vfs.Context, host, path string) {
	t.Helper()
	entries, _ := os.ReadDir(host)
	want := []string{"./4", "../4"}
	for _, e := range entries {
		var kind uint8
		switch {
		case e.IsDir():
			kind = abi.DT_DIR
		case e.Type()&fs.ModeSymlink != 0:
			kind = abi.DT_LNK
		case e.Type()&fs.ModeNamedPipe != 0:
			kind = abi.DT_FIFO
		default:
			kind = abi.DT_REG
		}
		want = append(want, fmt.Sprintf("%s/%d", e.Name(), kind))
	}
	got, e := list(c, path)
	if e != abi.OK {
		t.Fatalf("%s: %v", path, e)
	}
	sort.Strings(want)
	sort.Strings(got)
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s lists\n%v, want\n%v", path, got, want)
	}
}

// list is a directory as name/type.
func list(c *vfs.Context, path string) ([]string, abi.Errno) {
	var w wait.Waiter
	d, e := c.OpenFile(&w, abi.AT_FDCWD, path, abi.O_DIRECTORY, 0, 0)
	if e != abi.OK {
		return nil, e
	}
	defer d.Unref()
	var all []string
	buf := make([]byte, 3000)
	for {
		var v usermem.Vec
		v.InitBytes(buf)
		n, e := d.Getdents(&v)
		if e != abi.OK || n == 0 {
			return all, e
		}
		for b := buf[:n]; len(b) > 0; {
			size := int(b[16]) | int(b[17])<<8
			name := b[19:size]
			all = append(all, fmt.Sprintf("%s/%d", name[:bytes.IndexByte(name, 0)], b[18]))
			b = b[size:]
		}
	}
}

func compareBytes(t *testing.T, c *vfs.Context, host, path string) {
	t.Helper()
	want, _ := os.ReadFile(host)
	var w wait.Waiter
	d, e := c.OpenFile(&w, abi.AT_FDCWD, path, abi.O_RDONLY, 0, 0)
	if e != abi.OK {
		t.Fatalf("%s: %v", path, e)
	}
	defer d.Unref()
	got := make([]byte, len(want)+10)
	var v usermem.Vec
	v.InitBytes(got)
	n, e := d.Pread(&v, 0)
	if e != abi.OK || n != len(want) || !bytes.Equal(got[:n], want) {
		t.Fatalf("%s: %d bytes %v, want %d", path, n, e, len(want))
	}
	m := d.File().(vfs.Mapper)
	for i := uint64(0); i*frame.Size < uint64(len(want)); i++ {
		p, e := m.Page(i, false)
		if e != abi.OK {
			t.Fatalf("%s page %d: %v", path, i, e)
		}
		page := make([]byte, frame.Size)
		copy(page, want[i*frame.Size:])
		if !bytes.Equal(p.Bytes(), page) {
			t.Fatalf("%s page %d differs", path, i)
		}
		p.Unref()
	}
	if _, e := m.Page(uint64(len(want)+frame.Size-1)/frame.Size, false); e != abi.ENXIO {
		t.Errorf("%s: page beyond the end: %v", path, e)
	}
}

// TestRefusals: what a read-only file system answers to changes.
func TestRefusals(t *testing.T) {
	c := vfs.NewContext(mount(t, mkfs(t, tree(t, 2, 20), "-Enoinline_data")))
	var w wait.Waiter
	cwd := int32(abi.AT_FDCWD)
	names, _ := list(c, "/many")
	first, _, _ := strings.Cut(names[5], "/")
	open := func(path string, flags uint32) abi.Errno {
		d, e := c.OpenFile(&w, cwd, path, flags, 0o644, 0)
		if e == abi.OK {
			d.Unref()
		}
		return e
	}
	for _, x := range []struct {
		what string
		got  abi.Errno
		want abi.Errno
	}{
		{"write", open("/etc/fa", abi.O_WRONLY), abi.EROFS},
		{"truncating open", open("/etc/fa", abi.O_TRUNC), abi.EROFS},
		{"creat new", open("/etc/new", abi.O_CREAT), abi.EROFS},
		{"creat old", open("/etc/fa", abi.O_CREAT), abi.OK},
		{"creat excl", open("/etc/fa", abi.O_CREAT|abi.O_EXCL), abi.EEXIST},
		{"tmpfile", open("/etc", abi.O_TMPFILE|abi.O_RDWR), abi.EROFS},
		{"direct", open("/etc/fa", abi.O_DIRECT), abi.EINVAL},
		{"fifo", open("/fifo", abi.O_RDONLY|abi.O_NONBLOCK), abi.ENXIO},
		{"loop", open("/loop", 0), abi.ELOOP},
		{"mkdir", c.Mkdir(cwd, "/new", 0o755), abi.EROFS},
		{"mkdir old", c.Mkdir(cwd, "/etc", 0o755), abi.EEXIST},
		{"rmdir", c.Rmdir(cwd, "/empty"), abi.EROFS},
		{"unlink", c.Unlink(cwd, "/etc/fa"), abi.EROFS},
		{"rename", c.Rename(cwd, "/etc/fa", cwd, "/etc/fz", 0), abi.EROFS},
		{"link", c.Link(cwd, "/etc/fa", cwd, "/etc/fz", 0), abi.EROFS},
		{"symlink", c.Symlink("x", cwd, "/etc/fz"), abi.EROFS},
		{"chmod", c.Chmod(cwd, "/etc/fa", 0o600, 0), abi.EROFS},
		{"chown", c.Chown(cwd, "/etc/fa", abi.ID, abi.ID, 0), abi.EROFS},
		{"utimens", c.Utimens(cwd, "/etc/fa", false, nil, 0), abi.EROFS},
		{"truncate", c.Truncate("/etc/fa", 0), abi.EROFS},
		{"access w", c.Access(cwd, "/etc/fa", abi.W_OK, 0), abi.EROFS},
		{"access x", c.Access(cwd, "/bin/app", abi.X_OK, 0), abi.OK},
		{"access x data", c.Access(cwd, "/many/"+first, abi.X_OK, 0), abi.EACCES},
	} {
		if x.got != x.want {
			t.Errorf("%s: %v, want %v", x.what, x.got, x.want)
		}
	}
}
