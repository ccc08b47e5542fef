package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// event is a line of `go test -json`; see `go doc test2json` and
// `go help buildjson`.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build events
	Test       string
	Elapsed    float64 // seconds
	Output     string
}

// result is how one test ended.
type result struct {
	pkg, test string
	action    string // pass, fail, skip
	elapsed   time.Duration
	output    string // of tests that failed, were skipped, or have a log
}

// outcome is what came of a group.
type outcome struct {
	group   *group
	ok      bool
	begin   time.Time
	elapsed time.Duration

	packages int
	results  []result // in the order in which tests ended
}

// maxOutput bounds what is kept of one test's output; the end is what tells.
const maxOutput = 64 << 10

// read reads events to the end and prints what somebody wants to see at once.
func (o *outcome) read(r io.Reader, w io.Writer) {
	output := map[string]*bytes.Buffer{}
	of := func(e *event) *bytes.Buffer {
		key := e.Package + " " + e.Test
		b := output[key]
		if b == nil {
			b = &bytes.Buffer{}
			output[key] = b
		}
		return b
	}
	in := bufio.NewReaderSize(r, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		var e event
		switch {
		case len(line) == 0:
		case json.Unmarshal(line, &e) != nil:
			w.Write(line) // no event: the go command's own words
		default:
			o.take(&e, of, w)
			if e.Action == "fail" && e.Test == "" {
				o.unfinished(e.Package, output, w)
			}
			if e.Action == "pass" || e.Action == "fail" || e.Action == "skip" {
				delete(output, e.Package+" "+e.Test)
			}
		}
		if err != nil {
			return
		}
	}
}

// unfinished takes the tests of a package that failed which have no end of their
// own: a crash or a timeout came first, and is in the output of one of them.
func (o *outcome) unfinished(pkg string, output map[string]*bytes.Buffer, w io.Writer) {
	for _, key := range slices.Sorted(maps.Keys(output)) {
		test, ok := strings.CutPrefix(key, pkg+" ")
		if !ok || test == "" {
			continue
		}
		text := output[key].String()
		io.WriteString(w, text)
		o.results = append(o.results, result{pkg: pkg, test: test, action: "fail", output: text})
		delete(output, key)
	}
}

// take takes one event.
func (o *outcome) take(e *event, of func(*event) *bytes.Buffer, w io.Writer) {
	switch e.Action {
	case "build-output":
		io.WriteString(w, e.Output)
	case "output":
		b := of(e)
		b.WriteString(e.Output)
		if n := b.Len() - maxOutput; n > maxOutput {
			b.Next(n)
		}
	case "pass", "fail", "skip":
		elapsed := time.Duration(e.Elapsed * float64(time.Second))
		text := of(e).String()
		if e.Test == "" {
			if e.Action == "skip" {
				return // a package without tests
			}
			o.packages++
			if e.Action == "fail" {
				io.WriteString(w, text)
				fmt.Fprintf(w, "FAIL  %s\n", e.Package)
			} else {
				fmt.Fprintf(w, "ok    %-40s %6.1f s\n", e.Package, elapsed.Seconds())
			}
			return
		}
		switch {
		case e.Action == "fail":
			io.WriteString(w, text)
		case o.group.verbose:
			fmt.Fprintf(w, "%-5s %-60s %6.1f s\n", e.Action, e.Test, elapsed.Seconds())
		}
		o.results = append(o.results, result{e.Package, e.Test, e.Action, elapsed, text})
	}
}

// count counts the tests, without those that only hold others.
func (o *outcome) count(action string) (n int) {
	parents := map[string]bool{}
	for _, r := range o.results {
		// A name may hold slashes of its own.
		for i, c := range r.test {
			if c == '/' {
				parents[r.pkg+" "+r.test[:i]] = true
			}
		}
	}
	for _, r := range o.results {
		if r.action == action && !parents[r.pkg+" "+r.test] {
			n++
		}
	}
	return n
}

func (o *outcome) summary() string {
	word := "ok"
	if !o.ok {
		word = "FAILED"
	}
	s := fmt.Sprintf("%s: %s in %v", o.group.name, word, o.elapsed.Round(time.Second))
	if o.group.json {
		s += fmt.Sprintf(": %d passed, %d failed, %d skipped, in %d packages", o.count("pass"), o.count("fail"), o.count("skip"), o.packages)
	}
	return s
}

// reason is why a test was skipped: the text of its t.Skip.
func (r *result) reason() string {
	last := ""
	for line := range strings.Lines(r.output) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			last = line
		}
	}
	// file_test.go:12: text
	if _, text, ok := strings.Cut(last, ": "); ok {
		return text
	}
	return last
}
