package bootrec

// Reader cuts a stream of bytes, fed as they come, into frames. It never waits
// and it holds at most one frame. The zero Reader is not usable; see NewReader.
type Reader struct {
	buf []byte // the part of a frame that has come so far
	max int
	out bool // buf was handed out as a frame
	err error
}

// NewReader returns a Reader that refuses payloads of more than max bytes,
// MaxPayload or MaxToMachine.
func NewReader(max int) *Reader { return &Reader{max: max} }

// Next takes bytes from p until a frame is complete. It returns that frame and
// the rest of p, ok false if p ended before the frame did. The caller calls
// again with the rest until ok is false:
//
//	for {
//		f, rest, ok, err := r.Next(p)
//		if err != nil || !ok {
//			…
//		}
//		p = rest
//	}
//
// After an error, a *FrameError, the stream is lost and every call answers it.
func (r *Reader) Next(p []byte) (f Frame, rest []byte, ok bool, err error) {
	if r.err != nil {
		return Frame{}, nil, false, r.err
	}
	if r.out {
		r.buf, r.out = r.buf[:0], false
	}
	// A frame that lies in p as a whole is not copied.
	if len(r.buf) == 0 && len(p) >= FrameHeader {
		n, err := r.size(p)
		if err != nil {
			return Frame{}, nil, false, err
		}
		if len(p) >= n {
			return Frame{Kind(p[4]), p[FrameHeader:n:n]}, p[n:], true, nil
		}
	}
	if len(r.buf) < FrameHeader {
		p = r.fill(p, FrameHeader)
		if len(r.buf) < FrameHeader {
			return Frame{}, nil, false, nil
		}
	}
	n, err := r.size(r.buf)
	if err != nil {
		return Frame{}, nil, false, err
	}
	p = r.fill(p, n)
	if len(r.buf) < n {
		return Frame{}, nil, false, nil
	}
	r.out = true
	return Frame{Kind(r.buf[4]), r.buf[FrameHeader:n:n]}, p, true, nil
}

// Pending reports whether the stream stands inside a frame.
func (r *Reader) Pending() bool { return !r.out && len(r.buf) > 0 }

// fill moves bytes from p to buf until buf holds n.
func (r *Reader) fill(p []byte, n int) []byte {
	take := min(n-len(r.buf), len(p))
	r.buf = append(r.buf, p[:take]...)
	return p[take:]
}

// size checks the header at the start of h and returns the frame's whole size.
func (r *Reader) size(h []byte) (int, error) {
	n := le.Uint32(h)
	switch {
	case uint64(n) > uint64(r.max):
		r.err = &FrameError{"payload is too long"}
	case h[4] == 0:
		r.err = &FrameError{"kind is zero"}
	case h[5]|h[6]|h[7] != 0:
		r.err = &FrameError{"reserved bytes are not zero"}
	default:
		return FrameHeader + int(n), nil
	}
	return 0, r.err
}
