package skerrytest

import (
	"bufio"
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"skerry/test/harness"
)

// TestKernelUnchanged looks at a machine from outside, before and after 15,000 random
// calls on two CPUs: the kernel's text and read-only data are those of its file, every
// page that was read-only before the program ran holds what it held and is read-only,
// nothing else of the kernel's half is executable, and the control and table registers
// are as they were.
func TestKernelUnchanged(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	const memory = 256
	r := monitored(ctx, t, []string{"-m", strconv.Itoa(memory) + "M", "-e", "FUZZ_HOLD=1"}, "fuzzcalls", "all", "77", "15000")
	dir := t.TempDir()
	r.next(t, "holding")
	m, err := dialMonitor(ctx, r.monitor)
	if err != nil {
		t.Fatal(err)
	}
	defer m.c.Close()
	before, err := m.look(filepath.Join(dir, "before"), memory<<20)
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := elf.Open("../image/kernelbin/bin/kernel.elf")
	if err != nil {
		t.Fatal(err)
	}
	defer kernel.Close()
	checkKernel(t, "before", before, kernel)
	if err := r.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	r.next(t, "alive")
	after, err := m.look(filepath.Join(dir, "after"), memory<<20)
	if err != nil {
		t.Fatal(err)
	}
	checkKernel(t, "after", after, kernel)
	if before.registers != after.registers {
		t.Errorf("registers before:\n%safter:\n%s", before.registers, after.registers)
	}
	fixed := 0
	for va, p := range before.pages {
		if !p.fixed() {
			continue
		}
		fixed++
		q, ok := after.pages[va]
		if !ok || q.pa != p.pa || !q.fixed() {
			t.Errorf("the page at %#x was read-only: %+v, then %+v", va, p, q)
		} else if !bytes.Equal(before.memory[p.pa:][:4096], after.memory[q.pa:][:4096]) {
			t.Errorf("the read-only page at %#x has changed", va)
		}
	}
	// Of each CPU a page of tables; IDT, fix-ups, verdicts, the boot record.
	if fixed < 6 {
		t.Errorf("only %d pages were read-only by themselves", fixed)
	}
	t.Logf("%d pages of 4 KiB are read-only by themselves, %d of the kernel's half are mapped", fixed, len(before.pages))
}

// monitoredRun is a skerry command whose QEMU has a monitor.
type monitoredRun struct {
	cmd     *exec.Cmd
	lines   *bufio.Scanner // of stdout
	errs    bytes.Buffer
	monitor string // a socket
}

// monitored runs a program on two CPUs; what is left of it at the test's end is killed.
func monitored(ctx context.Context, t *testing.T, flags []string, program string, args ...string) *monitoredRun {
	t.Helper()
	path := built(ctx, t, harness.Musl, program)
	slot(t)
	r := &monitoredRun{monitor: filepath.Join(t.TempDir(), "m")}
	ctx, cancel := context.WithCancel(ctx)
	r.cmd = exec.CommandContext(ctx, skerryCommand(t), append(append(append([]string{"run", "--cpus", "2"}, flags...), path), args...)...)
	r.cmd.Env = append(os.Environ(), "SKERRY_QEMU_ARGS=-monitor unix:"+r.monitor+",server,nowait")
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	r.cmd.Stderr = &r.errs
	out, err := r.cmd.StdoutPipe()
	if err == nil {
		err = r.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		r.cmd.Wait() // it may have ended before
	})
	r.lines = bufio.NewScanner(out)
	return r
}

// next reads up to a line.
func (r *monitoredRun) next(t *testing.T, want string) {
	t.Helper()
	for r.lines.Scan() {
		if r.lines.Text() == want {
			return
		}
		if strings.HasPrefix(r.lines.Text(), "FAIL") {
			t.Error(r.lines.Text())
		}
	}
	r.cmd.Wait()
	t.Fatalf("%q did not come; stderr %q", want, tail(r.errs.Bytes(), 2000))
}

// snapshot is a machine at one moment.
type snapshot struct {
	memory    []byte
	registers string
	cr3       uint64
	tables    []uint64 // bases of GDTs and IDTs
	pages     map[uint64]leaf
}

// leaf is an entry of the kernel's half of the page table that maps memory (Intel SDM
// vol. 3, 4.5).
type leaf struct {
	pa, size             uint64
	write, execute, user bool
}

// fixed: a page of 4 KiB that the kernel made read-only. Larger ones are the text's and
// the cache of the root, which devices fill.
func (l leaf) fixed() bool { return l.size == 4096 && !l.write && !l.execute }

// machineMonitor is QEMU's monitor.
type machineMonitor struct {
	c net.Conn
	r *bufio.Reader
}

