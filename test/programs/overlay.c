// A folder that holds files from before, changed in every way that there is. The
// folder is the first argument; it holds
//
//   a (text "first\n"), big (200,000 bytes), tool, link -> a,
//   sub/b, sub/deep/c, many/0 … many/39
//
// With "code" behind it the program looks, instead, at what may be executed; with
// "fill" at how much can be written.
#include "t.h"
#include <dirent.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

static const char *content(const char *path)
{
	static char text[64];
	int fd = open(path, O_RDONLY);
	if (fd < 0)
		return t_errno(errno);
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n < 0)
		return t_errno(errno);
	text[n] = 0;
	for (char *c = text; *c; c++)
		if (*c == '\n')
			*c = '.';
	return text;
}

static int put(const char *path, int flags, const char *text)
{
	int fd = open(path, O_WRONLY | flags, 0640);
	if (fd < 0)
		return -1;
	ssize_t n = write(fd, text, strlen(text));
	close(fd);
	return n == (ssize_t)strlen(text) ? 0 : -1;
}

static void about(const char *path)
{
	struct stat s;
	if (lstat(path, &s))
		say("%s: %s", path, t_errno(errno));
	else if (S_ISDIR(s.st_mode))
		say("%s: mode %o, %ld links", path, s.st_mode, (long)s.st_nlink);
	else
		say("%s: mode %o, %ld links, %ld bytes", path, s.st_mode, (long)s.st_nlink, (long)s.st_size);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list(const char *path)
{
	DIR *d = opendir(path);
	if (!d) {
		say("%s: %s", path, t_errno(errno));
		return;
	}
	char *names[100], line[900] = "";
	int n = 0, dots = 0;
	for (struct dirent *e; (e = readdir(d));) {
		struct stat s;
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) {
			dots++;
			continue;
		}
		CHECK(fstatat(dirfd(d), e->d_name, &s, AT_SYMLINK_NOFOLLOW) == 0);
		CHECK(s.st_ino == e->d_ino);
		CHECK(e->d_type == (s.st_mode & S_IFMT) >> 12);
		if (n < 100)
			names[n++] = strdup(e->d_name);
	}
	closedir(d);
	qsort(names, n, sizeof *names, by_name);
	for (int i = 0; i < n; i++) {
		strcat(line, " ");
		strcat(line, names[i]);
		free(names[i]);
	}
	say("%s holds%s, %d dots", path, line, dots);
}

static void as_found(void)
{
	struct statvfs v;
	list(".");
	about("a"), about("tool"), about("link"), about("sub"), about("sub/deep"), about("big");
	say("a: %s", content("a"));
	CHECK(statvfs(".", &v) == 0);
	say("read-only: %d", !!(v.f_flag & ST_RDONLY));
	SHOW(access("a", R_OK | W_OK));
	SHOW(access(".", R_OK | W_OK));
	SHOW(access("tool", W_OK));
}

