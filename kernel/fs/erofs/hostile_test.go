package erofs

import (
	"math/rand"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"skerry/kernel/abi"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
	"skerry/kernel/vfs/pagecache"
	"skerry/kernel/wait"
)

// explorer looks at everything in an image, with a budget, so that what a hostile
// one can do shows: a panic, a hang, more entries than it can hold.
type explorer struct {
	c      *vfs.Context
	budget int
	buf    [20000]byte
}

func (x *explorer) spend() bool {
	x.budget--
	return x.budget > 0
}

func explore(pool *pagecache.Pool, image []byte) abi.Errno {
	fs, e := Mount(Options{Device: &memDevice{data: image}, Pool: pool, Exec: true})
	if e != abi.OK {
		return e
	}
	x := &explorer{c: vfs.NewContext(fs), budget: 600}
	x.dir("/", 0)
	return abi.OK
}

func (x *explorer) dir(path string, depth int) {
	names, _ := list(x.c, path)
	for _, n := range names {
		name := n[:strings.LastIndexByte(n, '/')]
		if name == "." || name == ".." {
			continue
		}
		if !x.spend() {
			return
		}
		p := path + name
		var st abi.Stat
		if x.c.Stat(abi.AT_FDCWD, p, abi.AT_SYMLINK_NOFOLLOW, &st) != abi.OK {
			continue
		}
		switch st.Mode & abi.S_IFMT {
		case abi.S_IFDIR:
			if depth < 6 {
				x.dir(p+"/", depth+1)
			}
		case abi.S_IFLNK:
			x.c.Readlink(abi.AT_FDCWD, p)
			x.c.Stat(abi.AT_FDCWD, p, 0, &st)
		default:
			x.file(p, st.Size)
		}
	}
}

func (x *explorer) file(path string, size int64) {
	var w wait.Waiter
	d, e := x.c.OpenFile(&w, abi.AT_FDCWD, path, abi.O_RDONLY|abi.O_NONBLOCK, 0, 0)
	if e != abi.OK {
		return
	}
	defer d.Unref()
	for _, off := range []int64{0, size / 2, size - 5000} {
		var v usermem.Vec
		v.InitBytes(x.buf[:])
		d.Pread(&v, max(off, 0))
	}
	if m, ok := d.File().(vfs.Mapper); ok {
		for _, i := range []uint64{0, uint64(size) / 4096, uint64(size)/4096 + 1} {
			if p, e := m.Page(i, false); e == abi.OK {
				p.Unref()
			}
		}
	}
	if size < 1<<24 {
		d.Lseek(0, abi.SEEK_HOLE)
		d.Lseek(0, abi.SEEK_DATA)
	}
}

// corrupt changes an image in a few places, mostly where structures are.
func corrupt(rng *rand.Rand, image []byte) {
	for n := 1 + rng.Intn(8); n > 0; n-- {
		at := rng.Intn(len(image))
		if rng.Intn(3) > 0 {
			at = superOffset + rng.Intn(min(len(image)-superOffset, 30000))
		}
		switch rng.Intn(5) {
		case 0:
			image[at] ^= 1 << rng.Intn(8)
		case 1:
			image[at] = byte(rng.Intn(256))
		case 2:
			for i := at; i < min(at+1+rng.Intn(8), len(image)); i++ {
				image[i] = 0xff
			}
		case 3:
			for i := at; i < min(at+1+rng.Intn(64), len(image)); i++ {
				image[i] = 0
			}
		case 4: // one structure in place of another
			from := rng.Intn(len(image) - 64)
			copy(image[at:min(at+64, len(image))], image[from:from+64])
		}
	}
	// With the checksum feature off the superblock's fields get their turn.
	image[superOffset+sbCompat] &^= compatChecked
}

// corpus is a small image per layout.
func corpus(t testing.TB) [][]byte {
	var all [][]byte
	dir := tree(t, 3, 120)
	os.Remove(dir + "/etc/fl")
	os.Remove(dir + "/etc/fk")
	os.Remove(dir + "/sparse")
	for _, args := range [][]string{{}, {"-Enoinline_data"}, {"--chunksize=4096"}, {"-Eforce-chunk-indexes", "--chunksize=8192"}} {
		all = append(all, mkfs(t, dir, args...))
	}
	return all
}

func TestCorruptImages(t *testing.T) {
	images := append(corpus(t), handmade())
	rounds := 1500
	if s := os.Getenv("SKERRY_CORRUPT_ROUNDS"); s != "" {
		rounds, _ = strconv.Atoi(s)
	}
	pool := newPool(t)
	rng := rand.New(rand.NewSource(4))
	mounted := 0
	start := time.Now()
	for i := 0; i < rounds; i++ {
		image := append([]byte(nil), images[i%len(images)]...)
		corrupt(rng, image)
		if rng.Intn(20) == 0 {
			image = image[:rng.Intn(len(image))]
		}
		if explore(pool, image) == abi.OK {
			mounted++
		}
	}
	t.Logf("%d images, %d of them mounted, %v", rounds, mounted, time.Since(start))
	if mounted < rounds/4 {
		t.Error("the corruption is too coarse to test anything behind the superblock")
	}
}

