package mm

import (
	"strconv"
	"sync"
	"sync/atomic"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
)

// Bounds of what may be mapped.
const (
	// Lowest is the first address that may be mapped: the null page and what an
	// offset from a null pointer reaches stay empty, vm.mmap_min_addr of Linux.
	Lowest = 64 << 10
	// Highest is the end of user memory; the page below 2^47 is never mapped,
	// since a SYSCALL at its end would return to a non-canonical address.
	Highest = usermem.Limit

	// guardGap is kept free below a stack, stack_guard_gap of Linux.
	guardGap = 1 << 20

	// maxVMAs is vm.max_map_count of Linux.
	maxVMAs = 65530

	// largeRange is the size from which munmap frees pages with the address
	// space unlocked.
	largeRange = 16 << 20

	// unlimited is RLIM_INFINITY, getrlimit(2).
	unlimited = ^uint64(0)
)

// Limit names a resource limit that the address space checks, setrlimit(2).
type Limit int

// The limits, all in bytes.
const (
	LimitAS Limit = iota
	LimitData
	LimitStack
	LimitMemlock
	limits
)

// Options are what a Space needs of the machine. All hooks may be nil but TLB.
type Options struct {
	// Root is the PML4. Entries 0 to 255 must be empty and belong to the Space.
	Root frame.PFN
	TLB  TLB

	// Huge lets large aligned anonymous regions have 2 MiB pages.
	Huge bool
	// JIT is how many bytes of anonymous memory may become executable, and
	// writable and executable at once; see jit.go. Rounded down to pages.
	JIT uint64

	// Reclaim is asked to free frames (at least one) when there are none for
	// the program, and answers how many it freed. It is called with nothing
	// locked and may call Unmap.
	Reclaim func() int
	// OOM is told when a kernel copy found no memory; the machine is to end.
	OOM func()
	// Audit is told what was refused because a rule of the machine forbids it.
	// It is called with nothing locked.
	Audit func(Denial)
	// SealLibraries seals a library once it has been relocated.
	SealLibraries bool
	// Random gives random bits for the placement of MAP_32BIT mappings.
	Random func() uint64
}

// Layout is where things go, drawn by the loader. The zero value of a range
// means that there is none.
type Layout struct {
	// MmapBase is the end of the area that mmap fills from the top.
	MmapBase uintptr
	// TextStart and TextEnd bound the text window: mappings of executable files
	// whose place the program leaves open go there and nothing else does.
	TextStart, TextEnd uintptr
	// FixedStart and FixedEnd bound the code of a program that is linked at a
	// fixed address, or stands apart from the window. Nothing else becomes executable there, either.
	FixedStart, FixedEnd uintptr
}

// Space is the program's address space. See the package comment for its locks.
type Space struct {
	mu   sync.RWMutex
	idle sync.Cond // on mu: a dying range is gone

	set    vmaSet
	recent atomic.Pointer[vma] // the vma of the last fault, while it is in set
	tree   tree
	rmu    sync.RWMutex

	zero   frame.PFN // a page of zeroes that reads of untouched memory see
	tlb    TLB
	opt    Options
	layout Layout

	// Under mu held for writing.
	files   map[vfs.Mapper]*fileMap
	dropped []*fileMap // no vma names them any more; see unlock
	freed   []*object  // likewise

	// Under mu.
	brkStart, brkEnd uintptr // the heap, in bytes
	noExecGain       atomic.Bool
	noHuge           atomic.Bool
	relro            [][2]uintptr // to be sealed when they become read-only
	futureLock       uint32       // vmLocked and vmOnFault of MCL_FUTURE

	limit [limits]atomic.Uint64

	// Sums over vmas, in pages; written under mu.
	total, data, locked, stack, exec, jit atomic.Uint64
	peak                                  atomic.Uint64 // of total
	anonPeak                              atomic.Int64  // the most frames of anonymous memory that there were, as far as seen

	// jitHeld are pages of the JIT budget that a call under way has taken before
	// its mapping is there; under mu held for writing.
	jitHeld uint64

	stats counters
}

// counters are the events of a Space.
type counters struct {
	anon, zeroed, file, copied, huge, splits, around, upgraded, major, retried, reclaims, unmaps atomic.Uint64
}

// New makes an empty address space, or nil without memory for one frame.
func New(o Options) *Space {
	s := &Space{opt: o, tlb: o.TLB}
	s.zero = frame.AllocZero(frame.KindKernel)
	if s.zero == 0 {
		return nil
	}
	s.tree.root = o.Root.Addr()
	s.idle.L = &s.mu
	s.set.drop = func() { s.recent.Store(nil) }
	for i := range s.limit {
		s.limit[i].Store(unlimited)
	}
	s.limit[LimitStack].Store(8 << 20)
	s.limit[LimitMemlock].Store(8 << 20)
	s.layout.MmapBase = Highest
	return s
}

// SetLayout fixes where mappings go. Once, before the program runs.
func (s *Space) SetLayout(l Layout) {
	s.mu.Lock()
	s.layout = l
	s.mu.Unlock()
}

// SetLimit changes a resource limit; what is mapped already stays.
func (s *Space) SetLimit(l Limit, bytes uint64) { s.limit[l].Store(bytes) }

