// /proc, /sys and the other files that static programs read. Values differ from
// machine to machine; their form and what follows from them does not.
#include "t.h"
#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

static char text[1 << 16];

static ssize_t slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	if (fd < 0) {
		say("%s: %s", path, t_errno(errno));
		return -1;
	}
	ssize_t n = 0, r;
	while (n < (ssize_t)sizeof text - 1 && (r = read(fd, text + n, sizeof text - 1 - n)) > 0)
		n += r;
	text[n] = 0;
	close(fd);
	return n;
}

static void self(void)
{
	char b[4096];
	ssize_t n = slurp("/proc/self/cmdline");
	say("cmdline ends with NUL %d", n > 0 && text[n - 1] == 0);
	n = readlink("/proc/self/exe", b, sizeof b - 1);
	CHECK(n > 0);
	b[n > 0 ? n : 0] = 0;
	say("exe is absolute %d, is there %d", b[0] == '/', access("/proc/self/exe", R_OK) == 0);
	n = readlink("/proc/self/cwd", b, sizeof b - 1);
	say("cwd %.*s", (int)n, b);
	n = readlink("/proc/self/root", b, sizeof b - 1);
	say("root %.*s", (int)n, b);
	n = readlink("/proc/self/fd/1", b, sizeof b - 1);
	say("fd 1 is a pipe %d", n > 5 && !strncmp(b, "pipe:", 5));
	int fd = open("/dev/zero", O_RDONLY);
	char link[64];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, b, sizeof b - 1);
	say("fd of a device: %.*s", (int)n, b);
	DIR *d = opendir("/proc/self/fd");
	int seen[4] = {0}, own = 0;
	for (struct dirent *e; d && (e = readdir(d));) {
		int v = atoi(e->d_name);
		if (isdigit(e->d_name[0]) && v < 3)
			seen[v] = 1;
		own += isdigit(e->d_name[0]) && v == fd;
	}
	say("listed %d%d%d %d", seen[0], seen[1], seen[2], own);
	closedir(d);
	// maps: every line parses, addresses rise, our own code is among them.
	CHECK(slurp("/proc/self/maps") > 0);
	unsigned long lo, hi, last = 0, off;
	char perms[8];
	int sorted = 1, code = 0, stack = 0, both = 0, lines = 0;
	for (char *l = strtok(text, "\n"); l; l = strtok(NULL, "\n")) {
		if (sscanf(l, "%lx-%lx %4s %lx", &lo, &hi, perms, &off) != 4) {
			say("FAIL maps line %s", l);
			continue;
		}
		lines++;
		if (lo >> 47)
			continue; // Linux's vsyscall page
		sorted &= lo >= last && hi > lo;
		last = hi;
		code |= (unsigned long)&self >= lo && (unsigned long)&self < hi && !strcmp(perms, "r-xp");
		stack |= (unsigned long)&lo >= lo && (unsigned long)&lo < hi && strstr(l, "[stack]") != NULL;
		both |= perms[1] == 'w' && perms[2] == 'x';
	}
	say("maps sorted %d, code %d, stack %d, writable and executable %d", sorted, code, stack, both);
	CHECK(slurp("/proc/self/stat") > 0);
	int pid;
	char state;
	say("stat %d", sscanf(text, "%d (%*[^)]) %c", &pid, &state) == 2 && pid == getpid() && state == 'R');
	int fields = 0;
	for (char *p = strrchr(text, ')'); p && *p; p++)
		fields += *p == ' ';
	say("stat fields %d", fields);
	CHECK(slurp("/proc/self/statm") > 0);
	say("statm %d", sscanf(text, "%lu %lu", &lo, &hi) == 2 && lo >= hi && hi > 0);
	CHECK(slurp("/proc/self/status") > 0);
	static const char *const keys[] = {"Name:\t", "\nState:\t", "\nPid:\t", "\nPPid:\t", "\nUid:\t", "\nThreads:\t1\n", "\nVmRSS:\t", "\nVmSize:\t", "\nSigBlk:\t", "\nSigCgt:\t", "\nCpus_allowed_list:\t"};
	for (size_t i = 0; i < COUNT(keys); i++)
		say("status has %s %d", keys[i] + (keys[i][0] == '\n'), strstr(text, keys[i]) != NULL);
	CHECK(slurp("/proc/self/limits") > 0);
	say("limits %d", strstr(text, "Max open files") != NULL && strstr(text, "Max stack size") != NULL);
	CHECK(slurp("/proc/self/comm") > 0);
	say("comm %s", text[strlen(text) - 1] == '\n' ? "one line" : "odd");
	CHECK(slurp("/proc/self/auxv") > 0);
	say("mountinfo %d", slurp("/proc/self/mountinfo") > 0 && strstr(text, " / ") != NULL);
	say("mounts %d", slurp("/proc/mounts") > 0 && strstr(text, " / ") != NULL);
	say("cgroup %d", slurp("/proc/self/cgroup") >= 0);
	d = opendir("/proc/self/task");
	int tasks = 0;
	for (struct dirent *e; d && (e = readdir(d));)
		tasks += isdigit(e->d_name[0]) != 0;
	say("tasks %d", tasks);
	closedir(d);
	SHOW(open("/proc/self/none", O_RDONLY));
	SHOW(open("/proc/99999999", O_RDONLY));
	SHOW(mkdir("/proc/x", 0755) < 0 ? -1 : 0);
	SHOW(open("/proc/self/stat/x", O_RDONLY));
	// Reading in pieces gives the same as at once.
	n = slurp("/proc/filesystems");
	fd = open("/proc/filesystems", O_RDONLY);
	ssize_t m = 0;
	int same = 1;
	char c[7];
	for (ssize_t r; (r = read(fd, c, sizeof c)) > 0; m += r)
		same &= m + r <= n && !memcmp(c, text + m, r);
	say("in pieces %d", n > 0 && m == n && same);
	close(fd);
}

