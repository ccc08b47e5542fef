// Calls whose arguments change under them: a thread flips an argument block between A and B,
// a word at a time, while another makes the call. What the call did is what it does for A or
// for B, or, of blocks of several words, for a mix of them, a word of one and a word of the
// other; never anything else. Each job says what that is. An argument that is flipped
// between a legal and an illegal value gives the effect of the one or the error of the
// other, without any effect.
#include "t.h"
#include <arpa/inet.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>

enum { A = 1, B = 2, MIX = 4, CALLS = 1500 };
#define KERNEL ((void *)0xffff888000001000)
#define SET(where, value) __atomic_store_n(&(where), (value), __ATOMIC_RELAXED)

// wrong tells of an effect that no mix of A and B has.
#define WRONG(...) (say("FAIL " __VA_ARGS__), t_failed = 1, 0)

static char ones[64], twos[64], got[256];
static int pair[2], pipes[2], empty[2];

static int all(const char *p, int n, char c)
{
	for (int i = 0; i < n; i++)
		if (p[i] != c)
			return 0;
	return 1;
}

// writev: two words each of two entries; 16 or 32 bytes of each, all of them 1 or all 2.
static struct iovec iov[2];

static void iovec_flip(int b)
{
	for (int i = 0; i < 2; i++) {
		SET(iov[i].iov_base, (void *)(b ? twos : ones));
		SET(iov[i].iov_len, (size_t)(b ? 32 : 16));
	}
}

// pieces: got holds up to two runs of 16 or 32 equal bytes, n in all.
static int pieces(const char *what, ssize_t n)
{
	if (n != 32 && n != 48 && n != 64)
		return WRONG("%s: %zd bytes", what, n);
	for (int first = 16; first <= 32; first += 16)
		if ((n - first == 16 || n - first == 32) && (all(got, first, '1') || all(got, first, '2')) && (all(got + first, n - first, '1') || all(got + first, n - first, '2')))
			return all(got, n, '1') && n == 32 ? A : all(got, n, '2') && n == 64 ? B : MIX;
	return WRONG("%s: %.*s", what, (int)n, got);
}

static int iovec_write(void)
{
	ssize_t n = writev(pipes[1], iov, 2), m = read(pipes[0], got, sizeof got);
	return n != m ? WRONG("writev: %zd, but %zd came", n, m) : pieces("writev", n);
}

// readv: what is read lies in the two buffers, and nothing behind it. Both begin with the
// first bytes, since an entry may be the same buffer as the other.
static int iovec_read(void)
{
	memset(ones, 'o', 64), memset(twos, 'o', 64);
	CHECK(write(pipes[1], "0123456789abcdefghijklmnopqrstuvwxyz", 36) == 36);
	ssize_t n = readv(pipes[0], iov, 2), left = read(pipes[0], got, sizeof got);
	int bad = !(n == 32 || n == 36) || (n == 32 ? left != 4 : left != -1);
	bad |= !all(ones + 32, 32, 'o') || !all(twos + 32, 32, 'o') || (ones[0] == 'o' && twos[0] == 'o');
	int seen = twos[0] == 'o' ? A : ones[0] == 'o' ? B : MIX;
	memset(ones, '1', 64), memset(twos, '2', 64);
	return bad ? WRONG("readv: %zd, then %zd", n, left) : seen;
}

// A base that is an address of the kernel's half the time: 16 bytes, or EFAULT and none.
static void base_flip(int b)
{
	SET(iov[0].iov_base, b ? KERNEL : (void *)ones);
	SET(iov[0].iov_len, (size_t)16);
}

static int base_write(void)
{
	ssize_t n = writev(pipes[1], iov, 1);
	int e = errno;
	ssize_t m = read(pipes[0], got, sizeof got);
	if (n == 16 && m == 16 && all(got, 16, '1'))
		return A;
	return n == -1 && e == EFAULT && m == -1 ? B : WRONG("writev from the kernel: %zd, %s, %zd came", n, t_errno(e), m);
}

static int base_read(void)
{
	CHECK(write(pipes[1], ones, 16) == 16);
	memset(ones, '1', 64);
	ssize_t n = readv(pipes[0], iov, 1);
	int e = errno;
	ssize_t left = read(pipes[0], got, sizeof got);
	if (n == 16 && left == -1)
		return A;
	return n == -1 && e == EFAULT && left == 16 ? B : WRONG("readv to the kernel: %zd, %s, %zd left", n, t_errno(e), left);
}

