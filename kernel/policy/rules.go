package policy

import (
	"encoding/binary"

	"skerry/bootrec"
)

// rules holds the rules of which a violation ends the machine, as a little-endian word.
// In a machine it is memory that is read-only once the program runs.
var rules = make([]byte, 8)

// SetRules sets them, in page, which the caller seals. Once, at boot.
func SetRules(page []byte, r bootrec.Rules) {
	binary.LittleEndian.PutUint64(page, uint64(r))
	rules = page
}

// Kills reports whether a violation of rule r ends the machine.
func Kills(r bootrec.Rules) bool {
	return binary.LittleEndian.Uint64(rules)&uint64(r) != 0
}
