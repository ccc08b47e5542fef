// Calls on files that servers and databases make, at their edges: fallocate,
// SEEK_HOLE, O_TMPFILE, renameat2, statx, openat2, preadv2, seals, record locks.
#include "t.h"
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#ifndef FALLOC_FL_KEEP_SIZE
#define FALLOC_FL_KEEP_SIZE 1
#define FALLOC_FL_PUNCH_HOLE 2
#endif
#define COLLAPSE 8
#define ZERO 16
#define INSERT 32
#define UNSHARE 64

static char page[64 * 1024];

static int made(const char *name)
{
	return open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
}

static void shape(const char *what, int fd)
{
	struct stat s;
	fstat(fd, &s);
	say("%s: size %ld blocks %ld", what, (long)s.st_size, (long)s.st_blocks);
}

static void allocate(void)
{
	int fd = made("a");
	SHOW(fallocate(fd, 0, 0, 10000));
	shape("0", fd);
	SHOW(fallocate(fd, FALLOC_FL_KEEP_SIZE, 16384, 4096));
	shape("keep", fd);
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096));
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	shape("punched", fd);
	memset(page, 'x', sizeof page);
	pwrite(fd, page, 12288, 0);
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 5000));
	char b[6];
	pread(fd, b, 1, 99), pread(fd, b + 1, 1, 100), pread(fd, b + 2, 1, 4096), pread(fd, b + 3, 1, 5099), pread(fd, b + 4, 1, 5100);
	say("bytes %d %d %d %d %d", b[0], b[1], b[2], b[3], b[4]);
	shape("part", fd);
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8192, 1 << 20));
	shape("beyond the end", fd);
	SHOW(fallocate(fd, COLLAPSE, 0, 4096));
	SHOW(fallocate(fd, ZERO, 0, 4096));
	SHOW(fallocate(fd, INSERT, 0, 4096));
	SHOW(fallocate(fd, UNSHARE, 0, 4096));
	SHOW(fallocate(fd, 128, 0, 4096));
	SHOW(fallocate(fd, 0, -1, 10));
	SHOW(fallocate(fd, 0, 0, 0));
	SHOW(fallocate(fd, 0, 0, -5));
	SHOW(fallocate(fd, 0, 0x7ffffffffffff000, 0x7ffffffffffff000));
	int ro = open("a", O_RDONLY), p[2];
	SHOW(fallocate(ro, 0, 0, 10));
	SHOW(fallocate(ro, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 10));
	pipe(p);
	SHOW(fallocate(p[1], 0, 0, 10));
	int dir = open(".", O_RDONLY);
	SHOW(fallocate(dir, 0, 0, 10));
	SHOW(fallocate(-1, 0, 0, 10));
	SHOW(posix_fallocate(fd, 0, 30000));
	shape("posix", fd);
	close(fd), close(ro), close(p[0]), close(p[1]), close(dir);
	unlink("a");
}

static void holes(void)
{
	int fd = made("h");
	ftruncate(fd, 1 << 20);
	SHOW(lseek(fd, 0, SEEK_DATA));
	SHOW(lseek(fd, 0, SEEK_HOLE));
	SHOW(lseek(fd, 1 << 20, SEEK_HOLE));
	pwrite(fd, "x", 1, 65536);
	pwrite(fd, "x", 1, 131072 + 5);
	SHOW(lseek(fd, 0, SEEK_DATA));
	SHOW(lseek(fd, 65536, SEEK_DATA));
	SHOW(lseek(fd, 65537, SEEK_DATA));
	SHOW(lseek(fd, 65536, SEEK_HOLE));
	SHOW(lseek(fd, 69632, SEEK_HOLE));
	SHOW(lseek(fd, 69632, SEEK_DATA));
	SHOW(lseek(fd, 200000, SEEK_DATA));
	SHOW(lseek(fd, -1, SEEK_DATA));
	SHOW(lseek(fd, 0, 5));
	SHOW(lseek(fd, 0, SEEK_CUR));
	pwrite(fd, "x", 1, (1 << 20) - 1);
	SHOW(lseek(fd, (1 << 20) - 1, SEEK_HOLE));
	close(fd);
	unlink("h");
}

