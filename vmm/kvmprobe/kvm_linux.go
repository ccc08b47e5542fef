//go:build linux && amd64

package kvmprobe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Requests of linux/kvm.h: _IO(0xAE, n), and with a struct _IOR, _IOW, _IOWR.
const (
	getAPIVersion   = 0xae00
	createVM        = 0xae01
	checkExtension  = 0xae03
	getMmapSize     = 0xae04
	getCPUID        = 0xc008ae05
	createVCPU      = 0xae41
	setUserMemory   = 0x4020ae46
	setTSSAddress   = 0xae47
	runVCPU         = 0xae80
	setRegisters    = 0x4090ae82
	getSpecialRegs  = 0x8138ae83
	setSpecialRegs  = 0x4138ae84
	setCPUID        = 0x4008ae90
	apiVersion      = 12
	capIRQChip      = 0
	capUserMemory   = 3
	capExtCPUID     = 7
	capImmediate    = 136
	tssAddress      = 0xfffbd000 // three pages that the guest does not use
	maxCPUIDEntries = 256
)

// needed are the extensions without which QEMU or this probe cannot do.
var needed = []struct {
	number int
	name   string
}{
	{capIRQChip, "KVM_CAP_IRQCHIP"}, {capUserMemory, "KVM_CAP_USER_MEMORY"},
	{capExtCPUID, "KVM_CAP_EXT_CPUID"}, {capImmediate, "KVM_CAP_IMMEDIATE_EXIT"},
}

// Sizes and offsets in structs of linux/kvm.h and asm/kvm.h for x86-64.
const (
	regionSize = 32  // kvm_userspace_memory_region
	regsSize   = 144 // kvm_regs: rax … r15, rip, rflags
	regsRIP    = 128
	regsFlags  = 136

	// kvm_sregs: segments cs, ds, es, fs, gs, ss, tr, ldt of 24 bytes, two
	// descriptor tables of 16, cr0, cr2, cr3, cr4, cr8, efer, apic_base, bitmap.
	sregsSize   = 312
	segmentSize = 24
	sregsCR0    = 224
	sregsCR3    = 240
	sregsCR4    = 248
	sregsEFER   = 264

	// kvm_segment: u64 base, u32 limit, u16 selector, then bytes.
	segBase, segLimit, segSelector, segType, segPresent = 0, 8, 12, 14, 15
	segDPL, segDB, segS, segL, segG, segUnusable        = 16, 17, 18, 19, 20, 22

	// kvm_run.
	runImmediate = 1
	runReason    = 8
	runUnion     = 32
	runIODir     = 32 // u8, 1 is out
	runIOSize    = 33 // u8
	runIOPort    = 34 // u16
	runIOCount   = 36 // u32
	runIOOffset  = 40 // u64
	runMinSize   = 4096

	cpuidHead  = 8 // kvm_cpuid2: u32 number of entries, u32 zero
	cpuidEntry = 40
)

// machine is a guest of the real KVM.
type machine struct {
	dev, vm, vcpu int
	mem, runPage  []byte
	tid           atomic.Int64 // thread inside run, 0 if none
}

