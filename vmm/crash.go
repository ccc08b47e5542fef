package vmm

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"skerry/bootrec"
	"skerry/vmm/unwind"

	"golang.org/x/sys/unix"
)

const (
	// maxFrames is how much of a stack is told, shownLines how many lines of it are
	// printed.
	maxFrames, shownLines = 32, 16
	// unwindTime is how long reading the image's symbols may take.
	unwindTime = 10 * time.Second
	// nullPage is below which address nothing can be mapped (the kernel's mm): an
	// address there is an offset from a null pointer.
	nullPage = 64 << 10
	// nearStack is how far an access of a function's frame is from the stack pointer,
	// and stackGap how far below a stack it can fall, in bytes.
	nearStack = 64 << 10
	stackGap  = 1 << 20
)

// Crash is where a thread was when a signal ended the program.
type Crash struct {
	Signal string `json:"signal"`
	// Address is what the thread accessed, "" if the signal has none; Access is read,
	// write or execute; Mapping says what is there.
	Address string  `json:"address,omitempty"`
	Access  string  `json:"access,omitempty"`
	Mapping string  `json:"mapping,omitempty"`
	Thread  int     `json:"thread"`
	Name    string  `json:"thread_name"`
	Stack   []Frame `json:"stack"`
}

// Frame is one place of a stack.
type Frame struct {
	PC       string `json:"pc"`
	Function string `json:"function,omitempty"`
	File     string `json:"file,omitempty"`
	Source   string `json:"source,omitempty"`
	Guess    bool   `json:"guess,omitempty"`
	Times    int    `json:"times,omitempty"` // if it stands there more than once
}

// place is the frame in words: function+0x12 (/srv/app, main.c:7).
func (f *Frame) place() string {
	s, in := f.PC, f.File
	switch {
	case f.Function != "":
		s = f.Function
	case in == "":
		return s
	}
	if f.Source != "" {
		in += ", " + f.Source
	}
	return s + " (" + in + ")"
}

// describeCrash fills in what the crash record tells.
func (m *machine) describeCrash(r *Result, f *failure) {
	mem, c := m.readCrash(f)
	r.Message = printable("the program was ended by " + c.Signal + c.describe(f.crash, mem))
	r.showStack(c)
}

// describeEnd fills in where the thread was for which a policy ended the program, if that
// is known, and the report. The message says what it tried.
func (m *machine) describeEnd(r *Result, f *failure) {
	mem, c := m.memory(f), (*Crash)(nil)
	if f.crash != nil {
		mem, c = m.readCrash(f)
		r.showStack(c)
	}
	for i := range r.Report {
		r.Report[i] = printable(r.Report[i])
	}
	if f.counters != nil || f.threads != nil {
		r.Incident = m.incident(r, f, mem, c)
	}
}

// memory is what the report tells of the program's memory.
func (m *machine) memory(f *failure) *unwind.Memory {
	return &unwind.Memory{Mappings: f.mappings, StackAt: f.stackAt, Stack: f.stack, Open: func(path string) *unwind.File {
		if m.c.ImageFile == nil {
			return nil
		}
		return unwind.Open(m.c.ImageFile(path))
	}}
}

// readCrash reads the crash record: where the thread was, and its memory.
func (m *machine) readCrash(f *failure) (*unwind.Memory, *Crash) {
	mem := m.memory(f)
	c := &Crash{Signal: signalName(f.crash.Signal), Thread: f.crash.Thread, Name: printable(f.crash.Name)}
	frames := walk(mem, &f.crash.Reg)
	for i := range frames {
		c.Stack = append(c.Stack, describeFrame(&frames[i]))
	}
	if m.c.Verbose != nil {
		verboseRegisters(f.crash, m.c.Verbose)
	}
	return mem, c
}

// showStack puts a stack into the result, and lines about it into its report.
func (r *Result) showStack(c *Crash) {
	for i := uneventful(c.Stack); i < min(len(c.Stack), shownFrames(c.Stack)); i++ {
		line := fmt.Sprintf("  #%d %s", i, c.Stack[i].place())
		if c.Stack[i].Guess {
			line += " (a guess)"
		}
		if n := c.Stack[i].Times; n > 0 {
			line += fmt.Sprintf(", %d times", n)
		}
		r.Report = append(r.Report, line)
	}
	r.Crash = c
}