static void machine(void)
{
	say("cpuinfo %d", slurp("/proc/cpuinfo") > 0 && !strncmp(text, "processor\t: 0\n", 14) && strstr(text, "\nflags\t\t: ") != NULL);
	int n = 0;
	for (char *p = text; (p = strstr(p, "processor\t:")); p++)
		n++;
	CHECK(n == sysconf(_SC_NPROCESSORS_ONLN));
	unsigned long total, avail;
	say("meminfo %d", slurp("/proc/meminfo") > 0 && sscanf(text, "MemTotal: %lu kB MemFree: %*u kB MemAvailable: %lu", &total, &avail) == 2 && total > avail && avail > 0);
	struct sysinfo si;
	CHECK(sysinfo(&si) == 0);
	CHECK(si.totalram * si.mem_unit / 1024 == total);
	say("sysinfo %d", si.uptime >= 0 && si.procs > 0 && si.freeram <= si.totalram);
	double up, idle;
	say("uptime %d", slurp("/proc/uptime") > 0 && sscanf(text, "%lf %lf", &up, &idle) == 2);
	double a, b, c;
	say("loadavg %d", slurp("/proc/loadavg") > 0 && sscanf(text, "%lf %lf %lf", &a, &b, &c) == 3);
	say("stat %d", slurp("/proc/stat") > 0 && !strncmp(text, "cpu ", 4) && strstr(text, "\nbtime ") != NULL);
	say("version %d", slurp("/proc/version") > 0 && !strncmp(text, "Linux version ", 14));
	struct utsname u;
	CHECK(uname(&u) == 0);
	say("%s %s", u.sysname, u.machine);
	CHECK(slurp("/proc/sys/kernel/osrelease") > 0 && !strncmp(text, u.release, strlen(u.release)));
	CHECK(slurp("/proc/sys/kernel/hostname") > 0 && !strncmp(text, u.nodename, strlen(u.nodename)));
	say("ostype %s", slurp("/proc/sys/kernel/ostype") > 0 ? text : "");
	static const char *const numbers[] = {"/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max", "/proc/sys/vm/overcommit_memory", "/proc/sys/vm/max_map_count", "/proc/sys/net/core/somaxconn"};
	for (size_t i = 0; i < COUNT(numbers); i++)
		say("%s %d", numbers[i], slurp(numbers[i]) > 1 && isdigit(text[0]) && text[strlen(text) - 1] == '\n');
	say("boot_id %d", slurp("/proc/sys/kernel/random/boot_id") == 37 && text[8] == '-');
	char id[64];
	strcpy(id, text);
	say("the same again %d", slurp("/proc/sys/kernel/random/boot_id") == 37 && !strcmp(id, text));
	say("uuid %d", slurp("/proc/sys/kernel/random/uuid") == 37 && strcmp(id, text));
	say("filesystems %d", slurp("/proc/filesystems") > 0 && strstr(text, "\ttmpfs\n") != NULL);
	CHECK(slurp("/sys/devices/system/cpu/online") > 0 && text[0] == '0');
	CHECK(slurp("/sys/devices/system/cpu/possible") > 0 && text[0] == '0');
	SHOW(open("/sys/none", O_RDONLY));
}

