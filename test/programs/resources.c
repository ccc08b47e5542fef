// What a process uses and may use: getrusage(2), times(2), clock_getres(2), adjtimex(2),
// sysinfo(2), uname(2), and limits that hold: setrlimit(2).
#include "t.h"
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <sys/utsname.h>

static long long us(struct timeval t) { return t.tv_sec * 1000000LL + t.tv_usec; }

static void burn(long ms)
{
	int64_t end = now_ns(CLOCK_THREAD_CPUTIME_ID) + ms * MS;
	volatile unsigned x = 0;
	while (now_ns(CLOCK_THREAD_CPUTIME_ID) < end)
		for (int i = 0; i < 10000; i++)
			x += i;
}

static void *burns(void *arg)
{
	struct rusage r;
	burn(60);
	CHECK(getrusage(RUSAGE_THREAD, &r) == 0);
	CHECK(us(r.ru_utime) + us(r.ru_stime) >= 50000 && us(r.ru_utime) + us(r.ru_stime) < 400000);
	return arg;
}

static void usage(void)
{
	struct rusage a, b, t;
	SHOW(getrusage(RUSAGE_SELF, &a));
	SHOW(getrusage(RUSAGE_CHILDREN, &b));
	say("children %lld %lld %ld", us(b.ru_utime), us(b.ru_stime), b.ru_maxrss);
	SHOW(getrusage(2, &b));
	SHOW(getrusage(-2, &b));
	SHOW(getrusage(RUSAGE_SELF, (void *)8));
	burn(50);
	pthread_join(go(burns, NULL), NULL);
	CHECK(getrusage(RUSAGE_SELF, &b) == 0 && getrusage(RUSAGE_THREAD, &t) == 0);
	long long all = us(b.ru_utime) + us(b.ru_stime) - us(a.ru_utime) - us(a.ru_stime);
	CHECK(all >= 100000 && all < 2000000);
	CHECK(us(t.ru_utime) + us(t.ru_stime) < us(b.ru_utime) + us(b.ru_stime));
	CHECK(b.ru_utime.tv_usec < 1000000 && b.ru_stime.tv_usec < 1000000);
	// Pages that are touched: faults, and the largest that was.
	char *p = mmap(NULL, 400 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(p, 400 * PAGE, MADV_NOHUGEPAGE);
	for (int i = 0; i < 400; i++)
		p[i * PAGE] = 1;
	getrusage(RUSAGE_SELF, &a);
	CHECK(a.ru_minflt - b.ru_minflt >= 400 && a.ru_minflt - b.ru_minflt < 1000);
	munmap(p, 400 * PAGE);
	getrusage(RUSAGE_SELF, &b);
	CHECK(a.ru_maxrss >= 1200); // Linux' count is behind
	CHECK(b.ru_maxrss >= a.ru_maxrss);
	// Waits count.
	for (int i = 0; i < 5; i++)
		pause_ns(2 * MS);
	getrusage(RUSAGE_SELF, &a);
	CHECK(a.ru_nvcsw - b.ru_nvcsw >= 5);
	say("swaps %ld, shared %ld, messages %ld, signals %ld", a.ru_nswap, a.ru_ixrss, a.ru_msgsnd, a.ru_nsignals);
	struct tms tm;
	clock_t x = times(&tm), y;
	CHECK(x != (clock_t)-1);
	CHECK((tm.tms_utime + tm.tms_stime) * 10000LL <= us(a.ru_utime) + us(a.ru_stime) + 100000);
	say("children %ld %ld", (long)tm.tms_cutime, (long)tm.tms_cstime);
	pause_ns(50 * MS);
	y = times(NULL);
	CHECK(y - x >= 4 && y - x < 200);
	SHOW(syscall(SYS_times, (void *)8));
	// The clocks of CPU time say the same.
	int64_t c = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	getrusage(RUSAGE_SELF, &a);
	CHECK(llabs(us(a.ru_utime) + us(a.ru_stime) - c / 1000) < 50000);
}

static void clocks(void)
{
	static const int ids[] = {0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 15, 16, -1, -6, 100};
	for (size_t i = 0; i < COUNT(ids); i++) {
		struct timespec r = {-1, -1}, t;
		long a = syscall(SYS_clock_getres, ids[i], &r), e = errno, b = syscall(SYS_clock_gettime, ids[i], &t), f = errno;
		long n = syscall(SYS_clock_getres, ids[i], NULL);
		say("clock %d: %s, %s, %s, %ld %s", ids[i], a ? t_errno(e) : "ok", b ? t_errno(f) : "ok", n ? "-" : "ok", (long)r.tv_sec,
			r.tv_nsec < 0 ? "-" : r.tv_nsec == 1 ? "fine" : r.tv_nsec >= 1000000 && r.tv_nsec <= 10000000 ? "coarse" : "odd");
	}
	struct timespec t = {0, 0};
	SHOW(syscall(SYS_clock_getres, CLOCK_MONOTONIC, (void *)8));
	SHOW(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, (void *)8));
	SHOW(syscall(SYS_clock_settime, CLOCK_REALTIME, &t));
	SHOW(syscall(SYS_settimeofday, NULL, NULL));
	struct timeval tv = {0, 0};
	SHOW(syscall(SYS_settimeofday, &tv, NULL));
	// A coarse clock is behind the fine one, by a tick or less.
	for (int i = 0; i < 100; i++) {
		int64_t a = now_ns(CLOCK_MONOTONIC_COARSE), b = now_ns(CLOCK_MONOTONIC);
		CHECK(a <= b);
	}
	struct timex x = {0};
	int r = syscall(SYS_adjtimex, &x);
	say("adjtimex %d", r >= 0 && r <= 5);
	CHECK(x.tick >= 9000 && x.tick <= 11000 && x.precision >= 1 && labs(x.freq) <= 32768000);
	CHECK(llabs(x.time.tv_sec - time(NULL)) <= 2);
	r = syscall(SYS_clock_adjtime, CLOCK_REALTIME, &x);
	say("clock_adjtime %d", r >= 0 && r <= 5);
	static const int modes[] = {ADJ_OFFSET, ADJ_FREQUENCY, ADJ_STATUS, ADJ_TICK, ADJ_SETOFFSET, ADJ_OFFSET_SINGLESHOT, ADJ_OFFSET_SS_READ, 0x8000};
	for (size_t i = 0; i < COUNT(modes); i++) {
		memset(&x, 0, sizeof x);
		x.modes = modes[i];
		long a = syscall(SYS_adjtimex, &x), e = errno, b = syscall(SYS_clock_adjtime, CLOCK_REALTIME, &x), f = errno;
		say("mode %x: %s, %s", modes[i], a < 0 ? t_errno(e) : "ok", b < 0 ? t_errno(f) : "ok");
	}
	memset(&x, 0, sizeof x);
	SHOW(syscall(SYS_clock_adjtime, CLOCK_MONOTONIC, &x));
	SHOW(syscall(SYS_clock_adjtime, 100, &x));
	SHOW(syscall(SYS_adjtimex, (void *)8));
}

