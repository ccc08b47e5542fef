package abi

// Stat is struct stat of x86-64, arch/x86/include/uapi/asm/stat.h; 144 bytes.
type Stat struct {
	Dev     uint64   // st_dev
	Ino     uint64   // st_ino
	Nlink   uint64   // st_nlink
	Mode    uint32   // st_mode
	UID     uint32   // st_uid
	GID     uint32   // st_gid
	Pad0    uint32   // __pad0
	Rdev    uint64   // st_rdev
	Size    int64    // st_size
	Blksize int64    // st_blksize
	Blocks  int64    // st_blocks
	Atime   Timespec // st_atime and st_atime_nsec
	Mtime   Timespec // st_mtime and st_mtime_nsec
	Ctime   Timespec // st_ctime and st_ctime_nsec
	Unused  [3]int64 // __unused
}

// Timespec is struct timespec.
type Timespec struct {
	Sec  int64 // tv_sec
	Nsec int64 // tv_nsec
}

// File types in st_mode, inode(7).
const (
	S_IFMT   = 0o170000
	S_IFSOCK = 0o140000
	S_IFLNK  = 0o120000
	S_IFREG  = 0o100000
	S_IFBLK  = 0o060000
	S_IFDIR  = 0o040000
	S_IFCHR  = 0o020000
	S_IFIFO  = 0o010000
)

// Flags of open(2), asm-generic/fcntl.h.
const (
	O_ACCMODE   = 0o3
	O_RDONLY    = 0o0
	O_WRONLY    = 0o1
	O_RDWR      = 0o2
	O_CREAT     = 0o100
	O_EXCL      = 0o200
	O_NOCTTY    = 0o400
	O_TRUNC     = 0o1000
	O_APPEND    = 0o2000
	O_NONBLOCK  = 0o4000
	O_DSYNC     = 0o10000
	O_ASYNC     = 0o20000
	O_DIRECT    = 0o40000
	O_LARGEFILE = 0o100000
	O_DIRECTORY = 0o200000
	O_NOFOLLOW  = 0o400000
	O_NOATIME   = 0o1000000
	O_CLOEXEC   = 0o2000000
	O_SYNC      = 0o4010000
	O_PATH      = 0o10000000
	O_TMPFILE   = 0o20200000
)

// ID is the one identity of the machine: user, group, and the owner of every
// file. There is no other (docs/SECURITY.md, "no users").
const ID = 65532
