package net

import (
	"skerry/kernel/hw/nic"
	"skerry/kernel/hw/virtio"
)

// kickEvery is how many buffers are given back to the device at a time within a
// burst, so that it does not run dry meanwhile.
const kickEvery = 32

// Start implements nic.Device. A second call does nothing.
func (c *Card) Start(r nic.Receiver) {
	if c.recv != nil {
		return
	}
	c.begin(r)
	go c.run()
}

// begin is Start without the driver's goroutine.
func (c *Card) begin(r nic.Receiver) {
	c.recv = r
	for i := range c.rxBufs {
		c.post(uint16(i))
	}
	c.tx.Disarm()
	c.dev.Start()
	c.rx.Kick()
	c.rx.Arm()
}

// run is the driver's goroutine.
func (c *Card) run() {
	c.recv.Link(c.linkUp)
	for config := true; ; config = c.dev.Wait() {
		c.dev.Spurious(!c.interrupt(config))
		if c.dev.Failed() {
			c.down()
			return
		}
	}
}

// down tells the stack that a failed device's link is down, and wakes those who
// wait for room: their frames are counted as lost from now on.
func (c *Card) down() {
	c.recv.Link(false)
	c.txMu.Lock()
	c.blocked = false
	c.txMu.Unlock()
	c.recv.TxReady()
}

// interrupt does everything that there is to do, and reports whether there was
// anything. config says that the configuration may have changed.
func (c *Card) interrupt(config bool) (any bool) {
	if config && !c.dev.Failed() {
		any = c.reconfigure()
	}
	for c.rx.Poll(); ; {
		if c.burst() {
			any = true
		}
		if c.sent() {
			any = true
		}
		if c.rx.Arm() == 0 {
			return any
		}
	}
}

// burst receives the frames of this pass, and reports whether there were any.
func (c *Card) burst() bool {
	head, n, ok := c.rx.Next()
	if !ok {
		return false
	}
	c.rx.Disarm()
	for given := 1; ok; given++ {
		c.packet(head, n)
		if given%kickEvery == 0 {
			c.rx.Kick()
		}
		head, n, ok = c.rx.Next()
	}
	c.rx.Kick()
	c.recv.Batch()
	return true
}

// post gives buffer b to the device.
func (c *Card) post(b uint16) {
	if head, ok := c.rx.AddOne(c.rxBufs[b].Phys, c.bufSize, true); ok {
		c.rxOf[head] = b
	}
	// There is a descriptor for every buffer: only a failed device refuses.
}

// packet receives the frame that begins in chain head with n bytes.
func (c *Card) packet(head uint16, n uint32) {
	b := c.rxOf[head]
	m := c.rxBufs[b]
	if n < headerSize {
		c.dev.Fail("returned a receive buffer without a header")
		return
	}
	lo, hi := virtio.Load64(m.Addr), virtio.Load32(m.Addr+8)
	if buffers := uint16(hi >> 16); c.merge && buffers != 1 {
		c.spread(b, n, lo, hi, buffers)
		return
	}
	frame := m.Part(headerSize).Bytes(n - headerSize)
	if o, ok := c.offload(lo, hi, len(frame)); ok {
		c.recv.Receive(frame, o)
	} else {
		c.rxBad.Add(1)
	}
	c.post(b)
}

// spread receives a frame that lies in several buffers, the first of which is b
// with n bytes; the device has to return all of them together (5.1.6.4).
func (c *Card) spread(b uint16, n uint32, lo uint64, hi uint32, buffers uint16) {
	if buffers == 0 {
		c.dev.Fail("returned a frame of no buffers")
		return
	}
	if c.join == nil {
		c.join = make([]byte, maxFrame)
	}
	total := copy(c.join, c.rxBufs[b].Part(headerSize).Bytes(n-headerSize))
	long := false
	c.post(b)
	for range buffers - 1 {
		head, n, ok := c.rx.Next()
		if !ok {
			c.dev.Fail("returned a frame of more buffers than it gave back")
			return
		}
		b := c.rxOf[head]
		k := copy(c.join[total:], c.rxBufs[b].Bytes(n))
		long = long || k < int(n)
		total += k
		c.post(b)
	}
	if long {
		c.rxLong.Add(1)
		return
	}
	if o, ok := c.offload(lo, hi, total); ok {
		c.recv.Receive(c.join[:total], o)
	} else {
		c.rxBad.Add(1)
	}
}

// reconfigure looks at the link, and at whether the device has given up. It
// answers whether anything changed.
func (c *Card) reconfigure() bool {
	if c.dev.NeedsReset() {
		c.dev.Fail("says that it needs a reset")
		return true
	}
	if !c.dev.Has(featureStatus) {
		return false
	}
	var up bool
	if !c.dev.ReadConfig(func(t virtio.Transport) { up = t.Config16(configStatus)&statusLinkUp != 0 }) {
		return true
	}
	if up == c.linkUp {
		return false
	}
	c.linkUp = up
	c.recv.Link(up)
	return true
}
