package abi

// Special directory descriptor and flags of the *at calls, uapi/linux/fcntl.h.
const (
	AT_FDCWD                = -100
	AT_SYMLINK_NOFOLLOW     = 0x100
	AT_EACCESS              = 0x200
	AT_REMOVEDIR            = 0x200
	AT_SYMLINK_FOLLOW       = 0x400
	AT_NO_AUTOMOUNT         = 0x800
	AT_EMPTY_PATH           = 0x1000
	AT_STATX_SYNC_TYPE      = 0x6000
	AT_STATX_SYNC_AS_STAT   = 0
	AT_STATX_FORCE_SYNC     = 0x2000
	AT_STATX_DONT_SYNC      = 0x4000
	AT_RECURSIVE            = 0x8000
	AT_HANDLE_FID           = 0x200
	AT_HANDLE_MNT_ID_UNIQUE = 0x1
)

// Commands of fcntl(2), uapi/asm-generic/fcntl.h and uapi/linux/fcntl.h.
const (
	F_DUPFD            = 0
	F_GETFD            = 1
	F_SETFD            = 2
	F_GETFL            = 3
	F_SETFL            = 4
	F_GETLK            = 5
	F_SETLK            = 6
	F_SETLKW           = 7
	F_SETOWN           = 8
	F_GETOWN           = 9
	F_SETSIG           = 10
	F_GETSIG           = 11
	F_SETOWN_EX        = 15
	F_GETOWN_EX        = 16
	F_GETOWNER_UIDS    = 17
	F_OFD_GETLK        = 36
	F_OFD_SETLK        = 37
	F_OFD_SETLKW       = 38
	F_SETLEASE         = 1024
	F_GETLEASE         = 1025
	F_NOTIFY           = 1026
	F_DUPFD_QUERY      = 1027
	F_CREATED_QUERY    = 1028
	F_CANCELLK         = 1029
	F_DUPFD_CLOEXEC    = 1030
	F_SETPIPE_SZ       = 1031
	F_GETPIPE_SZ       = 1032
	F_ADD_SEALS        = 1033
	F_GET_SEALS        = 1034
	F_GET_RW_HINT      = 1035
	F_SET_RW_HINT      = 1036
	F_GET_FILE_RW_HINT = 1037
	F_SET_FILE_RW_HINT = 1038
)

// The one descriptor flag, of F_GETFD and F_SETFD.
const (
	FD_CLOEXEC = 1
)

// Types of locks in Flock, and owners in FOwnerEx.
const (
	F_RDLCK      = 0
	F_WRLCK      = 1
	F_UNLCK      = 2
	F_OWNER_TID  = 0
	F_OWNER_PID  = 1
	F_OWNER_PGRP = 2
)

// Seals of F_ADD_SEALS.
const (
	F_SEAL_SEAL         = 1
	F_SEAL_SHRINK       = 2
	F_SEAL_GROW         = 4
	F_SEAL_WRITE        = 8
	F_SEAL_FUTURE_WRITE = 0x10
	F_SEAL_EXEC         = 0x20
)

// Operations of flock(2).
const (
	LOCK_SH = 1
	LOCK_EX = 2
	LOCK_NB = 4
	LOCK_UN = 8
)

// Events of F_NOTIFY, fcntl(2).
const (
	DN_ACCESS    = 0x1
	DN_MODIFY    = 0x2
	DN_CREATE    = 0x4
	DN_DELETE    = 0x8
	DN_RENAME    = 0x10
	DN_ATTRIB    = 0x20
	DN_MULTISHOT = 0x80000000
)

// Whence of lseek(2), uapi/linux/fs.h.
const (
	SEEK_SET  = 0
	SEEK_CUR  = 1
	SEEK_END  = 2
	SEEK_DATA = 3
	SEEK_HOLE = 4
)

// Modes of access(2).
const (
	F_OK = 0
	X_OK = 1
	W_OK = 2
	R_OK = 4
)

// Flags of renameat2(2).
const (
	RENAME_NOREPLACE = 1
	RENAME_EXCHANGE  = 2
	RENAME_WHITEOUT  = 4
)

