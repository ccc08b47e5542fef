package tmpfs

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
	"skerry/kernel/wait"
)

// TestAgainstHost runs the same random sequences of operations on the host's
// tmpfs, by system calls in a process that has changed its root to a directory in
// /dev/shm, and on ours, and compares results, error numbers, contents and
// attributes. Every third sequence goes on as an overlay of what it has made so far.
func TestAgainstHost(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root for chroot")
	}
	var st syscall.Statfs_t
	if syscall.Statfs("/dev/shm", &st) != nil || st.Type != magic {
		t.Skip("no tmpfs at /dev/shm")
	}
	dir, err := os.MkdirTemp("/dev/shm", "skerry")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("/proc/self/exe")
	rounds := "60"
	if testing.Short() {
		rounds = "10"
	}
	if r := os.Getenv("SKERRY_DIFF_ROUNDS"); r != "" {
		rounds = r
	}
	cmd.Env = append(os.Environ(), "SKERRY_DIFF_ROOT="+dir, "SKERRY_DIFF_ROUNDS="+rounds)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// diffChild is the process that runs the comparison.
func diffChild(dir string) int {
	if err := syscall.Chroot(dir); err != nil {
		fmt.Println(err)
		return 1
	}
	syscall.Umask(0o027)
	rounds, _ := strconv.Atoi(os.Getenv("SKERRY_DIFF_ROUNDS"))
	from := 0
	if s := os.Getenv("SKERRY_DIFF_SEED"); s != "" {
		from, _ = strconv.Atoi(s)
		rounds = from + 1
	}
	ops, okays := 0, 0
	for seed := from; seed < rounds; seed++ {
		d := &differ{rng: rand.New(rand.NewSource(int64(seed))), reserves: seed%2 == 0 && seed%3 != 2}
		d.reset(seed)
		d.beneath = seed%3 == 2
		for i := 0; i < 1500; i++ {
			if d.beneath && i == 400 {
				d.cover()
			}
			host, ours := d.step()
			d.log = append(d.log, host)
			if host != ours {
				fmt.Printf("seed %d step %d:\n host %s\n ours %s\nbefore:\n", seed, i, host, ours)
				for _, l := range d.log[max(len(d.log)-40, 0):] {
					fmt.Println("   ", l)
				}
				return 1
			}
			if strings.HasSuffix(host, "= OK") || strings.Contains(host, "= OK ") {
				okays++
			}
			ops++
		}
		d.close()
	}
	fmt.Printf("%d operations agreed, %d of them successful\n", ops, okays)
	return 0
}

// differ holds both sides of the comparison.
type differ struct {
	rng *rand.Rand
	c   *vfs.Context
	fs  *FS
	w   wait.Waiter
	fds []pair
	log []string
	// reserves lets a round use fallocate to reserve pages; reserved says it did.
	reserves, reserved bool
	// beneath says that what is made will be the lower file system of an overlay, lower
	// is that once it is so.
	beneath bool
	lower   *FS
}

type pair struct {
	host int
	ours int32
}

func (d *differ) reset(seed int) {
	base := fmt.Sprintf("/r%d", seed)
	syscall.Mkdir(base, 0o755)
	if err := syscall.Chroot(base); err != nil {
		panic(err)
	}
	syscall.Chdir("/")
	syscall.Chmod("/", 0o777)
	d.c, d.fs = world(Options{Size: 1 << 30})
	d.c.SetUmask(0o027)
}

// cover goes on with an overlay of the file system.
func (d *differ) cover() {
	d.closeFiles()
	syscall.Chdir("/")
	d.c.Chdir("/")
	d.lower, d.beneath = d.fs, false
	d.c, d.fs = world(Options{Size: 1 << 30, Lower: d.lower})
	d.c.SetUmask(0o027)
}

func (d *differ) closeFiles() {
	for _, p := range d.fds {
		syscall.Close(p.host)
		d.c.Files.Close(p.ours)
	}
	d.fds = nil
}

func (d *differ) close() {
	d.closeFiles()
	// Ours gives everything back.
	d.c.Chdir("/")
	d.removeAll("/")
	if p, i := d.fs.usedPages.Load(), d.fs.usedInodes.Load(); p != 0 || i != 1 {
		panic(fmt.Sprintf("%d pages and %d inodes left", p, i))
	}
	if d.lower != nil {
		d.fs, d.lower = d.lower, nil
		d.c = vfs.NewContext(d.fs)
		d.removeAll("/")
	}
	if n := frame.Read().Cache; n != 0 {
		panic(fmt.Sprintf("%d frames left", n))
	}
	// The next round's root is made below this one: start from an empty one.
	syscall.Chdir("/")
	entries, _ := os.ReadDir("/")
	for _, e := range entries {
		os.RemoveAll("/" + e.Name())
	}
}

