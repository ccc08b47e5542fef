// Package socket is the border between the socket system calls and the protocol
// families: the Socket interface that each family implements, the messages that
// go through it, address and control-message layouts, and the loops that make a
// blocking call out of non-blocking attempts.
//
// A Socket never sleeps. Every method tries once and answers EAGAIN (Connect:
// EINPROGRESS) when it would have to wait; the functions Receive, Transmit,
// Accept and Connect of this package wait, on the calling thread's wait.Waiter,
// with the socket's time limits and Linux's rules for what was done so far.
// System-call handlers decode, call one of these, and encode.
//
// SIGPIPE is the caller's: it raises the signal when a send answers EPIPE on a
// stream socket and MSG_NOSIGNAL is not set.
//
// Imports: abi, usermem, wait, vfs (for File). It knows no protocol.
package socket

import (
	"skerry/kernel/abi"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
)

// Socket is a socket of any family.
type Socket interface {
	vfs.File

	// Type is SOCK_STREAM, SOCK_DGRAM, ...
	Type() int

	// Bind gives the socket a name (bind(2)); addr is a struct sockaddr of the
	// length that the program gave, at most AddrMax bytes.
	Bind(addr []byte) abi.Errno

	// Listen makes it accept connections (listen(2)).
	Listen(backlog int) abi.Errno

	// Accept takes a connection from the queue, EAGAIN if there is none. The
	// peer's address is written to peer, which has room for AddrMax bytes; its
	// length is returned.
	Accept(peer []byte) (Socket, int, abi.Errno)

	// Connect begins a connection or sets the peer (connect(2)). EINPROGRESS
	// means that it has begun now, EALREADY that it had begun before; once the
	// socket is ready for writing or in error, ConnectResult says how it ended.
	Connect(addr []byte) abi.Errno

	// ConnectResult is OK once connected, the error if it failed (which it
	// clears), EINPROGRESS before that.
	ConnectResult() abi.Errno

	// Shutdown is shutdown(2).
	Shutdown(how int) abi.Errno

	// LocalAddr and PeerAddr write the socket's or its peer's address to b, which
	// has room for AddrMax bytes, and return its length.
	LocalAddr(b []byte) (int, abi.Errno)
	PeerAddr(b []byte) (int, abi.Errno)

	// Send takes bytes from v (a stream as many as there is room for, others all
	// or none). The count may be short only on streams.
	Send(v *usermem.Vec, m *SendMsg) (int, abi.Errno)

	// Recv puts bytes into v. On streams (0, OK) is the end.
	Recv(v *usermem.Vec, m *RecvMsg) (int, abi.Errno)

	// SetOption and GetOption are setsockopt(2) and getsockopt(2). The value of
	// GetOption is written to val, as much as fits, and its length returned.
	SetOption(level, name int, val []byte) abi.Errno
	GetOption(level, name int, val []byte) (int, abi.Errno)

	// Limits are the time limits in nanoseconds of SO_RCVTIMEO and SO_SNDTIMEO (0:
	// none), and the low-water mark in bytes of SO_RCVLOWAT.
	Limits() (recv, send int64, low int)
}

// AddrMax is the size of the largest address, struct sockaddr_storage.
const AddrMax = 128

// SendMsg is what sendmsg(2) says besides the data. The socket keeps nothing
// of it after Send returns, but for Rights.
type SendMsg struct {
	Flags   int    // MSG_*
	Addr    []byte // destination, nil if none was given
	Control []byte // control messages as the program wrote them

	// Rights are the open file descriptions that the SCM_RIGHTS messages in
	// Control name, in order, each with a reference that passes to the socket if
	// the answer is OK with at least one byte or a whole message taken; then
	// Rights is nil.
	Rights []Passed
}

// RecvMsg is what recvmsg(2) says besides the data.
type RecvMsg struct {
	Flags int // MSG_*, from the caller

	Addr    [AddrMax]byte // the sender's address,
	AddrLen int           // of this length; 0 if there is none

	Control  []byte // room for control messages, from the caller
	Used     int    // of Control
	OutFlags int    // MSG_TRUNC, MSG_CTRUNC, MSG_EOR, ...

	// Rights are open file descriptions that came with the data, each with a
	// reference that is now the caller's. The caller gives them numbers and puts
	// an SCM_RIGHTS message (PutRights), or drops them.
	Rights []Passed
}

// Passed is an open file description on its way through an AF_UNIX socket;
// vfs.Description is one.
type Passed interface {
	Ref()
	Unref()
	// Refs is the number of references held now.
	Refs() int
	// File is the file behind it.
	File() vfs.File
}
