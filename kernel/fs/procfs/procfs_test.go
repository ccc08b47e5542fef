package procfs

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/fs/devfs"
	"skerry/kernel/fs/tmpfs"
	"skerry/kernel/ground/frame"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
	"skerry/kernel/wait"
)

func TestMain(m *testing.M) {
	frame.InitHost(4096)
	os.Exit(m.Run())
}

// fake is a Source with made-up values.
type fake struct {
	maps   []Mapping
	exe    *vfs.Dentry
	limits [16][2]uint64
	comm   string
	oom    int
	tids   []int32
}

func (f *fake) Process() Process {
	return Process{Comm: f.comm, Args: []string{"/bin/app", "-x", "a b"}, Env: []string{"HOME=/", "X="}, Auxv: []byte{1, 2, 3},
		Exe: f.exe, Threads: len(f.tids), Start: 1230e7, User: 456e7, Sys: 789e7, MinorFaults: 11, OOMScoreAdj: f.oom,
		Caught: 1 << 14, Queued: 3, MaxQueued: 1000,
		Mem: ProcessMemory{Virtual: 100 << 20, Peak: 101 << 20, Resident: 10 << 20, ResidentTop: 12 << 20, Anon: 6 << 20,
			File: 4 << 20, Data: 50 << 20, Stack: 132 << 10, Text: 1 << 20, PageTables: 64 << 10}}
}

func (f *fake) Next(tid int32) (int32, bool) {
	for _, t := range f.tids {
		if t >= tid {
			return t, true
		}
	}
	return 0, false
}

func (f *fake) Thread(tid int32) (Thread, bool) {
	if n, ok := f.Next(tid); !ok || n != tid {
		return Thread{}, false
	}
	return Thread{Comm: f.comm, State: 'S', CPU: 1, CPUs: []uint64{0b1011}, Voluntary: 5, Blocked: 1 << 9}, true
}

func (f *fake) Current() int32 { return f.tids[len(f.tids)-1] }

func (f *fake) Map(addr uintptr) (Mapping, bool) {
	for _, m := range f.maps {
		if m.End > addr {
			return m, true
		}
	}
	return Mapping{}, false
}

func (f *fake) Usage(start, end uintptr) Usage {
	return Usage{Resident: uint64(end - start), Anonymous: 4096, PrivateDirty: 4096, Referenced: 8192}
}
func (f *fake) Limits() [16][2]uint64 { return f.limits }
func (f *fake) Segments() []Segment {
	return []Segment{{Key: -2, ID: 3, Mode: 0o1600, Size: 5000, Resident: 4096, Attached: 1, Last: 1, Ctime: 7}}
}

func (f *fake) Memory() Memory {
	return Memory{Total: 256 << 20, Free: 100 << 20, Available: 150 << 20, Cached: 30 << 20, Shmem: 1 << 20, Anon: 9 << 20}
}
func (f *fake) CPUs() []CPU {
	c := CPU{Vendor: "AuthenticAMD", Family: 25, Model: 1, Stepping: 1, Name: "AMD EPYC", KHz: 2445428, CacheKB: 512,
		Flags: []string{"fpu", "sse2"}, PhysBits: 48, VirtBits: 48, CLFlush: 64, CPUIDLevel: 13, User: 5e9, Sys: 2e9, Idle: 93e9}
	return []CPU{c, c}
}
func (f *fake) System() System {
	return System{Uptime: 50123456789, Boot: 1700000000, Release: "6.12.0", Version: "#1 SMP", Hostname: "host", Load: [3]uint64{5, 110, 1234},
		Running: 1, LastTID: 77, Switches: 99, MaxThreads: 4096, BootID: [16]byte{0xde, 0xad, 15: 0x01},
		NewUUID: func() [16]byte { return [16]byte{1, 2, 3} }}
}
func (f *fake) SetComm(tid int32, name string) bool { f.comm = name; return true }
func (f *fake) SetOOMScoreAdj(n int)                { f.oom = n }

