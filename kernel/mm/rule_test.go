package mm

import (
	"strings"
	"testing"
)

// TestRuleNames: a refusal is told with its own reason.
func TestRuleNames(t *testing.T) {
	seen := map[string]Rule{}
	for r := RuleWriteExec; r <= RuleExecGain; r++ {
		name := r.String()
		if other, ok := seen[name]; ok || strings.HasPrefix(name, "rule ") {
			t.Errorf("rule %d is told as %q, like rule %d", r, name, other)
		}
		seen[name] = r
	}
}
