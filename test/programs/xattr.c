// Extended attributes on a tmpfs, xattr(7).
#include "t.h"
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

// list prints the names in an order of our own: the kernel's is not defined.
static void list(const char *path)
{
	char b[4096], *names[64], line[4200] = "";
	ssize_t n = listxattr(path, b, sizeof b);
	int count = 0;
	for (char *s = b; n > 0 && s < b + n && count < 64; s += strlen(s) + 1)
		if (strncmp(s, "user.", 5) == 0)
			names[count++] = s;
	qsort(names, count, sizeof *names, compare);
	for (int i = 0; i < count; i++)
		strcat(strcat(line, " "), names[i]);
	say("list %s: %s%s", path, n < 0 ? t_errno(errno) : "", line);
}

static void basics(void)
{
	char b[64];
	close(open("f", O_CREAT | O_RDWR, 0644));
	SHOW(getxattr("f", "user.a", b, sizeof b));
	SHOW(removexattr("f", "user.a"));
	SHOW(setxattr("f", "user.a", "hello", 5, 0));
	memset(b, 0, sizeof b);
	SHOW(getxattr("f", "user.a", b, sizeof b));
	say("%s", b);
	SHOW(getxattr("f", "user.a", NULL, 0));
	SHOW(getxattr("f", "user.a", b, 4));
	SHOW(getxattr("f", "user.a", b, 5));
	SHOW(getxattr("f", "user.a", (void *)8, 5));
	SHOW(setxattr("f", "user.a", "other", 5, XATTR_CREATE));
	SHOW(setxattr("f", "user.b", "other", 5, XATTR_REPLACE));
	SHOW(setxattr("f", "user.b", "", 0, XATTR_CREATE));
	SHOW(setxattr("f", "user.a", "xy", 2, XATTR_REPLACE));
	SHOW(setxattr("f", "user.a", "xyz", 3, XATTR_REPLACE | XATTR_CREATE));
	SHOW(setxattr("f", "user.c", "xyz", 3, XATTR_REPLACE | XATTR_CREATE));
	SHOW(setxattr("f", "user.a", "xyz", 3, 4));
	SHOW(getxattr("f", "user.b", b, sizeof b));
	SHOW(getxattr("f", "user.b", NULL, 0));
	SHOW(getxattr("f", "user.a", b, sizeof b));
	list("f");
	SHOW(removexattr("f", "user.b"));
	SHOW(removexattr("f", "user.b"));
	list("f");
	int fd = open("f", O_RDONLY);
	SHOW(fsetxattr(fd, "user.fd", "1", 1, 0)); // a descriptor for reading is enough
	SHOW(fgetxattr(fd, "user.fd", b, sizeof b));
	SHOW(fremovexattr(fd, "user.fd"));
	int pathfd = open("f", O_PATH);
	SHOW(fgetxattr(pathfd, "user.a", b, sizeof b));
	SHOW(flistxattr(-1, b, sizeof b));
	close(fd), close(pathfd);
	unlink("f");
}

static void names(void)
{
	static char name[512], value[70000];
	char b[64];
	close(open("f", O_CREAT | O_RDWR, 0644));
	SHOW(setxattr("f", "", "1", 1, 0));
	SHOW(setxattr("f", "user.", "1", 1, 0));
	SHOW(getxattr("f", "user.", b, sizeof b));
	SHOW(setxattr("f", "user", "1", 1, 0));
	SHOW(setxattr("f", "nothing.a", "1", 1, 0));
	SHOW(getxattr("f", "nothing.a", b, sizeof b));
	SHOW(getxattr("f", "trusted.a", b, sizeof b));
	SHOW(getxattr("f", "security.skerry", b, sizeof b));
	SHOW(setxattr("f", NULL, "1", 1, 0));
	memset(name, 'n', 300), memcpy(name, "user.", 5);
	name[256] = 0;
	SHOW(setxattr("f", name, "1", 1, 0));
	name[255] = 0;
	SHOW(setxattr("f", name, "1", 1, 0));
	SHOW(getxattr("f", name, b, sizeof b));
	SHOW(removexattr("f", name));
	SHOW(setxattr("f", "user.big", value, 65537, 0));
	SHOW(setxattr("f", "user.big", value, 65536, 0));
	SHOW(getxattr("f", "user.big", value, sizeof value));
	SHOW(getxattr("f", "user.big", value, 65535));
	SHOW(setxattr("f", "user.a", (void *)8, 5, 0));
	SHOW(setxattr("f", "user.a", NULL, 0, 0));
	SHOW(setxattr("none", "user.a", "1", 1, 0));
	SHOW(listxattr("f", NULL, 0) > 0);
	SHOW(listxattr("f", b, 1));
	SHOW(setxattr("f/x", "user.a", "1", 1, 0));
	unlink("f");
}

