// Signals: handlers, masks, nesting, alternative stacks, queued real-time signals,
// waiting for signals, what is restarted.
#include "t.h"
#include <poll.h>
#include <setjmp.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <ucontext.h>

static char trace[4096];

static void note(const char *format, ...)
{
	va_list a;
	size_t n = strlen(trace);
	va_start(a, format);
	vsnprintf(trace + n, sizeof trace - n, format, a);
	va_end(a);
}

static void show_trace(const char *what)
{
	say("%s:%s", what, trace);
	trace[0] = 0;
}

static void set(int s, void (*f)(int), int flags)
{
	struct sigaction a = {.sa_handler = f, .sa_flags = flags};
	CHECK(sigaction(s, &a, NULL) == 0);
}

static void set_info(int s, void (*f)(int, siginfo_t *, void *), int flags, int mask)
{
	struct sigaction a = {.sa_sigaction = f, .sa_flags = SA_SIGINFO | flags};
	if (mask)
		sigaddset(&a.sa_mask, mask);
	CHECK(sigaction(s, &a, NULL) == 0);
}

static void block(int how, int s)
{
	sigset_t m;
	sigemptyset(&m);
	sigaddset(&m, s);
	CHECK(pthread_sigmask(how, &m, NULL) == 0);
}

static void counts(int s)
{
	note(" %d", s);
}

static void arguments(void)
{
	struct sigaction a = {.sa_handler = counts}, old;
	sigset_t m;
	stack_t ss = {.ss_sp = trace, .ss_size = 100};
	SHOW(sigaction(SIGKILL, &a, NULL));
	SHOW(sigaction(SIGSTOP, &a, NULL));
	SHOW(sigaction(SIGKILL, NULL, &old));
	SHOW(sigaction(0, NULL, &old));
	SHOW(sigaction(65, NULL, &old));
	SHOW(sigaction(64, NULL, &old));
	SHOW(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4));
	SHOW(syscall(SYS_rt_sigaction, SIGUSR1, (void *)8, NULL, 8));
	SHOW(syscall(SYS_rt_sigprocmask, 7, &m, NULL, 8));
	SHOW(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &m, NULL, 16));
	SHOW(syscall(SYS_rt_sigprocmask, SIG_BLOCK, (void *)8, NULL, 8));
	SHOW(syscall(SYS_rt_sigpending, &m, 9));
	SHOW(sigaltstack(&ss, NULL));
	ss.ss_size = 65536, ss.ss_flags = 99;
	SHOW(sigaltstack(&ss, NULL));
	SHOW(kill(getpid(), -1));
	SHOW(kill(getpid(), 65));
	SHOW(kill(999999, 0));
	SHOW(kill(getpid(), 0));
	SHOW(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, NULL));
	// The kernel drops SIGKILL and SIGSTOP from every mask.
	sigfillset(&m);
	sigprocmask(SIG_SETMASK, &m, NULL);
	uint64_t raw = 0;
	SHOW(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &raw, 8));
	say("kill %d, stop %d, usr1 %d", (int)(raw >> (SIGKILL - 1) & 1), (int)(raw >> (SIGSTOP - 1) & 1), (int)(raw >> (SIGUSR1 - 1) & 1));
	sigemptyset(&m);
	sigprocmask(SIG_SETMASK, &m, NULL);
}

