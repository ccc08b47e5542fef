// Waiting for several things: epoll's modes, signalfd, eventfd, timerfd, and the
// newer futex calls. What ready.c and futex.c show in passing is taken apart here.
#include "t.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

// wait_for prints what one epoll_wait reports, data and events in order of data.
static int wait_for(int ep, int ms)
{
	struct epoll_event e[8];
	char line[200] = "";
	int n = epoll_wait(ep, e, 8, ms);
	for (unsigned d = 0; d < 32; d++)
		for (int i = 0; i < n; i++)
			if (e[i].data.u32 == d)
				snprintf(line + strlen(line), sizeof line - strlen(line), " %u:%x", d, e[i].events);
	say("  %d%s", n, line);
	return n;
}

static int watch(int ep, int op, int fd, unsigned events, unsigned data)
{
	struct epoll_event e = {.events = events, .data.u32 = data};
	return epoll_ctl(ep, op, fd, &e);
}

static void modes(void)
{
	int ep = epoll_create1(0), p[2], s[2];
	char b[64];
	CHECK(pipe2(p, O_NONBLOCK) == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s) == 0);
	say("level");
	SHOW(watch(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
	wait_for(ep, 0);
	SHOW(write(p[1], "abcdef", 6));
	wait_for(ep, 0);
	wait_for(ep, 0);
	SHOW(read(p[0], b, 3));
	wait_for(ep, 0);
	SHOW(read(p[0], b, 3));
	wait_for(ep, 0);
	say("edge");
	SHOW(watch(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET, 2));
	wait_for(ep, 0);
	SHOW(write(p[1], "abc", 3));
	wait_for(ep, 0);
	wait_for(ep, 0);
	SHOW(write(p[1], "def", 3)); // still unread: news all the same
	wait_for(ep, 0);
	SHOW(read(p[0], b, 2));
	wait_for(ep, 0);
	SHOW(watch(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET, 2)); // looks again
	wait_for(ep, 0);
	wait_for(ep, 0);
	say("one shot");
	SHOW(watch(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 3));
	wait_for(ep, 0);
	wait_for(ep, 0);
	SHOW(write(p[1], "x", 1));
	wait_for(ep, 0);
	SHOW(watch(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 3));
	wait_for(ep, 0);
	say("both directions");
	SHOW(watch(ep, EPOLL_CTL_ADD, s[0], EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, 4));
	wait_for(ep, 0);
	wait_for(ep, 0);
	SHOW(write(s[1], "x", 1));
	wait_for(ep, 0);
	SHOW(shutdown(s[1], SHUT_WR));
	wait_for(ep, 0);
	close(s[1]);
	wait_for(ep, 0);
	wait_for(ep, 0);
	say("hang-up");
	SHOW(watch(ep, EPOLL_CTL_MOD, p[0], 0, 5));
	wait_for(ep, 0);
	close(p[1]);
	wait_for(ep, 0);
	wait_for(ep, 0);
	say("duplicates");
	int d = dup(p[0]);
	SHOW(watch(ep, EPOLL_CTL_ADD, d, EPOLLIN, 6));
	wait_for(ep, 0);
	close(p[0]); // the description lives on
	wait_for(ep, 0);
	SHOW(watch(ep, EPOLL_CTL_DEL, p[0], 0, 0));
	close(d);
	wait_for(ep, 0);
}

static void rules(void)
{
	int ep = epoll_create1(0), e = eventfd(0, EFD_NONBLOCK), f = open("/tmp", O_RDONLY), other = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev[2];
	SHOW(fcntl(other, F_GETFD));
	SHOW(epoll_create1(1));
	SHOW(syscall(SYS_epoll_create, 0));
	SHOW(watch(ep, EPOLL_CTL_ADD, f, EPOLLIN, 1));
	SHOW(watch(ep, EPOLL_CTL_ADD, ep, EPOLLIN, 1));
	SHOW(watch(ep, EPOLL_CTL_ADD, -1, EPOLLIN, 1));
	SHOW(watch(-1, EPOLL_CTL_ADD, e, EPOLLIN, 1));
	SHOW(watch(e, EPOLL_CTL_ADD, ep, EPOLLIN, 1));
	SHOW(watch(ep, EPOLL_CTL_MOD, e, EPOLLIN, 1));
	SHOW(watch(ep, EPOLL_CTL_DEL, e, EPOLLIN, 1));
	SHOW(watch(ep, EPOLL_CTL_ADD, e, EPOLLIN, 1));
	SHOW(watch(ep, EPOLL_CTL_ADD, e, EPOLLIN, 1));
	SHOW(watch(ep, 9, e, EPOLLIN, 1));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, e, NULL));
	SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, e, NULL));
	SHOW(watch(ep, EPOLL_CTL_ADD, e, EPOLLIN | EPOLLEXCLUSIVE, 1));
	SHOW(watch(ep, EPOLL_CTL_MOD, e, EPOLLIN | EPOLLEXCLUSIVE, 1));
	SHOW(watch(ep, EPOLL_CTL_MOD, e, EPOLLIN, 1));
	SHOW(watch(ep, EPOLL_CTL_DEL, e, 0, 1));
	SHOW(watch(ep, EPOLL_CTL_ADD, e, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 1));
	SHOW(watch(ep, EPOLL_CTL_ADD, other, EPOLLIN | EPOLLEXCLUSIVE, 1));
	SHOW(watch(ep, EPOLL_CTL_ADD, other, EPOLLIN, 1));
	SHOW(watch(other, EPOLL_CTL_ADD, ep, EPOLLIN, 1));
	SHOW(epoll_wait(ep, ev, 0, 0));
	SHOW(epoll_wait(ep, ev, -1, 0));
	SHOW(epoll_wait(e, ev, 1, 0));
	SHOW(epoll_wait(-1, ev, 1, 0));
	SHOW(epoll_wait(ep, (void *)8, 1, 0));
	SHOW(watch(other, EPOLL_CTL_ADD, e, EPOLLIN, 7));
	SHOW(eventfd_write(e, 1));
	wait_for(ep, 0); // ready through the one inside
	wait_for(other, 0);
	SHOW(epoll_wait(ep, (void *)8, 1, 0));
	struct timespec bad = {0, 2000000000}, zero = {0, 0};
	SHOW(syscall(SYS_epoll_pwait2, ep, ev, 1, &bad, NULL, 8));
	SHOW(syscall(SYS_epoll_pwait2, ep, ev, 1, &zero, NULL, 8));
	sigset_t set;
	sigemptyset(&set);
	SHOW(syscall(SYS_epoll_pwait, ep, ev, 1, 0, &set, 3));
	// A chain that is too deep.
	int last = epoll_create1(0), depth = 0;
	for (; depth < 10; depth++) {
		int next = epoll_create1(0);
		if (watch(next, EPOLL_CTL_ADD, last, EPOLLIN, 1) < 0)
			break;
		last = next;
	}
	say("depth %d %s", depth, t_errno(errno));
}