func dialMonitor(ctx context.Context, path string) (*machineMonitor, error) {
	for {
		c, err := net.Dial("unix", path)
		if err == nil {
			m := &machineMonitor{c, bufio.NewReader(c)}
			_, err = m.answer()
			return m, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// answer reads up to the next prompt.
func (m *machineMonitor) answer() (string, error) {
	var b []byte
	for !bytes.HasSuffix(b, []byte("(qemu) ")) {
		m.c.SetDeadline(time.Now().Add(time.Minute))
		c, err := m.r.ReadByte()
		if err != nil {
			return "", err
		}
		b = append(b, c)
	}
	return strings.ReplaceAll(string(b), "\r", ""), nil
}

func (m *machineMonitor) do(command string) (string, error) {
	if _, err := m.c.Write([]byte(command + "\n")); err != nil {
		return "", err
	}
	return m.answer()
}

// Lines of "info registers": what a program must not change. RIP and the others go on.
var (
	controlLine = regexp.MustCompile(`(?m)^(?:LDT|TR |GDT|IDT)[= ].*$`)
	controlReg  = regexp.MustCompile(`\b(CR0|CR3|CR4|EFER)=([0-9a-f]+)`)
	tableBase   = regexp.MustCompile(`(?m)^(?:GDT|IDT)= *([0-9a-f]+)`)
)

// look stops the machine, copies its memory, and lets it go on.
func (m *machineMonitor) look(file string, size int64) (*snapshot, error) {
	s := &snapshot{}
	if _, err := m.do("stop"); err != nil {
		return nil, err
	}
	for cpu := range 2 {
		if _, err := m.do("cpu " + strconv.Itoa(cpu)); err != nil {
			return nil, err
		}
		text, err := m.do("info registers")
		if err != nil {
			return nil, err
		}
		s.registers += strings.Join(controlLine.FindAllString(text, -1), "\n") + "\n" + strings.Join(controlReg.FindAllString(text, -1), " ") + "\n"
		for _, r := range controlReg.FindAllStringSubmatch(text, -1) {
			if r[1] == "CR3" {
				if s.cr3, err = strconv.ParseUint(r[2], 16, 64); err != nil {
					return nil, err
				}
			}
		}
		for _, r := range tableBase.FindAllStringSubmatch(text, -1) {
			at, err := strconv.ParseUint(r[1], 16, 64)
			if err != nil {
				return nil, err
			}
			s.tables = append(s.tables, at)
		}
	}
	if _, err := m.do(fmt.Sprintf("pmemsave 0 %d %q", size, file)); err != nil {
		return nil, err
	}
	var err error
	if s.memory, err = os.ReadFile(file); err != nil {
		return nil, err
	}
	os.Remove(file)
	if int64(len(s.memory)) != size || s.cr3 == 0 || len(s.tables) != 4 {
		return nil, fmt.Errorf("%d bytes, CR3 %#x, tables %#x", len(s.memory), s.cr3, s.tables)
	}
	s.pages = map[uint64]leaf{}
	if err := s.walk(s.cr3, 4, 0, true, true); err != nil {
		return nil, err
	}
	_, err = m.do("cont")
	return s, err
}

func (s *snapshot) walk(table uint64, level uint, va uint64, write, execute bool) error {
	const present, writable, user, large, nx, address = 1, 2, 4, 1 << 7, 1 << 63, 0x000ffffffffff000
	table &= address
	if table+4096 > uint64(len(s.memory)) {
		return errors.New("a table lies outside of the memory")
	}
	first := uint64(0)
	if level == 4 {
		first = 256
	}
	for i := first; i < 512; i++ {
		e := binary.LittleEndian.Uint64(s.memory[table+i*8:])
		if e&present == 0 {
			continue
		}
		at := va | i<<(12+9*(level-1))
		if level == 4 {
			at |= 0xffff << 48
		}
		w, x := write && e&writable != 0, execute && e&nx == 0
		if level > 1 && e&large == 0 {
			if err := s.walk(e, level-1, at, w, x); err != nil {
				return err
			}
			continue
		}
		size := uint64(4096) << (9 * (level - 1))
		s.pages[at] = leaf{pa: e & address &^ (size - 1), size: size, write: w, execute: x, user: e&user != 0}
	}
	return nil
}

// checkKernel compares text and read-only data with the kernel's file, and looks at the
// rights of every page.
func checkKernel(t *testing.T, when string, s *snapshot, kernel *elf.File) {
	t.Helper()
	var text, constant *elf.Prog
	for _, p := range kernel.Progs {
		if p.Type != elf.PT_LOAD || p.Flags&elf.PF_W != 0 {
			continue
		}
		if p.Flags&elf.PF_X != 0 {
			text = p
		} else {
			constant = p
		}
		want := make([]byte, p.Filesz)
		if _, err := p.ReadAt(want, 0); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(s.memory[p.Paddr:][:p.Filesz], want) {
			t.Errorf("%s: the kernel's segment at %#x is not that of its file", when, p.Vaddr)
		}
	}
	code := uint64(0)
	for va, l := range s.pages {
		end := va + l.size
		switch {
		case l.user:
			t.Errorf("%s: the page at %#x is the program's as well", when, va)
		case l.execute && (l.write || va < text.Vaddr || end > (text.Vaddr+text.Memsz+4095)&^4095):
			t.Errorf("%s: the page at %#x is executable", when, va)
		case l.write && l.pa < constant.Paddr+constant.Memsz && l.pa+l.size > text.Paddr:
			t.Errorf("%s: the page at %#x can write to text or read-only data", when, va)
		}
		if l.execute {
			code += l.size
		}
		for _, q := range s.tables {
			if va == q&^4095 && !l.fixed() {
				t.Errorf("%s: the table at %#x is not read-only", when, q)
			}
		}
	}
	if code < text.Memsz&^4095 {
		t.Errorf("%s: only %d bytes are executable", when, code)
	}
	for _, q := range s.tables {
		if _, ok := s.pages[q&^4095]; !ok {
			t.Errorf("%s: no page of its own for the table at %#x", when, q)
		}
	}
	// No other view of a page that is read-only by itself can write to it.
	var fixed []uint64
	for _, l := range s.pages {
		if l.fixed() {
			fixed = append(fixed, l.pa)
		}
	}
	slices.Sort(fixed)
	for va, l := range s.pages {
		if i, _ := slices.BinarySearch(fixed, l.pa); l.write && i < len(fixed) && fixed[i] < l.pa+l.size {
			t.Errorf("%s: the page at %#x can write to one that is read-only", when, va)
		}
	}
}
