package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// warnStdin says once, when it is seen, that something was piped in: the program
// does not get it. A terminal, /dev/null and a pipe in which nothing comes are
// not worth a line.
func (a *app) warnStdin() {
	if a.stdin == nil {
		return
	}
	info, err := a.stdin.Stat()
	if err != nil {
		return // closed
	}
	warn := func() {
		a.say("stdin is not passed on: the program's stdin is at end of file (copy a file in with --file)")
	}
	switch m := info.Mode(); {
	case m.IsRegular():
		if info.Size() > 0 {
			warn()
		}
	case m&(os.ModeNamedPipe|os.ModeSocket) != 0:
		go func() {
			p := []unix.PollFd{{Fd: int32(a.stdin.Fd()), Events: unix.POLLIN}}
			for {
				_, err := unix.Poll(p, -1)
				if err == unix.EINTR {
					continue
				}
				if err == nil && p[0].Revents&unix.POLLIN != 0 && pending(p[0].Fd) {
					warn()
				}
				return
			}
		}()
	}
}
