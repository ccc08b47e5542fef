package vmm

import (
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"
)

// tiny is a kernel that prints the first eight bytes of its first module and its
// command line on the serial port, and then ends the machine as a kernel with a
// bug does. It shows that the real QEMU takes our command line and hands over
// what it should, without a kernel of ours.
func tiny() []byte {
	code := []byte{ // entered in 32-bit mode with EBX at hvm_start_info (Xen, hvm/start_info.h)
		0x8b, 0x73, 0x10, // mov esi, [ebx+16]: modlist_paddr
		0x8b, 0x36, // mov esi, [esi]: paddr of the first module
		0xb9, 8, 0, 0, 0, // mov ecx, 8
		0x66, 0xba, 0xf8, 0x03, // mov dx, 0x3f8
		0xac, 0xee, 0xe2, 0xfc, // 1: lodsb; out dx, al; loop 1b
		0x8b, 0x73, 0x18, // mov esi, [ebx+24]: cmdline_paddr
		0xac, 0x84, 0xc0, 0x74, 3, 0xee, 0xeb, 0xf8, // 2: lodsb; test al, al; jz 3f; out dx, al; jmp 2b
		0x66, 0xba, 0x01, 0x05, // 3: mov dx, 0x501
		0x66, 0xb8, 60, 0, // mov ax, 60
		0x66, 0xef, 0xf4, // out dx, ax; hlt
	}
	le := binary.LittleEndian
	b := make([]byte, 0x1000)
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint16(b[16:], 2)
	le.PutUint16(b[18:], 62)
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[24:], 0x100000)
	le.PutUint64(b[32:], 64)
	le.PutUint16(b[52:], 64)
	le.PutUint16(b[54:], 56)
	le.PutUint16(b[56:], 2)
	segment := func(p []byte, kind, flags uint32, off, addr, size, align uint64) {
		le.PutUint32(p, kind)
		le.PutUint32(p[4:], flags)
		for i, v := range []uint64{off, addr, addr, size, size, align} {
			le.PutUint64(p[8+8*i:], v)
		}
	}
	const note = 0xf00
	segment(b[64:], 1, 5, 0x1000, 0x100000, uint64(len(code)), 0x1000)
	segment(b[120:], 4, 4, note, 0, 24, 4)
	le.PutUint32(b[note:], 4)    // "Xen\0"
	le.PutUint32(b[note+4:], 8)  // 64-bit descriptor
	le.PutUint32(b[note+8:], 18) // XEN_ELFNOTE_PHYS32_ENTRY
	copy(b[note+12:], "Xen\x00") //
	le.PutUint64(b[note+16:], 0x100000)
	return append(b, code...)
}

// TestRealQEMU boots the tiny kernel on each machine type, in several sizes, with
// every device.
func TestRealQEMU(t *testing.T) {
	qemu, err := FindQEMU()
	if err != nil {
		t.Skip(err)
	}
	data, err := os.Open(put(t, "data", strings.Repeat("d", 4096)))
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	for _, c := range []struct {
		machine, cpu string
		cpus         int
		memory       int64
		data, net    bool
		devices      int // virtio-mmio devices on the command line
	}{
		{MicroVM, "", 1, 64 << 20, false, true, 4},
		{MicroVM, "qemu64", 8, 256<<20 + 4096, true, true, 5},
		{MicroVM, "", 2, 16 << 30, false, false, 3},
		{Q35, "", 1, 64 << 20, true, true, 0},
		{Q35, "qemu64", 8, 16 << 30, false, false, 0},
	} {
		s := newSession(t)
		s.QEMU, s.Machine, s.CPU, s.CPUs, s.Memory, s.Network = qemu, c.machine, c.cpu, c.cpus, c.memory, c.net
		s.Kernel = kernelOf(string(tiny()))
		if err := os.Truncate(s.Root.File.Name(), 12288); err != nil {
			t.Fatal(err)
		}
		if c.data {
			s.Data = &Disk{File: data, Offset: 0, Size: 4096}
		}
		if c.net {
			s.Forwards = []Forward{{"tcp", addrPort("127.0.0.1:0"), 80}, {"udp", addrPort("127.0.0.1:0"), 53}}
		}
		r := s.run(t)
		text := strings.Join(r.Detail, "\n")
		if r.Status != StatusKernelBug || !strings.HasPrefix(text, "SKERRYBR") || strings.Count(text, "virtio_mmio.device=") != c.devices {
			t.Errorf("%+v: %+v; QEMU said %q", c, r, s.said)
		}
		if len(s.said) > 0 && strings.Contains(s.said[len(s.said)-1], "sandbox") {
			t.Log("this QEMU has no sandbox")
		}
	}
}

// TestRealQEMURefuses: what QEMU says is told in our words.
func TestRealQEMURefuses(t *testing.T) {
	qemu, err := FindQEMU()
	if err != nil {
		t.Skip(err)
	}
	for text, change := range map[string]func(*session){
		"does not have the CPU model": func(s *session) { s.CPU = "no-such-cpu" },
		"does not accept the kernel":  func(s *session) { s.Kernel = kernelOf("not a kernel") },
		"QEMU ended with status 1":    func(s *session) { s.Root.Offset = 1 << 40 },
		"does not have the memory":    func(s *session) { s.Memory = 1 << 40 },
	} {
		s := newSession(t)
		s.QEMU, s.Kernel = qemu, kernelOf(string(tiny()))
		if err := os.Truncate(s.Root.File.Name(), 12288); err != nil {
			t.Fatal(err)
		}
		change(s)
		if r := s.run(t); r.Status != StatusFailed || !strings.Contains(r.Message, text) {
			t.Errorf("%s: %+v", text, r)
		}
	}
}

func TestQEMUVersion(t *testing.T) {
	for out, want := range map[string]string{
		"QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\nCopyright": "7.2.22",
		"QEMU emulator version 10.0.50":                                 "10.0.50",
		"QEMU emulator version 6.0":                                     "6.0",
		"hello":                                                         "",
	} {
		q := put(t, "qemu", "#!/bin/sh\ncat <<'EOF'\n"+out+"\nEOF\n")
		if err := os.Chmod(q, 0o700); err != nil {
			t.Fatal(err)
		}
		v, major, err := QEMUVersion(q)
		if v != want || (err == nil) != (want != "") || want != "" && !strings.HasPrefix(want, string(rune('0'+major%10))) && major != 10 {
			t.Errorf("%q: %q, %d, %v", out, v, major, err)
		}
	}
	if _, _, err := QEMUVersion("/no/qemu"); err == nil {
		t.Error("no QEMU has a version")
	}
}

// TestEnvironment: QEMU gets nothing of ours that it does not need, and what makes a
// translator's memory cheaper only where it translates.
func TestEnvironment(t *testing.T) {
	t.Setenv("TMPDIR", "/t")
	t.Setenv("SECRET", "x")
	t.Setenv("GLIBC_TUNABLES", "ours")
	for name, want := range map[string]bool{TCG: true, KVM: false, "": false} {
		env := environment(Accel{Name: name})
		tuned := slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, "GLIBC_TUNABLES=glibc.malloc.") })
		if tuned != want || !slices.Contains(env, "TMPDIR=/t") || strings.Contains(strings.Join(env, " "), "SECRET") || slices.Contains(env, "GLIBC_TUNABLES=ours") {
			t.Errorf("%q: %q", name, env)
		}
	}
}
