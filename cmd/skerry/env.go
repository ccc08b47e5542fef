package main

import (
	"bufio"
	"os"
	"strings"
)

// environment is the environment of a program: NAME=value each, a name once, in
// the order in which the names came.
type environment []string

// set adds or replaces NAME=value.
func (e *environment) set(entry string) {
	prefix := envName(entry) + "="
	for i, old := range *e {
		if strings.HasPrefix(old, prefix) {
			(*e)[i] = entry
			return
		}
	}
	*e = append(*e, entry)
}

// add takes the value of -e, or a line of a file: NAME=value, or NAME alone for
// what our own environment has. what names the origin for messages; it does not
// hold a value, which may be a secret.
func (e *environment) add(what, s string) error {
	name, _, found := strings.Cut(s, "=")
	if name == "" {
		return usage("%s: has no name (it is NAME=value, or NAME alone)", what)
	}
	if strings.IndexByte(s, 0) >= 0 || strings.ContainsAny(name, " \t\n") {
		return usage("%s: is not NAME=value", what)
	}
	if !found {
		value, ok := os.LookupEnv(name)
		if !ok {
			return usage("%s: is not set here (set it, or write %s=value)", what, name)
		}
		s = name + "=" + value
	}
	e.set(s)
	return nil
}

// readFile adds the lines of a file: NAME=value or NAME; empty lines and those
// that begin with # say nothing. Values are taken as they are, quotes too.
func (e *environment) readFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return usage("--env-file %s: %v", path, bare(err))
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for n := 1; s.Scan(); n++ {
		line := strings.TrimLeft(strings.TrimSuffix(s.Text(), "\r"), " \t")
		if line == "" || line[0] == '#' {
			continue
		}
		// The line itself may be a secret, and so may what looks like a name.
		what := "--env-file " + path + ", line " + itoa(n)
		if strings.Contains(line, "=") || strings.IndexFunc(line, notName) < 0 {
			if err := e.add(what+": "+envName(line), line); err != nil {
				return err
			}
			continue
		}
		return usage("%s: is not NAME=value", what)
	}
	if err := s.Err(); err != nil {
		return usage("--env-file %s: %v", path, err)
	}
	return nil
}

func notName(r rune) bool {
	return !(r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9')
}

// over returns base with what e says put over it.
func (e environment) over(base []string) []string {
	all := append(environment{}, base...)
	for _, entry := range e {
		all.set(entry)
	}
	return all
}

// defaultEnv is what every program gets. The host's environment is not passed.
func defaultEnv(hostname string) []string {
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/",
		"HOSTNAME=" + hostname,
	}
}