// A length that is too long half the time: 16 bytes, or EINVAL and none.
static void length_flip(int b)
{
	SET(iov[0].iov_base, (void *)ones);
	SET(iov[0].iov_len, b ? (size_t)-1 : 16);
}

static int length_write(void)
{
	ssize_t n = writev(pipes[1], iov, 1);
	int e = errno;
	ssize_t m = read(pipes[0], got, sizeof got);
	if (n == 16 && m == 16)
		return A;
	return n == -1 && e == EINVAL && m == -1 ? B : WRONG("writev, too long: %zd, %s, %zd came", n, t_errno(e), m);
}

// sendmsg: which vector, how many entries, how much control data; the entry of the control
// data is one of two descriptors.
static struct iovec few[2] = {{ones, 16}, {ones, 16}}, many[2] = {{twos, 32}, {twos, 32}};
static union {
	char room[CMSG_SPACE(sizeof(int))];
	struct cmsghdr h;
} control;
static struct msghdr message;

static void message_flip(int b)
{
	SET(message.msg_iov, b ? many : few);
	SET(message.msg_iovlen, (size_t)(b ? 2 : 1));
	SET(message.msg_controllen, b ? sizeof control.room : 0);
	SET(*(int *)CMSG_DATA(&control.h), pipes[b]);
}

static int message_send(void)
{
	union {
		char room[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr h;
	} c;
	struct iovec v = {got, sizeof got};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof c};
	ssize_t n = sendmsg(pair[0], &message, 0), r = recvmsg(pair[1], &m, MSG_DONTWAIT);
	int which = -1;
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	if (h) {
		struct stat a, b;
		int fd = *(int *)CMSG_DATA(h), flags = fcntl(fd, F_GETFL) & O_ACCMODE;
		if (h->cmsg_type != SCM_RIGHTS || h->cmsg_len != CMSG_LEN(sizeof(int)) || fstat(fd, &a) || fstat(pipes[0], &b) || a.st_ino != b.st_ino)
			return WRONG("sendmsg: another descriptor");
		which = flags == O_WRONLY;
		close(fd);
	}
	int whole = all(got, r, n == 16 || (n == 32 && got[0] == '1') ? '1' : '2');
	if (n != r || (n != 16 && n != 32 && n != 64) || !whole)
		return WRONG("sendmsg: %zd, %zd came", n, r);
	return n == 16 && which < 0 ? A : n == 64 && which == 1 ? B : MIX;
}

// A path of which one byte changes is one of two files, one of which four do one of sixteen.
static union {
	uint64_t word;
	char text[8];
} path;
static ino_t inodes[16];

static void name_of(char *to, int bits)
{
	for (int i = 0; i < 4; i++)
		to[i] = bits >> i & 1 ? 'b' : 'a';
	to[4] = 0;
}

static void byte_flip(int b) { SET(path.text[0], b ? 'b' : 'a'); }

static void word_flip(int b)
{
	char s[8] = "";
	uint64_t w;
	name_of(s, b ? 15 : 0);
	memcpy(&w, s, 8);
	SET(path.word, w);
}

static int opened(int only)
{
	char link[64], text[128];
	struct stat st;
	int fd = open(path.text, O_RDONLY);
	if (fd < 0 || fstat(fd, &st))
		return WRONG("open: %s", t_errno(errno));
	int i = 0;
	while (i < 16 && inodes[i] != st.st_ino)
		i++;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, text, sizeof text - 1);
	close(fd);
	char want[8];
	name_of(want, i);
	if (i == 16 || n < 4 || memcmp(text + n - 4, want, 4) || (only && i > 1))
		return WRONG("open: file %d", i);
	return i == 0 ? A : i == (only ? 1 : 15) ? B : MIX;
}

static int byte_open(void) { return opened(1); }
static int word_open(void) { return opened(0); }

// Two stat calls in one: what rename moves is one of the two, and both are there again.
static int byte_rename(void)
{
	if (rename(path.text, "moved"))
		return WRONG("rename: %s", t_errno(errno));
	int a = access("aaaa", F_OK) == 0, b = access("baaa", F_OK) == 0;
	if (a + b != 1 || rename("moved", a ? "baaa" : "aaaa"))
		return WRONG("rename: %d and %d are there", a, b);
	return a ? B : A;
}

// A set of signals is one word.
static uint64_t set;

static void set_flip(int b) { SET(set, b ? 1ull << 11 | 1ull << 40 : 1ull << 9 | 1ull << 2); }

static int set_mask(void)
{
	uint64_t now = 0, none = 0;
	CHECK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &set, NULL, 8) == 0 && syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, &now, 8) == 0);
	if (now == (1ull << 9 | 1ull << 2))
		return A;
	return now == (1ull << 11 | 1ull << 40) ? B : WRONG("sigprocmask: %lx", (long)now);
}

