// epoll where it is intricate: sets in sets, loops and depth, EPOLLEXCLUSIVE,
// EPOLLONESHOT, EPOLLET, descriptors that are closed while copies live. epoll(7),
// epoll_ctl(2).
#include "t.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#ifndef EPOLLEXCLUSIVE
#define EPOLLEXCLUSIVE (1U << 28)
#endif

static int add(int ep, int fd, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.u64 = fd};
	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

static int mod(int ep, int fd, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.u64 = fd};
	return epoll_ctl(ep, EPOLL_CTL_MOD, fd, &e);
}

static int del(int ep, int fd) { return epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL); }

// took says what a wait gave, the descriptors as letters from base on.
static void took(const char *what, int ep, int base, int ms)
{
	struct epoll_event e[16];
	char line[300];
	int r = epoll_wait(ep, e, 16, ms), n = snprintf(line, sizeof line, "%s: %s", what, result(r));
	for (int i = 0; i < r; i++)
		for (int j = i + 1; j < r; j++)
			if (e[j].data.u64 < e[i].data.u64) {
				struct epoll_event t = e[i];
				e[i] = e[j], e[j] = t;
			}
	for (int i = 0; i < r; i++)
		n += snprintf(line + n, sizeof line - n, " %c=%x", 'a' + (int)e[i].data.u64 - base, e[i].events);
	say("%s", line);
}

static void errors(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC), p[2], file = open("/proc/self/exe", O_RDONLY), dir = open("/", O_RDONLY | O_DIRECTORY), null = open("/dev/null", O_RDWR);
	struct epoll_event e = {.events = EPOLLIN};
	CHECK(pipe(p) == 0);
	SHOW(epoll_create1(1));
	SHOW(syscall(SYS_epoll_create, 0));
	SHOW(syscall(SYS_epoll_create, -1));
	SHOW(close(epoll_create(1)));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, file, &e));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, dir, &e));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, null, &e));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &e));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, -1, &e));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, 999, &e));
	SHOW(epoll_ctl(-1, EPOLL_CTL_ADD, p[0], &e));
	SHOW(epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], &e));
	SHOW(epoll_ctl(p[0], EPOLL_CTL_ADD, p[0], &e));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], NULL));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], (void *)8));
	SHOW(epoll_ctl(ep, 0, p[0], &e));
	SHOW(epoll_ctl(ep, 4, p[0], &e));
	SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e));
	SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], &e));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
	SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], (void *)8));
	SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], (void *)8));
	SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
	SHOW(epoll_wait(ep, &e, 0, 0));
	SHOW(epoll_wait(ep, &e, -1, 0));
	SHOW(epoll_wait(ep, &e, 0x7fffffff, 0));
	SHOW(epoll_wait(ep, (void *)8, 1, 0));
	SHOW(epoll_wait(p[0], &e, 1, 0));
	SHOW(epoll_wait(-1, &e, 1, 0));
	add(ep, p[1], EPOLLOUT);
	SHOW(epoll_wait(ep, (void *)8, 1, 0));
	took("still there", ep, p[0], 0);
	int null_ep = epoll_create1(0);
	SHOW(read(null_ep, &e, 1));
	SHOW(write(null_ep, &e, 1));
	SHOW(lseek(null_ep, 0, SEEK_SET));
	SHOW(epoll_pwait(ep, &e, 1, 0, NULL));
	SHOW(syscall(SYS_epoll_pwait, ep, &e, 1, 0, &e, 4));
	SHOW(syscall(SYS_epoll_pwait, ep, &e, 1, 0, (void *)8, 8));
#ifdef SYS_epoll_pwait2
	struct timespec bad = {0, 1000000000}, ok = {0, 1000};
	SHOW(syscall(SYS_epoll_pwait2, ep, &e, 1, &bad, NULL, 0));
	SHOW(syscall(SYS_epoll_pwait2, ep, &e, 1, &ok, NULL, 0));
	SHOW(syscall(SYS_epoll_pwait2, ep, &e, 1, (void *)8, NULL, 0));
	SHOW(syscall(SYS_epoll_pwait2, ep, &e, 1, NULL, NULL, 0));
#endif
	close(ep), close(p[0]), close(p[1]), close(file), close(dir), close(null), close(null_ep);
}

