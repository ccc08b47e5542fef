// What the kernel writes into buffers: each call that fills one in is made twice, into a
// buffer of one byte all over and into one of another. What is the same after both was
// written. As many bytes as Linux writes, at the same places, padding included: more would
// be the kernel's own memory, less leaves a program what stood there. And no word of it is
// a kernel's address.
#include "t.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>

enum { SIZE = 4096, FILLS = 2 };
static const unsigned char fill[FILLS] = {0xa5, 0x5a};
static unsigned char *out; // SIZE bytes, of which a call is given the first
static unsigned char got[FILLS][SIZE];
static long answer[FILLS];

// kernel reports whether v is an address of a kernel: canonical and in the upper half, but
// not a small negative number.
static int kernel(uint64_t v)
{
	return v >= 0xffff800000000000 && v < 0xffffffffff600000 - (1ULL << 24);
}

// report prints how the call ended and which bytes were written.
static void report(const char *name)
{
	char line[300];
	int n = 0;
	for (int i = 0; i < SIZE;) {
		int a = i;
		while (i < SIZE && got[0][i] == got[1][i])
			i++;
		if (i > a && n < (int)sizeof line - 30)
			n += snprintf(line + n, sizeof line - n, " %d-%d", a, i);
		i++;
	}
	line[n] = 0;
	say("%s: %s, written%s", name, answer[0] < 0 ? t_errno(-answer[0]) : "ok", n ? line : " nothing");
	for (int k = 0; k < FILLS; k++)
		for (int i = 0; i < SIZE; i += 8) {
			uint64_t v;
			memcpy(&v, got[k] + i, 8);
			int own = got[0][i] == got[1][i] && got[0][i + 7] == got[1][i + 7];
			if (own && kernel(v)) {
				printf("FAIL %s: a kernel's address at %d: %lx\n", name, i, v);
				t_failed = 1;
				return;
			}
		}
}

// probe is a call that fills in a buffer.
struct probe {
	const char *name;
	int nr;
	uint64_t a[6];
	int at;           // which argument is the buffer
	int length;       // which argument points to a length, or -1
	unsigned given;   // that length
	int from, to;     // bytes that hold a value that changes, such as a clock
};

static int fds[32];

