package erofs

import (
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/block"
	"skerry/kernel/vfs/pagecache"
)

func TestMain(m *testing.M) {
	frame.InitHost(16384)
	os.Exit(m.Run())
}

// memDevice is a disk in memory. Reads of the ranges in bad fail.
type memDevice struct {
	data  []byte
	reads atomic.Int64
	bad   func(off int64) bool
}

func (d *memDevice) Size() int64    { return int64(len(d.data)) }
func (d *memDevice) ReadOnly() bool { return true }

func (d *memDevice) Read(off int64, segs []block.Seg) abi.Errno {
	d.reads.Add(1)
	for _, s := range segs {
		for n := uint32(0); n < s.Len; n += frame.Size {
			if off < 0 || off+frame.Size > int64(len(d.data)) || off%512 != 0 || s.Len%frame.Size != 0 {
				return abi.EINVAL
			}
			if d.bad != nil && d.bad(off) {
				return abi.EIO
			}
			copy(frame.FromPhys(s.Phys+uint64(n)).Bytes(), d.data[off:])
			off += frame.Size
		}
	}
	return abi.OK
}

func newPool(t testing.TB) *pagecache.Pool {
	t.Helper()
	frame.InitHost(16384) // a pool takes what it can get, and never ends
	p, e := pagecache.NewPool(pagecache.PlainRuns{})
	if e != abi.OK {
		t.Fatal(e)
	}
	return p
}

func mount(t testing.TB, image []byte) *FS {
	t.Helper()
	fs, e := Mount(Options{Device: &memDevice{data: image}, Pool: newPool(t), Exec: true})
	if e != abi.OK {
		t.Fatal("mount:", e)
	}
	return fs
}

// tree makes a directory on the host with all that an image may hold.
func tree(t testing.TB, seed int64, many int) string {
	t.Helper()
	dir := t.TempDir()
	rng := rand.New(rand.NewSource(seed))
	file := func(name string, size int, mode os.FileMode) {
		b := make([]byte, size)
		rng.Read(b)
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
		os.Chmod(filepath.Join(dir, name), mode)
	}
	for _, d := range []string{"bin", "etc", "many", "deep/er/and/deeper", "empty"} {
		os.MkdirAll(filepath.Join(dir, d), 0o755)
	}
	for i, size := range []int{0, 1, 31, 4000, 4095, 4096, 4097, 8192, 12287, 65536, 300001, 1 << 20} {
		file("etc/f"+string(rune('a'+i)), size, os.FileMode(0o444|rng.Intn(2)*0o111))
	}
	for i := 0; i < many; i++ {
		file("many/"+strings.Repeat(string(rune('a'+i%26)), 1+rng.Intn(60))+"-"+string(rune('0'+i%10))+string(rune('0'+i/10%10))+string(rune('0'+i/100)), rng.Intn(50), 0o644)
	}
	file("bin/app", 20480, 0o755)
	os.Chmod(filepath.Join(dir, "bin/app"), 0o755|os.ModeSetuid)
	file(strings.Repeat("x", 240), 10, 0o600)
	os.Symlink("etc/fa", filepath.Join(dir, "link"))
	os.Symlink("/etc", filepath.Join(dir, "abs"))
	os.Symlink(strings.Repeat("y/", 1500)+"z", filepath.Join(dir, "long"))
	os.Symlink("loop", filepath.Join(dir, "loop"))
	os.Link(filepath.Join(dir, "etc/fc"), filepath.Join(dir, "hard"))
	syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644)
	if f, err := os.Create(filepath.Join(dir, "sparse")); err == nil {
		f.WriteAt([]byte("data"), 100000)
		f.Truncate(300000)
		f.Close()
	}
	return dir
}

// mkfs makes an image of a directory. It skips the test if the tool is missing or
// does not know an option.
func mkfs(t testing.TB, dir string, args ...string) []byte {
	t.Helper()
	tool, err := exec.LookPath("mkfs.erofs")
	if err != nil {
		t.Skip("mkfs.erofs (erofs-utils) is not installed")
	}
	out := filepath.Join(t.TempDir(), "image")
	args = append(append([]string{"--quiet", "-T0", "-x-1"}, args...), out, dir)
	if msg, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
		if !strings.Contains(string(msg), "invalid") && !strings.Contains(string(msg), "unrecognized") {
			t.Fatalf("mkfs.erofs %v: %v: %s", args, err, msg)
		}
		t.Skipf("mkfs.erofs %v: %v: %s", args, err, msg)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
