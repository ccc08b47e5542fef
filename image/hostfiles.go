package image

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"skerry/image/erofs"
)

// traced are the places of the host whose files a traced program may read; what
// lies there is much the same on every machine of a distribution.
var traced = []string{"/usr", "/lib", "/lib64", "/lib32", "/libx32", "/bin", "/sbin", "/etc"}

// secrets are places below those that no program is shown.
var secrets = []string{"/etc/shadow", "/etc/gshadow", "/etc/ssl/private", "/etc/ssh", "/etc/sudoers", "/etc/sudoers.d", "/etc/letsencrypt", "/etc/wireguard",
	"/etc/krb5.keytab", "/etc/NetworkManager", "/etc/docker", "/etc/kubernetes", "/etc/pki/private"}

// secretNames are names of files and folders that hold secrets, wherever they are.
var secretNames = []string{".git", ".ssh", ".gnupg", ".aws", ".env", ".netrc", ".docker", ".kube", ".npmrc", ".pypirc", ".bash_history"}

// secret reports whether a path itself is one of a secret.
func secret(p string) bool {
	return slices.Contains(secrets, strings.TrimSuffix(p, "-")) || slices.Contains(secretNames, path.Base(p)) || strings.HasSuffix(p, ".key") || strings.HasSuffix(p, "_key")
}

// Secret reports whether an absolute path is that of something on this host that is
// known to hold secrets, or lies in it.
func Secret(p string) bool {
	for p = path.Clean(p); p != "/" && p != "."; p = path.Dir(p) {
		if secret(p) {
			return true
		}
	}
	return false
}

// HostFiles is a root with the files of the host that a traced program may read
// and that the image does not have: those of the system, of the folder dir, and of
// the paths in allow. Nothing that others may not read, and nothing that is known
// to hold secrets, is among them but what allow names. Nothing is executable.
func HostFiles(have *erofs.Tree, dir string, allow []string) (*erofs.Tree, error) {
	t := erofs.New()
	h := &hostFiles{t: t, have: have}
	for _, top := range traced {
		if err := h.add(top, false); err != nil {
			return nil, err
		}
	}
	if dir != "" {
		if err := h.add(dir, false); err != nil {
			return nil, err
		}
	}
	for _, a := range allow {
		abs, err := filepath.Abs(a)
		if err != nil {
			return nil, failed("--allow-path "+a, cause(err), "")
		}
		if _, err := os.Lstat(abs); err != nil {
			return nil, failed("--allow-path "+a, cause(err), "")
		}
		if Hidden(abs) {
			return nil, failed("--allow-path "+a, errHidden.Error(), "copy it elsewhere, or give it with --file or --dir")
		}
		if err := h.add(abs, true); err != nil {
			return nil, err
		}
	}
	return t, nil
}

type hostFiles struct {
	t, have *erofs.Tree
	n       int
}

// add walks a place of the host. named is for what the user allowed by name.
func (h *hostFiles) add(top string, named bool) error {
	return filepath.WalkDir(top, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil // gone, or not for us
		}
		skip := func() error {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if Hidden(p) || slices.Contains(generated, p) || p == "/root" && top != "/root" {
			return skip()
		}
		if !named && secret(p) {
			return skip()
		}
		if h.n++; h.n > maxEntries {
			return failed(top, "holds more files than can be offered to a traced program", "trace in a folder with less in it")
		}
		switch k := h.have.Lookup(p); {
		case k == erofs.Symlink:
			return skip() // the image's way leads on
		case k == erofs.Regular || k == erofs.Executable:
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		switch m := info.Mode(); {
		case m.IsDir():
			err = h.t.Mkdir(p)
		case m&fs.ModeSymlink != 0:
			target, e := os.Readlink(p)
			if e != nil {
				return nil
			}
			err = h.t.Symlink(p, target)
		case !m.IsRegular() || !named && m.Perm()&0o004 == 0:
			return nil
		default:
			err = h.t.File(p, anyTime.source(p, info, false), false)
		}
		if errors.Is(err, erofs.ErrExist) {
			return nil
		}
		return err
	})
}
