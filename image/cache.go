package image

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"

	"skerry/image/known"
)

// CacheLimit is how much a cache may hold, in bytes.
const CacheLimit = 5 << 30

const (
	tempPrefix  = "tmp-"
	imageSuffix = ".img"
)

// Cache keeps images that were built, named by a hash of everything that is in
// them. Any number of commands may use it at once: an image appears whole, by a
// rename; one that is removed while it is open stays usable. Files have mode
// 0600, in folders of mode 0700.
type Cache struct {
	Dir   string
	Limit int64 // bytes
}

// DefaultCache is the user's cache, $XDG_CACHE_HOME/skerry, by default in ~/.cache.
func DefaultCache() (*Cache, error) {
	dir, why := UserDir("XDG_CACHE_HOME", ".cache")
	if why != "" {
		return nil, failed("cache", why, "set one of them")
	}
	return &Cache{dir, CacheLimit}, nil
}

// UserDir is our folder in one of the user's that a variable names (XDG Base Directory
// Specification: a relative path is ignored), by default a folder in HOME; or why there is
// none.
func UserDir(variable, inHome string) (dir, why string) {
	dir = os.Getenv(variable)
	if !filepath.IsAbs(dir) {
		home := os.Getenv("HOME")
		if !filepath.IsAbs(home) {
			return "", "neither " + variable + " nor HOME is an absolute path"
		}
		dir = filepath.Join(home, inHome)
	}
	return filepath.Join(dir, "skerry"), ""
}

// Images is the folder of the images. It is made if it is not there.
func (c *Cache) Images() (string, error) {
	dir := filepath.Join(c.Dir, "images")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", failed(dir, "cannot be made: "+cause(err), "set XDG_CACHE_HOME to a folder of yours")
	}
	info, err := os.Stat(dir)
	if err != nil {
		return "", failed(dir, cause(err), "")
	}
	// Whoever could write here could choose what runs.
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 {
		return "", failed(dir, "belongs to another user or can be written by others", "chmod 700 it, or set XDG_CACHE_HOME to a folder of yours")
	}
	return dir, nil
}

// Image returns the image for p, out of the cache if it is there, and whether it
// was. The image is verified.
func (c *Cache) Image(p Parts) (im *Image, hit bool, err error) {
	im, hit, err = c.Find(p)
	if hit && im.Verify() != nil {
		if err := c.Discard(im); err != nil {
			return nil, false, err
		}
		return c.Find(p)
	}
	return im, hit, err
}

// Discard closes an image of the cache that turned out to be damaged, and takes it
// out.
func (c *Cache) Discard(im *Image) error {
	im.Close()
	if err := os.Remove(im.Path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return failed(im.Path, "is damaged and cannot be removed: "+cause(err), "")
	}
	return nil
}

// Find is Image, but an image out of the cache is not verified: the caller does
// that before anything in it is used, and calls Discard if it is damaged.
func (c *Cache) Find(p Parts) (im *Image, hit bool, err error) {
	dir, err := c.Images()
	if err != nil {
		return nil, false, err
	}
	key, root, err := key(p)
	if err != nil {
		return nil, false, err
	}
	path := filepath.Join(dir, key+imageSuffix)
	if im, err := Open(path); err == nil {
		if im.section(kindRoot).SHA256 == root {
			now := time.Now()
			_ = os.Chtimes(path, now, now) // the mark of use; without it the image only goes earlier
			return im, true, nil
		}
		im.Close()
	}
	im, err = c.build(dir, path, p, root)
	return im, false, err
}

func (c *Cache) build(dir, path string, p Parts, root [sha256.Size]byte) (im *Image, err error) {
	f, err := os.CreateTemp(dir, tempPrefix)
	if err != nil {
		return nil, failed(dir, "cannot be written: "+cause(err), "")
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
			f.Close()
		}
	}()
	// The lock says that somebody is at work here; trim spares such a file.
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH); err != nil {
		return nil, failed(f.Name(), cause(err), "")
	}
	if _, err := Write(f, p); err != nil {
		if errors.Is(err, syscall.ENOSPC) {
			return nil, failed(dir, "no space left", "make room, or run `skerry clean`")
		}
		return nil, err
	}
	if im, err = open(f, path); err != nil {
		return nil, err
	}
	if im.section(kindRoot).SHA256 != root {
		return nil, failed(p.Manifest.Name, "its files changed while they were read", "try again")
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return nil, failed(path, cause(err), "")
	}
	c.trim(dir, filepath.Base(path))
	return im, nil
}

