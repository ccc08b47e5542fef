// Bytes that go from descriptor to descriptor inside the kernel: sendfile,
// copy_file_range, splice, tee; and the memory files of memfd_create.
#include "t.h"
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

static char data[200000], copy[sizeof data];

// file makes a file in /tmp with n bytes of a pattern.
static int file(const char *path, size_t n)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);
	CHECK(fd >= 0 && write(fd, data, n) == (ssize_t)n && lseek(fd, 0, SEEK_SET) == 0);
	unlink(path);
	return fd;
}

static void fill(void)
{
	uint64_t s = 7;
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = next_random(&s);
}

// same reports whether the n bytes of fd from off on are those of data from at on.
static int same(int fd, off_t off, size_t n, size_t at)
{
	return pread(fd, copy, n, off) == (ssize_t)n && !memcmp(copy, data + at, n);
}

static void sending(void)
{
	fill();
	int in = file("in", 150000), out = file("out", 0), p[2], s[2];
	CHECK(pipe(p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	off_t off = 100;
	SHOW(sendfile(out, in, NULL, 1000));
	SHOW(lseek(in, 0, SEEK_CUR));
	SHOW(lseek(out, 0, SEEK_CUR));
	SHOW(sendfile(out, in, &off, 100000));
	say("offset %ld, position %ld, same %d %d", (long)off, (long)lseek(in, 0, SEEK_CUR), same(out, 0, 1000, 0), same(out, 1000, 100000, 100));
	off = 149990;
	SHOW(sendfile(out, in, &off, 1000));
	SHOW(sendfile(out, in, &off, 1000));
	off = 1 << 20;
	SHOW(sendfile(out, in, &off, 1000));
	off = -1;
	SHOW(sendfile(out, in, &off, 1000));
	off = 0;
	SHOW(sendfile(p[1], in, &off, 5000));
	SHOW(read(p[0], copy, sizeof copy));
	SHOW(sendfile(s[0], in, &off, 5000));
	SHOW(read(s[1], copy, sizeof copy));
	SHOW(sendfile(out, p[0], NULL, 10));
	SHOW(sendfile(out, p[0], &off, 10));
	SHOW(sendfile(out, s[0], NULL, 10));
	SHOW(sendfile(in, in, NULL, 10));
	SHOW(sendfile(-1, in, NULL, 10));
	SHOW(sendfile(out, -1, NULL, 10));
	SHOW(sendfile(out, in, (off_t *)8, 10));
	int w = open("/dev/null", O_WRONLY), r = open("/proc/self/status", O_RDONLY), dir = open("/tmp", O_RDONLY);
	SHOW(sendfile(out, w, NULL, 10));
	SHOW(sendfile(r, in, NULL, 10));
	SHOW(sendfile(w, in, &off, 50000) > 0);
	SHOW(sendfile(out, dir, NULL, 10));
	CHECK(fcntl(out, F_SETFL, O_APPEND) == 0);
	SHOW(sendfile(out, in, NULL, 10));
	// A pipe that is full, without waiting and with.
	CHECK(fcntl(p[1], F_SETFL, O_NONBLOCK) == 0);
	off = 0;
	SHOW(sendfile(p[1], in, &off, 150000));
	SHOW(sendfile(p[1], in, &off, 150000));
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	SHOW(sendfile(p[1], in, &off, 100));
}

static ssize_t copy_range(int in, off_t *a, int out, off_t *b, size_t n, unsigned flags)
{
	return syscall(SYS_copy_file_range, in, a, out, b, n, flags);
}

static void ranges(void)
{
	fill();
	int in = file("in", 100000), out = file("out", 0), p[2];
	CHECK(pipe(p) == 0);
	off_t a = 500, b = 70000;
	SHOW(copy_range(in, NULL, out, NULL, 10000, 0));
	say("positions %ld %ld, same %d", (long)lseek(in, 0, SEEK_CUR), (long)lseek(out, 0, SEEK_CUR), same(out, 0, 10000, 0));
	SHOW(copy_range(in, &a, out, &b, 5000, 0));
	say("offsets %ld %ld, same %d", (long)a, (long)b, same(out, 70000, 5000, 500));
	say("hole %d", pread(out, copy, 10, 50000) == 10 && !memcmp(copy, "\0\0\0\0\0\0\0\0\0\0", 10));
	a = 99999;
	SHOW(copy_range(in, &a, out, NULL, 100, 0));
	SHOW(copy_range(in, &a, out, NULL, 100, 0));
	SHOW(copy_range(in, NULL, out, NULL, 0, 0));
	a = 0, b = 50;
	SHOW(copy_range(in, &a, in, &b, 100, 0));
	b = 100;
	SHOW(copy_range(in, &a, in, &b, 100, 0));
	a = -1;
	SHOW(copy_range(in, &a, out, NULL, 100, 0));
	SHOW(copy_range(in, NULL, out, NULL, 100, 1));
	SHOW(copy_range(p[0], NULL, out, NULL, 100, 0));
	SHOW(copy_range(in, NULL, p[1], NULL, 100, 0));
	int dir = open("/tmp", O_RDONLY), w = open("w", O_CREAT | O_WRONLY | O_TRUNC, 0600);
	unlink("w");
	SHOW(copy_range(dir, NULL, out, NULL, 100, 0));
	SHOW(copy_range(w, NULL, out, NULL, 100, 0));
	SHOW(copy_range(in, NULL, -1, NULL, 100, 0));
	SHOW(copy_range(in, (off_t *)8, out, NULL, 100, 0));
	CHECK(fcntl(w, F_SETFL, O_APPEND) == 0);
	SHOW(copy_range(in, NULL, w, NULL, 100, 0));
}

static void splicing(void)
{
	fill();
	int in = file("in", 150000), out = file("out", 0), p[2], q[2], s[2];
	CHECK(pipe(p) == 0 && pipe(q) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	off_t a = 1000, b = 0;
	SHOW(splice(in, &a, p[1], NULL, 5000, 0));
	say("offset %ld position %ld", (long)a, (long)lseek(in, 0, SEEK_CUR));
	SHOW(splice(p[0], NULL, out, NULL, 100, 0));
	SHOW(splice(p[0], NULL, out, &b, 200, SPLICE_F_MOVE | SPLICE_F_MORE));
	say("offset %ld position %ld same %d", (long)b, (long)lseek(out, 0, SEEK_CUR), same(out, 0, 200, 1100));
	SHOW(splice(p[0], NULL, q[1], NULL, 700, 0));
	SHOW(read(q[0], copy, sizeof copy));
	say("same %d", !memcmp(copy, data + 1300, 700));
	SHOW(splice(p[0], NULL, s[0], NULL, 100000, 0));
	SHOW(read(s[1], copy, sizeof copy));
	say("same %d", !memcmp(copy, data + 2000, 4000));
	SHOW(write(s[0], data, 3000));
	SHOW(splice(s[1], NULL, p[1], NULL, 2000, 0));
	SHOW(read(p[0], copy, sizeof copy));
	say("same %d", !memcmp(copy, data, 2000));
	// Nothing there.
	SHOW(splice(p[0], NULL, out, NULL, 100, SPLICE_F_NONBLOCK));
	CHECK(lseek(in, 0, SEEK_END) > 0);
	SHOW(splice(in, NULL, p[1], NULL, 100, 0));
	// Arguments.
	SHOW(splice(in, NULL, out, NULL, 100, 0));
	SHOW(splice(p[0], NULL, p[1], NULL, 100, 0));
	SHOW(splice(p[0], &a, out, NULL, 100, 0));
	SHOW(splice(in, NULL, p[1], &a, 100, 0));
	SHOW(splice(in, (off_t *)8, p[1], NULL, 100, 0));
	SHOW(splice(in, NULL, p[1], NULL, 0, 0));
	SHOW(splice(in, NULL, p[1], NULL, 100, 64));
	SHOW(splice(-1, NULL, p[1], NULL, 100, 0));
	SHOW(splice(in, NULL, -1, NULL, 100, 0));
	SHOW(splice(p[1], NULL, out, NULL, 100, 0));
	SHOW(splice(in, NULL, p[0], NULL, 100, 0));
	SHOW(splice(s[1], &a, p[1], NULL, 100, 0));
	CHECK(fcntl(out, F_SETFL, O_APPEND) == 0 && write(p[1], "x", 1) == 1);
	SHOW(splice(p[0], NULL, out, NULL, 100, 0));
	// The end of a pipe, and one that nobody reads.
	SHOW(read(p[0], copy, 1));
	close(p[1]);
	CHECK(fcntl(out, F_SETFL, 0) == 0);
	SHOW(splice(p[0], NULL, out, NULL, 100, 0));
	close(q[0]);
	signal(SIGPIPE, SIG_IGN);
	lseek(in, 0, SEEK_SET);
	SHOW(splice(in, NULL, q[1], NULL, 100, 0));
}

static void *feed(void *arg)
{
	int *p = arg;
	for (int i = 0; i < 100; i++)
		CHECK(write(p[1], data + i * 1000, 1000) == 1000);
	close(p[1]);
	return NULL;
}

// Threads pass bytes along: pipe → pipe → file, with every call blocking.
static void chain(void)
{
	fill();
	int p[2], q[2], out = file("out", 0);
	CHECK(pipe(p) == 0 && pipe(q) == 0);
	pthread_t t = go(feed, p);
	ssize_t n, m, total = 0;
	while ((n = splice(p[0], NULL, q[1], NULL, 3333, 0)) > 0)
		for (; n > 0; n -= m, total += m)
			if ((m = splice(q[0], NULL, out, NULL, n, 0)) <= 0) {
				CHECK(m > 0);
				return;
			}
	pthread_join(t, NULL);
	say("moved %ld same %d", (long)total, same(out, 0, 100000, 0));
}

static void teeing(void)
{
	fill();
	int p[2], q[2];
	CHECK(pipe(p) == 0 && pipe(q) == 0);
	SHOW(write(p[1], data, 10000));
	SHOW(tee(p[0], q[1], 6000, 0));
	SHOW(read(q[0], copy, sizeof copy));
	say("same %d", !memcmp(copy, data, 6000));
	SHOW(tee(p[0], q[1], 100000, SPLICE_F_NONBLOCK));
	SHOW(read(p[0], copy, sizeof copy));
	say("same %d", !memcmp(copy, data, 10000));
	SHOW(tee(p[0], q[1], 10, SPLICE_F_NONBLOCK));
	SHOW(tee(p[0], p[1], 10, 0));
	SHOW(tee(p[0], 1 << 20, 10, 0));
	SHOW(tee(p[0], q[1], 0, 0));
	SHOW(tee(p[0], q[1], 10, 64));
	SHOW(tee(p[1], q[1], 10, 0));
	int null = open("/dev/null", O_RDWR);
	SHOW(tee(null, q[1], 10, 0));
	SHOW(read(q[0], copy, sizeof copy));
	// A copy does not change when the original's pages are written again.
	SHOW(write(p[1], "abc", 3));
	SHOW(tee(p[0], q[1], 10, 0));
	SHOW(write(p[1], "def", 3));
	SHOW(write(q[1], "xyz", 3));
	ssize_t n = read(p[0], copy, 100);
	say("original %.*s", (int)n, copy);
	n = read(q[0], copy, 100);
	say("copy %.*s", (int)n, copy);
	close(p[1]);
	SHOW(tee(p[0], q[1], 10, 0));
}

// Large transfers: 8 MiB that pass through file, pipe, socket, pipe and file, each
// hop by a thread of its own, while others write around them.
enum { LARGE = 8 << 20 };

static uint64_t checksum(uint64_t h, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) // FNV-1a
		h = (h ^ (unsigned char)b[i]) * 0x100000001b3;
	return h;
}

static uint64_t file_sum(int fd, off_t from, size_t n)
{
	uint64_t h = 0xcbf29ce484222325;
	while (n > 0) {
		size_t want = n < sizeof copy ? n : sizeof copy;
		ssize_t m = pread(fd, copy, want, from);
		if (m <= 0)
			break;
		h = checksum(h, copy, m);
		from += m, n -= m;
	}
	return n ? 0 : h;
}

// large_file has LARGE bytes of a pattern, and as many behind them that others
// write to.
static int large_file(const char *path, uint64_t *sum)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);
	unlink(path);
	uint64_t seed = 11, h = 0xcbf29ce484222325;
	for (size_t at = 0; at < LARGE; at += 1 << 16) {
		for (size_t i = 0; i < 1 << 16; i += 8) {
			uint64_t v = next_random(&seed);
			memcpy(data + i, &v, 8);
		}
		CHECK(write(fd, data, 1 << 16) == 1 << 16);
		h = checksum(h, data, 1 << 16);
	}
	CHECK(ftruncate(fd, 2 * LARGE) == 0);
	*sum = h;
	return fd;
}

