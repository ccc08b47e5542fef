package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// programs are the files that both sides run.
type programs struct {
	dir      string
	goServer string
	cServer  string
	micro    string
}

func (p *programs) remove() { os.RemoveAll(p.dir) }

// build compiles the programs. The working directory is the repository's root.
func build(ctx context.Context) (*programs, error) {
	if _, err := os.Stat("examples/http/main.go"); err != nil {
		return nil, fmt.Errorf("examples/http: not found: run this from the root of the repository")
	}
	dir, err := os.MkdirTemp("", "skerry-bench")
	if err != nil {
		return nil, err
	}
	p := &programs{dir: dir, goServer: filepath.Join(dir, "http"), cServer: filepath.Join(dir, "http-c"), micro: filepath.Join(dir, "micro")}
	for _, c := range [][]string{
		{"go", "build", "-trimpath", "-ldflags=-s -w", "-o", p.goServer, "./examples/http"},
		{"musl-gcc", "-O2", "-static", "-s", "-o", p.cServer, "examples/http-c/http.c"},
		{"musl-gcc", "-O2", "-static", "-s", "-o", p.micro, "bench/micro/micro.c"},
	} {
		cmd := exec.CommandContext(ctx, c[0], c[1:]...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
		if out, err := cmd.CombinedOutput(); err != nil {
			p.remove()
			return nil, fmt.Errorf("%s: %v: %s", strings.Join(c, " "), err, out)
		}
	}
	return p, nil
}

func qemuVersion(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "qemu-system-x86_64", "--version").Output()
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimPrefix(first, "QEMU emulator version ")
}