// A signal's action: handler, flags, restorer, mask.
static struct {
	uint64_t handler, flags, restorer, mask;
} action;

static void action_flip(int b)
{
	SET(action.handler, (uint64_t)(b ? 1 : 0)); // SIG_IGN, SIG_DFL
	SET(action.mask, b ? 0xf0ull : 0x0full << 20);
}

static int action_set(void)
{
	uint64_t now[4];
	CHECK(syscall(SYS_rt_sigaction, SIGURG, &action, NULL, 8) == 0 && syscall(SYS_rt_sigaction, SIGURG, NULL, now, 8) == 0);
	if (now[0] > 1 || now[1] || (now[3] != 0xf0 && now[3] != 0x0full << 20))
		return WRONG("sigaction: %lx %lx %lx", (long)now[0], (long)now[1], (long)now[3]);
	int ignored = now[0] == 1, mask = now[3] == 0xf0;
	return ignored != mask ? MIX : mask ? B : A;
}

// Times: four words, seen as they are in the file's. One of more than a second is EINVAL,
// and the file keeps what it had.
static struct timespec times[2];

static void times_flip(int b)
{
	for (int i = 0; i < 2; i++)
		SET(times[i].tv_sec, b ? 2000 : 1000), SET(times[i].tv_nsec, b ? 222 : 111);
}

