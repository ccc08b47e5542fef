package known

import (
	"debug/elf"
)

// bunCode is what JavaScriptCore of Bun reserves at its start as memory that is written and
// executed: 1 GiB and a guard, for all of its threads (seen with Bun 1.4; JavaScriptCore's
// ExecutableAllocator). The rest is for what is compiled for C functions (bun:ffi).
const bunCode = 1<<30 + 16<<20

// bun knows Bun by where it says that problems are to be told.
func bun(p *Program) *Facts {
	if name := p.Name(); name != "bun" && name != "bunx" && name != "bun-profile" || !holds(p.Path, "https://github.com/oven-sh/bun/issues") {
		return nil
	}
	f := &Facts{Name: "Bun", JIT: bunCode}
	// It has a list of CAs of its own, and reads these for --use-openssl-ca and --use-system-ca.
	f.Paths = append(p.certificates(), p.runScript(bunOptions)...)
	f.Notes = append(f.Notes, scriptNote("bun"))
	return f
}

// bunOptions are Bun's ("bun run --help").
var bunOptions = options{
	commands: []string{"run"},
	value: []string{"-r", "--preload", "--require", "--import", "--port", "--conditions", "--cwd", "-c", "--config", "--env-file", "-d", "--define", "-l",
		"--loader", "--tsconfig-override"},
}

// deno knows Deno by where it says that problems are to be told: V8, as Node.js has it.
func deno(p *Program) *Facts {
	if p.Name() != "deno" || !holds(p.Path, "https://github.com/denoland/deno/issues") {
		return nil
	}
	f := &Facts{Name: "Deno", JIT: (1 + v8Workers) * v8CodeRange}
	// Its cache is of what it has compiled; what it downloads there is gone at the end.
	f.Env = []string{"DENO_DIR=/tmp/deno", "DENO_NO_UPDATE_CHECK=1"}
	f.Paths = append(p.certificates(), p.runScript(denoOptions)...)
	f.Notes = append(f.Notes, scriptNote("deno"))
	return f
}

// denoOptions are Deno's ("deno run --help").
var denoOptions = options{
	commands: []string{"run", "serve"},
	value:    []string{"-c", "--config", "--import-map", "--cert", "--location", "--seed", "--lock", "--ext", "--port", "--host", "-L", "--log-level", "--preload"},
}

// scriptNote says what is not packed for a runtime of JavaScript.
func scriptNote(name string) Note {
	return Note{Level: Info, Text: name + ": modules that the script imports are added with --dir, or bundled with it; skerry trace finds them"}
}

// runScript is the script in a runtime's arguments.
func (p *Program) runScript(o options) []Path {
	return p.script(o.scriptIn(p.Args, func(string, string) {}))
}

// holds reports whether an ELF file has a text in a segment that is only read or is
// loaded as data.
func holds(path, text string) bool {
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	for _, s := range f.Progs {
		if s.Type == elf.PT_LOAD && findIn(s.Open(), []byte(text), 1) != nil {
			return true
		}
	}
	return false
}
