package bootrec

// Reason says why a machine ended.
type Reason uint16

// Reasons. Values are part of the protocol.
const (
	Exited       Reason = 1 // the program ended with Code
	Signaled     Reason = 2 // Signal ended the program
	OutOfMemory  Reason = 3
	Policy       Reason = 4 // a rule said kill
	KernelBug    Reason = 5
	NoEntropy    Reason = 6 // too little randomness to start
	DeviceFailed Reason = 7
	CannotRun    Reason = 8  // the program is not one that the kernel can run
	NotFound     Reason = 9  // no such program in the image
	Stopped      Reason = 10 // a Stop frame
	reasonEnd    Reason = 11
)

var reasonNames = [...]string{
	Exited: "exited", Signaled: "signaled", OutOfMemory: "out of memory", Policy: "policy",
	KernelBug: "kernel bug", NoEntropy: "no entropy", DeviceFailed: "device failed",
	CannotRun: "cannot run", NotFound: "not found", Stopped: "stopped",
}

// String is the reason in words, as a status file shows it.
func (r Reason) String() string {
	if r > 0 && r < reasonEnd {
		return reasonNames[r]
	}
	return "unknown reason"
}

// MaxMessage is the length of an exit message in bytes.
const MaxMessage = 4096

// Exit is the exit record.
type Exit struct {
	Reason Reason
	// Code is the exit code, 0 to 255, if Reason is Exited.
	Code int
	// Signal is the signal's number, 1 to 64, if Reason is Signaled.
	Signal int
	// Message is for the user, "" if there is nothing to say.
	Message string
}

// exitFixed is the size of an exit record without its message: u16 reason, u16
// code, u16 signal, u16 length of the message.
const exitFixed = 8

// AppendExit appends an exit record. A message that is too long is cut between
// two characters.
func AppendExit(b []byte, e *Exit) []byte {
	m := e.Message
	if len(m) > MaxMessage {
		m = m[:MaxMessage]
		// Bytes 10xxxxxx continue a character (RFC 3629, 3); back to its start.
		cut := MaxMessage
		for cut > MaxMessage-4 && e.Message[cut]&0xc0 == 0x80 {
			cut--
		}
		m = m[:cut]
	}
	b = appendHeader(b, KindExit, exitFixed+len(m))
	b = le.AppendUint16(b, uint16(e.Reason))
	b = le.AppendUint16(b, uint16(e.Code))
	b = le.AppendUint16(b, uint16(e.Signal))
	b = le.AppendUint16(b, uint16(len(m)))
	return append(b, m...)
}

// ParseExit reads an exit record.
func ParseExit(p []byte) (Exit, error) {
	if len(p) < exitFixed {
		return Exit{}, errPayload
	}
	e := Exit{Reason: Reason(le.Uint16(p)), Code: int(le.Uint16(p[2:])), Signal: int(le.Uint16(p[4:]))}
	n := int(le.Uint16(p[6:]))
	if n > MaxMessage || len(p) != exitFixed+n {
		return Exit{}, errPayload
	}
	ok := e.Reason > 0 && e.Reason < reasonEnd
	if e.Reason == Exited {
		ok = ok && e.Code <= 255 && e.Signal == 0
	} else if e.Reason == Signaled {
		ok = ok && e.Code == 0 && e.Signal >= 1 && e.Signal <= 64
	} else {
		ok = ok && e.Code == 0 && e.Signal == 0
	}
	if !ok {
		return Exit{}, errPayload
	}
	e.Message = string(p[exitFixed:])
	return e, nil
}

// A kernel that cannot write an exit record any more prints what it knows on the
// UART and then writes BugCode to port BugPort, QEMU's isa-debug-exit device,
// which ends the machine; QEMU then exits with status BugStatus.
const (
	BugPort   = 0x501 // 16 bits wide
	BugCode   = 60
	BugStatus = BugCode<<1 | 1
)
