// The forms of what runtimes read from /proc and /sys: each line is taken apart as
// libraries do, and what must follow from the numbers is checked. proc(5), sysfs(5).
#include "t.h"
#include <dirent.h>
#include <elf.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>

static char text[1 << 18];

static ssize_t slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	text[0] = 0;
	if (fd < 0)
		return -1;
	ssize_t n = 0, r;
	while (n < (ssize_t)sizeof text - 1 && (r = read(fd, text + n, sizeof text - 1 - n)) > 0)
		n += r;
	text[n] = 0;
	close(fd);
	return n;
}

// number finds "name number" at the beginning of a line, -1 if it is not there.
static long number(const char *name)
{
	for (char *p = text; p; p = strchr(p, '\n'), p = p ? p + 1 : p)
		if (!strncmp(p, name, strlen(name)))
			return strtol(p + strlen(name), NULL, 0);
	return -1;
}

static void absent(const char *const *names, size_t n, const char *where)
{
	for (size_t i = 0; i < n; i++)
		if (number(names[i]) == -1)
			say("%s: no %s", where, names[i]);
}

// A region with marks of its own, for maps and smaps.
static char *region;

static void maps(void)
{
	region = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(region + 2 * PAGE, PAGE, PROT_READ), mprotect(region + 4 * PAGE, PAGE, PROT_NONE);
	int exe = open("/proc/self/exe", O_RDONLY);
	char *file = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, exe, PAGE);
	CHECK(file != MAP_FAILED);
	struct stat st;
	fstat(exe, &st);
	CHECK(slurp("/proc/self/maps") > 0);
	unsigned long before = 0;
	int stack = 0, vdso = 0, lines = 0;
	for (char *p = text; *p;) {
		char *end = strchr(p, '\n');
		CHECK(end);
		*end = 0;
		unsigned long from, to, off, ino;
		unsigned major, minor;
		char rights[8];
		int used = 0;
		CHECK(sscanf(p, "%lx-%lx %7s %lx %x:%x %lu%n", &from, &to, rights, &off, &major, &minor, &ino, &used) == 7);
		CHECK(from < to && from >= before && from % PAGE == 0 && to % PAGE == 0 && strlen(rights) == 4);
		// A name begins at column 73, or behind what is longer (show_vma_header_prefix).
		CHECK(!p[used] || p[used] == ' ');
		char *name = p + used + strspn(p + used, " ");
		CHECK(!*name || name - p == 73 || (name - p > 73 && name - p == used + 1));
		before = to;
		stack += !strcmp(name, "[stack]"), vdso += !strcmp(name, "[vdso]");
		if (from == (unsigned long)region || from == (unsigned long)region + 2 * PAGE || from == (unsigned long)region + 4 * PAGE)
			say("region %s %lx %lu %s", rights, off, ino, name);
		if (from == (unsigned long)file)
			say("file %s %lx, inode %d, absolute %d", rights, off, ino == st.st_ino, name[0] == '/');
		lines++;
		p = end + 1;
	}
	say("stack %d, vdso %d", stack, vdso);
	close(exe), munmap(file, PAGE);
	// A range that ends in the middle of reading: each piece begins a line anew.
	int f = open("/proc/self/maps", O_RDONLY);
	char b[128];
	size_t total = 0;
	ssize_t n;
	while ((n = read(f, b, 100)) > 0)
		total += n;
	say("by pieces %d", total > 200 && n == 0);
	SHOW(lseek(f, 0, SEEK_SET));
	SHOW(read(f, b, 100) > 0);
	close(f);
}

