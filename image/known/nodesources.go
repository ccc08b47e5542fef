package known

import (
	"bytes"
	"encoding/json"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// nodeOptions are Node's options whose value may be the next argument (Node's
// documentation, "Command-line API"); those of V8 have it behind "=".
var nodeOptions = options{
	value: []string{"-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions", "--env-file", "--env-file-if-exists", "--title", "--input-type",
		"--icu-data-dir", "--openssl-config", "--max-http-header-size", "--inspect-port", "--debug-port", "--dns-result-order", "--unhandled-rejections", "--disable-proto", "--disable-warning",
		"--diagnostic-dir", "--redirect-warnings", "--report-dir", "--report-directory", "--report-filename", "--report-signal", "--trace-event-categories", "--trace-event-file-pattern", "--watch-path",
		"--cpu-prof-dir", "--cpu-prof-name", "--cpu-prof-interval", "--heap-prof-dir", "--heap-prof-name", "--heap-prof-interval", "--heapsnapshot-signal", "--secure-heap", "--secure-heap-min",
		"--tls-cipher-list", "--tls-keylog", "--tls-min-v1.0", "--use-largepages", "--v8-pool-size", "--allow-fs-read", "--allow-fs-write", "--localstorage-file", "--network-family-autoselection-attempt-timeout"},
	code: []string{"-e", "--eval", "-p", "--print", "-v", "--version", "-h", "--help", "--run"},
}

var (
	// Calls of require and import, and the end of import and export declarations
	// (ECMAScript, "Imports", "Exports"). What looks like one inside of a text does no
	// harm: there is such a file, or there is not.
	nodeLoads = regexp.MustCompile("(?:\\b(?:require(?:\\.resolve)?|import)\\s*\\(\\s*|\\bfrom\\s*|\\bimport\\s*)[\"'`]([^\"'`\\n]+)[\"'`]")
	// A file beside the source.
	nodeBeside = regexp.MustCompile(`\bnew\s+URL\(\s*["']([^"'\n]+)["']\s*,\s*import\.meta\.url|\bnew\s+Worker\(\s*(?:path\.)?(?:join|resolve)\(\s*__dirname\s*,\s*["']([^"'\n]+)["']|\bnew\s+Worker\(\s*__dirname\s*\+\s*["']([^"'\n]+)["']`)
	// A path from the working folder (Node's documentation, "new Worker").
	nodeWorker  = regexp.MustCompile(`\bnew\s+Worker\(\s*["'](\.[^"'\n]+)["']`)
	packageName = regexp.MustCompile(`^(?:@[a-z0-9~_-][\w.~-]*/)?[A-Za-z0-9~_-][\w.~-]*`)
)

// nodeOwn are Node's own modules: module.builtinModules, by the part before a slash, and
// those that are only there with the prefix node:.
var nodeOwn = strings.Fields(`_http_agent _http_client _http_common _http_incoming _http_outgoing _http_server _stream_duplex _stream_passthrough _stream_readable _stream_transform
	_stream_wrap _stream_writable _tls_common _tls_wrap assert async_hooks buffer child_process cluster console constants crypto dgram diagnostics_channel dns domain events fs http http2 https
	inspector module net os path perf_hooks process punycode querystring readline repl stream string_decoder sys timers tls trace_events tty url util v8 vm wasi worker_threads zlib`)

// debianNode are the folders of modules that Debian's Node looks into at last.
var debianNode = []string{"/usr/share/nodejs", "/usr/lib/nodejs", "/usr/lib/x86_64-linux-gnu/nodejs"}

// maxManifest bounds a package.json, in bytes.
const maxManifest = 1 << 20

// maxMissing bounds how many packages a user is warned of.
const maxMissing = 20

// nodeManifest is what is read of a package.json.
type nodeManifest struct {
	Main         any            `json:"main"`
	Name         any            `json:"name"`
	Dependencies map[string]any `json:"dependencies"`
	Optional     map[string]any `json:"optionalDependencies"`
	Peers        map[string]any `json:"peerDependencies"`
}

// nodeWalk follows the sources of a program for Node.
type nodeWalk struct {
	*walk
	system  []string        // folders of modules of the system
	tried   map[string]bool // folders and names that were looked for
	missing []string        // packages that the program's own sources load, and that are nowhere
}

// nodeScript adds the script that the arguments name and what it loads: files by relative
// paths, and packages whole, as Node finds them (Node's documentation, "All together...").
func (p *Program) nodeScript(f *Facts) {
	var before, env []string
	script := nodeOptions.scriptIn(p.Args, func(name, value string) {
		switch name {
		case "-r", "--require", "--import", "--loader", "--experimental-loader":
			before = append(before, value)
		case "--env-file", "--env-file-if-exists":
			env = append(env, value)
		}
	})
	for _, e := range env {
		if host, guest, ok := p.argument(e); ok && regular(host) {
			f.Paths = append(f.Paths, named(host, guest, "the environment that its arguments name"))
		}
	}
	if script != "" && !regular(script) { // node app means app.js, too, and a folder its main file
		script = nodeFile(script, true)
	}
	f.Paths = append(f.Paths, p.script(script)...)
	in := p.walkFrom(script, "what the script loads")
	if in == nil {
		return
	}
	w := &nodeWalk{walk: in, tried: map[string]bool{}}
	if p.Uses("libnode.so") {
		w.system, w.fixed = debianNode, debianNode
	}
	for _, b := range before {
		if here, ok := p.here("."); ok {
			w.load(filepath.Join(here.host, "x"), b, true)
		}
	}
	w.run(func(file string, text []byte) {
		if ext := filepath.Ext(file); ext == ".json" || ext == ".node" {
			return
		}
		w.nearest(filepath.Dir(file))
		for _, m := range nodeLoads.FindAllSubmatchIndex(text, maxLoads) {
			w.load(file, string(text[m[2]:m[3]]), !commented(text, m[0]))
		}
		for _, m := range nodeBeside.FindAllSubmatch(text, maxLoads) {
			if name := string(m[1]) + string(m[2]) + string(m[3]); regular(filepath.Join(filepath.Dir(file), name)) {
				w.file(filepath.Join(filepath.Dir(file), name))
			}
		}
		for _, m := range nodeWorker.FindAllSubmatch(text, maxLoads) {
			if at, ok := p.here(string(m[1])); ok && regular(at.host) {
				w.fileAt(at.host, at.guest)
			}
		}
	})
	w.add(f)
	for _, name := range w.missing {
		f.Notes = append(f.Notes, Note{Level: Warn, Text: "node: the package " + name + ", which the script or a file beside it loads, is in no folder node_modules: npm install " + name + ", or give it with --dir"})
	}
}

// commented reports whether what stands at a place of a source seems to be in a comment.
func commented(text []byte, at int) bool {
	line := string(text[bytes.LastIndexByte(text[:at], '\n')+1 : at])
	return strings.Contains(line, "//") || strings.HasPrefix(strings.TrimSpace(line), "*") || strings.LastIndex(line, "/*") > strings.LastIndex(line, "*/")
}

// load packs what a source loads by a name; note says whether to tell if it is nowhere.
func (w *nodeWalk) load(file, name string, note bool) {
	dir := filepath.Dir(file)
	key := dir + "\x00" + name
	if w.tried[key] {
		return
	}
	w.tried[key] = true
	switch {
	case name == "." || name == ".." || strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../"):
		if found := nodeFile(filepath.Join(dir, name), true); found != "" {
			if main := filepath.Join(dir, name, "package.json"); regular(main) {
				w.file(main)
			}
			w.file(found)
		}
		return
	case strings.HasPrefix(name, "/"):
		if found := nodeFile(name, true); found != "" {
			w.fileAt(found, found)
		}
		return
	case strings.HasPrefix(name, "node:") || slices.Contains(nodeOwn, strings.SplitN(name, "/", 2)[0]):
		// A package of such a name is found by its folder's slash, as punycode/ is.
		if !strings.HasSuffix(name, "/") {
			return
		}
	}
	pkg := packageName.FindString(name)
	if rest := strings.TrimPrefix(name, pkg); pkg == "" || rest != "" && !strings.HasPrefix(rest, "/") {
		return // a URL, a name of package.json's imports, or none
	}
	if !w.bare(dir, pkg) && note && len(w.missing) < maxMissing && !w.given(dir, pkg) && !slices.Contains(w.missing, pkg) {
		w.missing = append(w.missing, pkg)
	}
}

// given reports whether the user gives a package, or whether it is the one that the folder
// is in.
func (w *nodeWalk) given(dir, pkg string) bool {
	for d := dir; ; d = filepath.Dir(d) {
		if m := readNodeManifest(filepath.Join(d, "package.json")); m != nil && m.Name == pkg {
			return true
		}
		if w.p.Has != nil && w.p.Has(w.to(filepath.Join(d, "node_modules", pkg))) {
			return true
		}
		if d == filepath.Dir(d) {
			return false
		}
	}
}

// nodeFile is the file that a path means, "" if there is none: with the endings that
// require tries, and as a folder.
func nodeFile(name string, folder bool) string {
	if found := firstFile(name, name+".js", name+".mjs", name+".cjs", name+".json", name+".node"); found != "" || !folder {
		return found
	}
	if m := readNodeManifest(filepath.Join(name, "package.json")); m != nil {
		if main, ok := m.Main.(string); ok && main != "" {
			main = filepath.Join(name, main)
			if found := nodeFile(main, false); found != "" {
				return found
			}
			if found := firstFile(filepath.Join(main, "index.js"), filepath.Join(main, "index.json"), filepath.Join(main, "index.node")); found != "" {
				return found
			}
		}
	}
	return firstFile(filepath.Join(name, "index.js"), filepath.Join(name, "index.json"), filepath.Join(name, "index.node"))
}

// nearest packs the package.json that says how the sources of a folder are read.
func (w *nodeWalk) nearest(dir string) {
	for d := dir; filepath.Base(d) != "node_modules"; d = filepath.Dir(d) {
		if m := filepath.Join(d, "package.json"); regular(m) {
			w.file(m)
			return
		}
		if d == filepath.Dir(d) {
			return
		}
	}
}

// bare packs a package that is loaded from a folder: out of node_modules there or further
// up, or of the system's.
func (w *nodeWalk) bare(dir, pkg string) bool {
	for d := dir; ; d = filepath.Dir(d) {
		if filepath.Base(d) != "node_modules" && w.pkg(filepath.Join(d, "node_modules", pkg)) {
			return true
		}
		if d == filepath.Dir(d) {
			break
		}
	}
	for _, d := range w.system {
		if w.pkg(filepath.Join(d, pkg)) {
			return true
		}
	}
	return false
}

// pkg packs the package of a folder, or of a single file, with what its package.json says
// that it needs. Where a link leads to it, it is packed where it is, with the link.
func (w *nodeWalk) pkg(at string) bool {
	if !isDir(at) {
		file := firstFile(at+".js", at+".json", at+".node")
		if file != "" {
			w.file(file)
		}
		return file != ""
	}
	real, err := filepath.EvalSymlinks(at)
	if err != nil {
		return false
	}
	if real != at {
		if !regular(filepath.Join(real, "package.json")) && !strings.Contains(real, "/node_modules/") {
			return false // who knows what that is
		}
		w.link(at, real)
	}
	if w.seen[real] {
		return true
	}
	skip := w.skip
	if !strings.Contains(real, "/node_modules/") { // of a workspace: what only its development needs stands there, too
		w.skip = func(rel string, dir bool) bool { return skip(rel, dir) || dir && filepath.Base(rel) == "node_modules" }
	}
	w.folder(real)
	w.skip = skip
	m := readNodeManifest(filepath.Join(real, "package.json"))
	if m == nil {
		return true
	}
	for _, needs := range []map[string]any{m.Dependencies, m.Optional, m.Peers} {
		for _, name := range slices.Sorted(maps.Keys(needs)) {
			if packageName.FindString(name) == name {
				w.bare(real, name)
			}
		}
	}
	return true
}

// readNodeManifest reads a package.json, nil if it cannot be read.
func readNodeManifest(file string) *nodeManifest {
	text := readSource(file)
	if text == nil || len(text) > maxManifest {
		return nil
	}
	m := &nodeManifest{}
	if err := json.Unmarshal(text, m); err != nil {
		return nil
	}
	return m
}