static void flags(void)
{
	struct sigaction a;
	set(SIGUSR1, counts, SA_RESETHAND);
	CHECK(sigaction(SIGUSR1, NULL, &a) == 0 && a.sa_handler == counts);
	raise(SIGUSR1);
	CHECK(sigaction(SIGUSR1, NULL, &a) == 0);
	say("reset: %d", a.sa_handler == SIG_DFL);
	show_trace("once");
	set(SIGUSR1, SIG_IGN, 0);
	raise(SIGUSR1);
	block(SIG_BLOCK, SIGUSR1);
	raise(SIGUSR1); // kept: what is blocked is not ignored, the handler may yet change
	set(SIGUSR1, counts, 0);
	block(SIG_UNBLOCK, SIGUSR1);
	show_trace("ignored while blocked");
	block(SIG_BLOCK, SIGUSR1);
	raise(SIGUSR1);
	raise(SIGUSR1); // once only
	sigset_t p;
	sigpending(&p);
	say("pending %d %d", sigismember(&p, SIGUSR1), sigismember(&p, SIGUSR2));
	block(SIG_UNBLOCK, SIGUSR1);
	show_trace("twice while blocked");
	block(SIG_BLOCK, SIGUSR1);
	raise(SIGUSR1);
	set(SIGUSR1, SIG_IGN, 0); // discards it
	set(SIGUSR1, counts, 0);
	block(SIG_UNBLOCK, SIGUSR1);
	show_trace("discarded");
}

static int left;

static void nests(int s)
{
	note(" <%d", s);
	if (left-- > 0)
		raise(s);
	note(" %d>", s);
}

static void raises_other(int s)
{
	note(" <%d", s);
	if (s == SIGUSR1)
		raise(SIGUSR2);
	note(" %d>", s);
}

static void info_raises(int s, siginfo_t *i, void *u)
{
	(void)i, (void)u;
	raises_other(s);
}

static void nesting(void)
{
	left = 3;
	set(SIGUSR1, nests, SA_NODEFER);
	raise(SIGUSR1);
	show_trace("nodefer");
	left = 3;
	set(SIGUSR1, nests, 0); // the second comes when the first has returned
	raise(SIGUSR1);
	show_trace("deferred");
	set(SIGUSR1, raises_other, 0);
	set(SIGUSR2, raises_other, 0);
	raise(SIGUSR1);
	show_trace("other inside");
	set_info(SIGUSR1, info_raises, 0, SIGUSR2);
	raise(SIGUSR1);
	show_trace("other masked");
	sigset_t m, o;
	sigemptyset(&m);
	sigaddset(&m, SIGUSR1);
	sigaddset(&m, SIGUSR2);
	sigprocmask(SIG_BLOCK, &m, &o);
	set(SIGUSR1, counts, 0);
	set(SIGUSR2, counts, 0);
	raise(SIGUSR2);
	raise(SIGUSR1);
	sigprocmask(SIG_SETMASK, &o, NULL);
	show_trace("pending together"); // frames are built lowest first, so the highest runs first
}

static void queued(int s, siginfo_t *i, void *u)
{
	(void)u;
	note(" %d:%d:%d:%d", s - SIGRTMIN, i->si_value.sival_int, i->si_code, i->si_pid == getpid());
}

// wait_for is rt_sigtimedwait(2) as it is: musl's function starts again after
// EINTR, and glibc's changes si_code.
static int wait_for(const sigset_t *m, siginfo_t *i, const struct timespec *t)
{
	return syscall(SYS_rt_sigtimedwait, m, i, t, 8);
}

static void real_time(void)
{
	sigset_t m, o;
	sigemptyset(&m);
	for (int i = 0; i < 3; i++) {
		set_info(SIGRTMIN + i, queued, 0, 0);
		sigaddset(&m, SIGRTMIN + i);
	}
	sigprocmask(SIG_BLOCK, &m, &o);
	for (int n = 0; n < 4; n++)
		for (int i = 2; i >= 0; i--)
			CHECK(sigqueue(getpid(), SIGRTMIN + i, (union sigval){.sival_int = 10 * i + n}) == 0);
	kill(getpid(), SIGRTMIN);
	// Synchronously: the lowest number first, each in the order of sending.
	for (int n = 0; n < 6; n++) {
		siginfo_t i;
		struct timespec none = {0, 0};
		int s = wait_for(&m, &i, &none);
		say("waited %d: value %d code %d", s - SIGRTMIN, s - SIGRTMIN == 0 && n == 4 ? 0 : i.si_value.sival_int, i.si_code);
	}
	sigprocmask(SIG_SETMASK, &o, NULL);
	show_trace("handlers");
	siginfo_t i = {.si_code = SI_USER};
	SHOW(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &i) == 0 || errno == EPERM);
	i.si_code = -60, i.si_value.sival_int = 5;
	set_info(SIGRTMIN, queued, 0, 0);
	SHOW(syscall(SYS_rt_tgsigqueueinfo, getpid(), my_tid(), SIGRTMIN, &i));
	say("own code:%s", strchr(trace, ':') ? strchr(trace, ':') : "");
	trace[0] = 0;
}

