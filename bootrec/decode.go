package bootrec

import (
	"net/netip"
	"strconv"
)

// Decode reads a record out of b, which may be followed by less than a page of
// zeros (a loader may round the module up). Everything in the answer is a copy;
// the caller erases b. Errors are of type *Error.
func Decode(b []byte) (*Record, error) {
	if len(b) < headerSize || string(b[:len(Magic)]) != Magic {
		return nil, bad(0, "does not begin with "+Magic)
	}
	total := le.Uint32(b[8:])
	if total > MaxRecord || total < headerSize || total%8 != 0 || int(total) > len(b) {
		return nil, bad(0, "impossible length "+strconv.FormatUint(uint64(total), 10))
	}
	if v := le.Uint32(b[12:]); v != RecordVersion {
		return nil, bad(0, "version "+strconv.FormatUint(uint64(v), 10)+
			", this kernel reads version "+strconv.Itoa(RecordVersion))
	}
	if len(b)-int(total) >= 4096 || !zero(b[total:]) {
		return nil, bad(0, "bytes behind its end")
	}

	r := new(Record)
	var seen uint32
	last := -1
	for p := b[headerSize:total]; len(p) > 0; {
		if len(p) < tlvSize {
			return nil, bad(0, "ends inside a value")
		}
		tag, flags, n := Tag(le.Uint16(p)), le.Uint16(p[2:]), uint64(le.Uint32(p[4:]))
		size := (n + 7) &^ 7
		if uint64(len(p)-tlvSize) < size {
			return nil, bad(tag, "is longer than the record")
		}
		data, pad := p[tlvSize:tlvSize+n], p[tlvSize+n:tlvSize+size]
		p = p[tlvSize+size:]
		// Ascending order makes a duplicate as visible as a misplaced value.
		if int(tag) <= last {
			return nil, bad(tag, "stands twice or out of order")
		}
		last = int(tag)
		if !zero(pad) {
			return nil, bad(tag, "padding is not zero")
		}
		if flags&^flagIgnorable != 0 {
			return nil, bad(tag, "unknown flags")
		}
		if tag == TagEarly && flags&flagIgnorable == 0 {
			return nil, bad(0, "the early seed is not marked as one that may be ignored")
		}
		if tag >= tagEnd {
			if flags&flagIgnorable == 0 {
				return nil, bad(tag, "is unknown to this kernel")
			}
			continue
		}
		seen |= 1 << tag
		if why := decodeValue(r, tag, data); why != "" {
			return nil, bad(tag, why)
		}
	}
	for t := Tag(1); t < tagEnd; t++ {
		if mandatory&^seen&(1<<t) != 0 {
			return nil, bad(t, "is missing")
		}
	}
	if err := validate(r); err != nil {
		return nil, err
	}
	return r, nil
}

// decodeValue stores one value in r and answers what is wrong with it, "" if
// nothing is.
func decodeValue(r *Record, tag Tag, data []byte) string {
	c := cursor{b: data}
	switch tag {
	case TagProgram:
		r.Program = string(c.rest())
	case TagArgs:
		r.Args = c.strings(MaxArgs)
	case TagEnv:
		r.Env = c.strings(MaxEnv)
	case TagCwd:
		r.Cwd = string(c.rest())
	case TagHostname:
		r.Hostname = string(c.rest())
	case TagMachine:
		r.CPUs = c.number()
		if c.u32() != 0 {
			return "reserved field is not zero"
		}
		r.Memory = c.u64()
	case TagClock:
		r.Wall, r.StopTimeout = int64(c.u64()), int64(c.u64())
	case TagEarly:
		if len(data) != len(r.Early) || zero(data) {
			return "the early seed is all zero or of another length"
		}
		copy(r.Early[:], c.rest())
	case TagSeed:
		if copy(r.Seed[:], c.take(len(r.Seed))); r.Seed == [32]byte{} {
			return "is all zero"
		}
	case TagOptions:
		o := c.u32()
		if o&^optAll != 0 {
			return "unknown options"
		}
		r.Trace, r.Verbose, r.Data, r.Audit = o&optTrace != 0, o&optVerbose != 0, o&optData != 0, o&optAudit != 0
	case TagNet:
		r.Net.Mode, r.Net.MTU = NetMode(c.u32()), c.number()
	case TagV4:
		r.Net.V4 = c.iface()
	case TagV6:
		r.Net.V6 = c.iface()
	case TagDNS:
		n := c.count(MaxDNS)
		for i := 0; i < n && !c.bad; i++ {
			r.Net.DNS = append(r.Net.DNS, c.addr())
		}
	case TagSearch:
		r.Net.Search = c.strings(MaxSearch)
	case TagHosts:
		n := c.count(MaxHosts)
		for i := 0; i < n && !c.bad; i++ {
			a := c.addr()
			r.Net.Hosts = append(r.Net.Hosts, Host{a, c.strings(MaxNames)})
		}
	case TagDeny:
		n := c.count(MaxDeny)
		for i := 0; i < n && !c.bad; i++ {
			r.Net.Deny = append(r.Net.Deny, c.prefix())
		}
	case TagPolicy:
		r.Policy = append([]byte(nil), c.rest()...)
		if len(r.Policy) == 0 {
			return "is empty"
		}
	case TagJIT:
		if r.JIT = c.u64(); r.JIT == 0 {
			return "is zero"
		}
	case TagTmpfs:
		n := c.count(MaxTmpfs)
		for i := 0; i < n && !c.bad; i++ {
			size := c.u64()
			r.Tmpfs = append(r.Tmpfs, Tmpfs{string(c.take(c.number())), size})
		}
		if n == 0 {
			return "is empty"
		}
	case TagSecrets:
		n := c.count(MaxSecrets)
		for i := 0; i < n && !c.bad; i++ {
			name := string(c.take(c.number()))
			r.Secrets = append(r.Secrets, Secret{name, append([]byte(nil), c.take(c.number())...)})
		}
		if n == 0 {
			return "is empty"
		}
	case TagOverlay:
		r.Overlay, r.OverlaySize = true, c.u64()
	}
	if c.bad {
		return "is malformed"
	}
	if len(c.b) != 0 {
		return "is too long"
	}
	return ""
}

