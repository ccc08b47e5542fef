package loader

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Programs built by the compilers of this host, for the tests: whichever there
// are.
var built struct {
	once  sync.Once
	dir   string
	paths map[string]string
	notes []string
}

func TestMain(m *testing.M) {
	becomeProgram() // if told so, and then does not return
	code := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// fixedC links at another fixed address than the usual one, where the test itself
// is when it turns into the program.
const fixedC = "-Wl,-Ttext-segment=0x40000000"

// recipes are a compiler and its arguments; OUT and IN are put in, and .go or .c
// chooses the source.
var recipes = map[string][]string{
	"static":       {"gcc", "-O1", "-static", fixedC, "-o", "OUT", "main.c"},
	"static-pie":   {"gcc", "-O1", "-static-pie", "-fPIE", "-o", "OUT", "main.c"},
	"dynamic-pie":  {"gcc", "-O1", "-pie", "-fPIE", "-o", "OUT", "main.c"},
	"dynamic":      {"gcc", "-O1", "-no-pie", fixedC, "-o", "OUT", "main.c"},
	"2 MiB pages":  {"gcc", "-O1", "-pie", "-fPIE", "-Wl,-z,max-page-size=0x200000", "-o", "OUT", "main.c"},
	"no separate":  {"gcc", "-O1", "-static-pie", "-fPIE", "-Wl,-z,noseparate-code", "-o", "OUT", "main.c"},
	"musl":         {"musl-gcc", "-O1", "-static", fixedC, "-o", "OUT", "main.c"},
	"go":           {"go", "build", "-ldflags=-T=0x40001000", "-o", "OUT", "main.go"},
	"go-pie":       {"go", "build", "-buildmode=pie", "-o", "OUT", "main.go"},
	"musl-dynamic": {"musl-gcc", "-O1", "-pie", "-fPIE", "-o", "OUT", "main.c"},
}

// programs builds what can be built and answers it by name.
func programs(t testing.TB) map[string]string {
	t.Helper()
	built.once.Do(func() {
		dir, err := os.MkdirTemp("", "loader")
		if err != nil {
			t.Fatal(err)
		}
		built.dir, built.paths = dir, map[string]string{}
		for name, src := range map[string]string{"main.c": programC, "main.go": programGo} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(src), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for name, recipe := range recipes {
			tool, err := exec.LookPath(recipe[0])
			if err != nil {
				built.notes = append(built.notes, name+": no "+recipe[0]+" here")
				continue
			}
			out := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
			args := append([]string{}, recipe[1:]...)
			for i := range args {
				if args[i] == "OUT" {
					args[i] = out
				}
			}
			cmd := exec.Command(tool, args...)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GO111MODULE=off", "GOFLAGS=")
			if msg, err := cmd.CombinedOutput(); err != nil {
				built.notes = append(built.notes, name+": "+err.Error()+": "+string(msg))
				continue
			}
			built.paths[name] = out
		}
	})
	for _, n := range built.notes {
		t.Log("not built: ", n)
	}
	return built.paths
}

// realPrograms are paths of ELF files: what was built, the test itself and the
// system's interpreter.
func realPrograms(t testing.TB) (paths []string) {
	for _, p := range programs(t) {
		paths = append(paths, p)
	}
	for _, p := range []string{os.Args[0], "/lib64/ld-linux-x86-64.so.2"} {
		if _, err := os.Stat(p); err == nil {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths) // so that a seed means the same each time
	return paths
}

// TestRefusesRealPrograms: what a linker can be told to make and cannot run here.
func TestRefusesRealPrograms(t *testing.T) {
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("no gcc here")
	}
	dir := t.TempDir()
	for name, src := range map[string]string{
		"main.c":  "int main(void) { return 0; }",
		"start.s": ".globl _start\n_start: ud2\n.data\n.quad 1\n",
		// An address in the code that only a relocation can fill in.
		"text.s": ".globl main\nmain: movabs $main, %rax\nret\n.section .note.GNU-stack\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for want, args := range map[string][]string{
		"executable stack":        {"-static", "-z", "execstack", "main.c"},
		"writable and executable": {"-nostdlib", "-static", "-Wl,-N", "start.s"},
		"DT_TEXTREL":              {"-pie", "-Wl,-z,notext", "text.s"},
		"an object file":          {"-c", "main.c"},
		"a shared library":        {"-shared", "-nostdlib", "-fPIC", "main.c"},
	} {
		out := filepath.Join(dir, "out")
		cmd := exec.Command(gcc, append(args, "-o", out)...)
		cmd.Dir = dir
		if msg, err := cmd.CombinedOutput(); err != nil {
			t.Logf("%s: cannot be built here: %v %s", want, err, msg)
			continue
		}
		f, _ := openHost(out)
		if _, e := Load(f, openHost, &someLayout); e == nil || !strings.Contains(e.Text, want) {
			t.Errorf("%s: %v", want, e)
		}
	}
}

// programC says what a C library made of the first stack and of the vDSO; its
// arguments choose nothing. Output is checked by the caller.
const programC = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <time.h>
#include <sys/time.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <link.h>

extern char **environ;
static char bss[100000];
static char data[5000] = "data";
static const char *const relocated[2] = {"one", "two"};
static __thread int tls = 77;

/* Without a C library's help, so that a musl program counts too. */
static long long now(int clock, int direct) {
	struct timespec t = {0};
	if (direct ? syscall(SYS_clock_gettime, clock, &t) : clock_gettime(clock, &t)) return -errno;
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv) {
	unsigned long i, sum = 0;
	for (i = 0; i < sizeof bss; i++) sum += bss[i];
	for (i = strlen(data); i < sizeof data; i++) sum += data[i];
	printf("memory %lu %s %s %d\n", sum, data, relocated[1], tls);
	printf("argc %d\n", argc);
	for (i = 0; i < (unsigned long)argc; i++) printf("arg %s\n", argv[i]);
	for (i = 0; environ[i]; i++) printf("env %s\n", environ[i]);
	static const int types[] = {3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 16, 17, 23, 26, 33, 51};
	for (i = 0; i < sizeof types / sizeof *types; i++)
		printf("auxv %d %lu\n", types[i], getauxval(types[i]));
	printf("platform %s\n", (char *)getauxval(15));
	printf("execfn %s\n", (char *)getauxval(31));
	unsigned char *r = (unsigned char *)getauxval(25);
	printf("random ");
	for (i = 0; i < 16; i++) printf("%02x", r[i]);
	printf("\nstack %lu\n", (unsigned long)argv - 8);
	printf("clock %lld %lld\n", now(CLOCK_MONOTONIC, 0), now(CLOCK_REALTIME, 0));
	printf("kernel %lld %lld\n", now(CLOCK_MONOTONIC, 1), now(CLOCK_REALTIME, 1));
	struct timeval tv;
	gettimeofday(&tv, 0);
	printf("timeofday %lld\n", (long long)tv.tv_sec);
	fflush(stdout);
	return 42;
}
`

const programGo = `package main

import (
	"fmt"
	"os"
	"sync"
	"time"
)

func main() {
	fmt.Println("argc", len(os.Args))
	for _, a := range os.Args {
		fmt.Println("arg", a)
	}
	for _, e := range os.Environ() {
		fmt.Println("env", e)
	}
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() { time.Sleep(time.Millisecond) })
	}
	wg.Wait()
	fmt.Println("now", time.Now().Unix())
	os.Exit(42)
}
`
