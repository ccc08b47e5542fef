package erofs

import (
	"encoding/binary"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/hw/block"
)

var le = binary.LittleEndian

// Layout of the superblock, 128 bytes at byte 1024.
const (
	superOffset = 1024
	superSize   = 128
	superMagic  = 0xe0f5e1e2

	sbMagic       = 0
	sbChecksum    = 4
	sbCompat      = 8
	sbBlockBits   = 12
	sbExtSlots    = 13
	sbRootNID     = 14
	sbInodes      = 16
	sbBuildTime   = 24
	sbBuildNsec   = 32
	sbBlocks      = 36
	sbMetaAddr    = 40
	sbIncompat    = 80
	sbDirBlkBits  = 90
	sbPackedNID   = 96
	compatChecked = 1 << 0 // the checksum is there
)

// Incompatible features that need nothing from a reader of uncompressed files:
// zero padding of compressed clusters, chunk-based files, long prefixes of
// extended attributes.
const (
	featPadding = 0x1
	featChunked = 0x4
	featPrefix  = 0x40
	featKnown   = featPadding | featChunked | featPrefix
)

const (
	blockBits = frame.Shift
	blockSize = frame.Size
	slotBits  = 5 // an inode number counts slots of 32 bytes
)

// super is what the superblock says, checked.
type super struct {
	root      uint64 // inode number
	inodes    uint64
	blocks    uint64
	meta      int64 // byte address of inode 0
	buildTime abi.Timespec
}

// readSuper reads and checks the superblock. EINVAL if it is no image that this
// reader can read, EUCLEAN if it is damaged.
func readSuper(dev block.Device) (super, abi.Errno) {
	var s super
	p := frame.Alloc(frame.KindKernel)
	if p == 0 {
		return s, abi.ENOMEM
	}
	defer p.Unref()
	if dev.Size() < blockSize {
		return s, abi.EINVAL
	}
	if e := dev.Read(0, []block.Seg{{Phys: p.Phys(), Len: blockSize}}); e != abi.OK {
		return s, e
	}
	return parseSuper(p.Bytes(), dev.Size())
}

// parseSuper reads the first block of a device of the given size.
func parseSuper(b []byte, size int64) (super, abi.Errno) {
	var s super
	h := b[superOffset : superOffset+superSize]
	if le.Uint32(h[sbMagic:]) != superMagic || h[sbBlockBits] != blockBits ||
		le.Uint32(h[sbIncompat:])&^featKnown != 0 || h[sbDirBlkBits] != 0 {
		return s, abi.EINVAL
	}
	if le.Uint32(h[sbCompat:])&compatChecked != 0 && !checksumOK(b[superOffset:blockSize]) {
		return s, abi.EUCLEAN
	}
	s.blocks = uint64(le.Uint32(h[sbBlocks:]))
	s.meta = int64(le.Uint32(h[sbMetaAddr:])) << blockBits
	s.root = uint64(le.Uint16(h[sbRootNID:]))
	s.inodes = le.Uint64(h[sbInodes:])
	s.buildTime = abi.Timespec{Sec: int64(le.Uint64(h[sbBuildTime:])), Nsec: int64(le.Uint32(h[sbBuildNsec:]))}
	if s.blocks == 0 || s.blocks > uint64(size)>>blockBits || s.meta >= int64(s.blocks)<<blockBits ||
		s.buildTime.Nsec >= 1e9 {
		return s, abi.EUCLEAN
	}
	return s, abi.OK
}

// checksumOK compares the CRC-32C of the rest of the first block, with the field
// of the checksum itself as zero, with that field. It is the register's value,
// not inverted at the end.
func checksumOK(b []byte) bool {
	const polynomial = 0x82f63b78 // Castagnoli, reflected
	crc := ^uint32(0)
	for i, c := range b {
		if i >= sbChecksum && i < sbChecksum+4 {
			c = 0
		}
		crc ^= uint32(c)
		for range 8 {
			crc = crc>>1 ^ polynomial&-(crc&1)
		}
	}
	return crc == le.Uint32(b[sbChecksum:])
}
