package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"skerry/image"
	"skerry/image/profile"
	"skerry/vmm"
	"skerry/vmm/nbd"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// maxRounds bounds how often a program is run again because it missed code.
const maxRounds = 6

// traceSettings are the flags of trace alone.
type traceSettings struct {
	duration durationValue
	allow    []string
	output   string
	asJSON   bool
}

func newTrace(a *app) *cobra.Command {
	s := newSettings()
	t := traceSettings{duration: durationValue{name: "for"}, output: configName}
	cmd := &cobra.Command{
		Use:   "trace [flags] PROGRAM|GO-PACKAGE-DIR [ARG...]",
		Short: "Run a program once and learn what it needs",
		Long: `Trace runs a program in a machine, as run does, and offers it the files of this host
that its image does not have: those of /usr, /lib, /etc and of this folder, without
secrets and read-only, and what --allow-path names. It then tells which files the
program used, which calls it made, where it listened and whom it contacted, and
writes a configuration from which run and build make the smallest image that has
them. Code that was missing cannot be used from there: the program is run again with
it packed.

Use the program while it is traced: what it does not do is not learnt.`,
		Example: `  skerry trace --for 20s -p 8080 ./server
  skerry trace -o python.toml /usr/bin/python3 -c 'import ssl'`,
		DisableFlagsInUseLine: true,
		Args:                  needProgram,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.load(a, cmd); err != nil {
				return err
			}
			return a.trace(s, &t, args[0], args[1:])
		},
	}
	f := cmd.Flags()
	f.Var(&t.duration, "for", "end the program after this time, which is no failure")
	f.StringVarP(&t.output, "output", "o", configName, "write the configuration to `FILE`, which must not be there yet; - for none")
	f.Var(&listValue{&t.allow, "PATH"}, "allow-path", "offer this file or folder of the host, too")
	f.BoolVar(&t.asJSON, "json", false, "print what was learnt as JSON to stdout, and the program's own output to stderr")
	s.runFlags(f)
	s.imageFlags(f)
	refuseDocker(f)
	return cmd
}

func (a *app) trace(s *settings, t *traceSettings, program string, args []string) error {
	if t.output != "-" {
		if _, err := os.Lstat(t.output); err == nil {
			return usage("-o %s: is there already (give another name with -o, or - to write none)", t.output)
		}
	}
	if s.timeout.d == 0 {
		s.timeout.d = t.duration.d
	} else if t.duration.d != 0 {
		return usage("--for --timeout: are the same here (leave one out)")
	}
	s.timeoutMeant = t.duration.d != 0
	src, err := image.Resolve(program)
	if err != nil {
		return err
	}
	if src.Kind == image.ImageFile {
		return usage("%s: is an image already (name the program that is in it)", program)
	}
	var learned *image.Learned
	var p *profile.Profile
	for round := 1; ; round++ {
		if learned, p, err = a.traceOnce(s, t, program, args); err != nil {
			return err
		}
		if len(learned.Code) == 0 || round == maxRounds {
			break
		}
		a.say("it needs " + strings.Join(learned.Code, ", ") + ": running it again with that in the image")
		s.libs = append(s.libs, learned.Code...)
	}
	if t.asJSON {
		if err := writeJSON(a.stdout, struct {
			*image.Learned
			Opened  []string          `json:"opened"`
			Calls   map[string]int    `json:"calls"`
			Refused map[string]string `json:"refused"`
			Listens []string          `json:"listens"`
			Peers   []string          `json:"peers"`
		}{learned, opened(p), p.Calls, p.Refused, p.Listens, p.Peers}); err != nil {
			return err
		}
	} else {
		a.tellLearned(learned, p)
	}
	if t.output == "-" {
		return nil
	}
	f, err := os.OpenFile(t.output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return usage("-o %s: %v", t.output, bare(err))
	}
	defer f.Close()
	if _, err := f.WriteString(learnedConfig(s, learned, p, program)); err != nil {
		return usage("-o %s: %v", t.output, bare(err))
	}
	a.say("wrote " + t.output)
	return f.Close()
}

