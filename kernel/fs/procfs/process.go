package procfs

import (
	"strconv"

	"skerry/kernel/abi"
	"skerry/kernel/fs/pseudofs"
	"skerry/kernel/vfs"
)

// addProcess fills /proc/1.
func (p *proc) addProcess(d *pseudofs.Dir) {
	p.addCommon(d, func() int32 { return pid })
	d.AddFile("cgroup", func() []byte { return []byte("0::/\n") })
	d.AddFile("mountinfo", p.mountinfo)
	d.AddFile("mounts", p.mounts)
	d.AddFile("mountstats", p.mountstats)
	d.AddFile("timerslack_ns", func() []byte {
		t, _ := p.Source.Thread(pid)
		var b text
		return b.unum(t.Slack).str("\n").bytes()
	})
	// No core is ever written, so no kind of mapping goes into one, core(5).
	d.AddText("coredump_filter", "00000000\n")
	task := d.AddDir("task")
	task.SetMore(&pseudofs.Numbered{
		Node:  p.NewNode(abi.S_IFDIR | 0o555),
		Next:  p.Source.Next,
		Type:  abi.DT_DIR,
		InoOf: taskIno,
		Make: func(tid int32) (vfs.Inode, abi.Errno) {
			t := p.NewDir(0o555)
			t.Node = p.NewNumberedNode(abi.S_IFDIR|0o555, taskIno(tid))
			p.addCommon(t, func() int32 { return tid })
			return t, abi.OK
		},
	})
	net := d.AddDir("net")
	net.Fill(func() {
		files := p.Net()
		for _, name := range sorted(files) {
			addAt(net, name, files[name])
		}
	})
}

// Inode numbers of what is made at each lookup, clear of the constant ones.
func taskIno(tid int32) uint64 { return 1<<40 | uint64(tid)<<8 }
func fdIno(fd int32) uint64    { return 2<<40 | uint64(fd) }
func infoIno(fd int32) uint64  { return 3<<40 | uint64(fd) }

// addCommon fills a directory with what /proc/1 and /proc/1/task/N have in
// common.
func (p *proc) addCommon(d *pseudofs.Dir, tid func() int32) {
	s := p.Source
	list := func(items func(Process) []string) func() []byte {
		return func() []byte {
			var b text
			for _, x := range items(s.Process()) {
				b.str(x).str("\x00")
			}
			return b
		}
	}
	d.AddFile("cmdline", list(func(x Process) []string { return x.Args }))
	d.AddFile("environ", list(func(x Process) []string { return x.Env }))
	d.AddFile("auxv", func() []byte { return s.Process().Auxv })
	d.AddFile("maps", p.maps)
	d.AddFile("smaps", p.smaps)
	d.AddFile("smaps_rollup", p.rollup)
	d.AddFile("stat", func() []byte { return p.stat(tid()) })
	d.AddFile("statm", p.statm)
	d.AddFile("status", func() []byte { return p.status(tid()) })
	d.AddFile("limits", p.limits)
	d.Add("comm", p.NewWritable(0o644, func() []byte {
		t, _ := s.Thread(tid())
		return []byte(t.Comm + "\n")
	}, func(b []byte) abi.Errno {
		for n := range b {
			if b[n] == '\n' || b[n] == 0 {
				b = b[:n]
				break
			}
		}
		if !s.SetComm(tid(), string(b[:min(len(b), 15)])) {
			return abi.ESRCH
		}
		return abi.OK
	}))
	d.Add("oom_score_adj", p.NewWritable(0o644, func() []byte {
		return []byte(strconv.Itoa(s.Process().OOMScoreAdj) + "\n")
	}, func(b []byte) abi.Errno {
		n, ok := number(b)
		if !ok || n < -1000 || n > 1000 {
			return abi.EINVAL
		}
		s.SetOOMScoreAdj(n)
		return abi.OK
	}))
	d.AddFile("oom_score", func() []byte {
		x, m := s.Process(), s.Memory()
		score := int(x.Mem.Resident*1000/max(m.Total, 1)) + x.OOMScoreAdj
		return []byte(strconv.Itoa(max(score, 0)) + "\n")
	})
	d.AddFile("io", func() []byte { return p.io(tid()) })
	d.AddText("cpuset", "/\n")
	d.AddText("loginuid", "4294967295")
	d.AddText("sessionid", "4294967295")
	d.AddText("personality", "00000000\n")
	d.AddText("setgroups", "deny\n")
	idMap := "     " + strconv.Itoa(abi.ID) + "      " + strconv.Itoa(abi.ID) + "          1\n"
	d.AddText("uid_map", idMap)
	d.AddText("gid_map", idMap)
	d.Add("exe", p.magic(func() (*vfs.Dentry, abi.Errno) {
		if e := s.Process().Exe; e != nil {
			return e, abi.OK
		}
		return nil, abi.ENOENT
	}))
	d.Add("cwd", p.magic(func() (*vfs.Dentry, abi.Errno) { return p.Context.Cwd(), abi.OK }))
	d.Add("root", p.magic(func() (*vfs.Dentry, abi.Errno) { return p.Context.Root(), abi.OK }))
	d.Add("fd", p.fdDir())
	d.Add("fdinfo", p.fdinfoDir())
}

