package skerrytest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"skerry/test/harness"
)

// compiled builds a program of programs/ in other ways than the registry's.
func compiled(ctx context.Context, t *testing.T, out, program string, flags ...string) string {
	t.Helper()
	args := append([]string{"-O2", "-pthread", "-o", out, filepath.Join("programs", program+".c")}, flags...)
	if text, err := exec.CommandContext(ctx, "gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc %q: %v: %s", args, err, text)
	}
	return out
}

// TestBinding: a program that is bound lazily and one that is bound at once work, with
// functions that are chosen when they start, and what is relocated is read-only. What of
// that stays so whatever is asked for is the program's own and the loader's, and with
// --seal all the libraries', too.
func TestBinding(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	dir, skerry := t.TempDir(), skerryCommand(t)
	library := compiled(ctx, t, filepath.Join(dir, "libbound.so"), "binding", "-shared", "-fPIC", "-DLIBRARY", "-Wl,-z,relro,-z,now", "-Wl,-soname,libbound.so")
	design := func(libraries ...string) (l []string) {
		for i, object := range []string{"program", "libbound.so", "libc.so.6", "ld-linux-x86-64.so.2"} {
			if i == 0 || i == 3 || len(libraries) == 0 {
				l = append(l, object+", writable again: EPERM", object+", discarded: EPERM")
			} else {
				l = append(l, object+", writable again: "+libraries[0], object+", discarded: "+libraries[1])
			}
		}
		return l
	}
	cpus := []int{1, 4, 2}
	if testing.Short() {
		cpus = cpus[2:]
	}
	for _, binding := range []string{"lazy", "now"} {
		for _, pie := range []string{"-pie", "-no-pie"} {
			path := compiled(ctx, t, filepath.Join(dir, binding+pie), "binding", "-fpie", pie, "-Wl,-z,relro,-z,"+binding, "-Wl,-rpath,$ORIGIN", library)
			if pie == "-no-pie" && testing.Short() {
				continue
			}
			for _, c := range []struct {
				name   string
				flags  []string
				design []string
			}{
				{"default", nil, design("writable", "not tried")},
				{"sealed", []string{"--seal", "all"}, design()},
			} {
				for _, n := range cpus {
					t.Run(strings.Join([]string{binding, pie, c.name, string(rune('0' + n))}, "/"), func(t *testing.T) {
						slot(t)
						inMachine(t, skerry, &test{name: "binding", cpus: []int{n}, memory: 128, flags: c.flags, design: c.design, timeout: time.Minute},
							harness.Glibc, path, "microvm", n)
					})
				}
			}
		}
	}
}

// TestExecutableStack: code on the stack does not run, programs and libraries that ask for
// an executable stack are refused when the image is built, and one that is written at run
// time is not loaded, so that it cannot make the stack executable either, as it does on
// Linux.
func TestExecutableStack(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	dir, skerry := t.TempDir(), skerryCommand(t)
	source := filepath.Join(dir, "library.c")
	if err := os.WriteFile(source, []byte("int answer(int a) { return a + 40; }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	library := filepath.Join(dir, "libwants.so")
	if out, err := exec.CommandContext(ctx, "gcc", "-shared", "-fPIC", "-Wl,-z,execstack", "-o", library, source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(library)
	if err != nil {
		t.Fatal(err)
	}
	hidden := filepath.Join(dir, "hidden")
	if err := os.WriteFile(hidden, append([]byte("x"), b...), 0o644); err != nil {
		t.Fatal(err)
	}
	fixed := compiled(ctx, t, filepath.Join(dir, "fixed"), "trampoline", "-static", "-fno-pie", "-no-pie", "-Wl,-z,noexecstack")
	wants := compiled(ctx, t, filepath.Join(dir, "wants"), "trampoline", "-static", "-fno-pie", "-no-pie", "-Wl,-z,execstack")
	dynamic := compiled(ctx, t, filepath.Join(dir, "dynamic"), "trampoline", "-DDYNAMIC", "-Wl,-z,noexecstack")
	slot(t)

	const faults = "SEGV code 2, exact\ntrampoline -1\n"
	for path, want := range map[string]string{
		fixed: faults, wants: "trampoline 42\n",
		dynamic + " " + hidden: faults + "DESIGN loaded: yes\nDESIGN because:\nDESIGN answer 42\nDESIGN trampoline then 42\n",
	} {
		args := strings.Fields(path)
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil || string(out) != want {
			t.Errorf("on Linux, %q: %v: %q", path, err, out)
		}
	}
	for _, c := range []struct {
		args   []string
		status int
		want   string // all of it, or a part of what the command says
	}{
		{[]string{"--cpus", "2", fixed}, 0, faults},
		{[]string{wants}, 126, "asks for an executable stack"},
		{[]string{"--file", library + ":/usr/lib/libwants.so", dynamic}, 125, "asks for an executable stack"},
		{[]string{"--file", hidden + ":/hidden", dynamic, "/hidden"}, 0, faults + "DESIGN loaded: no\nDESIGN because: failed to map segment from shared object\nDESIGN answer 0\nDESIGN SEGV code 2, exact\nDESIGN trampoline then -1\n"},
		{[]string{"--jit", "1M", "--file", hidden + ":/hidden", dynamic, "/hidden"}, 0, faults + "DESIGN loaded: no\nDESIGN because: failed to map segment from shared object\nDESIGN answer 0\nDESIGN SEGV code 2, exact\nDESIGN trampoline then -1\n"},
	} {
		out, errs, status := skerryIn(ctx, skerry, dir)(append([]string{"run"}, c.args...)...)
		if status != c.status || c.status == 0 && out != c.want || c.status != 0 && !strings.Contains(errs, c.want) {
			t.Errorf("%q: status %d, %q, %q", c.args, status, out, errs)
		}
	}
}
