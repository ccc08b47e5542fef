package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"skerry/image"

	"github.com/spf13/cobra"
)

func newBuild(a *app) *cobra.Command {
	s := newSettings()
	cmd := &cobra.Command{
		Use:   "build [flags] [-o FILE] PROGRAM|GO-PACKAGE-DIR [ARG...]",
		Short: "Pack a program into an image",
		Long: `Build writes one file that holds the program, its files and a kernel, and that
` + "`skerry run`" + ` boots. The same inputs give the same bytes. Data files keep their times, but none is
younger than SOURCE_DATE_EPOCH, if that is set.

Arguments, environment and files become part of the image: whoever can read it can
read them. For what is secret use -e, --env-file and --file of ` + "`skerry run`" + `.`,
		Example: `  skerry build -o server.img ./server -listen :8080
  skerry build --dir ./site:/srv ./cmd/web`,
		DisableFlagsInUseLine: true,
		Args:                  needProgram,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.load(a, cmd); err != nil {
				return err
			}
			return a.build(s, args[0], args[1:])
		},
	}
	cmd.Flags().StringVarP(&s.output, "output", "o", "", "the image's `FILE` (default ./NAME.img)")
	s.imageFlags(cmd.Flags())
	refuseDocker(cmd.Flags())
	return cmd
}

func (a *app) build(s *settings, program string, args []string) error {
	src, err := image.Resolve(program)
	if err != nil {
		return err
	}
	if src.Kind == image.ImageFile {
		return usage("%s: is an image already (name a program)", program)
	}
	cache, err := image.DefaultCache()
	if err != nil {
		return err
	}
	signals := notify()
	defer signal.Stop(signals)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stopped := a.stopOnSignal(ctx, cancel, signals)
	err = func() error {
		spec, done, err := a.spec(ctx, cache, s, src)
		if err != nil {
			return err
		}
		defer done()
		spec.Args, spec.Env = args, s.env
		parts, err := spec.Parts()
		if err != nil {
			return err
		}
		a.tell(append(parts.Notes, spec.ImportNotes(parts.Facts)...))
		a.tellJIT(s, &parts)
		out := s.output
		if out == "" {
			out = "./" + src.Name() + ".img"
		}
		id, err := image.Create(out, parts)
		if err != nil {
			return err
		}
		info, err := os.Stat(out)
		if err != nil {
			return err
		}
		a.say(fmt.Sprintf("wrote %s (%s, sha256 %s)", out, size(info.Size()), id[:16]))
		return nil
	}()
	if sig := stopped(); sig != 0 {
		return statusError(128 + int(sig))
	}
	return err
}
