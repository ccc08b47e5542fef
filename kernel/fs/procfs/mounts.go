package procfs

import (
	"strconv"

	"skerry/kernel/vfs"
)

func octal(n uint64) string { return strconv.FormatUint(n, 8) }

// escape writes a field of a mount table, where blanks would end it, fstab(5).
func (b *text) escape(s string) *text {
	for i := range len(s) {
		switch c := s[i]; c {
		case ' ', '\t', '\n', '\\':
			b.str(`\`).pad(octal(uint64(c)), 3, '0')
		default:
			*b = append(*b, c)
		}
	}
	return b
}

// options are those of a mount, the flags that hold for every one first.
func (b *text) options(i *vfs.Info) *text {
	if i.ReadOnly {
		b.str("ro")
	} else {
		b.str("rw")
	}
	b.str(",nosuid,nodev")
	if i.NoExec {
		b.str(",noexec")
	}
	return b.str(",relatime")
}

// where is the path that a file system is mounted on.
func (p *proc) where(s *vfs.Super) string {
	if at := s.MountPoint(); at != nil {
		return p.Context.PathOf(at)
	}
	return "/"
}

// mounts is /proc/N/mounts, in the format of fstab(5).
func (p *proc) mounts() []byte {
	var b text
	for _, s := range p.Context.Mounts() {
		i := s.Info()
		b.escape(i.Source).str(" ").escape(p.where(s)).str(" ").str(i.Type).str(" ").options(&i)
		if i.Options != "" {
			b.str(",").str(i.Options)
		}
		b.str(" 0 0\n")
	}
	return b
}

// mountinfo is /proc/N/mountinfo, proc_pid_mountinfo(5).
func (p *proc) mountinfo() []byte {
	var b text
	for _, s := range p.Context.Mounts() {
		i := s.Info()
		parent := s.ID()
		if at := s.MountPoint(); at != nil {
			parent = at.Super().ID()
		}
		b.unum(s.ID()).str(" ").unum(parent).str(" ")
		b.unum(i.Dev >> 8 & 0xfff).str(":").unum(i.Dev&0xff | i.Dev>>12&^0xff).str(" / ").escape(p.where(s)).str(" ")
		b.options(&i).str(" - ").str(i.Type).str(" ").escape(i.Source)
		if i.ReadOnly {
			b.str(" ro")
		} else {
			b.str(" rw")
		}
		if i.Options != "" {
			b.str(",").str(i.Options)
		}
		b.str("\n")
	}
	return b
}

// mountstats is /proc/N/mountstats.
func (p *proc) mountstats() []byte {
	var b text
	for _, s := range p.Context.Mounts() {
		i := s.Info()
		b.str("device ").escape(i.Source).str(" mounted on ").escape(p.where(s)).str(" with fstype ").str(i.Type).str("\n")
	}
	return b
}
