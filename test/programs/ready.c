// Pipes, socket pairs, eventfds, and what epoll, poll and select say of them.
#include "t.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>

static char big[1 << 20];

static int states(int fd)
{
	struct pollfd p = {fd, POLLIN | POLLOUT | POLLRDHUP | POLLPRI, 0};
	poll(&p, 1, 0);
	return p.revents;
}

static void pipes(void)
{
	int p[2];
	char b[100];
	SHOW(syscall(SYS_pipe2, p, 0x1));
	SHOW(pipe2((int *)8, 0));
	CHECK(pipe2(p, O_NONBLOCK | O_CLOEXEC) == 0);
	SHOW(fcntl(p[0], F_GETFD));
	SHOW(fcntl(p[0], F_GETFL) == (O_RDONLY | O_NONBLOCK));
	say("empty %x %x", states(p[0]), states(p[1]));
	SHOW(read(p[0], b, 10));
	SHOW(read(p[0], b, 0));
	SHOW(write(p[0], b, 1));
	SHOW(read(p[1], b, 1));
	SHOW(write(p[1], "hello", 5));
	int n;
	SHOW(ioctl(p[0], FIONREAD, &n));
	say("held %d, states %x %x", n, states(p[0]), states(p[1]));
	SHOW(read(p[0], b, 3));
	SHOW(read(p[0], b, 10));
	SHOW(write(p[1], big, sizeof big)); // as much as there is room
	SHOW(write(p[1], "x", 1));
	say("full %x %x", states(p[0]), states(p[1]));
	SHOW(read(p[0], big, 4095));
	SHOW(write(p[1], big, 4096)); // not whole: nothing
	SHOW(read(p[0], big, 1));
	SHOW(write(p[1], big, 4096));
	SHOW(fcntl(p[0], F_GETPIPE_SZ));
	SHOW(fcntl(p[0], F_SETPIPE_SZ, 4096));
	while (read(p[0], big, sizeof big) > 0)
		;
	SHOW(fcntl(p[0], F_SETPIPE_SZ, 4096));
	SHOW(fcntl(p[0], F_SETPIPE_SZ, 5000));
	SHOW(write(p[1], big, 10000));
	while (read(p[0], big, sizeof big) > 0)
		;
	SHOW(write(p[1], (void *)8, 10));
	SHOW(write(p[1], (void *)8, 0));
	write(p[1], "abc", 3);
	SHOW(read(p[0], (void *)8, 3));
	SHOW(read(p[0], b, 3)); // what a fault did not take is still there
	write(p[1], "rest", 4);
	close(p[1]);
	say("writer gone %x", states(p[0]));
	SHOW(read(p[0], b, 10));
	SHOW(read(p[0], b, 10));
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	CHECK(pipe(p) == 0);
	close(p[0]);
	say("reader gone %x", states(p[1]));
	SHOW(write(p[1], "x", 1));
	close(p[1]);
}

static void *fills(void *arg)
{
	int fd = (int)(long)arg;
	uint64_t seed = 5;
	size_t total = 0;
	while (total < 3000000) {
		size_t n = 1 + next_random(&seed) % 9000;
		for (size_t i = 0; i < n; i++)
			big[500000 + i] = (total + i) * 31 >> 3;
		ssize_t w = write(fd, big + 500000, n);
		CHECK(w == (ssize_t)n); // blocking writes are whole
		total += n;
	}
	close(fd);
	return NULL;
}

static void blocking(void)
{
	int p[2];
	CHECK(pipe(p) == 0);
	pthread_t t = go(fills, (void *)(long)p[1]);
	uint64_t seed = 9;
	size_t total = 0, wrong = 0;
	for (;;) {
		ssize_t n = read(p[0], big, 1 + next_random(&seed) % 20000);
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			wrong += big[i] != (char)((total + i) * 31 >> 3);
		total += n;
	}
	pthread_join(t, NULL);
	say("all %d, wrong %zu", total >= 3000000, wrong);
	close(p[0]);
}

