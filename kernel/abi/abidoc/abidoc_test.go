package abidoc

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"skerry/kernel/abi"
)

// some is a support function: a few calls implemented, one with a note.
func some(nr int) (bool, string) {
	switch nr {
	case abi.SYS_READ, abi.SYS_GETPID:
		return true, ""
	case abi.SYS_MMAP:
		return true, "no MAP_SYNC | no more"
	}
	return false, ""
}

func TestWriteDoc(t *testing.T) {
	var b strings.Builder
	if err := WriteDoc(&b, some); err != nil {
		t.Fatal(err)
	}
	doc := b.String()
	for _, want := range []string{
		"| 0 | `read` | fd, buf, count | yes |  |\n",
		"| 9 | `mmap` | addr, length, prot, flags, fd, offset | yes | no MAP_SYNC \\| no more |\n",
		"| 57 | `fork` |  | refused: EPERM | point 1: single process |\n",
		"| 425 | `io_uring_setup` | entries, params | refused: ENOSYS | point 4: attack surface: calls that pass by this table; libuv and others fall back |\n",
		"| 1 | `write` | fd, buf, count | not yet: ENOSYS |  |\n",
		"| 61 | `wait4` | pid, wstatus, options, rusage | not yet: ECHILD |  |\n",
		"each of its 375 calls",
	} {
		if !strings.Contains(doc, want) {
			t.Errorf("the document lacks %q", want)
		}
	}
	rows := regexp.MustCompile("(?m)^\\| (\\d+) \\| `(\\w+)` \\| .* \\| (yes|not yet: [A-Z]+|refused: [A-Z]+) \\| .*\\|$").FindAllStringSubmatch(doc, -1)
	seen := map[int]bool{}
	for _, r := range rows {
		nr, _ := strconv.Atoi(r[1])
		if s := abi.Lookup(nr); s == nil || s.Name != r[2] || seen[nr] {
			t.Errorf("row %q", r[0])
		}
		seen[nr] = true
	}
	for nr := range abi.MaxSyscall {
		if (abi.Lookup(nr) != nil) != seen[nr] {
			t.Errorf("number %d: row %v", nr, seen[nr])
		}
	}
	sum := regexp.MustCompile(`\| \*\*all\*\* \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|`).FindStringSubmatch(doc)
	if sum == nil || sum[1] != "3" || sum[2] != "1" {
		t.Fatalf("sums: %v", sum)
	}
	total := 0
	for _, i := range []int{1, 3, 4} {
		n, _ := strconv.Atoi(sum[i])
		total += n
	}
	if total != len(rows) {
		t.Errorf("the sums make %d, there are %d rows", total, len(rows))
	}
}

func TestContradiction(t *testing.T) {
	err := WriteDoc(&strings.Builder{}, func(nr int) (bool, string) { return nr == abi.SYS_FORK, "" })
	if err == nil || !strings.Contains(err.Error(), "fork") {
		t.Errorf("a handler for fork: %v", err)
	}
}

// failing is a writer that fails.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, fmt.Errorf("no room") }

func TestWriteError(t *testing.T) {
	if err := WriteDoc(failing{}, some); err == nil {
		t.Error("the writer's error was lost")
	}
}
