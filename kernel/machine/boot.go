package machine

import (
	"strconv"
	"sync/atomic"
	"time"

	"skerry/bootrec"
	"skerry/kernel/clock"
	"skerry/kernel/entropy"
	"skerry/kernel/ground"
	"skerry/kernel/ground/arch"
	"skerry/kernel/hw/virtio"
	"skerry/kernel/hw/virtio/blk"
	"skerry/kernel/hw/virtio/net"
	"skerry/kernel/hw/virtio/rng"
	"skerry/kernel/loader"
	"skerry/kernel/loader/mmspace"
	sockets "skerry/kernel/net"
	"skerry/kernel/ports"
	"skerry/kernel/usermem"
	"skerry/kernel/vdso"
	"skerry/kernel/wait"
)

// Machine is everything that the kernel has in hand.
type Machine struct {
	Record *bootrec.Record
	Pool   entropy.Pool
	Ports  *ports.Ports
	Disks  []*blk.Disk
	Card   *net.Card
	Net    *sockets.Net
	VDSO   mmspace.VDSO
	Clock  *clock.Clock

	plan   *loader.Plan
	stack  *loader.Stack
	policy bootrec.Rules
	// started is when the program began, on the monotonic clock.
	started int64
	source  *source
	signals signals

	rng    random // nil: no entropy device
	errs   []error
	timeIn chan clock.Sample
	asked  uint64      // counter before the question that is under way
	once   atomic.Bool // the end has begun
}

// New reads what the launcher says about the machine. Without a boot record
// there is nothing to run and nobody to tell but the serial port.
func New() *Machine {
	m := &Machine{timeIn: make(chan clock.Sample, 1)}
	raw := ground.Record()
	if raw == nil {
		ground.Fatal("no boot record: the kernel is started by skerry, which passes one as the initrd")
	}
	r, err := bootrec.Decode(raw)
	if err != nil {
		ground.Fatal("the boot record is damaged: " + err.Error())
	}
	m.Record = r
	m.Pool.Mix(r.Early[:], 0) // the runtime's, in the hands of a weaker generator
	m.Pool.Mix(r.Seed[:], seedBits(r))
	m.Pool.MixProcessor()
	// The record goes, and with it the only copies of the seeds and of what
	// secrets the environment holds outside the kernel's own.
	r.Seed, r.Early = [32]byte{}, [32]byte{}
	clear(raw)
	ground.ReadOnly(ground.Boot.Record, ground.Boot.RecordLen)
	return m
}

// Prepare sets up what everything else stands on: access to user memory, device
// interrupts, the clock.
func (m *Machine) Prepare() {
	table := usermem.Fixups()
	fix := make([][3]uintptr, len(table))
	for i, f := range table {
		fix[i] = [3]uintptr{f.Start, f.End, f.Landing}
	}
	ground.SetFixups(fix)
	startPoller()
	v, e := mmspace.NewVDSO()
	if e != 0 {
		ground.Fatal("too little memory to start (give the machine more)")
	}
	m.VDSO = v
	page := vdso.At(v.Data.Addr())
	if _, _, _, d := arch.CPUID(0x80000001, 0); d&(1<<27) != 0 {
		page.SetTSCAux() // ground wrote IA32_TSC_AUX on every CPU
	}
	m.Clock = clock.New(page)
	m.Clock.Start(m.Record.Wall)
}

// Devices finds the devices and takes them into use. The console comes first,
// so that whatever fails after it can be said.
func (m *Machine) Devices() {
	list, errs := findTransports()
	m.errs = errs
	for _, t := range list {
		if t.Type() == virtio.TypeConsole && m.Ports == nil {
			p, err := ports.Open(t, m.handlers(), func(why string) { ground.Fatal("the console failed: " + why) })
			if err != nil {
				ground.Fatal("the console cannot be used: " + err.Error())
			}
			m.Ports = p
		}
	}
	if m.Ports == nil {
		ground.Fatal("the machine has no console device" + firstError(errs))
	}
	m.Ports.Hello()
	m.askTime()
	for _, t := range list {
		var err error
		switch t.Type() {
		case virtio.TypeBlock:
			var d *blk.Disk
			if d, err = blk.New(t, blk.Options{OnFail: func(why string) { m.diskFailed(t.Name(), why) }}); err == nil {
				m.Disks = append(m.Disks, d)
			}
		case virtio.TypeNet:
			if m.Card == nil {
				m.Card, err = net.New(t, net.Options{Random: m.Pool.Read, OnFail: func(why string) {
					m.Ports.Log(t.Name() + " failed, the network is down: " + why)
				}})
			}
		case virtio.TypeEntropy:
			var s *rng.Source
			if s, err = rng.New(t); err == nil {
				m.rng = s
			}
		}
		if err != nil {
			m.errs = append(m.errs, err)
		}
	}
	for _, err := range m.errs {
		m.Ports.Log(err.Error())
	}
}