static void smaps(void)
{
	region[0] = region[PAGE] = 1; // two of them touched
	mlock(region + PAGE, PAGE);
	CHECK(slurp("/proc/self/smaps") > 0);
	char mark[40];
	snprintf(mark, sizeof mark, "%08lx-", (unsigned long)region);
	char *p = strstr(text, mark);
	if (!p) {
		say("FAIL the region is not there");
		return;
	}
	memmove(text, p, strlen(p) + 1);
	// The first of the parts: two pages until the locked one, or less.
	static const char *const names[] = {"Size:", "KernelPageSize:", "MMUPageSize:", "Rss:", "Pss:", "Shared_Clean:", "Shared_Dirty:", "Private_Clean:",
		"Private_Dirty:", "Referenced:", "Anonymous:", "AnonHugePages:", "Swap:", "Locked:"};
	char line[500];
	int n = 0;
	for (size_t i = 0; i < COUNT(names); i++)
		n += snprintf(line + n, sizeof line - n, " %s %ld", names[i], number(names[i]));
	say("%s", line);
	say("flags %d", strstr(text, "VmFlags: rd wr mr mw ") != NULL);
	slurp("/proc/self/smaps_rollup");
	say("rollup %d %d", strstr(text, "[rollup]\n") != NULL, number("Rss:") > 0 && number("Pss:") > 0 && number("Private_Dirty:") > 0);
	munlock(region + PAGE, PAGE);
}

static void *sleeps(void *arg)
{
	pause_ns(300 * MS);
	return arg;
}

static void status(void)
{
	static const char *const names[] = {"Umask:", "Tgid:", "Ngid:", "Pid:", "PPid:", "TracerPid:", "Uid:", "Gid:", "FDSize:", "VmPeak:", "VmSize:", "VmLck:", "VmPin:",
		"VmHWM:", "VmRSS:", "RssAnon:", "RssFile:", "RssShmem:", "VmData:", "VmStk:", "VmExe:", "VmLib:", "VmPTE:", "VmSwap:", "Threads:", "NoNewPrivs:", "Seccomp:",
		"voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"};
	pthread_t t = go(sleeps, NULL);
	await_blocked(50 * MS);
	umask(027);
	CHECK(slurp("/proc/self/status") > 0);
	absent(names, COUNT(names), "status");
	say("umask %lo, threads %ld, tracer %ld", number("Umask:"), number("Threads:"), number("TracerPid:"));
	CHECK(number("Pid:") == getpid() && number("PPid:") == getppid() && number("Tgid:") == getpid());
	CHECK(number("VmPeak:") >= number("VmSize:") && number("VmHWM:") >= number("VmRSS:") && number("VmSize:") >= number("VmRSS:"));
	CHECK(number("VmRSS:") == number("RssAnon:") + number("RssFile:") + number("RssShmem:"));
	char *s = strstr(text, "\nState:\t");
	say("state %.11s", s ? s + 8 : "-");
	static const char *const masks[] = {"\nSigPnd:\t", "\nShdPnd:\t", "\nSigBlk:\t", "\nSigIgn:\t", "\nSigCgt:\t", "\nCapInh:\t", "\nCapPrm:\t", "\nCapEff:\t", "\nCapBnd:\t", "\nCapAmb:\t"};
	for (size_t i = 0; i < COUNT(masks); i++) {
		char *p = strstr(text, masks[i]);
		CHECK(p && strspn(p + strlen(masks[i]), "0123456789abcdef") == 16);
	}
	CHECK(strstr(text, "\nCpus_allowed_list:\t0"));
	CHECK(strstr(text, "\nMems_allowed_list:\t0\n"));
	char tid[300];
	// The other thread's.
	DIR *d = opendir("/proc/self/task");
	int threads = 0;
	for (struct dirent *e; d && (e = readdir(d));)
		if (e->d_name[0] != '.' && ++threads && atoi(e->d_name) != getpid()) {
			snprintf(tid, sizeof tid, "/proc/self/task/%s/status", e->d_name);
			CHECK(slurp(tid) > 0 && number("Pid:") == atoi(e->d_name) && number("Tgid:") == getpid());
			s = strstr(text, "\nState:\t");
			say("other thread %.12s", s ? s + 8 : "-");
		}
	closedir(d);
	say("listed %d", threads);
	pthread_join(t, NULL);
	sigset_t set;
	sigemptyset(&set), sigaddset(&set, SIGUSR1), sigaddset(&set, SIGRTMAX);
	sigprocmask(SIG_BLOCK, &set, NULL), signal(SIGUSR2, SIG_IGN), raise(SIGUSR1);
	slurp("/proc/self/status");
	for (int i = 0; i < 4; i++)
		if (i != 1) {
			// What a C library has for itself, 32 to 34, may be ignored since before this
			// program began.
			char *p = strstr(text, masks[i]);
			say("%.7s %016llx", p + 1, strtoull(p + 9, NULL, 16) & ~(7ULL << 31));
		}
	signal(SIGUSR1, SIG_IGN), signal(SIGUSR2, SIG_DFL), sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void stat_(void)
{
	prctl(PR_SET_NAME, "a (b) c");
	CHECK(slurp("/proc/self/stat") > 0);
	char *p = strrchr(text, ')'), *q = strchr(text, '(');
	CHECK(p && q && atoi(text) == getpid());
	say("name %.*s", (int)(p - q - 1), q + 1);
	long v[60] = {0};
	int n = 3;
	char state = p[2];
	for (p += 3; *p && *p != '\n' && n < 60; n++)
		v[n] = strtoul(p, &p, 10);
	say("fields %d, state %c", n, state);
	struct rusage ru;
	getrusage(RUSAGE_SELF, &ru);
	long ticks = sysconf(_SC_CLK_TCK);
	say("ticks %ld, threads %ld, nice %ld, exit signal %ld", ticks, v[19], v[18], v[37]);
	CHECK(v[3] == getppid() && v[4] == getpgrp() && v[5] == getsid(0));
	CHECK(v[13] <= (ru.ru_utime.tv_sec + 1) * ticks && v[22] > (long)PAGE && v[23] * 4096 <= v[22]);
	CHECK(v[25] && v[26] && v[25] < v[26] && (unsigned long)v[27] > (unsigned long)v[26]); // code, stack
	// When it began, by the machine's uptime.
	double up = 0, idle;
	CHECK(slurp("/proc/uptime") > 0 && sscanf(text, "%lf %lf", &up, &idle) == 2);
	CHECK((double)v[21] / ticks <= up + .05);
	struct timespec t;
	clock_gettime(CLOCK_BOOTTIME, &t);
	CHECK(up <= t.tv_sec + t.tv_nsec / 1e9 && up > t.tv_sec - 2);
	CHECK(slurp("/proc/self/statm") > 0);
	long m[7];
	CHECK(sscanf(text, "%ld %ld %ld %ld %ld %ld %ld", m, m + 1, m + 2, m + 3, m + 4, m + 5, m + 6) == 7);
	CHECK(m[0] >= m[1] && m[1] >= m[2] && m[3] > 0 && m[4] == 0 && m[6] == 0);
	SHOW(slurp("/proc/self/comm"));
	say("%s", text);
	int f = open("/proc/self/comm", O_WRONLY);
	SHOW(write(f, "longer than fifteen", 19));
	close(f);
	slurp("/proc/self/comm");
	say("%s", text);
	slurp("/proc/thread-self/comm");
	say("%s", text);
}

static void info(int fd, const char *what)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	CHECK(slurp(path) > 0);
	char *p = strstr(text, "flags:\t");
	say("%s: %s, %ld, lines %d%d", what, p ? strtok(p + 7, "\n") : "-", number("pos:"), strstr(text, "mnt_id:\t") != NULL || p != NULL, text[0] == 'p');
}

