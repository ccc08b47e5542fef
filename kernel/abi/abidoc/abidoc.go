// Package abidoc writes docs/ABI.md from the system-call table. It runs on the
// host when the documentation is made and is no part of the kernel.
//
// What is refused, and why, stands in abi.Table; what is implemented is known by
// the package with the handlers, which passes it in. The two must not contradict
// each other, and WriteDoc fails if they do.
package abidoc

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"skerry/kernel/abi"
)

// Support says of a call whether it has a handler, and in what the handler falls
// short of Linux ("" where it does not).
type Support func(nr int) (implemented bool, note string)

// status is how a call is counted.
type status int

const (
	full status = iota
	limited
	planned
	refused
	numStatus
)

// head begins the document.
const head = `# System calls

Generated from the table in kernel/abi and the handlers in kernel/syscalls; do not edit.

Skerry implements the system-call interface of Linux 6.12 on x86-64 for one process. This page has a row for each of its %d calls:

* **yes**: implemented. A note says in what it differs from Linux.
* **not yet**: meant to be implemented; until then it answers the error number that is shown.
* **refused**: not implemented, by design. The error number is one that programs know how to go on from, and a refusal that one of
  the four points demands is reported in one line (docs/SECURITY.md).

No call answers success without doing what it says. A number without a call in Linux answers ENOSYS, as do the x32 calls; there is no
32-bit entry.

`

// WriteDoc writes the document.
func WriteDoc(w io.Writer, support Support) error {
	b := bufio.NewWriter(w)
	var rows [abi.NumFamilies][]string
	var counts [abi.NumFamilies][numStatus]int
	var reasons [abi.NumReasons]int
	calls := 0
	for nr := range abi.MaxSyscall {
		s := abi.Lookup(nr)
		if s == nil {
			continue
		}
		if int(s.Family) >= abi.NumFamilies || int(s.Reason) >= abi.NumReasons {
			return fmt.Errorf("abidoc: %s: unknown family or reason", s.Name)
		}
		implemented, note := support(nr)
		if implemented && s.Reason != abi.NoReason {
			return fmt.Errorf("abidoc: %s has a handler, but the table refuses it (%s)", s.Name, s.Reason)
		}
		st, answer, why := describe(s, nr, implemented, note)
		rows[s.Family] = append(rows[s.Family], fmt.Sprintf("| %d | `%s` | %s | %s | %s |", nr, s.Name, arguments(s), answer, cell(why)))
		counts[s.Family][st]++
		if st == refused {
			reasons[s.Reason]++
		}
		calls++
	}
	fmt.Fprintf(b, head, calls)
	writeSummary(b, &counts, &reasons)
	for f := range abi.NumFamilies {
		fmt.Fprintf(b, "## %s\n\n| number | call | arguments | support | note |\n|---|---|---|---|---|\n%s\n\n",
			abi.Family(f), strings.Join(rows[f], "\n"))
	}
	return b.Flush()
}

// describe is a call's status, the cell for it, and the note.
func describe(s *abi.Syscall, nr int, implemented bool, note string) (st status, answer, why string) {
	switch {
	case implemented && note == "":
		return full, "yes", ""
	case implemented:
		return limited, "yes", note
	case s.Reason == abi.NoReason:
		return planned, "not yet: " + abi.Denied(nr).Error(), note
	}
	why = s.Reason.String()
	if s.Note != "" {
		why += ": " + s.Note
	}
	return refused, "refused: " + abi.Denied(nr).Error(), why
}

func writeSummary(b io.Writer, counts *[abi.NumFamilies][numStatus]int, reasons *[abi.NumReasons]int) {
	fmt.Fprint(b, "## Summary\n\n| family | yes | of these with a note | not yet | refused |\n|---|---|---|---|---|\n")
	var sum [numStatus]int
	line := func(name string, c *[numStatus]int) {
		fmt.Fprintf(b, "| %s | %d | %d | %d | %d |\n", name, c[full]+c[limited], c[limited], c[planned], c[refused])
	}
	for f := range counts {
		line(abi.Family(f).String(), &counts[f])
		for st, n := range counts[f] {
			sum[st] += n
		}
	}
	line("**all**", &sum)
	fmt.Fprint(b, "\n| reason for a refusal | calls |\n|---|---|\n")
	for r := 1; r < abi.NumReasons; r++ {
		fmt.Fprintf(b, "| %s | %d |\n", abi.Reason(r), reasons[r])
	}
	fmt.Fprint(b, "\n")
}

// arguments are the names of a call's arguments.
func arguments(s *abi.Syscall) string {
	args, _, _ := strings.Cut(s.Args, "= ")
	var names []string
	for f := range strings.FieldsSeq(args) {
		name, _, _ := strings.Cut(f, ":")
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// cell makes a text fit for a cell of a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(s)
}
