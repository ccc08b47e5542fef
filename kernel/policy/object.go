package policy

import (
	"strings"

	"skerry/kernel/abi"
	"skerry/kernel/ground"
	"skerry/kernel/usermem"
)

// Object is what an event is about. The zero one is about nothing.
type Object struct {
	_ [0]func() // events are never compared: no code for it

	// Members are the names of its numbers, in order, and that of its text.
	Members string
	Text    string // a path and what follows it in What; the name of a mapping; an address
	N       [3]uint64
}

// Members of objects, but for a path's.
const (
	APeer    = "peer" // an address, told as addr
	AnID     = "id"   // a user or a group
	ASocket  = "family type proto"
	ARequest = "family proto request" // to a netlink socket, by its type
	aMapping = "addr len prot map"
)

// Path is the first path among the arguments of a call, by its number, in what it is
// described by; nothing if it has none, or none that could be read. It keeps a part of what.
func Path(nr int, what string) (o Object) {
	s, i := abi.Lookup(nr), strings.IndexByte(what, '"')
	if s == nil || i < 0 {
		return o
	}
	// Behind the last path there may be other strings; before it there are numbers.
	last := strings.LastIndex(s.Args, ":path")
	if last < 0 || strings.Count(what[:i], ", ") > strings.Count(s.Args[:last], " ") {
		return o
	}
	return Object{Members: "path", Text: what[i+1:]}
}

// maxObject bounds the text of an object in a record, in bytes.
const maxObject = 250

// write writes it as a member, if there is anything.
func (o *Object) write(w *writer) {
	if o.Members == "" {
		return
	}
	w.name("obj")
	w.more = false
	i := 0
	for name, rest, _ := strings.Cut(o.Members, " "); name != ""; name, rest, _ = strings.Cut(rest, " ") {
		v := o.N[min(i, len(o.N)-1)]
		i++
		switch name {
		case "path":
			w.text(name, plain(o.Text), maxObject)
		case APeer:
			w.text("addr", o.Text, maxObject)
		case "map":
			if o.Text != "" {
				w.text(name, o.Text, maxObject)
			}
		case "addr":
			w.text(name, hex(v), maxObject)
		case "prot":
			if v &= 7; v != 0 { // PROT_READ, PROT_WRITE, PROT_EXEC
				w.text(name, "---r---w-rw---xr-x-wxrwx"[3*v:3*v+3], maxObject)
			}
		default:
			w.number(name, v)
		}
	}
	w.byte('}')
	w.more = true
}

// plain undoes what strace does to a string; text goes on behind its closing quote. If it
// was cut, it ends in dots.
func plain(text string) string {
	w := &writer{}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch c {
		case '"':
			if !strings.HasPrefix(text[i:], `"...`) {
				return string(w.b)
			}
			text = "" // strace has cut it
			continue
		case '\\':
			if i++; i == len(text) {
				continue
			}
			c = text[i]
			if n := strings.IndexByte("tnvfr", c); n >= 0 {
				c = "\t\n\v\f\r"[n]
			} else if c >= '0' && c <= '7' {
				c = 0
				for n := i + 3; i < n && i < len(text) && text[i] >= '0' && text[i] <= '7'; i++ {
					c = c<<3 | (text[i] - '0')
				}
				i--
			}
		}
		w.byte(c)
	}
	w.str("...")
	return string(w.b)
}

// maxStack is how many return addresses an event has, and stackReach how far from the
// stack pointer they may be, in bytes.
const (
	maxStack   = 8
	stackReach = 1 << 20
)

// Code reports whether there is code at an address of the program, and Offset names the
// place without a symbol. Set at boot.
var (
	Code   = func(pc uint64) bool { return false }
	Offset = func(pc uint64) string { return "" }
)

// callers finds the return addresses of a thread by its frame pointers, the innermost
// first. The program may have put anything there, so frames ascend within bounds, and what
// is no address of code, which a secret could be, ends them. Nothing is brought in for it.
func callers(r *ground.Regs) (pcs [maxStack]uint64) {
	low, fp := r.RSP, r.BP
	for i := range pcs {
		if fp < low || fp-r.RSP >= stackReach {
			break
		}
		next, ok := usermem.Peek64(uintptr(fp))
		pc, also := usermem.Peek64(uintptr(fp + 8))
		if !ok || !also || !Code(pc) {
			break
		}
		pcs[i] = pc
		low, fp = fp+16, next
	}
	return pcs
}
