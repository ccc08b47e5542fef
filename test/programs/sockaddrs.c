// Addresses of sockets: who may bind to what is taken, which of several listeners is
// reached, and what a message carries about where it came from and goes. Socket, ip and
// ipv6 of section 7 of the manual. The program gives up root's rights, as sockopts.c does.
#include "sockopts.h"

// Who may bind to what is taken.
static void binding(int type)
{
	static const char *const names[] = {"none", "addr", "port", "both"};
	for (int first = 0; first < 4; first++)
		for (int second = 0; second < 4; second++) {
			int a = made(type, AF_INET, "127.0.0.1", 0, first, 0), port = port_of(a);
			static const struct {
				int family;
				const char *address;
				int only6;
			} others[] = {{AF_INET, "127.0.0.1"}, {AF_INET, "0.0.0.0"}, {AF_INET, "127.0.0.2"}, {AF_INET6, "::"}, {AF_INET6, "::1", 1}, {AF_INET6, "::", 1}, {AF_INET6, "::ffff:127.0.0.1"}};
			char line[300];
			int n = snprintf(line, sizeof line, "%s then %s:", names[first], names[second]);
			for (size_t i = 0; i < COUNT(others); i++) {
				int b = made(type, others[i].family, others[i].address, port, second, others[i].only6);
				n += snprintf(line + n, sizeof line - n, " %s%s %s", others[i].address, others[i].only6 ? " only" : "", b < 0 ? t_errno(-b) : "ok");
				if (b >= 0)
					close(b);
			}
			say("%s", line);
			close(a);
		}
	if (type != SOCK_STREAM)
		return;
	// One of them listens.
	for (int first = 0; first < 4; first++)
		for (int second = 0; second < 4; second++) {
			int a = made(type, AF_INET, "127.0.0.1", 0, first, 0), port = port_of(a);
			CHECK(listen(a, 1) == 0);
			int b = made(type, AF_INET, "127.0.0.1", port, second, 0), c = made(type, AF_INET, "0.0.0.0", port, second, 0);
			int r = 0, e = 0;
			if (b >= 0)
				r = listen(b, 1), e = errno;
			say("listening, %s then %s: same %s %s, any %s", names[first], names[second], b < 0 ? t_errno(-b) : "ok", b < 0 ? "-" : r < 0 ? t_errno(e) : "ok",
				c < 0 ? t_errno(-c) : "ok");
			close(a);
			if (b >= 0)
				close(b);
			if (c >= 0)
				close(c);
		}
	// Both bound with SO_REUSEADDR, then both would listen.
	int a = made(type, AF_INET, "127.0.0.1", 0, 1, 0), b = made(type, AF_INET, "127.0.0.1", port_of(a), 1, 0);
	SHOW(listen(a, 1));
	SHOW(listen(b, 1));
	close(a);
	SHOW(listen(b, 1));
	close(b);
	// The option taken back after bind.
	a = made(type, AF_INET, "127.0.0.1", 0, 2, 0);
	SHOW(set(a, SOL_SOCKET, SO_REUSEPORT, 0));
	b = made(type, AF_INET, "127.0.0.1", port_of(a), 2, 0);
	say("taken back: %s", b < 0 ? t_errno(-b) : "ok");
	close(a);
	if (b >= 0)
		close(b);
}

static void bind_tcp(void) { binding(SOCK_STREAM); }
static void bind_udp(void) { binding(SOCK_DGRAM); }

