// Memory that the program may not write, and calls that would write for it: program
// text, read-only data, RELRO, the vDSO and memory that was made read-only are handed
// to each call that fills in something. Each is refused, and no byte changes, but in
// memory that is writable, which is handed to each call as well.
#include "t.h"
#include <arpa/inet.h>
#include <elf.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <linux/futex.h>

#define RW (PROT_READ | PROT_WRITE)

// Of each kind a page of its own, with eight zeroes at ZERO, as an ELF header has them.
#define ZERO 8
#define TEXTUAL(name) #name ": .fill 8, 1, 0xc3\n.fill 8, 1, 0\n.fill 4080, 1, 0xc3\n"
__asm__(".pushsection .text\n.balign 4096\n" TEXTUAL(in_text) ".popsection");
__asm__(".pushsection .rodata\n.balign 4096\n" TEXTUAL(in_rodata) ".popsection");
__asm__(".pushsection .data.rel.ro, \"aw\"\n.balign 4096\n" TEXTUAL(in_relro) ".popsection");
extern char in_text[], in_rodata[], in_relro[];

// The last one is writable: it tells which calls write at all.
enum { TARGETS = 6, READ_ONLY = 4, WRITABLE = 5 };
static const char *const names[TARGETS] = {"text", "rodata", "relro", "vdso", "read-only", "writable"};
static char *targets[TARGETS];
static char copies[TARGETS][PAGE] __attribute__((aligned(PAGE)));

// What the calls read from; made anew for each.
static int zero, pipes[2], streams[2], datagrams[2], tmp;

static void sources(void)
{
	zero = open("/dev/zero", O_RDONLY);
	CHECK(pipe2(pipes, O_NONBLOCK) == 0 && write(pipes[1], "pipe pipe pipe pipe", 20) == 20);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, streams) == 0 && write(streams[1], "stream stream stream", 20) == 20);
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, datagrams) == 0 && write(datagrams[1], "datagram datagram da", 20) == 20);
	char path[] = "/tmp/protectXXXXXX", text[PAGE];
	memset(text, 'f', sizeof text);
	tmp = mkstemp(path);
	CHECK(tmp >= 0 && unlink(path) == 0 && write(tmp, text, PAGE) == PAGE && lseek(tmp, 0, SEEK_SET) == 0);
}

static void no_sources(void)
{
	int all[] = {zero, pipes[0], pipes[1], streams[0], streams[1], datagrams[0], datagrams[1], tmp};
	for (size_t i = 0; i < COUNT(all); i++)
		close(all[i]);
}

static struct iovec *iov(char *t)
{
	static struct iovec v[2];
	v[0] = v[1] = (struct iovec){t, 16};
	return v;
}

