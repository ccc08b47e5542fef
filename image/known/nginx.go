package known

import (
	"path"
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
	nginxRoot   = regexp.MustCompile(`(?m)(?:^|[;{}\s])(root|alias)\s+(/[^\s;$]+)\s*;`)
	nginxBody   = regexp.MustCompile(`(?m)(^|[;{}\s])client_body_temp_path\s`)
	nginxOther  = regexp.MustCompile(`(?m)(?:^|[;{}\s])include\s+([^\s;]+)\s*;`)
	comment     = regexp.MustCompile(`(?m)(^|\s)#.*$`)
)

// nginxTemp is where Debian's nginx keeps bodies and answers on their way.
const nginxTemp = "/var/lib/nginx"

// nginx knows nginx and its fork angie: the folder of its configuration when that is
// the one that it was built for, its modules, where it writes, and that its master must
// not start workers.
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
	for _, dir := range []string{"/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules"} {
		if exists(dir) {
			f.Paths = append(f.Paths, Path{Host: dir, Why: "its modules"})
		}
	}
	if dir := "/usr/share/nginx/modules-available"; exists(dir) {
		f.Paths = append(f.Paths, Path{Host: dir, Why: "its modules"})
	}
	// What openssl.cnf says counts for every program with OpenSSL, and nginx reads it.
	f.Paths = append(f.Paths, Path{Host: opensslConf, Why: "configuration of OpenSSL"})
	text := p.nginxText(conf, filepath.Dir(conf), 0) + p.after("-g") + "\n"
	if !nginxBody.MatchString(text) && exists(nginxTemp) {
		f.Tmpfs = append(f.Tmpfs, nginxTemp)
	}
	if !nginxMaster.MatchString(text) {
		f.Notes = append(f.Notes, Note{Level: Warn, Point: "single process",
			Text: `nginx: its master starts workers, which fails: run it with -g "master_process off; daemon off;"`})
	} else if !nginxDaemon.MatchString(text) {
		f.Notes = append(f.Notes, Note{Level: Warn, Point: "single process",
			Text: `nginx: going into the background forks, which fails: run it with -g "master_process off; daemon off;"`})
	}
	seen := map[string]bool{}
	for _, m := range nginxFiles.FindAllStringSubmatch(text, -1) {
		file := path.Clean(m[2])
		if written(file) || seen[file] {
			continue
		}
		seen[file] = true
		if target := nginxStreams[m[1]]; target != "" && !strings.Contains(file, "$") {
			f.Links = append(f.Links, Link{Path: file, Target: target})
			f.Notes = append(f.Notes, Note{Level: Info, Text: "nginx: " + m[1] + " " + file + " is a link to " + target + ", since files are read-only in a machine"})
			continue
		}
		f.Notes = append(f.Notes, Note{Level: Warn,
			Text: "nginx: " + m[1] + " " + file + " cannot be written in a machine, whose files are read-only but for /tmp, /run and /dev: use /dev/stderr or /dev/stdout, or /run/nginx.pid"})
	}
	for _, m := range nginxRoot.FindAllStringSubmatch(text, -1) {
		dir := path.Clean(m[2])
		if seen[dir] || p.hides(dir) || !exists(dir) || p.Has != nil && p.Has(dir) || strings.HasPrefix(dir+"/", "/etc/nginx/") {
			continue
		}
		seen[dir] = true
		f.Notes = append(f.Notes, Note{Level: Warn, Text: "nginx: " + m[1] + " " + dir + " is not packed: add --dir " + dir + ":" + dir})
	}
	return f
}

// nginxStreams are where its logs go instead, as in the images that its makers
// publish.
var nginxStreams = map[string]string{"error_log": "/dev/stderr", "access_log": "/dev/stdout"}

// nginxText is a file of configuration without its comments, and with those that it
// includes: paths and patterns are relative to the first one's folder.
func (p *Program) nginxText(file, dir string, depth int) string {
	const deepest = 10
	text := comment.ReplaceAllString(p.text(file), "") + "\n"
	if depth == deepest {
		return text
	}
	for _, m := range nginxOther.FindAllStringSubmatch(text, -1) {
		other := m[1]
		if !path.IsAbs(other) {
			other = path.Join(dir, other)
		}
		list, _ := filepath.Glob(other)
		if list == nil && !strings.ContainsAny(other, "*?[") {
			list = []string{other} // one that the user gives
		}
		for _, f := range list {
			text += p.nginxText(f, dir, depth+1)
		}
	}
	return text
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
