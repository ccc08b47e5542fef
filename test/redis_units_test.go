package skerrytest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"skerry/test/harness"
)

// redisUnits are the units of Redis' own tests that can use a server which they have not
// started, with their tests that can.
var redisUnits = []string{
	"unit/protocol", "unit/keyspace", "unit/scan", "unit/dump", "unit/info", "unit/info-command",
	"unit/type/string", "unit/type/incr", "unit/type/list", "unit/type/list-2", "unit/type/set", "unit/type/zset", "unit/type/hash",
	"unit/type/stream", "unit/type/stream-cgroups", "unit/sort", "unit/expire", "unit/other", "unit/multi", "unit/quit",
	"unit/scripting", "unit/functions", "unit/bitops", "unit/bitfield", "unit/geo", "unit/hyperloglog",
	"unit/pubsub", "unit/pubsubshard", "unit/tracking", "unit/introspection", "unit/introspection-2", "unit/slowlog", "unit/latency-monitor",
	"unit/lazyfree", "unit/replybufsize", "unit/wait",
}

// redisTags leave out tests that take long, and those which let a replica attach: the
// server forks for it.
const redisTags = "-slow -needs:repl"

// redisForks are tests in which the server forks, for a snapshot, to rewrite the
// append-only file, or to begin one. They are left out on both sides: the suite ends a
// unit at the first command that answers an error.
var redisForks = []string{
	"BGSAVE", "Same dataset digest if saving/reloading as AOF?", "EXPIRES after a reload (snapshot + append only file rewrite)",
	"EXPIRES after AOF reload (without rewrite)", // turns the file off; unit after unit turns it on
	"Consumer without PEL is present in AOF after AOFRW", "Empty stream with no lastid can be rewrite into AOF correctly",
	"Empty stream can be rewrite into AOF correctly", "Stream can be rewrite into AOF correctly after XDEL lastid",
	// A replica attaches, without the tag that says so.
	"SCAN: Lazy-expire should not be wrapped in MULTI/EXEC", "RANDOMKEY: Lazy-expire should not be wrapped in MULTI/EXEC",
	"SWAPDB wants to wake blocked client, but the key already expired",
	"MULTI + LPUSH + EXPIRE + DEBUG SLEEP on blocked client, key already expired",
}

// redisRaces are tests that send a command over one connection, another over a second
// one without waiting for the server to have seen the first, and expect them to be
// served in this order. Between here and a machine each connection has a relay of its
// own, so they may be served in the other one.
var redisRaces = map[string]bool{
	"Blocking XREADGROUP: key deleted":                        true,
	"Blocking XREADGROUP: key type changed with SET":          true,
	"Blocking XREADGROUP: key type changed with transaction":  true,
	"Blocking XREADGROUP: flushed DB":                         true,
	"PUBLISH/SUBSCRIBE after UNSUBSCRIBE without arguments":   true,
	"PUBLISH/PSUBSCRIBE after PUNSUBSCRIBE without arguments": true,
}

// redisOrdered makes one of them wait, as Redis' later versions do: in the other order it
// would wait forever for an answer.
func redisOrdered(source string) error {
	path := filepath.Join(source, "tests/unit/type/list.tcl")
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for n, line := range []string{"        $rd1 brpoplpush blist{t} target1{t} 0\n", "        $rd2 brpoplpush blist{t} target2{t} 0\n"} {
		wait := fmt.Sprintf("        wait_for_blocked_clients_count %d\n", n+1)
		before, after, found := bytes.Cut(b, []byte(line))
		if !found {
			return fmt.Errorf("%s has no line %q", path, line)
		}
		if !bytes.HasPrefix(after, []byte(wait)) {
			b = slices.Concat(before, []byte(line), []byte(wait), after)
		}
	}
	return os.WriteFile(path, b, 0o644)
}

// redisResult is the outcome of one test of a unit.
type redisResult struct{ outcome, name string }

var (
	redisColour = regexp.MustCompile("\x1b\\[[0-9;]*m")
	redisLine   = regexp.MustCompile(`^\[(ok|err|ignore|skip|exception|timeout)\]: (.*)$`)
	redisTail   = regexp.MustCompile(`( \(\d+ ms\)| in tests/\S+)$`)
)

// redisUnit runs a unit, on host ports that belong to its number, and returns its
// results, in order, and what was printed.
func redisUnit(ctx context.Context, source, address, unit string, number int) ([]redisResult, string, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	args := []string{"tests/test_helper.tcl", "--host", "127.0.0.1", "--port", port, "--clients", "1", "--single", unit, "--tags", redisTags,
		"--baseport", strconv.Itoa(20000 + 300*number), "--portcount", "200"}
	for _, name := range redisForks {
		args = append(args, "--skiptest", name)
	}
	cmd := exec.CommandContext(ctx, "tclsh", args...)
	cmd.Dir = source
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	text := redisColour.ReplaceAllString(string(out), "")
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	var l []redisResult
	for line := range strings.SplitSeq(text, "\n") {
		if m := redisLine.FindStringSubmatch(line); m != nil {
			l = append(l, redisResult{m[1], redisTail.ReplaceAllString(m[2], "")})
		}
	}
	return l, text, err
}