// A port's connection that is over but remembered: a server that starts again binds
// with SO_REUSEADDR, and not without.
static void restart(void)
{
	int l = made(SOCK_STREAM, AF_INET, "127.0.0.1", 0, 1, 0), port = port_of(l), c = socket(AF_INET, SOCK_STREAM, 0);
	union address a;
	socklen_t n = on(&a, AF_INET, "127.0.0.1", port);
	char b[1];
	CHECK(listen(l, 1) == 0 && connect(c, &a.sa, n) == 0);
	int s = accept(l, NULL, NULL);
	close(l);
	int again = made(SOCK_STREAM, AF_INET, "127.0.0.1", port, 0, 0);
	say("while connected, none: %s", again < 0 ? t_errno(-again) : "ok");
	again = made(SOCK_STREAM, AF_INET, "127.0.0.1", port, 1, 0);
	say("while connected, addr: %s", again < 0 ? t_errno(-again) : "ok");
	SHOW(listen(again, 1));
	close(again);
	close(s); // it closes first, so that TIME_WAIT is on the server's side
	CHECK(recv(c, b, 1, 0) == 0);
	close(c);
	pause_ns(50 * MS);
	again = made(SOCK_STREAM, AF_INET, "127.0.0.1", port, 0, 0);
	say("TIME_WAIT, none: %s", again < 0 ? t_errno(-again) : "ok");
	again = made(SOCK_STREAM, AF_INET, "127.0.0.1", port, 1, 0);
	say("TIME_WAIT, addr: %s", again < 0 ? t_errno(-again) : "ok");
	SHOW(listen(again, 1));
	close(again);
}

// Several listeners share a port: each connection reaches one of them.
static void shared(void)
{
	enum { LISTENERS = 4, CONNECTIONS = 64 };
	int l[LISTENERS], c[CONNECTIONS], port = 0, accepted = 0, used = 0;
	for (int i = 0; i < LISTENERS; i++) {
		l[i] = made(SOCK_STREAM, AF_INET, "127.0.0.1", port, 2, 0);
		CHECK(l[i] >= 0 && listen(l[i], 64) == 0 && fcntl(l[i], F_SETFL, O_NONBLOCK) == 0);
		port = port_of(l[i]);
	}
	union address a;
	socklen_t n = on(&a, AF_INET, "127.0.0.1", port);
	for (int i = 0; i < CONNECTIONS; i++) {
		c[i] = socket(AF_INET, SOCK_STREAM, 0);
		CHECK(connect(c[i], &a.sa, n) == 0);
		CHECK(send(c[i], &i, sizeof i, 0) == sizeof i);
	}
	char seen[CONNECTIONS] = {0};
	for (int tries = 0; tries < 500 && accepted < CONNECTIONS; tries++, pause_ns(2 * MS))
		for (int i = 0; i < LISTENERS; i++)
			for (int s, mine = 0; (s = accept(l[i], NULL, NULL)) >= 0; accepted++) {
				int k = -1;
				CHECK(recv(s, &k, sizeof k, MSG_WAITALL) == sizeof k && k >= 0 && k < CONNECTIONS && !seen[k]);
				seen[k % CONNECTIONS] = 1;
				used |= 1 << i;
				mine++;
				close(s);
			}
	say("accepted %d, by more than one %d", accepted, !!(used & (used - 1)));
	for (int i = 0; i < CONNECTIONS; i++)
		close(c[i]);
	// One of them goes: the others go on, and what comes reaches them.
	close(l[0]), close(l[1]);
	accepted = 0;
	for (int i = 0; i < 16; i++) {
		c[i] = socket(AF_INET, SOCK_STREAM, 0);
		CHECK(connect(c[i], &a.sa, n) == 0);
	}
	for (int tries = 0; tries < 500 && accepted < 16; tries++, pause_ns(2 * MS))
		for (int i = 2; i < LISTENERS; i++)
			for (int s; (s = accept(l[i], NULL, NULL)) >= 0; accepted++)
				close(s);
	say("accepted by those that are left %d", accepted);
	for (int i = 0; i < 16; i++)
		close(c[i]);
	close(l[2]), close(l[3]);
	int s = socket(AF_INET, SOCK_STREAM, 0);
	SHOW(connect(s, &a.sa, n));
	close(s);
	// UDP: one sender's datagrams go to one socket, all of them.
	port = 0;
	for (int i = 0; i < LISTENERS; i++) {
		l[i] = made(SOCK_DGRAM, AF_INET, "127.0.0.1", port, 2, 0);
		CHECK(l[i] >= 0);
		port = port_of(l[i]);
	}
	int total = 0, split = 0;
	n = on(&a, AF_INET, "127.0.0.1", port);
	for (int i = 0; i < 32; i++) {
		s = socket(AF_INET, SOCK_DGRAM, 0);
		CHECK(sendto(s, "a", 1, 0, &a.sa, n) == 1 && sendto(s, "b", 1, 0, &a.sa, n) == 1);
		pause_ns(MS);
		for (int k = 0; k < LISTENERS; k++) {
			int got = 0;
			char b[8];
			while (recv(l[k], b, sizeof b, MSG_DONTWAIT) == 1)
				got++;
			total += got;
			split += got == 1;
		}
		close(s);
	}
	say("datagrams %d, apart %d", total, split);
	for (int i = 0; i < LISTENERS; i++)
		close(l[i]);
}

