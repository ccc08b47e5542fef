package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report is the outcome of all groups.
type report struct {
	begin  time.Time
	groups []*outcome
}

func (r *report) ok() bool {
	for _, o := range r.groups {
		if !o.ok {
			return false
		}
	}
	return len(r.groups) > 0
}

// print writes what was skipped, what failed and how long all took.
func (r *report) print(w io.Writer) {
	for _, o := range r.groups {
		for _, t := range o.results {
			if t.action == "skip" {
				fmt.Fprintf(w, "skipped  %s %s: %s\n", t.pkg, t.test, t.reason())
			}
		}
	}
	for _, o := range r.groups {
		for _, t := range o.results {
			if t.action == "fail" {
				fmt.Fprintf(w, "failed   %s %s\n", t.pkg, t.test)
			}
		}
	}
	for _, o := range r.groups {
		fmt.Fprintln(w, o.summary())
	}
	word := "ok"
	if !r.ok() {
		word = "FAILED"
	}
	fmt.Fprintf(w, "%s, %v altogether\n", word, time.Since(r.begin).Round(time.Second))
}

// machine is the host that results were made on.
type machine struct{ cpus, system, qemu, accel, goVersion string }

// host asks the skerry command, the kernel and the go command.
func host(ctx context.Context) machine {
	m := machine{cpus: fmt.Sprint(runtime.NumCPU()), goVersion: runtime.Version(), accel: "unknown"}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if f := regexp.MustCompile(`(?m)^model name\s*: (.*)$`).FindSubmatch(b); f != nil {
			m.cpus += " × " + string(f[1])
		}
	}
	if b, err := os.ReadFile("/etc/os-release"); err == nil {
		if f := regexp.MustCompile(`(?m)^PRETTY_NAME="?([^"\n]*)`).FindSubmatch(b); f != nil {
			m.system = string(f[1])
		}
	}
	// Its status tells whether machines run; the list is there in any case.
	out, _ := exec.CommandContext(ctx, "bin/skerry", "doctor", "--json").Output()
	var checks []struct {
		Name, Detail string
		OK           bool
	}
	if json.Unmarshal(out, &checks) == nil {
		for _, c := range checks {
			switch c.Name {
			case "qemu":
				m.qemu = c.Detail[strings.LastIndex(c.Detail, ", ")+1:]
			case "kvm":
				m.accel = "TCG (" + c.Detail + ")"
				if c.OK {
					m.accel = "KVM"
				}
			}
		}
	}
	return m
}

// markdown is docs/RESULTS.md.
func (r *report) markdown(m machine) string {
	var b strings.Builder
	line := func(format string, v ...any) { fmt.Fprintf(&b, format+"\n", v...) }
	line("# Test results\n")
	line("Written by `make test-all`; do not edit. %s, %s.\n", r.begin.UTC().Format("2006-01-02"), time.Since(r.begin).Round(time.Minute))
	line("| | |\n|---|---|")
	for _, row := range [][2]string{{"host", m.cpus}, {"system", m.system}, {"QEMU", strings.TrimSpace(m.qemu)}, {"accelerator", m.accel}, {"Go", m.goVersion}} {
		line("| %s | %s |", row[0], cell(row[1]))
	}
	line("\n## Groups\n")
	line("| group | result | passed | failed | skipped | time |\n|---|---|---|---|---|---|")
	for _, o := range r.groups {
		word := "ok"
		if !o.ok {
			word = "**failed**"
		}
		line("| %s | %s | %d | %d | %d | %v |", cell(o.group.name), word, o.count("pass"), o.count("fail"), o.count("skip"), o.elapsed.Round(time.Second))
	}
	for _, o := range r.groups {
		if o.group.dir == "test" && o.group.json {
			r.machines(&b, o)
		}
	}
	line("\n## Skipped and failed\n")
	line("| test | result | why |\n|---|---|---|")
	for _, o := range r.groups {
		for _, t := range o.results {
			switch t.action {
			case "skip":
				line("| %s %s | skipped | %s |", t.pkg, t.test, cell(t.reason()))
			case "fail":
				line("| %s %s | **failed** | |", t.pkg, t.test)
			}
		}
	}
	line("\n## Not run at all\n")
	for _, s := range notRun(m) {
		line("* %s", s)
	}
	return b.String()
}

// notRun is what no test here can show, and why.
func notRun(m machine) (list []string) {
	if m.accel != "KVM" {
		list = append(list, "Every row under KVM: "+m.accel+".")
	}
	return append(list,
		"What the emulator does not show, and the kernel takes by CPUID where there is it: AVX-512, the timer's TSC-deadline mode, x2APIC; and time on a processor whose counter is invariant.",
		"Hosts of other kinds than the one above, and QEMU of other versions.",
	)
}

var (
	machineTest = regexp.MustCompile(`^Test(?:Machines|Servers)/(.+)/(microvm|q35)/([0-9]+)$`)
	stdlibTest  = regexp.MustCompile(`^TestStdlib/(.+)$`)
	stdlibCount = regexp.MustCompile(`passed (\d+), on the list (\d+), not passed on the host either (\d+)`)
)

// machines writes program × machine × CPUs, and Go's own tests.
func (r *report) machines(b *strings.Builder, o *outcome) {
	var names []string
	cells := map[string]map[string][]string{}
	var packages, others []result
	for _, t := range o.results {
		if f := machineTest.FindStringSubmatch(t.test); f != nil {
			if cells[f[1]] == nil {
				cells[f[1]] = map[string][]string{}
				names = append(names, f[1])
			}
			cells[f[1]][f[2]] = append(cells[f[1]][f[2]], f[3]+" "+word(t.action))
		} else if stdlibTest.MatchString(t.test) {
			packages = append(packages, t)
		} else if !strings.Contains(t.test, "/") {
			others = append(others, t)
		}
	}
	slices.Sort(names)
	fmt.Fprint(b, "\n## Programs in machines\n\nThe number of CPUs with the result: what the program printed and how it ended was as on Linux.\n\n| program | microvm | q35 |\n|---|---|---|\n")
	for _, n := range names {
		row := cells[n]
		for _, l := range row {
			slices.Sort(l)
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", cell(n), strings.Join(row["microvm"], ", "), strings.Join(row["q35"], ", "))
	}
	fmt.Fprint(b, "\n## Go's own tests in machines\n\nWith -test.short, 2 CPUs; test/stdlib/expected.txt gives the reason for each test on the list.\n\n| package | result | passed | on the list | not passed on the host either | time |\n|---|---|---|---|---|---|\n")
	for _, t := range packages {
		f := stdlibCount.FindStringSubmatch(t.output)
		if f == nil {
			f = make([]string, 4)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %v |\n", stdlibTest.FindStringSubmatch(t.test)[1], word(t.action), f[1], f[2], f[3], t.elapsed.Round(time.Second))
	}
	fmt.Fprint(b, "\n## Other tests\n\n| test | result | time |\n|---|---|---|\n")
	for _, t := range others {
		fmt.Fprintf(b, "| %s %s | %s | %v |\n", t.pkg, t.test, word(t.action), t.elapsed.Round(100*time.Millisecond))
	}
}

func word(action string) string {
	switch action {
	case "pass":
		return "ok"
	case "skip":
		return "skipped"
	}
	return "**FAIL**"
}

// cell makes text fit into a table.
func cell(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "|", `\|`) }