static void kinds(void)
{
	char b[64];
	mkdir("d", 0755);
	symlink("d", "l");
	mkfifo("p", 0644);
	SHOW(setxattr("d", "user.a", "12", 2, 0));
	SHOW(getxattr("l", "user.a", b, sizeof b));
	SHOW(lgetxattr("l", "user.a", b, sizeof b));
	SHOW(lsetxattr("l", "user.a", "1", 1, 0));
	SHOW(lremovexattr("l", "user.a"));
	SHOW(setxattr("l", "user.b", "123", 3, 0));
	list("d");
	SHOW(setxattr("p", "user.a", "1", 1, 0));
	SHOW(getxattr("p", "user.a", b, sizeof b));
	SHOW(setxattr("/proc/self/status", "user.a", "1", 1, 0));
	SHOW(getxattr("/proc/self/status", "user.a", b, sizeof b));
	SHOW(listxattr("/proc/self/status", b, sizeof b));
	int fds[2];
	pipe(fds);
	SHOW(fsetxattr(fds[0], "user.a", "1", 1, 0));
	SHOW(fgetxattr(fds[0], "user.a", b, sizeof b));
	SHOW(rename("d", "e"));
	list("e");
	SHOW(rmdir("e"));
	unlink("l"), unlink("p");
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);
	SHOW(fsetxattr(fd, "user.t", "1", 1, 0));
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	SHOW(linkat(AT_FDCWD, path, AT_FDCWD, "linked", AT_SYMLINK_FOLLOW));
	list("linked");
	SHOW(link("linked", "again"));
	SHOW(setxattr("again", "user.u", "1", 1, 0));
	unlink("linked");
	list("again");
	unlink("again");
	list("again");
	SHOW(fgetxattr(fd, "user.u", b, sizeof b));
}

static void effects(void)
{
	struct stat a, b;
	close(open("f", O_CREAT | O_RDWR, 0644));
	stat("f", &a);
	pause_ns(30 * MS);
	setxattr("f", "user.a", "1", 1, 0);
	stat("f", &b);
	say("ctime moves %d, mtime %d", a.st_ctim.tv_nsec != b.st_ctim.tv_nsec, a.st_mtim.tv_nsec != b.st_mtim.tv_nsec);
	int in = inotify_init1(IN_NONBLOCK);
	inotify_add_watch(in, "f", IN_ALL_EVENTS);
	setxattr("f", "user.a", "2", 1, 0);
	setxattr("f", "user.a", "2", 1, XATTR_CREATE);
	removexattr("f", "user.a");
	char buf[1024];
	ssize_t n = read(in, buf, sizeof buf);
	for (char *p = buf; p < buf + n;) {
		struct inotify_event *e = (void *)p;
		say("event %x", e->mask);
		p += sizeof *e + e->len;
	}
	unlink("f");
	// Many on one file, and all gone with it.
	close(open("g", O_CREAT | O_RDWR, 0644));
	char name[32];
	int set = 0;
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof name, "user.n%03d", i * 7 % 200);
		set += setxattr("g", name, name, i % 32, 0) == 0;
	}
	say("set %d", set);
	for (int i = 0; i < 200; i += 2) {
		snprintf(name, sizeof name, "user.n%03d", i);
		set -= removexattr("g", name) == 0;
	}
	int there = 0;
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof name, "user.n%03d", i);
		there += getxattr("g", name, buf, sizeof buf) >= 0;
	}
	say("left %d, found %d", set, there);
	unlink("g");
}

static const struct t_case cases[] = {{"basics", basics}, {"names", names}, {"kinds", kinds}, {"effects", effects}};

int main(int argc, char **argv)
{
	t_folder("/dev/shm");
	return t_main(argc, argv, cases, COUNT(cases));
}