// cursor takes fields off a value. After the first field that is not there or
// not well-formed, bad is set and everything answers zero.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if c.bad || n < 0 || n > len(c.b) {
		c.bad = true
		return nil
	}
	p := c.b[:n]
	c.b = c.b[n:]
	return p
}

func (c *cursor) rest() []byte { return c.take(len(c.b)) }

func (c *cursor) u32() uint32 {
	if p := c.take(4); p != nil {
		return le.Uint32(p)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if p := c.take(8); p != nil {
		return le.Uint64(p)
	}
	return 0
}

// number is a u32 that fits any int.
func (c *cursor) number() int {
	v := c.u32()
	if v > 1<<31-1 {
		c.bad = true
		return 0
	}
	return int(v)
}

// count is the length of a list: at least one, since an empty list is written as
// no value at all.
func (c *cursor) count(most int) int {
	n := c.number()
	if n < 1 || n > most {
		c.bad = true
		return 0
	}
	return n
}

func (c *cursor) strings(most int) []string {
	n := c.count(most)
	// Each entry takes four bytes at least, which bounds the allocation by what
	// was really sent.
	if n > len(c.b)/4 {
		c.bad = true
	}
	if c.bad {
		return nil
	}
	list := make([]string, 0, n)
	for i := 0; i < n && !c.bad; i++ {
		list = append(list, string(c.take(c.number())))
	}
	return list
}

// prefix takes an address with a prefix length.
func (c *cursor) prefix() netip.Prefix {
	a, bits := c.address()
	if !a.IsValid() || bits > a.BitLen() {
		c.bad = true
		return netip.Prefix{}
	}
	return netip.PrefixFrom(a, bits)
}

// addr takes an address without a prefix length.
func (c *cursor) addr() netip.Addr {
	a, bits := c.address()
	if !a.IsValid() || bits != 0 {
		c.bad = true
	}
	return a
}

func (c *cursor) iface() Iface {
	i := Iface{Addr: c.prefix()}
	g, bits := c.address()
	if bits != 0 {
		c.bad = true
	}
	i.Gateway = g
	return i
}

// address takes an encoded address; the zero Addr stands for "none".
func (c *cursor) address() (netip.Addr, int) {
	p := c.take(addrSize)
	if p == nil {
		return netip.Addr{}, 0
	}
	if p[2]|p[3] == 0 {
		switch {
		case p[0] == 0 && p[1] == 0 && zero(p[4:]):
			return netip.Addr{}, 0
		case p[0] == 4 && zero(p[8:]):
			return netip.AddrFrom4([4]byte(p[4:8])), int(p[1])
		case p[0] == 6:
			return netip.AddrFrom16([16]byte(p[4:20])), int(p[1])
		}
	}
	c.bad = true
	return netip.Addr{}, 0
}

func zero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
