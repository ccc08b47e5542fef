package main

import (
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"skerry/bootrec"
	"skerry/image"
	"skerry/vmm"
)

// The types of flags. Each Set checks its value wholly, so that a mistake is told
// before anything is built, and says in one line what is wrong.

// memoryValue is an amount of memory in bytes: a number with K, M or G, powers of
// 1024.
type memoryValue int64

func (m *memoryValue) Type() string { return "SIZE" }

func (m *memoryValue) String() string {
	switch n := int64(*m); {
	case n%(1<<30) == 0:
		return strconv.FormatInt(n>>30, 10) + "G"
	case n%(1<<20) == 0:
		return strconv.FormatInt(n>>20, 10) + "M"
	default:
		return strconv.FormatInt(n>>10, 10) + "K"
	}
}

func (m *memoryValue) Set(s string) error {
	n, err := parseSize("-m", s)
	if err != nil {
		return err
	}
	if n < vmm.MinMemory {
		return usage("-m %s: is too little: the kernel alone needs %dM", s, vmm.MinMemory>>20)
	}
	*m = memoryValue(n)
	return nil
}

// parseSize reads a size of memory in whole pages, up to the most that a machine
// can have.
func parseSize(flag, s string) (int64, error) {
	if s == "" {
		return 0, usage("%s: is empty (give a size, such as %s 256M)", flag, flag)
	}
	shift := map[byte]uint{'K': 10, 'M': 20, 'G': 30}[s[len(s)-1]&^0x20]
	digits := s[:len(s)-1]
	if shift == 0 {
		if _, err := strconv.ParseUint(s, 10, 63); err == nil {
			return 0, usage("%s %s: has no unit (%sM, or %sG)", flag, s, s, s)
		}
		return 0, usage("%s %s: is not a size (a number with K, M or G, such as 256M)", flag, s)
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || digits[0] == '+' {
		return 0, usage("%s %s: is not a size (a number with K, M or G, such as 256M)", flag, s)
	}
	if n > vmm.MaxMemory>>shift {
		return 0, usage("%s %s: is more than a machine can have (%dG)", flag, s, int64(vmm.MaxMemory)>>30)
	}
	n <<= shift
	if n%4096 != 0 {
		return 0, usage("%s %s: is not a whole number of pages (a multiple of 4K)", flag, s)
	}
	return int64(n), nil
}

// jitValue is how much memory may become executable, in bytes. 0: not given.
type jitValue int64

func (j *jitValue) Type() string { return "SIZE" }

func (j *jitValue) String() string {
	if *j == 0 {
		return ""
	}
	return (*memoryValue)(j).String()
}

func (j *jitValue) Set(s string) error {
	n, err := parseSize("--jit", s)
	if err != nil {
		return err
	}
	if n == 0 {
		return usage("--jit %s: is nothing (--no-jit refuses all)", s)
	}
	*j = jitValue(n)
	return nil
}

// cpusValue is a number of CPUs.
type cpusValue int

func (c *cpusValue) Type() string   { return "N" }
func (c *cpusValue) String() string { return strconv.Itoa(int(*c)) }

func (c *cpusValue) Set(s string) error {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n < 1 || n > vmm.MaxCPUs || s[0] == '+' {
		return usage("--cpus %s: is not a number of CPUs (1 to %d)", s, vmm.MaxCPUs)
	}
	*c = cpusValue(n)
	return nil
}

// durationValue is a time with its unit.
type durationValue struct {
	name string // of the flag
	d    time.Duration
}

func (d *durationValue) Type() string { return "TIME" }

func (d *durationValue) String() string {
	if d.d == 0 {
		return ""
	}
	return d.d.String()
}

func (d *durationValue) Set(s string) error {
	v, err := time.ParseDuration(s)
	if _, e := strconv.ParseFloat(s, 64); e == nil && s != "0" {
		return usage("--%s %s: has no unit (%ss, or %sm)", d.name, s, s, s)
	}
	if err != nil {
		return usage("--%s %s: is not a time (such as 90s, 5m or 1h30m)", d.name, s)
	}
	if v < 0 {
		return usage("--%s %s: is negative", d.name, s)
	}
	d.d = v
	return nil
}

// publishValue collects -p.
type publishValue struct {
	list    []vmm.Forward
	changed bool
}

func (p *publishValue) Type() string   { return "[IP:]HOST:GUEST" }
func (p *publishValue) String() string { return "" }

func (p *publishValue) Set(s string) error {
	f, err := vmm.ParseForward(s)
	if err != nil {
		return usage("%v", err)
	}
	for _, g := range p.list {
		if f.Host.Port() != 0 && f.Host == g.Host && f.Proto == g.Proto {
			return usage("-p %s: the port of the host is given twice", s)
		}
	}
	p.list = append(p.list, f)
	return nil
}

// copyValue collects --file or --dir into one list, in order.
type copyValue struct {
	list *[]image.Copy
	dir  bool
}

func (c *copyValue) Type() string   { return "HOST:GUEST" }
func (c *copyValue) String() string { return "" }

func (c *copyValue) Set(s string) error {
	v, err := image.ParseCopy(s, c.dir)
	if err != nil {
		return usage("%v", err)
	}
	*c.list = append(*c.list, v)
	return nil
}

// listValue collects words, in order.
type listValue struct {
	list *[]string
	kind string
}

func (l *listValue) Type() string   { return l.kind }
func (l *listValue) String() string { return "" }

func (l *listValue) Set(s string) error {
	if s == "" {
		return errors.New("is empty")
	}
	*l.list = append(*l.list, s)
	return nil
}

// envValue collects -e and --env-file, in order: the last one for a name counts.
type envValue struct {
	list *environment
	file bool
}

func (e *envValue) Type() string {
	if e.file {
		return "FILE"
	}
	return "NAME[=VALUE]"
}

func (e *envValue) String() string { return "" }

func (e *envValue) Set(s string) error {
	if e.file {
		return e.list.readFile(s)
	}
	what := "-e " + envName(s)
	if envName(s) == "" {
		what = "-e"
	}
	return e.list.add(what, s)
}

func envName(s string) string {
	name, _, _ := strings.Cut(s, "=")
	return name
}

// choiceValue is one of some words.
type choiceValue struct {
	name  string
	words []string
	word  string
}

func (c *choiceValue) Type() string   { return strings.Join(c.words, "|") }
func (c *choiceValue) String() string { return c.word }

func (c *choiceValue) Set(s string) error {
	for _, w := range c.words {
		if s == w {
			c.word = s
			return nil
		}
	}
	return usage("--%s %s: is not one of %s", c.name, s, strings.Join(c.words, ", "))
}

// tmpfsValue collects --tmpfs; the last one for a path counts.
type tmpfsValue struct{ list *[]image.Tmpfs }

func (t *tmpfsValue) Type() string   { return "PATH[:SIZE]" }
func (t *tmpfsValue) String() string { return "" }

func (t *tmpfsValue) Set(s string) error {
	v, err := image.ParseTmpfs(s)
	if err != nil {
		return usage("%v", err)
	}
	if *t.list = image.MergeTmpfs(*t.list, []image.Tmpfs{v}); len(*t.list) > bootrec.MaxTmpfs {
		return usage("--tmpfs %s: is one more than the %d that a machine can have", s, bootrec.MaxTmpfs)
	}
	return nil
}

// overlayValue is --overlay[=SIZE].
type overlayValue struct{ overlay **image.Overlay }

func (o *overlayValue) Type() string { return "SIZE" }

func (o *overlayValue) String() string { return "" }

func (o *overlayValue) Set(s string) (err error) {
	if *o.overlay, err = image.ParseOverlay(s); err != nil {
		return usage("%v", err)
	}
	return nil
}

// secretValue collects --secret NAME=FILE and reads the files at once: they go from
// here into the boot record, and nowhere else.
type secretValue struct{ list *[]bootrec.Secret }

func (v *secretValue) Type() string   { return "NAME=FILE" }
func (v *secretValue) String() string { return "" }

func (v *secretValue) Set(s string) error {
	name, file, ok := strings.Cut(s, "=")
	if !ok || file == "" || name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") || len(name) > 255 {
		return usage("--secret %s: is not NAME=FILE (such as token=./token.txt, which the program reads from /run/secrets/token)", s)
	}
	f, err := os.Open(file)
	if err != nil {
		return usage("--secret %s: %v", s, bare(err))
	}
	defer f.Close()
	total := 0
	for _, have := range *v.list {
		if have.Name == name {
			return usage("--secret %s: there is a %s already (each name may be given once)", s, name)
		}
		total += len(have.Data)
	}
	data, err := io.ReadAll(io.LimitReader(f, bootrec.MaxSecret+1))
	if err != nil {
		return usage("--secret %s: %v", s, bare(err))
	}
	if total+len(data) > bootrec.MaxSecret || len(*v.list) == bootrec.MaxSecrets {
		return usage("--secret %s: all secrets together may have %d KiB and be %d", s, bootrec.MaxSecret>>10, bootrec.MaxSecrets)
	}
	*v.list = append(*v.list, bootrec.Secret{Name: name, Data: data})
	return nil
}