static void fds(void)
{
	char path[64], b[200];
	t_folder("/tmp");
	int f = open("file", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600), p[2], s = socket(AF_INET, SOCK_STREAM, 0), ep = epoll_create1(0), ev = eventfd(7, 0),
		tm = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	CHECK(pipe2(p, O_NONBLOCK) == 0);
	CHECK(write(f, "hello", 5) == 5);
	info(f, "file"), info(p[0], "pipe"), info(p[1], "pipe"), info(s, "socket");
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", ev);
	slurp(path);
	say("eventfd %ld", number("eventfd-count: "));
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = 77};
	epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e);
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", ep);
	slurp(path);
	char *t = strstr(text, "tfd:");
	int tfd = -1;
	unsigned events = 0;
	unsigned long data = 0;
	if (t)
		sscanf(t, "tfd: %d events: %x data: %lx", &tfd, &events, &data);
	say("epoll %d %x %lx", tfd == p[0], events, data);
	static const char *const kinds[] = {"file", "pipe:[", "pipe:[", "socket:[", "anon_inode:[eventpoll]", "anon_inode:[eventfd]", "anon_inode:[timerfd]"};
	int list[] = {f, p[0], p[1], s, ep, ev, tm};
	struct stat st, lst;
	for (size_t i = 0; i < COUNT(list); i++) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", list[i]);
		ssize_t n = readlink(path, b, sizeof b - 1);
		b[n > 0 ? n : 0] = 0;
		CHECK(lstat(path, &lst) == 0 && stat(path, &st) == 0);
		unsigned long ino = 0;
		char *c = strchr(b, '[');
		if (c)
			ino = strtoul(c + 1, NULL, 10);
		say("%s: %d, rights %o, inode %d, size %d", kinds[i], strstr(b, kinds[i]) != NULL, lst.st_mode & 0777, !ino || ino == st.st_ino, (int)lst.st_size);
	}
	unlink("file");
	snprintf(path, sizeof path, "/proc/self/fd/%d", f);
	ssize_t n = readlink(path, b, sizeof b - 1);
	say("deleted %d", n > 10 && !strncmp(b + n - 10, " (deleted)", 10));
	int again = open(path, O_RDONLY);
	SHOW(read(again, b, 10));
	snprintf(path, sizeof path, "/dev/fd/%d", p[0]);
	int pp = open(path, O_RDONLY | O_NONBLOCK);
	SHOW(pp >= 0);
	SHOW(write(p[1], "x", 1));
	SHOW(read(pp, b, 1));
	snprintf(path, sizeof path, "/proc/self/fd/%d", s);
	SHOW(open(path, O_RDONLY));
	SHOW(open("/proc/self/fd/999", O_RDONLY));
	SHOW(open("/proc/self/fd/01", O_RDONLY));
	SHOW(readlink("/proc/self/fd/-1", b, 9));
	close(f), close(again), close(pp), close(p[0]), close(p[1]), close(s), close(ep), close(ev), close(tm);
}

