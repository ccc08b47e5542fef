package task

import (
	"sync"
	"sync/atomic"

	"skerry/kernel/abi"
	"skerry/kernel/mm"
	"skerry/kernel/vfs"
)

// mainTID is the thread ID of the program's first thread, and its process ID.
const mainTID = 1

// MaxThreads is the most threads at a time (docs/SECURITY.md, limits).
const MaxThreads = 4096

// Process is the program: what its threads share. There is one.
type Process struct {
	MM    *mm.Space
	Files *vfs.Table
	FS    *vfs.Context

	// What the program was started with; constant.
	Exe  string
	Args []string
	Env  []string
	Auxv []byte
	Comm string

	// Barrier holds what was registered with membarrier(2), Dumpable and MDWE
	// what prctl(2) set, Nice the priority.
	Barrier  atomic.Uint32
	Dumpable atomic.Uint32
	MDWE     atomic.Uint32
	Nice     atomic.Int32
	// DeathSignal is what PR_SET_PDEATHSIG set.
	DeathSignal atomic.Uint32

	// Limits are the resource limits, getrlimit(2), by RLIMIT_ number.
	Limits Limits

	// OnExit ends the machine. It runs once, in a goroutine of its own.
	OnExit func(Status)
	// Log takes a line for the kernel's log.
	Log func(string)

	mu       sync.Mutex
	threads  *Thread
	live     int
	nextTID  int32
	lastCode int
	actions  [nsig + 1]Action
	shared   pending
	// signalFDs are those who wait for signals to read.
	signalFDs vfs.Queue
	// ends are those who wait for threads to end.
	ends    vfs.Queue
	spare   []*past // of threads that ended
	nqueued int     // signals queued, but for timers'
	itimers [3]intervalTimer
	timers  map[int32]*PosixTimer
	timerID int32

	dying    atomic.Bool
	exited   cpuTime                     // of threads that ended
	cpuLimit struct{ soft, hard uint64 } // RLIMIT_CPU in seconds, 0 for none
	exitedIO IO
	once     sync.Once
}

// Status is how the program ended.
type Status struct {
	// Code is the exit code, when Signal is 0.
	Code int
	// Signal ended the program.
	Signal Signal
	// Info and Thread belong to a fatal signal of a thread.
	Info   SigInfo
	Thread *Thread
	// OOM says that memory ran out.
	OOM bool
	// Origin says that Thread made a system call from memory that is not the
	// image's code; see SetOrigins.
	Origin bool
	// Policy says what the program tried that a rule ends the machine for; Thread may
	// be nil then.
	Policy string
	// Threads are those that there were, if Origin or Policy is set.
	Threads []Sight
}

// Sight is a thread at the moment when the program was ended.
type Sight struct {
	T      *Thread
	Asleep bool // it did not run
}

// Limits are soft and hard limits by RLIMIT_ number.
type Limits struct {
	mu  sync.Mutex
	cur [16]uint64
	max [16]uint64
}

// Get returns a limit.
func (l *Limits) Get(i int) (cur, max uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cur[i], l.max[i]
}

// Set changes a limit; the caller checked it.
func (l *Limits) Set(i int, cur, max uint64) {
	l.mu.Lock()
	l.cur[i], l.max[i] = cur, max
	l.mu.Unlock()
}

// The is the machine's program, set once at boot.
var The *Process

// NewProcess makes the program's state; the caller fills the exported fields.
func NewProcess() *Process {
	p := &Process{timers: map[int32]*PosixTimer{}}
	inf := ^uint64(0)
	for i := range p.Limits.cur {
		p.Limits.cur[i], p.Limits.max[i] = inf, inf
	}
	set := func(i int, cur, max uint64) { p.Limits.cur[i], p.Limits.max[i] = cur, max }
	set(abi.RLIMIT_STACK, 8<<20, inf)
	set(abi.RLIMIT_CORE, 0, inf)
	set(abi.RLIMIT_NPROC, MaxThreads, MaxThreads)
	set(abi.RLIMIT_NOFILE, 1024, 65536)
	set(abi.RLIMIT_MEMLOCK, 8<<20, 8<<20)
	set(abi.RLIMIT_SIGPENDING, 4096, 4096)
	set(abi.RLIMIT_MSGQUEUE, 819200, 819200)
	set(abi.RLIMIT_NICE, 0, 0)
	set(abi.RLIMIT_RTPRIO, 0, 0)
	return p
}

