package vmm

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"skerry/bootrec"
	"skerry/vmm/audit"
	"skerry/vmm/unwind"

	"golang.org/x/sys/unix"
)

// IncidentVersion is the version of an Incident's fields.
const IncidentVersion = 1

// Incident is the report about a program that a policy ended. What is not known is left
// out.
type Incident struct {
	V    int    `json:"v"`
	Time string `json:"time"` // of the host, RFC 3339
	// What is the message; Rule, Point and Call say which promise it is about.
	What  string `json:"what"`
	Rule  string `json:"rule,omitempty"`
	Point string `json:"point,omitempty"`
	Call  string `json:"call,omitempty"`

	// What the machine was made of. The launcher's caller fills these in.
	Program string `json:"program"`
	Image   string `json:"image"`  // SHA-256
	Kernel  string `json:"kernel"` // SHA-256
	Policy  string `json:"policy"` // in words
	// PolicySHA256 is the hash of the policy as the kernel got it.
	PolicySHA256 string `json:"policy_sha256"`

	// Of the thread that did it.
	Thread    int               `json:"thread,omitempty"`
	Name      string            `json:"thread_name,omitempty"`
	Mapping   string            `json:"mapping,omitempty"` // that holds its program counter
	Stack     []Frame           `json:"stack,omitempty"`
	Registers map[string]string `json:"registers,omitempty"`
	Calls     []PastCall        `json:"calls"` // its last ones, the oldest first

	Others      []OtherThread   `json:"other_threads,omitempty"`
	Events      []*audit.Event  `json:"events"` // the last ones, the oldest first
	Descriptors []OpenFile      `json:"descriptors"`
	Refused     []Refused       `json:"refused,omitempty"` // since the start
	Machine     *MachineCounter `json:"machine,omitempty"`

	// Influenced names the fields whose content the program could choose.
	Influenced []string `json:"program_could_influence"`
	Advice     []string `json:"advice"`
}

// PastCall is a system call that a thread made.
type PastCall struct {
	Call  string   `json:"call"`
	Args  []string `json:"args"` // the first ones, as numbers
	Errno string   `json:"errno,omitempty"`
	At    string   `json:"at"`
}

// OtherThread is a thread that had no part in it.
type OtherThread struct {
	ID      int        `json:"thread"`
	Name    string     `json:"name"`
	Running bool       `json:"running"`
	Calls   []PastCall `json:"calls"`
}

// OpenFile is an open descriptor.
type OpenFile struct {
	FD    int    `json:"fd"`
	Mode  string `json:"mode"`
	Name  string `json:"name"`
	Local string `json:"local,omitempty"`
	Peer  string `json:"peer,omitempty"`
}

// MachineCounter are the figures of the machine: times in nanoseconds, sizes in bytes.
type MachineCounter struct {
	Uptime      uint64 `json:"uptime"`
	User        uint64 `json:"user_time"`
	System      uint64 `json:"system_time"`
	Memory      uint64 `json:"memory"`
	Free        uint64 `json:"memory_free"`
	Resident    uint64 `json:"program_memory"`
	Threads     uint64 `json:"threads"`
	Descriptors uint64 `json:"descriptors"`
	Calls       uint64 `json:"refused_calls"`
	Entropy     uint64 `json:"entropy_bits"`
	CPU         string `json:"cpu"`
	Features    string `json:"cpu_features"`
}

// influenced are the fields whose content a program chooses, in part at least.
var influenced = []string{"what (names and strings in it)", "thread_name", "registers", "stack (from the second frame on: it is read out of the program's memory)",
	"calls, other_threads (which calls, and their arguments; not their order, errors and places)", "events (what, obj, stack)", "descriptors (names, local)",
	"machine (times, memory_free, program_memory, threads, descriptors, refused_calls)"}

