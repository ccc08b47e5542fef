package syscalls

import (
	"skerry/kernel/abi"
	"skerry/kernel/net"
	"skerry/kernel/net/socket"
	"skerry/kernel/task"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
	"skerry/kernel/wait"
)

var socketCalls = []entry{
	{abi.SYS_SOCKET, sysSocket, "AF_UNIX, AF_INET, AF_INET6 and NETLINK_ROUTE; no raw or packet sockets"},
	{abi.SYS_SOCKETPAIR, sysSocketpair, ""},
	{abi.SYS_BIND, sysBind, ""},
	{abi.SYS_LISTEN, sysListen, ""},
	{abi.SYS_ACCEPT, sysAccept, ""},
	{abi.SYS_ACCEPT4, sysAccept4, ""},
	{abi.SYS_CONNECT, sysConnect, ""},
	{abi.SYS_GETSOCKNAME, sysGetsockname, ""},
	{abi.SYS_GETPEERNAME, sysGetpeername, ""},
	{abi.SYS_SHUTDOWN, sysShutdown, ""},
	{abi.SYS_SENDTO, sysSendto, ""},
	{abi.SYS_RECVFROM, sysRecvfrom, ""},
	{abi.SYS_SENDMSG, sysSendmsg, ""},
	{abi.SYS_RECVMSG, sysRecvmsg, ""},
	{abi.SYS_SENDMMSG, sysSendmmsg, ""},
	{abi.SYS_RECVMMSG, sysRecvmmsg, ""},
	{abi.SYS_SETSOCKOPT, sysSetsockopt, "an option that is not known is ENOPROTOOPT"},
	{abi.SYS_GETSOCKOPT, sysGetsockopt, "an option that is not known is ENOPROTOOPT"},
}

// Net makes sockets; set at boot.
var Net *net.Net

// getSocket finds a socket by its descriptor; ENOTSOCK for other files.
func getSocket(t *task.Thread, fd uintptr) (*vfs.Description, socket.Socket, abi.Errno) {
	d, e := get(t, fd)
	if e != abi.OK {
		return nil, nil, e
	}
	s, ok := d.File().(socket.Socket)
	if !ok {
		d.Unref()
		return nil, nil, abi.ENOTSOCK
	}
	return d, s, abi.OK
}

// typeFlags splits the type argument of socket(2).
func typeFlags(typ uintptr) (kind int, flags uint32, e abi.Errno) {
	const mask = 0xf
	flags = uint32(typ) &^ mask
	if flags&^(abi.O_NONBLOCK|abi.O_CLOEXEC) != 0 {
		return 0, 0, abi.EINVAL
	}
	return int(typ & mask), flags, abi.OK
}

// describe opens a description on a new socket.
func describe(s socket.Socket, flags uint32) *vfs.Description {
	return vfs.NewDescription(s, abi.O_RDWR|flags&abi.O_NONBLOCK)
}

func sysSocket(t *task.Thread, domain, typ, proto, _, _, _ uintptr) (uintptr, abi.Errno) {
	kind, flags, e := typeFlags(typ)
	if e != abi.OK {
		return 0, e
	}
	s, e := Net.Socket(int(int32(domain)), kind, int(int32(proto)))
	if e != abi.OK {
		return 0, e
	}
	return install(t, describe(s, flags), flags&abi.O_CLOEXEC != 0)
}

func sysSocketpair(t *task.Thread, domain, typ, proto, addr, _, _ uintptr) (uintptr, abi.Errno) {
	kind, flags, e := typeFlags(typ)
	if e != abi.OK {
		return 0, e
	}
	a, b, e := Net.Pair(int(int32(domain)), kind, int(int32(proto)))
	if e != abi.OK {
		return 0, e
	}
	return installPair(t, addr, describe(a, flags), describe(b, flags), flags&abi.O_CLOEXEC != 0)
}

// addrIn reads a socket address, once.
func addrIn(buf *[socket.AddrMax]byte, addr, n uintptr) ([]byte, abi.Errno) {
	if int32(n) < 0 || n > socket.AddrMax {
		return nil, abi.EINVAL
	}
	if n == 0 {
		return buf[:0], abi.OK
	}
	if _, e := usermem.CopyIn(buf[:n], addr); e != abi.OK {
		return nil, e
	}
	return buf[:n], abi.OK
}

