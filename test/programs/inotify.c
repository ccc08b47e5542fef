// Changes that a program is told of, inotify(7).
#include "t.h"
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

// clean removes what an earlier run left.
static void clean(void)
{
	static const char *const names[] = {"a", "b", "c", "d", "name", "other", "sub/f", "sub/l", "sub/c"};
	char path[64];
	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof path, "watched/%s", names[i]);
		unlink(path);
	}
	rmdir("watched/sub");
	rmdir("watched");
}

// events prints what waits in an inotify instance.
static void events(int fd)
{
	char b[4096] __attribute__((aligned(8)));
	uint32_t cookie = 0;
	ssize_t n = read(fd, b, sizeof b);
	if (n < 0)
		say("  %s", t_errno(errno));
	for (ssize_t at = 0; at < n;) {
		struct inotify_event *e = (void *)(b + at);
		say("  %d %x %s len %u %s", e->wd, e->mask, e->cookie ? e->cookie == cookie ? "same" : "new" : "-", e->len, e->len ? e->name : "");
		cookie = e->cookie;
		at += sizeof *e + e->len;
	}
}

static int touch(const char *path, int flags, const char *text)
{
	int fd = open(path, flags, 0600);
	CHECK(fd >= 0);
	if (*text)
		CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	return fd;
}

static void changes(void)
{
	char b[300];
	clean();
	CHECK(mkdir("watched", 0700) == 0);
	int in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), n = 0;
	SHOW(fcntl(in, F_GETFD));
	SHOW(inotify_add_watch(in, "watched", IN_ALL_EVENTS));
	events(in);
	say("a file");
	int fd = touch("watched/a", O_CREAT | O_RDWR, "abc");
	SHOW(ioctl(in, FIONREAD, &n));
	say("bytes %d", n);
	SHOW(pread(fd, b, 3, 0));
	CHECK(ftruncate(fd, 1) == 0 && fchmod(fd, 0644) == 0 && fallocate(fd, 0, 0, 10) == 0);
	close(fd);
	events(in);
	close(touch("watched/a", O_WRONLY | O_TRUNC, ""));
	close(touch("watched/a", O_RDONLY, ""));
	events(in);
	say("the file itself");
	SHOW(inotify_add_watch(in, "watched/a", IN_ALL_EVENTS));
	close(touch("watched/a", O_WRONLY | O_APPEND, "x"));
	events(in);
	CHECK(link("watched/a", "watched/b") == 0 && unlink("watched/b") == 0);
	events(in);
	say("renaming");
	CHECK(rename("watched/a", "watched/c") == 0);
	events(in);
	CHECK(mkdir("watched/sub", 0700) == 0 && rename("watched/c", "watched/sub/c") == 0);
	events(in);
	CHECK(rename("watched/sub/c", "watched/a") == 0);
	close(touch("watched/d", O_CREAT | O_WRONLY, ""));
	events(in);
	CHECK(rename("watched/d", "watched/a") == 0); // the watched one is replaced
	events(in);
	say("an open file that is removed");
	SHOW(inotify_add_watch(in, "watched/a", IN_DELETE_SELF | IN_ATTRIB | IN_CLOSE));
	fd = open("watched/a", O_RDONLY);
	CHECK(unlink("watched/a") == 0);
	events(in);
	close(fd);
	events(in);
	say("directories");
	SHOW(inotify_add_watch(in, "watched/sub", IN_ALL_EVENTS | IN_ONLYDIR));
	fd = open("watched/sub", O_RDONLY);
	SHOW(syscall(SYS_getdents64, fd, b, sizeof b) > 0);
	close(fd);
	CHECK(symlink("x", "watched/sub/l") == 0 && unlink("watched/sub/l") == 0 && mkfifo("watched/sub/f", 0600) == 0);
	events(in);
	CHECK(unlink("watched/sub/f") == 0 && rmdir("watched/sub") == 0);
	events(in);
	close(in);
	clean();
}