static volatile int handled;

static void handler(int sig)
{
	(void)sig;
	handled++;
}

// masks: epoll_pwait and ppoll let a blocked signal in while they wait.
static void masks(void)
{
	sigset_t block, none;
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, NULL);
	signal(SIGUSR1, handler);
	int ep = epoll_create1(0);
	struct epoll_event e;
	struct timespec ts = {5, 0};
	kill(getpid(), SIGUSR1);
	SHOW(epoll_wait(ep, &e, 1, 0));
	SHOW(epoll_pwait(ep, &e, 1, 5000, &none));
	say("handled %d", handled);
	kill(getpid(), SIGUSR1);
	SHOW(ppoll(NULL, 0, &ts, &none));
	say("handled %d", handled);
	kill(getpid(), SIGUSR1);
	SHOW(pselect(0, NULL, NULL, NULL, &ts, &none));
	say("handled %d", handled);
	kill(getpid(), SIGUSR1);
	SHOW(syscall(SYS_epoll_pwait2, ep, &e, 1, &ts, &none, 8));
	say("handled %d", handled);
	sigset_t now;
	sigprocmask(SIG_BLOCK, NULL, &now);
	say("blocked again %d", sigismember(&now, SIGUSR1));
}

static void print(const struct signalfd_siginfo *s)
{
	say("signal %u code %d errno %d pid %s int %d ptr %lx overrun %u", s->ssi_signo, s->ssi_code, s->ssi_errno,
	    s->ssi_pid == (unsigned)getpid() ? "own" : s->ssi_pid ? "other" : "0", s->ssi_int, (unsigned long)s->ssi_ptr, s->ssi_overrun > 0);
}

