package known

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/bits"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// A compiled module of CPython begins with the magic number of its bytecode, flags, and
// what tells that it belongs to its source: the source's time and size, or a hash of
// it (PEP 552). Files of an image have no times of their own, so modules of the first
// kind would be taken for stale there; they are packed as ones of the second kind,
// which hold on any file system.
const (
	pycHeader  = 16 // bytes
	pycHashed  = 1  // flag: a hash of the source, not its time and size
	pycChecked = 2  // flag: the interpreter compares that hash
)

var pycName = regexp.MustCompile(`^(.+)\.cpython-3(\d+)(\.opt-[a-z0-9]+)?\.pyc$`)

// Pyc is a compiled module that belongs to its source by the source's time and size.
type Pyc struct {
	File, Source string
	minor        int // of Python 3, whose bytecode it is
	head         [pycHeader]byte
}

// pycOf takes the path of a compiled module apart (PEP 3147): where its source is, and
// for which Python 3 it is; ok is false if it is none.
func pycOf(file string) (source string, minor int, ok bool) {
	dir, name := filepath.Split(file)
	m := pycName.FindStringSubmatch(name)
	if m == nil || filepath.Base(dir) != "__pycache__" {
		return "", 0, false
	}
	minor, err := strconv.Atoi(m[2])
	return filepath.Join(filepath.Dir(filepath.Clean(dir)), m[1]+".py"), minor, err == nil
}

// readPyc reads the header of a compiled module; nil if the file is none, or Python would
// not use it here since its source is another than the one that was compiled.
func readPyc(file string) *Pyc {
	source, minor, ok := pycOf(file)
	if !ok || minor < 7 { // the header was shorter before 3.7
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	p := &Pyc{File: file, Source: source, minor: minor}
	if _, err := io.ReadFull(f, p.head[:]); err != nil || p.head[2] != '\r' || p.head[3] != '\n' {
		return nil
	}
	info, err := os.Stat(source)
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	le := binary.LittleEndian
	switch flags := le.Uint32(p.head[4:]); {
	case flags&^(pycHashed|pycChecked) != 0:
		return nil
	case flags&pycHashed != 0:
		return p
	case flags != 0 || le.Uint32(p.head[8:]) != uint32(info.ModTime().Unix()) || le.Uint32(p.head[12:]) != uint32(info.Size()):
		return nil
	}
	return p
}

// TimedPyc is the compiled module at a path of the host, if it is one that Python uses
// here and that would be stale in an image; else nil.
func TimedPyc(file string) *Pyc {
	if p := readPyc(file); p != nil && p.head[4]&pycHashed == 0 {
		return p
	}
	return nil
}

// Open reads the module with a header that names its source by a hash. The interpreter
// compares it, so that a source which is put over the packed one counts.
func (p *Pyc) Open() (io.ReadCloser, error) {
	text, err := os.ReadFile(p.Source)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(p.File)
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(pycHeader, io.SeekStart); err != nil {
		f.Close()
		return nil, err
	}
	le, head := binary.LittleEndian, p.head
	le.PutUint32(head[4:], pycHashed|pycChecked)
	le.PutUint64(head[8:], pycHash(p.minor, le.Uint32(head[:]), text))
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head[:]), f), f}, nil
}

// pycHash is the hash of a source (importlib.util.source_hash): SipHash with the magic
// number for its key, of two rounds per word and four at the end, and since 3.11 one
// and three.
func pycHash(minor int, magic uint32, text []byte) uint64 {
	if minor < 11 {
		return sipHash(2, 4, uint64(magic), 0, text)
	}
	return sipHash(1, 3, uint64(magic), 0, text)
}

// sipHash is SipHash-c-d (Aumasson and Bernstein, "SipHash: a fast short-input PRF").
func sipHash(c, d int, k0, k1 uint64, text []byte) uint64 {
	v0, v1, v2, v3 := k0^0x736f6d6570736575, k1^0x646f72616e646f6d, k0^0x6c7967656e657261, k1^0x7465646279746573
	round := func() {
		v0 += v1
		v2 += v3
		v1 = bits.RotateLeft64(v1, 13) ^ v0
		v3 = bits.RotateLeft64(v3, 16) ^ v2
		v0 = bits.RotateLeft64(v0, 32)
		v2 += v1
		v0 += v3
		v1 = bits.RotateLeft64(v1, 17) ^ v2
		v3 = bits.RotateLeft64(v3, 21) ^ v0
		v2 = bits.RotateLeft64(v2, 32)
	}
	word := func(m uint64) {
		v3 ^= m
		for range c {
			round()
		}
		v0 ^= m
	}
	size := len(text)
	for ; len(text) >= 8; text = text[8:] {
		word(binary.LittleEndian.Uint64(text))
	}
	var last [8]byte
	copy(last[:], text)
	last[7] = byte(size)
	word(binary.LittleEndian.Uint64(last[:]))
	v2 ^= 0xff
	for range d {
		round()
	}
	return v0 ^ v1 ^ v2 ^ v3
}

// pycSkip leaves out of folders of modules what is compiled and would not be used: what
// is for another version of Python, and what is stale.
func pycSkip(dir, rel string, minor int) bool {
	if filepath.Base(filepath.Dir(rel)) != "__pycache__" {
		return false
	}
	_, m, ok := pycOf(rel)
	return !ok || m != minor || strings.Contains(filepath.Base(rel), ".opt-") || readPyc(filepath.Join(dir, rel)) == nil
}
