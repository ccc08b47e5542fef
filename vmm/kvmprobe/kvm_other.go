//go:build !linux || !amd64

package kvmprobe

import "runtime"

func open(device string) (guest, error) {
	return nil, &notAvailable{"this is " + runtime.GOOS + "/" + runtime.GOARCH + ", and KVM for x86-64 is Linux's", ""}
}

func deviceID(string) string { return "" }
