package erofs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	gopath "path"
	"slices"
	"sort"
	"strings"
)

// Limits of a tree.
const (
	MaxName    = 255  // bytes of a name: EROFS_NAME_LEN
	MaxPath    = 4095 // bytes of a path: PATH_MAX without its NUL
	MaxSymlink = 4095 // bytes of a target
	MaxDepth   = 256  // directories above a file
	MaxLinks   = 40   // symbolic links that one path leads through (path_resolution(7))
)

// Source is where the data of a regular file comes from.
type Source interface {
	// Size is the number of bytes that Open's reader will give.
	Size() int64
	// Time is when it was last modified, in seconds since the Unix epoch, not before it.
	Time() int64
	Open() (io.ReadCloser, error)
}

// Bytes is a Source out of memory.
type Bytes []byte

// Size is the length.
func (b Bytes) Size() int64 { return int64(len(b)) }

// Time is that of everything which has none of its own.
func (b Bytes) Time() int64 { return Time }

// Open returns a reader over b.
func (b Bytes) Open() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }

// HostFile is a Source out of a file of the host, opened when it is written.
type HostFile struct {
	Path     string
	Bytes    int64 // its size when the tree was made
	Modified int64 // its time, in seconds since the Unix epoch
}

// Size is the size when the tree was made.
func (h HostFile) Size() int64 { return h.Bytes }

// Time is Modified.
func (h HostFile) Time() int64 { return h.Modified }

// Open opens the file.
func (h HostFile) Open() (io.ReadCloser, error) { return os.Open(h.Path) }

// Kind is what an entry is.
type Kind uint8

// Kinds of entries.
const (
	None Kind = iota // there is no such entry
	Dir
	Regular
	Executable // a regular file that may be executed
	Symlink
)

type node struct {
	name     string
	kind     Kind
	children map[string]*node // of a Dir
	target   string           // of a Symlink
	src      Source           // of a file

	// Set by plan.
	parent *node
	sorted []*node
	nid    uint64
	ino    uint32
	nlink  int
	size   int64  // of the data, in bytes
	block  uint32 // where the data begins
	inline bool   // the data lies behind the inode instead
}

// Tree is a file system to be written.
type Tree struct {
	root  *node
	count int
	bytes int64
}

// Count is the number of entries, the root directory among them.
func (t *Tree) Count() int { return t.count }

// Bytes is the sum of the files' sizes.
func (t *Tree) Bytes() int64 { return t.bytes }

// New returns a tree with nothing but its root directory.
func New() *Tree {
	return &Tree{root: &node{kind: Dir, children: map[string]*node{}}, count: 1}
}

// ErrExist is the error, wrapped, for a path that is taken.
var ErrExist = errors.New("there is already something else")

// Mkdir makes the directory at path, an absolute one, and those above it. One
// that is there is fine.
func (t *Tree) Mkdir(path string) error {
	parts, err := split(path)
	if err != nil {
		return err
	}
	_, err = t.dir(path, parts)
	return err
}

// File adds a regular file at path, and the directories above it.
func (t *Tree) File(path string, src Source, executable bool) error {
	if src.Size() < 0 || src.Time() < 0 {
		return fmt.Errorf("%s: negative size or time", path)
	}
	kind := Regular
	if executable {
		kind = Executable
	}
	return t.add(path, &node{kind: kind, src: src})
}

// Symlink adds a symbolic link at path. The target is stored as it is; it is
// resolved in the machine, never on the host.
func (t *Tree) Symlink(path, target string) error {
	if target == "" || len(target) > MaxSymlink || strings.IndexByte(target, 0) >= 0 {
		return fmt.Errorf("%s: impossible target of a symbolic link", path)
	}
	return t.add(path, &node{kind: Symlink, target: target})
}

// node is what stands at path, nil if nothing does. Symbolic links are not followed.
func (t *Tree) node(path string) *node {
	parts, err := split(path)
	if err != nil {
		return nil
	}
	n := t.root
	for _, p := range parts {
		if n = n.children[p]; n == nil {
			return nil
		}
	}
	return n
}

// Lookup says what stands at path, not following symbolic links.
func (t *Tree) Lookup(path string) Kind {
	if n := t.node(path); n != nil {
		return n.kind
	}
	return None
}

