// Stores at what the kernel keeps of a file that nobody may write: the program's own, which
// is busy on Linux and verified on Skerry. Each way that could end in a page of the file is
// tried: descriptors, mappings, pages in pipes that are written on to (as CVE-2022-0847),
// given away, moved or sent, and private copies that are made while they are dropped (as
// CVE-2016-5195). After each the file is what it was: read, mapped, and read again from
// where it lies.
#include "t.h"
#include <arpa/inet.h>
#include <linux/futex.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define RW (PROT_READ | PROT_WRITE)
enum { PAGES = 8, SIZE = PAGES * PAGE, CAP = 65536 };

static char path[4096], whole[SIZE], now[SIZE], junk[SIZE];
static const char *shared, *private;
static int file;

static void unchanged(const char *after)
{
	for (int again = 0; again < 2; again++) {
		if (pread(file, now, SIZE, 0) != SIZE || memcmp(now, whole, SIZE))
			say("FAIL %s: the file reads differently", after), _exit(1);
		if (memcmp(shared, whole, SIZE) || memcmp(private, whole, SIZE))
			say("FAIL %s: the file's mapping differs", after), _exit(1);
		posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
	}
}

// TRY prints what a call answers, and looks at the file.
#define TRY(call)                                                                                  \
	do {                                                                                       \
		errno = 0;                                                                         \
		long r_ = (long)(call);                                                            \
		say("%s: %s", #call, result(r_));                                                  \
		unchanged(#call);                                                                  \
	} while (0)

static long address(void *p)
{
	if (p == MAP_FAILED)
		return -1;
	munmap(p, PAGE);
	return 0;
}

static int new_file(void)
{
	char name[] = "/tmp/rootcacheXXXXXX";
	int fd = mkstemp(name);
	CHECK(fd >= 0 && unlink(name) == 0);
	return fd;
}

static void descriptors(void)
{
	static const int flags[] = {O_WRONLY, O_RDWR, O_WRONLY | O_TRUNC, O_RDWR | O_APPEND};
	char again[64];
	int p[2], other = new_file(), zero = open("/dev/zero", O_RDONLY);
	struct iovec v = {junk, 100};
	snprintf(again, sizeof again, "/proc/self/fd/%d", file);
	for (size_t i = 0; i < COUNT(flags); i++) {
		say("DESIGN open %zu: %s", i, result(open(path, flags[i])));
		say("DESIGN open by descriptor %zu: %s", i, result(open(again, flags[i])));
	}
	say("DESIGN truncate: %s", result(truncate(path, 0)));
	unchanged("open");
	CHECK(pipe(p) == 0 && write(p[1], junk, PAGE) == PAGE && write(other, junk, PAGE) == PAGE);
	TRY(write(file, junk, PAGE));
	TRY(pwrite(file, junk, PAGE, 0));
	TRY(writev(file, &v, 1));
	TRY(pwritev(file, &v, 1, 0));
	TRY(ftruncate(file, 0));
	TRY(fallocate(file, 0, 0, PAGE));
	TRY(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
	TRY(splice(p[0], NULL, file, &(loff_t){0}, PAGE, SPLICE_F_MOVE));
	TRY(copy_file_range(other, &(loff_t){0}, file, &(loff_t){0}, PAGE, 0));
	TRY(sendfile(file, zero, NULL, PAGE));
	TRY(sendfile(file, other, &(off_t){0}, PAGE));
	close(p[0]), close(p[1]), close(other), close(zero);
}

static void mappings(void)
{
	int zero = open("/dev/zero", O_RDONLY), p[2];
	TRY(address(mmap(NULL, PAGE, RW, MAP_SHARED, file, 0)));
	TRY(address(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED_VALIDATE, file, 0)));
	TRY(mprotect((void *)shared, PAGE, RW));
	TRY(read(zero, (void *)shared, PAGE));
	TRY(read(zero, (void *)private, PAGE));
	TRY(syscall(SYS_getrandom, shared, 16, 0));
	TRY(syscall(SYS_futex, &(int){0}, FUTEX_WAKE_OP_PRIVATE, 1, 1, shared, FUTEX_OP(FUTEX_OP_XOR, 1, FUTEX_OP_CMP_EQ, 0)));
	TRY(madvise((void *)shared, PAGE, MADV_REMOVE));
	TRY(madvise((void *)shared, PAGE, MADV_DONTNEED));
	// A private copy: by stores, by calls, and back again; of pages that were read, or not.
	CHECK(pipe(p) == 0);
	for (int seen = 0; seen < 2; seen++) {
		char *m = mmap(NULL, SIZE, RW, MAP_PRIVATE, file, 0);
		CHECK(!seen || !memcmp(m, whole, SIZE));
		memset(m, 'w', PAGE);
		CHECK(read(zero, m + PAGE, PAGE) == PAGE && pread(file, m + 2 * PAGE, PAGE, PAGE) == PAGE);
		CHECK(write(p[1], junk, PAGE) == PAGE && vmsplice(p[0], &(struct iovec){m + 3 * PAGE, PAGE}, 1, 0) == PAGE);
		__atomic_add_fetch((int *)(m + 4 * PAGE), 1, __ATOMIC_SEQ_CST);
		syscall(SYS_futex, &(int){0}, FUTEX_WAKE_OP_PRIVATE, 1, 1, m + 5 * PAGE, FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0));
		unchanged("stores to a private copy");
		say("copies: %d %d %d %d %d %d %d", memcmp(m, whole, PAGE) != 0, memcmp(m + PAGE, whole + PAGE, PAGE) != 0, memcmp(m + 2 * PAGE, whole + PAGE, PAGE),
			memcmp(m + 3 * PAGE, junk, PAGE), memcmp(m + 4 * PAGE, whole + 4 * PAGE, 4) != 0, memcmp(m + 5 * PAGE, whole + 5 * PAGE, 4) != 0,
			memcmp(m + 6 * PAGE, whole + 6 * PAGE, 2 * PAGE));
		CHECK(madvise(m, SIZE, MADV_DONTNEED) == 0);
		say("dropped: %d", memcmp(m, whole, SIZE));
		munmap(m, SIZE);
	}
	close(zero), close(p[0]), close(p[1]);
}

// used makes a pipe each of whose pages was one of its own once.
static void used(int p[2])
{
	CHECK(pipe2(p, O_NONBLOCK) == 0);
	for (int i = 0; i < CAP / (int)SIZE; i++)
		CHECK(write(p[1], junk, SIZE) == SIZE);
	while (read(p[0], now, SIZE) > 0)
		;
}

static void pipes(void)
{
	static const int lengths[] = {1, 100, PAGE - 1, PAGE};
	struct iovec given = {(void *)shared, PAGE}, copy;
	int p[2], q[2], zero = open("/dev/zero", O_RDONLY), other = new_file();
	for (size_t i = 0; i < COUNT(lengths); i++) {
		int n = lengths[i];
		// What is written to a pipe behind a page of the file does not go into the page.
		used(p), used(q);
		CHECK(splice(file, &(loff_t){0}, p[1], NULL, n, 0) == n && write(p[1], junk, 200) == 200);
		unchanged("a write behind a spliced page");
		CHECK(tee(p[0], q[1], n, 0) == n && write(q[1], junk, 200) == 200);
		unchanged("a write behind a page of another pipe");
		CHECK(read(p[0], now, n + 200) == n + 200 && !memcmp(now, whole, n) && !memcmp(now + n, junk, 200));
		CHECK(read(q[0], now, n + 200) == n + 200 && !memcmp(now, whole, n) && !memcmp(now + n, junk, 200));
		CHECK(splice(file, &(loff_t){0}, p[1], NULL, n, SPLICE_F_MOVE) == n && splice(p[0], NULL, q[1], NULL, n, SPLICE_F_MOVE) == n && write(q[1], junk, 9) == 9);
		CHECK(sendfile(p[1], file, &(off_t){0}, n) == n && write(p[1], junk, 9) == 9);
		unchanged("a write behind a moved page");
		close(p[0]), close(p[1]), close(q[0]), close(q[1]);
		// The program's view of the file, given away.
		used(p);
		given.iov_len = n;
		CHECK(vmsplice(p[1], &given, 1, SPLICE_F_GIFT) == n && write(p[1], junk, 200) == 200);
		unchanged("a write behind a gift");
		// A pipe's pages become a file's, which is written then.
		CHECK(splice(p[0], NULL, other, &(loff_t){0}, n, SPLICE_F_MOVE) == n && pwrite(other, junk, PAGE, 0) == PAGE);
		unchanged("a write to a file with moved pages");
		close(p[0]), close(p[1]);
		used(p);
		CHECK(splice(file, &(loff_t){0}, p[1], NULL, n, 0) == n && splice(p[0], NULL, other, &(loff_t){0}, n, SPLICE_F_MOVE) == n);
		CHECK(sendfile(other, file, &(off_t){0}, n) == n && copy_file_range(file, &(loff_t){0}, other, &(loff_t){PAGE}, n, 0) == n);
		char *m = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, other, 0);
		memset(m, 'x', 2 * PAGE);
		munmap(m, 2 * PAGE);
		unchanged("stores to a file with moved pages");
		// Out of a pipe into a private copy.
		m = mmap(NULL, PAGE, RW, MAP_PRIVATE, file, 0);
		copy = (struct iovec){m, n};
		CHECK(splice(file, &(loff_t){PAGE}, p[1], NULL, n, 0) == n && vmsplice(p[0], &copy, 1, 0) == n && !memcmp(m, whole + PAGE, n));
		memset(m, 'y', PAGE);
		unchanged("stores to what came out of a pipe");
		munmap(m, PAGE);
		close(p[0]), close(p[1]);
		CHECK(ftruncate(other, 0) == 0 && lseek(other, 0, SEEK_SET) == 0);
	}
	say("pipes: done");
	close(zero), close(other);
}