// aborting are the functions by which a language's runtime ends a program that has a
// bug. What matters is who called the outermost of them.
var aborting = regexp.MustCompile(`^(__pthread_kill_.*|raise|gsignal|tgkill|__restore_sigs|abort|__?rust_.*|__rustc::.*|std::process::abort|std::sys::.*abort.*|std::panicking::.*` +
	`|std::sys::backtrace::__rust_.*|core::panicking::.*|__gnu_cxx::__verbose_terminate_handler|__cxxabiv1::.*|std::terminate.*|__cxa_.*|__assert_fail.*|__libc_message.*|malloc_printerr)\+0x`)

// uneventful is how many frames at the start of a stack are not worth a line: those
// above the last of the aborting ones. Frames of stripped libraries between them have
// no name that would tell.
func uneventful(stack []Frame) int {
	last := 0
	for i := range stack {
		f := &stack[i]
		switch {
		case aborting.MatchString(f.Function):
			last = i
		case !strings.HasPrefix(f.Function, path.Base(f.File)+"+0x"):
			return last
		}
	}
	return 0
}

// shownFrames is behind which frame of a stack no line is printed.
func shownFrames(stack []Frame) int { return uneventful(stack) + shownLines }

// rustSource is where the sources of Rust's standard library are on the machine that
// compiled it.
var rustSource = regexp.MustCompile(`^/rustc/[0-9a-f]{40}/`)

// walk unwinds the stack in bounded time: the files come out of the image, whoever
// made that. If it takes longer, the frame itself is all there is.
func walk(mem *unwind.Memory, regs *[bootrec.Regs]uint64) []unwind.Frame {
	done := make(chan []unwind.Frame, 1)
	go func() { done <- mem.Walk(regs, maxFrames) }()
	select {
	case l := <-done:
		return l
	case <-time.After(unwindTime):
		return []unwind.Frame{{PC: regs[bootrec.RegIP]}}
	}
}

func describeFrame(f *unwind.Frame) Frame {
	hex := fmt.Sprintf("%#x", f.PC)
	d := Frame{PC: hex, File: printable(f.File), Guess: f.Guess}
	switch {
	case !f.Mapped:
		d.File = "not mapped"
	case f.Signal:
		d.Function = "return from a signal handler"
	case f.File == "":
		d.File = "anonymous memory"
	case f.Function != "":
		d.Function = printable(f.Function) + fmt.Sprintf("+%#x", f.Into)
	case f.Offset != 0:
		d.Function = printable(path.Base(f.File)) + fmt.Sprintf("+%#x", f.Offset)
	}
	if f.Times > 1 {
		d.Times = f.Times
	}
	if f.Source != "" && !f.Signal {
		d.Source = fmt.Sprintf("%s:%d", printable(rustSource.ReplaceAllString(f.Source, "")), f.Line)
	}
	return d
}

// describe says what the signal was about, and where, and fills in the address.
func (c *Crash) describe(k *bootrec.Crash, mem *unwind.Memory) string {
	what := ""
	if k.Fault&bootrec.FaultPage != 0 {
		c.Access = "read"
		switch {
		case k.Fault&bootrec.FaultFetch != 0:
			c.Access = "execute"
		case k.Fault&bootrec.FaultWrite != 0:
			c.Access = "write"
		}
		c.Address, c.Mapping = fmt.Sprintf("%#x", k.Addr), printable(mapping(k, mem))
		verb := map[string]string{"read": "read of", "write": "write to", "execute": "jump to"}[c.Access]
		what = ": " + verb + " address " + c.Address + " (" + c.Mapping + ")"
	} else if s := cause1(k); s != "" {
		what = ": " + s
	}
	what += fmt.Sprintf(" in thread %d", c.Thread)
	if c.Name != "" {
		what += " (" + c.Name + ")"
	}
	if len(c.Stack) > 0 && k.Code > 0 {
		what += " at " + c.Stack[0].place()
	}
	return what
}

// siKernel is SI_KERNEL, sigaction(2).
const siKernel = 128

// cause1 says what a signal that is no page fault's was about.
func cause1(k *bootrec.Crash) string {
	sent := k.Code <= 0
	switch unix.Signal(k.Signal) {
	case unix.SIGABRT:
		return "" // abort(3): the program knows why
	case unix.SIGSEGV:
		if k.Code == siKernel {
			return "an address that is not canonical, or an instruction that programs may not use"
		}
	case unix.SIGFPE:
		if k.Code == 1 { // FPE_INTDIV
			return "an integer was divided by zero, or the result is too large"
		}
	case unix.SIGILL:
		if !sent {
			return "an instruction that the processor does not have, such as one that marks code that is never reached"
		}
	case unix.SIGTRAP:
		if !sent {
			return "a breakpoint"
		}
	case unix.SIGBUS:
		if k.Code == 1 { // BUS_ADRALN
			return "an address that is not aligned"
		}
	}
	if sent {
		return "the program sent it to itself"
	}
	return ""
}

