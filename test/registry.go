// Package skerrytest holds the tests that boot machines: programs that must do on
// Skerry what they do on Linux, and Go's own tests.
//
// registry.go is the table of the programs. What they print is compared with the
// same binary on Linux; see programs/t.h for the rules.
package skerrytest

import (
	"strconv"
	"strings"
	"time"

	"skerry/test/harness"
)

// Which Linux a test is compared with.
const (
	host     = ""         // this machine's
	machine  = "machine"  // one under the same emulator: the processor's answers count
	nothing  = "nothing"  // neither: status and FAIL lines tell
	hardware = "hardware" // this machine's in any case: the emulator lacks a check that processors make
	points   = "points"   // this machine's, without the variables that say that it is Skerry
)

// test is one run of a program on one or more machines.
type test struct {
	name      string
	program   string
	toolchain []string // default: musl
	args      []string
	env       []string
	status    int
	cpus      []int // default: 1 and 2
	memory    int   // MiB, default 128
	machines  []string
	reference string
	// design are the DESIGN lines of Skerry, nil if there are none.
	design []string
	// sorted: the order of lines is not defined.
	sorted bool
	// stderr: standard error is compared as well (always, but where false).
	looseStderr bool
	// fetch: the harness serves HTTP on the host and gives its address as the
	// last argument.
	fetch bool
	flags []string
	// timed: the program measures time against a bound, which a busy host breaks; it
	// gets three goes.
	timed bool
	// machineOnly: the program takes all that there is, which no host should be asked for.
	machineOnly bool
	// greedy: on Linux the program takes what all of a user's processes share, such
	// as the queue of signals; nothing else runs there meanwhile.
	greedy bool
	// short: part of -short.
	short   bool
	timeout time.Duration
}

var (
	both    = []string{harness.Musl, harness.Glibc}
	musl    = []string{harness.Musl}
	glibc   = []string{harness.Glibc}
	golang  = []string{harness.Go}
	two     = []int{2}
	one     = []int{1}
	four    = []int{4}
	each    = []int{1, 4, 2} // the last one with -short
	anyType = []string{"microvm", "q35"}
)

