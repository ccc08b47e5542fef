package console

import (
	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/abi"
	"skerry/kernel/hw/virtio"
	"skerry/kernel/wait"
)

// hasRoom reports whether n bytes fit, looking for returned output if need be;
// if they do not, the driver's goroutine is interrupted when more comes back.
// The caller holds p.mu.
func (p *Port) hasRoom(n uint64) bool {
	if p.size-(p.end-p.freed) >= n {
		return true
	}
	p.out.Poll()
	p.reclaim()
	p.submit()
	for p.size-(p.end-p.freed) < n {
		p.wanted = true
		if p.out.Arm() == 0 {
			return false
		}
		p.reclaim()
		p.submit()
	}
	return true
}

// submit gives the device what is written and not given yet, as one piece, if
// the host's end is open and the device has few enough pieces. The caller holds
// p.mu.
func (p *Port) submit() {
	if !p.open || p.given == p.end {
		return
	}
	for p.count == maxChains || p.out.Free() < 2 {
		// The goroutine sends the rest when a piece comes back.
		if p.out.Arm() == 0 {
			return
		}
		p.reclaim()
	}
	at, n := p.given&(p.size-1), p.end-p.given
	segs := [2]virtio.Seg{{Phys: p.mem.Phys + at, Len: uint32(n)}, {Phys: p.mem.Phys}}
	k := 1
	if at+n > p.size {
		segs[0].Len = uint32(p.size - at)
		segs[1].Len = uint32(n) - segs[0].Len
		k = 2
	}
	head, ok := p.out.Add(segs[:k], k)
	if !ok {
		return // the device has just failed
	}
	p.chains[(p.first+p.count)%maxChains] = piece{head: head, n: uint32(n)}
	p.count++
	p.given = p.end
	p.out.Kick()
}

// reclaim takes back the pieces of this pass. The device may return them in any
// order; their bytes are free in the order of the ring. The caller holds p.mu.
func (p *Port) reclaim() {
	for {
		head, _, ok := p.out.Next()
		if !ok {
			break
		}
		for i := range p.count {
			if c := &p.chains[(p.first+i)%maxChains]; c.head == head && !c.done {
				c.done = true
				break
			}
		}
	}
	for p.count > 0 && p.chains[p.first].done {
		p.freed += uint64(p.chains[p.first].n)
		p.first = (p.first + 1) % maxChains
		p.count--
	}
}

// outputDone is the driver's goroutine looking at a port's output. It reports
// whether the device returned any.
func (p *Port) outputDone() (any bool) {
	p.mu.Lock()
	drain := !p.c.drain.IsEmpty()
	roomy := false
	for n := p.out.Poll(); ; {
		any = any || n > 0
		p.reclaim()
		p.submit()
		// Half of the ring, so that those who wait for room do not wake for
		// each piece.
		roomy = p.size-(p.end-p.freed) >= p.size/2
		if (roomy || !p.wanted) && p.given == p.end && (p.end == p.freed || !drain) {
			p.out.Disarm()
			break // nobody waits for more
		}
		if n = p.out.Arm(); n == 0 {
			break
		}
	}
	tell := p.wanted && roomy
	if tell {
		p.wanted = false
	}
	empty := p.end == p.freed
	p.mu.Unlock()
	if tell {
		p.q.Notify(waiter.EventOut)
	}
	if empty && drain {
		p.c.drain.Notify(waiter.EventOut)
	}
	return any
}

// drained reports whether the device has taken everything that was written.
// Output to an end that never opened, or has closed, is not waited for. If ask
// is set, the driver's goroutine is interrupted when more comes back.
func (p *Port) drained(ask bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out.Poll()
	p.reclaim()
	p.submit()
	for {
		if p.hung || !p.open || p.end == p.freed || p.c.dev.Failed() {
			return true
		}
		if !ask || p.out.Arm() == 0 {
			return false
		}
		p.reclaim()
		p.submit()
	}
}

// Drained reports whether the device has taken all that was written to open
// ports. It needs no interrupt and no goroutine.
func (c *Console) Drained() bool { return c.all(false) }

func (c *Console) all(ask bool) bool {
	all := true
	for _, p := range c.ports {
		if p != nil && !p.drained(ask) {
			all = false
		}
	}
	return all
}

// Drain waits until Drained, or the deadline on the clock of wait.Now. It
// answers OK or ETIMEDOUT. Not to be called from a port's callbacks.
func (c *Console) Drain(deadline int64) abi.Errno {
	var w wait.Waiter
	var e waiter.Entry
	e.Init(&w, waiter.EventOut)
	c.drain.EventRegister(&e)
	defer c.drain.EventUnregister(&e)
	for !c.all(true) {
		if err := w.Sleep(deadline); err != abi.OK {
			if c.Drained() {
				return abi.OK
			}
			return err
		}
	}
	return abi.OK
}