// A call is an expression of the target's address, t.
#define CALLS                                                                                      \
	/* files */                                                                                \
	C(read(zero, t, 16))                                                                       \
	C(read(zero, t, PAGE))                                                                     \
	C(read(tmp, t, 16))                                                                        \
	C(read(tmp, t, PAGE))                                                                      \
	C(read(tmp, t + 1, 7))                                                                     \
	C(read(pipes[0], t, 16))                                                                   \
	C(read(streams[0], t, 16))                                                                 \
	C(read(datagrams[0], t, 16))                                                               \
	C(pread(tmp, t, 16, 0))                                                                    \
	C(readv(tmp, iov(t), 2))                                                                   \
	C(readv(pipes[0], iov(t), 2))                                                              \
	C(preadv(tmp, iov(t), 2, 0))                                                               \
	C(preadv2(tmp, iov(t), 2, 0, 0))                                                           \
	C(of_self(t))                                                                              \
	C(of_proc(t))                                                                              \
	C(of_folder(t))                                                                            \
	C(of_event(t))                                                                             \
	C(of_timer(t, 0))                                                                          \
	C(of_timer(t, 1))                                                                          \
	C(of_signal(t))                                                                            \
	C(of_inotify(t))                                                                           \
	C(syscall(SYS_getcwd, t, 64))                                                              \
	C(readlink("/proc/self/exe", t, 64))                                                       \
	C(syscall(SYS_stat, "/", t))                                                               \
	C(syscall(SYS_fstat, zero, t))                                                             \
	C(syscall(SYS_newfstatat, AT_FDCWD, "/", t, 0))                                            \
	C(syscall(SYS_statx, AT_FDCWD, "/", 0, 0x7ff, t))                                          \
	C(syscall(SYS_statfs, "/", t))                                                             \
	C(syscall(SYS_fstatfs, tmp, t))                                                            \
	C(fcntl(tmp, 16 /* F_GETOWN_EX */, t))                                                     \
	C(ioctl(pipes[0], FIONREAD, t))                                                            \
	C(ioctl(streams[0], FIONREAD, t))                                                          \
	C(ioctl(streams[0], TIOCOUTQ, t))                                                          \
	/* pipes: out of one into the target; offsets that are written back */                     \
	C(vmsplice(pipes[0], iov(t), 1, 0))                                                        \
	C(tee_out(t))                                                                              \
	C(splice_out(t))                                                                           \
	C(through_pipe(t))                                                                         \
	C(splice(tmp, (loff_t *)(t + ZERO), pipes[1], NULL, 4, 0))                                 \
	C(syscall(SYS_sendfile, streams[1], tmp, t + ZERO, 4))                                     \
	C(copy_file_range(tmp, (loff_t *)(t + ZERO), tmp, &(loff_t){PAGE}, 4, 0))                  \
	C(syscall(SYS_pipe2, t, 0))                                                                \
	/* sockets */                                                                              \
	C(recv(streams[0], t, 16, 0))                                                              \
	C(recv(streams[0], t, 16, MSG_PEEK))                                                       \
	C(recvfrom(datagrams[0], t, 16, 0, NULL, NULL))                                            \
	C(message(t, 0))                                                                           \
	C(message(t, 1))                                                                           \
	C(message(t, 2))                                                                           \
	C(messages(t))                                                                             \
	C(from_udp(t, 0))                                                                          \
	C(from_udp(t, 1))                                                                          \
	C(from_udp(t, 2))                                                                          \
	C(from_tcp(t, 0))                                                                          \
	C(from_tcp(t, 1))                                                                          \
	C(getsockopt(streams[0], SOL_SOCKET, SO_TYPE, t, &(socklen_t){4}))                         \
	C(getsockopt(streams[0], SOL_SOCKET, SO_TYPE, &(int){0}, (socklen_t *)(t + ZERO)))         \
	C(getsockopt(streams[0], SOL_SOCKET, SO_PEERCRED, t, &(socklen_t){12}))                    \
	C(getsockname(streams[0], (struct sockaddr *)t, &(socklen_t){16}))                         \
	C(getsockname(streams[0], (struct sockaddr *)copies, (socklen_t *)(t + ZERO)))             \
	C(getpeername(streams[0], (struct sockaddr *)t, &(socklen_t){16}))                         \
	C(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, t))                                     \
	C(epolls(t))                                                                               \
	C(poll((struct pollfd *)t, 1, 0))                                                          \
	C(syscall(SYS_select, 64, t + ZERO, NULL, NULL, &(struct timeval){0}))                     \
	/* time */                                                                                 \
	C(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, t))                                          \
	C(syscall(SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, t))                                 \
	C(syscall(SYS_clock_getres, CLOCK_MONOTONIC, t))                                           \
	C(syscall(SYS_gettimeofday, t, NULL))                                                      \
	C(syscall(SYS_gettimeofday, NULL, t))                                                      \
	C(syscall(SYS_time, t))                                                                    \
	C(syscall(SYS_times, t))                                                                   \
	C(syscall(SYS_getitimer, ITIMER_REAL, t))                                                  \
	C(syscall(SYS_setitimer, ITIMER_REAL, &(struct itimerval){0}, t))                          \
	C(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, t))                                     \
	C(interrupted(t))                                                                          \
	/* threads and signals */                                                                  \
	C(syscall(SYS_sched_getaffinity, 0, 8, t))                                                 \
	C(syscall(SYS_sched_getparam, 0, t))                                                       \
	C(syscall(SYS_sched_getattr, 0, t, 48, 0))                                                 \
	C(syscall(SYS_sched_rr_get_interval, 0, t))                                                \
	C(syscall(SYS_getcpu, NULL, t, NULL))                                                      \
	C(syscall(SYS_get_robust_list, 0, t, &(long){0}))                                          \
	C(syscall(SYS_get_robust_list, 0, &(long){0}, t))                                          \
	C(ends_with(t))                                                                            \
	C(starts_with(t))                                                                          \
	C(dies_holding(t))                                                                         \
	C(wake_op(t, FUTEX_OP(FUTEX_OP_SET, 1, FUTEX_OP_CMP_EQ, 0)))                               \
	C(wake_op(t, FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0)))                               \
	C(wake_op(t, FUTEX_OP(FUTEX_OP_XOR, 1, FUTEX_OP_CMP_EQ, 0)))                               \
	C(syscall(SYS_futex, t + ZERO, FUTEX_LOCK_PI_PRIVATE, 0, NULL))                            \
	C(syscall(SYS_futex, t + ZERO, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL))                         \
	C(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, t, 8))                                      \
	C(syscall(SYS_rt_sigpending, t, 8))                                                        \
	C(syscall(SYS_rt_sigaction, SIGUSR2, NULL, t, 8))                                          \
	C(syscall(SYS_sigaltstack, NULL, t))                                                       \
	C(waited(t))                                                                               \
	C(frame(t))                                                                                \
	/* the system */                                                                           \
	C(syscall(SYS_getrandom, t, 16, 0))                                                        \
	C(syscall(SYS_getrandom, t, PAGE, 0))                                                      \
	C(syscall(SYS_uname, t))                                                                   \
	C(syscall(SYS_sysinfo, t))                                                                 \
	C(syscall(SYS_getrusage, RUSAGE_SELF, t))                                                  \
	C(syscall(SYS_getrlimit, RLIMIT_STACK, t))                                                 \
	C(syscall(SYS_prlimit64, 0, RLIMIT_STACK, NULL, t))                                        \
	C(syscall(SYS_getresuid, t, &(int){0}, &(int){0}))                                         \
	C(syscall(SYS_getresgid, &(int){0}, &(int){0}, t))                                         \
	C(syscall(SYS_capget, &(int[2]){0x20080522}, t))                                           \
	C(syscall(SYS_prctl, PR_GET_NAME, t, 0, 0, 0))                                             \
	C(syscall(SYS_prctl, PR_GET_PDEATHSIG, t, 0, 0, 0))                                        \
	C(syscall(SYS_arch_prctl, 0x1003 /* ARCH_GET_FS */, t))                                    \
	C(syscall(SYS_mincore, copies, PAGE, t))                                                   \
	C(segment(t))