// addrOut writes a socket address of n bytes, cut at what the program has room
// for, and the whole length to lenp. No address and no room for one are fine.
func addrOut(b []byte, addr, lenp uintptr) abi.Errno {
	if addr == 0 {
		return abi.OK
	}
	room, e := load32(lenp)
	if e != abi.OK {
		return e
	}
	if int32(room) < 0 {
		return abi.EINVAL
	}
	if _, e := usermem.CopyOut(addr, b[:min(len(b), int(room))]); e != abi.OK {
		return e
	}
	return store32(lenp, uint32(len(b)))
}

func sysBind(t *task.Thread, fd, addr, n, _, _, _ uintptr) (uintptr, abi.Errno) {
	d, s, e := getSocket(t, fd)
	if e != abi.OK {
		return 0, e
	}
	defer d.Unref()
	var buf [socket.AddrMax]byte
	a, e := addrIn(&buf, addr, n)
	if e != abi.OK {
		return 0, e
	}
	return 0, s.Bind(a)
}

func sysListen(t *task.Thread, fd, backlog, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	d, s, e := getSocket(t, fd)
	if e != abi.OK {
		return 0, e
	}
	e = s.Listen(int(int32(backlog)))
	d.Unref()
	return 0, e
}

func sysAccept(t *task.Thread, fd, addr, lenp, _, _, _ uintptr) (uintptr, abi.Errno) {
	return sysAccept4(t, fd, addr, lenp, 0, 0, 0)
}

func sysAccept4(t *task.Thread, fd, addr, lenp, flags, _, _ uintptr) (uintptr, abi.Errno) {
	if flags&^(abi.O_NONBLOCK|abi.O_CLOEXEC) != 0 {
		return 0, abi.EINVAL
	}
	d, s, e := getSocket(t, fd)
	if e != abi.OK {
		return 0, e
	}
	defer d.Unref()
	// A descriptor first: a connection that was taken must not be lost for want
	// of one.
	nfd, e := t.Proc.Files.Reserve()
	if e != abi.OK {
		return 0, e
	}
	var peer [socket.AddrMax]byte
	c, n, e := socket.Accept(s, &t.Waiter, peer[:], d.Flags()&abi.O_NONBLOCK != 0)
	if e == abi.OK {
		if e = addrOut(peer[:n], addr, lenp); e != abi.OK {
			c.Release()
		}
	}
	if e != abi.OK {
		t.Proc.Files.Cancel(nfd)
		return 0, e
	}
	t.Proc.Files.Commit(nfd, describe(c, uint32(flags)), flags&abi.O_CLOEXEC != 0)
	return uintptr(nfd), abi.OK
}

func sysConnect(t *task.Thread, fd, addr, n, _, _, _ uintptr) (uintptr, abi.Errno) {
	d, s, e := getSocket(t, fd)
	if e != abi.OK {
		return 0, e
	}
	defer d.Unref()
	var buf [socket.AddrMax]byte
	a, e := addrIn(&buf, addr, n)
	if e != abi.OK {
		return 0, e
	}
	return 0, socket.Connect(s, &t.Waiter, a, d.Flags()&abi.O_NONBLOCK != 0)
}

func sysGetsockname(t *task.Thread, fd, addr, lenp, _, _, _ uintptr) (uintptr, abi.Errno) {
	return name(t, fd, addr, lenp, false)
}

func sysGetpeername(t *task.Thread, fd, addr, lenp, _, _, _ uintptr) (uintptr, abi.Errno) {
	return name(t, fd, addr, lenp, true)
}

func name(t *task.Thread, fd, addr, lenp uintptr, peer bool) (uintptr, abi.Errno) {
	d, s, e := getSocket(t, fd)
	if e != abi.OK {
		return 0, e
	}
	defer d.Unref()
	var b [socket.AddrMax]byte
	n := 0
	if peer {
		n, e = s.PeerAddr(b[:])
	} else {
		n, e = s.LocalAddr(b[:])
	}
	if e != abi.OK {
		return 0, e
	}
	if addr == 0 {
		return 0, abi.EFAULT
	}
	return 0, addrOut(b[:n], addr, lenp)
}

