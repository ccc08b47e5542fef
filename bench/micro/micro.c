/*
 * Micro-benchmarks of a kernel, as a static program: what one operation costs in
 * ticks of the time-stamp counter and in nanoseconds.
 *
 * Under QEMU's -icount shift=0 a guest instruction takes one nanosecond of
 * virtual time and the counter counts those, so ticks are guest instructions
 * there, the same in every run. Run on one CPU: a CPU that waits lets virtual
 * time run with the host's.
 *
 * usage: micro [NAME]...   (all without names)
 * Each line of output: NAME OPERATIONS TICKS NANOSECONDS, for one operation the
 * median of ROUNDS rounds, with three digits after the point.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

/* linux/futex.h, which a musl installation has not always beside it */
#define FUTEX_WAIT_PRIVATE (0 | 128)
#define FUTEX_WAKE_PRIVATE (1 | 128)

#define ROUNDS 5
#define PAGE 4096

static void fail(const char *what)
{
	fprintf(stderr, "micro: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* The bare instruction: the C library's wrapper would add its own twenty. */
static void getppid_(long n)
{
	while (n--) {
		long r;
		__asm__ volatile("syscall" : "=a"(r) : "a"((long)SYS_getppid) : "rcx", "r11", "memory");
	}
}

static void clock_(long n)
{
	struct timespec t;
	while (n--)
		clock_gettime(CLOCK_MONOTONIC, &t);
}

static int zero = -1;

static void devzero(long n)
{
	char b;
	if (zero < 0 && (zero = open("/dev/zero", O_RDONLY)) < 0)
		fail("/dev/zero");
	while (n--)
		if (read(zero, &b, 1) != 1)
			fail("read");
}

/* A fault of a page that was never touched. MADV_NOHUGEPAGE, so that it is one
 * small page for everybody; the mapping itself is made outside the clock. */
static char *area;
static long area_pages;

static void fault_prepare(long n)
{
	area = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED)
		fail("mmap");
	madvise(area, n * PAGE, MADV_NOHUGEPAGE);
	area_pages = n;
}

static void fault(long n)
{
	for (long i = 0; i < n; i++)
		*(volatile char *)(area + i * PAGE) = 1;
}

static void fault_end(void)
{
	munmap(area, area_pages * PAGE);
}

static void mapping(long n)
{
	while (n--) {
		char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			fail("mmap");
		for (int i = 0; i < 65536; i += PAGE)
			*(volatile char *)(p + i) = 1;
		munmap(p, 65536);
	}
}

/* Two threads that hand a word to and fro; an operation is a round trip. */
static atomic_int word;
static long turns;

static void await(int value)
{
	int v;
	while ((v = atomic_load(&word)) != value)
		syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, v, NULL, NULL, 0);
}