static long close_after(int fd, long r)
{
	int e = errno;
	close(fd);
	errno = e;
	return r;
}

static long of_path(const char *path, char *t)
{
	int fd = open(path, O_RDONLY);
	CHECK(fd >= 0);
	return close_after(fd, read(fd, t, 16));
}

static long of_self(char *t) { return of_path("/proc/self/exe", t); }
static long of_proc(char *t) { return of_path("/proc/self/maps", t); }

static long of_folder(char *t)
{
	int fd = open("/proc", O_RDONLY | O_DIRECTORY);
	return close_after(fd, syscall(SYS_getdents64, fd, t, 512));
}

static long of_event(char *t)
{
	int fd = eventfd(3, EFD_NONBLOCK);
	return close_after(fd, read(fd, t, 8));
}

static long of_timer(char *t, int read_it)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	struct itimerspec s = {.it_value.tv_nsec = read_it ? 1 : 999999999};
	CHECK(timerfd_settime(fd, 0, &s, NULL) == 0);
	return close_after(fd, read_it ? read(fd, t, 8) : syscall(SYS_timerfd_gettime, fd, t));
}

static void with_usr1(int how)
{
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	pthread_sigmask(how, &s, NULL);
}

// A signal that nobody took is taken here.
static void take_usr1(void)
{
	int e = errno;
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigtimedwait(&s, NULL, &(struct timespec){0});
	with_usr1(SIG_UNBLOCK);
	errno = e;
}

static long of_signal(char *t)
{
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	with_usr1(SIG_BLOCK);
	int fd = signalfd(-1, &s, SFD_NONBLOCK);
	raise(SIGUSR1);
	long r = close_after(fd, read(fd, t, 128));
	take_usr1();
	return r;
}

static long waited(char *t)
{
	uint64_t set = 1ull << (SIGUSR1 - 1);
	with_usr1(SIG_BLOCK);
	raise(SIGUSR1);
	long r = syscall(SYS_rt_sigtimedwait, &set, t, &(struct timespec){0}, 8);
	take_usr1();
	return r;
}

