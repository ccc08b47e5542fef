package console

import (
	"skerry/kernel/hw/virtio"
)

// struct virtio_console_control, virtio 1.2, 5.3.6.2: le32 id, le16 event, le16
// value; and the events.
const (
	controlSize = 8

	ctlDeviceReady  = 0 // to the device: 1, the driver is ready
	ctlDeviceAdd    = 1 // from the device: the port exists
	ctlDeviceRemove = 2 // from the device: it does not any more
	ctlPortReady    = 3 // to the device: 1, the port is set up
	ctlConsolePort  = 4 // from the device: a console hangs on it
	ctlResize       = 5 // from the device: the console's size
	ctlPortOpen     = 6 // both ways: an end is open (1) or closed (0)
	ctlPortName     = 7 // from the device: a name follows
)

// maxName bounds what is kept of a port's name, in bytes.
const maxName = 64

// postControl gives control buffer i to the device.
func (c *Console) postControl(i uint8) {
	if head, ok := c.ctlIn.AddOne(c.ctlInMem.Part(uint32(i)*controlBuffer).Phys, controlBuffer, true); ok {
		c.ctlInOf[head] = i
	}
}

// Messages that we owe the device, by port: bits of Port.owed, in the order in
// which they are sent. Each is owed once at most, so a device that takes none
// holds up no one but itself.
const (
	owePortReady = 1 << iota
	owePortOpen
)

// answer sends what is owed, as far as there is room; the rest follows when the
// device has returned messages.
func (c *Console) answer() {
	for _, p := range c.ports {
		if p == nil {
			continue
		}
		if p.owed&owePortReady != 0 && c.control(p.id, ctlPortReady, 1) {
			p.owed &^= owePortReady
		}
		if p.owed == owePortOpen && c.control(p.id, ctlPortOpen, 1) {
			p.owed = 0
		}
	}
	c.ctlOut.Kick()
}

// control makes a message, for the next Kick; false if there is no room for it,
// and then an interrupt comes when there is.
func (c *Console) control(port uint32, event, value uint16) bool {
	for len(c.ctlOutFree) == 0 {
		c.ctlOut.Kick()
		if c.ctlOut.Arm() == 0 {
			return false
		}
		for {
			head, _, ok := c.ctlOut.Next()
			if !ok {
				break
			}
			c.ctlOutFree = append(c.ctlOutFree, c.ctlOutOf[head])
		}
	}
	n := len(c.ctlOutFree) - 1
	i := c.ctlOutFree[n]
	m := c.ctlOutMem.Part(uint32(i) * controlSize)
	b := m.Bytes(controlSize)
	v := uint64(port) | uint64(event)<<32 | uint64(value)<<48
	for k := range b {
		b[k] = byte(v >> (8 * k))
	}
	head, ok := c.ctlOut.AddOne(m.Phys, controlSize, false)
	if ok {
		c.ctlOutOf[head] = i
		c.ctlOutFree = c.ctlOutFree[:n]
	}
	return ok
}

// controlIn takes the control messages of this pass.
func (c *Console) controlIn() {
	for {
		head, n, ok := c.ctlIn.Next()
		if !ok {
			break
		}
		i := c.ctlInOf[head]
		m := c.ctlInMem.Part(uint32(i) * controlBuffer)
		if n >= controlSize {
			v := virtio.Load64(m.Addr) // once: it may change
			name := c.scratch[:copy(c.scratch[:maxName], m.Part(controlSize).Bytes(n-controlSize))]
			c.message(uint32(v), uint16(v>>32), uint16(v>>48), name)
		} else {
			c.ignored.Add(1)
		}
		c.postControl(i)
	}
	c.ctlIn.Kick()
}

// message handles one message of the device's.
func (c *Console) message(port uint32, event, value uint16, name []byte) {
	if port >= MaxPorts || c.ports[port] == nil {
		// A port that nobody asked for. It is not answered: a refusal
		// (PORT_READY of 0) would make QEMU report a guest error.
		c.ignored.Add(1)
		return
	}
	p := c.ports[port]
	switch event {
	case ctlDeviceAdd:
		if p.added.Swap(true) {
			return // said twice
		}
		p.postInput()
		p.owed = owePortReady | owePortOpen
	case ctlDeviceRemove:
		p.added.Store(false)
		p.owed = 0
		p.setOpen(false)
	case ctlConsolePort:
		// Nothing says that PORT_OPEN must follow for a console.
		if p.added.Load() && value != 0 {
			p.setOpen(true)
		}
	case ctlPortOpen:
		if p.added.Load() {
			p.setOpen(value != 0)
		}
	case ctlPortName:
		s := string(trimNUL(name))
		p.name.Store(&s)
	case ctlResize:
		// There is no terminal here that could have a size.
	default:
		c.ignored.Add(1)
	}
}

// trimNUL ends a name at its first NUL: some devices send one.
func trimNUL(b []byte) []byte {
	for i, v := range b {
		if v == 0 {
			return b[:i]
		}
	}
	return b
}