// allowValue is --allow.
type allowValue struct{ list *[]string }

func (a *allowValue) Type() string { return "shell:PATH" }

func (a *allowValue) String() string { return "" }

func (a *allowValue) Set(s string) error {
	if err := image.ParseAllow(s); err != nil {
		return usage("%v", err)
	}
	*a.list = append(*a.list, s)
	return nil
}

// policyOf is the policy behind a flag, made when the first flag sets something of it.
func policyOf(p **image.Policy) *image.Policy {
	if *p == nil {
		*p = &image.Policy{}
	}
	return *p
}

// policyWord is a part of a policy that is one of two words: --level or --seal.
type policyWord struct {
	policy **image.Policy
	name   string
	words  [2]string // the default, and the stricter one
	field  func(p *image.Policy) *string
}

// policyWords are those of a policy.
func policyWords(p **image.Policy) []*policyWord {
	return []*policyWord{
		{p, "level", [2]string{image.LevelDefault, image.LevelStrict}, func(p *image.Policy) *string { return &p.Level }},
		{p, "seal", [2]string{image.SealDefault, image.SealAll}, func(p *image.Policy) *string { return &p.Seal }},
	}
}

func (w *policyWord) Type() string   { return w.words[0] + "|" + w.words[1] }
func (w *policyWord) String() string { return "" }