static void machine(void)
{
	struct sysinfo s;
	struct utsname u;
	SHOW(sysinfo(&s));
	SHOW(syscall(SYS_sysinfo, (void *)8));
	struct timespec t;
	clock_gettime(CLOCK_BOOTTIME, &t);
	CHECK((long)s.uptime >= t.tv_sec - 1 && (long)s.uptime <= t.tv_sec + 1); // unsigned in musl
	CHECK(s.mem_unit >= 1 && s.totalram > s.freeram && s.freeram > 0 && s.procs >= 1 && s.totalhigh == 0 && s.freehigh == 0);
	SHOW(uname(&u));
	SHOW(syscall(SYS_uname, (void *)8));
	int major, minor;
	CHECK(sscanf(u.release, "%d.%d", &major, &minor) == 2 && major >= 4);
	say("%s %s", u.sysname, u.machine);
	char name[65];
	SHOW(gethostname(name, sizeof name));
	CHECK(!strcmp(name, u.nodename));
	SHOW(sethostname("x", 1));
	SHOW(syscall(SYS_setdomainname, "x", 1));
}

static int soft(int what, rlim_t n)
{
	struct rlimit r;
	if (getrlimit(what, &r) < 0)
		return -1;
	r.rlim_cur = n;
	return setrlimit(what, &r);
}

