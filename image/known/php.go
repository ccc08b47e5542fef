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
	}
	// Debian's reads the system's time zones, and lists the folder when it starts.
	f.Paths = append(f.Paths, Path{Host: "/usr/share/zoneinfo", Why: "time zones", Skip: zoneSkip})
	f.Paths = append(f.Paths, Path{Host: opensslConf, Why: "configuration of OpenSSL"}, Path{Host: "/etc/ssl/certs/ca-certificates.crt", Why: "CA certificates"})
	jit := ""
	for _, a := range p.Args {
		if v, ok := strings.CutPrefix(strings.TrimPrefix(a, "-d"), "opcache.jit_buffer_size="); ok {
			jit = v
		}
	}
	if jit != "" && jit != "0" {
		f.JIT = phpSize(jit)
	}
	f.Notes = append(f.Notes, Note{Level: Info, Point: "single process", Text: "php: exec, system, proc_open, pcntl_fork and PHP_CLI_SERVER_WORKERS fail; mail() does, too, since it starts sendmail"})
	return f
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
	for _, pattern := range inis {
		list, _ := filepath.Glob(pattern)
		for _, ini := range list {
			b, err := os.ReadFile(ini)
			if err != nil {
				continue
			}
			for _, m := range phpLoads.FindAllStringSubmatch(string(b), -1) {
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

// zoneSkip leaves out the second and third form of each time zone.
func zoneSkip(rel string, dir bool) bool {
	return dir && (rel == "posix" || rel == "right")
}
