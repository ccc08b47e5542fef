package image

import (
	"errors"
	"io/fs"
	"os/exec"
	"strings"
)

// Exit statuses of the command for what can go wrong before a machine runs
// (docs/ARCHITECTURE.md, "Exit statuses").
const (
	StatusFailed    = 125 // Skerry failed
	StatusCannotRun = 126 // the program is there but is not one that can run
	StatusNotFound  = 127 // no such program
)

// Error is a failure that a user can do something about.
type Error struct {
	Status int
	What   string // the thing: a path, a flag with its value
	Why    string // the cause
	Mend   string // what to do, "" if that is plain
}

// Error is one line: what, why, what to do.
func (e *Error) Error() string {
	s := e.What + ": " + e.Why
	if e.Mend != "" {
		s += " (" + e.Mend + ")"
	}
	return s
}

// Status returns the exit status for err: an Error's own, else 125.
func Status(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return StatusFailed
}

func cannotRun(what, why, mend string) error { return &Error{StatusCannotRun, what, why, mend} }

func failed(what, why, mend string) error { return &Error{StatusFailed, what, why, mend} }

// cause is the bare reason of an operating system's error, without the operation
// and the path that the message already names.
func cause(err error) string {
	var p *fs.PathError
	var x *exec.Error
	switch {
	case errors.As(err, &p):
		return p.Err.Error()
	case errors.As(err, &x):
		return x.Err.Error()
	}
	return strings.TrimPrefix(err.Error(), "image: ")
}
