package main

import "github.com/spf13/pflag"

// refused are flags of docker that people try: each answers in one line what to
// use instead.
var refused = []struct {
	name, short, answer string
}{
	{"detach", "d", "a machine runs in the foreground (end the line with &, or keep it up with a systemd unit, see README.md)"},
	{"volume", "v", "there are no volumes yet (copy files in, read-only, with --file HOST:GUEST or --dir HOST:GUEST)"},
	{"mount", "", "there are no volumes yet (copy files in, read-only, with --file HOST:GUEST or --dir HOST:GUEST)"},
	{"interactive", "i", "a program in a machine has no terminal, and its stdin is at end of file (give it files with --file, arguments, or a port with -p)"},
	{"tty", "t", "a program in a machine has no terminal, and its stdin is at end of file (give it files with --file, arguments, or a port with -p)"},
	{"name", "", "machines have no names (a machine is the process of its skerry: end it with kill PID)"},
	{"rm", "", "is not needed (nothing is left of a machine when it ends)"},
	{"restart", "", "a machine is not restarted by itself (use a systemd unit with Restart=, see README.md)"},
	{"user", "u", "there are no users in a machine (everything is 65532)"},
	{"privileged", "", "there are no privileges in a machine (leave it out)"},
	{"cap-add", "", "there are no capabilities in a machine (leave it out)"},
	{"cap-drop", "", "there are no capabilities in a machine (leave it out)"},
	{"entrypoint", "", "an image has one program (name another program instead of the image)"},
	{"expose", "", "lead a port of the host to it with -p HOST:GUEST"},
	{"publish-all", "P", "name each port with -p HOST:GUEST"},
	{"read-only", "", "is always so (the root of a machine is read-only; /tmp and /run are in memory)"},
}

// refusedValue is the value of such a flag.
type refusedValue struct{ flag, answer string }

func (r *refusedValue) Type() string     { return "" }
func (r *refusedValue) String() string   { return "" }
func (r *refusedValue) Set(string) error { return usage("%s: %s", r.flag, r.answer) }

// refuseDocker adds them to flags, but for letters that are taken.
func refuseDocker(flags *pflag.FlagSet) {
	for _, r := range refused {
		if flags.Lookup(r.name) != nil {
			continue
		}
		flag := "--" + r.name
		short := r.short
		if short != "" && flags.ShorthandLookup(short) != nil {
			short = ""
		}
		if short != "" {
			flag = "-" + short
		}
		f := flags.VarPF(&refusedValue{flag, r.answer}, r.name, short, r.answer)
		f.NoOptDefVal = "refused" // whether a value follows or not, it is refused
		f.Hidden = true
	}
}