static volatile int slept;

static void *sends(void *arg)
{
	pthread_t *t = arg;
	await_blocked(50 * MS);
	pthread_kill(*t, SIGUSR1);
	return NULL;
}

static void waiting(void)
{
	pthread_t me = pthread_self(), t;
	sigset_t m, empty, o;
	siginfo_t i;
	struct timespec some = ts_of(20 * MS), none = {0, 0}, bad = {0, -1};
	sigemptyset(&empty);
	sigemptyset(&m);
	sigaddset(&m, SIGUSR1);
	set(SIGUSR1, counts, 0);
	set(SIGUSR2, counts, 0);
	sigprocmask(SIG_BLOCK, &m, &o);
	t = go(sends, &me);
	SHOW(sigsuspend(&empty));
	show_trace("suspended");
	pthread_join(t, NULL);
	sigset_t now;
	sigprocmask(SIG_BLOCK, NULL, &now);
	say("mask again: %d", sigismember(&now, SIGUSR1));
	SHOW(wait_for(&m, &i, &none));
	SHOW(wait_for(&m, &i, &some));
	SHOW(wait_for(&m, &i, &bad));
	t = go(sends, &me);
	SHOW(wait_for(&m, &i, NULL));
	say("code %d", i.si_code);
	pthread_join(t, NULL);
	// Another signal's handler ends the wait.
	sigemptyset(&m);
	sigaddset(&m, SIGUSR2);
	sigprocmask(SIG_SETMASK, &m, NULL);
	t = go(sends, &me);
	SHOW(wait_for(&m, &i, NULL));
	pthread_join(t, NULL);
	show_trace("other");
	sigprocmask(SIG_SETMASK, &o, NULL);
	t = go(sends, &me);
	SHOW(pause());
	pthread_join(t, NULL);
	show_trace("pause");
}

static char stack_a[65536];

static void where(int s)
{
	char c;
	stack_t ss;
	sigaltstack(NULL, &ss);
	note(" %d on the stack %d flags %d", s, &c >= stack_a && &c < stack_a + sizeof stack_a, ss.ss_flags);
	stack_t other = {.ss_sp = trace, .ss_size = 65536};
	note(" change %s", sigaltstack(&other, NULL) ? t_errno(errno) : "ok");
	if (s == SIGUSR1)
		raise(SIGUSR2);
}

static void alternative(void)
{
	stack_t ss = {.ss_sp = stack_a, .ss_size = sizeof stack_a}, old;
	SHOW(sigaltstack(&ss, NULL));
	SHOW(sigaltstack(NULL, &old));
	say("flags %d size %zu", old.ss_flags, old.ss_size);
	set(SIGUSR1, where, SA_ONSTACK);
	set(SIGUSR2, where, SA_ONSTACK);
	raise(SIGUSR1);
	show_trace("nested");
	ss.ss_flags = 1u << 31; // SS_AUTODISARM
	SHOW(sigaltstack(&ss, NULL));
	set(SIGUSR2, where, 0);
	raise(SIGUSR2);
	trace[0] = 0;
	ss.ss_flags = SS_DISABLE;
	SHOW(sigaltstack(&ss, NULL));
	set(SIGUSR2, counts, SA_ONSTACK); // none: on the normal stack
	raise(SIGUSR2);
	show_trace("disabled");
	// A frame that does not fit is a SEGV that cannot be caught there: seen in exit.c.
}

static sigjmp_buf env;

static void jumps(int s)
{
	siglongjmp(env, s);
}

