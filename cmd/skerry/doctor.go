package main

import (
	"fmt"

	"skerry/image"
	"skerry/image/kernelbin"
	"skerry/vmm"

	"github.com/spf13/cobra"
)

func newDoctor(a *app) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "doctor [--json]",
		Short: "Tell whether machines would run here",
		Long: `Doctor looks at what ` + "`skerry run`" + ` needs: QEMU and its version, what it was built
with, KVM, the network, the kernel inside this command and the cache; and says
what to do about what is missing. It ends with status 125 if run would fail.`,
		DisableFlagsInUseLine: true,
		Args:                  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list := append(vmm.Doctor(cacheDir()), checkKernel(), checkCache())
			if asJSON {
				if err := writeJSON(a.stdout, list); err != nil {
					return err
				}
			}
			for _, c := range list {
				word := "ok"
				if !c.OK {
					word = "note"
					if c.Needed {
						word = "FAIL"
						a.status = image.StatusFailed
					}
				}
				if asJSON {
					continue
				}
				fmt.Fprintf(a.stdout, "%-4s  %-8s  %s\n", word, c.Name, c.Detail)
				if c.Mend != "" {
					fmt.Fprintf(a.stdout, "%16s  %s\n", "", c.Mend)
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// cacheDir is where it is kept what is known of the host, "" if there is no such
// folder.
func cacheDir() string {
	cache, err := image.DefaultCache()
	if err != nil {
		return ""
	}
	return cache.Dir
}

func checkKernel() vmm.Check {
	c := vmm.Check{Name: "kernel", Needed: true}
	k, err := kernelbin.Kernel()
	if err != nil {
		c.Detail, c.Mend = "is not inside this command", "build skerry with `make build`"
		return c
	}
	c.OK, c.Detail = true, fmt.Sprintf("%s, %s", image.KernelVersion(k), size(k.Size()))
	return c
}

func checkCache() vmm.Check {
	c := vmm.Check{Name: "cache", Needed: true}
	cache, err := image.DefaultCache()
	if err == nil {
		var done func()
		if _, done, err = cache.Work(); err == nil {
			done()
		}
	}
	if err != nil {
		c.Detail, c.Mend = err.Error(), "set XDG_CACHE_HOME to a folder of yours"
		return c
	}
	c.OK, c.Detail = true, cache.Dir
	return c
}
