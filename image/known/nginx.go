package known

import (
	"path/filepath"
	"regexp"
	"strings"
)

// nginxConf is where Debian and most others have its configuration.
const nginxConf = "/etc/nginx/nginx.conf"

var (
	nginxMaster = regexp.MustCompile(`(?m)(^|[;{}\s])master_process\s+off\s*;`)
	nginxDaemon = regexp.MustCompile(`(?m)(^|[;{}\s])daemon\s+off\s*;`)
	nginxFiles  = regexp.MustCompile(`(?m)(?:^|[;{}\s])(error_log|access_log|pid)\s+(/[^\s;]+)`)
	comment     = regexp.MustCompile(`(?m)(^|\s)#.*$`)
)

// nginx knows nginx and its fork angie: the folder of its configuration when that is
// the one that it was built for, its modules, and that its master must not start
// workers.
func nginx(p *Program) *Facts {
	name := p.Name()
	if name != "nginx" && name != "nginx-debug" && name != "openresty" && name != "angie" {
		return nil
	}
	f := &Facts{Name: "nginx"}
	conf := p.after("-c")
	if conf == "" {
		conf = nginxConf
	}
	if filepath.Dir(conf) == filepath.Dir(nginxConf) {
		f.Paths = append(f.Paths, Path{Host: "/etc/nginx", Why: "its configuration"})
	}
	for _, dir := range []string{"/usr/lib/nginx/modules", "/usr/lib64/nginx/modules"} {
		if exists(dir) {
			f.Paths = append(f.Paths, Path{Host: dir, Why: "its modules"})
		}
	}
	if dir := "/usr/share/nginx/modules-available"; exists(dir) {
		f.Paths = append(f.Paths, Path{Host: dir, Why: "its modules"})
	}
	// What openssl.cnf says counts for every program with OpenSSL, and nginx reads it.
	f.Paths = append(f.Paths, Path{Host: opensslConf, Why: "configuration of OpenSSL"})
	text := comment.ReplaceAllString(p.text(conf), "") + "\n" + p.after("-g") + "\n"
	if !nginxMaster.MatchString(text) {
		f.Notes = append(f.Notes, Note{Level: Warn, Point: "single process",
			Text: `nginx: its master starts workers, which fails: run it with -g "master_process off; daemon off;"`})
	} else if !nginxDaemon.MatchString(text) {
		f.Notes = append(f.Notes, Note{Level: Warn, Point: "single process",
			Text: `nginx: going into the background forks, which fails: run it with -g "master_process off; daemon off;"`})
	}
	for _, m := range nginxFiles.FindAllStringSubmatch(text, -1) {
		if file := m[2]; !written(file) {
			f.Notes = append(f.Notes, Note{Level: Warn,
				Text: "nginx: " + m[1] + " " + file + " cannot be written in a machine, whose files are read-only but for /tmp, /run and /dev: use /dev/stderr or /dev/stdout, or /run/nginx.pid"})
		}
	}
	return f
}

// opensslConf is OpenSSL's configuration as Debian and its kin have it.
const opensslConf = "/usr/lib/ssl/openssl.cnf"

// written reports whether a file can be made or written at a path of every machine.
func written(path string) bool {
	for _, dir := range []string{"/tmp/", "/run/", "/dev/"} {
		if strings.HasPrefix(path, dir) {
			return true
		}
	}
	return false
}
