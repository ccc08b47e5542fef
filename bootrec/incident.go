package bootrec

// What a kernel tells of a program that a policy ended, besides what report.go has: the
// threads and their last calls, what the policy refused before, the descriptors and their
// peers, and counters. It comes before the exit record.

// Limits of an incident, which hold for all frames of a kind together. A launcher ignores
// what is beyond.
const (
	MaxThreads     = 32
	MaxCalls       = 512
	MaxDescriptors = 256
	MaxEvents      = 100
	maxSockaddr    = 128 // sizeof(struct sockaddr_storage)
	maxEventText   = 4096
	maxCPUText     = 1024
)

// Thread is a thread of a program that was ended.
type Thread struct {
	ID     int
	Asleep bool // it did not run when the program was ended
	Name   string
}

// AppendThread appends an entry of a Threads payload. The first is the one that is told of,
// if it is known (the report has it in a Crash, too).
func AppendThread(p []byte, t *Thread) []byte {
	p = le.AppendUint32(p, uint32(t.ID))
	asleep := byte(0)
	if t.Asleep {
		asleep = 1
	}
	return appendString(append(p, asleep), t.Name, maxThreadName)
}

// ParseThreads reads a Threads payload.
func ParseThreads(p []byte) (list []Thread, err error) {
	for len(p) > 0 {
		if len(p) < 5 || p[4] > 1 {
			return nil, errPayload
		}
		t := Thread{ID: int(le.Uint32(p)), Asleep: p[4] == 1}
		s, rest, ok := takeString(p[5:], maxThreadName)
		if !ok {
			return nil, errPayload
		}
		t.Name = s
		list, p = append(list, t), rest
	}
	return list, nil
}

// CallArgs is how many arguments of a call are kept.
const CallArgs = 3

// Call is a system call that a thread made.
type Call struct {
	Thread int
	Errno  int    // with which it failed, 0 if it did not, or had not ended
	PC     uint64 // behind the call
	Args   [CallArgs]uint64
	Name   string
}

const callFixed = 4 + 2 + 8 + CallArgs*8

// AppendCall appends an entry of a Calls payload. A thread's calls come in their order.
func AppendCall(p []byte, c *Call) []byte {
	p = le.AppendUint32(p, uint32(c.Thread))
	p = le.AppendUint16(p, uint16(c.Errno))
	p = le.AppendUint64(p, c.PC)
	for _, a := range c.Args {
		p = le.AppendUint64(p, a)
	}
	return appendString(p, c.Name, maxCallName)
}

// ParseCalls reads a Calls payload.
func ParseCalls(p []byte) (list []Call, err error) {
	for len(p) > 0 {
		if len(p) < callFixed {
			return nil, errPayload
		}
		c := Call{Thread: int(le.Uint32(p)), Errno: int(le.Uint16(p[4:])), PC: le.Uint64(p[6:])}
		for i := range c.Args {
			c.Args[i] = le.Uint64(p[14+8*i:])
		}
		s, rest, ok := takeString(p[callFixed:], maxCallName)
		if !ok || s == "" || c.Errno > 4095 {
			return nil, errPayload
		}
		c.Name = s
		list, p = append(list, c), rest
	}
	return list, nil
}

// Descriptor is an open file descriptor.
type Descriptor struct {
	FD    int
	Flags uint32 // access mode and status, open(2)
	Name  string // a path, or what /proc/self/fd shows
	// Local and Peer are a socket's addresses, as getsockname(2) and getpeername(2)
	// write them; empty if there is none.
	Local, Peer string
}

// AppendDescriptor appends an entry of a Descriptors payload.
func AppendDescriptor(p []byte, d *Descriptor) []byte {
	p = le.AppendUint32(p, uint32(d.FD))
	p = le.AppendUint32(p, d.Flags)
	p = appendString(p, d.Name, maxString)
	p = appendString(p, d.Local, maxSockaddr)
	return appendString(p, d.Peer, maxSockaddr)
}

// ParseDescriptors reads a Descriptors payload.
func ParseDescriptors(p []byte) (list []Descriptor, err error) {
	for len(p) > 0 {
		if len(p) < 8 {
			return nil, errPayload
		}
		d := Descriptor{FD: int(le.Uint32(p)), Flags: le.Uint32(p[4:])}
		p = p[8:]
		for _, s := range []struct {
			to  *string
			max int
		}{{&d.Name, maxString}, {&d.Local, maxSockaddr}, {&d.Peer, maxSockaddr}} {
			var ok bool
			if *s.to, p, ok = takeString(p, s.max); !ok {
				return nil, errPayload
			}
		}
		list = append(list, d)
	}
	return list, nil
}

// Counters are figures of the machine, in the order of their frame.
type Counters struct {
	Uptime, User, System        uint64 // of the machine; processor time of the program; nanoseconds
	Memory, Free, Resident      uint64 // of the machine; of it free; the program's; bytes
	Threads, Descriptors, Calls uint64 // now; now; refused calls since the start
	Entropy                     uint64 // credited bits
	CPU, Features               string // the processor's name, and what CPUID says of it
}

func (c *Counters) numbers() [10]*uint64 {
	return [...]*uint64{&c.Uptime, &c.User, &c.System, &c.Memory, &c.Free, &c.Resident, &c.Threads, &c.Descriptors, &c.Calls, &c.Entropy}
}

// AppendCounters appends a Counters frame.
func AppendCounters(b []byte, c *Counters) []byte {
	var p []byte
	for _, v := range c.numbers() {
		p = le.AppendUint64(p, *v)
	}
	p = appendString(p, c.CPU, maxCPUText)
	return AppendFrame(b, KindCounters, appendString(p, c.Features, maxCPUText))
}

// ParseCounters reads a Counters frame's payload.
func ParseCounters(p []byte) (*Counters, error) {
	c := &Counters{}
	for _, v := range c.numbers() {
		if len(p) < 8 {
			return nil, errPayload
		}
		*v, p = le.Uint64(p), p[8:]
	}
	ok := true
	if c.CPU, p, ok = takeString(p, maxCPUText); ok {
		c.Features, p, ok = takeString(p, maxCPUText)
	}
	if !ok || len(p) != 0 {
		return nil, errPayload
	}
	return c, nil
}

// AppendEvent appends an entry of an Events payload: an audit event, a JSON object.
func AppendEvent(p []byte, json string) []byte { return appendString(p, json, maxEventText) }

// ParseEvents reads an Events payload, the oldest first.
func ParseEvents(p []byte) (list []string, err error) {
	return parseStrings(p, maxEventText, func(s string) bool { return s != "" })
}