static void temporary(void)
{
	char path[64];
	struct stat s;
	int fd = open(".", O_TMPFILE | O_RDWR, 0640);
	fstat(fd, &s);
	say("links %ld mode %o", (long)s.st_nlink, s.st_mode);
	SHOW(write(fd, "text", 4));
	SHOW(linkat(fd, "", AT_FDCWD, "named", AT_EMPTY_PATH) == 0 || errno == ENOENT); // needs a capability
	unlink("named");
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	SHOW(linkat(AT_FDCWD, path, AT_FDCWD, "t", 0));
	close(fd);
	fd = open(".", O_TMPFILE | O_RDWR, 0640);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	SHOW(linkat(AT_FDCWD, path, AT_FDCWD, "t", AT_SYMLINK_FOLLOW));
	SHOW(linkat(AT_FDCWD, path, AT_FDCWD, "t", AT_SYMLINK_FOLLOW));
	fstat(fd, &s);
	say("links %ld", (long)s.st_nlink);
	unlink("t");
	SHOW(linkat(AT_FDCWD, path, AT_FDCWD, "t", AT_SYMLINK_FOLLOW)); // it had a name
	close(fd);
	fd = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0640);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	SHOW(linkat(AT_FDCWD, path, AT_FDCWD, "t", AT_SYMLINK_FOLLOW));
	close(fd);
	SHOW(open(".", O_TMPFILE | O_RDONLY, 0640));
	SHOW(open(".", O_TMPFILE | O_RDWR | O_CREAT, 0640));
	SHOW(open("none", O_TMPFILE | O_RDWR, 0640));
	close(made("file"));
	SHOW(open("file", O_TMPFILE | O_RDWR, 0640));
	SHOW(open(".", O_TMPFILE & ~O_DIRECTORY, 0640));
	unlink("file");
}

static long rename_at(const char *a, const char *b, unsigned flags)
{
	return syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, flags);
}

static int length(const char *name)
{
	struct stat s;
	return lstat(name, &s) < 0 ? -1 : S_ISDIR(s.st_mode) ? 1000 : (int)s.st_size;
}

static void renames(void)
{
	int fd = made("a");
	write(fd, "1", 1);
	close(fd), fd = made("b");
	write(fd, "22", 2), close(fd);
	mkdir("d", 0755), mkdir("d/e", 0755);
	SHOW(rename_at("a", "b", 1));
	SHOW(rename_at("a", "c", 1));
	SHOW(rename_at("c", "a", 0));
	SHOW(rename_at("a", "b", 2));
	say("a %d b %d", length("a"), length("b"));
	SHOW(rename_at("a", "none", 2));
	SHOW(rename_at("none", "a", 2));
	SHOW(rename_at("a", "d", 2));
	say("a %d d %d", length("a"), length("d"));
	SHOW(rename_at("a", "d", 2));
	SHOW(rename_at("d", "d/e", 2));
	SHOW(rename_at("d/e", "d", 2));
	SHOW(rename_at("a", "b", 3));
	SHOW(rename_at("a", "b", 8));
	SHOW(rename_at("a", "d", 0));
	SHOW(rename_at("d", "a", 0));
	SHOW(rename_at("d/e", "d", 0));
	SHOW(rename_at("d", "d/e/f", 0));
	SHOW(rename_at("a", "a", 1));
	SHOW(rename_at("a", "a", 2));
	SHOW(rename_at("d/.", "x", 0));
	SHOW(rename_at("d/..", "x", 0));
	SHOW(rename_at("a/", "x", 0));
	SHOW(rename_at("a", "x/", 0));
	SHOW(rename_at("d", "x/", 0));
	SHOW(rename_at("x", "d", 1));
	link("a", "same");
	SHOW(rename_at("a", "same", 0)); // the same file: nothing happens
	say("a %d same %d", length("a"), length("same"));
	unlink("a"), unlink("b"), unlink("same"), rmdir("d/e"), rmdir("d"), rmdir("x"), unlink("c");
}

// struct statx, uapi/linux/stat.h, which not every C library has.
struct extended {
	uint32_t stx_mask, stx_blksize;
	uint64_t stx_attributes;
	uint32_t stx_nlink, stx_uid, stx_gid;
	uint16_t stx_mode, pad;
	uint64_t stx_ino, stx_size, stx_blocks, stx_attributes_mask;
	struct {
		int64_t tv_sec;
		uint32_t tv_nsec, pad;
	} stx_atime, stx_btime, stx_ctime, stx_mtime;
	uint64_t rest[16];
};

