// Files: what a program may do in /tmp, what it may not do on the root, and the
// errors of paths. Sizes of directories, numbers of inodes and times are not shown.
#include "t.h"
#include <dirent.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

static char base[64];

static void in(void)
{
	snprintf(base, sizeof base, "/tmp/filesXXXXXX");
	CHECK(mkdtemp(base) != NULL);
	CHECK(chdir(base) == 0);
}

static void out(void)
{
	CHECK(chdir("/") == 0);
	if (rmdir(base) < 0)
		say("FAIL left something behind: %s", t_errno(errno));
}

static int make(const char *path, const char *text)
{
	int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0644);
	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	return fd;
}

static void kind(const char *path)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		say("%s: %s", path, t_errno(errno));
	else
		say("%s: type %o mode %o links %d size %ld", path, st.st_mode & S_IFMT, st.st_mode & 07777,
			S_ISDIR(st.st_mode) ? 0 : (int)st.st_nlink, S_ISDIR(st.st_mode) ? 0 : (long)st.st_size);
}

static void paths(void)
{
	in();
	close(make("f", "text"));
	CHECK(mkdir("d", 0755) == 0 && symlink("f", "l") == 0 && symlink("loop", "loop") == 0 && symlink("none", "dangling") == 0 && symlink("d", "ld") == 0);
	static const char *const list[] = {"f", "f/", "f/x", "d", "d/", "d/.", "d/..", "d/../f", "l", "l/", "ld", "ld/", "ld/../f", "loop", "loop/x", "dangling", "dangling/", "none", "none/x", "", "./././f", "//tmp", "/..", "/../tmp"};
	for (size_t i = 0; i < COUNT(list); i++) {
		struct stat st;
		int s = stat(list[i], &st);
		say("stat %s: %s", list[i], s ? t_errno(errno) : S_ISDIR(st.st_mode) ? "dir" : "file");
		s = lstat(list[i], &st);
		say("lstat %s: %s", list[i], s ? t_errno(errno) : S_ISDIR(st.st_mode) ? "dir" : S_ISLNK(st.st_mode) ? "link" : "file");
		int fd = open(list[i], O_RDONLY);
		say("open %s: %s", list[i], fd < 0 ? t_errno(errno) : "ok");
		close(fd);
		fd = open(list[i], O_RDWR | O_CREAT | O_EXCL, 0644);
		say("create %s: %s", list[i], fd < 0 ? t_errno(errno) : "ok");
		if (fd >= 0)
			close(fd), unlink(list[i]);
	}
	static const struct {
		const char *name;
		int flags;
	} opens[] = {{"f", O_DIRECTORY}, {"d", O_WRONLY}, {"d", O_DIRECTORY}, {"l", O_NOFOLLOW}, {"l", O_PATH | O_NOFOLLOW}, {"loop", O_NOFOLLOW}, {"dangling", O_CREAT | O_RDWR}, {"f", O_CREAT | O_DIRECTORY}, {"f", O_TRUNC}, {"none", O_TRUNC | O_RDWR}, {"f", 3}, {"d", O_CREAT}};
	for (size_t i = 0; i < COUNT(opens); i++) {
		int fd = open(opens[i].name, opens[i].flags, 0644);
		say("open %s %#o: %s", opens[i].name, opens[i].flags & ~O_DIRECTORY & ~O_NOFOLLOW & ~O_PATH, fd < 0 ? t_errno(errno) : "ok");
		close(fd);
	}
	unlink("none");
	char name[5000];
	memset(name, 'n', sizeof name);
	name[255] = 0;
	int fd = open(name, O_CREAT | O_RDWR, 0644);
	say("255 bytes: %s", fd < 0 ? t_errno(errno) : "ok");
	close(fd);
	unlink(name);
	name[255] = 'n', name[256] = 0;
	SHOW(open(name, O_CREAT | O_RDWR, 0644));
	for (size_t i = 0; i < 4999; i++)
		name[i] = i % 2 ? '/' : '.';
	name[4094] = 0;
	OK(open(name, O_RDONLY) < 0 ? -1 : 0);
	name[4094] = '.', name[4095] = '/', name[4096] = 0;
	SHOW(open(name, O_RDONLY));
	SHOW(open((char *)8, O_RDONLY));
	SHOW(open((char *)0xffff800000000000, O_RDONLY));
	// Forty links are followed, no more.
	char to[16], from[16];
	for (int i = 0; i < 42; i++) {
		snprintf(from, sizeof from, "c%d", i);
		snprintf(to, sizeof to, "c%d", i - 1);
		CHECK(symlink(i ? to : "f", from) == 0);
	}
	OK(access("c39", F_OK));
	OK(access("c41", F_OK));
	for (int i = 0; i < 42; i++)
		snprintf(from, sizeof from, "c%d", i), unlink(from);
	SHOW(readlink("l", name, 100));
	SHOW(readlink("l", name, 0));
	SHOW(readlink("f", name, 100));
	SHOW(symlink("x", "f"));
	SHOW(symlink("", "e"));
	SHOW(mkdir("d", 0755));
	SHOW(mkdir("d/../d/n/", 0755));
	SHOW(mkdir("none/n", 0755));
	SHOW(rmdir("d"));
	SHOW(rmdir("d/n/."));
	SHOW(rmdir("d/n/.."));
	SHOW(rmdir("d/n"));
	SHOW(rmdir("f"));
	SHOW(unlink("d"));
	SHOW(unlink("f/"));
	SHOW(unlink("none"));
	SHOW(rmdir("/"));
	SHOW(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR));
	SHOW(unlinkat(-5, "f", 0));
	SHOW(unlinkat(AT_FDCWD, "f", 77));
	unlink("f"), unlink("l"), unlink("loop"), unlink("dangling"), unlink("ld"), unlink("e");
	out();
}