var tests = []test{
	{name: "hello", program: "hello", toolchain: both, args: []string{"a b", "x"}, status: 3, cpus: []int{1, 2, 4, 8}, machines: anyType, short: true},
	{name: "hello-small", program: "hello", memory: 64, cpus: one, short: true},
	{name: "hello-q35-small", program: "hello", memory: 64, cpus: one, machines: []string{"q35"}},
	{name: "hello-16g", program: "hello", memory: 16384, cpus: two, machines: anyType},
	{name: "hello-8", program: "hello", cpus: []int{3, 5, 6, 7, 8}},
	{name: "hello-qemu64", program: "hello", cpus: one, flags: []string{"--cpu", "qemu64"}, machines: anyType, short: true},
	{name: "args", program: "args", toolchain: both, args: []string{"", "two words", "ünïcödé", "-x", "--"}, env: []string{"A=1", "B=x=y", "EMPTY="},
		design: []string{"env HOME=/", "env HOSTNAME=*", "env PATH=*", "uid 65532 65532 gid 65532 65532", "getuid 65532 65532 getgid 65532 65532"}, short: true},
	{name: "output", program: "output", args: []string{"interleave", "kinds"}, machines: anyType, short: true},
	{name: "output-threads", program: "output", args: []string{"whole"}, sorted: true, cpus: two},
	{name: "output-large", program: "output", args: []string{"large"}, machines: anyType, cpus: one, short: true},
	{name: "threads", program: "threads", toolchain: both, short: true, timeout: 3 * time.Minute},
	{name: "futex", program: "futex", short: true},
	{name: "memory", program: "memory", toolchain: both,
		design: []string{"map 0: EPERM", "map 0xf000: EPERM", "move to 0: EPERM", "hint 4096: elsewhere"}, short: true},
	{name: "signals", program: "signals", toolchain: both, short: true},
	{name: "timers", program: "timers", short: true},
	{name: "vector", program: "vector", cpus: []int{1, 4}, short: true},
	{name: "vector-sse", program: "vector", cpus: two, reference: nothing, flags: []string{"--cpu", "qemu64"}},
	{name: "hostile", program: "hostile", reference: machine, machines: anyType, short: true,
		design: []string{"sgdt: *", "sidt: *", "str: *", "smsw: *", "int 0x80: signal 11 *", "sysenter: signal *", "fsgsbase: present", "last page: EACCES",
			"sigreturn with cs kernel: *", "sigreturn with cs null: *", "sigreturn with cs bad: *", "sigreturn with ss kernel: *",
			"sigreturn with ss null: *", "sigreturn with cs 32 bit: *", "sigreturn with fs gs words: *"}},
	{name: "hostile-far", program: "hostile", args: []string{"far"}, reference: nothing, short: true},
	{name: "hostile-fuzz", program: "hostile", args: []string{"fuzz", "20000"}, reference: nothing, short: true},
	{name: "hostile-fuzz-long", program: "hostile", args: []string{"fuzz", "1000000"}, cpus: two, reference: nothing, timeout: 10 * time.Minute},
	{name: "registers", program: "registers", toolchain: both, cpus: each, machines: anyType, short: true},
	{name: "flips", program: "flips", toolchain: both, cpus: each, short: true},
	{name: "fuzzcalls", program: "fuzzcalls", args: []string{"all", "1", "30000"}, memory: 256, machineOnly: true, looseStderr: true, reference: nothing, short: true},
	{name: "tlb", program: "tlb", cpus: four, short: true, timeout: 5 * time.Minute},
	{name: "wakeups", program: "wakeups", env: []string{"WAKEUPS_ROUNDS=300"}, short: true, timeout: 5 * time.Minute},
	{name: "wakeups-long", program: "wakeups", env: []string{"WAKEUPS_ROUNDS=12500"}, cpus: []int{2, 4}, reference: nothing, timeout: 30 * time.Minute},
	{name: "points", program: "points", env: []string{"SKERRY_POINTS=1"}, reference: points, short: true, design: pointsDesign},
	{name: "files", program: "files", env: []string{"SKERRY_ROOT=1"}, reference: points, short: true, machines: anyType, design: []string{
		"write EROFS", "unlink EROFS", "create EROFS", "mkdir EROFS", "rename *", "chmod EROFS", "truncate EROFS", "symlink EROFS",
		"link EXDEV", "shared and writable EACCES", "memory through a file refused", "shell ENOENT"}},
	{name: "proc", program: "proc", env: []string{"SKERRY_ROOT=1"}, reference: points, short: true},
	{name: "ready", program: "ready", toolchain: both, short: true},
	{name: "notify", program: "notify", toolchain: both, short: true},
	{name: "inotify", program: "inotify", toolchain: both, short: true},
	{name: "descriptors", program: "descriptors", toolchain: both, short: true},
	{name: "transfer", program: "transfer", toolchain: both, short: true},
	{name: "xattr", program: "xattr", toolchain: both, short: true},
	{name: "packets", program: "packets", toolchain: both, short: true},
	{name: "pidfd", program: "pidfd", toolchain: both, short: true},
	{name: "shm", program: "shm", toolchain: both, short: true, design: []string{"attached executable: EACCES", "made executable: EACCES"}},
	{name: "pifutex", program: "pifutex", toolchain: both, short: true},
	{name: "filecalls", program: "filecalls", toolchain: both, short: true, design: filecallsDesign},
	{name: "xattr-overlay", program: "xattr", flags: overlayFlags},
	{name: "inotify-overlay", program: "inotify", flags: overlayFlags},
	{name: "transfer-overlay", program: "transfer", flags: overlayFlags},
	{name: "filecalls-overlay", program: "filecalls", flags: overlayFlags, short: true, design: filecallsDesign},
	{name: "fuzzcalls-overlay", program: "fuzzcalls", args: []string{"files", "20", "30000"}, flags: overlayFlags, memory: 256, machineOnly: true, looseStderr: true, reference: nothing},
	{name: "exhaust", program: "exhaust", machineOnly: true, memory: 64, looseStderr: true, reference: nothing, short: true, timeout: 5 * time.Minute},
	{name: "limits", program: "limits", greedy: true, toolchain: both, flags: []string{"--jit", "1M"}, short: true},
	{name: "relro", program: "relro", toolchain: glibc, short: true,
		design: []string{"writable again: EPERM", "executable: EACCES", "gone: EPERM"}},
	{name: "protect", program: "protect", toolchain: glibc, cpus: each, short: true, design: []string{
		"process_vm_writev: EPERM", "process_vm_readv: EPERM", "PTRACE_POKETEXT: EPERM", "PTRACE_SEIZE: EPERM",
		"/proc/self/mem: ENOENT", "/proc/1/mem: ENOENT", "/proc/thread-self/mem: ENOENT", "/proc/self/task/1/mem: ENOENT",
		"/dev/mem: ENOENT", "/dev/kmem: ENOENT", "/proc/kcore: ENOENT"}},
	{name: "rootcache", program: "rootcache", toolchain: glibc, cpus: each, short: true, design: []string{
		"open 0: EROFS", "open by descriptor 0: EROFS", "open 1: EROFS", "open by descriptor 1: EROFS", "open 2: EROFS", "open by descriptor 2: EROFS",
		"open 3: EROFS", "open by descriptor 3: EROFS", "truncate: EROFS"}},
	{name: "recycled", program: "recycled", toolchain: both, memory: 64, short: true},
	{name: "recycled-large", program: "recycled", memory: 256, cpus: one, short: true},
	{name: "seal", program: "seal", toolchain: glibc, env: []string{"SKERRY_POINTS=1"}, reference: points, cpus: each, short: true, design: sealDesign},
	{name: "nx", program: "nx", toolchain: both, cpus: each, short: true},
	{name: "guard", program: "guard", toolchain: both, cpus: each, short: true, design: []string{
		"noreplace, right below: EEXIST", "noreplace, in the gap: EEXIST", "noreplace, at the gap's end: EEXIST", "own, noreplace: EEXIST"}},
	{name: "doors", program: "doors", reference: machine, cpus: each, machines: anyType, short: true, design: doorsDesign},
	{name: "evict", program: "evict", args: []string{"4"}, memory: 64, machineOnly: true, reference: nothing, cpus: each, short: true},
	{name: "evict-long", program: "evict", args: []string{"60"}, memory: 64, machineOnly: true, reference: nothing, cpus: each, timeout: 10 * time.Minute},
	{name: "jit", program: "jit", toolchain: both, args: []string{"private", "shared", "budget", "never", "through-libc", "wish"}, flags: []string{"--jit", "1M"}, short: true,
		machines: anyType, design: append([]string{
			"pages granted: 256", "one more: ENOMEM", "one more, shared: ENOMEM", "one more by mmap: ENOMEM", "growth: ENOMEM",
			"unused, not unmapped: ENOMEM", "three unmapped, again: 3", "a view of it: ENOMEM", "more at once: ENOMEM"},
			append(neverRuns[:len(neverRuns):len(neverRuns)], "MDWE 0")...)},
	{name: "jit-none", program: "jit", toolchain: both, args: []string{"refused", "never", "wish"}, short: true, design: append([]string{
		"private RWX: EACCES", "private RX: EACCES", "private X: EACCES", "private RW, then RX: EACCES", "private RW, then RWX: EACCES",
		"private none, then RX: EACCES", "private moved, then RX: EACCES", "private reserved, then RX: EACCES", "private over it: EACCES",
		"shared RWX: EACCES", "shared RX: EACCES", "shared X: EACCES", "shared RW, then RX: EACCES", "shared RW, then RWX: EACCES",
		"shared none, then RX: EACCES", "shared moved, then RX: EACCES", "shared reserved, then RX: EACCES", "shared over it: EACCES"},
		append(neverRuns[:len(neverRuns):len(neverRuns)], "MDWE 1")...)},
	{name: "sockets", program: "sockets", toolchain: both, short: true, machines: anyType},
	{name: "sockopts", program: "sockopts", toolchain: both, short: true, machines: anyType},
	{name: "sockaddrs", program: "sockaddrs", toolchain: both, short: true, machines: anyType},
	{name: "netlink", program: "netlink", toolchain: glibc, short: true, machines: anyType},
	{name: "locked", program: "locked", toolchain: both, short: true},
	{name: "epolls", program: "epolls", toolchain: both, short: true},
	{name: "formats", program: "formats", toolchain: both, short: true, machines: anyType},
	{name: "outputs", program: "outputs", toolchain: both, short: true},
	{name: "resources", program: "resources", toolchain: both, greedy: true, short: true},
	{name: "fetch", program: "fetch", toolchain: musl, fetch: true, machines: anyType, short: true},
	{name: "random", program: "random", toolchain: both, args: []string{"8"}, short: true},
	{name: "clocks", program: "clocks", toolchain: both, env: []string{"REFERENCE_TIME=now"}, short: true},
	{name: "spin", program: "spin", args: []string{"300", "20"}, looseStderr: true, reference: nothing, timed: true, short: true},
	{name: "go-load", program: "go/load", toolchain: golang, short: true, timeout: 5 * time.Minute},
	// Not with what is in the folder of the certificates besides, such as the ssl-cert package's.
	{name: "go-trust", program: "go/trust", toolchain: golang, env: []string{"SSL_CERT_DIR=/nowhere"}, short: true},
	{name: "go-fetch", program: "go/fetch", toolchain: golang, fetch: true, short: true},
	{name: "hostile-frame-0", program: "hostile", args: []string{"frame", "0"}, status: 139, cpus: two},
	{name: "hostile-frame-kernel", program: "hostile", args: []string{"frame", "6"}, status: 139, short: true},
	{name: "hostile-frame-noncanonical", program: "hostile", args: []string{"frame", "9"}, status: 139, cpus: two},
	{name: "hostile-clone", program: "hostile", args: []string{"clone"}, status: 139, short: true},
}