// Destroy unmaps everything, sealed or not, and returns all frames but the
// root. No thread of the program may run any more, and no fault may be under
// way.
func (s *Space) Destroy() {
	s.mu.Lock()
	s.settle(0, Highest)
	removed := s.detach(0, Highest)
	s.drain(removed, 0, Highest)
	s.unlock()
	s.zero.Unref()
	s.zero = 0
}

// settle waits until no range that overlaps [start, end) is being freed. The
// caller holds mu for writing, which is let go meanwhile.
func (s *Space) settle(start, end uintptr) {
	for s.dying(start, end) {
		s.idle.Wait()
	}
}

// dying reports whether part of [start, end) is being freed.
func (s *Space) dying(start, end uintptr) bool {
	_, flags := s.survey(start, end)
	return flags&vmDying != 0
}

// lookup is the vma that holds addr, or nil. The caller holds mu.
func (s *Space) lookup(addr uintptr) *vma {
	v := s.set.find(addr)
	if v == nil || addr < v.start || v.flags&vmDying != 0 {
		return nil
	}
	return v
}

// mayGrow checks the limits on n more pages of a mapping with these properties,
// of which over pages replace others (Linux, may_expand_vm).
func (s *Space) mayGrow(prot uint8, flags uint32, n, over uint64) bool {
	return s.total.Load()+n-over <= s.limit[LimitAS].Load()>>pageShift && s.mayWrite(prot, flags, n)
}

// mayWrite checks RLIMIT_DATA for n more pages.
func (s *Space) mayWrite(prot uint8, flags uint32, n uint64) bool {
	return prot&protWrite == 0 || flags&(vmShared|vmGrowsDown) != 0 ||
		s.data.Load()+n <= s.limit[LimitData].Load()>>pageShift
}

// overcommitted applies heuristic overcommit (vm.overcommit_memory 0, Linux
// Documentation/mm/overcommit-accounting.rst): one request for private writable
// memory larger than the machine is refused, everything else is not. Machines
// smaller than sparseTable pass for that large: language runtimes make tables of
// that size, of which they touch a few pages (Go's arena map has 32 MiB).
func overcommitted(prot uint8, flags uint32, n uint64) bool {
	return prot&protWrite != 0 && flags&(vmShared|vmNoReserve) == 0 && n > max(uint64(frame.Total()), sparseTable)
}

// sparseTable is 64 MiB, in pages.
const sparseTable = 64 << 20 >> pageShift

// mayLock checks RLIMIT_MEMLOCK for n more locked pages.
func (s *Space) mayLock(n uint64) bool {
	return s.locked.Load()+n <= s.limit[LimitMemlock].Load()>>pageShift
}

// grown keeps the high-water mark. The caller holds mu for writing.
func (s *Space) grown() {
	if n := s.total.Load(); n > s.peak.Load() {
		s.peak.Store(n)
	}
}

// reclaim asks for memory with nothing locked and reports whether to try again.
func (s *Space) reclaim() bool {
	s.stats.reclaims.Add(1)
	return s.opt.Reclaim != nil && s.opt.Reclaim() > 0
}

// Rule names what a Denial is about.
type Rule uint8

// The rules, by the row of docs/SECURITY.md that they belong to.
const (
	RuleWriteExec Rule = iota + 1 // writable xor executable
	RuleSealed                    // a sealed mapping
	RuleLowPages                  // the null page and its neighbourhood
	RuleJIT                       // anonymous memory that is executable: Options.JIT
	RuleExecGain                  // RefuseExecGain, at the program's own wish
)

// Name is the rule in one word, as an audit record has it.
func (r Rule) Name() string {
	switch r {
	case RuleWriteExec:
		return "wx"
	case RuleSealed:
		return "sealed"
	case RuleLowPages:
		return "low-pages"
	case RuleJIT:
		return "jit"
	case RuleExecGain:
		return "mdwe"
	}
	return "memory"
}

// String is the rule in words.
func (r Rule) String() string {
	switch r {
	case RuleWriteExec:
		return "writable memory is never executable"
	case RuleSealed:
		return "the mapping is sealed"
	case RuleLowPages:
		return "the first pages are never mapped"
	case RuleJIT:
		return "memory becomes executable within --jit only"
	case RuleExecGain:
		return "the program ruled it out (PR_SET_MDWE)"
	}
	return "rule " + strconv.Itoa(int(r))
}

// CallJump is the Denial.Call of a fetch from memory that is not executable: no system
// call, and the answer is SIGSEGV.
const CallJump = "jump"

// Denial is an attempt at something that the machine rules out.
type Denial struct {
	Rule       Rule
	Call       string // the system call, or CallJump
	Addr, Len  uintptr
	Prot       uint32
	File       vfs.Mapper // what is or was to be mapped, if a file
	Name       string
	Executable bool // File is marked executable
	Errno      abi.Errno

	// Of RuleJIT: the budget and what of it is used, in bytes.
	JIT, JITUsed uint64
}

// deny reports a denial and answers its errno. Nothing may be locked.
func (s *Space) deny(d *Denial) abi.Errno {
	if s.opt.Audit != nil {
		s.opt.Audit(*d)
	}
	return d.Errno
}
