package vfs_test

import (
	"encoding/binary"
	"strconv"
	"sync"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/vfs"
	"skerry/kernel/wait"
)

// TestInotifyRaces has threads change a directory while others add and remove
// watches, close instances and read: nothing is left behind, and what is read is
// well formed.
func TestInotifyRaces(t *testing.T) {
	c := world(t)
	must(t, "mkdir", c.Mkdir(abi.AT_FDCWD, "/mnt/watched", 0o755), abi.OK)
	const head = 16 // struct inotify_event
	var changers, readers sync.WaitGroup
	stop := make(chan struct{})
	for g := range 2 {
		changers.Add(1)
		go func() {
			defer changers.Done()
			var w wait.Waiter
			a, b := "/mnt/watched/a"+strconv.Itoa(g), "/mnt/watched/b"+strconv.Itoa(g)
			for range 500 {
				d, e := c.OpenFile(&w, abi.AT_FDCWD, a, abi.O_CREAT|abi.O_RDWR, 0o600, 0)
				if e != abi.OK {
					t.Error(e)
					return
				}
				d.Write(&w, vec([]byte("x")))
				c.Rename(abi.AT_FDCWD, a, abi.AT_FDCWD, b, 0)
				c.Unlink(abi.AT_FDCWD, b)
				d.Unref()
			}
		}()
	}
	for range 2 {
		readers.Add(1)
		go func() {
			defer readers.Done()
			buf := make([]byte, 1000)
			for {
				select {
				case <-stop:
					return
				default:
				}
				in := vfs.NewInotify(abi.O_NONBLOCK)
				wd, e := c.InotifyAdd(in, "/mnt/watched", abi.IN_ALL_EVENTS)
				if e != abi.OK || wd != 1 {
					t.Error("add:", wd, e)
					return
				}
				c.InotifyAdd(in, "/mnt/watched/a0", abi.IN_ALL_EVENTS)
				for range 20 {
					n, e := in.File().Read(vec(buf), 0)
					if e != abi.OK && e != abi.EAGAIN {
						t.Error("read:", e)
						return
					}
					for at := 0; at < n; {
						size := int(binary.LittleEndian.Uint32(buf[at+12:]))
						if size%head != 0 || at+head+size > n {
							t.Errorf("event of %d bytes at %d of %d", size, at, n)
							return
						}
						at += head + size
					}
				}
				if e := vfs.InotifyRemove(in, 1); e != abi.OK {
					t.Error("remove:", e)
				}
				in.Unref()
			}
		}()
	}
	changers.Wait()
	close(stop)
	readers.Wait()
	if n, files := vfs.WatchesLeft(); n != 0 || files != 0 {
		t.Error("watches that are left:", n, files)
	}
}

// TestSizeLimit is RLIMIT_FSIZE: what lies below the limit is written, nothing
// beyond, and files do not grow by other means either.
func TestSizeLimit(t *testing.T) {
	c := world(t)
	var w wait.Waiter
	defer vfs.SetSizeLimit(^uint64(0))
	vfs.SetSizeLimit(100)
	d, e := c.OpenFile(&w, abi.AT_FDCWD, "/mnt/limited", abi.O_CREAT|abi.O_RDWR, 0o600, 0)
	if e != abi.OK {
		t.Fatal(e)
	}
	defer d.Unref()
	if n, e := d.Write(&w, vec(make([]byte, 300))); n != 100 || e != abi.OK {
		t.Error("write:", n, e)
	}
	if n, e := d.Write(&w, vec(make([]byte, 1))); n != 0 || e != abi.EFBIG {
		t.Error("at the limit:", n, e)
	}
	if n, e := d.Write(&w, vec(nil)); n != 0 || e != abi.OK {
		t.Error("nothing:", n, e)
	}
	if n, e := d.Pwrite(vec(make([]byte, 20)), 90); n != 10 || e != abi.OK {
		t.Error("pwrite:", n, e)
	}
	if e := c.Truncate("/mnt/limited", 101); e != abi.EFBIG {
		t.Error("truncate:", e)
	}
	vfs.SetSizeLimit(50)
	if e := c.Truncate("/mnt/limited", 90); e != abi.OK {
		t.Error("a file above the limit may shrink:", e)
	}
	if e := c.Truncate("/mnt/limited", 91); e != abi.EFBIG {
		t.Error("but not grow:", e)
	}
}

// TestTee copies between pipes until one side ends it.
func TestTee(t *testing.T) {
	var w wait.Waiter
	r, wr, _ := vfs.NewPipe(abi.O_NONBLOCK)
	r2, wr2, _ := vfs.NewPipe(abi.O_NONBLOCK)
	v := vec(nil)
	if _, e := r.Tee(&w, v, wr2, 10, 0); e != abi.EAGAIN {
		t.Error("empty:", e)
	}
	big := make([]byte, 50000)
	for i := range big {
		big[i] = byte(i / 7)
	}
	wr.Write(&w, vec(big))
	if n, e := r.Tee(&w, v, wr2, 1<<20, abi.SPLICE_F_NONBLOCK); n != 50000 || e != abi.OK {
		t.Error("tee:", n, e)
	}
	got := make([]byte, 60000)
	if n, _ := r2.Read(&w, vec(got)); n != 50000 || string(got[:n]) != string(big) {
		t.Error("the copy has", n)
	}
	if n, _ := r.Read(&w, vec(got)); n != 50000 || string(got[:n]) != string(big) {
		t.Error("the original has", n)
	}
	wr.Write(&w, vec(big[:10]))
	for full := abi.OK; full == abi.OK; {
		_, full = wr2.Write(&w, vec(big[:4096]))
	}
	if _, e := r.Tee(&w, v, wr2, 10, 0); e != abi.EAGAIN {
		t.Error("full:", e)
	}
	r2.Unref()
	if _, e := r.Tee(&w, v, wr2, 10, 0); e != abi.EPIPE {
		t.Error("nobody reads:", e)
	}
	wr.Unref()
	r.Read(&w, vec(got))
	if n, e := r.Tee(&w, v, wr2, 10, 0); n != 0 || e != abi.OK {
		t.Error("at the end:", n, e)
	}
	r.Unref()
	wr2.Unref()
}
