// Internet sockets over loopback: errors, options, the life of a connection,
// datagrams, IPv6. Ports are never shown.
#include "t.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

union address {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static int family = AF_INET;

static socklen_t loopback(union address *a, int port)
{
	memset(a, 0, sizeof *a);
	a->sa.sa_family = family;
	if (family == AF_INET) {
		a->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		a->v4.sin_port = htons(port);
		return sizeof a->v4;
	}
	a->v6.sin6_addr = in6addr_loopback;
	a->v6.sin6_port = htons(port);
	return sizeof a->v6;
}

static int states(int fd)
{
	struct pollfd p = {fd, POLLIN | POLLOUT | POLLRDHUP, 0};
	poll(&p, 1, 0);
	return p.revents;
}

// settle waits until a descriptor has a state, since loopback may be asynchronous.
static int settle(int fd, int want)
{
	for (int i = 0; i < 2000; i++) {
		if ((states(fd) & want) == want)
			break;
		pause_ns(MS);
	}
	return states(fd);
}

static int listener(union address *a)
{
	socklen_t n = loopback(a, 0);
	int l = socket(family, SOCK_STREAM, 0);
	CHECK(l >= 0 && bind(l, &a->sa, n) == 0 && listen(l, 5) == 0 && getsockname(l, &a->sa, &n) == 0);
	return l;
}

static void connection(int s[2])
{
	union address a;
	int l = listener(&a);
	s[0] = socket(family, SOCK_STREAM, 0);
	CHECK(connect(s[0], &a.sa, family == AF_INET ? sizeof a.v4 : sizeof a.v6) == 0);
	s[1] = accept(l, NULL, NULL);
	CHECK(s[1] >= 0);
	close(l);
}

static void creation(void)
{
	static const int list[][3] = {
		{AF_INET, SOCK_STREAM, 0}, {AF_INET, SOCK_STREAM, IPPROTO_TCP}, {AF_INET, SOCK_STREAM, IPPROTO_UDP},
		{AF_INET, SOCK_DGRAM, 0}, {AF_INET, SOCK_DGRAM, IPPROTO_TCP}, {AF_INET, SOCK_SEQPACKET, 0}, {AF_INET6, SOCK_STREAM, 0},
		{AF_INET6, SOCK_DGRAM, IPPROTO_UDP}, {AF_UNIX, SOCK_STREAM, 0}, {AF_UNIX, SOCK_DGRAM, 0}, {AF_UNIX, SOCK_SEQPACKET, 0},
		{AF_UNIX, 9, 0}, {99, SOCK_STREAM, 0}, {AF_INET, 0, 0}, {AF_INET, SOCK_STREAM | 0x100, 0},
	};
	for (size_t i = 0; i < COUNT(list); i++) {
		int s = socket(list[i][0], list[i][1], list[i][2]);
		say("socket %d %d %d: %s", list[i][0], list[i][1], list[i][2], s < 0 ? t_errno(errno) : "ok");
		close(s);
	}
	int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	SHOW(fcntl(s, F_GETFL));
	SHOW(fcntl(s, F_GETFD));
	say("fresh %x", states(s));
	close(s);
}

static void errors(void)
{
	union address a, b;
	char c[100];
	socklen_t n;
	int s = socket(family, SOCK_STREAM, 0), l = listener(&a), p[2];
	signal(SIGPIPE, SIG_IGN);
	CHECK(pipe(p) == 0);
	SHOW(bind(p[0], &a.sa, sizeof a.v4));
	SHOW(bind(999, &a.sa, sizeof a.v4));
	SHOW(listen(p[0], 1));
	SHOW(recv(p[0], c, 1, 0));
	SHOW(bind(s, &a.sa, sizeof a.v6)); // in use
	SHOW(bind(s, &a.sa, 3));
	SHOW(bind(s, (void *)8, sizeof a.v4));
	b = a;
	b.sa.sa_family = AF_UNIX;
	SHOW(bind(s, &b.sa, sizeof a.v4) == -1);
	b.sa.sa_family = AF_INET;
	b.v4.sin_addr.s_addr = inet_addr("192.0.2.1"); // of nobody
	b.v4.sin_port = 0;
	if (family == AF_INET)
		SHOW(bind(s, &b.sa, sizeof b.v4));
	SHOW(recv(s, c, 1, 0));
	SHOW(send(s, c, 1, 0));
	SHOW(shutdown(s, SHUT_RDWR));
	SHOW(accept(s, NULL, NULL));
	n = sizeof b;
	SHOW(getpeername(s, &b.sa, &n));
	SHOW(connect(l, &a.sa, sizeof a.v6));
	SHOW(syscall(SYS_accept4, l, NULL, NULL, 0x1)); // musl takes EINVAL for an old kernel
	SHOW(fcntl(l, F_SETFL, O_NONBLOCK));
	SHOW(accept(l, NULL, NULL));
	SHOW(recv(l, c, 1, 0));
	SHOW(send(l, c, 1, MSG_NOSIGNAL));
	// Nobody listens.
	int closed = listener(&b);
	close(closed);
	SHOW(connect(s, &b.sa, sizeof b.v6));
	close(s);
	s = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int r = connect(s, &b.sa, sizeof b.v6);
	say("refused or under way %d", r == -1 && (errno == EINPROGRESS || errno == ECONNREFUSED));
	int e = r == -1 && errno == ECONNREFUSED ? errno : 0, v = 0;
	settle(s, POLLHUP);
	n = sizeof v;
	CHECK(getsockopt(s, SOL_SOCKET, SO_ERROR, &v, &n) == 0);
	say("error %s", t_errno(v ? v : e));
	CHECK(getsockopt(s, SOL_SOCKET, SO_ERROR, &v, &n) == 0);
	say("once %d", v);
	close(s), close(l), close(p[0]), close(p[1]);
	s = socket(family, SOCK_STREAM, 0);
	b.sa.sa_family = AF_UNSPEC;
	OK(connect(s, &b.sa, sizeof b.v4));
	close(s);
}

static void life(void)
{
	union address a, b;
	int l = listener(&a), c = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0), v;
	char buf[100];
	socklen_t n = sizeof v;
	signal(SIGPIPE, SIG_IGN);
	say("listening %x", states(l));
	int r = connect(c, &a.sa, family == AF_INET ? sizeof a.v4 : sizeof a.v6);
	say("under way or done %d", r == 0 || errno == EINPROGRESS);
	settle(c, POLLOUT);
	CHECK(getsockopt(c, SOL_SOCKET, SO_ERROR, &v, &n) == 0);
	say("error %d", v);
	SHOW(connect(c, &a.sa, sizeof a.v6) == 0 || errno == EISCONN);
	say("to accept %x", settle(l, POLLIN));
	n = sizeof b;
	int s = accept4(l, &b.sa, &n, SOCK_NONBLOCK);
	say("peer family %d, length %d", b.sa.sa_family, (int)n);
	SHOW(fcntl(s, F_GETFL) & O_NONBLOCK);
	union address me, peer;
	n = sizeof me;
	CHECK(getsockname(c, &me.sa, &n) == 0);
	n = sizeof peer;
	CHECK(getpeername(s, &peer.sa, &n) == 0);
	say("the same ends %d", !memcmp(&me, &peer, n));
	n = 4;
	SHOW(getsockname(c, &me.sa, &n));
	say("full length %d", (int)n);
	say("both open %x %x", states(c), states(s));
	SHOW(recv(s, buf, 10, 0));
	SHOW(send(c, "hello", 5, 0));
	say("data %x", settle(s, POLLIN));
	int q;
	SHOW(ioctl(s, FIONREAD, &q));
	say("held %d", q);
	SHOW(recv(s, buf, 3, MSG_PEEK));
	SHOW(recv(s, buf, 3, MSG_TRUNC));
	SHOW(recv(s, buf, 100, MSG_DONTWAIT));
	SHOW(recv(s, buf, 0, 0));
	SHOW(recv(s, (void *)8, 1, 0));
	SHOW(send(c, (void *)8, 100, 0));
	SHOW(shutdown(c, 9));
	SHOW(shutdown(c, SHUT_WR));
	say("half closed %x", settle(s, POLLRDHUP));
	while (recv(s, buf, 100, 0) > 0)
		;
	SHOW(recv(s, buf, 10, 0));
	SHOW(send(c, "x", 1, 0));
	SHOW(send(s, "still", 5, 0));
	say("answer %x", settle(c, POLLIN));
	SHOW(recv(c, buf, 100, 0));
	SHOW(close(s));
	say("all closed %x", settle(c, POLLHUP));
	SHOW(recv(c, buf, 10, 0));
	SHOW(close(c));
	// A reset.
	int p[2];
	connection(p);
	struct linger lg = {1, 0};
	CHECK(setsockopt(p[0], SOL_SOCKET, SO_LINGER, &lg, sizeof lg) == 0);
	close(p[0]);
	say("reset %x", settle(p[1], POLLERR));
	SHOW(recv(p[1], buf, 10, 0));
	SHOW(recv(p[1], buf, 10, 0));
	SHOW(send(p[1], "x", 1, 0));
	close(p[1]);
	// Shut for reading.
	connection(p);
	SHOW(shutdown(p[0], SHUT_RD));
	say("read side %x", states(p[0]) & (POLLIN | POLLRDHUP | POLLOUT));
	SHOW(recv(p[0], buf, 1, 0));
	close(p[0]), close(p[1]), close(l);
}