static int times_set(void)
{
	struct stat st;
	CHECK(utimensat(AT_FDCWD, "aaaa", times, 0) == 0 && stat("aaaa", &st) == 0);
	const struct timespec *t[] = {&st.st_atim, &st.st_mtim};
	int a = 0, b = 0;
	for (int i = 0; i < 2; i++) {
		a += (t[i]->tv_sec == 1000) + (t[i]->tv_nsec == 111);
		b += (t[i]->tv_sec == 2000) + (t[i]->tv_nsec == 222);
	}
	return a + b != 4 ? WRONG("utimensat: %ld.%09ld", (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec) : a == 4 ? A : b == 4 ? B : MIX;
}

static void bad_time_flip(int b)
{
	SET(times[0].tv_sec, 3000), SET(times[1].tv_sec, 3000), SET(times[0].tv_nsec, 0);
	SET(times[1].tv_nsec, b ? 2000000000 : 333);
}

static int bad_time_set(void)
{
	static const struct timespec before[2] = {{1, 1}, {1, 1}};
	struct stat st;
	CHECK(utimensat(AT_FDCWD, "aaaa", before, 0) == 0);
	int r = utimensat(AT_FDCWD, "aaaa", times, 0), e = errno;
	CHECK(stat("aaaa", &st) == 0);
	if (r == 0 && st.st_mtim.tv_sec == 3000 && st.st_mtim.tv_nsec == 333)
		return A;
	return r == -1 && e == EINVAL && st.st_mtim.tv_sec == 1 && st.st_atim.tv_sec == 1 ? B : WRONG("utimensat: %d, %ld.%09ld", r, (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static struct itimerspec timer;

static void timer_flip(int b) { SET(timer.it_value.tv_sec, b ? 2000 : 1000), SET(timer.it_interval.tv_sec, b ? 20 : 10); }

static int timer_set(void)
{
	static int fd = -1;
	struct itimerspec now;
	if (fd < 0)
		fd = timerfd_create(CLOCK_MONOTONIC, 0);
	CHECK(timerfd_settime(fd, 0, &timer, NULL) == 0 && timerfd_gettime(fd, &now) == 0);
	int v = now.it_value.tv_sec >= 1990 && now.it_value.tv_sec <= 2000 ? B : now.it_value.tv_sec >= 990 && now.it_value.tv_sec <= 1000 ? A : 0;
	int i = now.it_interval.tv_sec == 20 ? B : now.it_interval.tv_sec == 10 ? A : 0;
	return !v || !i ? WRONG("timerfd: %ld, %ld", (long)now.it_value.tv_sec, (long)now.it_interval.tv_sec) : v == i ? v : MIX;
}

// poll: a pipe with something in it, or one without; of two entries 0, 1 or 2.
static struct pollfd polled[2];

static void poll_flip(int b)
{
	for (int i = 0; i < 2; i++)
		SET(polled[i].fd, b ? pipes[0] : empty[0]);
}

static int poll_now(void)
{
	CHECK(write(pipes[1], "x", 1) == 1);
	polled[0].events = polled[1].events = POLLIN;
	polled[0].revents = polled[1].revents = -1;
	int r = poll(polled, 2, 0), n = 0;
	for (int i = 0; i < 2; i++)
		if (polled[i].revents == POLLIN)
			n++;
		else if (polled[i].revents)
			return WRONG("poll: %x", polled[i].revents);
	CHECK(read(pipes[0], got, 1) == 1);
	return r != n ? WRONG("poll: %d, %d are ready", r, n) : n == 0 ? A : n == 2 ? B : MIX;
}

// epoll_ctl: events, and the two halves of the data, which lies across words.
static struct {
	uint32_t before; // so that the halves are aligned by themselves
	struct epoll_event e;
} watched __attribute__((aligned(16)));

static void epoll_flip(int b)
{
	uint32_t *half = (uint32_t *)&watched.e;
	SET(half[0], b ? EPOLLIN : EPOLLIN | EPOLLOUT | EPOLLONESHOT);
	SET(half[1], b ? 0x22222222u : 0x11111111u);
	SET(half[2], b ? 0x44444444u : 0x33333333u);
}

static int epoll_set(void)
{
	int fd = epoll_create1(0);
	struct epoll_event now[2];
	CHECK(epoll_ctl(fd, EPOLL_CTL_ADD, pair[0], &watched.e) == 0);
	CHECK(write(pair[1], "x", 1) == 1);
	int n = epoll_wait(fd, now, 2, 0), again = epoll_wait(fd, now + 1, 1, 0);
	CHECK(read(pair[0], got, sizeof got) == 1);
	close(fd);
	uint32_t low = now[0].data.u64, high = now[0].data.u64 >> 32;
	int once = now[0].events == (EPOLLIN | EPOLLOUT), b = (low == 0x22222222) + (high == 0x44444444), a = (low == 0x11111111) + (high == 0x33333333);
	if (n != 1 || a + b != 2 || again == once || (!once && now[0].events != EPOLLIN))
		return WRONG("epoll: %d, then %d, events %x, data %lx", n, again, now[0].events, (long)now[0].data.u64);
	return once && a == 2 ? A : !once && b == 2 ? B : MIX;
}

// connect: port and address.
static struct sockaddr_in address;

static void address_flip(int b)
{
	SET(address.sin_port, htons(b ? 2222 : 1111));
	SET(address.sin_addr.s_addr, htonl(b ? 0x7f000002 : 0x7f000001));
}

static int address_connect(void)
{
	struct sockaddr_in now;
	socklen_t n = sizeof now;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	address.sin_family = AF_INET;
	CHECK(connect(fd, (void *)&address, sizeof address) == 0 && getpeername(fd, (void *)&now, &n) == 0);
	close(fd);
	int port = ntohs(now.sin_port) == 2222 ? B : ntohs(now.sin_port) == 1111 ? A : 0;
	int host = ntohl(now.sin_addr.s_addr) == 0x7f000002 ? B : ntohl(now.sin_addr.s_addr) == 0x7f000001 ? A : 0;
	return !port || !host || now.sin_family != AF_INET ? WRONG("connect: %x, %d", ntohl(now.sin_addr.s_addr), ntohs(now.sin_port)) : port == host ? port : MIX;
}

// An option is one word of four bytes.
static int option;

static void option_flip(int b) { SET(option, b ? 0x02020202 : 0x01010101); }

static int option_set(void)
{
	static int fd = -1, now;
	socklen_t n = sizeof now;
	if (fd < 0)
		fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(setsockopt(fd, IPPROTO_TCP, 18 /* TCP_USER_TIMEOUT */, &option, sizeof option) == 0 && getsockopt(fd, IPPROTO_TCP, 18, &now, &n) == 0);
	return now == 0x01010101 ? A : now == 0x02020202 ? B : WRONG("setsockopt: %x", now);
}

// A Unix socket's name: a datagram comes to one of two.
static struct sockaddr_un named = {.sun_family = AF_UNIX, .sun_path = "socket0"};
static int receivers[2];

static void named_flip(int b) { SET(named.sun_path[6], b ? '1' : '0'); }

static int named_send(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	CHECK(sendto(fd, "x", 1, 0, (void *)&named, sizeof named) == 1);
	close(fd);
	ssize_t a = recv(receivers[0], got, 9, MSG_DONTWAIT), b = recv(receivers[1], got, 9, MSG_DONTWAIT);
	return a == 1 && b == -1 ? A : a == -1 && b == 1 ? B : WRONG("sendto: %zd and %zd came", a, b);
}

// A limit is never more than the hardest: it is 10, or EINVAL and what it was.
static struct rlimit limit = {10, 1000};

static void limit_flip(int b) { SET(limit.rlim_cur, b ? 2000 : 10); }

static int limit_set(void)
{
	struct rlimit now, before = {5, 1000};
	CHECK(setrlimit(RLIMIT_CORE, &before) == 0);
	int r = setrlimit(RLIMIT_CORE, &limit), e = errno;
	CHECK(getrlimit(RLIMIT_CORE, &now) == 0);
	if (r == 0 && now.rlim_cur == 10 && now.rlim_max == 1000)
		return A;
	return r == -1 && e == EINVAL && now.rlim_cur == 5 && now.rlim_max == 1000 ? B : WRONG("setrlimit: %d, %ld", r, (long)now.rlim_cur);
}

static const struct job {
	const char *name;
	void (*flip)(int b);
	int (*call)(void);
} jobs[] = {
	{"writev", iovec_flip, iovec_write}, {"readv", iovec_flip, iovec_read}, {"writev, kernel address", base_flip, base_write},
	{"readv, kernel address", base_flip, base_read}, {"writev, length", length_flip, length_write}, {"sendmsg", message_flip, message_send},
	{"open, a byte", byte_flip, byte_open}, {"open, a word", word_flip, word_open}, {"rename", byte_flip, byte_rename}, {"sigprocmask", set_flip, set_mask},
	{"sigaction", action_flip, action_set}, {"utimensat", times_flip, times_set}, {"utimensat, nanoseconds", bad_time_flip, bad_time_set},
	{"timerfd_settime", timer_flip, timer_set}, {"poll", poll_flip, poll_now}, {"epoll_ctl", epoll_flip, epoll_set}, {"connect", address_flip, address_connect}, {"setsockopt", option_flip, option_set},
	{"sendto, a name", named_flip, named_send}, {"setrlimit", limit_flip, limit_set},
};

static const struct job *volatile job, *volatile flipped;
static volatile int done;

static void *flips(void *arg)
{
	(void)arg;
	uint64_t seed = 99;
	for (unsigned n = 1; !done; n++) {
		const struct job *j = job;
		j->flip(n & 1);
		flipped = j;
		for (int i = next_random(&seed) % 64; i > 0; i--)
			__asm__ volatile("");
		if (n % 255 == 0 || j != job) // odd: with either value in turn, for who shares this CPU
			sched_yield();
	}
	return NULL;
}

int main(void)
{
	static const char *const sockets[] = {"socket0", "socket1"};
	t_folder("/dev/shm");
	for (int i = 0; i < 16; i++) {
		char name[8];
		struct stat st;
		name_of(name, i);
		int fd = open(name, O_CREAT | O_RDWR, 0600);
		CHECK(fd >= 0 && fstat(fd, &st) == 0);
		inodes[i] = st.st_ino;
		close(fd);
	}
	for (int i = 0; i < 2; i++) {
		struct sockaddr_un a = {.sun_family = AF_UNIX};
		strcpy(a.sun_path, sockets[i]);
		receivers[i] = socket(AF_UNIX, SOCK_DGRAM, 0);
		CHECK(bind(receivers[i], (void *)&a, sizeof a) == 0);
	}
	memset(ones, '1', 64), memset(twos, '2', 64);
	CHECK(pipe2(pipes, O_NONBLOCK) == 0 && pipe(empty) == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	control.h = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	message.msg_control = &control;
	pthread_t t = 0;
	for (size_t i = 0; i < COUNT(jobs) && !t_failed; i++) {
		// The flips of the job before are over when those of this one have begun.
		job = &jobs[i];
		if (!t)
			t = go(flips, NULL);
		while (flipped != &jobs[i])
			sched_yield();
		strcpy(path.text, "aaaa"); // where but a byte flips
		int seen = 0;
		int64_t end = now_ns(CLOCK_MONOTONIC) + 10000 * MS;
		for (int n = 0; !t_failed && (n < CALLS || ((seen & (A | B)) != (A | B) && now_ns(CLOCK_MONOTONIC) < end)); n++) {
			seen |= jobs[i].call();
			if (n % 64 == 0)
				sched_yield();
		}
		say("%s: %s", jobs[i].name, t_failed ? "wrong" : (seen & (A | B)) == (A | B) ? "A or B" : "not both seen");
	}
	done = 1;
	pthread_join(t, NULL);
	for (int i = 0; i < 16; i++) {
		char name[8];
		name_of(name, i);
		unlink(name);
	}
	unlink(sockets[0]), unlink(sockets[1]);
	return t_failed;
}
