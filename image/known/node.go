package known

import (
	"bytes"
	"debug/elf"
	"io"
	"strconv"
	"strings"
)

// nodeBuiltins are the parts of Node's own JavaScript that Debian's package reads
// from files when it starts (its --shared-builtin options), where other builds have
// them inside.
var nodeBuiltins = []string{
	"/usr/share/nodejs/acorn/dist/acorn.js",
	"/usr/share/nodejs/acorn-walk/dist/walk.js",
	"/usr/share/nodejs/cjs-module-lexer/lexer.js",
	"/usr/share/nodejs/cjs-module-lexer/dist/lexer.js",
	"/usr/share/nodejs/undici/undici-fetch.js",
}

// Executable memory of V8, which has one code range per isolate: the main thread's
// and one for each worker. Up to Node 22 pages of it become executable as they are
// used, 256 KiB at a time. Since Node 24 the whole range does at once when the isolate
// starts, and is as long as V8 allows, 512 MiB.
const (
	v8CodePages = 256 << 20
	v8CodeRange = 512 << 20
	v8Workers   = 8  // at a time; --jit is for more
	v8WholeFrom = 23 // the major version after the last that was seen to go by pages
)

// node knows Node.js, by the address of its own sources, which it holds for
// process.release: in the program, or in libnode where that is a library of its own.
func node(p *Program) *Facts {
	name := p.Name()
	if name != "node" && name != "nodejs" && !p.Uses("libnode.so") {
		return nil
	}
	holder := p.Path
	for _, l := range p.Closure.Libraries {
		if strings.HasPrefix(l.Name, "libnode.so") {
			holder = l.Path
		}
	}
	major := nodeMajor(holder)
	if major == 0 {
		return nil
	}
	f := &Facts{Name: "Node.js " + strconv.Itoa(major), JIT: v8CodePages}
	if major >= v8WholeFrom {
		f.JIT = (1 + v8Workers) * v8CodeRange
	}
	if p.Uses("libnode.so") {
		for _, b := range nodeBuiltins {
			f.Paths = append(f.Paths, Path{Host: b, Why: "a part of Node that its library reads"})
		}
		f.Paths = append(f.Paths, Path{Host: opensslConf, Why: "configuration of OpenSSL"})
	}
	// Debian's Node trusts what the system trusts, by OPENSSLDIR. Others have a list of
	// their own, and read these for --use-openssl-ca, --use-system-ca and
	// NODE_EXTRA_CA_CERTS.
	f.Paths = append(f.Paths, p.certificates()...)
	p.nodeScript(f)
	return f
}

// nodeMajor is the major version of Node in an ELF file, 0 if there is none.
func nodeMajor(path string) int {
	f, err := elf.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	s := f.Section(".rodata")
	if s == nil || s.Type == elf.SHT_NOBITS {
		return 0
	}
	at := []byte("https://nodejs.org/download/release/v")
	tail := findIn(s.Open(), at, 8)
	digits, _, ok := strings.Cut(string(tail), ".")
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// findIn reads until it has found what, and returns up to n bytes that follow; nil
// if it is not there.
func findIn(r io.Reader, what []byte, n int) []byte {
	buf := make([]byte, 1<<20)
	have := 0
	for {
		got, err := io.ReadFull(r, buf[have:])
		have += got
		if i := bytes.Index(buf[:have], what); i >= 0 && (err != nil || i+len(what)+n <= have) {
			i += len(what)
			return buf[i:min(i+n, have)]
		}
		if err != nil {
			return nil
		}
		keep := len(what) + n
		copy(buf, buf[have-keep:have])
		have = keep
	}
}
