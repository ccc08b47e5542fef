package strace

import (
	"strconv"
	"strings"
	"testing"

	"skerry/kernel/abi"
)

// plain has no padding before the result, so that lines are easy to write down.
var plain = Decoder{Column: -1}

// one decodes a call whose memory does not change.
func one(nr int, mem Mem, ret int64, args ...uint64) string {
	var a [6]uint64
	copy(a[:], args)
	return string(plain.Exit(plain.Enter(nil, nr, a, mem), nr, a, ret, -1, mem))
}

func errno(e abi.Errno) int64 { return -int64(e) }

func hexOf(v uint64) string { return "0x" + strconv.FormatUint(v, 16) }

const minus1 = ^uint64(0)

func TestLines(t *testing.T) {
	m := &testMem{}
	path := m.put("/etc/hosts")
	text := m.put("a\tb\x00\x019\xff\xff7\"\\\x1b[31m")
	long := m.put(strings.Repeat("0123456789", 50))
	ts := m.put(int64(1), int64(2))
	in4 := m.put(uint16(abi.AF_INET), []byte{0, 80, 127, 0, 0, 1}, uint64(0))
	un := m.put(uint16(abi.AF_UNIX), []byte("\x00abs\x00\n"))
	iov := m.put(text, uint64(3), long, uint64(40), uint64(0), uint64(7))
	len16 := m.put(uint32(16))
	argv := m.put(m.put("sh"), m.put("-c"), m.put("ls -l"), uint64(0))
	sig := m.put(uint64(0x401000), uint64(abi.SA_RESTORER|abi.SA_RESTART), uint64(0x402000), ^uint64(1<<31|1<<32))
	cl3 := m.put(uint64(abi.CLONE_VM|abi.CLONE_THREAD|abi.CLONE_SIGHAND|abi.CLONE_PARENT_SETTID), uint64(0), uint64(0), len16, uint64(0), uint64(0x7000), uint64(0x1000), uint64(0))
	fd3 := m.put(int32(3), int16(abi.POLLIN), int16(abi.POLLIN|abi.POLLHUP), int32(-1), int16(1), int16(0))
	ev := m.put(uint32(abi.EPOLLIN|abi.EPOLLET), uint64(7))
	bits := m.put(uint64(0b10011), uint64(0))
	m.put(make([]byte, 4096))

	for _, c := range []struct{ got, want string }{
		{one(abi.SYS_OPENAT, m, 3, abi.AT_FDCWD&0xffffffff, path, abi.O_RDONLY|abi.O_CLOEXEC, 0o644),
			`openat(AT_FDCWD, "/etc/hosts", O_RDONLY|O_CLOEXEC) = 3`},
		{one(abi.SYS_OPENAT, m, errno(abi.ENOENT), minus1, path, abi.O_WRONLY|abi.O_CREAT|1<<31, 0o644),
			`openat(-1, "/etc/hosts", O_WRONLY|O_CREAT|0x80000000, 0644) = -1 ENOENT (No such file or directory)`},
		{one(abi.SYS_OPEN, m, errno(abi.EFAULT), 1, abi.O_ACCMODE), `open(0x1, O_ACCMODE) = -1 EFAULT (Bad address)`},
		{one(abi.SYS_OPEN, nil, errno(abi.EFAULT), 0, 0), `open(NULL, O_RDONLY) = -1 EFAULT (Bad address)`},
		{one(abi.SYS_WRITE, m, 17, 1, text, 17), `write(1, "a\tb\0\0019\377\3777\"\\\33[31m\0", 17) = 17`},
		{one(abi.SYS_WRITE, m, 33, 1, long, 33), `write(1, "01234567890123456789012345678901"..., 33) = 33`},
		{one(abi.SYS_WRITE, m, 32, 1, long, 32), `write(1, "01234567890123456789012345678901", 32) = 32`},
		{one(abi.SYS_WRITE, m, errno(abi.EFAULT), 1, minus1, minus1), `write(1, 0xffffffffffffffff, 18446744073709551615) = -1 EFAULT (Bad address)`},
		{one(abi.SYS_READ, m, 3, 0, text, 100), `read(0, "a\tb", 100) = 3`},
		{one(abi.SYS_READ, m, errno(abi.ERESTARTSYS), 0, text, 100), `read(0, 0x10010, 100) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)`},
		{one(abi.SYS_READ, m, 0, 0, text, 100), `read(0, "", 100) = 0`},
		{one(abi.SYS_WRITEV, m, 43, 1, iov, 3),
			`writev(1, [{iov_base="a\tb", iov_len=3}, {iov_base="01234567890123456789012345678901"..., iov_len=40}, {iov_base=NULL, iov_len=7}], 3) = 43`},
		{one(abi.SYS_READV, m, 4, 1, iov, 2),
			`readv(1, [{iov_base="a\tb", iov_len=3}, {iov_base="0", iov_len=40}], 2) = 4`},
		{one(abi.SYS_WRITEV, m, errno(abi.EINVAL), 1, 0x77, minus1), `writev(1, 0x77, 18446744073709551615) = -1 EINVAL (Invalid argument)`},
		{one(abi.SYS_NANOSLEEP, m, errno(abi.ERESTARTBLOCK), ts, ts),
			`nanosleep({tv_sec=1, tv_nsec=2}, {tv_sec=1, tv_nsec=2}) = ? ERESTART_RESTARTBLOCK (Interrupted by signal)`},
		{one(abi.SYS_CONNECT, m, 0, 3, in4, 16), `connect(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = 0`},
		{one(abi.SYS_CONNECT, m, 0, 3, in4, 2), `connect(3, {sa_family=AF_INET}, 2) = 0`},
		{one(abi.SYS_CONNECT, m, 0, 3, in4, 1), `connect(3, IN4, 1) = 0`},
		{one(abi.SYS_CONNECT, m, 0, 3, in4, minus1), `connect(3, IN4, -1) = 0`},
		{one(abi.SYS_CONNECT, m, 0, 3, un, 8), `connect(3, {sa_family=AF_UNIX, sun_path=@"abs\0\n"}, 8) = 0`},
		{one(abi.SYS_ACCEPT, m, 4, 3, in4, len16), `accept(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, [16]) = 4`},
		{one(abi.SYS_ACCEPT, m, errno(abi.EAGAIN), 3, in4, len16), `accept(3, IN4, [16]) = -1 EAGAIN (Resource temporarily unavailable)`},
		{one(abi.SYS_ACCEPT, m, 4, 3, 0, 0), `accept(3, NULL, NULL) = 4`},
		{one(abi.SYS_MMAP, m, 0x7f0000000000, 0, 4096, abi.PROT_READ, abi.MAP_PRIVATE|abi.MAP_ANONYMOUS, minus1, 0),
			`mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000`},
		{one(abi.SYS_BRK, m, 0, 0), `brk(NULL) = 0`},
		{one(abi.SYS_EXECVE, m, errno(abi.EPERM), path, argv, argv),
			`execve("/etc/hosts", ["sh", "-c", "ls -l"], ARGV /* 3 vars */) = -1 EPERM (Operation not permitted)`},
		{one(abi.SYS_RT_SIGACTION, m, 0, 10, sig, 0, 8),
			`rt_sigaction(SIGUSR1, {sa_handler=0x401000, sa_mask=~[RTMIN RT_1], sa_flags=SA_RESTORER|SA_RESTART, sa_restorer=0x402000}, NULL, 8) = 0`},
		{one(abi.SYS_KILL, m, errno(abi.ESRCH), minus1, 65), `kill(-1, 65) = -1 ESRCH (No such process)`},
		{one(abi.SYS_KILL, m, 0, 1, 64), `kill(1, SIGRT_32) = 0`},
		{one(abi.SYS_CLONE, m, errno(abi.EPERM), abi.CLONE_VFORK|abi.CLONE_VM|abi.SIGCHLD, 0),
			`clone(child_stack=NULL, flags=CLONE_VM|CLONE_VFORK|SIGCHLD) = -1 EPERM (Operation not permitted)`},
		{one(abi.SYS_CLONE3, m, 16, cl3, 64),
			`clone3({flags=CLONE_VM|CLONE_SIGHAND|CLONE_THREAD|CLONE_PARENT_SETTID, parent_tid=WORD, exit_signal=0, stack=0x7000, stack_size=0x1000} => {parent_tid=[16]}, 64) = 16`},
		{one(abi.SYS_FUTEX, m, 1, len16, abi.FUTEX_WAKE|abi.FUTEX_PRIVATE_FLAG, 1, minus1, minus1, minus1),
			`futex(WORD, FUTEX_WAKE_PRIVATE, 1) = 1`},
		{one(abi.SYS_FUTEX, m, errno(abi.ETIMEDOUT), len16, abi.FUTEX_WAIT_BITSET|abi.FUTEX_CLOCK_REALTIME, 2, ts, 5, 0xffffffff),
			`futex(WORD, FUTEX_WAIT_BITSET|FUTEX_CLOCK_REALTIME, 2, {tv_sec=1, tv_nsec=2}, FUTEX_BITSET_MATCH_ANY) = -1 ETIMEDOUT (Connection timed out)`},
		{one(abi.SYS_POLL, m, 1, fd3, 2, minus1),
			`poll([{fd=3, events=POLLIN}, {fd=-1}], 2, -1) = 1 ([{fd=3, revents=POLLIN|POLLHUP}])`},
		{one(abi.SYS_POLL, m, 0, fd3, 2, 0), `poll([{fd=3, events=POLLIN}, {fd=-1}], 2, 0) = 0 (Timeout)`},
		{one(abi.SYS_POLL, m, errno(abi.EFAULT), 0x77, minus1, 0), `poll(0x77, 4294967295, 0) = -1 EFAULT (Bad address)`},
		{one(abi.SYS_EPOLL_WAIT, m, 1, 3, ev, 8, minus1), `epoll_wait(3, [{events=EPOLLIN|EPOLLET, data={u32=7, u64=7}}], 8, -1) = 1`},
		{one(abi.SYS_SELECT, m, 1, 5, bits, bits, 0, ts),
			`select(5, [0 1 4], [0 1 4], NULL, {tv_sec=1, tv_usec=2}) = 1 (in [0 1 4], out [0 1 4], left {tv_sec=1, tv_usec=2})`},
		{one(abi.SYS_FCNTL, m, 0x802, 3, abi.F_GETFL), `fcntl(3, F_GETFL) = 0x802 (flags O_RDWR|O_NONBLOCK)`},
		{one(abi.SYS_FCNTL, m, 1, 3, abi.F_GETFD), `fcntl(3, F_GETFD) = 0x1 (flags FD_CLOEXEC)`},
		{one(abi.SYS_IOCTL, m, errno(abi.ENOTTY), 1, abi.TCGETS, 0x7000), `ioctl(1, TCGETS, 0x7000) = -1 ENOTTY (Inappropriate ioctl for device)`},
		{one(abi.SYS_IOCTL, m, errno(abi.ENOTTY), 1, 0xc0045401^0x77, 1), `ioctl(1, _IOC(_IOC_READ|_IOC_WRITE, 0x54, 0x76, 0x4), 0x1) = -1 ENOTTY (Inappropriate ioctl for device)`},
		{one(abi.SYS_UMASK, m, 0o77, 0o22), `umask(022) = 077`},
		{one(abi.SYS_WAIT4, m, errno(abi.ECHILD), minus1, len16, abi.WNOHANG, 0), `wait4(-1, WORD, WNOHANG, NULL) = -1 ECHILD (No child processes)`},
		{one(abi.SYS_SETSOCKOPT, m, 0, 3, abi.SOL_SOCKET, abi.SO_REUSEADDR, len16, 4), `setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [16], 4) = 0`},
		{one(abi.SYS_SETSOCKOPT, m, 0, 3, 999, 5, len16, minus1), `setsockopt(3, 0x3e7 /* SOL_?? */, 5, WORD, -1) = 0`},
		{one(abi.SYS_SECCOMP, m, errno(abi.EINVAL), abi.SECCOMP_SET_MODE_STRICT, 0, 0), `seccomp(SECCOMP_SET_MODE_STRICT, 0, NULL) = -1 EINVAL (Invalid argument)`},
		{one(abi.SYS_GETPID, m, 1), `getpid() = 1`},
		{one(400, m, errno(abi.ENOSYS), 1, 2, 3, 4, 5, 6), `syscall_0x190(0x1, 0x2, 0x3, 0x4, 0x5, 0x6) = -1 ENOSYS (Function not implemented)`},
		{one(-1, m, errno(abi.ENOSYS)), `syscall_0xffffffffffffffff(0, 0, 0, 0, 0, 0) = -1 ENOSYS (Function not implemented)`},
		{one(abi.SYS_MADVISE, m, errno(abi.EINVAL), 0x1000, 1, 777), `madvise(0x1000, 1, 0x309 /* MADV_??? */) = -1 EINVAL (Invalid argument)`},
		{one(abi.SYS_GETPPID, m, errno(999)), `getppid() = -1 errno 999`},
	} {
		want := strings.NewReplacer("IN4", hexOf(in4), "ARGV", hexOf(argv), "WORD", hexOf(len16)).Replace(c.want)
		if c.got != want {
			t.Errorf("\ngot  %s\nwant %s", c.got, want)
		}
	}
}

