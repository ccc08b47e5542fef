package image

import (
	"testing"

	"skerry/bootrec"
)

func TestPolicyRules(t *testing.T) {
	for _, c := range []struct {
		p    *Policy
		want bootrec.Rules
	}{
		{nil, 0},
		{&Policy{}, 0},
		{&Policy{Level: LevelStrict}, bootrec.RuleProcess},
		{&Policy{Level: LevelStrict, Verdicts: map[string]string{"process": Deny}}, 0},
		{&Policy{Verdicts: map[string]string{"process": Kill, "memory": Kill}}, bootrec.RuleProcess | bootrec.RuleMemory},
		{&Policy{Seal: SealDefault}, 0},
		{&Policy{Seal: SealAll}, bootrec.SealLibraries},
		{&Policy{Audit: AuditOptional}, 0},
		{&Policy{Audit: AuditRequired}, bootrec.AuditRequired},
		{&Policy{Level: LevelStrict, Seal: SealAll}, bootrec.RuleProcess | bootrec.SealLibraries},
		{&Policy{Level: LevelStrict, Verdicts: map[string]string{"egress": Kill}}, bootrec.RuleProcess | bootrec.RuleEgress},
	} {
		if got := c.p.Rules(); got != c.want {
			t.Errorf("%v is %#x, want %#x", c.p, got, c.want)
		}
	}
}

// TestTighter: every pair of policies: the outcome kills for at least what the image's
// does, or is refused.
func TestTighter(t *testing.T) {
	var all []*Policy
	for _, level := range []string{"", LevelDefault, LevelStrict} {
		for _, process := range []string{"", Deny, Kill} {
			for _, memory := range []string{"", Deny, Kill} {
				p := &Policy{Level: level, Verdicts: map[string]string{}}
				if process != "" {
					p.Verdicts["process"] = process
				}
				if memory != "" {
					p.Verdicts["memory"] = memory
				}
				for _, seal := range []string{"", SealDefault, SealAll} {
					for _, audit := range []string{"", AuditOptional, AuditRequired} {
						q := *p
						q.Seal, q.Audit = seal, audit
						all = append(all, &q)
					}
				}
			}
		}
	}
	refused := 0
	for _, im := range append(all, nil) {
		for _, run := range append(all, nil) {
			got, err := im.Tighter(run)
			switch {
			case err != nil:
				refused++
			case got != im.Rules()|run.Rules():
				t.Errorf("%v over %v kills for %#x", run, im, got)
			case im.Rules()&^(bootrec.SealLibraries|bootrec.AuditRequired) != 0 && run != nil && run.Level == LevelDefault && len(run.Verdicts) == 0,
				im.Rules()&bootrec.SealLibraries != 0 && run != nil && run.Seal == SealDefault,
				im.Rules()&bootrec.AuditRequired != 0 && run != nil && run.Audit == AuditOptional:
				t.Errorf("%v over %v", run, im)
			}
		}
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
	if _, err := (&Policy{Level: LevelStrict}).Tighter(&Policy{Level: LevelDefault}); err == nil {
		t.Error("default over strict")
	}
	if kill, err := (&Policy{Level: LevelStrict}).Tighter(&Policy{Verdicts: map[string]string{"memory": Kill}}); err != nil || kill != bootrec.RuleProcess|bootrec.RuleMemory {
		t.Errorf("%#x, %v", kill, err)
	}
}

func TestPolicyCheck(t *testing.T) {
	for _, p := range []*Policy{{Level: "loose"}, {Seal: "none"}, {Audit: "no"}, {Verdicts: map[string]string{"none": Kill}}, {Verdicts: map[string]string{"process": "log"}}} {
		if p.check() == nil {
			t.Errorf("%v", p)
		}
	}
	for _, v := range []string{"", "process", "process=", "process=log", "x=kill", "=kill"} {
		if _, _, err := ParseVerdict(v); err == nil {
			t.Errorf("%q", v)
		}
	}
	if r, v, err := ParseVerdict("memory=kill"); r != "memory" || v != Kill || err != nil {
		t.Error(r, v, err)
	}
}
