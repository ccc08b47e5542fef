// What every test program shares: a table of cases, and output that is the same
// on every kernel that answers as Linux does.
//
// A program prints, for each case, a line "case NAME" and then what it found,
// without addresses, times or numbers of processes. The harness compares that
// output between Linux and Skerry byte for byte. Two kinds of lines stand apart:
//
//   FAIL …    something is wrong wherever it appears; the status is 1 then
//   DESIGN …  differs on purpose; the harness checks it against its own table
//
// The programs are ordinary static Linux programs; they build with musl and glibc.
#ifndef T_H
#define T_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL
#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MS 1000000LL

struct t_case {
	const char *name;
	void (*run)(void);
};

static int t_failed;

__attribute__((unused)) static const char *t_errno(int e)
{
	static const struct {
		int e;
		const char *name;
	} names[] = {
#define N(e) {e, #e}
		N(EPERM), N(ENOENT), N(ESRCH), N(EINTR), N(EIO), N(ENXIO), N(E2BIG), N(ENOEXEC), N(EBADF), N(ECHILD),
		N(EAGAIN), N(ENOMEM), N(EACCES), N(EFAULT), N(EBUSY), N(EEXIST), N(EXDEV), N(ENODEV), N(ENOTDIR), N(EISDIR),
		N(EINVAL), N(ENFILE), N(EMFILE), N(ENOTTY), N(ETXTBSY), N(EFBIG), N(ENOSPC), N(ESPIPE), N(EROFS), N(EMLINK),
		N(EPIPE), N(EDOM), N(ERANGE), N(EDEADLK), N(ENAMETOOLONG), N(ENOLCK), N(ENOSYS), N(ENOTEMPTY), N(ELOOP),
		N(ENODATA), N(ETIME), N(EOVERFLOW), N(EILSEQ), N(ENOTSOCK), N(EDESTADDRREQ), N(EMSGSIZE), N(EPROTOTYPE),
		N(ENOPROTOOPT), N(EPROTONOSUPPORT), N(ESOCKTNOSUPPORT), N(EOPNOTSUPP), N(EAFNOSUPPORT), N(EADDRINUSE),
		N(EADDRNOTAVAIL), N(ENETUNREACH), N(ECONNABORTED), N(ECONNRESET), N(ENOBUFS), N(EISCONN), N(ENOTCONN),
		N(ETIMEDOUT), N(ECONNREFUSED), N(EHOSTUNREACH), N(EALREADY), N(EINPROGRESS), N(ECANCELED), N(EOWNERDEAD),
		N(ENOTRECOVERABLE),
#undef N
	};
	static __thread char other[24];
	for (size_t i = 0; i < COUNT(names); i++)
		if (names[i].e == e)
			return names[i].name;
	snprintf(other, sizeof other, "errno %d", e);
	return other;
}

// say prints one line at once, so that lines of a program that dies are not lost.
__attribute__((unused, format(printf, 1, 2))) static void say(const char *format, ...)
{
	char line[1024];
	va_list a;
	va_start(a, format);
	int n = vsnprintf(line, sizeof line - 1, format, a);
	va_end(a);
	if (n > (int)sizeof line - 2)
		n = sizeof line - 2;
	line[n++] = '\n';
	for (int done = 0; done < n;) {
		ssize_t w = write(1, line + done, n - done);
		if (w < 0 && errno != EINTR && errno != EAGAIN)
			_exit(99);
		if (w > 0)
			done += w;
	}
}

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		errno = 0;                                                                         \
		if (!(x)) {                                                                        \
			int e_ = errno;                                                            \
			__atomic_store_n(&t_failed, 1, __ATOMIC_RELAXED);                          \
			say("FAIL %s:%d: %s%s%s", __FILE_NAME__, __LINE__, #x, e_ ? ": " : "",     \
				e_ ? t_errno(e_) : "");                                            \
		}                                                                                  \
	} while (0)

// result names what a call answered: its value, or its errno.
__attribute__((unused)) static const char *result(long r)
{
	static __thread char text[4][32];
	static __thread int next;
	if (r == -1)
		return t_errno(errno);
	char *t = text[next++ % 4];
	snprintf(t, 32, "%ld", r);
	return t;
}

