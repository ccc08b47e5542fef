package bootrec

// The ports of the virtio console device (virtio 1.2, 5.3); each has the number
// FirstPort more in the device: its port 0 is QEMU's for a console, which drops
// what its reader does not take at once.
const (
	FirstPort = 1

	PortStdout  = 0 // the program's standard output, bytes
	PortStderr  = 1 // the program's standard error, bytes
	PortLog     = 2 // frames, machine to launcher: Log, Notice, Strace, Audit
	PortControl = 3 // frames, both ways
	Ports       = 4
)

// ProtocolVersion is the version of the frames, said in Hello.
const ProtocolVersion = 1

// MaxPayload is the largest payload of a frame in bytes.
const MaxPayload = 64 << 10

// FrameHeader is the size of a frame's header: u32 length of the payload, u8
// kind, three zero bytes.
const FrameHeader = 8

// MaxToMachine bounds the payload of every kind that goes to the machine; the
// kernel's Reader need not have room for more.
const MaxToMachine = 24

// Kind is a kind of frame. Kinds to the machine have the high bit set. A reader
// skips a kind that it does not know.
type Kind uint8

// Kinds from the machine to the launcher.
const (
	KindHello   Kind = 1 // u32 ProtocolVersion: the kernel runs and reads its control port
	KindLog     Kind = 2 // text: the kernel's log
	KindNotice  Kind = 3 // text: for the user, such as a denied call
	KindStrace  Kind = 4 // text: a traced call
	KindAudit   Kind = 5 // text: an audit event, one JSON object
	KindTimeReq Kind = 6 // u64 id: what time is it?
	KindExit    Kind = 7 // an Exit; the last frame of a machine

	// Before the exit of a program that failed; see report.go.
	KindMissed   Kind = 8  // paths that were looked for and are not there
	KindRefused  Kind = 9  // calls that the machine does not have or allow
	KindMemory   Kind = 10 // requests for memory that were refused
	KindCrash    Kind = 11 // a Crash
	KindMappings Kind = 12 // of the crashed program's memory
	KindStack    Kind = 13 // u64 address, memory of the crashed thread's stack

	// Before the exit of a program that a policy ended; see incident.go.
	KindThreads     Kind = 14
	KindCalls       Kind = 15 // that they made last
	KindDescriptors Kind = 16
	KindEvents      Kind = 17 // of the audit, with those before
	KindCounters    Kind = 18 // once

	// Before the exit of a machine that was asked for audit events.
	KindAudited Kind = 19 // u64 records, u64 events: how many Audit frames there were, and for how much
)

// Kinds from the launcher to the machine.
const (
	KindTime   Kind = 0x81 // u64 id of the request, i64 wall, i64 monotonic (ns)
	KindSignal Kind = 0x82 // u32 signal number for the program
	KindStop   Kind = 0x83 // nothing: flush the ports and end the machine now
)

// Text reports whether k's payload is text.
func (k Kind) Text() bool { return k >= KindLog && k <= KindAudit }

// Frame is one frame. Payload belongs to the Reader and is valid until its next
// call.
type Frame struct {
	Kind    Kind
	Payload []byte
}

// The Append functions append one frame to b and return the longer slice, like
// append; they allocate only if b has no room.

func appendHeader(b []byte, k Kind, n int) []byte {
	b = le.AppendUint32(b, uint32(n))
	return append(b, byte(k), 0, 0, 0)
}

// AppendHello says that the kernel is up.
func AppendHello(b []byte) []byte {
	b = appendHeader(b, KindHello, 4)
	return le.AppendUint32(b, ProtocolVersion)
}

// AppendText appends text of kind k, in several frames if it is longer than one
// may be. Text that is not valid UTF-8 is the receiver's to deal with.
func AppendText[T ~string | ~[]byte](b []byte, k Kind, text T) []byte {
	for len(text) > MaxPayload {
		b = appendHeader(b, k, MaxPayload)
		b = append(b, text[:MaxPayload]...)
		text = text[MaxPayload:]
	}
	b = appendHeader(b, k, len(text))
	return append(b, text...)
}

// AppendTimeReq asks for the time; id comes back in the answer.
func AppendTimeReq(b []byte, id uint64) []byte {
	b = appendHeader(b, KindTimeReq, 8)
	return le.AppendUint64(b, id)
}

// Audited is what a machine tells of its audit at the end: how many records it made, which
// is the number of the last one, and how many events they stand for, those included that
// are only counted in one. Who has got fewer has lost some.
type Audited struct{ Records, Events uint64 }

// AppendAudited tells it.
func AppendAudited(b []byte, a Audited) []byte {
	b = appendHeader(b, KindAudited, 16)
	b = le.AppendUint64(b, a.Records)
	return le.AppendUint64(b, a.Events)
}

// ParseAudited reads it. A record stands for one event at least.
func ParseAudited(p []byte) (Audited, error) {
	if len(p) != 16 {
		return Audited{}, errPayload
	}
	a := Audited{le.Uint64(p), le.Uint64(p[8:])}
	if a.Events < a.Records || a.Events >= 1<<63 {
		return Audited{}, errPayload
	}
	return a, nil
}

// Time is the answer to a time request: the launcher's clocks, read as late as
// possible, in nanoseconds. Wall is since the Unix epoch; Mono counts from a
// point that stays the same while the launcher runs.
type Time struct {
	ID         uint64
	Wall, Mono int64
}

// AppendTime answers a time request.
func AppendTime(b []byte, t Time) []byte {
	b = appendHeader(b, KindTime, 24)
	b = le.AppendUint64(b, t.ID)
	b = le.AppendUint64(b, uint64(t.Wall))
	return le.AppendUint64(b, uint64(t.Mono))
}

// AppendSignal asks the kernel to send signal signo, 1 to 64, to the program.
func AppendSignal(b []byte, signo int) []byte {
	b = appendHeader(b, KindSignal, 4)
	return le.AppendUint32(b, uint32(signo))
}

// AppendStop asks the kernel to end the machine now.
func AppendStop(b []byte) []byte { return appendHeader(b, KindStop, 0) }

var errPayload = &FrameError{"payload of the wrong size or value"}

// ParseHello returns the protocol version in a Hello.
func ParseHello(p []byte) (version uint32, err error) {
	if len(p) != 4 {
		return 0, errPayload
	}
	return le.Uint32(p), nil
}

// ParseTimeReq returns the id of a time request.
func ParseTimeReq(p []byte) (id uint64, err error) {
	if len(p) != 8 {
		return 0, errPayload
	}
	return le.Uint64(p), nil
}

// ParseTime returns the answer to a time request. Neither clock is negative.
func ParseTime(p []byte) (Time, error) {
	if len(p) != 24 {
		return Time{}, errPayload
	}
	t := Time{le.Uint64(p), int64(le.Uint64(p[8:])), int64(le.Uint64(p[16:]))}
	if t.Wall < 0 || t.Mono < 0 {
		return Time{}, errPayload
	}
	return t, nil
}

// ParseSignal returns the signal number, 1 to 64 (signal(7)).
func ParseSignal(p []byte) (signo int, err error) {
	if len(p) != 4 {
		return 0, errPayload
	}
	n := le.Uint32(p)
	if n < 1 || n > 64 {
		return 0, errPayload
	}
	return int(n), nil
}
