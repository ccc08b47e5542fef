// Package unix is the sockets of the family AF_UNIX: stream, datagram and
// sequenced-packet sockets, unnamed, abstract or named by a path, with
// descriptors and credentials as control messages (unix(7)).
//
// Since there is one process, such a socket joins threads of the same program;
// programs use them to wake event loops, to pass descriptors to themselves and
// to speak to themselves by name.
//
// A message is charged to its sender until it is read, and to the memory that
// all sockets have together. Path names are the file system's: it implements
// Names. Descriptors in flight that nobody can receive any more, because they
// are in the queues of sockets that are themselves only in flight, are found
// and dropped (rights.go).
//
// Locks, in this order: Family.gc (only for messages with descriptors), then
// Socket.io (one reader at a time, held across copies to user memory), then
// Socket.mu of two sockets by ascending number, then Family.mu. Waiter queues
// are notified with Socket.mu held or not. It imports abi, usermem, vfs (File),
// and the net packages budget and socket.
package unix

import (
	"fmt"
	"sync"
	"sync/atomic"

	"skerry/kernel/abi"
	"skerry/kernel/net/budget"
	"skerry/kernel/net/socket"
)

// Names is the file system's part of path names. Paths are as the program gave
// them, at most 108 bytes, to be resolved from the calling thread's working
// directory.
type Names interface {
	// Bind makes a socket inode at path that leads to s: EADDRINUSE if the name
	// exists, else the errno of mknod(2).
	Bind(path string, s any) abi.Errno
	// Find returns what the inode at path leads to: ECONNREFUSED if it is no
	// socket, else the errno of looking it up.
	Find(path string) (any, abi.Errno)
}

// Family makes AF_UNIX sockets. Make it with New.
type Family struct {
	budget *budget.Budget
	bufs   int // default and largest SO_SNDBUF before doubling, bytes
	names  atomic.Pointer[Names]
	ioctl  func(cmd uint32, arg uintptr) abi.Errno

	mu       sync.Mutex
	abstract map[key]*Socket
	auto     uint32 // last name given by autobind
	sockets  map[*Socket]struct{}

	rights rights
}

// key is an abstract name; each type of socket has names of its own.
type key struct {
	typ  int
	name string
}

// New makes the family. bufs is the size of socket buffers in bytes.
func New(b *budget.Budget, bufs int) *Family {
	return &Family{budget: b, bufs: bufs, abstract: make(map[key]*Socket), sockets: make(map[*Socket]struct{})}
}

// SetNames gives the file system's part; without it path names answer EROFS and
// ENOENT.
func (f *Family) SetNames(n Names) { f.names.Store(&n) }

// SetIoctl gives the answers to requests that are not about the socket itself
// (netdevice(7)). It is called before the first Socket.
func (f *Family) SetIoctl(g func(cmd uint32, arg uintptr) abi.Errno) { f.ioctl = g }

// Memory in bytes that is charged for a socket and, besides its bytes, for a
// message, as Linux's bookkeeping takes.
const (
	socketCost  = 1024
	messageCost = 512
)

// Socket makes an unconnected socket: EPROTONOSUPPORT for a protocol other than
// 0 and AF_UNIX, ESOCKTNOSUPPORT for an unknown type, ENOBUFS if sockets have
// used up their memory.
func (f *Family) Socket(typ, proto int) (*Socket, abi.Errno) {
	if proto != 0 && proto != abi.AF_UNIX {
		return nil, abi.EPROTONOSUPPORT
	}
	switch typ {
	case abi.SOCK_RAW: // "believe it or not": Linux takes it for datagrams
		typ = abi.SOCK_DGRAM
	case abi.SOCK_STREAM, abi.SOCK_DGRAM, abi.SOCK_SEQPACKET:
	default:
		return nil, abi.ESOCKTNOSUPPORT
	}
	if !f.budget.ChargeSocket(socketCost) {
		return nil, abi.ENOBUFS
	}
	s := &Socket{f: f, typ: typ, id: socket.NextID()}
	s.sndbuf.Store(int64(f.bufs))
	s.rcvbuf.Store(int64(f.bufs))
	s.lowat.Store(1)
	f.mu.Lock()
	f.sockets[s] = struct{}{}
	f.mu.Unlock()
	return s, abi.OK
}