// open makes the guest, ready to run.
func open(device string) (guest, error) {
	dev, err := openDevice(device)
	if err != nil {
		return nil, available(device, err)
	}
	m := &machine{dev: dev, vm: -1, vcpu: -1}
	if err := m.make(); err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

func openDevice(device string) (int, error) {
	for {
		fd, err := unix.Open(device, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

func (m *machine) make() error {
	if v, err := control(m.dev, getAPIVersion, 0); err != nil || v != apiVersion {
		return fmt.Errorf("its version is %d instead of %d (%v)", v, apiVersion, err)
	}
	for _, e := range needed {
		if v, err := control(m.dev, checkExtension, uintptr(e.number)); err != nil || v == 0 {
			return fmt.Errorf("it lacks %s", e.name)
		}
	}
	var err error
	if m.vm, err = control(m.dev, createVM, 0); err != nil {
		if errors.Is(err, unix.EBUSY) {
			return errors.New("another hypervisor, such as VirtualBox, has the processor's virtualization")
		}
		return step("KVM_CREATE_VM", err)
	}
	// Older Intel processors need it; where it is not known it is not needed.
	_, _ = control(m.vm, setTSSAddress, tssAddress)
	if m.mem, err = unix.Mmap(-1, 0, memSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON); err != nil {
		return step("memory", err)
	}
	fill(m.mem)
	if err := setMemory(m.vm, m.mem); err != nil {
		return step("KVM_SET_USER_MEMORY_REGION", err)
	}
	if m.vcpu, err = control(m.vm, createVCPU, 0); err != nil {
		return step("KVM_CREATE_VCPU", err)
	}
	size, err := control(m.dev, getMmapSize, 0)
	if err != nil || size < runMinSize {
		return fmt.Errorf("KVM_GET_VCPU_MMAP_SIZE gives %d (%v)", size, err)
	}
	if m.runPage, err = unix.Mmap(m.vcpu, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return step("the virtual CPU's page", err)
	}
	// Without CPUID the guest is a processor without long mode.
	cpuid := make([]byte, cpuidHead+maxCPUIDEntries*cpuidEntry)
	binary.NativeEndian.PutUint32(cpuid, maxCPUIDEntries)
	if err := controlBytes(m.dev, getCPUID, cpuid); err != nil {
		return step("KVM_GET_SUPPORTED_CPUID", err)
	}
	if err := controlBytes(m.vcpu, setCPUID, cpuid); err != nil {
		return step("KVM_SET_CPUID2", err)
	}
	return m.setRegisters()
}

// setRegisters puts the virtual CPU in 64-bit mode at the first instruction.
func (m *machine) setRegisters() error {
	ne := binary.NativeEndian
	s := make([]byte, sregsSize)
	if err := controlBytes(m.vcpu, getSpecialRegs, s); err != nil {
		return step("KVM_GET_SREGS", err)
	}
	for i := range 6 { // cs, ds, es, fs, gs, ss: flat
		seg := s[i*segmentSize : (i+1)*segmentSize]
		clear(seg)
		ne.PutUint32(seg[segLimit:], 0xffffffff)
		ne.PutUint16(seg[segSelector:], 0x10)
		seg[segType] = 3 // data, writable, accessed
		seg[segPresent], seg[segDB], seg[segS], seg[segG] = 1, 1, 1, 1
	}
	ne.PutUint16(s[segSelector:], 0x08)
	s[segType], s[segDB], s[segL] = 11, 0, 1 // code, readable, accessed, 64-bit
	const (
		pe, mp, et, ne1, wp, pg = 1 << 0, 1 << 1, 1 << 4, 1 << 5, 1 << 16, 1 << 31
		pae, osfxsr, osxmm      = 1 << 5, 1 << 9, 1 << 10
	)
	ne.PutUint64(s[sregsCR0:], pe|mp|et|ne1|wp|pg)
	ne.PutUint64(s[sregsCR3:], pml4)
	ne.PutUint64(s[sregsCR4:], pae|osfxsr|osxmm)
	ne.PutUint64(s[sregsEFER:], efer)
	if err := controlBytes(m.vcpu, setSpecialRegs, s); err != nil {
		return step("KVM_SET_SREGS", err)
	}
	r := make([]byte, regsSize)
	ne.PutUint64(r[regsRIP:], codeAt)
	ne.PutUint64(r[regsFlags:], 1<<1) // always set
	if err := controlBytes(m.vcpu, setRegisters, r); err != nil {
		return step("KVM_SET_REGS", err)
	}
	return nil
}

func (m *machine) run() (exit, error) {
	m.tid.Store(int64(unix.Gettid()))
	_, err := controlOnce(m.vcpu, runVCPU, 0)
	m.tid.Store(0)
	if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
		return exit{reason: exitIntr}, nil
	}
	if err != nil {
		return exit{}, step("KVM_RUN", err)
	}
	ne := binary.NativeEndian
	e := exit{reason: ne.Uint32(m.runPage[runReason:])}
	if e.reason != exitIO {
		e.detail = ne.Uint64(m.runPage[runUnion:])
		if e.reason == exitInternal {
			e.detail = uint64(ne.Uint32(m.runPage[runUnion:]))
		}
		return e, nil
	}
	e.port, e.out = ne.Uint16(m.runPage[runIOPort:]), m.runPage[runIODir] == 1
	if off := ne.Uint64(m.runPage[runIOOffset:]); m.runPage[runIOSize] == 1 && ne.Uint32(m.runPage[runIOCount:]) == 1 && off < uint64(len(m.runPage)) {
		e.value = m.runPage[off]
	}
	return e, nil
}

// kick sets immediate_exit, for a KVM_RUN that is yet to come, and sends a signal
// for one that has begun. The signal is one that the Go runtime sends to its
// threads anyway and ignores if nothing is to be done.
func (m *machine) kick() {
	m.runPage[runImmediate] = 1
	if tid := m.tid.Load(); tid != 0 {
		_ = unix.Tgkill(os.Getpid(), int(tid), unix.SIGURG)
	}
}

func (m *machine) memory() []byte { return m.mem }

func (m *machine) close() {
	for _, p := range [][]byte{m.runPage, m.mem} {
		if p != nil {
			_ = unix.Munmap(p)
		}
	}
	for _, fd := range []int{m.vcpu, m.vm, m.dev} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

func step(name string, err error) error { return fmt.Errorf("%s: %w", name, err) }

// deviceID tells one making of the device file from another: a module that is
// loaded again, with other settings, makes a new one.
func deviceID(device string) string {
	var st unix.Stat_t
	if unix.Stat(device, &st) != nil {
		return ""
	}
	return fmt.Sprintf("%d:%d:%d", st.Rdev, st.Ino, time.Unix(st.Ctim.Unix()).UnixNano())
}