func sysShutdown(t *task.Thread, fd, how, _, _, _, _ uintptr) (uintptr, abi.Errno) {
	d, s, e := getSocket(t, fd)
	if e != abi.OK {
		return 0, e
	}
	e = s.Shutdown(int(int32(how)))
	d.Unref()
	return 0, e
}

// sent raises SIGPIPE where a stream has no reader any more.
func sent(t *task.Thread, s socket.Socket, flags, n int, e abi.Errno) (uintptr, abi.Errno) {
	if e == abi.EPIPE && flags&abi.MSG_NOSIGNAL == 0 && s.Type() != abi.SOCK_DGRAM {
		return wrote(t, n, e)
	}
	return uintptr(n), e
}

func sysSendto(t *task.Thread, fd, buf, n, flags, addr, addrLen uintptr) (uintptr, abi.Errno) {
	d, s, e := getSocket(t, fd)
	if e != abi.OK {
		return 0, e
	}
	defer d.Unref()
	if e := t.Vec.InitUser(buf, n); e != abi.OK {
		return 0, e
	}
	m := socket.SendMsg{Flags: int(int32(flags))}
	var room [socket.AddrMax]byte
	if addr != 0 {
		if m.Addr, e = addrIn(&room, addr, addrLen); e != abi.OK {
			return 0, e
		}
	}
	k, e := socket.Transmit(s, &t.Waiter, &t.Vec, &m, d.Flags()&abi.O_NONBLOCK != 0)
	return sent(t, s, m.Flags, k, e)
}

func sysRecvfrom(t *task.Thread, fd, buf, n, flags, addr, lenp uintptr) (uintptr, abi.Errno) {
	d, s, e := getSocket(t, fd)
	if e != abi.OK {
		return 0, e
	}
	defer d.Unref()
	if e := t.Vec.InitUser(buf, n); e != abi.OK {
		return 0, e
	}
	m := &t.RecvMsg
	*m = socket.RecvMsg{Flags: int(int32(flags))}
	k, e := socket.Receive(s, &t.Waiter, &t.Vec, m, d.Flags()&abi.O_NONBLOCK != 0)
	dropRights(m)
	if e != abi.OK {
		return 0, e
	}
	if addr != 0 {
		if e := addrOut(m.Addr[:m.AddrLen], addr, lenp); e != abi.OK {
			return 0, e
		}
	}
	return uintptr(k), abi.OK
}

// dropRights lets go of descriptors that came and have no place to go.
func dropRights(m *socket.RecvMsg) {
	for _, p := range m.Rights {
		p.Unref()
	}
	m.Rights = nil
}

// maxControl bounds a control buffer, net.core.optmem_max of Linux.
const maxControl = 128 << 10

// msgIn reads a struct msghdr and the vector behind it into t.Vec.
func msgIn(t *task.Thread, addr uintptr) (h abi.Msghdr, e abi.Errno) {
	if e = usermem.In(&h, addr); e != abi.OK {
		return h, e
	}
	if h.Name != 0 && h.Namelen < 0 {
		return h, abi.EINVAL
	}
	if h.Iovlen > usermem.MaxIovec {
		return h, abi.EMSGSIZE
	}
	return h, t.Vec.InitIovec(uintptr(h.Iov), int(h.Iovlen))
}

func sysSendmsg(t *task.Thread, fd, msg, flags, _, _, _ uintptr) (uintptr, abi.Errno) {
	d, s, e := getSocket(t, fd)
	if e != abi.OK {
		return 0, e
	}
	defer d.Unref()
	return sendOne(t, d, s, msg, int(int32(flags)))
}