// traceOnce runs the program once with the host's files beside its image.
func (a *app) traceOnce(s *settings, t *traceSettings, program string, args []string) (*image.Learned, *profile.Profile, error) {
	dir, err := os.Getwd()
	if err != nil || dir == "/" {
		dir = ""
	}
	var m *prepared
	var p *profile.Profile
	r, err := a.runAndTell(s, program, args, func(made *prepared) (done func(), err error) {
		m, p = made, profile.New(made.config.Record.Cwd)
		lines := &lineWriter{add: p.Add}
		if m.config.Strace != nil {
			m.config.Strace = io.MultiWriter(m.config.Strace, lines)
		} else {
			m.config.Strace = lines
		}
		if t.asJSON {
			m.config.Stdout = a.stderr
		}
		return m.offer(dir, t.allow)
	})
	if err != nil {
		return nil, nil, err
	}
	if s.timeoutMeant && r.Status == vmm.StatusTimeout {
		a.status = 0
	}
	learned, err := m.spec.Learn(p, m.parts.Root)
	return learned, p, err
}

// offer makes the second disk: the host's files, read when they are asked for.
func (p *prepared) offer(dir string, allow []string) (done func(), err error) {
	tree, err := image.HostFiles(p.parts.Root, dir, allow)
	if err != nil {
		return nil, err
	}
	disk, err := tree.Lazy()
	if err != nil {
		return nil, err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "disk"), os.NewFile(uintptr(pair[1]), "disk")
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		theirs.Close()
		return nil, err
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = nbd.Serve(conn, disk) // the machine says what it could not read
	}()
	p.files = append(p.files, theirs)
	p.config.Data = &vmm.Disk{File: theirs, Size: disk.Size(), NBD: true}
	return func() {
		conn.Close()
		<-served
		disk.Close()
	}, nil
}

// lineWriter cuts what is written into lines.
type lineWriter struct {
	mu   sync.Mutex
	rest []byte
	add  func(line string)
}

func (l *lineWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, b...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 {
			return len(b), nil
		}
		l.add(string(l.rest[:i]))
		l.rest = l.rest[i+1:]
	}
}

// maxShown is how many of the files that were opened are printed.
const maxShown = 40

