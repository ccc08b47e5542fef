// Command firstrun shows that a program answers from inside its own machine: it
// packs an HTTP server into an image, boots it, waits until it answers, prints the
// page and what it took, and ends the machine.
//
//	firstrun [-skerry bin/skerry] [-image FILE] PROGRAM|GO-PACKAGE-DIR
//
// It leaves no process behind: the machine is asked to end, then made to; and if
// this command is killed, the machine's command gets KILL, on which the machine
// ends, too (prctl(2), PR_SET_PDEATHSIG). It imports the standard library only.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

const (
	answerLimit = 90 * time.Second // emulation on a loaded host is slow
	quietLimit  = 3 * time.Second  // a server that prints nothing is asked then
	stopLimit   = 15 * time.Second // more than --stop-timeout
)

func main() {
	skerry := flag.String("skerry", "bin/skerry", "the skerry `command`")
	image := flag.String("image", "build/http.img", "`file` for the image")
	memory := flag.String("m", "256M", "memory of the machine")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "run: give one PROGRAM or GO-PACKAGE-DIR")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer stop()
	err := run(ctx, &plan{skerry: *skerry, image: *image, memory: *memory, program: flag.Arg(0)})
	switch {
	case err == nil:
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "run: interrupted")
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

// plan is what is to be shown.
type plan struct{ skerry, image, memory, program string }

func run(ctx context.Context, p *plan) error {
	say("packing %s into %s", p.program, p.image)
	build := exec.CommandContext(ctx, p.skerry, "build", "-o", p.image, p.program)
	build.Cancel = func() error { return build.Process.Signal(syscall.SIGTERM) } // so that it removes what it began
	build.WaitDelay = stopLimit
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%s build: %w", p.skerry, err)
	}
	info, err := os.Stat(p.image)
	if err != nil {
		return err
	}

	say("skerry run -p 0:8080 -m %s %s", p.memory, p.image)
	m, err := start(p)
	if err != nil {
		return err
	}
	a, err := m.answer(ctx, answerLimit)
	stopErr := m.stop(stopLimit)
	if err != nil {
		return err
	}
	fmt.Printf("\n%s\n", a.page)
	fmt.Printf("from start to first answer  %.0f ms, at http://%s/\n", float64(a.after.Microseconds())/1000, a.address)
	fmt.Printf("image                       %.1f MiB: the kernel, the program, nothing else\n", float64(info.Size())/(1<<20))
	fmt.Printf("memory of the machine       %s\n", p.memory)
	if stopErr == nil {
		fmt.Printf("ended by SIGTERM            status %d\n", m.status())
	}
	return stopErr
}

func say(format string, v ...any) { fmt.Fprintf(os.Stderr, "run: "+format+"\n", v...) }
