// Programs that eat: memory by touching it, and the kernel's memory by what they
// make it remember. Each argument is a case; what they get at last is for the
// caller to say (enough, an error, or the end).
#include "t.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

// most is how many of anything a case asks for.
static long most = 1L << 30;

// keep holds what a case made instead of giving it back.
static int keep;

// outcome says how a case ended: by an error that says that there is no more, or
// by having all it wanted.
static void outcome(const char *what, long n, int e)
{
	if (e && e != ENOMEM && e != EMFILE && e != ENFILE && e != EAGAIN && e != ENOBUFS && e != ENOSPC) {
		say("FAIL %s: %s after %ld", what, t_errno(e), n);
		t_failed = 1;
	}
	say("%s: %s", what, e ? "refused" : "all");
	fprintf(stderr, "%s: %ld, %s\n", what, n, e ? t_errno(e) : "all");
}

// alive checks that the kernel still does everyday things.
static void alive(void)
{
	char b[PAGE] = "x";
	int p[2];
	if (pipe(p)) {
		say("FAIL pipe: %s", t_errno(errno));
		t_failed = 1;
		return;
	}
	if (write(p[1], b, sizeof b) != sizeof b || read(p[0], b, sizeof b) != sizeof b) {
		say("FAIL a pipe does not carry");
		t_failed = 1;
	}
	close(p[0]);
	close(p[1]);
	char *m = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m == MAP_FAILED) {
		say("FAIL mmap: %s", t_errno(errno));
		t_failed = 1;
		return;
	}
	memset(m, 1, 16 * PAGE);
	munmap(m, 16 * PAGE);
}

static void touch(void)
{
	long n = 0;
	for (; n < most; n++) {
		char *m = malloc(1 << 20);
		if (!m)
			break;
		for (size_t i = 0; i < 1 << 20; i += PAGE)
			m[i] = 1;
	}
	outcome("touch", n, n < most ? errno : 0);
}

static void churn(void)
{
	// Four times what the machine has, but never more than a part at once.
	for (long n = 0; n < most; n++) {
		char *m = mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (m == MAP_FAILED) {
			outcome("churn", n, errno);
			return;
		}
		for (size_t i = 0; i < 8 << 20; i += PAGE)
			m[i] = 1;
		munmap(m, 8 << 20);
	}
	outcome("churn", most, 0);
}

static void files(void)
{
	char name[32], b[64 << 10];
	memset(b, 1, sizeof b);
	long n = 0;
	for (; n < most; n++) {
		snprintf(name, sizeof name, "/tmp/hog%ld", n);
		int fd = open(name, O_CREAT | O_WRONLY, 0600);
		ssize_t w = fd < 0 ? -1 : write(fd, b, sizeof b);
		if (w >= 0 && w < (ssize_t)sizeof b)
			errno = ENOSPC; // a part of it went in
		if (w != sizeof b)
			break;
		close(fd);
	}
	outcome("files", n, n < most ? errno : 0);
	for (long i = 0; i <= n; i++) {
		snprintf(name, sizeof name, "/tmp/hog%ld", i);
		unlink(name);
	}
}

// names makes empty files, which cost nothing but the kernel's own memory.
static void names(void)
{
	char name[256];
	memset(name, 'n', sizeof name);
	memcpy(name, "/tmp/", 5);
	long n = 0;
	for (; n < most; n++) {
		snprintf(name + 200, 56, "%ld", n);
		int fd = open(name, O_CREAT | O_WRONLY, 0600);
		if (fd < 0)
			break;
		close(fd);
	}
	outcome("names", n, n < most ? errno : 0);
}

static long descriptors(const char *what, int (*make)(void))
{
	long n = 0;
	int e = 0;
	for (; n < most; n++)
		if (make() < 0) {
			e = errno;
			break;
		}
	outcome(what, n, e);
	// All but the standard ones go.
	for (int fd = 3; !keep && fd < 1 << 16; fd++)
		close(fd);
	return n;
}

