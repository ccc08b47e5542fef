package qtest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/irq"
	"skerry/kernel/hw/pci"
	"skerry/kernel/hw/reg"
	"skerry/kernel/hw/virtio"
)

const memory = 64 << 20 // of the machine, in bytes

// machine is a running QEMU without a processor.
type machine struct {
	t    testing.TB
	dir  string
	mu   sync.Mutex // one command at a time
	conn net.Conn
	in   chan string // answers
	mem  uintptr
	stop atomic.Bool
	wg   sync.WaitGroup

	linesMu sync.Mutex
	gsi     map[uint32]*irq.Line
	msi     map[uint64]*irq.Line // by the physical address that is the message's
	bells   []*bell
	exited  chan struct{}
}

// start runs QEMU with the given machine type and devices.
func start(t testing.TB, typ string, args ...string) *machine {
	t.Helper()
	path, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		t.Skip("qemu-system-x86_64 is not installed")
	}
	m := &machine{t: t, dir: t.TempDir(), in: make(chan string, 16), gsi: map[uint32]*irq.Line{}, msi: map[uint64]*irq.Line{}, exited: make(chan struct{})}
	ram := filepath.Join(m.dir, "ram")
	f, err := os.Create(ram)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(memory); err != nil {
		t.Fatal(err)
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, memory, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	m.mem = addrOf(b)
	// The drivers' frames are the upper half of the machine's memory.
	frame.InitHost(1) // forgets the pool of an earlier machine
	recs := make([]byte, memory/frame.Size*frame.RecordSize)
	frame.Init(m.mem, addrOf(recs), memory/frame.Size)
	frame.AddRange(memory/2, memory)
	keep = append(keep, recs)

	l, err := net.Listen("unix", filepath.Join(m.dir, "qtest"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	// The processor has firmware that stops it at once: CLI, HLT, and back to
	// the HLT, at the reset vector.
	bios := make([]byte, 64<<10)
	copy(bios[len(bios)-16:], []byte{0xfa, 0xf4, 0xeb, 0xfd})
	if err := os.WriteFile(filepath.Join(m.dir, "bios"), bios, 0o600); err != nil {
		t.Fatal(err)
	}
	all := append([]string{"-M", typ + ",memory-backend=ram", "-accel", "tcg", "-bios", filepath.Join(m.dir, "bios"), "-m", "64M", "-nodefaults", "-no-user-config",
		"-display", "none", "-object", "memory-backend-file,id=ram,share=on,size=64M,mem-path=" + ram,
		"-qtest", "unix:" + l.Addr().String(), "-qtest-log", "none"}, args...)
	cmd := exec.Command(path, all...)
	cmd.Dir = m.dir
	cmd.ExtraFiles = extraFiles
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { cmd.Wait(); close(m.exited) }()
	t.Cleanup(func() {
		m.stop.Store(true)
		cmd.Process.Kill()
		<-m.exited
		m.wg.Wait()
		// The drivers' goroutines outlive the machine, so its memory stays.
	})
	l.(*net.UnixListener).SetDeadline(time.Now().Add(20 * time.Second))
	if m.conn, err = l.Accept(); err != nil {
		t.Fatal("QEMU does not start: ", err)
	}
	m.wg.Add(2)
	go m.read()
	go m.watch()
	return m
}

// extraFiles are descriptors 3 and on of the next machine.
var extraFiles []*os.File

var keep [][]byte // records of frame pools that drivers may still look at

// read takes QEMU's lines: answers, and interrupts as they happen.
func (m *machine) read() {
	defer m.wg.Done()
	defer close(m.in)
	for s := bufio.NewScanner(m.conn); s.Scan(); {
		word := strings.Fields(s.Text())
		if len(word) == 3 && word[0] == "IRQ" {
			if n, err := strconv.Atoi(word[2]); err == nil && word[1] == "raise" {
				m.linesMu.Lock()
				if l := m.gsi[uint32(n)]; l != nil {
					l.Fire()
				}
				m.linesMu.Unlock()
			}
			continue
		}
		m.in <- s.Text()
	}
}

// do sends a command and answers what follows OK.
func (m *machine) do(format string, a ...any) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stop.Load() {
		return ""
	}
	fmt.Fprintf(m.conn, format+"\n", a...)
	s, ok := <-m.in
	if !ok || !strings.HasPrefix(s, "OK") {
		if !m.stop.Load() {
			m.t.Errorf("qtest: %s: %q", fmt.Sprintf(format, a...), s)
		}
		return ""
	}
	return strings.TrimSpace(s[2:])
}

func (m *machine) number(format string, a ...any) uint64 {
	v, _ := strconv.ParseUint(m.do(format, a...), 0, 64)
	return v
}

// bell is a doorbell: a cell of our memory that a driver stores to, and the
// register that the store is for.
type bell struct {
	cell uintptr
	ring func()
}

const silent = 0xffff_ffff

func (m *machine) newBell(ring func()) uintptr {
	p := frame.Alloc(frame.KindKernel)
	swap(p.Addr(), silent)
	m.linesMu.Lock()
	m.bells = append(m.bells, &bell{p.Addr(), ring})
	m.linesMu.Unlock()
	return p.Addr()
}

// watch does what hardware would: it carries stores to doorbells to the device,
// and messages that the device wrote to memory to the interrupt lines.
func (m *machine) watch() {
	defer m.wg.Done()
	for !m.stop.Load() {
		m.linesMu.Lock()
		bells := m.bells
		for phys, l := range m.msi {
			if swap(m.mem+uintptr(phys), 0) != 0 {
				l.Fire()
			}
		}
		m.linesMu.Unlock()
		for _, b := range bells {
			if swap(b.cell, silent) != silent {
				b.ring()
			}
		}
		time.Sleep(20 * time.Microsecond)
	}
}

// GSI implements virtio.Interrupts.
func (m *machine) GSI(line *irq.Line, gsi uint32) {
	m.linesMu.Lock()
	m.gsi[gsi] = line
	m.linesMu.Unlock()
}

// MSI implements virtio.Interrupts: the message is a store to our memory.
func (m *machine) MSI(line *irq.Line) (addr uint64, data uint32) {
	p := frame.AllocZero(frame.KindKernel)
	m.linesMu.Lock()
	m.msi[p.Phys()] = line
	m.linesMu.Unlock()
	return p.Phys(), 1
}

// window is registers of the machine.
type window struct {
	m     *machine
	base  uint64
	n     uint32
	bells map[uint32]uintptr
	mmio  bool
	ready []uint32 // queues that were enabled, for the one doorbell of mmio
	sel   uint32
}

func (w *window) Size() uint32           { return w.n }
func (w *window) Load8(off uint32) uint8 { return uint8(w.m.number("readb 0x%x", w.base+uint64(off))) }
func (w *window) Load16(off uint32) uint16 {
	return uint16(w.m.number("readw 0x%x", w.base+uint64(off)))
}
func (w *window) Load32(off uint32) uint32 {
	return uint32(w.m.number("readl 0x%x", w.base+uint64(off)))
}
func (w *window) Store8(off uint32, v uint8) {
	w.m.do("writeb 0x%x 0x%x", w.base+uint64(off), v)
}
func (w *window) Store16(off uint32, v uint16) {
	w.m.do("writew 0x%x 0x%x", w.base+uint64(off), v)
}
func (w *window) Store32(off uint32, v uint32) {
	w.m.linesMu.Lock()
	if w.mmio && off == 0x30 {
		w.sel = v
	}
	if w.mmio && off == 0x44 && v == 1 {
		w.ready = append(w.ready, w.sel)
	}
	w.m.linesMu.Unlock()
	w.m.do("writel 0x%x 0x%x", w.base+uint64(off), v)
}

// Addr makes a doorbell of the register.
func (w *window) Addr(off uint32) uintptr {
	if a, ok := w.bells[off]; ok {
		return a
	}
	a := w.m.newBell(func() {
		if !w.mmio {
			w.Store16(off, 0) // the place says which queue; QEMU ignores the value
			return
		}
		w.m.linesMu.Lock()
		ready := w.ready
		w.m.linesMu.Unlock()
		for _, q := range ready { // several may have rung the one cell
			w.Store32(off, q)
		}
	})
	w.bells[off] = a
	return a
}

func (m *machine) window(base uint64, n uint32, mmio bool) *window {
	return &window{m: m, base: base, n: n, bells: map[uint32]uintptr{}, mmio: mmio}
}

// Read and Write implement pci.Config.
func (m *machine) Read(a pci.Addr, off uint8) uint32 {
	m.do("outl 0xcf8 0x%x", 1<<31|uint32(a)<<8|uint32(off))
	return uint32(m.number("inl 0xcfc"))
}

// Write implements pci.Config.
func (m *machine) Write(a pci.Addr, off uint8, v uint32) {
	m.do("outl 0xcf8 0x%x", 1<<31|uint32(a)<<8|uint32(off))
	m.do("outl 0xcfc 0x%x", v)
}

// microvm starts a machine with memory-mapped devices and finds them.
func microvm(t testing.TB, args ...string) map[uint32]virtio.Transport {
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "-BUS", "-device")
	}
	m := start(t, "microvm,pit=off,pic=off,rtc=off,isa-serial=off,acpi=off", append(args, "-global", "virtio-mmio.force-legacy=false")...)
	m.do("irq_intercept_in /machine/ioapic")
	found := map[uint32]virtio.Transport{}
	for i := range uint32(8) {
		d := virtio.MMIODevice{Base: 0xfeb00000 + uint64(i)*512, Size: 512, IRQ: 5 + i}
		tr, err := virtio.ProbeMMIO(d, m.window(d.Base, d.Size, true), m)
		if err != nil {
			t.Fatal(err)
		}
		if tr != nil {
			found[tr.Type()] = tr
		}
	}
	return found
}

