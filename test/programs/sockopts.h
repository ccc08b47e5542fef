// What sockopts.c and sockaddrs.c share: addresses, and options whose value is a number.
#ifndef SOCKOPTS_H
#define SOCKOPTS_H
#include "t.h"
#include <arpa/inet.h>
#include <grp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#ifndef IPV6_TCLASS
#define IPV6_TCLASS 67
#endif
#ifndef TCP_NOTSENT_LOWAT
#define TCP_NOTSENT_LOWAT 25
#endif
#ifndef SO_INCOMING_CPU
#define SO_INCOMING_CPU 49
#endif
#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif

union address {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

__attribute__((unused)) static socklen_t on(union address *a, int family, const char *text, int port)
{
	memset(a, 0, sizeof *a);
	a->sa.sa_family = family;
	if (family == AF_INET) {
		inet_pton(AF_INET, text, &a->v4.sin_addr);
		a->v4.sin_port = htons(port);
		return sizeof a->v4;
	}
	inet_pton(AF_INET6, text, &a->v6.sin6_addr);
	a->v6.sin6_port = htons(port);
	return sizeof a->v6;
}

__attribute__((unused)) static int port_of(int fd)
{
	union address a;
	socklen_t n = sizeof a;
	CHECK(getsockname(fd, &a.sa, &n) == 0);
	return ntohs(a.sa.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
}

__attribute__((unused)) static int set(int fd, int level, int name, int v)
{
	return setsockopt(fd, level, name, &v, sizeof v);
}

__attribute__((unused)) static long get(int fd, int level, int name)
{
	int v = 0;
	socklen_t n = sizeof v;
	if (getsockopt(fd, level, name, &v, &n) < 0)
		return -1;
	return v == -1 ? -1000 : v;
}

__attribute__((unused)) static int has(int fd, int events, int ms)
{
	struct pollfd p = {fd, events, 0};
	return poll(&p, 1, ms) == 1 ? p.revents : 0;
}

// made is a bound socket, or the errno of bind as a negative number.
__attribute__((unused)) static int made(int type, int family, const char *text, int port, int reuse, int v6only)
{
	union address a;
	socklen_t n = on(&a, family, text, port);
	int s = socket(family, type, 0);
	CHECK(s >= 0);
	if (reuse & 1)
		CHECK(set(s, SOL_SOCKET, SO_REUSEADDR, 1) == 0);
	if (reuse & 2)
		CHECK(set(s, SOL_SOCKET, SO_REUSEPORT, 1) == 0);
	if (family == AF_INET6 && v6only >= 0)
		CHECK(set(s, IPPROTO_IPV6, IPV6_V6ONLY, v6only) == 0);
	if (bind(s, &a.sa, n) < 0) {
		int e = errno;
		close(s);
		return -e;
	}
	return s;
}

__attribute__((unused)) static void connection(int s[2])
{
	int l = made(SOCK_STREAM, AF_INET, "127.0.0.1", 0, 0, 0);
	union address a;
	CHECK(listen(l, 5) == 0);
	socklen_t n = on(&a, AF_INET, "127.0.0.1", port_of(l));
	s[0] = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(connect(s[0], &a.sa, n) == 0);
	s[1] = accept(l, NULL, NULL);
	CHECK(s[1] >= 0);
	close(l);
}
#endif
