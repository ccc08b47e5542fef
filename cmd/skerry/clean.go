package main

import (
	"fmt"

	"skerry/image"

	"github.com/spf13/cobra"
)

func newClean(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "clean",
		Short: "Remove the images that run keeps",
		Long: `Clean removes the images that ` + "`skerry run`" + ` keeps under $XDG_CACHE_HOME/skerry, at
most 5 GiB of them. Machines that run from one go on.`,
		DisableFlagsInUseLine: true,
		Args:                  noArgs,
		RunE: func(*cobra.Command, []string) error {
			cache, err := image.DefaultCache()
			if err != nil {
				return err
			}
			n, bytes, err := cache.Clean()
			if err != nil {
				return err
			}
			images := fmt.Sprintf("%d images", n)
			if n == 1 {
				images = "1 image"
			}
			a.say(fmt.Sprintf("removed %s, %s, from %s", images, size(bytes), cache.Dir))
			return nil
		},
	}
}
