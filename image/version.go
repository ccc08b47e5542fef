package image

import (
	"debug/buildinfo"
	"io"
)

// Version is the version of Skerry. `make build` may set it with -ldflags -X.
var Version = "0.1.0"

// KernelVersion tells from which source a kernel was built: the revision if the
// build recorded one, else its module version.
func KernelVersion(kernel io.ReaderAt) string {
	bi, err := buildinfo.Read(kernel)
	if err != nil {
		return "unknown"
	}
	revision, dirty := "", ""
	for _, s := range bi.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			revision = s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	if revision != "" {
		return revision + dirty
	}
	if bi.Main.Version != "" {
		return bi.Main.Version
	}
	return "unknown"
}
