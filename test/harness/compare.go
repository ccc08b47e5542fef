package harness

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// design begins the lines in which a program shows what Skerry does otherwise on
// purpose; fail those in which it found something wrong by itself.
const (
	design = "DESIGN "
	fail   = "FAIL"
)

// Split takes the lines apart that are compared with a table instead of with
// Linux. Output without such lines comes back as it is, byte for byte.
func Split(out []byte) (rest []byte, designs []string) {
	if !bytes.Contains(out, []byte(design)) {
		return out, nil
	}
	for line := range bytes.Lines(out) {
		if text, ok := bytes.CutPrefix(line, []byte(design)); ok {
			designs = append(designs, string(bytes.TrimSuffix(text, []byte("\n"))))
			continue
		}
		rest = append(rest, line...)
	}
	return rest, designs
}

// Fails returns the lines in which a program says that something is wrong.
func Fails(out []byte) []string {
	var list []string
	for line := range bytes.Lines(out) {
		if bytes.HasPrefix(line, []byte(fail)) {
			list = append(list, strings.TrimSuffix(string(line), "\n"))
		}
	}
	return list
}

// SortLines sorts output whose order is not defined.
func SortLines(b []byte) []byte {
	lines := bytes.SplitAfter(b, []byte("\n"))
	slices.SortFunc(lines, bytes.Compare)
	return bytes.Join(lines, nil)
}

// Difference describes where two outputs part: the lines around the first
// difference, or "" if they are equal.
func Difference(want, got []byte) string {
	if bytes.Equal(want, got) {
		return ""
	}
	w, g := bytes.SplitAfter(want, []byte("\n")), bytes.SplitAfter(got, []byte("\n"))
	i := 0
	for i < len(w) && i < len(g) && bytes.Equal(w[i], g[i]) {
		i++
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d and %d bytes, first difference in line %d:\n", len(want), len(got), i+1)
	for k := max(0, i-3); k < i; k++ {
		fmt.Fprintf(&b, "    %.200q\n", w[k])
	}
	const context = 4
	for k := i; k < min(i+context, len(w)); k++ {
		fmt.Fprintf(&b, "  - %.200q\n", w[k])
	}
	for k := i; k < min(i+context, len(g)); k++ {
		fmt.Fprintf(&b, "  + %.200q\n", g[k])
	}
	return b.String()
}

// DesignDifference compares DESIGN lines with those that are expected of Skerry.
// An expected line that ends with "*" stands for all that begin so.
func DesignDifference(want, got []string) string {
	match := func(w, g string) bool {
		if p, ok := strings.CutSuffix(w, "*"); ok {
			return strings.HasPrefix(g, p)
		}
		return w == g
	}
	if len(want) == len(got) && !slices.ContainsFunc(seq(len(want)), func(i int) bool { return !match(want[i], got[i]) }) {
		return ""
	}
	return fmt.Sprintf("lines by design:\n  expected %q\n  got      %q", want, got)
}

func seq(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}
