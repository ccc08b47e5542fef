// Command skerry runs a Linux program inside its own virtual machine, which holds
// that program and a kernel and nothing else.
//
// One file per verb; what a verb does is in the packages image and vmm. Flags'
// values are in values.go, ./skerry.toml in config.go. Everything that it prints
// on stderr begins with "skerry: " and is dropped by --quiet.
package main

import (
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
)

func main() {
	if os.Getenv(debugVariable) == "" {
		// A panic outside of the main goroutine is not recovered; it must not
		// show a stack trace either.
		debug.SetTraceback("none")
	}
	// With a receiver, a write to a closed pipe is an error and not the end; the
	// program in the machine is to learn of it. Nobody receives.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	a := &app{
		stdin: os.Stdin, stdout: os.Stdout, stderr: &lockedWriter{w: os.Stderr}, terminal: isTerminal(os.Stderr),
		host: runtime.GOOS + "/" + runtime.GOARCH, debug: os.Getenv(debugVariable) != "",
	}
	os.Exit(a.main(os.Args[1:]))
}