struct hop {
	int from, to;
	off_t *at; // of from, if that is a file
	size_t step;
	int how; // 0 splice, 1 sendfile, 2 copy_file_range
};

static void *hop(void *arg)
{
	struct hop *h = arg;
	size_t left = LARGE;
	while (left > 0) {
		size_t n = left < h->step ? left : h->step;
		ssize_t m = h->how == 1   ? sendfile(h->to, h->from, h->at, n)
			    : h->how == 2 ? copy_range(h->from, h->at, h->to, NULL, n, 0)
					  : splice(h->from, h->at, h->to, NULL, n, SPLICE_F_MOVE);
		if (m <= 0) {
			say("FAIL hop: %zd %s with %zu left", m, t_errno(errno), left);
			t_failed = 1;
			break;
		}
		left -= m;
	}
	return NULL;
}

static volatile int moving;

// around writes to the second half of a file while its first is read.
static void *around(void *arg)
{
	uint64_t seed = 5;
	for (int fd = *(int *)arg; moving;) {
		off_t at = LARGE + next_random(&seed) % (LARGE - 5000);
		CHECK(pwrite(fd, data, 5000, at) == 5000);
	}
	return NULL;
}

static void large(void)
{
	fill();
	uint64_t sum;
	int in = large_file("large", &sum);
	for (int round = 0; round < 3; round++) {
		int out = file("out", 0), p[2], q[2], s[2];
		CHECK(pipe(p) == 0 && pipe(q) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
		off_t at = 0;
		moving = 1;
		pthread_t w = go(around, &in), v = go(around, &in);
		struct hop hops[] = {{in, p[1], &at, 50001, round == 1}, {p[0], s[0], NULL, 60000, 0}, {s[1], q[1], NULL, 7777, 0}, {q[0], out, NULL, 1 << 20, 0}};
		pthread_t t[COUNT(hops)];
		for (size_t i = 0; i < COUNT(hops); i++)
			t[i] = go(hop, &hops[i]);
		for (size_t i = 0; i < COUNT(hops); i++)
			pthread_join(t[i], NULL);
		moving = 0;
		pthread_join(w, NULL);
		pthread_join(v, NULL);
		say("through pipes and a socket: same %d, at %ld", file_sum(out, 0, LARGE) == sum, (long)at);
		close(p[0]), close(p[1]), close(q[0]), close(q[1]), close(s[0]), close(s[1]), close(out);
	}
	// From file to file, whole and in pieces, with a writer around them.
	for (int how = 1; how <= 2; how++) {
		int out = file("out", 0);
		off_t at = 0;
		moving = 1;
		pthread_t w = go(around, &in);
		struct hop h = {in, out, &at, how == 1 ? LARGE : 99999, how};
		hop(&h);
		moving = 0;
		pthread_join(w, NULL);
		say("file to file: same %d", file_sum(out, 0, LARGE) == sum);
		close(out);
	}
	// Two readers by tee: what the first saw is what the second sees.
	int out = file("out", 0), other = file("other", 0), p[2], q[2];
	CHECK(pipe(p) == 0 && pipe(q) == 0);
	off_t at = 0;
	struct hop first = {in, p[1], &at, 30000, 0}, last = {q[0], other, NULL, 4096, 0};
	pthread_t t = go(hop, &first), u = go(hop, &last);
	for (size_t left = LARGE; left > 0;) {
		ssize_t n = tee(p[0], q[1], left, 0), m = 0;
		if (n <= 0) {
			CHECK(n > 0);
			return;
		}
		for (ssize_t k; m < n && (k = splice(p[0], NULL, out, NULL, n - m, 0)) > 0;)
			m += k;
		left -= n;
	}
	pthread_join(t, NULL);
	pthread_join(u, NULL);
	say("tee: same %d %d", file_sum(out, 0, LARGE) == sum, file_sum(other, 0, LARGE) == sum);
	say("source: same %d", file_sum(in, 0, LARGE) == sum);
}

static int memfd(const char *name, unsigned flags)
{
	return syscall(SYS_memfd_create, name, flags);
}

static void memory_files(void)
{
	char name[300];
	struct stat st;
	int fd = memfd("one", 1);
	SHOW(fcntl(fd, F_GETFD));
	SHOW(fcntl(fd, F_GETFL) & O_ACCMODE);
	CHECK(fstat(fd, &st) == 0);
	say("mode %o size %ld links %d", st.st_mode, (long)st.st_size, (int)st.st_nlink);
	char link[64];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, name, sizeof name);
	say("%.*s", (int)n, name);
	SHOW(fcntl(fd, 1034));
	SHOW(fcntl(fd, 1033, 2));
	SHOW(ftruncate(fd, 10000));
	// Opened again through /proc: a description of its own, the same bytes.
	int again = open(link, O_RDWR);
	SHOW(write(again, "hello", 5));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(read(fd, name, 5));
	SHOW(memfd(NULL, 0));
	SHOW(memfd("x", 32));
	SHOW(memfd("x", 8 | 16));
	memset(name, 'n', sizeof name);
	name[250] = 0;
	SHOW(memfd(name, 0));
	name[249] = 0;
	OK(memfd(name, 0));
	// Seals.
	fd = memfd("two", 2);
	SHOW(fcntl(fd, 1034));
	SHOW(ftruncate(fd, 8192));
	char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	SHOW(fcntl(fd, 1033, 8)); // WRITE
	munmap(m, 8192);
	SHOW(fcntl(fd, 1033, 4)); // GROW
	SHOW(ftruncate(fd, 8193));
	SHOW(pwrite(fd, "xy", 2, 8191));
	SHOW(pwrite(fd, "xy", 2, 8192));
	SHOW(fallocate(fd, 0, 0, 10000));
	SHOW(fcntl(fd, 1033, 8));
	SHOW(pwrite(fd, "xy", 2, 0));
	OK(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	OK(mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0));
	OK(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	SHOW(fallocate(fd, 3, 0, 4096));
	SHOW(fcntl(fd, 1033, 1)); // SEAL
	SHOW(fcntl(fd, 1033, 2));
	SHOW(fcntl(fd, 1034));
	fd = memfd("three", 8);
	SHOW(fcntl(fd, 1034));
	CHECK(fstat(fd, &st) == 0);
	say("mode %o", st.st_mode);
	SHOW(fchmod(fd, 0700));
	int p[2];
	CHECK(pipe(p) == 0);
	SHOW(fcntl(p[0], 1034));
	SHOW(fcntl(p[0], 1033, 1));
}

static void synchronising(void)
{
	int fd = file("sync", 10000), p[2], e = eventfd(0, 0), dir = open("/tmp", O_RDONLY);
	CHECK(pipe(p) == 0);
	SHOW(sync_file_range(fd, 0, 0, 7));
	SHOW(sync_file_range(fd, 1, 1, 2));
	SHOW(sync_file_range(fd, -1, 0, 0));
	SHOW(sync_file_range(fd, 0, -1, 0));
	SHOW(sync_file_range(fd, 0, 0, 8));
	SHOW(sync_file_range(fd, 1, 0x7fffffffffffffff, 0));
	SHOW(sync_file_range(p[0], 0, 0, 0));
	SHOW(sync_file_range(e, 0, 0, 0));
	SHOW(sync_file_range(dir, 0, 0, 0));
	SHOW(sync_file_range(-1, 0, 0, 8));
	SHOW(fsync(fd));
	SHOW(fdatasync(fd));
	SHOW(fsync(p[0]));
	SHOW(fsync(e));
	SHOW(fsync(dir));
	SHOW(fsync(-1));
	SHOW(syncfs(fd));
	SHOW(syncfs(p[0]));
	SHOW(syncfs(-1));
}

static const struct t_case cases[] = {
	{"sendfile", sending}, {"copy_file_range", ranges}, {"splice", splicing}, {"chain", chain},
	{"tee", teeing}, {"large", large}, {"memfd", memory_files}, {"sync", synchronising},
};

int main(int argc, char **argv)
{
	t_folder("/tmp");
	return t_main(argc, argv, cases, COUNT(cases));
}