func sendOne(t *task.Thread, d *vfs.Description, s socket.Socket, msg uintptr, flags int) (uintptr, abi.Errno) {
	h, e := msgIn(t, msg)
	if e != abi.OK {
		return 0, e
	}
	m := socket.SendMsg{Flags: flags}
	var room [socket.AddrMax]byte
	if h.Name != 0 {
		n := uintptr(min(h.Namelen, socket.AddrMax))
		if m.Addr, e = addrIn(&room, uintptr(h.Name), n); e != abi.OK {
			return 0, e
		}
	}
	if h.Controllen > 0 {
		if h.Controllen > maxControl {
			return 0, abi.ENOBUFS
		}
		m.Control = make([]byte, h.Controllen)
		if _, e := usermem.CopyIn(m.Control, uintptr(h.Control)); e != abi.OK {
			return 0, e
		}
		if m.Rights, e = rightsIn(t, m.Control); e != abi.OK {
			return 0, e
		}
	}
	k, e := socket.Transmit(s, &t.Waiter, &t.Vec, &m, d.Flags()&abi.O_NONBLOCK != 0)
	for _, p := range m.Rights {
		p.Unref() // not taken
	}
	return sent(t, s, flags, k, e)
}

// rightsIn takes a reference to each description that the control messages
// pass.
func rightsIn(t *task.Thread, control []byte) ([]socket.Passed, abi.Errno) {
	fds, e := socket.RightsIn(control)
	if e != abi.OK || len(fds) == 0 {
		return nil, e
	}
	list := make([]socket.Passed, 0, len(fds))
	for _, fd := range fds {
		d, e := t.Proc.Files.GetAny(fd)
		if e != abi.OK {
			for _, p := range list {
				p.Unref()
			}
			return nil, e
		}
		list = append(list, d)
	}
	return list, abi.OK
}

func sysRecvmsg(t *task.Thread, fd, msg, flags, _, _, _ uintptr) (uintptr, abi.Errno) {
	d, s, e := getSocket(t, fd)
	if e != abi.OK {
		return 0, e
	}
	defer d.Unref()
	return recvOne(t, d, s, msg, int(int32(flags)))
}

func recvOne(t *task.Thread, d *vfs.Description, s socket.Socket, msg uintptr, flags int) (uintptr, abi.Errno) {
	h, e := msgIn(t, msg)
	if e != abi.OK {
		return 0, e
	}
	m := &t.RecvMsg
	*m = socket.RecvMsg{Flags: flags &^ abi.MSG_CMSG_CLOEXEC}
	if h.Controllen > 0 {
		m.Control = make([]byte, min(h.Controllen, maxControl))
	}
	k, e := socket.Receive(s, &t.Waiter, &t.Vec, m, d.Flags()&abi.O_NONBLOCK != 0)
	if e != abi.OK {
		dropRights(m)
		return 0, e
	}
	controlOut(t, m, uintptr(h.Control), flags&abi.MSG_CMSG_CLOEXEC != 0)
	if h.Name != 0 {
		n := min(m.AddrLen, int(h.Namelen))
		if _, e := usermem.CopyOut(uintptr(h.Name), m.Addr[:n]); e != abi.OK {
			return 0, e
		}
	}
	h.Namelen, h.Controllen, h.Flags = int32(m.AddrLen), uint64(m.Used), uint32(m.OutFlags|flags&abi.MSG_CMSG_CLOEXEC)
	return uintptr(k), usermem.Out(msg, &h)
}

// controlOut writes the control messages, and gives descriptors to what came, as many
// as there is room and a limit for. Messages that cannot be written are left out and the
// rest is delivered, as on Linux (put_cmsg, scm_detach_fds); nobody would know of their
// descriptors, so those are dropped.
func controlOut(t *task.Thread, m *socket.RecvMsg, addr uintptr, cloexec bool) {
	var fds []int32
	var opened []*vfs.Description
	room := m.RightsRoom()
	for i, p := range m.Rights {
		d, ok := p.(*vfs.Description)
		fd, e := int32(-1), abi.EBADF
		if ok && i < room {
			fd, e = t.Proc.Files.Reserve()
		}
		if e != abi.OK {
			m.OutFlags |= abi.MSG_CTRUNC
			p.Unref()
			room = i
			continue
		}
		fds, opened = append(fds, fd), append(opened, d)
	}
	m.Rights = nil
	if len(fds) > 0 {
		m.PutRights(fds)
	}
	if m.Used == 0 {
		return
	}
	n, _ := usermem.CopyOut(addr, m.Control[:m.Used])
	whole := m.Whole(n)
	all := whole == m.Used
	m.Used = whole
	for i, fd := range fds {
		if all {
			t.Proc.Files.Commit(fd, opened[i], cloexec)
			continue
		}
		m.OutFlags |= abi.MSG_CTRUNC
		t.Proc.Files.Cancel(fd)
		opened[i].Unref()
	}
}