// TestPhases changes the memory between the phases: what the kernel reads must be
// the text of before, what it writes that of after.
func TestPhases(t *testing.T) {
	m := &testMem{}
	name := m.put("before")
	st := m.put(abi.Stat{Mode: abi.S_IFREG | 0o600, Size: 1})
	args := [6]uint64{name, st}
	line := plain.Enter([]byte("[  1] "), abi.SYS_STAT, args, m)
	if got, want := string(plain.Unfinished(append([]byte(nil), line...))), `[  1] stat("before",  <unfinished ...>`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	m2 := &testMem{}
	m2.put("after!")
	m2.put(abi.Stat{Mode: abi.S_IFDIR | 0o755, Size: 77})
	line = plain.Exit(line, abi.SYS_STAT, args, 0, 12345, m2)
	if got, want := string(line), `[  1] stat("before", {st_mode=S_IFDIR|0755, st_size=77, ...}) = 0 <0.000012>`; got != want {
		t.Errorf("\ngot  %s\nwant %s", got, want)
	}

	// A length that the call changes.
	m = &testMem{}
	addr, n := m.put(make([]byte, 128)), m.put(uint32(128))
	args = [6]uint64{3, addr, n}
	line = plain.Enter(nil, abi.SYS_GETSOCKNAME, args, m)
	m = &testMem{}
	m.put(uint16(abi.AF_UNIX), make([]byte, 126))
	m.put(uint32(2))
	line = plain.Exit(line, abi.SYS_GETSOCKNAME, args, 0, -1, m)
	if got, want := string(line), `getsockname(3, {sa_family=AF_UNIX}, [128 => 2]) = 0`; got != want {
		t.Errorf("\ngot  %s\nwant %s", got, want)
	}

	// Memory that goes away.
	line = plain.Enter(nil, abi.SYS_GETSOCKNAME, args, m)
	line = plain.Exit(line, abi.SYS_GETSOCKNAME, args, 0, -1, nil)
	if got, want := string(line), `getsockname(3, 0x10000, [2]) = 0`; got != want {
		t.Errorf("\ngot  %s\nwant %s", got, want)
	}
}