extern char **environ;

static void process(void)
{
	ssize_t n = slurp("/proc/self/environ");
	size_t k = 0;
	for (char **e = environ; *e; e++) {
		CHECK((ssize_t)k < n && !strcmp(text + k, *e));
		k += strlen(*e) + 1;
	}
	say("environ %d", (ssize_t)k == n);
	n = slurp("/proc/self/auxv");
	unsigned long *a = (void *)text;
	CHECK(n % 16 == 0 && n > 0 && a[n / 8 - 2] == AT_NULL);
	static const int types[] = {AT_PHDR, AT_PHENT, AT_PHNUM, AT_PAGESZ, AT_BASE, AT_FLAGS, AT_ENTRY, AT_UID, AT_EUID, AT_GID, AT_EGID, AT_SECURE, AT_RANDOM, AT_HWCAP,
		AT_CLKTCK, AT_PLATFORM, AT_EXECFN, AT_SYSINFO_EHDR, AT_HWCAP2, AT_MINSIGSTKSZ};
	for (size_t i = 0; i < COUNT(types); i++) {
		int found = 0;
		for (unsigned long *p = a; p[0]; p += 2)
			if (p[0] == (unsigned)types[i]) {
				found++;
				if (types[i] != AT_MINSIGSTKSZ && types[i] != AT_HWCAP && p[1] != getauxval(types[i])) // glibc has its own
					say("FAIL auxv %d: %lx, %lx", types[i], p[1], getauxval(types[i]));
			}
		if (found != 1)
			say("auxv %d: %d times", types[i], found);
	}
	slurp("/proc/self/limits");
	static const char *const limits[] = {"Max cpu time ", "Max file size ", "Max data size ", "Max stack size ", "Max core file size ", "Max resident set ", "Max processes ",
		"Max open files ", "Max locked memory ", "Max address space ", "Max file locks ", "Max pending signals ", "Max msgqueue size ", "Max nice priority ",
		"Max realtime priority ", "Max realtime timeout "};
	char *p = strchr(text, '\n');
	say("%.*s", (int)(p - text), text);
	for (size_t i = 0; i < COUNT(limits); i++) {
		struct rlimit r;
		char soft[32], hard[32], *l = strstr(text, limits[i]);
		CHECK(l && getrlimit(i, &r) == 0);
		if (!l)
			continue;
		CHECK(sscanf(l + 26, "%31s %31s", soft, hard) == 2);
		CHECK(r.rlim_cur == RLIM_INFINITY ? !strcmp(soft, "unlimited") : strtoul(soft, NULL, 10) == r.rlim_cur);
		CHECK(r.rlim_max == RLIM_INFINITY ? !strcmp(hard, "unlimited") : strtoul(hard, NULL, 10) == r.rlim_max);
		say("%.*s", 24, strchr(l, '\n') - 11);
	}
	// mountinfo: fields and the separator.
	slurp("/proc/self/mountinfo");
	int roots = 0, bad = 0;
	for (p = strtok(text, "\n"); p; p = strtok(NULL, "\n")) {
		int id, parent, used = 0;
		unsigned major, minor;
		char root[300], point[300], opts[600], *dash = strstr(p, " - ");
		if (sscanf(p, "%d %d %u:%u %299s %299s %599s%n", &id, &parent, &major, &minor, root, point, opts, &used) != 7 || !dash || root[0] != '/' || point[0] != '/' ||
			(strncmp(opts, "rw", 2) && strncmp(opts, "ro", 2)))
			bad++;
		roots += !strcmp(point, "/");
	}
	say("mounts %d, bad %d", roots > 0, bad);
	for (const char *const *f = (const char *const[]){"/proc/self/oom_score_adj", "/proc/self/oom_score", "/proc/self/loginuid", "/proc/self/cgroup", 			"/proc/self/personality", "/proc/self/io", "/proc/self/coredump_filter", "/proc/self/timerslack_ns", "/proc/self/setgroups",
			"/proc/self/uid_map", "/proc/self/gid_map", "/proc/self/mounts", "/proc/self/mountstats", "/proc/self/net/dev", NULL};
		*f; f++)
		say("%s: %s", *f, access(*f, F_OK) < 0 ? t_errno(errno) : "there");
	slurp("/proc/self/oom_score_adj");
	long adj = atol(text);
	CHECK(adj >= -1000 && adj <= 1000 && strchr(text, '\n'));
	int f = open("/proc/self/oom_score_adj", O_WRONLY);
	SHOW(f >= 0 && write(f, "500", 3) == 3);
	SHOW(write(f, "1001", 4));
	SHOW(write(f, "x", 1));
	close(f);
	slurp("/proc/self/oom_score_adj");
	say("%s", strtok(text, "\n"));
	slurp("/proc/self/io");
	say("io %d", number("rchar: ") > 0 && number("wchar: ") > 0 && number("syscr: ") > 0 && number("syscw: ") > 0 && number("read_bytes: ") >= 0);
}

