package main

import (
	"errors"
	"io/fs"
	"strconv"
	"time"

	"skerry/bootrec"
	"skerry/image"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// settings are the values of all flags of run and build; each verb declares those
// that it has.
type settings struct {
	config  string
	quiet   bool
	verbose bool

	// What goes into an image.
	env    environment
	copies []image.Copy
	libs   []string
	exact  bool
	// buildOnly is a flag that was given and says what goes into an image; as a key of
	// the file it has no effect on one that is built.
	buildOnly string
	tmpfs     []image.Tmpfs
	overlay   *image.Overlay
	policy    *image.Policy
	allow     []string // values of --allow
	workdir   string
	jit       jitValue
	noJIT     bool
	output    string
	kernel    string

	// How a machine runs.
	publish publishValue
	memory  memoryValue
	cpus    cpusValue
	timeout durationValue
	// timeoutMeant: that the timeout ends the program is no failure (trace --for).
	timeoutMeant bool
	stopTimeout  durationValue
	statusFile   string
	log          string
	audit        string
	incident     string
	strace       string
	secrets      []bootrec.Secret
	hostAccess   bool
	machine      choiceValue
	cpu          string
	network      choiceValue
}

func newSettings() *settings {
	return &settings{
		memory: 256 << 20, cpus: 1,
		timeout:     durationValue{name: "timeout"},
		stopTimeout: durationValue{"stop-timeout", 10 * time.Second},
		machine:     choiceValue{"machine", []string{"microvm", "q35"}, "microvm"},
		network:     choiceValue{"network", []string{"user", "none"}, "user"},
	}
}

const configHelp = "read settings from `FILE` (default ./skerry.toml if there is one); flags win"

// imageFlags are those of run and build.
func (s *settings) imageFlags(f *pflag.FlagSet) {
	f.SetInterspersed(false) // what stands behind PROGRAM is the program's
	f.SortFlags = false
	f.VarP(&envValue{&s.env, false}, "env", "e", "environment variable for the program; the name alone passes the one from here")
	f.Var(&envValue{&s.env, true}, "env-file", "file with a variable on each line")
	f.Var(&copyValue{&s.copies, false}, "file", "copy a file into the machine; it is read-only there and does not follow changes")
	f.Var(&copyValue{&s.copies, true}, "dir", "copy a folder into the machine; it is read-only there and does not follow changes; without HOST it is empty")
	f.Var(&listValue{&s.libs, "FILE|DIR"}, "lib", "pack a library that the program loads by name, with what it needs; or a folder to look for libraries in")
	f.Var(&tmpfsValue{&s.tmpfs}, "tmpfs", "a writable folder in memory, which may be as large as said; what the image has there is hidden")
	f.Var(&overlayValue{&s.overlay}, "overlay", "let the program write anywhere, into a layer in memory over the image; what is written is data and cannot be executed; with a size it takes no more than that (else half of the memory)")
	f.Lookup("overlay").NoOptDefVal = image.OverlayHalf
	level, seal := policyWords(&s.policy)[0], policyWords(&s.policy)[1]
	f.Var(level, level.name, "what happens when the program tries what the model rules out: default refuses, strict ends the machine if it tries to start another program")
	f.Var(&verdictValue{&s.policy}, "verdict", "the same for one rule: RULE=deny or RULE=kill; rules are process, identity, memory, surface and egress")
	f.Var(seal, seal.name, "what can be neither changed nor unmapped: all seals shared libraries, too, so that dlclose does not unmap them (default the program and its loader)")
	f.Var(&auditRequired{&s.policy}, "audit-required", "run only with a record of what the kernel refuses (--audit), and end the machine, with status 121, if it cannot be written")
	f.Lookup("audit-required").NoOptDefVal = "true"
	f.Var(&policyValue{&s.policy}, "policy", "read level, verdicts, seal and audit from a file, which has them as [policy] of skerry.toml has; for an image, all of these may only tighten")
	f.Var(&allowValue{&s.allow}, "allow", "let a shell or an interpreter be in the image, at a PATH in the machine, as shell:PATH; nothing can start it, and the image records it")
	f.BoolVar(&s.exact, "exact", false, "pack the program, the libraries that it is linked with and what is named, and no files that are merely known to be read")
	f.StringVarP(&s.workdir, "workdir", "w", "", "working directory of the program, a `DIR` in the machine (default /)")
	f.Var(&s.jit, "jit", "let so much memory become executable, for a program that compiles at run time (default none, or what is known that it needs)")
	f.BoolVar(&s.noJIT, "no-jit", false, "let no memory become executable, whatever the program is known to need")
	f.StringVar(&s.config, "config", "", configHelp)
	f.BoolVar(&s.quiet, "quiet", false, "print nothing but the program's own output")
	f.BoolVar(&s.verbose, "verbose", false, "tell what is done, and what the kernel says")
	f.StringVar(&s.kernel, "kernel", "", "kernel `FILE` instead of the one inside this command")
	f.Lookup("kernel").Hidden = true
}

// runFlags are those of run alone.
func (s *settings) runFlags(f *pflag.FlagSet) {
	f.VarP(&s.publish, "publish", "p", "lead a port of the host to the machine; HOST alone is both, 0:GUEST picks one, an IPv6 address stands in brackets, /udp at the end is UDP; without -p nothing is reachable")
	f.VarP(&s.memory, "memory", "m", "memory of the machine, with K, M or G")
	f.Var(&s.cpus, "cpus", "number of CPUs (or --smp)")
	f.Var(&s.cpus, "smp", "the same as --cpus")
	f.Lookup("smp").Hidden = true
	f.Var(&s.timeout, "timeout", "end the machine after this time, with status 124; the program gets TERM and the stop timeout first")
	f.Var(&s.stopTimeout, "stop-timeout", "how long the program may take to end when it is asked to")
	f.Var(&secretValue{&s.secrets}, "secret", "give the program a file at /run/secrets/NAME, in memory only")
	f.BoolVar(&s.hostAccess, "host-access", false, "let the program reach this host's own loopback, as host.skerry.internal")
	f.StringVar(&s.statusFile, "status-file", "", "write how the machine ended to `FILE`, as JSON")
	f.StringVar(&s.log, "log", "", "write the kernel's log to `FILE`, - for stderr")
	f.StringVar(&s.audit, "audit", "", "record what the kernel refuses, as JSON, in `FILE`, behind what is there, or - for stderr; skerry audit verify checks it")
	f.StringVar(&s.incident, "incident", "", "write the report of a machine that ends by policy to a folder, `DIR`, instead of the user's own; none writes no report")
	f.StringVar(&s.strace, "strace", "", "trace the program's system calls, to `FILE` or to stderr")
	f.Lookup("strace").NoOptDefVal = "-"
	f.Var(&s.machine, "machine", "machine type of QEMU")
	f.StringVar(&s.cpu, "cpu", "", "CPU `MODEL` of QEMU")
	f.Var(&s.network, "network", "network of the machine")
	for _, name := range []string{"machine", "cpu", "network"} {
		f.Lookup(name).Hidden = true
	}
}

// load reads the configuration file and checks what flags say together.
func (s *settings) load(a *app, cmd *cobra.Command) error {
	a.quiet = s.quiet
	if err := s.readConfig(cmd); err != nil {
		return err
	}
	a.quiet = s.quiet
	for _, name := range []string{"lib", "exact", "allow"} {
		if cmd.Flags().Changed(name) {
			s.buildOnly = "--" + name
		}
	}
	switch {
	case s.quiet && s.verbose:
		return usage("--quiet --verbose: are opposites (leave one out)")
	case s.jit != 0 && s.noJIT:
		return usage("--jit --no-jit: are opposites (leave one out)")
	case s.quiet && s.audit == "-":
		return usage("--quiet --audit -: nobody would see the record (write it to a file with --audit FILE)")
	case s.quiet && s.strace == "-":
		return usage("--quiet --strace: nobody would see the trace (write it to a file with --strace=FILE)")
	case s.quiet && s.log == "-":
		return usage("--quiet --log -: nobody would see the log (write it to a file with --log FILE)")
	case s.hostAccess && s.network.word == "none":
		return usage("--host-access --network none: there is no way to the host without a network (leave one out)")
	}
	return nil
}

// bare is the reason of a file's error without the path.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func itoa(n int) string { return strconv.Itoa(n) }
