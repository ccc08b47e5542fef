// Package profile learns from a trace of a program's system calls what the program
// used: files, calls, ports, peers.
//
// A Profile takes the lines that the kernel writes for `skerry run --strace`, one
// after another. The program decides what stands in them, so nothing in them is
// believed to be more than a name: who uses a Profile asks the host itself what a
// file is. It runs on the host and imports the standard library only. It is not
// safe for use by several goroutines.
package profile

import (
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
)

// maxNames bounds each list.
const maxNames = 1 << 16

// Use is how a path was used.
type Use int

// Uses of a path, the stronger ones last.
const (
	Missed Use = iota // it was looked for and not there
	Seen              // it was there: stat, access, readlink
	Listed            // a directory that was opened
	Opened            // a file that was opened
)

// Profile is what was learnt.
type Profile struct {
	Paths map[string]Use // absolute paths as the program named them
	Calls map[string]int // how often each call was made
	// Refused are calls that answered ENOSYS, EPERM or EOPNOTSUPP at least once.
	Refused map[string]string
	Listens []string // "tcp 8080", "udp 53"
	Peers   []string // "tcp 10.0.2.2:80"

	cwd string
	fds map[int64]descriptor
}

// descriptor is what is known of an open one.
type descriptor struct {
	path  string
	proto string // of a socket
	bound string // port
}

// New returns an empty profile of a program that starts in cwd.
func New(cwd string) *Profile {
	return &Profile{Paths: map[string]Use{}, Calls: map[string]int{}, Refused: map[string]string{}, cwd: cwd, fds: map[int64]descriptor{}}
}

// Add takes a line.
func (p *Profile) Add(line string) {
	c, ok := parse(line)
	if !ok {
		return
	}
	if len(p.Calls) < maxNames {
		p.Calls[c.name]++
	}
	if c.failed && (c.errno == "ENOSYS" || c.errno == "EPERM" || c.errno == "EOPNOTSUPP") && len(p.Refused) < maxNames {
		p.Refused[c.name] = c.errno
	}
	p.files(&c)
	p.sockets(&c)
}

// pathCalls are the calls that take a path: where the directory's descriptor
// stands, or -1, and where the path.
var pathCalls = map[string]struct{ dir, path int }{
	"open": {-1, 0}, "openat": {0, 1}, "openat2": {0, 1}, "creat": {-1, 0},
	"stat": {-1, 0}, "lstat": {-1, 0}, "newfstatat": {0, 1}, "statx": {0, 1},
	"access": {-1, 0}, "faccessat": {0, 1}, "faccessat2": {0, 1},
	"readlink": {-1, 0}, "readlinkat": {0, 1}, "chdir": {-1, 0}, "statfs": {-1, 0},
	"getxattr": {-1, 0}, "lgetxattr": {-1, 0}, "listxattr": {-1, 0}, "llistxattr": {-1, 0},
	"inotify_add_watch": {-1, 1}, "truncate": {-1, 0},
}

func (p *Profile) files(c *call) {
	if at, ok := pathCalls[c.name]; ok {
		if name, ok := p.named(c, at.dir, at.path); ok {
			p.used(c, name)
		}
		return
	}
	if c.failed {
		return
	}
	first := func() int64 { return number(c.args, 0) }
	switch c.name {
	case "close":
		delete(p.fds, first())
	case "dup", "dup2", "dup3":
		p.fds[c.result] = p.fds[first()]
	case "fcntl":
		if len(c.args) > 1 && strings.HasPrefix(c.args[1], "F_DUPFD") {
			p.fds[c.result] = p.fds[first()]
		}
	case "fchdir":
		if d := p.fds[first()]; d.path != "" {
			p.cwd = d.path
		}
	case "getdents", "getdents64":
		if d := p.fds[first()]; d.path != "" {
			p.note(d.path, Listed)
		}
	}
}

// used records a call with a path.
func (p *Profile) used(c *call, name string) {
	opens := strings.HasPrefix(c.name, "open") || c.name == "creat"
	switch {
	case c.failed && (c.errno == "ENOENT" || c.errno == "ENOTDIR"):
		p.note(name, Missed)
	case c.failed:
	case opens:
		if len(p.fds) < maxNames {
			p.fds[c.result] = descriptor{path: name}
		}
		if strings.Contains(strings.Join(c.args, "|"), "O_DIRECTORY") {
			p.note(name, Seen)
		} else {
			p.note(name, Opened)
		}
	default:
		if c.name == "chdir" {
			p.cwd = name
		}
		p.note(name, Seen)
	}
}

func (p *Profile) note(name string, u Use) {
	if have, ok := p.Paths[name]; ok && have >= u || !ok && len(p.Paths) >= maxNames {
		return
	}
	p.Paths[name] = u
}

// named is the absolute path that a call names.
func (p *Profile) named(c *call, dir, at int) (string, bool) {
	if at >= len(c.args) {
		return "", false
	}
	name, ok := text(c.args[at])
	if !ok || name == "" {
		return "", false // the descriptor itself, or no string
	}
	if path.IsAbs(name) {
		return path.Clean(name), true
	}
	base := p.cwd
	if dir >= 0 && dir < len(c.args) && c.args[dir] != "AT_FDCWD" {
		base = p.fds[number(c.args, dir)].path
	}
	if base == "" {
		return "", false
	}
	return path.Join(base, name), true
}

// number is an argument as a number, -1 if it is none.
func number(args []string, i int) int64 {
	if i >= len(args) {
		return -1
	}
	n, err := strconv.ParseInt(args[i], 0, 64)
	if err != nil {
		return -1
	}
	return n
}

func (p *Profile) sockets(c *call) {
	fd := number(c.args, 0)
	switch c.name {
	case "socket":
		if c.failed || len(c.args) < 2 || !strings.HasPrefix(c.args[0], "AF_INET") || len(p.fds) >= maxNames {
			return
		}
		proto := "tcp"
		if strings.Contains(c.args[1], "SOCK_DGRAM") {
			proto = "udp"
		}
		p.fds[c.result] = descriptor{proto: proto}
	case "bind":
		d := p.fds[fd]
		if c.failed || d.proto == "" || len(c.args) < 2 {
			return
		}
		d.bound = port(c.args[1])
		p.fds[fd] = d
		if d.proto == "udp" && d.bound != "" && d.bound != "0" {
			add(&p.Listens, "udp "+d.bound)
		}
	case "listen":
		if d := p.fds[fd]; !c.failed && d.bound != "" {
			add(&p.Listens, "tcp "+d.bound)
		}
	case "connect", "sendto":
		d := p.fds[fd]
		at := map[string]int{"connect": 1, "sendto": 4}[c.name]
		if d.proto == "" || len(c.args) <= at {
			return
		}
		host := between(c.args[at], `inet_addr("`, `"`)
		if host == "" {
			host = between(c.args[at], `inet_pton(AF_INET6, "`, `"`)
		}
		if to := port(c.args[at]); host != "" && to != "" && to != "0" {
			add(&p.Peers, d.proto+" "+net.JoinHostPort(host, to))
		}
	}
}

// port is the port in an address as a trace shows it.
func port(address string) string {
	s := between(address, "sin_port=htons(", ")")
	if s == "" {
		s = between(address, "sin6_port=htons(", ")")
	}
	if n, err := strconv.ParseUint(s, 10, 16); err != nil || n == 0 {
		return ""
	}
	return s
}

func add(list *[]string, s string) {
	if len(*list) < maxNames && !slices.Contains(*list, s) {
		*list = append(*list, s)
	}
}
