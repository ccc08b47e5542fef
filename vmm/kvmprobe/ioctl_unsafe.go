//go:build linux && amd64

package kvmprobe

import (
	"encoding/binary"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// controlOnce is ioctl(2) with a number.
func controlOnce(fd int, request, arg uintptr) (int, error) {
	r, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, arg)
	if e != 0 {
		return -1, e
	}
	return int(r), nil
}

// control repeats what a signal interrupted: the Go runtime sends its threads
// some.
func control(fd int, request, arg uintptr) (int, error) {
	for {
		r, err := controlOnce(fd, request, arg)
		if err != unix.EINTR {
			return r, err
		}
	}
}

// controlBytes is ioctl(2) with a struct, which b holds whole.
func controlBytes(fd int, request uintptr, b []byte) error {
	for {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(unsafe.SliceData(b))))
		switch e {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return e
		}
	}
}

// setMemory makes mem, which is mapped memory, the machine's from address 0 on.
func setMemory(vm int, mem []byte) error {
	// kvm_userspace_memory_region: u32 slot, u32 flags, u64 guest address, u64
	// size, u64 address here.
	r := make([]byte, regionSize)
	binary.NativeEndian.PutUint64(r[16:], uint64(len(mem)))
	binary.NativeEndian.PutUint64(r[24:], uint64(uintptr(unsafe.Pointer(unsafe.SliceData(mem)))))
	err := controlBytes(vm, setUserMemory, r)
	runtime.KeepAlive(mem)
	return err
}
