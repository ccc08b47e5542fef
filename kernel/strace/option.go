package strace

import "skerry/kernel/abi"

// optionKinds are socket options, whose type hangs on level and name.
func optionKinds(k kindSet) {
	k.input("sockopt", func(c *call, i int) {
		if s := optionSet(c.at(i)); s != nil {
			c.enum(s, c.args[i])
			return
		}
		c.udec(uint64(uint32(c.args[i])))
	})
	k.value("optval", func(c *call, v uint64) { c.option(v, int64(int32(c.args[4])), true) })
	k.output("ooptval", func(c *call, v uint64) {
		var n uint32
		if !load(c, c.args[4], &n) {
			c.addr(v)
			return
		}
		c.option(v, int64(int32(n)), false)
	})
}

// optionSet is the names of the options of a level.
func optionSet(level uint64) *set {
	switch uint32(level) {
	case abi.SOL_SOCKET:
		return &setOptSOCKET
	case abi.SOL_IP:
		return &setOptIP
	case abi.SOL_IPV6:
		return &setOptIPV6
	case abi.SOL_TCP:
		return &setOptTCP
	case abi.SOL_UDP:
		return &setOptUDP
	case abi.SOL_NETLINK:
		return &setOptNETLINK
	}
	return nil
}

// option writes the value of n bytes of the option in the arguments.
func (c *call) option(addr uint64, n int64, setting bool) {
	if addr == 0 || n < 0 || c.noBuffers {
		c.addr(addr)
		return
	}
	var b [256]byte
	m := min(n, int64(len(b)))
	if !c.mem.Read(b[:m], uintptr(addr)) {
		c.addr(addr)
		return
	}
	level, name := uint32(c.args[1]), uint32(c.args[2])
	switch {
	case level == abi.SOL_SOCKET && name == abi.SO_LINGER && m >= 8:
		c.str("{l_onoff=")
		c.dec(int64(int32(le32(b[0:]))))
		c.str(", l_linger=")
		c.dec(int64(int32(le32(b[4:]))))
		c.byte('}')
	case level == abi.SOL_SOCKET && name == abi.SO_PEERCRED && m >= 12 && !setting:
		c.str("{pid=")
		c.dec(int64(int32(le32(b[0:]))))
		c.field("uid", uint64(le32(b[4:])))
		c.field("gid", uint64(le32(b[8:])))
		c.byte('}')
	case level == abi.SOL_SOCKET && (name == abi.SO_ATTACH_FILTER || name == abi.SO_ATTACH_REUSEPORT_CBPF) && m >= 16 && setting:
		c.filter(addr)
	case level == abi.SOL_SOCKET && name == abi.SO_PROTOCOL && m == 4 && !setting:
		c.byte('[')
		c.enum(&setIpproto, uint64(le32(b[0:])))
		c.byte(']')
	case level == abi.SOL_SOCKET && name == abi.SO_DOMAIN && m == 4 && !setting:
		c.byte('[')
		c.enum(&setAf, uint64(le32(b[0:])))
		c.byte(']')
	case level == abi.SOL_SOCKET && name == abi.SO_TYPE && m == 4 && !setting:
		c.byte('[')
		c.enum(&setSocktype, uint64(le32(b[0:])))
		c.byte(']')
	case level == abi.SOL_SOCKET && name == abi.SO_ERROR && m == 4 && !setting:
		c.byte('[')
		if e := abi.Errno(le32(b[0:])); e > 0 && e.Text() != "" {
			c.str(e.Error())
		} else {
			c.dec(int64(e))
		}
		c.byte(']')
	case level == abi.SOL_IP && (name == abi.IP_ADD_MEMBERSHIP || name == abi.IP_DROP_MEMBERSHIP) && m >= 8:
		c.str(`{imr_multiaddr=inet_addr("`)
		c.ipv4(b[0:])
		c.str(`"), imr_interface=inet_addr("`)
		c.ipv4(b[4:])
		c.str(`")}`)
	case level == abi.SOL_TCP && name == abi.TCP_INFO && m >= 104 && !setting:
		c.tcpInfo(b[:m])
	case stringOption(level, name):
		s := untilNUL(b[:m])
		c.quote(s[:min(len(s), c.strMax)], len(s) > c.strMax)
	case m == 4:
		c.byte('[')
		c.dec(int64(int32(le32(b[0:]))))
		c.byte(']')
	default:
		show := min(m, int64(c.strMax))
		c.quote(b[:show], show < n)
	}
}

func stringOption(level, name uint32) bool {
	return level == abi.SOL_SOCKET && name == abi.SO_BINDTODEVICE || level == abi.SOL_TCP && (name == abi.TCP_CONGESTION || name == abi.TCP_ULP)
}

// tcpInfo writes what is most looked for in struct tcp_info.
func (c *call) tcpInfo(b []byte) {
	c.str("{tcpi_state=")
	c.enum(&setTcpstate, uint64(b[0]))
	for _, f := range [...]struct {
		name string
		at   int
	}{
		{"tcpi_rto", 8}, {"tcpi_snd_mss", 16}, {"tcpi_rcv_mss", 20}, {"tcpi_unacked", 24}, {"tcpi_rtt", 68},
		{"tcpi_rttvar", 72}, {"tcpi_snd_cwnd", 80}, {"tcpi_total_retrans", 100},
	} {
		c.field(f.name, uint64(le32(b[f.at:])))
	}
	c.str(", ...}")
}