static void content(void)
{
	in();
	int fd = make("f", "0123456789");
	char b[64] = "";
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(lseek(fd, -1, SEEK_SET));
	SHOW(lseek(fd, 5, 99));
	SHOW(lseek(fd, 100, SEEK_SET));
	SHOW(read(fd, b, 10));
	SHOW(write(fd, "x", 1));
	SHOW(lseek(fd, 0, SEEK_END));
	SHOW(pread(fd, b, 20, 5));
	say("hole %d %d", b[4] == '9', b[5] == 0 && b[19] == 0);
	SHOW(pread(fd, b, 20, -1));
	SHOW(pwrite(fd, "yy", 2, 3));
	SHOW(ftruncate(fd, 4));
	SHOW(pread(fd, b, 20, 0));
	say("%.4s", b);
	SHOW(ftruncate(fd, 8));
	SHOW(pread(fd, b, 20, 0));
	say("zeros %d", !memcmp(b + 4, "\0\0\0\0", 4));
	SHOW(ftruncate(fd, -1));
	SHOW(truncate("none", 0));
	SHOW(truncate(".", 0));
	int ro = open("f", O_RDONLY), ap = open("f", O_WRONLY | O_APPEND);
	SHOW(ftruncate(ro, 0));
	SHOW(write(ro, "x", 1));
	SHOW(read(ap, b, 1));
	SHOW(pwrite(ap, "end", 3, 0)); // Linux appends even so
	SHOW(lseek(ap, 0, SEEK_CUR));
	SHOW(read(ro, b, 64));
	say("%d %.3s", b[0] == '0', b + 8);
	struct iovec v[3] = {{b, 3}, {b + 10, 0}, {b + 20, 4}};
	SHOW(preadv(ro, v, 3, 1));
	SHOW(readv(ro, v, 1025));
	v[1].iov_len = -1;
	SHOW(preadv(ro, v, 3, 1));
	int d = dup(fd);
	lseek(fd, 3, SEEK_SET);
	SHOW(lseek(d, 0, SEEK_CUR));
	SHOW(dup2(d, d));
	SHOW(dup3(d, d, 0));
	SHOW(dup2(-1, 50));
	SHOW(dup2(d, 1 << 30));
	SHOW(dup3(d, 50, 99));
	SHOW(dup3(d, 50, O_CLOEXEC));
	SHOW(fcntl(50, F_GETFD));
	SHOW(fcntl(d, F_GETFD));
	SHOW(fcntl(d, F_DUPFD, 60));
	SHOW(fcntl(d, F_DUPFD_CLOEXEC, 60));
	SHOW(fcntl(d, F_DUPFD, -1));
	SHOW(fcntl(ap, F_GETFL) & O_APPEND);
	SHOW(fcntl(ap, F_SETFL, O_NONBLOCK));
	SHOW(fcntl(ap, F_GETFL) & (O_APPEND | O_NONBLOCK));
	SHOW(fcntl(d, 9999));
	SHOW(close(50));
	SHOW(close(50));
	SHOW(close(-1));
	SHOW(syscall(436 /* close_range */, 60, 61, 0));
	SHOW(close(60));
	SHOW(syscall(436, 10, 5, 0));
	SHOW(fsync(fd));
	SHOW(fdatasync(fd));
	// An unlinked file lives while it is open.
	CHECK(unlink("f") == 0);
	struct stat st;
	SHOW(fstat(fd, &st));
	say("links %d size %ld", (int)st.st_nlink, (long)st.st_size);
	SHOW(pwrite(fd, "z", 1, 0));
	close(fd), close(d), close(ro), close(ap);
	// Sparse files.
	fd = make("s", "");
	SHOW(pwrite(fd, "x", 1, 1L << 30));
	SHOW(lseek(fd, 0, SEEK_END));
	SHOW(lseek(fd, 2L << 30, SEEK_DATA));
	SHOW(lseek(fd, 0, SEEK_DATA) <= 1L << 30);
	SHOW(fallocate(fd, 0, 0, 0));
	SHOW(fallocate(fd, 0, 0, 65536));
	SHOW(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
	SHOW(ftruncate(fd, 0));
	close(fd), unlink("s");
	int p[2];
	CHECK(pipe(p) == 0);
	SHOW(lseek(p[0], 0, SEEK_SET));
	SHOW(pread(p[0], b, 1, 0));
	SHOW(ftruncate(p[1], 0));
	SHOW(fsync(p[0]));
	out();
}

static void names(void)
{
	in();
	close(make("a", "aa"));
	close(make("b", "bbb"));
	CHECK(mkdir("d", 0755) == 0 && mkdir("e", 0755) == 0);
	close(make("e/full", ""));
	SHOW(link("a", "a2"));
	kind("a");
	SHOW(link("a", "b"));
	SHOW(link("d", "d2"));
	SHOW(link("none", "n"));
	SHOW(rename("a", "b"));
	kind("b");
	SHOW(rename("a2", "b")); // the same file: nothing happens
	kind("a2");
	SHOW(rename("b", "d"));
	SHOW(rename("d", "b"));
	SHOW(rename("d", "e"));
	SHOW(rename("e", "d"));
	kind("d/full");
	SHOW(rename("d", "d/sub"));
	SHOW(rename("none", "x"));
	SHOW(rename("b", "b/"));
	SHOW(rename(".", "x"));
	SHOW(rename("d", "/proc/x") == -1 && errno == EXDEV);
	CHECK(mkdir("f", 0755) == 0);
	SHOW(syscall(SYS_renameat2, AT_FDCWD, "b", AT_FDCWD, "a2", 1)); // NOREPLACE
	SHOW(syscall(SYS_renameat2, AT_FDCWD, "b", AT_FDCWD, "f", 2));	// EXCHANGE
	kind("b");
	SHOW(syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "none", 2));
	SHOW(syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "b", 3));
	unlink("f"), unlink("a2"), unlink("d/full"), rmdir("d"), rmdir("b");
	SHOW(chmod("none", 0644));
	close(make("m", ""));
	SHOW(chmod("m", 0123));
	kind("m");
	int dir = open(".", O_RDONLY | O_DIRECTORY);
	SHOW(openat(dir, "nope", O_RDONLY));
	SHOW(faccessat(dir, "m", F_OK, 0));
	SHOW(mkdirat(dir, "k", 0700));
	SHOW(fchdir(dir));
	SHOW(symlinkat("m", dir, "sl"));
	SHOW(fchmodat(dir, "m", 0600, 0));
	char b[100];
	SHOW(readlinkat(dir, "sl", b, sizeof b));
	struct timespec t[2] = {{1000, 5}, {2000, 7}}, omit[2] = {{0, UTIME_OMIT}, {3000, 0}};
	struct stat st;
	SHOW(utimensat(dir, "m", t, 0));
	SHOW(utimensat(dir, "m", omit, 0));
	CHECK(stat("m", &st) == 0);
	say("times %ld %ld", (long)st.st_atim.tv_sec, (long)st.st_mtim.tv_sec);
	SHOW(flock(dir, LOCK_EX));
	SHOW(flock(dir, LOCK_UN));
	close(dir);
	SHOW(openat(dir, "m", O_RDONLY));
	umask(077);
	close(open("u", O_CREAT | O_RDWR, 0666));
	kind("u");
	umask(022);
	SHOW(mknod("fifo", S_IFIFO | 0644, 0));
	kind("fifo");
	unlink("m"), unlink("sl"), unlink("u"), rmdir("k"), unlink("fifo");
	out();
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char **)a, *(char **)b);
}

