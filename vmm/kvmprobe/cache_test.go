package kvmprobe

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestKnown(t *testing.T) {
	tmp := t.TempDir()
	put := func(name, text string) string {
		p := filepath.Join(tmp, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	device := put("device", "")
	tries := 0
	now := time.Unix(1_800_000_000, 0)
	answer := Result{Works: true, Why: "tried out", tried: true}
	w := &where{
		device: device, bootID: put("boot", "one\n"), dir: filepath.Join(tmp, "cache"),
		try: func(string) Result { tries++; return answer }, now: func() time.Time { return now },
	}
	file := filepath.Join(w.dir, cacheFile)
	check := func(what string, want int) Result {
		t.Helper()
		tries = 0
		r := w.known()
		if tries != want || r.Works != answer.Works || r.Why != answer.Why || r.Mend != answer.Mend {
			t.Errorf("%s: %d tries, %+v", what, tries, r)
		}
		return r
	}
	check("first", 1)
	check("second", 0)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	if info, _ := os.Stat(w.dir); info.Mode().Perm() != 0o700 {
		t.Error(info.Mode())
	}
	put("boot", "two\n")
	check("another boot", 1)
	check("the same", 0)
	if err := os.Remove(device); err != nil {
		t.Fatal(err)
	}
	if r := w.known(); r.Works || !strings.HasPrefix(r.Why, "there is no ") || r.Mend == "" {
		t.Errorf("%+v", r)
	}
	other := put("other", "") // so that the inode is not the same again
	device = put("device", "")
	os.Remove(other)
	if deviceID(device) != "" {
		check("another device", 1)
	}

	// Failures are kept with their reason.
	answer = Result{Why: "fails at SSE", Mend: "sorry", tried: true}
	w.fresh()
	check("a failure", 0)
	// What the load of the host may have done is not kept for long.
	answer = Result{Why: "too slow", tried: true, load: true}
	w.fresh()
	check("slow", 0)
	now = now.Add(loadTime - time.Second)
	check("slow, a little before its time", 0)
	now = now.Add(2 * time.Second)
	check("slow, after its time", 1)
	now = now.Add(-time.Hour)
	check("slow, before the clock was set back", 1)
	// What was not tried is not kept.
	answer = Result{Why: "nothing", Mend: "m"}
	w.fresh()
	os.Remove(file)
	check("not tried", 1)
	check("not tried, again", 1)

	// Damaged files count for nothing.
	answer = Result{Works: true, Why: "tried out", tried: true}
	w.fresh()
	right, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "{", "null", "[]", string(right[:len(right)/2]), strings.Replace(string(right), `"version":1`, `"version":2`, 1),
		strings.Replace(string(right), "tried out", "", 1), strings.Repeat(" ", cacheMax) + string(right), strings.Replace(string(right), `"boot":"two"`, `"boot":""`, 1)} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		check("damaged "+text[:min(len(text), 20)], 1)
	}
	// A folder that cannot be made only means another try.
	w.dir = filepath.Join(device, "x")
	check("no folder", 1)
	check("no folder", 1)
	w.dir = ""
	check("no cache", 1)
	// A symbolic link is not followed.
	w.dir = filepath.Join(tmp, "cache")
	os.Remove(file)
	target := put("target", string(right))
	if err := os.Symlink(target, file); err != nil {
		t.Fatal(err)
	}
	check("a link", 1)
}

func TestBoot(t *testing.T) {
	w := here(t.TempDir())
	if id := w.boot(); len(id) != 36 {
		t.Skip("this host has no boot id: ", id)
	}
	a := w.known()
	begin := time.Now()
	b := w.known()
	if a.Works != b.Works || a.Why == "" {
		t.Errorf("%+v, then %+v", a, b)
	}
	t.Logf("a known result takes %v", time.Since(begin))
}
