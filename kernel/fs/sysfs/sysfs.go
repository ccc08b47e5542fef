// Package sysfs is /sys, as far as servers and their libraries read it: the CPUs
// with their caches and weaknesses, the one memory node, transparent huge pages,
// the network's links. It imports vfs and fs/pseudofs.
//
// /sys/fs/cgroup is not there: the program is alone in its machine, whose CPUs
// and memory are its limits, so there is no group to show, and a library that
// looks for one (Go, the JVM) goes on to those.
package sysfs

import (
	"strconv"
	"strings"

	"skerry/kernel/fs/pseudofs"
	"skerry/kernel/vfs"
)

// magic is SYSFS_MAGIC, uapi/linux/magic.h.
const magic = 0x62656572

// Options are what /sys shows.
type Options struct {
	// CPUs is the number of CPUs.
	CPUs int
	// Memory is the size of memory and what of it is free, in bytes.
	Memory func() (total, free uint64)
	// HugePages says that large anonymous memory gets 2 MiB pages by itself.
	HugePages bool
	// Vulnerabilities are files of /sys/devices/system/cpu/vulnerabilities.
	Vulnerabilities func() map[string]string
	// CPUID, if set, describes the caches.
	CPUID func(leaf, sub uint32) (eax, ebx, ecx, edx uint32)
	// Net are the network interfaces: name to file to contents, such as
	// "eth0" → "mtu" → "1500"; "statistics/rx_bytes" is a file in a directory.
	Net func() map[string]map[string]func() string
}

// New returns /sys. The functions in opt, each of which may be nil, are called when
// somebody first looks into the directory that they are for.
func New(opt Options) *pseudofs.FS {
	fs := pseudofs.New("sysfs", magic, vfs.KeepNames)
	top := fs.Top()
	top.Fill(func() { addTop(top, &opt) })
	return fs
}

// addTop fills /sys.
func addTop(top *pseudofs.Dir, opt *Options) {
	cpu := top.Sub("devices", "system", "cpu")
	cpu.Fill(func() { addCPUs(cpu, opt) })
	node := top.Sub("devices", "system", "node")
	node.Fill(func() { addNode(node, opt) })
	clocks := top.Sub("devices", "system", "clocksource", "clocksource0")
	// The kernel has no other clock: ground and the vDSO count with the TSC.
	line(clocks, "available_clocksource", "tsc")
	line(clocks, "current_clocksource", "tsc")
	mm := top.Sub("kernel", "mm", "transparent_hugepage")
	choice := "always madvise [never]"
	if opt.HugePages {
		choice = "[always] madvise never"
	}
	line(mm, "enabled", choice)
	// A fault takes a large page if there is one, and never waits for one.
	line(mm, "defrag", "always defer defer+madvise madvise [never]")
	line(mm, "shmem_enabled", "always within_size advise [never] deny force")
	line(mm, "hpage_pmd_size", "2097152")
	line(mm, "use_zero_page", "0")
	net := top.Sub("class", "net")
	if opt.Net != nil {
		net.Fill(func() { addLinks(net, opt.Net()) })
	}
}

// addLinks fills class/net.
func addLinks(net *pseudofs.Dir, links map[string]map[string]func() string) {
	for _, name := range keys(links) {
		d := net.AddDir(name)
		files := links[name]
		for _, f := range keys(files) {
			in, base := d, f
			if dir, rest, ok := strings.Cut(f, "/"); ok {
				in, base = d.Sub(dir), rest
			}
			in.AddFile(base, func() []byte { return []byte(files[f]() + "\n") })
		}
	}
}

// line makes a file of one line; stat shows a page, as it does for all of /sys.
func line(d *pseudofs.Dir, name, value string) {
	d.AddText(name, value+"\n")
}

func keys[V any](m map[string]V) []string {
	var all []string
	for k := range m {
		all = append(all, k)
	}
	for i := range all { // a few names: by hand
		for j := i; j > 0 && all[j] < all[j-1]; j-- {
			all[j], all[j-1] = all[j-1], all[j]
		}
	}
	return all
}

// addCPUs fills devices/system/cpu, ABI/testing/sysfs-devices-system-cpu of
// Linux's documentation.
func addCPUs(d *pseudofs.Dir, opt *Options) {
	all := "0"
	if opt.CPUs > 1 {
		all = "0-" + strconv.Itoa(opt.CPUs-1)
	}
	for _, name := range []string{"online", "possible", "present"} {
		line(d, name, all)
	}
	line(d, "offline", "")
	line(d, "isolated", "")
	line(d, "kernel_max", "63")
	line(d.AddDir("smt"), "active", "0") // each has a core of its own, see below
	mask := mask(opt.CPUs)
	for n := range opt.CPUs {
		c := d.AddDir("cpu" + strconv.Itoa(n))
		if n > 0 {
			line(c, "online", "1")
		}
		t := c.AddDir("topology")
		own := strconv.FormatUint(1<<n, 16)
		line(t, "physical_package_id", "0")
		line(t, "die_id", "0")
		line(t, "core_id", strconv.Itoa(n))
		line(t, "thread_siblings", own)
		line(t, "thread_siblings_list", strconv.Itoa(n))
		line(t, "core_cpus", own)
		line(t, "core_cpus_list", strconv.Itoa(n))
		line(t, "core_siblings", mask)
		line(t, "core_siblings_list", all)
		line(t, "package_cpus", mask)
		line(t, "package_cpus_list", all)
		if opt.CPUID != nil {
			addCaches(c, n, opt)
		}
	}
	v := d.AddDir("vulnerabilities")
	if opt.Vulnerabilities != nil {
		all := opt.Vulnerabilities()
		for _, name := range keys(all) {
			line(v, name, all[name])
		}
	}
}

// mask is a bitmap of the first n CPUs in hexadecimal, in groups of 32 bits.
func mask(n int) string {
	if n >= 64 {
		return "ffffffff,ffffffff"
	}
	m := uint64(1)<<n - 1
	if m>>32 == 0 {
		return strconv.FormatUint(m, 16)
	}
	low := strconv.FormatUint(m&0xffffffff, 16)
	return strconv.FormatUint(m>>32, 16) + "," + strings.Repeat("0", 8-len(low)) + low
}

// addNode fills devices/system/node: all memory and all CPUs are node 0.
func addNode(d *pseudofs.Dir, opt *Options) {
	for _, name := range []string{"online", "possible", "has_cpu", "has_memory", "has_normal_memory"} {
		line(d, name, "0")
	}
	n := d.AddDir("node0")
	all := "0"
	if opt.CPUs > 1 {
		all = "0-" + strconv.Itoa(opt.CPUs-1)
	}
	line(n, "cpulist", all)
	line(n, "cpumap", mask(opt.CPUs))
	line(n, "distance", "10")
	n.AddFile("meminfo", func() []byte {
		total, free := opt.Memory()
		kB := func(name string, bytes uint64) string {
			s := strconv.FormatUint(bytes/1024, 10)
			return "Node 0 " + name + strings.Repeat(" ", max(16-len(name), 0)) + strings.Repeat(" ", max(8-len(s), 0)) + s + " kB\n"
		}
		return []byte(kB("MemTotal:", total) + kB("MemFree:", free) + kB("MemUsed:", total-free))
	})
}