static long of_inotify(char *t)
{
	char path[] = "/tmp/protectXXXXXX";
	int f = mkstemp(path), fd = inotify_init1(IN_NONBLOCK);
	CHECK(inotify_add_watch(fd, path, IN_MODIFY) >= 0 && write(f, "x", 1) == 1);
	unlink(path);
	close(f);
	return close_after(fd, read(fd, t, 64));
}

// What was copied by tee, and what was spliced out of a file, leaves the pipe.
static long tee_out(char *t)
{
	int p[2];
	CHECK(pipe2(p, O_NONBLOCK) == 0 && tee(pipes[0], p[1], 16, 0) == 16);
	close(p[1]);
	return close_after(p[0], vmsplice(p[0], iov(t), 1, 0));
}

static long splice_out(char *t)
{
	int p[2];
	CHECK(pipe2(p, O_NONBLOCK) == 0 && splice(tmp, NULL, p[1], NULL, 16, 0) == 16);
	close(p[1]);
	return close_after(p[0], read(p[0], t, 16));
}

// through_pipe puts pages of the target into a pipe and writes behind them: what a
// pipe holds of somebody's page, it must not write to. The answer is what is read.
static long through_pipe(char *t)
{
	int p[2];
	char text[24];
	CHECK(pipe2(p, O_NONBLOCK) == 0);
	CHECK(vmsplice(p[1], iov(t), 1, SPLICE_F_GIFT) == 16 && write(p[1], "WRITTEN", 8) == 8);
	CHECK(read(p[0], text, 24) == 24 && !memcmp(text, t, 16) && !memcmp(text + 16, "WRITTEN", 8));
	CHECK(vmsplice(p[1], iov(t), 1, SPLICE_F_GIFT) == 16 && splice(tmp, NULL, p[1], NULL, 8, 0) == 8);
	long r = read(p[0], text, 24);
	CHECK(!memcmp(text, t, 16) && !memcmp(text + 16, "ffffffff", 8));
	close(p[1]);
	return close_after(p[0], r);
}

// message receives with one part in the target: data, control data, the name.
static long message(char *t, int part)
{
	char here[256] = "", data[64];
	struct iovec v = {part == 0 ? t : data, 16};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = part == 1 ? t : here, .msg_controllen = 128};
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = ""};
	int fd = datagrams[0], on = 1;
	if (part == 1)
		CHECK(setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
	if (part == 2) { // a sender that has a name
		m.msg_name = t, m.msg_namelen = sizeof a, m.msg_control = NULL, m.msg_controllen = 0;
		CHECK(bind(datagrams[1], (struct sockaddr *)&a, sizeof(sa_family_t)) == 0 && write(datagrams[1], "named", 5) == 5);
		CHECK(read(fd, data, 64) == 20);
	}
	long r = recvmsg(fd, &m, 0);
	// The message is given without the control data that could not be written.
	return part == 1 && r >= 0 ? (m.msg_flags & MSG_CTRUNC ? 1000 : 2000) + m.msg_controllen : r;
}

static long messages(char *t)
{
	struct mmsghdr m = {.msg_hdr = {.msg_iov = iov(t), .msg_iovlen = 1}};
	return syscall(SYS_recvmmsg, datagrams[0], &m, 1, 0, NULL);
}

static int listening(int type, struct sockaddr_in *a)
{
	socklen_t n = sizeof *a;
	int fd = socket(AF_INET, type, 0);
	*a = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	CHECK(fd >= 0 && bind(fd, (struct sockaddr *)a, n) == 0 && getsockname(fd, (struct sockaddr *)a, &n) == 0);
	return fd;
}

// from_udp and from_tcp: data, address and its length.
static long from_udp(char *t, int part)
{
	struct sockaddr_in a, b;
	socklen_t n = sizeof b;
	char data[16];
	int fd = listening(SOCK_DGRAM, &a);
	CHECK(sendto(fd, "to itself", 9, 0, (struct sockaddr *)&a, sizeof a) == 9);
	return close_after(fd, recvfrom(fd, part == 0 ? t : data, 16, 0, part == 1 ? (void *)t : (void *)&b, part == 2 ? (void *)(t + ZERO) : &n));
}

