// Package kernelbin carries the kernel inside the skerry command. The file
// bin/kernel.elf is made by `make build` and is not committed; a command built
// without it works, but for what needs a kernel. It imports the standard library
// only.
package kernelbin

import (
	"embed"
	"errors"
)

//go:embed all:bin
var files embed.FS

// ErrMissing says how to get a kernel.
var ErrMissing = errors.New("this skerry was built without a kernel (build it with `make build`, not with `go build` alone)")

// Kernel returns the kernel's ELF file, or ErrMissing. The slice is the caller's.
func Kernel() ([]byte, error) {
	b, err := files.ReadFile("bin/kernel.elf")
	if err != nil || len(b) == 0 {
		return nil, ErrMissing
	}
	return b, nil
}