// overlayFlags let a test work in an overlay, in place of a tmpfs.
var overlayFlags = []string{"--overlay", "-w", "/var/tmp", "-e", "T_FOLDER=/var/tmp"}

var filecallsDesign = []string{
	"own: EINVAL", "signal: EINVAL", "async: EINVAL", "handle: EOPNOTSUPP"}

// neverRuns are the answers of jit.c about what no budget is for.
var neverRuns = []string{
	"memfd, mapped twice: EACCES", "memfd, privately: EACCES", "memfd, then X: EACCES", "memfd, read and then X: EACCES",
	"file in /tmp, mapped twice: EACCES", "file in /tmp, privately: EACCES", "file in /tmp, then X: EACCES", "file in /tmp, read and then X: EACCES",
	"file in /dev/shm, mapped twice: EACCES", "file in /dev/shm, privately: EACCES", "file in /dev/shm, then X: EACCES", "file in /dev/shm, read and then X: EACCES",
	"stack: EACCES", "data: EACCES", "bss: EACCES", "heap: EACCES", "MAP_STACK: EACCES", "MAP_GROWSDOWN: EACCES", "text RWX: EACCES", "text RW: EACCES",
}

// sealDesign are the answers of seal.c: for text, read-only data, RELRO, the vDSO, and
// memory that the program sealed when it was read-only, shared and read-only, writable.
// EACCES is W^X, which comes first.
var sealDesign = []string{
	"flags: EINVAL", "unaligned: EINVAL", "a hole: ENOMEM", "nothing there: ENOMEM", "wraps: EINVAL", "of the kernel: ENOMEM", "no length: 0",
	"not sealed by any of these: 0",
	"munmap(p, PAGE):" + seven("EPERM"),
	"munmap(p, 2 * PAGE):" + seven("EPERM"),
	"address(mremap(p, PAGE, 2 * PAGE, 0)):" + seven("EPERM"),
	"address(mremap(p, PAGE, 8 * PAGE, MREMAP_MAYMOVE)):" + seven("EPERM"),
	"address(mremap(p, 2 * PAGE, PAGE, 0)):" + seven("EPERM"),
	"address(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, spare)):" + seven("EPERM"),
	"address(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | DONTUNMAP, NULL)):" + seven("EPERM"),
	"address(mremap(other, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p)):" + seven("EPERM"),
	"address(mremap(p, 0, PAGE, MREMAP_MAYMOVE)):" + seven("EPERM"),
	"mprotect(p, PAGE, RW): EACCES EPERM EPERM EACCES EPERM EPERM EPERM",
	"mprotect(p, PAGE, PROT_NONE):" + seven("EPERM"),
	"mprotect(p, PAGE, PROT_READ):" + seven("EPERM"),
	"mprotect(p, PAGE, RX): EPERM EPERM EACCES EPERM EACCES EACCES EACCES",
	"mprotect(p, PAGE, RW | PROT_EXEC):" + seven("EACCES"),
	"syscall(SYS_pkey_mprotect, p, PAGE, PROT_NONE, -1):" + seven("EPERM"),
	"address(mmap(p, PAGE, RW, OVER, -1, 0)):" + seven("EPERM"),
	"address(mmap(p, 2 * PAGE, PROT_NONE, OVER | MAP_NORESERVE, -1, 0)):" + seven("EPERM"),
	"address(mmap(p, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0)):" + seven("EPERM"),
	"address(mmap(p, PAGE, RW | PROT_EXEC, OVER, -1, 0)):" + seven("EACCES"),
	"address(mmap(p, PAGE, RX, MAP_PRIVATE | MAP_FIXED, file, 0)):" + seven("EPERM"),
	"address(mmap(p, PAGE, RW, OVER | MAP_GROWSDOWN, -1, 0)):" + seven("EPERM"),
	"address(mmap(p, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0)):" + seven("EEXIST"),
	"address(shmat(segment, p, SHM_REMAP)):" + seven("EPERM"),
	"madvise(p, PAGE, MADV_DONTNEED): EPERM EPERM EPERM EPERM EPERM 0 0 (emptied)",
	"madvise(p, PAGE, MADV_FREE): EPERM EPERM EPERM EPERM EPERM EINVAL 0 (emptied)",
	"madvise(p, PAGE, MADV_REMOVE): EACCES EACCES EACCES EINVAL EINVAL 0 (emptied) EINVAL",
	"madvise(p, PAGE, 24 ): EPERM EPERM EPERM EPERM EPERM 0 0 (emptied)",
	"madvise(p, PAGE, MADV_DONTFORK): EPERM EPERM EPERM EPERM EPERM 0 0",
	"madvise(p, PAGE, MADV_WIPEONFORK): EINVAL EINVAL EINVAL EINVAL EPERM EINVAL 0",
	"madvise(p, PAGE, MADV_PAGEOUT): 0 0 0 EINVAL 0 0 0",
	"madvise(p, PAGE, 23 ): EINVAL EINVAL EINVAL EINVAL EINVAL EINVAL 0",
	"mseal_(p, PAGE, 0):" + seven("0"),
	"around, munmap: EPERM", "around, mmap: EPERM", "around, mremap to there: EPERM", "around, mremap: EPERM", "around, mprotect: EPERM",
	"around, the sealed page: kept r--p", "around, behind it: kept rw-p", "around, madvise: EPERM", "around, the sealed page: kept",
	"around, before and behind: 0 0", "around, alone: kept", "race: lost 0, done 0",
}

