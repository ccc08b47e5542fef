package image

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// BuildGo builds the Go package in s's folder for a machine: a static program at
// dir/NAME, whose path is the answer. What the go command has to say goes to
// stderr.
func BuildGo(ctx context.Context, s *Source, dir string, stderr io.Writer) (string, error) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		return "", failed(s.Typed, "is a Go package, and there is no go command in PATH", "install Go from https://go.dev/dl/, or name a program")
	}
	out := filepath.Join(dir, "program")
	cmd := exec.CommandContext(ctx, goTool, "build", "-trimpath", "-o", out, ".")
	cmd.Dir = s.Host
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	cmd.Stderr = stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return "", failed(s.Typed, "does not build", "the go command says why above")
		}
		return "", failed(s.Typed, "cannot be built: "+cause(err), "")
	}
	return out, nil
}
