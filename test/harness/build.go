package harness

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
)

// Toolchains. Those but Cargo build static programs.
const (
	Musl  = "musl"
	Glibc = "glibc"
	Go    = "go"
	Rust  = "rust"
	// Cargo builds a package, whose program is named as its folder, with the crates
	// that Debian's librust-…-dev packages put into Crates.
	Cargo = "cargo"
)

// Crates is where Debian has the sources of crates, as a directory source of cargo.
const Crates = "/usr/share/cargo/registry"

// cFlags are those of all C programs. Red zones are off, since some programs push
// onto their stacks in the middle of C code; warnings about what they do on
// purpose are off as well.
var cFlags = []string{"-O2", "-static", "-fno-pie", "-no-pie", "-pthread", "-mno-red-zone", "-mno-avx", "-Wall",
	"-Wno-nonnull", "-Wno-stringop-overflow", "-Wno-stringop-overread", "-Wno-array-bounds",
	"-Wno-infinite-recursion", "-Wno-return-type"}

// Builder compiles programs into a cache folder, each once for its sources.
type Builder struct {
	dir string // of the cache
	src string // of the programs' sources

	mu   sync.Mutex
	once map[string]func() (string, error)
}

// NewBuilder makes a builder for the sources in a folder.
func NewBuilder(src string) (*Builder, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(base, "skerry-test")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	src, err = filepath.Abs(src)
	return &Builder{dir: dir, src: src, once: map[string]func() (string, error){}}, err
}

// Build returns the path of a program: name is a C file's name without its
// ending, a folder with a Go program or a Rust package, or a Rust file.
func (b *Builder) Build(ctx context.Context, toolchain, name string) (string, error) {
	b.mu.Lock()
	key := toolchain + " " + name
	f := b.once[key]
	if f == nil {
		f = sync.OnceValues(func() (string, error) { return b.build(ctx, toolchain, name) })
		b.once[key] = f
	}
	b.mu.Unlock()
	return f()
}

func (b *Builder) build(ctx context.Context, toolchain, name string) (string, error) {
	out := func(sum string) string {
		return filepath.Join(b.dir, toolchain+"-"+sum, filepath.Base(name))
	}
	var command func(out string) *exec.Cmd
	var sources []string
	switch toolchain {
	case Musl, Glibc:
		compiler := map[string]string{Musl: "musl-gcc", Glibc: "gcc"}[toolchain]
		file := filepath.Join(b.src, name+".c")
		headers, err := filepath.Glob(filepath.Join(b.src, "*.h"))
		if err != nil {
			return "", err
		}
		sources = append([]string{file}, headers...)
		command = func(out string) *exec.Cmd {
			return exec.CommandContext(ctx, compiler, append(append([]string{}, cFlags...), "-o", out, file, "-lm")...)
		}
	case Rust:
		file := filepath.Join(b.src, name+".rs")
		sources = []string{file}
		command = func(out string) *exec.Cmd {
			return exec.CommandContext(ctx, "rustc", "-O", "-C", "target-feature=+crt-static",
				"--target", "x86_64-unknown-linux-gnu", "-o", out, file)
		}
	case Go:
		dir := filepath.Join(b.src, name)
		var err error
		if sources, err = filepath.Glob(filepath.Join(dir, "*.go")); err != nil {
			return "", err
		}
		command = func(out string) *exec.Cmd {
			cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", out, ".")
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
			return cmd
		}
	case Cargo:
		return b.cargo(ctx, name)
	default:
		return "", fmt.Errorf("toolchain %q is unknown", toolchain)
	}
	sum, err := hashFiles(sources, strings.Join(cFlags, " "))
	if err != nil {
		return "", err
	}
	path := out(sum)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	tmp, err := os.MkdirTemp(b.dir, "build")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	binary := filepath.Join(tmp, "out")
	if text, err := command(binary).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s with %s: %v: %s", name, toolchain, err, text)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return path, os.Rename(binary, path)
}

// cargo builds a Rust package without a network. A cargo and rustc of the distribution
// are taken before others, since the crates are those that it builds with.
func (b *Builder) cargo(ctx context.Context, name string) (string, error) {
	dir := filepath.Join(b.src, name)
	sources := []string{filepath.Join(dir, "Cargo.toml")}
	code, err := filepath.Glob(filepath.Join(dir, "src", "*.rs"))
	if err != nil {
		return "", err
	}
	tool := func(name string) string {
		if path := filepath.Join("/usr/bin", name); executable(path) {
			return path
		}
		return name
	}
	cargo, rustc := tool("cargo"), tool("rustc")
	version, err := exec.CommandContext(ctx, rustc, "-V").Output()
	if err != nil {
		return "", fmt.Errorf("%s -V: %w", rustc, err)
	}
	crates, err := filepath.Glob(filepath.Join(Crates, "*"))
	if err != nil {
		return "", err
	}
	sum, err := hashFiles(append(sources, code...), string(version)+strings.Join(crates, " "))
	if err != nil {
		return "", err
	}
	program := filepath.Base(name)
	path := filepath.Join(b.dir, Cargo+"-"+sum, program)
	if executable(path) {
		return path, nil
	}
	// In a folder of its own: cargo writes Cargo.lock beside Cargo.toml.
	tmp, err := os.MkdirTemp(b.dir, "build")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := os.CopyFS(filepath.Join(tmp, "package"), os.DirFS(dir)); err != nil {
		return "", err
	}
	// doc.rust-lang.org/cargo/reference/source-replacement.html
	cmd := exec.CommandContext(ctx, cargo, "build", "--release", "--offline", "--bin", program,
		"--config", `source.crates-io.replace-with="distribution"`, "--config", `source.distribution.directory="`+Crates+`"`)
	cmd.Dir = filepath.Join(tmp, "package")
	cmd.Env = append(os.Environ(), "RUSTC="+rustc, "CARGO_HOME="+filepath.Join(tmp, "home"), "CARGO_TARGET_DIR="+filepath.Join(tmp, "target"))
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s with %s: %v: %s", name, cargo, err, text)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return path, os.Rename(filepath.Join(tmp, "target", "release", program), path)
}

// executable reports whether a path is a file that may be run.
func executable(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0
}

// hashFiles names the contents of files and a text.
func hashFiles(files []string, text string) (string, error) {
	if len(files) == 0 {
		return "", fmt.Errorf("no sources")
	}
	sort.Strings(files)
	h := sha256.New()
	h.Write([]byte(text))
	for _, f := range files {
		c, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "\x00%s %d\x00", filepath.Base(f), len(c))
		h.Write(c)
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// Dir is a folder of the cache for other files.
func (b *Builder) Dir(name string) (string, error) {
	dir := filepath.Join(b.dir, name)
	return dir, os.MkdirAll(dir, 0o755)
}
