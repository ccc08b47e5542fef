package harness

import (
	"slices"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	rest, designs := Split([]byte("a\nDESIGN x 1\nb\nnot DESIGN y\nDESIGN z"))
	if string(rest) != "a\nb\nnot DESIGN y\n" || !slices.Equal(designs, []string{"x 1", "z"}) {
		t.Errorf("%q %q", rest, designs)
	}
	if f := Fails([]byte("ok\nFAIL a.c:1: x\n no FAIL\nFAIL\n")); !slices.Equal(f, []string{"FAIL a.c:1: x", "FAIL"}) {
		t.Errorf("%q", f)
	}
}

func TestDifference(t *testing.T) {
	if d := Difference([]byte("a\nb\n"), []byte("a\nb\n")); d != "" {
		t.Error(d)
	}
	for _, c := range [][2]string{{"a\nb\n", "a\n"}, {"", "x"}, {"a\nb\nc\n", "a\nB\nc\n"}, {"a", "a\n"}} {
		if d := Difference([]byte(c[0]), []byte(c[1])); !strings.Contains(d, "first difference in line") {
			t.Errorf("%q: %q", c, d)
		}
	}
	if d := DesignDifference([]string{"a", "b *"}, []string{"a", "b c"}); d != "" {
		t.Error(d)
	}
	if d := DesignDifference([]string{"a"}, []string{"a", "b"}); d == "" {
		t.Error("one line more is no difference")
	}
	if d := DesignDifference([]string{"a"}, []string{"ab"}); d == "" {
		t.Error("a longer line is no difference")
	}
}