func firstError(errs []error) string {
	if len(errs) == 0 {
		return ""
	}
	return ": " + errs[0].Error()
}

// How long the entropy device may take: at the start, which waits for it, and later.
const (
	rngFirst = 50 * time.Millisecond
	rngLater = time.Second
)

// random is an entropy device, of rng.
type random interface {
	Read(b []byte, deadline int64) int
}

// seedBits is what a record's seed is credited with: a record without one gives nothing.
func seedBits(r *bootrec.Record) int {
	if r.Seed == [32]byte{} {
		return 0
	}
	return 8 * len(r.Seed)
}

// tooLittle is the end of a machine that has only so many bits of randomness, nil if they
// are enough.
func tooLittle(bits int) *bootrec.Exit {
	if bits >= entropy.Floor {
		return nil
	}
	return &bootrec.Exit{Reason: bootrec.NoEntropy, Message: "only " + strconv.Itoa(bits) + " of " + strconv.Itoa(entropy.Floor) +
		" bits of randomness from the launcher's seed, RDSEED or RDRAND, and a virtio-rng device: give the machine one of them"}
}

// Entropy asks the device for more and enforces the floor: no program starts
// on numbers that someone could guess.
func (m *Machine) Entropy() {
	m.stir(rngFirst, true)
	if e := tooLittle(m.Pool.Credit()); e != nil {
		m.End(e)
	}
	m.freshen()
}

// stir mixes in what the device gives in time.
func (m *Machine) stir(patience time.Duration, credit bool) {
	if m.rng == nil {
		return
	}
	var b [64]byte
	n := m.rng.Read(b[:], wait.Now()+int64(patience))
	bits := 0
	if credit {
		bits = n * 8
	}
	m.Pool.Mix(b[:n], bits)
	clear(b[:])
}

// freshen has the device asked at each reseed of the pool, from a goroutine of its own:
// a draw waits for no device.
func (m *Machine) freshen() {
	if m.rng == nil {
		return
	}
	due := make(chan struct{}, 1)
	go func() {
		for range due {
			m.stir(rngLater, false)
		}
	}()
	m.Pool.OnReseed(func() {
		select {
		case due <- struct{}{}:
		default: // it has been asked, and has not answered yet
		}
	})
}

// diskFailed ends the machine: what the program needs next may be on it.
func (m *Machine) diskFailed(name, why string) {
	m.End(&bootrec.Exit{Reason: bootrec.DeviceFailed, Message: name + ": " + why})
}

// askTime asks the launcher for its clocks.
func (m *Machine) askTime() {
	m.asked = arch.RDTSC()
	m.Ports.AskTime(m.asked)
}

// KeepTime waits for the first answer, so that the program starts with the
// right wall clock, and keeps asking from then on.
func (m *Machine) KeepTime() {
	first := time.Time{}
	select {
	case s := <-m.timeIn:
		m.Clock.Add(s)
		first = time.Now()
	case <-time.After(100 * time.Millisecond):
		m.Ports.Log("the launcher did not tell the time; the clock may be off by as long as the start took")
	}
	go func() {
		begin := time.Now()
		if !first.IsZero() {
			begin = first
		}
		for {
			time.Sleep(clock.Interval(time.Since(begin)))
			m.askTime()
			select {
			case s := <-m.timeIn:
				m.Clock.Add(s)
			case <-time.After(time.Second):
			}
		}
	}()
}
