package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"skerry/bootrec"
)

// Manifest says what an image runs and where it came from.
type Manifest struct {
	Format    int      `json:"format"`
	Name      string   `json:"name"`
	Program   string   `json:"program"` // absolute path in the image
	Args      []string `json:"args"`    // argv, argv[0] first
	Env       []string `json:"env"`     // NAME=value
	Cwd       string   `json:"cwd"`
	JIT       int64    `json:"jit,omitempty"` // bytes of memory that may become executable
	Tmpfs     []Tmpfs  `json:"tmpfs,omitempty"`
	Overlay   *Overlay `json:"overlay,omitempty"` // the whole root can be written to, in memory
	Policy    *Policy  `json:"policy,omitempty"`
	Allow     []string `json:"allow,omitempty"` // what the builder overruled: shell:PATH
	CreatedBy string   `json:"created_by"`
	Kernel    Kernel   `json:"kernel"`
}

// MaxJIT bounds a manifest's jit: more than user memory there is not.
const MaxJIT = bootrec.MaxJIT

// Kernel is the identity of a kernel.
type Kernel struct {
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
}

// encode returns the manifest as JSON, always the same for the same manifest.
func (m *Manifest) encode() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(m); err != nil {
		return nil, err
	}
	if b.Len() > maxManifest {
		return nil, errors.New("arguments and environment are too long")
	}
	return b.Bytes(), nil
}

// decodeManifest reads a manifest. A field that is not known is an error: it
// could be one that restricts the program.
func decodeManifest(b []byte) (*Manifest, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	m := new(Manifest)
	if err := d.Decode(m); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("manifest: more than one value")
	}
	if m.Format != FormatVersion {
		return nil, versionError(m.Format)
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	return m, nil
}

// check refuses what could not be meant.
func (m *Manifest) check() error {
	if m.Name == "" || strings.ContainsAny(m.Name, "/\x00\n") {
		return fmt.Errorf("manifest: impossible name %q", m.Name)
	}
	for _, p := range []string{m.Program, m.Cwd} {
		if !path.IsAbs(p) || path.Clean(p) != p || strings.IndexByte(p, 0) >= 0 {
			return fmt.Errorf("manifest: %q is not an absolute path", p)
		}
	}
	if m.JIT < 0 || m.JIT > MaxJIT || m.JIT%4096 != 0 {
		return fmt.Errorf("manifest: %d bytes of memory that may become executable", m.JIT)
	}
	if len(m.Args) == 0 {
		return errors.New("manifest: no argv[0]")
	}
	for _, s := range m.Args {
		if strings.IndexByte(s, 0) >= 0 {
			return errors.New("manifest: an argument holds a NUL byte")
		}
	}
	if len(m.Tmpfs) > bootrec.MaxTmpfs {
		return errors.New("manifest: too many file systems in memory")
	}
	for i, t := range m.Tmpfs {
		if err := t.check(); err != nil {
			return fmt.Errorf("manifest: tmpfs %q: %w", t.Path, err)
		}
		for _, u := range m.Tmpfs[:i] {
			if u.Path == t.Path {
				return fmt.Errorf("manifest: tmpfs %q stands twice", t.Path)
			}
		}
	}
	if err := m.Policy.check(); err != nil {
		return fmt.Errorf("manifest: policy: %w", err)
	}
	for _, a := range m.Allow {
		if !allows(a) {
			return fmt.Errorf("manifest: %q allows nothing that is known", a)
		}
	}
	if err := m.Overlay.check(); err != nil {
		return fmt.Errorf("manifest: overlay: %w", err)
	}
	for _, s := range m.Env {
		if strings.IndexByte(s, '=') < 1 || strings.IndexByte(s, 0) >= 0 {
			return errors.New("manifest: an entry of the environment is not NAME=value")
		}
	}
	return nil
}

// EnvNames returns the names of the environment without the values, which may be
// secrets.
func (m *Manifest) EnvNames() []string {
	names := make([]string, 0, len(m.Env))
	for _, e := range m.Env {
		name, _, _ := strings.Cut(e, "=")
		names = append(names, name)
	}
	return names
}
