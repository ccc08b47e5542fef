// Command bench measures Skerry beside a Linux machine on the same emulator and
// prints one table: the limits that the project holds itself to, and what single
// operations cost. Every row says how it was measured.
//
//	go run ./bench [-quick] [-json] [-only REGEXP] [-linux=false] [-skerry bin/skerry]
//
// Both sides run the same program files, take turns, and the median of the rounds
// is shown. Loads are bounded in count and time, and go to this host only.
//
// It imports the standard library and the packages below bench/.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"skerry/bench/linuxvm"
)

type options struct {
	skerry  string
	kernel  string
	machine string
	cpu     string
	memory  int64 // bytes
	rounds  int
	quick   bool
	only    *regexp.Regexp
	linux   bool
	verbose bool
}

// bench is a run of the benchmark.
type bench struct {
	options
	guests []guest
	built  *programs
	table  table
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	var b bench
	only := flag.String("only", "", "run the groups of rows whose names match this expression")
	list := flag.Bool("list", false, "print the names of the groups")
	asJSON := flag.Bool("json", false, "print JSON instead of a table")
	limit := flag.Duration("timeout", 60*time.Minute, "end the whole run after this time")
	memory := flag.Int64("m", 256, "memory of a machine in MiB")
	flag.StringVar(&b.skerry, "skerry", "bin/skerry", "the skerry command; if it is not there, only Linux is measured")
	flag.StringVar(&b.kernel, "kernel", "image/kernelbin/bin/kernel.elf", "Skerry's kernel, for its size")
	flag.StringVar(&b.machine, "machine", linuxvm.MicroVM, "QEMU's machine type: microvm or q35")
	flag.StringVar(&b.cpu, "cpu", linuxvm.DefaultCPU, "QEMU's CPU model")
	flag.IntVar(&b.rounds, "rounds", 5, "rounds of each measurement")
	flag.BoolVar(&b.quick, "quick", false, "fewer and shorter rounds")
	flag.BoolVar(&b.linux, "linux", true, "measure Linux as well")
	flag.BoolVar(&b.verbose, "v", false, "say on standard error what is being done")
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	if *list {
		for _, g := range groups {
			fmt.Println(g.name)
		}
		return nil
	}
	var err error
	if b.only, err = regexp.Compile(*only); err != nil {
		return err
	}
	if b.quick {
		b.rounds = min(b.rounds, 3)
	}
	if b.rounds < 1 {
		return fmt.Errorf("-rounds %d: at least one is needed", b.rounds)
	}
	b.memory = *memory << 20

	ctx, cancel := context.WithTimeout(context.Background(), *limit)
	defer cancel()
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := b.prepare(ctx); err != nil {
		return err
	}
	defer b.built.remove()
	for _, g := range groups {
		if b.only.MatchString(g.name) {
			b.say("%s", g.name)
			g.run(ctx, &b)
		}
		if ctx.Err() != nil {
			break
		}
	}
	b.table.Date = time.Now().UTC().Format("2006-01-02")
	if *asJSON {
		return b.table.writeJSON(os.Stdout)
	}
	b.table.write(os.Stdout)
	return ctx.Err()
}

// say reports progress.
func (b *bench) say(format string, args ...any) {
	if b.verbose {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
	}
}

// prepare builds the programs and finds the two sides.
func (b *bench) prepare(ctx context.Context) error {
	var err error
	if b.built, err = build(ctx); err != nil {
		return err
	}
	if _, err := os.Stat(b.skerry); err == nil {
		b.guests = append(b.guests, &skerry{command: b.skerry, options: &b.options})
	} else {
		fmt.Fprintf(os.Stderr, "bench: %s: not there, only Linux is measured (make build)\n", b.skerry)
	}
	if b.linux {
		k, err := linuxvm.Fetch(ctx)
		if err != nil {
			return err
		}
		b.table.Linux = k.Version
		b.guests = append(b.guests, &linux{kernel: k, options: &b.options})
	}
	b.table.Settings = fmt.Sprintf("-M %s -cpu %s -accel tcg -m %dM, %d rounds, medians", b.machine, b.cpu, b.memory>>20, b.rounds)
	b.table.QEMU = qemuVersion(ctx)
	return nil
}

// groups are the measurements in the order of the table.
var groups = []struct {
	name string
	run  func(context.Context, *bench)
}{
	{"boot", boot},
	{"size", sizes},
	{"memory", memory},
	{"http", throughput},
	{"bulk", bulk},
	{"idle", idle},
	{"micro", micro},
}