static volatile size_t expect;

static void *drains(void *arg)
{
	static char b[100000];
	size_t total = 0, wrong = 0;
	uint64_t seed = 3;
	for (ssize_t n; (n = recv((int)(long)arg, b, 1 + next_random(&seed) % sizeof b, 0)) > 0; total += n)
		for (ssize_t i = 0; i < n; i++)
			wrong += b[i] != (char)((total + i) * 7 >> 4);
	CHECK(wrong == 0);
	expect = total;
	return NULL;
}

static void bulk(void)
{
	int p[2];
	static char b[70000];
	connection(p);
	pthread_t t = go(drains, (void *)(long)p[1]);
	uint64_t seed = 4;
	size_t total = 0;
	while (total < 8000000) {
		size_t n = 1 + next_random(&seed) % sizeof b;
		for (size_t i = 0; i < n; i++)
			b[i] = (total + i) * 7 >> 4;
		CHECK(send(p[0], b, n, 0) == (ssize_t)n);
		total += n;
	}
	shutdown(p[0], SHUT_WR);
	pthread_join(t, NULL);
	say("arrived %d", expect == total);
	close(p[0]), close(p[1]);
	// A full send buffer, nobody reads.
	connection(p);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	ssize_t n;
	while ((n = send(p[0], b, sizeof b, 0)) > 0)
		;
	say("full %s %x", result(n), states(p[0]) & POLLOUT);
	CHECK(recv(p[1], b, sizeof b, MSG_WAITALL) == sizeof b);
	close(p[0]), close(p[1]);
}

