package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"sync"

	"skerry/image"

	"golang.org/x/term"
)

// debugVariable shows stack traces of internal errors if it is set.
const debugVariable = "SKERRY_DEBUG"

// qemuVariable holds further arguments for QEMU, such as a monitor for looking at
// a machine that hangs.
const qemuVariable = "SKERRY_QEMU_ARGS"

// app is one call of the command.
type app struct {
	stdin    *os.File
	stdout   io.Writer
	stderr   io.Writer // for several goroutines
	terminal bool      // stderr is one
	host     string    // GOOS/GOARCH
	debug    bool

	quiet  bool // set by a verb's flags
	status int  // what a verb decided, if it did not fail
}

// statusError ends the command with a status after everything was said.
type statusError int

func (s statusError) Error() string { return fmt.Sprintf("status %d", int(s)) }

// usageError is a wrong command line.
type usageError struct{ text string }

func (u *usageError) Error() string { return u.text }

func usage(format string, v ...any) error { return &usageError{fmt.Sprintf(format, v...)} }

// main runs the command and returns its exit status.
func (a *app) main(args []string) (status int) {
	defer func() {
		if p := recover(); p != nil {
			a.say(fmt.Sprintf("internal error: %v; please report it (%s=1 shows where)", p, debugVariable))
			if a.debug {
				a.stderr.Write(debug.Stack())
			}
			status = image.StatusFailed
		}
	}()
	root := newRoot(a)
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	completion(root)
	err := root.Execute()
	var s statusError
	switch {
	case err == nil:
		return a.status
	case errors.As(err, &s):
		return int(s)
	}
	a.say(err.Error())
	return image.Status(err)
}

// say prints a line for the user.
func (a *app) say(line string) {
	if !a.quiet {
		// One write, so that lines of several goroutines do not mix.
		io.WriteString(a.stderr, "skerry: "+strings.ReplaceAll(line, "\n", "\nskerry: ")+"\n")
	}
}

// progress prints a line that only somebody who waits wants.
func (a *app) progress(line string) {
	if a.terminal {
		a.say(line)
	}
}

// checkHost refuses hosts that cannot run machines.
func (a *app) checkHost() error {
	if a.host != "linux/amd64" {
		return fmt.Errorf("this is %s: skerry runs machines on Linux x86-64 only (use such a host)", a.host)
	}
	return nil
}

// lockedWriter lets several goroutines write.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// prefixed turns lines that are written to it into lines for the user. It belongs
// to one goroutine.
type prefixed struct {
	a    *app
	what string
	rest []byte // a line that has not ended yet
}

func (p *prefixed) Write(b []byte) (int, error) {
	p.rest = append(p.rest, b...)
	for {
		line, rest, found := bytes.Cut(p.rest, []byte("\n"))
		if !found {
			return len(b), nil
		}
		p.a.say(p.what + ": " + string(line))
		p.rest = rest
	}
}

// end says what is left of a line.
func (p *prefixed) end() {
	if len(p.rest) > 0 {
		p.a.say(p.what + ": " + string(p.rest))
		p.rest = nil
	}
}

// size writes a number of bytes for people.
func size(n int64) string {
	switch {
	case n < 10<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 10<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	case n < 10<<30:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d GiB", n>>30)
}
