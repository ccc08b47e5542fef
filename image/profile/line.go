package profile

import (
	"strconv"
	"strings"
)

// call is a line of a trace that could be read: a call that has returned.
type call struct {
	thread string
	name   string
	args   []string // as they stand there; strings are still quoted
	result int64
	failed bool
	errno  string // name, if failed
}

// parse reads a line as the kernel writes them, in strace(1)'s form:
//
//	1 openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3 <0.000012>
//
// Signals, ends and calls that never returned are not calls.
func parse(line string) (c call, ok bool) {
	c.thread, line, ok = strings.Cut(line, " ")
	if !ok {
		return c, false
	}
	open := strings.IndexByte(line, '(')
	if open < 1 || !word(line[:open]) {
		return c, false
	}
	c.name = line[:open]
	rest := line[open+1:]
	var end int
	if c.args, end = split(rest); end < 0 {
		return c, false
	}
	value, ok := strings.CutPrefix(strings.TrimLeft(rest[end:], " "), "= ")
	if !ok {
		return c, false
	}
	f := strings.Fields(value)
	if len(f) == 0 {
		return c, false
	}
	n, err := strconv.ParseInt(f[0], 0, 64)
	if err != nil {
		u, err := strconv.ParseUint(f[0], 0, 64) // an address
		if err != nil {
			return c, false
		}
		n = int64(u)
	}
	c.result = n
	if n == -1 && len(f) > 1 && strings.HasPrefix(f[1], "E") {
		c.failed, c.errno = true, f[1]
	}
	return c, true
}

func word(s string) bool {
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_') {
			return false
		}
	}
	return true
}

// split cuts arguments at their commas, up to the closing parenthesis, and answers
// where the text goes on behind it; -1 if there is none.
func split(s string) (args []string, end int) {
	depth, from, quoted := 0, 0, false
	add := func(to int) {
		if a := strings.TrimSpace(s[from:to]); a != "" || len(args) > 0 {
			args = append(args, a)
		}
		from = to + 1
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted:
			if c == '\\' {
				i++
			} else if c == '"' {
				quoted = false
			}
		case c == '"':
			quoted = true
		case c == '{' || c == '[' || c == '(':
			depth++
		case c == ')' && depth == 0:
			add(i)
			return args, i + 1
		case c == '}' || c == ']' || c == ')':
			depth--
		case c == ',' && depth == 0:
			add(i)
		}
	}
	return nil, -1
}

// text is the string that an argument stands for; ok is false if it is none, or was
// cut short.
func text(arg string) (s string, ok bool) {
	if len(arg) < 2 || arg[0] != '"' || arg[len(arg)-1] != '"' {
		return "", false
	}
	arg = arg[1 : len(arg)-1]
	b := make([]byte, 0, len(arg))
	for i := 0; i < len(arg); i++ {
		if arg[i] != '\\' {
			b = append(b, arg[i])
			continue
		}
		if i++; i == len(arg) {
			return "", false
		}
		switch c := arg[i]; c {
		case 'n':
			b = append(b, '\n')
		case 't':
			b = append(b, '\t')
		case 'r':
			b = append(b, '\r')
		case 'v':
			b = append(b, '\v')
		case 'f':
			b = append(b, '\f')
		default:
			if c < '0' || c > '7' {
				b = append(b, c)
				continue
			}
			v, n := 0, 0
			for n < 3 && i+n < len(arg) && arg[i+n] >= '0' && arg[i+n] <= '7' {
				v = v*8 + int(arg[i+n]-'0')
				n++
			}
			b = append(b, byte(v))
			i += n - 1
		}
	}
	return string(b), true
}

// between is what stands between two texts in s.
func between(s, before, after string) string {
	_, s, ok := strings.Cut(s, before)
	if !ok {
		return ""
	}
	s, _, _ = strings.Cut(s, after)
	return s
}