// Pair is socketpair(2).
func (f *Family) Pair(typ, proto int) (*Socket, *Socket, abi.Errno) {
	a, e := f.Socket(typ, proto)
	if e != abi.OK {
		return nil, nil, e
	}
	b, e := f.Socket(typ, proto)
	if e != abi.OK {
		a.Release()
		return nil, nil, e
	}
	lock2(a, b) // they are in the table already
	a.peer, b.peer = b, a
	a.cred, b.cred = true, true
	a.state, b.state = established, established
	unlock2(a, b)
	return a, b, abi.OK
}

// Count is the number of sockets.
func (f *Family) Count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.sockets)
}

// forget takes a released socket out of the tables.
func (f *Family) forget(s *Socket) {
	f.mu.Lock()
	delete(f.sockets, s)
	if s.name.Abstract && f.abstract[key{s.typ, s.name.Name}] == s {
		delete(f.abstract, key{s.typ, s.name.Name})
	}
	f.mu.Unlock()
	f.budget.ReleaseSocket(socketCost)
}

// claim gives s an abstract name, EADDRINUSE if it is taken.
func (f *Family) claim(name string, s *Socket) abi.Errno {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.abstract[key{s.typ, name}] != nil {
		return abi.EADDRINUSE
	}
	f.abstract[key{s.typ, name}] = s
	return abi.OK
}

// claimAny gives s an abstract name of five hexadecimal digits (unix(7),
// autobind).
func (f *Family) claimAny(s *Socket) (string, abi.Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := 0; i < 1<<20; i++ {
		f.auto++
		name := fmt.Sprintf("%05x", f.auto&0xfffff)
		if f.abstract[key{s.typ, name}] == nil {
			f.abstract[key{s.typ, name}] = s
			return name, abi.OK
		}
	}
	return "", abi.ENOSPC
}

// find returns the socket behind a name, of any type if it is a path:
// ECONNREFUSED if there is none.
func (f *Family) find(typ int, u socket.Unix) (*Socket, abi.Errno) {
	if u.Abstract {
		f.mu.Lock()
		defer f.mu.Unlock()
		if s := f.abstract[key{typ, u.Name}]; s != nil {
			return s, abi.OK
		}
		return nil, abi.ECONNREFUSED
	}
	n := f.names.Load()
	if n == nil {
		return nil, abi.ENOENT
	}
	v, e := (*n).Find(u.Name)
	if e != abi.OK {
		return nil, e
	}
	s, ok := v.(*Socket)
	if !ok {
		return nil, abi.ECONNREFUSED
	}
	return s, abi.OK
}

// ProcUnix is the text of /proc/net/unix (proc(5)).
func (f *Family) ProcUnix() []byte {
	b := []byte("Num       RefCount Protocol Flags    Type St Inode Path\n")
	f.mu.Lock()
	list := make([]*Socket, 0, len(f.sockets))
	for s := range f.sockets {
		list = append(list, s)
	}
	f.mu.Unlock()
	for _, s := range list {
		s.mu.Lock()
		flags, st := 0, 1 // SS_UNCONNECTED
		switch s.state {
		case listening:
			flags = 0x10000 // __SO_ACCEPTCON
		case established:
			st = 3 // SS_CONNECTED
		}
		name := s.name
		s.mu.Unlock()
		b = fmt.Appendf(b, "%016x: %08X %08X %08X %04X %02X %5d", 0, 2, 0, flags, s.typ, st, s.id)
		if name.Abstract {
			b = append(b, " @"...)
			for _, c := range []byte(name.Name) {
				if c == 0 {
					c = '@'
				}
				b = append(b, c)
			}
		} else if name.Name != "" {
			b = append(append(b, ' '), name.Name...)
		}
		b = append(b, '\n')
	}
	return b
}
