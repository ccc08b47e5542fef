package vmm

import (
	"errors"
	"io/fs"
	"net"
	"os"
)

// Error is a failure of the host's side that a user can do something about.
type Error struct {
	What string // the thing
	Why  string // the cause
	Mend string // what to do, "" if that is plain
}

// Error is one line: what, why, what to do.
func (e *Error) Error() string {
	s := e.What + ": " + e.Why
	if e.Mend != "" {
		s += " (" + e.Mend + ")"
	}
	return s
}

func failed(what, why, mend string) error { return &Error{what, why, mend} }

// cause is the bare reason of an operating system's error.
func cause(err error) string {
	var p *fs.PathError
	var s *os.SyscallError
	var o *net.OpError
	switch {
	case errors.As(err, &o) && o.Err != nil:
		return cause(o.Err)
	case errors.As(err, &p):
		return p.Err.Error()
	case errors.As(err, &s):
		return s.Err.Error()
	}
	return err.Error()
}