static void contents(void)
{
	struct stat before, after;
	int old = open("a", O_RDONLY);
	CHECK(stat("a", &before) == 0);
	SHOW(put("a", 0, "F"));
	CHECK(stat("a", &after) == 0);
	CHECK(before.st_ino == after.st_ino && before.st_dev == after.st_dev);
	say("a: %s", content("a"));
	char b[8] = "";
	CHECK(pread(old, b, 7, 0) == 6);
	say("opened before: %.5s", b);
	CHECK(fstat(old, &before) == 0);
	CHECK(before.st_ino == after.st_ino && before.st_size == after.st_size);
	SHOW(put("a", O_APPEND, "second\n"));
	say("a: %s, by its link: ", content("a"));
	say("link: %s", content("link"));
	SHOW(put("a", O_TRUNC, "new"));
	say("a: %s", content("a"));
	CHECK(pread(old, b, 7, 0) == 3);
	close(old);
	SHOW(put("a", O_CREAT | O_EXCL, "x"));

	// Of a large file a byte in the middle.
	int fd = open("big", O_RDWR);
	CHECK(pwrite(fd, "!", 1, 100000) == 1);
	char *m = mmap(NULL, 200000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(m != MAP_FAILED);
	int changed = 0;
	for (int i = 0; i < 200000; i++)
		changed += m[i] != (char)('a' + i / 1000 % 26);
	say("bytes that changed: %d, at 100000: %c", changed, m[100000]);
	m[199999] = '?';
	CHECK(pread(fd, b, 1, 199999) == 1);
	say("written through the mapping: %c", b[0]);
	munmap(m, 200000);
	SHOW(ftruncate(fd, 100001));
	SHOW(lseek(fd, 0, SEEK_END));
	SHOW(ftruncate(fd, 150000));
	CHECK(pread(fd, b, 1, 149999) == 1);
	say("beyond what was cut off: %d", b[0]);
	SHOW(posix_fallocate(fd, 150000, 10000));
	SHOW(lseek(fd, 0, SEEK_END));
	SHOW(flock(fd, LOCK_EX | LOCK_NB));
	close(fd);
	SHOW(truncate("big", 10));
	say("big: %s", content("big"));
}

static void attributes(void)
{
	struct timespec t[2] = {{1000, 5}, {2000, 6}};
	struct stat s;
	SHOW(chmod("sub/b", 0604));
	about("sub/b");
	SHOW(utimensat(AT_FDCWD, "sub/b", t, 0));
	CHECK(stat("sub/b", &s) == 0);
	say("times %ld.%ld %ld.%ld", (long)s.st_atim.tv_sec, s.st_atim.tv_nsec, (long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
	int fd = open("sub/b", O_RDWR);
	CHECK(fstat(fd, &s) == 0);
	say("after it was opened: %ld, mode %o", (long)s.st_mtim.tv_sec, s.st_mode);
	CHECK(write(fd, "x", 1) == 1 && fstat(fd, &s) == 0);
	say("later after it was written: %d", s.st_mtim.tv_sec > 2000);
	close(fd);
	say("sub/b: %s", content("sub/b"));
	SHOW(chmod("sub/deep", 0711));
	about("sub/deep");
	SHOW(setxattr("sub/deep/c", "user.x", "1", 1, 0));
	char v[4];
	SHOW(getxattr("sub/deep/c", "user.x", v, sizeof v));
	SHOW(chmod("tool", 0600));
	about("tool");
}

static void names(void)
{
	struct stat s, r;
	SHOW(unlink("a"));
	say("a: %s", content("a"));
	say("link: %s", content("link"));
	about("a");
	SHOW(put("a", O_CREAT | O_EXCL, "again"));
	say("a: %s", content("a"));
	list(".");
	SHOW(link("sub/b", "b2"));
	about("b2"), about("sub/b");
	SHOW(put("b2", O_APPEND, "+"));
	say("sub/b: %s", content("sub/b"));
	SHOW(link("sub/deep/c", "c2"));
	SHOW(unlink("sub/deep/c"));
	say("c2: %s", content("c2"));
	list("sub/deep");
	SHOW(rename("c2", "sub/deep/c"));
	SHOW(rename("tool", "a"));
	about("a"), about("tool");
	SHOW(symlink("sub/deep/c", "to-c"));
	say("to-c: %s", content("to-c"));
	SHOW(rename("link", "sub/link"));
	SHOW(unlink("sub/link"));

	CHECK(stat("sub", &s) == 0);
	SHOW(rename("sub", "moved"));
	CHECK(stat("moved", &r) == 0);
	CHECK(s.st_ino == r.st_ino);
	about("sub"), about("moved");
	list("moved"), list("moved/deep");
	say("moved/deep/c: %s", content("moved/deep/c"));
	SHOW(put("moved/deep/new", O_CREAT, "n"));
	SHOW(mkdir("sub", 0750));
	list("sub");
	SHOW(syscall(SYS_renameat2, AT_FDCWD, "sub", AT_FDCWD, "moved", 2 /* RENAME_EXCHANGE */));
	list("sub"), list("moved");
	SHOW(rename("sub", "sub/deep/x"));
	SHOW(rename("moved", "many"));
	SHOW(rmdir("many"));
	SHOW(rmdir("moved"));
	list(".");
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);
	char path[40];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	CHECK(write(fd, "t", 1) == 1);
	SHOW(linkat(AT_FDCWD, path, AT_FDCWD, "sub/deep/t", AT_SYMLINK_FOLLOW));
	close(fd);
	list("sub/deep");
	SHOW(mkfifo("sub/fifo", 0600));
	about("sub/fifo");
}

// Removing what a listing shows, while it goes on: rm -r.
static void many(void)
{
	list("many");
	DIR *d = opendir("many");
	int removed = 0, at = 0;
	for (struct dirent *e; (e = readdir(d));) {
		if (e->d_name[0] == '.')
			continue;
		if (at++ == 20)
			CHECK(put("many/new", O_CREAT | O_EXCL, "x") == 0);
		if (at == 25)
			CHECK(put("many/7", O_CREAT, "seven") == 0);
		removed += unlinkat(dirfd(d), e->d_name, 0) == 0;
	}
	say("at least 40: %d", removed >= 40);
	rewinddir(d);
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	list("many");
	SHOW(rmdir("many"));
	about("many");
	SHOW(mkdir("many", 0700));
	list("many");
	about("many");

	// A listing that is cut anywhere shows each name once.
	char buffer[120];
	int fd = open(".", O_RDONLY | O_DIRECTORY), seen = 0, changed = 0;
	for (long n; (n = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0;)
		for (long i = 0; i < n; i += *(unsigned short *)(buffer + i + 16)) {
			seen++;
			if (buffer[i + 19] != '.' && !changed++)
				CHECK(put("late", O_CREAT, "") == 0 && unlink("late") == 0);
		}
	close(fd);
	int whole = 0;
	d = opendir(".");
	while (readdir(d))
		whole++;
	closedir(d);
	CHECK(seen == whole);
	say("names: %d", whole);
}

static void *writer(void *arg)
{
	char name[20], text[20];
	for (int i = 0; i < 60; i++) {
		snprintf(name, sizeof name, "race/%d", i);
		snprintf(text, sizeof text, "%ld", (long)arg);
		int fd = open(name, O_RDWR | O_APPEND);
		CHECK(fd >= 0 && write(fd, text, 1) == 1);
		close(fd);
	}
	return NULL;
}

// Several threads write to files for the first time at once: no write is lost.
static void race(void)
{
	pthread_t t[4];
	for (long i = 0; i < 4; i++)
		t[i] = go(writer, (void *)(i + 1));
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	int good = 0;
	for (int i = 0; i < 60; i++) {
		char name[20];
		snprintf(name, sizeof name, "race/%d", i);
		const char *c = content(name);
		good += strlen(c) == 3 + 4 && !strncmp(c, "old", 3) && strchr(c, '1') && strchr(c, '2') && strchr(c, '3') && strchr(c, '4');
	}
	say("files with all four: %d of 60", good);
}

// What may be executed. Here the first argument's "tool" is a program's file of the
// image, so this is for machines only.
static void code(const char *self)
{
	int before = open(self, O_RDONLY);
	void *m = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, before, 0);
	say("the image's own, before: %s", m == MAP_FAILED ? t_errno(errno) : "mapped");
	char was[16];
	memcpy(was, m, sizeof was);
	SHOW(access(self, X_OK));
	int fd = open(self, O_RDWR);
	say("opened to write: %s", fd < 0 ? t_errno(errno) : "yes");
	SHOW(pwrite(fd, "\xc3\xc3\xc3\xc3", 4, 0));
	say("mapped before, it is what it was: %d", !memcmp(m, was, sizeof was));
	void *n = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	say("what was written, as code: %s", n == MAP_FAILED ? t_errno(errno) : "mapped");
	n = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	say("as data: %s, then as code: %s", n == MAP_FAILED ? t_errno(errno) : "mapped",
		mprotect(n, PAGE, PROT_READ | PROT_EXEC) ? t_errno(errno) : "done");
	close(fd);
	fd = open(self, O_RDONLY);
	n = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	say("opened again, as code: %s", n == MAP_FAILED ? t_errno(errno) : "mapped");
	close(fd);
	SHOW(access(self, X_OK));
	n = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, before, 0);
	say("opened before, as code: %s", n == MAP_FAILED ? t_errno(errno) : !memcmp(n, was, sizeof was) ? "as it was" : "as written");
	SHOW(chmod(self, 0777));
	SHOW(rename(self, "/moved"));
	SHOW(put(self, O_CREAT, "\xc3"));
	SHOW(chmod(self, 0777));
	fd = open(self, O_RDONLY);
	n = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	say("another in its place, as code: %s", n == MAP_FAILED ? t_errno(errno) : "mapped");
	SHOW(put("/etc/ld.so.preload", O_CREAT, "/moved"));
	SHOW(put("/etc/resolv.conf", O_TRUNC, "nameserver 127.0.0.1\n"));
	say("resolv.conf: %s", content("/etc/resolv.conf"));
}

static const struct t_case cases[] = {
	{"as_found", as_found}, {"contents", contents}, {"attributes", attributes}, {"names", names}, {"many", many}, {"race", race},
};

int main(int argc, char **argv)
{
	umask(022);
	if (argc < 2 || chdir(argv[1])) {
		say("FAIL no folder: %s", t_errno(errno));
		return 2;
	}
	if (argc > 2 && !strcmp(argv[2], "code")) {
		static char self[300]; // its name, since /proc/self/exe leads to the file
		CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
		code(self);
		return t_failed;
	}
	if (argc > 2 && !strcmp(argv[2], "fill")) {
		static char block[65536];
		long total = 0;
		int fd = open("filled", O_WRONLY | O_CREAT | O_EXCL, 0600);
		CHECK(fd >= 0);
		for (ssize_t n; total < 8 << 20 && (n = write(fd, block, sizeof block)) > 0;)
			total += n;
		say("wrote %ld KiB, then %s", total / 1024, t_errno(errno));
		return t_failed;
	}
	return t_main(1, argv, cases, COUNT(cases));
}
