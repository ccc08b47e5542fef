// Descriptors: duplicates, flags, locks, positions, pipes and FIFOs, directories.
#include "t.h"
#include <dirent.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

static char buf[1 << 17];

static int file(size_t n)
{
	int fd = open("descriptors", O_CREAT | O_TRUNC | O_RDWR, 0600);
	CHECK(fd >= 0 && write(fd, buf, n) == (ssize_t)n && lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static void duplicates(void)
{
	int fd = file(100);
	SHOW(fcntl(fd, F_DUPFD, 50));
	SHOW(fcntl(fd, F_DUPFD, 50));
	SHOW(fcntl(50, F_GETFD));
	SHOW(fcntl(fd, F_DUPFD_CLOEXEC, 60));
	SHOW(fcntl(60, F_GETFD));
	SHOW(fcntl(60, F_SETFD, 0));
	SHOW(fcntl(60, F_GETFD));
	SHOW(fcntl(60, F_SETFD, 0xff));
	SHOW(fcntl(60, F_GETFD));
	SHOW(fcntl(fd, F_DUPFD, -1));
	SHOW(fcntl(fd, F_DUPFD, 1 << 24));
	SHOW(fcntl(1000, F_DUPFD, 0));
	SHOW(dup2(fd, 50));
	SHOW(dup2(fd, fd) == fd);
	SHOW(dup2(1000, 1000));
	SHOW(dup2(fd, -1));
	SHOW(dup2(fd, 1 << 24));
	SHOW(dup3(fd, fd, 0));
	SHOW(dup3(fd, 51, O_NONBLOCK));
	SHOW(dup3(fd, 52, O_CLOEXEC));
	SHOW(fcntl(52, F_GETFD));
	// One description: the position and the status flags are shared.
	SHOW(lseek(50, 33, SEEK_SET));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(fcntl(50, F_SETFL, O_APPEND | O_NONBLOCK));
	SHOW(fcntl(fd, F_GETFL) == (O_RDWR | O_APPEND | O_NONBLOCK | 0100000));
	SHOW(fcntl(fd, F_SETFL, O_RDONLY | O_CREAT | O_TRUNC));
	SHOW(fcntl(fd, F_GETFL) == (O_RDWR | 0100000));
	SHOW(syscall(SYS_close_range, 50, 52, 0));
	SHOW(fcntl(50, F_GETFD));
	SHOW(syscall(SYS_close_range, 60, 50, 0));
	SHOW(syscall(SYS_close_range, 60, 60, 4 /* CLOEXEC */));
	SHOW(fcntl(60, F_GETFD));
	SHOW(syscall(SYS_close_range, 60, 60, 64));
	SHOW(close(60));
	SHOW(close(60));
	SHOW(close(-1));
	SHOW(fcntl(fd, 999));
	SHOW(fcntl(-1, F_GETFD));
	SHOW(fcntl(fd, F_GETOWN));
	int path = open("descriptors", O_PATH);
	SHOW(read(path, buf, 1));
	SHOW(fcntl(path, F_GETFD));
	SHOW(fcntl(path, F_GETFL) == O_PATH || fcntl(path, F_GETFL) == (O_PATH | 0100000));
	SHOW(fcntl(path, F_SETFL, 0));
	SHOW(fcntl(path, F_SETLK, &(struct flock){.l_type = F_RDLCK}));
	SHOW(lseek(path, 0, SEEK_SET));
	SHOW(ftruncate(path, 0));
	SHOW(fchmod(path, 0600));
	OK(dup(path));
	struct stat st;
	SHOW(fstat(path, &st));
	SHOW(fsync(path));
	SHOW(flock(path, LOCK_SH));
	SHOW(ioctl(path, FIONREAD, &st));
}

static void positions(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	int p[2], s[2];
	CHECK(pipe(p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	const struct {
		const char *name;
		int fd;
	} list[] = {
		{"file", file(1000)}, {"pipe", p[0]}, {"socket", s[0]}, {"eventfd", eventfd(0, EFD_NONBLOCK)},
		{"timerfd", timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)}, {"epoll", epoll_create1(0)},
		{"signalfd", signalfd(-1, &set, SFD_NONBLOCK)}, {"null", open("/dev/null", O_RDWR)},
		{"zero", open("/dev/zero", O_RDWR)}, {"directory", open("/tmp", O_RDONLY)},
	};
	for (size_t i = 0; i < COUNT(list); i++) {
		int fd = list[i].fd;
		say("-- %s", list[i].name);
		SHOW(lseek(fd, 5, SEEK_SET));
		SHOW(lseek(fd, 3, SEEK_CUR));
		SHOW(lseek(fd, -100, SEEK_CUR));
		SHOW(lseek(fd, 0, 9));
		SHOW(pwrite(fd, buf, 8, 0));
		SHOW(pwrite(fd, buf, 8, -1));
		SHOW(ftruncate(fd, 1000));
		SHOW(ftruncate(fd, -1));
		SHOW(fallocate(fd, 0, 0, 100));
		SHOW(syscall(SYS_fadvise64, fd, 0, 0, 0));
		SHOW(syscall(SYS_fadvise64, fd, 0, 0, 99));
		SHOW(syscall(SYS_getdents, fd, buf, 10) > 0);
		SHOW(ioctl(fd, 0x5401 /* TCGETS */, buf));
		SHOW(isatty(fd));
		SHOW(flock(fd, LOCK_EX | LOCK_NB));
		SHOW(flock(fd, LOCK_UN));
	}
	int fd = list[0].fd;
	SHOW(lseek(fd, 0x7fffffffffffffff, SEEK_SET));
	SHOW(lseek(fd, 1, SEEK_CUR));
	SHOW(write(fd, "x", 1));
	SHOW(lseek(fd, -1, SEEK_SET));
	SHOW(lseek(fd, 10, SEEK_END));
	SHOW(lseek(fd, 100, SEEK_DATA));
	SHOW(lseek(fd, 100, SEEK_HOLE));
	SHOW(lseek(fd, 5000, SEEK_DATA));
	struct iovec v[3] = {{buf, 10}, {buf + 10, 0}, {buf + 10, 20}};
	SHOW(preadv(fd, v, 3, 990));
	SHOW(pwritev(fd, v, 3, 995));
	SHOW(preadv(fd, v, -1, 0));
	SHOW(preadv(fd, v, 1025, 0));
	SHOW(preadv(fd, v, 0, 0));
	v[1].iov_len = -1;
	SHOW(preadv(fd, v, 3, 0));
	SHOW(preadv(fd, (void *)8, 3, 0));
	SHOW(readv(fd, NULL, 0));
}

static int lock(int fd, int cmd, int type, long start, long len, int whence)
{
	struct flock f = {.l_type = type, .l_whence = whence, .l_start = start, .l_len = len};
	int r = fcntl(fd, cmd, &f);
	if (r == 0 && (cmd == F_GETLK || cmd == 36))
		say("  type %d whence %d start %ld len %ld pid %s", f.l_type, f.l_whence, (long)f.l_start, (long)f.l_len,
		    f.l_pid == getpid() ? "own" : f.l_pid == -1 ? "-1" : f.l_pid ? "other" : "0");
	return r;
}

static void *release(void *arg)
{
	await_blocked(30 * MS);
	lock(*(int *)arg, 37, F_UNLCK, 0, 0, SEEK_SET);
	return NULL;
}

static void locks(void)
{
	enum { OFD_GETLK = 36, OFD_SETLK, OFD_SETLKW };
	int a = file(100), b = open("descriptors", O_RDWR), r = open("descriptors", O_RDONLY);
	SHOW(lock(a, F_SETLK, F_WRLCK, 10, 10, SEEK_SET));
	SHOW(lock(b, F_SETLK, F_WRLCK, 10, 10, SEEK_SET)); // one process
	SHOW(lock(b, F_GETLK, F_WRLCK, 0, 0, SEEK_SET));
	SHOW(lock(b, OFD_GETLK, F_WRLCK, 0, 0, SEEK_SET));
	SHOW(lock(b, OFD_SETLK, F_WRLCK, 15, 1, SEEK_SET));
	SHOW(lock(a, F_SETLK, F_UNLCK, 12, 3, SEEK_SET)); // splits
	SHOW(lock(b, OFD_SETLK, F_WRLCK, 12, 3, SEEK_SET));
	SHOW(lock(a, OFD_GETLK, F_RDLCK, 12, 1, SEEK_SET));
	SHOW(lock(a, OFD_SETLK, F_RDLCK, 12, 1, SEEK_SET));
	SHOW(lock(b, OFD_SETLK, F_UNLCK, 0, 0, SEEK_SET));
	SHOW(lock(r, F_SETLK, F_WRLCK, 50, 1, SEEK_SET));
	SHOW(lock(r, F_SETLK, F_RDLCK, 50, 1, SEEK_SET));
	SHOW(lock(r, OFD_SETLK, F_RDLCK, 60, 1, SEEK_SET));
	SHOW(lock(a, OFD_GETLK, F_WRLCK, 60, 1, SEEK_SET));
	SHOW(lock(a, F_SETLK, F_WRLCK, -1, 1, SEEK_SET));
	SHOW(lock(a, F_SETLK, F_WRLCK, -10, 5, SEEK_END));
	SHOW(lock(b, OFD_GETLK, F_WRLCK, 85, 100, SEEK_SET));
	SHOW(lock(a, F_SETLK, F_WRLCK, 10, -5, SEEK_SET));
	SHOW(lock(a, F_SETLK, F_WRLCK, 3, -5, SEEK_SET));
	SHOW(lock(a, F_SETLK, 7, 0, 1, SEEK_SET));
	SHOW(lock(a, F_SETLK, F_WRLCK, 0, 1, 7));
	SHOW(lock(-1, F_SETLK, F_WRLCK, 0, 1, SEEK_SET));
	SHOW(fcntl(a, F_SETLK, (void *)8));
	SHOW(fcntl(a, OFD_SETLK, &(struct flock){.l_type = F_WRLCK, .l_pid = 1}));
	// Closing any descriptor of the file ends the process's locks, not the others.
	close(dup(b));
	SHOW(lock(b, OFD_GETLK, F_WRLCK, 0, 50, SEEK_SET));
	SHOW(lock(b, OFD_GETLK, F_WRLCK, 0, 0, SEEK_SET));
	close(r);
	SHOW(lock(b, OFD_GETLK, F_WRLCK, 0, 0, SEEK_SET));
	// Waiting.
	SHOW(lock(a, OFD_SETLK, F_WRLCK, 0, 0, SEEK_SET));
	pthread_t t = go(release, &a);
	SHOW(lock(b, OFD_SETLKW, F_WRLCK, 0, 0, SEEK_SET));
	pthread_join(t, NULL);
	// flock knows nothing of the others.
	SHOW(flock(a, LOCK_EX));
	SHOW(flock(b, LOCK_EX | LOCK_NB));
	SHOW(flock(b, LOCK_SH | LOCK_NB));
	SHOW(flock(a, LOCK_SH));
	SHOW(flock(b, LOCK_SH | LOCK_NB));
	SHOW(flock(a, LOCK_EX | LOCK_NB));
	SHOW(flock(a, LOCK_UN));
	SHOW(flock(a, 0));
	SHOW(flock(a, 16));
	SHOW(flock(-1, LOCK_SH));
	unlink("descriptors");
}

static void pipes(void)
{
	int p[2], n = -1;
	struct stat st;
	SHOW(pipe2(p, O_NONBLOCK | O_CLOEXEC));
	SHOW(fcntl(p[0], F_GETFD));
	SHOW(fcntl(p[0], F_GETFL));
	SHOW(fcntl(p[1], F_GETFL));
	SHOW(syscall(SYS_pipe2, p, 0x10));
	SHOW(fcntl(p[0], F_GETPIPE_SZ));
	SHOW(fcntl(p[0], F_SETPIPE_SZ, 5000));
	SHOW(fcntl(p[1], F_GETPIPE_SZ));
	SHOW(write(p[1], buf, sizeof buf));
	SHOW(write(p[1], buf, 1));
	SHOW(fcntl(p[0], F_SETPIPE_SZ, 4096));
	SHOW(fcntl(p[0], F_SETPIPE_SZ, 65536));
	SHOW(write(p[1], buf, 1));
	SHOW(fcntl(p[0], F_SETPIPE_SZ, 0));
	SHOW(fcntl(p[0], F_SETPIPE_SZ, 1u << 31));
	SHOW(fcntl(1000, F_GETPIPE_SZ));
	int null = open("/dev/null", O_RDWR);
	SHOW(fcntl(null, F_GETPIPE_SZ));
	SHOW(ioctl(p[0], FIONREAD, &n));
	say("queued %d", n);
	SHOW(ioctl(p[1], FIONREAD, &n));
	n = 0;
	SHOW(ioctl(p[0], FIONBIO, &n));
	SHOW(fcntl(p[0], F_GETFL));
	n = 1;
	SHOW(ioctl(p[0], FIONBIO, &n));
	SHOW(fcntl(p[0], F_GETFL));
	SHOW(ioctl(p[0], FIOCLEX));
	SHOW(ioctl(p[0], FIONCLEX));
	SHOW(fcntl(p[0], F_GETFD));
	SHOW(read(p[0], buf, sizeof buf));
	SHOW(read(p[0], buf, sizeof buf));
	SHOW(write(p[0], buf, 1));
	SHOW(read(p[1], buf, 1));
	SHOW(write(p[1], (void *)8, 1));
	SHOW(write(p[1], buf, 0));
	CHECK(fstat(p[0], &st) == 0);
	say("mode %o size %ld blocks %d", st.st_mode, (long)st.st_size, (int)st.st_blksize);
	// Opened again through /proc.
	char link[64];
	snprintf(link, sizeof link, "/proc/self/fd/%d", p[0]);
	int w = open(link, O_WRONLY);
	SHOW(write(w, "again", 5));
	SHOW(read(p[0], buf, 100));
	close(p[1]);
	SHOW(read(p[0], buf, 100)); // w is left
	close(w);
	SHOW(read(p[0], buf, 100));
	struct pollfd f = {.fd = p[0], .events = POLLIN | POLLOUT};
	SHOW(poll(&f, 1, 0));
	say("events %x", f.revents);
}

static void *opener(void *arg)
{
	int fd = open("fifo", O_WRONLY);
	CHECK(fd >= 0 && write(fd, "met", 3) == 3);
	close(fd);
	return arg;
}

static void fifos(void)
{
	char b[16];
	struct stat st;
	unlink("fifo");
	umask(022);
	SHOW(mkfifo("fifo", 0666));
	SHOW(mkfifo("fifo", 0666));
	CHECK(stat("fifo", &st) == 0);
	say("mode %o", st.st_mode);
	SHOW(open("fifo", O_WRONLY | O_NONBLOCK));
	int r = open("fifo", O_RDONLY | O_NONBLOCK);
	SHOW(read(r, b, 10));
	struct pollfd f = {.fd = r, .events = POLLIN};
	SHOW(poll(&f, 1, 0));
	say("events %x", f.revents);
	int w = open("fifo", O_WRONLY | O_NONBLOCK);
	SHOW(read(r, b, 10));
	SHOW(write(w, "abc", 3));
	SHOW(poll(&f, 1, 0));
	say("events %x", f.revents);
	SHOW(read(r, b, 10));
	close(w);
	SHOW(read(r, b, 10));
	SHOW(poll(&f, 1, 0));
	say("events %x", f.revents);
	close(r);
	int both = open("fifo", O_RDWR);
	SHOW(write(both, "xyz", 3));
	SHOW(read(both, b, 10));
	close(both);
	pthread_t t = go(opener, NULL);
	r = open("fifo", O_RDONLY); // both wait for each other
	SHOW(read(r, b, 10));
	SHOW(read(r, b, 10));
	pthread_join(t, NULL);
	SHOW(lseek(r, 0, SEEK_SET));
	SHOW(truncate("fifo", 0));
	SHOW(open("fifo", O_RDONLY | O_DIRECTORY));
	SHOW(unlink("fifo"));
	SHOW(fstat(r, &st));
	say("links %d", (int)st.st_nlink);
}

// The older getdents(2), by hand: names and types, sorted.
static int names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void directories(void)
{
	char path[64], b[300], *list[64];
	int n = 0;
	mkdir("dents", 0700);
	for (int i = 0; i < 20; i++) {
		snprintf(path, sizeof path, "dents/%.*s", i + 1, "abcdefghijklmnopqrstuvwxyz");
		close(open(path, O_CREAT | O_WRONLY, 0600));
	}
	mkdir("dents/sub", 0700);
	CHECK(symlink("x", "dents/link") == 0);
	int fd = open("dents", O_RDONLY | O_DIRECTORY);
	SHOW(syscall(SYS_getdents, fd, b, 10));
	SHOW(syscall(SYS_getdents, fd, 8, 100));
	for (long got; (got = syscall(SYS_getdents, fd, b, sizeof b)) > 0;)
		for (long at = 0; at < got;) {
			unsigned short len;
			memcpy(&len, b + at + 16, 2);
			CHECK(len % 8 == 0 && len >= 24 && at + len <= got);
			char *s = malloc(64);
			snprintf(s, 64, "%s %d", b + at + 18, b[at + len - 1]);
			list[n++] = s;
			at += len;
		}
	qsort(list, n, sizeof *list, names);
	for (int i = 0; i < n; i++)
		say("%s", list[i]);
	SHOW(syscall(SYS_getdents, fd, b, sizeof b));
	SHOW(lseek(fd, 0, SEEK_SET));
	SHOW(syscall(SYS_getdents, fd, b, sizeof b) > 0);
	for (int i = 0; i < 20; i++) {
		snprintf(path, sizeof path, "dents/%.*s", i + 1, "abcdefghijklmnopqrstuvwxyz");
		unlink(path);
	}
	unlink("dents/link");
	rmdir("dents/sub");
	SHOW(rmdir("dents"));
	lseek(fd, 0, SEEK_SET);
	SHOW(syscall(SYS_getdents, fd, b, sizeof b));
}

// The standard streams opened again; what they are differs.
static void streams(void)
{
	struct stat a, b;
	char name[64], other[64];
	for (int fd = 1; fd <= 2; fd++) {
		snprintf(name, sizeof name, "/dev/fd/%d", fd);
		CHECK(fstat(fd, &a) == 0 && stat(name, &b) == 0);
		CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev && S_ISFIFO(a.st_mode));
		ssize_t n = readlink(name, other, sizeof other - 1);
		other[n > 0 ? n : 0] = 0;
		snprintf(name, sizeof name, "pipe:[%lu]", (unsigned long)a.st_ino);
		CHECK(!strcmp(name, other));
		snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
		const int flags[] = {O_WRONLY, O_WRONLY | O_APPEND, O_WRONLY | O_CREAT | O_TRUNC, O_WRONLY | O_NONBLOCK};
		for (size_t i = 0; i < COUNT(flags); i++) {
			int n = open(name, flags[i], 0666);
			CHECK(n >= 0 && dprintf(n, "stream %d way %zu\n", fd, i) > 0);
			close(n);
		}
		SHOW(lseek(fd, 0, SEEK_CUR));
		SHOW(isatty(fd));
	}
	FILE *f = fopen("/dev/stdout", "w");
	CHECK(f && fprintf(f, "stdio\n") > 0);
	fclose(f);
	f = fopen("/dev/stderr", "a");
	CHECK(f && fprintf(f, "stdio\n") > 0);
	fclose(f);
	SHOW(read(0, name, 1));
	SHOW(open("/dev/stdin", O_RDONLY) >= 0);
}

static const struct t_case cases[] = {
	{"duplicates", duplicates}, {"positions", positions}, {"locks", locks}, {"pipes", pipes}, {"fifos", fifos},
	{"directories", directories}, {"streams", streams},
};

int main(int argc, char **argv)
{
	t_folder("/dev/shm");
	return t_main(argc, argv, cases, COUNT(cases));
}