// Control messages that come with a datagram.
static void control(int d, const char *what)
{
	char b[100], c[300];
	struct iovec v = {b, sizeof b};
	union address from;
	struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
	char line[400];
	if (!(has(d, POLLIN, 2000) & POLLIN)) {
		say("FAIL %s: nothing came", what);
		return;
	}
	int n = snprintf(line, sizeof line, "%s: %s", what, result(recvmsg(d, &m, 0)));
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		n += snprintf(line + n, sizeof line - n, ", %d %d %d", h->cmsg_level, h->cmsg_type, (int)(h->cmsg_len - CMSG_LEN(0)));
		unsigned char *x = CMSG_DATA(h);
		if (h->cmsg_level == SOL_SOCKET) {
			int64_t t[2];
			memcpy(t, x, sizeof t);
			if (h->cmsg_type == SO_TIMESTAMP)
				t[1] *= 1000;
			int64_t age = now_ns(CLOCK_REALTIME) - (t[0] * 1000000000 + t[1]);
			n += snprintf(line + n, sizeof line - n, " (recent %d)", age >= -MS && age < 10000 * MS && t[1] >= 0 && t[1] < 1000000000);
		} else if (h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo *p = (void *)x;
			char s[20], t[20];
			n += snprintf(line + n, sizeof line - n, " (lo %d, %s %s)", p->ipi_ifindex == (int)if_nametoindex("lo"),
				inet_ntop(AF_INET, &p->ipi_spec_dst, s, sizeof s), inet_ntop(AF_INET, &p->ipi_addr, t, sizeof t));
		} else if (h->cmsg_level == IPPROTO_IPV6 && h->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo *p = (void *)x;
			char s[50];
			n += snprintf(line + n, sizeof line - n, " (lo %d, %s)", p->ipi6_ifindex == if_nametoindex("lo"), inet_ntop(AF_INET6, &p->ipi6_addr, s, sizeof s));
		} else if (h->cmsg_len == CMSG_LEN(1)) {
			n += snprintf(line + n, sizeof line - n, " (%d)", *x);
		} else if (h->cmsg_len == CMSG_LEN(4)) {
			int k;
			memcpy(&k, x, 4);
			n += snprintf(line + n, sizeof line - n, " (%d)", k);
		}
	}
	say("%s, flags %x", line, m.msg_flags);
}

