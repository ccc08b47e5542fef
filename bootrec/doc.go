// Package bootrec is what the launcher and the kernel tell each other: the boot
// record (launcher to kernel, once, as the initrd module) and the frames on the
// log and control ports (both ways while the machine runs). docs/IMAGE.md
// describes both formats byte by byte.
//
// It is a leaf: it imports only encoding/binary, net/netip, strconv and
// strings. Each side treats the other's bytes as hostile: no length is used
// before it is checked, every limit is a constant of this package, and the
// decoders are fuzzed. Decode copies what it keeps, so that the caller may erase
// the source, which holds the seed and the environment. Nothing here locks; a
// Reader belongs to one goroutine.
package bootrec