static void probes(const struct probe *p, int n)
{
	for (int i = 0; i < n; i++, p++) {
		for (int k = 0; k < FILLS; k++) {
			uint64_t a[6];
			unsigned length = p->given;
			memcpy(a, p->a, sizeof a);
			memset(out, fill[k], SIZE);
			a[p->at] = (uint64_t)out;
			if (p->length >= 0)
				a[p->length] = (uint64_t)&length;
			long r = syscall(p->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
			answer[k] = r < 0 ? -errno : r;
			memcpy(got[k], out, SIZE);
		}
		// A value that changes between the calls was written if any of it is not the fill.
		for (int j = p->from; j < p->to; j++) {
			int written = 0;
			for (int l = p->from; l < p->to; l++)
				written |= got[0][l] != fill[0] || got[1][l] != fill[1];
			if (written)
				got[0][j] = got[1][j] = 0;
		}
		report(p->name);
	}
}

#define P(name, nr, at, ...) {name, SYS_##nr, {__VA_ARGS__}, at, -1, 0, 0, 0}
#define CHANGING(name, nr, at, from, to, ...) {name, SYS_##nr, {__VA_ARGS__}, at, -1, 0, from, to}
#define LENGTH(name, nr, at, len, given, ...) {name, SYS_##nr, {__VA_ARGS__}, at, len, given, 0, 0}
#define X 0 // the buffer, or the length: filled in

static void files(void)
{
	uint64_t root = (uint64_t)"/tmp", file = (uint64_t)"file", link = (uint64_t)"link", none = (uint64_t)"none";
	int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0644), dir = open("dir", O_RDONLY | O_DIRECTORY);
	if (dir < 0 && mkdir("dir", 0755) == 0)
		dir = open("dir", O_RDONLY | O_DIRECTORY);
	CHECK(fd >= 0 && dir >= 0 && write(fd, "abc", 3) == 3);
	unlink("link");
	CHECK(symlink("target", "link") == 0);
	const struct probe list[] = {
		P("stat", stat, 1, file, X),
		P("stat of a folder", stat, 1, root, X),
		P("stat of nothing", stat, 1, none, X),
		P("lstat of a link", lstat, 1, link, X),
		P("fstat", fstat, 1, fd, X),
		P("fstat of a pipe", fstat, 1, fds[0], X),
		P("fstat of a socket", fstat, 1, fds[2], X),
		P("newfstatat", newfstatat, 2, AT_FDCWD, file, X, 0),
		P("statx", statx, 4, AT_FDCWD, file, 0, 0x7ff, X),
		P("statx of a pipe", statx, 4, fds[0], (uint64_t)"", AT_EMPTY_PATH, 0x7ff, X),
		P("statfs", statfs, 1, (uint64_t)"/proc", X),
		P("fstatfs", fstatfs, 1, fd, X),
		P("readlink", readlink, 1, link, X, SIZE),
		P("readlink, cut", readlink, 1, link, X, 3),
		P("readlinkat", readlinkat, 2, AT_FDCWD, link, X, SIZE),
		P("pread", pread64, 1, fd, X, SIZE, 0),
		P("pread at the end", pread64, 1, fd, X, SIZE, 3),
		P("pread of zeros", pread64, 1, open("/dev/zero", O_RDONLY), X, 100, 0),
		P("getcwd", getcwd, 0, X, SIZE),
		P("getcwd, too short", getcwd, 0, X, 2),
		P("fcntl F_GETLK", fcntl, 2, fd, F_GETLK, X),
		P("pipe2", pipe2, 0, X, 0),
		P("ioctl FIONREAD", ioctl, 2, fds[0], FIONREAD, X),
		P("ioctl TIOCGWINSZ", ioctl, 2, 0, TIOCGWINSZ, X),
		P("ioctl TCGETS", ioctl, 2, 0, TCGETS, X),
		P("getxattr", getxattr, 2, file, (uint64_t)"user.none", X, SIZE),
	};
	probes(list, COUNT(list));
	// A folder with two entries besides . and ..: whole records, of which the tail is nobody's.
	CHECK(close(open("dir/a", O_CREAT | O_WRONLY, 0600)) == 0 && close(open("dir/long-name", O_CREAT | O_WRONLY, 0600)) == 0);
	for (int k = 0; k < FILLS; k++) {
		lseek(dir, 0, SEEK_SET);
		memset(out, fill[k], SIZE);
		answer[k] = syscall(SYS_getdents64, dir, out, SIZE);
		memcpy(got[k], out, SIZE);
	}
	// Padding behind a name is left as it was on Linux; that it holds nothing of the
	// kernel's is what matters.
	int odd = 0;
	for (long at = 0; at < answer[0]; at += *(unsigned short *)(got[0] + at + 16))
		for (long i = at + 19 + strlen((char *)got[0] + at + 19) + 1; i < at + *(unsigned short *)(got[0] + at + 16); i++)
			odd += got[0][i] != 0 && got[0][i] != fill[0];
	say("getdents64: %ld bytes, behind names %d of the kernel's", answer[0], odd);
	for (long i = answer[0]; i < SIZE; i++)
		CHECK(got[0][i] == fill[0]);
	unlink("dir/a"), unlink("dir/long-name"), rmdir("dir");
	unlink("file"), unlink("link");
}

