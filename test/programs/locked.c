// Locked memory under RLIMIT_MEMLOCK, membarrier, getcpu, waiting for signals, and a
// stack that is at its end: mlock(2), membarrier(2), getcpu(2), sigwaitinfo(2),
// signalfd(2), sigaltstack(2).
#include "t.h"
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif
#ifndef MCL_ONFAULT
#define MCL_ONFAULT 4
#endif

// kB reads a number of /proc/self/status.
static long kB(const char *name)
{
	char b[8192];
	int f = open("/proc/self/status", O_RDONLY);
	ssize_t n = read(f, b, sizeof b - 1);
	close(f);
	if (n < 0)
		return -1;
	b[n] = 0;
	char *p = strstr(b, name);
	return p ? atol(p + strlen(name)) : -1;
}

static void limit(rlim_t n)
{
	struct rlimit r = {n, 8 << 20};
	CHECK(setrlimit(RLIMIT_MEMLOCK, &r) == 0);
}

static int resident(char *p, size_t pages)
{
	unsigned char v[64];
	int n = 0;
	CHECK(mincore(p, pages * PAGE, v) == 0);
	for (size_t i = 0; i < pages; i++)
		n += v[i] & 1;
	return n;
}

static void lock(void)
{
	char *p = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	limit(8 * PAGE);
	SHOW(mlock(p, 4 * PAGE));
	say("locked %ld kB, resident %d", kB("VmLck:"), resident(p, 16));
	SHOW(mlock(p, 4 * PAGE)); // the same again counts once
	say("locked %ld kB", kB("VmLck:"));
	SHOW(mlock(p + 1, 4 * PAGE)); // rounded to both sides
	say("locked %ld kB", kB("VmLck:"));
	SHOW(mlock(p, 8 * PAGE));
	SHOW(mlock(p, 8 * PAGE + 1));
	SHOW(mlock(p + 20 * PAGE, 1));
	say("locked %ld kB", kB("VmLck:"));
	SHOW(munlock(p + 2 * PAGE, PAGE));
	say("locked %ld kB", kB("VmLck:"));
	SHOW(munlock(p + 2 * PAGE, PAGE));
	SHOW(mlock(p, 0));
	SHOW(mlock(p + 1, 0));
	SHOW(munlock(p, 0));
	SHOW(mlock((void *)PAGE, PAGE));
	SHOW(munlock((void *)PAGE, PAGE));
	SHOW(mlock((char *)0 - PAGE, PAGE));
	SHOW(mlock(p + PAGE, -PAGE)); // wraps
	SHOW(syscall(SYS_mlock2, p, PAGE, 2));
	SHOW(syscall(SYS_mlock2, p + 20 * PAGE, PAGE, MLOCK_ONFAULT));
	say("on fault: locked %ld kB, resident %d", kB("VmLck:"), resident(p + 20 * PAGE, 1));
	p[20 * PAGE] = 1;
	say("touched: resident %d", resident(p + 20 * PAGE, 1));
	SHOW(munlock(p, 64 * PAGE));
	say("locked %ld kB", kB("VmLck:"));
	// A hole in it.
	munmap(p + 30 * PAGE, PAGE);
	SHOW(mlock(p + 28 * PAGE, 4 * PAGE));
	say("locked %ld kB", kB("VmLck:"));
	SHOW(munlock(p + 28 * PAGE, 4 * PAGE));
	munlock(p, 64 * PAGE);
	// Memory that cannot be touched.
	mprotect(p + 40 * PAGE, PAGE, PROT_NONE);
	SHOW(mlock(p + 40 * PAGE, PAGE));
	SHOW(munlock(p + 40 * PAGE, PAGE));
	munlock(p, 30 * PAGE);
	// What goes is no longer counted.
	SHOW(mlock(p, 8 * PAGE));
	munmap(p, 4 * PAGE);
	say("after munmap %ld kB", kB("VmLck:"));
	SHOW(madvise(p + 4 * PAGE, PAGE, MADV_DONTNEED)); // locked
	SHOW(munlock(p + 4 * PAGE, 4 * PAGE));
	SHOW(madvise(p + 4 * PAGE, PAGE, MADV_DONTNEED));
	// MAP_LOCKED.
	void *m = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
	say("MAP_LOCKED %s, %ld kB", m == MAP_FAILED ? t_errno(errno) : "ok", kB("VmLck:"));
	if (m != MAP_FAILED)
		say("resident %d", resident(m, 4));
	void *q = mmap(NULL, 5 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
	say("too much %s", q == MAP_FAILED ? t_errno(errno) : "ok");
	// Growing what is locked.
	void *g = mremap(m, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
	say("grown %s, %ld kB", g == MAP_FAILED ? t_errno(errno) : "ok", kB("VmLck:"));
	if (g != MAP_FAILED)
		m = g;
	g = mremap(m, 8 * PAGE, 9 * PAGE, MREMAP_MAYMOVE);
	say("grown too much %s", g == MAP_FAILED ? t_errno(errno) : "ok");
	munmap(m, 8 * PAGE);
	say("locked %ld kB", kB("VmLck:"));
	// No limit: none may be locked.
	limit(0);
	SHOW(mlock(p + 8 * PAGE, PAGE));
	SHOW(mlock(p + 8 * PAGE, 0));
	q = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
	say("MAP_LOCKED %s", q == MAP_FAILED ? t_errno(errno) : "ok");
	SHOW(munlock(p + 8 * PAGE, PAGE));
	SHOW(mlockall(MCL_CURRENT));
	SHOW(mlockall(MCL_FUTURE));
	SHOW(munlockall());
	struct rlimit r = {PAGE, RLIM_INFINITY};
	SHOW(setrlimit(RLIMIT_MEMLOCK, &r));
}

static void all(void)
{
	limit(8 * PAGE);
	SHOW(mlockall(0));
	SHOW(mlockall(8));
	SHOW(mlockall(MCL_ONFAULT));
	SHOW(mlockall(MCL_CURRENT)); // the program is larger
	say("locked %ld kB", kB("VmLck:"));
	SHOW(mlockall(MCL_FUTURE));
	void *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	say("later: locked %ld kB, resident %d", kB("VmLck:"), resident(p, 2));
	void *q = mmap(NULL, 20 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	say("too much %s", q == MAP_FAILED ? t_errno(errno) : "ok");
	SHOW(munlockall());
	say("locked %ld kB", kB("VmLck:"));
	q = mmap(NULL, 20 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	say("afterwards %s", q == MAP_FAILED ? t_errno(errno) : "ok");
	SHOW(mlockall(MCL_FUTURE | MCL_ONFAULT));
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	say("on fault: locked %ld kB, resident %d", kB("VmLck:"), resident(p, 2));
	SHOW(munlockall());
}

#define BARRIER(cmd, flags) syscall(SYS_membarrier, cmd, flags, 0)

static void barrier(void)
{
	long q = BARRIER(0, 0);
	say("query %d, global %d, private %d, sync core %d", q > 0, (int)q & 1, !!(q & 8) + !!(q & 16), !!(q & 32) + !!(q & 64));
	SHOW(BARRIER(0, 1));
	SHOW(BARRIER(8, 0)); // private, not registered
	SHOW(BARRIER(32, 0));
	SHOW(BARRIER(2, 0)); // global expedited needs no registration of the caller
	SHOW(BARRIER(1, 0));
	SHOW(BARRIER(1, 1));
	SHOW(BARRIER(4, 0));
	SHOW(BARRIER(4, 1));
	SHOW(BARRIER(16, 0));
	SHOW(BARRIER(16, 0));
	SHOW(BARRIER(8, 0));
	SHOW(BARRIER(8, 1));
	SHOW(BARRIER(32, 0)); // another registration
	SHOW(BARRIER(64, 0));
	SHOW(BARRIER(32, 0));
	SHOW(BARRIER(3, 0));
	SHOW(BARRIER(9, 0));
	SHOW(BARRIER(1 << 20, 0));
	SHOW(BARRIER(-1, 0));
}

// What the barrier is for: the reader has no fence of its own.
static int first, second, rounds;

static void *reader(void *arg)
{
	(void)arg;
	int wrong = 0;
	while (__atomic_load_n(&rounds, __ATOMIC_RELAXED) >= 0) {
		int b = __atomic_load_n(&second, __ATOMIC_RELAXED);
		__asm__ volatile("" ::: "memory");
		int a = __atomic_load_n(&first, __ATOMIC_RELAXED);
		wrong += a < b;
	}
	CHECK(wrong == 0);
	return NULL;
}

static void fences(void)
{
	CHECK(BARRIER(16, 0) == 0);
	pthread_t t = go(reader, NULL);
	for (int i = 1; i <= 2000; i++) {
		__atomic_store_n(&first, i, __ATOMIC_RELAXED);
		CHECK(BARRIER(8, 0) == 0);
		__atomic_store_n(&second, i, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&rounds, -1, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
	say("seen in order");
}

static void cpu(void)
{
	unsigned c = 999, n = 999;
	SHOW(syscall(SYS_getcpu, &c, &n, NULL));
	cpu_set_t s;
	CHECK(sched_getaffinity(0, sizeof s, &s) == 0 && CPU_ISSET(c, &s) && n == 0);
	SHOW(syscall(SYS_getcpu, NULL, NULL, NULL));
	SHOW(syscall(SYS_getcpu, &c, &n, (void *)8)); // unused
	SHOW(syscall(SYS_getcpu, (void *)8, NULL, NULL));
	SHOW(syscall(SYS_getcpu, NULL, (void *)8, NULL));
	CHECK(CPU_ISSET(sched_getcpu(), &s));
	SHOW(sched_setaffinity(0, sizeof s, &s));
	CPU_ZERO(&s);
	SHOW(sched_setaffinity(0, sizeof s, &s));
	SHOW(sched_setaffinity(0, 0, &s));
	SHOW(sched_setaffinity(0, sizeof s, (void *)8));
	SHOW(sched_setaffinity(99999999, sizeof s, &s));
	SHOW(syscall(SYS_sched_getaffinity, 0, 1, &s));
	SHOW(syscall(SYS_sched_getaffinity, 0, 9, &s));
	SHOW(syscall(SYS_sched_getaffinity, 0, 8, (void *)8));
	SHOW(syscall(SYS_sched_getaffinity, 99999999, 8, &s));
}

static int handled;
static void count(int s) { (void)s, handled++; }

static sigset_t set_of(int a, int b)
{
	sigset_t s;
	sigemptyset(&s);
	if (a)
		sigaddset(&s, a);
	if (b)
		sigaddset(&s, b);
	return s;
}

// By the calls themselves: the libraries' check and retry.
static long wait_raw(const void *set, siginfo_t *si, const struct timespec *ts, size_t size)
{
	return syscall(SYS_rt_sigtimedwait, set, si, ts, size);
}

static void *kicks(void *arg)
{
	await_blocked(100 * MS);
	pthread_kill(*(pthread_t *)arg, SIGUSR2);
	return NULL;
}

static void *sends(void *arg)
{
	(void)arg;
	await_blocked(100 * MS);
	kill(getpid(), SIGUSR1);
	return NULL;
}

static void waits(void)
{
	sigset_t s = set_of(SIGUSR1, SIGRTMIN + 1), old, none = set_of(0, 0);
	siginfo_t si;
	struct timespec zero = {0, 0}, some = {0, 100 * MS}, bad = {0, 1000000000}, negative = {-1, 0};
	pthread_sigmask(SIG_BLOCK, &s, &old);
	SHOW(wait_raw(&s, &si, &zero, 8));
	SHOW(wait_raw(&s, &si, &bad, 8));
	SHOW(wait_raw(&s, &si, &negative, 8));
	SHOW(wait_raw(&s, &si, &zero, 16));
	SHOW(wait_raw((void *)8, &si, &zero, 8));
	SHOW(wait_raw(NULL, &si, &zero, 8));
	SHOW(wait_raw(&s, &si, (void *)8, 8));
	int64_t t = now_ns(CLOCK_MONOTONIC);
	SHOW(wait_raw(&s, &si, &some, 8));
	CHECK(now_ns(CLOCK_MONOTONIC) - t >= 100 * MS);
	// The lowest first, whatever the order; queued ones one by one.
	union sigval v = {.sival_int = 7};
	sigqueue(getpid(), SIGRTMIN + 1, v);
	v.sival_int = 8;
	sigqueue(getpid(), SIGRTMIN + 1, v);
	raise(SIGUSR1), raise(SIGUSR1); // once
	for (int i = 0; i < 4; i++) {
		memset(&si, 0, sizeof si);
		long r = wait_raw(&s, &si, &zero, 8);
		say("%s: code %d, value %d, from this process %d", r < 0 ? t_errno(errno) : r == SIGUSR1 ? "USR1" : "RTMIN+1", si.si_code, r > 31 ? si.si_value.sival_int : 0,
			r < 0 || si.si_pid == getpid());
	}
	raise(SIGUSR1);
	SHOW(wait_raw(&s, NULL, &zero, 8));
	raise(SIGUSR1);
	SHOW(wait_raw(&s, (void *)8, &zero, 8)); // the signal is gone
	SHOW(wait_raw(&s, &si, &zero, 8));
	// KILL and STOP are passed over.
	sigset_t k = set_of(SIGKILL, SIGSTOP);
	SHOW(wait_raw(&k, &si, &zero, 8));
	// One that is ignored is dropped, unless it is blocked.
	signal(SIGUSR1, SIG_IGN);
	raise(SIGUSR1);
	SHOW(wait_raw(&s, &si, &zero, 8));
	signal(SIGUSR1, SIG_DFL);
	// A handler of another interrupts it.
	struct sigaction sa = {.sa_handler = count, .sa_flags = SA_RESTART};
	sigaction(SIGUSR2, &sa, NULL);
	pthread_t me = pthread_self(), other = go(kicks, &me);
	handled = 0;
	SHOW(wait_raw(&s, &si, NULL, 8));
	say("handled %d", handled);
	pthread_join(other, NULL);
	other = go(sends, NULL);
	SHOW(wait_raw(&s, &si, NULL, 8) == SIGUSR1);
	pthread_join(other, NULL);
	// sigsuspend.
	SHOW(syscall(SYS_rt_sigsuspend, &none, 16));
	SHOW(syscall(SYS_rt_sigsuspend, (void *)8, 8));
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	handled = 0;
	SHOW(sigsuspend(&none));
	say("handled %d", handled);
	sigset_t now;
	pthread_sigmask(SIG_BLOCK, NULL, &now);
	say("blocked as before %d", sigismember(&now, SIGUSR1));
	SHOW(syscall(SYS_rt_sigpending, &now, 16));
	SHOW(syscall(SYS_rt_sigpending, (void *)8, 8));
	raise(SIGUSR1);
	SHOW(sigpending(&now));
	say("pending %d %d", sigismember(&now, SIGUSR1), sigismember(&now, SIGUSR2));
	handled = 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	say("handled %d", handled);
	SHOW(syscall(SYS_rt_sigprocmask, 9, &none, NULL, 8));
	SHOW(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &none, NULL, 4));
	SHOW(syscall(SYS_rt_sigprocmask, 9, NULL, &now, 8)); // nothing to do
}

static void descriptor(void)
{
	sigset_t s = set_of(SIGUSR1, SIGRTMIN + 1), old, k = set_of(SIGKILL, SIGSTOP);
	struct signalfd_siginfo si[3];
	pthread_sigmask(SIG_BLOCK, &s, &old);
	int f = signalfd(-1, &s, SFD_NONBLOCK | SFD_CLOEXEC), g = signalfd(-1, &k, SFD_NONBLOCK);
	SHOW(signalfd(-1, &s, 1));
	SHOW(signalfd(1, &s, 0)); // no signalfd
	SHOW(signalfd(999, &s, 0));
	SHOW(syscall(SYS_signalfd4, -1, &s, 16, 0));
	SHOW(syscall(SYS_signalfd4, -1, (void *)8, 8, 0));
	SHOW(read(f, si, sizeof si));
	SHOW(read(f, si, sizeof *si - 1));
	SHOW(read(f, (void *)8, sizeof *si));
	SHOW(write(f, si, sizeof si));
	struct pollfd p = {f, POLLIN | POLLOUT};
	SHOW(poll(&p, 1, 0));
	union sigval v = {.sival_int = 11};
	sigqueue(getpid(), SIGRTMIN + 1, v), raise(SIGUSR1);
	SHOW(poll(&p, 1, 0));
	say("%x", p.revents);
	SHOW(read(f, si, sizeof si)); // both
	say("%d %d, %d %d %d", si[0].ssi_signo == SIGUSR1, si[0].ssi_code, si[1].ssi_signo == (unsigned)SIGRTMIN + 1, si[1].ssi_code, si[1].ssi_int);
	CHECK(si[0].ssi_pid == (unsigned)getpid() && si[0].ssi_uid == getuid());
	raise(SIGUSR1), sigqueue(getpid(), SIGRTMIN + 1, v);
	SHOW(read(f, si, sizeof *si + 10)); // whole ones
	SHOW(read(f, (void *)8, sizeof *si));
	SHOW(read(f, si, sizeof si)); // taken by the one that failed
	// The set changes.
	sigset_t u = set_of(SIGUSR2, 0);
	pthread_sigmask(SIG_BLOCK, &u, NULL);
	raise(SIGUSR2);
	p.events = POLLIN;
	SHOW(poll(&p, 1, 0));
	SHOW(signalfd(f, &u, 0) == f);
	SHOW(poll(&p, 1, 0));
	SHOW(read(f, si, sizeof si));
	SHOW(read(g, si, sizeof si));
	SHOW(lseek(f, 0, SEEK_SET));
	close(f), close(g);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

// A stack at its end.
static sigjmp_buf back;
static int where, code;
static char *guard;

static void over(int sig, siginfo_t *si, void *ctx)
{
	(void)ctx;
	char here;
	stack_t now;
	sigaltstack(NULL, &now);
	where = (now.ss_flags & SS_ONSTACK) && &here >= (char *)now.ss_sp && &here < (char *)now.ss_sp + now.ss_size;
	code = sig * 10 + si->si_code;
	guard = si->si_addr;
	siglongjmp(back, 1);
}

__attribute__((noinline)) static int deeper(volatile char *up, int n)
{
	volatile char b[512];
	b[0] = up[0] + 1, b[511] = n;
	return deeper(b, n + 1) + b[511];
}

static void *overflows(void *arg)
{
	static char other[2][65536];
	stack_t s = {.ss_sp = other[(long)arg], .ss_size = sizeof *other}, now;
	pthread_attr_t a;
	void *base = NULL;
	size_t size = 0, gs = 0;
	CHECK(sigaltstack(&s, NULL) == 0);
	for (int i = 0; i < 3; i++) {
		where = code = 0;
		if (!sigsetjmp(back, 1)) {
			char b[1] = {0};
			deeper(b, 0);
		}
		pthread_getattr_np(pthread_self(), &a);
		pthread_attr_getstack(&a, &base, &size);
		pthread_attr_getguardsize(&a, &gs);
		pthread_attr_destroy(&a);
		// The address of the fault is below what is the thread's, near it.
		int near = arg ? guard < (char *)base + PAGE && guard >= (char *)base - gs - PAGE : guard < (char *)base + size;
		say("on the other stack %d, %d, near the end %d", where, code, near);
		sigaltstack(NULL, &now);
		say("flags %x", now.ss_flags);
	}
	s.ss_flags = SS_DISABLE;
	sigaltstack(&s, NULL);
	return NULL;
}

static void overflow(void)
{
	struct sigaction sa = {.sa_sigaction = over, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	stack_t s, now;
	sigaction(SIGSEGV, &sa, NULL), sigaction(SIGBUS, &sa, NULL);
	struct rlimit r = {1 << 20, RLIM_INFINITY};
	setrlimit(RLIMIT_STACK, &r);
	overflows((void *)0);
	pthread_attr_t a;
	pthread_attr_init(&a), pthread_attr_setstacksize(&a, 256 << 10), pthread_attr_setguardsize(&a, 16 * PAGE);
	pthread_t t;
	CHECK(pthread_create(&t, &a, overflows, (void *)1) == 0);
	pthread_join(t, NULL);
	signal(SIGSEGV, SIG_DFL), signal(SIGBUS, SIG_DFL);
	// sigaltstack's own errors.
	static char b[65536];
	s = (stack_t){.ss_sp = b, .ss_size = 100};
	SHOW(syscall(SYS_sigaltstack, &s, NULL));
	s = (stack_t){.ss_sp = b, .ss_size = 2047};
	SHOW(syscall(SYS_sigaltstack, &s, NULL));
	s = (stack_t){.ss_sp = b, .ss_size = sizeof b, .ss_flags = 8};
	SHOW(syscall(SYS_sigaltstack, &s, NULL));
	s.ss_flags = SS_ONSTACK;
	SHOW(syscall(SYS_sigaltstack, &s, NULL));
	SHOW(syscall(SYS_sigaltstack, NULL, &now));
	say("flags %x, the same %d", now.ss_flags, now.ss_sp == b && now.ss_size == sizeof b);
	s.ss_flags = 1U << 31; // SS_AUTODISARM
	SHOW(syscall(SYS_sigaltstack, &s, &now));
	SHOW(syscall(SYS_sigaltstack, NULL, &now));
	say("flags %x", now.ss_flags);
	SHOW(syscall(SYS_sigaltstack, (void *)8, NULL));
	SHOW(syscall(SYS_sigaltstack, NULL, (void *)8));
	s.ss_flags = SS_DISABLE;
	SHOW(syscall(SYS_sigaltstack, &s, NULL));
	SHOW(syscall(SYS_sigaltstack, NULL, &now));
	say("flags %x, size %d", now.ss_flags, (int)now.ss_size);
}

static const struct t_case cases[] = {
	{"lock", lock}, {"all", all}, {"barrier", barrier}, {"fences", fences}, {"cpu", cpu}, {"waits", waits}, {"descriptor", descriptor}, {"overflow", overflow},
};

int main(int argc, char **argv)
{
	struct rlimit r = {8 << 20, 8 << 20}; // root's may be raised and then kept
	setrlimit(RLIMIT_MEMLOCK, &r);
	t_unprivileged();
	// As one who has given up a user he may not look at himself: see prctl(2).
	prctl(PR_SET_DUMPABLE, 1);
	return t_main(argc, argv, cases, COUNT(cases));
}