static void limits(void)
{
	struct rlimit r, old;
	for (int i = 0; i < 18; i++) {
		int a = syscall(SYS_prlimit64, 0, i, NULL, &r), b = syscall(SYS_prlimit64, 0, i, &r, &old);
		say("%d: %s %s, sane %d", i, a ? t_errno(errno) : "ok", b ? t_errno(errno) : "ok", a || r.rlim_cur <= r.rlim_max);
	}
	getrlimit(RLIMIT_NOFILE, &r);
	old = r;
	r.rlim_cur = r.rlim_max + 1;
	SHOW(setrlimit(RLIMIT_NOFILE, &r));
	r = old, r.rlim_max++;
	SHOW(setrlimit(RLIMIT_NOFILE, &r));
	SHOW(setrlimit(RLIMIT_NOFILE, (void *)8));
	SHOW(getrlimit(RLIMIT_NOFILE, (void *)8));
	SHOW(syscall(SYS_prlimit64, 99999999, RLIMIT_NOFILE, NULL, &r));
	SHOW(syscall(SYS_prlimit64, -1, RLIMIT_NOFILE, NULL, &r));
	SHOW(syscall(SYS_prlimit64, getpid(), RLIMIT_NOFILE, NULL, &r));
	r.rlim_max = r.rlim_cur;
	r.rlim_cur = 0;
	// NICE and RTPRIO.
	SHOW(soft(RLIMIT_NICE, 0));
	SHOW(setpriority(PRIO_PROCESS, 0, 5));
	SHOW(getpriority(PRIO_PROCESS, 0));
	SHOW(setpriority(PRIO_PROCESS, 0, 0));
	SHOW(setpriority(PRIO_PROCESS, 0, 100));
	SHOW(getpriority(PRIO_PROCESS, 0));
	SHOW(setpriority(9, 0, 0));
	SHOW(setpriority(PRIO_PROCESS, 99999999, 0));
}

static void files(void)
{
	int p[2];
	struct epoll_event e = {0};
	int have = open("/dev/null", O_RDONLY);
	soft(RLIMIT_NOFILE, have + 1);
	SHOW(open("/dev/null", O_RDONLY));
	SHOW(dup(0));
	SHOW(dup2(0, have + 1));
	SHOW(dup2(0, have) == have);
	SHOW(fcntl(0, F_DUPFD, have + 1));
	SHOW(fcntl(0, F_DUPFD, have));
	SHOW(fcntl(0, F_DUPFD, -1));
	SHOW(socket(AF_INET, SOCK_STREAM, 0));
	SHOW(pipe(p));
	SHOW(epoll_create1(0));
	SHOW(eventfd(0, 0));
	SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	// Room for one: a pair does not fit, and nothing is left behind.
	soft(RLIMIT_NOFILE, have + 2);
	SHOW(pipe(p));
	SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	int f = open("/dev/null", O_RDONLY);
	SHOW(f - have);
	// Those beyond the limit stay.
	soft(RLIMIT_NOFILE, 3);
	SHOW(fcntl(f, F_GETFD));
	SHOW(read(f, &e, 1));
	struct pollfd many[64] = {{0}};
	for (int i = 0; i < 64; i++)
		many[i].fd = -1;
	SHOW(poll(many, 4, 0)); // more than descriptors
	SHOW(poll(many, 3, 0));
	soft(RLIMIT_NOFILE, 256);
	close(f), close(have);
}