func (p *Process) sigPendingLimit() int {
	cur, _ := p.Limits.Get(abi.RLIMIT_SIGPENDING)
	return int(min(cur, 1<<20))
}

func (p *Process) threadCount() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.live
}

// Threads is the number of threads.
func (p *Process) Threads() int { return p.threadCount() }

// Find returns the thread with the given ID, or nil.
func (p *Process) Find(tid int32) *Thread {
	p.mu.Lock()
	defer p.mu.Unlock()
	for t := p.threads; t != nil; t = t.next {
		if t.TID == tid && !t.dead.Load() {
			return t
		}
	}
	return nil
}

// Each calls f for every thread, oldest last, with the process locked.
func (p *Process) Each(f func(*Thread)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for t := p.threads; t != nil; t = t.next {
		f(t)
	}
}

// Exit ends the program with a status code (exit_group(2)).
func (p *Process) Exit(code int) { p.end(Status{Code: code & 0xff}) }

// Die ends the program as a fatal signal does.
func (p *Process) die(t *Thread, info *SigInfo) {
	p.end(Status{Signal: Signal(info.Signo), Info: *info, Thread: t})
}

// OutOfMemory ends the program because it found no memory.
func (p *Process) OutOfMemory() { p.end(Status{Signal: SIGKILL, OOM: true}) }

// end stops all threads, without waiting for them, and has the machine ended.
func (p *Process) end(s Status) {
	p.once.Do(func() {
		p.mu.Lock()
		p.dying.Store(true)
		for t := p.threads; t != nil; t = t.next {
			if s.Origin || s.Policy != "" {
				s.Threads = append(s.Threads, Sight{t, t.Asleep()})
			}
			t.poke()
		}
		p.mu.Unlock()
		go p.OnExit(s)
	})
}

// EndByPolicy ends the program for what thread t, nil if that is not known, tried.
func (p *Process) EndByPolicy(t *Thread, what string) {
	p.end(Status{Signal: SIGSYS, Thread: t, Policy: what})
}

// Dying reports whether the program is ending.
func (p *Process) Dying() bool { return p.dying.Load() }

// Times is the processor time of all threads, ended ones included, in
// nanoseconds.
func (p *Process) Times() (user, system int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.times()
}

// times is Times with p.mu held.
func (p *Process) times() (user, system int64) {
	user, system = p.exited.split(p.exited.total.Load())
	for t := p.threads; t != nil; t = t.next {
		u, s := t.Times()
		user, system = user+u, system+s
	}
	return user, system
}

// Sleeps is how often threads have slept, ended ones included.
func (p *Process) Sleeps() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.exited.sleeps
	for t := p.threads; t != nil; t = t.next {
		n += t.Sleeps()
	}
	return n
}

// fatal reports whether the default action of a signal ends the program.
func fatal(sig Signal) bool { return sig.Bit()&ignoredByDefault == 0 }

// SignalSets are the sets that /proc shows: pending for the program, ignored,
// caught; and how many signals are queued of how many that may be.
func (p *Process) SignalSets() (shared, ignored, caught SigSet, queued, limit int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := Signal(1); s <= nsig; s++ {
		switch p.actions[s].Handler {
		case abi.SIG_DFL:
		case abi.SIG_IGN:
			ignored |= s.Bit()
		default:
			caught |= s.Bit()
		}
	}
	return p.shared.set, ignored, caught, p.nqueued, p.sigPendingLimit()
}

// SignalSets are the thread's pending and blocked signals.
func (t *Thread) SignalSets() (pending, blocked SigSet) {
	t.Proc.mu.Lock()
	defer t.Proc.mu.Unlock()
	return t.sig.pend.set, t.sig.mask
}
