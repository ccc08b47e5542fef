// Memory that was of one kind and becomes memory of another never shows what it held: each
// kind is filled with a pattern and freed, and then each kind is taken, with only a little
// memory free where there is little. Every byte that the program did not write is zero, or
// stays as it was in a buffer of the program's that the kernel has nothing for.
#include "t.h"
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>

#define PATTERN 0x5ec2e7d0f00dfeed
#define RW (PROT_READ | PROT_WRITE)
enum { SIZE = 6 << 20, PIPES = 96, PAIRS = 24, MARKED = 2 << 20 };

// A part of the program's own file, for the root's page cache.
__asm__(".pushsection .rodata\n.balign 4096\nmarked: .fill 262144, 8, 0x5ec2e7d0f00dfeed\n.popsection");
extern const char marked[];

static uint64_t pattern[2 * PAGE / 8];
static char buffer[PAGE * 2];
static int own;

static void fill_with(char *p, size_t n)
{
	for (size_t i = 0; i < n; i += PAGE)
		memcpy(p + i, pattern, PAGE);
}

// zero wants n bytes of zeroes.
static void zero(const char *what, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i]) {
			say("FAIL %s: %02x at %zu of %zu", what, (unsigned char)p[i], i, n);
			_exit(1);
		}
}

static char *map(size_t n, int flags, int fd)
{
	char *p = mmap(NULL, n, RW, flags, fd, 0);
	if (p == MAP_FAILED) {
		say("FAIL mmap: %s", t_errno(errno));
		_exit(1);
	}
	return p;
}

static int file_of(const char *folder)
{
	char name[64];
	if (!folder)
		return memfd_create("recycled", 0);
	snprintf(name, sizeof name, "%s/recycledXXXXXX", folder);
	int fd = mkstemp(name);
	CHECK(fd >= 0 && unlink(name) == 0);
	return fd;
}

