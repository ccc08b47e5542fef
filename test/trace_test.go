package skerrytest

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTrace traces a program that opens a configuration, loads a module by name and
// listens, none of which its image has; what was learnt makes an image in which it
// works.
func TestTrace(t *testing.T) {
	skerry := skerryCommand(t)
	dir, err := os.MkdirTemp("/var/tmp", "skerry-test-") // /tmp is not seen in a machine
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	put := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return p
	}
	gcc := func(args ...string) {
		cmd := exec.Command("gcc", args...)
		cmd.Dir = dir
		if b, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
	}
	put("deep.c", "int deep(void) { return 40; }\n")
	put("module.c", "int deep(void); int answer(void) { return deep() + 2; }\n")
	put("prog.c", `#include <arpa/inet.h>
#include <dlfcn.h>
#include <stdio.h>
#include <sys/socket.h>
int main(int c, char **v)
{
	char line[80] = "";
	FILE *f = fopen(v[1], "r");
	if (!f || !fgets(line, sizeof line, f))
		return puts("no configuration"), 1;
	if (fopen("/etc/shadow", "r"))
		return puts("a secret"), 1;
	void *m = dlopen(v[2], RTLD_NOW);
	if (!m)
		return puts(dlerror()), 1;
	int s = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(7070)};
	if (bind(s, (void *)&a, sizeof a) || listen(s, 1))
		return perror("listen"), 1;
	printf("%s %d\n", line, ((int (*)(void))dlsym(m, "answer"))());
	return 0;
}
`)
	gcc("-shared", "-fPIC", "-o", "libdeep.so", "deep.c")
	gcc("-shared", "-fPIC", "-o", "module.so", "module.c", "-L.", "-ldeep", "-Wl,-rpath,$ORIGIN")
	gcc("-o", "prog", "prog.c")
	conf, module, config := put("the.conf", "configured"), filepath.Join(dir, "module.so"), filepath.Join(dir, "learned.toml")

	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	slot(t)
	run := skerryIn(ctx, skerry, dir)
	if out, _, status := run("run", "./prog", conf, module); status != 1 || out != "no configuration\n" {
		t.Fatalf("without: %q, status %d", out, status)
	}
	out, errs, status := run("trace", "--for", "60s", "--jit", "1M", "-o", config, "./prog", conf, module)
	if status != 0 || !strings.HasSuffix(out, "configured 42\n") {
		t.Fatalf("trace: %q, %s, status %d", out, errs, status)
	}
	for _, want := range []string{"running it again with that in the image", "not in the image, taken from this host: " + conf, "not offered to it (--allow-path, or --file): /etc/shadow", "listened on: tcp 7070", "wrote " + config} {
		if !strings.Contains(errs, want) {
			t.Errorf("trace does not say %q:\n%s", want, errs)
		}
	}
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"exact = true", `jit = "1M"`, `"` + module + `"`, `"` + conf + ":" + conf + `"`, `"7070"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the configuration lacks %s:\n%s", want, text)
		}
	}
	if out, errs, status := run("run", "--config", config, "./prog", conf, module); status != 0 || out != "configured 42\n" {
		t.Errorf("with what was learnt: %q, %s, status %d", out, errs, status)
	}
	if _, errs, status := run("trace", "-o", config, "./prog"); status != 125 || !strings.Contains(errs, "is there already") {
		t.Errorf("a second time: %s, status %d", errs, status)
	}
	out, errs, status = run("trace", "--json", "--quiet", "-o", "-", "./prog", conf, module)
	var l struct {
		Files, Libs []string
		Calls       map[string]int
		Listens     []string
	}
	if status != 0 || json.Unmarshal([]byte(out), &l) != nil || len(l.Files) != 1 || l.Calls["listen"] != 1 {
		t.Errorf("--json: %q, %s, status %d", out, errs, status)
	}
}
