package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"skerry/bootrec"
	"skerry/image"
	"skerry/image/kernelbin"
	"skerry/image/known"
	"skerry/vmm"
)

// prepared is everything that a machine needs.
type prepared struct {
	config vmm.Config
	files  []*os.File
	image  *image.Image
	// discard takes the image out of the cache, for when config.Ready finds it
	// damaged; it is set if that is.
	discard func() error
	// spec and parts are what a program's image was built from.
	spec  *image.BuildSpec
	parts image.Parts
}

func (p *prepared) close() {
	for _, f := range p.files {
		f.Close()
	}
	if p.image != nil {
		p.image.Close()
	}
}

// prepare finds or builds the image, adds files to it, and fills in how the
// machine runs.
func (a *app) prepare(ctx context.Context, s *settings, program string, args []string) (p *prepared, err error) {
	src, err := image.Resolve(program)
	if err != nil {
		return nil, err
	}
	p = &prepared{}
	if p.config.QEMU, err = vmm.FindQEMU(); err != nil {
		return nil, err // before anything is built
	}
	defer func() {
		if err != nil {
			p.close()
			p = nil
		}
	}()
	c := &p.config
	if src.Kind == image.ImageFile {
		err = a.openImage(p, s, src, args)
	} else {
		err = a.packProgram(ctx, p, s, src, args)
	}
	if err != nil {
		return p, err
	}
	im := p.image
	a.verbose(s, fmt.Sprintf("image %s: %s, kernel %s", im.ID()[:16], size(im.Size()), im.Manifest.Kernel.Version))
	root := im.Root()
	c.Root = vmm.Disk{File: im.File(), Offset: root.Offset, Size: root.Length}
	hostname := image.Hostname(im.Manifest.Name)
	c.Record.Program, c.Record.Hostname = im.Manifest.Program, hostname
	c.Record.Env = s.env.over(environment(im.Manifest.Env).over(defaultEnv(hostname)))

	c.Record.Secrets = s.secrets
	c.Name = im.Manifest.Name
	c.CPUs, c.Memory, c.Machine, c.CPU = int(s.cpus), int64(s.memory), s.machine.word, s.cpu
	c.Network, c.HostAccess, c.Forwards = s.network.word == "user", s.hostAccess, s.publish.list
	c.CacheDir = cacheDir()
	c.ImageFile = im.ReadFile
	c.Folders, c.Secret, c.Mounted = hostFolders(src), image.Secret, image.Hidden
	c.Extra = strings.Fields(os.Getenv(qemuVariable))
	c.Timeout, c.StopTimeout = s.timeout.d, s.stopTimeout.d
	c.Stdout, c.Stderr, c.Say = a.stdout, a.stderr, a.say
	if s.verbose {
		c.Verbose = a.say
	}
	return p, a.openLogs(p, s)
}

// hostFolders are where on this host the program's own files may be: the working
// folder, and what a program in a folder called bin was installed under.
func hostFolders(src *image.Source) (list []string) {
	if dir, err := os.Getwd(); err == nil {
		list = append(list, dir)
	}
	if bin := filepath.Dir(src.Host); src.Kind == image.Program && filepath.Base(bin) == "bin" {
		list = append(list, filepath.Dir(bin))
	}
	return list
}

