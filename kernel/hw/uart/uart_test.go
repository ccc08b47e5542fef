package uart

import (
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"skerry/kernel/ground/arch"
	"skerry/kernel/ground/frame"
)

// newMem is a page in which plain memory stands for the registers.
func newMem(t *testing.T) uintptr {
	frame.InitHost(16)
	p := frame.AllocZero(frame.KindKernel)
	if p == 0 {
		t.Fatal("no memory")
	}
	return p.Addr()
}

func TestText(t *testing.T) {
	u := &Port{Mem: newMem(t)}
	u.Byte('x') // before Init: nothing, and no hang
	if arch.Load8(u.Mem) != 0 {
		t.Fatal("written before Init")
	}
	arch.Store8(u.Mem+regStatus, statusEmpty)
	if !u.Init() || u.depth != 1 {
		t.Fatal("no port")
	}
	if arch.Load8(u.Mem+regLine) != line8N1 || arch.Load8(u.Mem+regIntEn) != 0 || arch.Load8(u.Mem+regModem) != modemReady {
		t.Error("registers after Init")
	}
	arch.Store8(u.Mem, 0)
	var got strings.Builder
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stop.Load() {
			if b := arch.Load8(u.Mem); b != 0 {
				// The line takes a while; the register is not empty meanwhile.
				arch.Store8(u.Mem+regStatus, 0)
				got.WriteByte(b)
				arch.Store8(u.Mem, 0)
				runtime.Gosched()
				arch.Store8(u.Mem+regStatus, statusEmpty)
			} else {
				runtime.Gosched()
			}
		}
	}()
	// One byte at a time, each awaited, since memory has no FIFO.
	for _, s := range []string{"panic: ", "at "} {
		for i := range len(s) {
			end := time.Now().Add(5 * time.Second)
			// On a loaded host the reader may stand still for longer than the
			// port's patience, which then loses the byte: once more.
			for u.String(s[i : i+1]); u.stuck != 0 && time.Now().Before(end); u.String(s[i : i+1]) {
				u.stuck = 0
				runtime.Gosched()
			}
			for ; arch.Load8(u.Mem) != 0; runtime.Gosched() {
				if time.Now().After(end) {
					t.Fatal("never taken")
				}
			}
		}
	}
	stop.Store(true)
	<-done
	if got.String() != "panic: at " {
		t.Errorf("%q", got.String())
	}
}

// TestFIFO: with a FIFO the status is asked once for sixteen bytes.
func TestFIFO(t *testing.T) {
	u := &Port{Mem: newMem(t)}
	arch.Store8(u.Mem+regStatus, statusEmpty)
	u.Init()
	u.depth = fifoDepth
	u.Write([]byte("0123456789abcde"))
	arch.Store8(u.Mem+regStatus, 0) // full from here on
	u.Byte('f')
	if arch.Load8(u.Mem) != 'f' || u.room != 0 {
		t.Error("the FIFO is not filled", u.room)
	}
	u.Byte('g')
	if arch.Load8(u.Mem) != 'f' || u.stuck != 1 {
		t.Error("written to a full port")
	}
	// A stuck port costs no more waiting, and works again when it empties.
	at := time.Now()
	for range 1000 {
		u.Byte('h')
	}
	if time.Since(at) > 100*time.Millisecond {
		t.Error("waits for a stuck port again and again:", time.Since(at))
	}
	arch.Store8(u.Mem+regStatus, statusEmpty)
	u.Byte('i')
	if arch.Load8(u.Mem) != 'i' || u.stuck != 0 {
		t.Error("does not recover")
	}
}

func TestAbsent(t *testing.T) {
	u := &Port{Mem: newMem(t)}
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() { // nothing keeps what is written
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				arch.Store8(u.Mem+regScratch, 0xff)
			}
		}
	}()
	for end := time.Now().Add(5 * time.Second); u.Init(); runtime.Gosched() { // the goroutine may be late
		if time.Now().After(end) {
			t.Fatal("finds a port that is not there")
		}
	}
	close(stop)
	<-done
	u.String("lost")
	if arch.Load8(u.Mem) == 't' {
		t.Error("written to no port")
	}
}

func TestHex(t *testing.T) {
	u := &Port{Mem: newMem(t)}
	arch.Store8(u.Mem+regStatus, statusEmpty)
	u.Init()
	u.Hex(0x0123456789abcdef)
	if b := arch.Load8(u.Mem); b != 'f' {
		t.Errorf("last digit %q", b)
	}
	if n := testing.AllocsPerRun(100, func() { u.Hex(1); u.String("text"); u.Write(nil) }); n != 0 {
		t.Error(n, "allocations")
	}
}
