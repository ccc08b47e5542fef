// Everything that the kernel keeps for a program has a limit and an errno: this
// program makes of each as many as it can, sees the errno, gives them back, and
// can then make as many again. It runs in a small machine, where memory may be
// the limit that is met first.
#include "t.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <stdatomic.h>
#include <time.h>

enum { MOST = 1 << 20 };

// ended checks how a series came to its end: by one of two errnos, not before it
// had least, nor never.
static void ended(const char *what, long n, int e, int want, int or, long least)
{
	say("%s: %s", what, e == want || (or && e == or) ? "refused" : "FAIL");
	if ((e != want && e != or) || n < least || n >= MOST) {
		say("FAIL %s: %s after %ld", what, t_errno(e), n);
		t_failed = 1;
	}
	fprintf(stderr, "%s: %ld, %s\n", what, n, t_errno(e));
}

static void close_all(void)
{
	for (int fd = 3; fd < 1 << 16; fd++)
		close(fd);
}

static void descriptors(void)
{
	struct rlimit r;
	getrlimit(RLIMIT_NOFILE, &r);
	rlim_t soft = r.rlim_cur;
	for (int round = 0; round < 2; round++) {
		long n = 0;
		while (n < MOST && dup(1) >= 0)
			n++;
		ended("descriptors", n, errno, EMFILE, 0, (long)r.rlim_cur - 4);
		if ((rlim_t)n >= r.rlim_cur)
			say("FAIL %ld descriptors, %ld allowed", n, (long)r.rlim_cur);
		close_all();
		r.rlim_cur = r.rlim_max;
		CHECK(setrlimit(RLIMIT_NOFILE, &r) == 0);
	}
	OK(dup2(1, 65535));
	SHOW(dup2(1, 65536));
	SHOW(fcntl(1, F_DUPFD, 65536));
	close_all();
	r.rlim_cur = soft;
}

static void signals(void)
{
	struct rlimit r;
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGRTMIN);
	sigaddset(&s, SIGUSR1);
	sigprocmask(SIG_BLOCK, &s, NULL);
	getrlimit(RLIMIT_SIGPENDING, &r);
	for (int round = 0; round < 2; round++) {
		long n = 0, got = 0;
		union sigval v = {0};
		while (n < MOST && sigqueue(getpid(), SIGRTMIN, v) == 0)
			n++, v.sival_int++;
		ended("signals", n, errno, EAGAIN, 0, (long)r.rlim_cur);
		SHOW(kill(getpid(), SIGUSR1)); // gets through
		struct timespec z = {0, 0};
		siginfo_t i;
		for (; sigtimedwait(&s, &i, &z) > 0; got++)
			if (i.si_signo == SIGRTMIN && i.si_value.sival_int != got - 1)
				say("FAIL signal %ld carries %d", got, i.si_value.sival_int);
		if (got != n + 1)
			say("FAIL %ld of %ld signals came", got, n + 1);
	}
}

static void timers(void)
{
	static timer_t t[MOST];
	for (int round = 0; round < 2; round++) {
		long n = 0;
		struct sigevent ev = {0};
		ev.sigev_notify = SIGEV_SIGNAL;
		ev.sigev_signo = SIGUSR1;
		struct itimerspec soon = {{0, 1}, {0, 1}};
		while (n < MOST && timer_create(CLOCK_MONOTONIC, &ev, &t[n]) == 0)
			timer_settime(t[n++], 0, &soon, NULL); // its signal is blocked
		ended("timers", n, errno, EAGAIN, 0, 1000);
		while (n > 0)
			CHECK(timer_delete(t[--n]) == 0);
	}
	sigset_t s;
	sigpending(&s);
	SHOW(sigismember(&s, SIGUSR1));
}

static void items(void)
{
	for (int round = 0; round < 2; round++) {
		long n = 0;
		int e = 0, ev = eventfd(0, 0);
		struct epoll_event x = {EPOLLIN, {0}};
		int fds[512], sets[4096], made = 0, s;
		for (int i = 0; i < 512; i++)
			fds[i] = dup(ev);
		for (s = 0; s < 4096 && !e; s++, made++) {
			if ((sets[s] = epoll_create1(0)) < 0) {
				e = errno;
				break;
			}
			for (int i = 0; i < 512; i++, n++)
				if (epoll_ctl(sets[s], EPOLL_CTL_ADD, fds[i], &x)) {
					e = errno;
					break;
				}
		}
		ended("epoll items", n, e, ENOSPC, ENOMEM, 1000);
		close_all();
	}
	// Sets in sets: five deep, and no circle.
	int e[8];
	struct epoll_event x = {EPOLLIN, {0}};
	for (int i = 0; i < 8; i++)
		e[i] = epoll_create1(0);
	SHOW(epoll_ctl(e[0], EPOLL_CTL_ADD, e[0], &x));
	for (int i = 0; i < 4; i++)
		SHOW(epoll_ctl(e[i + 1], EPOLL_CTL_ADD, e[i], &x));
	SHOW(epoll_ctl(e[0], EPOLL_CTL_ADD, e[4], &x));
	SHOW(epoll_ctl(e[5], EPOLL_CTL_ADD, e[4], &x));
	close_all();
}

