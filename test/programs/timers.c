// Interval timers, POSIX timers and their signals, and the clocks behind them.
#include "t.h"
#include <sys/time.h>
#include <sys/timerfd.h>
#include <poll.h>

static volatile int ticks, value, code, overruns;
static timer_t timer;

static void tick(int s, siginfo_t *i, void *u)
{
	(void)s, (void)u;
	ticks++;
	value = i->si_value.sival_int;
	code = i->si_code;
	overruns += i->si_overrun;
}

static void on(int s)
{
	struct sigaction a = {.sa_sigaction = tick, .sa_flags = SA_SIGINFO};
	CHECK(sigaction(s, &a, NULL) == 0);
	ticks = overruns = 0;
}

static void wait_ticks(int n)
{
	int64_t end = now_ns(CLOCK_MONOTONIC) + 10000 * MS;
	while (ticks < n && now_ns(CLOCK_MONOTONIC) < end)
		pause_ns(MS);
}

static void interval(void)
{
	struct itimerval t = {{0, 20000}, {0, 20000}}, old, bad = {{0, 0}, {0, 1000000}}, off = {{0, 0}, {0, 0}};
	SHOW(setitimer(9, &t, NULL));
	SHOW(setitimer(ITIMER_REAL, &bad, NULL));
	SHOW(setitimer(ITIMER_REAL, (void *)8, NULL));
	SHOW(getitimer(9, &old));
	on(SIGALRM);
	int64_t start = now_ns(CLOCK_MONOTONIC);
	SHOW(setitimer(ITIMER_REAL, &t, &old));
	say("old %ld %ld", (long)old.it_value.tv_usec, (long)old.it_interval.tv_usec);
	wait_ticks(5);
	CHECK(now_ns(CLOCK_MONOTONIC) - start >= 99 * MS);
	SHOW(getitimer(ITIMER_REAL, &old));
	say("interval %ld, running %d", (long)old.it_interval.tv_usec, old.it_value.tv_usec > 0 && old.it_value.tv_usec <= 20000);
	say("ticks %d, code %d", ticks >= 5, code);
	SHOW(setitimer(ITIMER_REAL, &off, NULL));
	int n = ticks;
	pause_ns(50 * MS);
	say("stopped %d", ticks == n);
	on(SIGALRM);
	SHOW(alarm(100));
	SHOW(alarm(1));
	wait_ticks(1);
	say("alarm %d", ticks);
	SHOW(alarm(0));
	// Processor time of the process.
	on(SIGVTALRM);
	t.it_interval.tv_usec = 0;
	SHOW(setitimer(ITIMER_VIRTUAL, &t, NULL));
	int64_t end = now_ns(CLOCK_MONOTONIC) + 10000 * MS;
	while (!ticks && now_ns(CLOCK_MONOTONIC) < end)
		;
	say("virtual %d", ticks);
}

static void posix(void)
{
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 42};
	struct itimerspec t = {{0, 10 * MS}, {0, 10 * MS}}, old, bad = {{0, 0}, {0, 1000000000}}, off = {{0, 0}, {0, 0}};
	ev.sigev_signo = 65;
	SHOW(timer_create(CLOCK_MONOTONIC, &ev, &timer));
	ev.sigev_signo = SIGRTMIN;
	ev.sigev_notify = 77;
	SHOW(timer_create(CLOCK_MONOTONIC, &ev, &timer));
	ev.sigev_notify = SIGEV_SIGNAL;
	SHOW(timer_create(99, &ev, &timer));
	CHECK(timer_create(CLOCK_MONOTONIC, &ev, &timer) == 0);
	SHOW(timer_settime(timer, 0, &bad, NULL));
	SHOW(syscall(SYS_timer_settime, 12345, 0, &t, NULL));
	SHOW(timer_gettime(timer, &old));
	say("not running %ld", old.it_value.tv_nsec);
	on(SIGRTMIN);
	SHOW(timer_settime(timer, 0, &t, NULL));
	wait_ticks(5);
	say("ticks %d value %d code %d", ticks >= 5, value, code);
	SHOW(timer_settime(timer, 0, &off, &old));
	say("interval %d", (int)(old.it_interval.tv_nsec / MS));
	// Blocked for a while: one signal, and the rest as overruns.
	sigset_t m;
	sigemptyset(&m);
	sigaddset(&m, SIGRTMIN);
	on(SIGRTMIN);
	sigprocmask(SIG_BLOCK, &m, NULL);
	SHOW(timer_settime(timer, 0, &t, NULL));
	pause_ns(205 * MS);
	sigprocmask(SIG_UNBLOCK, &m, NULL);
	int o = overruns, n = ticks;
	timer_settime(timer, 0, &off, NULL);
	say("signals %d, overruns in bounds %d", n <= 2, o + n >= 15);
	on(SIGRTMIN);
	// Absolute, in the past: at once.
	struct itimerspec past = {{0, 0}, {1, 0}};
	SHOW(timer_settime(timer, TIMER_ABSTIME, &past, NULL));
	wait_ticks(1);
	say("past %d", ticks);
	SHOW(timer_delete(timer));
	SHOW(syscall(SYS_timer_delete, 12345));
	ev.sigev_notify = SIGEV_NONE;
	CHECK(timer_create(CLOCK_REALTIME, &ev, &timer) == 0);
	struct itimerspec far = {{0, 0}, {100, 0}};
	SHOW(timer_settime(timer, 0, &far, NULL));
	SHOW(timer_gettime(timer, &old));
	say("runs silently %d", old.it_value.tv_sec == 99 || old.it_value.tv_sec == 100);
	SHOW(timer_getoverrun(timer));
	SHOW(timer_delete(timer));
	// To one thread.
	struct sigevent te = {.sigev_notify = 4 /* SIGEV_THREAD_ID */, .sigev_signo = SIGRTMIN};
	memcpy((char *)&te + 16, &(int){my_tid()}, 4);
	CHECK(timer_create(CLOCK_MONOTONIC, &te, &timer) == 0);
	on(SIGRTMIN);
	timer_settime(timer, 0, &t, NULL);
	wait_ticks(3);
	say("thread %d", ticks >= 3);
	SHOW(timer_delete(timer));
	// Many at once.
	timer_t many[100];
	int made = 0;
	on(SIGRTMIN);
	ev.sigev_notify = SIGEV_SIGNAL;
	struct itimerspec once = {{0, 0}, {0, 20 * MS}};
	for (int i = 0; i < 100; i++)
		if (timer_create(CLOCK_MONOTONIC, &ev, &many[i]) == 0 && timer_settime(many[i], 0, &once, NULL) == 0)
			made++;
	wait_ticks(100);
	say("made %d, ticks %d", made, ticks);
	for (int i = 0; i < made; i++)
		timer_delete(many[i]);
}

