package vfs_test

import (
	"bytes"
	"math/rand"
	"sync"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
	"skerry/kernel/wait"
)

func TestTransfers(t *testing.T) {
	c := world(t)
	var w wait.Waiter
	var v usermem.Vec
	data := make([]byte, 50000)
	rand.New(rand.NewSource(1)).Read(data)
	get := func(path string, flags uint32) *vfs.Description {
		d, e := c.Files.Get(open(t, c, path, flags))
		must(t, "get", e, abi.OK)
		return d
	}
	in := get("/a/in", abi.O_CREAT|abi.O_RDWR)
	if n, e := in.Write(&w, vec(data)); n != len(data) || e != abi.OK {
		t.Fatal(n, e)
	}
	must(t, "hole", in.Fallocate(abi.FALLOC_FL_PUNCH_HOLE|abi.FALLOC_FL_KEEP_SIZE, 8192, 8192), abi.OK)
	clear(data[8192:16384])
	used := func() uint64 {
		var st vfs.Statfs
		c.Statfs("/", &st)
		return st.Blocks - st.Bfree
	}
	before := used()

	// To a pipe with a reader, by position and by offset.
	r, p, _ := vfs.NewPipe(0)
	var got []byte
	var wg sync.WaitGroup
	wg.Go(func() {
		var w wait.Waiter
		b := make([]byte, 3000)
		for {
			n, e := r.Read(&w, vec(b))
			if n == 0 || e != abi.OK {
				return
			}
			got = append(got, b[:n]...)
		}
	})
	in.Lseek(1000, abi.SEEK_SET)
	if n, e := p.Sendfile(&w, &v, in, nil, 30000); n != 30000 || e != abi.OK || in.Position() != 31000 {
		t.Error("sendfile:", n, e, in.Position())
	}
	off := int64(40000)
	if n, e := p.Sendfile(&w, &v, in, &off, 99999); n != 10000 || e != abi.OK || off != 50000 {
		t.Error("sendfile at an offset:", n, e, off)
	}
	if n, e := p.Sendfile(&w, &v, in, &off, 10); n != 0 || e != abi.OK {
		t.Error("sendfile at the end:", n, e)
	}
	p.Unref()
	wg.Wait()
	if want := append(append([]byte(nil), data[1000:31000]...), data[40000:]...); !bytes.Equal(got, want) {
		t.Error("sendfile changed the bytes")
	}
	if n, e := r.Sendfile(&w, &v, in, nil, 1); n != 0 || e != abi.EBADF {
		t.Error("to a reading end:", n, e)
	}
	r.Unref()
	if used() != before {
		t.Error("reading filled the hole")
	}

	// Between files.
	out := get("/a/out", abi.O_CREAT|abi.O_RDWR)
	from, to := int64(100), int64(7)
	if n, e := in.CopyFileRange(&v, &from, out, &to, 20000); n != 20000 || e != abi.OK || from != 20100 || to != 20007 {
		t.Error(n, e, from, to)
	}
	b := make([]byte, 20007)
	out.Pread(vec(b), 0)
	if !bytes.Equal(b[7:], data[100:20100]) || b[0] != 0 {
		t.Error("copy_file_range changed the bytes")
	}
	from, to = 0, 500
	if _, e := in.CopyFileRange(&v, &from, in, &to, 1000); e != abi.EINVAL {
		t.Error("overlap:", e)
	}

	// File to pipe to file, and pipe to pipe.
	r, p, _ = vfs.NewPipe(0)
	r2, p2, _ := vfs.NewPipe(0)
	off = 3
	if n, e := in.Splice(&w, &v, &off, p, nil, 10000, 0); n != 10000 || e != abi.OK || off != 10003 {
		t.Error("splice in:", n, e, off)
	}
	if n, e := r.Splice(&w, &v, nil, p2, nil, 6000, 0); n != 6000 || e != abi.OK {
		t.Error("splice across:", n, e)
	}
	out.Lseek(0, abi.SEEK_SET)
	if n, e := r2.Splice(&w, &v, nil, out, nil, 6000, 0); n != 6000 || e != abi.OK {
		t.Error("splice out:", n, e)
	}
	to = 6000
	if n, e := r.Splice(&w, &v, nil, out, &to, 9999, 0); n != 4000 || e != abi.OK || to != 10000 {
		t.Error("splice out at an offset:", n, e, to)
	}
	b = b[:10000]
	out.Pread(vec(b), 0)
	if !bytes.Equal(b, data[3:10003]) {
		t.Error("splice changed the bytes")
	}
	if n, e := r.Splice(&w, &v, nil, out, nil, 1, abi.SPLICE_F_NONBLOCK); n != 0 || e != abi.EAGAIN {
		t.Error("splice from an empty pipe:", n, e)
	}
	p.Unref()
	if n, e := r.Splice(&w, &v, nil, out, nil, 1, 0); n != 0 || e != abi.OK {
		t.Error("splice at the end:", n, e)
	}
	if n, e := in.Splice(&w, &v, nil, out, nil, 1, 0); n != 0 || e != abi.EINVAL {
		t.Error("splice without a pipe:", n, e)
	}
	if n, e := r2.Splice(&w, &v, nil, p2, nil, 1, 0); n != 0 || e != abi.EINVAL {
		t.Error("splice of a pipe to itself:", n, e)
	}
	if n, e := r2.Splice(&w, &v, &off, out, nil, 1, 0); n != 0 || e != abi.ESPIPE {
		t.Error("offset of a pipe:", n, e)
	}
	// A pipe that is full takes no more without waiting, and waiting ends when
	// somebody reads.
	n, e := in.Splice(&w, &v, new(int64), p2, nil, 1<<20, 0)
	if n != 50000 || e != abi.OK {
		t.Error("fill:", n, e)
	}
	for e == abi.OK {
		_, e = in.Splice(&w, &v, new(int64), p2, nil, 1<<20, abi.SPLICE_F_NONBLOCK)
	}
	if e != abi.EAGAIN {
		t.Error("full:", e)
	}
	wg.Go(func() { r2.Read(new(wait.Waiter), vec(make([]byte, 9000))) })
	if n, e := in.Splice(&w, &v, new(int64), p2, nil, 4096, 0); n != 4096 || e != abi.OK {
		t.Error("after a read:", n, e)
	}
	wg.Wait()
	r2.Unref()
	if n, e := in.Splice(&w, &v, new(int64), p2, nil, 1, 0); n != 0 || e != abi.EPIPE {
		t.Error("no reader:", n, e)
	}
	// An eventfd has no positions and gives 8 bytes.
	r, p, _ = vfs.NewPipe(0)
	ev, _ := vfs.NewEventFD(3, 0)
	if n, e := ev.Splice(&w, &v, nil, p, nil, 100, 0); n != 8 || e != abi.OK {
		t.Error("eventfd:", n, e)
	}
}