// mapping says what is at the address of a page fault, or near it.
func mapping(k *bootrec.Crash, mem *unwind.Memory) string {
	addr := k.Addr
	if addr < nullPage {
		return "null pointer"
	}
	e := mem.Mapping(addr)
	if (e == nil || e.Flags&bootrec.MapRead == 0) && stackOverflow(k, mem) {
		return fmt.Sprintf("stack overflow: below the stack of thread %d", k.Thread)
	}
	if e == nil {
		return near(addr, mem)
	}
	what := nameOf(e)
	switch {
	case unix.Signal(k.Signal) == unix.SIGBUS && e.Flags&bootrec.MapFile != 0:
		return "beyond the end of " + e.Name
	case e.Flags&(bootrec.MapRead|bootrec.MapWrite|bootrec.MapExec) == 0:
		return "reserved or guard memory without any access, " + what
	case k.Fault&bootrec.FaultFetch != 0 && e.Flags&bootrec.MapExec == 0:
		return "not executable: " + what
	case k.Fault&bootrec.FaultWrite != 0 && e.Flags&bootrec.MapWrite == 0:
		return "read-only: " + what
	}
	return what
}

// nameOf is a mapping in words.
func nameOf(e *bootrec.Mapping) string {
	switch {
	case e.Flags&bootrec.MapFile == 0 && e.Name == "":
		return "anonymous memory"
	case e.Flags&bootrec.MapFile == 0:
		return e.Name
	case e.Flags&bootrec.MapExec != 0:
		return "text of " + path.Base(e.Name)
	case e.Flags&bootrec.MapShared != 0:
		return "shared memory of " + path.Base(e.Name)
	}
	return "data of " + path.Base(e.Name)
}

// stackOverflow reports whether a fault is that of a thread that has used up its
// stack: it is near the stack pointer, and the memory above it can be written.
func stackOverflow(k *bootrec.Crash, mem *unwind.Memory) bool {
	sp := k.Reg[bootrec.RegSP]
	if k.Addr+nearStack < sp || k.Addr > sp+nearStack {
		return false
	}
	for i := range mem.Mappings {
		e := &mem.Mappings[i]
		if e.Start > k.Addr && e.Flags&bootrec.MapRead != 0 {
			return e.Flags&bootrec.MapWrite != 0 && e.Flags&bootrec.MapFile == 0 && e.Start-k.Addr <= stackGap
		}
	}
	return false
}

// near says where an address that is not mapped is.
func near(addr uint64, mem *unwind.Memory) string {
	var below, above *bootrec.Mapping
	for i := range mem.Mappings {
		if e := &mem.Mappings[i]; e.End <= addr {
			below = e
		} else if e.Start > addr {
			above = e
			break
		}
	}
	switch {
	case min(gap(below, addr), gap(above, addr)) > tooFar:
		return "not mapped"
	case below != nil && (above == nil || addr-below.End <= above.Start-addr):
		return fmt.Sprintf("not mapped, %s above %s", distance(addr-below.End), nameOf(below))
	case above != nil:
		return fmt.Sprintf("not mapped, %s below %s", distance(above.Start-addr), nameOf(above))
	}
	return "not mapped"
}

// tooFar is from which distance on an address has nothing to do with a mapping.
const tooFar = 1 << 30

// gap is how far an address is from a mapping.
func gap(e *bootrec.Mapping, addr uint64) uint64 {
	switch {
	case e == nil:
		return 1<<64 - 1
	case addr < e.Start:
		return e.Start - addr
	}
	return addr - e.End
}

func distance(n uint64) string {
	switch {
	case n < 16<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 16<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

var registerNames = [bootrec.Regs]string{"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip", "rflags"}

// verboseRegisters tells the registers, four in a line.
func verboseRegisters(k *bootrec.Crash, say func(string)) {
	var b strings.Builder
	for i, v := range k.Reg {
		fmt.Fprintf(&b, "%s %#x", registerNames[i], v)
		if i%4 == 3 || i == len(k.Reg)-1 {
			say("registers: " + b.String())
			b.Reset()
		} else {
			b.WriteString("  ")
		}
	}
}
