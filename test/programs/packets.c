// Pipes in packet mode (O_DIRECT of pipe(2)) and vmsplice(2).
#include "t.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

static char page[16 * 4096] __attribute__((aligned(4096)));

static void packets(void)
{
	int p[2];
	char b[9000];
	SHOW(pipe2(p, O_DIRECT | O_NONBLOCK));
	say("flags %d %d", !!(fcntl(p[0], F_GETFL) & O_DIRECT), !!(fcntl(p[1], F_GETFL) & O_DIRECT));
	SHOW(write(p[1], "one", 3));
	SHOW(write(p[1], "second", 6));
	SHOW(write(p[1], "", 0)); // no packet
	int n = 0;
	ioctl(p[0], FIONREAD, &n);
	say("queued %d", n);
	SHOW(read(p[0], b, sizeof b));
	SHOW(read(p[0], b, 2)); // the rest is lost
	SHOW(read(p[0], b, sizeof b));
	SHOW(write(p[1], page, 4096 + 100)); // two packets
	SHOW(read(p[0], b, sizeof b));
	SHOW(read(p[0], b, sizeof b));
	SHOW(read(p[0], b, sizeof b));
	struct iovec iov[2] = {{"ab", 2}, {"cde", 3}};
	SHOW(writev(p[1], iov, 2)); // one packet
	struct iovec into[2] = {{b, 1}, {b + 1, 1}};
	SHOW(readv(p[0], into, 2));
	SHOW(read(p[0], b, sizeof b));
	// Each packet takes a slot: sixteen small ones fill a pipe.
	int i;
	for (i = 0; write(p[1], "x", 1) == 1; i++)
		;
	say("packets %d, then %s", i, t_errno(errno));
	struct pollfd f = {p[1], POLLOUT};
	SHOW(poll(&f, 1, 0));
	SHOW(read(p[0], b, sizeof b));
	SHOW(poll(&f, 1, 0));
	close(p[1]);
	for (i = 0; read(p[0], b, sizeof b) == 1; i++)
		;
	say("then %d", i);
	SHOW(read(p[0], b, sizeof b));
	close(p[0]);
}

static void toggled(void)
{
	int p[2];
	char b[100];
	SHOW(pipe2(p, O_NONBLOCK));
	SHOW(write(p[1], "ab", 2));
	SHOW(fcntl(p[1], F_SETFL, O_DIRECT | O_NONBLOCK));
	SHOW(write(p[1], "cd", 2)); // joins what came before
	SHOW(write(p[1], "ef", 2));
	SHOW(fcntl(p[1], F_SETFL, O_NONBLOCK));
	SHOW(write(p[1], "gh", 2)); // joins no packet
	SHOW(write(p[1], "ij", 2));
	for (int i = 0; i < 4; i++) {
		ssize_t n = read(p[0], b, sizeof b);
		say("%.*s", n > 0 ? (int)n : 2, n > 0 ? b : "--");
	}
	SHOW(fcntl(p[0], F_SETFL, O_DIRECT | O_NONBLOCK)); // reading end: nothing changes
	SHOW(write(p[1], "ab", 2));
	SHOW(write(p[1], "cd", 2));
	SHOW(read(p[0], b, 3));
	SHOW(read(p[0], b, 3));
	close(p[0]), close(p[1]);
	SHOW(pipe2(p, O_APPEND));
}

static void gives(void)
{
	int p[2], other[2];
	char b[4096];
	struct iovec iov[3] = {{"hello ", 6}, {NULL, 0}, {"world", 5}};
	pipe2(p, 0);
	SHOW(vmsplice(p[1], iov, 3, 0));
	memset(b, 0, sizeof b);
	SHOW(read(p[0], b, sizeof b));
	say("%s", b);
	SHOW(vmsplice(p[1], iov, 0, 0));
	SHOW(vmsplice(p[1], iov, 1025, 0));
	SHOW(vmsplice(p[1], (void *)8, 1, 0));
	SHOW(vmsplice(p[1], iov, 1, 16));
	SHOW(vmsplice(-1, iov, 1, 0));
	SHOW(vmsplice(1000, iov, 1, 0));
	int null = open("/dev/null", O_RDWR);
	SHOW(vmsplice(null, iov, 1, 0));
	struct iovec bad = {(void *)8, 10};
	SHOW(vmsplice(p[1], &bad, 1, 0));
	struct iovec half[2] = {{"data", 4}, {(void *)8, 10}};
	SHOW(vmsplice(p[1], half, 2, 0));
	SHOW(read(p[0], b, sizeof b));
	// What fits goes, without waiting for room for the rest.
	struct iovec all = {page, sizeof page};
	SHOW(vmsplice(p[1], &all, 1, 0));
	struct iovec more = {page, 4096};
	SHOW(vmsplice(p[1], &more, 1, SPLICE_F_NONBLOCK));
	SHOW(read(p[0], b, 4096));
	struct iovec two = {page, 8192};
	SHOW(vmsplice(p[1], &two, 1, 0)); // one page fits
	fcntl(p[1], F_SETFL, O_NONBLOCK);
	SHOW(vmsplice(p[1], &more, 1, SPLICE_F_NONBLOCK));
	// Copies: what is changed afterwards is not seen... unless the pages are
	// shared, which is not promised either; a gift is given back unread.
	pipe2(other, O_NONBLOCK);
	memset(page, 'a', 4096);
	SHOW(vmsplice(other[1], &more, 1, SPLICE_F_GIFT));
	SHOW(read(other[0], b, sizeof b));
	say("%c%c", b[0], b[4095]);
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	SHOW(vmsplice(p[1], &more, 1, 0));
	close(p[1]);
}

static int takes_pipe[2];

static void *later(void *arg)
{
	await_blocked(50 * MS);
	write(takes_pipe[1], "late", 4);
	return arg;
}

static void takes(void)
{
	char b[100];
	struct iovec iov[2] = {{b, 3}, {b + 3, 90}};
	pipe2(takes_pipe, 0);
	SHOW(vmsplice(takes_pipe[0], iov, 2, SPLICE_F_NONBLOCK));
	write(takes_pipe[1], "0123456789", 10);
	SHOW(vmsplice(takes_pipe[0], iov, 1, 0));
	SHOW(vmsplice(takes_pipe[0], iov, 2, 0));
	say("%.7s", b);
	pthread_t t = go(later, NULL);
	SHOW(vmsplice(takes_pipe[0], iov, 2, 0)); // waits
	pthread_join(t, NULL);
	// O_NONBLOCK of the descriptor does not count.
	fcntl(takes_pipe[0], F_SETFL, O_NONBLOCK);
	t = go(later, NULL);
	SHOW(vmsplice(takes_pipe[0], iov, 2, 0));
	pthread_join(t, NULL);
	close(takes_pipe[1]);
	SHOW(vmsplice(takes_pipe[0], iov, 2, 0));
	close(takes_pipe[0]);
}

static const struct t_case cases[] = {{"packets", packets}, {"toggled", toggled}, {"gives", gives}, {"takes", takes}};

T_MAIN(cases)
