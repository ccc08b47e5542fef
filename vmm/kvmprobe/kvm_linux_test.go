//go:build amd64

package kvmprobe

import "testing"

// TestRequests compares the requests with the sizes of what they carry
// (asm-generic/ioctl.h: direction, size, type, number).
func TestRequests(t *testing.T) {
	const read, write = 2, 1
	for _, c := range []struct {
		request, direction, size, number uintptr
	}{
		{getAPIVersion, 0, 0, 0x00}, {createVM, 0, 0, 0x01}, {checkExtension, 0, 0, 0x03}, {getMmapSize, 0, 0, 0x04},
		{getCPUID, read | write, cpuidHead, 0x05}, {createVCPU, 0, 0, 0x41}, {setUserMemory, write, regionSize, 0x46},
		{setTSSAddress, 0, 0, 0x47}, {runVCPU, 0, 0, 0x80}, {setRegisters, write, regsSize, 0x82},
		{getSpecialRegs, read, sregsSize, 0x83}, {setSpecialRegs, write, sregsSize, 0x84}, {setCPUID, write, cpuidHead, 0x90},
	} {
		if want := c.direction<<30 | c.size<<16 | 0xae<<8 | c.number; c.request != want {
			t.Errorf("request %#x should be %#x", c.request, want)
		}
	}
}
