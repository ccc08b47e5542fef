package known

import (
	"path/filepath"
	"slices"
)

// caddyConf is where Debian's unit has caddy's configuration.
const caddyConf = "/etc/caddy/Caddyfile"

// caddyData are the places where caddy keeps certificates with their keys and its last
// configuration (caddyserver.com/docs/conventions#file-locations); without them it
// takes folders of HOME, which is the root of the image.
var caddyData = []string{"XDG_DATA_HOME=/tmp/data", "XDG_CONFIG_HOME=/tmp/config"}

// caddy knows Caddy: places that it can write, what it serves types of files by, and
// that it is not to go into the background.
func caddy(p *Program) *Facts {
	if p.Name() != "caddy" {
		return nil
	}
	f := &Facts{Name: "Caddy", Env: slices.Clone(caddyData)}
	conf := p.after("--config")
	if c := p.after("-config"); c != "" {
		conf = c
	}
	if conf != "" && filepath.Dir(conf) == filepath.Dir(caddyConf) {
		f.Paths = append(f.Paths, Path{Host: filepath.Dir(caddyConf), Why: "its configuration"})
	}
	// For what it proxies to and where it asks for certificates; and the files that
	// Go's package mime reads, of which it takes the first kind that is there.
	f.Paths = append(append(f.Paths, p.certificates()...),
		Path{Host: "/usr/share/mime/globs2", Why: "types of files"}, Path{Host: "/etc/mime.types", Why: "types of files"})
	switch {
	case len(p.Args) > 0 && p.Args[0] == "start":
		f.Notes = append(f.Notes, Note{Level: Warn, Point: "single process",
			Text: "caddy: start puts it into the background as another process, which fails: run it with run in place of start"})
	case len(p.Args) > 0 && p.Args[0] == "run":
		f.Notes = append(f.Notes, Note{Level: Info,
			Text: "caddy: certificates and their keys are kept in /tmp/data (XDG_DATA_HOME), in memory: each start asks for new ones, and certificate authorities limit how often"})
	}
	return f
}
