package strace

import "skerry/kernel/abi"

const (
	// maxDescribe is the length in bytes of a described call.
	maxDescribe = 256
	// describedArgs is how many strings of an argument vector are shown: enough
	// to tell what was meant to be run.
	describedArgs = 2
)

// Describe is the short form of a call in which a refused one is reported:
//
//	execve("/bin/sh", ["sh", "-c", ...])
//	clone(CLONE_VFORK|SIGCHLD)
//	ptrace(PTRACE_ATTACH, 7, NULL, NULL)
//
// It has no line feed or other control byte in it, and at most 256 bytes. Paths, names and
// the first strings of an argument vector are shown, but nothing of what a buffer holds:
// records of refused calls are kept, and a buffer may hold a secret.
func Describe(nr int, args [6]uint64, mem Mem) string {
	d := Decoder{StrMax: 64}
	c := d.newCall(make([]byte, 0, maxDescribe), nr, args, mem)
	c.limit = maxDescribe - len("...)")
	c.noBuffers = true
	switch nr {
	case abi.SYS_EXECVE:
		c.str("execve(")
		c.cstring(args[0], 96)
		c.str(", ")
		c.argv(args[1], describedArgs)
	case abi.SYS_EXECVEAT:
		c.str("execveat(")
		c.sig.args[0].kind.in(c, 0)
		c.str(", ")
		c.cstring(args[1], 96)
		c.str(", ")
		c.argv(args[2], describedArgs)
	case abi.SYS_CLONE:
		c.str("clone(")
		c.cloneFlags(args[0])
	case abi.SYS_CLONE3:
		c.str("clone3(")
		var a abi.CloneArgs
		if c.args[1] < abi.CLONE_ARGS_SIZE_VER0 || !c.cloneArgs(c.args[0], &a) {
			c.addr(args[0])
			break
		}
		c.cloneFlags(a.Flags&^abi.CSIGNAL | a.ExitSignal&abi.CSIGNAL)
	default:
		c.enter()
		c.unmark()
	}
	c.ellipsis()
	c.byteAlways(')')
	return string(c.buf)
}

// unmark puts dots where only Exit would know what to write.
func (c *call) unmark() {
	out := c.buf[:0]
	for i := 0; i < len(c.buf); i++ {
		if c.buf[i] != 0 {
			out = append(out, c.buf[i])
			continue
		}
		out = append(out, "..."...)
		i += markLen - 1
	}
	c.buf = out
}