// opened are the files that the program opened, its libraries among them.
func opened(p *profile.Profile) []string {
	list := []string{} // in JSON, an empty list
	for name, use := range p.Paths {
		if use == profile.Opened {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// wrapped is words in lines of at most width columns, where each word allows that, all
// of them indented.
func wrapped(words []string, indent string, width int) string {
	var b strings.Builder
	column := 0
	for _, w := range words {
		w = shown(w)
		switch {
		case column == 0:
			b.WriteString(indent)
			column = len(indent)
		case column+1+len(w) > width:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(w)
		column += len(w)
	}
	return b.String()
}

// tellLearned prints what was learnt.
func (a *app) tellLearned(l *image.Learned, p *profile.Profile) {
	list := func(what string, names []string, most int) {
		for i, n := range names {
			if i == most {
				a.say(fmt.Sprintf("%s: %d more", what, len(names)-most))
				return
			}
			if strings.HasPrefix(n, "/") {
				n = shown(n)
			}
			a.say(what + ": " + n)
		}
	}
	if files := opened(p); len(files) > 0 {
		a.say(fmt.Sprintf("files opened, %d:", len(files)))
		for i, name := range files {
			if i == maxShown {
				a.say(fmt.Sprintf("  … and %d more (--json lists all)", len(files)-maxShown))
				break
			}
			a.say("  " + shown(name))
		}
	}
	if len(p.Calls) > 0 {
		a.say(fmt.Sprintf("system calls made, %d:", len(p.Calls)))
		a.say(wrapped(slices.Sorted(maps.Keys(p.Calls)), "  ", 76))
	}
	a.say(fmt.Sprintf("needed beside the libraries that it is linked with: files %d, libraries %d", len(l.Files), len(l.Libs)))
	list("not in the image, taken from this host", l.Missed, 50)
	list("there, but not offered to it (--allow-path, or --file)", l.Withheld, 20)
	list("folder that it looked into", l.Folders, 20)
	for _, name := range slices.Sorted(maps.Keys(p.Refused)) {
		a.say("refused at least once: " + name + " (" + p.Refused[name] + ")")
	}
	list("listened on", p.Listens, 20)
	list("contacted", p.Peers, 20)
}

// learnedConfig is the configuration for what was learnt.
func learnedConfig(s *settings, l *image.Learned, p *profile.Profile, program string) string {
	var b strings.Builder
	var places []string
	fmt.Fprintf(&b, "# What %s needs, learnt by `skerry trace` on %s.\n# `skerry run` and `skerry build` in this folder use it.\n\n", shown(program), time.Now().Format("2006-01-02"))
	b.WriteString("exact = true # only what is named, and the libraries that the program is linked with\n")
	if s.memory != newSettings().memory {
		fmt.Fprintf(&b, "memory = %s\n", quoted(s.memory.String()))
	}
	if s.cpus != newSettings().cpus {
		fmt.Fprintf(&b, "cpus = %d\n", s.cpus)
	}
	switch {
	case s.noJIT:
		b.WriteString("no-jit = true\n")
	case s.jit != 0:
		fmt.Fprintf(&b, "jit = %s\n", quoted(s.jit.String()))
	}
	if s.workdir != "" {
		fmt.Fprintf(&b, "workdir = %s\n", quoted(s.workdir))
	}
	if s.policy != nil {
		for _, w := range policyWords(&s.policy) {
			if word := *w.field(s.policy); word != "" {
				fmt.Fprintf(&b, "%s = %s\n", w.name, quoted(word))
			}
		}
	}
	if o := s.overlay; o != nil {
		value := "true"
		if _, size, ok := strings.Cut(o.String(), "="); ok {
			value = quoted(size)
		}
		fmt.Fprintf(&b, "overlay = %s\n", value)
	}
	for _, t := range s.tmpfs {
		places = append(places, strings.TrimPrefix(t.String(), "--tmpfs "))
	}
	for _, x := range s.secrets {
		fmt.Fprintf(&b, "# It had the secret %s; give it with --secret.\n", shown(x.Name))
	}
	if len(s.env) > 0 {
		var names []string
		for _, e := range s.env {
			names = append(names, envName(e))
		}
		fmt.Fprintf(&b, "# It had %s in its environment; give them with -e or --env-file.\n", strings.Join(names, ", "))
	}
	lines := func(key string, list []string) {
		if len(list) == 0 {
			return
		}
		fmt.Fprintf(&b, "\n%s = [\n", key)
		for _, v := range list {
			fmt.Fprintf(&b, "  %s,\n", quoted(v))
		}
		b.WriteString("]\n")
	}
	lines("tmpfs", places)
	lines("allow", s.allow)
	lines("verdict", s.policy.VerdictList())
	var ports []string
	for _, listen := range p.Listens {
		proto, port, _ := strings.Cut(listen, " ")
		if proto == "udp" {
			port += ":" + port + "/udp"
		}
		ports = append(ports, port)
	}
	if len(ports) > 0 {
		b.WriteString("\n# Where it listened; HOST:GUEST gives another port of the host.")
	}
	lines("publish", ports)
	var libs []string
	for _, lib := range s.libs {
		if info, err := os.Stat(lib); err == nil && info.IsDir() {
			libs = append(libs, lib)
		}
	}
	lines("lib", append(libs, l.Libs...))
	var files []string
	for _, f := range l.Files {
		files = append(files, f+":"+f)
	}
	lines("file", files)
	var empty []string
	for _, dir := range l.Empty {
		empty = append(empty, ":"+dir)
	}
	lines("dir", empty)
	if len(p.Peers) > 0 {
		b.WriteString("\n# It contacted " + strings.Join(p.Peers, ", ") + ".\n")
	}
	return b.String()
}

// quoted is a basic string of TOML, whose escapes JSON's are among.
func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(b)
}