static void directories(void)
{
	in();
	char name[32], *list[400];
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof name, "file-%03d", i);
		close(make(name, ""));
	}
	CHECK(mkdir("dir", 0755) == 0 && symlink("x", "link") == 0);
	DIR *d = opendir(".");
	struct dirent *e;
	int n = 0;
	while ((e = readdir(d)) && n < 400) {
		snprintf(name, sizeof name, "%.20s %d", e->d_name, e->d_type);
		list[n++] = strdup(name);
	}
	qsort(list, n, sizeof *list, by_name);
	say("%d entries: %s, %s, %s, %s, %s", n, list[0], list[1], list[2], list[3], list[n - 1]);
	rewinddir(d);
	int again = 0;
	while (readdir(d))
		again++;
	say("again %d", again);
	closedir(d);
	int fd = open(".", O_RDONLY | O_DIRECTORY);
	char b[4096];
	SHOW(syscall(SYS_getdents64, fd, b, 1));
	SHOW(syscall(SYS_getdents64, fd, (void *)8, 4096));
	SHOW(read(fd, b, 10));
	SHOW(write(fd, b, 1));
	close(fd);
	fd = open("file-000", O_RDONLY);
	SHOW(syscall(SYS_getdents64, fd, b, 4096));
	close(fd);
	// Entries that go while they are listed: the rest is listed once.
	d = opendir(".");
	n = 0;
	while ((e = readdir(d)))
		if (!strncmp(e->d_name, "file-", 5)) {
			n++;
			unlink(e->d_name);
		}
	say("removed while listed: %d", n);
	closedir(d);
	rmdir("dir"), unlink("link");
	out();
}

