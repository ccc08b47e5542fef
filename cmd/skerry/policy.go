package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"

	"skerry/image"
)

// policyTable turns the table [policy] of a file of settings into the keys that the flags
// have: level, jit, seal, whether an audit record is required, and a verdict for each rule.
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
		case name == "level" || name == "jit" || name == "seal":
			if err := put(name, v); err != nil {
				return err
			}
		case name == "audit":
			// --audit is where the record goes.
			if v != image.AuditRequired && v != image.AuditOptional {
				return fmt.Errorf("policy: audit is neither %q nor %q (where the record goes is the flag --audit)", image.AuditOptional, image.AuditRequired)
			}
			if err := put("audit-required", v == image.AuditRequired); err != nil {
				return err
			}
		case slices.Contains(image.PolicyRules(), name):
			verdict, ok := v.(string)
			if !ok {
				return fmt.Errorf("policy: %s: a value of the wrong type (it is deny or kill)", name)
			}
			verdicts = append(verdicts, name+"="+verdict)
		default:
			return fmt.Errorf("policy: unknown key %q%s", name, didYouMean(name, append(image.PolicyRules(), "level", "jit", "seal", "audit"), "keys are level, jit, seal, audit and the rules"))
		}
	}
	if len(verdicts) == 0 {
		return nil
	}
	return put("verdict", verdicts)
}

// readPolicy reads a file of --policy: a table [policy], and nothing else.
func readPolicy(file string) (*image.Policy, error) {
	name := "--policy " + file
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, usage("%s: %v", name, bare(err))
	}
	keys, err := decodeTOML(name, text)
	if err != nil {
		return nil, err
	}
	table, ok := keys["policy"].(map[string]any)
	if !ok || len(keys) != 1 {
		return nil, usage("%s: has something else than one table [policy]", name)
	}
	if _, ok := table["jit"]; ok {
		return nil, usage("%s: jit is a flag of its own here (--jit)", name)
	}
	if err := policyTable(keys); err != nil {
		return nil, usage("%s: %v", name, err)
	}
	p := &image.Policy{}
	for _, w := range policyWords(&p) {
		if word, ok := keys[w.name]; ok {
			text, _ := word.(string)
			if err := w.Set(text); err != nil {
				return nil, usage("%s: %s is neither %s nor %s", name, w.name, w.words[0], w.words[1])
			}
		}
	}
	if required, ok := keys["audit-required"].(bool); ok {
		if err := (&auditRequired{&p}).Set(strconv.FormatBool(required)); err != nil {
			return nil, err
		}
	}
	verdicts, _ := keys["verdict"].([]any)
	for _, v := range verdicts {
		if err := (&verdictValue{&p}).Set(v.(string)); err != nil {
			return nil, usage("%s: %v", name, err)
		}
	}
	return p, nil
}