static void watches(void)
{
	char name[64];
	long n = 0, i;
	int e = 0, ino = inotify_init1(IN_NONBLOCK);
	for (; n < MOST; n++) {
		snprintf(name, sizeof name, "/tmp/w%ld", n);
		if (mkdir(name, 0700) || inotify_add_watch(ino, name, IN_CREATE) < 0) {
			e = errno;
			break;
		}
	}
	ended("watches", n, e, ENOSPC, ENOMEM, 1000);
	// The queue of events ends with one that says so. Room for them first.
	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof name, "/tmp/w%ld", --n);
		rmdir(name);
	}
	for (i = 0; i < 100000; i++) {
		snprintf(name, sizeof name, "/tmp/w%ld/x", i % (n < 1000 ? n : 1000));
		if (mkdir(name, 0700))
			rmdir(name);
	}
	char b[4096];
	ssize_t r;
	int over = 0;
	long events = 0;
	while ((r = read(ino, b, sizeof b)) > 0)
		for (char *p = b; p < b + r; p += sizeof(struct inotify_event) + ((struct inotify_event *)p)->len, events++)
			over += (((struct inotify_event *)p)->mask & IN_Q_OVERFLOW) != 0;
	say("overflow %d, events bounded %d", over, events < 50000);
	close_all();
	for (i = 0; i <= n; i++) {
		snprintf(name, sizeof name, "/tmp/w%ld/x", i);
		rmdir(name);
		name[strlen(name) - 2] = 0;
		rmdir(name);
	}
}

static void locks(void)
{
	int fd = open("/tmp/locked", O_CREAT | O_RDWR, 0600);
	for (int round = 0; round < 2; round++) {
		long n = 0;
		struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
		for (; n < 20000; n++, l.l_start += 2)
			if (fcntl(fd, F_SETLK, &l))
				break;
		say("locks %d", n == 20000 || errno == ENOLCK);
		fprintf(stderr, "locks: %ld\n", n);
		l = (struct flock){.l_type = F_UNLCK, .l_whence = SEEK_SET};
		SHOW(fcntl(fd, F_SETLK, &l));
	}
	close(fd);
	unlink("/tmp/locked");
}

static void pipes(void)
{
	static char b[1 << 20];
	for (int round = 0; round < 2; round++) {
		long n = 0;
		int e = 0, p[2];
		for (; n < MOST && !e; n++) {
			if (pipe2(p, O_NONBLOCK)) {
				e = errno;
				break;
			}
			fcntl(p[1], F_SETPIPE_SZ, sizeof b);
			if (write(p[1], b, sizeof b) < 0)
				e = errno;
		}
		ended("pipes", n, e, ENOMEM, EMFILE, 4);
		close_all();
	}
}

static void flight(void)
{
	// Descriptors on their way, sent through sockets that are sent themselves.
	long n = 0;
	int s[2], e = 0;
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, s) == 0);
	for (; n < MOST; n++) {
		char c[CMSG_SPACE(sizeof(int))] = {0}, byte = 0;
		struct iovec v = {&byte, 1};
		struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), &s[n & 1], sizeof(int));
		if (sendmsg(s[0], &m, 0) < 0) {
			e = errno;
			int t[2];
			if ((e == EAGAIN || e == ENOBUFS) && n < 100000 && socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, t) == 0) {
				close(s[0]);
				close(s[1]);
				s[0] = t[0], s[1] = t[1];
				continue;
			}
			break;
		}
	}
	say("descriptors in flight %d", n > 100);
	fprintf(stderr, "in flight: %ld, %s\n", n, t_errno(e));
	close_all();
}

static void mappings(void)
{
	for (int round = 0; round < 2; round++) {
		long n = 0;
		for (; n < MOST; n++)
			if (mmap((void *)(0x100000000000 + n * 2 * PAGE), PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
				break;
		ended("mappings", n, errno, ENOMEM, 0, 1000);
		munmap((void *)0x100000000000, n * 2 * PAGE);
	}
}

static atomic_int stop;

static void *sleeper(void *arg)
{
	while (!stop)
		syscall(SYS_futex, &stop, 128, 0, NULL, NULL, 0);
	return arg;
}

static void threads(void)
{
	static pthread_t t[5000];
	pthread_attr_t a;
	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 16 << 10);
	pthread_attr_setguardsize(&a, 0);
	int n = 0, e = 0;
	// So many fit into a small machine; the limit itself is a host test's.
	for (; n < 600 && !(e = pthread_create(&t[n], &a, sleeper, NULL)); n++)
		;
	say("threads %d", n == 600 || e == EAGAIN);
	stop = 1;
	syscall(SYS_futex, &stop, 129, 1 << 30, NULL, NULL, 0);
	while (n > 0)
		pthread_join(t[--n], NULL);
	stop = 0;
}

static const struct t_case cases[] = {
	{"descriptors", descriptors}, {"signals", signals}, {"timers", timers}, {"items", items}, {"watches", watches}, {"locks", locks},
	{"pipes", pipes}, {"flight", flight}, {"mappings", mappings}, {"threads", threads},
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases, COUNT(cases));
}