// TestRedisUnits runs Redis' own tests of data types, scripts, expiry and more against
// Debian's server on Linux and in a machine. They are of the package's source, and in
// Tcl.
func TestRedisUnits(t *testing.T) {
	if testing.Short() {
		t.Skip("takes many minutes")
	}
	path := packaged(t, "redis-server", "redis-server")
	packaged(t, "tclsh", "tcl")
	original := redisSource(t)
	start := func(ctx context.Context, t *testing.T, skerry string) *harness.Running {
		d := &harness.Daemon{
			Path: path, Memory: 512, CPUs: 2, Timeout: 2 * time.Minute,
			Args: func(p harness.Place) []string {
				return []string{"--port", strconv.Itoa(p.Ports[0]), "--bind", p.Host, "--protected-mode", "no", "--dir", p.Tmp, "--save", "",
					"--appendonly", "yes", "--auto-aof-rewrite-percentage", "0", "--enable-debug-command", "yes", "--enable-module-command", "yes"}
			},
			Ready: greets("PING\r\n", "+PONG"),
		}
		r, err := d.Start(ctx, skerry, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for i, unit := range redisUnits {
		t.Run(unit, func(t *testing.T) {
			t.Parallel()
			slot(t)
			ctx, cancel := context.WithTimeout(context.Background(), 60*time.Minute)
			defer cancel()
			// A run cleans its folder up, so each has its own.
			source := filepath.Join(t.TempDir(), "source")
			if err := os.CopyFS(source, os.DirFS(original)); err != nil {
				t.Fatal(err)
			}
			if err := redisOrdered(source); err != nil {
				t.Fatal(err)
			}
			linux := start(ctx, t, "")
			want, text, err := redisUnit(ctx, source, linux.Address, unit, i)
			if err != nil || len(want) == 0 { // a test that fails is an error
				t.Fatalf("on Linux: %v: %s", err, tail([]byte(text), 2000))
			}
			machine := start(ctx, t, skerryCommand(t))
			got, text, err := redisUnit(ctx, source, machine.Address, unit, i)
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Errorf("%v: %s", err, tail([]byte(text), 2000))
			}
			compareRedis(t, want, got, text)
			for _, r := range []*harness.Running{linux, machine} {
				if status, err := r.Stop(30 * time.Second); err != nil || status != 0 {
					t.Errorf("status %d after SIGTERM, %v: %s", status, err, tail([]byte(r.Output()), 2000))
				}
			}
		})
	}
}

// redisElsewhere are tests that count on the server to run on the system that they run
// on themselves: the first takes a port of it, which the server then must not get, the
// second compares their clocks, to the millisecond.
var redisElsewhere = map[string]bool{"CONFIG SET rollback on apply error": true, "GETEX PXAT option": true}

// compareRedis holds the results of a unit against Linux's.
func compareRedis(t *testing.T, want, got []redisResult, text string) {
	t.Helper()
	passed, listed := 0, 0
	for i, w := range want {
		if i >= len(got) {
			t.Errorf("ends before %q: %s", w.name, tail([]byte(text), 2000))
			return
		}
		g := got[i]
		switch {
		case w.name != g.name:
			t.Fatalf("test %d is %q (%s), on Linux %q (%s): %s", i, g.name, g.outcome, w.name, w.outcome, tail([]byte(text), 2000))
		case g.outcome == "err" && redisRaces[w.name]:
			t.Logf("%s: its two commands were served in the other order", g.name)
			listed++
		case g.outcome == "err" && redisElsewhere[w.name]:
			t.Logf("%s: counts on the server to be on its own system", g.name)
			listed++
		case g.outcome != w.outcome:
			t.Errorf("%s: %s, on Linux %s: %s", g.name, g.outcome, w.outcome, after(text, "["+g.outcome+"]: "+g.name))
		}
		if g.outcome == "ok" {
			passed++
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d tests, on Linux %d", len(got), len(want))
	}
	neither := 0 // most of them begin a server of their own
	for _, w := range want {
		if w.outcome != "ok" {
			neither++
		}
	}
	t.Logf("passed %d, on the list %d, not passed on Linux either %d", passed, listed, neither)
}

// after is the part of a text that begins with a line.
func after(text, line string) string {
	if i := strings.Index(text, line); i >= 0 {
		return text[i:min(i+1500, len(text))]
	}
	return string(tail([]byte(text), 1500))
}

// redisSource is the folder with the source of the Redis that is installed, as its
// package was built from; it is fetched once.
func redisSource(t *testing.T) string {
	t.Helper()
	dir, version := sourceFolder(t, "redis-server", "redis")
	source := filepath.Join(dir, "source")
	if _, err := os.Stat(filepath.Join(source, "tests/test_helper.tcl")); err == nil {
		return source
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := fetchSource(ctx, dir, "redis="+version); err != nil {
		t.Skipf("the source of redis %s cannot be had: %v", version, err)
	}
	archives, err := filepath.Glob(filepath.Join(dir, "redis_*.orig.tar.*"))
	if err != nil || len(archives) != 1 {
		t.Fatalf("archives %q, %v", archives, err)
	}
	tmp := source + ".new"
	os.RemoveAll(tmp)
	if err := os.Mkdir(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("tar", "-xf", archives[0], "-C", tmp, "--strip-components", "1").CombinedOutput(); err != nil {
		t.Fatalf("tar: %v: %s", err, out)
	}
	if err := os.Rename(tmp, source); err != nil {
		t.Fatal(err)
	}
	return source
}

// sourceFolder is where the source of an installed package of Debian is kept, with the
// package's version; name begins the folder's.
func sourceFolder(t *testing.T, pkg, name string) (dir, version string) {
	t.Helper()
	out, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", pkg).Output()
	if err != nil {
		t.Skipf("%s is not of a Debian package, so its tests cannot be found: %v", pkg, err)
	}
	version = string(out)
	b, err := builder()
	if err != nil {
		t.Fatal(err)
	}
	if dir, err = b.Dir(name + "-" + strings.NewReplacer(":", "_", "~", "_").Replace(version)); err != nil {
		t.Fatal(err)
	}
	return dir, version
}

// fetchSource downloads a source package into a folder, from where this host has its
// packages from. The host's own lists stay as they are.
func fetchSource(ctx context.Context, dir, pkg string) error {
	lines, err := sourceLines("/etc/apt")
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		return errors.New("apt has no archive of Debian")
	}
	state, err := os.MkdirTemp(dir, "apt")
	if err != nil {
		return err
	}
	defer os.RemoveAll(state)
	for _, name := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(state, name), 0o755); err != nil {
			return err
		}
	}
	list := filepath.Join(state, "sources.list")
	if err := os.WriteFile(list, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		return err
	}
	// apt.conf(5); the user of apt's own cannot write here.
	flags := []string{"-q", "-o", "Dir::Etc::SourceList=" + list, "-o", "Dir::Etc::SourceParts=/dev/null", "-o", "Dir::State::Lists=" + filepath.Join(state, "lists"),
		"-o", "Dir::Cache=" + filepath.Join(state, "cache"), "-o", "APT::Sandbox::User="}
	for _, args := range [][]string{{"update"}, {"source", "--download-only", pkg}} {
		cmd := exec.CommandContext(ctx, "apt-get", append(flags[:len(flags):len(flags)], args...)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w: %s", args[0], err, tail(out, 500))
		}
	}
	return nil
}

// sourceLines are the archives of Debian that apt knows, as lines for source packages
// (sources.list(5), both forms).
func sourceLines(etc string) ([]string, error) {
	var lines []string
	add := func(options, uri, rest string) {
		if strings.Contains(uri, "/debian") {
			lines = append(lines, strings.Join(strings.Fields(strings.Join([]string{"deb-src", options, uri, rest}, " ")), " "))
		}
	}
	files, err := filepath.Glob(filepath.Join(etc, "sources.list.d", "*"))
	if err != nil {
		return nil, err
	}
	oneLine := regexp.MustCompile(`^\s*deb\s+(\[[^]]*\])?\s*(\S+)\s+(.*)$`)
	for _, name := range append(files, filepath.Join(etc, "sources.list")) {
		b, err := os.ReadFile(name)
		switch {
		case errors.Is(err, os.ErrNotExist):
		case err != nil:
			return nil, err
		case strings.HasSuffix(name, ".list"):
			for line := range strings.SplitSeq(string(b), "\n") {
				line, _, _ = strings.Cut(line, "#")
				if m := oneLine.FindStringSubmatch(line); m != nil {
					add(m[1], m[2], m[3])
				}
			}
		case strings.HasSuffix(name, ".sources"):
			for stanza := range strings.SplitSeq(string(b), "\n\n") {
				f := stanzaFields(stanza)
				if f["Enabled"] == "no" {
					continue
				}
				options := ""
				if key := f["Signed-By"]; strings.HasPrefix(key, "/") {
					options = "[signed-by=" + key + "]"
				}
				for _, uri := range strings.Fields(f["URIs"]) {
					for _, suite := range strings.Fields(f["Suites"]) {
						add(options, uri, suite+" "+f["Components"])
					}
				}
			}
		}
	}
	return lines, nil
}

// stanzaFields are the fields of one paragraph of deb822(5), of one line each.
func stanzaFields(stanza string) map[string]string {
	f := map[string]string{}
	s := bufio.NewScanner(strings.NewReader(stanza))
	for s.Scan() {
		if name, value, ok := strings.Cut(s.Text(), ":"); ok && !strings.HasPrefix(name, "#") && !strings.HasPrefix(name, " ") {
			f[name] = strings.TrimSpace(value)
		}
	}
	return f
}
