package usermem

import (
	"errors"
	"io"

	"skerry/kernel/abi"
)

// errFault is what Read and Write answer when the program's memory could not
// be accessed; callers turn it back into EFAULT.
var errFault = errors.New("usermem: bad address")

// Read implements io.Reader by CopyIn, so that the vector itself can be handed
// to the network stack without an adapter (and without an allocation). An empty
// vector answers io.EOF, also for an empty p: the stack asks so before it
// grows a buffer.
func (v *Vec) Read(p []byte) (int, error) {
	if v.left == 0 {
		return 0, io.EOF
	}
	n, e := v.CopyIn(p)
	if e != abi.OK {
		return n, errFault
	}
	return n, nil
}

// Write implements io.Writer by CopyOut; what does not fit answers
// io.ErrShortWrite.
func (v *Vec) Write(p []byte) (int, error) {
	n, e := v.CopyOut(p)
	switch {
	case e != abi.OK:
		return n, errFault
	case n < len(p):
		return n, io.ErrShortWrite
	}
	return n, nil
}