func seven(answer string) string { return strings.Repeat(" "+answer, 7) }

// doorsDesign are the answers of doors.c. Linux looks at the lower half of a call's number
// alone.
var doorsDesign = append(append([]string{
	"upper half 0xffffffff00000000: -38", "upper half 0x8000000000000000: -38", "getpid with bit 32: 0", "getpid with bit 47: 0", "getpid with bit 62: 0",
	"x32 getpid: -38", "x32 execve: -38", "x32 getpid with bit 32: 0"}, vsyscallDesign()...),
	"write from it: EFAULT", "map it: ENOMEM",
	"READ_IMPLIES_EXEC: EINVAL", "it is: 0", "mapped then: rw-p", "protected then: r--p", "run then: signal 11 code 2",
	"PER_LINUX32: EINVAL", "ADDR_NO_RANDOMIZE: EINVAL", "MMAP_PAGE_ZERO: EINVAL",
	"remap_file_pages: ENOSYS", "remap_file_pages, executable: ENOSYS",
	"pkey_mprotect RX, key -1: EACCES", "pkey_mprotect X, key -1: EACCES", "pkey_mprotect RWX, key -1: EACCES",
	"pkey_mprotect RX, key 0: EINVAL", "pkey_mprotect X, key 0: EINVAL", "pkey_mprotect RWX, key 0: EINVAL",
	"pkey_mprotect RX, key 1: EINVAL", "pkey_mprotect X, key 1: EINVAL", "pkey_mprotect RWX, key 1: EINVAL",
	"pkey_mprotect RX, key 2: EINVAL", "pkey_mprotect X, key 2: EINVAL", "pkey_mprotect RWX, key 2: EINVAL",
	"pkey_alloc: ENOSPC", "then: rw-p", "MFD_EXEC: 0", "MFD_NOEXEC_SEAL: 0", "mapped executable: EACCES",
	"/dev/zero executable: EACCES", "/dev/zero, shared: EACCES",
	"modify_ldt: ENOSYS", "map_shadow_stack: EOPNOTSUPP", "memfd_secret: ENOSYS", "ARCH_SHSTK_ENABLE: EINVAL", "ARCH_MAP_VDSO_64: EINVAL",
	"PR_SET_MM: EINVAL", "PR_SET_SYSCALL_USER_DISPATCH: EINVAL",
	"/dev/mem: ENOENT", "/dev/kmem: ENOENT", "/dev/port: ENOENT", "/proc/kcore: ENOENT", "/dev/cpu/0/msr: ENOENT", "/dev/kvm: ENOENT",
	"/proc/self/mem: ENOENT", "/dev/userfaultfd: ENOENT")

