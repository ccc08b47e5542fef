//go:build !linux

package image

// hasCapabilities is for files of Linux.
func hasCapabilities(string) bool { return false }
