package machine

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
)

// The network's files in /proc and /sys that are made of what several of its
// packages know.

// networkFiles are the files of /proc/net.
func (m *Machine) networkFiles() map[string]func() []byte {
	st := m.Net.Stack
	return map[string]func() []byte{"dev": st.ProcDev, "route": st.ProcRoute, "ipv6_route": st.ProcIPv6Route,
		"if_inet6": st.ProcIfInet6, "arp": st.ProcARP, "igmp": st.ProcIGMP, "igmp6": st.ProcIGMP6, "snmp": st.ProcSNMP, "unix": m.Net.Unix.ProcUnix,
		"tcp": func() []byte { return m.Net.Inet.ProcTCP(false) }, "tcp6": func() []byte { return m.Net.Inet.ProcTCP(true) },
		"sockstat": func() []byte { return m.sockstat(false) }, "sockstat6": func() []byte { return m.sockstat(true) },
		"netstat": m.netstat,
		"udp":     func() []byte { return m.Net.Inet.ProcUDP(false) }, "udp6": func() []byte { return m.Net.Inet.ProcUDP(true) }}
}

// setting is a file of numbers under /proc/sys.
func setting(n ...int) func() []byte {
	var b []byte
	for i, v := range n {
		if i > 0 {
			b = append(b, '\t')
		}
		b = strconv.AppendInt(b, int64(v), 10)
	}
	b = append(b, '\n')
	return func() []byte { return b }
}

// The files of /proc/sys/net that programs read, Linux'
// Documentation/networking/ip-sysctl.rst and Documentation/admin-guide/sysctl/
// net.rst; the values are the network's own.

func (m *Machine) coreSettings() map[string]func() []byte {
	buffer := setting(m.Net.Stack.Buffers().Other)
	return map[string]func() []byte{
		"somaxconn":    setting(m.Net.Inet.Backlog()),
		"rmem_default": buffer, "rmem_max": buffer,
		"wmem_default": buffer, "wmem_max": buffer,
	}
}

func (m *Machine) ipv6Settings() map[string]func() []byte {
	return map[string]func() []byte{"bindv6only": setting(0)}
}

func (m *Machine) ipv6AllSettings() map[string]func() []byte {
	return map[string]func() []byte{"disable_ipv6": setting(0), "forwarding": setting(0)}
}

func (m *Machine) ipv4Settings() map[string]func() []byte {
	st := m.Net.Stack
	buf := st.Buffers()
	const least = 4096
	first, last := st.IP.PortRange()
	files := map[string]func() []byte{
		"tcp_rmem":             setting(least, buf.TCPRecv, buf.TCPRecvMax),
		"tcp_wmem":             setting(least, buf.TCPSend, buf.TCPSendMax),
		"ip_local_port_range":  setting(int(first), int(last)),
		"tcp_keepalive_time":   setting(int(tcp.DefaultKeepaliveIdle / time.Second)),
		"tcp_keepalive_intvl":  setting(int(tcp.DefaultKeepaliveInterval / time.Second)),
		"tcp_keepalive_probes": setting(tcp.DefaultKeepaliveCount),
		"tcp_syn_retries":      setting(tcp.DefaultSynRetries),
		// Without users no port needs a right; nothing is forwarded.
		"ip_unprivileged_port_start": setting(0),
		"ip_forward":                 setting(0),
	}
	var linger tcpip.TCPLingerTimeoutOption
	if st.IP.TransportProtocolOption(tcp.ProtocolNumber, &linger) == nil {
		files["tcp_fin_timeout"] = setting(int(time.Duration(linger) / time.Second))
	}
	var sack tcpip.TCPSACKEnabled
	if st.IP.TransportProtocolOption(tcp.ProtocolNumber, &sack) == nil {
		on := 0
		if sack {
			on = 1
		}
		files["tcp_sack"] = setting(on)
	}
	var cc tcpip.CongestionControlOption
	if st.IP.TransportProtocolOption(tcp.ProtocolNumber, &cc) == nil {
		b := []byte(string(cc) + "\n")
		files["tcp_congestion_control"] = func() []byte { return b }
	}
	return files
}

// Columns of /proc/net/tcp.
const (
	columnState = 3
	columnInode = 9
)

// sockstat is /proc/net/sockstat or, with v6 set, sockstat6: what the tables of
// sockets add up to. Memory is in pages, of all sockets together, since they have
// one budget.
func (m *Machine) sockstat(v6 bool) []byte {
	var inUse, orphans, waiting int
	for _, l := range lines(m.Net.Inet.ProcTCP(v6)) {
		f := strings.Fields(l)
		switch {
		case len(f) <= columnInode:
		case f[columnState] == "06": // TIME_WAIT
			waiting++
		case f[columnInode] == "0":
			orphans++
		default:
			inUse++
		}
	}
	udp := len(lines(m.Net.Inet.ProcUDP(v6)))
	if v6 {
		return fmt.Appendf(nil, "TCP6: inuse %d\nUDP6: inuse %d\nUDPLITE6: inuse 0\nRAW6: inuse 0\nFRAG6: inuse 0 memory 0\n", inUse, udp)
	}
	pages := m.Net.Stack.Budget.Used() / frame.Size
	return fmt.Appendf(nil, "sockets: used %d\nTCP: inuse %d orphan %d tw %d alloc %d mem %d\nUDP: inuse %d mem 0\n"+
		"UDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n",
		inUse+udp+len(lines(m.Net.Inet.ProcTCP(true)))+len(lines(m.Net.Inet.ProcUDP(true)))+len(lines(m.Net.Unix.ProcUnix())),
		inUse, orphans, waiting, inUse+orphans, pages, udp)
}

