package image

import (
	"debug/elf"
	"slices"
	"strings"

	"skerry/image/dynlink"
	"skerry/image/known"
)

// Verdict is what Check comes to.
type Verdict string

// Verdicts.
const (
	OK        Verdict = "ok"
	Warning   Verdict = "warn"
	CannotRun Verdict = "cannot run"
)

// Check is what can be said of a program from its files, before anything is
// built or booted.
type Check struct {
	Program     string        `json:"program"`     // path in the machine, "" if it cannot be packed
	Known       string        `json:"known_as"`    // what it is, "" if it is not known
	Interpreter string        `json:"interpreter"` // the dynamic linker, "" for a static program
	Args        []string      `json:"args"`
	Files       []Packed      `json:"files"`
	Bytes       int64         `json:"bytes"` // of all files
	Missing     []MissingFile `json:"missing"`
	JIT         int64         `json:"jit"` // bytes of memory that may become executable
	Notes       []CheckNote   `json:"notes"`
	Verdict     Verdict       `json:"verdict"`

	// Err is why it cannot be packed, nil if it can.
	Err error `json:"-"`
}

// MissingFile is a library that is needed and not there.
type MissingFile struct {
	Name     string   `json:"name"`
	By       string   `json:"needed_by"`
	Searched []string `json:"searched"`
}

// CheckNote is something to know about the program.
type CheckNote struct {
	Level string `json:"level"` // info, warn, refuse
	Text  string `json:"text"`
	Point string `json:"point,omitempty"` // of the model, if one rules it out
}

// starters are functions with which a C program starts others.
var starters = []string{"fork", "vfork", "execve", "execv", "execvp", "execvpe", "execl", "execlp", "execle", "fexecve", "posix_spawn", "posix_spawnp", "popen", "system"}

// changers are functions with which a C program becomes another user.
var changers = []string{"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "initgroups"}

// Check lays the root out as Parts does, and tells what it finds.
func (s *BuildSpec) Check() *Check {
	l := s.layout()
	err := l.lay(s)
	if shell := l.noShell(); shell != nil {
		err = shell
	}
	c := &Check{Program: l.m.Program, Args: l.m.Args, Files: l.packed, Bytes: l.t.Bytes(), JIT: l.m.JIT, Err: err, Verdict: OK}
	if err != nil {
		c.Verdict = CannotRun
	}
	if l.closure != nil {
		if l.closure.Interp != nil {
			c.Interpreter = l.closure.Interp.Path
		}
		if err != nil {
			for _, m := range l.closure.Missing {
				c.Missing = append(c.Missing, MissingFile(m))
			}
		}
	}
	notes := l.notes
	if l.facts != nil {
		c.Known = l.facts.Name
	}
	if err == nil {
		notes = append(notes, s.ImportNotes(l.facts)...)
	}
	for _, n := range notes {
		level := "info"
		switch n.Level {
		case known.Warn:
			level = "warn"
			if c.Verdict == OK {
				c.Verdict = Warning
			}
		case known.Refuse:
			level, c.Verdict = "refuse", CannotRun
		}
		c.Notes = append(c.Notes, CheckNote{level, n.Text, n.Point})
	}
	return c
}

// ImportNotes tells what the program's own imports show. A program that is known says
// itself what matters of that.
func (s *BuildSpec) ImportNotes(facts *known.Facts) []known.Note {
	if facts != nil {
		return nil
	}
	return importNotes(s.Program)
}

// importNotes tells what the program's own imports show. Having such functions is
// no reason not to run: most programs do not call them in their main work.
func importNotes(program string) (notes []known.Note) {
	f, err := openFile(program)
	if err != nil {
		return nil
	}
	defer f.Close()
	names := dynlink.Imports(f)
	has := func(list []string) (found []string) {
		for _, n := range list {
			if slices.Contains(names, n) {
				found = append(found, n)
			}
		}
		return found
	}
	if list := has(starters); len(list) > 0 {
		notes = append(notes, known.Note{Level: known.Warn, Point: "single process",
			Text: "it can start other programs (" + strings.Join(list, ", ") + "): that fails in a machine, with EPERM"})
	}
	if list := has(changers); len(list) > 0 {
		notes = append(notes, known.Note{Level: known.Warn, Point: "no users",
			Text: "it can change its user (" + strings.Join(list, ", ") + "): that fails in a machine, with EPERM; run it without, if it has a setting for that"})
	}
	if len(names) == 0 && goStarts(program) {
		notes = append(notes, known.Note{Level: known.Warn, Point: "single process",
			Text: "it can start other programs (os/exec): that fails in a machine, with EPERM"})
	}
	return notes
}

// goStarts reports whether a static program is a Go program with os/exec in it, as far
// as it has symbols. Of a C program the C library's own use of fork is not told from the
// program's.
func goStarts(program string) bool {
	f, err := elf.Open(program)
	if err != nil {
		return false
	}
	defer f.Close()
	if f.Section(".gopclntab") == nil {
		return false
	}
	list, err := f.Symbols()
	return err == nil && slices.ContainsFunc(list, func(s elf.Symbol) bool {
		return elf.ST_TYPE(s.Info) == elf.STT_FUNC && s.Name == "os/exec.(*Cmd).Start"
	})
}

// Status is the exit status for a verdict: 0, or why the program cannot be run.
func (c *Check) Status() int {
	switch {
	case c.Verdict != CannotRun:
		return 0
	case c.Err != nil:
		return Status(c.Err)
	}
	return StatusCannotRun
}