func FuzzImage(f *testing.F) {
	f.Add(handmade())
	pool := newPool(f)
	f.Fuzz(func(t *testing.T, image []byte) {
		if len(image) >= superOffset+sbCompat+1 {
			image = append([]byte(nil), image...)
			image[superOffset+sbCompat] &^= compatChecked
		}
		explore(pool, image)
	})
}

// handmade is an image of a few blocks, made by hand: a directory with a file of
// plain data, one with an inline tail, one in chunks with a hole, a symbolic link,
// and a name of 255 bytes.
func handmade() []byte {
	b := make([]byte, 8*blockSize)
	sb := b[superOffset:]
	le.PutUint32(sb[sbMagic:], superMagic)
	sb[sbBlockBits] = blockBits
	le.PutUint16(sb[sbRootNID:], 0)
	le.PutUint64(sb[sbInodes:], 6)
	le.PutUint32(sb[sbBlocks:], 8)
	le.PutUint32(sb[sbMetaAddr:], 1)
	le.PutUint32(sb[sbIncompat:], featChunked)

	inode := func(nid int, format, mode uint16, size, data uint32) []byte {
		p := b[blockSize+nid*32:]
		le.PutUint16(p[inFormat:], format)
		le.PutUint16(p[inMode:], mode)
		le.PutUint16(p[inCompNlink:], 1)
		le.PutUint32(p[inSize:], size)
		le.PutUint32(p[inData:], data)
		return p[compactSize:]
	}
	names := []struct {
		name string
		nid  uint64
		kind byte
	}{
		{".", 0, 2}, {"..", 0, 2}, {"chunks", 24, 1}, {"inline", 8, 1}, {"link", 16, 7}, {"plain", 4, 1},
		{strings.Repeat("z", 255), 4, 1},
	}
	d := b[2*blockSize:]
	at := len(names) * headSize
	for i, n := range names {
		h := d[i*headSize:]
		le.PutUint64(h[headNID:], n.nid)
		le.PutUint16(h[headNameOff:], uint16(at))
		h[headType] = n.kind
		at += copy(d[at:], n.name)
	}
	inode(0, layoutPlain<<1, abi.S_IFDIR|0o755, uint32(at), 2)
	inode(4, layoutPlain<<1, abi.S_IFREG|0o755, 5000, 3)
	copy(b[3*blockSize:], strings.Repeat("plain", 1000))
	copy(inode(8, layoutInline<<1, abi.S_IFREG|0o644, 11, 0), "inline data")
	copy(inode(16, layoutInline<<1, abi.S_IFLNK|0o777, 5, 0), "plain")
	table := inode(24, layoutChunked<<1, abi.S_IFREG|0o644, 3*blockSize, 0)
	le.PutUint32(table[0:], 6)
	le.PutUint32(table[4:], chunkHole)
	le.PutUint32(table[8:], 5)
	copy(b[6*blockSize:], "first")
	copy(b[5*blockSize:], "third")
	return b
}

func TestHandmade(t *testing.T) {
	c := vfs.NewContext(mount(t, handmade()))
	var w wait.Waiter
	read := func(path string, off int64, n int) string {
		d, e := c.OpenFile(&w, abi.AT_FDCWD, path, 0, 0, 0)
		if e != abi.OK {
			t.Fatal(path, e)
		}
		defer d.Unref()
		b := make([]byte, n)
		var v usermem.Vec
		v.InitBytes(b)
		m, _ := d.Pread(&v, off)
		return string(b[:m])
	}
	long := "/" + strings.Repeat("z", 255)
	for _, x := range []struct {
		path string
		off  int64
		n    int
		want string
	}{
		{"/plain", 0, 5, "plain"}, {"/link", 4995, 100, "plain"}, {long, 4999, 9, "n"}, {"/inline", 0, 100, "inline data"},
		{"/chunks", 0, 5, "first"}, {"/chunks", 8192, 5, "third"}, {"/chunks", 4096, 3, "\x00\x00\x00"},
	} {
		if got := read(x.path, x.off, x.n); got != x.want {
			t.Errorf("%s at %d: %q, want %q", x.path, x.off, got, x.want)
		}
	}
	d, _ := c.OpenFile(&w, abi.AT_FDCWD, "/chunks", 0, 0, 0)
	for _, x := range []struct {
		off    int64
		whence int
		want   int64
		e      abi.Errno
	}{
		{0, abi.SEEK_DATA, 0, abi.OK}, {0, abi.SEEK_HOLE, 4096, abi.OK}, {4100, abi.SEEK_DATA, 8192, abi.OK},
		{4100, abi.SEEK_HOLE, 4100, abi.OK}, {9000, abi.SEEK_HOLE, 12288, abi.OK}, {12288, abi.SEEK_DATA, 0, abi.ENXIO},
	} {
		if got, e := d.Lseek(x.off, x.whence); got != x.want || e != x.e {
			t.Errorf("lseek(%d, %d) = %d %v, want %d %v", x.off, x.whence, got, e, x.want, x.e)
		}
	}
	d.Unref()
}