static void machine(void)
{
	const struct probe list[] = {
		P("uname", uname, 0, X),
		CHANGING("sysinfo", sysinfo, 0, 0, 104, X),
		P("getrlimit", getrlimit, 1, RLIMIT_NOFILE, X),
		P("prlimit64", prlimit64, 3, 0, RLIMIT_STACK, 0, X),
		CHANGING("getrusage", getrusage, 1, 0, 144, RUSAGE_SELF, X),
		CHANGING("getrusage of children", getrusage, 1, 0, 144, RUSAGE_CHILDREN, X),
		CHANGING("times", times, 0, 0, 32, X),
		P("getgroups", getgroups, 1, 0, X),
		P("getresuid", getresuid, 0, X, (uint64_t)&fds[28], (uint64_t)&fds[29]),
		P("sched_getaffinity", sched_getaffinity, 2, 0, 8, X),
		P("sched_getparam", sched_getparam, 1, 0, X),
		P("sched_rr_get_interval", sched_rr_get_interval, 1, 0, X),
		P("sched_getattr", sched_getattr, 1, 0, X, 48, 0),
		P("prctl PR_GET_NAME", prctl, 1, 16, X),
		P("prctl PR_GET_PDEATHSIG", prctl, 1, 2, X),
		P("arch_prctl ARCH_GET_FS", arch_prctl, 1, 0x1003, X),
		P("getcpu", getcpu, 1, (uint64_t)&fds[28], X, 0),
		P("get_robust_list", get_robust_list, 1, 0, X, (uint64_t)(out + SIZE)),
		P("capget", capget, 1, (uint64_t)&(uint32_t[2]){0x20080522, 0}, X),
		P("getrandom of nothing", getrandom, 0, X, 0, 0),
		P("getpriority", getpriority, 1, 0, X),
	};
	probes(list, COUNT(list));
}

static void clocks(void)
{
	int tfd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	timer_t timer;
	struct sigevent ev = {.sigev_notify = SIGEV_NONE};
	CHECK(tfd >= 0 && syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &timer) == 0);
	const struct probe list[] = {
		CHANGING("clock_gettime", clock_gettime, 1, 0, 16, CLOCK_REALTIME, X),
		CHANGING("clock_gettime of the program", clock_gettime, 1, 0, 16, CLOCK_PROCESS_CPUTIME_ID, X),
		P("clock_getres", clock_getres, 1, CLOCK_MONOTONIC, X),
		P("clock_gettime, no clock", clock_gettime, 1, 77, X),
		CHANGING("gettimeofday", gettimeofday, 0, 0, 16, X, 0),
		P("time zone", gettimeofday, 1, 0, X),
		CHANGING("time", time, 0, 0, 8, X),
		P("getitimer", getitimer, 1, ITIMER_REAL, X),
		P("timer_gettime", timer_gettime, 1, (uint64_t)timer, X),
		P("timerfd_gettime", timerfd_gettime, 1, tfd, X),
		P("read of a timerfd", read, 1, tfd, X, 8),
	};
	probes(list, COUNT(list));
}

static void signals_(void)
{
	sigset_t set, old;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0);
	int sfd = signalfd(-1, &set, SFD_NONBLOCK);
	struct timespec now = {0, 0};
	const struct probe quiet[] = {
		P("rt_sigaction", rt_sigaction, 2, SIGUSR2, 0, X, 8),
		P("rt_sigprocmask", rt_sigprocmask, 2, SIG_BLOCK, 0, X, 8),
		P("rt_sigpending", rt_sigpending, 0, X, 8),
		P("sigaltstack", sigaltstack, 1, 0, X),
		P("rt_sigtimedwait of nothing", rt_sigtimedwait, 1, (uint64_t)&set, X, (uint64_t)&now, 8),
		P("read of a signalfd, nothing there", read, 1, sfd, X, 128),
	};
	probes(quiet, COUNT(quiet));
	for (int how = 0; how < 2; how++) {
		for (int k = 0; k < FILLS; k++) {
			CHECK(kill(getpid(), SIGUSR1) == 0);
			memset(out, fill[k], SIZE);
			answer[k] = how ? syscall(SYS_rt_sigtimedwait, &set, out, &now, 8) : read(sfd, out, 256);
			memcpy(got[k], out, SIZE);
		}
		report(how ? "rt_sigtimedwait" : "read of a signalfd");
	}
	CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
}

