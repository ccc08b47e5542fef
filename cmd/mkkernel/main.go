// Command mkkernel is the last step of the kernel's build: it reads what the Go
// linker wrote and writes the bootable image (see image/kernelelf).
package main

import (
	"fmt"
	"os"

	"skerry/image/kernelelf"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: mkkernel LINKED IMAGE")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "mkkernel:", err)
		os.Exit(1)
	}
}

func run(from, to string) error {
	in, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	out, err := kernelelf.Link(in)
	if err != nil {
		return err
	}
	return os.WriteFile(to, out, 0o644)
}
