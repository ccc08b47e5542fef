package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"sort"
	"strings"
	"text/tabwriter"
)

// row is a line of the table. A figure that could not be measured is NaN, with
// the reason in Note.
type row struct {
	Name   string
	Unit   string
	Skerry float64
	Linux  float64
	// More is better, rather than less.
	More  bool
	Limit limit
	How   string
	Note  string
}

// limit is what a row must reach; the zero value is nothing.
type limit struct {
	Ratio    float64 // of Skerry to Linux
	Absolute float64
}

func (l limit) String() string {
	switch {
	case l.Ratio != 0:
		return fmt.Sprintf("%g × Linux", l.Ratio)
	case l.Absolute != 0:
		return number(l.Absolute)
	}
	return ""
}

// ratio is Skerry's figure by Linux's.
func (r *row) ratio() float64 { return r.Skerry / r.Linux }

// verdict is "met", "missed", or "" where there is no limit or no figure.
func (r *row) verdict() string {
	got, want := r.Skerry, r.Limit.Absolute
	if r.Limit.Ratio != 0 {
		got, want = r.ratio(), r.Limit.Ratio
	}
	if want == 0 || math.IsNaN(got) {
		return ""
	}
	if got == want || (got > want) == r.More {
		return "met"
	}
	return "missed"
}

type table struct {
	Date, Linux, QEMU, Settings string
	Rows                        []*row
}

func (t *table) add(r *row) { t.Rows = append(t.Rows, r) }

// number writes a figure with as many digits as it is worth.
func number(f float64) string {
	switch {
	case math.IsNaN(f):
		return "–"
	case math.Abs(f) >= 100 || f == math.Trunc(f):
		return fmt.Sprintf("%.0f", f)
	case math.Abs(f) >= 10:
		return fmt.Sprintf("%.1f", f)
	default:
		return fmt.Sprintf("%.3g", f)
	}
}

func (t *table) write(w io.Writer) {
	fmt.Fprintf(w, "%s, QEMU %s, %s\n", t.Date, t.QEMU, t.Settings)
	if t.Linux != "" {
		fmt.Fprintf(w, "Linux: %s with an initramfs, mitigations=off\n", t.Linux)
	}
	fmt.Fprintln(w)
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "\tunit\tSkerry\tLinux\tratio\tlimit\t\thow")
	for _, r := range t.Rows {
		sign := "≤ "
		if r.More {
			sign = "≥ "
		}
		if r.Limit == (limit{}) {
			sign = ""
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s%s\t%s\t%s\n", r.Name, r.Unit,
			number(r.Skerry), number(r.Linux), number(r.ratio()), sign, r.Limit, r.verdict(), r.How)
	}
	tw.Flush()
	for _, r := range t.Rows {
		if r.Note != "" {
			fmt.Fprintf(w, "%s: %s\n", r.Name, r.Note)
		}
	}
}

func (t *table) writeJSON(w io.Writer) error {
	type line struct {
		Name    string   `json:"name"`
		Unit    string   `json:"unit"`
		Skerry  *float64 `json:"skerry"` // null: not measured
		Linux   *float64 `json:"linux"`
		Ratio   *float64 `json:"ratio"`
		Limit   string   `json:"limit,omitempty"`
		Verdict string   `json:"verdict,omitempty"`
		How     string   `json:"how"`
		Note    string   `json:"note,omitempty"`
	}
	known := func(f float64) *float64 {
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return nil
		}
		return &f
	}
	lines := []line{}
	for _, r := range t.Rows {
		lines = append(lines, line{r.Name, r.Unit, known(r.Skerry), known(r.Linux), known(r.ratio()),
			r.Limit.String(), r.verdict(), r.How, r.Note})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Date     string `json:"date"`
		QEMU     string `json:"qemu"`
		Linux    string `json:"linux,omitempty"`
		Settings string `json:"settings"`
		Rows     []line `json:"rows"`
	}{t.Date, t.QEMU, t.Linux, t.Settings, lines})
}

// samples are the figures of one side's rounds.
type samples struct {
	figures []float64
	errors  []string
}

func (s *samples) add(f float64, err error) {
	if err != nil {
		s.errors = append(s.errors, err.Error())
		return
	}
	s.figures = append(s.figures, f)
}

// median is NaN if there is no figure.
func (s *samples) median() float64 {
	n := len(s.figures)
	if n == 0 {
		return math.NaN()
	}
	f := append([]float64(nil), s.figures...)
	sort.Float64s(f)
	if n%2 == 1 {
		return f[n/2]
	}
	return (f[n/2-1] + f[n/2]) / 2
}

// note names the first error and the number of all.
func (s *samples) note(side string) string {
	if len(s.errors) == 0 {
		return ""
	}
	first := s.errors[0]
	if len(first) > 300 {
		first = first[:300] + " …"
	}
	return fmt.Sprintf("%s: %d of %d rounds failed: %s", side, len(s.errors), len(s.errors)+len(s.figures), strings.TrimSpace(first))
}
