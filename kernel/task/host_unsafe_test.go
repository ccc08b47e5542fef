package task

import (
	"encoding/binary"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"skerry/kernel/ground/frame"
	"skerry/kernel/usermem"
	"skerry/kernel/wait"
)

// The program's memory of these tests: pages from userBase on, and the same
// pages again from aliasBase on, as a shared object that is mapped twice.
const (
	userBase  = 0x10000
	aliasBase = 0x80000
	userPages = 8
	userSize  = userPages * 4096
)

// user is 8-byte aligned, for words.
var user [userSize / 8]uint64

func userMemory() []byte { return unsafe.Slice((*byte)(unsafe.Pointer(&user)), userSize) }

// hostAddr is the address in this process of a user address.
func hostAddr(addr uintptr) (unsafe.Pointer, bool) {
	for _, base := range []uintptr{userBase, aliasBase} {
		if addr >= base && addr-base < userSize {
			return unsafe.Add(unsafe.Pointer(&user), addr-base), true
		}
	}
	return nil, false
}

// word is a word of the program's memory, as the program itself sees it.
func word(addr uintptr) *atomic.Uint32 {
	p, ok := hostAddr(addr)
	if !ok {
		panic("word outside of the program's memory")
	}
	return (*atomic.Uint32)(p)
}

func put64(addr uintptr, v uint64) { binary.LittleEndian.PutUint64(userMemory()[addr-userBase:], v) }

// mainClock is what timers' clock shows in tests that set it, else 0.
var fakeClock atomic.Int64

func TestMain(m *testing.M) {
	frame.InitHost(MaxThreads + 1024)
	usermem.HostTranslate = func(addr uintptr, write bool) (uintptr, bool) {
		p, ok := hostAddr(addr)
		return uintptr(p), ok
	}
	SharedKey = func(addr uintptr) (obj, off uintptr, ok bool) {
		if addr >= aliasBase && addr-aliasBase < userSize {
			return 1, addr - aliasBase, true
		}
		if addr >= userBase && addr-userBase < userSize {
			return 1, addr - userBase, true
		}
		return 0, 0, false
	}
	clock = func() int64 {
		if n := fakeClock.Load(); n != 0 {
			return n
		}
		return wait.Now()
	}
	os.Exit(m.Run())
}

// process is a program whose threads are goroutines of the test.
type process struct {
	*Process
	t     testing.TB
	ended chan Status
}

func newProcess(t testing.TB) *process {
	clear(user[:])
	p := &process{NewProcess(), t, make(chan Status, 1)}
	p.OnExit = func(s Status) { p.ended <- s }
	return p
}

// start makes a thread that runs f and then ends as exit(2) does, unless f
// ended it.
func (p *process) start(f func(*Thread)) *Thread {
	p.t.Helper()
	t, e := p.NewThread()
	if e != 0 {
		p.t.Fatal("thread:", e)
	}
	p.begin(t, f)
	return t
}

func (p *process) begin(t *Thread, f func(*Thread)) {
	go func() {
		t.begin()
		t.cpu.begin()
		f(t)
		if !t.dead.Load() {
			t.Exit(0)
		}
		t.finish()
	}()
}

// thread is one that does nothing by itself: the test acts for it.
func (p *process) thread() *Thread {
	p.t.Helper()
	t, e := p.NewThread()
	if e != 0 {
		p.t.Fatal("thread:", e)
	}
	return t
}

// until waits for a condition that another goroutine makes true soon.
func until(t testing.TB, what string, f func() bool) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); !f(); runtime.Gosched() {
		if time.Now().After(limit) {
			t.Fatal("never came true: ", what)
		}
	}
}

// drain takes what the thread would be interrupted by, as its handlers would.
func (t *Thread) drain() (n int) {
	t.Proc.mu.Lock()
	defer t.Proc.mu.Unlock()
	for {
		if _, ok := t.takeSignal(t.deliverable()); !ok {
			t.recalc()
			return n
		}
		n++
	}
}