static void watching(void)
{
	char b[300];
	clean();
	CHECK(mkdir("watched", 0700) == 0);
	int in = inotify_init1(IN_NONBLOCK), fd;
	SHOW(inotify_add_watch(in, "watched", IN_ALL_EVENTS));
	say("once, and the same twice");
	SHOW(inotify_rm_watch(in, 1));
	SHOW(inotify_rm_watch(in, 1));
	events(in);
	SHOW(inotify_add_watch(in, "watched", IN_CREATE | IN_ONESHOT));
	close(touch("watched/a", O_CREAT | O_WRONLY, ""));
	close(touch("watched/b", O_CREAT | O_WRONLY, ""));
	events(in);
	SHOW(inotify_add_watch(in, "watched", IN_MODIFY));
	fd = touch("watched/a", O_WRONLY, "1");
	CHECK(write(fd, "2", 1) == 1);
	events(in);
	say("masks");
	SHOW(inotify_add_watch(in, "watched", IN_DELETE | IN_MASK_ADD));
	SHOW(inotify_add_watch(in, "watched", IN_DELETE | IN_MASK_CREATE));
	CHECK(write(fd, "3", 1) == 1 && unlink("watched/b") == 0);
	events(in);
	SHOW(inotify_add_watch(in, "watched", IN_CREATE));
	CHECK(write(fd, "3", 1) == 1);
	events(in);
	SHOW(inotify_add_watch(in, "watched/a", 0));
	SHOW(inotify_add_watch(in, "watched/a", 0x800000));
	SHOW(inotify_add_watch(in, "watched/a", IN_MODIFY | IN_ONLYDIR));
	SHOW(inotify_add_watch(in, "watched/none", IN_MODIFY));
	SHOW(inotify_add_watch(in, (char *)8, IN_MODIFY));
	SHOW(inotify_add_watch(fd, "/tmp", IN_MODIFY));
	SHOW(inotify_add_watch(-1, "/tmp", IN_MODIFY));
	SHOW(inotify_rm_watch(fd, 1));
	SHOW(inotify_init1(1));
	say("reading");
	close(touch("watched/name", O_CREAT | O_WRONLY, ""));
	SHOW(read(in, b, 16));
	SHOW(read(in, b, 31));
	SHOW(read(in, b, 32));
	SHOW(read(in, b, 32));
	SHOW(write(in, b, 1));
	SHOW(lseek(in, 0, SEEK_SET));
	int ep = epoll_create1(0);
	struct epoll_event e = {.events = EPOLLIN};
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, in, &e) == 0);
	SHOW(epoll_wait(ep, &e, 1, 0));
	close(touch("watched/other", O_CREAT | O_WRONLY, ""));
	SHOW(epoll_wait(ep, &e, 1, 0));
	events(in);
	SHOW(epoll_wait(ep, &e, 1, 0));
	clean();
}

static void *writer(void *arg)
{
	await_blocked(20 * MS);
	close(touch("watched/a", O_CREAT | O_WRONLY, "late"));
	return arg;
}

// A blocking read waits, and several instances see the same.
static void waiting(void)
{
	clean();
	CHECK(mkdir("watched", 0700) == 0);
	int a = inotify_init(), b = inotify_init1(IN_NONBLOCK);
	SHOW(inotify_add_watch(a, "watched", IN_CREATE));
	SHOW(inotify_add_watch(b, "watched", IN_CLOSE_WRITE | IN_MODIFY));
	pthread_t t = go(writer, NULL);
	events(a);
	pthread_join(t, NULL);
	events(b);
	events(b);
	close(a);
	close(touch("watched/b", O_CREAT | O_WRONLY, "x"));
	events(b);
	clean();
}

// More events than an instance keeps.
static void overflowing(void)
{
	char buf[64 << 10] __attribute__((aligned(8)));
	long count = 0, lost = 0;
	clean();
	CHECK(mkdir("watched", 0700) == 0);
	int in = inotify_init1(IN_NONBLOCK), n = 0;
	SHOW(inotify_add_watch(in, "watched", IN_OPEN | IN_CLOSE));
	int fd = touch("watched/a", O_CREAT | O_WRONLY, "");
	for (int i = 0; i < 9000; i++) {
		int k = open("watched/a", O_RDONLY);
		close(k);
	}
	SHOW(ioctl(in, FIONREAD, &n));
	say("bytes %d", n);
	for (ssize_t got; (got = read(in, buf, sizeof buf)) > 0;)
		for (ssize_t at = 0; at < got; count++) {
			struct inotify_event *e = (void *)(buf + at);
			lost += e->wd == -1 && e->mask == IN_Q_OVERFLOW;
			at += sizeof *e + e->len;
		}
	say("events %ld, overflow %ld", count, lost);
	close(fd);
	events(in);
	clean();
}

static const struct t_case cases[] = {
	{"changes", changes}, {"watching", watching}, {"waiting", waiting}, {"overflowing", overflowing},
};

int main(int argc, char **argv)
{
	t_folder("/tmp");
	return t_main(argc, argv, cases, COUNT(cases));
}