#define BASIC 0x7ff
#define BTIME 0x800
#define FORCE_SYNC 0x2000
#define DONT_SYNC 0x4000

static void extended(void)
{
	struct extended s;
	int fd = made("s");
	write(fd, page, 5000);
	memset(&s, 0xff, sizeof s);
	SHOW(syscall(SYS_statx, fd, "", AT_EMPTY_PATH, BASIC | BTIME, &s));
	say("mask %x size %llu mode %o nlink %u", s.stx_mask & (BASIC | BTIME), (unsigned long long)s.stx_size, s.stx_mode, s.stx_nlink);
	say("btime %d, attributes %llx", s.stx_btime.tv_sec > 0, (unsigned long long)s.stx_attributes & 0x3000);
	SHOW(syscall(SYS_statx, AT_FDCWD, "s", 0, 0, &s));
	say("mask of nothing has type %d", !!(s.stx_mask & 1) == 1);
	SHOW(syscall(SYS_statx, AT_FDCWD, "s", 0, 0x80000000, &s));
	SHOW(syscall(SYS_statx, AT_FDCWD, "s", 0x40, 0, &s));
	SHOW(syscall(SYS_statx, AT_FDCWD, "s", FORCE_SYNC | DONT_SYNC, 0, &s));
	SHOW(syscall(SYS_statx, AT_FDCWD, "s", FORCE_SYNC, 0x200, &s));
	SHOW(syscall(SYS_statx, AT_FDCWD, "", 0, 0, &s));
	SHOW(syscall(SYS_statx, AT_FDCWD, "", AT_EMPTY_PATH, 1, &s));
	say("folder %d", S_ISDIR(s.stx_mode));
	SHOW(syscall(SYS_statx, AT_FDCWD, "s/x", 0, 0, &s));
	SHOW(syscall(SYS_statx, AT_FDCWD, "s", 0, 0, (void *)8));
	SHOW(syscall(SYS_statx, -1, "", AT_EMPTY_PATH, 0, &s));
	SHOW(syscall(SYS_statx, AT_FDCWD, "/proc", 0, BASIC, &s));
	say("mount root %d", !!(s.stx_attributes & 0x2000));
	close(fd);
	unlink("s");
}

struct how {
	uint64_t flags, mode, resolve, more;
};

static long open_how(const char *path, uint64_t flags, uint64_t mode, uint64_t resolve, size_t size)
{
	struct how h = {flags, mode, resolve, 0};
	long fd = -1;
	// EAGAIN: something was renamed meanwhile, anywhere on the host (openat2(2), ERRORS).
	for (int try = 0; try < 1000 && (fd = syscall(437, AT_FDCWD, path, &h, size)) < 0 && errno == EAGAIN; try++)
		;
	if (fd >= 0) {
		close(fd);
		return 0;
	}
	return fd;
}

static void opens(void)
{
	mkdir("o", 0755);
	close(made("o/f"));
	symlink("f", "o/l");
	symlink("/proc/self/exe", "o/m");
	symlink("../..", "o/up");
	SHOW(open_how("o/f", O_RDONLY, 0, 0, 24));
	SHOW(open_how("o/f", O_RDONLY, 0, 0, 32));
	SHOW(open_how("o/f", O_RDONLY, 0, 0, 16));
	SHOW(open_how("o/f", O_RDONLY, 0644, 0, 24));
	SHOW(open_how("o/f", 1ULL << 40, 0, 0, 24));
	SHOW(open_how("o/f", O_RDONLY, 0, 0x1000, 24));
	SHOW(open_how("o/n", O_CREAT | O_RDWR, 010644, 0, 24));
	SHOW(open_how("o/l", O_RDONLY, 0, 4, 24)); // RESOLVE_NO_SYMLINKS
	SHOW(open_how("o/l", O_RDONLY, 0, 8, 24)); // RESOLVE_BENEATH
	SHOW(open_how("o/m", O_RDONLY, 0, 2, 24)); // RESOLVE_NO_MAGICLINKS
	SHOW(open_how("/proc/self/exe", O_RDONLY, 0, 2, 24));
	SHOW(open_how("/proc/self/status", O_RDONLY, 0, 1, 24)); // RESOLVE_NO_XDEV
	SHOW(open_how("o/../o/f", O_RDONLY, 0, 8, 24));
	SHOW(open_how("../x", O_RDONLY, 0, 8, 24));
	SHOW(open_how("o/up", O_RDONLY, 0, 8, 24));
	SHOW(open_how("/etc", O_RDONLY, 0, 8, 24));
	SHOW(open_how("/o/f", O_RDONLY, 0, 16, 24)); // RESOLVE_IN_ROOT
	SHOW(open_how("../../o/f", O_RDONLY, 0, 16, 24));
	SHOW(open_how("o/f", O_RDONLY, 0, 24, 24));
	unlink("o/f"), unlink("o/l"), unlink("o/m"), unlink("o/up"), unlink("o/n"), rmdir("o");
}

