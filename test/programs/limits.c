// Limits, scheduling, prctl, and the clock's settings: what a program may ask for
// and what it is told. Rights that only the superuser has are left out.
#include "t.h"
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timex.h>

static int limit(int which, rlim_t cur, rlim_t max)
{
	struct rlimit l = {cur, max};
	return setrlimit(which, &l);
}

static void show(const char *name, int which)
{
	struct rlimit l;
	CHECK(getrlimit(which, &l) == 0);
	say("%s %ld %ld", name, (long)l.rlim_cur, (long)l.rlim_max);
}

static void *grow_stack(void *arg)
{
	volatile char deep[64 << 10];
	memset((char *)deep, 1, sizeof deep);
	return arg;
}

static void limits(void)
{
	struct rlimit l;
	// Descriptors.
	SHOW(limit(RLIMIT_NOFILE, 20, 1000));
	show("nofile", RLIMIT_NOFILE);
	SHOW(dup2(1, 19));
	SHOW(dup2(1, 20));
	SHOW(fcntl(1, F_DUPFD, 20));
	SHOW(fcntl(1, F_DUPFD, 19));
	int n = 0, fd;
	while ((fd = dup(1)) >= 0)
		n++;
	say("%s after %d more than none", t_errno(errno), n > 0);
	SHOW(open("/dev/null", O_RDONLY));
	int p[2];
	SHOW(pipe(p));
	SHOW(limit(RLIMIT_NOFILE, 30, 1000));
	OK(dup(1));
	SHOW(limit(RLIMIT_NOFILE, 40, 30));
	for (int i = 3; i < 40; i++)
		close(i);
	// Files.
	fd = open("limits", O_CREAT | O_RDWR | O_TRUNC, 0600);
	unlink("limits");
	signal(SIGXFSZ, SIG_IGN);
	CHECK(getrlimit(RLIMIT_FSIZE, &l) == 0);
	SHOW(limit(RLIMIT_FSIZE, 1000, l.rlim_max));
	char b[2000];
	memset(b, 1, sizeof b);
	SHOW(write(fd, b, 900));
	SHOW(write(fd, b, 900));
	SHOW(write(fd, b, 900));
	SHOW(pwrite(fd, b, 10, 995));
	SHOW(pwrite(fd, b, 10, 1000));
	SHOW(ftruncate(fd, 1000));
	SHOW(ftruncate(fd, 1001));
	SHOW(fallocate(fd, 0, 0, 1001));
	SHOW(limit(RLIMIT_FSIZE, l.rlim_max, l.rlim_max));
	SHOW(pwrite(fd, b, 10, 1000));
	// Memory.
	CHECK(getrlimit(RLIMIT_AS, &l) == 0);
	SHOW(limit(RLIMIT_AS, 1 << 20, l.rlim_max));
	OK(mmap(NULL, 64 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	SHOW(limit(RLIMIT_AS, l.rlim_max, l.rlim_max));
	OK(mmap(NULL, 64 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	// Arguments.
	SHOW(getrlimit(99, &l));
	SHOW(limit(99, 0, 0));
	SHOW(limit(RLIMIT_CORE, 1, 0));
	SHOW(syscall(SYS_prlimit64, 0, RLIMIT_CORE, 0, 8));
	SHOW(syscall(SYS_prlimit64, 0, RLIMIT_CORE, 8, 0));
	SHOW(syscall(SYS_prlimit64, 1 << 21, RLIMIT_CORE, 0, &l));
	SHOW(syscall(SYS_prlimit64, getpid(), RLIMIT_CORE, 0, &l));
	SHOW(syscall(SYS_prlimit64, 0, RLIMIT_CORE, 0, 0));
	pthread_t t = go(grow_stack, NULL);
	pthread_join(t, NULL);
}

// attributes is struct sched_attr of its second version.
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t min, max;
};

static int set(struct attributes a)
{
	return syscall(SYS_sched_setattr, 0, &a, 0);
}

static void scheduling(void)
{
	struct sched_param p = {0};
	struct timespec ts;
	struct attributes a;
	char big[5000] = {0};
	SHOW(syscall(SYS_sched_getscheduler, 0));
	SHOW(syscall(SYS_sched_getscheduler, -1));
	SHOW(syscall(SYS_sched_getscheduler, 1 << 21));
	SHOW(syscall(SYS_sched_setscheduler, 0, 3, &p));
	SHOW(syscall(SYS_sched_getscheduler, 0));
	SHOW(syscall(SYS_sched_setscheduler, 0, 0, &p));
	SHOW(syscall(SYS_sched_setscheduler, 0, 99, &p));
	SHOW(syscall(SYS_sched_setscheduler, 0, 0, 0));
	SHOW(syscall(SYS_sched_setscheduler, 0, 0, 8));
	p.sched_priority = 5;
	SHOW(syscall(SYS_sched_setscheduler, 0, 0, &p));
	p.sched_priority = 100;
	SHOW(syscall(SYS_sched_setscheduler, 0, 1, &p));
	SHOW(syscall(SYS_sched_setparam, 0, &p));
	SHOW(syscall(SYS_sched_getparam, 0, &p));
	say("priority %d", p.sched_priority);
	SHOW(syscall(SYS_sched_setparam, 0, &p));
	SHOW(syscall(SYS_sched_getparam, 0, 0));
	for (int i = -1; i < 8; i++) {
		say("policy %d", i);
		SHOW(sched_get_priority_min(i));
		SHOW(sched_get_priority_max(i));
	}
	SHOW(syscall(SYS_sched_rr_get_interval, 0, &ts));
	SHOW(syscall(SYS_sched_rr_get_interval, -1, &ts));
	SHOW(syscall(SYS_sched_rr_get_interval, 1 << 21, &ts));
	SHOW(sched_yield());
	// sched_attr.
	memset(&a, 0xa5, sizeof a);
	SHOW(syscall(SYS_sched_getattr, 0, &a, 48, 0));
	say("size %u policy %u nice %d priority %u, beyond %x", a.size, a.policy, a.nice, a.priority, a.min);
	SHOW(syscall(SYS_sched_getattr, 0, &a, sizeof a, 0));
	say("size %u policy %u nice %d priority %u", a.size, a.policy, a.nice, a.priority);
	memset(big, 1, sizeof big);
	SHOW(syscall(SYS_sched_getattr, 0, big, 200, 0));
	say("size %d", *(int *)big);
	SHOW(syscall(SYS_sched_getattr, 0, &a, 47, 0));
	SHOW(syscall(SYS_sched_getattr, 0, big, 5000, 0));
	SHOW(syscall(SYS_sched_getattr, 0, &a, 48, 1));
	SHOW(syscall(SYS_sched_getattr, 0, 0, 48, 0));
	SHOW(syscall(SYS_sched_getattr, -1, &a, 48, 0));
	SHOW(syscall(SYS_sched_getattr, 1 << 21, &a, 48, 0));
	SHOW(set((struct attributes){.size = 48, .policy = 3}));
	SHOW(syscall(SYS_sched_getscheduler, 0));
	SHOW(set((struct attributes){.size = 0, .policy = 0, .nice = 3}));
	SHOW(getpriority(PRIO_PROCESS, 0));
	SHOW(set((struct attributes){.size = 48, .policy = 0, .nice = 100}));
	SHOW(getpriority(PRIO_PROCESS, 0));
	SHOW(set((struct attributes){.size = 48, .policy = 77}));
	SHOW(set((struct attributes){.size = 48, .policy = -1}));
	SHOW(set((struct attributes){.size = 48, .nice = 19, .priority = 1}));
	SHOW(set((struct attributes){.size = 48, .policy = 1}));
	SHOW(set((struct attributes){.size = 48, .nice = 19, .flags = 1 << 20}));
	a = (struct attributes){.size = 47};
	SHOW(set(a));
	memset(big, 0, sizeof big);
	*(int *)big = 100;
	*(int *)(big + 16) = 19;
	SHOW(syscall(SYS_sched_setattr, 0, big, 0));
	big[90] = 1;
	SHOW(syscall(SYS_sched_setattr, 0, big, 0));
	say("size %d", *(int *)big);
	SHOW(syscall(SYS_sched_setattr, 0, 0, 0));
	SHOW(syscall(SYS_sched_setattr, 0, 8, 0));
	SHOW(syscall(SYS_sched_setattr, 0, big, 1));
	// Niceness.
	SHOW(setpriority(PRIO_PROCESS, 0, 19));
	SHOW(getpriority(PRIO_PROCESS, getpid()));
	SHOW(getpriority(PRIO_PROCESS, 1 << 21));
	SHOW(getpriority(9, 0));
	SHOW(setpriority(9, 0, 0));
}

static void processors(void)
{
	unsigned long mask[16] = {0}, was[16];
	long n = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
	say("mask %d, own processor in it %d", n > 0 && n % 8 == 0, sched_getcpu() >= 0 && (mask[sched_getcpu() / 64] >> (sched_getcpu() % 64) & 1));
	memcpy(was, mask, sizeof was);
	SHOW(syscall(SYS_sched_getaffinity, 0, 4, mask));
	SHOW(syscall(SYS_sched_getaffinity, 1 << 21, sizeof mask, mask));
	SHOW(syscall(SYS_sched_setaffinity, 0, sizeof was, was));
	memset(mask, 0, sizeof mask);
	SHOW(syscall(SYS_sched_setaffinity, 0, sizeof mask, mask));
	SHOW(syscall(SYS_sched_setaffinity, 0, sizeof mask, 8));
	SHOW(syscall(SYS_sched_setaffinity, 1 << 21, sizeof was, was));
	SHOW(syscall(SYS_sched_setaffinity, 0, 0, 0));
}

static void controls(void)
{
	char name[17] = "", *long_name = "a name that is far too long";
	int v = -1;
	SHOW(prctl(PR_SET_NAME, long_name, 0, 0, 0));
	SHOW(prctl(PR_GET_NAME, name, 0, 0, 0));
	say("name '%s'", name);
	SHOW(prctl(PR_SET_NAME, 8, 0, 0, 0));
	SHOW(prctl(PR_GET_NAME, 8, 0, 0, 0));
	SHOW(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
	SHOW(prctl(PR_SET_DUMPABLE, 2, 0, 0, 0));
	SHOW(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
	SHOW(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
	SHOW(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
	SHOW(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0));
	SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	SHOW(prctl(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0));
	SHOW(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
	SHOW(prctl(PR_SET_KEEPCAPS, 2, 0, 0, 0));
	SHOW(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
	SHOW(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
	SHOW(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
	SHOW(prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0));
	SHOW(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
	SHOW(prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
	SHOW(prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
	SHOW(prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0));
	SHOW(prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
	SHOW(prctl(PR_SET_TIMERSLACK, 0, 0, 0, 0));
	SHOW(prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
	SHOW(prctl(PR_GET_TIMING, 0, 0, 0, 0));
	SHOW(prctl(PR_SET_TIMING, 1, 0, 0, 0));
	SHOW(prctl(PR_GET_TSC, &v, 0, 0, 0));
	say("tsc %d", v);
	SHOW(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
	SHOW(prctl(PR_GET_THP_DISABLE, 1, 0, 0, 0));
	SHOW(prctl(PR_GET_CHILD_SUBREAPER, &v, 0, 0, 0));
	say("subreaper %d", v);
	SHOW(prctl(PR_SET_PDEATHSIG, 99, 0, 0, 0));
	SHOW(prctl(PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0));
	SHOW(prctl(PR_GET_PDEATHSIG, &v, 0, 0, 0));
	say("parent's death %d", v);
	SHOW(prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0));
	SHOW(prctl(PR_CAPBSET_READ, 99, 0, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, 1, 99, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, 1, 0, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, 4, 0, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, 4, 1, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, 9, 0, 0, 0));
	SHOW(prctl(123456, 0, 0, 0, 0));
	SHOW(prctl(PR_SET_MM, 1, 0, 0, 1));
	SHOW(prctl(PR_SET_TSC, 99, 0, 0, 0));
	SHOW(prctl(PR_GET_SPECULATION_CTRL, 99, 0, 0, 0));
	SHOW(prctl(PR_SET_THP_DISABLE, 0, 1, 0, 0));
}

// Memory that may not become executable, PR_SET_MDWE.
static void denial(void)
{
	const int rw = PROT_READ | PROT_WRITE, rx = PROT_READ | PROT_EXEC;
	SHOW(prctl(66, 0, 0, 0, 0));
	SHOW(prctl(66, 1, 0, 0, 0));
	SHOW(prctl(65, 2, 0, 0, 0));
	SHOW(prctl(65, 4, 0, 0, 0));
	SHOW(prctl(65, 1, 1, 0, 0));
	char *w = mmap(NULL, PAGE, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *x = mmap(NULL, PAGE, rx, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(w != MAP_FAILED && x != MAP_FAILED);
	SHOW(prctl(65, 1, 0, 0, 0));
	SHOW(prctl(66, 0, 0, 0, 0));
	SHOW(prctl(65, 1, 0, 0, 0));
	SHOW(prctl(65, 0, 0, 0, 0));
	SHOW(prctl(65, 3, 0, 0, 0));
	SHOW(mprotect(w, PAGE, rx));
	SHOW(mprotect(w, PAGE, rw | PROT_EXEC));
	SHOW(mprotect(x, PAGE, rx));
	SHOW(mprotect(x, PAGE, rw | PROT_EXEC));
	SHOW(mprotect(x, PAGE, PROT_READ));
	SHOW(mprotect(x, PAGE, rx));
	OK(mmap(NULL, PAGE, rw | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	OK(mmap(NULL, PAGE, rx, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	OK(mmap(NULL, PAGE, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static void clock_settings(void)
{
	struct timex t = {0};
	int r = adjtimex(&t);
	say("adjtimex %d, tick %ld, time %d", r >= 0 && r <= 5, (long)t.tick, t.time.tv_sec > 1700000000);
	t.modes = 0x8000;
	SHOW(syscall(SYS_adjtimex, &t));
	t.modes = 0xa001;
	SHOW(syscall(SYS_adjtimex, &t) >= 0);
	SHOW(syscall(SYS_adjtimex, 8));
	t.modes = 0;
	SHOW(syscall(SYS_clock_adjtime, CLOCK_REALTIME, &t) >= 0);
	SHOW(syscall(SYS_clock_adjtime, CLOCK_MONOTONIC, &t));
	SHOW(syscall(SYS_clock_adjtime, CLOCK_PROCESS_CPUTIME_ID, &t));
	SHOW(syscall(SYS_clock_adjtime, 99, &t));
	SHOW(syscall(SYS_clock_adjtime, CLOCK_REALTIME, 8));
}

static void use(void)
{
	struct rusage u;
	SHOW(getrusage(RUSAGE_SELF, &u));
	say("memory %d faults %d", u.ru_maxrss > 0, u.ru_minflt > 0);
	SHOW(getrusage(RUSAGE_THREAD, &u));
	SHOW(getrusage(RUSAGE_CHILDREN, &u));
	say("children %ld %ld", (long)u.ru_utime.tv_sec, (long)u.ru_maxrss);
	SHOW(getrusage(99, &u));
	SHOW(syscall(SYS_getrusage, 0, 8));
	SHOW(umask(0123));
	SHOW(umask(0777777));
	SHOW(umask(022));
	char *m = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	SHOW(syscall(SYS_pkey_mprotect, m, PAGE, PROT_READ | PROT_WRITE, -1));
	m[0] = 1;
	SHOW(syscall(SYS_pkey_mprotect, m, PAGE, PROT_READ, 9));
	SHOW(syscall(SYS_pkey_mprotect, m + 1, PAGE, PROT_READ, 9));
	SHOW(syscall(SYS_pkey_mprotect, m, 0, PROT_READ, 9));
}

static void *hold(void *arg)
{
	pthread_mutex_lock(arg);
	pthread_mutex_unlock(arg);
	return NULL;
}

// tries is how pthread_create answers. A thread that was joined may be counted still.
static int tries(pthread_t *t, pthread_mutex_t *m)
{
	int e = EAGAIN;
	for (int i = 0; i < 200 && (e = pthread_create(t, NULL, hold, m)) == EAGAIN; i++)
		pause_ns(MS);
	return e;
}

// RLIMIT_NPROC bounds threads, of all of a user's processes. Only the user that Skerry
// has is sure to have no others, and not to be an exception.
static void threads(void)
{
	t_unprivileged();
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	pthread_t first, second;
	struct rlimit l;
	CHECK(getrlimit(RLIMIT_NPROC, &l) == 0);
	pthread_mutex_lock(&m);
	for (rlim_t n = 0; n < 2; n++) {
		SHOW(limit(RLIMIT_NPROC, n, l.rlim_max));
		say("%s", t_errno(pthread_create(&first, NULL, hold, &m)));
	}
	// What there is, and one more; another user than Skerry's may have other processes.
	rlim_t least = 2;
	while (limit(RLIMIT_NPROC, least, l.rlim_max) == 0 && pthread_create(&first, NULL, hold, &m) != 0 && least < 100000)
		least++;
	CHECK(getuid() != 65532 || least == 2);
	say("one more: %s", t_errno(pthread_create(&second, NULL, hold, &m)));
	// A limit that was raised, as far as it may be, is in force at once.
	SHOW(limit(RLIMIT_NPROC, least + 1, l.rlim_max));
	say("raised: %s", t_errno(tries(&second, &m)));
	SHOW(limit(RLIMIT_NPROC, 1, l.rlim_max)); // ends none
	pthread_mutex_unlock(&m);
	pthread_join(first, NULL), pthread_join(second, NULL);
	say("lowered: %s", t_errno(pthread_create(&first, NULL, hold, &m)));
	SHOW(limit(RLIMIT_NPROC, l.rlim_cur, l.rlim_max));
	int e = tries(&first, &m);
	say("as it was: %s", t_errno(e));
	if (e == 0)
		pthread_join(first, NULL);
}

static const struct t_case cases[] = {
	{"limits", limits}, {"scheduling", scheduling}, {"processors", processors}, {"controls", controls},
	{"clock", clock_settings}, {"use", use}, {"denial", denial}, {"threads", threads},
};

int main(int argc, char **argv)
{
	t_folder("/tmp");
	return t_main(argc, argv, cases, COUNT(cases));
}
