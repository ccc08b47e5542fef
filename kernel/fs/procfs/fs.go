package procfs

import (
	"strconv"
	"strings"

	"skerry/kernel/abi"
	"skerry/kernel/fs/pseudofs"
	"skerry/kernel/vfs"
)

// magic is PROC_SUPER_MAGIC, uapi/linux/magic.h.
const magic = 0x9fa0

// pid is the process ID of the program.
const pid = 1

// Options are what /proc shows.
type Options struct {
	Source  Source
	Context *vfs.Context
	// Types are the file systems of /proc/filesystems.
	Types []string
	// Net are the files of /proc/net: dev, tcp, route, …
	Net func() map[string]func() []byte
	// Sysctl are further directories of /proc/sys by path, such as "net/core", and
	// what makes their files by name, such as "somaxconn".
	Sysctl map[string]func() map[string]func() []byte
}

// proc is the file system in the making.
type proc struct {
	*pseudofs.FS
	Options
}

// New returns /proc. Options.Net and those in Options.Sysctl are called when
// somebody first looks into the directory that they are for.
func New(opt Options) *pseudofs.FS {
	p := &proc{pseudofs.New("proc", magic, vfs.NoNames), opt}
	top := p.Top()
	top.Fill(func() { p.addTop(top) })
	return p.FS
}

// addTop fills /proc.
func (p *proc) addTop(top *pseudofs.Dir) {
	p.addSystem(top)
	sys := top.AddDir("sys")
	sys.Fill(func() { p.addSysctl(sys) })
	self := top.AddDir(strconv.Itoa(pid))
	self.Fill(func() { p.addProcess(self) })
	top.AddLink("self", strconv.Itoa(pid))
	top.Add("thread-self", &pseudofs.Magic{
		Node: p.NewNode(abi.S_IFLNK | 0o777),
		Text: func() (string, abi.Errno) {
			tid := p.Source.Current()
			if tid == 0 {
				return "", abi.ENOENT
			}
			return strconv.Itoa(pid) + "/task/" + strconv.Itoa(int(tid)), abi.OK
		},
		Target: func() (*vfs.Dentry, abi.Errno) {
			tid := p.Source.Current()
			if tid == 0 {
				return nil, abi.ENOENT
			}
			return p.Context.Lookup("/proc/" + strconv.Itoa(pid) + "/task/" + strconv.Itoa(int(tid)))
		},
	})
	top.AddLink("mounts", "self/mounts")
	top.AddLink("net", "self/net")
}

// sorted is the keys of a map in order, so that the tree is the same each time.
func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		i := len(keys) // a few names: by hand
		for keys = append(keys, k); i > 0 && keys[i-1] > k; i-- {
			keys[i] = keys[i-1]
		}
		keys[i] = k
	}
	return keys
}

// addAt makes a file at a path below a directory.
func addAt(d *pseudofs.Dir, path string, content func() []byte) {
	parts := strings.Split(path, "/")
	last := len(parts) - 1
	d.Sub(parts[:last]...).AddFile(parts[last], content)
}

// text is a line builder.
type text []byte

func (b *text) str(s string) *text {
	*b = append(*b, s...)
	return b
}

func (b *text) num(n int64) *text {
	*b = strconv.AppendInt(*b, n, 10)
	return b
}

func (b *text) unum(n uint64) *text {
	*b = strconv.AppendUint(*b, n, 10)
	return b
}

// hex appends n in hexadecimal with at least width digits.
func (b *text) hex(n uint64, width int) *text {
	return b.pad(strconv.FormatUint(n, 16), width, '0')
}

// pad appends s, filled on the left to a width.
func (b *text) pad(s string, width int, with byte) *text {
	for i := len(s); i < width; i++ {
		*b = append(*b, with)
	}
	return b.str(s)
}

// right appends s, filled with blanks on the right to a width.
func (b *text) right(s string, width int) *text {
	b.str(s)
	for i := len(s); i < width; i++ {
		*b = append(*b, ' ')
	}
	return b
}

// kB appends "name: n kB" as /proc/meminfo and status do; n in bytes.
func (b *text) kB(name string, bytes uint64, nameWidth, width int) *text {
	b.right(name+":", nameWidth)
	return b.pad(strconv.FormatUint(bytes/1024, 10), width, ' ').str(" kB\n")
}

// ticks is a time in units of sysconf(_SC_CLK_TCK), 1/100 s.
func ticks(ns int64) int64 { return ns / 1e7 }

// hundredths appends a time in seconds with two digits behind the point.
func (b *text) hundredths(ns int64) *text {
	t := ns / 1e7
	return b.num(t/100).str(".").pad(strconv.FormatInt(t%100, 10), 2, '0')
}