// number reads a decimal number, with a newline or not.
func number(b []byte) (int, bool) {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		b = b[:n-1]
	}
	n, err := strconv.Atoi(string(b))
	return n, err == nil
}

// magic is a link to a Dentry, shown as its path.
func (p *proc) magic(target func() (*vfs.Dentry, abi.Errno)) *pseudofs.Magic {
	return &pseudofs.Magic{
		Node:   p.NewNode(abi.S_IFLNK | 0o777),
		Target: target,
		Text: func() (string, abi.Errno) {
			d, e := target()
			if e != abi.OK {
				return "", e
			}
			return p.Context.PathOf(d), abi.OK
		},
	}
}

// stat is /proc/N/stat, proc_pid_stat(5): 52 fields.
func (p *proc) stat(tid int32) []byte {
	x := p.Source.Process()
	t, ok := p.Source.Thread(tid)
	if !ok {
		return nil
	}
	user, sys, start := t.User, t.Sys, t.Start
	if tid == pid {
		user, sys, start = x.User, x.Sys, x.Start
	}
	m := &x.Mem
	var b text
	b.num(int64(tid)).str(" (").str(t.Comm).str(") ").str(string(rune(t.State)))
	// ppid, pgrp, session, tty, tpgid, flags
	b.str(" 0 1 1 0 -1 4194560 ")
	b.unum(x.MinorFaults).str(" 0 ").unum(x.MajorFaults).str(" 0 ")
	b.num(ticks(user)).str(" ").num(ticks(sys)).str(" 0 0 ")
	b.num(int64(20 + x.Nice)).str(" ").num(int64(x.Nice)).str(" ").num(int64(x.Threads)).str(" 0 ")
	b.num(ticks(start)).str(" ").unum(m.Virtual).str(" ").unum(m.Resident / 4096).str(" 18446744073709551615 ")
	// startcode, endcode, startstack; esp and eip are not shown
	b.unum(uint64(m.CodeStart)).str(" ").unum(uint64(m.CodeEnd)).str(" ").unum(uint64(m.StackStart)).str(" 0 0 ")
	b.unum(t.Pending & 0x7fffffff).str(" ").unum(t.Blocked & 0x7fffffff).str(" ")
	b.unum(x.Ignored & 0x7fffffff).str(" ").unum(x.Caught & 0x7fffffff)
	// wchan, nswap, cnswap, exit_signal
	b.str(" 0 0 0 17 ").num(int64(t.CPU))
	// rt_priority, policy, delayacct, guest times
	b.str(" 0 0 0 0 0 ")
	b.unum(uint64(m.DataStart)).str(" ").unum(uint64(m.DataEnd)).str(" ").unum(uint64(m.BrkStart)).str(" ")
	b.unum(uint64(m.ArgStart)).str(" ").unum(uint64(m.ArgEnd)).str(" ").unum(uint64(m.EnvStart)).str(" ")
	b.unum(uint64(m.EnvEnd)).str(" 0\n")
	return b
}

// io is /proc/N/io, proc_pid_io(5). What is written never goes to a disk.
func (p *proc) io(tid int32) []byte {
	x := p.Source.Process().IO
	if tid != pid {
		t, ok := p.Source.Thread(tid)
		if !ok {
			return nil
		}
		x = t.IO
	}
	var b text
	b.str("rchar: ").unum(x.ReadChars).str("\nwchar: ").unum(x.WrittenChars).str("\nsyscr: ").unum(x.Reads)
	b.str("\nsyscw: ").unum(x.Writes).str("\nread_bytes: ").unum(x.ReadBytes)
	return b.str("\nwrite_bytes: 0\ncancelled_write_bytes: 0\n").bytes()
}

// statm is /proc/N/statm, in pages.
func (p *proc) statm() []byte {
	m := p.Source.Process().Mem
	var b text
	b.unum(m.Virtual / 4096).str(" ").unum(m.Resident / 4096).str(" ").unum((m.File + m.Shmem) / 4096).str(" ")
	b.unum(m.Text / 4096).str(" 0 ").unum((m.Data + m.Stack) / 4096).str(" 0\n")
	return b
}

