package known

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// daemons are servers that work if they are kept from going into the background, and
// from what only a user with privileges can do.
var daemons = map[string]func(p *Program, f *Facts){
	"haproxy":   haproxy,
	"dnsmasq":   dnsmasq,
	"unbound":   unbound,
	"lighttpd":  lighttpd,
	"mosquitto": mosquitto,
	"mysqld":    mariadb,
	"mariadbd":  mariadb,
}

func daemon(p *Program) *Facts {
	known := daemons[p.Name()]
	if known == nil {
		return nil
	}
	f := &Facts{Name: p.Name()}
	known(p, f)
	return f
}

func (f *Facts) warn(point, text string) {
	f.Notes = append(f.Notes, Note{Level: Warn, Point: point, Text: text})
}

// configured is the text of the configuration that an argument names, which is packed; of
// the file at path if none does. Comments begin with #.
func (p *Program) configured(f *Facts, arg, path string) (text string) {
	host, guest, ok := p.argument(arg)
	switch {
	case arg == "":
		if exists(path) {
			f.Paths = append(f.Paths, Path{Host: path, Why: "its configuration"})
		}
		text = p.text(path)
	case ok && regular(host):
		x := named(host, guest, "the configuration that its arguments name")
		f.Paths = append(f.Paths, x)
		if b, err := os.ReadFile(host); err == nil {
			text = string(b)
		}
	case guest != "":
		text = p.text(guest)
	default:
		text = p.text(filepath.Clean(arg)) // given, and not on the host
	}
	return comment.ReplaceAllString(text, "") + "\n"
}

// short is the value of an option of one letter, which may stand with it or behind it.
func (p *Program) short(option string) (value string) {
	for i, a := range p.Args {
		if rest, ok := strings.CutPrefix(a, option); ok && !strings.HasPrefix(a, "--") {
			if value = strings.TrimPrefix(rest, "="); value == "" && i+1 < len(p.Args) {
				value = p.Args[i+1]
			}
		}
	}
	return value
}

// setting finds a line of a configuration that begins with a word.
func setting(text, word string) string {
	m := regexp.MustCompile(`(?m)^[ \t]*` + regexp.QuoteMeta(word) + `\b[ \t]*([^\n]*)$`).FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	return strings.TrimSpace(word + " " + m[1])
}

// haproxy forks to go into the background and, as a master, its workers (its
// documentation, "Management", 3).
func haproxy(p *Program, f *Facts) {
	text := p.configured(f, p.after("-f"), "/etc/haproxy/haproxy.cfg")
	if p.flag("-db") {
		// It says that nothing of that is done.
	} else if p.flag("-D") || p.flag("-W") || p.flag("-Ws") || setting(text, "daemon") != "" || setting(text, "master-worker") != "" {
		f.warn(oneProcess, "haproxy: -D, -W, daemon and master-worker fork, which fails: run it with -db, which leaves them out")
	}
	for _, word := range []string{"chroot", "user", "group", "uid", "gid"} {
		if line := setting(text, word); line != "" && p.Args != nil {
			f.warn(noUsers, "haproxy: "+line+" needs privileges that nothing in a machine has: leave it out")
		}
	}
}

// dnsmasq goes into the background unless -k or -d says otherwise (dnsmasq(8)).
func dnsmasq(p *Program, f *Facts) {
	conf := p.short("-C")
	for _, a := range p.Args {
		if v, ok := strings.CutPrefix(a, "--conf-file="); ok {
			conf = v
		}
	}
	text := p.configured(f, conf, "/etc/dnsmasq.conf")
	if !p.flag("-k") && !p.flag("--keep-in-foreground") && !p.flag("-d") && !p.flag("--no-daemon") && setting(text, "keep-in-foreground") == "" {
		f.warn(oneProcess, "dnsmasq: going into the background forks, which fails: run it with -k")
	}
	user := p.short("-u") != "" || setting(text, "user") != ""
	for _, a := range p.Args {
		user = user || strings.HasPrefix(a, "--user")
	}
	if !user {
		f.warn(noUsers, "dnsmasq: it looks for a user to change to, and a machine has one: run it with -u skerry")
	}
}

