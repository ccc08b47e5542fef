package image

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func images(t *testing.T, c *Cache) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(c.Dir, "images", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestCache(t *testing.T) {
	dir := visibleDir(t)
	c := &Cache{filepath.Join(t.TempDir(), "skerry"), CacheLimit}
	get := func(want bool, ps Parts) *Image {
		t.Helper()
		im, hit, err := c.Image(ps)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { im.Close() })
		if hit != want {
			t.Errorf("hit is %v", hit)
		}
		if err := im.Verify(); err != nil {
			t.Error(err)
		}
		return im
	}
	conf := put(t, dir, "conf", []byte("1"), 0o600)
	ps := parts(t, dir, Copy{conf, "/conf", false})
	first := get(false, ps)
	if again := get(true, ps); again.ID() != first.ID() {
		t.Error("another image")
	}
	if info, err := os.Stat(filepath.Join(c.Dir, "images")); err != nil || info.Mode().Perm() != 0o700 {
		t.Error(info.Mode(), err)
	}
	for _, f := range images(t, c) {
		if info, err := os.Stat(f); err != nil || info.Mode() != 0o600 {
			t.Error(f, info.Mode(), err)
		}
	}
	// Everything that is in an image is in its key.
	if err := os.WriteFile(conf, []byte("2"), 0o600); err != nil {
		t.Fatal(err)
	}
	get(false, ps)
	kernel := ps
	kernel.Kernel = kernelOf("another")
	get(false, kernel)
	args := ps
	args.Manifest.Args = []string{"x"}
	get(false, args)
	get(true, args)
	// A damaged image is replaced.
	for _, f := range images(t, c) {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)-5000] ^= 1
		if err := os.WriteFile(f, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	get(false, ps)
	get(true, ps)

	im := get(true, ps)
	count := len(images(t, c))
	n, bytes, err := c.Clean()
	if err != nil || n != count || bytes < int64(n)*im.Size()/2 || len(images(t, c)) != 0 {
		t.Errorf("%d of %d removed, %d bytes, %v", n, count, bytes, err)
	}
	if err := im.Verify(); err != nil {
		t.Error("an open image was lost:", err)
	}
	if n, bytes, err := c.Clean(); n != 0 || bytes != 0 || err != nil {
		t.Error(n, bytes, err)
	}
	if n, _, err := (&Cache{Dir: filepath.Join(t.TempDir(), "none")}).Clean(); n != 0 || err != nil {
		t.Error(n, err)
	}
}

