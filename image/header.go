package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// Magic is how an image file begins.
const Magic = "SKERRYIM"

// FormatVersion is the version of the format that this package reads and writes.
const FormatVersion = 1

const (
	headerSize  = 4096
	headerSum   = headerSize - sha256.Size // where the header's own hash stands
	sectionBase = 32
	sectionSize = 64
	maxSections = 32
	align       = 4096
)

// Kinds of sections. They stand in a file in this order.
const (
	kindManifest = 1
	kindKernel   = 2
	kindRoot     = 3
)

// Largest sizes of sections in bytes.
const (
	maxManifest = 8 << 20
	maxKernel   = 256 << 20
	maxRoot     = 1 << 44
)

// Section is a part of an image file.
type Section struct {
	Kind           uint32
	Offset, Length int64 // bytes; Offset is a multiple of 4096
	SHA256         [sha256.Size]byte
}

// header is the first block of the file.
type header struct {
	size     int64 // of the file
	sections []Section
}

var le = binary.LittleEndian

// encode returns the block. docs/IMAGE.md has the layout.
func (h *header) encode() []byte {
	b := make([]byte, headerSize)
	copy(b, Magic)
	le.PutUint32(b[8:], FormatVersion)
	le.PutUint32(b[12:], headerSize)
	le.PutUint64(b[16:], uint64(h.size))
	le.PutUint32(b[24:], uint32(len(h.sections)))
	for i, s := range h.sections {
		p := b[sectionBase+i*sectionSize:]
		le.PutUint32(p, s.Kind)
		le.PutUint64(p[8:], uint64(s.Offset))
		le.PutUint64(p[16:], uint64(s.Length))
		copy(p[24:], s.SHA256[:])
	}
	sum := sha256.Sum256(b[:headerSum])
	copy(b[headerSum:], sum[:])
	return b
}

var (
	errNotImage = errors.New("is not a Skerry image")
	errDamaged  = errors.New("is damaged")
)

// versionError is a format that this package does not know.
type versionError uint32

func (v versionError) Error() string {
	return fmt.Sprintf("has image format %d, and skerry %s reads format %d", uint32(v), Version, FormatVersion)
}

// decodeHeader reads the first block of a file of the given size. The hash of
// the header is checked, and that the sections lie in order, end to end, and
// fill the file; so nothing in the file is outside of a hash but padding.
func decodeHeader(b []byte, size int64) (*header, error) {
	if len(b) < len(Magic) || string(b[:len(Magic)]) != Magic {
		return nil, errNotImage
	}
	if len(b) < 12 {
		return nil, errDamaged
	}
	// The version is told before anything else is believed: another version may
	// have another header.
	if v := le.Uint32(b[8:]); v != FormatVersion {
		return nil, versionError(v)
	}
	if len(b) < headerSize || le.Uint32(b[12:]) != headerSize {
		return nil, errDamaged
	}
	b = b[:headerSize]
	if sum := sha256.Sum256(b[:headerSum]); !bytes.Equal(sum[:], b[headerSum:]) {
		return nil, errDamaged
	}
	h := &header{size: size}
	n := le.Uint32(b[24:])
	if le.Uint64(b[16:]) != uint64(size) || n > maxSections || le.Uint32(b[28:]) != 0 {
		return nil, errDamaged
	}
	next, last := int64(headerSize), uint32(0)
	for i := range int(n) {
		p := b[sectionBase+i*sectionSize:]
		off, length := le.Uint64(p[8:]), le.Uint64(p[16:])
		s := Section{Kind: le.Uint32(p), Offset: int64(off), Length: int64(length), SHA256: [32]byte(p[24:56])}
		if s.Kind <= last || s.Kind > kindRoot || le.Uint32(p[4:]) != 0 || le.Uint64(p[56:]) != 0 ||
			off != uint64(next) || length == 0 || length > maxLength(s.Kind) || s.Kind == kindRoot && length%align != 0 {
			return nil, errDamaged
		}
		last = s.Kind
		next = roundUp(next + s.Length)
		h.sections = append(h.sections, s)
	}
	rest := b[sectionBase+int(n)*sectionSize : headerSum]
	if n != kindRoot || next != size || len(bytes.Trim(rest, "\x00")) != 0 { // one of each kind
		return nil, errDamaged
	}
	return h, nil
}

func maxLength(kind uint32) uint64 {
	switch kind {
	case kindManifest:
		return maxManifest
	case kindKernel:
		return maxKernel
	}
	return maxRoot
}

func roundUp(n int64) int64 { return (n + align - 1) &^ (align - 1) }