const cwd = abi.AT_FDCWD

func vec(b []byte) *usermem.Vec {
	v := new(usermem.Vec)
	v.InitBytes(b)
	return v
}

func world(t *testing.T) (*vfs.Context, *fake) {
	t.Helper()
	c := vfs.NewContext(tmpfs.New(tmpfs.Options{}))
	for _, d := range []string{"/proc", "/dev", "/bin", "/with space"} {
		c.Mkdir(cwd, d, 0o755)
	}
	f := &fake{comm: "app", tids: []int32{1, 5, 30}}
	f.exe, _ = c.Lookup("/bin")
	opt := Options{Source: f, Context: c, Types: []string{"proc", "tmpfs", "erofs"},
		Net: func() map[string]func() []byte {
			return map[string]func() []byte{"dev": func() []byte { return []byte("lo\n") }, "stat/x": func() []byte { return nil }}
		},
		Sysctl: map[string]func() map[string]func() []byte{"net/core": func() map[string]func() []byte {
			return map[string]func() []byte{"somaxconn": func() []byte { return []byte("4096\n") }}
		}}}
	for path, fs := range map[string]vfs.FileSystem{"/proc": New(opt), "/dev": devfs.New(devfs.Options{}), "/with space": tmpfs.New(tmpfs.Options{Size: 1 << 20})} {
		if e := c.Mount(path, fs); e != abi.OK {
			t.Fatal(path, e)
		}
	}
	return c, f
}

// read is the contents of a file, read in pieces of an odd size.
func read(t *testing.T, c *vfs.Context, path string) string {
	t.Helper()
	var w wait.Waiter
	d, e := c.OpenFile(&w, cwd, path, 0, 0, 0)
	if e != abi.OK {
		t.Fatalf("%s: %v", path, e)
	}
	defer d.Unref()
	var all []byte
	b := make([]byte, 37)
	for {
		n, e := d.Read(&w, vec(b))
		if e != abi.OK {
			t.Fatal(path, e)
		}
		if n == 0 {
			return string(all)
		}
		all = append(all, b[:n]...)
	}
}

func hostFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Skip(err)
	}
	return string(b)
}

// TestMapsAsHost turns the host's own maps into mappings and compares the text.
func TestMapsAsHost(t *testing.T) {
	c, f := world(t)
	want := hostFile(t, "/proc/self/maps")
	re := regexp.MustCompile(`^([0-9a-f]+)-([0-9a-f]+) (.)(.)(.)(.) ([0-9a-f]+) ([0-9a-f]+):([0-9a-f]+) (\d+)\s*(.*)$`)
	hex := func(s string) uint64 { n, _ := strconv.ParseUint(s, 16, 64); return n }
	for l := range strings.Lines(want) {
		m := re.FindStringSubmatch(strings.TrimSuffix(l, "\n"))
		if m == nil {
			t.Fatalf("host line %q", l)
		}
		ino, _ := strconv.ParseUint(m[10], 10, 64)
		f.maps = append(f.maps, Mapping{Start: uintptr(hex(m[1])), End: uintptr(hex(m[2])), Read: m[3] == "r", Write: m[4] == "w",
			Exec: m[5] == "x", Shared: m[6] == "s", Offset: hex(m[7]), Dev: vfs.MakeDev(uint32(hex(m[8])), uint32(hex(m[9]))), Ino: ino, Name: m[11]})
	}
	got := read(t, c, "/proc/self/maps")
	gl, wl := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range wl {
		// The vsyscall page is above what an address may be here.
		if i >= len(gl) || gl[i] != wl[i] {
			t.Fatalf("line %d: %q, host %q", i, gl[min(i, len(gl)-1)], wl[i])
		}
	}
	smaps := read(t, c, "/proc/self/smaps")
	if !strings.HasPrefix(smaps, wl[0]+"\nSize: ") || strings.Count(smaps, "VmFlags:") != len(f.maps) {
		t.Errorf("smaps: %.300s", smaps)
	}
	if r := read(t, c, "/proc/self/smaps_rollup"); !strings.Contains(r, " ---p 00000000 00:00 0 ") || !strings.Contains(r, "[rollup]\nRss:") {
		t.Error(r)
	}
	keysInOrder(t, "smaps", smaps[strings.IndexByte(smaps, '\n')+1:], hostFile(t, "/proc/self/smaps"))
	f.maps = []Mapping{{Start: 0x1000, End: 0x2000, Name: "/a\nb"}}
	if got := read(t, c, "/proc/self/maps"); strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, `/a\012b`+"\n") {
		t.Errorf("%q", got)
	}
}

