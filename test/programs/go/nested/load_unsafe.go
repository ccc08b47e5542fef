package main

import (
	"os"
	"syscall"
	"unsafe"
)

// load loads a kernel module, without parameters.
func load(name string) error {
	const finitModule = 313 // finit_module(2)
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	var none [1]byte
	if _, _, e := syscall.Syscall(finitModule, f.Fd(), uintptr(unsafe.Pointer(&none)), 0); e != 0 {
		return e
	}
	return nil
}