static long vector(int nr, int fd, const void *text, size_t n, long off, int flags)
{
	struct iovec v = {(void *)text, n};
	return syscall(nr, fd, &v, 1, off, 0, flags);
}

static void vectors(void)
{
	char b[64];
	int fd = made("v");
	SHOW(vector(SYS_pwritev2, fd, "hello", 5, 0, 0));
	SHOW(vector(SYS_pwritev2, fd, "world", 5, -1, 0));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(vector(SYS_preadv2, fd, b, 64, 0, 0));
	SHOW(vector(SYS_preadv2, fd, b, 64, -1, 0));
	SHOW(vector(SYS_preadv2, fd, b, 64, -2, 0));
	SHOW(vector(SYS_pwritev2, fd, "d", 1, 0, 2));     // RWF_DSYNC
	SHOW(vector(SYS_pwritev2, fd, "s", 1, 0, 4));     // RWF_SYNC
	SHOW(vector(SYS_preadv2, fd, b, 64, 0, 0x4000));
	SHOW(vector(SYS_pwritev2, fd, "x", 1, 0, 0x4000));
	SHOW(vector(SYS_preadv2, fd, b, 64, 0, 8)); // RWF_NOWAIT: no file in memory has it
	int p[2];
	pipe(p);
	SHOW(vector(SYS_preadv2, p[0], b, 64, 0, 0));
	SHOW(vector(SYS_pwritev2, p[1], "abc", 3, 0, 0));
	int ap = open("v", O_WRONLY | O_APPEND);
	SHOW(pwrite(ap, "z", 1, 0)); // appends
	SHOW(lseek(fd, 0, SEEK_END));
	// RWF_APPEND: the position moves only with an offset of -1.
	SHOW(lseek(fd, 2, SEEK_SET));
	SHOW(vector(SYS_pwritev2, fd, "end", 3, 0, 16));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(lseek(fd, 0, SEEK_END));
	SHOW(lseek(fd, 2, SEEK_SET));
	SHOW(vector(SYS_pwritev2, fd, "end", 3, -1, 16));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(vector(SYS_preadv2, fd, b, 64, 0, 16)); // nothing for reading
	// RWF_NOAPPEND, since 6.9.
	SHOW(vector(SYS_pwritev2, ap, "Z", 1, 1, 32));
	SHOW(vector(SYS_pwritev2, fd, "Z", 1, 2, 32));
	SHOW(vector(SYS_pwritev2, ap, "Z", 1, 0, 48));
	SHOW(vector(SYS_preadv2, fd, b, 64, 0, 32));
	say("%.*s", 14, b);
	SHOW(vector(SYS_pwritev2, -1, "Z", 1, 0, 0x4000));
	SHOW(vector(SYS_pwritev2, fd, "Z", 1, -2, 0x4000));
	SHOW(vector(SYS_pwritev2, p[0], "Z", 1, -1, 0x4000)); // not for writing
	SHOW(vector(SYS_preadv2, fd, b, 0, 0, 0x4000)); // nothing asked
	// RWF_NOWAIT where one may have to wait.
	SHOW(vector(SYS_preadv2, p[0], b, 64, -1, 8));
	SHOW(vector(SYS_preadv2, p[0], b, 64, 0, 8));
	SHOW(vector(SYS_pwritev2, p[1], "abc", 3, -1, 8));
	SHOW(vector(SYS_preadv2, p[0], b, 64, -1, 8));
	static char much[100000];
	SHOW(vector(SYS_pwritev2, p[1], much, sizeof much, -1, 8));
	SHOW(vector(SYS_pwritev2, p[1], much, 1, -1, 8));
	int s[2];
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	SHOW(vector(SYS_preadv2, s[0], b, 64, -1, 8));
	SHOW(vector(SYS_pwritev2, s[0], "abc", 3, -1, 8));
	SHOW(vector(SYS_preadv2, s[1], b, 64, -1, 8));
	close(s[0]);
	SHOW(vector(SYS_preadv2, s[1], b, 64, -1, 8));
	close(s[1]);
	mkfifo("fifo", 0600);
	s[0] = open("fifo", O_RDWR);
	SHOW(vector(SYS_preadv2, s[0], b, 64, -1, 8));
	SHOW(vector(SYS_pwritev2, s[0], "a", 1, -1, 16));
	SHOW(vector(SYS_preadv2, s[0], b, 64, -1, 16));
	close(s[0]), unlink("fifo");
	close(fd), close(ap), close(p[0]), close(p[1]);
	unlink("v");
}

