package bootrec

import (
	"net/netip"
	"strings"
)

// validate holds r to the rules that do not depend on the encoding. Encode and
// Decode both call it, so that they accept the same records.
func validate(r *Record) error {
	if why := checkPath(r.Program); why != "" {
		return bad(TagProgram, why)
	}
	if r.Program == "/" {
		return bad(TagProgram, "is the root directory")
	}
	if len(r.Args) == 0 {
		return bad(TagArgs, "argv[0] is missing")
	}
	if why := checkStrings(r.Args, MaxArgs); why != "" {
		return bad(TagArgs, why)
	}
	if why := checkStrings(r.Env, MaxEnv); why != "" {
		return bad(TagEnv, why)
	}
	for _, e := range r.Env {
		if strings.IndexByte(e, '=') < 1 {
			return bad(TagEnv, "an entry is not NAME=value")
		}
	}
	if why := checkPath(r.Cwd); why != "" {
		return bad(TagCwd, why)
	}
	if !validName(r.Hostname) || len(r.Hostname) > MaxHostname {
		return bad(TagHostname, "is not a host name")
	}
	if r.CPUs < 1 || r.CPUs > MaxCPUs {
		return bad(TagMachine, "impossible number of CPUs")
	}
	if r.Memory == 0 || r.Memory > 1<<52 || r.Memory%4096 != 0 {
		return bad(TagMachine, "impossible amount of memory")
	}
	if r.Wall < 0 || r.StopTimeout < 0 {
		return bad(TagClock, "is negative")
	}
	if len(r.Policy) > MaxPolicy {
		return bad(TagPolicy, "is too long")
	}
	if r.JIT%4096 != 0 || r.JIT > MaxJIT {
		return bad(TagJIT, "is not a number of pages")
	}
	if why := checkTmpfs(r.Tmpfs); why != "" {
		return bad(TagTmpfs, why)
	}
	if r.OverlaySize%4096 != 0 || r.OverlaySize > 1<<52 || r.OverlaySize != 0 && !r.Overlay {
		return bad(TagOverlay, "has an impossible size")
	}
	if why := checkSecrets(r.Secrets); why != "" {
		return bad(TagSecrets, why)
	}
	return validateNet(&r.Net)
}

func checkTmpfs(list []Tmpfs) string {
	if len(list) > MaxTmpfs {
		return "has too many entries"
	}
	for i, t := range list {
		if why := checkPath(t.Path); why != "" {
			return why
		}
		if t.Path == "/" {
			return "is the root directory"
		}
		if t.Size%4096 != 0 || t.Size > 1<<52 {
			return "has an impossible size"
		}
		for _, u := range list[:i] {
			if u.Path == t.Path {
				return "has a path twice"
			}
		}
	}
	return ""
}

func checkSecrets(list []Secret) string {
	if len(list) > MaxSecrets {
		return "has too many entries"
	}
	total := 0
	for i, s := range list {
		if s.Name == "" || s.Name == "." || s.Name == ".." || len(s.Name) > 255 || strings.ContainsAny(s.Name, "/\x00") {
			return "has a name that is not one of a file"
		}
		if total += len(s.Data); total > MaxSecret {
			return "is too long"
		}
		for _, u := range list[:i] {
			if u.Name == s.Name {
				return "has a name twice"
			}
		}
	}
	return ""
}

