package strace

import "skerry/kernel/abi"

// Names of constants about events, clocks and timers, in the order in which they are printed.
var (
	setPoll = set{unknown: "POLL???", names: []named{
		{abi.POLLIN, "POLLIN"}, {abi.POLLPRI, "POLLPRI"}, {abi.POLLOUT, "POLLOUT"}, {abi.POLLERR, "POLLERR"},
		{abi.POLLHUP, "POLLHUP"}, {abi.POLLNVAL, "POLLNVAL"}, {abi.POLLRDNORM, "POLLRDNORM"},
		{abi.POLLRDBAND, "POLLRDBAND"}, {abi.POLLWRNORM, "POLLWRNORM"}, {abi.POLLWRBAND, "POLLWRBAND"},
		{abi.POLLMSG, "POLLMSG"}, {abi.POLLREMOVE, "POLLREMOVE"}, {abi.POLLRDHUP, "POLLRDHUP"},
	}}
	setEpoll = set{unknown: "EPOLL???", names: []named{
		{abi.EPOLLIN, "EPOLLIN"}, {abi.EPOLLPRI, "EPOLLPRI"}, {abi.EPOLLOUT, "EPOLLOUT"}, {abi.EPOLLRDNORM, "EPOLLRDNORM"},
		{abi.EPOLLRDBAND, "EPOLLRDBAND"}, {abi.EPOLLWRNORM, "EPOLLWRNORM"}, {abi.EPOLLWRBAND, "EPOLLWRBAND"},
		{abi.EPOLLMSG, "EPOLLMSG"}, {abi.EPOLLERR, "EPOLLERR"}, {abi.EPOLLHUP, "EPOLLHUP"}, {abi.EPOLLRDHUP, "EPOLLRDHUP"},
		{abi.EPOLLEXCLUSIVE, "EPOLLEXCLUSIVE"}, {abi.EPOLLWAKEUP, "EPOLLWAKEUP"}, {abi.EPOLLONESHOT, "EPOLLONESHOT"},
		{abi.EPOLLET, "EPOLLET"},
	}}
	setEpollop = set{unknown: "EPOLL_CTL_???", names: []named{
		{abi.EPOLL_CTL_ADD, "EPOLL_CTL_ADD"}, {abi.EPOLL_CTL_DEL, "EPOLL_CTL_DEL"}, {abi.EPOLL_CTL_MOD, "EPOLL_CTL_MOD"},
	}}
	setEpollcreate = set{unknown: "EPOLL_???", names: []named{
		{abi.EPOLL_CLOEXEC, "EPOLL_CLOEXEC"},
	}}
	setEventfd = set{unknown: "EFD_???", names: []named{
		{abi.EFD_SEMAPHORE, "EFD_SEMAPHORE"}, {abi.EFD_CLOEXEC, "EFD_CLOEXEC"}, {abi.EFD_NONBLOCK, "EFD_NONBLOCK"},
	}}
	setSignalfd = set{unknown: "SFD_???", names: []named{
		{abi.SFD_CLOEXEC, "SFD_CLOEXEC"}, {abi.SFD_NONBLOCK, "SFD_NONBLOCK"},
	}}
	setTimerfd = set{unknown: "TFD_???", names: []named{
		{abi.TFD_CLOEXEC, "TFD_CLOEXEC"}, {abi.TFD_NONBLOCK, "TFD_NONBLOCK"},
	}}
	setTimerfdset = set{unknown: "TFD_???", names: []named{
		{abi.TFD_TIMER_ABSTIME, "TFD_TIMER_ABSTIME"}, {abi.TFD_TIMER_CANCEL_ON_SET, "TFD_TIMER_CANCEL_ON_SET"},
	}}
	setInotifyinit = set{unknown: "IN_???", names: []named{
		{abi.IN_NONBLOCK, "IN_NONBLOCK"}, {abi.IN_CLOEXEC, "IN_CLOEXEC"},
	}}
	setInotify = set{unknown: "IN_???", names: []named{
		{abi.IN_ACCESS, "IN_ACCESS"}, {abi.IN_MODIFY, "IN_MODIFY"}, {abi.IN_ATTRIB, "IN_ATTRIB"},
		{abi.IN_CLOSE_WRITE, "IN_CLOSE_WRITE"}, {abi.IN_CLOSE_NOWRITE, "IN_CLOSE_NOWRITE"}, {abi.IN_OPEN, "IN_OPEN"},
		{abi.IN_MOVED_FROM, "IN_MOVED_FROM"}, {abi.IN_MOVED_TO, "IN_MOVED_TO"}, {abi.IN_CREATE, "IN_CREATE"},
		{abi.IN_DELETE, "IN_DELETE"}, {abi.IN_DELETE_SELF, "IN_DELETE_SELF"}, {abi.IN_MOVE_SELF, "IN_MOVE_SELF"},
		{abi.IN_UNMOUNT, "IN_UNMOUNT"}, {abi.IN_Q_OVERFLOW, "IN_Q_OVERFLOW"}, {abi.IN_IGNORED, "IN_IGNORED"},
		{abi.IN_ONLYDIR, "IN_ONLYDIR"}, {abi.IN_DONT_FOLLOW, "IN_DONT_FOLLOW"}, {abi.IN_EXCL_UNLINK, "IN_EXCL_UNLINK"},
		{abi.IN_MASK_CREATE, "IN_MASK_CREATE"}, {abi.IN_MASK_ADD, "IN_MASK_ADD"}, {abi.IN_ISDIR, "IN_ISDIR"},
		{abi.IN_ONESHOT, "IN_ONESHOT"},
	}}
	setClock = set{unknown: "CLOCK_???", names: []named{
		{abi.CLOCK_REALTIME, "CLOCK_REALTIME"}, {abi.CLOCK_MONOTONIC, "CLOCK_MONOTONIC"},
		{abi.CLOCK_PROCESS_CPUTIME_ID, "CLOCK_PROCESS_CPUTIME_ID"},
		{abi.CLOCK_THREAD_CPUTIME_ID, "CLOCK_THREAD_CPUTIME_ID"}, {abi.CLOCK_MONOTONIC_RAW, "CLOCK_MONOTONIC_RAW"},
		{abi.CLOCK_REALTIME_COARSE, "CLOCK_REALTIME_COARSE"}, {abi.CLOCK_MONOTONIC_COARSE, "CLOCK_MONOTONIC_COARSE"},
		{abi.CLOCK_BOOTTIME, "CLOCK_BOOTTIME"}, {abi.CLOCK_REALTIME_ALARM, "CLOCK_REALTIME_ALARM"},
		{abi.CLOCK_BOOTTIME_ALARM, "CLOCK_BOOTTIME_ALARM"}, {abi.CLOCK_TAI, "CLOCK_TAI"},
	}}
	setTimerabs = set{unknown: "TIMER_???", names: []named{
		{abi.TIMER_ABSTIME, "TIMER_ABSTIME"},
	}}
	setItimer = set{unknown: "ITIMER_???", names: []named{
		{abi.ITIMER_REAL, "ITIMER_REAL"}, {abi.ITIMER_VIRTUAL, "ITIMER_VIRTUAL"}, {abi.ITIMER_PROF, "ITIMER_PROF"},
	}}
	setAdjmodes = set{unknown: "ADJ_???", names: []named{
		{abi.ADJ_OFFSET_SS_READ, "ADJ_OFFSET_SS_READ"}, {abi.ADJ_OFFSET_SINGLESHOT, "ADJ_OFFSET_SINGLESHOT"},
		{abi.ADJ_OFFSET, "ADJ_OFFSET"}, {abi.ADJ_FREQUENCY, "ADJ_FREQUENCY"}, {abi.ADJ_MAXERROR, "ADJ_MAXERROR"},
		{abi.ADJ_ESTERROR, "ADJ_ESTERROR"}, {abi.ADJ_STATUS, "ADJ_STATUS"}, {abi.ADJ_TIMECONST, "ADJ_TIMECONST"},
		{abi.ADJ_TAI, "ADJ_TAI"}, {abi.ADJ_SETOFFSET, "ADJ_SETOFFSET"}, {abi.ADJ_MICRO, "ADJ_MICRO"},
		{abi.ADJ_NANO, "ADJ_NANO"}, {abi.ADJ_TICK, "ADJ_TICK"},
	}}
	setAdjstatus = set{unknown: "STA_???", names: []named{
		{abi.STA_PLL, "STA_PLL"}, {abi.STA_PPSFREQ, "STA_PPSFREQ"}, {abi.STA_PPSTIME, "STA_PPSTIME"},
		{abi.STA_FLL, "STA_FLL"}, {abi.STA_INS, "STA_INS"}, {abi.STA_DEL, "STA_DEL"}, {abi.STA_UNSYNC, "STA_UNSYNC"},
		{abi.STA_FREQHOLD, "STA_FREQHOLD"}, {abi.STA_PPSSIGNAL, "STA_PPSSIGNAL"}, {abi.STA_PPSJITTER, "STA_PPSJITTER"},
		{abi.STA_PPSWANDER, "STA_PPSWANDER"}, {abi.STA_PPSERROR, "STA_PPSERROR"}, {abi.STA_CLOCKERR, "STA_CLOCKERR"},
		{abi.STA_NANO, "STA_NANO"}, {abi.STA_MODE, "STA_MODE"}, {abi.STA_CLK, "STA_CLK"},
	}}
	setAdjstate = set{unknown: "TIME_???", names: []named{
		{abi.TIME_OK, "TIME_OK"}, {abi.TIME_INS, "TIME_INS"}, {abi.TIME_DEL, "TIME_DEL"}, {abi.TIME_OOP, "TIME_OOP"},
		{abi.TIME_WAIT, "TIME_WAIT"}, {abi.TIME_ERROR, "TIME_ERROR"},
	}}
)