// keysInOrder checks that the "Key: value" lines of ours have keys that the host
// has too, in the host's order.
func keysInOrder(t *testing.T, what, ours, host string) {
	t.Helper()
	key := func(l string) string { k, _, _ := strings.Cut(l, ":"); return strings.TrimSpace(k) }
	var hk []string
	for l := range strings.Lines(host) {
		hk = append(hk, key(l))
	}
	at := 0
	for l := range strings.Lines(ours) {
		k := key(l)
		i := at
		for i < len(hk) && hk[i] != k {
			i++
		}
		if i == len(hk) {
			t.Errorf("%s: the host has no line %q at or after its line %d", what, k, at)
			continue
		}
		at = i
		if k == "VmFlags" {
			break // the next mapping's lines are another matter
		}
	}
}

// TestStatusAsHost compares the names of lines and their order with the host's.
func TestStatusAsHost(t *testing.T) {
	c, _ := world(t)
	keysInOrder(t, "status", read(t, c, "/proc/self/status"), hostFile(t, "/proc/self/status"))
	keysInOrder(t, "meminfo", read(t, c, "/proc/meminfo"), hostFile(t, "/proc/meminfo"))
	ours := read(t, c, "/proc/cpuinfo")
	ours = ours[:strings.Index(ours, "\n\n")]
	host := hostFile(t, "/proc/cpuinfo")
	keysInOrder(t, "cpuinfo", ours, host)
	// Where both have a value of one shape, the text up to it must be the same.
	prefix := regexp.MustCompile(`(?m)^[^:\n]+:[ \t]*`)
	in := map[string]bool{}
	for _, p := range prefix.FindAllString(host, -1) {
		in[strings.TrimRight(p, " ")] = true
	}
	for _, p := range prefix.FindAllString(ours, -1) {
		if !in[strings.TrimRight(p, " ")] && !strings.HasPrefix(p, "bugs") {
			t.Errorf("cpuinfo: %q is not how the host writes it", p)
		}
	}
	width := regexp.MustCompile(`(?m)^\S+: +\d+ kB$`)
	for l := range strings.Lines(read(t, c, "/proc/meminfo")) {
		if len(l) != len("MemTotal:       24684092 kB\n") && !strings.HasPrefix(l, "HugePages_") || !width.MatchString(strings.TrimSpace(l)) && !strings.HasPrefix(l, "HugePages_") {
			t.Errorf("meminfo: %q", l)
		}
	}
}

func TestLimitsAsHost(t *testing.T) {
	c, f := world(t)
	for i := range f.limits {
		var r syscall.Rlimit
		if err := syscall.Getrlimit(i, &r); err != nil {
			t.Skip(err)
		}
		f.limits[i] = [2]uint64{r.Cur, r.Max}
	}
	// Go raises the soft limit of descriptors, and hides it from Getrlimit.
	host := hostFile(t, "/proc/self/limits")
	re := regexp.MustCompile(`Max open files +(\d+)`)
	n, _ := strconv.ParseUint(re.FindStringSubmatch(host)[1], 10, 64)
	f.limits[7][0] = n
	if got := read(t, c, "/proc/self/limits"); got != host {
		t.Errorf("ours\n%s\nhost\n%s", got, host)
	}
}

