package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"skerry/image"

	"github.com/spf13/cobra"
)

// inspection is what is told of an image. The environment's values are not.
type inspection struct {
	Image     string           `json:"image"`
	ID        string           `json:"id"`
	Size      int64            `json:"size"`
	Format    int              `json:"format"`
	Name      string           `json:"name"`
	Program   string           `json:"program"`
	Args      []string         `json:"args"`
	EnvNames  []string         `json:"env_names"`
	Cwd       string           `json:"cwd"`
	Tmpfs     []image.Tmpfs    `json:"tmpfs"`
	Overlay   *image.Overlay   `json:"overlay"`
	Policy    *image.Policy    `json:"policy"`
	Allow     []string         `json:"allow"`
	JIT       int64            `json:"jit"` // bytes of memory that may become executable
	CreatedBy string           `json:"created_by"`
	Kernel    inspectedKernel  `json:"kernel"`
	Linking   *image.Linking   `json:"linking"`
	RootSize  int64            `json:"root_size"`
	Files     []image.FileInfo `json:"files"`
}

type inspectedKernel struct {
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
	Size    int64  `json:"size"`
}

func newInspect(a *app) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "inspect [--json] IMAGE",
		Short: "Show what is in an image",
		Long: `Inspect checks an image's hashes and shows its files, their sizes, the kernel, the
program, its arguments and the names of its environment. It says how the program and
the libraries are linked, if that leaves them easier to attack than they need be.`,
		DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("`skerry inspect` takes one IMAGE")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			i, err := inspect(args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.stdout, i)
			}
			return i.write(a.stdout)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func inspect(path string) (*inspection, error) {
	im, err := image.Open(path)
	if err != nil {
		return nil, err
	}
	defer im.Close()
	if err := im.Verify(); err != nil {
		return nil, err
	}
	files, err := im.Files()
	if err != nil {
		return nil, err
	}
	linking, err := im.Linking(files)
	if err != nil {
		return nil, err
	}
	m := &im.Manifest
	tmpfs, names := m.Tmpfs, m.EnvNames()
	if tmpfs == nil {
		tmpfs = []image.Tmpfs{} // in JSON, an empty list
	}
	if names == nil {
		names = []string{}
	}
	return &inspection{
		Image: path, ID: im.ID(), Size: im.Size(), Format: m.Format, Name: m.Name, Program: m.Program, Args: m.Args, EnvNames: names,
		Cwd: m.Cwd, JIT: m.JIT, Tmpfs: tmpfs, Overlay: m.Overlay, Policy: m.Policy, Allow: append([]string{}, m.Allow...), CreatedBy: m.CreatedBy, Kernel: inspectedKernel{m.Kernel.Version, m.Kernel.SHA256, im.KernelSize()},
		Linking: linking, RootSize: im.Root().Length, Files: files,
	}, nil
}

func (i *inspection) write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, v ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, v...)) }
	row("image", "%s, %s, format %d", shown(i.Image), size(i.Size), i.Format)
	row("id", "sha256 %s", i.ID)
	row("created by", "%s", shown(i.CreatedBy))
	row("program", "%s", shown(i.Program))
	for _, line := range linkingLines(i.Program, i.Linking) {
		row("linked", "%s", line)
	}
	var args []string
	for _, s := range i.Args {
		args = append(args, shown(s))
	}
	row("arguments", "%s", strings.Join(args, " "))
	names := strings.Join(i.EnvNames, " ")
	if names == "" {
		names = "(none)"
	}
	row("environment", "%s", strings.ReplaceAll(fmt.Sprintf("%q", names), `"`, ""))
	row("folder", "%s", shown(i.Cwd))
	if i.JIT > 0 {
		row("jit", "%s of memory may become executable", size(i.JIT))
	}
	if i.Overlay != nil {
		what := "all of the root can be written to"
		if i.Overlay.Size > 0 {
			what += ", " + size(i.Overlay.Size) + " at most"
		}
		row("in memory", "%s", what)
	}
	row("policy", "%s", i.Policy)
	for _, a := range i.Allow {
		row("allowed", "%s", shown(a))
	}
	for _, t := range i.Tmpfs {
		row("in memory", "%s", strings.TrimPrefix(t.String(), "--tmpfs "))
	}
	row("kernel", "%s, %s, sha256 %s", shown(i.Kernel.Version), size(i.Kernel.Size), i.Kernel.SHA256)
	row("root", "%s, %d files and folders", size(i.RootSize), len(i.Files))
	if err := t.Flush(); err != nil {
		return err
	}
	for _, f := range i.Files {
		mark := map[string]string{"executable": "x", "directory": "d", "symlink": "l"}[f.Type]
		if mark == "" {
			mark = "-"
		}
		line := fmt.Sprintf("%s %12d  %s", mark, f.Size, shown(f.Path))
		if f.Target != "" {
			line += " -> " + shown(f.Target)
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// linkingLines is what is told of how the code is linked: of the program whether its
// addresses are drawn, and of all of it what binds lazily.
func linkingLines(program string, l *image.Linking) (lines []string) {
	switch {
	case l.PositionIndependent == nil:
		lines = append(lines, "unknown: it cannot be read")
	case *l.PositionIndependent:
		lines = append(lines, "position-independent: its addresses are drawn at each start")
	default:
		lines = append(lines, "position-dependent: its addresses are not drawn; link it with -pie (Go: -buildmode=pie)")
	}
	var text string
	if n := len(l.Lazy); n > 0 {
		text = fmt.Sprintf("lazy binding in %d of %d dynamic files", n, l.Dynamic)
		if slices.Contains(l.Lazy, program) {
			text += ", the program among them"
		}
		text += ": the table of the PLT stays writable; link with -Wl,-z,relro,-z,now"
	}
	if l.Unread > 0 {
		if text != "" {
			text += "; "
		}
		text += fmt.Sprintf("%d executable files were not read", l.Unread)
	}
	if text != "" {
		lines = append(lines, text)
	}
	return lines
}

// shown quotes a string out of an image if it could be taken for something else
// or do something to a terminal.
func shown(s string) string {
	q := fmt.Sprintf("%q", s)
	if s == "" || strings.ContainsAny(s, " \t") || len(q) != len(s)+2 {
		return q
	}
	return s
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
