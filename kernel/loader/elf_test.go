package loader

import (
	"bytes"
	"strings"
	"testing"

	"skerry/kernel/abi"
)

// memFile is a File of bytes.
type memFile []byte

func (m memFile) Size() int64 { return int64(len(m)) }

func (m memFile) ReadAt(b []byte, off int64) (int, abi.Errno) {
	if off < 0 || off > int64(len(m)) {
		return 0, abi.EINVAL
	}
	return copy(b, m[off:]), abi.OK
}

// testELF is a file to be made, and unmade in one detail.
type testELF struct {
	ident   [16]byte
	kind    uint16
	machine uint16
	version uint32
	entry   uint64
	phoff   uint64
	ehsize  uint16
	phent   uint16
	phnum   int // -1 for as many as there are
	headers []phdr
	size    int
	data    map[int][]byte
}

const (
	iText, iRodata, iData, iStack, iRelro, iInterp, iDynamic, iTLS = 0, 1, 2, 3, 4, 5, 6, 7
)

// sample is a well-formed position-independent program with what programs have.
func sample() *testELF {
	return &testELF{
		ident: [16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, kind: etDyn, machine: emX86_64, version: 1,
		entry: 0x1100, phoff: ehdrSize, ehsize: ehdrSize, phent: phdrSize, phnum: -1, size: 0x4800,
		headers: []phdr{
			iText:    {ptLoad, pfR | pfX, 0x0, 0x0, 0x1800, 0x1800, 0x1000},
			iRodata:  {ptLoad, pfR, 0x2000, 0x2000, 0x1000, 0x1000, 0x1000},
			iData:    {ptLoad, pfR | pfW, 0x3e00, 0x4e00, 0x600, 0x3000, 0x1000},
			iStack:   {ptGNUStack, pfR | pfW, 0, 0, 0, 0, 16},
			iRelro:   {ptGNURelro, pfR, 0x3e00, 0x4e00, 0x200, 0x200, 1},
			iInterp:  {ptInterp, pfR, 0x400, 0x400, 0, 0, 1},
			iDynamic: {ptDynamic, pfR | pfW, 0x3e00, 0x4e00, 0x40, 0x40, 8},
			iTLS:     {7, pfR, 0x3e00, 0x4e00, 0x10, 0x40, 16},
		},
		data: map[int][]byte{},
	}
}

// interp gives the file an interpreter.
func (x *testELF) interp(path string) *testELF {
	x.headers[iInterp].filesz = uint64(len(path))
	x.data[0x400] = []byte(path)
	return x
}

func (x *testELF) file() memFile {
	headers := x.headers
	if headers[iInterp].filesz == 0 && len(headers) == 8 {
		headers = append(append([]phdr{}, headers[:iInterp]...), headers[iInterp+1:]...)
	}
	b := make([]byte, max(x.size, ehdrSize+len(headers)*phdrSize))
	copy(b, x.ident[:])
	le.PutUint16(b[16:], x.kind)
	le.PutUint16(b[18:], x.machine)
	le.PutUint32(b[20:], x.version)
	le.PutUint64(b[24:], x.entry)
	le.PutUint64(b[32:], x.phoff)
	le.PutUint16(b[52:], x.ehsize)
	le.PutUint16(b[54:], x.phent)
	n := x.phnum
	if n < 0 {
		n = len(headers)
	}
	le.PutUint16(b[56:], uint16(n))
	if x.phoff <= uint64(len(b)) {
		for i, h := range headers {
			if p := b[x.phoff:]; len(p) >= (i+1)*phdrSize {
				p = p[i*phdrSize:]
				le.PutUint32(p, h.kind)
				le.PutUint32(p[4:], h.flags)
				le.PutUint64(p[8:], h.off)
				le.PutUint64(p[16:], h.vaddr)
				le.PutUint64(p[24:], h.vaddr)
				le.PutUint64(p[32:], h.filesz)
				le.PutUint64(p[40:], h.memsz)
				le.PutUint64(p[48:], h.palign)
			}
		}
	}
	for off, d := range x.data {
		copy(b[off:], d)
	}
	if x.size < len(b) {
		b = b[:x.size]
	}
	return b
}

func TestParseSample(t *testing.T) {
	img, e := Parse(sample().interp("/lib/ld.so\x00").file())
	if e != nil {
		t.Fatal(e)
	}
	if !img.PositionIndependent || img.Entry != 0x1100 || img.Interp != "/lib/ld.so" || img.Phnum != 8 ||
		!img.HasPhdr || img.Phdr != ehdrSize || img.Lo != 0 || img.Hi != 0x8000 || img.Align != 0x1000 ||
		img.RelroLo != 0x4000 || img.RelroHi != 0x5000 || len(img.Segments) != 3 {
		t.Errorf("%+v", img)
	}
	if s := img.Segments[2]; s != (Segment{2, 0x3e00, 0x4e00, 0x600, 0x3000, ProtRead | ProtWrite}) {
		t.Errorf("%+v", s)
	}
}

func TestParseAccepts(t *testing.T) {
	for name, change := range map[string]func(x *testELF){
		"Linux as the system":          func(x *testELF) { x.ident[7] = elfOSABILinux },
		"an ABI version":               func(x *testELF) { x.ident[8] = 7 },
		"segments out of order":        func(x *testELF) { x.headers[iText], x.headers[iData] = x.headers[iData], x.headers[iText] },
		"an empty segment":             func(x *testELF) { x.headers[iTLS] = phdr{ptLoad, pfR, 0x2345, 0x100, 0, 0, 0} },
		"no stack header":              func(x *testELF) { x.headers[iStack].kind = 0x12345 },
		"alignment 0":                  func(x *testELF) { x.headers[iText].palign = 0 },
		"alignment 1":                  func(x *testELF) { x.headers[iText].palign = 1 },
		"alignment of 1 GiB":           func(x *testELF) { x.headers[iText].palign = 1 << 30 },
		"unknown header types":         func(x *testELF) { x.headers[iTLS] = phdr{0x6fffffff, 9, ^uint64(0), 1, 2, 3, 5} },
		"processor flags":              func(x *testELF) { x.headers[iText].flags |= 0xf0000000 },
		"the last byte as the entry":   func(x *testELF) { x.entry = 0x17ff },
		"bss only, not congruent":      func(x *testELF) { x.headers[iTLS] = phdr{ptLoad, pfR | pfW, 0x123, 0x9000, 0, 0x2000, 0x1000} },
		"read-only bss":                func(x *testELF) { x.headers[iTLS] = phdr{ptLoad, pfR, 0, 0x9000, 0, 0x2000, 0x1000} },
		"read-only bss after a page":   func(x *testELF) { x.headers[iRodata].memsz = 0x2000 },
		"code that cannot be read":     func(x *testELF) { x.headers[iText].flags = pfX },
		"a segment without any access": func(x *testELF) { x.headers[iRodata].flags = 0 },
		"a base address":               func(x *testELF) { x.move(0x7000000000) },
		"a fixed address":              func(x *testELF) { x.kind = etExec; x.move(0x400000) },
		"the lowest fixed address":     func(x *testELF) { x.kind = etExec; x.move(Lowest) },
		"headers at the end":           func(x *testELF) { x.phoff = 0x4600 },
		"relro beyond its segment":     func(x *testELF) { x.headers[iRelro].memsz = 1 << 40 },
		"relro nowhere":                func(x *testELF) { x.headers[iRelro].vaddr = ^uint64(0) },
		"an empty dynamic section":     func(x *testELF) { x.headers[iDynamic].filesz = 0 },
		"128 headers": func(x *testELF) {
			for len(x.headers) < MaxSegments {
				x.headers = append(x.headers, phdr{kind: 0})
			}
			x.headers[iInterp].kind = 0
		},
	} {
		x := sample()
		change(x)
		if _, e := Parse(x.file()); e != nil {
			t.Errorf("%s: %v", name, e)
		}
	}
}

// move links the file elsewhere.
func (x *testELF) move(by uint64) {
	for i := range x.headers {
		if x.headers[i].kind != ptGNUStack {
			x.headers[i].vaddr += by
		}
	}
	x.entry += by
}

func TestParseRefuses(t *testing.T) {
	dyn := func(words ...uint64) []byte {
		var b []byte
		for _, w := range words {
			b = le.AppendUint64(b, w)
		}
		return b
	}
	for want, changes := range map[string][]func(x *testELF){
		"is empty":         {func(x *testELF) { x.size = 0 }},
		"is not an ELF":    {func(x *testELF) { x.size = 3 }, func(x *testELF) { x.ident[0] = 0 }, func(x *testELF) { x.ident[3] = 'f' }},
		"is a script":      {func(x *testELF) { copy(x.ident[:], "#!/bin/sh\n") }},
		"inside the ELF":   {func(x *testELF) { x.size = 4 }, func(x *testELF) { x.size = 63 }},
		"32-bit":           {func(x *testELF) { x.ident[4] = 1 }},
		"ELF class":        {func(x *testELF) { x.ident[4] = 0 }, func(x *testELF) { x.ident[4] = 3 }},
		"big-endian":       {func(x *testELF) { x.ident[5] = 2 }},
		"byte order":       {func(x *testELF) { x.ident[5] = 0 }},
		"ELF version":      {func(x *testELF) { x.ident[6] = 0 }, func(x *testELF) { x.version = 2 }},
		"OSABI 9":          {func(x *testELF) { x.ident[7] = 9 }},
		"64-bit Arm":       {func(x *testELF) { x.machine = 183 }},
		"machine 7777":     {func(x *testELF) { x.machine = 7777 }},
		"an object file":   {func(x *testELF) { x.kind = etRel }},
		"a core dump":      {func(x *testELF) { x.kind = etCore }},
		"ELF type":         {func(x *testELF) { x.kind = 0 }, func(x *testELF) { x.kind = 0xff00 }},
		"wrong size":       {func(x *testELF) { x.ehsize = 65 }, func(x *testELF) { x.phent = 55 }, func(x *testELF) { x.phent = 57 }},
		"no program heade": {func(x *testELF) { x.phnum = 0 }},
		"129 program head": {func(x *testELF) { x.phnum = 129 }},
		"65535 program":    {func(x *testELF) { x.phnum = 0xffff }},
		"behind the end of the file": {
			func(x *testELF) { x.phoff = ^uint64(0) }, func(x *testELF) { x.phoff = ^uint64(0) - 7*phdrSize + 1 },
			func(x *testELF) { x.phoff = 1 << 63 }, func(x *testELF) { x.phoff = 0x4800 - 7*phdrSize + 1 },
			func(x *testELF) { x.size = 0x4000 },
			func(x *testELF) { x.headers[iText].off, x.headers[iText].filesz = 1<<63, 0x1000 },
			func(x *testELF) { x.headers[iText].off = ^uint64(0) &^ 0xfff },
		},
		"writable and executable": {func(x *testELF) { x.headers[iText].flags = 7 }, func(x *testELF) { x.headers[iData].flags = pfW | pfX }},
		"more bytes in the file":  {func(x *testELF) { x.headers[iText].memsz-- }, func(x *testELF) { x.headers[iText].memsz = 0 }},
		"power of two":            {func(x *testELF) { x.headers[iText].palign = 0x1001 }, func(x *testELF) { x.headers[iText].palign = ^uint64(0) }},
		"above 1 GiB":             {func(x *testELF) { x.headers[iText].palign = 1 << 31 }, func(x *testELF) { x.headers[iText].palign = 1 << 63 }},
		"outside of the address space": {
			func(x *testELF) { x.headers[iData].vaddr += 1 << 47 }, func(x *testELF) { x.headers[iData].vaddr = ^uint64(0) &^ 0x1ff },
			func(x *testELF) { x.headers[iData].memsz = ^uint64(0) }, func(x *testELF) { x.headers[iData].memsz = limit - 0x4e00 + 1 },
		},
		"differ within the page": {func(x *testELF) { x.headers[iData].off -= 0x100 }},
		"memory that does not":   {func(x *testELF) { x.headers[iText].memsz++ }, func(x *testELF) { x.headers[iRodata].flags |= pfX; x.headers[iRodata].memsz = 0x2000 }},
		"read-only and has zero": {func(x *testELF) { x.headers[iRodata].filesz, x.headers[iRodata].memsz = 0xff0, 0x1000 }},
		"no segment to load": {func(x *testELF) {
			for i := range x.headers {
				x.headers[i].kind = 0
			}
		}},
		"shares a page": {
			func(x *testELF) { x.headers[iRodata].vaddr = 0x1000 }, func(x *testELF) { x.headers[iRodata].vaddr = 0 },
			func(x *testELF) { x.headers[iTLS] = phdr{ptLoad, pfR | pfW, 0, 0x7fff, 0, 1, 1} },
			func(x *testELF) { x.headers[iTLS] = phdr{ptLoad, pfR | pfW, 0, 0x7e00, 0, 0x1000, 1} },
		},
		"more than 1 TiB": {func(x *testELF) { x.headers[iData].memsz = 1 << 40 }, func(x *testELF) { x.headers[iData].vaddr += 1 << 46 }},
		"below 64 KiB":    {func(x *testELF) { x.kind = etExec }, func(x *testELF) { x.kind = etExec; x.move(Lowest - 0x1000) }},
		"above 17 TiB":    {func(x *testELF) { x.kind = etExec; x.move(fixedEnd) }, func(x *testELF) { x.kind = etExec; x.move(fixedEnd - 0x7000) }},
		"second PT_INTERP": {func(x *testELF) {
			x.interp("/a\x00")
			x.headers[iTLS] = x.headers[iInterp]
		}},
		"no sensible length": {
			func(x *testELF) { x.interp("\x00") },
			func(x *testELF) { x.interp("/x\x00"); x.headers[iInterp].filesz = 4097 },
			func(x *testELF) { x.interp("/x\x00"); x.headers[iInterp].off = 0x4800 - 2 },
			func(x *testELF) { x.interp("/x\x00"); x.headers[iInterp].off = ^uint64(0) },
		},
		"only NUL":        {func(x *testELF) { x.interp("/lib/ld.so") }, func(x *testELF) { x.interp("/l\x00b\x00") }, func(x *testELF) { x.interp("/x\x00\x00") }},
		"absolute path":   {func(x *testELF) { x.interp("ld.so\x00") }},
		"executable stac": {func(x *testELF) { x.headers[iStack].flags = 7 }, func(x *testELF) { x.headers[iStack].flags = pfX }},
		"DT_TEXTREL": {
			func(x *testELF) { x.data[0x3e00] = dyn(1, 2, dtTextrel, 0) },
			func(x *testELF) { x.data[0x3e00] = dyn(dtFlags, dfTextrel|8) },
			func(x *testELF) {
				x.headers[iDynamic].filesz = 0x600
				var b []byte
				for range 95 {
					b = append(b, dyn(1, 1)...)
				}
				x.data[0x3e00] = append(b, dyn(dtTextrel, 0)...)
			},
		},
		"is too long, or": {
			func(x *testELF) { x.headers[iDynamic].filesz = maxDynamic + 1 }, func(x *testELF) { x.headers[iDynamic].off = 0x4800 - 0x3f },
			func(x *testELF) { x.headers[iDynamic].off = ^uint64(0) },
		},
		"entry point outside": {
			func(x *testELF) { x.entry = 0x1800 }, func(x *testELF) { x.entry = 0x2000 }, func(x *testELF) { x.entry = ^uint64(0) },
			func(x *testELF) { x.headers[iText].flags = pfR }, func(x *testELF) { x.entry = 0x4f00 },
			func(x *testELF) { x.kind = etExec; x.move(0x400000); x.entry = 0 },
		},
		"a shared library": {func(x *testELF) { x.entry = 0; x.headers[iText].flags = pfR }},
	} {
		for i, change := range changes {
			x := sample()
			change(x)
			img, e := Parse(x.file())
			if e == nil {
				t.Errorf("%q, %d: accepted as %+v", want, i, img)
			} else if !strings.Contains(e.Text, want) || e.Status != StatusCannotRun || e.Errno != abi.ENOEXEC {
				t.Errorf("%q, %d: refused with %+v", want, i, e)
			}
		}
	}
}

// TestPhdr: AT_PHDR is where a segment has the program headers, all of them.
func TestPhdr(t *testing.T) {
	const table = 7 * phdrSize
	for _, c := range []struct {
		phoff uint64
		phdr  uint64 // 0 for not in memory
	}{
		{ehdrSize, ehdrSize}, {0x1800 - table, 0x1800 - table}, {0x1800 - table + 8, 0}, {0x1900, 0},
		{0x2000, 0x2000}, {0x3e00, 0x4e00}, {0x4400 - table, 0x5400 - table}, {0x4400 - table + 8, 0}, {0x4600, 0},
	} {
		x := sample()
		x.phoff = c.phoff
		x.headers[iDynamic].filesz = 0 // the table may lie over it
		img, e := Parse(x.file())
		if e != nil {
			t.Fatal(e)
		}
		if img.HasPhdr != (c.phdr != 0) || img.Phdr != c.phdr {
			t.Errorf("headers at offset %#x: %v, address %#x, want %#x", c.phoff, img.HasPhdr, img.Phdr, c.phdr)
		}
	}
}

// TestDynamicEnds: entries behind DT_NULL do not count.
func TestDynamicEnds(t *testing.T) {
	x := sample()
	x.data[0x3e10] = []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, dtTextrel}
	if _, e := Parse(x.file()); e != nil {
		t.Error(e)
	}
}