static void working_directory(void)
{
	char b[PATH_MAX];
	CHECK(chdir("/") == 0);
	SHOW(syscall(SYS_getcwd, b, sizeof b));
	in();
	SHOW(syscall(SYS_getcwd, b, 3));
	say("in place %d", getcwd(b, sizeof b) && !strcmp(b, base));
	CHECK(mkdir("d", 0755) == 0 && chdir("d") == 0);
	char was[PATH_MAX];
	snprintf(was, sizeof was, "%s/d", base);
	say("deeper %d", getcwd(b, sizeof b) && !strcmp(b, was));
	CHECK(rmdir("../d") == 0);
	SHOW(syscall(SYS_getcwd, b, sizeof b));
	SHOW(open("x", O_CREAT | O_RDWR, 0644));
	SHOW(chdir(".."));
	SHOW(chdir("/dev/null"));
	SHOW(chdir("/none"));
	CHECK(chdir(base) == 0);
	out();
}

static void devices(void)
{
	char b[100];
	struct stat st;
	int fd = open("/dev/null", O_RDWR);
	SHOW(read(fd, b, 10));
	SHOW(write(fd, b, 10));
	CHECK(fstat(fd, &st) == 0);
	say("null %o %x", st.st_mode & S_IFMT, (int)st.st_rdev);
	close(fd);
	fd = open("/dev/zero", O_RDWR);
	memset(b, 1, sizeof b);
	SHOW(read(fd, b, 100));
	say("zero %d", b[0] == 0 && b[99] == 0);
	SHOW(write(fd, b, 10));
	char *m = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	say("mapped %d", m != MAP_FAILED && m[0] == 0 && (m[0] = 1));
	close(fd);
	fd = open("/dev/full", O_RDWR);
	SHOW(write(fd, b, 10));
	SHOW(read(fd, b, 10));
	close(fd);
	fd = open("/dev/urandom", O_RDONLY);
	SHOW(read(fd, b, 100));
	close(fd);
	fd = open("/dev/random", O_RDONLY);
	SHOW(read(fd, b, 16));
	close(fd);
	fd = open("/dev/stdout", O_WRONLY);
	CHECK(fd >= 0 && write(fd, "through /dev/stdout\n", 20) == 20);
	close(fd);
	fd = open("/dev/fd/1", O_WRONLY);
	CHECK(fd >= 0 && write(fd, "through /dev/fd/1\n", 18) == 18);
	close(fd);
	SHOW(open("/dev/none", O_RDONLY));
	fd = open("/dev/shm/x", O_CREAT | O_RDWR, 0600);
	CHECK(fd >= 0 && write(fd, "x", 1) == 1);
	close(fd);
	SHOW(unlink("/dev/shm/x"));
	fd = syscall(SYS_memfd_create, "m", 3);
	CHECK(fd >= 0);
	SHOW(write(fd, b, 100));
	SHOW(fcntl(fd, 1033 /* F_ADD_SEALS */, 2 /* SHRINK */));
	SHOW(ftruncate(fd, 1));
	SHOW(ftruncate(fd, 200));
	SHOW(fcntl(fd, 1034 /* F_GET_SEALS */));
	close(fd);
}