func (t *Tree) add(path string, n *node) error {
	parts, err := split(path)
	if err != nil {
		return err
	}
	if len(parts) == 0 {
		return fmt.Errorf("/: %w", ErrExist)
	}
	d, err := t.dir(path, parts[:len(parts)-1])
	if err != nil {
		return err
	}
	n.name = parts[len(parts)-1]
	if d.children[n.name] != nil {
		return fmt.Errorf("%s: %w", path, ErrExist)
	}
	d.children[n.name] = n
	t.count++
	if n.src != nil {
		t.bytes += n.src.Size()
	}
	return nil
}

// dir walks to a directory and makes what is missing. path is for messages.
func (t *Tree) dir(path string, parts []string) (*node, error) {
	d := t.root
	for i, p := range parts {
		c := d.children[p]
		if c == nil {
			c = &node{name: p, kind: Dir, children: map[string]*node{}}
			d.children[p] = c
			t.count++
		}
		if c.kind != Dir {
			return nil, fmt.Errorf("%s: /%s is not a directory: %w", path, strings.Join(parts[:i+1], "/"), ErrExist)
		}
		d = c
	}
	return d, nil
}

// split cuts a path into components and refuses what is not absolute and clean.
func split(path string) ([]string, error) {
	if path == "/" {
		return nil, nil
	}
	if path == "" || path[0] != '/' {
		return nil, fmt.Errorf("%q is not an absolute path", path)
	}
	if len(path) > MaxPath {
		return nil, fmt.Errorf("%.64s…: the path is too long", path)
	}
	parts := strings.Split(path[1:], "/")
	if len(parts) > MaxDepth {
		return nil, fmt.Errorf("%.64s…: the path is too deep", path)
	}
	for _, p := range parts {
		switch {
		case p == "" || p == "." || p == "..":
			return nil, fmt.Errorf("%q is not a clean path", path)
		case len(p) > MaxName:
			return nil, fmt.Errorf("%.64s…: a name is too long", path)
		case strings.IndexByte(p, 0) >= 0:
			return nil, fmt.Errorf("%q holds a NUL byte", path)
		}
	}
	return parts, nil
}

// sortedChildren returns n's children in byte order of their names.
func (n *node) sortedChildren() []*node {
	list := make([]*node, 0, len(n.children))
	for _, c := range n.children {
		list = append(list, c)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].name < list[j].name })
	return list
}

// Names are the names of what a directory holds, sorted; none if path is no directory.
// Symbolic links are not followed.
func (t *Tree) Names(path string) []string {
	n := t.node(path)
	if n == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(n.children))
}

// Target is where the symbolic link at path leads, "" if there is none.
func (t *Tree) Target(path string) string {
	if n := t.node(path); n != nil {
		return n.target
	}
	return ""
}

// Source is where the content of the regular file at path comes from, nil if there
// is none. Symbolic links are not followed.
func (t *Tree) Source(path string) Source {
	if n := t.node(path); n != nil {
		return n.src
	}
	return nil
}

// Follow is path with the symbolic links of the directories above it followed, as
// far as they are in the tree. What leads nowhere stays as it is.
func (t *Tree) Follow(path string) string {
	dir, name := gopath.Split(path)
	if _, err := split(path); err != nil || name == "" {
		return path
	}
	at := t.Resolve(gopath.Clean(dir))
	if t.Target(at) != "" {
		return path // too many links
	}
	return gopath.Join(at, name)
}

// Resolve is path with all symbolic links followed, the last one, too.
func (t *Tree) Resolve(path string) string {
	rest, err := split(path)
	if err != nil {
		return path
	}
	done := ""
	for links := 0; len(rest) > 0; {
		next := done + "/" + rest[0]
		target := t.Target(next)
		if target == "" {
			done, rest = next, rest[1:]
			continue
		}
		if links++; links > MaxLinks {
			return path
		}
		if target[0] != '/' {
			target = done + "/" + target
		}
		at := gopath.Join(append([]string{target}, rest[1:]...)...)
		rest, done = strings.FieldsFunc(at, func(r rune) bool { return r == '/' }), ""
	}
	if done == "" {
		return "/"
	}
	return done
}