static void network(void)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "socket"};
	socklen_t n = sizeof any;
	int l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0), u = socket(AF_UNIX, SOCK_DGRAM, 0), six = socket(AF_INET6, SOCK_DGRAM, 0);
	CHECK(bind(l, (void *)&any, n) == 0 && listen(l, 5) == 0 && getsockname(l, (void *)&any, &n) == 0 && connect(c, (void *)&any, n) == 0);
	unlink(name.sun_path);
	CHECK(bind(u, (void *)&name, sizeof name) == 0);
	int s = accept(l, NULL, NULL);
	const struct probe list[] = {
		LENGTH("getsockname", getsockname, 1, 2, 128, l, X, X),
		LENGTH("getsockname, cut", getsockname, 1, 2, 5, l, X, X),
		LENGTH("getpeername", getpeername, 1, 2, 128, c, X, X),
		LENGTH("getpeername of none", getpeername, 1, 2, 128, l, X, X),
		LENGTH("getsockname of AF_UNIX", getsockname, 1, 2, 128, u, X, X),
		LENGTH("getsockname of no name", getsockname, 1, 2, 128, fds[2], X, X),
		LENGTH("getsockname of AF_INET6", getsockname, 1, 2, 128, six, X, X),
		LENGTH("SO_TYPE", getsockopt, 3, 4, 64, c, SOL_SOCKET, SO_TYPE, X, X),
		LENGTH("SO_TYPE, cut", getsockopt, 3, 4, 2, c, SOL_SOCKET, SO_TYPE, X, X),
		LENGTH("SO_LINGER", getsockopt, 3, 4, 64, c, SOL_SOCKET, SO_LINGER, X, X),
		LENGTH("SO_RCVTIMEO", getsockopt, 3, 4, 64, c, SOL_SOCKET, SO_RCVTIMEO, X, X),
		LENGTH("SO_PEERCRED", getsockopt, 3, 4, 64, fds[2], SOL_SOCKET, SO_PEERCRED, X, X),
		LENGTH("SO_ERROR", getsockopt, 3, 4, 64, c, SOL_SOCKET, SO_ERROR, X, X),
		LENGTH("TCP_NODELAY", getsockopt, 3, 4, 64, c, IPPROTO_TCP, TCP_NODELAY, X, X),
		LENGTH("TCP_CONGESTION", getsockopt, 3, 4, 64, c, IPPROTO_TCP, TCP_CONGESTION, X, X),
		LENGTH("TCP_INFO, begin", getsockopt, 3, 4, 8, c, IPPROTO_TCP, TCP_INFO, X, X),
		LENGTH("IP_TTL", getsockopt, 3, 4, 64, c, IPPROTO_IP, IP_TTL, X, X),
		LENGTH("IP_TOS, one byte", getsockopt, 3, 4, 1, c, IPPROTO_IP, IP_TOS, X, X),
		LENGTH("IPV6_V6ONLY", getsockopt, 3, 4, 64, six, IPPROTO_IPV6, IPV6_V6ONLY, X, X),
		P("socketpair", socketpair, 3, AF_UNIX, SOCK_STREAM, 0, X),
		P("recv of nothing", recvfrom, 1, c, X, SIZE, MSG_DONTWAIT, 0, 0),
	};
	probes(list, COUNT(list));
	for (int k = 0; k < FILLS; k++) { // the address behind the data
		struct sockaddr_in me = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
		socklen_t len = sizeof me, room = 64;
		int d = socket(AF_INET, SOCK_DGRAM, 0);
		CHECK(bind(d, (void *)&me, len) == 0 && getsockname(d, (void *)&me, &len) == 0 && sendto(d, "abc", 3, 0, (void *)&me, len) == 3);
		memset(out, fill[k], SIZE);
		answer[k] = recvfrom(d, out + 1024, 100, 0, (void *)out, &room);
		memset(out + 2, 0, 2); // the port
		memcpy(got[k], out, SIZE);
		close(d);
	}
	report("recvfrom");
	for (int k = 0; k < FILLS; k++) { // control messages: descriptors that are passed
		struct iovec v = {"x", 1}, w = {out + 2048, 8};
		char control[CMSG_SPACE(2 * sizeof(int))] = {0};
		struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET, h->cmsg_type = SCM_RIGHTS, h->cmsg_len = CMSG_LEN(2 * sizeof(int));
		memcpy(CMSG_DATA(h), fds, 2 * sizeof(int));
		CHECK(sendmsg(fds[2], &m, 0) == 1);
		memset(out, fill[k], SIZE);
		struct msghdr r = {.msg_iov = &w, .msg_iovlen = 1, .msg_control = out, .msg_controllen = 1024};
		answer[k] = recvmsg(fds[3], &r, 0);
		int *passed = (int *)CMSG_DATA(CMSG_FIRSTHDR(&r));
		close(passed[0]), close(passed[1]);
		passed[0] = passed[1] = 0;
		memcpy(got[k], out, SIZE);
	}
	report("recvmsg with descriptors");
	struct ifreq q;
	for (int k = 0; k < FILLS; k++) {
		memset(out, fill[k], SIZE);
		memset(&q, 0, sizeof q);
		strcpy(q.ifr_name, "lo");
		memcpy(out, &q, IFNAMSIZ);
		answer[k] = ioctl(c, SIOCGIFFLAGS, out);
		memcpy(got[k], out, SIZE);
	}
	report("ioctl SIOCGIFFLAGS");
	close(s), close(c), close(l), close(u), close(six);
	unlink(name.sun_path);
}

