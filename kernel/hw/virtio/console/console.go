// Package console drives a virtio console device with several ports (virtio
// 1.2, 5.3): byte channels to the host, with a control channel that says which
// ports exist and whether the host's end of each is open.
//
// Output is never waited for inside: Port.Write copies what fits into the
// port's ring of shared memory and answers how much; a Port is a
// waiter.Waitable, so that wait.Waiter or epoll can wait for room. What is
// written before the host opens the port is kept and sent then. Input is handed
// to a function, from the driver's goroutine, in memory that the device cannot
// reach.
//
// A console port (QEMU: virtconsole, always number 0) is not for output that
// must arrive: QEMU drops what its reader is not ready to take. Serial ports
// (virtserialport, from number 1 on) hold the buffer back instead, and Write
// answers EAGAIN in time.
//
// Trust: control messages and input are copied before they are looked at; ports
// that were not asked for do not exist for us; a device that breaks the rules
// of a queue is failed, and every port is hung up then.
//
// Locking: Port.mu guards a port's output; the control queues and all input
// belong to the driver's goroutine. Callbacks are called without a lock, from
// that goroutine: they must not block, and must not call Drain. It imports
// kernel/abi, kernel/hw/virtio, kernel/wait and gVisor's waiter.
package console

import (
	"strconv"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/waiter"

	"skerry/kernel/hw/virtio"
)

// Feature bits, virtio 1.2, 5.3.3.
const featureMultiport = 1

// configMaxPorts is an offset in the configuration, virtio 1.2, 5.3.4.
const configMaxPorts = 4 // le32

// Queues, virtio 1.2, 5.3.2: port 0 has 0 and 1, the control channel 2 and 3,
// port n from 1 on has 2n+2 and 2n+3; the even one is for input.
const (
	queueControlIn  = 2
	queueControlOut = 3
)

func inputQueue(port int) uint16 {
	if port == 0 {
		return 0
	}
	return uint16(2*port + 2)
}

// MaxPorts is the number of ports that can be used.
const MaxPorts = 8

const (
	controlQueue  = 32 // entries, each way
	controlBuffer = 128
	inputQueueLen = 4 // buffers of input
	inputBuffer   = 1024
	defaultOutput = 32 << 10
)

// PortOptions is what a port is used for.
type PortOptions struct {
	// Output is the size of the output ring in bytes, a power of two from 4096
	// to 1 MiB; 0 is 32 KiB.
	Output uint32
	// Input gets what the host sends; b is valid until it returns. Without it
	// nothing is taken from the host, which then has to wait.
	Input func(b []byte)
	// HangUp is called each time the host closes its end, and once if the
	// device fails.
	HangUp func()
}

// Options of New.
type Options struct {
	// Ports are the ports to use, by number; nil entries are left alone.
	Ports [MaxPorts]*PortOptions
	// OnFail is called once, from a goroutine of its own, if the device fails.
	OnFail func(why string)
}

// Console is one device.
type Console struct {
	dev   *virtio.Device
	ports [MaxPorts]*Port
	drain waiter.Queue // a port's output may have become empty

	// The control channel.
	ctlIn      *virtio.Queue
	ctlOut     *virtio.Queue
	ctlInMem   virtio.Memory
	ctlOutMem  virtio.Memory
	ctlInOf    [controlQueue]uint8 // by chain number, which buffer
	ctlOutOf   [controlQueue]uint8
	ctlOutFree []uint8
	scratch    [inputBuffer]byte

	ignored atomic.Uint64
}

// New takes a console device into use. Ports can be written to at once.
func New(t virtio.Transport, o Options) (*Console, error) {
	c, err := open(t, o)
	if err != nil {
		return nil, err
	}
	go c.run()
	return c, nil
}

// open is New without the driver's goroutine.
func open(t virtio.Transport, o Options) (*Console, error) {
	dev, err := virtio.Open(t, virtio.TypeConsole, func(uint64) uint64 { return 1 << featureMultiport }, o.OnFail)
	if err != nil {
		return nil, err
	}
	c := &Console{dev: dev}
	if !dev.Has(featureMultiport) {
		return nil, dev.Refuse("has no ports (QEMU: virtio-serial-device or virtio-serial-pci)")
	}
	var most uint32
	if !dev.ReadConfig(func(t virtio.Transport) { most = t.Config32(configMaxPorts) }) {
		return nil, dev.Refuse(dev.Why())
	}
	for i, po := range o.Ports {
		if po == nil {
			continue
		}
		if uint32(i) >= most {
			return nil, dev.Refuse("has only " + strconv.FormatUint(uint64(most), 10) + " ports, port " + strconv.Itoa(i) + " is needed")
		}
		if err := c.makePort(i, po); err != nil {
			return nil, err
		}
	}
	if c.ctlIn, err = dev.Queue(queueControlIn, controlQueue); err != nil {
		return nil, err
	}
	if c.ctlOut, err = dev.Queue(queueControlOut, controlQueue); err != nil {
		return nil, err
	}
	var ok1, ok2 bool
	c.ctlInMem, ok1 = dev.Alloc(controlBuffer*controlQueue, 8)
	c.ctlOutMem, ok2 = dev.Alloc(controlSize*controlQueue, 8)
	if !ok1 || !ok2 {
		return nil, dev.Refuse("no memory for control messages")
	}
	for i := range c.ctlOut.Size() {
		c.ctlOutFree = append(c.ctlOutFree, uint8(i))
	}
	dev.Start()
	for i := range c.ctlIn.Size() {
		c.postControl(uint8(i))
	}
	c.ctlIn.Kick()
	c.ctlIn.Arm()
	c.control(0, ctlDeviceReady, 1)
	c.ctlOut.Kick()
	return c, nil
}

// Port is a port that was asked for in Options, nil for others.
func (c *Console) Port(i int) *Port { return c.ports[i] }

// Ignored counts control messages that made no sense.
func (c *Console) Ignored() uint64 { return c.ignored.Load() }

// run is the driver's goroutine.
func (c *Console) run() {
	for {
		c.dev.Wait()
		c.dev.Spurious(!c.interrupt())
		if c.dev.Failed() {
			c.down()
			return
		}
	}
}

// interrupt does everything that there is to do, and reports whether there was
// anything.
func (c *Console) interrupt() (any bool) {
	for c.ctlIn.Poll() > 0 || c.ctlIn.Arm() > 0 {
		any = true
		c.controlIn()
	}
	c.answer()
	for _, p := range c.ports {
		if p == nil {
			continue
		}
		if p.outputDone() {
			any = true
		}
		if p.input() {
			any = true
		}
	}
	return any
}

// down hangs every port up: the device has failed.
func (c *Console) down() {
	for _, p := range c.ports {
		if p != nil {
			p.setOpen(false)
		}
	}
	c.drain.Notify(waiter.EventOut)
}