static void *sender(void *arg)
{
	await_blocked(20 * MS);
	kill(getpid(), SIGUSR2);
	return arg;
}

static void signal_descriptors(void)
{
	sigset_t set;
	struct signalfd_siginfo s[4];
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGRTMIN + 1);
	sigaddset(&set, SIGKILL); // ignored
	sigprocmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC), ep = epoll_create1(0);
	SHOW(fcntl(fd, F_GETFD));
	SHOW(fcntl(fd, F_GETFL) & O_NONBLOCK);
	SHOW(read(fd, s, sizeof *s));
	SHOW(read(fd, s, 100));
	SHOW(write(fd, s, sizeof *s));
	CHECK(watch(ep, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLOUT, 1) == 0);
	wait_for(ep, 0);
	kill(getpid(), SIGUSR2);
	raise(SIGUSR1);
	union sigval v = {.sival_int = 77};
	sigqueue(getpid(), SIGRTMIN + 1, v);
	v.sival_int = 78;
	sigqueue(getpid(), SIGRTMIN + 1, v);
	wait_for(ep, 0);
	ssize_t n = read(fd, s, sizeof s);
	say("read %ld", (long)n);
	for (ssize_t i = 0; i < n / (ssize_t)sizeof *s; i++)
		print(s + i);
	wait_for(ep, 0);
	SHOW(read(fd, s, sizeof s));
	// Another set on the same descriptor.
	sigdelset(&set, SIGUSR2);
	SHOW(signalfd(fd, &set, 0) == fd);
	kill(getpid(), SIGUSR2);
	SHOW(read(fd, s, sizeof s));
	sigaddset(&set, SIGUSR2);
	SHOW(signalfd(fd, &set, 0) == fd);
	SHOW(read(fd, s, sizeof *s));
	print(s);
	// A timer's signal.
	timer_t t;
	struct sigevent sev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1, .sigev_value.sival_int = 5};
	struct itimerspec it = {.it_value.tv_nsec = 10 * MS};
	CHECK(timer_create(CLOCK_MONOTONIC, &sev, &t) == 0 && timer_settime(t, 0, &it, NULL) == 0);
	wait_for(ep, 2000);
	SHOW(read(fd, s, sizeof *s));
	print(s);
	timer_delete(t);
	// Waiting, in read and in poll.
	fcntl(fd, F_SETFL, 0);
	pthread_t th = go(sender, NULL);
	SHOW(read(fd, s, sizeof *s));
	print(s);
	pthread_join(th, NULL);
	th = go(sender, NULL);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	SHOW(poll(&p, 1, 5000));
	say("events %x", p.revents);
	pthread_join(th, NULL);
	SHOW(read(fd, s, sizeof *s));
	// A signal for another thread is not ours.
	kill(getpid(), SIGUSR1);
	sigset_t pending;
	sigpending(&pending);
	say("pending %d", sigismember(&pending, SIGUSR1));
	SHOW(read(fd, s, sizeof *s));
	sigpending(&pending);
	say("pending %d", sigismember(&pending, SIGUSR1));
	// Arguments.
	SHOW(syscall(SYS_signalfd4, -1, &set, 4, 0));
	SHOW(syscall(SYS_signalfd4, -1, 8, 8, 0));
	SHOW(syscall(SYS_signalfd4, -1, &set, 8, 1));
	SHOW(syscall(SYS_signalfd4, 1000, &set, 8, 0));
	SHOW(syscall(SYS_signalfd4, ep, &set, 8, 0));
	OK(syscall(SYS_signalfd, -1, &set, 8));
	char link[64], name[64];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, name, sizeof name);
	say("%.*s", (int)n, name);
}

