package syscalls

import (
	"sync"

	"skerry/bootrec"
	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/task"
)

// What may have made a program fail is remembered here, in room that does not grow,
// and told if it does: paths that are not there, and requests for memory that were
// refused. Only calls that fail come by.

// misses are the last paths that answered ENOENT, each once, in a ring. A hash stands
// for a path: two with the same one are taken for one, which loses a hint.
var misses struct {
	mu   sync.Mutex
	n    uint // how many were put in
	hash [bootrec.MaxMissed]uint32
	path [bootrec.MaxMissed]string
}

// missed notes a path that is not there and hands the errno on.
func missed(t *task.Thread, dir uintptr, path string, e abi.Errno) abi.Errno {
	if e == abi.ENOENT && path != "" {
		miss(t, int32(dir), path)
	}
	return e
}

func miss(t *task.Thread, dir int32, path string) {
	if path[0] != '/' {
		at := ""
		if dir == abi.AT_FDCWD {
			at, _ = t.Proc.FS.Getcwd()
		} else if d, e := t.Proc.Files.GetAny(dir); e == abi.OK {
			at = d.Path()
			d.Unref()
		}
		if at == "" || at[0] != '/' {
			return
		}
		if at != "/" {
			at += "/"
		}
		path = at + path
	}
	if len(path) > bootrec.MaxMissedPath {
		return
	}
	h := uint32(2166136261) // FNV-1a
	for i := 0; i < len(path); i++ {
		h = (h ^ uint32(path[i])) * 16777619
	}
	m := &misses
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range min(m.n, uint(len(m.hash))) {
		if m.hash[i] == h {
			return
		}
	}
	i := m.n % uint(len(m.hash))
	m.hash[i], m.path[i] = h, path
	m.n++
}

// Missed calls f with the paths that were missed, the oldest first.
func Missed(f func(path string)) {
	m := &misses
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range uint(len(m.path)) {
		if p := m.path[(m.n+i)%uint(len(m.path))]; p != "" {
			f(p)
		}
	}
}

// asked are the last requests for memory that were refused, in a ring.
var asked struct {
	mu   sync.Mutex
	n    uint
	list [bootrec.MaxAsked]bootrec.Asked
}

// tooMuch notes a request of n bytes that answered ENOMEM, and hands the errno on.
func tooMuch(n uintptr, e abi.Errno) abi.Errno {
	if e == abi.ENOMEM {
		a := &asked
		a.mu.Lock()
		a.list[a.n%uint(len(a.list))] = bootrec.Asked{Size: uint64(n), Free: Available()}
		a.n++
		a.mu.Unlock()
	}
	return e
}

// Available is the memory that the program could have, in bytes: what nobody holds,
// and cache of the root, which is given up for it.
func Available() uint64 {
	s := frame.Read()
	return uint64(max(s.Free+s.RootFS-s.Reserve, 0)) * frame.Size
}

// Asked calls f with the requests that were refused, the oldest first.
func Asked(f func(bootrec.Asked)) {
	a := &asked
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range uint(len(a.list)) {
		if r := a.list[(a.n+i)%uint(len(a.list))]; r.Size != 0 {
			f(r)
		}
	}
}