func TestResultColumnAndTime(t *testing.T) {
	d := &Decoder{}
	for _, c := range []struct {
		ns   int64
		want string
	}{
		{-1, "getpid()                                = 1"},
		{0, "getpid()                                = 1 <0.000000>"},
		{1_000_000_999, "getpid()                                = 1 <1.000000>"},
		{1<<63 - 1, "getpid()                                = 1 <9223372036.854775>"},
	} {
		line := d.Enter(nil, abi.SYS_GETPID, [6]uint64{}, nil)
		if got := string(d.Exit(line, abi.SYS_GETPID, [6]uint64{}, 1, c.ns, nil)); got != c.want {
			t.Errorf("%d ns: got %q, want %q", c.ns, got, c.want)
		}
	}
	line := d.Enter(nil, abi.SYS_EXIT_GROUP, [6]uint64{3}, nil)
	if got, want := string(d.NoReturn(line)), "exit_group(3)                           = ?"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestStrMax(t *testing.T) {
	m := &testMem{}
	text := m.put(strings.Repeat("x", 400))
	for _, c := range []struct{ max, shown int }{{0, 32}, {5, 5}, {256, 256}, {100000, 256}} {
		d := &Decoder{StrMax: c.max, Column: -1}
		args := [6]uint64{1, text, 400}
		got := string(d.Exit(d.Enter(nil, abi.SYS_WRITE, args, m), abi.SYS_WRITE, args, 400, -1, m))
		if want := `write(1, "` + strings.Repeat("x", c.shown) + `"..., 400) = 400`; got != want {
			t.Errorf("StrMax %d: %s", c.max, got)
		}
	}
}

func TestSignal(t *testing.T) {
	for _, c := range []struct {
		info []any
		want string
	}{
		{[]any{int32(abi.SIGSEGV), int32(0), int32(abi.SEGV_ACCERR), int32(0), uint64(0x1234)},
			"--- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_ACCERR, si_addr=0x1234} ---"},
		{[]any{int32(abi.SIGTERM), int32(0), int32(abi.SI_USER), int32(0), int32(1), uint32(65532)},
			"--- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=1, si_uid=65532} ---"},
		{[]any{int32(abi.SIGALRM), int32(0), int32(abi.SI_KERNEL), int32(0)},
			"--- SIGALRM {si_signo=SIGALRM, si_code=SI_KERNEL} ---"},
		{[]any{int32(40), int32(0), int32(abi.SI_TIMER), int32(0), int32(3), int32(1), uint64(7)},
			"--- SIGRT_8 {si_signo=SIGRT_8, si_code=SI_TIMER, si_timerid=0x3, si_overrun=1, si_int=7, si_ptr=0x7} ---"},
		{[]any{int32(abi.SIGCHLD), int32(0), int32(abi.CLD_EXITED), int32(0), int32(9), uint32(0), int32(3), int32(0), uint64(1), uint64(2)},
			"--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=9, si_uid=0, si_status=3, si_utime=1, si_stime=2} ---"},
		{[]any{int32(abi.SIGBUS), int32(5), int32(77), int32(0), uint64(0)},
			"--- SIGBUS {si_signo=SIGBUS, si_code=77, si_errno=5, si_addr=NULL} ---"},
		{[]any{int32(-7), int32(0), int32(-1 << 31), int32(0)},
			"--- -7 {si_signo=-7, si_code=-2147483648, si_pid=0, si_uid=0} ---"},
	} {
		m := &testMem{}
		m.put(c.info...)
		var info [abi.SiginfoSize]byte
		copy(info[:], m.b)
		if got := string(plain.Signal(nil, &info)); got != c.want {
			t.Errorf("\ngot  %s\nwant %s", got, c.want)
		}
	}
}

func TestDescribe(t *testing.T) {
	m := &testMem{}
	sh, evil := m.put("/bin/sh"), m.put("\x1b[2J\nskerry: all is well"+strings.Repeat("z", 500))
	argv := m.put(m.put("sh"), m.put("-c"), m.put("id"), uint64(0))
	short := m.put(m.put("sh"), uint64(0))
	cl := m.put(uint64(abi.CLONE_VFORK|abi.CLONE_VM), uint64(0), uint64(0), uint64(0), uint64(abi.SIGCHLD), uint64(0), uint64(0), uint64(0))
	for _, c := range []struct {
		nr   int
		args [6]uint64
		want string
	}{
		{abi.SYS_EXECVE, [6]uint64{sh, argv, 0}, `execve("/bin/sh", ["sh", "-c", ...])`},
		{abi.SYS_EXECVE, [6]uint64{sh, short, 0}, `execve("/bin/sh", ["sh"])`},
		{abi.SYS_EXECVE, [6]uint64{1, 2, 0}, `execve(0x1, 0x2)`},
		{abi.SYS_EXECVEAT, [6]uint64{abi.AT_FDCWD & 0xffffffff, sh, argv}, `execveat(AT_FDCWD, "/bin/sh", ["sh", "-c", ...])`},
		{abi.SYS_CLONE, [6]uint64{abi.CLONE_VFORK | abi.SIGCHLD}, `clone(CLONE_VFORK|SIGCHLD)`},
		{abi.SYS_CLONE, [6]uint64{}, `clone(0)`},
		{abi.SYS_CLONE3, [6]uint64{cl, 88 - 24}, `clone3(CLONE_VM|CLONE_VFORK|SIGCHLD)`},
		{abi.SYS_CLONE3, [6]uint64{cl, 8}, `clone3(` + hexOf(cl) + `)`},
		{abi.SYS_FORK, [6]uint64{}, `fork()`},
		{abi.SYS_PTRACE, [6]uint64{abi.PTRACE_TRACEME}, `ptrace(PTRACE_TRACEME)`},
		{abi.SYS_MOUNT, [6]uint64{0, sh, 0, abi.MS_BIND}, `mount(NULL, "/bin/sh", NULL, MS_BIND, NULL)`},
		{abi.SYS_READ, [6]uint64{0, sh, 5}, `read(0, ..., 5)`},
		{999, [6]uint64{1}, `syscall_0x3e7(0x1, 0, 0, 0, 0, 0)`},
	} {
		if got := Describe(c.nr, c.args, m); got != c.want {
			t.Errorf("\ngot  %s\nwant %s", got, c.want)
		}
	}
	got := Describe(abi.SYS_EXECVE, [6]uint64{evil, m.put(evil, evil, evil, uint64(0))}, m)
	if len(got) > maxDescribe || strings.ContainsAny(got, "\n\x1b") || !strings.HasSuffix(got, ")") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

// TestDescribeNoBuffers: of no call does a description hold what a buffer has in it,
// whatever the buffer is; names and paths are shown as they are.
func TestDescribeNoBuffers(t *testing.T) {
	m := &testMem{}
	const word = "QXZJVK"
	secret := m.put(strings.Repeat(word, 100))
	var list []any // of buffers, for whatever takes them as vectors, and headers of messages
	for range 32 {
		list = append(list, secret, uint64(12))
	}
	vector := m.put(list...)
	header := m.put(uint64(0), uint64(0), vector, uint64(2), secret, uint64(64), uint64(0))
	name := m.put("a name")
	for nr := range abi.Table {
		row := &abi.Table[nr]
		if row.Name == "" {
			continue
		}
		for _, v := range []uint64{secret, vector, header} {
			var args [6]uint64
			for i, f := range strings.Fields(strings.Split(row.Args, " = ")[0]) {
				_, k, _ := strings.Cut(f, ":")
				switch k, _, _ = strings.Cut(k, "/"); k {
				case "path", "str":
					args[i] = name
				case "argv":
				case "ulong", "long", "uint", "int":
					args[i] = 64
				default:
					args[i] = v
				}
			}
			if got := Describe(nr, args, m); strings.Contains(got, word[:3]) {
				t.Errorf("%s", got)
			}
		}
	}
	for _, c := range []struct {
		nr   int
		args [6]uint64
		want string
	}{
		{abi.SYS_SETHOSTNAME, [6]uint64{secret, 6}, "sethostname(" + hexOf(secret) + ", 6)"},
		{abi.SYS_SETHOSTNAME, [6]uint64{0, 6}, "sethostname(NULL, 6)"},
		{abi.SYS_MQ_TIMEDSEND, [6]uint64{3, secret, 6, 1}, "mq_timedsend(3, " + hexOf(secret) + ", 6, 1, NULL)"},
		{abi.SYS_MQ_UNLINK, [6]uint64{name}, `mq_unlink("a name")`},
		{abi.SYS_FSOPEN, [6]uint64{name}, `fsopen("a name", 0)`},
	} {
		if got := Describe(c.nr, c.args, m); got != c.want {
			t.Errorf("\ngot  %s\nwant %s", got, c.want)
		}
	}
}

// TestSignatures holds that every row of the table can be decoded with.
func TestSignatures(t *testing.T) {
	ks, ss := kinds(), sets()
	used := map[string]bool{}
	for nr := range abi.Table {
		row := &abi.Table[nr]
		if row.Name == "" {
			continue
		}
		s, ok := parse(row.Name, row.Args, ks, ss)
		if !ok {
			t.Errorf("%s: bad signature %q", row.Name, row.Args)
			continue
		}
		if sigOf(nr) == nil || sigOf(nr).name != row.Name {
			t.Errorf("%s: no signature", row.Name)
		}
		for _, f := range strings.Fields(row.Args) {
			_, k, _ := strings.Cut(f, ":")
			k, arg, has := strings.Cut(k, "/")
			used[k] = true
			if needsSet := k == "set" || k == "enum"; has && needsSet != (ss[arg] != nil) {
				t.Errorf("%s: %s has the wrong parameter", row.Name, f)
			} else if !has && needsSet {
				t.Errorf("%s: %s has no parameter", row.Name, f)
			}
		}
		for i, p := range s.args {
			if p.index >= len(s.args) || p.index == i {
				t.Errorf("%s: argument %s points to argument %d", row.Name, p.name, p.index)
			}
		}
	}
	for k := range ks {
		if !used[k] {
			t.Errorf("kind %s is not used by any call", k)
		}
	}
	for _, bad := range []string{"x", "a:nokind", "a:set/noset", "a:int = noresult", "a:int b:int c:int d:int e:int f:int g:int", "a:buf/6"} {
		if _, ok := parse("x", bad, ks, ss); ok {
			t.Errorf("signature %q was taken", bad)
		}
	}
}

// TestNoContents: with a negative StrMax no byte of what is read or written shows.
func TestNoContents(t *testing.T) {
	m := &testMem{}
	path, data := m.put([]byte("/etc/passwd\x00")), m.put([]byte("secret text that nobody may see"))
	d := &Decoder{StrMax: -1}
	for _, c := range []struct {
		nr   int
		args [6]uint64
		ret  int64
	}{
		{abi.SYS_READ, [6]uint64{3, data, 31}, 31}, {abi.SYS_WRITE, [6]uint64{3, data, 31}, 31}, {abi.SYS_SENDTO, [6]uint64{3, data, 31}, 31}, {abi.SYS_OPEN, [6]uint64{path}, 3},
	} {
		text := string(d.Exit(d.Enter(nil, c.nr, c.args, m), c.nr, c.args, c.ret, 0, m))
		if strings.Contains(text, "secret") || strings.Contains(text, `"s`) {
			t.Errorf("%s", text)
		}
		if c.nr == abi.SYS_OPEN && !strings.Contains(text, "/etc/passwd") {
			t.Errorf("%s", text)
		}
	}
}