static void *other_thread(void *arg)
{
	struct signalfd_siginfo s;
	int fd = *(int *)arg;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	SHOW(poll(&p, 1, 0));
	SHOW(read(fd, &s, sizeof s));
	return NULL;
}

// Signals of a thread are read by that thread only.
static void thread_signals(void)
{
	sigset_t set;
	struct signalfd_siginfo s;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_NONBLOCK);
	pthread_kill(pthread_self(), SIGUSR1);
	pthread_t t = go(other_thread, &fd);
	pthread_join(t, NULL);
	SHOW(read(fd, &s, sizeof s));
	print(&s);
	// Not blocked: it goes to its handler, and nothing is left to read.
	signal(SIGUSR1, handler);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	handled = 0;
	raise(SIGUSR1);
	say("handled %d", handled);
	SHOW(read(fd, &s, sizeof s));
}

static void counters(void)
{
	uint64_t v[2] = {3, 0};
	int e = eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE), f = eventfd(5, EFD_NONBLOCK);
	SHOW(read(e, v, 8));
	say("%lu", (unsigned long)v[0]);
	SHOW(read(e, v, 16));
	say("%lu", (unsigned long)v[0]);
	SHOW(read(e, v, 8));
	SHOW(read(f, v, 8));
	say("%lu", (unsigned long)v[0]);
	SHOW(read(f, v, 7));
	v[0] = -1;
	SHOW(write(f, v, 8));
	v[0] = -2;
	SHOW(write(f, v, 8));
	v[0] = 1;
	SHOW(write(f, v, 8));
	struct pollfd p = {.fd = f, .events = POLLIN | POLLOUT};
	SHOW(poll(&p, 1, 0));
	say("events %x", p.revents);
	v[0] = 0;
	SHOW(write(f, v, 8));
	SHOW(write(f, v, 16));
	SHOW(write(f, v, 7));
	SHOW(write(f, (void *)8, 8));
	SHOW(read(f, (void *)8, 8));
	SHOW(syscall(SYS_eventfd2, 0, 2));
	SHOW(lseek(f, 0, SEEK_SET));
}

static void timers(void)
{
	uint64_t n;
	struct itimerspec it = {.it_value.tv_nsec = 5 * MS, .it_interval.tv_nsec = 5 * MS}, was;
	int t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), ep = epoll_create1(0);
	SHOW(read(t, &n, 8));
	SHOW(timerfd_settime(t, 0, &it, NULL));
	CHECK(watch(ep, EPOLL_CTL_ADD, t, EPOLLIN | EPOLLET, 1) == 0);
	wait_for(ep, 2000);
	pause_ns(30 * MS);
	SHOW(read(t, &n, 8));
	say("several %d", n > 3);
	SHOW(read(t, &n, 7));
	SHOW(timerfd_gettime(t, &was));
	say("interval %ld, left %d", (long)was.it_interval.tv_nsec, was.it_value.tv_nsec > 0 && was.it_value.tv_nsec <= 5 * MS);
	it = (struct itimerspec){0};
	SHOW(timerfd_settime(t, 0, &it, &was));
	say("interval %ld", (long)was.it_interval.tv_nsec);
	SHOW(read(t, &n, 8));
	clock_gettime(CLOCK_MONOTONIC, &it.it_value); // now: at once
	SHOW(timerfd_settime(t, TFD_TIMER_ABSTIME, &it, NULL));
	struct pollfd p = {.fd = t, .events = POLLIN};
	SHOW(poll(&p, 1, 2000));
	SHOW(read(t, &n, 8));
	say("%lu", (unsigned long)n);
	it.it_value.tv_nsec = 1000000000;
	SHOW(timerfd_settime(t, 0, &it, NULL));
	SHOW(timerfd_settime(t, 64, &it, NULL));
	SHOW(timerfd_settime(ep, 0, &was, NULL));
	SHOW(timerfd_settime(-1, 0, &was, NULL));
	SHOW(timerfd_gettime(ep, &was));
	SHOW(timerfd_create(99, 0));
	SHOW(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
	SHOW(timerfd_create(CLOCK_MONOTONIC, 1));
	SHOW(write(t, &n, 8));
}

