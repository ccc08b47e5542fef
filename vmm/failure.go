package vmm

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"skerry/bootrec"

	"golang.org/x/sys/unix"
)

// failure is what a kernel tells of a program that failed, as it comes.
type failure struct {
	missed   []string
	refused  []bootrec.RefusedCall
	asked    []bootrec.Asked
	crash    *bootrec.Crash
	mappings []bootrec.Mapping
	stackAt  uint64
	stack    []byte

	// Of one that a policy ended.
	threads     []bootrec.Thread
	calls       []bootrec.Call
	descriptors []bootrec.Descriptor
	events      []string
	counters    *bootrec.Counters
}

// add takes a frame, if it is one of a report. Whatever is more than a report may
// hold is dropped.
func (f *failure) add(fr bootrec.Frame) (err error) {
	switch fr.Kind {
	case bootrec.KindMissed:
		f.missed, err = more(f.missed, bootrec.MaxMissed)(bootrec.ParseMissed(fr.Payload))
	case bootrec.KindRefused:
		f.refused, err = more(f.refused, bootrec.MaxRefused)(bootrec.ParseRefused(fr.Payload))
	case bootrec.KindMemory:
		f.asked, err = more(f.asked, bootrec.MaxAsked)(bootrec.ParseMemory(fr.Payload))
	case bootrec.KindCrash:
		if f.crash == nil {
			f.crash, err = bootrec.ParseCrash(fr.Payload)
		}
	case bootrec.KindMappings:
		var list []bootrec.Mapping
		if list, err = bootrec.ParseMappings(fr.Payload); err == nil && len(list) > 0 && len(f.mappings) > 0 &&
			list[0].Start < f.mappings[len(f.mappings)-1].End {
			err = &bootrec.FrameError{Why: "mappings out of order"}
		}
		f.mappings, err = more(f.mappings, bootrec.MaxMappings)(list, err)
	case bootrec.KindStack:
		if f.stack == nil {
			var mem []byte
			f.stackAt, mem, err = bootrec.ParseStack(fr.Payload)
			f.stack = append([]byte{}, mem...)
		}
	case bootrec.KindThreads:
		f.threads, err = more(f.threads, bootrec.MaxThreads)(bootrec.ParseThreads(fr.Payload))
	case bootrec.KindCalls:
		f.calls, err = more(f.calls, bootrec.MaxCalls)(bootrec.ParseCalls(fr.Payload))
	case bootrec.KindDescriptors:
		f.descriptors, err = more(f.descriptors, bootrec.MaxDescriptors)(bootrec.ParseDescriptors(fr.Payload))
	case bootrec.KindEvents:
		f.events, err = more(f.events, bootrec.MaxEvents)(bootrec.ParseEvents(fr.Payload))
	case bootrec.KindCounters:
		if f.counters == nil {
			f.counters, err = bootrec.ParseCounters(fr.Payload)
		}
	}
	return err
}

// more appends to a list up to a limit.
func more[T any](list []T, limit int) func([]T, error) ([]T, error) {
	return func(l []T, err error) ([]T, error) {
		if err != nil {
			return list, err
		}
		return append(list, l[:min(len(l), limit-len(list))]...), nil
	}
}

// lastSize is how much of the end of the program's output is kept to look into.
const lastSize = 4 << 10

// last keeps the end of what is written to it.
type lastOutput struct {
	mu sync.Mutex
	b  []byte
}

func (l *lastOutput) add(p []byte) {
	p = p[max(0, len(p)-lastSize):]
	l.mu.Lock()
	if drop := len(l.b) + len(p) - lastSize; drop > 0 {
		l.b = l.b[:copy(l.b, l.b[drop:])]
	}
	l.b = append(l.b, p...)
	l.mu.Unlock()
}

func (l *lastOutput) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.b)
}

// Refused is a system call that was answered with an error since the machine does
// not have it or does not allow it.
type Refused struct {
	Call  string `json:"call"`
	Errno string `json:"errno"`
	Count uint32 `json:"count"`
}

// Memory is a request for memory that was refused, in bytes.
type Memory struct {
	Asked   uint64 `json:"asked"`
	Free    uint64 `json:"free"`
	Machine uint64 `json:"machine"`
	// Suggested is the memory of a machine that would do, 0 if none would.
	Suggested uint64 `json:"suggested,omitempty"`
}

// goTrace is how the stack of a goroutine begins, when a Go program ends by a bug
// of its own.
var goTrace = regexp.MustCompile(`(?m)^goroutine \d+ .*\[`)

// readOnlyRoot is how programs say that they got EROFS: in the words of C libraries and
// Go, or by its name.
var readOnlyRoot = regexp.MustCompile(`(?i)\bread-only file ?system\b|\bEROFS\b`)

