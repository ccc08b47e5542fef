package strace

import "skerry/kernel/abi"

// messageKinds are the message headers of sendmsg(2) and recvmsg(2).
func messageKinds(k kindSet) {
	k.value("msghdr", func(c *call, v uint64) {
		var m abi.Msghdr
		if loadOr(c, v, &m) {
			c.msghdr(&m, noWord, int64(m.Namelen), false)
		}
	})
	k["omsghdr"] = &kind{
		in: func(c *call, i int) bool {
			var m abi.Msghdr
			c.keep = noWord
			if load(c, c.args[i], &m) {
				c.keep = uint64(uint32(m.Namelen))
			}
			return true
		},
		out: func(c *call, i int) {
			var m abi.Msghdr
			if c.keep == noWord || !load(c, c.args[i], &m) {
				c.addr(c.args[i])
				return
			}
			if c.failed {
				c.str("{msg_namelen=")
				c.dec(int64(int32(c.keep)))
				c.byte('}')
				return
			}
			c.msghdr(&m, uint64(c.ret), int64(int32(c.keep)), true)
		},
	}
	k["mmsghdr"] = &kind{out: func(c *call, i int) {
		n := c.at(i)
		if !c.failed {
			n = min(n, uint64(c.ret))
		}
		c.mmsghdr(c.args[i], n, !c.failed, false)
	}}
	k["ommsghdr"] = &kind{out: func(c *call, i int) {
		if c.failed {
			c.addr(c.args[i])
			return
		}
		c.mmsghdr(c.args[i], uint64(c.ret), true, true)
	}}
}

// mmsghdr writes n messages; done says whether their lengths have been written,
// received whether their buffers have.
func (c *call) mmsghdr(addr, n uint64, done, received bool) {
	c.array(addr, uint64(uint32(n)), sizeOf(abi.Mmsghdr{}), func(at uint64) bool {
		var m abi.Mmsghdr
		if !load(c, at, &m) {
			return false
		}
		total := uint64(noWord)
		if received {
			total = uint64(m.Len)
		}
		c.str("{msg_hdr=")
		c.msghdr(&m.Hdr, total, int64(m.Hdr.Namelen), received)
		if done {
			c.field("msg_len", uint64(m.Len))
		}
		c.byte('}')
		return true
	})
}

// msghdr writes a message header. total is how many bytes of the buffers are
// valid, room the length of the name's buffer before the call.
func (c *call) msghdr(m *abi.Msghdr, total uint64, room int64, received bool) {
	c.str("{msg_name=")
	n := int64(m.Namelen)
	if received && m.Name != 0 && (n < 2 || room < 2) {
		c.addr(m.Name)
	} else {
		c.sockaddr(m.Name, min(n, room))
	}
	c.str(", msg_namelen=")
	if received && room != n {
		c.dec(room)
		c.str(" => ")
	}
	c.dec(n)
	c.str(", msg_iov=")
	c.iovec(m.Iov, m.Iovlen, total)
	c.field("msg_iovlen", m.Iovlen)
	if m.Controllen != 0 {
		c.str(", msg_control=")
		c.control(m.Control, m.Controllen)
	}
	c.field("msg_controllen", m.Controllen)
	c.str(", msg_flags=")
	c.bits(&setMsg, uint64(m.Flags))
	c.byte('}')
}

// maxControl is how much of the control messages is looked at.
const maxControl = 512

// control writes the control messages in n bytes at addr.
func (c *call) control(addr, n uint64) {
	var b [maxControl]byte
	m := min(n, maxControl)
	if m < sizeOf(abi.Cmsghdr{}) || addr == 0 || !c.mem.Read(b[:m], uintptr(addr)) {
		c.addr(addr)
		return
	}
	c.byte('[')
	rest := b[:m]
	for first := true; len(rest) >= 16; first = false {
		if !first {
			c.str(", ")
		}
		size := le64(rest)
		level, typ := int32(le32(rest[8:])), int32(le32(rest[12:]))
		c.str("{cmsg_len=")
		c.udec(size)
		c.str(", cmsg_level=")
		c.enum(&setSol, uint64(uint32(level)))
		c.str(", cmsg_type=")
		c.cmsgType(level, typ)
		if size < 16 || size > uint64(len(rest)) {
			c.byte('}')
			break
		}
		if size > 16 {
			c.str(", cmsg_data=")
			c.cmsgData(level, typ, rest[16:size])
		}
		c.byte('}')
		rest = rest[min((size+7)&^7, uint64(len(rest))):]
	}
	if m < n && !c.cut {
		c.str(", ...")
	}
	c.byte(']')
}

func (c *call) cmsgType(level, typ int32) {
	switch level {
	case abi.SOL_SOCKET:
		c.enum(&setScm, uint64(uint32(typ)))
	case abi.SOL_IP:
		c.enum(&setOptIP, uint64(uint32(typ)))
	case abi.SOL_IPV6:
		c.enum(&setOptIPV6, uint64(uint32(typ)))
	default:
		c.hex(uint64(uint32(typ)))
	}
}

func (c *call) cmsgData(level, typ int32, b []byte) {
	switch {
	case level == abi.SOL_SOCKET && typ == abi.SCM_RIGHTS:
		c.byte('[')
		for i := 0; i+4 <= len(b); i += 4 {
			if i > 0 {
				c.str(", ")
			}
			if i/4 == c.strMax {
				c.str("...")
				break
			}
			c.dec(int64(int32(le32(b[i:]))))
		}
		c.byte(']')
	case level == abi.SOL_SOCKET && typ == abi.SCM_CREDENTIALS && len(b) >= 12:
		c.str("{pid=")
		c.dec(int64(int32(le32(b))))
		c.field("uid", uint64(le32(b[4:])))
		c.field("gid", uint64(le32(b[8:])))
		c.byte('}')
	case level == abi.SOL_IP && typ == abi.IP_PKTINFO && len(b) >= 12:
		c.str("{ipi_ifindex=")
		c.dec(int64(int32(le32(b))))
		c.str(`, ipi_spec_dst=inet_addr("`)
		c.ipv4(b[4:])
		c.str(`"), ipi_addr=inet_addr("`)
		c.ipv4(b[8:])
		c.str(`")}`)
	case level == abi.SOL_IP && (typ == abi.IP_TTL || typ == abi.IP_TOS) && len(b) == 4:
		c.byte('[')
		c.udec(uint64(le32(b)))
		c.byte(']')
	case c.noBuffers:
		c.str("...")
	default:
		m := min(len(b), c.strMax)
		c.quote(b[:m], m < len(b))
	}
}
