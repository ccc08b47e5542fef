package vfs

// Constants of the Linux interface that the methods of this package take as
// they are; sources are named per group.

// Special directory descriptors and flags of the *at calls, uapi/linux/fcntl.h.
const (
	AT_FDCWD            = -100
	AT_SYMLINK_NOFOLLOW = 0x100
	AT_EACCESS          = 0x200
	AT_REMOVEDIR        = 0x200
	AT_SYMLINK_FOLLOW   = 0x400
	AT_NO_AUTOMOUNT     = 0x800
	AT_EMPTY_PATH       = 0x1000
)

// Commands of fcntl(2), uapi/asm-generic/fcntl.h and uapi/linux/fcntl.h.
const (
	F_DUPFD         = 0
	F_GETFD         = 1
	F_SETFD         = 2
	F_GETFL         = 3
	F_SETFL         = 4
	F_DUPFD_CLOEXEC = 1030
	F_SETPIPE_SZ    = 1031
	F_GETPIPE_SZ    = 1032
	F_ADD_SEALS     = 1033
	F_GET_SEALS     = 1034

	FD_CLOEXEC = 1
)

// Seals of memfd_create(2), uapi/linux/fcntl.h.
const (
	F_SEAL_SEAL         = 0x1
	F_SEAL_SHRINK       = 0x2
	F_SEAL_GROW         = 0x4
	F_SEAL_WRITE        = 0x8
	F_SEAL_FUTURE_WRITE = 0x10
	F_SEAL_EXEC         = 0x20
)

// Whence of lseek(2).
const (
	SEEK_SET  = 0
	SEEK_CUR  = 1
	SEEK_END  = 2
	SEEK_DATA = 3
	SEEK_HOLE = 4
)

// Flags of renameat2(2), uapi/linux/fs.h.
const (
	RENAME_NOREPLACE = 1
	RENAME_EXCHANGE  = 2
	RENAME_WHITEOUT  = 4
)

// Resolve flags of openat2(2), uapi/linux/openat2.h.
const (
	RESOLVE_NO_XDEV       = 0x01
	RESOLVE_NO_MAGICLINKS = 0x02
	RESOLVE_NO_SYMLINKS   = 0x04
	RESOLVE_BENEATH       = 0x08
	RESOLVE_IN_ROOT       = 0x10
	RESOLVE_CACHED        = 0x20
)

// Flags of close_range(2), uapi/linux/close_range.h.
const (
	CLOSE_RANGE_UNSHARE = 2
	CLOSE_RANGE_CLOEXEC = 4
)

// Modes of access(2).
const (
	X_OK = 1
	W_OK = 2
	R_OK = 4
)

// Modes of fallocate(2), uapi/linux/falloc.h.
const (
	FALLOC_FL_KEEP_SIZE  = 0x01
	FALLOC_FL_PUNCH_HOLE = 0x02
	FALLOC_FL_ZERO_RANGE = 0x10
)

// Types in d_type of getdents64(2): the type bits of st_mode shifted by 12.
const (
	DT_FIFO = 1
	DT_CHR  = 2
	DT_DIR  = 4
	DT_BLK  = 6
	DT_REG  = 8
	DT_LNK  = 10
	DT_SOCK = 12
)

// Events of poll(2), uapi/asm-generic/poll.h; epoll's are the same bits.
const (
	POLLIN     = 0x0001
	POLLPRI    = 0x0002
	POLLOUT    = 0x0004
	POLLERR    = 0x0008
	POLLHUP    = 0x0010
	POLLNVAL   = 0x0020
	POLLRDNORM = 0x0040
	POLLRDBAND = 0x0080
	POLLWRNORM = 0x0100
	POLLWRBAND = 0x0200
	POLLMSG    = 0x0400
	POLLRDHUP  = 0x2000
)

// Operations and flags of epoll, uapi/linux/eventpoll.h.
const (
	EPOLL_CTL_ADD = 1
	EPOLL_CTL_DEL = 2
	EPOLL_CTL_MOD = 3

	EPOLLEXCLUSIVE = 1 << 28
	EPOLLWAKEUP    = 1 << 29
	EPOLLONESHOT   = 1 << 30
	EPOLLET        = 1 << 31
)

// Clocks and flags of timerfd, uapi/linux/time.h and uapi/linux/timerfd.h.
const (
	CLOCK_REALTIME       = 0
	CLOCK_MONOTONIC      = 1
	CLOCK_BOOTTIME       = 7
	CLOCK_REALTIME_ALARM = 8
	CLOCK_BOOTTIME_ALARM = 9

	TFD_TIMER_ABSTIME       = 1
	TFD_TIMER_CANCEL_ON_SET = 2
)

// EFD_SEMAPHORE of eventfd2(2), uapi/linux/eventfd.h.
const EFD_SEMAPHORE = 1

// Nanoseconds of utimensat(2) with a meaning of their own, uapi/linux/stat.h.
const (
	UTIME_NOW  = 0x3fffffff
	UTIME_OMIT = 0x3ffffffe
)

// Operations of flock(2), uapi/asm-generic/fcntl.h.
const (
	LOCK_SH = 1
	LOCK_EX = 2
	LOCK_NB = 4
	LOCK_UN = 8
)

// ioctl(2) numbers that every file knows, uapi/asm-generic/ioctls.h.
const (
	FIONREAD  = 0x541b
	FIONBIO   = 0x5421
	FIONCLEX  = 0x5450
	FIOCLEX   = 0x5451
	FIOASYNC  = 0x5452
	FIOQSIZE  = 0x5460
	modeBits  = 0o777
	pageBits  = 12
	pageSize  = 1 << pageBits
	maxOffset = 1<<63 - 1
)

// Limits of paths, uapi/linux/limits.h, path_resolution(7).
const (
	NAME_MAX    = 255
	PATH_MAX    = 4096
	maxSymlinks = 40
)