// removeAll empties a directory of ours.
func (d *differ) removeAll(dir string) {
	fd, e := d.c.Open(&d.w, abi.AT_FDCWD, dir, abi.O_DIRECTORY, 0)
	if e != abi.OK {
		panic(e)
	}
	list, _ := d.ourDents(fd)
	d.c.Files.Close(fd)
	for _, l := range strings.Fields(list) {
		name, kind, _ := strings.Cut(l, "/")
		switch {
		case name == "." || name == "..":
			continue
		case kind == "4":
			d.removeAll(dir + name + "/")
			e = d.c.Rmdir(abi.AT_FDCWD, dir+name)
		default:
			e = d.c.Unlink(abi.AT_FDCWD, dir+name)
		}
		if e != abi.OK {
			panic(e)
		}
	}
}

func (d *differ) name() string {
	switch r := d.rng.Intn(60); {
	case r == 0:
		return strings.Repeat("n", 255)
	case r == 1:
		return strings.Repeat("n", 256)
	case r < 5:
		return "."
	case r < 9:
		return ".."
	case r < 12:
		return "new" + strconv.Itoa(d.rng.Intn(30))
	default:
		return string(rune('a' + d.rng.Intn(7)))
	}
}

func (d *differ) path() string {
	switch d.rng.Intn(80) {
	case 0:
		return ""
	case 1:
		return "/"
	case 2:
		return strings.Repeat("a/", 2100)
	case 3:
		return strings.Repeat("./", 2040) + d.name()
	}
	n := 1 + d.rng.Intn(3)
	if d.rng.Intn(2) == 0 {
		n = 1
	}
	parts := make([]string, n)
	for i := range parts {
		parts[i] = d.name()
	}
	p := strings.Join(parts, "/")
	if d.rng.Intn(8) == 0 {
		p = "/" + p
	}
	if d.rng.Intn(10) == 0 {
		p += "/"
	}
	if d.rng.Intn(20) == 0 {
		p = strings.ReplaceAll(p, "/", "//")
	}
	return p
}

func short(p string) string {
	if len(p) > 60 {
		return fmt.Sprintf("%s...(%d)", p[:20], len(p))
	}
	return strconv.Quote(p)
}

func errno(err syscall.Errno) string { return abi.Errno(err).Error() }

const fdcwd = -100

func (d *differ) fd() pair {
	if len(d.fds) == 0 {
		return pair{-1, -1}
	}
	return d.fds[d.rng.Intn(len(d.fds))]
}

// dirfd is where relative paths start: mostly the working directory.
func (d *differ) dirfd() pair {
	if d.rng.Intn(4) == 0 {
		return d.fd()
	}
	return pair{fdcwd, abi.AT_FDCWD}
}

func result(op string, e string, more ...any) string {
	s := op + " = " + e
	if e == "OK" || e == abi.OK.Error() {
		s = op + " = OK"
		for _, m := range more {
			s += fmt.Sprintf(" %v", m)
		}
	}
	return s
}

func (d *differ) statString(m uint32, nlink uint64, size, blocks int64) string {
	s := fmt.Sprintf("mode %o nlink %d", m, nlink)
	if d.lower == nil || m&abi.S_IFMT != abi.S_IFDIR { // an overlay's directory has the lower one's
		s += fmt.Sprintf(" size %d", size)
	}
	if m&abi.S_IFMT == abi.S_IFREG {
		s += fmt.Sprintf(" blocks %d", blocks)
	}
	return s
}

func (d *differ) hostStat(st *syscall.Stat_t) string {
	return d.statString(st.Mode, uint64(st.Nlink), st.Size, st.Blocks)
}

func (d *differ) ourStat(st *abi.Stat) string {
	return d.statString(st.Mode, st.Nlink, st.Size, st.Blocks)
}

// hostDents lists a directory on the host as "name/type" sorted.
func hostDents(fd int) (string, syscall.Errno) {
	sys(syscall.SYS_LSEEK, fd, 0, 0)
	var all []string
	buf := make([]byte, 700)
	for {
		n, e := sys(syscall.SYS_GETDENTS64, fd, buf, len(buf))
		if e != 0 {
			return "", e
		}
		if n == 0 {
			break
		}
		all = append(all, parseDents(buf[:n])...)
	}
	sort.Strings(all)
	return strings.Join(all, " "), 0
}

func parseDents(b []byte) (all []string) {
	for len(b) > 0 {
		reclen := int(b[16]) | int(b[17])<<8
		name := b[19:reclen]
		name = name[:bytes.IndexByte(name, 0)]
		all = append(all, fmt.Sprintf("%s/%d", name, b[18]))
		b = b[reclen:]
	}
	return all
}

func (d *differ) ourDents(fd int32) (string, abi.Errno) {
	f, e := d.c.Files.Get(fd)
	if e != abi.OK {
		return "", e
	}
	defer f.Unref()
	if _, e := f.Lseek(0, abi.SEEK_SET); e != abi.OK && e != abi.ESPIPE {
		return "", e
	}
	var all []string
	buf := make([]byte, 700)
	for {
		var v usermem.Vec
		v.InitBytes(buf)
		n, e := f.Getdents(&v)
		if e != abi.OK {
			return "", e
		}
		if n == 0 {
			break
		}
		all = append(all, parseDents(buf[:n])...)
	}
	sort.Strings(all)
	return strings.Join(all, " "), abi.OK
}