// q35 starts a machine with PCI devices, does firmware's work for them, and
// finds them.
func q35(t testing.TB, args ...string) map[uint32]virtio.Transport {
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "-BUS", "-pci,disable-legacy=on")
	}
	m := start(t, "q35", args...)
	at := uint32(0xe000_0000)
	for _, f := range pci.Scan(m) {
		if f.Vendor != 0x1af4 {
			continue
		}
		for i := uint8(0); i < 6; i++ {
			off := 0x10 + 4*i
			m.Write(f.Addr, off, ^uint32(0))
			mask := m.Read(f.Addr, off)
			if mask == 0 || mask&1 != 0 {
				continue
			}
			size := -(mask &^ 15)
			at = (at + size - 1) &^ (size - 1)
			m.Write(f.Addr, off, at)
			at += size
			if mask&4 != 0 {
				i++
				m.Write(f.Addr, off+4, 0)
			}
		}
		m.Write(f.Addr, 4, 2)
	}
	list, errs := virtio.FindPCI(m, func(phys, size uint64) (reg.Window, bool) {
		return m.window(phys, uint32(size), false), phys >= 0xe000_0000 && size < 1<<24
	}, m)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	found := map[uint32]virtio.Transport{}
	for _, tr := range list {
		found[tr.Type()] = tr
	}
	return found
}

var machines = []struct {
	name string
	make func(t testing.TB, args ...string) map[uint32]virtio.Transport
}{{"microvm", microvm}, {"q35", q35}}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}
