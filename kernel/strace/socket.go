package strace

import (
	"skerry/kernel/abi"
)

// socketKinds are addresses and what socket(2) takes.
func socketKinds(k kindSet) {
	k.value("socktype", func(c *call, v uint64) {
		v = uint64(uint32(v))
		c.enum(&setSocktype, v&0xf)
		if rest, _ := c.bitNames(&setSock, v&^0xf, true); rest != 0 {
			c.byte('|')
			c.hex(rest)
		}
	})
	k.value("sockproto", func(c *call, v uint64) {
		switch uint32(c.args[0]) {
		case abi.AF_INET, abi.AF_INET6:
			c.enum(&setIpproto, v)
		case abi.AF_NETLINK:
			c.enum(&setNetlink, v)
		case abi.AF_PACKET:
			c.hex(uint64(uint32(v)))
		default:
			c.udec(uint64(uint32(v)))
		}
	})
	k.input("sockaddr", func(c *call, i int) { c.sockaddr(c.args[i], int64(int32(c.at(i)))) })
	k["osockaddr"] = &kind{
		in: func(c *call, i int) bool {
			// The room that the program offers, since the call writes over it.
			var n uint32
			c.keep = noWord
			if load(c, c.at(i), &n) {
				c.keep = uint64(n)
			}
			return true
		},
		out: func(c *call, i int) {
			var n uint32
			if c.failed || c.keep == noWord || !load(c, c.at(i), &n) {
				c.addr(c.args[i])
				return
			}
			c.sockaddr(c.args[i], min(int64(int32(n)), int64(int32(c.keep))))
		},
	}
}

// sockaddr writes the socket address of n bytes at addr.
func (c *call) sockaddr(addr uint64, n int64) {
	if addr == 0 || n < 2 {
		c.addr(addr)
		return
	}
	var s abi.SockaddrStorage
	n = min(n, int64(sizeOf(s)))
	var b [128]byte
	if !c.mem.Read(b[:n], uintptr(addr)) {
		c.addr(addr)
		return
	}
	c.sockaddrBytes(b[:n])
}

func le16(b []byte) uint16 { return uint16(b[0]) | uint16(b[1])<<8 }
func be16(b []byte) uint16 { return uint16(b[1]) | uint16(b[0])<<8 }
func le32(b []byte) uint32 { return uint32(le16(b)) | uint32(le16(b[2:]))<<16 }
func be32(b []byte) uint32 { return uint32(be16(b[2:])) | uint32(be16(b))<<16 }
func le64(b []byte) uint64 { return uint64(le32(b)) | uint64(le32(b[4:]))<<32 }

// sockaddrBytes writes a socket address of at least two bytes.
func (c *call) sockaddrBytes(b []byte) {
	family := le16(b)
	c.str("{sa_family=")
	c.enum(&setAf, uint64(family))
	switch {
	case family == abi.AF_INET && len(b) >= 16:
		c.str(", sin_port=htons(")
		c.udec(uint64(be16(b[2:])))
		c.str(`), sin_addr=inet_addr("`)
		c.ipv4(b[4:8])
		c.str(`")`)
	case family == abi.AF_INET6 && len(b) >= 24:
		c.str(", sin6_port=htons(")
		c.udec(uint64(be16(b[2:])))
		c.str("), sin6_flowinfo=htonl(")
		c.udec(uint64(be32(b[4:])))
		c.str(`), inet_pton(AF_INET6, "`)
		c.ipv6(b[8:24])
		c.str(`", &sin6_addr)`)
		if len(b) >= 28 {
			c.field("sin6_scope_id", uint64(le32(b[24:])))
		}
	case family == abi.AF_UNIX && len(b) > 2:
		c.str(", sun_path=")
		path := b[2:min(len(b), 2+abi.UNIX_PATH_MAX)]
		if path[0] == 0 && len(path) > 1 {
			c.byte('@')
			c.quote(path[1:], false)
			break
		}
		c.quote(untilNUL(path), false)
	case family == abi.AF_NETLINK && len(b) >= 12:
		c.field("nl_pid", uint64(le32(b[4:])))
		c.str(", nl_groups=")
		c.hex08(le32(b[8:]))
	case family == abi.AF_VSOCK && len(b) >= 16:
		c.str(", svm_cid=")
		c.hex(uint64(le32(b[8:])))
		c.str(", svm_port=")
		c.hex(uint64(le32(b[4:])))
	case c.noBuffers:
	case len(b) > 2:
		c.str(", sa_data=")
		rest := b[2:min(len(b), 2+c.strMax)]
		c.quote(rest, len(b) > 2+c.strMax)
	}
	c.byte('}')
}

// hex08 writes v as C's %#08x.
func (c *call) hex08(v uint32) {
	s := 28
	if v != 0 {
		c.str("0x")
		for s > 20 && v>>s == 0 {
			s -= 4
		}
	}
	for ; s >= 0; s -= 4 {
		c.byte(lowerHex[v>>s&15])
	}
}

func untilNUL(b []byte) []byte {
	for i, x := range b {
		if x == 0 {
			return b[:i]
		}
	}
	return b
}

// ipv4 writes an address in dotted decimal.
func (c *call) ipv4(b []byte) {
	for i, x := range b[:4] {
		if i > 0 {
			c.byte('.')
		}
		c.udec(uint64(x))
	}
}

// ipv6 writes an address as RFC 5952 says: the longest run of two or more zero
// groups is left out, the first of equally long ones.
func (c *call) ipv6(b []byte) {
	var g [8]uint16
	for i := range g {
		g[i] = be16(b[2*i:])
	}
	mapped := g[0]|g[1]|g[2]|g[3]|g[4] == 0 && g[5] == 0xffff
	start, length := -1, 1
	for i := 0; i < 8; {
		n := 0
		for i+n < 8 && g[i+n] == 0 {
			n++
		}
		if n > length {
			start, length = i, n
		}
		i += n + 1
	}
	for i := 0; i < 8; i++ {
		switch {
		case i == start:
			c.str("::")
			i += length - 1
			continue
		case i == 6 && mapped:
			c.byte(':')
			c.ipv4(b[12:16])
			return
		case i > 0 && i != start+length:
			c.byte(':')
		}
		c.number("", uint64(g[i]), 16)
	}
}