// incident is the report about a program that a policy ended.
func (m *machine) incident(r *Result, f *failure, mem *unwind.Memory, c *Crash) *Incident {
	i := &Incident{V: IncidentVersion, Time: time.Now().UTC().Format(time.RFC3339), What: r.Message, Influenced: influenced,
		Calls: []PastCall{}, Events: []*audit.Event{}, Descriptors: []OpenFile{}}
	for _, text := range f.events {
		e, err := audit.ParseEvent([]byte(text))
		if err != nil {
			continue
		}
		for _, s := range e.Texts() {
			*s = printable(*s)
		}
		i.Events = append(i.Events, e)
		if e.Action == "killed" {
			i.Rule, i.Point, i.Call = e.Rule, point(e.Point), e.Call
		}
	}
	if c != nil {
		i.Thread, i.Name, i.Stack = c.Thread, c.Name, c.Stack
		i.Registers = map[string]string{}
		for n, v := range f.crash.Reg {
			i.Registers[registerNames[n]] = fmt.Sprintf("%#x", v)
		}
		if e := mem.Mapping(f.crash.Reg[bootrec.RegIP]); e != nil {
			i.Mapping = printable(fmt.Sprintf("%#x-%#x %s %s", e.Start, e.End, rights(e.Flags), nameOf(e)))
		}
	}
	at := placesOf(mem, f.calls)
	others := map[int]*OtherThread{}
	for _, t := range f.threads {
		if t.ID != i.Thread {
			others[t.ID] = &OtherThread{ID: t.ID, Name: printable(t.Name), Running: !t.Asleep, Calls: []PastCall{}}
		}
	}
	for _, k := range f.calls {
		p := PastCall{Call: printable(k.Name), At: at[k.PC]}
		for _, a := range k.Args {
			p.Args = append(p.Args, fmt.Sprintf("%#x", a))
		}
		if k.Errno != 0 {
			p.Errno = errnoName(k.Errno)
		}
		if o := others[k.Thread]; o != nil {
			o.Calls = append(o.Calls, p)
		} else if k.Thread == i.Thread {
			i.Calls = append(i.Calls, p)
		}
	}
	for _, t := range f.threads {
		if o := others[t.ID]; o != nil {
			i.Others = append(i.Others, *o)
			delete(others, t.ID)
		}
	}
	for _, d := range f.descriptors {
		i.Descriptors = append(i.Descriptors, OpenFile{FD: d.FD, Mode: openMode(d.Flags), Name: printable(d.Name), Local: sockaddr(d.Local), Peer: sockaddr(d.Peer)})
	}
	for _, k := range f.refused {
		i.Refused = append(i.Refused, Refused{printable(k.Name), errnoName(k.Errno), k.Count})
	}
	if k := f.counters; k != nil {
		i.Machine = &MachineCounter{Uptime: k.Uptime, User: k.User, System: k.System, Memory: k.Memory, Free: k.Free, Resident: k.Resident,
			Threads: k.Threads, Descriptors: k.Descriptors, Calls: k.Calls, Entropy: k.Entropy, CPU: printable(k.CPU), Features: printable(k.Features)}
	}
	i.Advice = i.advise()
	return i
}

// placesOf names the places that calls were made from, in bounded time: the files come
// out of the image, whoever made that.
func placesOf(mem *unwind.Memory, calls []bootrec.Call) map[uint64]string {
	at := map[uint64]string{}
	for _, k := range calls {
		at[k.PC] = fmt.Sprintf("%#x", k.PC)
	}
	type named struct {
		pc   uint64
		name string
	}
	found := make(chan named, len(at))
	pcs := make([]uint64, 0, len(at))
	for pc := range at {
		pcs = append(pcs, pc)
	}
	go func() {
		for _, pc := range pcs {
			f := mem.At(pc, true)
			d := describeFrame(&f)
			found <- named{pc, d.place()}
		}
	}()
	limit := time.After(unwindTime)
	for range pcs {
		select {
		case n := <-found:
			at[n.pc] = n.name
		case <-limit:
			return at
		}
	}
	return at
}

// point is a point of the model in words, by its number in an event.
func point(n int) string {
	return map[int]string{1: "single process", 2: "no users", 3: "no shells", 4: "attack surface"}[n]
}

func (i *Incident) advise() []string {
	l := []string{"A machine that is started again has all addresses drawn anew; it is the same program, and whoever found the way in may find it again. Until the cause is known, restart it with a delay that grows, and without what it need not reach."}
	for _, d := range i.Descriptors {
		if d.Peer != "" {
			l = append(l, "Look at what the peers sent last: one of the connections below carried it, if it came from outside.")
			break
		}
	}
	return append(l, "Take what the program could read for known to whoever did this: its memory, keys, files and connections.",
		"If the program does this by itself, `--verdict RULE=deny` when the image is built refuses it and lets the program go on.")
}

// rights are those of a mapping, as /proc/self/maps shows them.
func rights(flags uint32) string {
	b := []byte("---p")
	for n, bit := range []uint32{bootrec.MapRead, bootrec.MapWrite, bootrec.MapExec} {
		if flags&bit != 0 {
			b[n] = "rwx"[n]
		}
	}
	if flags&bootrec.MapShared != 0 {
		b[3] = 's'
	}
	return string(b)
}

// openMode is the access mode of a descriptor, open(2).
func openMode(flags uint32) string {
	switch {
	case flags&unix.O_PATH != 0:
		return "path"
	case flags&unix.O_ACCMODE == unix.O_RDONLY:
		return "r"
	case flags&unix.O_ACCMODE == unix.O_WRONLY:
		return "w"
	}
	return "rw"
}

// sockaddr is the text of a struct sockaddr (ip(7), ipv6(7), unix(7)), "" of none.
func sockaddr(s string) string {
	b := []byte(s)
	if len(b) < 2 {
		return ""
	}
	family, rest := binary.LittleEndian.Uint16(b), b[2:]
	switch {
	case family == unix.AF_INET && len(rest) >= 6:
		ip, _ := netip.AddrFromSlice(rest[2:6])
		return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(rest)).String()
	case family == unix.AF_INET6 && len(rest) >= 22:
		ip, _ := netip.AddrFromSlice(rest[6:22])
		return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(rest)).String()
	case family == unix.AF_UNIX && len(rest) > 0:
		if rest[0] == 0 {
			return printable("@" + string(rest[1:]))
		}
		return printable(strings.TrimRight(string(rest), "\x00"))
	case family == unix.AF_UNIX || family == unix.AF_UNSPEC:
		return ""
	case family == unix.AF_NETLINK:
		return "netlink"
	}
	return fmt.Sprintf("family %d", family)
}