static void options(void)
{
	static const struct {
		int level, name;
		const char *text;
		int value;
	} list[] = {
		{SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR", 1}, {SOL_SOCKET, SO_REUSEPORT, "SO_REUSEPORT", 1}, {SOL_SOCKET, SO_KEEPALIVE, "SO_KEEPALIVE", 1},
		{SOL_SOCKET, SO_BROADCAST, "SO_BROADCAST", 1}, {SOL_SOCKET, SO_SNDBUF, "SO_SNDBUF", 20000}, {SOL_SOCKET, SO_RCVBUF, "SO_RCVBUF", 20000},
		{SOL_SOCKET, SO_OOBINLINE, "SO_OOBINLINE", 1}, {IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY", 1}, {IPPROTO_TCP, TCP_CORK, "TCP_CORK", 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, "TCP_KEEPIDLE", 77}, {IPPROTO_TCP, TCP_KEEPINTVL, "TCP_KEEPINTVL", 33}, {IPPROTO_TCP, TCP_KEEPCNT, "TCP_KEEPCNT", 5},
		{IPPROTO_TCP, TCP_USER_TIMEOUT, "TCP_USER_TIMEOUT", 5000}, {IPPROTO_TCP, TCP_DEFER_ACCEPT, "TCP_DEFER_ACCEPT", 0}, {IPPROTO_IP, IP_TOS, "IP_TOS", 16}, {IPPROTO_IP, IP_TTL, "IP_TTL", 33},
	};
	int s = socket(AF_INET, SOCK_STREAM, 0), v, c;
	socklen_t n;
	for (size_t i = 0; i < COUNT(list); i++) {
		n = sizeof v;
		v = list[i].value;
		int r = setsockopt(s, list[i].level, list[i].name, &v, sizeof v), e = errno;
		v = -1;
		int g = getsockopt(s, list[i].level, list[i].name, &v, &n);
		say("%s: set %s, get %d value %d length %d", list[i].text, r ? t_errno(e) : "ok", g, v, (int)n);
	}
	n = sizeof v;
	static const int read_only[] = {SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ACCEPTCONN, SO_ERROR};
	for (size_t i = 0; i < COUNT(read_only); i++) {
		CHECK(getsockopt(s, SOL_SOCKET, read_only[i], &v, &n) == 0);
		c = 1;
		int r = setsockopt(s, SOL_SOCKET, read_only[i], &c, sizeof c);
		say("read-only %d: %d, set %s", read_only[i], v, r ? t_errno(errno) : "ok");
	}
	SHOW(setsockopt(s, SOL_SOCKET, 9999, &v, sizeof v));
	SHOW(getsockopt(s, SOL_SOCKET, 9999, &v, &n));
	SHOW(setsockopt(s, 999, 1, &v, sizeof v));
	SHOW(setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &v, 1));
	SHOW(setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, (void *)8, 4));
	SHOW(setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &v, 1));
	n = -1;
	SHOW(getsockopt(s, SOL_SOCKET, SO_TYPE, &v, &n));
	n = 2;
	v = -1;
	SHOW(getsockopt(s, SOL_SOCKET, SO_TYPE, &v, &n));
	say("short %x %d", v, (int)n);
	struct timeval tv = {0, 50000}, got, bad = {0, 2000000};
	SHOW(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &bad, sizeof bad));
	SHOW(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
	n = sizeof got;
	SHOW(getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &got, &n));
	say("timeout set %d", got.tv_sec == 0 && got.tv_usec >= 50000 && got.tv_usec < 60001);
	close(s);
	int p[2];
	char b[10];
	connection(p);
	CHECK(setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) == 0);
	int64_t t = now_ns(CLOCK_MONOTONIC);
	SHOW(recv(p[0], b, 10, 0));
	t = now_ns(CLOCK_MONOTONIC) - t;
	CHECK(t >= 45 * MS && t < 3000 * MS);
	struct tcp_info ti;
	n = sizeof ti;
	SHOW(getsockopt(p[0], IPPROTO_TCP, TCP_INFO, &ti, &n));
	say("state %d", ti.tcpi_state);
	int out = -1;
	SHOW(ioctl(p[0], TIOCOUTQ, &out));
	say("queued %d", out);
	close(p[0]), close(p[1]);
	// Two listeners on one port.
	union address a;
	int one = 1, l = listener(&a), m = socket(AF_INET, SOCK_STREAM, 0);
	SHOW(bind(m, &a.sa, sizeof a.v4));
	setsockopt(m, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	SHOW(bind(m, &a.sa, sizeof a.v4));
	close(l), close(m);
}

