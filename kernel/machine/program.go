package machine

import (
	"strconv"
	"time"

	"skerry/bootrec"
	"skerry/kernel/abi"
	"skerry/kernel/ground"
	"skerry/kernel/ground/arch"
	"skerry/kernel/ground/frame"
	"skerry/kernel/loader"
	"skerry/kernel/loader/mmspace"
	"skerry/kernel/mm"
	"skerry/kernel/policy"
	"skerry/kernel/ports"
	"skerry/kernel/symbols"
	"skerry/kernel/syscalls"
	"skerry/kernel/task"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
	"skerry/kernel/wait"
)

// hugeMemory is the memory from which large anonymous regions get 2 MiB pages.
const hugeMemory = 256 << 20

// tlb is mm's way to the other CPUs.
type tlb struct{}

func (tlb) Flush(start, end uintptr) { ground.FlushUser(start, end) }

// huge reports whether large anonymous regions get 2 MiB pages.
func (m *Machine) huge() bool { return frame.Total()*frame.Size >= hugeMemory*15/16 }

// readPolicy reads the policy of the boot record, once.
func (m *Machine) readPolicy() {
	p, err := bootrec.ParsePolicy(m.Record.Policy)
	if err != nil {
		ground.Fatal("the policy is not understood (" + err.Error() + ")")
	}
	if p&bootrec.AuditRequired != 0 && !m.Record.Audit {
		ground.Fatal("the policy requires an audit record, and nobody takes one")
	}
	m.policy = p
	policy.SetRules(ground.SealedPage(), p)
}

// seal makes read-only what is written once, and makes sure that the page table gives
// nobody more than it should. What the processor protects the kernel with goes to the
// log.
func (m *Machine) seal() {
	if !ground.Seal() {
		ground.Fatal("too little memory to start (give the machine more)")
	}
	t := ground.CheckTables()
	if t.Bad != 0 {
		ground.Fatal("kernel bug: the page at 0x" + strconv.FormatUint(uint64(t.Bad), 16) + " has rights that it should not have")
	}
	if !m.Record.Verbose {
		return // for the log alone, which nobody reads
	}
	kib := func(n uint64) string { return strconv.FormatUint(n>>10, 10) + " KiB" }
	m.Ports.Log("kernel memory: " + kib(t.Code) + " executable, " + kib(t.ReadOnly) + " read-only, " + kib(t.Writable) + " writable; no page is both")
	m.Ports.Log(protection(ground.Protected()))
	if vulnerabilities()["meltdown"] != "Not affected" {
		m.Ports.Log("protection: this processor does not say that it is safe from Meltdown: the program may be able to read what the kernel has mapped")
	}
}

// protection is the log's line about it.
func protection(p ground.Protection) string {
	line, missing := "protection:", ""
	for _, f := range []struct {
		name string
		on   bool
	}{{"WP", p.WP}, {"NX", p.NX}, {"SMEP", p.SMEP}, {"SMAP", p.SMAP}, {"UMIP", p.UMIP}} {
		if f.on {
			line += " " + f.name
		} else {
			missing += " " + f.name
		}
	}
	if missing != "" {
		line += "; not offered by this processor:" + missing
	}
	return line
}

// newSpace makes the program's address space.
func (m *Machine) newSpace() *mm.Space {
	s := mm.New(mm.Options{
		Root: ground.RootTable(), TLB: tlb{},
		Huge: m.huge(),
		JIT:  m.Record.JIT, SealLibraries: m.policy&bootrec.SealLibraries != 0,
		Reclaim: func() int {
			if vfs.Reclaim == nil {
				return 0
			}
			return vfs.Reclaim()
		},
		OOM:    func() { task.The.OutOfMemory() },
		Audit:  policy.Mapping,
		Random: m.Pool.Uint64,
	})
	if s == nil {
		ground.Fatal("too little memory to start (give the machine more)")
	}
	usermem.Resolve = s.Resolve
	task.SharedKey = func(addr uintptr) (obj, off uintptr, ok bool) {
		i, ok := s.Find(addr)
		if !ok || !i.Shared {
			return 0, 0, false
		}
		off = uintptr(i.Offset) + addr - i.Start
		if i.Object != 0 {
			return uintptr(i.Object)<<1 | 1, off, true // odd, as no address of a file is
		}
		return identity(i.File), off, i.File != nil
	}
	return s
}

// Run loads the program and starts its first thread.
func (m *Machine) Run(fs *vfs.Context) {
	r := m.Record
	p := task.NewProcess()
	p.FS, p.Files = fs, fs.Files
	p.Args, p.Env, p.Exe = r.Args, r.Env, r.Program
	p.Comm = comm(r.Program)
	p.OnExit = m.onExit
	p.Log = m.Ports.Log
	p.Dumpable.Store(1)
	m.readPolicy()
	m.seal()
	p.MM = m.newSpace()
	task.The = p
	m.hooks(p)
	m.standardStreams(fs)
	if e := fs.Chdir(r.Cwd); e != abi.OK {
		m.End(&bootrec.Exit{Reason: bootrec.CannotRun, Message: "the working directory " + strconv.Quote(r.Cwd) + " is not a directory of the image (give another with -w)"})
	}
	if err := m.load(p, fs); err != nil {
		reason := bootrec.CannotRun
		if err.Status == loader.StatusNotFound {
			reason = bootrec.NotFound
		}
		m.End(&bootrec.Exit{Reason: reason, Message: r.Program + ": " + err.Text})
	}
}