static void events(void)
{
	uint64_t v = 0, max = ~0ull;
	int fd = eventfd(3, EFD_NONBLOCK), s;
	SHOW(eventfd(0, 0x10));
	say("states %x", states(fd));
	SHOW(read(fd, &v, 7));
	SHOW(read(fd, &v, 8));
	say("value %d, states %x", (int)v, states(fd));
	SHOW(read(fd, &v, 8));
	SHOW(write(fd, &max, 8));
	v = 0;
	SHOW(write(fd, &v, 8));
	v = 1;
	SHOW(write(fd, &v, 4));
	max -= 1;
	SHOW(write(fd, &max, 8));
	say("full %x", states(fd));
	SHOW(write(fd, &v, 8));
	SHOW(read(fd, &v, 16));
	say("max %d", v == max);
	SHOW(lseek(fd, 0, SEEK_CUR));
	close(fd);
	s = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
	SHOW(read(s, &v, 8));
	say("value %d", (int)v);
	SHOW(read(s, &v, 8));
	SHOW(read(s, &v, 8));
	close(s);
}

static void pairs(void)
{
	int s[2];
	char b[100];
	signal(SIGPIPE, SIG_IGN);
	SHOW(socketpair(AF_INET, SOCK_STREAM, 0, s));
	SHOW(socketpair(AF_UNIX, 99, 0, s));
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s) == 0);
	say("fresh %x %x", states(s[0]), states(s[1]));
	SHOW(recv(s[0], b, 10, 0));
	SHOW(send(s[0], "hello", 5, 0));
	SHOW(recv(s[1], b, 2, MSG_PEEK));
	SHOW(recv(s[1], b, 100, 0));
	SHOW(shutdown(s[0], SHUT_WR));
	say("half %x %x", states(s[0]), states(s[1]));
	SHOW(recv(s[1], b, 10, 0));
	SHOW(send(s[0], "x", 1, 0));
	SHOW(send(s[1], "y", 1, 0));
	SHOW(recv(s[0], b, 10, 0));
	SHOW(close(s[1]));
	say("gone %x", states(s[0]));
	SHOW(recv(s[0], b, 10, 0));
	SHOW(send(s[0], "x", 1, 0));
	close(s[0]);
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, s) == 0);
	SHOW(send(s[0], "one", 3, 0));
	SHOW(send(s[0], "two!", 4, 0));
	SHOW(send(s[0], "", 0, 0));
	SHOW(recv(s[1], b, 2, 0)); // the rest of a message is lost
	SHOW(recv(s[1], b, 100, MSG_TRUNC));
	SHOW(recv(s[1], b, 100, 0));
	SHOW(recv(s[1], b, 100, 0));
	close(s[0]), close(s[1]);
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s) == 0);
	SHOW(send(s[0], "packet", 6, 0));
	struct iovec v[2] = {{b, 3}, {b + 3, 50}};
	struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
	SHOW(recvmsg(s[1], &m, 0));
	say("flags %x", m.msg_flags);
	// Descriptors travel.
	int p[2];
	CHECK(pipe(p) == 0);
	char c[CMSG_SPACE(sizeof(int))] = {0};
	struct msghdr d = {.msg_iov = &(struct iovec){"f", 1}, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
	struct cmsghdr *h = CMSG_FIRSTHDR(&d);
	h->cmsg_level = SOL_SOCKET, h->cmsg_type = SCM_RIGHTS, h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &p[0], sizeof(int));
	SHOW(sendmsg(s[0], &d, 0));
	close(p[0]);
	memset(c, 0, sizeof c);
	d.msg_iov = v, d.msg_controllen = sizeof c;
	SHOW(recvmsg(s[1], &d, MSG_CMSG_CLOEXEC));
	int got = -1;
	h = CMSG_FIRSTHDR(&d);
	if (h && h->cmsg_type == SCM_RIGHTS)
		memcpy(&got, CMSG_DATA(h), sizeof got);
	SHOW(fcntl(got, F_GETFD));
	write(p[1], "through", 7);
	SHOW(read(got, b, 10));
	close(got), close(p[1]), close(s[0]), close(s[1]);
}

static int ep;

static const char *wait_events(int timeout)
{
	static char text[200];
	struct epoll_event e[10];
	int n = epoll_wait(ep, e, 10, timeout);
	int len = snprintf(text, sizeof text, "%s:", result(n));
	for (int i = 0; i < n; i++)
		len += snprintf(text + len, sizeof text - len, " %d/%x", (int)e[i].data.u32, e[i].events);
	return text;
}

