// Ends in ways that the launcher explains; failure_test.go looks at what it says.
// No output of it is compared with Linux.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))

volatile int sink, zero;
static char *volatile nowhere = (char *)8;

// Each function uses memory and registers, and does something after its call, so
// that it needs a frame and is not a jump.
NOINLINE int deepest(int n)
{
	volatile char room[100];
	room[n % 100] = 1;
	return *nowhere + room[0];
}

NOINLINE int middle(int n)
{
	volatile int room[30];
	room[n % 30] = n;
	int v = deepest(n + 1);
	return v + room[1] + sink;
}

NOINLINE int outer(int n)
{
	int a = sink + n, b = sink * n, c = sink - n, d = sink ^ n, e = sink | n, f = sink & n;
	int v = middle(n + 1);
	return v + a * b - c * d + e * f;
}

NOINLINE int recurse(int n)
{
	volatile char room[200];
	room[n % 200] = (char)n;
	return recurse(n + 1) + room[n % 100];
}

NOINLINE int aborts(int n)
{
	volatile int room[10];
	room[n % 10] = n;
	if (n > -1)
		abort();
	return room[3] + sink;
}

NOINLINE int calls_abort(int n)
{
	int v = aborts(n + sink);
	return v * 3 + sink;
}

NOINLINE int divides(int n)
{
	int v = n / zero;
	return v + sink;
}

NOINLINE int jumps(int n)
{
	int (*volatile f)(int) = (int (*)(int))0x123456789000;
	int v = f(n);
	return v + sink;
}

NOINLINE int calls_null(int n)
{
	int (*volatile f)(int) = NULL;
	int v = f(n);
	return v + sink;
}

NOINLINE int writes_text(int n)
{
	*(volatile char *)(void *)deepest = (char)n;
	return sink;
}

static void *in_thread(void *arg)
{
	pthread_setname_np(pthread_self(), "worker");
	sink += ((int (*)(int))arg)(1);
	return NULL;
}

static int threaded(int (*f)(int))
{
	pthread_t t;
	if (pthread_create(&t, NULL, in_thread, (void *)f) != 0)
		return 1;
	pthread_join(t, NULL);
	return 1;
}

// handler crashes inside of a signal handler: the way up goes through its frame.
static void handler(int sig)
{
	sink += outer(sig);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	const char *what = argv[1], *arg = argc > 2 ? argv[2] : "";
	sink = argc > 50;
	if (!strcmp(what, "null"))
		return outer(1);
	if (!strcmp(what, "overflow"))
		return recurse(1);
	if (!strcmp(what, "thread-null"))
		return threaded(outer);
	if (!strcmp(what, "thread-overflow"))
		return threaded(recurse);
	if (!strcmp(what, "abort"))
		return calls_abort(1);
	if (!strcmp(what, "divide"))
		return divides(1);
	if (!strcmp(what, "jump"))
		return jumps(1);
	if (!strcmp(what, "call-null"))
		return calls_null(1);
	if (!strcmp(what, "text"))
		return writes_text(1);
	if (!strcmp(what, "handler")) {
		signal(SIGUSR1, handler);
		raise(SIGUSR1);
		return sink;
	}
	if (!strcmp(what, "noncanonical")) {
		nowhere = (char *)0x800000000000;
		return outer(1);
	}
	if (!strcmp(what, "near")) {
		char *m = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		munmap(m + 4096, 4096);
		nowhere = m + 4096 + 16;
		return outer(1);
	}
	if (!strcmp(what, "bus")) {
		int fd = open("/tmp/short", O_RDWR | O_CREAT, 0600);
		if (ftruncate(fd, 8192) != 0)
			return 9;
		nowhere = (char *)mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0) + 4096;
		if (ftruncate(fd, 4096) != 0)
			return 9;
		return outer(1);
	}
	if (!strcmp(what, "open")) { // and say which file that was
		if (open(arg, O_RDONLY) < 0)
			fprintf(stderr, "crash: cannot open %s: %s\n", arg, strerror(errno));
		return 3;
	}
	if (!strcmp(what, "write")) {
		if (open(arg, O_WRONLY | O_CREAT, 0644) < 0)
			fprintf(stderr, "crash: cannot write %s: %s\n", arg, strerror(errno));
		return 3;
	}
	if (!strcmp(what, "look")) { // for each, saying nothing
		struct stat st;
		for (int i = 2; i < argc; i++)
			sink += stat(argv[i], &st);
		fprintf(stderr, "crash: no luck\n");
		return 3;
	}
	if (!strcmp(what, "many")) { // misses: the last of them counts
		char name[40];
		for (int i = 0; i < 100000; i++) {
			snprintf(name, sizeof name, "/usr/none/%d", i);
			if (access(name, F_OK) == 0)
				return 9;
		}
		if (access(arg, F_OK) == 0)
			return 9;
		return 3;
	}
	if (!strcmp(what, "calls")) {
		syscall(SYS_io_uring_setup, 8, NULL); // as libraries probe
		syscall(SYS_io_setup, 8, NULL);
		syscall(SYS_io_setup, 8, NULL);
		syscall(SYS_fork);
		return 3;
	}
	if (!strcmp(what, "fine")) { // all that, and success: nothing is to be said
		syscall(SYS_io_uring_setup, 8, NULL);
		if (open(arg, O_RDONLY) < 0)
			fprintf(stderr, "crash: cannot open %s: %s\n", arg, strerror(errno));
		return 0;
	}
	if (!strcmp(what, "malloc")) { // refused
		size_t n = (size_t)atol(arg) << 20;
		if (mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED) {
			perror("mmap");
			return 3;
		}
		return 0;
	}
	if (!strcmp(what, "touch")) { // given, and then there is nothing left
		size_t n = (size_t)atol(arg) << 20;
		for (size_t done = 0; done < n; done += 1 << 20) {
			char *m = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (m == MAP_FAILED)
				return 4;
			memset(m, 1, 1 << 20);
		}
		return 0;
	}
	return 2;
}
