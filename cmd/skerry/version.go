package main

import (
	"encoding/hex"
	"fmt"
	"runtime"

	"skerry/image"
	"skerry/image/kernelbin"

	"github.com/spf13/cobra"
)

// versions is what `skerry version` tells.
type versions struct {
	Skerry string           `json:"skerry"`
	Format int              `json:"image_format"`
	Kernel *inspectedKernel `json:"kernel"` // null if there is none inside
	Go     string           `json:"go"`
}

func newVersion(a *app) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:                   "version [--json]",
		Short:                 "Show the versions of skerry and its kernel",
		DisableFlagsInUseLine: true,
		Args:                  noArgs,
		RunE: func(*cobra.Command, []string) error {
			v := versions{Skerry: image.Version, Format: image.FormatVersion, Go: runtime.Version()}
			if k, err := kernelbin.Kernel(); err == nil {
				sum, err := image.Sum(k)
				if err != nil {
					return err
				}
				v.Kernel = &inspectedKernel{image.KernelVersion(k), hex.EncodeToString(sum[:]), k.Size()}
			}
			if asJSON {
				return writeJSON(a.stdout, v)
			}
			kernel := "none inside (build skerry with `make build`)"
			if v.Kernel != nil {
				kernel = fmt.Sprintf("%s, sha256 %s", v.Kernel.Version, v.Kernel.SHA256[:16])
			}
			_, err := fmt.Fprintf(a.stdout, "skerry %s\nkernel %s\nimage format %d\n%s\n", v.Skerry, kernel, v.Format, v.Go)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