func validateNet(n *Net) error {
	v4, v6 := n.V4 != Iface{}, n.V6 != Iface{}
	if v4 {
		if why := checkIface(n.V4, netip.Addr.Is4); why != "" {
			return bad(TagV4, why)
		}
	}
	if v6 {
		if why := checkIface(n.V6, netip.Addr.Is6); why != "" {
			return bad(TagV6, why)
		}
	}
	switch n.Mode {
	case NetNone:
		if v4 || v6 || len(n.DNS) != 0 {
			return bad(TagNet, "mode none with an address")
		}
	case NetDHCP:
		if v4 {
			return bad(TagNet, "mode dhcp with an IPv4 address")
		}
	case NetStatic:
		if !v4 && !v6 {
			return bad(TagNet, "mode static without an address")
		}
	default:
		return bad(TagNet, "unknown mode")
	}
	least := 576
	if v6 {
		least = 1280
	}
	if n.MTU != 0 && (n.MTU < least || n.MTU > MaxMTU) {
		return bad(TagNet, "impossible MTU")
	}
	if len(n.DNS) > MaxDNS {
		return bad(TagDNS, "too many addresses")
	}
	for _, a := range n.DNS {
		if !plain(a) || a.IsUnspecified() || a.IsMulticast() {
			return bad(TagDNS, "is not a host address")
		}
	}
	if len(n.Search) > MaxSearch {
		return bad(TagSearch, "too many names")
	}
	for _, s := range n.Search {
		if !validName(s) {
			return bad(TagSearch, "is not a domain name")
		}
	}
	if len(n.Hosts) > MaxHosts {
		return bad(TagHosts, "too many lines")
	}
	for i := range n.Hosts {
		h := &n.Hosts[i]
		if !plain(h.Addr) {
			return bad(TagHosts, "is not an address")
		}
		if len(h.Names) == 0 || len(h.Names) > MaxNames {
			return bad(TagHosts, "impossible number of names")
		}
		for _, s := range h.Names {
			if !validName(s) {
				return bad(TagHosts, "is not a host name")
			}
		}
	}
	if len(n.Deny) > MaxDeny {
		return bad(TagDeny, "too many prefixes")
	}
	for _, p := range n.Deny {
		if !p.IsValid() || !plain(p.Addr()) || p != p.Masked() {
			return bad(TagDeny, "is not a prefix")
		}
	}
	return nil
}

func checkIface(i Iface, family func(netip.Addr) bool) string {
	a := i.Addr.Addr()
	switch {
	case !i.Addr.IsValid() || !plain(a) || !family(a) || i.Addr.Bits() == 0:
		return "is not an address of the family with a prefix length"
	case a.IsUnspecified() || a.IsMulticast() || a.IsLoopback():
		return "is not an address for a machine"
	case i.Gateway.IsValid() && (!plain(i.Gateway) || !family(i.Gateway) || i.Gateway.IsUnspecified() ||
		i.Gateway.IsMulticast() || i.Gateway.IsLoopback()):
		return "the gateway is not an address of the family"
	}
	return ""
}

// plain reports whether a is an address that the encoding can hold: no zone, no
// IPv4 address in IPv6 clothes (which would have two encodings).
func plain(a netip.Addr) bool { return a.IsValid() && a.Zone() == "" && !a.Is4In6() }

func checkStrings(list []string, most int) string {
	if len(list) > most {
		return "too many entries"
	}
	for _, s := range list {
		if len(s) > MaxString {
			return "an entry is too long"
		}
		if strings.IndexByte(s, 0) >= 0 {
			return "an entry holds a NUL byte"
		}
	}
	return ""
}

// checkPath accepts absolute paths without empty, "." and ".." components.
func checkPath(p string) string {
	switch {
	case p == "" || p[0] != '/':
		return "is not an absolute path"
	case len(p) > MaxPath:
		return "is too long"
	case strings.IndexByte(p, 0) >= 0:
		return "holds a NUL byte"
	case p == "/":
		return ""
	}
	for rest := p[1:]; ; {
		i := strings.IndexByte(rest, '/')
		c := rest
		if i >= 0 {
			c = rest[:i]
		}
		if c == "" || c == "." || c == ".." {
			return "is not a clean path"
		}
		if len(c) > 255 { // NAME_MAX
			return "has a component that is too long"
		}
		if i < 0 {
			return ""
		}
		rest = rest[i+1:]
	}
}

// validName accepts what may stand in /etc/hosts and /etc/resolv.conf as a name:
// letters, digits, hyphens, underscores and single dots between them, so that no
// name can forge a line.
func validName(s string) bool {
	if s == "" || len(s) > MaxName {
		return false
	}
	label := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '.':
			if label == 0 {
				return false
			}
			label = 0
			continue
		case c == '-' && label == 0:
			return false
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_':
		default:
			return false
		}
		if label++; label > 63 { // RFC 1035, 2.3.4
			return false
		}
	}
	return label > 0
}
