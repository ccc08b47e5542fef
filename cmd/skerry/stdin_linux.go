package main

import "golang.org/x/sys/unix"

// pending reports whether there are bytes to read; a pipe at its end is readable,
// too.
func pending(fd int32) bool {
	n, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ) // FIONREAD by another name
	return err == nil && n > 0
}
