package skerrytest

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"skerry/test/harness"
)

var torn = flag.Int("torn", 0, "how often TestTornCode runs each program on Linux and in a machine")

// TestTornCode counts how often programs that write code while another CPU runs it end by
// that under the emulator: on Linux there, whose kernel nobody suspects, and in a machine,
// by turns. It is what tornCode's second go rests on, and takes half a minute for each run.
func TestTornCode(t *testing.T) {
	if *torn == 0 {
		t.Skip("counts how often the emulator errs (-torn N)")
	}
	k, err := linuxKernel()
	if err != nil {
		t.Skip("the benchmark's Linux kernel cannot be had: ", err)
	}
	skerry := skerryCommand(t)
	key, cert := certificate(t)
	java, jar := javaPrograms(t)
	java, err = filepath.EvalSymlinks(java)
	if err != nil {
		t.Fatal(err)
	}
	runtime := javaRuntime(t, java)
	use := "/app/use.js"
	useJS := map[string]string{use: source(t, "node/use.js")}
	jars := map[string]string{"/app/programs.jar": jar}
	classes := []string{"-cp", "/app/programs.jar", "Use"}
	for _, r := range []struct {
		name    string
		p       harness.Program
		runtime map[string]string // files that skerry finds by itself
	}{
		{"node", harness.Program{Path: packaged(t, "node", "nodejs"), Args: []string{use}, Files: useJS, Env: []string{"KEY=" + key, "CERT=" + cert}, Memory: 512}, nil},
		{"java-g1", harness.Program{Path: java, Args: append([]string{"-XX:+ErrorFileToStdout", "-XX:+UseG1GC", "-Xmx200m"}, classes...), Files: jars, Memory: 512}, runtime},
		{"java-serial", harness.Program{Path: java, Args: append([]string{"-XX:+ErrorFileToStdout", "-XX:+UseSerialGC", "-Xmx128m"}, classes...), Files: jars, Memory: 512}, runtime},
	} {
		t.Run(r.name, func(t *testing.T) {
			r.p.CPUs, r.p.Timeout = 2, 5*time.Minute
			linux := r.p
			linux.Memory, linux.Network = 1536, true // its files are in memory, twice; /etc/hosts
			linux.Files = maps.Clone(r.p.Files)
			maps.Copy(linux.Files, r.runtime)
			addLibraries(t, linux.Path, linux.Files)
			linux.Files["/etc/passwd"] = "/etc/passwd"
			count := map[string]int{}
			for i := range *torn {
				for _, where := range []string{"linux", "skerry"} {
					var o *harness.Outcome
					var err error
					if where == "linux" {
						o, err = harness.OnLinuxMachine(context.Background(), k, &linux)
					} else {
						o, err = harness.OnSkerry(context.Background(), skerry, &r.p)
					}
					if err != nil {
						t.Fatalf("%s, run %d: %v", where, i, err)
					}
					how := fmt.Sprintf("%s: status %d", where, o.Status)
					if o.Status >= 128 {
						how += ", " + lastStep(o.Stdout)
						t.Logf("run %d, %s\n%.9000s\n%s", i, how, o.Stdout, tail(o.Stderr, 2500))
					} else if o.Status != 7 {
						t.Fatalf("run %d, %s\n%s\n%s", i, how, tail(o.Stdout, 2500), tail(o.Stderr, 2500))
					}
					count[how]++
				}
			}
			for how, n := range count {
				t.Logf("%s: %d of %d", how, n, *torn)
			}
		})
	}
}

// lastStep is the first word of a program's last line, or what Java says it died of.
func lastStep(out []byte) string {
	if s := regexp.MustCompile(`#  (SIG[A-Z]+) `).FindSubmatch(out); s != nil {
		return string(s[1])
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	word, _, _ := strings.Cut(lines[len(lines)-1], " ")
	return "after " + word
}

// javaRuntime is all of the folder that java lies in, and the libraries that it wants.
func javaRuntime(t *testing.T, java string) map[string]string {
	t.Helper()
	files := map[string]string{}
	home := filepath.Dir(filepath.Dir(java))
	err := filepath.WalkDir(home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(path, "/jmods/") {
			return err
		}
		// Some links lead to documentation that is not installed.
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			return nil
		}
		files[path] = path
		if filepath.Ext(path) == ".so" {
			addLibraries(t, path, files)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// addLibraries adds a program's libraries and their loader to what a Linux machine holds.
func addLibraries(t *testing.T, program string, files map[string]string) {
	t.Helper()
	out, err := exec.Command("ldd", program).Output()
	if err != nil {
		t.Fatalf("ldd %s: %v", program, err)
	}
	for _, w := range strings.Fields(string(out)) {
		if filepath.IsAbs(w) {
			files[w] = w
		}
	}
}