// struct futex_waitv and the new calls.
struct waitv {
	uint64_t val, addr;
	uint32_t flags, reserved;
};

enum { SIZE_U32 = 2, PRIVATE = 128 };

static uint32_t words[4];

static long waitv(struct waitv *w, unsigned n, unsigned flags, int64_t after, int clock)
{
	struct timespec ts = ts_of(now_ns(clock == 99 ? 0 : clock) + after);
	return syscall(449, w, n, flags, after ? &ts : NULL, clock);
}

static void *waker(void *arg)
{
	await_blocked(20 * MS);
	long n = syscall(454, &words[(long)arg], 0xffffffffUL, 1, SIZE_U32 | PRIVATE);
	CHECK(n == 1);
	return NULL;
}

static void *any_waiter(void *arg)
{
	return (void *)syscall(455, &words[(long)arg], 0UL, 0xfUL, SIZE_U32 | PRIVATE, NULL, 0);
}

static void several_futexes(void)
{
	struct waitv w[130];
	for (size_t i = 0; i < COUNT(w); i++)
		w[i] = (struct waitv){0, (uintptr_t)&words[i % 4], SIZE_U32 | PRIVATE, 0};
	for (long i = 0; i < 4; i++) {
		pthread_t t = go(waker, (void *)i);
		SHOW(waitv(w, 4, 0, 0, CLOCK_MONOTONIC));
		pthread_join(t, NULL);
	}
	SHOW(waitv(w, 4, 0, 10 * MS, CLOCK_MONOTONIC));
	SHOW(waitv(w, 4, 0, 10 * MS, CLOCK_REALTIME));
	SHOW(waitv(w, 128, 0, 10 * MS, CLOCK_MONOTONIC));
	SHOW(waitv(w, 129, 0, 10 * MS, CLOCK_MONOTONIC));
	SHOW(waitv(w, 0, 0, 10 * MS, CLOCK_MONOTONIC));
	SHOW(waitv(w, 4, 1, 10 * MS, CLOCK_MONOTONIC));
	SHOW(waitv(w, 4, 0, 10 * MS, 99));
	SHOW(waitv(NULL, 4, 0, 10 * MS, CLOCK_MONOTONIC));
	SHOW(waitv((void *)8, 4, 0, 10 * MS, CLOCK_MONOTONIC));
	words[2] = 1;
	SHOW(waitv(w, 4, 0, 0, CLOCK_MONOTONIC));
	words[2] = 0;
	w[1].reserved = 1;
	SHOW(waitv(w, 4, 0, 10 * MS, CLOCK_MONOTONIC));
	w[1].reserved = 0, w[1].flags = 1;
	SHOW(waitv(w, 4, 0, 10 * MS, CLOCK_MONOTONIC));
	w[1].flags = SIZE_U32, w[1].addr = 8;
	SHOW(waitv(w, 4, 0, 10 * MS, CLOCK_MONOTONIC));
	w[1].addr = (uintptr_t)words + 1;
	SHOW(waitv(w, 4, 0, 10 * MS, CLOCK_MONOTONIC));
	w[1].addr = (uintptr_t)words, w[1].val = 1UL << 32;
	SHOW(waitv(w, 4, 0, 10 * MS, CLOCK_MONOTONIC));
}