static void messages(void)
{
	int d = made(SOCK_DGRAM, AF_INET, "0.0.0.0", 0, 0, 0), s = socket(AF_INET, SOCK_DGRAM, 0);
	union address a;
	socklen_t n = on(&a, AF_INET, "127.0.0.3", port_of(d));
#define SEND CHECK(sendto(s, "hello", 5, 0, &a.sa, n) == 5)
	SEND;
	control(d, "none");
	set(d, SOL_SOCKET, SO_TIMESTAMP, 1);
	SEND;
	control(d, "stamp");
	set(d, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	SHOW(get(d, SOL_SOCKET, SO_TIMESTAMP));
	SHOW(get(d, SOL_SOCKET, SO_TIMESTAMPNS));
	SEND;
	control(d, "stamp in ns");
	set(d, SOL_SOCKET, SO_TIMESTAMP, 1);
	SHOW(get(d, SOL_SOCKET, SO_TIMESTAMP));
	SHOW(get(d, SOL_SOCKET, SO_TIMESTAMPNS));
	set(d, SOL_SOCKET, SO_TIMESTAMPNS, 0);
	SHOW(get(d, SOL_SOCKET, SO_TIMESTAMP));
	set(d, SOL_SOCKET, SO_TIMESTAMP, 0);
	set(d, IPPROTO_IP, IP_PKTINFO, 1);
	SEND;
	control(d, "pktinfo");
	set(d, IPPROTO_IP, IP_RECVTTL, 1), set(d, IPPROTO_IP, IP_RECVTOS, 1);
	set(s, IPPROTO_IP, IP_TTL, 7), set(s, IPPROTO_IP, IP_TOS, 0x28);
	SEND;
	control(d, "all");
	set(s, IPPROTO_IP, IP_TTL, -1), set(s, IPPROTO_IP, IP_TOS, 0);
	SEND;
	control(d, "default again");
	// Given with the message.
	struct {
		struct cmsghdr h;
		int v;
	} __attribute__((aligned(8))) c = {{.cmsg_len = CMSG_LEN(4), .cmsg_level = IPPROTO_IP, .cmsg_type = IP_TTL}, 33};
	struct iovec v = {"hi", 2};
	struct msghdr m = {.msg_name = &a, .msg_namelen = n, .msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = CMSG_SPACE(4)};
	SHOW(sendmsg(s, &m, 0));
	control(d, "a TTL for one");
	c.h.cmsg_type = IP_TOS, c.v = 0x12;
	SHOW(sendmsg(s, &m, 0));
	control(d, "a TOS for one");
	c.h.cmsg_type = IP_TTL, c.v = 0;
	SHOW(sendmsg(s, &m, 0));
	c.v = 256;
	SHOW(sendmsg(s, &m, 0));
	c.h.cmsg_type = 99, c.v = 1;
	SHOW(sendmsg(s, &m, 0));
	c.h.cmsg_type = IP_TTL, c.h.cmsg_len = CMSG_LEN(3);
	SHOW(sendmsg(s, &m, 0));
	c.h.cmsg_len = 3;
	SHOW(sendmsg(s, &m, 0));
	c.h.cmsg_len = 1000;
	SHOW(sendmsg(s, &m, 0));
	c.h.cmsg_len = CMSG_LEN(4), c.h.cmsg_level = 99;
	SHOW(sendmsg(s, &m, 0)); // not ours
	control(d, "another level");
	m.msg_controllen = 5;
	SHOW(sendmsg(s, &m, 0)); // no room for a header: none
	control(d, "no header");
	// Where it is sent from.
	union {
		struct cmsghdr h;
		char b[CMSG_SPACE(sizeof(struct in_pktinfo))];
	} q;
	memset(&q, 0, sizeof q);
	q.h = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo)), .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO};
	struct in_pktinfo *p = (void *)CMSG_DATA(&q.h);
	inet_pton(AF_INET, "127.0.0.9", &p->ipi_spec_dst);
	m.msg_control = &q, m.msg_controllen = sizeof q;
	union address from;
	char b[10], text[50];
	SHOW(sendmsg(s, &m, 0));
	n = sizeof from;
	SHOW(recvfrom(d, b, 10, 0, &from.sa, &n));
	say("from %s", inet_ntop(AF_INET, &from.v4.sin_addr, text, sizeof text));
	inet_pton(AF_INET, "192.0.2.1", &p->ipi_spec_dst);
	SHOW(sendmsg(s, &m, 0) < 0); // EINVAL, ENETUNREACH of later versions
	p->ipi_spec_dst.s_addr = 0, p->ipi_ifindex = 9999;
	OK(sendmsg(s, &m, 0));
	// Not enough room for what comes.
	SHOW(recv(d, b, 10, MSG_DONTWAIT));
	SEND;
	n = sizeof a.v4;
	char small[20];
	m = (struct msghdr){.msg_iov = &v, .msg_iovlen = 1, .msg_control = small, .msg_controllen = sizeof small};
	v = (struct iovec){b, 2};
	has(d, POLLIN, 1000);
	SHOW(recvmsg(d, &m, 0));
	say("flags %x, control %d", m.msg_flags, (int)m.msg_controllen);
	close(d), close(s);

	d = made(SOCK_DGRAM, AF_INET6, "::", 0, 0, 0), s = socket(AF_INET6, SOCK_DGRAM, 0);
	n = on(&a, AF_INET6, "::1", port_of(d));
	SEND;
	control(d, "6 none");
	set(d, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	SEND;
	control(d, "6 pktinfo");
	set(d, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1), set(d, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	set(s, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 5), set(s, IPPROTO_IPV6, IPV6_TCLASS, 0x2c);
	SEND;
	control(d, "6 all");
	n = on(&a, AF_INET6, "::ffff:127.0.0.5", port_of(d));
	SEND;
	control(d, "6 mapped");
	close(s);
	s = socket(AF_INET, SOCK_DGRAM, 0);
	n = on(&a, AF_INET, "127.0.0.1", port_of(d));
	SEND;
	control(d, "6 from 4");
	close(s), close(d);
}

// Values for one message from an IPv6 socket, to both versions of IP, as QUIC's libraries
// give them.
static ssize_t with(int s, union address *a, socklen_t n, int level, int type, const void *data, size_t len)
{
	union {
		struct cmsghdr h;
		char b[CMSG_SPACE(32)];
	} c;
	memset(&c, 0, sizeof c);
	c.h.cmsg_len = CMSG_LEN(len), c.h.cmsg_level = level, c.h.cmsg_type = type;
	memcpy(CMSG_DATA(&c.h), data, len);
	struct iovec v = {"hello", 5};
	struct msghdr m = {.msg_name = a, .msg_namelen = n, .msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = CMSG_SPACE(len)};
	return sendmsg(s, &m, 0);
}

static void both_versions(void)
{
	int d = made(SOCK_DGRAM, AF_INET6, "::", 0, 0, 0), s = socket(AF_INET6, SOCK_DGRAM, 0), port = port_of(d), v;
	union address six, four;
	socklen_t n = on(&six, AF_INET6, "::1", port);
	on(&four, AF_INET6, "::ffff:127.0.0.1", port);
	set(d, IPPROTO_IPV6, IPV6_RECVTCLASS, 1), set(d, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1), set(d, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	set(d, IPPROTO_IP, IP_RECVTOS, 1), set(d, IPPROTO_IP, IP_RECVTTL, 1);
	struct in6_pktinfo from = {0};
	struct in_pktinfo from4 = {0};
	static const int values[] = {2, 0, 255, 256, -1, -2};
	for (size_t i = 0; i < COUNT(values); i++) {
		v = values[i];
		static const int list[][2] = {{IPPROTO_IPV6, IPV6_TCLASS}, {IPPROTO_IPV6, IPV6_HOPLIMIT}, {IPPROTO_IP, IP_TOS}, {IPPROTO_IP, IP_TTL}};
		for (size_t k = 0; k < COUNT(list); k++)
			for (int to4 = 0; to4 < 2; to4++) {
				char what[60];
				if (v == 0 && list[k][1] == IPV6_HOPLIMIT && !to4)
					continue; // it may not arrive
				if (v == -1 && list[k][1] == IPV6_TCLASS && !to4)
					continue; // the default, which later versions of Linux take for 255
				long r = with(s, to4 ? &four : &six, n, list[k][0], list[k][1], &v, sizeof v);
				snprintf(what, sizeof what, "%d %d of %d to %d", list[k][0], list[k][1], v, to4 ? 4 : 6);
				if (r == 5)
					control(d, what);
				else
					say("%s: %s", what, result(r));
			}
	}
	unsigned char one = 3;
	SHOW(with(s, &four, n, IPPROTO_IP, IP_TOS, &one, 1));
	control(d, "a byte");
	SHOW(with(s, &six, n, IPPROTO_IPV6, IPV6_TCLASS, &one, 1));
	inet_pton(AF_INET6, "::1", &from.ipi6_addr);
	SHOW(with(s, &six, n, IPPROTO_IPV6, IPV6_PKTINFO, &from, sizeof from));
	control(d, "from");
	SHOW(with(s, &four, n, IPPROTO_IPV6, IPV6_PKTINFO, &from, sizeof from));
	inet_pton(AF_INET6, "2001:db8::1", &from.ipi6_addr);
	SHOW(with(s, &six, n, IPPROTO_IPV6, IPV6_PKTINFO, &from, sizeof from));
	SHOW(with(s, &six, n, IPPROTO_IPV6, IPV6_PKTINFO, &from, sizeof from - 1));
	memset(&from, 0, sizeof from), from.ipi6_ifindex = 9999;
	SHOW(with(s, &six, n, IPPROTO_IPV6, IPV6_PKTINFO, &from, sizeof from));
	from.ipi6_ifindex = if_nametoindex("lo");
	SHOW(with(s, &six, n, IPPROTO_IPV6, IPV6_PKTINFO, &from, sizeof from));
	control(d, "through lo");
	inet_pton(AF_INET6, "::ffff:127.0.0.7", &from.ipi6_addr), from.ipi6_ifindex = 0;
	SHOW(with(s, &four, n, IPPROTO_IPV6, IPV6_PKTINFO, &from, sizeof from));
	union address who;
	socklen_t k = sizeof who;
	char b[10], text[60];
	SHOW(recvfrom(d, b, 10, 0, &who.sa, &k));
	say("from %s", inet_ntop(AF_INET6, &who.v6.sin6_addr, text, sizeof text));
	inet_pton(AF_INET, "127.0.0.8", &from4.ipi_spec_dst);
	SHOW(with(s, &four, n, IPPROTO_IP, IP_PKTINFO, &from4, sizeof from4));
	k = sizeof who;
	SHOW(recvfrom(d, b, 10, 0, &who.sa, &k));
	say("from %s", inet_ntop(AF_INET6, &who.v6.sin6_addr, text, sizeof text));
	SHOW(with(s, &six, n, IPPROTO_IP, IP_PKTINFO, &from4, sizeof from4));
	control(d, "not for it");
	// Connected, it need not say where to.
	SHOW(connect(s, &four.sa, n));
	v = 0x2e;
	SHOW(with(s, NULL, 0, IPPROTO_IP, IP_TOS, &v, sizeof v));
	control(d, "connected");
	close(s);
	s = socket(AF_INET, SOCK_DGRAM, 0);
	on(&four, AF_INET, "127.0.0.1", port);
	SHOW(connect(s, &four.sa, sizeof four.v4));
	SHOW(with(s, NULL, 0, IPPROTO_IP, IP_PKTINFO, &from4, sizeof from4));
	k = sizeof who;
	SHOW(recvfrom(d, b, 10, 0, &who.sa, &k));
	say("from %s", inet_ntop(AF_INET6, &who.v6.sin6_addr, text, sizeof text));
	SHOW(with(s, NULL, 0, IPPROTO_IPV6, IPV6_TCLASS, &v, sizeof v));
	control(d, "IPv6's to an IPv4 socket");
	close(s), close(d);
}

// Broadcast needs its option; who has it is answered by the route.
static void broadcasts(void)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	union address a;
	on(&a, AF_INET, "127.255.255.255", 9);
	SHOW(sendto(s, "x", 1, 0, &a.sa, sizeof a.v4));
	SHOW(connect(s, &a.sa, sizeof a.v4));
	set(s, SOL_SOCKET, SO_BROADCAST, 1);
	SHOW(sendto(s, "x", 1, 0, &a.sa, sizeof a.v4));
	SHOW(connect(s, &a.sa, sizeof a.v4));
	close(s);
}

// IPv6 sockets with and without IPv4.
static void dual(void)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM};
	for (int i = 0; i < 2; i++) {
		int type = types[i];
		int a = made(type, AF_INET6, "::", 0, 0, 0), port = port_of(a);
		int b = made(type, AF_INET, "0.0.0.0", port, 0, 0), c = made(type, AF_INET, "127.0.0.1", port, 0, 0), d = made(type, AF_INET6, "::1", port, 0, 0);
		say("dual first: %s %s %s", t_errno(-b), t_errno(-c), t_errno(-d));
		SHOW(set(a, IPPROTO_IPV6, IPV6_V6ONLY, 1)); // too late
		close(a);
		a = made(type, AF_INET6, "::", 0, 0, 1), port = port_of(a);
		b = made(type, AF_INET, "0.0.0.0", port, 0, 0);
		say("only6 first: %s", b < 0 ? t_errno(-b) : "ok");
		close(a), close(b);
		a = made(type, AF_INET, "0.0.0.0", 0, 0, 0), port = port_of(a);
		b = made(type, AF_INET6, "::", port, 0, 0), c = made(type, AF_INET6, "::", port, 0, 1), d = made(type, AF_INET6, "::ffff:0.0.0.0", port, 0, 0);
		say("4 first: %s, only6 %s, mapped %s", b < 0 ? t_errno(-b) : "ok", c < 0 ? t_errno(-c) : "ok", d < 0 ? t_errno(-d) : "ok");
		close(a);
		if (c >= 0)
			close(c);
		a = made(type, AF_INET6, "::ffff:127.0.0.1", 0, 0, 1);
		say("mapped on only6: %s", a < 0 ? t_errno(-a) : "ok");
		a = made(type, AF_INET6, "::", 0, 3, 0), port = port_of(a);
		b = made(type, AF_INET, "0.0.0.0", port, 3, 0);
		say("dual and 4, shared: %s", b < 0 ? t_errno(-b) : "ok");
		if (b >= 0)
			close(b);
		close(a);
	}
	// What is asked of an IPv6 socket about IPv4 and the other way.
	int s = socket(AF_INET6, SOCK_DGRAM, 0), t = socket(AF_INET, SOCK_DGRAM, 0);
	SHOW(set(s, IPPROTO_IP, IP_TTL, 4));
	SHOW(get(s, IPPROTO_IP, IP_TTL));
	SHOW(set(t, IPPROTO_IPV6, IPV6_TCLASS, 4));
	SHOW(get(t, IPPROTO_IPV6, IPV6_TCLASS));
	set(s, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	union address a;
	socklen_t n = on(&a, AF_INET6, "::ffff:127.0.0.1", 9);
	SHOW(connect(s, &a.sa, n));
	SHOW(sendto(s, "x", 1, 0, &a.sa, n));
	close(s), close(t);
}

static const struct t_case cases[] = {
	{"bind-tcp", bind_tcp}, {"bind-udp", bind_udp}, {"restart", restart}, {"shared", shared}, {"messages", messages},
	{"both-versions", both_versions}, {"broadcasts", broadcasts}, {"dual", dual},
};

int main(int argc, char **argv)
{
	t_unprivileged();
	return t_main(argc, argv, cases, COUNT(cases));
}