static long from_tcp(char *t, int part)
{
	struct sockaddr_in a, b;
	socklen_t n = sizeof a;
	int fd = listening(SOCK_STREAM, &a), c = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(listen(fd, 4) == 0 && connect(c, (struct sockaddr *)&a, sizeof a) == 0 && write(c, "tcp", 3) == 3);
	int s = accept(fd, part == 1 ? (void *)t : (void *)&b, &n), e = errno;
	close(fd);
	close(c);
	errno = e;
	return s < 0 || part == 1 ? close_after(s, s < 0 ? -1 : 0) : close_after(s, recv(s, t, 3, MSG_WAITALL));
}

static long epolls(char *t)
{
	int fd = epoll_create1(0);
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = 0x1122334455667788};
	CHECK(epoll_ctl(fd, EPOLL_CTL_ADD, pipes[0], &e) == 0);
	return close_after(fd, epoll_wait(fd, (struct epoll_event *)t, 4, 0));
}

static void nothing(int s) { (void)s; }

// interrupted: the rest of a sleep.
static long interrupted(char *t)
{
	struct sigaction a = {.sa_handler = nothing};
	sigaction(SIGALRM, &a, NULL);
	struct itimerval v = {.it_value.tv_usec = 10000, .it_interval.tv_usec = 10000};
	setitimer(ITIMER_REAL, &v, NULL);
	long r = syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &(struct timespec){10}, t);
	int e = errno;
	setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
	errno = e;
	return r;
}

static volatile pid_t child;

// gone waits for the end of a thread that nobody joins.
static long gone(void)
{
	while (!child)
		pause_ns(MS / 10);
	for (int i = 0; i < 10000 && syscall(SYS_tgkill, getpid(), child, 0) == 0; i++)
		pause_ns(MS / 10);
	child = 0;
	errno = 0;
	return 0;
}

static void *clears(void *t)
{
	pid_t me = my_tid();
	CHECK(syscall(SYS_set_tid_address, t) == me);
	child = me;
	syscall(SYS_exit, 0);
	return NULL;
}

// ends_with: the word that the kernel clears at a thread's end.
static long ends_with(char *t)
{
	go(clears, t);
	return gone();
}

static int names_itself(void *arg)
{
	(void)arg;
	child = (pid_t)syscall(SYS_gettid);
	return 0;
}

// starts_with: the words that clone fills in.
static long starts_with(char *t)
{
	static char stack[32768] __attribute__((aligned(16)));
	int r = clone(names_itself, stack + sizeof stack, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
		CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID, NULL, t, NULL, t);
	return r < 0 ? r : gone();
}

static char *robust;

static void *holds(void *arg)
{
	static struct {
		void *next;
		long offset;
		void *pending;
	} head;
	(void)arg;
	// A lock in the target that is this thread's, as far as the kernel can tell.
	pid_t me = my_tid();
	head.next = &head, head.pending = robust + 64, head.offset = 0;
	if (robust == targets[WRITABLE])
		memcpy(robust + 64, &me, 4);
	if (robust == targets[READ_ONLY]) {
		char *p = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		memcpy(p + 64, &me, 4);
		mprotect(p, PAGE, PROT_READ);
		robust = p, head.pending = p + 64;
	}
	syscall(SYS_set_robust_list, &head, sizeof head);
	child = me;
	syscall(SYS_exit, 0);
	return NULL;
}

// dies_holding: the word that the kernel marks when an owner is dead.
static long dies_holding(char *t)
{
	robust = t;
	go(holds, NULL);
	long r = gone();
	if (robust != t)
		CHECK(*(uint32_t *)(robust + 64) >> 30 == 0 && munmap(robust, PAGE) == 0);
	// The owner's death, and nothing else, changes what is writable.
	if (t == targets[WRITABLE] && *(uint32_t *)(t + 64) == 0x40000000)
		*(uint32_t *)(t + 64) = 0;
	else if (t == targets[WRITABLE])
		memcpy(t, copies[WRITABLE], PAGE);
	return r;
}

static long wake_op(char *t, unsigned op)
{
	static int word;
	return syscall(SYS_futex, &word, FUTEX_WAKE_OP_PRIVATE, 1, 1, t + ZERO, op);
}

static sigjmp_buf back;