// Parts of a Page that are cut to this many lines, the newest of each kept. The JSON has
// all.
const (
	pageCalls   = 20
	pageEvents  = 10
	pageThreads = 8
	pageFiles   = 32
)

// Page is the incident for people, about a page of text.
func (i *Incident) Page() string {
	var b strings.Builder
	line := func(format string, v ...any) { fmt.Fprintf(&b, format+"\n", v...) }
	line("INCIDENT  %s", i.Time)
	line("%s", i.What)
	line("")
	line("program   %s", i.Program)
	line("rule      %s", strings.TrimSuffix(i.Rule+", "+i.Point, ", "))
	line("policy    %s (sha256 %s)", i.Policy, i.PolicySHA256)
	line("image     sha256 %s", i.Image)
	line("kernel    sha256 %s", i.Kernel)
	if i.Thread != 0 {
		line("thread    %d %s", i.Thread, i.Name)
	} else {
		line("thread    it is not known which")
	}
	if i.Mapping != "" {
		line("mapping   %s", i.Mapping)
	}
	if m := i.Machine; m != nil {
		line("machine   up %.3f s, program %.3f s in its code and %.3f s in the kernel; %s of %s free, program %s; %d threads, %d descriptors, %d refused calls",
			float64(m.Uptime)/1e9, float64(m.User)/1e9, float64(m.System)/1e9, mib(m.Free), mib(m.Memory), mib(m.Resident), m.Threads, m.Descriptors, m.Calls)
		line("entropy   %d bits", m.Entropy)
		line("cpu       %s: %s", m.CPU, m.Features)
	}
	if len(i.Stack) > 0 {
		line("\nstack")
		for n := range i.Stack[:min(len(i.Stack), shownLines)] {
			guess := ""
			if i.Stack[n].Guess {
				guess = " (a guess)"
			}
			line("  #%d %s%s", n, i.Stack[n].place(), guess)
		}
	}
	if i.Registers != nil {
		line("\nregisters")
		var row []string
		for n, name := range registerNames {
			if row = append(row, fmt.Sprintf("%-6s %-18s", name, i.Registers[name])); len(row) == 3 || n == len(registerNames)-1 {
				line("  %s", strings.TrimRight(strings.Join(row, "  "), " "))
				row = nil
			}
		}
	}
	calls := func(list []PastCall, n int, indent string) {
		for _, c := range list[max(0, len(list)-n):] {
			failed := ""
			if c.Errno != "" {
				failed = " = " + c.Errno
			}
			line("%s%s(%s, ...)%s at %s", indent, c.Call, strings.Join(c.Args, ", "), failed, c.At)
		}
	}
	others := "threads"
	if i.Thread != 0 {
		line("\nits last calls (%d of %d, the newest last)", min(len(i.Calls), pageCalls), len(i.Calls))
		calls(i.Calls, pageCalls, "  ")
		others = "other threads"
	}
	if len(i.Others) > 0 {
		line("\n%s (%d of %d)", others, min(len(i.Others), pageThreads), len(i.Others))
		for _, t := range i.Others[:min(len(i.Others), pageThreads)] {
			state := "not running"
			if t.Running {
				state = "running"
			}
			line("  %d %s, %s", t.ID, t.Name, state)
			calls(t.Calls, 1, "    ")
		}
	}
	line("\nwhat was refused (%d of %d, the newest last)", min(len(i.Events), pageEvents), len(i.Events))
	for _, e := range i.Events[max(0, len(i.Events)-pageEvents):] {
		line("  %s %s %s %s", time.Unix(0, e.Wall).UTC().Format("15:04:05.000"), e.Rule, e.Action, e.What)
	}
	line("\ndescriptors (%d of %d)", min(len(i.Descriptors), pageFiles), len(i.Descriptors))
	files := slices.Clone(i.Descriptors)
	slices.SortStableFunc(files, func(x, y OpenFile) int { // connections first
		switch {
		case x.Peer != "" && y.Peer == "":
			return -1
		case x.Peer == "" && y.Peer != "":
			return 1
		}
		return 0
	})
	for _, d := range files[:min(len(files), pageFiles)] {
		s := fmt.Sprintf("  %d %s %s", d.FD, d.Mode, d.Name)
		if d.Local != "" {
			s += " " + d.Local
		}
		if d.Peer != "" {
			s += " <-> " + d.Peer
		}
		line("%s", s)
	}
	line("\nwhat to do")
	for _, a := range i.Advice {
		line("  - %s", a)
	}
	line("\nThe program could choose the content of: %s.", strings.Join(i.Influenced, "; "))
	return b.String()
}