func TestCacheTrim(t *testing.T) {
	dir := visibleDir(t)
	c := &Cache{t.TempDir(), 0}
	var last string
	for i := range 5 {
		ps := parts(t, dir)
		ps.Kernel = kernelOf(string([]byte{byte(i)}))
		im, _, err := c.Image(ps)
		if err != nil {
			t.Fatal(err)
		}
		im.Close()
		// With room for nothing, the image in use is all that stays.
		if list := images(t, c); len(list) != 1 || list[0] == last {
			t.Fatalf("%v", list)
		} else {
			last = list[0]
		}
	}
	// The image that was not used for longest goes first.
	c.Limit = CacheLimit
	keys := map[byte]string{}
	for i := range byte(4) {
		ps := parts(t, dir)
		ps.Kernel = kernelOf(string([]byte{'k', i}))
		im, _, err := c.Image(ps)
		if err != nil {
			t.Fatal(err)
		}
		im.Close()
		keys[i] = im.Path
		old := time.Now().Add(time.Duration(int(i)-10) * time.Hour)
		if i == 0 { // used lately
			old = time.Now()
		}
		if err := os.Chtimes(im.Path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	os.Remove(last)
	info, err := os.Stat(keys[0])
	if err != nil {
		t.Fatal(err)
	}
	c.Limit = info.Size() * 2
	c.trim(filepath.Join(c.Dir, "images"), "")
	for i, want := range []bool{true, false, false, true} {
		if _, err := os.Stat(keys[byte(i)]); (err == nil) != want {
			t.Errorf("image %d: %v", i, err)
		}
	}
}

// TestCacheConcurrent runs many commands at once: every one gets a whole image.
func TestCacheConcurrent(t *testing.T) {
	dir := visibleDir(t)
	cdir := t.TempDir()
	ps := make([]Parts, 24)
	for i := range ps {
		ps[i] = parts(t, dir) // a tree belongs to one goroutine
		ps[i].Kernel = kernelOf(string([]byte{byte(i % 3)}))
	}
	var wg sync.WaitGroup
	for i := range ps {
		wg.Go(func() {
			c := &Cache{cdir, int64(1 + i%2<<40)} // every other one throws all away
			im, _, err := c.Image(ps[i])
			if err == nil {
				k := make([]byte, 1)
				if _, err = im.Kernel().ReadAt(k, 0); err == nil && k[0] != byte(i%3) {
					err = errors.New("the wrong image")
				}
				err = errors.Join(err, im.Verify(), im.Close())
			}
			if err != nil {
				t.Error(i, err)
			}
		})
	}
	wg.Wait()
	for _, f := range images(t, &Cache{Dir: cdir}) {
		if strings.Contains(f, tempPrefix) {
			t.Error("left behind:", f)
		}
	}
}

func TestCacheStale(t *testing.T) {
	c := &Cache{t.TempDir(), CacheLimit}
	images, err := c.Images()
	if err != nil {
		t.Fatal(err)
	}
	work, done, err := c.Work()
	if err != nil {
		t.Fatal(err)
	}
	put(t, work, "program", []byte("x"), 0o700)
	young := put(t, images, tempPrefix+"young", nil, 0o600)
	stale := put(t, images, tempPrefix+"stale", nil, 0o600)
	put(t, images, tempPrefix+"staledir/program", nil, 0o600)
	old := time.Now().Add(-time.Hour)
	for _, f := range []string{work, stale, filepath.Join(images, tempPrefix+"staledir")} {
		if err := os.Chtimes(f, old, old); err != nil {
			t.Fatal(err)
		}
	}
	c.trim(images, "")
	for f, want := range map[string]bool{work: true, young: true, stale: false, filepath.Join(images, tempPrefix+"staledir"): false} {
		if _, err := os.Stat(f); (err == nil) != want {
			t.Errorf("%s: %v", f, err)
		}
	}
	done()
	if _, err := os.Stat(work); err == nil {
		t.Error("the work folder is still there")
	}
}

func TestCachePlaces(t *testing.T) {
	for _, c := range []struct{ xdg, home, want string }{
		{"/x", "/h", "/x/skerry"}, {"", "/h", "/h/.cache/skerry"}, {"rel", "/h", "/h/.cache/skerry"}, {"", "", ""}, {"", "rel", ""},
	} {
		t.Setenv("XDG_CACHE_HOME", c.xdg)
		t.Setenv("HOME", c.home)
		cache, err := DefaultCache()
		if c.want == "" {
			if err == nil {
				t.Errorf("%+v: %+v", c, cache)
			}
		} else if err != nil || cache.Dir != c.want || cache.Limit != CacheLimit {
			t.Errorf("%+v: %+v, %v", c, cache, err)
		}
	}
	// Not a folder where others can write.
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "images"), 0o777), os.Chmod(filepath.Join(dir, "images"), 0o777)); err != nil {
		t.Fatal(err)
	}
	if _, err := (&Cache{dir, CacheLimit}).Images(); err == nil || !strings.Contains(err.Error(), "written by others") {
		t.Error(err)
	}
	if _, err := (&Cache{"/dev/null/x", CacheLimit}).Images(); err == nil || !strings.Contains(err.Error(), "XDG_CACHE_HOME") {
		t.Error(err)
	}
}
