package known

import (
	"bytes"
	"regexp"
	"slices"
)

var (
	importCall = regexp.MustCompile(`^(?:import_module|__import__)\([ \t\r\n]*["']([A-Za-z_]\w*)`)
	// dottedText is a text that is likely to name a module, or something in one: "site.settings",
	// "main:app".
	dottedText = regexp.MustCompile(`^([A-Za-z_]\w*)(?:\.[A-Za-z_]\w*)*(?:[.:][A-Za-z_]\w*)$`)
	plainText  = regexp.MustCompile(`^[A-Za-z_]\w*$`)
)

// djangoApps is the setting by which Django is told which modules it has to import ("Settings",
// INSTALLED_APPS).
var djangoApps = []byte("INSTALLED_APPS")

// pySource is what a source of Python tells of other modules.
type pySource struct {
	imports []string // first parts of the names of modules that it imports, but for relative ones
	texts   []string // first parts of what texts in it may name
	tests   bool     // it imports from a part named tests
}

// imported are the first parts of the names of modules that a source imports, but for
// relative imports, which stay inside a package.
func imported(source []byte) []string { return scanPython(source).imports }

// scanPython reads a source for statements of Python's grammar ("import_stmt") where a
// statement can begin, calls that import, and texts that may name modules. Comments and
// what is inside of texts are no statements (Python's documentation, "Lexical analysis").
func scanPython(src []byte) (s pySource) {
	plain := bytes.Contains(src, djangoApps)
	start := true // a statement may begin here
	for i := 0; i < len(src); {
		c := src[i]
		switch {
		case c == '\n' || c == ';' || c == ':':
			start = true
			i++
		case blank(c):
			i++
		case c == '\\' && i+1 < len(src): // a line that goes on
			i += 2
		case c == '#':
			n := bytes.IndexByte(src[i:], '\n')
			if n < 0 {
				return s
			}
			i += n
		case c == '"' || c == '\'':
			end, text := skipText(src, i)
			if m := dottedText.FindSubmatch(text); m != nil {
				add(&s.texts, m[1])
			} else if plain && plainText.Match(text) {
				add(&s.texts, text)
			}
			start = false
			i = end
		case !word(c):
			start = false
			i++
		default:
			end := wordEnd(src, i)
			switch w := string(src[i:end]); {
			case w == "import" && start:
				end = s.importStatement(src, end)
			case w == "from" && start:
				end = s.fromStatement(src, end)
			case w == "import_module" || w == "__import__":
				if m := importCall.FindSubmatch(src[i:]); m != nil {
					add(&s.imports, m[1])
				}
			}
			start = false
			i = end
		}
	}
	return s
}

// importStatement reads what follows the word import, and answers where it ends.
func (s *pySource) importStatement(src []byte, i int) int {
	for {
		i = skipBlanks(src, i)
		end := nameEnd(src, i)
		s.name(src[i:end])
		for i = end; i < len(src) && bytes.IndexByte([]byte(",;#\n"), src[i]) < 0; i++ {
		}
		if i == len(src) || src[i] != ',' {
			return i
		}
		i++
	}
}

// fromStatement reads what follows the word from.
func (s *pySource) fromStatement(src []byte, i int) int {
	i = skipBlanks(src, i)
	end := nameEnd(src, i)
	next := skipBlanks(src, end)
	if after := wordEnd(src, next); string(src[next:after]) == "import" {
		s.name(src[i:end])
		return after
	}
	return end
}

// name notes a module's name as a statement has it.
func (s *pySource) name(name []byte) {
	for part := range bytes.SplitSeq(name, []byte(".")) {
		s.tests = s.tests || string(part) == "tests"
	}
	first, _, _ := bytes.Cut(name, []byte("."))
	if plainText.Match(first) {
		add(&s.imports, first)
	}
}

func add(list *[]string, name []byte) {
	if !slices.Contains(*list, string(name)) {
		*list = append(*list, string(name))
	}
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\f' }

// word reports whether a byte may be in a name: all that is not ASCII may.
func word(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c >= 0x80
}

func wordEnd(src []byte, i int) int {
	for i < len(src) && word(src[i]) {
		i++
	}
	return i
}

// nameEnd is where a name with dots ends.
func nameEnd(src []byte, i int) int {
	for i < len(src) && (word(src[i]) || src[i] == '.') {
		i++
	}
	return i
}

func skipBlanks(src []byte, i int) int {
	for i < len(src) {
		switch {
		case blank(src[i]):
			i++
		case src[i] == '\\' && i+1 < len(src) && (src[i+1] == '\n' || src[i+1] == '\r'):
			for i++; i < len(src) && (src[i] == '\r' || src[i] == '\n'); i++ {
			}
		default:
			return i
		}
	}
	return i
}

// skipText answers where the text that begins at i ends, and what stands in it. One in
// single quotes ends with its line at the latest.
func skipText(src []byte, i int) (end int, text []byte) {
	quote := src[i : i+1]
	if i+2 < len(src) && src[i+1] == src[i] && src[i+2] == src[i] {
		quote = src[i : i+3]
	}
	begin := i + len(quote)
	for i = begin; i < len(src); i++ {
		switch {
		case src[i] == '\\':
			i++
		case bytes.HasPrefix(src[i:], quote):
			return i + len(quote), src[begin:i]
		case src[i] == '\n' && len(quote) == 1:
			return i, nil
		}
	}
	return len(src), nil
}