static void nested(void)
{
	int a = epoll_create1(0), b = epoll_create1(0), c = epoll_create1(0), p[2];
	CHECK(pipe(p) == 0);
	struct pollfd f = {a, POLLIN};
	SHOW(poll(&f, 1, 0));
	SHOW(add(a, b, EPOLLIN));
	SHOW(add(b, c, EPOLLIN));
	SHOW(add(c, a, EPOLLIN)); // a loop
	SHOW(add(c, b, EPOLLIN));
	SHOW(add(b, a, EPOLLIN));
	SHOW(add(c, p[0], EPOLLIN));
	took("nothing", a, b, 0);
	CHECK(write(p[1], "x", 1) == 1);
	took("three deep", a, b, 0);
	SHOW(poll(&f, 1, 0));
	took("again", a, b, 0);
	took("in the middle", b, c, 0);
	took("inside", c, p[0], 0);
	char d;
	CHECK(read(p[0], &d, 1) == 1);
	took("read", a, b, 0);
	SHOW(poll(&f, 1, 0));
	// A set inside that has gone.
	CHECK(write(p[1], "x", 1) == 1);
	close(c);
	took("the inner one closed", a, b, 0);
	close(b);
	took("the middle one closed", a, b, 0);
	close(a), close(p[0]), close(p[1]);
	// With edges: the outer one hears of each.
	a = epoll_create1(0), b = epoll_create1(0);
	CHECK(pipe(p) == 0);
	SHOW(add(a, b, EPOLLIN | EPOLLET));
	SHOW(add(b, p[0], EPOLLIN));
	CHECK(write(p[1], "x", 1) == 1);
	took("first", a, b, 100);
	took("no second", a, b, 0);
	CHECK(write(p[1], "y", 1) == 1);
	took("written again", a, b, 100);
	took("inside", b, p[0], 0);
	took("looking is no edge", a, b, 0);
	close(a), close(b), close(p[0]), close(p[1]);
	// How deep.
	int e[12], i;
	for (i = 0; i < 12; i++)
		e[i] = epoll_create1(0);
	CHECK(pipe(p) == 0);
	for (i = 0; i < 11; i++)
		if (add(e[i + 1], e[i], EPOLLIN) < 0)
			break;
	say("upwards %d, then %s", i, i < 11 ? t_errno(errno) : "-");
	SHOW(add(e[0], p[0], EPOLLIN));
	CHECK(write(p[1], "x", 1) == 1);
	took("at the top", e[i], e[i - 1], 100);
	for (i = 0; i < 12; i++)
		close(e[i]);
	for (i = 0; i < 12; i++)
		e[i] = epoll_create1(0);
	for (i = 0; i < 11; i++)
		if (add(e[i], e[i + 1], EPOLLIN) < 0)
			break;
	say("downwards %d, then %s", i, i < 11 ? t_errno(errno) : "-");
	for (i = 0; i < 12; i++)
		close(e[i]);
	// Two halves that together are too deep.
	for (i = 0; i < 8; i++)
		e[i] = epoll_create1(0);
	for (i = 0; i < 7; i++)
		if (i != 3)
			CHECK(add(e[i], e[i + 1], EPOLLIN) == 0);
	SHOW(add(e[3], e[4], EPOLLIN));
	for (i = 0; i < 8; i++)
		close(e[i]);
	close(p[0]), close(p[1]);
}

static void edges(void)
{
	int ep = epoll_create1(0), p[2], s[2];
	char b[70000] = {0};
	CHECK(pipe2(p, O_NONBLOCK) == 0);
	CHECK(write(p[1], "x", 1) == 1);
	add(ep, p[0], EPOLLIN | EPOLLET);
	took("there already", ep, p[0], 0);
	took("once", ep, p[0], 0);
	CHECK(write(p[1], "y", 1) == 1);
	took("more came", ep, p[0], 0);
	CHECK(read(p[0], b, 1) == 1);
	took("a part read", ep, p[0], 0);
	mod(ep, p[0], EPOLLIN | EPOLLET);
	took("MOD looks again", ep, p[0], 0);
	mod(ep, p[0], EPOLLOUT | EPOLLET);
	took("of another kind", ep, p[0], 0);
	mod(ep, p[0], EPOLLIN | EPOLLET);
	close(p[1]);
	took("the end", ep, p[0], 0);
	took("once", ep, p[0], 0);
	close(p[0]);
	// For writing.
	CHECK(pipe2(p, O_NONBLOCK) == 0);
	add(ep, p[1], EPOLLOUT | EPOLLET);
	took("room", ep, p[1], 0);
	CHECK(write(p[1], "x", 1) == 1);
	took("no edge", ep, p[1], 0);
	while (write(p[1], b, 4096) > 0)
		;
	took("full", ep, p[1], 0);
	CHECK(read(p[0], b, 100) == 100);
	took("a little read", ep, p[1], 0);
	while (read(p[0], b, sizeof b) > 0)
		;
	took("room again", ep, p[1], 0);
	close(p[0]);
	took("nobody reads", ep, p[1], 0);
	close(p[1]);
	// Sockets: both kinds come together.
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s) == 0);
	add(ep, s[0], EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
	took("fresh", ep, s[0], 0);
	CHECK(write(s[1], "x", 1) == 1);
	took("data", ep, s[0], 0);
	took("once", ep, s[0], 0);
	CHECK(write(s[1], "y", 1) == 1);
	took("more", ep, s[0], 0);
	shutdown(s[1], SHUT_WR);
	took("half closed", ep, s[0], 0);
	close(s[1]);
	took("closed", ep, s[0], 0);
	took("once", ep, s[0], 0);
	close(s[0]);
	// An event counter and a timer.
	int f = eventfd(0, EFD_NONBLOCK);
	uint64_t v = 1;
	add(ep, f, EPOLLIN | EPOLLET);
	CHECK(write(f, &v, 8) == 8);
	took("counted", ep, f, 0);
	CHECK(write(f, &v, 8) == 8);
	took("counted again, unread", ep, f, 0);
	CHECK(read(f, &v, 8) == 8);
	took("read", ep, f, 0);
	close(f);
	f = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	add(ep, f, EPOLLIN | EPOLLET);
	struct itimerspec it = {{0, 30 * MS}, {0, 30 * MS}};
	timerfd_settime(f, 0, &it, NULL);
	took("expired", ep, f, 1000);
	took("expired again, unread", ep, f, 1000);
	close(f);
	took("gone", ep, 0, 0);
	close(ep);
}