static void through(const char *what, int from, int to)
{
	for (int how = 0; how < 3; how++) {
		errno = 0;
		ssize_t n = how == 0 ? sendfile(from, file, &(off_t){0}, PAGE) : send(from, shared, PAGE, how == 1 ? 0 : MSG_ZEROCOPY);
		memset(now, 0, PAGE);
		int whole_page = n == (ssize_t)PAGE && recv(to, now, PAGE, MSG_WAITALL) == (ssize_t)PAGE && !memcmp(now, whole, PAGE);
		memset(now, 'z', PAGE);
		say("%s, way %d: %d", what, how, whole_page);
		unchanged(what);
	}
	// Received into a private copy of the file.
	char *m = mmap(NULL, PAGE, RW, MAP_PRIVATE, file, 0);
	CHECK(send(from, junk, PAGE, 0) == (ssize_t)PAGE && recv(to, m, PAGE, MSG_WAITALL) == (ssize_t)PAGE && !memcmp(m, junk, PAGE));
	unchanged("received into a private copy");
	munmap(m, PAGE);
	close(from), close(to);
}

static void sockets(void)
{
	int s[2], l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof a;
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	through("unix", s[0], s[1]);
	CHECK(bind(l, (void *)&a, n) == 0 && listen(l, 1) == 0 && getsockname(l, (void *)&a, &n) == 0 && connect(c, (void *)&a, n) == 0);
	int t = accept(l, NULL, NULL);
	setsockopt(c, SOL_SOCKET, 60 /* SO_ZEROCOPY */, &(int){1}, sizeof(int));
	through("tcp", c, t);
	close(l);
}