// status is /proc/N/status, proc_pid_status(5).
func (p *proc) status(tid int32) []byte {
	x := p.Source.Process()
	t, ok := p.Source.Thread(tid)
	if !ok {
		return nil
	}
	states := map[byte]string{'R': "running", 'S': "sleeping", 'D': "disk sleep", 'T': "stopped", 'Z': "zombie"}
	id := strconv.Itoa(abi.ID)
	four := id + "\t" + id + "\t" + id + "\t" + id + "\n"
	n := strconv.Itoa(int(tid))
	var b text
	b.str("Name:\t").str(t.Comm).str("\nUmask:\t").pad(strconv.FormatUint(uint64(p.Context.Umask()), 8), 4, '0')
	b.str("\nState:\t").str(string(rune(t.State))).str(" (").str(states[t.State]).str(")\n")
	b.str("Tgid:\t1\nNgid:\t0\nPid:\t").str(n).str("\nPPid:\t0\nTracerPid:\t0\n")
	b.str("Uid:\t").str(four).str("Gid:\t").str(four)
	b.str("FDSize:\t").num(int64(p.Context.Files.Size())).str("\nGroups:\t").str(id).str(" \n")
	b.str("NStgid:\t1\nNSpid:\t").str(n).str("\nNSpgid:\t1\nNSsid:\t1\nKthread:\t0\n")
	m := &x.Mem
	for _, f := range []struct {
		name  string
		bytes uint64
	}{
		{"VmPeak", m.Peak}, {"VmSize", m.Virtual}, {"VmLck", m.Locked}, {"VmPin", 0}, {"VmHWM", m.ResidentTop},
		{"VmRSS", m.Resident}, {"RssAnon", m.Anon}, {"RssFile", m.File}, {"RssShmem", m.Shmem}, {"VmData", m.Data},
		{"VmStk", m.Stack}, {"VmExe", m.Text}, {"VmLib", m.Library}, {"VmPTE", m.PageTables}, {"VmSwap", 0}, {"HugetlbPages", 0},
	} {
		b.str(f.name).str(":\t").pad(strconv.FormatUint(f.bytes/1024, 10), 8, ' ').str(" kB\n")
	}
	b.str("CoreDumping:\t0\nTHP_enabled:\t").num(boolean(!x.HugeDisabled)).str("\nuntag_mask:\t0xffffffffffffffff\nThreads:\t").num(int64(x.Threads))
	b.str("\nSigQ:\t").num(int64(x.Queued)).str("/").num(int64(x.MaxQueued)).str("\n")
	for _, f := range []struct {
		name string
		set  uint64
	}{
		{"SigPnd", t.Pending}, {"ShdPnd", x.Pending}, {"SigBlk", t.Blocked}, {"SigIgn", x.Ignored}, {"SigCgt", x.Caught},
		{"CapInh", 0}, {"CapPrm", 0}, {"CapEff", 0}, {"CapBnd", 0}, {"CapAmb", 0},
	} {
		b.str(f.name).str(":\t").hex(f.set, 16).str("\n")
	}
	b.str("NoNewPrivs:\t").num(boolean(x.NoNewPrivs)).str("\nSeccomp:\t").num(int64(x.Seccomp)).str("\nSeccomp_filters:\t0\n")
	b.str("Cpus_allowed:\t").str(mask(t.CPUs)).str("\nCpus_allowed_list:\t").str(cpuList(t.CPUs))
	b.str("\nMems_allowed:\t1\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t").unum(t.Voluntary)
	b.str("\nnonvoluntary_ctxt_switches:\t").unum(t.Involuntary).str("\n")
	return b
}

func boolean(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// mask shows a bitmap in groups of 32 bits, the highest first.
func mask(set []uint64) string {
	var b text
	started := false
	for i := len(set)*2 - 1; i >= 0; i-- {
		w := uint32(set[i/2] >> (i % 2 * 32))
		switch {
		case started:
			b.str(",").hex(uint64(w), 8)
		case w != 0 || i == 0:
			b.hex(uint64(w), 1)
			started = true
		}
	}
	return string(b)
}

// cpuList shows a bitmap as ranges, "0-3,7".
func cpuList(set []uint64) string {
	var b text
	has := func(i int) bool { return i < len(set)*64 && set[i/64]>>(i%64)&1 != 0 }
	for i := 0; i < len(set)*64; i++ {
		if !has(i) {
			continue
		}
		first := i
		for has(i + 1) {
			i++
		}
		if len(b) > 0 {
			b.str(",")
		}
		b.num(int64(first))
		if i > first {
			b.str("-").num(int64(i))
		}
	}
	return string(b)
}

// limitNames are the lines of /proc/N/limits by RLIMIT_ number, with their units.
var limitNames = [16][2]string{
	{"Max cpu time", "seconds"}, {"Max file size", "bytes"}, {"Max data size", "bytes"}, {"Max stack size", "bytes"},
	{"Max core file size", "bytes"}, {"Max resident set", "bytes"}, {"Max processes", "processes"},
	{"Max open files", "files"}, {"Max locked memory", "bytes"}, {"Max address space", "bytes"},
	{"Max file locks", "locks"}, {"Max pending signals", "signals"}, {"Max msgqueue size", "bytes"},
	{"Max nice priority", ""}, {"Max realtime priority", ""}, {"Max realtime timeout", "us"},
}

func (p *proc) limits() []byte {
	var b text
	b.right("Limit", 26).right("Soft Limit", 21).right("Hard Limit", 21).str("Units     \n")
	for i, l := range p.Source.Limits() {
		b.right(limitNames[i][0], 26)
		for _, n := range l {
			s := "unlimited"
			if n != ^uint64(0) {
				s = strconv.FormatUint(n, 10)
			}
			b.right(s, 21)
		}
		if unit := limitNames[i][1]; unit != "" {
			b.right(unit, 10)
		}
		b.str("\n")
	}
	return b
}
