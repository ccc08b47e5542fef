package main

import (
	"strings"
	"testing"

	"skerry/image"
	"skerry/image/profile"
)

// TestLearnedPolicy: what trace writes holds the policy and the exceptions that the
// program was traced with, in keys that run takes.
func TestLearnedPolicy(t *testing.T) {
	s := newSettings()
	s.policy = &image.Policy{Level: image.LevelStrict, Verdicts: map[string]string{"memory": image.Kill, "process": image.Deny}}
	s.allow = []string{"shell:/bin/sh"}
	text := learnedConfig(s, &image.Learned{}, &profile.Profile{}, "./app")
	for _, want := range []string{"level = \"strict\"\n", "verdict = [\n  \"memory=kill\",\n  \"process=deny\",\n]\n", "allow = [\n  \"shell:/bin/sh\",\n]\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	w := newWorld(t)
	w.put(t, "skerry.toml", []byte(text), 0o600)
	w.runK(t, "run", "./app", "exit:0").want(t, 0, "", "")
}
