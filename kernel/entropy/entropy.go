// Package entropy is the kernel's randomness: a pool that sources are mixed
// into and credited for, and generators that everything random is drawn from.
//
// The pool is a SHA-256 chain over what the sources give. A source is credited
// only for what an attacker cannot know: the launcher's seed, RDSEED, RDRAND,
// the virtio device's bytes; timing is mixed in without credit. Below Floor bits
// the machine does not start the program.
//
// The generator is ChaCha8 of math/rand/v2 (the C2SP chacha8rand design, which
// Go's own runtime trusts), keyed afresh for every request: the first 32 bytes
// of each stream replace the key before any of the rest is handed out, and the
// generator, its buffer and the stack that it used are cleared, so that what was
// drawn cannot be recovered from memory later. ChaCha8 rather than
// ChaCha20, because the best known attack reaches 7 rounds and the standard
// library keeps it (no cipher of our own in ring 0).
//
// It imports ground/arch for the processor's instructions.
package entropy

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math/rand/v2"
	"sync"
	"time"

	"skerry/kernel/ground/arch"
)

// Floor is how many credited bits the pool needs before the program may start.
const Floor = 256

// Limits of how long, and for how much, a chain of keys goes without fresh input.
const (
	reseedAfter = 5 * time.Minute
	reseedBytes = 1 << 30
)

// Pool is the machine's randomness. The zero value is empty.
type Pool struct {
	mu     sync.Mutex
	key    [32]byte
	credit int
	drawn  uint64
	since  time.Time // of the last reseed
	ask    func()
	now    func() time.Time // nil for time.Now
}

// OnReseed has ask called at each reseed, for what takes longer than a draw may: the
// virtio device, whose bytes are mixed in when they come. It must not block or draw.
func (p *Pool) OnReseed(ask func()) {
	p.mu.Lock()
	p.ask = ask
	p.mu.Unlock()
}

// Mix stirs b into the pool and credits it with the given number of bits.
func (p *Pool) Mix(b []byte, bits int) {
	p.mu.Lock()
	p.mix(b)
	p.credit += bits
	p.mu.Unlock()
}

func (p *Pool) mix(b []byte) {
	h := sha256.New()
	h.Write([]byte("skerry entropy pool 1"))
	h.Write(p.key[:])
	h.Write(b)
	var t [8]byte
	binary.LittleEndian.PutUint64(t[:], arch.RDTSC())
	h.Write(t[:])
	h.Sum(p.key[:0])
	eraseHash(h)
	scrub(0)
}

// eraseHash overwrites what h has taken in: a block of zeros that comes in two pieces
// passes through its buffer.
func eraseHash(h hash.Hash) {
	var zero [sha256.BlockSize]byte
	h.Reset()
	h.Write(zero[:1])
	h.Write(zero[1:])
}

// erase overwrites a generator.
//
//go:noinline
func erase(g *rand.ChaCha8) { *g = rand.ChaCha8{} }

// scrub overwrites the stack below its caller, where what it called had keys.
//
//go:noinline
func scrub(i uint8) byte {
	var b [1 << 10]byte
	return b[i] // so that b is there, and zero
}

// Credit is how many bits the pool was credited with.
func (p *Pool) Credit() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.credit
}

// MixProcessor asks RDSEED, else RDRAND, for 64 bytes and credits half of what
// came: the instructions are an opaque source. It answers what it used.
func (p *Pool) MixProcessor() string {
	name, f := "", func() (uint64, bool) { return 0, false }
	_, _, c, _ := arch.CPUID(1, 0)
	if top, _, _, _ := arch.CPUID(0, 0); top >= 7 {
		if _, b, _, _ := arch.CPUID(7, 0); b&(1<<18) != 0 {
			name, f = "rdseed", arch.RDSEED
		}
	}
	if name == "" && c&(1<<30) != 0 {
		name, f = "rdrand", arch.RDRAND
	}
	if name == "" {
		return ""
	}
	var b [64]byte
	n := 0
	// RDSEED may run dry; a bounded number of tries (SDM vol. 1, 7.3.17).
	for try := 0; try < 256 && n < len(b); try++ {
		if v, ok := f(); ok {
			binary.LittleEndian.PutUint64(b[n:], v)
			n += 8
		} else {
			arch.Pause()
		}
	}
	if n == 0 || stuck(b[:n]) {
		return ""
	}
	p.Mix(b[:n], n*4)
	clear(b[:])
	return name
}

// stuck reports whether all words are the same: a broken instruction (AMD
// family 15h after resume answered all ones).
func stuck(b []byte) bool {
	for i := 8; i < len(b); i += 8 {
		if binary.LittleEndian.Uint64(b[i:]) != binary.LittleEndian.Uint64(b) {
			return false
		}
	}
	return true
}

// Read fills b with random bytes. It never fails and never blocks.
func (p *Pool) Read(b []byte) {
	for len(b) > 0 {
		n := min(len(b), 1<<16)
		p.draw(b[:n])
		b = b[n:]
	}
}

// generators are erased ones: the runtime has them on the heap, wherever they are declared.
var generators = sync.Pool{New: func() any { return new(rand.ChaCha8) }}

func (p *Pool) draw(b []byte) {
	g := generators.Get().(*rand.ChaCha8)
	p.generate(g, b)
	generators.Put(g)
}

// generate is draw with the memory of the generator.
func (p *Pool) generate(g *rand.ChaCha8, b []byte) {
	p.mu.Lock()
	now := time.Now
	if p.now != nil {
		now = p.now
	}
	if t := now(); p.drawn > reseedBytes || t.Sub(p.since) > reseedAfter {
		p.reseed(t)
	}
	p.advance(g)
	p.drawn += uint64(len(b))
	p.mu.Unlock()
	g.Read(b)
	erase(g)
	scrub(0)
}

// advance sets g up with the key and takes the next key from it. It has a frame of its
// own, for scrub to overwrite: the key is handed down by value. p.mu is held.
//
//go:noinline
func (p *Pool) advance(g *rand.ChaCha8) {
	g.Seed(p.key)
	g.Read(p.key[:])
}

// reseed stirs fresh input in. p.mu is held; no device is waited for.
func (p *Pool) reseed(now time.Time) {
	var b [64]byte
	n := 0
	if _, _, c, _ := arch.CPUID(1, 0); c&(1<<30) != 0 {
		for try := 0; try < 16 && n < len(b); try++ {
			if v, ok := arch.RDRAND(); ok {
				binary.LittleEndian.PutUint64(b[n:], v)
				n += 8
			}
		}
	}
	p.mix(b[:n])
	clear(b[:])
	p.drawn, p.since = 0, now
	if p.ask != nil {
		p.ask()
	}
}

// Uint64 is a random word.
func (p *Pool) Uint64() uint64 {
	var b [8]byte
	p.draw(b[:])
	v := binary.LittleEndian.Uint64(b[:])
	clear(b[:])
	return v
}

// Derive is 32 bytes for one purpose, independent of all other draws.
func (p *Pool) Derive(purpose string) (out [32]byte) {
	var b [32]byte
	p.draw(b[:])
	h := sha256.New()
	h.Write(b[:])
	h.Write([]byte(purpose))
	h.Sum(out[:0])
	eraseHash(h)
	clear(b[:])
	scrub(0)
	return out
}
