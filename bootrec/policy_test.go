package bootrec

import "testing"

func TestPolicy(t *testing.T) {
	for kill := Rules(0); kill <= allRules; kill++ {
		p, err := ParsePolicy(EncodePolicy(kill))
		if err != nil || p != kill {
			t.Errorf("%#x: %#x, %v", kill, p, err)
		}
	}
	for _, b := range [][]byte{{1}, {2, 1, 0, 0, 0}, {1, 0, 0, 0, 0}, {1, 0x80, 0, 0, 0}, {1, 1, 0, 0, 0, 0}, {1, 1, 0, 0}} {
		if p, err := ParsePolicy(b); err == nil {
			t.Errorf("%v is %#x", b, p)
		}
	}
}
