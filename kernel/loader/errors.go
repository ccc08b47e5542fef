package loader

import (
	"strconv"

	"skerry/kernel/abi"
)

// Statuses of a program that was not started, as a shell's: it is there but
// cannot run, and something is not there.
const (
	StatusCannotRun = 126
	StatusNotFound  = 127
)

// Error says why a program cannot be started.
type Error struct {
	// Status is StatusCannotRun or StatusNotFound.
	Status int
	// Errno is what execve(2) would answer.
	Errno abi.Errno
	// Text goes behind the program's path and a colon: what is wrong, and how
	// to mend it if that is known. It may hold bytes out of the file (a path).
	Text string
}

// Error implements error.
func (e *Error) Error() string { return e.Text }

// malformed is the error for a file that breaks the ELF specification.
func malformed(text string) *Error {
	return &Error{StatusCannotRun, abi.ENOEXEC, text}
}

// segmentError is malformed or refused because of program header i.
func segmentError(i int, text string) *Error {
	return malformed("program header " + strconv.Itoa(i) + " " + text)
}

// readError is an error of the file system.
func readError(e abi.Errno) *Error {
	return &Error{StatusCannotRun, e, "cannot be read: " + e.Error()}
}
