package socket

import (
	"encoding/binary"

	"skerry/kernel/abi"
)

// struct cmsghdr: length (size_t) with the header, level, type; data and the
// next header are aligned to 8 (linux/socket.h).
const cmsgHdr = 16

func cmsgAlign(n int) int { return (n + 7) &^ 7 }

// Cmsg is one control message.
type Cmsg struct {
	Level, Type int
	Data        []byte
}

// NextCmsg takes the first control message off b. ok is false at the end;
// EINVAL means a length that does not fit, as on Linux.
func NextCmsg(b []byte) (c Cmsg, rest []byte, ok bool, e abi.Errno) {
	if len(b) < cmsgHdr {
		return c, nil, false, abi.OK
	}
	n := binary.LittleEndian.Uint64(b)
	if n < cmsgHdr || n > uint64(len(b)) {
		return c, nil, false, abi.EINVAL
	}
	c.Level = int(int32(binary.LittleEndian.Uint32(b[8:])))
	c.Type = int(int32(binary.LittleEndian.Uint32(b[12:])))
	c.Data = b[cmsgHdr:n]
	return c, b[min(cmsgAlign(int(n)), len(b)):], true, abi.OK
}

// maxRights is SCM_MAX_FD, include/net/scm.h.
const maxRights = 253

// RightsIn returns the descriptor numbers of all SCM_RIGHTS messages in a
// control buffer, for the caller to look up: EINVAL for malformed messages or
// more than maxRights.
func RightsIn(control []byte) ([]int32, abi.Errno) {
	var fds []int32
	for {
		c, rest, ok, e := NextCmsg(control)
		if !ok {
			return fds, e
		}
		if c.Level == abi.SOL_SOCKET && c.Type == abi.SCM_RIGHTS {
			for d := c.Data; len(d) >= 4; d = d[4:] {
				if len(fds) >= maxRights {
					return nil, abi.EINVAL
				}
				fds = append(fds, int32(binary.LittleEndian.Uint32(d)))
			}
		}
		control = rest
	}
}

// Put appends a control message. What does not fit is cut and sets MSG_CTRUNC,
// as put_cmsg of Linux does.
func (m *RecvMsg) Put(level, typ int, data []byte) {
	room := len(m.Control) - m.Used
	if room < cmsgHdr {
		m.OutFlags |= abi.MSG_CTRUNC
		return
	}
	n := cmsgHdr + len(data)
	if n > room {
		m.OutFlags |= abi.MSG_CTRUNC
		n = room
	}
	b := m.Control[m.Used:]
	binary.LittleEndian.PutUint64(b, uint64(n))
	binary.LittleEndian.PutUint32(b[8:], uint32(level))
	binary.LittleEndian.PutUint32(b[12:], uint32(typ))
	copy(b[cmsgHdr:n], data)
	end := min(cmsgAlign(n), room)
	clear(b[n:end])
	m.Used += end
}

// Whole is how many of the first n bytes of Control are whole messages.
func (m *RecvMsg) Whole(n int) int {
	at := 0
	for {
		c, rest, ok, e := NextCmsg(m.Control[at:m.Used])
		if !ok || e != abi.OK || at+cmsgHdr+len(c.Data) > n { // padding does not count
			return at
		}
		at = m.Used - len(rest)
	}
}

// PutInt appends a control message of one int.
func (m *RecvMsg) PutInt(level, typ int, v int32) {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], uint32(v))
	m.Put(level, typ, b[:])
}

// RightsRoom is how many descriptors an SCM_RIGHTS message could hold in what is
// left of Control; the caller gives out no more numbers than that and, if it
// has more, drops them and sets MSG_CTRUNC (unix(7)).
func (m *RecvMsg) RightsRoom() int {
	return max(len(m.Control)-m.Used-cmsgHdr, 0) / 4
}

// PutRights appends an SCM_RIGHTS message with the numbers that the caller
// gave.
func (m *RecvMsg) PutRights(fds []int32) {
	b := make([]byte, 0, 4*len(fds))
	for _, fd := range fds {
		b = binary.LittleEndian.AppendUint32(b, uint32(fd))
	}
	m.Put(abi.SOL_SOCKET, abi.SCM_RIGHTS, b)
}
