// Command load keeps Go's runtime busy in little memory: 1,000 goroutines with
// timers, channels and locks, and 200 MB of garbage, in a machine of 128 MB. It
// checks what it computes.
package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

const (
	goroutines = 1000
	garbage    = 200 << 20 // bytes
)

func main() {
	failed := false
	check := func(name string, ok bool, detail any) {
		if !ok {
			failed = true
			fmt.Println("FAIL", name, detail)
			return
		}
		fmt.Println("ok", name)
	}
	check("timers", timers() == goroutines, nil)
	sum := garbageRing()
	check("garbage", sum == garbage/len(block{}), sum)
	check("pipeline", pipeline() == 1000*1001/2, nil)
	check("mutexes", mutexes() == goroutines*50, nil)
	check("maps", maps(), nil)
	check("recover", recovers() == 100, nil)
	check("stacks", deep(20000) == 20000, nil)
	check("preemption", preempts(), nil)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	check("collections", m.NumGC > 2, m.NumGC)
	check("memory", m.Sys < 120<<20, m.Sys)
	if failed {
		os.Exit(1)
	}
}

// timers starts goroutines that each wait for several timers.
func timers() int {
	var n atomic.Int64
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() {
			t := time.NewTicker(time.Duration(1+i%7) * time.Millisecond)
			defer t.Stop()
			for range 3 {
				<-t.C
			}
			select {
			case <-time.After(time.Duration(i%50) * time.Millisecond):
			case <-time.After(10 * time.Second):
				return
			}
			n.Add(1)
		})
	}
	wg.Wait()
	return int(n.Load())
}

type block [64 << 10]byte

// garbageRing makes blocks of which most are garbage soon, and hashes some so that
// they are really used.
func garbageRing() int {
	var ring [64]*block
	made := 0
	for total := 0; total < garbage; total += len(block{}) {
		b := new(block)
		for i := 0; i < len(b); i += 4096 {
			b[i] = byte(made)
		}
		ring[made%len(ring)] = b
		made++
		if made%200 == 0 {
			_ = sha256.Sum256(ring[made%len(ring)][:])
		}
	}
	for i, b := range ring {
		if b != nil && int(b[0])%len(ring) != i {
			return -1
		}
	}
	return made
}

// pipeline sends numbers through a chain of goroutines.
func pipeline() int {
	first := make(chan int)
	c := first
	for range 50 {
		next := make(chan int)
		in := c
		go func() {
			for v := range in {
				next <- v
			}
			close(next)
		}()
		c = next
	}
	go func() {
		for i := 1; i <= 1000; i++ {
			first <- i
		}
		close(first)
	}()
	sum := 0
	for v := range c {
		sum += v
	}
	return sum
}

func mutexes() int {
	var mu sync.Mutex
	var wg sync.WaitGroup
	n := 0
	for range goroutines {
		wg.Go(func() {
			for range 50 {
				mu.Lock()
				n++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return n
}

func maps() bool {
	m := map[string]int{}
	var keys []string
	for i := range 20000 {
		k := fmt.Sprint(i)
		m[k] = i
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		if fmt.Sprint(m[k]) != k {
			return false
		}
	}
	return true
}

func recovers() (n int) {
	for range 100 {
		func() {
			defer func() {
				if recover() != nil {
					n++
				}
			}()
			var p *int
			*p = 1 // a fault that becomes a panic
		}()
	}
	return n
}

func deep(n int) int {
	var pad [200]byte
	if n == 0 {
		return int(pad[0])
	}
	return deep(n-1) + 1 + int(pad[n%200])
}

// preempts lets a goroutine without calls run on every processor while another
// collects garbage.
func preempts() bool {
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for x := 0; !stop.Load(); x++ {
			}
		})
	}
	start := time.Now()
	for range 3 {
		runtime.GC()
	}
	stop.Store(true)
	wg.Wait()
	return time.Since(start) < 30*time.Second
}