// mmsgSize is sizeof(struct mmsghdr): a msghdr, the count, padding.
const mmsgSize, mmsgLen = 64, 56

func sysSendmmsg(t *task.Thread, fd, vec, n, flags, _, _ uintptr) (uintptr, abi.Errno) {
	d, s, e := getSocket(t, fd)
	if e != abi.OK {
		return 0, e
	}
	defer d.Unref()
	n = min(uintptr(uint32(n)), usermem.MaxIovec)
	for i := uintptr(0); i < n; i++ {
		k, e := sendOne(t, d, s, vec+i*mmsgSize, int(int32(flags)))
		if e == abi.OK {
			e = store32(vec+i*mmsgSize+mmsgLen, uint32(k))
		}
		if e != abi.OK {
			if i > 0 {
				return i, abi.OK
			}
			return 0, e
		}
	}
	return n, abi.OK
}

func sysRecvmmsg(t *task.Thread, fd, vec, n, flags, timeout, _ uintptr) (uintptr, abi.Errno) {
	d, s, e := getSocket(t, fd)
	if e != abi.OK {
		return 0, e
	}
	defer d.Unref()
	deadline, e := deadlineIn(timeout)
	if e != abi.OK {
		return 0, e
	}
	n = min(uintptr(uint32(n)), usermem.MaxIovec)
	f := int(int32(flags))
	i := uintptr(0)
	for i < n {
		k, e := recvOne(t, d, s, vec+i*mmsgSize, f&^abi.MSG_WAITFORONE)
		if e == abi.OK {
			e = store32(vec+i*mmsgSize+mmsgLen, uint32(k))
		}
		if e != abi.OK && i == 0 {
			return 0, e
		}
		if e != abi.OK {
			// For the next call to say (do_recvmmsg of Linux).
			if keeps, ok := s.(interface{ KeepError(abi.Errno) }); ok && e < abi.ERESTARTSYS && e != abi.EAGAIN {
				keeps.KeepError(e)
			}
			break
		}
		i++
		if f&abi.MSG_WAITFORONE != 0 {
			f |= abi.MSG_DONTWAIT
		}
		// The timeout is looked at between messages (recvmmsg(2), BUGS).
		if deadline != wait.Forever && wait.Now() >= deadline {
			break
		}
	}
	if deadline != wait.Forever && i > 0 {
		left := timespecOf(max(deadline-wait.Now(), 0))
		if e := usermem.Out(timeout, &left); e != abi.OK {
			return 0, e
		}
	}
	return i, abi.OK
}

// maxOption bounds the value of a socket option.
const maxOption = 4096

func sysSetsockopt(t *task.Thread, fd, level, opt, addr, n, _ uintptr) (uintptr, abi.Errno) {
	if int32(n) < 0 {
		return 0, abi.EINVAL
	}
	d, s, e := getSocket(t, fd)
	if e != abi.OK {
		return 0, e
	}
	defer d.Unref()
	var small [64]byte
	val := small[:]
	if size := int(min(n, maxOption)); size > len(small) {
		val = make([]byte, size)
	} else {
		val = small[:size]
	}
	if _, e := usermem.CopyIn(val, addr); e != abi.OK {
		return 0, e
	}
	return 0, s.SetOption(int(int32(level)), int(int32(opt)), val)
}

func sysGetsockopt(t *task.Thread, fd, level, opt, addr, lenp, _ uintptr) (uintptr, abi.Errno) {
	d, s, e := getSocket(t, fd)
	if e != abi.OK {
		return 0, e
	}
	defer d.Unref()
	room, e := load32(lenp)
	if e != abi.OK {
		return 0, e
	}
	if int32(room) < 0 {
		return 0, abi.EINVAL
	}
	val := make([]byte, min(room, maxOption))
	n, e := s.GetOption(int(int32(level)), int(int32(opt)), val)
	if e != abi.OK {
		return 0, e
	}
	n = min(n, len(val))
	if _, e := usermem.CopyOut(addr, val[:n]); e != abi.OK {
		return 0, e
	}
	return 0, store32(lenp, uint32(n))
}
