package virtio

import (
	"strconv"
	"strings"
)

// MMIODevice is a memory-mapped device as the kernel command line states it.
type MMIODevice struct {
	Base uint64 // physical address of the registers, a multiple of 4
	Size uint32 // bytes, registers and configuration together
	IRQ  uint32 // global system interrupt
}

// Limits on what a command line may state.
const (
	maxMMIODevices = 64
	maxMMIOSize    = 1 << 16
	maxGSI         = 1023
	maxPhys        = 1 << 52 // SDM vol. 3, 4.1.4: MAXPHYADDR is at most 52
)

const mmioWord = "virtio_mmio.device="

// ParseMMIODevices finds the memory-mapped devices in a kernel command line:
// words of the form
//
//	virtio_mmio.device=SIZE@BASE:IRQ[:ID]
//
// as Linux documents them in Documentation/admin-guide/kernel-parameters.txt.
// SIZE is in bytes and may end in K or M; numbers are decimal, or hexadecimal
// behind 0x. Other words are not ours and skipped. A malformed word, one that
// overlaps an earlier one, or more than 64 of them is an error.
func ParseMMIODevices(cmdline string) ([]MMIODevice, error) {
	var list []MMIODevice
	for _, word := range strings.Fields(cmdline) {
		text, ours := strings.CutPrefix(word, mmioWord)
		if !ours {
			continue
		}
		d, cause := parseMMIO(text)
		for _, o := range list {
			if d.Base < o.Base+uint64(o.Size) && o.Base < d.Base+uint64(d.Size) {
				cause = "overlaps another device"
			}
		}
		if len(list) == maxMMIODevices {
			cause = "more than 64 devices"
		}
		if cause != "" {
			return nil, &Error{strconv.Quote(word), cause}
		}
		list = append(list, d)
	}
	return list, nil
}

func parseMMIO(text string) (d MMIODevice, cause string) {
	size, rest, ok := strings.Cut(text, "@")
	if !ok {
		return d, "has no @ between size and address"
	}
	base, rest, ok := strings.Cut(rest, ":")
	if !ok {
		return d, "has no : between address and interrupt"
	}
	gsi, id, hasID := strings.Cut(rest, ":")
	unit := uint64(1)
	switch {
	case strings.HasSuffix(size, "K"), strings.HasSuffix(size, "k"):
		unit, size = 1<<10, size[:len(size)-1]
	case strings.HasSuffix(size, "M"), strings.HasSuffix(size, "m"):
		unit, size = 1<<20, size[:len(size)-1]
	}
	n, ok := number(size)
	if !ok || n == 0 || n > maxMMIOSize/unit {
		return d, "size is not a number from 1 to 65536"
	}
	d.Size = uint32(n * unit)
	if d.Base, ok = number(base); !ok || d.Base&3 != 0 || d.Base == 0 || d.Base > maxPhys-maxMMIOSize {
		return d, "address is not a multiple of 4 below 2^52"
	}
	if n, ok = number(gsi); !ok || n > maxGSI {
		return d, "interrupt is not a number from 0 to 1023"
	}
	d.IRQ = uint32(n)
	if _, ok = number(id); hasID && !ok {
		return d, "device number is not a number"
	}
	return d, ""
}

// number is a decimal number, or a hexadecimal one behind 0x, and nothing else.
func number(s string) (uint64, bool) {
	base := 10
	if h, ok := strings.CutPrefix(s, "0x"); ok {
		s, base = h, 16
	}
	v, err := strconv.ParseUint(s, base, 64)
	return v, err == nil
}