static void descriptors(void)
{
	struct itimerspec t = {{0, 0}, {0, 20 * MS}}, old, off = {{0, 0}, {0, 0}}, rep = {{0, 10 * MS}, {0, 10 * MS}};
	uint64_t n;
	char small[4];
	SHOW(timerfd_create(99, 0));
	SHOW(timerfd_create(CLOCK_MONOTONIC, 1));
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	CHECK(fd >= 0);
	SHOW(fcntl(fd, F_GETFD));
	SHOW(read(fd, &n, 8));
	SHOW(read(fd, small, 4));
	SHOW(write(fd, &n, 8));
	SHOW(timerfd_settime(fd, 64, &t, NULL));
	SHOW(timerfd_settime(1, 0, &t, NULL));
	SHOW(timerfd_settime(fd, 0, &t, &old));
	struct pollfd p = {fd, POLLIN | POLLOUT, 0};
	SHOW(poll(&p, 1, 5000));
	say("events %x", p.revents);
	SHOW(read(fd, &n, 8));
	say("expirations %d", (int)n);
	SHOW(read(fd, &n, 8));
	SHOW(timerfd_settime(fd, 0, &rep, NULL));
	pause_ns(105 * MS);
	SHOW(read(fd, &n, 8));
	say("several %d", n >= 8);
	SHOW(timerfd_gettime(fd, &old));
	say("interval %d", (int)(old.it_interval.tv_nsec / MS));
	pause_ns(20 * MS);
	SHOW(timerfd_settime(fd, 0, &off, NULL)); // forgets what was counted
	SHOW(read(fd, &n, 8));
	close(fd);
	fd = timerfd_create(CLOCK_REALTIME, 0);
	struct itimerspec abs = {{0, 0}, ts_of(now_ns(CLOCK_REALTIME) + 50 * MS)};
	SHOW(timerfd_settime(fd, TFD_TIMER_ABSTIME, &abs, NULL));
	SHOW(read(fd, &n, 8)); // blocks
	CHECK(now_ns(CLOCK_REALTIME) >= abs.it_value.tv_sec * 1000000000LL + abs.it_value.tv_nsec);
	abs.it_value = (struct timespec){1, 0};
	SHOW(timerfd_settime(fd, TFD_TIMER_ABSTIME, &abs, NULL));
	SHOW(read(fd, &n, 8));
	say("past %d", (int)n);
	close(fd);
}

static void sleeping(void)
{
	struct timespec bad = {0, 1000000000}, neg = {-1, 0}, zero = {0, 0}, rest;
	SHOW(nanosleep(&bad, NULL));
	SHOW(nanosleep(&neg, NULL));
	SHOW(nanosleep(&zero, NULL));
	SHOW(nanosleep((void *)8, NULL));
	say("clock_nanosleep %s", t_errno(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &zero, NULL)));
	say("clock_nanosleep %s", t_errno(clock_nanosleep(99, 0, &zero, NULL)));
	say("clock_nanosleep %d", clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &zero, NULL));
	static const int64_t list[] = {1, 1000, 100000, MS, 5 * MS, 50 * MS};
	for (size_t i = 0; i < COUNT(list); i++)
		for (int n = 0; n < 5; n++) {
			struct timespec t = ts_of(list[i]);
			int64_t s = now_ns(CLOCK_MONOTONIC);
			CHECK(nanosleep(&t, &rest) == 0);
			s = now_ns(CLOCK_MONOTONIC) - s;
			CHECK(s >= list[i] && s < list[i] + 1000 * MS);
		}
	on(SIGALRM);
	struct itimerval it = {{0, 0}, {0, 50000}};
	setitimer(ITIMER_REAL, &it, NULL);
	struct timespec t = {10, 0};
	SHOW(nanosleep(&t, &rest));
	say("rest %d", rest.tv_sec == 9);
}

static const struct t_case cases[] = {
	{"interval", interval}, {"posix", posix}, {"descriptors", descriptors}, {"sleeping", sleeping},
};
T_MAIN(cases)
