package abi

// Fields of an ioctl number: direction, size, type, number; asm-generic/ioctl.h
// (_IOC_NRSHIFT and so on in C).
const (
	IOC_NRSHIFT   = 0
	IOC_TYPESHIFT = 8
	IOC_SIZESHIFT = 16
	IOC_DIRSHIFT  = 30
	IOC_NONE      = 0
	IOC_WRITE     = 1
	IOC_READ      = 2
)

// ioctls of terminals, uapi/asm-generic/ioctls.h, ioctl_tty(2). Descriptors here
// are no terminals and answer ENOTTY.
const (
	TCGETS      = 0x5401
	TCSETS      = 0x5402
	TCSETSW     = 0x5403
	TCSETSF     = 0x5404
	TCGETA      = 0x5405
	TCSETA      = 0x5406
	TCSETAW     = 0x5407
	TCSETAF     = 0x5408
	TCSBRK      = 0x5409
	TCXONC      = 0x540a
	TCFLSH      = 0x540b
	TIOCEXCL    = 0x540c
	TIOCNXCL    = 0x540d
	TIOCSCTTY   = 0x540e
	TIOCGPGRP   = 0x540f
	TIOCSPGRP   = 0x5410
	TIOCOUTQ    = 0x5411
	TIOCSTI     = 0x5412
	TIOCGWINSZ  = 0x5413
	TIOCSWINSZ  = 0x5414
	TIOCMGET    = 0x5415
	TIOCMBIS    = 0x5416
	TIOCMBIC    = 0x5417
	TIOCMSET    = 0x5418
	TIOCINQ     = 0x541b
	TIOCCONS    = 0x541d
	TIOCNOTTY   = 0x5422
	TIOCSETD    = 0x5423
	TIOCGETD    = 0x5424
	TCSBRKP     = 0x5425
	TIOCGSID    = 0x5429
	TIOCGPTN    = 0x80045430
	TIOCSPTLCK  = 0x40045431
	TIOCGPTPEER = 0x5441
	TCGETS2     = 0x802c542a
	TCSETS2     = 0x402c542b
)

// ioctls of any descriptor.
const (
	FIONREAD = 0x541b
	FIONBIO  = 0x5421
	FIONCLEX = 0x5450
	FIOCLEX  = 0x5451
	FIOASYNC = 0x5452
	FIOQSIZE = 0x5460
)

// ioctls of sockets, uapi/linux/sockios.h and asm-generic/sockios.h.
const (
	FIOSETOWN        = 0x8901
	SIOCSPGRP        = 0x8902
	FIOGETOWN        = 0x8903
	SIOCGPGRP        = 0x8904
	SIOCATMARK       = 0x8905
	SIOCGSTAMP_OLD   = 0x8906
	SIOCGSTAMPNS_OLD = 0x8907
	SIOCINQ          = 0x541b
	SIOCOUTQ         = 0x5411
	SIOCOUTQNSD      = 0x894b
	SIOCADDRT        = 0x890b
	SIOCDELRT        = 0x890c
	SIOCGIFNAME      = 0x8910
	SIOCGIFCONF      = 0x8912
	SIOCGIFFLAGS     = 0x8913
	SIOCSIFFLAGS     = 0x8914
	SIOCGIFADDR      = 0x8915
	SIOCSIFADDR      = 0x8916
	SIOCGIFDSTADDR   = 0x8917
	SIOCGIFBRDADDR   = 0x8919
	SIOCGIFNETMASK   = 0x891b
	SIOCGIFMETRIC    = 0x891d
	SIOCGIFMTU       = 0x8921
	SIOCSIFMTU       = 0x8922
	SIOCGIFHWADDR    = 0x8927
	SIOCGIFINDEX     = 0x8933
	SIOCGIFTXQLEN    = 0x8942
	SIOCGIFMAP       = 0x8970
	SIOCETHTOOL      = 0x8946
	SIOCGIFCOUNT     = 0x8938
	SIOCGARP         = 0x8954
)

// ioctls of files and block devices, uapi/linux/fs.h.
const (
	FIBMAP            = 0x1
	FIGETBSZ          = 0x2
	FIFREEZE          = 0xc0045877
	FITHAW            = 0xc0045878
	FITRIM            = 0xc0185879
	FICLONE           = 0x40049409
	FICLONERANGE      = 0x4020940d
	FIDEDUPERANGE     = 0xc0189436
	FS_IOC_GETFLAGS   = 0x80086601
	FS_IOC_SETFLAGS   = 0x40086602
	FS_IOC_GETVERSION = 0x80087601
	FS_IOC_FIEMAP     = 0xc020660b
	FS_IOC_FSGETXATTR = 0x801c581f
	FS_IOC_FSSETXATTR = 0x401c5820
	BLKGETSIZE        = 0x1260
	BLKGETSIZE64      = 0x80081272
	BLKSSZGET         = 0x1268
	BLKPBSZGET        = 0x127b
	BLKFLSBUF         = 0x1261
	BLKROGET          = 0x125e
	BLKDISCARD        = 0x1277
)

// ioctls of /dev/random, uapi/linux/random.h.
const (
	RNDGETENTCNT   = 0x80045200
	RNDADDTOENTCNT = 0x40045201
	RNDGETPOOL     = 0x80085202
	RNDADDENTROPY  = 0x40085203
	RNDZAPENTCNT   = 0x5204
	RNDCLEARPOOL   = 0x5206
	RNDRESEEDCRNG  = 0x5207
)

// Winsize is struct winsize of TIOCGWINSZ.
type Winsize struct {
	Row    uint16 // ws_row
	Col    uint16 // ws_col
	Xpixel uint16 // ws_xpixel
	Ypixel uint16 // ws_ypixel
}

// Termios is struct termios of TCGETS as the kernel sees it; the library's is
// longer.
type Termios struct {
	Iflag uint32    // c_iflag
	Oflag uint32    // c_oflag
	Cflag uint32    // c_cflag
	Lflag uint32    // c_lflag
	Line  uint8     // c_line
	CC    [19]uint8 // c_cc
}