// failed reports whether a program ended as one does that could not do its work.
// Signals by which it was asked to end are none.
func (m *machine) failed(r *Result) bool {
	switch m.exit.Reason {
	case bootrec.Exited:
		return r.Code != 0 && !m.asked
	case bootrec.Signaled:
		switch unix.Signal(r.Signal) {
		case unix.SIGSEGV, unix.SIGBUS, unix.SIGILL, unix.SIGFPE, unix.SIGTRAP, unix.SIGSYS, unix.SIGABRT:
			return true
		}
	}
	return false
}

// explain adds to the result what probably mattered.
func (m *machine) explain(r *Result) {
	f := &m.ports.failure
	output := []string{m.ports.lastOut.text(), m.ports.lastErr.text()}
	r.Refused = refusedCalls(f.refused, output)
	r.Memory = refusedMemory(f.asked, uint64(m.c.Memory))
	goSays := goTrace.MatchString(output[1])
	var more int
	r.Missed, more = pickMissed(f.missed, &wanted{output: output, cwd: m.c.Record.Cwd, host: hostLook(m.c.Folders, m.c.Secret), mounted: m.c.mounted, built: m.c.Built, namedOnly: goSays})
	if m.exit.Reason == bootrec.Signaled && f.crash != nil && f.crash.Signal == r.Signal && !goSays {
		m.describeCrash(r, f)
	}
	if goSays {
		r.Refused = nil
	}
	if r.Memory != nil && r.Memory.Suggested != 0 {
		r.Report = append(r.Report, fmt.Sprintf("out of memory: the program asked for %s, %s of %s are free: -m %dM",
			mib(r.Memory.Asked), strings.TrimSuffix(mib(r.Memory.Free), " MiB"), mib(r.Memory.Machine), r.Memory.Suggested>>20))
	}
	if line := refusedLine(r.Refused); line != "" {
		r.Report = append(r.Report, line)
	}
	if !m.c.Record.Overlay && (readOnlyRoot.MatchString(output[0]) || readOnlyRoot.MatchString(output[1])) {
		r.Report = append(r.Report, "the image is read-only: --tmpfs DIR makes a folder writable, --overlay all of it, in memory")
	}
	for _, f := range r.Missed {
		r.Report = append(r.Report, f.line())
	}
	if more > 0 {
		r.Report = append(r.Report, fmt.Sprintf("%d more files were looked for and are not in the image (--strace shows them)", more))
	}
	for i := range r.Report {
		r.Report[i] = printable(r.Report[i])
	}
}

func mib(n uint64) string { return fmt.Sprintf("%d MiB", n>>20) }

// usualCalls are what C libraries and JavaScript engines ask for at every start, and
// do well without.
var usualCalls = map[string]bool{"rseq": true, "pkey_alloc": true}

// probedCalls are what libraries ask for to do faster what they can do without; the
// value is the word by which output that speaks of it is known. libuv, and so node,
// does this at every start.
var probedCalls = map[string]string{"io_uring_setup": "io_uring"}

// refusedCalls are the refused calls that may have mattered.
func refusedCalls(list []bootrec.RefusedCall, output []string) (l []Refused) {
	for _, c := range list {
		word := probedCalls[c.Name]
		spoken := func(text string) bool { return strings.Contains(text, word) }
		if !usualCalls[c.Name] && (word == "" || slices.ContainsFunc(output, spoken)) {
			l = append(l, Refused{printable(c.Name), errnoName(c.Errno), c.Count})
		}
	}
	return l
}

func errnoName(n int) string {
	if name := unix.ErrnoName(unix.Errno(n)); name != "" {
		return name
	}
	return fmt.Sprintf("errno %d", n)
}

// maxCalls is how many refused calls are named in a line.
const maxCalls = 8

func refusedLine(list []Refused) string {
	var names []string
	for i, c := range list {
		if i == maxCalls {
			names = append(names, fmt.Sprintf("%d more", len(list)-i))
			break
		}
		s := c.Call + " (" + c.Errno
		if c.Count > 1 {
			s += fmt.Sprintf(", %d times", c.Count)
		}
		names = append(names, s+")")
	}
	if names == nil {
		return ""
	}
	return "the program used system calls that are not supported: " + strings.Join(names, ", ")
}

// memoryStep is what suggested sizes of a machine are multiples of, in bytes.
const memoryStep = 64 << 20

// absurd is how many times the machine's memory a request must have to be taken for
// address space rather than memory.
const absurd = 64

// refusedMemory is the last request that would have been too much for the machine,
// or nil. One that would have fitted was refused for another reason, such as a
// limit that the program set.
func refusedMemory(list []bootrec.Asked, all uint64) *Memory {
	for i := len(list) - 1; i >= 0; i-- {
		a := list[i]
		if a.Size <= a.Free || a.Free > all {
			continue
		}
		m := &Memory{Asked: a.Size, Free: a.Free, Machine: all}
		if a.Size/absurd < all {
			if need := (all - a.Free + a.Size + memoryStep - 1) / memoryStep * memoryStep; need <= MaxMemory {
				m.Suggested = need
			}
		}
		if m.Suggested != 0 {
			return m
		}
	}
	return nil
}