#define ADD 1033
#define GET 1034

static void seals(void)
{
	int fd = syscall(SYS_memfd_create, "m", 2);
	SHOW(fcntl(fd, GET));
	SHOW(ftruncate(fd, 8192));
	SHOW(fcntl(fd, ADD, 2)); // shrink
	SHOW(ftruncate(fd, 4096));
	SHOW(ftruncate(fd, 16384));
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	SHOW(fcntl(fd, ADD, 4)); // grow
	SHOW(ftruncate(fd, 20000));
	SHOW(pwrite(fd, "x", 1, 16384));
	SHOW(pwrite(fd, "xyz", 3, 16383));
	SHOW(fallocate(fd, 0, 16384, 10));
	char *m = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	SHOW(fcntl(fd, ADD, 8)); // write: somebody maps it
	munmap(m, PAGE);
	SHOW(fcntl(fd, ADD, 16)); // future write
	OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	SHOW(write(fd, "x", 1));
	SHOW(fcntl(fd, ADD, 8));
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	m = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	SHOW(mprotect(m, PAGE, PROT_READ | PROT_WRITE));
	m = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	SHOW(m[0] = 1);
	SHOW(fcntl(fd, ADD, 0x100));
	SHOW(fcntl(fd, ADD, 1)); // seal
	SHOW(fcntl(fd, ADD, 2));
	SHOW(fcntl(fd, GET));
	int plain = syscall(SYS_memfd_create, "n", 0);
	SHOW(fcntl(plain, GET));
	SHOW(fcntl(plain, ADD, 2));
	SHOW(syscall(SYS_memfd_create, "n", 0x100));
	SHOW(fcntl(0, GET));
	int file = made("f");
	SHOW(fcntl(file, GET));
	SHOW(fcntl(file, ADD, 2));
	close(file);
	unlink("f");
}

static int lock(int fd, int cmd, int type, long start, long len)
{
	struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
	int r = fcntl(fd, cmd, &l);
	if (r == 0 && (cmd == F_GETLK || cmd == F_OFD_GETLK))
		say("  type %d start %ld len %ld pid %d", l.l_type, (long)l.l_start, (long)l.l_len, l.l_pid > 0 ? 1 : l.l_pid);
	return r;
}

// Two are in the way: which of them is named.
static void two_locks(void)
{
	int a = made("k"), b = open("k", O_RDWR), c = open("k", O_RDWR), d = open("k", O_RDWR);
	SHOW(lock(a, F_OFD_SETLK, F_RDLCK, 50, 10));
	SHOW(lock(b, F_OFD_SETLK, F_RDLCK, 10, 10));
	SHOW(lock(c, F_SETLK, F_RDLCK, 30, 10));
	SHOW(lock(d, F_OFD_GETLK, F_WRLCK, 0, 100));
	SHOW(lock(d, F_GETLK, F_WRLCK, 0, 100)); // not its own
	SHOW(lock(a, F_OFD_SETLK, F_RDLCK, 5, 2)); // more of the first
	SHOW(lock(d, F_OFD_GETLK, F_WRLCK, 0, 100));
	SHOW(lock(d, F_OFD_GETLK, F_WRLCK, 8, 100));
	SHOW(lock(a, F_OFD_SETLK, F_UNLCK, 0, 0)); // the first lets go, and comes again
	SHOW(lock(d, F_OFD_GETLK, F_WRLCK, 0, 100));
	SHOW(lock(a, F_OFD_SETLK, F_RDLCK, 0, 5));
	SHOW(lock(d, F_OFD_GETLK, F_WRLCK, 0, 100));
	SHOW(lock(b, F_OFD_GETLK, F_WRLCK, 0, 100));
	SHOW(lock(b, F_OFD_SETLK, F_WRLCK, 10, 10)); // of another kind: its place stays
	SHOW(lock(d, F_OFD_GETLK, F_RDLCK, 0, 100));
	SHOW(lock(d, F_OFD_GETLK, F_WRLCK, 0, 100));
	close(a), close(b), close(c), close(d);
	unlink("k");
}

