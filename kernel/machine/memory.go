package machine

import (
	"math"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"skerry/kernel/ground"
	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/irq"
	"skerry/kernel/task"
	"skerry/kernel/vfs"
)

// Memory is one pool. What the program asks for stops at the reserve
// (frame.SetReserve), which only the kernel's Go heap may use. What the program
// makes the kernel remember (descriptors, sockets, mappings, threads) is Go heap,
// so the heap can eat into the reserve; memory watches for that. It is asleep
// until ground says that the heap has begun to take the reserve. Then, in order:
// the page cache shrinks; garbage is collected and its pages come back; and if
// that leaves less than half of the reserve, the program ends, while there is
// still memory to end it in an orderly way.
//
// While it works, the program's threads are held up as they come by.
//
// After that the runtime gets a memory limit a little above what it has, so that
// its own pacing does what the watch would do page by page; the limit goes as soon
// as twice the reserve is free.
type memory struct {
	line    *irq.Line
	reserve int64       // frames
	limited atomic.Bool // there is a limit, and lift runs

	mu   sync.Mutex
	over *sync.Cond // on mu: memory is no longer short
}

// watchPause is the time between two looks whether a memory limit can go.
const watchPause = 200 * time.Millisecond

// WatchMemory starts the watch.
func (m *Machine) WatchMemory() {
	w := &memory{line: irq.New("memory"), reserve: frame.Read().Reserve}
	if w.line == nil {
		ground.Fatal("no interrupt line is left for the memory watch")
	}
	w.over = sync.NewCond(&w.mu)
	task.Hold = w.hold
	go w.run()
}

func (w *memory) run() {
	mark := w.reserve
	for {
		w.mu.Lock()
		ground.WatchMemory(w.line.Index(), mark)
		w.over.Broadcast()
		w.mu.Unlock()
		w.line.Wait()
		if mark = w.short(); mark == 0 {
			task.The.OutOfMemory() // and its threads stay where they are
			return
		}
	}
}

// hold keeps a thread of the program until memory is no longer short.
func (w *memory) hold() {
	if !ground.MemoryLow() {
		return
	}
	w.mu.Lock()
	for ground.MemoryLow() {
		w.over.Wait()
	}
	w.mu.Unlock()
}

// short gets memory back and answers with how many frames free to be called
// again, or 0 if there is nothing more to get.
func (w *memory) short() int64 {
	for frame.FreeFrames() < w.reserve && vfs.Reclaim != nil && vfs.Reclaim() > 0 {
	}
	if frame.FreeFrames() < w.reserve {
		debug.FreeOSMemory() // collects first
		w.limit()
	}
	free := frame.FreeFrames()
	if free < w.reserve/2 && task.The != nil {
		return 0
	}
	// Each further eighth of the reserve calls again, not each page.
	return max(min(w.reserve, free-w.reserve/8), 1)
}

// limit sets the runtime's memory limit: what it holds now and half the live heap,
// but not more than the reserve still gives.
func (w *memory) limit() {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	has := int64(s.Sys - s.HeapReleased)
	room := min(int64(s.HeapAlloc/2), frame.FreeFrames()*frame.Size/2)
	debug.SetMemoryLimit(has + room)
	if !w.limited.Swap(true) {
		go w.lift()
	}
}

// lift takes the limit away when memory is free again. It polls while there is
// a limit, and only then.
func (w *memory) lift() {
	for frame.FreeFrames() < 2*w.reserve {
		time.Sleep(watchPause)
	}
	w.limited.Store(false)
	debug.SetMemoryLimit(math.MaxInt64)
}

// memoryStep is what suggested sizes of a machine are multiples of, in bytes.
const memoryStep = 64 << 20

// memoryMessage says how much there was and what to do.
func (m *Machine) memoryMessage() string {
	s := frame.Read()
	mib := func(n uint64) string { return strconv.FormatUint(n>>20, 10) + " MiB" }
	all, user := m.Record.Memory, uint64(s.User)*frame.Size
	msg := "out of memory: of " + mib(all) + " the program has " + mib(user) + ", its files in memory " +
		mib(uint64(s.Cache+s.RootFS)*frame.Size) + ", the kernel " + mib(uint64(s.Kernel+s.Heap)*frame.Size)
	// What it has mapped for itself says what it would take, unless it maps much
	// more than it touches.
	need := 2 * all
	if p := task.The; p != nil && p.MM != nil {
		if data := p.MM.Stats().Data; data > user && data < 8*all {
			msg += "; the program asked for " + mib(data)
			need = all - min(user, all) + data
		}
	}
	need = max(need, all+memoryStep/2) + memoryStep - 1
	return msg + ": -m " + strconv.FormatUint(need/memoryStep*memoryStep>>20, 10) + "M"
}