static void datagrams(void)
{
	union address a, b, from;
	socklen_t n = loopback(&a, 0), m = n;
	int x = socket(family, SOCK_DGRAM, 0), y = socket(family, SOCK_DGRAM | SOCK_NONBLOCK, 0), v;
	char buf[100];
	CHECK(bind(x, &a.sa, n) == 0 && getsockname(x, &a.sa, &n) == 0);
	say("fresh %x %x", states(x), states(y));
	SHOW(recv(y, buf, 10, 0));
	SHOW(send(y, "x", 1, 0));
	SHOW(sendto(y, "hello", 5, 0, &a.sa, n));
	SHOW(sendto(y, "", 0, 0, &a.sa, n));
	SHOW(sendto(y, "longer than that", 16, 0, &a.sa, n));
	say("data %x", settle(x, POLLIN));
	CHECK(getsockname(y, &b.sa, &m) == 0);
	m = sizeof from;
	SHOW(recvfrom(x, buf, 100, 0, &from.sa, &m));
	say("from family %d length %d", from.sa.sa_family, (int)m);
	SHOW(recv(x, buf, 100, 0));
	struct iovec iv = {buf, 6};
	struct msghdr h = {.msg_iov = &iv, .msg_iovlen = 1};
	SHOW(recvmsg(x, &h, MSG_PEEK));
	say("flags %x", h.msg_flags & MSG_TRUNC);
	SHOW(recv(x, buf, 6, MSG_TRUNC));
	SHOW(recv(x, buf, 6, MSG_DONTWAIT));
	SHOW(sendto(x, "back", 4, 0, &from.sa, m));
	settle(y, POLLIN);
	SHOW(recv(y, buf, 100, 0));
	SHOW(connect(y, &a.sa, n));
	SHOW(send(y, "connected", 9, 0));
	settle(x, POLLIN);
	SHOW(ioctl(x, FIONREAD, &v));
	say("held %d", v);
	SHOW(recv(x, buf, 100, 0));
	static char big[70000];
	SHOW(send(y, big, sizeof big, 0));
	SHOW(send(y, big, 60000, 0));
	settle(x, POLLIN);
	SHOW(recv(x, big, sizeof big, 0));
	SHOW(listen(y, 1));
	SHOW(accept(y, NULL, NULL));
	close(x); // what is sent now is refused, which the sender learns
	SHOW(send(y, "lost", 4, 0));
	settle(y, POLLERR);
	SHOW(recv(y, buf, 10, 0));
	SHOW(recv(y, buf, 10, 0));
	struct sockaddr un = {.sa_family = AF_UNSPEC};
	SHOW(connect(y, &un, sizeof un));
	m = sizeof b;
	SHOW(getpeername(y, &b.sa, &m));
	SHOW(shutdown(y, SHUT_RDWR));
	close(y);
}

