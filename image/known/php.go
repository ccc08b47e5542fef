package known

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var phpName = regexp.MustCompile(`^php(\d+(\.\d+)?)?$`)

// php knows PHP's command line program, with its built-in server: its configuration
// and the extensions that this loads.
func php(p *Program) *Facts {
	name := p.Name()
	if strings.HasPrefix(name, "php-fpm") {
		return &Facts{Name: "PHP-FPM", Notes: []Note{{Level: Refuse, Point: "single process",
			Text: "php-fpm is a master that starts its workers as processes; php -S serves from a single one"}}}
	}
	if !phpName.MatchString(name) {
		return nil
	}
	f := &Facts{Name: "PHP"}
	version := strings.TrimPrefix(name, "php")
	inis := []string{}
	for _, dir := range []string{"/etc/php/" + version + "/cli", "/etc/php.d", "/usr/local/etc/php"} {
		if version == "" && strings.HasPrefix(dir, "/etc/php/") || !exists(dir) {
			continue
		}
		f.Paths = append(f.Paths, Path{Host: dir, Why: "its configuration"})
		inis = append(inis, dir+"/php.ini", dir+"/conf.d/*.ini", dir+"/*.ini")
	}
	if exists("/etc/php.ini") {
		f.Paths = append(f.Paths, Path{Host: "/etc/php.ini", Why: "its configuration"})
		inis = append(inis, "/etc/php.ini")
	}
	for _, e := range phpExtensions(inis) {
		f.Paths = append(f.Paths, Path{Host: e, Why: "an extension that its configuration loads"})
		if filepath.Base(e) == "iconv.so" {
			for _, dir := range []string{"/usr/lib/x86_64-linux-gnu/gconv", "/usr/lib64/gconv"} {
				if exists(dir) {
					f.Paths = append(f.Paths, Path{Host: dir, Why: "character sets, which the C library loads for iconv"})
				}
			}
		}
	}
	// Debian's reads the system's time zones, and lists the folder when it starts.
	f.Paths = append(f.Paths, TimeZones(), Path{Host: opensslConf, Why: "configuration of OpenSSL"})
	f.Paths = append(f.Paths, p.certificates()...)
	if v := strings.ToLower(p.phpSetting("pcre.jit", inis)); v == "" || v == "1" || v == "on" || v == "yes" || v == "true" {
		f.JIT = pcreCode
	}
	if v := p.phpSetting("opcache.jit_buffer_size", inis); v != "" {
		f.JIT += phpSize(v)
	}
	p.phpScript(f)
	f.Notes = append(f.Notes, Note{Level: Info, Point: "single process", Text: "php: exec, system, proc_open, pcntl_fork and PHP_CLI_SERVER_WORKERS fail; mail() does, too, since it starts sendmail"})
	return f
}

// pcreCode is executable memory for compiled expressions, in bytes. PHP keeps at most
// 4096 of them, few of which have more than 4 KiB of code; it compiles them unless it is
// told not to, and warns in its pages where it may not.
const pcreCode = 16 << 20

// phpSetting is the value of a setting, as the arguments or else the files of
// configuration have it; "" if they do not.
func (p *Program) phpSetting(name string, inis []string) (value string) {
	at := regexp.MustCompile(`(?m)^\s*` + regexp.QuoteMeta(name) + `\s*=\s*"?([^\s";]*)`)
	for _, text := range phpFiles(inis) {
		for _, m := range at.FindAllStringSubmatch(text, -1) {
			value = m[1]
		}
	}
	for i, a := range p.Args {
		if a == "-d" && i+1 < len(p.Args) {
			a += p.Args[i+1]
		}
		if v, ok := strings.CutPrefix(a, "-d"+name+"="); ok {
			value = v
		}
	}
	return value
}

// phpFiles are the contents of the files that match.
func phpFiles(inis []string) (texts []string) {
	for _, pattern := range inis {
		list, _ := filepath.Glob(pattern)
		for _, ini := range list {
			if b, err := os.ReadFile(ini); err == nil {
				texts = append(texts, string(b))
			}
		}
	}
	return texts
}

var phpLoads = regexp.MustCompile(`(?m)^\s*(?:zend_)?extension\s*=\s*"?([^\s";]+)`)

// phpExtensions are the files of the extensions that the files of configuration load.
func phpExtensions(inis []string) (files []string) {
	dirs, _ := filepath.Glob("/usr/lib/php/2*")
	for _, pattern := range []string{"/usr/lib64/php/modules", "/usr/local/lib/php/extensions/*"} {
		more, _ := filepath.Glob(pattern)
		dirs = append(dirs, more...)
	}
	seen := map[string]bool{}
	for _, text := range phpFiles(inis) {
		for _, m := range phpLoads.FindAllStringSubmatch(text, -1) {
			n := m[1]
			if !strings.HasSuffix(n, ".so") {
				n += ".so"
			}
			for _, dir := range dirs {
				file := filepath.Join(dir, n)
				if filepath.IsAbs(n) {
					file = n
				}
				if !seen[file] && exists(file) {
					seen[file] = true
					files = append(files, file)
				}
			}
		}
	}
	return files
}

// phpSize reads a size as php.ini has it, such as 64M; 0 if it is none.
func phpSize(s string) int64 {
	shift := 0
	switch s[len(s)-1] {
	case 'k', 'K':
		shift = 10
	case 'm', 'M':
		shift = 20
	case 'g', 'G':
		shift = 30
	}
	if shift > 0 {
		s = s[:len(s)-1]
	}
	var n int64
	for _, c := range s {
		if c < '0' || c > '9' || n > 1<<30 {
			return 0
		}
		n = n*10 + int64(c-'0')
	}
	return n << shift
}
