package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"skerry/bench/load"
	"skerry/bench/proc"
)

// Longest waits for a machine under an emulator on a busy host.
const (
	bootTime   = 60 * time.Second
	answerTime = 10 * time.Second
)

// sides measures on all guests in turn, b.rounds times, and returns the samples
// by guest.
func (b *bench) sides(ctx context.Context, rounds int, measure func(guest) (float64, error)) map[string]*samples {
	s := map[string]*samples{}
	for _, g := range b.guests {
		s[g.name()] = &samples{}
	}
	for range rounds {
		for _, g := range b.guests {
			if ctx.Err() != nil {
				return s
			}
			f, err := measure(g)
			s[g.name()].add(f, err)
			b.say("  %s %s %v", g.name(), number(f), err)
		}
	}
	return s
}

// fill puts medians and notes into a row and the row into the table.
func (b *bench) fill(r *row, s map[string]*samples) {
	r.Skerry, r.Linux = math.NaN(), math.NaN()
	var notes []string
	for _, g := range b.guests {
		m := s[g.name()].median()
		if g.name() == "skerry" {
			r.Skerry = m
		} else {
			r.Linux = m
		}
		if n := s[g.name()].note(g.name()); n != "" {
			notes = append(notes, n)
		}
	}
	r.Note = strings.Join(append(notes, r.Note), " ")
	r.Note = strings.TrimSpace(r.Note)
	b.table.add(r)
}