func TestSystemFiles(t *testing.T) {
	c, f := world(t)
	for path, want := range map[string]string{
		"/proc/uptime": "50.12 186.00\n", "/proc/loadavg": "0.05 1.10 12.34 1/3 77\n", "/proc/version": "Linux version 6.12.0 (skerry) #1 SMP\n",
		"/proc/filesystems": "nodev\tproc\nnodev\ttmpfs\n\terofs\n", "/proc/self/cgroup": "0::/\n", "/proc/self/comm": "app\n",
		"/proc/self/cmdline": "/bin/app\x00-x\x00a b\x00", "/proc/self/environ": "HOME=/\x00X=\x00", "/proc/self/auxv": "\x01\x02\x03",
		"/proc/self/statm": "25600 2560 1024 256 0 12833 0\n", "/proc/net/dev": "lo\n", "/proc/self/net/stat/x": "",
		"/proc/sys/net/core/somaxconn": "4096\n", "/proc/sys/kernel/osrelease": "6.12.0\n", "/proc/sys/kernel/hostname": "host\n",
		"/proc/sys/kernel/random/boot_id": "dead0000-0000-0000-0000-000000000001\n",
		"/proc/sys/kernel/random/uuid":    "01020300-0000-0000-0000-000000000000\n", "/proc/sys/vm/overcommit_memory": "0\n",
		"/proc/sys/fs/file-nr": "0\t0\t65536\n", "/proc/1/task/5/comm": "app\n", "/proc/self/oom_score_adj": "0\n",
	} {
		if got := read(t, c, path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	f.comm = "a) b (c"
	for tid, want := range map[string]string{"1": "1 (a) b (c) S 0 1 1 0 -1 ", "5": "5 (a) b (c) S 0 1 1 0 -1 "} {
		got := read(t, c, "/proc/1/task/"+tid+"/stat")
		if !strings.HasPrefix(got, want) || len(strings.Fields(got[strings.LastIndex(got, ")"):])) != 51 {
			t.Errorf("stat: %q", got)
		}
	}
	stat := strings.Fields(read(t, c, "/proc/self/stat")[len("1 (a) b (c) "):])
	host := strings.Fields(hostFile(t, "/proc/self/stat"))
	if len(stat) != len(host)-2 || stat[11] != "456" || stat[12] != "789" || stat[19] != "1230" || stat[20] != "104857600" {
		t.Error(len(stat), stat)
	}
	sys := read(t, c, "/proc/stat")
	if !strings.HasPrefix(sys, "cpu  1000 0 400 18600 0 0 0 0 0 0\ncpu0 500 0 200 9300 ") || !strings.Contains(sys, "\nbtime 1700000000\n") {
		t.Error(sys)
	}
	status := read(t, c, "/proc/thread-self/status")
	for _, l := range []string{"Pid:\t30\n", "Tgid:\t1\n", "Uid:\t65532\t65532\t65532\t65532\n", "VmRSS:\t   10240 kB\n", "SigCgt:\t0000000000004000\n",
		"Cpus_allowed:\tb\n", "Cpus_allowed_list:\t0-1,3\n", "Threads:\t3\n", "State:\tS (sleeping)\n"} {
		if !strings.Contains(status, l) {
			t.Errorf("status without %q", l)
		}
	}
	for _, absent := range []string{"self/mem", "self/pagemap", "self/syscall", "self/stack", "self/wchan", "kcore", "kallsyms", "kmsg", "2", "self/task/2"} {
		var st abi.Stat
		if e := c.Stat(cwd, "/proc/"+absent, 0, &st); e != abi.ENOENT {
			t.Errorf("%s: %v", absent, e)
		}
	}
	var w wait.Waiter
	for _, x := range []struct {
		path, text string
		want       abi.Errno
	}{{"oom_score_adj", "-500\n", abi.OK}, {"oom_score_adj", "1001", abi.EINVAL}, {"oom_score_adj", "x", abi.EINVAL}, {"comm", "renamed-to-a-long-name\n", abi.OK}} {
		d, e := c.OpenFile(&w, cwd, "/proc/self/"+x.path, abi.O_WRONLY, 0, 0)
		if e != abi.OK {
			t.Fatal(e)
		}
		if _, e := d.Write(&w, vec([]byte(x.text))); e != x.want {
			t.Errorf("%s = %q: %v", x.path, x.text, e)
		}
		d.Unref()
	}
	if f.oom != -500 || f.comm != "renamed-to-a-lo" {
		t.Error(f.oom, f.comm)
	}
}

func TestMountTables(t *testing.T) {
	c, _ := world(t)
	info := read(t, c, "/proc/self/mountinfo")
	line := regexp.MustCompile(`^\d+ \d+ \d+:\d+ / /\S* r[ow],nosuid,nodev\S* - \S+ \S+ r[ow]\S*$`)
	s := bufio.NewScanner(strings.NewReader(info))
	n := 0
	for s.Scan() {
		n++
		if !line.MatchString(s.Text()) {
			t.Errorf("%q", s.Text())
		}
	}
	if n != 4 || !strings.Contains(info, ` / /with\040space rw`) {
		t.Error(info)
	}
	mounts := read(t, c, "/proc/mounts")
	if !strings.Contains(mounts, "proc /proc proc rw,nosuid,nodev,noexec,relatime 0 0\n") || !strings.Contains(mounts, `tmpfs /with\040space tmpfs rw`) ||
		!strings.Contains(mounts, "size=1024k") {
		t.Error(mounts)
	}
	// st_dev of a file and the device of its mount are the same number.
	var st abi.Stat
	c.Stat(cwd, "/dev/null", 0, &st)
	dev := fmt.Sprintf(" 0:%d / /dev ", st.Dev)
	if !strings.Contains(info, dev) {
		t.Errorf("no %q in %s", dev, info)
	}
}

func TestDescriptors(t *testing.T) {
	c, f := world(t)
	var w wait.Waiter
	open := func(path string, flags uint32) int32 {
		fd, e := c.Open(&w, cwd, path, flags, 0o644)
		if e != abi.OK {
			t.Fatal(path, e)
		}
		return fd
	}
	link := func(fd int32) string {
		s, e := c.Readlink(cwd, fmt.Sprintf("/proc/self/fd/%d", fd))
		if e != abi.OK {
			t.Fatal(e)
		}
		return s
	}
	file := open("/bin/file", abi.O_CREAT|abi.O_RDWR)
	d, _ := c.Files.Get(file)
	d.Write(&w, vec([]byte("contents")))
	if got := link(file); got != "/bin/file" {
		t.Error(got)
	}
	var st abi.Stat
	c.Stat(cwd, fmt.Sprintf("/proc/self/fd/%d", file), abi.AT_SYMLINK_NOFOLLOW, &st)
	if st.Mode != abi.S_IFLNK|0o700 {
		t.Errorf("%o", st.Mode)
	}
	c.Rename(cwd, "/bin/file", cwd, "/bin/moved", 0)
	if got := link(file); got != "/bin/moved" {
		t.Error(got)
	}
	c.Unlink(cwd, "/bin/moved")
	if got := link(file); got != "/bin/moved (deleted)" {
		t.Error(got)
	}
	// It can still be opened through the link, as a new description.
	again := open(fmt.Sprintf("/dev/fd/%d", file), abi.O_RDONLY)
	if b := make([]byte, 20); true {
		g, _ := c.Files.Get(again)
		if n, e := g.Read(&w, vec(b)); string(b[:n]) != "contents" || e != abi.OK {
			t.Error(string(b[:n]), e)
		}
		g.Unref()
	}
	c.Stat(cwd, fmt.Sprintf("/proc/self/fd/%d", again), abi.AT_SYMLINK_NOFOLLOW, &st)
	if st.Mode != abi.S_IFLNK|0o500 {
		t.Errorf("%o", st.Mode)
	}
	d.Unref()
	c.Files.CloseRange(0, 99, 0, true)

	// A pipe in the place of standard output: /dev/stdout writes into it.
	r, p, _ := vfs.NewPipe(abi.O_NONBLOCK)
	zero, _ := c.Files.Install(r, false)
	one, _ := c.Files.Install(p, true)
	if got := link(one); !regexp.MustCompile(`^pipe:\[\d+\]$`).MatchString(got) || zero != 0 || one != 1 {
		t.Error(got)
	}
	out := open("/dev/stdout", abi.O_WRONLY|abi.O_APPEND|abi.O_CREAT|abi.O_TRUNC)
	g, _ := c.Files.Get(out)
	if n, e := g.Write(&w, vec([]byte("log"))); n != 3 || e != abi.OK {
		t.Error(n, e)
	}
	b := make([]byte, 9)
	if n, _ := r.Read(&w, vec(b)); string(b[:n]) != "log" {
		t.Error(string(b[:n]))
	}
	g.Unref()
	ep, _ := c.Files.Install(vfs.NewEpoll(), false)
	ev, _ := vfs.NewEventFD(10, 0)
	efd, _ := c.Files.Install(ev, false)
	if got := link(ep) + link(efd); got != "anon_inode:[eventpoll]anon_inode:[eventfd]" {
		t.Error(got)
	}
	if _, e := c.Open(&w, cwd, fmt.Sprintf("/proc/self/fd/%d", efd), abi.O_RDWR, 0); e != abi.ENXIO {
		t.Error("open of an eventfd through its link:", e)
	}
	c.Files.EpollControl(ep, abi.EPOLL_CTL_ADD, efd, &vfs.EpollEvent{Events: abi.POLLIN, Data: 0xab})
	want := "pos:\t0\nflags:\t02\nmnt_id:\t0\nino:\t"
	if got := read(t, c, fmt.Sprintf("/proc/self/fdinfo/%d", efd)); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "eventfd-count:                a\n") {
		t.Errorf("%q", got)
	}
	if got := read(t, c, fmt.Sprintf("/proc/self/fdinfo/%d", ep)); !strings.Contains(got, fmt.Sprintf("tfd: %8d events:       19 data:               ab\n", efd)) {
		t.Errorf("%q", got)
	}
	if got := read(t, c, "/proc/self/fdinfo/1"); !strings.Contains(got, "flags:\t02004001\n") {
		t.Errorf("%q", got)
	}
	// The listing, while it is itself open.
	self := open("/proc/self/fd", abi.O_DIRECTORY)
	l, _ := c.Files.Get(self)
	buf := make([]byte, 2000)
	n, _ := l.Getdents(vec(buf))
	var names []string
	for b := buf[:n]; len(b) > 0; b = b[int(b[16])|int(b[17])<<8:] {
		names = append(names, string(b[19:19+bytes.IndexByte(b[19:], 0)]))
	}
	if got := strings.Join(names, " "); got != ". .. 0 1 2 3 4 5" {
		t.Error(got)
	}
	l.Unref()

	for name, want := range map[string]string{"exe": "/bin", "cwd": "/", "root": "/"} {
		if got, e := c.Readlink(cwd, "/proc/self/"+name); got != want || e != abi.OK {
			t.Error(name, got, e)
		}
	}
	f.exe = nil
	if _, e := c.Readlink(cwd, "/proc/self/exe"); e != abi.ENOENT {
		t.Error("exe that is gone:", e)
	}
	if got, e := c.Readlink(cwd, "/proc/self"); got != "1" || e != abi.OK {
		t.Error(got, e)
	}
	if got, e := c.Readlink(cwd, "/proc/thread-self"); got != "1/task/30" || e != abi.OK {
		t.Error(got, e)
	}
}