// openImage opens an image that is already built. Its kernel is the one inside.
func (a *app) openImage(p *prepared, s *settings, src *image.Source, args []string) (err error) {
	if s.kernel != "" {
		return usage("--kernel %s: an image boots the kernel inside it (leave it out)", s.kernel)
	}
	if s.buildOnly != "" {
		return usage("%s: what an image holds was decided when it was built (use it with `skerry build`)", s.buildOnly)
	}
	if p.image, err = image.Open(src.Host); err != nil {
		var e *image.Error
		if errors.As(err, &e) && e.What == src.Host {
			e.What = src.Typed
		}
		return err
	}
	p.image.Path = src.Typed
	if err := p.image.Verify(); err != nil {
		return err
	}
	p.config.Kernel = p.image.Kernel()
	m := &p.image.Manifest
	p.config.Record.Args = m.Args
	if len(args) > 0 {
		p.config.Record.Args = append([]string{m.Args[0]}, args...)
	}
	if p.config.Record.JIT, err = lessJIT(s, m.JIT, src.Typed); err != nil {
		return err
	}
	p.config.Built, p.config.BuiltJIT = true, uint64(m.JIT)
	p.config.Record.Cwd = m.Cwd
	if s.workdir != "" {
		if p.config.Record.Cwd, err = p.image.Workdir(s.workdir); err != nil {
			return err
		}
	}
	list := image.MergeTmpfs(m.Tmpfs, s.tmpfs)
	folders, err := p.image.MountPoints(list, s.copies)
	if err != nil {
		return err
	}
	p.config.Record.Tmpfs = recordTmpfs(list)
	overlay := m.Overlay
	if s.overlay != nil {
		overlay = s.overlay
	}
	recordOverlay(&p.config.Record, overlay)
	rules, err := m.Policy.Tighter(s.policy)
	if err != nil {
		return usage("%s: %v", src.Typed, err)
	}
	p.config.Record.Policy = bootrec.EncodePolicy(rules)
	if len(s.copies) == 0 && len(folders) == 0 {
		return nil
	}
	dir := "" // without a cache, where temporary files are
	if cache, err := image.DefaultCache(); err == nil {
		if dir, err = cache.Images(); err != nil {
			return err
		}
	}
	data, err := p.image.Data(s.copies, folders, dir)
	if err != nil {
		return err
	}
	p.files = append(p.files, data.File)
	p.config.Data = &vmm.Disk{File: data.File, Size: data.Size}
	return nil
}

// packProgram builds an image for a program, or takes it out of the cache.
// Arguments and environment are not part of it: they differ from run to run, and
// may be secrets.
func (a *app) packProgram(ctx context.Context, p *prepared, s *settings, src *image.Source, args []string) error {
	cache, err := image.DefaultCache()
	if err != nil {
		return err
	}
	spec, done, err := a.spec(ctx, cache, s, src)
	if err != nil {
		return err
	}
	defer done()
	spec.RunArgs = args
	parts, err := spec.Parts()
	if err != nil {
		return err
	}
	a.tell(parts.Notes)
	a.tellJIT(s, &parts)
	p.spec, p.parts = spec, parts
	im, hit, err := cache.Find(parts)
	if err != nil {
		return err
	}
	if hit {
		// While QEMU loads. The kernel is not from there, so nothing of the image
		// is used before.
		p.config.Ready = im.Verify
		p.discard = func() error { return cache.Discard(im) }
	}
	p.image = im
	p.config.Kernel = spec.Kernel // it is the one in the image: its hash is in the key
	if hit {
		a.verbose(s, "the image is in the cache")
	} else {
		a.verbose(s, "the image was built")
	}
	p.config.Record.Args = append(parts.Manifest.Args, args...)
	p.config.Record.Cwd = parts.Manifest.Cwd
	p.config.Record.JIT = uint64(parts.Manifest.JIT)
	p.config.Record.Tmpfs = recordTmpfs(parts.Manifest.Tmpfs)
	recordOverlay(&p.config.Record, parts.Manifest.Overlay)
	p.config.Record.Policy = bootrec.EncodePolicy(parts.Manifest.Policy.Rules())
	return nil
}

// recordTmpfs is a list of file systems as the boot record has it.
func recordTmpfs(list []image.Tmpfs) (out []bootrec.Tmpfs) {
	for _, t := range list {
		out = append(out, bootrec.Tmpfs{Path: t.Path, Size: uint64(t.Size)})
	}
	return out
}

// recordOverlay puts an overlay, if there is one, into the boot record.
func recordOverlay(r *bootrec.Record, o *image.Overlay) {
	if o != nil {
		r.Overlay, r.OverlaySize = true, uint64(o.Size)
	}
}