static void fill_anonymous(void)
{
	char *p = map(SIZE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	fill_with(p, SIZE);
	munmap(p, SIZE);
}

static void fill_dropped(void)
{
	char *p = map(SIZE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	fill_with(p, SIZE);
	CHECK(madvise(p, SIZE, MADV_DONTNEED) == 0);
	munmap(p, SIZE);
}

static void fill_file(void)
{
	int fd = file_of("/dev/shm");
	for (size_t n = 0; n < SIZE; n += PAGE)
		CHECK(write(fd, pattern, PAGE) == (ssize_t)PAGE);
	close(fd);
}

static void fill_shared(void)
{
	int id = shmget(IPC_PRIVATE, SIZE, 0600 | IPC_CREAT);
	char *p = shmat(id, NULL, 0);
	CHECK(p != (char *)-1);
	fill_with(p, SIZE);
	shmdt(p);
	shmctl(id, IPC_RMID, NULL);
}

static void fill_pipes(void)
{
	static int p[PIPES][2];
	for (int i = 0; i < PIPES; i++) {
		CHECK(pipe2(p[i], O_NONBLOCK) == 0);
		while (write(p[i][1], pattern, PAGE) > 0)
			;
	}
	for (int i = 0; i < PIPES; i++)
		close(p[i][0]), close(p[i][1]);
}

static void fill_sockets(void)
{
	static int p[PAIRS][2];
	for (int i = 0; i < PAIRS; i++) {
		CHECK(socketpair(AF_UNIX, i % 2 ? SOCK_STREAM | SOCK_NONBLOCK : SOCK_DGRAM | SOCK_NONBLOCK, 0, p[i]) == 0);
		while (write(p[i][0], pattern, PAGE) > 0)
			;
	}
	for (int i = 0; i < PAIRS; i++)
		close(p[i][0]), close(p[i][1]);
}

// fill_root reads the pattern out of the program's file and lets go of it.
static void fill_root(void)
{
	const volatile char *m = marked;
	for (size_t i = 0; i < MARKED; i += PAGE)
		(void)m[i];
	madvise((void *)marked, MARKED, MADV_DONTNEED);
	posix_fadvise(own, 0, 0, POSIX_FADV_DONTNEED);
}

static void take_anonymous(void)
{
	char *p = map(SIZE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	zero("anonymous memory", p, SIZE);
	for (size_t i = 0; i < SIZE; i += PAGE)
		p[i] = 1; // a page of its own instead of the one of zeroes
	for (size_t i = 0; i < SIZE; i += PAGE)
		zero("written anonymous memory", p + i + 1, PAGE - 1);
	munmap(p, SIZE);
	p = map(SIZE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1);
	zero("populated memory", p, SIZE);
	CHECK(madvise(p, SIZE, MADV_DONTNEED) == 0);
	zero("dropped memory", p, SIZE);
	munmap(p, SIZE);
	p = map(4 << 20, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	madvise(p, 4 << 20, MADV_HUGEPAGE);
	p[2 << 20] = 0;
	zero("memory for large pages", p, 4 << 20);
	munmap(p, 4 << 20);
	p = (char *)syscall(SYS_brk, 0); // musl has no sbrk
	CHECK(syscall(SYS_brk, p + (1 << 20)) == (long)(p + (1 << 20)));
	zero("the heap", p, 1 << 20);
	syscall(SYS_brk, p);
	p = map(SIZE, MAP_SHARED | MAP_ANONYMOUS, -1);
	zero("shared memory", p, SIZE);
	munmap(p, SIZE);
}

static void take_segment(void)
{
	int id = shmget(IPC_PRIVATE, SIZE, 0600 | IPC_CREAT);
	char *p = shmat(id, NULL, 0);
	CHECK(p != (char *)-1);
	for (size_t i = 0; i < SIZE; i += 2 * PAGE)
		p[i] = 1, zero("a segment", p + i + 1, 2 * PAGE - 1);
	shmdt(p);
	shmctl(id, IPC_RMID, NULL);
}

// take_file looks around what was written to a file: holes, ends of pages, what a
// mapping shows behind the end, what was allocated or is there by a longer size.
static void take_file(const char *folder)
{
	int fd = file_of(folder), p[2];
	struct stat st;
	for (off_t at = 0; at < SIZE / 2; at += PAGE) // one byte a page
		CHECK(pwrite(fd, "x", 1, at + 100) == 1);
	for (off_t at = 0; at < SIZE / 2 - (off_t)PAGE; at += PAGE) {
		CHECK(pread(fd, buffer, PAGE, at) == (ssize_t)PAGE && buffer[100] == 'x');
		buffer[100] = 0;
		zero("around a byte in a file", buffer, PAGE);
	}
	CHECK(fstat(fd, &st) == 0);
	char *m = map(SIZE, MAP_SHARED, fd);
	zero("behind a file's end", m + st.st_size, PAGE - st.st_size % PAGE);
	CHECK(ftruncate(fd, SIZE) == 0);
	zero("a longer file", m + st.st_size, SIZE - st.st_size);
	for (off_t at = SIZE / 2; at < SIZE; at += PAGE)
		m[at] = 1, zero("a written hole", m + at + 1, PAGE - 1);
	CHECK(ftruncate(fd, 50) == 0 && ftruncate(fd, SIZE) == 0);
	zero("cut and made longer", m, SIZE);
	CHECK(fallocate(fd, 0, 0, SIZE) == 0);
	zero("allocated", m, SIZE);
	memset(m, 1, 4 * PAGE);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10, 3 * PAGE) == 0);
	zero("punched", m + 10, 3 * PAGE);
	munmap(m, SIZE);
	// By a pipe, 7 bytes a page.
	CHECK(pipe(p) == 0 && ftruncate(fd, 0) == 0);
	for (off_t at = 0; at < 64 * (off_t)PAGE; at += PAGE)
		CHECK(write(p[1], "spliced", 7) == 7 && splice(p[0], NULL, fd, &(loff_t){at}, 7, SPLICE_F_MOVE) == 7);
	m = map(64 * PAGE, MAP_SHARED, fd);
	for (size_t i = 0; i < 64; i++)
		zero("behind spliced bytes", m + i * PAGE + 7, PAGE - 7);
	munmap(m, 64 * PAGE);
	close(p[0]), close(p[1]), close(fd);
}

static void take_memfd(void) { take_file(NULL); }
static void take_shm(void) { take_file("/dev/shm"); }

// received wants n bytes of x in the buffer, which was full of y, and no others.
static void received(const char *what, ssize_t got, ssize_t n)
{
	CHECK(got == n);
	for (ssize_t i = 0; i < (ssize_t)sizeof buffer; i++)
		if (buffer[i] != (i < n ? 'x' : 'y')) {
			say("FAIL %s: %02x at %zd", what, (unsigned char)buffer[i], i);
			_exit(1);
		}
	memset(buffer, 'y', sizeof buffer);
}

static void take_streams(void)
{
	static char x[PAGE];
	int p[2], s[2], d[2];
	memset(x, 'x', sizeof x), memset(buffer, 'y', sizeof buffer);
	CHECK(pipe2(p, O_NONBLOCK) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && socketpair(AF_UNIX, SOCK_DGRAM, 0, d) == 0);
	for (int n = 1; n < (int)PAGE; n += 97) {
		CHECK(write(p[1], x, n) == n && write(s[1], x, n) == n && write(d[1], x, n) == n);
		received("a pipe", read(p[0], buffer, sizeof buffer), n);
		received("a stream", recv(s[0], buffer, sizeof buffer, MSG_DONTWAIT), n);
		received("a datagram", recv(d[0], buffer, sizeof buffer, MSG_TRUNC), n);
		CHECK(write(p[1], x, n) == n);
		received("a pipe, by vmsplice", vmsplice(p[0], &(struct iovec){buffer, sizeof buffer}, 1, SPLICE_F_NONBLOCK), n);
	}
	close(p[0]), close(p[1]), close(s[0]), close(s[1]), close(d[0]), close(d[1]);
}

// take_root reads files of the image again, up to what a mapping shows behind their ends: the
// program's own, and a small one.
static void take_root(void)
{
	const int files[] = {own, open("/etc/passwd", O_RDONLY)};
	for (size_t i = 0; i < COUNT(files); i++) {
		struct stat st;
		CHECK(fstat(files[i], &st) == 0 && st.st_size % PAGE);
		posix_fadvise(files[i], 0, 0, POSIX_FADV_DONTNEED);
		off_t last = st.st_size & -PAGE;
		size_t end = st.st_size % PAGE;
		char *m = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, files[i], last);
		CHECK(m != MAP_FAILED);
		zero("behind the end of a file of the image", m + end, PAGE - end);
		munmap(m, PAGE);
		m = mmap(NULL, PAGE, RW, MAP_PRIVATE, files[i], last);
		CHECK(m != MAP_FAILED);
		m[0] = 1;
		zero("behind the end of a copy of it", m + end, PAGE - end);
		munmap(m, PAGE);
		memset(buffer, 'y', sizeof buffer);
		CHECK(pread(files[i], buffer, sizeof buffer, last) == (ssize_t)end);
		for (size_t k = end; k < sizeof buffer; k++)
			CHECK(buffer[k] == 'y');
	}
	close(files[1]);
}

static const struct t_case fillers[] = {
	{"anonymous", fill_anonymous}, {"dropped", fill_dropped}, {"file", fill_file}, {"segment", fill_shared}, {"pipes", fill_pipes}, {"sockets", fill_sockets}, {"root", fill_root},
}, takers[] = {
	{"anonymous", take_anonymous}, {"segment", take_segment}, {"memfd", take_memfd}, {"file", take_shm}, {"streams", take_streams}, {"root", take_root},
};

int main(void)
{
	struct sysinfo i;
	own = open("/proc/self/exe", O_RDONLY);
	for (size_t k = 0; k < COUNT(pattern); k++)
		pattern[k] = PATTERN;
	// In a small machine, little more than what is filled stays free.
	size_t room = 0;
	CHECK(sysinfo(&i) == 0);
	if (i.totalram * i.mem_unit < 128UL << 20 && i.freeram * i.mem_unit > 3UL * SIZE)
		room = (i.freeram * i.mem_unit - 3UL * SIZE) & -PAGE;
	if (room)
		memset(map(room, MAP_PRIVATE | MAP_ANONYMOUS, -1), 1, room);
	for (size_t f = 0; f < COUNT(fillers); f++)
		for (size_t t = 0; t < COUNT(takers); t++) {
			fillers[f].run();
			takers[t].run();
			say("%s, then %s: %s", fillers[f].name, takers[t].name, t_failed ? "wrong" : "nothing seen");
		}
	return t_failed;
}
