// Package rand holds the file that takes the place of gVisor's
// pkg/rand/rand_linux.go in the kernel's build (see cmd/trimgvisor). gVisor's falls
// back to crypto/rand, which brings a block cipher, a deterministic generator and a
// 32 MiB table of the standard library with it. The kernel sets Reader before the
// IP stack draws anything; until then getrandom is asked, which ground answers.
package rand

import (
	"io"

	"golang.org/x/sys/unix"
)

type getrandom struct{}

// Read implements io.Reader.
func (getrandom) Read(p []byte) (int, error) { return unix.Getrandom(p, 0) }

// Reader is where random bytes come from.
var Reader io.Reader = getrandom{}

// Read fills b from Reader.
func Read(b []byte) (int, error) { return io.ReadFull(Reader, b) }