// lines are those of a table without its head.
func lines(table []byte) []string {
	l := strings.Split(string(bytes.TrimSpace(table)), "\n")
	return l[1:]
}

// netstat is /proc/net/netstat: those counters of Linux' TcpExt and IpExt that
// the network has.
func (m *Machine) netstat() []byte {
	s := m.Net.Stack.IP.Stats()
	var names, values strings.Builder
	for _, c := range []struct {
		name string
		n    *tcpip.StatCounter
	}{
		{"SyncookiesSent", s.TCP.ListenOverflowSynCookieSent}, {"SyncookiesRecv", s.TCP.ListenOverflowSynCookieRcvd},
		{"SyncookiesFailed", s.TCP.ListenOverflowInvalidSynCookieRcvd}, {"ListenOverflows", s.TCP.ListenOverflowAckDrop},
		{"ListenDrops", s.TCP.ListenOverflowSynDrop}, {"TCPSackRecovery", s.TCP.SACKRecovery},
		{"TCPFastRetrans", s.TCP.FastRetransmit}, {"TCPSlowStartRetrans", s.TCP.SlowStartRetransmits},
		{"TCPTimeouts", s.TCP.Timeouts}, {"TCPLossProbeRecovery", s.TCP.TLPRecovery}, {"TCPDSACKRecv", s.TCP.SegmentsAckedWithDSACK},
	} {
		names.WriteString(" " + c.name)
		values.WriteString(" " + strconv.FormatUint(c.n.Value(), 10))
	}
	var in, out uint64
	for _, i := range m.Net.Stack.Interfaces() {
		in, out = in+i.Counts.RxBytes, out+i.Counts.TxBytes
	}
	return fmt.Appendf(nil, "TcpExt:%s\nTcpExt:%s\nIpExt: InOctets OutOctets\nIpExt: %d %d\n", names.String(), values.String(), in, out)
}

// links are the files of /sys/class/net, Linux' ABI/testing/sysfs-class-net.
func (m *Machine) links() map[string]map[string]func() string {
	st := m.Net.Stack
	all := map[string]map[string]func() string{}
	for k, i := range st.Interfaces() {
		number := func(f func() uint64) func() string { return func() string { return strconv.FormatUint(f(), 10) } }
		fixed := func(s string) func() string { return func() string { return s } }
		up := func() bool { return st.Interfaces()[k].Flags&abi.IFF_RUNNING != 0 }
		kind, state := "1", "up" // ARPHRD_ETHER
		if i.Flags&abi.IFF_LOOPBACK != 0 {
			kind, state = "772", "unknown" // ARPHRD_LOOPBACK
		}
		mac := fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", i.MAC[0], i.MAC[1], i.MAC[2], i.MAC[3], i.MAC[4], i.MAC[5])
		index := strconv.Itoa(i.Index)
		files := map[string]func() string{
			"address": fixed(mac), "addr_len": fixed("6"), "mtu": fixed(strconv.Itoa(i.MTU)), "type": fixed(kind),
			"ifindex": fixed(index), "iflink": fixed(index),
			"flags": func() string { return fmt.Sprintf("%#x", st.Interfaces()[k].Flags&0xffff&^abi.IFF_RUNNING) },
			"carrier": func() string {
				if up() {
					return "1"
				}
				return "0"
			},
			"operstate": func() string {
				if up() {
					return state
				}
				return "down"
			},
		}
		for name, f := range map[string]func() uint64{
			"rx_bytes":   func() uint64 { return st.Interfaces()[k].Counts.RxBytes },
			"rx_packets": func() uint64 { return st.Interfaces()[k].Counts.RxPackets },
			"rx_errors":  func() uint64 { return st.Interfaces()[k].Counts.RxErrors },
			"rx_dropped": func() uint64 { return st.Interfaces()[k].Counts.RxDropped },
			"multicast":  func() uint64 { return st.Interfaces()[k].Counts.Multicast },
			"tx_bytes":   func() uint64 { return st.Interfaces()[k].Counts.TxBytes },
			"tx_packets": func() uint64 { return st.Interfaces()[k].Counts.TxPackets },
			"tx_dropped": func() uint64 { return st.Interfaces()[k].Counts.TxDropped },
		} {
			files["statistics/"+name] = number(f)
		}
		all[i.Name] = files
	}
	return all
}