// How openat2(2) walks a path, uapi/linux/openat2.h.
const (
	RESOLVE_NO_XDEV       = 1
	RESOLVE_NO_MAGICLINKS = 2
	RESOLVE_NO_SYMLINKS   = 4
	RESOLVE_BENEATH       = 8
	RESOLVE_IN_ROOT       = 0x10
	RESOLVE_CACHED        = 0x20
)

// Flags of close_range(2), uapi/linux/close_range.h.
const (
	CLOSE_RANGE_UNSHARE = 2
	CLOSE_RANGE_CLOEXEC = 4
)

// Modes of fallocate(2), uapi/linux/falloc.h.
const (
	FALLOC_FL_KEEP_SIZE      = 1
	FALLOC_FL_PUNCH_HOLE     = 2
	FALLOC_FL_NO_HIDE_STALE  = 0x4
	FALLOC_FL_COLLAPSE_RANGE = 8
	FALLOC_FL_ZERO_RANGE     = 0x10
	FALLOC_FL_INSERT_RANGE   = 0x20
	FALLOC_FL_UNSHARE_RANGE  = 0x40
)

// Advice of posix_fadvise(2), uapi/linux/fadvise.h.
const (
	POSIX_FADV_NORMAL     = 0
	POSIX_FADV_RANDOM     = 1
	POSIX_FADV_SEQUENTIAL = 2
	POSIX_FADV_WILLNEED   = 3
	POSIX_FADV_DONTNEED   = 4
	POSIX_FADV_NOREUSE    = 5
)

// Flags of splice(2), tee(2) and vmsplice(2), include/linux/splice.h.
const (
	SPLICE_F_MOVE     = 1
	SPLICE_F_NONBLOCK = 2
	SPLICE_F_MORE     = 4
	SPLICE_F_GIFT     = 8
)

// Flags of sync_file_range(2), uapi/linux/fs.h.
const (
	SYNC_FILE_RANGE_WAIT_BEFORE = 1
	SYNC_FILE_RANGE_WRITE       = 2
	SYNC_FILE_RANGE_WAIT_AFTER  = 4
)

// Flags of preadv2(2) and pwritev2(2), uapi/linux/fs.h.
const (
	RWF_HIPRI    = 1
	RWF_DSYNC    = 2
	RWF_SYNC     = 4
	RWF_NOWAIT   = 8
	RWF_APPEND   = 0x10
	RWF_NOAPPEND = 0x20
	RWF_ATOMIC   = 0x40
)

// Flags and limits of extended attributes, uapi/linux/xattr.h and limits.h.
const (
	XATTR_CREATE   = 1
	XATTR_REPLACE  = 2
	XATTR_NAME_MAX = 255
	XATTR_SIZE_MAX = 65536
	XATTR_LIST_MAX = 65536
)

// Limits of paths and of pipes' atomic writes, uapi/linux/limits.h.
const (
	NAME_MAX = 255
	PATH_MAX = 4096
	PIPE_BUF = 4096
)

// MAX_RW_COUNT is the most that one read or write moves, include/linux/fs.h.
const (
	MAX_RW_COUNT = 0x7ffff000
)

// Flock is struct flock of F_SETLK; OFD locks need PID 0.
type Flock struct {
	Type   int16 // l_type
	Whence int16 // l_whence
	Pad0   int32
	Start  int64 // l_start
	Len    int64 // l_len
	PID    int32 // l_pid
	Pad1   int32
}

// FOwnerEx is struct f_owner_ex of F_SETOWN_EX.
type FOwnerEx struct {
	Type int32 // type
	PID  int32 // pid
}

// OpenHow is struct open_how of openat2(2).
type OpenHow struct {
	Flags   uint64 // flags
	Mode    uint64 // mode
	Resolve uint64 // resolve
}

// OpenHowSizeVer0 is the size of the first OpenHow; a longer one must end in
// zeroes.
const OpenHowSizeVer0 = 24

// FileHandle is struct file_handle of name_to_handle_at(2); the handle follows.
type FileHandle struct {
	Bytes uint32 // handle_bytes
	Type  int32  // handle_type
}