static void locks(void)
{
	int a = made("k"), b = open("k", O_RDWR), ro = open("k", O_RDONLY);
	SHOW(lock(a, F_OFD_SETLK, F_WRLCK, 0, 10));
	SHOW(lock(b, F_OFD_SETLK, F_WRLCK, 5, 10));
	SHOW(lock(b, F_OFD_SETLK, F_RDLCK, 9, 1));
	SHOW(lock(b, F_OFD_SETLK, F_WRLCK, 10, 10));
	SHOW(lock(b, F_OFD_GETLK, F_RDLCK, 0, 100));
	SHOW(lock(a, F_OFD_GETLK, F_RDLCK, 0, 10));
	SHOW(lock(a, F_OFD_SETLK, F_RDLCK, 3, 2)); // a piece becomes shared
	SHOW(lock(b, F_OFD_SETLK, F_RDLCK, 3, 2));
	SHOW(lock(b, F_OFD_SETLK, F_RDLCK, 2, 2));
	SHOW(lock(b, F_OFD_GETLK, F_WRLCK, 3, 1));
	SHOW(lock(b, F_SETLK, F_WRLCK, 0, 1)); // the process' own kind conflicts as well
	SHOW(lock(b, F_SETLK, F_WRLCK, 100, 0));
	SHOW(lock(a, F_OFD_SETLK, F_WRLCK, 1000, 1));
	SHOW(lock(a, F_SETLK, F_WRLCK, 1000, 1)); // same process
	SHOW(lock(a, F_OFD_GETLK, F_WRLCK, 1000, 1));
	SHOW(lock(ro, F_OFD_SETLK, F_WRLCK, 50, 1));
	SHOW(lock(ro, F_OFD_SETLK, F_RDLCK, 50, 1));
	SHOW(lock(a, F_OFD_SETLK, 7, 50, 1));
	SHOW(lock(a, F_OFD_SETLK, F_RDLCK, -1, 1));
	SHOW(lock(a, F_OFD_SETLK, F_RDLCK, 60, -5));
	SHOW(lock(b, F_OFD_GETLK, F_WRLCK, 55, 10));
	int dup_a = dup(a);
	close(a);
	SHOW(lock(b, F_OFD_SETLK, F_WRLCK, 0, 1)); // dup keeps it
	close(dup_a);
	SHOW(lock(b, F_OFD_SETLK, F_WRLCK, 0, 1));
	SHOW(flock(b, LOCK_EX));
	SHOW(flock(ro, LOCK_SH | LOCK_NB));
	SHOW(flock(b, LOCK_SH));
	SHOW(flock(ro, LOCK_SH | LOCK_NB));
	SHOW(flock(b, LOCK_EX | LOCK_NB));
	SHOW(flock(b, LOCK_UN));
	SHOW(flock(b, LOCK_UN | LOCK_SH));
	SHOW(flock(b, 0));
	close(b), close(ro);
	unlink("k");
}

