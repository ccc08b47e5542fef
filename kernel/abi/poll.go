package abi

// Events of poll(2), uapi/asm-generic/poll.h.
const (
	POLLIN     = 1
	POLLPRI    = 2
	POLLOUT    = 4
	POLLERR    = 8
	POLLHUP    = 0x10
	POLLNVAL   = 0x20
	POLLRDNORM = 0x40
	POLLRDBAND = 0x80
	POLLWRNORM = 0x100
	POLLWRBAND = 0x200
	POLLMSG    = 0x400
	POLLREMOVE = 0x1000
	POLLRDHUP  = 0x2000
)

// Events of epoll_ctl(2), uapi/linux/eventpoll.h.
const (
	EPOLLIN        = 0x1
	EPOLLPRI       = 0x2
	EPOLLOUT       = 0x4
	EPOLLERR       = 0x8
	EPOLLHUP       = 0x10
	EPOLLNVAL      = 0x20
	EPOLLRDNORM    = 0x40
	EPOLLRDBAND    = 0x80
	EPOLLWRNORM    = 0x100
	EPOLLWRBAND    = 0x200
	EPOLLMSG       = 0x400
	EPOLLRDHUP     = 0x2000
	EPOLLEXCLUSIVE = 0x10000000
	EPOLLWAKEUP    = 0x20000000
	EPOLLONESHOT   = 0x40000000
	EPOLLET        = 0x80000000
)

// Operations of epoll_ctl(2), flags of epoll_create1(2), ioctls (Linux 6.9).
const (
	EPOLL_CTL_ADD = 1
	EPOLL_CTL_DEL = 2
	EPOLL_CTL_MOD = 3
	EPOLL_CLOEXEC = 0o2000000
	EPIOCSPARAMS  = 0x40088a01
	EPIOCGPARAMS  = 0x80088a02
)

// FD_SETSIZE is the number of descriptors in an FdSet.
const (
	FD_SETSIZE = 1024
)

// Flags of eventfd2(2), uapi/sys/eventfd.h.
const (
	EFD_SEMAPHORE = 1
	EFD_CLOEXEC   = 0o2000000
	EFD_NONBLOCK  = 0o4000
)

// Flags of signalfd4(2), uapi/linux/signalfd.h.
const (
	SFD_CLOEXEC  = 0o2000000
	SFD_NONBLOCK = 0o4000
)

// Flags of inotify_init1(2), uapi/linux/inotify.h.
const (
	IN_CLOEXEC  = 0o2000000
	IN_NONBLOCK = 0o4000
)

// Events of inotify(7).
const (
	IN_ACCESS        = 0x1
	IN_MODIFY        = 0x2
	IN_ATTRIB        = 0x4
	IN_CLOSE_WRITE   = 0x8
	IN_CLOSE_NOWRITE = 0x10
	IN_OPEN          = 0x20
	IN_MOVED_FROM    = 0x40
	IN_MOVED_TO      = 0x80
	IN_CREATE        = 0x100
	IN_DELETE        = 0x200
	IN_DELETE_SELF   = 0x400
	IN_MOVE_SELF     = 0x800
	IN_CLOSE         = 0x18
	IN_MOVE          = 0xc0
	IN_ALL_EVENTS    = 0xfff
	IN_UNMOUNT       = 0x2000
	IN_Q_OVERFLOW    = 0x4000
	IN_IGNORED       = 0x8000
	IN_ISDIR         = 0x40000000
)

// Options of inotify_add_watch(2).
const (
	IN_ONLYDIR     = 0x1000000
	IN_DONT_FOLLOW = 0x2000000
	IN_EXCL_UNLINK = 0x4000000
	IN_MASK_CREATE = 0x10000000
	IN_MASK_ADD    = 0x20000000
	IN_ONESHOT     = 0x80000000
)

// PollFD is struct pollfd.
type PollFD struct {
	FD      int32 // fd
	Events  int16 // events
	Revents int16 // revents
}

// EpollEvent is struct epoll_event, which x86-64 packs to 12 bytes: the data is
// two words here, since Go would align a 64-bit field.
type EpollEvent struct {
	Events uint32    // events
	Data   [2]uint32 // data
}

// EpollParams is struct epoll_params of EPIOCSPARAMS (Linux 6.9).
type EpollParams struct {
	BusyPollUsecs  uint32 // busy_poll_usecs
	BusyPollBudget uint16 // busy_poll_budget
	PreferBusyPoll uint8  // prefer_busy_poll
	Pad            uint8  // __pad
}

// FdSet is fd_set of select(2): descriptor n is bit n%64 of word n/64.
type FdSet [FD_SETSIZE / 64]uint64

// SignalfdSiginfo is struct signalfd_siginfo, what a read of a signalfd gives.
type SignalfdSiginfo struct {
	Signo    uint32   // ssi_signo
	Errno    int32    // ssi_errno
	Code     int32    // ssi_code
	PID      uint32   // ssi_pid
	UID      uint32   // ssi_uid
	FD       int32    // ssi_fd
	TID      uint32   // ssi_tid
	Band     uint32   // ssi_band
	Overrun  uint32   // ssi_overrun
	Trapno   uint32   // ssi_trapno
	Status   int32    // ssi_status
	Int      int32    // ssi_int
	Ptr      uint64   // ssi_ptr
	Utime    uint64   // ssi_utime
	Stime    uint64   // ssi_stime
	Addr     uint64   // ssi_addr
	AddrLsb  uint16   // ssi_addr_lsb
	Pad2     uint16   // __pad2
	Syscall  int32    // ssi_syscall
	CallAddr uint64   // ssi_call_addr
	Arch     uint32   // ssi_arch
	Pad      [28]byte // __pad
}

// InotifyEvent is struct inotify_event; Len bytes of name follow it, padded with
// NULs.
type InotifyEvent struct {
	WD     int32  // wd
	Mask   uint32 // mask
	Cookie uint32 // cookie
	Len    uint32 // len
}