static void once(void)
{
	int ep = epoll_create1(0), p[2];
	char b;
	CHECK(pipe(p) == 0);
	add(ep, p[0], EPOLLIN | EPOLLONESHOT);
	CHECK(write(p[1], "x", 1) == 1);
	took("first", ep, p[0], 0);
	took("no second", ep, p[0], 0);
	CHECK(write(p[1], "y", 1) == 1);
	took("not for more either", ep, p[0], 0);
	SHOW(add(ep, p[0], EPOLLIN)); // it is still there
	mod(ep, p[0], EPOLLIN | EPOLLONESHOT);
	took("armed again", ep, p[0], 0);
	close(p[1]);
	took("not for the end", ep, p[0], 0);
	mod(ep, p[0], EPOLLIN);
	took("for good", ep, p[0], 0);
	took("for good", ep, p[0], 0);
	CHECK(read(p[0], &b, 1) == 1 && read(p[0], &b, 1) == 1);
	took("the end", ep, p[0], 0);
	mod(ep, p[0], 0);
	took("always told", ep, p[0], 0);
	mod(ep, p[0], EPOLLONESHOT);
	took("once, nothing asked", ep, p[0], 0);
	took("then not", ep, p[0], 0);
	close(p[0]), close(ep);
}

// Four wait, one writes: with EPOLLEXCLUSIVE not all wake, and one at least.
static int herd_ready, herd_woken, herd_read;
static int herd_pipe[2];
static uint32_t herd_events;

static void *waits(void *arg)
{
	(void)arg;
	int ep = epoll_create1(0);
	struct epoll_event e;
	CHECK(add(ep, herd_pipe[0], herd_events) == 0);
	__atomic_add_fetch(&herd_ready, 1, __ATOMIC_SEQ_CST);
	if (epoll_wait(ep, &e, 1, 700) == 1) {
		char b;
		__atomic_add_fetch(&herd_woken, 1, __ATOMIC_SEQ_CST);
		if (read(herd_pipe[0], &b, 1) == 1)
			__atomic_add_fetch(&herd_read, 1, __ATOMIC_SEQ_CST);
	}
	close(ep);
	return NULL;
}

static void herd(uint32_t events, const char *what)
{
	pthread_t t[4];
	herd_ready = herd_woken = herd_read = 0, herd_events = events;
	CHECK(pipe2(herd_pipe, O_NONBLOCK) == 0);
	for (int i = 0; i < 4; i++)
		t[i] = go(waits, NULL);
	while (__atomic_load_n(&herd_ready, __ATOMIC_SEQ_CST) < 4)
		pause_ns(MS);
	await_blocked(100 * MS);
	CHECK(write(herd_pipe[1], "x", 1) == 1);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	say("%s: somebody %d, read by %d", what, herd_woken > 0, herd_read);
	close(herd_pipe[0]), close(herd_pipe[1]);
}