static void new_futexes(void)
{
	struct waitv w[2] = {{0, (uintptr_t)&words[0], SIZE_U32 | PRIVATE, 0}, {0, (uintptr_t)&words[1], SIZE_U32 | PRIVATE, 0}};
	struct timespec past = {1, 0};
	SHOW(syscall(454, &words[0], 0xffUL, 1, SIZE_U32 | PRIVATE));
	SHOW(syscall(454, &words[0], 0UL, 1, SIZE_U32));
	SHOW(syscall(454, &words[0], 1UL << 32, 1, SIZE_U32));
	SHOW(syscall(454, &words[0], 1UL, 1, 0));
	SHOW(syscall(454, &words[0], 1UL, 1, 64));
	SHOW(syscall(454, (char *)words + 1, 1UL, 1, SIZE_U32));
	SHOW(syscall(454, 8, 1UL, 1, SIZE_U32));
	SHOW(syscall(455, &words[0], 1UL, 0xffUL, SIZE_U32, NULL, 0));
	SHOW(syscall(455, &words[0], 0UL, 0UL, SIZE_U32, NULL, 0));
	SHOW(syscall(455, &words[0], 0UL, 1UL, SIZE_U32, &past, CLOCK_MONOTONIC));
	SHOW(syscall(455, &words[0], 0UL, 1UL, SIZE_U32, &past, 7));
	SHOW(syscall(455, &words[0], 0UL, 1UL, SIZE_U32 | 64, &past, CLOCK_MONOTONIC));
	// Two wait at the first word; one is woken, one moved on.
	pthread_t a = go(any_waiter, 0), b = go(any_waiter, 0);
	await_blocked(50 * MS);
	SHOW(syscall(454, &words[0], 0xf0UL, 5, SIZE_U32 | PRIVATE)); // not in their set
	SHOW(syscall(454, &words[0], 0xfUL, 0, SIZE_U32 | PRIVATE));
	SHOW(syscall(456, w, 0, 1, 1));
	SHOW(syscall(454, &words[0], 0xfUL, 5, SIZE_U32 | PRIVATE));
	SHOW(syscall(454, &words[1], 0xfUL, 5, SIZE_U32 | PRIVATE));
	void *r;
	pthread_join(a, &r);
	say("woken %ld", (long)r);
	pthread_join(b, &r);
	say("woken %ld", (long)r);
	w[0].val = 1;
	SHOW(syscall(456, w, 0, 1, 1));
	SHOW(syscall(456, w, 1, 1, 1));
	SHOW(syscall(456, NULL, 0, 1, 1));
	w[0].val = 0;
	SHOW(syscall(456, w, 0, -1, 1));
}

// One futex, two addresses: memory mapped twice.
static void *at(void *arg)
{
	return (void *)syscall(SYS_futex, arg, 0 /* WAIT */, 0, NULL);
}

static void aliases(void)
{
	int fd = syscall(SYS_memfd_create, "alias", 0);
	CHECK(ftruncate(fd, 2 * PAGE) == 0);
	const struct {
		const char *name;
		int flags, fd;
	} list[] = {{"memfd", MAP_SHARED, fd}, {"anonymous", MAP_SHARED | MAP_ANONYMOUS, -1}, {"private", MAP_PRIVATE | MAP_ANONYMOUS, -1}};
	for (size_t i = 0; i < COUNT(list); i++) {
		char *a = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, list[i].flags, list[i].fd, 0);
		char *b = list[i].fd >= 0 ? mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, list[i].flags, list[i].fd, 0) : a;
		if (list[i].flags & MAP_SHARED && list[i].fd < 0) // an old size of 0 maps it once more
			b = mremap(a, 0, 2 * PAGE, MREMAP_MAYMOVE);
		CHECK(a != MAP_FAILED && b != MAP_FAILED);
		a[PAGE + 8] = 0;
		pthread_t t = go(at, a + PAGE + 8);
		long n = 0;
		for (int k = 0; k < 500 && n == 0; k++) {
			pause_ns(2 * MS);
			n = syscall(SYS_futex, b + PAGE + 8, 1 /* WAKE */, 1);
		}
		say("%s: woken at the other address %ld", list[i].name, n);
		if (n == 0)
			syscall(SYS_futex, a + PAGE + 8, 1, 1);
		pthread_join(t, NULL);
		say("at another offset %ld", syscall(SYS_futex, b + 8, 1, 1));
	}
}

static const struct t_case cases[] = {
	{"modes", modes}, {"rules", rules}, {"masks", masks}, {"signalfd", signal_descriptors},
	{"threads", thread_signals}, {"eventfd", counters}, {"timerfd", timers}, {"waitv", several_futexes},
	{"futex2", new_futexes}, {"aliases", aliases},
};
T_MAIN(cases)