// The root cannot be written by anybody. On Linux the host's can, so these lines
// are Skerry's own.
static void root(void)
{
	if (!getenv("SKERRY_ROOT"))
		return;
	char b[256];
	ssize_t n = readlink("/proc/self/exe", b, sizeof b - 1);
	CHECK(n > 0);
	b[n] = 0;
	say("DESIGN write %s", open(b, O_RDWR) < 0 ? t_errno(errno) : "ok");
	say("DESIGN unlink %s", unlink(b) < 0 ? t_errno(errno) : "ok");
	say("DESIGN create %s", open("/new", O_CREAT | O_RDWR, 0644) < 0 ? t_errno(errno) : "ok");
	say("DESIGN mkdir %s", mkdir("/new", 0755) < 0 ? t_errno(errno) : "ok");
	say("DESIGN rename %s", rename(b, "/new") < 0 ? t_errno(errno) : "ok");
	say("DESIGN chmod %s", chmod(b, 0777) < 0 ? t_errno(errno) : "ok");
	say("DESIGN truncate %s", truncate(b, 0) < 0 ? t_errno(errno) : "ok");
	say("DESIGN symlink %s", symlink("x", "/etc/x") < 0 ? t_errno(errno) : "ok");
	say("DESIGN link %s", link(b, "/tmp/x") < 0 ? t_errno(errno) : "ok");
	int fd = open(b, O_RDONLY);
	void *m = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	say("DESIGN shared and writable %s", m == MAP_FAILED ? t_errno(errno) : "ok");
	fd = open("/proc/self/mem", O_RDWR);
	say("DESIGN memory through a file %s", fd < 0 || pwrite(fd, "x", 1, (off_t)(uintptr_t)&root) < 0 ? "refused" : "written");
	say("DESIGN shell %s", access("/bin/sh", F_OK) < 0 ? t_errno(errno) : "there");
}

static void concurrent_append(void);

static const struct t_case cases[] = {
	{"paths", paths}, {"content", content}, {"names", names}, {"directories", directories}, {"cwd", working_directory},
	{"devices", devices}, {"root", root}, {"append", concurrent_append},
};

static void *appends(void *arg)
{
	int fd = open((char *)arg, O_WRONLY | O_APPEND);
	for (int i = 0; i < 500; i++)
		if (write(fd, "0123456789abcdef", 16) != 16)
			_exit(91);
	close(fd);
	return NULL;
}

static void concurrent_append(void)
{
	in();
	close(make("log", ""));
	pthread_t t[4];
	for (int i = 0; i < 4; i++)
		t[i] = go(appends, "log");
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	struct stat st;
	CHECK(stat("log", &st) == 0);
	say("size %ld", (long)st.st_size);
	int fd = open("log", O_RDONLY), whole = 1;
	char b[16];
	while (read(fd, b, 16) == 16)
		whole &= !memcmp(b, "0123456789abcdef", 16);
	say("records whole %d", whole);
	close(fd);
	unlink("log");
	out();
}

T_MAIN(cases)
