package vmm

import (
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"
)

// maxLine is how much of a line from the machine is shown, in bytes.
const maxLine = 4096

// printable makes text from the machine fit for a terminal: what would move the
// cursor, change colours or is no text is written as \xNN.
func printable(s string) string {
	clean := true
	for _, r := range s {
		if r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError {
			clean = false
			break
		}
	}
	if clean && len(s) <= maxLine {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if b.Len() > maxLine {
			b.WriteString("…")
			break
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError && n == 1 {
			for _, c := range []byte(s[i : i+n]) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// lines calls f for each line of text, made printable. A newline at the end
// begins no further line.
func lines(text string, f func(string)) {
	text = strings.TrimSuffix(text, "\n")
	for line := range strings.SplitSeq(text, "\n") {
		f(printable(strings.TrimSuffix(line, "\r")))
	}
}

// tailSize is how much a tail keeps at least, in bytes.
const tailSize = 64 << 10

// tail keeps the end of a text for the case that it is needed. It is an
// io.Writer for several goroutines.
type tail struct {
	mu  sync.Mutex
	b   []byte
	cut bool // something was dropped, so the first line may be half a line
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > 2*tailSize {
		t.b = append(t.b[:0], t.b[len(t.b)-tailSize:]...)
		t.cut = true
	}
	return len(p), nil
}

// lines returns what is kept, printable, without blank lines at the end.
func (t *tail) lines() []string {
	t.mu.Lock()
	text, cut := strings.TrimRight(string(t.b), " \t\r\n"), t.cut
	t.mu.Unlock()
	if text == "" {
		return nil
	}
	var list []string
	lines(text, func(l string) { list = append(list, l) })
	if cut {
		list = list[1:]
	}
	return list
}

// last returns the last n of list.
func last(list []string, n int) []string { return list[max(0, len(list)-n):] }

// lastWords returns how a kernel's report of its own end begins and goes on, at
// most n lines of it; nil if there is none in list. A kernel is a Go program, and
// this is how the Go runtime begins its reports.
func lastWords(list []string, n int) []string {
	for i, l := range list {
		for _, p := range []string{"panic: ", "fatal error: ", "runtime: ", "unexpected fault address", "SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGTRAP", "kernel bug: ", "goroutine "} {
			if strings.HasPrefix(l, p) {
				return list[i:min(len(list), i+n)]
			}
		}
	}
	return nil
}