func (w *policyWord) Set(s string) error {
	if !slices.Contains(w.words[:], s) {
		return usage("--%s %s: is neither %s nor %s", w.name, s, w.words[0], w.words[1])
	}
	*w.field(policyOf(w.policy)) = s
	return nil
}

// auditRequired is --audit-required.
type auditRequired struct{ policy **image.Policy }

func (*auditRequired) Type() string   { return "bool" }
func (*auditRequired) String() string { return "false" }

func (v *auditRequired) Set(s string) error {
	required, err := strconv.ParseBool(s)
	if err != nil {
		return usage("--audit-required %s: is neither true nor false", s)
	}
	p := policyOf(v.policy)
	p.Audit = image.AuditOptional
	if required {
		p.Audit = image.AuditRequired
	}
	return nil
}

// verdictValue collects --verdict.
type verdictValue struct{ policy **image.Policy }

func (v *verdictValue) Type() string   { return "RULE=deny|kill" }
func (v *verdictValue) String() string { return "" }

func (v *verdictValue) Set(s string) error {
	rule, verdict, err := image.ParseVerdict(s)
	if err != nil {
		return usage("%v", err)
	}
	p := policyOf(v.policy)
	if p.Verdicts == nil {
		p.Verdicts = map[string]string{}
	}
	p.Verdicts[rule] = verdict
	return nil
}

// policyValue is --policy FILE. What was said before stays, like flags over a file.
type policyValue struct{ policy **image.Policy }

func (p *policyValue) Type() string   { return "FILE" }
func (p *policyValue) String() string { return "" }

func (p *policyValue) Set(file string) error {
	read, err := readPolicy(file)
	if err != nil {
		return err
	}
	mine := policyOf(p.policy)
	for _, w := range policyWords(p.policy) {
		if said := *w.field(mine); said != "" {
			*w.field(read) = said
		}
	}
	if mine.Audit != "" {
		read.Audit = mine.Audit
	}
	if read.Verdicts == nil {
		read.Verdicts = mine.Verdicts
	} else {
		maps.Copy(read.Verdicts, mine.Verdicts)
	}
	*mine = *read
	return nil
}