// SHOW prints a call and its result.
#define SHOW(call)                                                                                 \
	do {                                                                                       \
		errno = 0;                                                                         \
		long r_ = (long)(call);                                                            \
		say("%s = %s", #call, result(r_));                                                 \
	} while (0)

// OK prints a call and whether it succeeded, for results that are not the same
// each time, such as addresses.
#define OK(call)                                                                                   \
	do {                                                                                       \
		errno = 0;                                                                         \
		long r_ = (long)(call);                                                            \
		say("%s = %s", #call, r_ == -1 ? t_errno(errno) : "ok");                           \
	} while (0)

__attribute__((unused)) static int64_t now_ns(clockid_t c)
{
	struct timespec t;
	clock_gettime(c, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

__attribute__((unused)) static struct timespec ts_of(int64_t ns)
{
	struct timespec t = {ns / 1000000000, ns % 1000000000};
	return t;
}

// pause_ns sleeps, however often it is interrupted.
__attribute__((unused)) static void pause_ns(int64_t ns)
{
	struct timespec t = ts_of(ns);
	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

// blocks says whether a thread waits in the kernel (proc_pid_stat(5): state S), -1 if there
// is no such thread.
__attribute__((unused)) static int blocks(int tid)
{
	char path[64], b[256] = "";
	snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
	int f = open(path, O_RDONLY);
	if (f < 0)
		return -1;
	char *p = read(f, b, sizeof b - 1) > 0 ? strrchr(b, ')') : NULL;
	close(f);
	return p ? p[2] == 'S' : -1;
}

// others_block says whether every other thread of the program does.
__attribute__((unused)) static int others_block(void)
{
	struct dirent *e;
	DIR *d = opendir("/proc/self/task");
	int me = (int)syscall(SYS_gettid), all = d != NULL;
	while (all && (e = readdir(d)))
		all = e->d_name[0] == '.' || atoi(e->d_name) == me || blocks(atoi(e->d_name));
	if (d)
		closedir(d);
	return all;
}

// await_blocked gives the other threads ns, and as much more as a busy host takes from them,
// until all of them wait: for what is true only once another thread has got to where it
// waits. A thread that never waits makes it end after three seconds.
__attribute__((unused)) static void await_blocked(int64_t ns)
{
	pause_ns(ns);
	for (int i = 0, quiet = 0; i < 3000 && quiet < 3; i++) {
		quiet = others_block() ? quiet + 1 : 0;
		pause_ns(MS);
	}
}

// next_random is a small generator (xorshift64*), for delays and data that are
// the same in every run.
__attribute__((unused)) static uint64_t next_random(uint64_t *s)
{
	*s ^= *s >> 12, *s ^= *s << 25, *s ^= *s >> 27;
	return *s * 0x2545f4914f6cdd1dull;
}

__attribute__((unused)) static pid_t my_tid(void)
{
	return syscall(SYS_gettid);
}

__attribute__((unused)) static pthread_t go(void *(*f)(void *), void *arg)
{
	pthread_t t;
	int e = pthread_create(&t, NULL, f, arg);
	if (e) {
		say("FAIL pthread_create: %s", t_errno(e));
		_exit(98);
	}
	return t;
}

// t_folder makes a folder of the program's own below top, or where T_FOLDER says, and
// works in it, so that several can run at a time; it is removed at the end if it is
// empty.
__attribute__((unused)) static char t_own[64];

__attribute__((unused)) static void t_unfolder(void)
{
	if (chdir("/") == 0)
		rmdir(t_own);
}

__attribute__((unused)) static void t_folder(const char *top)
{
	if (getenv("T_FOLDER"))
		top = getenv("T_FOLDER");
	snprintf(t_own, sizeof t_own, "%s/t-XXXXXX", top);
	if (!mkdtemp(t_own) || chdir(t_own) < 0)
		say("FAIL no folder in %s: %s", top, t_errno(errno));
	atexit(t_unfolder);
}

// t_protection is what /proc/self/maps says about a page.
__attribute__((unused)) static const char *t_protection(const void *p)
{
	static char text[8];
	char line[300], prot[8];
	uintptr_t a, b;
	FILE *f = fopen("/proc/self/maps", "r");
	strcpy(text, "none");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "%lx-%lx %7s", &a, &b, prot) == 3 && a <= (uintptr_t)p && (uintptr_t)p < b)
			strcpy(text, prot);
	if (f)
		fclose(f);
	return text;
}

// t_unprivileged gives up root's rights, where the program has them, for the user that
// programs have on Skerry.
__attribute__((unused)) static void t_unprivileged(void)
{
	if (getuid() != 0)
		return;
	if (syscall(SYS_setgroups, 0, NULL) < 0 || setgid(65532) < 0 || setuid(65532) < 0) {
		say("FAIL no other user: %s", t_errno(errno));
		_exit(97);
	}
}

// t_main runs all cases, or those that are named.
__attribute__((unused)) static int t_main(int argc, char **argv, const struct t_case *cases, size_t n)
{
	for (int i = 1; i < argc; i++) {
		size_t j = 0;
		while (j < n && strcmp(argv[i], cases[j].name))
			j++;
		if (j == n) {
			say("FAIL no case %s", argv[i]);
			return 2;
		}
	}
	for (size_t j = 0; j < n; j++) {
		int wanted = argc < 2;
		for (int i = 1; i < argc; i++)
			wanted |= !strcmp(argv[i], cases[j].name);
		if (!wanted)
			continue;
		say("case %s", cases[j].name);
		cases[j].run();
	}
	return t_failed ? 1 : 0;
}

#define T_MAIN(cases)                                                                              \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		return t_main(argc, argv, cases, COUNT(cases));                                    \
	}
#endif