// key hashes everything that an image will hold.
func key(p Parts) (key string, root [sha256.Size]byte, err error) {
	var sum [sha256.Size]byte
	kernel := make(chan error, 1)
	go func() { // beside the root
		var err error
		sum, err = Sum(p.Kernel)
		kernel <- err
	}()
	hash := sha256.New()
	if _, err := p.Root.WriteTo(hash); err != nil {
		return "", root, err
	}
	root = [sha256.Size]byte(hash.Sum(nil))
	m, err := p.Manifest.withFormat().encode()
	if err != nil {
		return "", root, err
	}
	all := sha256.New()
	fmt.Fprintf(all, "image format %d, skerry %s, shells %s, manifest of %d bytes\n", FormatVersion, Version, known.ShellMarks(), len(m))
	all.Write(m)
	if err := <-kernel; err != nil {
		return "", root, err
	}
	all.Write(sum[:])
	all.Write(root[:])
	return hex.EncodeToString(all.Sum(nil)), root, nil
}

func (m Manifest) withFormat() *Manifest {
	m.Format = FormatVersion
	return &m
}

// cached is one file of the cache.
type cached struct {
	path string
	size int64
	used time.Time
}

// list returns the images, and removes what an interrupted build left.
func list(dir string) ([]cached, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []cached
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), tempPrefix) {
			removeStale(path)
			continue
		}
		info, err := e.Info()
		if err != nil || !strings.HasSuffix(path, imageSuffix) {
			continue // removed meanwhile, or not ours
		}
		all = append(all, cached{path, info.Size(), info.ModTime()})
	}
	sort.Slice(all, func(i, j int) bool { return all[i].used.Before(all[j].used) })
	return all, nil
}

// removeStale removes a temporary file or folder that nobody has locked. A young
// one may be about to be locked.
func removeStale(path string) {
	info, err := os.Lstat(path)
	if err != nil || time.Since(info.ModTime()) < time.Minute {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		os.RemoveAll(path)
	}
}

// trim removes the images that were not used for longest until the limit holds,
// but never the one named keep.
func (c *Cache) trim(dir, keep string) {
	all, err := list(dir)
	if err != nil {
		return // the cache is too large for now; the next build tries again
	}
	var total int64
	for _, e := range all {
		total += e.size
	}
	for _, e := range all {
		if total <= c.Limit {
			return
		}
		if filepath.Base(e.path) != keep && os.Remove(e.path) == nil {
			total -= e.size
		}
	}
}

// Clean removes every image and returns how many there were and their bytes.
// Machines that run from one go on.
func (c *Cache) Clean() (n int, bytes int64, err error) {
	dir := filepath.Join(c.Dir, "images")
	all, err := list(dir)
	if errors.Is(err, os.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, failed(dir, cause(err), "")
	}
	for _, e := range all {
		switch err := os.Remove(e.path); {
		case err == nil:
			n++
			bytes += e.size
		case !errors.Is(err, os.ErrNotExist):
			return n, bytes, failed(e.path, "cannot be removed: "+cause(err), "")
		}
	}
	return n, bytes, nil
}

// Work makes a folder for temporary files, which done removes; so does the next
// trim if this process ends before.
func (c *Cache) Work() (dir string, done func(), err error) {
	images, err := c.Images()
	if err != nil {
		return "", nil, err
	}
	dir, err = os.MkdirTemp(images, tempPrefix)
	if err != nil {
		return "", nil, failed(images, "cannot be written: "+cause(err), "")
	}
	f, err := os.Open(dir)
	if err == nil {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH)
	}
	if err != nil {
		os.RemoveAll(dir)
		return "", nil, failed(dir, cause(err), "")
	}
	return dir, func() { os.RemoveAll(dir); f.Close() }, nil
}
