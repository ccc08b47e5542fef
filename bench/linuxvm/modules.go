package linuxvm

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// modulesFor returns the files of the modules that a machine needs, each after
// those that it needs itself.
func modulesFor(k *Kernel, c *Config) ([]string, error) {
	want := []string{"virtio_mmio"}
	if c.Machine == Q35 {
		want[0] = "virtio_pci"
	}
	if c.Network {
		want = append(want, "virtio_net")
	}
	if !c.Exec {
		want = append(want, "virtio_console")
	}
	files, err := index(k)
	if err != nil {
		return nil, err
	}
	var list []string
	done := map[string]bool{}
	var add func(name string) error
	add = func(name string) error {
		if done[name] {
			return nil
		}
		done[name] = true
		path, ok := files[name]
		if !ok {
			return fmt.Errorf("kernel %s: has no module %s", k.Version, name)
		}
		if path == "" { // built in
			return nil
		}
		needs, err := depends(path)
		if err != nil {
			return err
		}
		for _, n := range needs {
			if err := add(n); err != nil {
				return err
			}
		}
		list = append(list, path)
		return nil
	}
	for _, name := range want {
		if err := add(name); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// moduleName is a module's name as dependencies give it: the file's name without
// its ending, with underscores.
func moduleName(file string) string {
	return strings.ReplaceAll(strings.TrimSuffix(filepath.Base(file), ".ko"), "-", "_")
}

// index maps the names of all modules to their files, and of those that are
// built into the kernel to "".
func index(k *Kernel) (map[string]string, error) {
	files := map[string]string{}
	builtin, err := os.ReadFile(filepath.Join(k.modules, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	for _, line := range strings.Fields(string(builtin)) {
		files[moduleName(line)] = ""
	}
	return files, filepath.WalkDir(k.modules, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".ko") {
			files[moduleName(path)] = path
		}
		return err
	})
}

// Module is the file of a module that is not built in.
func (k *Kernel) Module(name string) (string, error) {
	files, err := index(k)
	if err == nil && files[name] == "" {
		err = fmt.Errorf("kernel %s: has no module %s", k.Version, name)
	}
	return files[name], err
}

// depends reads the names of the modules that a module needs: the string
// "depends=a,b" of its section .modinfo.
func depends(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	_, rest, ok := bytes.Cut(b, []byte("\x00depends="))
	if !ok {
		return nil, fmt.Errorf("%s: says not what it depends on", path)
	}
	text, _, _ := bytes.Cut(rest, []byte{0})
	if len(text) == 0 {
		return nil, nil
	}
	return strings.Split(string(text), ","), nil
}