static void memory(void)
{
	void *p, *q;
	char *before = sbrk(0);
	SHOW(soft(RLIMIT_AS, 1));
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	say("mmap %s", p == MAP_FAILED ? t_errno(errno) : "ok");
	say("brk %d", (char *)syscall(SYS_brk, before + 16 * PAGE) == before);
	p = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); // counts as well
	say("none %s", p == MAP_FAILED ? t_errno(errno) : "ok");
	SHOW(soft(RLIMIT_AS, RLIM_INFINITY));
	p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	SHOW(soft(RLIMIT_AS, 1));
	q = mremap(p, 4 * PAGE, 5 * PAGE, MREMAP_MAYMOVE);
	say("grow %s", q == MAP_FAILED ? t_errno(errno) : "ok");
	q = mremap(p, 4 * PAGE, 2 * PAGE, 0);
	say("shrink %s", q == MAP_FAILED ? t_errno(errno) : "ok");
	SHOW(mprotect(p, PAGE, PROT_READ));
	q = mmap(p, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0); // over what is there
	say("over %s", q == MAP_FAILED ? t_errno(errno) : "ok");
	soft(RLIMIT_AS, RLIM_INFINITY);
	// Data: private and writable.
	SHOW(soft(RLIMIT_DATA, 1));
	q = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	say("data %s", q == MAP_FAILED ? t_errno(errno) : "ok");
	q = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	say("read-only %s", q == MAP_FAILED ? t_errno(errno) : "ok");
	if (q != MAP_FAILED)
		SHOW(mprotect(q, PAGE, PROT_READ | PROT_WRITE));
	q = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	say("shared %s", q == MAP_FAILED ? t_errno(errno) : "ok");
	say("brk %d", (char *)syscall(SYS_brk, before + 16 * PAGE) == before);
	soft(RLIMIT_DATA, RLIM_INFINITY);
}

static int over;
static void beyond(int s) { (void)s, over++; }

static void sizes(void)
{
	char b[10000] = {0};
	t_folder("/tmp");
	signal(SIGXFSZ, beyond);
	int f = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	SHOW(soft(RLIMIT_FSIZE, 5000));
	SHOW(write(f, b, 4000));
	SHOW(write(f, b, 4000)); // what fits
	say("signals %d", over);
	SHOW(write(f, b, 1));
	say("signals %d", over);
	SHOW(write(f, b, 0));
	SHOW(pwrite(f, b, 10, 4995));
	SHOW(pwrite(f, b, 10, 5000));
	say("signals %d", over);
	SHOW(ftruncate(f, 5000));
	SHOW(ftruncate(f, 5001));
	say("signals %d", over);
	SHOW(ftruncate(f, 100));
	SHOW(fallocate(f, 0, 0, 5001));
	say("signals %d", over);
	SHOW(fallocate(f, 0, 0, 5000));
	signal(SIGXFSZ, SIG_IGN);
	SHOW(lseek(f, 5000, SEEK_SET));
	SHOW(write(f, b, 1));
	// It is for regular files.
	int p[2], null = open("/dev/null", O_WRONLY);
	CHECK(pipe(p) == 0);
	SHOW(write(p[1], b, 9000));
	SHOW(write(null, b, 9000));
	int m = syscall(SYS_memfd_create, "m", 0);
	SHOW(write(m, b, 9000));
	SHOW(ftruncate(m, 9000));
	SHOW(soft(RLIMIT_FSIZE, 0));
	SHOW(open("other", O_RDWR | O_CREAT, 0600) >= 0);
	SHOW(pwrite(f, b, 1, 0));
	soft(RLIMIT_FSIZE, RLIM_INFINITY);
	unlink("file"), unlink("other");
	close(f), close(m), close(null), close(p[0]), close(p[1]);
}

static void *exceeds(void *arg)
{
	return arg;
}

static void others(void)
{
	// A limit of the stack that grows: what is there stays, more does not come.
	struct rlimit r;
	getrlimit(RLIMIT_STACK, &r);
	say("stack %d", r.rlim_cur >= 1 << 20);
	// CPU time: a signal at the soft limit.
	signal(SIGXCPU, beyond);
	over = 0;
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	soft(RLIMIT_CPU, u.ru_utime.tv_sec + u.ru_stime.tv_sec + 1);
	int64_t start = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	while (!__atomic_load_n(&over, __ATOMIC_RELAXED) && now_ns(CLOCK_PROCESS_CPUTIME_ID) - start < 4000 * MS)
		;
	say("of CPU time %d", over);
	soft(RLIMIT_CPU, RLIM_INFINITY);
	// Queued signals.
	sigset_t s;
	sigemptyset(&s), sigaddset(&s, SIGRTMIN + 2);
	sigprocmask(SIG_BLOCK, &s, NULL);
	SHOW(soft(RLIMIT_SIGPENDING, 0));
	union sigval v = {0};
	SHOW(sigqueue(getpid(), SIGRTMIN + 2, v));
	SHOW(raise(SIGRTMIN + 2)); // without one in the queue: by kill and its like always
	struct timespec zero = {0, 0};
	siginfo_t si;
	SHOW(sigtimedwait(&s, &si, &zero) == SIGRTMIN + 2);
	soft(RLIMIT_SIGPENDING, 1000);
	pthread_t t = go(exceeds, NULL);
	pthread_join(t, NULL);
	// Priority of realtime.
	struct sched_param sp = {1};
	SHOW(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &sp));
	sp.sched_priority = 0;
	SHOW(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &sp));
	SHOW(syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &sp));
	SHOW(syscall(SYS_sched_getscheduler, 0));
	SHOW(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &sp));
	SHOW(syscall(SYS_sched_setscheduler, 0, 77, &sp));
	SHOW(syscall(SYS_sched_get_priority_max, SCHED_FIFO));
	SHOW(syscall(SYS_sched_get_priority_min, SCHED_FIFO));
	SHOW(syscall(SYS_sched_get_priority_max, SCHED_OTHER));
	SHOW(syscall(SYS_sched_get_priority_max, 77));
}