static void jumping(void)
{
	sigset_t m;
	set(SIGUSR1, jumps, 0);
	for (int n = 0; n < 1000; n++)
		if (!sigsetjmp(env, 1))
			raise(SIGUSR1);
	sigprocmask(SIG_BLOCK, NULL, &m);
	say("mask restored: %d", !sigismember(&m, SIGUSR1));
	stack_t ss = {.ss_sp = stack_a, .ss_size = sizeof stack_a}, old;
	CHECK(sigaltstack(&ss, NULL) == 0);
	set(SIGUSR1, jumps, SA_ONSTACK);
	for (int n = 0; n < 1000; n++)
		if (!sigsetjmp(env, 1))
			raise(SIGUSR1);
	sigaltstack(NULL, &old);
	say("off the stack: %d", old.ss_flags);
}

// What a handler with and without SA_RESTART does to calls that wait.
static int fds[2], ep;

static long call_read(void) { char c; return read(fds[0], &c, 1); }
static long call_poll(void) { struct pollfd p = {fds[0], POLLIN, 0}; return poll(&p, 1, -1); }
static long call_ppoll(void) { struct pollfd p = {fds[0], POLLIN, 0}; return ppoll(&p, 1, NULL, NULL); }
static long call_epoll(void) { struct epoll_event e; return epoll_wait(ep, &e, 1, -1); }
static long call_select(void) { fd_set f; FD_ZERO(&f); FD_SET(fds[0], &f); return select(fds[0] + 1, &f, NULL, NULL, NULL); }
static long call_sleep(void) { struct timespec t = ts_of(300 * MS); return nanosleep(&t, NULL); }
static long call_recv(void) { char c; return recv(fds[0], &c, 1, 0); }
static int timed;
static long call_recv_timed(void) { char c; timed = 1; return recv(fds[0], &c, 1, 0); }
static long call_abs(void)
{
	struct timespec t = ts_of(now_ns(CLOCK_MONOTONIC) + 300 * MS);
	int e = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
	errno = e;
	return e ? -1 : 0;
}

static void *kicks(void *arg)
{
	pthread_t *t = arg;
	for (int n = 0; n < 3; n++) {
		await_blocked(30 * MS);
		pthread_kill(*t, SIGUSR1);
	}
	await_blocked(30 * MS);
	(void)!write(fds[1], "x", 1); // ends a call that was restarted
	return NULL;
}

static void restarting(void)
{
	static const struct {
		const char *name;
		long (*f)(void);
		int socket;
	} list[] = {
		{"read", call_read, 0}, {"poll", call_poll, 0}, {"ppoll", call_ppoll, 0}, {"epoll_wait", call_epoll, 0},
		{"select", call_select, 0}, {"nanosleep", call_sleep, 0}, {"clock_nanosleep absolute", call_abs, 0},
		{"recv", call_recv, 1}, {"recv with SO_RCVTIMEO", call_recv_timed, 2},
	};
	pthread_t me = pthread_self();
	for (int flag = 0; flag < 2; flag++)
		for (size_t i = 0; i < COUNT(list); i++) {
			set(SIGUSR1, counts, flag ? SA_RESTART : 0);
			if (list[i].socket)
				CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
			else
				CHECK(pipe(fds) == 0);
			if (list[i].socket == 2) {
				struct timeval t = {5, 0};
				CHECK(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) == 0);
			}
			ep = epoll_create1(0);
			struct epoll_event e = {.events = EPOLLIN};
			epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &e);
			pthread_t t = go(kicks, &me);
			errno = 0;
			long r = list[i].f();
			say("%s%s: %s", list[i].name, flag ? " with SA_RESTART" : "", result(r));
			pthread_join(t, NULL);
			close(fds[0]);
			close(fds[1]);
			close(ep);
			trace[0] = 0;
		}
	// Without a handler nothing is interrupted.
	set(SIGUSR1, SIG_IGN, 0);
	CHECK(pipe(fds) == 0);
	pthread_t t = go(kicks, &me);
	SHOW(call_poll());
	pthread_join(t, NULL);
	close(fds[0]);
	close(fds[1]);
}