static int one_socket(void)
{
	int s = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr addr = {AF_INET};
	if (s >= 0 && (bind(s, &addr, sizeof addr) || listen(s, 128)) && errno != EADDRINUSE)
		return -1;
	return s;
}

static int one_udp(void)
{
	return socket(AF_INET6, SOCK_DGRAM, 0);
}

static int one_pipe(void)
{
	char b[64 << 10];
	int p[2];
	if (pipe2(p, O_NONBLOCK))
		return -1;
	return write(p[1], b, sizeof b) < 0 ? -1 : 0;
}

static int one_pair(void)
{
	char b[64 << 10];
	int p[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p))
		return -1;
	return write(p[1], b, sizeof b) < 0 ? -1 : 0;
}

static int one_event(void)
{
	return eventfd(0, 0);
}

static int one_epoll(void)
{
	static int last = -1;
	int e = epoll_create1(0);
	struct epoll_event ev = {EPOLLIN, {0}};
	if (e >= 0 && last >= 0)
		epoll_ctl(e, EPOLL_CTL_ADD, last, &ev);
	last = one_event();
	return last < 0 ? -1 : e;
}

static int one_timer(void)
{
	int t = timerfd_create(CLOCK_MONOTONIC, 0);
	struct itimerspec s = {{1000, 0}, {1000, 0}};
	return t < 0 || timerfd_settime(t, 0, &s, NULL) ? -1 : t;
}

static void mappings(void)
{
	long n = 0;
	for (; n < most; n++) // every second page, so that none merge
		if (mmap((void *)(0x100000000000 + n * 2 * PAGE), PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
			break;
	outcome("mappings", n, n < most ? errno : 0);
	if (!keep)
		munmap((void *)0x100000000000, n * 2 * PAGE);
}

// sparse touches a page in each 2 MiB, which needs a table each.
static void sparse(void)
{
	char *m = mmap(NULL, 1L << 40, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (m == MAP_FAILED) {
		outcome("sparse", 0, errno);
		return;
	}
	long n = 0;
	for (; n < most && n < 1 << 19; n++)
		m[n << 21] = 1;
	outcome("sparse", n, 0);
	munmap(m, 1L << 40);
}

static void *sleeper(void *arg)
{
	(void)arg;
	pause();
	return NULL;
}

static void threads(void)
{
	pthread_attr_t a;
	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 16 << 10);
	long n = 0;
	int e = 0;
	for (; n < most; n++) {
		pthread_t t;
		if ((e = pthread_create(&t, &a, sleeper, NULL)))
			break;
	}
	outcome("threads", n, e);
}

int main(int argc, char **argv)
{
	struct rlimit r;
	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
	for (int i = 1; i < argc; i++) {
		char *c = argv[i], *count = strchr(c, '=');
		most = 1L << 30;
		if (count) {
			*count = 0;
			most = strtol(count + 1, NULL, 0);
		}
		say("case %s", c);
		if (!strcmp(c, "keep")) keep = 1;
		else if (!strcmp(c, "touch")) touch();
		else if (!strcmp(c, "churn")) churn();
		else if (!strcmp(c, "files")) files();
		else if (!strcmp(c, "names")) names();
		else if (!strcmp(c, "sockets")) descriptors(c, one_socket);
		else if (!strcmp(c, "udp")) descriptors(c, one_udp);
		else if (!strcmp(c, "pipes")) descriptors(c, one_pipe);
		else if (!strcmp(c, "pairs")) descriptors(c, one_pair);
		else if (!strcmp(c, "events")) descriptors(c, one_event);
		else if (!strcmp(c, "epolls")) descriptors(c, one_epoll);
		else if (!strcmp(c, "timers")) descriptors(c, one_timer);
		else if (!strcmp(c, "mappings")) mappings();
		else if (!strcmp(c, "sparse")) sparse();
		else if (!strcmp(c, "threads")) threads();
		else {
			say("FAIL no case %s", c);
			return 2;
		}
		if (!keep)
			alive();
	}
	return t_failed;
}
