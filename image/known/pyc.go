package known

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// A compiled module of CPython begins with the magic number of its bytecode, flags, and
// what tells that it belongs to its source: the source's time and size, or a hash of
// it (PEP 552).
const (
	pycHeader  = 16 // bytes
	pycHashed  = 1  // flag: a hash of the source, not its time and size
	pycChecked = 2  // flag: the interpreter compares that hash
)

var pycName = regexp.MustCompile(`^(.+)\.cpython-3(\d+)(\.opt-[a-z0-9]+)?\.pyc$`)

// Pyc is a compiled module that belongs to its source by the source's time and size.
type Pyc struct {
	// Modified is the source's time in seconds since the Unix epoch, of which the module
	// names the lower 32 bits.
	Modified int64

	file string
	head [pycHeader]byte
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
	p := &Pyc{file: file}
	if _, err := io.ReadFull(f, p.head[:]); err != nil || p.head[2] != '\r' || p.head[3] != '\n' {
		return nil
	}
	info, err := os.Stat(source)
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	p.Modified = info.ModTime().Unix()
	le := binary.LittleEndian
	switch flags := le.Uint32(p.head[4:]); {
	case flags&^(pycHashed|pycChecked) != 0:
		return nil
	case flags&pycHashed != 0:
		return p
	case flags != 0 || le.Uint32(p.head[8:]) != uint32(p.Modified) || le.Uint32(p.head[12:]) != uint32(info.Size()):
		return nil
	}
	return p
}

// TimedPyc is the compiled module at a path of the host, if it is one that Python uses
// here and that would be stale where its source has another time; else nil.
func TimedPyc(file string) *Pyc {
	if p := readPyc(file); p != nil && p.head[4]&pycHashed == 0 {
		return p
	}
	return nil
}

// Open reads the module as it is for a source with another time.
func (p *Pyc) Open(modified int64) (io.ReadCloser, error) {
	f, err := os.Open(p.file)
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(pycHeader, io.SeekStart); err != nil {
		f.Close()
		return nil, err
	}
	head := p.head
	binary.LittleEndian.PutUint32(head[8:], uint32(modified))
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head[:]), f), f}, nil
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
