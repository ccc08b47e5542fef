package known

import (
	"strings"
)

// redis knows Redis and its forks. Debian's redis-server is a link to a file that is
// several programs.
func redis(p *Program) *Facts {
	switch name := p.Called; {
	case name == "redis-server" || p.Name() == "redis-server":
	case name == "valkey-server" || p.Name() == "valkey-server":
	case name == "keydb-server" || p.Name() == "keydb-server":
	default:
		return nil
	}
	f := &Facts{Name: "Redis"}
	conf := ""
	if len(p.Args) > 0 && !strings.HasPrefix(p.Args[0], "-") {
		conf = p.text(p.Args[0])
	}
	// An option is a line of the file or --NAME VALUE..., and the arguments come last.
	option := func(name string) (values []string) {
		for _, line := range strings.Split(conf, "\n") {
			if w := strings.Fields(line); len(w) > 0 && strings.EqualFold(w[0], name) {
				values = w[1:]
			}
		}
		for i, a := range p.Args {
			if !strings.EqualFold(a, "--"+name) {
				continue
			}
			values = []string{}
			for _, v := range p.Args[i+1:] {
				if strings.HasPrefix(v, "--") {
					break
				}
				values = append(values, strings.Fields(v)...)
			}
		}
		return values
	}
	first := func(name string) string {
		if v := option(name); len(v) > 0 {
			return strings.Trim(v[0], `"'`)
		}
		return ""
	}
	warn := func(point, text string) {
		f.Notes = append(f.Notes, Note{Level: Warn, Point: point, Text: text})
	}
	if first("daemonize") == "yes" {
		warn("single process", "redis: daemonize yes forks, which fails; it goes on in the foreground only with --daemonize no")
	}
	if first("protected-mode") != "no" && first("requirepass") == "" && first("bind") == "" && option("user") == nil && first("aclfile") == "" {
		warn("", "redis: its protected mode refuses every client that is not in the machine, so all of -p: set a password (--requirepass), or --protected-mode no")
	}
	dir := first("dir")
	saves := option("save")
	// Without a save line of its own it has three.
	snapshots := saves == nil || len(saves) > 0 && first("save") != ""
	appends := first("appendonly") == "yes"
	if snapshots {
		warn("single process", `redis: BGSAVE and the snapshots of "save" fork, which fails (writes are then refused, MISCONF): --save "" turns them off; SAVE works`)
	}
	if appends {
		warn("single process", "redis: BGREWRITEAOF forks, which fails; the append-only file is written but grows: --auto-aof-rewrite-percentage 0 stops the attempts")
	}
	if (snapshots || appends) && (dir == "" || strings.HasPrefix(dir, ".")) {
		warn("", "redis: it writes its files into the working folder, which is read-only unless -w or --dir (of redis) names another, such as /tmp; it does not end on SIGTERM while it cannot save")
	}
	return f
}
