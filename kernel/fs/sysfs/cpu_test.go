package sysfs

import (
	"math/rand"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/vfs"
)

// cpuid answers from a table, zeros for what is not in it.
func cpuid(m map[[2]uint32][4]uint32) func(uint32, uint32) (uint32, uint32, uint32, uint32) {
	return func(l, s uint32) (uint32, uint32, uint32, uint32) {
		r := m[[2]uint32{l, s}]
		return r[0], r[1], r[2], r[3]
	}
}

func options(cpus int, id func(uint32, uint32) (uint32, uint32, uint32, uint32)) Options {
	return Options{CPUs: cpus, Memory: func() (uint64, uint64) { return 1, 1 }, CPUID: id}
}

// TestCaches: the numbers of a processor with an L1 of its own and an L3 that
// four share, seen by six CPUs.
func TestCaches(t *testing.T) {
	geometry := func(line, parts, ways uint32) uint32 { return line - 1 | (parts-1)<<12 | (ways-1)<<22 }
	m := map[[2]uint32][4]uint32{
		{0, 0}: {13}, {4, 0}: {1 | 1<<5, geometry(64, 1, 8), 63}, {4, 1}: {2 | 1<<5, geometry(64, 1, 8), 63},
		{4, 2}: {3 | 3<<5 | 3<<14, geometry(64, 1, 16), 8191},
	}
	c := vfs.NewContext(New(options(6, cpuid(m))))
	for path, want := range map[string]string{
		"cpu5/cache/index0/type": "Data\n", "cpu5/cache/index1/type": "Instruction\n", "cpu0/cache/index2/type": "Unified\n",
		"cpu0/cache/index0/size": "32K\n", "cpu0/cache/index2/size": "8192K\n", "cpu0/cache/index2/level": "3\n",
		"cpu0/cache/index2/number_of_sets": "8192\n", "cpu0/cache/index2/ways_of_associativity": "16\n",
		"cpu0/cache/index0/shared_cpu_list": "0\n", "cpu2/cache/index2/shared_cpu_list": "0-3\n",
		"cpu5/cache/index2/shared_cpu_list": "4-5\n", "cpu5/cache/index2/shared_cpu_map": "30\n", "cpu3/cache/index2/shared_cpu_map": "f\n",
		"cpu5/cache/index2/id": "1\n", "cpu0/cache/index0/coherency_line_size": "64\n",
	} {
		if got := read(t, c, "/devices/system/cpu/"+path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	var st abi.Stat
	if e := c.Stat(abi.AT_FDCWD, "/devices/system/cpu/cpu0/cache/index3", 0, &st); e != abi.ENOENT {
		t.Error("a fourth cache:", e)
	}
	// AMD's leaf, and none at all.
	amd := map[[2]uint32][4]uint32{{0x80000000, 0}: {0x80000020}, {0x80000001, 0}: {2: topologyExt}, {leafAMD, 0}: {1 | 1<<5, geometry(64, 1, 8), 63}}
	c = vfs.NewContext(New(options(1, cpuid(amd))))
	if got := read(t, c, "/devices/system/cpu/cpu0/cache/index0/size"); got != "32K\n" {
		t.Errorf("%q", got)
	}
	c = vfs.NewContext(New(options(1, cpuid(nil))))
	if e := c.Stat(abi.AT_FDCWD, "/devices/system/cpu/cpu0/cache", 0, &st); e != abi.ENOENT {
		t.Error("caches of a processor that describes none:", e)
	}
}

// TestCachesRandom: no answer of CPUID is too strange.
func TestCachesRandom(t *testing.T) {
	r := rand.New(rand.NewSource(5))
	for range 300 {
		New(options(1+r.Intn(64), func(l, s uint32) (uint32, uint32, uint32, uint32) {
			if l == 0 || l == 0x80000000 {
				return ^uint32(0), 0, 0, 0
			}
			return r.Uint32(), r.Uint32(), r.Uint32(), r.Uint32()
		}))
	}
}

func TestVulnerabilities(t *testing.T) {
	for _, c := range []struct {
		vendor string
		caps   uint64
		name   string
		want   string
	}{
		{"AuthenticAMD", 0, "meltdown", "Not affected"}, {"AuthenticAMD", 0, "spectre_v2", "Vulnerable"},
		{"AuthenticAMD", 0, "spec_rstack_overflow", "Vulnerable"}, {"GenuineIntel", 0, "spec_rstack_overflow", "Not affected"},
		{"GenuineIntel", 0, "meltdown", "Vulnerable"}, {"GenuineIntel", capRDCL, "meltdown", "Not affected"},
		{"GenuineIntel", capRDCL, "mds", "Vulnerable"}, {"GenuineIntel", capSBDR | capPSDP, "mmio_stale_data", "Vulnerable"},
		{"GenuineIntel", capMMIOAll, "mmio_stale_data", "Not affected"}, {"GenuineIntel", ^uint64(0), "spectre_v1", "Vulnerable"},
		{"", 0, "meltdown", "Vulnerable"},
	} {
		if got := Vulnerabilities(c.vendor, c.caps)[c.name]; got != c.want {
			t.Errorf("%s %#x %s: %s", c.vendor, c.caps, c.name, got)
		}
	}
}
