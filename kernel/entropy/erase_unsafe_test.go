package entropy

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// memory is a copy of n bytes at p.
func memory(p unsafe.Pointer, n uintptr) []byte {
	return bytes.Clone(unsafe.Slice((*byte)(p), n))
}

// words finds any eight bytes of secret in b: an erasure that leaves a part is none.
func words(b, secret []byte) bool {
	for i := 0; i+8 <= len(secret); i++ {
		if bytes.Contains(b, secret[i:i+8]) {
			return true
		}
	}
	return false
}

// TestErasure: after a draw neither the key that it was made with nor what it gave stands
// in the pool or in the generator, and of the new key nothing but in the pool.
func TestErasure(t *testing.T) {
	for _, n := range []int{8, 16, 33, 300, 1 << 16} {
		var p Pool
		p.Mix([]byte("x"), 256)
		p.Uint64() // the first draw reseeds
		old := p.key
		var g rand.ChaCha8
		out := make([]byte, n)
		p.generate(&g, out)
		pool, gen := memory(unsafe.Pointer(&p), unsafe.Sizeof(p)), memory(unsafe.Pointer(&g), unsafe.Sizeof(g))
		if words(pool, old[:]) || words(gen, old[:]) {
			t.Errorf("%d bytes: the old key is still there", n)
		}
		if words(pool, out) || words(gen, out) {
			t.Errorf("%d bytes: what was drawn is still there", n)
		}
		if words(gen, p.key[:]) {
			t.Errorf("%d bytes: the generator holds the new key", n)
		}
		if !words(pool, p.key[:]) {
			t.Error("nothing is found anywhere")
		}
		// What is drawn is the old key's, so that what was looked for is what was used.
		want := make([]byte, 32+n)
		rand.NewChaCha8(old).Read(want)
		if !bytes.Equal(want[:32], p.key[:]) || !bytes.Equal(want[32:], out) {
			t.Errorf("%d bytes: another stream", n)
		}
	}
}

// TestHashErasure: nothing of what a hash has taken in, nor its sum, stays in its memory.
func TestHashErasure(t *testing.T) {
	const size = 32 + sha256.BlockSize + 8 + 8 // state, block, and two lengths
	secret := []byte("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-+")
	for _, n := range []int{1, 8, 55, 63, 64} {
		h := sha256.New()
		h.Write(secret[:n])
		data := (*[2]unsafe.Pointer)(unsafe.Pointer(&h))[1] // of the interface
		before := memory(data, size)
		if n >= 8 && n < 64 && !words(before, secret[:n]) {
			t.Error("what was taken in is not found")
		}
		eraseHash(h)
		if after := memory(data, size); words(after, secret[:n]) || words(after, before[:32]) || n < 8 && after[32] == secret[0] {
			t.Errorf("%d bytes: %q", n, after)
		}
	}
}

// below is how much of the stack is looked at; deep makes sure that it is there.
const below = 2 << 10

//go:noinline
func deep(n int) byte {
	var b [4 << 10]byte
	b[n&1] = byte(n)
	return b[n>>1&1]
}

// under copies the stack below its caller into b, which deep has made sure is there.
//
//go:noinline
func under(b []byte) {
	var here [8]byte
	for i := range b {
		b[i] = *(*byte)(unsafe.Add(unsafe.Pointer(&here), -i))
	}
}

// TestStackErasure: a draw and a mixing leave no key on the stack.
func TestStackErasure(t *testing.T) {
	var p Pool
	p.Mix([]byte("x"), 256)
	out, seen := make([]byte, 64), make([]byte, below)
	p.Read(out)
	look := func(what string, secret []byte) {
		t.Helper()
		back := bytes.Clone(secret)
		for i, j := 0, len(back)-1; i < j; i, j = i+1, j-1 {
			back[i], back[j] = back[j], back[i]
		}
		if words(seen, back) {
			t.Error(what)
		}
	}
	for range 100 {
		old := append([]byte(nil), p.key[:]...)
		deep(1)
		p.Read(out)
		under(seen)
		look("the old key is on the stack after a draw", old)
		look("the new key is on the stack after a draw", p.key[:])
		old = append(old[:0], p.key[:]...)
		p.Mix(out, 0)
		under(seen)
		look("the old key is on the stack after a mixing", old)
		look("the new key is on the stack after a mixing", p.key[:])
	}
}
