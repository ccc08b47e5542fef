package bootrec

// Rules is a set of rules of the model, SealLibraries and AuditRequired. Record.Policy has the rules of
// which a violation ends the machine, and is not only refused: one byte with the version, 1,
// and a u32 with a bit for each.
type Rules uint32

// The rules. A system call from memory that the program wrote always ends the machine.
const (
	RuleProcess  Rules = 1 << iota // starting or becoming another program
	RuleIdentity                   // becoming someone else
	RuleMemory                     // memory that the rules of W^X, seals and the first pages are about
	RuleSurface                    // calls that are left out to keep the kernel small
	RuleEgress                     // a peer that may not be reached

	// SealLibraries is no rule, but has the kernel seal libraries once they are relocated.
	SealLibraries

	// AuditRequired is no rule, either: a machine whose audit record cannot be written ends.
	AuditRequired

	allRules = RuleProcess | RuleIdentity | RuleMemory | RuleSurface | RuleEgress | SealLibraries | AuditRequired
)

// AuditLost begins the reason for which a machine ends under AuditRequired, whether the
// kernel has noticed or the launcher.
const AuditLost = "the audit record cannot be written: "

const (
	policyVersion = 1
	policySize    = 5
)

// EncodePolicy returns the encoding of a set, nil for the empty one.
func EncodePolicy(kill Rules) []byte {
	if kill == 0 {
		return nil
	}
	return le.AppendUint32([]byte{policyVersion}, uint32(kill))
}

// ParsePolicy reads an encoding. A policy that is not understood is an error: it may be
// one that restricts the program.
func ParsePolicy(b []byte) (kill Rules, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	if len(b) != policySize || b[0] != policyVersion {
		return 0, bad(TagPolicy, "is of an unknown version")
	}
	kill = Rules(le.Uint32(b[1:]))
	if kill == 0 || kill&^allRules != 0 {
		return 0, bad(TagPolicy, "has unknown rules")
	}
	return kill, nil
}
