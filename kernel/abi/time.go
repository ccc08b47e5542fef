package abi

// Clocks of clock_gettime(2), uapi/linux/time.h.
const (
	CLOCK_REALTIME           = 0
	CLOCK_MONOTONIC          = 1
	CLOCK_PROCESS_CPUTIME_ID = 2
	CLOCK_THREAD_CPUTIME_ID  = 3
	CLOCK_MONOTONIC_RAW      = 4
	CLOCK_REALTIME_COARSE    = 5
	CLOCK_MONOTONIC_COARSE   = 6
	CLOCK_BOOTTIME           = 7
	CLOCK_REALTIME_ALARM     = 8
	CLOCK_BOOTTIME_ALARM     = 9
	CLOCK_TAI                = 11
)

// Flag of clock_nanosleep(2) and timer_settime(2); timers of setitimer(2).
const (
	TIMER_ABSTIME  = 1
	ITIMER_REAL    = 0
	ITIMER_VIRTUAL = 1
	ITIMER_PROF    = 2
)

// Flags of timerfd_create(2) and timerfd_settime(2), uapi/linux/timerfd.h, and its
// ioctl.
const (
	TFD_CLOEXEC             = 0o2000000
	TFD_NONBLOCK            = 0o4000
	TFD_TIMER_ABSTIME       = 1
	TFD_TIMER_CANCEL_ON_SET = 2
	TFD_IOC_SET_TICKS       = 0x40085400
)

// Nanoseconds of utimensat(2) with a meaning of their own, include/linux/stat.h.
const (
	UTIME_NOW  = 0x3fffffff
	UTIME_OMIT = 0x3ffffffe
)

// Modes of adjtimex(2), uapi/linux/timex.h.
const (
	ADJ_OFFSET            = 1
	ADJ_FREQUENCY         = 2
	ADJ_MAXERROR          = 4
	ADJ_ESTERROR          = 8
	ADJ_STATUS            = 0x10
	ADJ_TIMECONST         = 0x20
	ADJ_TAI               = 0x80
	ADJ_SETOFFSET         = 0x100
	ADJ_MICRO             = 0x1000
	ADJ_NANO              = 0x2000
	ADJ_TICK              = 0x4000
	ADJ_OFFSET_SINGLESHOT = 0x8001
	ADJ_OFFSET_SS_READ    = 0xa001
)

// Status bits and results of adjtimex(2).
const (
	STA_PLL       = 1
	STA_PPSFREQ   = 2
	STA_PPSTIME   = 4
	STA_FLL       = 8
	STA_INS       = 0x10
	STA_DEL       = 0x20
	STA_UNSYNC    = 0x40
	STA_FREQHOLD  = 0x80
	STA_PPSSIGNAL = 0x100
	STA_PPSJITTER = 0x200
	STA_PPSWANDER = 0x400
	STA_PPSERROR  = 0x800
	STA_CLOCKERR  = 0x1000
	STA_NANO      = 0x2000
	STA_MODE      = 0x4000
	STA_CLK       = 0x8000
	TIME_OK       = 0
	TIME_INS      = 1
	TIME_DEL      = 2
	TIME_OOP      = 3
	TIME_WAIT     = 4
	TIME_ERROR    = 5
)

// USER_HZ is the unit of times(2) and of /proc: ticks a second.
const (
	USER_HZ = 100
)

// Timeval is struct timeval.
type Timeval struct {
	Sec  int64 // tv_sec
	Usec int64 // tv_usec
}

// Timezone is struct timezone of gettimeofday(2); Linux keeps it at zero.
type Timezone struct {
	Minuteswest int32 // tz_minuteswest
	Dsttime     int32 // tz_dsttime
}

// Itimerval is struct itimerval of setitimer(2).
type Itimerval struct {
	Interval Timeval // it_interval
	Value    Timeval // it_value
}

// Itimerspec is struct itimerspec of timer_settime(2) and timerfd_settime(2).
type Itimerspec struct {
	Interval Timespec // it_interval
	Value    Timespec // it_value
}

// Tms is struct tms of times(2), in units of USER_HZ.
type Tms struct {
	Utime  int64 // tms_utime
	Stime  int64 // tms_stime
	Cutime int64 // tms_cutime
	Cstime int64 // tms_cstime
}

// Utimbuf is struct utimbuf of utime(2).
type Utimbuf struct {
	Actime  int64 // actime
	Modtime int64 // modtime
}

// Timex is struct timex of adjtimex(2).
type Timex struct {
	Modes     uint32 // modes
	Pad0      int32
	Offset    int64 // offset
	Freq      int64 // freq
	Maxerror  int64 // maxerror
	Esterror  int64 // esterror
	Status    int32 // status
	Pad1      int32
	Constant  int64   // constant
	Precision int64   // precision
	Tolerance int64   // tolerance
	Time      Timeval // time
	Tick      int64   // tick
	PPSFreq   int64   // ppsfreq
	Jitter    int64   // jitter
	Shift     int32   // shift
	Pad2      int32
	Stabil    int64 // stabil
	Jitcnt    int64 // jitcnt
	Calcnt    int64 // calcnt
	Errcnt    int64 // errcnt
	Stbcnt    int64 // stbcnt
	TAI       int32 // tai
	Pad3      [11]int32
}