static int set(int op, int fd, uint32_t events, int data)
{
	struct epoll_event e = {.events = events, .data.u32 = data};
	return epoll_ctl(ep, op, fd, &e);
}

static void epolls(void)
{
	int p[2], q[2];
	char b[100];
	struct epoll_event e = {0};
	CHECK(pipe2(p, O_NONBLOCK) == 0 && pipe2(q, O_NONBLOCK) == 0);
	SHOW(epoll_create1(1));
	SHOW(syscall(SYS_epoll_create, 0));
	ep = epoll_create1(EPOLL_CLOEXEC);
	CHECK(ep >= 0);
	SHOW(set(EPOLL_CTL_ADD, ep, EPOLLIN, 0));
	SHOW(set(EPOLL_CTL_ADD, 999, EPOLLIN, 0));
	SHOW(set(EPOLL_CTL_MOD, p[0], EPOLLIN, 0));
	SHOW(set(EPOLL_CTL_DEL, p[0], 0, 0));
	SHOW(set(9, p[0], EPOLLIN, 0));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], (void *)8));
	SHOW(epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], &e));
	int file = open("/proc/self/exe", O_RDONLY);
	SHOW(set(EPOLL_CTL_ADD, file, EPOLLIN, 0)); // always ready: cannot be watched
	SHOW(epoll_wait(ep, &e, 0, 0));
	SHOW(epoll_wait(ep, &e, -1, 0));
	SHOW(epoll_wait(ep, (void *)8, 1, 0));
	SHOW(epoll_wait(p[0], &e, 1, 0));
	SHOW(set(EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
	SHOW(set(EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
	say("level, empty %s", wait_events(0));
	write(p[1], "a", 1);
	say("level %s", wait_events(1000));
	say("level again %s", wait_events(0));
	SHOW(set(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET, 2));
	say("edge after change %s", wait_events(0));
	say("edge again %s", wait_events(0));
	write(p[1], "b", 1);
	say("edge, more %s", wait_events(0));
	read(p[0], b, 1);
	say("edge, some left %s", wait_events(0));
	read(p[0], b, 10);
	write(p[1], "c", 1);
	say("edge, new %s", wait_events(0));
	SHOW(set(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 3));
	say("one shot %s", wait_events(0));
	write(p[1], "d", 1);
	say("one shot again %s", wait_events(0));
	SHOW(set(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 4));
	say("armed %s", wait_events(0));
	SHOW(set(EPOLL_CTL_DEL, p[0], 0, 0));
	say("removed %s", wait_events(0));
	SHOW(set(EPOLL_CTL_ADD, p[1], EPOLLOUT | EPOLLET, 5));
	say("writable %s", wait_events(0));
	while (write(p[1], big, 4096) > 0)
		;
	say("full %s", wait_events(0));
	while (read(p[0], big, 4096) > 0)
		;
	say("room %s", wait_events(0));
	// A duplicate keeps a closed descriptor watched.
	SHOW(set(EPOLL_CTL_ADD, q[0], EPOLLIN, 6));
	int d = dup(q[0]);
	close(q[0]);
	write(q[1], "x", 1);
	say("closed, duplicate open %s", wait_events(0));
	close(d);
	say("closed %s", wait_events(0));
	close(q[1]);
	SHOW(set(EPOLL_CTL_DEL, p[1], 0, 0));
	SHOW(set(EPOLL_CTL_ADD, p[0], 0, 7)); // HUP and ERR come unasked
	close(p[1]);
	say("hang-up %s", wait_events(0));
	close(p[0]);
	// Nested.
	int outer = epoll_create1(0), inner = ep;
	CHECK(pipe(p) == 0);
	SHOW(set(EPOLL_CTL_ADD, p[0], EPOLLIN, 8));
	ep = outer;
	SHOW(set(EPOLL_CTL_ADD, inner, EPOLLIN, 9));
	say("nested, empty %s", wait_events(0));
	write(p[1], "n", 1);
	say("nested %s", wait_events(1000));
	ep = inner;
	SHOW(set(EPOLL_CTL_ADD, outer, EPOLLIN, 10)); // a circle
	int chain[8];
	chain[0] = outer;
	for (int i = 1; i < 8; i++) {
		chain[i] = ep = epoll_create1(0);
		say("depth %d: %s", i, result(set(EPOLL_CTL_ADD, chain[i - 1], EPOLLIN, 0)));
	}
	for (int i = 0; i < 8; i++)
		close(chain[i]);
	close(inner), close(p[0]), close(p[1]), close(file);
	// A timeout is kept.
	ep = epoll_create1(0);
	int64_t t = now_ns(CLOCK_MONOTONIC);
	say("timeout %s", wait_events(50));
	t = now_ns(CLOCK_MONOTONIC) - t;
	CHECK(t >= 50 * MS && t < 2000 * MS);
	close(ep);
}

static void polls(void)
{
	int p[2];
	CHECK(pipe(p) == 0);
	struct pollfd f[4] = {{p[0], POLLIN, 0}, {p[1], POLLOUT, 0}, {-1, POLLIN, 7}, {999, POLLIN, 0}};
	SHOW(poll(f, 4, 0));
	say("%x %x %x %x", f[0].revents, f[1].revents, f[2].revents, f[3].revents);
	SHOW(poll(NULL, 0, 10));
	SHOW(poll((void *)8, 1, 0));
	SHOW(syscall(SYS_poll, f, -1, 0));
	struct timespec bad = {0, 1000000000}, zero = {0, 0};
	SHOW(ppoll(f, 1, &bad, NULL));
	SHOW(ppoll(f, 1, &zero, NULL));
	f[0].fd = open("/dev/null", O_RDWR);
	f[0].events = POLLIN | POLLOUT;
	SHOW(poll(f, 1, 0));
	say("null %x", f[0].revents);
	close(f[0].fd);
	fd_set r, w, x;
	struct timeval tv = {0, 0}, neg = {-1, 0}, some = {0, 30000};
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&x);
	FD_SET(p[0], &r);
	FD_SET(p[1], &w);
	FD_SET(p[0], &x);
	SHOW(select(p[1] + 1, &r, &w, &x, &tv));
	say("%d %d %d", !!FD_ISSET(p[0], &r), !!FD_ISSET(p[1], &w), !!FD_ISSET(p[0], &x));
	SHOW(syscall(SYS_select, -1, &r, NULL, NULL, &tv));
	SHOW(syscall(SYS_select, 1, &r, NULL, NULL, &neg));
	SHOW(select(0, NULL, NULL, NULL, &some));
	FD_ZERO(&r);
	FD_SET(500, &r);
	SHOW(select(501, &r, NULL, NULL, &tv));
	FD_ZERO(&r);
	FD_SET(p[0], &r);
	write(p[1], "x", 1);
	SHOW(select(p[0] + 1, &r, NULL, NULL, NULL));
	SHOW(pselect(p[0] + 1, &r, NULL, NULL, &zero, NULL));
	close(p[0]), close(p[1]);
}

static void signal_descriptors(void)
{
	sigset_t m;
	struct signalfd_siginfo i;
	sigemptyset(&m);
	sigaddset(&m, SIGUSR1);
	sigaddset(&m, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &m, NULL);
	int fd = signalfd(-1, &m, SFD_NONBLOCK);
	CHECK(fd >= 0);
	SHOW(read(fd, &i, sizeof i));
	SHOW(read(fd, &i, 10));
	kill(getpid(), SIGUSR1);
	sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 7});
	say("states %x", states(fd));
	SHOW(read(fd, &i, sizeof i));
	say("signal %d code %d", i.ssi_signo, i.ssi_code);
	SHOW(read(fd, &i, sizeof i));
	say("value %d", i.ssi_int);
	SHOW(read(fd, &i, sizeof i));
	close(fd);
	sigprocmask(SIG_UNBLOCK, &m, NULL);
}

static const struct t_case cases[] = {
	{"pipes", pipes}, {"blocking", blocking}, {"events", events}, {"pairs", pairs}, {"epoll", epolls}, {"poll", polls},
	{"signalfd", signal_descriptors},
};
T_MAIN(cases)
