package syscalls

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/abi/abidoc"
)

var update = flag.Bool("update", false, "rewrite docs/ABI.md")

const document = "../../docs/ABI.md"

// TestDocument holds docs/ABI.md to the table: go test ./kernel/syscalls -update
// rewrites it.
func TestDocument(t *testing.T) {
	var b bytes.Buffer
	if err := abidoc.WriteDoc(&b, Support); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(document, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(old, b.Bytes()) {
		t.Error("docs/ABI.md is out of date: go test ./kernel/syscalls -update")
	}
}

// TestTable checks that every row is a call, once.
func TestTable(t *testing.T) {
	seen := map[int]bool{}
	for _, f := range families {
		for _, e := range f {
			if e.fn == nil || abi.Lookup(e.nr) == nil {
				t.Errorf("row %d is no system call or has no handler", e.nr)
			}
			if seen[e.nr] {
				t.Errorf("call %d has two rows", e.nr)
			}
			seen[e.nr] = true
		}
	}
}