static void ranges(void)
{
	int a = made("a"), b = made("b");
	write(a, page, 10000);
	off_t from = 0, to = 0;
	SHOW(syscall(SYS_copy_file_range, a, &from, b, &to, 20000, 0));
	say("from %ld to %ld", (long)from, (long)to);
	from = 10000;
	SHOW(syscall(SYS_copy_file_range, a, &from, b, &to, 10, 0));
	from = 20000;
	SHOW(syscall(SYS_copy_file_range, a, &from, b, &to, 10, 0));
	from = 0, to = 100;
	SHOW(syscall(SYS_copy_file_range, a, &from, a, &to, 200, 0));
	SHOW(syscall(SYS_copy_file_range, a, &from, a, &to, 100, 0));
	to = 50000;
	SHOW(syscall(SYS_copy_file_range, a, &from, b, &to, 10, 0)); // leaves a hole
	SHOW(lseek(b, 0, SEEK_END));
	SHOW(syscall(SYS_copy_file_range, a, &from, b, &to, 10, 1));
	from = -1;
	SHOW(syscall(SYS_copy_file_range, a, &from, b, &to, 10, 0));
	int p[2], d = open(".", O_RDONLY), ap = open("b", O_WRONLY | O_APPEND);
	pipe(p);
	SHOW(syscall(SYS_copy_file_range, p[0], NULL, b, NULL, 10, 0));
	SHOW(syscall(SYS_copy_file_range, a, NULL, p[1], NULL, 10, 0));
	SHOW(syscall(SYS_copy_file_range, d, NULL, b, NULL, 10, 0));
	SHOW(syscall(SYS_copy_file_range, a, NULL, ap, NULL, 10, 0));
	SHOW(syscall(SYS_copy_file_range, a, NULL, b, NULL, 0, 0));
	close(a), close(b), close(d), close(ap), close(p[0]), close(p[1]);
	unlink("a"), unlink("b");
}

static void links(void)
{
	close(made("f"));
	mkdir("d", 0755);
	symlink("f", "l");
	SHOW(link("l", "hard")); // of the link itself
	struct stat s;
	lstat("hard", &s);
	say("a link %d", S_ISLNK(s.st_mode));
	SHOW(linkat(AT_FDCWD, "l", AT_FDCWD, "followed", AT_SYMLINK_FOLLOW));
	lstat("followed", &s);
	say("a file %d with %ld links", S_ISREG(s.st_mode), (long)s.st_nlink);
	SHOW(link("d", "e"));
	SHOW(link("f", "f"));
	SHOW(link("none", "g"));
	SHOW(link("f", "d"));
	SHOW(linkat(AT_FDCWD, "f", AT_FDCWD, "g", 0x4000));
	SHOW(symlink("", "empty"));
	SHOW(symlink("x", "l"));
	static char longer[5000];
	memset(longer, 'a', 4095);
	SHOW(symlink(longer, "long"));
	SHOW(readlink("long", page, sizeof page));
	SHOW(readlink("long", page, 10));
	SHOW(readlink("long", page, 0));
	longer[4095] = 'a';
	SHOW(symlink(longer, "longer"));
	symlink("loop2", "loop1"), symlink("loop1", "loop2");
	SHOW(open("loop1", O_RDONLY));
	SHOW(stat("loop1", &s));
	SHOW(open("l", O_RDONLY | O_NOFOLLOW));
	SHOW(unlink("d"));
	SHOW(rmdir("f"));
	SHOW(unlink("l/"));
	const char *all[] = {"f", "l", "hard", "followed", "long", "loop1", "loop2", "d", "g", "longer"};
	for (size_t i = 0; i < COUNT(all); i++)
		remove(all[i]);
}

// What signals a process about a file is not there, and says so.
static void owners(void)
{
	int p[2];
	pipe(p);
	SHOW(fcntl(p[0], F_GETOWN));
	say("DESIGN own: %s", fcntl(p[0], F_SETOWN, getpid()) < 0 ? t_errno(errno) : "ok");
	say("DESIGN signal: %s", fcntl(p[0], F_SETSIG, SIGUSR1) < 0 ? t_errno(errno) : "ok");
	say("DESIGN async: %s", fcntl(p[0], F_SETFL, O_ASYNC) < 0 ? t_errno(errno) : "ok");
	struct {
		unsigned bytes;
		int type;
		char handle[128];
	} h = {128, 0, ""};
	int mount;
	say("DESIGN handle: %s", syscall(SYS_name_to_handle_at, AT_FDCWD, ".", &h, &mount, 0) < 0 ? t_errno(errno) : "ok");
}

static const struct t_case cases[] = {{"allocate", allocate}, {"holes", holes}, {"temporary", temporary}, {"renames", renames},
	{"statx", extended}, {"openat2", opens}, {"vectors", vectors}, {"seals", seals}, {"locks", locks}, {"two-locks", two_locks}, {"ranges", ranges},
	{"links", links}, {"owners", owners}};

int main(int argc, char **argv)
{
	t_folder("/dev/shm");
	return t_main(argc, argv, cases, COUNT(cases));
}