// comm is the name of the main thread: the last part of the path, 15 bytes.
func comm(path string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			path = path[i+1:]
			break
		}
	}
	return path[:min(len(path), 15)]
}

// standardStreams opens descriptors 0, 1 and 2.
func (m *Machine) standardStreams(fs *vfs.Context) {
	for _, s := range []struct {
		f    vfs.File
		mode uint32
	}{{ports.NewStdin(), abi.O_RDONLY}, {m.Ports.Stdout(), abi.O_WRONLY}, {m.Ports.Stderr(), abi.O_WRONLY}} {
		if _, e := fs.Files.Install(vfs.NewDescription(s.f, s.mode), false); e != abi.OK {
			panic("machine: no descriptors in an empty table")
		}
	}
}

// load brings the program into memory and starts it.
func (m *Machine) load(p *task.Process, fs *vfs.Context) *loader.Error {
	open := func(path string) (loader.File, abi.Errno) { return m.openProgram(fs, path) }
	file, e := open(m.Record.Program)
	if e != abi.OK {
		return &loader.Error{Status: loader.StatusNotFound, Errno: e, Text: "is not in the image: " + e.Error()}
	}
	layout := loader.Draw(m.Pool.Uint64)
	if m.Record.JIT > 0 {
		layout.MakeRoom()
	}
	plan, err := loader.Load(file, open, &layout)
	if err != nil {
		return err
	}
	limit, _ := p.Limits.Get(abi.RLIMIT_STACK)
	start := &loader.Start{Args: p.Args, Env: p.Env, Path: m.Record.Program, StackLimit: limit, CPU: m.cpu()}
	random := m.Pool.Derive("AT_RANDOM")
	copy(start.Random[:], random[:])
	stack, err := loader.NewStack(start, plan, &layout)
	if err != nil {
		return err
	}
	p.Auxv = stack.Auxv
	m.plan, m.stack = plan, stack
	if err := (mmspace.Space{Space: p.MM}).Load(plan, &layout, m.VDSO, stack); err != nil {
		return err
	}
	// Libraries make the calls of a dynamic program, itself those of a static one.
	ranges := [2][2]uintptr{{layout.TextStart, layout.TextEnd}, {plan.FixedLo, plan.FixedHi}}
	if plan.FixedHi != 0 && plan.Interp == "" {
		ranges[0], ranges[1] = ranges[1], ranges[0]
	}
	task.SetOrigins(ranges)
	t, e := p.NewThread()
	if e != abi.OK {
		return &loader.Error{Status: loader.StatusCannotRun, Errno: e, Text: "cannot be started: no memory for its first thread: give the machine more (-m)"}
	}
	t.Ctx.Regs.RIP = uint64(plan.Start)
	t.Ctx.Regs.RSP = uint64(stack.SP)
	m.started = ground.Nanotime()
	m.source.exe, _ = fs.Lookup(m.Record.Program)
	t.Start()
	m.signals.start()
	return nil
}

// cpu is what the auxiliary vector says of the processor.
func (m *Machine) cpu() loader.CPU {
	_, _, _, d := arch.CPUID(1, 0)
	c := loader.CPU{HWCAP: uint64(d), MinSignalStack: uint64(task.MaxFrame())}
	if ground.HaveFSGSBASE() {
		c.HWCAP2 |= loader.HWCAP2FSGSBase
	}
	return c
}

// openProgram opens a file of the image for the loader.
func (m *Machine) openProgram(fs *vfs.Context, path string) (loader.File, abi.Errno) {
	var w wait.Waiter
	d, e := fs.OpenFile(&w, abi.AT_FDCWD, path, abi.O_RDONLY, 0, 0)
	if e != abi.OK {
		return nil, e
	}
	// The description stays open for as long as the machine runs: the mappings
	// need its file.
	f, ok := d.File().(vfs.Mapper)
	if !ok {
		return nil, abi.EACCES
	}
	return mmspace.NewFile(f, path)
}

// hooks connects the packages that know nothing of each other.
func (m *Machine) hooks(p *task.Process) {
	syscalls.Hostname = m.Record.Hostname
	syscalls.Random = m.Pool.Read
	policy.Notice, policy.Log = m.Ports.Notice, m.Ports.Log
	if m.Record.Audit {
		policy.Audit = m.Ports.Audit
	}
	if m.policy&bootrec.AuditRequired != 0 {
		m.Ports.OnUnread(policy.Unread)
	}
	policy.Clocks = func() (mono, wall int64) { return wait.Now(), time.Now().UnixNano() }
	policy.Place = func(pc uint64) string { return place(p.MM, pc, true) }
	policy.Offset = func(pc uint64) string { return place(p.MM, pc, false) }
	policy.Code = func(pc uint64) bool {
		i, ok := p.MM.Find(uintptr(pc))
		return ok && i.Exec
	}
	syscalls.Install()
	m.traceHooks()
}

// place names an address of the program's code, by a symbol if it may.
func place(s *mm.Space, pc uint64, symbol bool) string {
	hex := "0x" + strconv.FormatUint(pc, 16)
	i, ok := s.Find(uintptr(pc))
	if !ok {
		return hex + " (not mapped)"
	}
	if i.File == nil {
		if i.Name != "" {
			return hex + " (" + i.Name + ")"
		}
		return hex + " (anonymous memory)"
	}
	off := i.Offset + pc - uint64(i.Start)
	if f, e := mmspace.NewFile(i.File, i.Name); symbol && e == abi.OK {
		if s := symbols.Name(f, off); s != "" {
			return s + " (" + i.Name + ")"
		}
	}
	return i.Name + "+0x" + strconv.FormatUint(off, 16)
}