// serving starts a server and waits until it has answered. The time is from the
// start of the command to the end of the first answer.
func (b *bench) serving(ctx context.Context, g guest, m machine, limit time.Duration) (*instance, time.Duration, error) {
	m.network = true
	if m.memory == 0 {
		m.memory = b.memory
	}
	out := newOutput("listening on")
	i, err := g.start(ctx, m, out)
	if err != nil {
		return nil, 0, err
	}
	type end struct {
		status int
		err    error
	}
	ended := make(chan end, 1)
	go func() {
		s, err := i.wait()
		ended <- end{s, err}
	}()
	failed := func(err error) (*instance, time.Duration, error) {
		i.kill()
		return nil, 0, fmt.Errorf("%w: %.300s", err, strings.TrimSpace(out.String()))
	}
	deadline := time.After(limit)
	select {
	case <-out.found:
	case e := <-ended:
		return failed(fmt.Errorf("ended before it served: status %d, %v", e.status, e.err))
	case <-deadline:
		return failed(errors.New("does not listen in time"))
	case <-ctx.Done():
		return failed(ctx.Err())
	}
	for {
		err := get(i.port, answerTime)
		if err == nil {
			return i, time.Since(i.started), nil
		}
		select {
		case e := <-ended:
			return failed(fmt.Errorf("ended while it served: status %d, %v", e.status, e.err))
		case <-deadline:
			return failed(fmt.Errorf("does not answer: %w", err))
		case <-ctx.Done():
			return failed(ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// get fetches / once.
func get(port int, timeout time.Duration) error {
	c, err := dial(port, timeout)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(timeout))
	if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		return err
	}
	_, err = load.ReadAnswer(bufio.NewReader(c))
	return err
}

// servers are the two programs that answer HTTP.
func (b *bench) servers() []struct{ name, path string } {
	return []struct{ name, path string }{{"Go", b.built.goServer}, {"C", b.built.cServer}}
}

func boot(ctx context.Context, b *bench) {
	for _, s := range b.servers() {
		r := &row{Name: "start → first HTTP answer, " + s.name, Unit: "s", Limit: limit{Ratio: 0.2},
			How: "from the command's start (skerry run, image in the cache; QEMU for Linux) to the last byte of the answer"}
		if len(b.guests) > 0 && b.guests[0].name() == "skerry" {
			// The image goes into the cache.
			if i, _, err := b.serving(ctx, b.guests[0], machine{program: s.path}, bootTime); err == nil {
				i.stop()
			}
		}
		b.fill(r, b.sides(ctx, b.rounds, func(g guest) (float64, error) {
			i, t, err := b.serving(ctx, g, machine{program: s.path}, bootTime)
			if err != nil {
				return math.NaN(), err
			}
			i.stop()
			return t.Seconds(), nil
		}))
	}
}

// serves tells whether a server still serves in so much memory.
func (b *bench) serves(ctx context.Context, g guest, program string, mib int) bool {
	i, _, err := b.serving(ctx, g, machine{program: program, memory: int64(mib) << 20}, 20*time.Second)
	if err != nil {
		b.say("  %s %d MiB: %v", g.name(), mib, err)
		return false
	}
	defer i.stop()
	r, err := load.Run(ctx, load.Plan{Address: fmt.Sprintf("127.0.0.1:%d", i.port), Path: "/", Connections: 4, Requests: 200, Duration: 20 * time.Second})
	ok := err == nil && r.Requests == 200 && r.Errors == 0
	b.say("  %s %d MiB: %v", g.name(), mib, ok)
	return ok
}

func memory(ctx context.Context, b *bench) {
	for _, s := range b.servers() {
		r := &row{Name: "smallest memory that serves, " + s.name, Unit: "MiB",
			How: "binary search of -m for the least with which 200 requests over 4 connections are answered"}
		if s.name == "Go" {
			r.Limit.Absolute = 40
		}
		b.fill(r, b.sides(ctx, 1, func(g guest) (float64, error) {
			low, high := 3, 256 // the first does not serve, the second does
			if !b.serves(ctx, g, s.path, high) {
				return math.NaN(), fmt.Errorf("does not serve in %d MiB", high)
			}
			for high-low > 1 {
				if ctx.Err() != nil {
					return math.NaN(), ctx.Err()
				}
				mid := (low + high) / 2
				if high == 256 && low < 64 {
					mid = 64 // most of what is above is wasted boots
				}
				if b.serves(ctx, g, s.path, mid) {
					high = mid
				} else {
					low = mid
				}
			}
			return float64(high), nil
		}))
	}
}

func throughput(ctx context.Context, b *bench) {
	duration := 5 * time.Second
	if b.quick {
		duration = 2 * time.Second
	}
	for _, cpus := range []int{1, 2} {
		for _, s := range b.servers() {
			if s.name == "C" && cpus > 1 {
				continue // it has one thread
			}
			wall := map[string]*samples{"skerry": {}, "linux": {}}
			per := b.sides(ctx, b.rounds, func(g guest) (float64, error) {
				perCPU, perSecond, err := b.load(ctx, g, machine{program: s.path, cpus: cpus}, "/", 16, duration)
				wall[g.name()].add(perSecond, err)
				return perCPU, err
			})
			name := fmt.Sprintf("%s, %d CPU", s.name, cpus)
			r := &row{Name: "HTTP requests per CPU second, " + name, Unit: "1/s", More: true,
				How: fmt.Sprintf("16 keep-alive connections for %v after 1 s of warming up; by the processor time of the QEMU process", duration)}
			if s.name == "Go" {
				r.Limit.Ratio = 0.5
			}
			b.fill(r, per)
			b.fill(&row{Name: "HTTP requests per second, " + name, Unit: "1/s", More: true, How: "the same runs, by the clock"}, wall)
		}
	}
}

// load measures a server under load: requests per second of QEMU's processor
// time, and per second of the clock.
func (b *bench) load(ctx context.Context, g guest, m machine, path string, connections int, d time.Duration) (perCPU, perSecond float64, err error) {
	i, _, err := b.serving(ctx, g, m, bootTime)
	if err != nil {
		return math.NaN(), math.NaN(), err
	}
	defer i.stop()
	pid, err := i.qemu()
	if err != nil {
		return math.NaN(), math.NaN(), err
	}
	plan := load.Plan{Address: fmt.Sprintf("127.0.0.1:%d", i.port), Path: path, Connections: connections, Duration: time.Second}
	if _, err := load.Run(ctx, plan); err != nil {
		return math.NaN(), math.NaN(), err
	}
	before, err := proc.Time(pid)
	if err != nil {
		return math.NaN(), math.NaN(), err
	}
	plan.Duration = d
	r, err := load.Run(ctx, plan)
	if err != nil {
		return math.NaN(), math.NaN(), err
	}
	after, err := proc.Time(pid)
	if err != nil {
		return math.NaN(), math.NaN(), err
	}
	if r.Errors > 0 || r.Requests == 0 {
		return math.NaN(), math.NaN(), fmt.Errorf("%d requests, %d errors, first %v", r.Requests, r.Errors, r.First)
	}
	return float64(r.Requests) / (after - before).Seconds(), float64(r.Requests) / r.Elapsed.Seconds(), nil
}

func bulk(ctx context.Context, b *bench) {
	const size = 16 << 20
	wall := map[string]*samples{"skerry": {}, "linux": {}}
	per := b.sides(ctx, min(b.rounds, 3), func(g guest) (float64, error) {
		perCPU, perSecond, err := b.load(ctx, g, machine{program: b.built.goServer}, fmt.Sprintf("/bulk?n=%d", size), 1, 3*time.Second)
		wall[g.name()].add(perSecond*size/1e6, err)
		return perCPU * size / 1e6, err
	})
	b.fill(&row{Name: "bulk per CPU second, Go, 1 CPU", Unit: "MB/s", More: true,
		How: "answers of 16 MiB over one connection for 3 s; by the processor time of the QEMU process"}, per)
	b.fill(&row{Name: "bulk, Go, 1 CPU", Unit: "MB/s", More: true, How: "the same runs, by the clock"}, wall)
}

func idle(ctx context.Context, b *bench) {
	duration := 10 * time.Second
	b.fill(&row{Name: "idle machine, host CPU", Unit: "%", Limit: limit{Absolute: 3},
		How: "run time of QEMU's threads (schedstat) over 10 s, 2 s after the Go server's first answer, 1 CPU"},
		b.sides(ctx, min(b.rounds, 3), func(g guest) (float64, error) {
			i, _, err := b.serving(ctx, g, machine{program: b.built.goServer}, bootTime)
			if err != nil {
				return math.NaN(), err
			}
			defer i.stop()
			pid, err := i.qemu()
			if err != nil {
				return math.NaN(), err
			}
			time.Sleep(2 * time.Second)
			start := time.Now()
			before, err := proc.PreciseTime(pid)
			if err != nil {
				return math.NaN(), err
			}
			time.Sleep(duration)
			after, err := proc.PreciseTime(pid)
			if err != nil {
				return math.NaN(), err
			}
			return 100 * (after - before).Seconds() / time.Since(start).Seconds(), nil
		}))
}