static char *volatile raced;
static volatile int stop;

static void *drops(void *arg)
{
	(void)arg;
	while (!stop)
		madvise(raced, PAGE, MADV_DONTNEED);
	return NULL;
}

// race writes to a private copy, by stores and by calls, while it is dropped.
static void race(void)
{
	int zero = open("/dev/zero", O_RDONLY);
	raced = mmap(NULL, PAGE, RW, MAP_PRIVATE, file, 0);
	pthread_t t = go(drops, NULL);
	for (int n = 0; n < 4000; n++) {
		if (n % 2)
			CHECK(read(zero, raced, 64) == 64);
		else
			memset(raced, 'r', 64);
		if (n % 500 == 0)
			unchanged("the race");
	}
	stop = 1;
	pthread_join(t, NULL);
	unchanged("the race");
	say("race: done");
	munmap(raced, PAGE);
	close(zero);
}

static const struct t_case cases[] = {{"descriptors", descriptors}, {"mappings", mappings}, {"pipes", pipes}, {"sockets", sockets}, {"race", race}};

int main(int argc, char **argv)
{
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
	file = open("/proc/self/exe", O_RDONLY);
	shared = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, file, 0);
	private = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, file, 0);
	CHECK(n > 0 && file >= 0 && pread(file, whole, SIZE, 0) == (ssize_t)SIZE && shared != MAP_FAILED && private != MAP_FAILED);
	memset(junk, 'j', SIZE);
	return t_main(argc, argv, cases, COUNT(cases));
}
