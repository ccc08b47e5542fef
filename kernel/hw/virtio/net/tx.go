package net

import "skerry/kernel/hw/nic"

// Send implements nic.Device. A frame that cannot be sent at all (too short or
// too long, an offload that Caps does not have, a failed device) is counted and
// dropped, and the answer is true: there is nothing to wait for.
func (c *Card) Send(pieces [][]byte, off nic.Offload) bool {
	n := 0
	for _, p := range pieces {
		n += len(p)
	}
	if n < etherHeader || n > maxFrame {
		c.txBad.Add(1)
		return true
	}
	need := c.pieces(n)
	if need > len(c.txBufs) {
		c.txBad.Add(1)
		return true
	}
	c.txMu.Lock()
	if c.room() < need && !c.makeRoom(need) {
		down := c.dev.Failed()
		c.blocked = !down
		c.txMu.Unlock()
		if down {
			c.txDown.Add(1)
		}
		return down
	}
	free := len(c.txFree) - need
	if !c.putHeader(c.txBufs[c.txFree[free]].Bytes(c.bufSize), &off, n) {
		c.txMu.Unlock()
		c.txBad.Add(1)
		return true
	}
	bufs := c.txFree[free:]
	c.fill(bufs, pieces)
	head, ok := c.tx.Add(c.segs[:need], need)
	if ok {
		c.txOf[head], c.txCount[head] = bufs[0], uint16(need)
		for i := range need - 1 {
			c.txNext[bufs[i]] = bufs[i+1]
		}
		c.txFree = c.txFree[:free]
	}
	c.txMu.Unlock()
	if !ok { // there was room, so the device failed right now
		c.txDown.Add(1)
	}
	return true
}

// fill copies a frame behind the header in bufs[0] and on into the others, and
// describes them in c.segs.
func (c *Card) fill(bufs []uint16, pieces [][]byte) {
	i, at := 0, uint32(headerSize)
	m := c.txBufs[bufs[0]]
	to := m.Bytes(c.bufSize)
	for _, p := range pieces {
		for len(p) > 0 {
			if at == c.bufSize {
				c.segs[i].Phys, c.segs[i].Len = m.Phys, at
				i, at = i+1, 0
				m = c.txBufs[bufs[i]]
				to = m.Bytes(c.bufSize)
			}
			k := copy(to[at:], p)
			p, at = p[k:], at+uint32(k)
		}
	}
	c.segs[i].Phys, c.segs[i].Len = m.Phys, at
}

// Flush implements nic.Device.
func (c *Card) Flush() {
	c.txMu.Lock()
	c.tx.Kick()
	c.txMu.Unlock()
}

// room is how many buffers a frame can have now. The caller holds txMu.
func (c *Card) room() int { return min(len(c.txFree), c.tx.Free()) }

// makeRoom takes back what the device is through with; if that is not enough it
// shows the device all it has and asks for an interrupt when half of it is
// sent. The caller holds txMu.
func (c *Card) makeRoom(need int) bool {
	c.tx.Poll()
	c.reclaim()
	if c.room() >= need {
		return true
	}
	c.tx.Kick()
	for c.tx.ArmAfter(c.tx.InDevice()/2) > 0 {
		c.reclaim()
		if c.room() >= need {
			c.tx.Disarm()
			return true
		}
	}
	return false
}

// reclaim takes back the frames of this pass. The caller holds txMu.
func (c *Card) reclaim() {
	for {
		head, _, ok := c.tx.Next()
		if !ok {
			return
		}
		b := c.txOf[head]
		for range c.txCount[head] {
			c.txFree = append(c.txFree, b)
			b = c.txNext[b]
		}
	}
}

// sent is the driver's goroutine looking at the send side: only if somebody
// waits for room. It answers whether they were told that there is.
func (c *Card) sent() bool {
	c.txMu.Lock()
	if !c.blocked {
		c.txMu.Unlock()
		return false
	}
	ready := false
	for c.tx.Poll(); ; {
		c.reclaim()
		if c.room() >= len(c.txBufs)/4 || c.tx.InDevice() == 0 {
			ready, c.blocked = true, false
			c.tx.Disarm()
			break
		}
		// Others may have sent since the last wish for an interrupt and taken
		// back what it was for, so it is always said anew.
		if c.tx.ArmAfter(c.tx.InDevice()/2) == 0 {
			break
		}
	}
	c.txMu.Unlock()
	if ready {
		c.recv.TxReady()
	}
	return ready
}