static void events(void)
{
	int e = epoll_create1(0), ev = eventfd(3, 0), in = inotify_init1(IN_NONBLOCK);
	struct epoll_event w = {EPOLLIN, {.u64 = 0x1122334455667788}};
	CHECK(epoll_ctl(e, EPOLL_CTL_ADD, ev, &w) == 0);
	CHECK(inotify_add_watch(in, ".", IN_CREATE) > 0);
	const struct probe list[] = {
		P("epoll_wait", epoll_wait, 1, e, X, 4, 0),
		P("read of an inotify, nothing there", read, 1, in, X, SIZE),
	};
	probes(list, COUNT(list));
	for (int k = 0; k < FILLS; k++) {
		memset(out, fill[k], SIZE);
		struct pollfd *p = (void *)out;
		p[0] = (struct pollfd){ev, POLLIN, 0x5555};
		answer[k] = poll(p, 1, 0);
		p[0].fd = 0;
		memcpy(got[k], out, SIZE);
		uint64_t one = 1;
		CHECK(write(ev, &one, 8) == 8);
	}
	report("poll");
	for (int k = 0; k < FILLS; k++) {
		CHECK(close(open("new", O_CREAT | O_WRONLY, 0600)) == 0 && unlink("new") == 0);
		memset(out, fill[k], SIZE);
		answer[k] = read(in, out, SIZE);
		memcpy(got[k], out, SIZE);
	}
	report("read of an inotify");
	for (int k = 0; k < FILLS; k++) {
		memset(out, fill[k], SIZE);
		int id = shmget(IPC_PRIVATE, 5000, 0600);
		answer[k] = shmctl(id, IPC_STAT, (void *)out);
		struct shmid_ds *d = (void *)out;
		d->shm_ctime = 0, d->shm_perm.__key = 0;
		shmctl(id, IPC_RMID, NULL);
		memcpy(got[k], out, SIZE);
	}
	report("shmctl IPC_STAT");
	close(e), close(ev), close(in);
}

int main(int argc, char **argv)
{
	static const struct t_case cases[] = {{"files", files}, {"machine", machine}, {"clocks", clocks}, {"signals", signals_}, {"network", network}, {"events", events}};
	out = mmap(NULL, SIZE + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(out != MAP_FAILED && pipe(fds) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, fds + 2) == 0);
	char dir[] = "/tmp/outputs-XXXXXX"; // others run at the same time
	CHECK(mkdtemp(dir) && chdir(dir) == 0);
	int status = t_main(argc, argv, cases, COUNT(cases));
	rmdir(dir);
	return status;
}