static void system_(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), n = 0;
	slurp("/proc/cpuinfo");
	static const char *const lines[] = {"processor\t: ", "vendor_id\t: ", "cpu family\t: ", "model\t\t: ", "model name\t: ", "stepping\t: ", "cpu MHz\t\t: ", "cache size\t: ",
		"physical id\t: ", "siblings\t: ", "core id\t\t: ", "cpu cores\t: ", "apicid\t\t: ", "fpu\t\t: ", "cpuid level\t: ", "flags\t\t: ", "bogomips\t: ",
		"clflush size\t: ", "cache_alignment\t: ", "address sizes\t: "};
	for (size_t i = 0; i < COUNT(lines); i++)
		if (!strstr(text, lines[i]))
			say("cpuinfo: no %s", lines[i]);
	for (char *p = text; (p = strstr(p, "processor\t: ")); p++)
		n++;
	say("processors as there are %d", n == cpus);
	slurp("/proc/meminfo");
	static const char *const mem[] = {"MemTotal:", "MemFree:", "MemAvailable:", "Buffers:", "Cached:", "SwapCached:", "Active:", "Inactive:", "SwapTotal:", "SwapFree:", "Dirty:",
		"Writeback:", "AnonPages:", "Mapped:", "Shmem:", "Slab:", "SReclaimable:", "SUnreclaim:", "KernelStack:", "PageTables:", "CommitLimit:", "Committed_AS:",
		"HugePages_Total:", "HugePages_Free:", "Hugepagesize:"};
	absent(mem, COUNT(mem), "meminfo");
	struct sysinfo si;
	sysinfo(&si);
	CHECK(number("MemTotal:") * 1024 == (long)(si.totalram * si.mem_unit));
	CHECK(number("MemTotal:") >= number("MemAvailable:") && number("MemAvailable:") > 0 && number("MemTotal:") > number("MemFree:"));
	CHECK(sysconf(_SC_PHYS_PAGES) == number("MemTotal:") / 4);
	slurp("/proc/stat");
	static const char *const stats[] = {"cpu ", "cpu0 ", "intr ", "ctxt ", "btime ", "processes ", "procs_running ", "procs_blocked ", "softirq "};
	absent(stats, COUNT(stats), "stat");
	unsigned long t[10];
	CHECK(sscanf(text, "cpu  %lu %lu %lu %lu %lu %lu %lu %lu %lu %lu\n", t, t + 1, t + 2, t + 3, t + 4, t + 5, t + 6, t + 7, t + 8, t + 9) == 10);
	long b = number("btime ");
	CHECK(labs(b + now_ns(CLOCK_BOOTTIME) / 1000000000 - time(NULL)) <= 2);
	n = 0;
	for (char *p = text; (p = strstr(p, "\ncpu")); p++)
		n++;
	say("cpu lines as there are %d", n == cpus);
	double l[3];
	int running, total, last, used = 0;
	CHECK(slurp("/proc/loadavg") > 0 && sscanf(text, "%lf %lf %lf %d/%d %d\n%n", l, l + 1, l + 2, &running, &total, &last, &used) == 6 && !text[used] && running >= 1 && total >= running);
	struct utsname u;
	uname(&u);
	CHECK(slurp("/proc/version") > 0 && strstr(text, u.release) && strstr(text, u.version) && text[strlen(text) - 1] == '\n');
	static const char *const there[] = {"/proc/vmstat", "/proc/partitions", "/proc/swaps", "/proc/cmdline", "/proc/self/net/tcp", "/proc/net/tcp6",
		"/proc/net/udp", "/proc/net/udp6", "/proc/net/unix", "/proc/net/route", "/proc/net/ipv6_route", "/proc/net/if_inet6", "/proc/net/dev", "/proc/net/snmp", "/proc/net/netstat",
		"/proc/net/sockstat", "/proc/net/sockstat6", "/proc/net/arp", "/proc/sys/net/core/somaxconn", "/proc/sys/net/core/rmem_max",
		"/proc/sys/net/core/wmem_max", "/proc/sys/net/core/rmem_default", "/proc/sys/net/core/wmem_default", "/proc/sys/net/ipv4/ip_local_port_range", "/proc/sys/net/ipv4/tcp_rmem",
		"/proc/sys/net/ipv4/tcp_wmem", "/proc/sys/net/ipv4/tcp_fin_timeout", "/proc/sys/net/ipv4/tcp_keepalive_time", 		"/proc/sys/net/ipv4/tcp_congestion_control", "/proc/sys/net/ipv4/ip_forward", 		"/proc/sys/net/ipv6/conf/all/disable_ipv6", "/proc/sys/net/ipv4/ip_unprivileged_port_start", "/proc/sys/net/ipv6/bindv6only", "/proc/sys/fs/file-max", "/proc/sys/fs/file-nr",
		"/proc/sys/fs/nr_open", "/proc/sys/fs/pipe-max-size", "/proc/sys/kernel/shmmax", "/proc/sys/kernel/shmall", "/proc/sys/kernel/shmmni", 		"/proc/sys/kernel/cap_last_cap", "/proc/sys/kernel/perf_event_paranoid", 		"/proc/sys/kernel/tainted", 		"/proc/sys/kernel/random/entropy_avail", "/proc/sys/vm/max_map_count", "/proc/sys/vm/swappiness", "/proc/sys/vm/nr_hugepages", "/proc/sys/vm/mmap_min_addr",
		"/proc/sys/vm/overcommit_ratio", "/proc/sys/vm/overcommit_memory", "/proc/sys/vm/min_free_kbytes", "/proc/sys/vm/zone_reclaim_mode", 		"/sys/devices/system/cpu/online", "/sys/devices/system/cpu/possible", "/sys/devices/system/cpu/present", "/sys/devices/system/cpu/kernel_max", "/sys/devices/system/cpu/offline",
		"/sys/devices/system/cpu/cpu0/topology/core_id", "/sys/devices/system/cpu/cpu0/topology/physical_package_id", "/sys/devices/system/cpu/cpu0/topology/thread_siblings",
		"/sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "/sys/devices/system/cpu/cpu0/topology/core_siblings_list", 				"/sys/devices/system/cpu/smt/active", "/sys/devices/system/node/online", "/sys/devices/system/node/node0/cpulist", "/sys/devices/system/node/node0/meminfo",
		"/sys/devices/system/node/node0/distance", "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "/sys/class/net/lo/mtu",
		"/sys/class/net/lo/operstate", "/sys/class/net/lo/address", "/sys/class/net/lo/statistics/rx_bytes", "/sys/devices/system/clocksource/clocksource0/current_clocksource"};
	for (size_t i = 0; i < COUNT(there); i++)
		if (access(there[i], F_OK) < 0)
			say("%s: %s", there[i], t_errno(errno));
		else {
			ssize_t n = slurp(there[i]);
			if (n <= 0 && strcmp(there[i], "/proc/swaps") && strcmp(there[i], "/proc/net/if_inet6"))
				say("%s: empty %zd", there[i], n);
			if (n > 0 && text[n - 1] != '\n' && strcmp(there[i], "/proc/cmdline"))
				say("%s: no end of line", there[i]);
		}
}

