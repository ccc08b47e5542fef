package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"skerry/bootrec"
	"skerry/image"
	"skerry/vmm"
)

// statusFile is the file of --status-file. It appears whole or not at all; one
// from an earlier run is removed first, so that it cannot be mistaken.
type statusFile struct{ path string }

// openStatus checks that the file can be written, before anything runs.
func openStatus(path string) (*statusFile, error) {
	if path == "" {
		return &statusFile{}, nil
	}
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		return nil, usage("--status-file %s: is a directory", path)
	}
	if err == nil && !info.Mode().IsRegular() {
		return &statusFile{path}, nil // a pipe or a device: written, not replaced
	}
	if err := tryFile(filepath.Dir(path)); err != nil {
		return nil, usage("--status-file %s: cannot be written: %v", path, bare(err))
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, usage("--status-file %s: cannot be replaced: %v", path, bare(err))
	}
	return &statusFile{path}, nil
}

// tryFile tells whether a file can be made in a folder.
func tryFile(dir string) error {
	f, err := os.CreateTemp(dir, ".skerry-")
	if err != nil {
		return err
	}
	f.Close()
	os.Remove(f.Name())
	return nil
}

// write writes r.
func (s *statusFile) write(r *vmm.Result) error {
	if s.path == "" {
		return nil
	}
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if info, err := os.Stat(s.path); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(s.path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.Write(b)
		return errors.Join(err, f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(s.path), ".status-")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	// What tells how a program ended is no secret; others may wait for it.
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), s.path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// failure is the result for an error before a machine ran.
func failure(err error) *vmm.Result {
	var sig statusError
	if errors.As(err, &sig) {
		return &vmm.Result{Reason: bootrec.Signaled.String(), Status: int(sig), Signal: int(sig) - 128, Message: "ended before the machine ran"}
	}
	r := &vmm.Result{Reason: "failed", Status: image.Status(err), Message: err.Error()}
	switch r.Status {
	case image.StatusCannotRun:
		r.Reason = bootrec.CannotRun.String()
	case image.StatusNotFound:
		r.Reason = bootrec.NotFound.String()
	}
	return r
}
