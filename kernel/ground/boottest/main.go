// Command boottest is a kernel that tests ground from inside: the Go runtime in
// ring 0 with goroutines, timers, garbage, faults and preemption on every CPU.
// A boot test (test/ground_test.go) builds it like the kernel, boots it with 1, 2
// and 4 CPUs and looks at its lines. The last is the report of an interrupt that
// comes although interrupts are off, of a stack of the kernel's that overflows, or of a
// fault that nothing survives.
package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"skerry/kernel/ground"
	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/irq"
)

var failed bool

func check(name string, f func() string) {
	t := time.Now()
	if msg := f(); msg != "" {
		failed = true
		println("FAIL", name, msg)
		return
	}
	println("ok", name, time.Since(t).Milliseconds(), "ms")
}

func main() {
	start := ground.Nanotime()
	println("boottest: cpus", ground.CPUs(), "main at", start/1000, "us, frames", frame.Total())
	go func() { // the poller
		f := os.NewFile(ground.IRQDescriptor, "irq")
		var b [8]byte
		for {
			if _, err := f.Read(b[:]); err != nil {
				println("irq read:", err.Error())
				return
			}
			irq.Deliver(0)
		}
	}()
	if n, ok := stackToOverflow(); ok {
		overflowStack(n)
	}
	deadEnd()
	check("goroutines", goroutines)
	check("timers", timers)
	check("recover", recovers)
	check("stack growth", func() string { return grow(100000) })
	check("preemption", preempt)
	check("floats under preemption", floats)
	check("channel ping-pong", pingpong)
	check("garbage", garbage)
	check("gomaxprocs changes", procs)
	check("mutex storm", mutexes)
	check("threads", threads)
	check("ring 3", ringThree)
	check("refused state", refusedState)
	check("protections", protections)
	s := frame.Read()
	println("frames: total", s.Total, "free", s.Free, "heap", s.Heap, "kernel", s.Kernel)
	if failed {
		println("boottest: FAILED")
	} else {
		println("boottest: all passed")
	}
	maskedInterrupt()
	println("boottest: an interrupt was taken with interrupts off")
	ground.Reset()
}

func goroutines() string {
	var wg sync.WaitGroup
	var n atomic.Int64
	for i := 0; i < 1000; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for j := 0; j < 100; j++ {
				n.Add(1)
				runtime.Gosched()
			}
		}()
	}
	wg.Wait()
	if n.Load() != 100000 {
		return "count " + strconv.FormatInt(n.Load(), 10)
	}
	return ""
}

func timers() string {
	t := time.Now()
	var wg sync.WaitGroup
	for i := 0; i < 200; i++ {
		wg.Add(1)
		time.AfterFunc(time.Duration(i)*time.Millisecond, wg.Done)
	}
	wg.Wait()
	if d := time.Since(t); d < 199*time.Millisecond || d > 3*time.Second {
		return d.String()
	}
	for i := 0; i < 20; i++ {
		t = time.Now()
		time.Sleep(2 * time.Millisecond)
		if d := time.Since(t); d < 2*time.Millisecond {
			return "slept only " + d.String()
		}
	}
	return ""
}

//go:noinline
func load(p *int) int { return *p }

//go:noinline
func div(a, b int) int { return a / b }

func recovers() string {
	catch := func(f func()) (msg string) {
		defer func() {
			if r := recover(); r != nil {
				msg = r.(error).Error()
			}
		}()
		f()
		return "no panic"
	}
	for i := 0; i < 200; i++ {
		if m := catch(func() { load(nil) }); m != "runtime error: invalid memory address or nil pointer dereference" {
			return m
		}
		if m := catch(func() { div(1, 0) }); m != "runtime error: integer divide by zero" {
			return m
		}
	}
	return ""
}

func grow(n int) string {
	var b [64]byte
	if n == 0 {
		return ""
	}
	b[n%64] = 1
	if r := grow(n - 1); r != "" || b[n%64] != 1 {
		return "stack damaged"
	}
	return ""
}

// preempt spins without calls on every P while others must still run.
func preempt() string {
	var stop atomic.Bool
	var sum atomic.Int64
	for i := 0; i < runtime.GOMAXPROCS(0)+1; i++ {
		go func() {
			x := 0
			for !stop.Load() {
				for j := 0; j < 1<<20; j++ {
					x += j
				}
			}
			sum.Add(int64(x))
		}()
	}
	for i := 0; i < 20; i++ {
		time.Sleep(time.Millisecond)
		runtime.GC()
	}
	stop.Store(true)
	return ""
}

func floats() string {
	var wg sync.WaitGroup
	var bad atomic.Int64
	for g := 0; g < 8; g++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for r := 0; r < 30; r++ {
				x := float64(g + 1)
				for i := 0; i < 200000; i++ {
					x = x*1.0000001 + 0.5
					x = x - 0.5
				}
				y := float64(g + 1)
				for i := 0; i < 200000; i++ {
					y = y*1.0000001 + 0.5
					y = y - 0.5
				}
				if x != y {
					bad.Add(1)
				}
			}
		}()
	}
	wg.Wait()
	if bad.Load() != 0 {
		return "results differ"
	}
	return ""
}

func pingpong() string {
	a, b := make(chan int), make(chan int)
	go func() {
		for v := range a {
			b <- v + 1
		}
		close(b)
	}()
	for i := 0; i < 20000; i++ {
		a <- i
		if <-b != i+1 {
			return "wrong value"
		}
	}
	close(a)
	return ""
}

var sink [256][]byte

func garbage() string {
	old := debug.SetGCPercent(20)
	defer debug.SetGCPercent(old)
	var wg sync.WaitGroup
	for g := 0; g < 4; g++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; i < 10000; i++ {
				b := make([]byte, 1000+i%5000)
				b[0] = byte(i)
				sink[(g*64 + i%64)] = b
			}
		}()
	}
	wg.Wait()
	sink = [256][]byte{}
	debug.FreeOSMemory()
	return ""
}

func procs() string {
	n := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(n)
	for i := 0; i < 50; i++ {
		runtime.GOMAXPROCS(1 + i%n)
	}
	return ""
}

func mutexes() string {
	var mu sync.Mutex
	var wg sync.WaitGroup
	n := 0
	for g := 0; g < 16; g++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; i < 5000; i++ {
				mu.Lock()
				n++
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
	if n != 80000 {
		return strconv.Itoa(n)
	}
	return ""
}

// threads makes and ends runtime threads.
func threads() string {
	var wg sync.WaitGroup
	for i := 0; i < 40; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			runtime.LockOSThread() // ends with the goroutine: the M exits
			time.Sleep(time.Millisecond)
		}()
	}
	wg.Wait()
	return ""
}
