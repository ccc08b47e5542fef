package known

import (
	"path/filepath"
	"regexp"
)

var rubyName = regexp.MustCompile(`^ruby(\d+(\.\d+)*)?$`)

// ruby knows CRuby: its standard library and gems, as Debian has them or beside the
// program.
func ruby(p *Program) *Facts {
	if !rubyName.MatchString(p.Name()) {
		return nil
	}
	f := &Facts{Name: "Ruby"}
	dirs := []string{
		"/usr/lib/ruby", "/usr/lib/x86_64-linux-gnu/ruby", "/usr/share/rubygems-integration", "/usr/lib64/ruby", "/usr/share/ruby", "/usr/share/gems", "/usr/share/rubygems",
		"/usr/lib/x86_64-linux-gnu/rubygems-integration", "/var/lib/gems", "/usr/local/lib/site_ruby",
	}
	if home := filepath.Dir(filepath.Dir(p.Path)); home != "/usr" && home != "/" {
		dirs = []string{filepath.Join(home, "lib/ruby")}
	}
	for _, dir := range dirs {
		if exists(dir) {
			f.Paths = append(f.Paths, Path{Host: dir, Why: "its library", Skip: rubySkip})
		}
	}
	f.Paths = append(f.Paths, Path{Host: opensslConf, Why: "configuration of OpenSSL"})
	f.Paths = append(f.Paths, p.certificates()...)
	p.rubyScript(f)
	f.Notes = append(f.Notes, Note{Level: Info, Point: "single process", Text: "ruby: fork, spawn, system and backticks fail, and so do servers with several workers; threads work"})
	if p.flag("--jit") || p.flag("--yjit") || p.flag("--mjit") || p.flag("--rjit") {
		f.JIT = 64 << 20 // YJIT's own limit (--yjit-exec-mem-size) in Ruby 3.1 and later
	}
	return f
}

// rubySkip leaves out documents, tests, headers, and the sources of extensions.
func rubySkip(rel string, dir bool) bool {
	if dir {
		switch filepath.Base(rel) {
		case "test", "spec", "doc", "ri", "rdoc", "man", "bundler", "cache":
			return true
		}
		return false
	}
	switch filepath.Ext(rel) {
	case ".h", ".a", ".rdoc", ".md", ".ri", ".rbs":
		return true
	}
	return false
}