// What the files of sockets say of one.
static void network(void)
{
	int l = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_storage a = {.ss_family = AF_INET};
	socklen_t n = sizeof a;
	CHECK(bind(l, (void *)&a, 16) == 0 && listen(l, 3) == 0 && getsockname(l, (void *)&a, &n) == 0);
	unsigned port = ((unsigned char *)&a)[2] << 8 | ((unsigned char *)&a)[3];
	struct stat st;
	fstat(l, &st);
	slurp("/proc/net/tcp");
	char *end = strchr(text, '\n');
	say("%.*s", (int)(strstr(text, "inode") + 5 - text), text);
	int found = 0;
	for (char *p = end; p && *p; p = strchr(p + 1, '\n')) {
		unsigned sl, la, lp, ra, rp, state, uid;
		unsigned long tx, rx, tr, when, retr, timeout, inode;
		if (sscanf(p, "%u: %x:%x %x:%x %x %lx:%lx %lx:%lx %lx %u %lu %lu", &sl, &la, &lp, &ra, &rp, &state, &tx, &rx, &tr, &when, &retr, &uid, &timeout, &inode) == 14 && lp == port) {
			found++;
			say("state %x, inode %d, uid %d, line %d", state, inode == st.st_ino, uid == getuid(), (int)strcspn(p + 1, "\n") == 149);
		}
	}
	say("found %d", found);
	close(l);
	slurp("/proc/net/dev");
	say("%.*s", (int)strcspn(text, "\n"), text);
	CHECK(strstr(text, "    lo: "));
	slurp("/proc/net/if_inet6");
	say("%.55s", strstr(text, "00000000000000000000000000000001") ? strstr(text, "00000000000000000000000000000001") : "none");
	slurp("/proc/net/sockstat");
	say("sockstat %d", strstr(text, "sockets: used ") && strstr(text, "\nTCP: inuse ") && strstr(text, "\nUDP: inuse "));
	slurp("/proc/net/snmp");
	say("snmp %d", strstr(text, "Ip: Forwarding DefaultTTL") && strstr(text, "\nTcp: RtoAlgorithm") && strstr(text, "\nUdp: InDatagrams"));
}

static const struct t_case cases[] = {
	{"maps", maps}, {"smaps", smaps}, {"status", status}, {"stat", stat_}, {"fds", fds}, {"process", process}, {"system", system_}, {"network", network},
};
T_MAIN(cases)
