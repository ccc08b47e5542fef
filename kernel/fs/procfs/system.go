package procfs

import (
	"strconv"

	"skerry/kernel/abi"
	"skerry/kernel/fs/pseudofs"
)

// addSystem fills the top with what is about the machine.
func (p *proc) addSystem(d *pseudofs.Dir) {
	d.AddFile("cpuinfo", p.cpuinfo)
	d.AddFile("meminfo", p.meminfo)
	d.AddFile("stat", p.systemStat)
	d.AddFile("vmstat", p.vmstat)
	d.AddFile("uptime", p.uptime)
	d.AddFile("loadavg", p.loadavg)
	d.AddFile("version", func() []byte {
		s := p.Source.System()
		return []byte("Linux version " + s.Release + " (skerry) " + s.Version + "\n")
	})
	d.AddFile("filesystems", func() []byte {
		var b text
		for _, t := range p.Types {
			if t == "erofs" {
				b.str("\t").str(t).str("\n") // it needs a disk
			} else {
				b.str("nodev\t").str(t).str("\n")
			}
		}
		return b
	})
	// The kernel has no command line: its parameters come in the boot record.
	d.AddText("cmdline", "\n")
	d.AddText("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n")
	d.AddText("devices", "Character devices:\n  1 mem\n\nBlock devices:\n")
	d.AddText("modules", "")
	d.AddText("partitions", "major minor  #blocks  name\n\n")
	d.AddText("diskstats", "")
	addAt(d, "sysvipc/shm", p.segments)
	// No controller is bound to a hierarchy of version 1.
	d.AddText("cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\n")
}

// cpuinfo is /proc/cpuinfo, proc_cpuinfo(5), as x86-64 shows it.
func (p *proc) cpuinfo() []byte {
	var b text
	cpus := p.Source.CPUs()
	for n := range cpus {
		c := &cpus[n]
		field := func(name, value string) {
			b.str(name)
			for w := len(name); w < 16; w += 8 - w%8 {
				b.str("\t")
			}
			b.str(": ").str(value).str("\n")
		}
		field("processor", itoa(n))
		field("vendor_id", c.Vendor)
		field("cpu family", itoa(c.Family))
		field("model", itoa(c.Model))
		field("model name", c.Name)
		field("stepping", itoa(c.Stepping))
		if c.KHz != 0 {
			var mhz text
			mhz.num(c.KHz/1000).str(".").pad(strconv.FormatInt(c.KHz%1000, 10), 3, '0')
			field("cpu MHz", string(mhz))
		}
		if c.CacheKB != 0 {
			field("cache size", itoa(c.CacheKB)+" KB")
		}
		field("physical id", "0")
		field("siblings", itoa(len(cpus)))
		field("core id", itoa(n))
		field("cpu cores", itoa(len(cpus)))
		field("apicid", itoa(n))
		field("initial apicid", itoa(n))
		field("fpu", "yes")
		field("fpu_exception", "yes")
		field("cpuid level", itoa(c.CPUIDLevel))
		field("wp", "yes")
		b.str("flags\t\t:")
		for _, f := range c.Flags {
			b.str(" ").str(f)
		}
		b.str("\nbugs\t\t:\n")
		if c.KHz != 0 {
			var bogo text
			bogo.num(c.KHz*2/1000).str(".").pad(strconv.FormatInt(c.KHz*2%1000/10, 10), 2, '0')
			field("bogomips", string(bogo))
		}
		field("clflush size", itoa(c.CLFlush))
		field("cache_alignment", itoa(c.CLFlush))
		field("address sizes", itoa(c.PhysBits)+" bits physical, "+itoa(c.VirtBits)+" bits virtual")
		b.str("power management:\n\n")
	}
	return b
}

// meminfo is /proc/meminfo, proc_meminfo(5). There is no swap, and nothing is
// written back.
func (p *proc) meminfo() []byte {
	m := p.Source.Memory()
	var b text
	for _, l := range []struct {
		name  string
		bytes uint64
	}{
		{"MemTotal", m.Total}, {"MemFree", m.Free}, {"MemAvailable", m.Available}, {"Buffers", 0}, {"Cached", m.Cached},
		{"SwapCached", 0}, {"Active", m.Anon + m.Cached}, {"Inactive", 0},
		{"Active(anon)", m.Anon + m.Shmem}, {"Inactive(anon)", 0}, {"Active(file)", m.Cached - min(m.Shmem, m.Cached)},
		{"Inactive(file)", 0}, {"Unevictable", m.Locked}, {"Mlocked", m.Locked}, {"SwapTotal", 0}, {"SwapFree", 0},
		{"Dirty", 0}, {"Writeback", 0}, {"AnonPages", m.Anon}, {"Mapped", m.Mapped}, {"Shmem", m.Shmem},
		{"KReclaimable", 0}, {"Slab", m.Kernel + m.Heap}, {"SReclaimable", 0}, {"SUnreclaim", m.Kernel + m.Heap},
		{"KernelStack", 0}, {"PageTables", m.PageTables}, {"NFS_Unstable", 0}, {"Bounce", 0}, {"WritebackTmp", 0},
		{"CommitLimit", m.Total}, {"Committed_AS", m.Committed}, {"VmallocTotal", 0}, {"VmallocUsed", 0},
		{"VmallocChunk", 0}, {"Percpu", 0}, {"AnonHugePages", m.HugeAnon}, {"ShmemHugePages", 0}, {"ShmemPmdMapped", 0},
		{"FileHugePages", 0}, {"FilePmdMapped", 0},
	} {
		b.kB(l.name, l.bytes, 16, 8)
	}
	for _, name := range []string{"HugePages_Total", "HugePages_Free", "HugePages_Rsvd", "HugePages_Surp"} {
		b.right(name+":", 16).pad("0", 8, ' ').str("\n")
	}
	return b.kB("Hugepagesize", 2<<20, 16, 8).kB("Hugetlb", 0, 16, 8).bytes()
}

