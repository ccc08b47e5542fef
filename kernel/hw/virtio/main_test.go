package virtio_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"testing"

	"skerry/kernel/ground/frame"
)

// runs is how many executions of each hostile campaign a test makes: enough in
// the ordinary run to find a slip, a million when asked.
var runs = flag.Int("runs", 5000, "executions of each campaign against a hostile device")

func TestMain(m *testing.M) {
	flag.Parse()
	frame.InitHost(1 << 16)
	os.Exit(m.Run())
}

// script is a hostile device's (or a fuzzer's) sequence of choices; it is at
// its end when the bytes are.
type script struct {
	b []byte
}

func (s *script) done() bool { return len(s.b) == 0 }

func (s *script) byte() byte {
	if len(s.b) == 0 {
		return 0
	}
	v := s.b[0]
	s.b = s.b[1:]
	return v
}

func (s *script) u16() uint16 { return uint16(s.byte()) | uint16(s.byte())<<8 }
func (s *script) u32() uint32 { return uint32(s.u16()) | uint32(s.u16())<<16 }

// pick is a number below n.
func (s *script) pick(n int) int { return int(s.byte()) % n }

// random is a script of up to n bytes.
func random(r *rand.Rand, n int) []byte {
	b := make([]byte, 1+r.IntN(n))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}