// badFile fails at its nth read.
type badFile struct {
	memFile
	n   *int
	how string
}

func (f badFile) ReadAt(b []byte, off int64) (int, abi.Errno) {
	if *f.n--; *f.n == 0 {
		if f.how == "short" {
			return len(b) - 1, abi.OK
		}
		return 0, abi.EIO
	}
	return f.memFile.ReadAt(b, off)
}

func TestReadErrors(t *testing.T) {
	x := sample().interp("/lib/ld.so\x00")
	x.phoff = 0x4600 // its own read
	for how, want := range map[string]string{"short": "is cut off", "EIO": "cannot be read: EIO"} {
		reads := 0
		for n := 1; ; n++ {
			left := n
			_, e := Parse(badFile{x.file(), &left, how})
			if e == nil {
				break
			}
			reads++
			if !strings.Contains(e.Text, want) || e.Status != StatusCannotRun {
				t.Errorf("read %d, %s: %+v", n, how, e)
			}
		}
		if reads != 4 { // header, table, interpreter, dynamic section
			t.Errorf("%d reads", reads)
		}
	}
	// A size that lies is a file that is cut off.
	if _, e := Parse(liar{x.file()}); e == nil || !strings.Contains(e.Text, "cut off") {
		t.Errorf("a file that is shorter than it says: %v", e)
	}
}

type liar struct{ memFile }

func (l liar) Size() int64 { return 1 << 62 }

func (l liar) ReadAt(b []byte, off int64) (int, abi.Errno) {
	if off > int64(len(l.memFile)) {
		return 0, abi.OK
	}
	n := copy(b, l.memFile[off:])
	return min(n, len(b)/2), abi.OK
}

func TestTextIsPrintable(t *testing.T) {
	x := sample().interp("/a\x1b[31m\xff\x00")
	_, e := Load(x.file(), func(string) (File, abi.Errno) { return nil, abi.ENOENT }, &Layout{PIE: 1 << 44})
	if e == nil || e.Status != StatusNotFound || e.Errno != abi.ENOENT {
		t.Fatalf("%+v", e)
	}
	if bytes.ContainsFunc([]byte(e.Text), func(r rune) bool { return r < ' ' || r > '~' }) {
		t.Errorf("%q", e.Text)
	}
}
