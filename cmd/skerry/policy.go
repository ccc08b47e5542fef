package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"skerry/image"

	"github.com/BurntSushi/toml"
)

// policyTable turns the table [policy] of a file of settings into the keys that the flags
// have: level, jit, and a verdict for each rule.
func policyTable(keys map[string]any) error {
	table, ok := keys["policy"].(map[string]any)
	if !ok {
		return nil // none, or the path of a file
	}
	delete(keys, "policy")
	put := func(key string, v any) error {
		if _, twice := keys[key]; twice {
			return fmt.Errorf("policy: %s stands outside of the table, too", key)
		}
		keys[key] = v
		return nil
	}
	var verdicts []any
	for name, v := range table {
		switch {
		case name == "level" || name == "jit":
			if err := put(name, v); err != nil {
				return err
			}
		case slices.Contains(image.PolicyRules(), name):
			verdict, ok := v.(string)
			if !ok {
				return fmt.Errorf("policy: %s: a value of the wrong type (it is deny or kill)", name)
			}
			verdicts = append(verdicts, name+"="+verdict)
		default:
			return fmt.Errorf("policy: unknown key %q%s", name, didYouMean(name, append(image.PolicyRules(), "level", "jit"), "keys are level, jit and the rules"))
		}
	}
	if len(verdicts) == 0 {
		return nil
	}
	return put("verdict", verdicts)
}

// readPolicy reads a file of --policy: a table [policy], and nothing else.
func readPolicy(file string) (*image.Policy, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, usage("--policy %s: %v", file, bare(err))
	}
	var keys map[string]any
	if _, err := toml.Decode(string(text), &keys); err != nil {
		var p toml.ParseError
		if errors.As(err, &p) {
			return nil, usage("--policy %s, line %d: %s", file, p.Position.Line, p.Message)
		}
		return nil, usage("--policy %s: %v", file, err)
	}
	table, ok := keys["policy"].(map[string]any)
	if !ok || len(keys) != 1 {
		return nil, usage("--policy %s: has something else than one table [policy]", file)
	}
	if _, ok := table["jit"]; ok {
		return nil, usage("--policy %s: jit is a flag of its own here (--jit)", file)
	}
	if err := policyTable(keys); err != nil {
		return nil, usage("--policy %s: %v", file, err)
	}
	var p *image.Policy
	if level, ok := keys["level"]; ok {
		text, _ := level.(string)
		if err := (&levelValue{&p}).Set(text); err != nil {
			return nil, usage("--policy %s: level is neither default nor strict", file)
		}
	}
	verdicts, _ := keys["verdict"].([]any)
	for _, v := range verdicts {
		if err := (&verdictValue{&p}).Set(v.(string)); err != nil {
			return nil, usage("--policy %s: %v", file, err)
		}
	}
	return policyOf(&p), nil
}
