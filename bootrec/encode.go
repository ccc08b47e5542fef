package bootrec

import (
	"encoding/binary"
	"net/netip"
)

var le = binary.LittleEndian

// Encode returns r in the form that Decode reads, or an *Error that names the
// field that breaks a rule or a limit.
func Encode(r *Record) ([]byte, error) {
	if err := validate(r); err != nil {
		return nil, err
	}
	b := append(make([]byte, 0, 4096), Magic...)
	b = le.AppendUint32(b, 0) // the length, known at the end
	b = le.AppendUint32(b, RecordVersion)

	if r.Early != [32]byte{} {
		at := len(b)
		b = value(b, TagEarly, func(b []byte) []byte { return append(b, r.Early[:]...) })
		le.PutUint16(b[at+2:], flagIgnorable)
	}
	b = value(b, TagProgram, func(b []byte) []byte { return append(b, r.Program...) })
	b = value(b, TagArgs, func(b []byte) []byte { return appendStrings(b, r.Args) })
	if len(r.Env) > 0 {
		b = value(b, TagEnv, func(b []byte) []byte { return appendStrings(b, r.Env) })
	}
	b = value(b, TagCwd, func(b []byte) []byte { return append(b, r.Cwd...) })
	b = value(b, TagHostname, func(b []byte) []byte { return append(b, r.Hostname...) })
	b = value(b, TagMachine, func(b []byte) []byte {
		b = le.AppendUint32(b, uint32(r.CPUs))
		b = le.AppendUint32(b, 0)
		return le.AppendUint64(b, r.Memory)
	})
	b = value(b, TagClock, func(b []byte) []byte {
		b = le.AppendUint64(b, uint64(r.Wall))
		return le.AppendUint64(b, uint64(r.StopTimeout))
	})
	if r.Seed != [32]byte{} {
		b = value(b, TagSeed, func(b []byte) []byte { return append(b, r.Seed[:]...) })
	}
	b = value(b, TagOptions, func(b []byte) []byte { return le.AppendUint32(b, options(r)) })
	b = appendNet(b, &r.Net)
	if len(r.Policy) > 0 {
		b = value(b, TagPolicy, func(b []byte) []byte { return append(b, r.Policy...) })
	}
	if r.JIT != 0 {
		// A kernel that does not know it has another rule: not to be ignored.
		b = value(b, TagJIT, func(b []byte) []byte { return le.AppendUint64(b, r.JIT) })
	}
	// Who does not mount these, or does not make them, runs another program.
	if len(r.Tmpfs) > 0 {
		b = value(b, TagTmpfs, func(b []byte) []byte {
			b = le.AppendUint32(b, uint32(len(r.Tmpfs)))
			for _, t := range r.Tmpfs {
				b = le.AppendUint64(b, t.Size)
				b = le.AppendUint32(b, uint32(len(t.Path)))
				b = append(b, t.Path...)
			}
			return b
		})
	}
	if len(r.Secrets) > 0 {
		b = value(b, TagSecrets, func(b []byte) []byte {
			b = le.AppendUint32(b, uint32(len(r.Secrets)))
			for _, s := range r.Secrets {
				b = le.AppendUint32(b, uint32(len(s.Name)))
				b = append(b, s.Name...)
				b = le.AppendUint32(b, uint32(len(s.Data)))
				b = append(b, s.Data...)
			}
			return b
		})
	}
	if r.Overlay {
		b = value(b, TagOverlay, func(b []byte) []byte { return le.AppendUint64(b, r.OverlaySize) })
	}
	if len(b) > MaxRecord {
		return nil, bad(0, "arguments and environment are too long")
	}
	le.PutUint32(b[len(Magic):], uint32(len(b)))
	return b, nil
}

func appendNet(b []byte, n *Net) []byte {
	b = value(b, TagNet, func(b []byte) []byte {
		b = le.AppendUint32(b, uint32(n.Mode))
		return le.AppendUint32(b, uint32(n.MTU))
	})
	if n.V4 != (Iface{}) {
		b = value(b, TagV4, func(b []byte) []byte { return appendIface(b, n.V4) })
	}
	if n.V6 != (Iface{}) {
		b = value(b, TagV6, func(b []byte) []byte { return appendIface(b, n.V6) })
	}
	if len(n.DNS) > 0 {
		b = value(b, TagDNS, func(b []byte) []byte {
			b = le.AppendUint32(b, uint32(len(n.DNS)))
			for _, a := range n.DNS {
				b = appendAddr(b, a, 0)
			}
			return b
		})
	}
	if len(n.Search) > 0 {
		b = value(b, TagSearch, func(b []byte) []byte { return appendStrings(b, n.Search) })
	}
	if len(n.Hosts) > 0 {
		b = value(b, TagHosts, func(b []byte) []byte {
			b = le.AppendUint32(b, uint32(len(n.Hosts)))
			for _, h := range n.Hosts {
				b = appendAddr(b, h.Addr, 0)
				b = appendStrings(b, h.Names)
			}
			return b
		})
	}
	if len(n.Deny) > 0 {
		b = value(b, TagDeny, func(b []byte) []byte {
			b = le.AppendUint32(b, uint32(len(n.Deny)))
			for _, p := range n.Deny {
				b = appendAddr(b, p.Addr(), p.Bits())
			}
			return b
		})
	}
	return b
}

func options(r *Record) uint32 {
	var o uint32
	if r.Trace {
		o |= optTrace
	}
	if r.Verbose {
		o |= optVerbose
	}
	if r.Data {
		o |= optData
	}
	if r.Audit {
		o |= optAudit
	}
	return o
}

// value appends one tagged value, whose data fill appends, padded to 8 bytes.
func value(b []byte, t Tag, fill func([]byte) []byte) []byte {
	b = le.AppendUint16(b, uint16(t))
	b = le.AppendUint16(b, 0)
	b = le.AppendUint32(b, 0)
	start := len(b)
	b = fill(b)
	le.PutUint32(b[start-4:], uint32(len(b)-start))
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	return b
}

// appendStrings appends a u32 count, then for each string a u32 length and its
// bytes, unpadded.
func appendStrings(b []byte, list []string) []byte {
	b = le.AppendUint32(b, uint32(len(list)))
	for _, s := range list {
		b = le.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return b
}

func appendIface(b []byte, i Iface) []byte {
	b = appendAddr(b, i.Addr.Addr(), i.Addr.Bits())
	return appendAddr(b, i.Gateway, 0)
}

func appendAddr(b []byte, a netip.Addr, bits int) []byte {
	var e [addrSize]byte
	switch {
	case a.Is4():
		x := a.As4()
		e[0], e[1] = 4, byte(bits)
		copy(e[4:], x[:])
	case a.IsValid():
		x := a.As16()
		e[0], e[1] = 6, byte(bits)
		copy(e[4:], x[:])
	}
	return append(b, e[:]...)
}
