package strace

import (
	"skerry/kernel/abi"
)

// Mem is the program's memory.
type Mem interface {
	// Read fills dst from addr and reports whether all of it could be read.
	Read(dst []byte, addr uintptr) bool
	// String answers the bytes at addr before the first NUL, at most max of them.
	// It reports false if memory ended before either.
	String(addr uintptr, max int) (string, bool)
}

// MaxLine is the length in bytes that no line exceeds, what stood in the buffer
// before Enter included, as long as that left room for the result.
const MaxLine = 1024

// Room that is kept in a line for what comes after the arguments: the result
// with its error text, and before that what poll and select tell of their sets.
const (
	resultRoom = 96
	auxRoom    = 256
)

const (
	defaultStrMax = 32
	maxStrMax     = 256
	defaultColumn = 40
)

// A Decoder decodes calls. The zero value has strace's defaults.
type Decoder struct {
	// StrMax is how many bytes of a string or elements of an array are shown; 0
	// stands for 32, a negative number for none, and more than 256 are not. Paths are
	// shown in any case.
	StrMax int
	// Column is where the "=" of the result stands if the call is shorter than
	// that; 0 stands for 40, a negative number for right after the call.
	Column int
}

// call is the decoding of one call.
type call struct {
	line
	nr     int
	args   [6]uint64
	mem    Mem
	sig    *sig
	strMax int
	// noBuffers: of a buffer only the address is shown.
	noBuffers bool

	// keep is what a kind's in function leaves for its out function.
	keep uint64

	// Of Exit.
	ret    int64
	failed bool

	tmp [maxStrMax]byte
}

type noMem struct{}

func (noMem) Read([]byte, uintptr) bool          { return false }
func (noMem) String(uintptr, int) (string, bool) { return "", false }

func (d *Decoder) newCall(buf []byte, nr int, args [6]uint64, mem Mem) *call {
	c := &call{line: line{buf: buf, limit: MaxLine - resultRoom - auxRoom}, nr: nr, args: args, mem: mem}
	if mem == nil {
		c.mem = noMem{}
	}
	c.strMax = d.StrMax
	if c.strMax == 0 {
		c.strMax = defaultStrMax
	}
	c.strMax = max(c.strMax, 0)
	c.strMax = min(c.strMax, maxStrMax)
	c.sig = sigOf(nr)
	return c
}

// A mark stands in a line where Exit puts what the kernel wrote: a NUL (which
// nothing else in a line contains), the argument's index, and keep.
const markLen = 2 + 8

func (c *call) mark(i int) {
	if c.cut || len(c.buf)+markLen > c.limit {
		return // Nothing is shown of this argument.
	}
	c.buf = append(c.buf, 0, byte(i))
	for s := 0; s < 64; s += 8 {
		c.buf = append(c.buf, byte(c.keep>>s))
	}
}

// Enter appends the call with the arguments that the kernel reads. To be called
// before the call; buf must hold no NUL.
func (d *Decoder) Enter(buf []byte, nr int, args [6]uint64, mem Mem) []byte {
	c := d.newCall(buf, nr, args, mem)
	c.enter()
	return c.buf
}

func (c *call) enter() {
	if c.sig == nil {
		c.str("syscall_")
		c.hex(uint64(c.nr))
		c.byte('(')
		for i, a := range c.args {
			if i > 0 {
				c.str(", ")
			}
			c.hex(a)
		}
		return
	}
	c.str(c.sig.name)
	c.byte('(')
	first := true
	for i := range c.sig.args {
		k := c.sig.args[i].kind
		before := c.line
		if !first {
			c.str(", ")
		}
		c.keep = 0
		if k.in != nil && !k.in(c, i) {
			c.line = before
			continue
		}
		if k.out != nil {
			c.mark(i)
		}
		first = false
	}
	c.ellipsis()
}

// Exit completes the line that Enter began: what the kernel wrote, the result,
// and the time that the call took in nanoseconds (none if negative). ret is the
// result as the program gets it, negative for an error, or a restart code.
func (d *Decoder) Exit(buf []byte, nr int, args [6]uint64, ret, duration int64, mem Mem) []byte {
	c := d.newCall(buf, nr, args, mem)
	c.ret = ret
	c.failed = ret < 0 && ret >= -4095
	c.fill()
	c.byteAlways(')')
	column := d.Column
	if column == 0 {
		column = defaultColumn
	}
	c.limit = MaxLine - resultRoom
	for len(c.buf) < column-1 {
		c.byte(' ')
	}
	c.cut = false
	c.str(" = ")
	c.result()
	c.ellipsis()
	c.limit = MaxLine
	c.cut = false
	if duration >= 0 {
		c.str(" <")
		c.dec(duration / 1e9)
		c.byte('.')
		c.digits(uint64(duration%1e9/1e3), 6)
		c.byte('>')
	}
	return c.buf
}

// fill replaces the marks.
func (c *call) fill() {
	at := -1
	for i, b := range c.buf {
		if b == 0 {
			at = i
			break
		}
	}
	if at < 0 {
		return
	}
	var rest [MaxLine]byte
	n := copy(rest[:], c.buf[at:])
	c.buf = c.buf[:at]
	for i := 0; i < n; {
		if rest[i] != 0 || n-i < markLen {
			c.byte(rest[i])
			i++
			continue
		}
		arg := int(rest[i+1])
		c.keep = 0
		for s := range 8 {
			c.keep |= uint64(rest[i+2+s]) << (8 * s)
		}
		i += markLen
		if c.sig != nil && arg < len(c.sig.args) && c.sig.args[arg].kind.out != nil {
			c.sig.args[arg].kind.out(c, arg)
		}
	}
	c.ellipsis()
}

// Unfinished ends the line of a call that has not come back, without what the
// kernel has not written yet.
func (d *Decoder) Unfinished(buf []byte) []byte {
	for i, b := range buf {
		if b == 0 {
			buf = buf[:i]
			break
		}
	}
	return append(buf, " <unfinished ...>"...)
}

// NoReturn ends the line of a call that never comes back: exit(2), exit_group(2),
// and rt_sigreturn(2), which has no result of its own.
func (d *Decoder) NoReturn(buf []byte) []byte {
	for i, b := range buf {
		if b == 0 {
			buf = buf[:i]
			break
		}
	}
	buf = append(buf, ')')
	column := d.Column
	if column == 0 {
		column = defaultColumn
	}
	for len(buf) < column-1 {
		buf = append(buf, ' ')
	}
	return append(buf, " = ?"...)
}

// result writes what stands behind the "=".
func (c *call) result() {
	if c.failed {
		e := abi.Errno(-c.ret)
		switch e {
		case abi.ERESTARTSYS, abi.ERESTARTNOINTR, abi.ERESTARTNOHAND:
			c.str("? ")
			c.str(e.Error())
		case abi.ERESTARTBLOCK:
			c.str("? ERESTART_RESTARTBLOCK")
		default:
			c.str("-1 ")
			c.str(e.Error())
		}
		if t := e.Text(); t != "" {
			c.str(" (")
			c.str(t)
			c.byte(')')
		}
		return
	}
	if c.sig != nil && c.sig.result != nil {
		c.sig.result(c)
		return
	}
	c.dec(c.ret)
}
