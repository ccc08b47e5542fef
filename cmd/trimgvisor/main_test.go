package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTrimmedStackBuilds makes the copy twice, builds the kernel's network from
// it, and looks that what was to go is gone: a new version of gVisor that needs
// another edit fails here.
func TestTrimmedStackBuilds(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the IP stack")
	}
	dir := t.TempDir()
	// Something left over from another version must not stay.
	stale := filepath.Join(dir, "gvisor/pkg/tcpip/stale.go")
	if err := os.MkdirAll(filepath.Dir(stale), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(stale, []byte("not Go"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := run(dir); err != nil {
			t.Fatal(err)
		}
	}
	env := append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=")
	do := func(args ...string) string {
		cmd := exec.Command("go", args...)
		cmd.Dir, cmd.Env = "../..", env
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	mod := "-modfile=" + filepath.Join(dir, "go.mod")
	over := "-overlay=" + filepath.Join(dir, "overlay.json")
	do("build", "-trimpath", mod, over, "./kernel/net/...")
	do("test", mod, "./kernel/net/...") // what is shipped, with the edits that host tests do not have
	deps := strings.Fields(do("list", mod, over, "-deps", "./kernel/net"))
	for _, p := range deps {
		switch p {
		case "net", "regexp", "encoding/json", "log", "crypto/rand", "crypto/sha1", "crypto/cipher", module + "/pkg/state", module + "/pkg/context":
			t.Errorf("the trimmed IP stack still links %s", p)
		}
	}
	if len(deps) < 50 {
		t.Fatalf("only %d dependencies: the test looks at the wrong thing", len(deps))
	}
}

func TestEditsMustMatchOnce(t *testing.T) {
	files := func() map[string][]byte { return map[string][]byte{"f": []byte("a b a c")} }
	for _, c := range []struct {
		e    edit
		ok   bool
		want string
	}{
		{edit{"f", "b", "x"}, true, "a x a c"},
		{edit{"f", "a", "x"}, false, "a b a c"},
		{edit{"f", "z", "x"}, false, "a b a c"},
		{edit{"g", "a", "x"}, false, "a b a c"},
	} {
		m := files()
		err := apply(m, []edit{c.e})
		if (err == nil) != c.ok || string(m["f"]) != c.want {
			t.Errorf("%+v: %v, %q", c.e, err, m["f"])
		}
	}
}
