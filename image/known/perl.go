package known

import (
	"path/filepath"
	"regexp"
	"strings"
)

var perlVersion = regexp.MustCompile(`^perl5?\.?(\d+\.\d+(\.\d+)?)?$`)

// perlDirs are where distributions have Perl's library: Debian's folders carry the
// version in their names, or in those of folders in them.
var perlDirs = []string{
	"/usr/lib/x86_64-linux-gnu/perl-base", "/usr/lib/x86_64-linux-gnu/perl", "/usr/lib/x86_64-linux-gnu/perl5", "/usr/share/perl", "/usr/share/perl5",
	"/usr/lib/perl5", "/usr/lib64/perl5", "/etc/perl",
	"/usr/local/lib/x86_64-linux-gnu/perl", "/usr/local/share/perl", "/usr/local/lib/site_perl", "/usr/local/lib/perl5",
}

// perl knows Perl 5: its library, without documents and what compiles extensions.
func perl(p *Program) *Facts {
	if !perlVersion.MatchString(p.Name()) {
		return nil
	}
	f := &Facts{Name: "Perl"}
	dirs := perlDirs
	if home := filepath.Dir(filepath.Dir(p.Path)); home != "/usr" && home != "/" {
		dirs = []string{filepath.Join(home, "lib/perl5")} // as `make install` of Perl does it
	}
	for _, dir := range dirs {
		if exists(dir) {
			f.Paths = append(f.Paths, Path{Host: dir, Why: "its library", Skip: perlSkip})
		}
	}
	// IO::Socket::SSL asks OpenSSL where they are; HTTP::Tiny knows the file itself.
	f.Paths = append(f.Paths, Path{Host: opensslConf, Why: "configuration of OpenSSL"})
	f.Paths = append(f.Paths, p.certificates()...)
	p.perlScript(f)
	f.Notes = append(f.Notes, Note{Level: Info, Point: "single process", Text: "perl: fork, system, backticks and pipes to programs fail"})
	return f
}

// perlSkip leaves out documents, headers and static archives, tests, and the tools
// that build and install modules.
func perlSkip(rel string, dir bool) bool {
	if dir {
		switch filepath.Base(rel) {
		case "CORE", "pod", "t", "CPAN", "ExtUtils", "Pod", "TAP", "debian", "Debian":
			return true
		}
		return false
	}
	switch ext := filepath.Ext(rel); ext {
	case ".pod", ".h", ".a", ".packlist", ".t":
		return true
	}
	return strings.HasPrefix(filepath.Base(rel), "perl5db")
}
