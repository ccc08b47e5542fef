package bootrec

// What a kernel tells of a program that failed, before the exit record: which
// files it missed, which calls were refused, what memory it was denied, and, after
// a fatal signal of a thread, where that thread was. Each kind may come in several
// frames, but for the crash, which comes once, before mappings and stack.

// Limits of a report, which hold for all frames of a kind together. A launcher
// ignores what is beyond.
const (
	MaxMissed     = 256
	MaxMissedPath = 255 // bytes of a missed path; longer ones are not told
	MaxRefused    = 64
	MaxAsked      = 8
	MaxMappings   = 4096
	MaxStack      = MaxPayload - 8
)

// appendString appends a u16 length and the bytes, cut to max.
func appendString(b []byte, s string, max int) []byte {
	s = s[:min(len(s), max)]
	b = le.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

// takeString reads what appendString wrote.
func takeString(p []byte, max int) (s string, rest []byte, ok bool) {
	if len(p) < 2 {
		return "", nil, false
	}
	n := int(le.Uint16(p))
	if n > max || n > len(p)-2 {
		return "", nil, false
	}
	return string(p[2 : 2+n]), p[2+n:], true
}

// AppendFrame appends a frame with a payload that is made already, at most
// MaxPayload bytes of it.
func AppendFrame(b []byte, k Kind, payload []byte) []byte {
	payload = payload[:min(len(payload), MaxPayload)]
	return append(appendHeader(b, k, len(payload)), payload...)
}

// AppendMissed appends an entry of a Missed payload: a path that was looked for
// and is not there.
func AppendMissed(p []byte, path string) []byte { return appendString(p, path, MaxMissedPath) }

// ParseMissed reads a Missed payload: absolute paths, the oldest first.
func ParseMissed(p []byte) (list []string, err error) {
	return parseStrings(p, MaxMissedPath, func(s string) bool { return s != "" && s[0] == '/' })
}

// parseStrings reads what appendString wrote, one after the other.
func parseStrings(p []byte, max int, valid func(string) bool) (list []string, err error) {
	for len(p) > 0 {
		s, rest, ok := takeString(p, max)
		if !ok || !valid(s) {
			return nil, errPayload
		}
		list, p = append(list, s), rest
	}
	return list, nil
}

// RefusedCall is a system call that was answered with an error since the machine
// does not have it or does not allow it.
type RefusedCall struct {
	Name  string
	Errno int    // of the last refusal, 1 to 4095
	Count uint32 // how often
}

// maxCallName is the length of a call's name in bytes.
const maxCallName = 64

// AppendRefused appends an entry of a Refused payload.
func AppendRefused(p []byte, c *RefusedCall) []byte {
	p = le.AppendUint32(p, c.Count)
	p = le.AppendUint16(p, uint16(c.Errno))
	return appendString(p, c.Name, maxCallName)
}

// ParseRefused reads a Refused payload.
func ParseRefused(p []byte) (list []RefusedCall, err error) {
	for len(p) > 0 {
		if len(p) < 6 {
			return nil, errPayload
		}
		c := RefusedCall{Count: le.Uint32(p), Errno: int(le.Uint16(p[4:]))}
		s, rest, ok := takeString(p[6:], maxCallName)
		if !ok || s == "" || c.Count == 0 || c.Errno < 1 || c.Errno > 4095 {
			return nil, errPayload
		}
		c.Name = s
		list, p = append(list, c), rest
	}
	return list, nil
}

// Asked is a request for memory that was refused, in bytes.
type Asked struct {
	Size uint64
	Free uint64 // that the program could have had then
}

// AppendAsked appends an entry of a Memory payload.
func AppendAsked(p []byte, a Asked) []byte {
	return le.AppendUint64(le.AppendUint64(p, a.Size), a.Free)
}

// ParseMemory reads a Memory payload: refused requests, the oldest first.
func ParseMemory(p []byte) (list []Asked, err error) {
	if len(p)%16 != 0 || len(p) > MaxAsked*16 {
		return nil, errPayload
	}
	for ; len(p) > 0; p = p[16:] {
		list = append(list, Asked{le.Uint64(p), le.Uint64(p[8:])})
	}
	return list, nil
}

// Registers of a Crash: the order of the System V ABI's DWARF numbers for x86-64
// (psABI, figure 3.36), with the instruction pointer as number 16, then the flags.
const (
	RegAX, RegDX, RegCX, RegBX = 0, 1, 2, 3
	RegSI, RegDI, RegBP, RegSP = 4, 5, 6, 7
	RegR8                      = 8 // to 15, R15
	RegIP, RegFlags, Regs      = 16, 17, 18
)

// What a page fault was about, Crash.Fault.
const (
	FaultPage  = 1 << iota // the signal comes from a page fault; else the others are 0
	FaultWrite             // a write; else a read, or
	FaultFetch             // an instruction
)

// Crash is where a thread was when a signal ended the program.
type Crash struct {
	Thread int
	Name   string // of the thread
	Signal int
	Code   int32  // si_code, sigaction(2)
	Addr   uint64 // si_addr
	Fault  uint32
	Reg    [Regs]uint64
}

// maxThreadName is TASK_COMM_LEN without the NUL, prctl(2).
const maxThreadName = 15

const crashFixed = 4*4 + 8 + Regs*8

// AppendCrash appends a crash frame.
func AppendCrash(b []byte, c *Crash) []byte {
	n := min(len(c.Name), maxThreadName)
	b = appendHeader(b, KindCrash, crashFixed+2+n)
	b = le.AppendUint32(b, uint32(c.Thread))
	b = le.AppendUint32(b, uint32(c.Signal))
	b = le.AppendUint32(b, uint32(c.Code))
	b = le.AppendUint32(b, c.Fault)
	b = le.AppendUint64(b, c.Addr)
	for _, v := range c.Reg {
		b = le.AppendUint64(b, v)
	}
	return appendString(b, c.Name, maxThreadName)
}

// ParseCrash reads a crash frame's payload.
func ParseCrash(p []byte) (*Crash, error) {
	if len(p) < crashFixed {
		return nil, errPayload
	}
	c := &Crash{Thread: int(le.Uint32(p)), Signal: int(le.Uint32(p[4:])), Code: int32(le.Uint32(p[8:])), Fault: le.Uint32(p[12:]), Addr: le.Uint64(p[16:])}
	for i := range c.Reg {
		c.Reg[i] = le.Uint64(p[24+8*i:])
	}
	s, rest, ok := takeString(p[crashFixed:], maxThreadName)
	if !ok || len(rest) != 0 || c.Signal < 1 || c.Signal > 64 || c.Fault >= FaultFetch<<1 {
		return nil, errPayload
	}
	c.Name = s
	return c, nil
}

// Rights and properties of a Mapping.
const (
	MapRead = 1 << iota
	MapWrite
	MapExec
	MapShared
	MapStack // the first thread's stack
	MapHeap  // brk(2)
	MapFile  // Name is a path, and Offset counts in that file
	mapEnd
)

// Mapping is a part of the program's address space.
type Mapping struct {
	Start, End uint64
	Offset     uint64
	Flags      uint32
	Name       string // a path, a name in brackets, or ""
}

// AppendMapping appends an entry of a Mappings payload.
func AppendMapping(p []byte, m *Mapping) []byte {
	p = le.AppendUint64(p, m.Start)
	p = le.AppendUint64(p, m.End)
	p = le.AppendUint64(p, m.Offset)
	p = le.AppendUint32(p, m.Flags)
	return appendString(p, m.Name, maxString)
}

// maxString is the length of a mapping's name in bytes, PATH_MAX.
const maxString = 4096

// ParseMappings reads a Mappings payload: in order of addresses, not overlapping.
func ParseMappings(p []byte) (list []Mapping, err error) {
	last := uint64(0)
	for len(p) > 0 {
		if len(p) < 28 {
			return nil, errPayload
		}
		m := Mapping{Start: le.Uint64(p), End: le.Uint64(p[8:]), Offset: le.Uint64(p[16:]), Flags: le.Uint32(p[24:])}
		s, rest, ok := takeString(p[28:], maxString)
		if !ok || m.Start >= m.End || m.Start < last || m.Flags >= mapEnd {
			return nil, errPayload
		}
		m.Name, last = s, m.End
		list, p = append(list, m), rest
	}
	return list, nil
}

// ParseStack reads a Stack payload: memory of the thread's stack from an address
// on. mem is part of p.
func ParseStack(p []byte) (addr uint64, mem []byte, err error) {
	if len(p) < 8 {
		return 0, nil, errPayload
	}
	return le.Uint64(p), p[8:], nil
}

// AppendStackHeader begins a stack frame for n bytes of memory at addr, which the
// caller appends.
func AppendStackHeader(b []byte, addr uint64, n int) []byte {
	return le.AppendUint64(appendHeader(b, KindStack, 8+n), addr)
}