// lessJIT is the JIT budget for an image that has one of its own. Flags may only
// lower it: what an image may do at most is decided where it is built, and seen by
// `skerry inspect`.
func lessJIT(s *settings, has int64, name string) (uint64, error) {
	switch {
	case s.noJIT:
		return 0, nil
	case int64(s.jit) > has:
		allows := "no memory to become executable"
		if has > 0 {
			allows = (*memoryValue)(&has).String() + " at most"
		}
		return 0, usage("--jit %s: %s allows %s (build it with --jit)", s.jit.String(), name, allows)
	case s.jit != 0:
		return uint64(s.jit), nil
	}
	return uint64(has), nil
}

// tellJIT says that a program may make memory executable because it is known to
// need that.
func (a *app) tellJIT(s *settings, p *image.Parts) {
	if p.Manifest.JIT > 0 && s.jit == 0 {
		a.say("jit: " + size(p.Manifest.JIT) + ", " + p.Facts.Name + " needs it; --no-jit refuses")
	}
}

// spec says what an image for src is built from, and builds a Go package. done
// removes what was made for it.
func (a *app) spec(ctx context.Context, cache *image.Cache, s *settings, src *image.Source) (spec *image.BuildSpec, done func(), err error) {
	spec = &image.BuildSpec{Source: src, Program: src.Host, Cwd: s.workdir, Copies: s.copies, Libs: s.libs, Exact: s.exact,
		JIT: int64(s.jit), NoJIT: s.noJIT, Tmpfs: image.MergeTmpfs(nil, s.tmpfs), Overlay: s.overlay, Allow: s.allow, Policy: s.policy, Locales: image.Locales(s.env), Zone: image.Zone(s.env)}
	for _, e := range s.env {
		if path, ok := strings.CutPrefix(e, "LD_LIBRARY_PATH="); ok {
			spec.LibraryPath = filepath.SplitList(path)
		}
	}
	if s.kernel != "" {
		kernel, err := os.ReadFile(s.kernel)
		if err != nil {
			return nil, nil, usage("--kernel %s: %v", s.kernel, bare(err))
		}
		spec.Kernel = io.NewSectionReader(bytes.NewReader(kernel), 0, int64(len(kernel)))
	} else if spec.Kernel, err = kernelbin.Kernel(); err != nil {
		return nil, nil, err
	}
	if src.Kind != image.GoPackage {
		return spec, func() {}, nil
	}
	dir, done, err := cache.Work()
	if err != nil {
		return nil, nil, err
	}
	a.progress("building " + src.Typed)
	words := &prefixed{a: a, what: "go"}
	spec.Program, err = image.BuildGo(ctx, src, dir, words)
	words.end()
	if err != nil {
		done()
		return nil, nil, err
	}
	return spec, done, nil
}

// openLogs opens the files of --log and --strace. They are for their owner, since
// a trace shows what the program reads and writes.
func (a *app) openLogs(p *prepared, s *settings) error {
	for _, l := range []struct {
		flag, path, what string
		to               func(f io.Writer)
	}{
		{"--log", s.log, "log", func(f io.Writer) { p.config.Log = f }},
		{"--strace", s.strace, "strace", func(f io.Writer) { p.config.Strace = f }},
	} {
		switch l.path {
		case "":
		case "-":
			l.to(&prefixed{a: a, what: l.what})
		default:
			f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
			if err != nil {
				return usage("%s %s: %v", l.flag, l.path, bare(err))
			}
			p.files = append(p.files, f)
			l.to(f)
		}
	}
	return nil
}

// tell prints what is known about a program and may make it fail; what is merely good
// to know stands in skerry check.
func (a *app) tell(notes []known.Note) {
	for _, n := range notes {
		if n.Level != known.Info {
			a.say("warning: " + n.Text)
		}
	}
}

func (a *app) verbose(s *settings, line string) {
	if s.verbose {
		a.say(line)
	}
}
