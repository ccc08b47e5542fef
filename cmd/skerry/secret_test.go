package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"skerry/bootrec"
)

// TestSecrets: --secret goes into the boot record, and nowhere where others could see
// it: QEMU's arguments and environment, what the command prints, images, the cache.
func TestSecrets(t *testing.T) {
	w := newWorld(t)
	w.put(t, "token.txt", []byte("hunter2\n"), 0o600)
	w.put(t, "empty", nil, 0o600)
	status, log := w.path("status"), w.path("log")
	o := w.runK(t, "run", "--verbose", "--status-file", status, "--log", log, "--secret", "api-token=./token.txt", "--secret", "none=empty", "./app", "hello", "argv", "environ", "out:#--#", "record", "exit:3")
	shown, record, ok := strings.Cut(o.stdout, "#--#")
	if !ok || o.status != 3 || !strings.Contains(record, fmt.Sprintf("Secrets:[{Name:api-token Data:%v} {Name:none Data:[]}]", []byte("hunter2\n"))) {
		t.Errorf("status %d: %s\n%s", o.status, o.stdout, o.stderr)
	}
	if !strings.Contains(shown, "-kernel") || !strings.Contains(shown, "PATH=") || !strings.Contains(o.stderr, "-kernel") {
		t.Errorf("neither QEMU's arguments nor its environment: %s", shown)
	}
	for what, text := range map[string]string{"QEMU's arguments or environment": shown, "stderr": o.stderr, "the status file": read(t, status), "the log": read(t, log)} {
		for _, secret := range []string{"hunter2", "api-token", "token.txt"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s: %s in %s", what, secret, text)
			}
		}
	}
	found := 0
	for _, dir := range []string{"cache/skerry/images", "cache/skerry"} {
		list, err := os.ReadDir(w.path(dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if b, err := os.ReadFile(w.path(dir + "/" + e.Name())); err == nil {
				found++
				if bytes.Contains(b, []byte("hunter2")) || bytes.Contains(b, []byte("api-token")) {
					t.Errorf("%s/%s holds the secret", dir, e.Name())
				}
			}
		}
	}
	if found == 0 {
		t.Error("nothing was found in the cache")
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestSecretsOfConfig: a file of settings names secrets relative to itself.
func TestSecretsOfConfig(t *testing.T) {
	w := newWorld(t)
	w.put(t, "deploy/a=b.txt", []byte("there"), 0o600)
	w.put(t, "a=b.txt", []byte("here"), 0o600)
	other := w.put(t, "elsewhere/c", []byte("abs"), 0o600)
	w.put(t, "deploy/skerry.toml", []byte("secret = [\"one=a=b.txt\", \"two="+other+"\"]\n"), 0o600)
	w.put(t, "skerry.toml", []byte("secret = \"one=a=b.txt\"\n"), 0o600)
	secrets := func(want string, args ...string) {
		t.Helper()
		o := w.runK(t, append(append([]string{"run"}, args...), "./app", "record", "exit:0")...)
		if o.status != 0 || !strings.Contains(o.stdout, "Secrets:["+want+"]") {
			t.Errorf("%v: no %s in %+v", args, want, o)
		}
	}
	one := func(name, text string) string { return fmt.Sprintf("{Name:%s Data:%v}", name, []byte(text)) }
	secrets(one("one", "there")+" "+one("two", "abs"), "--config", "deploy/skerry.toml")
	secrets(one("one", "here"))
	secrets(one("mine", "there"), "--secret", "mine=deploy/a=b.txt") // flags win
	// An image takes them when it is run, and never has them.
	os.Remove("skerry.toml")
	w.runK(t, "build", "-o", "x.img", "--config", "deploy/skerry.toml", "./app", "record", "exit:0").want(t, 0, "", "wrote x.img")
	if strings.Contains(read(t, "x.img"), "there") {
		t.Error("the image holds a secret")
	}
	if o := w.run(t, "run", "--config", "deploy/skerry.toml", "x.img"); !strings.Contains(o.stdout, one("one", "there")) {
		t.Errorf("%+v", o)
	}
	w.run(t, "build", "--secret", "a=a=b.txt", "./app").want(t, 125, "", "--secret: is not a flag of `skerry build`")
}

// TestSecretLimits: what is refused, without a word of what is in the files.
func TestSecretLimits(t *testing.T) {
	w := newWorld(t)
	w.put(t, "half", bytes.Repeat([]byte("hunter2 "), bootrec.MaxSecret/16), 0o600)
	w.put(t, "more", append(bytes.Repeat([]byte("hunter2 "), bootrec.MaxSecret/16), '!'), 0o600)
	w.put(t, "huge", bytes.Repeat([]byte("hunter2 "), bootrec.MaxSecret/8+1), 0o600)
	w.put(t, "small", []byte("hunter2"), 0o600)
	try := func(status int, stderr string, secrets ...string) {
		t.Helper()
		args := []string{"run"}
		for _, s := range secrets {
			args = append(args, "--secret", s)
		}
		o := w.runK(t, append(args, "./app", "exit:0")...)
		o.want(t, status, "", stderr)
		if strings.Contains(o.stderr, "hunter2") {
			t.Errorf("%v: tells a secret", secrets)
		}
	}
	const limit = "all secrets together may have 512 KiB and be 64"
	try(0, "", "a=half", "b=half")
	try(125, "--secret b=more: "+limit, "a=half", "b=more")
	try(125, "--secret a=huge: "+limit, "a=huge")
	try(125, "--secret a=huge: "+limit, "a=huge", "a=small")
	try(125, "--secret a=small: there is a a already", "a=half", "a=small")
	try(125, "--secret a=none: no such file", "a=none")
	try(125, "--secret a=bin: is a directory", "a=bin")
	var many []string
	for i := range bootrec.MaxSecrets {
		many = append(many, fmt.Sprintf("n%d=small", i))
	}
	try(0, "", many...)
	try(125, "--secret last=small: "+limit, append(many, "last=small")...)
	long := strings.Repeat("n", 255)
	try(0, "", long+"=small")
	for _, bad := range []string{"x", "=small", "a=", "a/b=small", ".=small", "..=small", long + "n=small"} {
		try(125, "is not NAME=FILE", bad)
	}
	w.put(t, "skerry.toml", []byte("secret = [\"a=half\", \"b=more\"]\n"), 0o600)
	try(125, "skerry.toml: --secret b=more: "+limit)
}