// vsyscallDesign: nothing is where Linux had its vsyscall page.
func vsyscallDesign() (l []string) {
	for _, at := range []string{"600000", "600400", "600800", "600001", "5ff000", "601000"} {
		for _, how := range []string{"load", "store", "call"} {
			l = append(l, how+" 0xffffffffff"+at+": signal 11 code 1")
		}
	}
	return l
}

// pointsDesign are the answers of points.c, in its order.
var pointsDesign = []string{
	"syscall(SYS_fork) = EPERM", "syscall(SYS_vfork) = EPERM",
	"syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) = EPERM", "syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0) = EPERM",
	"syscall(SYS_clone, CLONE_VM | CLONE_SIGHAND, 0, 0, 0, 0) = EPERM",
	"syscall(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_NEWNS, 0, 0, 0, 0) = E*",
	"syscall(435 , args, sizeof args) = EPERM",
	"execve(\"/bin/sh\", argv_sh, env_none) = EPERM", "execve(\"/proc/self/exe\", argv_sh, env_none) = EPERM",
	"syscall(SYS_execveat, AT_FDCWD, \"/bin/sh\", argv_sh, env_none, 0) = EPERM", "execve((char *)8, argv_sh, env_none) = E*",
	"getpid() = 1", "getppid() = 0", "getpgid(0) = 1", "getsid(0) = 1", "unshare(CLONE_NEWNS) = E*", "syscall(SYS_setns, 0, 0) = E*",

	"getuid() = 65532", "setuid(0) = EPERM", "setuid(65532) = 0", "setgid(0) = EPERM", "setreuid(-1, -1) = 0",
	"setresuid(65532, 65532, 65532) = 0", "setresgid(0, 0, 0) = EPERM", "syscall(SYS_setgroups, 0, NULL) = *",
	"open(\"/tmp/f\", O_CREAT | O_RDWR | O_EXCL, 0000) >= 0 = 1", "open(\"/tmp/f\", O_RDWR) >= 0 = 1",
	"chown(\"/tmp/f\", 0, 0) = EPERM", "chown(\"/tmp/f\", 65532, -1) = 0", "chmod(\"/tmp/f\", 06755) = 0",
	"stat(\"/tmp/f\", &st) = 0", "st.st_mode & 07777 = 493", "st.st_uid = 65532", "unlink(\"/tmp/f\") = 0",

	"ptrace(PTRACE_TRACEME, 0, 0, 0) = E*", "syscall(SYS_mount, \"none\", \"/tmp\", \"tmpfs\", 0, NULL) = EPERM",
	"syscall(SYS_umount2, \"/tmp\", 0) = EPERM", "syscall(SYS_pivot_root, \"/\", \"/\") = EPERM", "chroot(\"/tmp\") = EPERM",
	"syscall(SYS_bpf, 0, NULL, 0) = E*", "syscall(SYS_init_module, NULL, 0, \"\") = E*", "syscall(SYS_kexec_load, 0, 0, NULL, 0) = E*",
	"syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL) = EPERM", "syscall(SYS_iopl, 3) = E*", "syscall(SYS_ioperm, 0, 100, 1) = E*",
	"syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0) = E*", "syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0) = E*",
	"syscall(SYS_userfaultfd, 0) = E*", "syscall(SYS_io_uring_setup, 8, NULL) = E*", "socket(AF_PACKET, SOCK_RAW, 0) = E*",
	"socket(AF_INET, SOCK_RAW, 1) = E*", "syscall(SYS_settimeofday, NULL, NULL) = *", "sethostname(\"x\", 1) = EPERM",
}

