package bootrec

import "strconv"

// Error says what is wrong with a record or a frame. Tag is the field at fault,
// 0 if the fault is not in one field.
type Error struct {
	Tag Tag
	Why string
}

// Error names the field and the fault.
func (e *Error) Error() string {
	if e.Tag == 0 {
		return "boot record: " + e.Why
	}
	return "boot record: " + e.Tag.String() + ": " + e.Why
}

var tagNames = [...]string{
	TagProgram: "program", TagArgs: "arguments", TagEnv: "environment", TagCwd: "working directory",
	TagHostname: "host name", TagMachine: "machine", TagClock: "clock", TagSeed: "seed",
	TagOptions: "options", TagNet: "network", TagV4: "IPv4", TagV6: "IPv6", TagDNS: "DNS",
	TagSearch: "search list", TagHosts: "hosts", TagDeny: "deny list", TagPolicy: "policy",
	TagJIT: "JIT budget", TagTmpfs: "tmpfs", TagSecrets: "secrets", TagOverlay: "overlay",
}

// String is the tag's name, or its number if it has none.
func (t Tag) String() string {
	if int(t) < len(tagNames) && tagNames[t] != "" {
		return tagNames[t]
	}
	return "tag " + strconv.Itoa(int(t))
}

func bad(t Tag, why string) error { return &Error{t, why} }

// FrameError says why a port's bytes are no frames. A port that had one cannot
// be resynchronized.
type FrameError struct{ Why string }

// Error says what is wrong.
func (e *FrameError) Error() string { return "frame: " + e.Why }