static void version6(void)
{
	int s = socket(AF_INET6, SOCK_STREAM, 0);
	if (s < 0) {
		say("FAIL no IPv6: %s", t_errno(errno));
		return;
	}
	close(s);
	family = AF_INET6;
	errors();
	life();
	datagrams();
	// One listener for both.
	union address a;
	memset(&a, 0, sizeof a);
	a.v6.sin6_family = AF_INET6;
	socklen_t n = sizeof a.v6;
	int zero = 0, one = 1, l = socket(AF_INET6, SOCK_STREAM, 0);
	CHECK(setsockopt(l, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero) == 0);
	CHECK(bind(l, &a.sa, n) == 0 && listen(l, 5) == 0 && getsockname(l, &a.sa, &n) == 0);
	union address b;
	family = AF_INET;
	loopback(&b, ntohs(a.v6.sin6_port));
	int c = socket(AF_INET, SOCK_STREAM, 0);
	SHOW(connect(c, &b.sa, sizeof b.v4));
	n = sizeof a;
	int d = accept(l, &a.sa, &n);
	char text[64];
	say("mapped %s", inet_ntop(AF_INET6, &a.v6.sin6_addr, text, sizeof text));
	close(c), close(d), close(l);
	l = socket(AF_INET6, SOCK_STREAM, 0);
	SHOW(setsockopt(l, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one));
	close(l);
	c = socket(AF_INET6, SOCK_STREAM, 0);
	SHOW(connect(c, &b.sa, sizeof b.v4));
	close(c);
}

