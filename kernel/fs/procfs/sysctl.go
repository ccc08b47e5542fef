package procfs

import (
	"skerry/kernel/abi"
	"skerry/kernel/fs/pseudofs"
	"skerry/kernel/ground/frame"
	"skerry/kernel/vfs"
)

// addSysctl fills /proc/sys with what this kernel has a value for. All of it is
// read-only: the values are the kernel's, not settings.
func (p *proc) addSysctl(d *pseudofs.Dir) {
	s := p.Source
	line := func(content func(b *text)) func() []byte {
		return func() []byte {
			var b text
			content(&b)
			return b.str("\n").bytes()
		}
	}
	text1 := func(v string) func() []byte { return func() []byte { return []byte(v + "\n") } }
	files := map[string]func() []byte{
		"kernel/ostype":     text1("Linux"),
		"kernel/osrelease":  line(func(b *text) { b.str(s.System().Release) }),
		"kernel/version":    line(func(b *text) { b.str(s.System().Version) }),
		"kernel/hostname":   line(func(b *text) { b.str(s.System().Hostname) }),
		"kernel/domainname": text1("(none)"),
		// Thread IDs count up to here, as on Linux.
		"kernel/pid_max":              text1("4194304"),
		"kernel/threads-max":          line(func(b *text) { b.num(int64(s.System().MaxThreads)) }),
		"kernel/cap_last_cap":         text1("40"),
		"kernel/ngroups_max":          text1("65536"),
		"kernel/overflowuid":          text1(itoa(abi.ID)),
		"kernel/overflowgid":          text1(itoa(abi.ID)),
		"kernel/randomize_va_space":   text1("2"),
		// No core is ever written, core(5).
		"kernel/core_pattern":         text1(""),
		"kernel/core_uses_pid":        text1("0"),
		"kernel/perf_event_paranoid":  text1("4"),
		"kernel/random/poolsize":      text1("256"),
		"kernel/random/entropy_avail": text1("256"),
		"kernel/random/boot_id":       line(func(b *text) { b.uuid(s.System().BootID) }),
		"kernel/random/uuid":          line(func(b *text) { b.uuid(s.System().NewUUID()) }),
		"vm/overcommit_memory":        text1("0"),
		"vm/overcommit_ratio":         text1("50"),
		"vm/overcommit_kbytes":        text1("0"),
		"vm/max_map_count":            text1("65530"),
		"vm/mmap_min_addr":            text1("65536"),
		"vm/swappiness":               text1("0"),
		"vm/nr_hugepages":             text1("0"),
		"vm/nr_overcommit_hugepages":  text1("0"),
		"fs/file-max":                 text1(itoa(vfs.MaxFiles)),
		"fs/nr_open":                  text1(itoa(vfs.MaxFiles)),
		"fs/file-nr": line(func(b *text) {
			b.num(int64(p.Context.Files.Count())).str("\t0\t").num(vfs.MaxFiles)
		}),
		"fs/pipe-max-size":              text1(itoa(vfs.MaxPipeSize)),
		"fs/epoll/max_user_watches":     line(func(b *text) { b.num(vfs.MaxEpollWatches()) }),
		"fs/inotify/max_queued_events":  text1(itoa(vfs.MaxInotifyEvents)),
		"fs/inotify/max_user_watches":   text1(itoa(vfs.MaxInotifyWatches)),
		"fs/inotify/max_user_instances": text1(itoa(vfs.MaxFiles)),
		"fs/overflowuid":                text1(itoa(abi.ID)),
		"fs/overflowgid":                text1(itoa(abi.ID)),
		"vm/min_free_kbytes":            line(func(b *text) { b.num(frame.Read().Reserve * 4) }),
	}
	for path, f := range p.Sysctl {
		files[path] = f
	}
	for _, path := range sorted(files) {
		addAt(d, path, files[path])
	}
}

// uuid appends a UUID in its usual spelling.
func (b *text) uuid(u [16]byte) *text {
	for i, c := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b.str("-")
		}
		b.hex(uint64(c), 2)
	}
	return b
}
