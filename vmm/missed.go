package vmm

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Missed is a file that the program looked for, that is not in the image, and that
// probably mattered.
type Missed struct {
	Path string `json:"path"`
	// Add is the flag that would put it there.
	Add string `json:"add"`
	// Named is set if the program's last output speaks of it, and Here if there is
	// such a file on this host.
	Named bool `json:"named"`
	Here  bool `json:"here"`
}

func (m *Missed) line() string {
	if strings.HasPrefix(m.Add, builder) {
		return m.Path + " is not in the image; build it with " + strings.TrimPrefix(m.Add, builder)
	}
	return m.Path + " is not in the image; add " + m.Add
}

// maxMissed is how many lines are printed about missed files.
const maxMissed = 5

// hostKind says what a path of this host is.
type hostKind int

const (
	hostNothing hostKind = iota
	hostFile
	hostDir
)

// wanted says which of the missed files are to be told of.
type wanted struct {
	output []string // the ends of the program's output
	cwd    string   // in the machine
	host   func(path string) hostKind
	// mounted says where the machine has file systems of its own: nothing of the image
	// shows there.
	mounted func(path string) bool
	built   bool // the image was built before
	// namedOnly leaves out what the output does not speak of.
	namedOnly bool
}

var (
	// library is how the file name of a shared library ends.
	library = regexp.MustCompile(`\.so(\.[0-9]+)*$`)
	// usual are the files that C libraries and language runtimes look for at every
	// start and do well without. The folder of time zones is searched for the one of
	// /etc/localtime; a zone that is missed by its name is another matter.
	usual = regexp.MustCompile(`^/etc/(ld\.so\.|ld-musl-|localtime$|suid-debug|nsswitch\.conf$|host\.conf$|gai\.conf$|malloc\.conf$|aliases$|selinux/|libnl|inputrc$|terminfo|python[0-9.]*/|perl/|locale\.)` +
		`|/(s?bin|gconv|locale|locale-langpack|glibc-hwcaps|__pycache__|terminfo|debug)(/|$)|/(site|dist)-packages$|\.(pyc|pyo|pth|mo|debug|gnu_debuglink|pmc)$` +
		`|/(pyvenv\.cfg|sitecustomize\.[a-z]+|usercustomize\.[a-z]+|pybuilddir\.txt|locale-archive|locale\.alias|sitecustomize\.pl)$|/ssl/(openssl\.cnf|certs)$|^/usr/local$|^/usr/share/zoneinfo$|/config-3\.[^/]*$|/tls/|/haswell/|/x86_64/`)
	// readable is where this host is looked at.
	readable = regexp.MustCompile(`^/(usr|lib[^/]*|etc|opt|srv)/`)
)

// hostLook looks at this host: under the folders where programs' files are, and in
// those given, but for what is secret.
func hostLook(folders []string, secret func(string) bool) func(string) hostKind {
	return func(p string) hostKind {
		in := func(folder string) bool { return len(folder) > 1 && strings.HasPrefix(p, folder+"/") }
		if secret != nil && secret(p) || !readable.MatchString(p) && !slices.ContainsFunc(folders, in) {
			return hostNothing
		}
		info, err := os.Stat(p)
		switch {
		case err != nil:
			return hostNothing
		case info.IsDir():
			return hostDir
		case info.Mode().IsRegular():
			return hostFile
		}
		return hostNothing
	}
}

// pickMissed chooses from the paths that were missed, the oldest first, and says how
// many more would have been told of. What the program named comes first, then what
// it looked for last.
func pickMissed(paths []string, w *wanted) (list []Missed, more int) {
	seen := map[string]bool{}
	for _, p := range slices.Backward(paths) {
		p = path.Clean(p)
		if p == "/" || p[0] != '/' || seen[p] || w.mounted(p) {
			continue
		}
		seen[p] = true
		named, byName := w.named(p)
		kind := hostNothing
		if named || byName || !w.namedOnly && !usual.MatchString(p) {
			kind = w.host(p)
		}
		// A name that is nowhere may have been looked for in many places.
		named = named || byName && (kind != hostNothing || library.MatchString(p))
		if !named && kind == hostNothing {
			continue
		}
		list = append(list, Missed{Path: p, Named: named, Here: kind != hostNothing, Add: mend(p, kind, w.built)})
	}
	list = slices.DeleteFunc(list, func(m Missed) bool { return covered(m, list) })
	slices.SortStableFunc(list, func(a, b Missed) int {
		switch {
		case a.Named == b.Named:
			return 0
		case a.Named:
			return -1
		}
		return 1
	})
	if len(list) > maxMissed {
		more = len(list) - maxMissed + 1
		list = list[:maxMissed-1]
	}
	return list, more
}