static void limits(void)
{
	struct rlimit l, m;
	SHOW(getrlimit(99, &l));
	SHOW(getrlimit(RLIMIT_NOFILE, (void *)8));
	CHECK(getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur >= 1024 && l.rlim_max >= l.rlim_cur);
	m = l;
	m.rlim_cur = 100;
	SHOW(setrlimit(RLIMIT_NOFILE, &m));
	int fd, last = -1;
	while ((fd = open("/dev/null", O_RDONLY)) >= 0)
		last = fd;
	say("last %d, then %s", last, t_errno(errno));
	for (; last > 2; last--)
		close(last);
	m.rlim_cur = m.rlim_max + 1;
	SHOW(setrlimit(RLIMIT_NOFILE, &m));
	setrlimit(RLIMIT_NOFILE, &l);
	CHECK(getrlimit(RLIMIT_STACK, &l) == 0 && l.rlim_cur == 8 << 20);
	struct rusage r;
	SHOW(getrusage(RUSAGE_SELF, &r));
	SHOW(getrusage(RUSAGE_THREAD, &r));
	SHOW(getrusage(99, &r));
	CHECK(r.ru_maxrss >= 0);
	say("page %ld", sysconf(_SC_PAGESIZE));
}

// Addresses of the kernel: none in any file of /proc and /sys that can be read.
// On Linux the files of all processes would be in the way, so it looks only where
// the test says that the machine is the program's own.
static long looked, found;

// kernel_address reports whether a word is an address of the upper half; -1 and
// other small negative numbers are not.
static int kernel_address(uint64_t v)
{
	return v >= 0xffff800000000000 && v < 0xffffffffffff0000;
}

static void look_into(const char *path)
{
	ssize_t n = slurp(path);
	looked += n >= 0;
	for (ssize_t i = 0; i < n;) {
		char *end;
		if (!isxdigit(text[i])) {
			i++;
			continue;
		}
		uint64_t v = strtoull(text + i, &end, 16);
		ssize_t digits = end - (text + i);
		if (digits >= 16 && kernel_address(v)) {
			say("FAIL %s: %.*s", path, (int)digits, text + i);
			found++;
		}
		i += digits > 0 ? digits : 1;
	}
	for (ssize_t i = 0; i + 8 <= n; i += 8) {
		uint64_t v;
		memcpy(&v, text + i, 8);
		if (kernel_address(v) && !strstr(path, "environ") && !strstr(path, "cmdline")) {
			say("FAIL %s: word %zd is %#lx", path, i / 8, (long)v);
			found++;
		}
	}
}

static void walk(const char *dir, int depth)
{
	DIR *d = depth < 12 ? opendir(dir) : NULL;
	for (struct dirent *e; d && (e = readdir(d));) {
		char path[PATH_MAX];
		struct stat st;
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		if (lstat(path, &st))
			continue;
		if (S_ISDIR(st.st_mode))
			walk(path, depth + 1);
		else if (S_ISREG(st.st_mode))
			look_into(path);
	}
	if (d)
		closedir(d);
}

static void scan(void)
{
	if (getenv("SKERRY_ROOT")) {
		walk("/proc", 0);
		walk("/sys", 0);
		CHECK(looked > 150);
	}
	say("kernel addresses %ld", found);
	t_failed |= found != 0;
}

static const struct t_case cases[] = {{"self", self}, {"machine", machine}, {"limits", limits}, {"scan", scan}};
T_MAIN(cases)