// Signals to the process go to a thread that does not block them; signals to a
// thread to that one.
static pid_t who;

static void records(int s)
{
	(void)s;
	__atomic_store_n(&who, my_tid(), __ATOMIC_RELEASE);
}

static volatile pid_t tids[4];
static volatile int stop;

static void *lives(void *arg)
{
	long n = (long)arg;
	block(n == 2 ? SIG_UNBLOCK : SIG_BLOCK, SIGUSR1);
	tids[n] = my_tid();
	while (!stop)
		pause_ns(MS);
	return NULL;
}

static int wait_who(void)
{
	for (int i = 0; i < 1000 && !__atomic_load_n(&who, __ATOMIC_ACQUIRE); i++)
		pause_ns(MS);
	for (int i = 0; i < 4; i++)
		if (who == tids[i])
			return i;
	return who == getpid() ? 100 : -1;
}

static void threads(void)
{
	pthread_t t[4];
	set(SIGUSR1, records, 0);
	set(SIGUSR2, records, 0);
	block(SIG_BLOCK, SIGUSR1);
	for (long i = 0; i < 4; i++)
		t[i] = go(lives, (void *)i);
	for (int i = 0; i < 4; i++)
		while (!tids[i])
			pause_ns(MS);
	kill(getpid(), SIGUSR1);
	say("process: thread %d", wait_who());
	who = 0;
	for (int i = 3; i >= 0; i--) {
		who = 0;
		syscall(SYS_tgkill, getpid(), tids[i], SIGUSR2);
		say("thread: %d", wait_who());
	}
	who = 0;
	syscall(SYS_tgkill, getpid(), tids[1], SIGUSR1); // blocked there
	pause_ns(20 * MS);
	say("blocked in its thread: %d", who == 0);
	sigset_t m;
	uint64_t raw = 0;
	sigpending(&m);
	memcpy(&raw, &m, 8);
	say("pending for us: %d", sigismember(&m, SIGUSR1));
	stop = 1;
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	block(SIG_UNBLOCK, SIGUSR1);
}

// Two threads bombard a third, which counts.
static volatile long hits, rounds;
static volatile int done;

static void hit(int s)
{
	(void)s;
	hits++;
}

static void *bombards(void *arg)
{
	pthread_t t = *(pthread_t *)arg;
	for (int n = 0; n < 20000; n++) {
		pthread_kill(t, n % 2 ? SIGUSR1 : SIGUSR2);
		// SIGUSR2 interrupts its own handler, even before its first instruction, and a stack has
		// an end. When the thread gets on with its own work, no handler is on it.
		if (n % 256 == 255)
			for (long before = rounds; rounds == before;)
				sched_yield();
	}
	__atomic_add_fetch(&done, 1, __ATOMIC_RELAXED);
	return NULL;
}

static uint64_t work(uint64_t x)
{
	for (int i = 0; i < 10000; i++)
		x = x * 6364136223846793005ull + 1442695040888963407ull;
	return x;
}

static void storm(void)
{
	pthread_t me = pthread_self(), t[2];
	set(SIGUSR1, hit, SA_RESTART);
	set(SIGUSR2, hit, SA_RESTART | SA_NODEFER);
	volatile uint64_t one = 1; // or the compiler does the sums itself
	uint64_t expect = work(one), bad = 0;
	for (int i = 0; i < 2; i++)
		t[i] = go(bombards, &me);
	for (; __atomic_load_n(&done, __ATOMIC_RELAXED) < 2; rounds++)
		bad += work(one) != expect;
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	say("hits %d, wrong sums %lu", hits > 2, bad);
}

static const struct t_case cases[] = {
	{"arguments", arguments}, {"flags", flags}, {"nesting", nesting}, {"realtime", real_time}, {"waiting", waiting},
	{"altstack", alternative}, {"jumping", jumping}, {"restarting", restarting}, {"threads", threads}, {"storm", storm},
};
T_MAIN(cases)