// TestDamage: particular lies, and the answer to each.
func TestDamage(t *testing.T) {
	node := func(b []byte, nid int) []byte { return b[blockSize+nid*32:] }
	for _, x := range []struct {
		what   string
		change func(b []byte)
		path   string
		want   abi.Errno
	}{
		{"size beyond the device", func(b []byte) { le.PutUint32(node(b, 4)[inSize:], 1<<30) }, "/plain", abi.EUCLEAN},
		{"address beyond the device", func(b []byte) { le.PutUint32(node(b, 4)[inData:], 7) }, "/plain", abi.EUCLEAN},
		{"address wraps", func(b []byte) { le.PutUint32(node(b, 4)[inData:], 0xffffffff) }, "/plain", abi.EUCLEAN},
		{"unknown format bits", func(b []byte) { node(b, 4)[1] = 0x80 }, "/plain", abi.EUCLEAN},
		{"compressed", func(b []byte) { node(b, 4)[0] = 1 << 1 }, "/plain", abi.EOPNOTSUPP},
		{"mode without type", func(b []byte) { le.PutUint16(node(b, 4)[inMode:], 0o644) }, "/plain", abi.EUCLEAN},
		{"inline tail over the block", func(b []byte) { le.PutUint32(node(b, 8)[inSize:], 4000) }, "/inline", abi.EUCLEAN},
		{"chunk table beyond the device", func(b []byte) {
			le.PutUint32(node(b, 24)[inSize:], 1<<31)
		}, "/chunks", abi.EUCLEAN},
		{"chunk format unknown", func(b []byte) { node(b, 24)[inData+1] = 1 }, "/chunks", abi.EUCLEAN},
		{"inode number beyond the device", func(b []byte) { le.PutUint64(b[2*blockSize+5*headSize:], 1<<40) }, "/plain", abi.EUCLEAN},
		{"inode number wraps", func(b []byte) { le.PutUint64(b[2*blockSize+5*headSize:], 1<<63) }, "/plain", abi.EUCLEAN},
		{"first name offset odd", func(b []byte) { b[2*blockSize+headNameOff]++ }, "/plain", abi.EUCLEAN},
		{"first name offset zero", func(b []byte) { le.PutUint16(b[2*blockSize+headNameOff:], 0) }, "/plain", abi.EUCLEAN},
		{"name offset in the array", func(b []byte) { le.PutUint16(b[2*blockSize+5*headSize+headNameOff:], 5) }, "/plain", abi.EUCLEAN},
		{"slash in a name", func(b []byte) {
			at := int(le.Uint16(b[2*blockSize+5*headSize+headNameOff:]))
			b[2*blockSize+at+1] = '/'
		}, "/plain", abi.EUCLEAN},
		{"link without text", func(b []byte) { le.PutUint32(node(b, 16)[inSize:], 0) }, "/link", abi.EUCLEAN},
		{"link with a NUL", func(b []byte) { node(b, 16)[compactSize+1] = 0 }, "/link", abi.EUCLEAN},
		{"garbage behind the end", func(b []byte) { b[4*blockSize+2000] = 1 }, "/plain", abi.OK},
	} {
		b := handmade()
		x.change(b)
		c := vfs.NewContext(mount(t, b))
		var st abi.Stat
		if e := c.Stat(abi.AT_FDCWD, x.path, 0, &st); e != x.want {
			t.Errorf("%s: %v, want %v", x.what, e, x.want)
		}
	}
	// What lies behind the end of a file must not show through a mapping.
	b := handmade()
	b[4*blockSize+2000] = 1
	var w wait.Waiter
	d, _ := vfs.NewContext(mount(t, b)).OpenFile(&w, abi.AT_FDCWD, "/plain", 0, 0, 0)
	if _, e := d.File().(vfs.Mapper).Page(1, false); e != abi.EUCLEAN {
		t.Error("garbage behind the end:", e)
	}
	if p, e := d.File().(vfs.Mapper).Page(0, false); e != abi.OK {
		t.Error("the page before it:", e)
	} else {
		p.Unref()
	}
}

// TestChecksum: the superblock's checksum counts where the feature is on.
func TestChecksum(t *testing.T) {
	image := mkfs(t, tree(t, 5, 5))
	if image[superOffset+sbCompat]&compatChecked == 0 {
		t.Skip("this mkfs.erofs writes no checksum")
	}
	image[superOffset+64]++ // the volume's name
	if _, e := Mount(Options{Device: &memDevice{data: image}, Pool: newPool(t)}); e != abi.EUCLEAN {
		t.Error("changed superblock:", e)
	}
	image[superOffset+64]--
	mount(t, image)
}
