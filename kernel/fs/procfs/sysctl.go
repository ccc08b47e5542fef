package procfs

import (
	"strings"

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
	// dir makes a directory whose files are made when somebody first looks into it.
	dir := func(path string, files func() map[string]func() []byte) {
		d := d.Sub(strings.Split(path, "/")...)
		d.Fill(func() {
			all := files()
			for _, name := range sorted(all) {
				d.AddFile(name, all[name])
			}
		})
	}
	dir("kernel", func() map[string]func() []byte {
		return map[string]func() []byte{
			"ostype":     text1("Linux"),
			"osrelease":  line(func(b *text) { b.str(s.System().Release) }),
			"version":    line(func(b *text) { b.str(s.System().Version) }),
			"hostname":   line(func(b *text) { b.str(s.System().Hostname) }),
			"domainname": text1("(none)"),
			// Thread IDs count up to here, as on Linux.
			"pid_max":            text1("4194304"),
			"threads-max":        line(func(b *text) { b.num(int64(s.System().MaxThreads)) }),
			"cap_last_cap":       text1("40"),
			"ngroups_max":        text1("65536"),
			"overflowuid":        text1(itoa(abi.ID)),
			"overflowgid":        text1(itoa(abi.ID)),
			"randomize_va_space": text1("2"),
			// No core is ever written, core(5).
			"core_pattern":        text1(""),
			"core_uses_pid":       text1("0"),
			"perf_event_paranoid": text1("4"),
			"tainted":             text1("0"),
			// As syscalls has them.
			"shmmax": text1("18446744073692774399"),
			"shmall": text1("18446744073692774399"),
			"shmmni": text1("4096"),
		}
	})
	dir("kernel/random", func() map[string]func() []byte {
		return map[string]func() []byte{
			"poolsize":      text1("256"),
			"entropy_avail": text1("256"),
			"boot_id":       line(func(b *text) { b.uuid(s.System().BootID) }),
			"uuid":          line(func(b *text) { b.uuid(s.System().NewUUID()) }),
		}
	})
	dir("vm", func() map[string]func() []byte {
		return map[string]func() []byte{
			"overcommit_memory":       text1("0"),
			"overcommit_ratio":        text1("50"),
			"overcommit_kbytes":       text1("0"),
			"max_map_count":           text1("65530"),
			"mmap_min_addr":           text1("65536"),
			"swappiness":              text1("0"),
			"zone_reclaim_mode":       text1("0"),
			"nr_hugepages":            text1("0"),
			"nr_overcommit_hugepages": text1("0"),
			"min_free_kbytes":         line(func(b *text) { b.num(frame.Read().Reserve * 4) }),
		}
	})
	dir("fs", func() map[string]func() []byte {
		return map[string]func() []byte{
			"file-max": text1(itoa(vfs.MaxFiles)),
			"nr_open":  text1(itoa(vfs.MaxFiles)),
			"file-nr": line(func(b *text) {
				b.num(int64(p.Context.Files.Count())).str("\t0\t").num(vfs.MaxFiles)
			}),
			"pipe-max-size": text1(itoa(vfs.MaxPipeSize)),
			"overflowuid":   text1(itoa(abi.ID)),
			"overflowgid":   text1(itoa(abi.ID)),
		}
	})
	dir("fs/epoll", func() map[string]func() []byte {
		return map[string]func() []byte{
			"max_user_watches": line(func(b *text) { b.num(vfs.MaxEpollWatches()) }),
		}
	})
	dir("fs/inotify", func() map[string]func() []byte {
		return map[string]func() []byte{
			"max_queued_events":  text1(itoa(vfs.MaxInotifyEvents)),
			"max_user_watches":   text1(itoa(vfs.MaxInotifyWatches)),
			"max_user_instances": text1(itoa(vfs.MaxFiles)),
		}
	})
	for _, path := range sorted(p.Sysctl) {
		dir(path, p.Sysctl[path])
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
