package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"skerry/bench/linuxvm"
)

// operations are the rows of the micro-benchmark. tcp-bulk-64k is turned into
// MB per 10⁹ instructions.
var operations = []struct {
	key, name, unit string
	limit           float64
}{
	{"getppid", "getppid", "instructions", 185},
	{"clock_gettime", "clock_gettime", "instructions", 0},
	{"read-zero", "read 1 byte of /dev/zero", "instructions", 0},
	{"page-fault", "anonymous page fault, zeroing included", "instructions", 0},
	{"mmap-64k", "mmap + 16 faults + munmap of 64 KiB", "instructions", 0},
	{"futex-pingpong", "futex ping-pong of two threads", "instructions", 0},
	{"pipe-pingpong", "pipe ping-pong", "instructions", 0},
	{"thread", "thread create + join", "instructions", 0},
	{"tcp-echo", "TCP echo round trip on loopback", "instructions", 0},
	{"tcp-bulk-64k", "TCP bulk on loopback", "MB per 10⁹ instructions", 0},
}

// microTime bounds the whole micro-benchmark on one side.
const microTime = 5 * time.Minute

// micro runs the operations under -icount, where counts are the same in every
// run, so once is enough; each figure is a median of five rounds inside. A
// program that ends early gives the rows that it had printed.
func micro(ctx context.Context, b *bench) {
	ctx, cancel := context.WithTimeout(ctx, microTime*time.Duration(len(b.guests)+1))
	defer cancel()
	figures := map[string]map[string]float64{}
	notes := map[string]string{}
	for _, g := range b.guests {
		out := newOutput("")
		figures[g.name()] = map[string]float64{}
		i, err := g.start(ctx, machine{program: b.built.micro, memory: b.memory, cpus: 1, icount: true}, out)
		if err == nil {
			timer := time.AfterFunc(microTime, i.kill)
			_, err = i.wait()
			timer.Stop()
		}
		if err != nil {
			notes[g.name()] = err.Error()
		}
		for _, line := range strings.Split(out.String(), "\n") {
			f := strings.Fields(line)
			if len(f) != 4 {
				continue
			}
			if ticks, err := strconv.ParseFloat(f[2], 64); err == nil {
				figures[g.name()][f[0]] = ticks
			}
		}
	}
	for _, o := range operations {
		r := &row{Name: o.name, Unit: o.unit, Limit: limit{Absolute: o.limit}, Skerry: math.NaN(), Linux: math.NaN(),
			How: "-icount shift=0, 1 CPU, time-stamp counter; C program, median of 5 rounds"}
		for side, f := range figures {
			v, ok := f[o.key]
			if !ok {
				r.Note = strings.TrimSpace(fmt.Sprintf("%s %s: no figure (%.200s)", r.Note, side, notes[side]))
				continue
			}
			if o.key == "tcp-bulk-64k" {
				r.More = true
				v = 65536 / v * 1000 // bytes per instruction are GB per 10⁹
			}
			if side == "skerry" {
				r.Skerry = v
			} else {
				r.Linux = v
			}
		}
		b.table.add(r)
	}
}

// sizes are those of files, the same in every run.
func sizes(ctx context.Context, b *bench) {
	const mib = 1 << 20
	size := func(path string) float64 {
		st, err := os.Stat(path)
		if err != nil {
			return math.NaN()
		}
		return float64(st.Size()) / mib
	}
	kernel := &row{Name: "kernel on disk", Unit: "MiB", Skerry: size(b.kernel), Linux: math.NaN(), Limit: limit{Absolute: 6.5},
		How: "size of the kernel's file (Linux: bzImage, compressed, without modules)"}
	whole := &row{Name: "image less the program, Go", Unit: "MiB", Skerry: math.NaN(), Linux: math.NaN(), Limit: limit{Absolute: 6.5},
		How: "skerry build's file less the program's (Linux: bzImage + initramfs less the program)"}
	for _, g := range b.guests {
		switch g := g.(type) {
		case *skerry:
			image := filepath.Join(b.built.dir, "http.img")
			if out, err := exec.CommandContext(ctx, g.command, "build", "-o", image, b.built.goServer).CombinedOutput(); err != nil {
				whole.Note = fmt.Sprintf("skerry build: %v: %s", err, out)
				continue
			}
			whole.Skerry = size(image) - size(b.built.goServer)
		case *linux:
			kernel.Linux = size(g.kernel.Image)
			n, err := linuxvm.InitramfsSize(ctx, g.kernel, &linuxvm.Config{Machine: b.machine, Network: true, Exec: true,
				Program: b.built.goServer, Args: []string{"http"}})
			if err != nil {
				whole.Note = err.Error()
				continue
			}
			whole.Linux = kernel.Linux + float64(n)/mib - size(b.built.goServer)
		}
	}
	b.table.add(kernel)
	b.table.add(whole)
}
