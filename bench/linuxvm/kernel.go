package linuxvm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"time"
)

// Kernel is an unpacked Linux kernel.
type Kernel struct {
	Version string // as the modules' folder is named, 6.1.0-56-cloud-amd64
	Image   string // path of the bzImage
	modules string // path of lib/modules/Version
}

// PackageVariable names a kernel package (.deb) to use instead of fetching
// Debian's current one.
const PackageVariable = "SKERRY_LINUX_DEB"

const metaPackage = "linux-image-cloud-amd64"

// CacheDir is where kernels and builds are kept.
func CacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(base, "skerry-bench")
	return dir, os.MkdirAll(dir, 0o755)
}

// Fetch returns the kernel, from the cache if it is there.
func Fetch(ctx context.Context) (*Kernel, error) {
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(cache, "linux")
	if k, err := find(dir); err == nil && os.Getenv(PackageVariable) == "" {
		return k, nil
	}
	deb := os.Getenv(PackageVariable)
	if deb == "" {
		if deb, err = download(ctx, cache); err != nil {
			return nil, err
		}
	}
	tmp, err := os.MkdirTemp(cache, "unpack")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	if out, err := exec.CommandContext(ctx, "dpkg-deb", "-x", deb, tmp).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: cannot be unpacked: %v: %s", deb, err, out)
	}
	if _, err := find(tmp); err != nil {
		return nil, fmt.Errorf("%s: %w", deb, err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.Rename(tmp, dir); err != nil {
		return nil, err
	}
	return find(dir)
}

// find looks for an unpacked kernel. A package of newer releases has its files
// under usr/lib instead of lib.
func find(dir string) (*Kernel, error) {
	images, _ := filepath.Glob(filepath.Join(dir, "boot", "vmlinuz-*"))
	sort.Strings(images)
	if len(images) == 0 {
		return nil, errors.New("holds no boot/vmlinuz-*")
	}
	k := &Kernel{Image: images[len(images)-1]}
	k.Version = filepath.Base(k.Image)[len("vmlinuz-"):]
	for _, lib := range []string{"lib", "usr/lib"} {
		k.modules = filepath.Join(dir, lib, "modules", k.Version)
		if _, err := os.Stat(k.modules); err == nil {
			return k, nil
		}
	}
	return nil, errors.New("holds no modules")
}

var dependsPattern = regexp.MustCompile(`(?m)^\s*Depends: (linux-image-[0-9][^\s]*)$`)

// download fetches the package that Debian's meta package stands for.
func download(ctx context.Context, dir string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	mend := fmt.Sprintf("on Debian run apt-get update first; elsewhere name a kernel package in %s", PackageVariable)
	out, err := exec.CommandContext(ctx, "apt-cache", "depends", metaPackage).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: apt-cache does not know it: %v (%s)", metaPackage, err, mend)
	}
	m := dependsPattern.FindSubmatch(out)
	if m == nil {
		return "", fmt.Errorf("%s: names no kernel (%s)", metaPackage, mend)
	}
	name := string(m[1])
	cmd := exec.CommandContext(ctx, "apt-get", "download", name)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: cannot be downloaded: %v: %s(%s)", name, err, out, mend)
	}
	files, _ := filepath.Glob(filepath.Join(dir, name+"_*.deb"))
	if len(files) == 0 {
		return "", fmt.Errorf("%s: apt-get left no file in %s", name, dir)
	}
	sort.Strings(files)
	return files[len(files)-1], nil
}