static void escapes(int s, siginfo_t *i, void *u)
{
	(void)s, (void)u;
	siglongjmp(back, 1000 + i->si_code);
}

// frame: a signal that is to be taken on a stack in the target.
static long frame(char *t)
{
	struct sigaction a = {.sa_handler = nothing, .sa_flags = SA_ONSTACK}, b = {.sa_sigaction = escapes, .sa_flags = SA_SIGINFO}, old;
	stack_t s = {.ss_sp = t, .ss_size = PAGE}, off = {.ss_flags = SS_DISABLE};
	sigaction(SIGUSR1, &a, NULL);
	sigaction(SIGSEGV, &b, &old);
	if (sigaltstack(&s, NULL) < 0)
		return -1;
	int r = sigsetjmp(back, 1);
	if (r == 0)
		raise(SIGUSR1);
	sigaltstack(&off, NULL);
	sigaction(SIGSEGV, &old, NULL);
	return r;
}

static long segment(char *t)
{
	int id = shmget(IPC_PRIVATE, PAGE, 0600);
	long r = syscall(SYS_shmctl, id, IPC_STAT, t);
	int e = errno;
	shmctl(id, IPC_RMID, NULL);
	errno = e;
	return r;
}

static void call_all(void)
{
	char line[256];
	size_t n;
#define C(call)                                                                                    \
	n = 0;                                                                                     \
	memcpy(targets[WRITABLE], copies[WRITABLE], PAGE);                                         \
	for (int i = 0; i < TARGETS; i++) {                                                        \
		char *t = targets[i];                                                              \
		sources();                                                                         \
		errno = 0;                                                                         \
		long r_ = (long)(call);                                                            \
		if (i != WRITABLE)                                                                 \
			n += snprintf(line + n, sizeof line - n, " %s", result(r_));               \
		no_sources();                                                                      \
		if (i != WRITABLE && memcmp(targets[i], copies[i], PAGE)) {                        \
			say("FAIL %s was written by %s", names[i], #call);                         \
			_exit(1);                                                                  \
		}                                                                                  \
	}                                                                                          \
	say("%s:%s, writable: %d", #call, line, memcmp(targets[WRITABLE], copies[WRITABLE], PAGE) != 0);
	CALLS
#undef C
}

// doors are made for writing to what is protected. On Linux one is open.
static void doors(void)
{
	char *t = targets[0], byte = 0;
	struct iovec from = {&byte, 1}, to = {t, 1};
	static const char *const files[] = {"/proc/self/mem", "/proc/1/mem", "/proc/thread-self/mem", "/proc/self/task/1/mem", "/dev/mem", "/dev/kmem", "/proc/kcore"};
	say("DESIGN process_vm_writev: %s", result(syscall(SYS_process_vm_writev, getpid(), &from, 1, &to, 1, 0)));
	say("DESIGN process_vm_readv: %s", result(syscall(SYS_process_vm_readv, getpid(), &to, 1, &from, 1, 0)));
	say("DESIGN PTRACE_POKETEXT: %s", result(syscall(SYS_ptrace, PTRACE_POKETEXT, getpid(), t, 0)));
	say("DESIGN PTRACE_SEIZE: %s", result(syscall(SYS_ptrace, PTRACE_SEIZE, my_tid(), 0, 0)));
	for (size_t i = 0; i < COUNT(files); i++) {
		int fd = open(files[i], O_WRONLY);
		say("DESIGN %s: %s", files[i], result(fd < 0 ? -1 : 0));
		close(fd);
	}
	CHECK(!memcmp(t, copies[0], PAGE));
}

static const struct t_case cases[] = {{"calls", call_all}, {"doors", doors}};

int main(int argc, char **argv)
{
	targets[0] = in_text, targets[1] = in_rodata, targets[2] = in_relro;
	targets[3] = (char *)getauxval(AT_SYSINFO_EHDR);
	for (int i = READ_ONLY; i <= WRITABLE; i++) {
		targets[i] = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		memcpy(targets[i], in_rodata, PAGE);
	}
	CHECK(mprotect(targets[READ_ONLY], PAGE, PROT_READ) == 0);
	for (int i = 0; i < TARGETS; i++)
		memcpy(copies[i], targets[i], PAGE);
	return t_main(argc, argv, cases, COUNT(cases));
}
