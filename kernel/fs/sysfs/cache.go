package sysfs

import (
	"math/bits"
	"strconv"

	"skerry/kernel/fs/pseudofs"
)

// Leaves that describe caches: Intel SDM vol. 2, CPUID leaf 4; AMD APM vol. 3,
// Fn8000_001D, in the same form, if Fn8000_0001 ECX bit 22 says so.
const (
	leafIntel   = 4
	leafAMD     = 0x8000001d
	topologyExt = 1 << 22
)

// maxCaches bounds the subleaves that are looked at.
const maxCaches = 16

// cacheLeaf is the leaf that this processor has, 0 if none.
func cacheLeaf(opt *Options) uint32 {
	if top, _, _, _ := opt.CPUID(0x80000000, 0); top >= leafAMD {
		if _, _, c, _ := opt.CPUID(0x80000001, 0); c&topologyExt != 0 {
			return leafAMD
		}
	}
	if top, _, _, _ := opt.CPUID(0, 0); top >= leafIntel {
		return leafIntel
	}
	return 0
}

// addCaches fills cpuN/cache, ABI/testing/sysfs-devices-system-cpu of Linux'
// documentation. Who shares a cache follows from how many threads the processor
// says may, since here the APIC identifiers are the numbers of the CPUs.
func addCaches(d *pseudofs.Dir, cpu int, opt *Options) {
	leaf := cacheLeaf(opt)
	if leaf == 0 {
		return
	}
	var all *pseudofs.Dir
	for i := uint32(0); i < maxCaches; i++ {
		a, b, sets, _ := opt.CPUID(leaf, i)
		kind := [4]string{1: "Data", 2: "Instruction", 3: "Unified"}[a&3]
		if a&31 > 3 || kind == "" {
			break
		}
		if all == nil {
			all = d.AddDir("cache")
		}
		c := all.AddDir("index" + strconv.Itoa(int(i)))
		size, parts, ways := uint64(b&0xfff)+1, uint64(b>>12&0x3ff)+1, uint64(b>>22)+1
		lines := uint64(sets) + 1
		number := func(name string, n uint64) { line(c, name, strconv.FormatUint(n, 10)) }
		number("level", uint64(a>>5&7))
		line(c, "type", kind)
		line(c, "size", strconv.FormatUint(size*parts*ways*lines/1024, 10)+"K")
		number("coherency_line_size", size)
		number("physical_line_partition", parts)
		number("number_of_sets", lines)
		number("ways_of_associativity", ways)
		// The identifiers of those who share it differ in the low bits only.
		shift := bits.Len32(a >> 14 & 0xfff)
		first := cpu >> shift << shift
		last := min(first+1<<shift, opt.CPUs) - 1
		list := strconv.Itoa(first)
		if last > first {
			list += "-" + strconv.Itoa(last)
		}
		number("id", uint64(cpu>>shift))
		line(c, "shared_cpu_list", list)
		if opt.CPUs <= 32 {
			line(c, "shared_cpu_map", strconv.FormatUint(uint64(1)<<(last+1)-uint64(1)<<first, 16))
		}
	}
}