// large is data of the program's own file, which nobody has read yet.
static const char large[1 << 20] __attribute__((aligned(4096))) = {1};

static struct rusage use(void)
{
	struct rusage r;
	CHECK(getrusage(RUSAGE_SELF, &r) == 0);
	return r;
}

// flt reads the two counts of /proc/self/stat.
static void flt(long *minor, long *major)
{
	char b[2048];
	int fd = open("/proc/self/stat", O_RDONLY);
	long n = read(fd, b, sizeof b - 1);
	CHECK(n > 0);
	b[n] = 0;
	close(fd);
	CHECK(sscanf(strrchr(b, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %ld %*d %ld", minor, major) == 2);
}

static long near(long n, long want) { return n >= want && n < want + 8; }

static void faults(void)
{
	enum { PAGES = 64 };
	volatile char sum = 0;
	char *p = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED && madvise(p, PAGES * 4096, MADV_NOHUGEPAGE) == 0);
	struct rusage a = use();
	for (int i = 0; i < PAGES; i++)
		sum += p[i * 4096];
	struct rusage b = use();
	say("reads of fresh memory: minor %ld, major %ld", near(b.ru_minflt - a.ru_minflt, PAGES), b.ru_majflt - a.ru_majflt);
	for (int i = 0; i < PAGES; i++)
		p[i * 4096] = i;
	a = use();
	// Some kernels take memory for the reads already.
	say("first writes: minor %d, major %ld", a.ru_minflt - b.ru_minflt < PAGES + 8, a.ru_majflt - b.ru_majflt);
	for (int i = 0; i < PAGES; i++)
		p[i * 4096]++;
	b = use();
	say("more writes: minor %ld, major %ld", near(b.ru_minflt - a.ru_minflt, 0), b.ru_majflt - a.ru_majflt);
	munmap(p, PAGES * 4096);
	int fd = open("/proc/self/exe", O_RDONLY);
	CHECK(fd >= 0);
	fsync(fd), posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); // Linux has just written it
	close(fd);
	b = use();
	for (unsigned i = 0; i < sizeof large; i += 4096)
		sum += ((volatile const char *)large)[i];
	a = use();
	say("pages on disk: major %d", a.ru_majflt > b.ru_majflt);
	for (unsigned i = 0; i < sizeof large; i += 4096)
		sum += ((volatile const char *)large)[i];
	b = use();
	say("pages in memory: minor %ld, major %ld", near(b.ru_minflt - a.ru_minflt, 0), b.ru_majflt - a.ru_majflt);
	long minor, major;
	flt(&minor, &major);
	say("/proc/self/stat: minor %d, major %d", minor >= b.ru_minflt && minor < b.ru_minflt + 16, major == b.ru_majflt);
}

static const struct t_case cases[] = {
	{"usage", usage}, {"clocks", clocks}, {"machine", machine}, {"limits", limits}, {"files", files}, {"memory", memory}, {"sizes", sizes}, {"others", others}, {"faults", faults},
};

int main(int argc, char **argv)
{
	t_unprivileged();
	prctl(PR_SET_DUMPABLE, 1);
	return t_main(argc, argv, cases, COUNT(cases));
}
