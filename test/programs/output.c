// Output: the order of both streams, sizes beyond every buffer, what descriptors
// 0 to 2 are.
#include "t.h"
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>

static void interleave(void)
{
	for (int i = 0; i < 1000; i++) {
		dprintf(1, "out %d\n", i);
		dprintf(2, "err %d\n", i);
	}
}

// large writes 10 MB in pieces of all sizes and prints a checksum (FNV-1a) at the
// end that the harness can compute from what arrived.
static void large(void)
{
	static char b[200000];
	uint64_t sum = 0xcbf29ce484222325ull, seed = 1;
	size_t total = 0;
	while (total < 10000000) {
		size_t n = 1 + next_random(&seed) % sizeof b;
		for (size_t i = 0; i < n; i++)
			b[i] = i % 64 == 63 ? '\n' : 'a' + (total + i) % 26;
		for (size_t i = 0; i < n; i++)
			sum = (sum ^ (unsigned char)b[i]) * 0x100000001b3ull;
		for (size_t done = 0; done < n;) {
			ssize_t w = write(1, b + done, n - done);
			if (w <= 0)
				_exit(9);
			done += w;
		}
		total += n;
	}
	dprintf(2, "bytes %zu fnv1a %016llx\n", total, (unsigned long long)sum);
}

static void kinds(void)
{
	struct stat st;
	char c;
	int n;
	say("stdin at end of file: %s", result(read(0, &c, 1)));
	for (int fd = 0; fd < 3; fd++) {
		CHECK(fstat(fd, &st) == 0);
		SHOW(isatty(fd));
	}
	SHOW(lseek(1, 0, SEEK_CUR));
	SHOW(ioctl(1, TIOCGWINSZ, &n));
	SHOW(fcntl(1, F_GETFD));
	SHOW(write(0, "x", 1) == -1 && errno == EBADF);
	SHOW(read(1, &c, 1) == -1 && errno == EBADF);
	struct iovec v[3] = {{"a", 1}, {"", 0}, {"b\n", 2}};
	SHOW(writev(1, v, 3));
	SHOW(writev(1, v, 0));
	SHOW(writev(1, v, -1));
	SHOW(writev(1, v, 1025));
	SHOW(write(1, NULL, 0));
	SHOW(write(1, (void *)-1L, 1));
	SHOW(write(1, NULL, 1));
	int d = dup(1);
	CHECK(d >= 3);
	int closed = close(1), w = write(1, "x", 1), e = errno, back = dup2(d, 1);
	say("close %d, write %d %s, dup2 %d", closed, w, t_errno(e), back);
	SHOW(fsync(1));
}

static void *writer(void *arg)
{
	char line[40];
	for (int i = 0; i < 200; i++) {
		int n = snprintf(line, sizeof line, "thread %ld line %d\n", (long)arg, i);
		if (write(1, line, n) != n)
			_exit(9);
	}
	return NULL;
}

// whole shows that short writes of several threads do not mix (PIPE_BUF). The
// harness sorts the lines.
static void whole(void)
{
	pthread_t t[8];
	for (long i = 0; i < 8; i++)
		t[i] = go(writer, (void *)i);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
}

static const struct t_case cases[] = {
	{"interleave", interleave},
	{"kinds", kinds},
	{"whole", whole},
	{"large", large},
};

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "large")) { // nothing but the data
		large();
		return 0;
	}
	return t_main(argc, argv, cases, COUNT(cases));
}