static void local(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX}, from;
	socklen_t n = sizeof from;
	char b[32];
	snprintf(a.sun_path, sizeof a.sun_path, "/tmp/sock-%d", getpid());
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(connect(c, (struct sockaddr *)&a, sizeof a));
	SHOW(bind(l, (struct sockaddr *)&a, sizeof a));
	SHOW(connect(c, (struct sockaddr *)&a, sizeof a));
	SHOW(listen(l, 1));
	SHOW(connect(c, (struct sockaddr *)&a, sizeof a));
	int s = accept(l, (struct sockaddr *)&from, &n);
	say("peer %d length %d", from.sun_family, (int)n);
	SHOW(write(c, "local", 5));
	SHOW(read(s, b, 32));
	int d = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(bind(d, (struct sockaddr *)&a, sizeof a));
	SHOW(unlink(a.sun_path));
	SHOW(connect(d, (struct sockaddr *)&a, sizeof a));
	close(d), close(s), close(c), close(l);
	memcpy(a.sun_path, "\0abstract", 9);
	l = socket(AF_UNIX, SOCK_DGRAM, 0), c = socket(AF_UNIX, SOCK_DGRAM, 0);
	SHOW(bind(l, (struct sockaddr *)&a, sizeof(sa_family_t) + 9));
	SHOW(sendto(c, "dgram", 5, 0, (struct sockaddr *)&a, sizeof(sa_family_t) + 9));
	SHOW(recv(l, b, 32, 0));
	close(l), close(c);
}

// control receives one byte with credentials and a descriptor, the control data at the end
// of the one page that can be written: as many messages come as can be written, and no
// descriptor that nobody is told of.
static void control(void)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), data[8];
	int s[2], on = 1, before = dup(0);
	CHECK(mprotect(page + 4096, 4096, PROT_READ) == 0 && socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
	CHECK(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
	close(before);
	static const int rooms[] = {0, 8, 16, 32, 40, 48, 52, 55, 56, 64, 128};
	for (int i = 0; i < (int)(sizeof rooms / sizeof *rooms); i++) {
		char out[CMSG_SPACE(sizeof(int))] = {0};
		struct iovec v = {"x", 1}, w = {data, 8};
		struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = out, .msg_controllen = sizeof out};
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET, h->cmsg_type = SCM_RIGHTS, h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), &on, sizeof(int));
		CHECK(sendmsg(s[0], &m, 0) == 1);
		memset(page, 0, 4096);
		struct msghdr r = {.msg_iov = &w, .msg_iovlen = 1, .msg_control = page + 4096 - rooms[i], .msg_controllen = 128};
		long n = recvmsg(s[1], &r, 0);
		int types = 0, got = -1;
		r.msg_control = page + 4096 - rooms[i];
		for (h = CMSG_FIRSTHDR(&r); n > 0 && h; h = CMSG_NXTHDR(&r, h)) {
			types = types * 10 + h->cmsg_type;
			if (h->cmsg_type == SCM_RIGHTS)
				memcpy(&got, CMSG_DATA(h), sizeof got);
		}
		if (got >= 0)
			close(got);
		int next = dup(0);
		say("room %d: %ld, control %zu, types %d, flags %x, leaked %d", rooms[i], n, r.msg_controllen, types, r.msg_flags, next != before);
		close(next);
	}
	struct msghdr r = {.msg_name = page, .msg_namelen = -1};
	CHECK(write(s[0], "left", 4) == 4);
	SHOW(recvmsg(s[1], &r, 0));
	r.msg_name = NULL;
	SHOW(recvmsg(s[1], &r, MSG_DONTWAIT));
	SHOW(sendmsg(s[1], &r, 0));
	r.msg_name = page;
	SHOW(sendmsg(s[1], &r, 0));
	close(s[0]), close(s[1]);
	munmap(page, 8192);
}

static const struct t_case cases[] = {
	{"creation", creation}, {"errors", errors}, {"life", life}, {"bulk", bulk}, {"options", options},
	{"datagrams", datagrams}, {"ipv6", version6}, {"unix", local}, {"control", control},
};
T_MAIN(cases)
