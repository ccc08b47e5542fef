package linuxvm

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

//go:embed init/init.c
var initSource []byte

// initramfs packs everything that the machine holds besides the kernel.
func initramfs(ctx context.Context, k *Kernel, c *Config) ([]byte, error) {
	var a archive
	var conf bytes.Buffer
	word := func(kind byte, s string) {
		conf.WriteByte(kind)
		conf.WriteString(s)
		conf.WriteByte(0)
	}
	path, err := compile(ctx, "init", initSource)
	if err != nil {
		return nil, err
	}
	first, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	a.add("init", modeProgram, first, 0, 0)
	made := map[string]bool{}
	var dir func(name string)
	dir = func(name string) {
		if name == "." || name == "/" || name == "" || made[name] {
			return
		}
		dir(filepath.Dir(name))
		made[name] = true
		a.add(name, modeDir, nil, 0, 0)
	}
	dir("dev")
	a.add("dev/console", modeChar, nil, 5, 1)
	modules, err := modulesFor(k, c)
	if err != nil {
		return nil, err
	}
	for i, m := range modules {
		b, err := os.ReadFile(m)
		if err != nil {
			return nil, err
		}
		name := fmt.Sprintf("m%02d.ko", i)
		a.add(name, modeFile, b, 0, 0)
		word('m', "/"+name)
	}
	if c.Network {
		word('n', "")
		dir("etc")
		a.add("etc/resolv.conf", modeFile, []byte("nameserver 10.0.2.3\n"), 0, 0)
		a.add("etc/hosts", modeFile, []byte("127.0.0.1 localhost\n::1 localhost\n10.0.2.2 host.skerry.internal\n"), 0, 0)
	}
	program, err := os.ReadFile(c.Program)
	if err != nil {
		return nil, err
	}
	target := c.Target
	if target == "" {
		target = "/" + filepath.Base(c.Program)
	}
	dir(filepath.Dir(strings.TrimPrefix(target, "/")))
	a.add(strings.TrimPrefix(target, "/"), modeProgram, program, 0, 0)
	for _, name := range sortedKeys(c.Files) {
		b, err := os.ReadFile(c.Files[name])
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(c.Files[name])
		if err != nil {
			return nil, err
		}
		mode := modeFile
		if info.Mode()&0o111 != 0 {
			mode = modeProgram
		}
		rel := strings.TrimPrefix(name, "/")
		dir(filepath.Dir(rel))
		a.add(rel, mode, b, 0, 0)
	}
	if c.Exec {
		word('x', "")
	} else {
		word('r', "")
	}
	if c.Dir != "" {
		word('o', c.Dir)
		dir(strings.TrimPrefix(c.Dir, "/"))
	}
	word('p', target)
	for _, s := range c.Args {
		word('a', s)
	}
	for _, s := range c.Env {
		word('e', s)
	}
	a.add("vm.conf", modeFile, conf.Bytes(), 0, 0)
	return a.bytes(), nil
}

func sortedKeys(m map[string]string) []string {
	var l []string
	for k := range m {
		l = append(l, k)
	}
	sort.Strings(l)
	return l
}
