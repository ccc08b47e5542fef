package image

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"skerry/bootrec"
)

// Levels of a policy.
const (
	LevelDefault = "default" // what the model rules out is refused
	LevelStrict  = "strict"  // starting another program ends the machine
)

// What the kernel seals, so that it can be neither changed nor unmapped.
const (
	SealDefault = "default" // the program, its loader and the vDSO
	SealAll     = "all"     // libraries, too, once they are relocated
)

// What happens when the record of what the kernel refuses cannot be written.
const (
	AuditOptional = "optional" // the machine goes on
	AuditRequired = "required" // it ends, and does not start without a record
)

// Verdicts on a violation of a rule.
const (
	Deny = "deny"
	Kill = "kill"
)

// policyRules are the rules by name, with whether a violation ends the machine at each
// level. A system call from memory that the program wrote always does.
var policyRules = map[string]struct {
	bit    bootrec.Rules
	strict bool
}{
	"process":  {bootrec.RuleProcess, true},
	"identity": {bootrec.RuleIdentity, false},
	// Libraries probe for memory that can be executed: PCRE2, libffi, Java.
	"memory":  {bootrec.RuleMemory, false},
	"surface": {bootrec.RuleSurface, false},
	"egress":  {bootrec.RuleEgress, false},
}

// PolicyRules are the names of the rules.
func PolicyRules() []string { return slices.Sorted(maps.Keys(policyRules)) }

// Policy says what the kernel does about what the model rules out, beside refusing it.
type Policy struct {
	Level    string            `json:"level,omitempty"`    // "" is LevelDefault
	Verdicts map[string]string `json:"verdicts,omitempty"` // by rule; of the others the level decides
	Seal     string            `json:"seal,omitempty"`     // "" is SealDefault
	Audit    string            `json:"audit,omitempty"`    // "" is AuditOptional
}

// check refuses what could not be meant. No policy is no error.
func (p *Policy) check() error {
	if p == nil {
		return nil
	}
	if p.Level != "" && p.Level != LevelDefault && p.Level != LevelStrict {
		return fmt.Errorf("level %q is neither %s nor %s", p.Level, LevelDefault, LevelStrict)
	}
	if p.Seal != "" && p.Seal != SealDefault && p.Seal != SealAll {
		return fmt.Errorf("seal %q is neither %s nor %s", p.Seal, SealDefault, SealAll)
	}
	if p.Audit != "" && p.Audit != AuditOptional && p.Audit != AuditRequired {
		return fmt.Errorf("audit %q is neither %s nor %s", p.Audit, AuditOptional, AuditRequired)
	}
	for rule, v := range p.Verdicts {
		if _, ok := policyRules[rule]; !ok {
			return fmt.Errorf("there is no rule %q (there are %s)", rule, strings.Join(PolicyRules(), ", "))
		}
		if v != Deny && v != Kill {
			return fmt.Errorf("the verdict of %s is %q, neither %s nor %s", rule, v, Deny, Kill)
		}
	}
	return nil
}

// Rules is what the kernel is given: the rules of which a violation ends the machine, and
// what else of the policy is its.
func (p *Policy) Rules() (rules bootrec.Rules) {
	if p == nil {
		return 0
	}
	for name, r := range policyRules {
		v := p.Verdicts[name]
		if v == Kill || v == "" && r.strict && p.Level == LevelStrict {
			rules |= r.bit
		}
	}
	if p.Seal == SealAll {
		rules |= bootrec.SealLibraries
	}
	if p.Audit == AuditRequired {
		rules |= bootrec.AuditRequired
	}
	return rules
}

// PolicyOf is a boot record's policy for people.
func PolicyOf(record []byte) string {
	kill, err := bootrec.ParsePolicy(record)
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, name := range PolicyRules() {
		if kill&policyRules[name].bit != 0 {
			names = append(names, name)
		}
	}
	text := "refuse; end the machine for a system call from written memory"
	if names != nil {
		text = "end the machine for " + strings.Join(names, ", ") + ", and for a system call from written memory"
	}
	if kill&bootrec.SealLibraries != 0 {
		text += "; libraries are sealed"
	}
	if kill&bootrec.AuditRequired != 0 {
		text += "; end the machine if its audit record cannot be written"
	}
	return text
}

// VerdictsOf is a boot record's policy as settings, each of which is there: RULE=VERDICT,
// seal and audit.
func VerdictsOf(record []byte) string {
	kill, err := bootrec.ParsePolicy(record)
	if err != nil {
		return "not understood" // by the kernel neither, which does not start
	}
	var b strings.Builder
	for _, name := range PolicyRules() {
		verdict := Deny
		if kill&policyRules[name].bit != 0 {
			verdict = Kill
		}
		b.WriteString(name + "=" + verdict + " ")
	}
	seal, audit := SealDefault, AuditOptional
	if kill&bootrec.SealLibraries != 0 {
		seal = SealAll
	}
	if kill&bootrec.AuditRequired != 0 {
		audit = AuditRequired
	}
	return b.String() + "seal=" + seal + " audit=" + audit
}

// Tighter is what the kernel is given if run is given for a run of an image with policy p;
// either may be nil. An image's rule that kills goes on killing, what it seals is sealed, and
// it is an error to ask for less.
func (p *Policy) Tighter(run *Policy) (bootrec.Rules, error) {
	kill := p.Rules()
	if run == nil {
		return kill, nil
	}
	for _, name := range PolicyRules() {
		r := policyRules[name]
		v := run.Verdicts[name]
		if kill&r.bit != 0 && (v == Deny || v == "" && run.Level == LevelDefault) {
			return 0, fmt.Errorf("%s ends the machine by the image's policy, and a run may only tighten that", name)
		}
	}
	if kill&bootrec.SealLibraries != 0 && run.Seal == SealDefault {
		return 0, errors.New("libraries are sealed by the image's policy, and a run may only tighten that")
	}
	if kill&bootrec.AuditRequired != 0 && run.Audit == AuditOptional {
		return 0, errors.New("an audit record is required by the image's policy, and a run may only tighten that")
	}
	return kill | run.Rules(), nil
}

// ParseVerdict reads the value of --verdict: RULE=deny or RULE=kill.
func ParseVerdict(value string) (rule, verdict string, err error) {
	rule, verdict, ok := strings.Cut(value, "=")
	p := &Policy{Verdicts: map[string]string{rule: verdict}}
	if err := p.check(); !ok || err != nil {
		return "", "", failed("--verdict "+value, "is no rule with a verdict", "it is RULE=deny or RULE=kill, and the rules are "+strings.Join(PolicyRules(), ", "))
	}
	return rule, verdict, nil
}

// String is the policy for people.
func (p *Policy) String() string {
	level := LevelDefault
	if p != nil && p.Level != "" {
		level = p.Level
	}
	list := append([]string{level}, p.VerdictList()...)
	if p != nil && p.Seal == SealAll {
		list = append(list, "seal=all")
	}
	if p != nil && p.Audit == AuditRequired {
		list = append(list, "audit=required")
	}
	return strings.Join(list, ", ")
}

// VerdictList are the verdicts as --verdict takes them, in order.
func (p *Policy) VerdictList() (list []string) {
	if p == nil {
		return nil
	}
	for _, rule := range slices.Sorted(maps.Keys(p.Verdicts)) {
		list = append(list, rule+"="+p.Verdicts[rule])
	}
	return list
}
