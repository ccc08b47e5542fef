package socket

import (
	"strconv"
	"sync/atomic"

	"skerry/kernel/abi"
)

// sockDev is the device number that sockets show in stat(2), as a file system
// of their own would.
const sockDev = 8

var lastID atomic.Uint64

// NextID is a number for a new socket: its inode number, as /proc/self/fd and
// /proc/net show it, and its SO_COOKIE.
func NextID() uint64 { return lastID.Add(1) }

// Name is what readlink(2) on /proc/self/fd/N shows for the socket with a number.
func Name(id uint64) string { return "socket:[" + strconv.FormatUint(id, 10) + "]" }

// Stat fills st for the socket with a number.
func Stat(st *abi.Stat, id uint64) abi.Errno {
	*st = abi.Stat{Dev: sockDev, Ino: id, Nlink: 1, Mode: abi.S_IFSOCK | 0o777, UID: abi.ID, GID: abi.ID, Blksize: 4096}
	return abi.OK
}