static void exclusive(void)
{
	int ep = epoll_create1(0), other = epoll_create1(0), p[2];
	CHECK(pipe(p) == 0);
	SHOW(add(ep, p[0], EPOLLEXCLUSIVE | EPOLLIN));
	SHOW(mod(ep, p[0], EPOLLEXCLUSIVE | EPOLLIN));
	SHOW(mod(ep, p[0], EPOLLIN)); // it was exclusive
	SHOW(add(ep, p[0], EPOLLEXCLUSIVE | EPOLLIN));
	SHOW(del(ep, p[0]));
	SHOW(mod(ep, p[0], EPOLLEXCLUSIVE | EPOLLIN));
	SHOW(add(ep, p[0], EPOLLEXCLUSIVE | EPOLLIN | EPOLLONESHOT));
	SHOW(add(ep, p[0], EPOLLEXCLUSIVE | EPOLLIN | EPOLLRDHUP));
	SHOW(add(ep, p[0], EPOLLEXCLUSIVE | EPOLLIN | EPOLLPRI));
	SHOW(add(ep, p[0], EPOLLEXCLUSIVE | EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLET | EPOLLWAKEUP));
	SHOW(del(ep, p[0]));
	SHOW(add(ep, other, EPOLLEXCLUSIVE | EPOLLIN)); // not a set in a set
	SHOW(add(ep, p[0], EPOLLIN));
	SHOW(mod(ep, p[0], EPOLLIN | EPOLLEXCLUSIVE));
	close(ep), close(other), close(p[0]), close(p[1]);
	herd(EPOLLIN | EPOLLEXCLUSIVE, "exclusive");
	herd(EPOLLIN, "all");
	herd(EPOLLIN | EPOLLEXCLUSIVE | EPOLLET, "exclusive, edge");
}

// Closed descriptors: what is registered is the open file, by the number it had.
static void closed(void)
{
	int ep = epoll_create1(0), p[2], q[2];
	CHECK(pipe(p) == 0 && pipe(q) == 0);
	int copy = dup(p[0]);
	add(ep, p[0], EPOLLIN);
	CHECK(write(p[1], "x", 1) == 1);
	int was = p[0];
	close(p[0]);
	took("its copy lives", ep, was, 0);
	SHOW(del(ep, was));
	SHOW(mod(ep, was, EPOLLIN));
	SHOW(add(ep, copy, EPOLLIN)); // a number of its own
	struct epoll_event e[4];
	say("twice %d", epoll_wait(ep, e, 4, 0));
	// The number is used again, by another file: both are there.
	SHOW(dup2(q[0], was) == was);
	SHOW(add(ep, was, EPOLLIN));
	CHECK(write(q[1], "x", 1) == 1);
	say("three %d", epoll_wait(ep, e, 4, 0));
	SHOW(del(ep, was));
	say("two %d", epoll_wait(ep, e, 4, 0));
	close(was);
	close(copy);
	say("none %d", epoll_wait(ep, e, 4, 0));
	close(p[1]), close(q[0]), close(q[1]);
	// A copy of the set is the set.
	CHECK(pipe(p) == 0);
	int ep2 = dup(ep);
	add(ep2, p[1], EPOLLOUT);
	took("by the copy", ep, p[1], 0);
	close(ep);
	took("and by it alone", ep2, p[1], 0);
	SHOW(add(ep2, p[1], EPOLLOUT));
	SHOW(del(ep2, p[1]));
	// Closed while somebody waits: the wait goes on.
	close(p[0]), close(p[1]);
	took("nothing left", ep2, 0, 10);
	close(ep2);
}

static int waited_on;

static void *waits_once(void *arg)
{
	(void)arg;
	struct epoll_event e;
	int r = epoll_wait(waited_on, &e, 1, 2000);
	say("waiter: %d %x", r, r == 1 ? e.events : 0);
	return NULL;
}

static void meanwhile(void)
{
	int p[2];
	waited_on = epoll_create1(0);
	CHECK(pipe(p) == 0);
	CHECK(write(p[1], "x", 1) == 1);
	pthread_t t = go(waits_once, NULL);
	await_blocked(50 * MS);
	add(waited_on, p[0], EPOLLIN); // what is added is seen
	pthread_join(t, NULL);
	mod(waited_on, p[0], 0);
	t = go(waits_once, NULL);
	await_blocked(50 * MS);
	mod(waited_on, p[0], EPOLLIN);
	pthread_join(t, NULL);
	del(waited_on, p[0]);
	// The number of events is a limit, and all get their turn.
	int f[6], seen = 0;
	for (int i = 0; i < 6; i++) {
		f[i] = eventfd(1, 0);
		add(waited_on, f[i], EPOLLIN);
	}
	for (int k = 0; k < 3; k++) {
		struct epoll_event e[2];
		int r = epoll_wait(waited_on, e, 2, 0);
		for (int i = 0; i < r; i++)
			for (int j = 0; j < 6; j++)
				seen |= (e[i].data.u64 == (uint64_t)f[j]) << j;
	}
	say("seen %x", seen);
	for (int i = 0; i < 6; i++)
		close(f[i]);
	close(waited_on), close(p[0]), close(p[1]);
}

static const struct t_case cases[] = {
	{"errors", errors}, {"nested", nested}, {"edges", edges}, {"once", once}, {"exclusive", exclusive}, {"closed", closed}, {"meanwhile", meanwhile},
};
T_MAIN(cases)