// unbound goes into the background, changes its root and its user unless its configuration
// says otherwise (unbound.conf(5)).
func unbound(p *Program, f *Facts) {
	conf := p.short("-c")
	if conf == "" && exists("/etc/unbound/unbound.conf.d") {
		f.Paths = append(f.Paths, Path{Host: "/etc/unbound", Why: "its configuration", Skip: func(rel string, dir bool) bool { return strings.HasSuffix(rel, ".key") }})
	}
	text := p.configured(f, conf, "/etc/unbound/unbound.conf")
	off := func(word, value string) bool {
		v := strings.TrimSpace(strings.TrimPrefix(setting(text, word), word))
		return strings.Trim(strings.TrimSpace(strings.TrimPrefix(v, ":")), `"'`) == value && v != ""
	}
	if !p.flag("-d") && !p.flag("-dd") && !off("do-daemonize", "no") {
		f.warn(oneProcess, "unbound: going into the background forks, which fails: run it with -d, or do-daemonize: no")
	}
	if !off("chroot", "") {
		f.warn(noUsers, `unbound: it changes its root, which nothing in a machine can: chroot: ""`)
	}
	if !off("username", "") {
		f.warn(noUsers, `unbound: it changes its user, and a machine has one: username: ""`)
	}
}

// lighttpd goes into the background without -D; its modules are files that it loads by name.
func lighttpd(p *Program, f *Facts) {
	text := p.configured(f, p.short("-f"), "")
	f.Tmpfs = append(f.Tmpfs, "/var/tmp") // where it has large requests meanwhile, by default
	for _, dir := range []string{"/usr/lib/lighttpd", "/usr/lib64/lighttpd"} {
		if exists(dir) {
			f.Paths = append(f.Paths, Path{Host: dir, Why: "its modules"})
		}
	}
	if p.Args != nil && !p.flag("-D") && !p.flag("-t") && !p.flag("-tt") && !p.flag("-v") && !p.flag("-V") {
		f.warn(oneProcess, "lighttpd: going into the background forks, which fails: run it with -D")
	}
	if setting(text, "include_shell") != "" {
		f.warn(NoShells, "lighttpd: include_shell of its configuration starts a program, which fails: write what that says into it")
	}
	for _, word := range []string{"server.username", "server.groupname", "server.chroot"} {
		if setting(text, word) != "" {
			f.warn(noUsers, "lighttpd: "+word+" needs privileges that nothing in a machine has: leave it out")
		}
	}
}

// mosquitto listens on the loopback device only, unless its configuration names a
// listener (mosquitto.conf(5)).
func mosquitto(p *Program, f *Facts) {
	conf := p.after("-c")
	text := p.configured(f, conf, "")
	if p.flag("-d") || setting(text, "daemon true") != "" {
		f.warn(oneProcess, "mosquitto: -d forks, which fails: leave it out")
	}
	if p.Args != nil && setting(text, "listener") == "" && setting(text, "port") == "" {
		f.warn("", "mosquitto: without a listener in its configuration it is reached from inside of the machine only: -c FILE with \"listener 1883 0.0.0.0\", and \"allow_anonymous true\" or a password_file")
	}
	if dir := strings.TrimSpace(strings.TrimPrefix(setting(text, "persistence_location"), "persistence_location")); dir != "" && !written(dir+"/") {
		f.warn("", "mosquitto: persistence_location "+dir+" has to be a folder that can be written: below /tmp, or --tmpfs "+strings.TrimSuffix(dir, "/"))
	}
}

// mariadb knows MariaDB and MySQL: their messages and character sets.
func mariadb(p *Program, f *Facts) {
	f.Name = "MariaDB or MySQL"
	for _, dir := range []string{"/usr/share/mysql", "/usr/share/mariadb", "/usr/share/mysql-8.0"} {
		if exists(dir) {
			f.Paths = append(f.Paths, Path{Host: dir, Why: "its messages and character sets"})
		}
	}
	args := strings.Join(p.Args, " ") + " "
	if !strings.Contains(args, "--socket=") {
		f.Tmpfs = append(f.Tmpfs, "/run/mysqld") // where Debian's has its socket
	}
	if !strings.Contains(args, "--datadir=") {
		f.warn("", p.Name()+": its data folder has to be one that can be written and is already made (mysql_install_db): --datadir=DIR; with --skip-grant-tables an empty one is enough")
	}
}