// endings are the ways to end that exit.c knows.
func endings() []test {
	list := []struct {
		args   []string
		status int
		short  bool
	}{
		{[]string{"return", "5"}, 5, true}, {[]string{"exit", "7"}, 7, false}, {[]string{"_exit", "300"}, 44, false},
		{[]string{"thread-exit", "4"}, 4, true}, {[]string{"main-ends"}, 0, true}, {[]string{"raw-exit", "9"}, 9, false},
		{[]string{"abort"}, 134, true}, {[]string{"segv"}, 139, true}, {[]string{"trap"}, 132, false}, {[]string{"int3"}, 133, false},
		{[]string{"divide"}, 136, true}, {[]string{"overflow"}, 139, true}, {[]string{"kill", "9"}, 137, true},
		{[]string{"kill", "15"}, 143, false}, {[]string{"kill", "34"}, 162, false}, {[]string{"raise", "10"}, 138, false},
		{[]string{"kill-group", "12"}, 140, false}, {[]string{"ignored", "3"}, 3, false}, {[]string{"sigpipe"}, 141, true},
		{[]string{"blocked-segv"}, 139, false}, {[]string{"ignored-segv"}, 139, false}, {[]string{"alarm"}, 142, true},
		{[]string{"processor-time", "1"}, 137, false}, {[]string{"processor-time", "2"}, 152, true},
	}
	var l []test
	for _, e := range list {
		name := "exit"
		for _, a := range e.args {
			name += "-" + a
		}
		l = append(l, test{name: name, program: "exit", args: e.args, status: e.status, cpus: two, short: e.short})
	}
	// More were made once (docs/SECURITY.md).
	for i, family := range []string{"memory", "files", "sockets", "events", "signals", "threads", "systems"} {
		l = append(l, test{name: "fuzzcalls-" + family, program: "fuzzcalls", args: []string{family, strconv.Itoa(i + 10), "100000"}, cpus: two,
			memory: 256, machineOnly: true, looseStderr: true, reference: nothing, timeout: 10 * time.Minute})
	}
	for i := 0; i < 8; i++ {
		t := test{name: "vector-spoil-" + string(rune('0'+i)), program: "vector", args: []string{"spoil", string(rune('0' + i))}, status: 139, cpus: two, reference: hardware, short: i < 2}
		if i == 4 || i == 7 {
			t.status = 0
		}
		l = append(l, t)
	}
	return l
}
