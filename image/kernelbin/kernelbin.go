// Package kernelbin carries the kernel inside the skerry command. The file
// bin/kernel.elf is made by `make build` and is not committed; a command built
// without it works, but for what needs a kernel. It imports the standard library
// only.
package kernelbin

import (
	"embed"
	"errors"
	"io"
)

//go:embed all:bin
var files embed.FS

// ErrMissing says how to get a kernel.
var ErrMissing = errors.New("this skerry was built without a kernel (build it with `make build`, not with `go build` alone)")

// Kernel returns the kernel's ELF file, or ErrMissing. It is read out of the command's own
// memory, and not copied as a whole: every start would pay for that.
func Kernel() (*io.SectionReader, error) {
	f, err := files.Open("bin/kernel.elf")
	if err != nil {
		return nil, ErrMissing
	}
	info, err := f.Stat()
	r, ok := f.(io.ReaderAt)
	if err != nil || !ok || info.Size() == 0 {
		return nil, ErrMissing
	}
	return io.NewSectionReader(r, 0, info.Size()), nil
}
