package vfs_test

import (
	"fmt"
	"math/rand"
	"sync"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/fs/pseudofs"
	"skerry/kernel/fs/tmpfs"
	"skerry/kernel/vfs"
)

// TestNameCache walks more names than are kept, from several threads: look-ups
// stay right, mount points and the working directory stay what they are, and the
// number of names kept is bounded.
func TestNameCache(t *testing.T) {
	g := pseudofs.New("gen", 1, vfs.DropNames)
	const dirs, each = 60, 200
	for d := range dirs {
		k := g.Top().Sub("top", fmt.Sprint(d))
		for i := range each {
			k.AddText(fmt.Sprint(i), "x")
		}
	}
	g.Top().Sub("top", "7", "deep", "mnt")
	c := vfs.NewContext(g)
	must(t, "mount", c.Mount("/top/7/deep/mnt", tmpfs.New(tmpfs.Options{Size: 1 << 20})), abi.OK)
	must(t, "mkdir", c.Mkdir(cwd, "/top/7/deep/mnt/dir", 0o755), abi.OK)
	must(t, "chdir", c.Chdir("/top/9"), abi.OK)
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewSource(int64(n)))
			var st abi.Stat
			for range 12000 {
				p := fmt.Sprintf("/top/%d/%d", rng.Intn(dirs), rng.Intn(each))
				if e := c.Stat(cwd, p, 0, &st); e != abi.OK || st.Mode&abi.S_IFMT != abi.S_IFREG {
					t.Error(p, e)
					return
				}
				if e := c.Stat(cwd, p+"x", 0, &st); e != abi.ENOENT {
					t.Error(p, e)
				}
				if e := c.Stat(cwd, "5", 0, &st); e != abi.OK {
					t.Error("from the working directory:", e)
				}
			}
		})
	}
	wg.Wait()
	var st abi.Stat
	must(t, "mount point", c.Stat(cwd, "/top/7/deep/mnt/dir", 0, &st), abi.OK)
	if p, e := c.Getcwd(); p != "/top/9" || e != abi.OK {
		t.Error(p, e)
	}
	if n := c.Root().CachedNames(); n > vfs.MaxNames+8 || n < vfs.MaxNames/2 {
		t.Error(n, "names kept")
	}
}