// covered reports whether another entry makes m needless: a folder that m is in, or
// the same library in a folder where this host has it.
func covered(m Missed, list []Missed) bool {
	lib := library.MatchString(m.Path)
	for i, o := range list {
		if o.Path == m.Path {
			continue
		}
		if o.Here && strings.HasPrefix(o.Add, "--dir ") && strings.HasPrefix(m.Path, o.Path+"/") {
			return true
		}
		if lib && path.Base(o.Path) == path.Base(m.Path) && (o.Here && !m.Here || o.Here == m.Here && i < index(list, m.Path)) {
			return true
		}
	}
	return false
}

func index(list []Missed, p string) int {
	return slices.IndexFunc(list, func(m Missed) bool { return m.Path == p })
}

// builder is how a flag is written that an image takes when it is built only.
const builder = "skerry build "

// jitFlag is where the kernel says which --jit would do (kernel/policy).
var jitFlag = regexp.MustCompile(`(: |needs )--jit ([0-9]+)([KMG])`)

// builderSays is a notice of the kernel, which does not know that it runs an image that
// was built before: of such, more than what it was built with takes another build.
func (c *Config) builderSays(notice string) string {
	if !c.Built {
		return notice
	}
	return jitFlag.ReplaceAllStringFunc(notice, func(s string) string {
		m := jitFlag.FindStringSubmatch(s)
		n, err := strconv.ParseUint(m[2], 10, 32)
		if shift := map[string]uint{"K": 10, "M": 20, "G": 30}[m[3]]; err == nil && n<<shift <= c.BuiltJIT {
			return s
		}
		return m[1] + builder + "--jit " + m[2] + m[3]
	})
}

// mend is the flag that puts a path into the machine. built is for an image that was
// built before.
func mend(p string, kind hostKind, built bool) string {
	q, lib := quoted(p), "--lib "
	if built {
		lib = builder + lib
	}
	switch {
	case library.MatchString(p) && kind == hostFile:
		return lib + q
	case library.MatchString(p) && kind == hostNothing:
		return lib + "FILE (this host does not have it there)"
	case kind == hostDir:
		return "--dir " + q + ":" + q
	case kind == hostFile:
		return "--file " + q + ":" + q
	}
	return "--file FILE:" + q
}

var plain = regexp.MustCompile(`^[A-Za-z0-9_@%+=,./-]+$`)

// quoted is a path as a shell takes it.
func quoted(p string) string {
	if plain.MatchString(p) {
		return p
	}
	return "'" + strings.ReplaceAll(p, "'", `'\''`) + "'"
}

// named reports whether the output speaks of a path, as a whole or as seen from the
// working directory, and whether it does so by its last part alone, if that can
// hardly be another word.
func (w *wanted) named(p string) (whole, byName bool) {
	rel, ok := strings.CutPrefix(p, strings.TrimSuffix(w.cwd, "/")+"/")
	ok = ok && len(rel) > 2
	base := path.Base(p)
	long := len(base) > 4 && strings.Contains(base[1:], ".")
	for _, text := range w.output {
		whole = whole || mentions(text, p) || ok && mentions(text, rel)
		byName = byName || long && mentions(text, base)
	}
	return whole, byName
}

// mentions reports whether word stands in text, not as a part of a longer path.
func mentions(text, word string) bool {
	for at := 0; ; {
		i := strings.Index(text[at:], word)
		if i < 0 {
			return false
		}
		from, to := at+i, at+i+len(word)
		before := strings.TrimSuffix(text[:from], "./")
		behind := text[to:]
		if len(behind) > 0 && behind[0] == '.' && (len(behind) == 1 || !pathByte(behind[1])) {
			behind = "" // the end of a sentence
		}
		if (before == "" || !pathByte(before[len(before)-1])) && (behind == "" || !pathByte(behind[0])) {
			return true
		}
		at = from + 1
	}
}

// pathByte reports whether c goes on with a path.
func pathByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_-./~+", c) >= 0 || c >= 0x80
}