// vmstat is /proc/vmstat: those of its lines that this kernel has a figure for,
// in pages or events (proc_vmstat(5)).
func (p *proc) vmstat() []byte {
	m, x := p.Source.Memory(), p.Source.Process()
	var b text
	for _, l := range []struct {
		name string
		n    uint64
	}{
		{"nr_free_pages", m.Free / 4096}, {"nr_anon_pages", m.Anon / 4096}, {"nr_mapped", m.Mapped / 4096},
		{"nr_file_pages", m.Cached / 4096}, {"nr_dirty", 0}, {"nr_writeback", 0}, {"nr_shmem", m.Shmem / 4096},
		{"nr_mlock", m.Locked / 4096}, {"nr_page_table_pages", m.PageTables / 4096},
		{"nr_anon_transparent_hugepages", m.HugeAnon >> 21}, {"pgpgin", x.IO.ReadBytes / 1024}, {"pgpgout", 0},
		{"pswpin", 0}, {"pswpout", 0}, {"pgfault", x.MinorFaults + x.MajorFaults}, {"pgmajfault", x.MajorFaults},
	} {
		b.str(l.name).str(" ").unum(l.n).str("\n")
	}
	return b
}

func (b *text) bytes() []byte { return *b }

// systemStat is /proc/stat, proc_stat(5).
func (p *proc) systemStat() []byte {
	s := p.Source.System()
	cpus := p.Source.CPUs()
	var b text
	line := func(name string, user, sys, idle, irq int64) {
		b.str(name).str(" ").num(ticks(user)).str(" 0 ").num(ticks(sys)).str(" ").num(ticks(idle))
		b.str(" 0 ").num(ticks(irq)).str(" 0 0 0 0\n")
	}
	var user, sys, idle, irq int64
	for i := range cpus {
		c := &cpus[i]
		user, sys, idle, irq = user+c.User, sys+c.Sys, idle+c.Idle, irq+c.IRQ
	}
	line("cpu ", user, sys, idle, irq)
	for i := range cpus {
		c := &cpus[i]
		line("cpu"+itoa(i), c.User, c.Sys, c.Idle, c.IRQ)
	}
	b.str("intr ").unum(s.Interrupts).str("\nctxt ").unum(s.Switches).str("\nbtime ").num(s.Boot)
	b.str("\nprocesses ").num(int64(s.LastTID)).str("\nprocs_running ").num(int64(s.Running))
	b.str("\nprocs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n")
	return b
}

// uptime is /proc/uptime, in seconds; the second is idle time of all CPUs.
func (p *proc) uptime() []byte {
	idle := int64(0)
	for _, c := range p.Source.CPUs() {
		idle += c.Idle
	}
	var b text
	return b.hundredths(p.Source.System().Uptime).str(" ").hundredths(idle).str("\n").bytes()
}

// loadavg is /proc/loadavg.
func (p *proc) loadavg() []byte {
	s := p.Source.System()
	var b text
	for _, l := range s.Load {
		b.unum(l/100).str(".").pad(strconv.FormatUint(l%100, 10), 2, '0').str(" ")
	}
	b.num(int64(s.Running)).str("/").num(int64(p.Source.Process().Threads)).str(" ").num(int64(s.LastTID)).str("\n")
	return b
}

// segments is /proc/sysvipc/shm.
func (p *proc) segments() []byte {
	var b text
	b.str("       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime")
	b.str("                   rss                  swap\n")
	for _, s := range p.Source.Segments() {
		for i, n := range [...]uint64{uint64(s.ID), 0, s.Size, pid, uint64(s.Last), s.Attached, abi.ID, abi.ID, abi.ID, abi.ID,
			uint64(s.Atime), uint64(s.Dtime), uint64(s.Ctime), s.Resident, 0} {
			width := [...]int{10, 0, 21, 5, 5, 6, 5, 5, 5, 5, 10, 10, 10, 21, 21}[i]
			switch i {
			case 0:
				b.pad(itoa(int(s.Key)), 10, ' ')
			case 1:
				b.str("  ").pad(octal(uint64(s.Mode)), 4, ' ')
				continue
			}
			b.str(" ").pad(strconv.FormatUint(n, 10), width, ' ')
		}
		b.str("\n")
	}
	return b
}