static void hand(int value)
{
	atomic_store(&word, value);
	syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *futex_peer(void *arg)
{
	(void)arg;
	for (long i = 0; i < turns; i++) {
		await(1);
		hand(0);
	}
	return NULL;
}

static pthread_t peer;

static void start(void *(*f)(void *), long n)
{
	turns = n;
	if ((errno = pthread_create(&peer, NULL, f, NULL)))
		fail("pthread_create");
}

static void join(void)
{
	pthread_join(peer, NULL);
}

static void futex_prepare(long n)
{
	atomic_store(&word, 0);
	start(futex_peer, n);
}

static void futex_(long n)
{
	while (n--) {
		hand(1);
		await(0);
	}
}

/* The same through two descriptors. */
static int there[2], back[2];

static void pass(int from, int to, long n, int first)
{
	char b = 'x';
	while (n--) {
		if (first && write(to, &b, 1) != 1)
			fail("write");
		if (read(from, &b, 1) != 1)
			fail("read");
		if (!first && write(to, &b, 1) != 1)
			fail("write");
	}
}

static void *pass_peer(void *arg)
{
	(void)arg;
	pass(there[0], back[1], turns, 0);
	return NULL;
}

static void pipe_prepare(long n)
{
	if (pipe(there) < 0 || pipe(back) < 0)
		fail("pipe");
	start(pass_peer, n);
}

static void pass_(long n)
{
	pass(back[0], there[1], n, 1);
}

static void pipe_end(void)
{
	join();
	for (int i = 0; i < 2; i++)
		close(there[i]), close(back[i]);
}

static void connection(int s[2])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	int one = 1, l = socket(AF_INET, SOCK_STREAM, 0);
	if (l < 0 || bind(l, (struct sockaddr *)&a, sizeof a) < 0 || listen(l, 1) < 0 ||
	    getsockname(l, (struct sockaddr *)&a, &len) < 0)
		fail("listen");
	s[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (s[0] < 0 || connect(s[0], (struct sockaddr *)&a, sizeof a) < 0)
		fail("connect");
	s[1] = accept(l, NULL, NULL);
	if (s[1] < 0)
		fail("accept");
	setsockopt(s[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(s[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	close(l);
}

static void echo_prepare(long n)
{
	int s[2];
	connection(s);
	there[1] = back[0] = s[0];
	there[0] = back[1] = s[1];
	start(pass_peer, n);
}

static void echo_end(void)
{
	join();
	close(there[0]);
	close(there[1]);
}

/* An operation is 64 KiB through a TCP connection on loopback. */
#define BULK 65536
static int bulk[2];

static void *bulk_peer(void *arg)
{
	static char b[BULK];
	(void)arg;
	for (long left = turns * BULK; left > 0;) {
		ssize_t n = recv(bulk[1], b, sizeof b, 0);
		if (n <= 0)
			fail("recv");
		left -= n;
	}
	return NULL;
}

static void bulk_prepare(long n)
{
	connection(bulk);
	start(bulk_peer, n);
}

static void bulk_(long n)
{
	static char b[BULK];
	for (long left = n * BULK; left > 0;) {
		ssize_t w = send(bulk[0], b, left < BULK ? left : BULK, 0);
		if (w <= 0)
			fail("send");
		left -= w;
	}
	join(); /* all of it has arrived */
}

static void bulk_end(void)
{
	close(bulk[0]);
	close(bulk[1]);
}

static void *nothing(void *arg)
{
	return arg;
}

static void threads(long n)
{
	while (n--) {
		pthread_t t;
		if ((errno = pthread_create(&t, NULL, nothing, NULL)))
			fail("pthread_create");
		pthread_join(t, NULL);
	}
}

static const struct bench {
	const char *name;
	long n;
	void (*prepare)(long);
	void (*run)(long);
	void (*end)(void);
} benches[] = {
	{"getppid", 20000, NULL, getppid_, NULL},
	{"clock_gettime", 50000, NULL, clock_, NULL},
	{"read-zero", 20000, NULL, devzero, NULL},
	{"page-fault", 4000, fault_prepare, fault, fault_end},
	{"mmap-64k", 500, NULL, mapping, NULL},
	{"futex-pingpong", 5000, futex_prepare, futex_, join},
	{"pipe-pingpong", 5000, pipe_prepare, pass_, pipe_end},
	{"thread", 500, NULL, threads, NULL},
	{"tcp-echo", 2000, echo_prepare, pass_, echo_end},
	{"tcp-bulk-64k", 500, bulk_prepare, bulk_, bulk_end},
};

static int less(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static void measure(const struct bench *b)
{
	double ticks[ROUNDS], ns[ROUNDS];
	for (int i = -1; i < ROUNDS; i++) { /* round -1 warms up */
		long n = i < 0 ? b->n / 10 : b->n;
		if (b->prepare)
			b->prepare(n);
		uint64_t t = now(), c = __rdtsc();
		b->run(n);
		c = __rdtsc() - c, t = now() - t;
		if (b->end)
			b->end();
		if (i >= 0)
			ticks[i] = (double)c / n, ns[i] = (double)t / n;
	}
	qsort(ticks, ROUNDS, sizeof *ticks, less);
	qsort(ns, ROUNDS, sizeof *ns, less);
	printf("%s %ld %.3f %.3f\n", b->name, b->n, ticks[ROUNDS / 2], ns[ROUNDS / 2]);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof benches / sizeof *benches; i++) {
		int wanted = argc < 2;
		for (int j = 1; j < argc; j++)
			wanted |= !strcmp(argv[j], benches[i].name);
		if (wanted)
			measure(&benches[i]);
	}
	return 0;
}
