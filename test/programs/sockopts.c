// Socket options that servers set: what they answer to values and lengths at their
// bounds, and what they do. Socket, tcp, udp, ip and ipv6 of section 7 of the manual.
// The program gives up root's rights where it has them, since Skerry has none.
#include "sockopts.h"

// Options whose value is a number: what is stored for each.
struct option {
	int level, name;
	const char *text;
};
#define O(level, name) {level, name, #name}

static const struct option options[] = {
	O(SOL_SOCKET, SO_REUSEADDR), O(SOL_SOCKET, SO_REUSEPORT), O(SOL_SOCKET, SO_KEEPALIVE), O(SOL_SOCKET, SO_BROADCAST),
	O(SOL_SOCKET, SO_OOBINLINE), O(SOL_SOCKET, SO_TIMESTAMP), O(SOL_SOCKET, SO_TIMESTAMPNS),
	O(SOL_SOCKET, SO_PRIORITY), O(SOL_SOCKET, SO_RCVLOWAT), O(SOL_SOCKET, SO_SNDLOWAT), O(SOL_SOCKET, SO_MARK),
	O(SOL_SOCKET, SO_DEBUG), O(SOL_SOCKET, SO_SNDBUFFORCE),
	O(SOL_SOCKET, SO_TYPE), O(SOL_SOCKET, SO_PROTOCOL), O(SOL_SOCKET, SO_DOMAIN), O(SOL_SOCKET, SO_ACCEPTCONN), O(SOL_SOCKET, SO_ERROR),
	O(IPPROTO_TCP, TCP_NODELAY), O(IPPROTO_TCP, TCP_CORK), O(IPPROTO_TCP, TCP_MAXSEG), O(IPPROTO_TCP, TCP_KEEPIDLE),
	O(IPPROTO_TCP, TCP_KEEPINTVL), O(IPPROTO_TCP, TCP_KEEPCNT), O(IPPROTO_TCP, TCP_LINGER2),
	O(IPPROTO_TCP, TCP_DEFER_ACCEPT), O(IPPROTO_TCP, TCP_QUICKACK), O(IPPROTO_TCP, TCP_USER_TIMEOUT),
	O(IPPROTO_IP, IP_TOS), O(IPPROTO_IP, IP_TTL), O(IPPROTO_IP, IP_PKTINFO), O(IPPROTO_IP, IP_RECVTTL), O(IPPROTO_IP, IP_RECVTOS),
	O(IPPROTO_IP, IP_MTU_DISCOVER), O(IPPROTO_IP, IP_RECVERR), O(IPPROTO_IP, IP_MTU),
	O(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT), O(IPPROTO_IP, IP_MULTICAST_TTL), O(IPPROTO_IP, IP_MULTICAST_LOOP),
	O(IPPROTO_IPV6, IPV6_V6ONLY), O(IPPROTO_IPV6, IPV6_TCLASS), O(IPPROTO_IPV6, IPV6_UNICAST_HOPS), O(IPPROTO_IPV6, IPV6_RECVPKTINFO),
	O(IPPROTO_IPV6, IPV6_RECVTCLASS), O(IPPROTO_IPV6, IPV6_RECVHOPLIMIT), O(IPPROTO_IPV6, IPV6_MTU_DISCOVER), O(IPPROTO_IPV6, IPV6_RECVERR),
	O(IPPROTO_IPV6, IPV6_MULTICAST_HOPS), O(IPPROTO_IPV6, IPV6_MULTICAST_LOOP),
	O(IPPROTO_UDP, UDP_CORK),
};

static void table(int family, int type, int step)
{
	static const int values[] = {0, 1, 2, -1, 255, 256, 1000000};
	for (size_t i = 0; i < COUNT(options); i++) {
		const struct option *o = options + i;
		char line[400];
		if (family == AF_UNIX && o->level == SOL_SOCKET && (o->name == SO_TIMESTAMP || o->name == SO_TIMESTAMPNS || o->name == SO_PRIORITY))
			continue; // not there
		int n = 0;
		for (size_t j = 0; j < COUNT(values); j++) {
			int s = socket(family, type, 0);
			if (j == 0)
				n += snprintf(line, sizeof line, "%s: %s;", o->text, result(get(s, o->level, o->name)));
			if (o->name == SO_RCVLOWAT && o->level == SOL_SOCKET && (values[j] < 0 || values[j] > 256))
				continue; // bounded by what a buffer may have, which depends on the machine's memory
			int r = set(s, o->level, o->name, values[j]);
			n += snprintf(line + n, sizeof line - n, " %d %s", values[j], r < 0 ? t_errno(errno) : "ok");
			if (r == 0)
				n += snprintf(line + n, sizeof line - n, " %s", result(get(s, o->level, o->name)));
			close(s);
			if (step && j)
				break;
		}
		say("%s", line);
	}
}

static void tcp4(void) { table(AF_INET, SOCK_STREAM, 0); }
static void tcp6(void) { table(AF_INET6, SOCK_STREAM, 0); }
static void udp4(void) { table(AF_INET, SOCK_DGRAM, 0); }
static void udp6(void) { table(AF_INET6, SOCK_DGRAM, 0); }
static void local(void) { table(AF_UNIX, SOCK_STREAM, 1); }

// Lengths and pointers.
static void lengths(void)
{
	static const int lens[] = {-1, 0, 1, 2, 3, 4, 5, 8, 100};
	static const struct option some[] = {
		O(SOL_SOCKET, SO_REUSEADDR), O(SOL_SOCKET, SO_RCVBUF), O(SOL_SOCKET, SO_LINGER), O(SOL_SOCKET, SO_RCVTIMEO), O(SOL_SOCKET, SO_TYPE),
		O(SOL_SOCKET, SO_ERROR), O(SOL_SOCKET, SO_BINDTODEVICE), O(SOL_SOCKET, SO_PEERCRED), O(IPPROTO_TCP, TCP_NODELAY),
		O(IPPROTO_TCP, TCP_MAXSEG), O(IPPROTO_TCP, TCP_INFO), O(IPPROTO_TCP, TCP_CONGESTION), O(IPPROTO_TCP, TCP_DEFER_ACCEPT),
		O(IPPROTO_IP, IP_TOS), O(IPPROTO_IP, IP_TTL), O(IPPROTO_IP, IP_PKTINFO), O(IPPROTO_IPV6, IPV6_V6ONLY), O(IPPROTO_IPV6, IPV6_TCLASS),
		O(IPPROTO_IPV6, IPV6_UNICAST_HOPS), {SOL_SOCKET, 9999, "unknown"}, {IPPROTO_TCP, 9999, "unknown of TCP"},
		{IPPROTO_IP, 9999, "unknown of IP"}, {IPPROTO_IPV6, 9999, "unknown of IPv6"}, {9999, 1, "unknown level"}, {IPPROTO_UDP, 1, "level of UDP"},
	};
	for (size_t i = 0; i < COUNT(some); i++) {
		const struct option *o = some + i;
		char line[600];
		int s = socket(AF_INET6, SOCK_STREAM, 0);
		set(s, SOL_SOCKET, SO_RCVBUF, 10000);
		int n = snprintf(line, sizeof line, "%s: get", o->text);
		int strange = o->level == IPPROTO_IPV6 || o->level == IPPROTO_UDP || o->level == 9999; // a negative length is not looked at there
		for (size_t j = strange; j < COUNT(lens); j++) {
			unsigned char v[256];
			memset(v, 0xee, sizeof v);
			socklen_t len = lens[j];
			int r = getsockopt(s, o->level, o->name, v, &len), touched = 256;
			while (touched > 0 && v[touched - 1] == 0xee)
				touched--;
			n += snprintf(line + n, sizeof line - n, " %d %s %d", lens[j], r < 0 ? t_errno(errno) : "ok", (int)len);
			if (r == 0 && (int)len > touched && o->name != TCP_INFO && o->name != SO_LINGER)
				n += snprintf(line + n, sizeof line - n, " (%d)", touched);
		}
		say("%s", line);
		n = snprintf(line, sizeof line, "%s: set", o->text);
		for (size_t j = 0; j < COUNT(lens); j++) {
			char v[256] = {0};
			int r = setsockopt(s, o->level, o->name, v, lens[j]);
			n += snprintf(line + n, sizeof line - n, " %d %s", lens[j], r < 0 ? t_errno(errno) : "ok");
		}
		if (o->name != 9999)
			say("%s", line);
		socklen_t len = 4;
		int r1 = getsockopt(s, o->level, o->name, (void *)8, &len), e1 = errno;
		int r2 = getsockopt(s, o->level, o->name, line, (void *)8), e2 = errno;
		int r3 = setsockopt(s, o->level, o->name, (void *)8, 4), e3 = errno;
		if (o->name != 9999 && !(strange && o->name == 1))
			say("%s: bad pointers %s %s %s", o->text, r1 ? t_errno(e1) : "ok", r2 ? t_errno(e2) : "ok", r3 ? t_errno(e3) : "ok");
		close(s);
	}
	int p[2], v = 1;
	socklen_t n = sizeof v;
	CHECK(pipe(p) == 0);
	SHOW(setsockopt(p[0], SOL_SOCKET, SO_REUSEADDR, &v, sizeof v));
	SHOW(getsockopt(p[0], SOL_SOCKET, SO_REUSEADDR, &v, &n));
	SHOW(setsockopt(-1, SOL_SOCKET, SO_REUSEADDR, &v, sizeof v));
	SHOW(getsockopt(999, SOL_SOCKET, SO_REUSEADDR, &v, &n));
	close(p[0]), close(p[1]);
}

static void tcp_info(void)
{
	int p[2], l = made(SOCK_STREAM, AF_INET, "127.0.0.1", 0, 0, 0), s = socket(AF_INET, SOCK_STREAM, 0), d = socket(AF_INET, SOCK_DGRAM, 0);
	struct tcp_info t;
	static const int lens[] = {0, 1, 2, 8, 104, 192, 200};
	socklen_t n = sizeof t;
	connection(p);
	for (size_t i = 0; i < COUNT(lens); i++) {
		unsigned char v[512];
		memset(v, 0xee, sizeof v);
		n = lens[i];
		int r = getsockopt(p[0], IPPROTO_TCP, TCP_INFO, v, &n);
		int clean = 1;
		for (int k = lens[i]; k < 512; k++)
			clean &= v[k] == 0xee;
		say("length %d: %s %d, nothing behind it %d, state %d", lens[i], r < 0 ? t_errno(errno) : "ok", (int)n, clean, lens[i] ? v[0] : 0);
	}
	SHOW(set(p[0], IPPROTO_TCP, TCP_INFO, 1));
	n = sizeof t;
	SHOW(getsockopt(d, IPPROTO_TCP, TCP_INFO, &t, &n));
#define STATE(fd)                                                                                  \
	(n = sizeof t, memset(&t, 0, sizeof t), getsockopt(fd, IPPROTO_TCP, TCP_INFO, &t, &n) < 0 ? -1 : t.tcpi_state)
	SHOW(STATE(s));
	SHOW(STATE(l));
	listen(l, 5);
	SHOW(STATE(l));
	say("listener: waiting %d of %d", (int)t.tcpi_unacked, (int)t.tcpi_sacked);
	union address a;
	on(&a, AF_INET, "127.0.0.1", port_of(l));
	CHECK(connect(s, &a.sa, sizeof a.v4) == 0);
	has(l, POLLIN, 1000);
	SHOW(STATE(l));
	say("listener: waiting %d of %d", (int)t.tcpi_unacked, (int)t.tcpi_sacked);
	SHOW(STATE(p[0]));
	say("ca %d, retransmits %d, probes %d, backoff %d", t.tcpi_ca_state, t.tcpi_retransmits, t.tcpi_probes, t.tcpi_backoff);
	say("rto %d, mss %d %d, cwnd %d, rtt %d, pmtu %d", t.tcpi_rto >= 200000 && t.tcpi_rto < 4000000, t.tcpi_snd_mss > 500, t.tcpi_rcv_mss >= 500, t.tcpi_snd_cwnd >= 2,
		t.tcpi_rtt > 0 && t.tcpi_rtt < 10000000, t.tcpi_pmtu > 1000);
	char b[1000] = {0};
	CHECK(send(p[0], b, 1000, 0) == 1000 && recv(p[1], b, 1000, MSG_WAITALL) == 1000);
	pause_ns(20 * MS);
	STATE(p[0]);
	say("retransmitted %d, lost %d, unacked %d", (int)t.tcpi_total_retrans, (int)t.tcpi_lost, (int)t.tcpi_unacked);
	uint64_t full[64] = {0};
	n = sizeof full;
	CHECK(getsockopt(p[0], IPPROTO_TCP, TCP_INFO, full, &n) == 0);
	say("long enough for the counters %d, acknowledged %d", n >= 192, full[15] == 1000 || full[15] == 1001); // the SYN, too
	n = sizeof full;
	CHECK(getsockopt(p[1], IPPROTO_TCP, TCP_INFO, full, &n) == 0);
	say("received %d", n >= 192 ? (int)full[16] : -1);
	shutdown(p[0], SHUT_WR);
	has(p[1], POLLRDHUP, 1000);
	for (int i = 0; i < 1000 && STATE(p[0]) != 5; i++)
		pause_ns(MS);
	SHOW(STATE(p[0]));
	SHOW(STATE(p[1]));
	close(p[1]);
	has(p[0], POLLHUP, 1000);
	SHOW(STATE(p[0]));
	close(p[0]), close(l), close(s), close(d);
}

// Buffers: twice what was asked, least, most, and what an accepted connection has.
static void buffers(void)
{
	static const int values[] = {0, 1, 1000, 1152, 1153, 2304, 2305, 4608, 5000, 100000};
	static const int kinds[][2] = {{AF_INET, SOCK_STREAM}, {AF_INET, SOCK_DGRAM}, {AF_UNIX, SOCK_STREAM}, {AF_UNIX, SOCK_DGRAM}};
	for (size_t k = 0; k < COUNT(kinds); k++) {
		int s = socket(kinds[k][0], kinds[k][1], 0);
		for (size_t i = 0; i < COUNT(values); i++) {
			set(s, SOL_SOCKET, SO_SNDBUF, values[i]), set(s, SOL_SOCKET, SO_RCVBUF, values[i]);
			say("%d %d: %d gives %s %s", kinds[k][0], kinds[k][1], values[i], result(get(s, SOL_SOCKET, SO_SNDBUF)), result(get(s, SOL_SOCKET, SO_RCVBUF)));
		}
		SHOW(set(s, SOL_SOCKET, SO_SNDBUF, -1));
		long most = get(s, SOL_SOCKET, SO_SNDBUF);
		SHOW(set(s, SOL_SOCKET, SO_SNDBUF, 0x7fffffff));
		CHECK(get(s, SOL_SOCKET, SO_SNDBUF) == most);
		SHOW(set(s, SOL_SOCKET, SO_RCVBUFFORCE, 100000));
		SHOW(set(s, SOL_SOCKET, SO_SNDBUFFORCE, 100000));
		close(s);
	}
	int l = made(SOCK_STREAM, AF_INET, "127.0.0.1", 0, 0, 0), s = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	set(l, SOL_SOCKET, SO_SNDBUF, 30000), set(l, SOL_SOCKET, SO_RCVBUF, 40000);
	set(l, SOL_SOCKET, SO_KEEPALIVE, 1), set(l, IPPROTO_TCP, TCP_NODELAY, 1), set(l, IPPROTO_TCP, TCP_KEEPIDLE, 11);
	set(l, IPPROTO_TCP, TCP_KEEPCNT, 3), set(l, IPPROTO_TCP, TCP_KEEPINTVL, 5), set(l, IPPROTO_TCP, TCP_USER_TIMEOUT, 1234);
	set(l, IPPROTO_TCP, TCP_DEFER_ACCEPT, 0), set(l, IPPROTO_IP, IP_TOS, 0x10), set(l, IPPROTO_IP, IP_TTL, 9);
	set(l, IPPROTO_TCP, TCP_LINGER2, 7), set(l, SOL_SOCKET, SO_RCVLOWAT, 3), set(l, SOL_SOCKET, SO_PRIORITY, 2);
	set(l, IPPROTO_TCP, TCP_CORK, 0);
	set(l, SOL_SOCKET, SO_TIMESTAMP, 1), set(l, SOL_SOCKET, SO_OOBINLINE, 1), set(l, IPPROTO_IP, IP_RECVTTL, 1);
	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	struct linger g = {1, 5};
	struct timeval tv = {3, 0};
	setsockopt(l, SOL_SOCKET, SO_LINGER, &g, sizeof g), setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	union address a;
	on(&a, AF_INET, "127.0.0.1", port_of(l));
	CHECK(listen(l, 1) == 0 && connect(s, &a.sa, sizeof a.v4) == 0);
	int c = accept(l, NULL, NULL);
	static const struct option some[] = {
		O(SOL_SOCKET, SO_SNDBUF), O(SOL_SOCKET, SO_RCVBUF), O(SOL_SOCKET, SO_KEEPALIVE), O(IPPROTO_TCP, TCP_NODELAY), O(IPPROTO_TCP, TCP_KEEPIDLE),
		O(IPPROTO_TCP, TCP_KEEPCNT), O(IPPROTO_TCP, TCP_KEEPINTVL), O(IPPROTO_TCP, TCP_USER_TIMEOUT), O(IPPROTO_TCP, TCP_DEFER_ACCEPT), O(IPPROTO_IP, IP_TOS),
		O(IPPROTO_IP, IP_TTL), O(IPPROTO_TCP, TCP_LINGER2), O(SOL_SOCKET, SO_RCVLOWAT), O(SOL_SOCKET, SO_PRIORITY), O(SOL_SOCKET, SO_REUSEADDR),
		O(SOL_SOCKET, SO_ACCEPTCONN), O(SOL_SOCKET, SO_TIMESTAMP), O(SOL_SOCKET, SO_OOBINLINE),
		O(IPPROTO_IP, IP_RECVTTL),
	};
	for (size_t i = 0; i < COUNT(some); i++)
		say("accepted: %s %s", some[i].text, result(get(c, some[i].level, some[i].name)));
	socklen_t n = sizeof g;
	memset(&g, 0, sizeof g);
	getsockopt(c, SOL_SOCKET, SO_LINGER, &g, &n);
	say("linger %d %d", g.l_onoff, g.l_linger);
	n = sizeof tv;
	getsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, &n);
	say("timeout %d", (int)tv.tv_sec);
	SHOW(get(l, SOL_SOCKET, SO_ACCEPTCONN));
	shutdown(l, SHUT_RD);
	SHOW(get(l, SOL_SOCKET, SO_ACCEPTCONN));
	g.l_onoff = 0;
	setsockopt(c, SOL_SOCKET, SO_LINGER, &g, sizeof g);
	close(c), close(l), close(s);
}

static void lingers(void)
{
	static const struct linger list[] = {{0, 0}, {1, 0}, {0, 7}, {1, 7}, {-1, 3}, {1, 40000}};
	int s = socket(AF_INET, SOCK_STREAM, 0);
	struct linger g;
	for (size_t i = 0; i < COUNT(list); i++) {
		socklen_t n = sizeof g;
		int r = setsockopt(s, SOL_SOCKET, SO_LINGER, &list[i], sizeof list[i]);
		getsockopt(s, SOL_SOCKET, SO_LINGER, &g, &n);
		say("%d %d: %d, %d %d", list[i].l_onoff, list[i].l_linger, r, g.l_onoff, g.l_onoff ? g.l_linger : 0);
	}
	close(s);
	// With 0 a close is a reset, whatever waits to be sent; unread data has that effect as well.
	int p[2];
	char b[100] = {0};
	g = (struct linger){1, 0};
	connection(p);
	setsockopt(p[0], SOL_SOCKET, SO_LINGER, &g, sizeof g);
	close(p[0]);
	say("reset %x", has(p[1], POLLIN | POLLRDHUP, 1000) & (POLLERR | POLLHUP));
	SHOW(get(p[1], SOL_SOCKET, SO_ERROR));
	SHOW(get(p[1], SOL_SOCKET, SO_ERROR));
	SHOW(recv(p[1], b, 1, 0));
	SHOW(send(p[1], b, 1, MSG_NOSIGNAL));
	close(p[1]);
	connection(p);
	CHECK(send(p[1], b, 100, 0) == 100);
	CHECK(has(p[0], POLLIN, 1000) & POLLIN);
	close(p[0]);
	has(p[1], POLLERR, 1000);
	SHOW(recv(p[1], b, 1, 0));
	close(p[1]);
	// shutdown is not reset by it.
	connection(p);
	setsockopt(p[0], SOL_SOCKET, SO_LINGER, &g, sizeof g);
	shutdown(p[0], SHUT_WR);
	SHOW(recv(p[1], b, 1, 0));
	close(p[0]);
	has(p[1], POLLERR, 1000);
	SHOW(send(p[1], b, 1, MSG_NOSIGNAL));
	close(p[1]);
}

static void names(void)
{
	int s = socket(AF_INET, SOCK_STREAM, 0), d = socket(AF_INET, SOCK_DGRAM, 0);
	char b[64];
	socklen_t n = sizeof b;
	SHOW(getsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, b, &n));
	say("none: %d", (int)n);
	SHOW(setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	n = sizeof b;
	SHOW(getsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, b, &n));
	say("%s %d", b, (int)n);
	n = 15;
	SHOW(getsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, b, &n));
	SHOW(setsockopt(d, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2));
	SHOW(setsockopt(d, SOL_SOCKET, SO_BINDTODEVICE, "nothing0", 9));
	SHOW(get(s, SOL_SOCKET, SO_BINDTOIFINDEX) == (long)if_nametoindex("lo"));
	// Bound to loopback, nothing else is reached; to what is not loopback, loopback is not.
	union address a;
	on(&a, AF_INET, "192.0.2.1", 9);
	SHOW(connect(d, &a.sa, sizeof a.v4));
	on(&a, AF_INET, "127.0.0.1", 9);
	SHOW(connect(d, &a.sa, sizeof a.v4));
	close(s), close(d);
	s = socket(AF_INET, SOCK_STREAM, 0);
	memset(b, 0, sizeof b);
	n = sizeof b;
	SHOW(setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	SHOW(getsockopt(s, IPPROTO_TCP, TCP_CONGESTION, b, &n));
	say("%s %d", b, (int)n);
	n = 3;
	SHOW(getsockopt(s, IPPROTO_TCP, TCP_CONGESTION, b, &n));
	say("%.3s %d", b, (int)n);
	SHOW(setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "nothing", 7));
	SHOW(setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "", 0));
	SHOW(setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "", 1));
	SHOW(setsockopt(s, IPPROTO_TCP, TCP_ULP, "nothing", 7));
	close(s);
}

// TCP_DEFER_ACCEPT: accept waits for data.
static void deferred(void)
{
	int l = made(SOCK_STREAM, AF_INET, "127.0.0.1", 0, 0, 0), s = socket(AF_INET, SOCK_STREAM, 0);
	static const int values[] = {-5, 0, 1, 2, 3, 4, 7, 8, 100, 1000000};
	for (size_t i = 0; i < COUNT(values); i++) {
		set(l, IPPROTO_TCP, TCP_DEFER_ACCEPT, values[i]);
		say("%d gives %s", values[i], result(get(l, IPPROTO_TCP, TCP_DEFER_ACCEPT)));
	}
	set(l, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5);
	union address a;
	on(&a, AF_INET, "127.0.0.1", port_of(l));
	CHECK(listen(l, 1) == 0 && connect(s, &a.sa, sizeof a.v4) == 0);
	say("without data %x", has(l, POLLIN, 100));
	CHECK(send(s, "x", 1, 0) == 1);
	say("with data %x", has(l, POLLIN, 2000));
	int c = accept(l, NULL, NULL);
	char b[1];
	SHOW(recv(c, b, 1, MSG_DONTWAIT));
	close(c), close(s), close(l);
}

// TCP_MAXSEG, TCP_NOTSENT_LOWAT, TCP_USER_TIMEOUT, keepalive of a connection.
static void tuned(void)
{
	static const int values[] = {0, 1, 87, 88, 536, 1460, 32767, 32768, -1};
	for (size_t i = 0; i < COUNT(values); i++) {
		int s = socket(AF_INET, SOCK_STREAM, 0), r = set(s, IPPROTO_TCP, TCP_MAXSEG, values[i]);
		say("MAXSEG %d: %s, %s", values[i], r < 0 ? t_errno(errno) : "ok", result(get(s, IPPROTO_TCP, TCP_MAXSEG)));
		close(s);
	}
	static const int idle[] = {0, 1, 32767, 32768, -1};
	int s = socket(AF_INET, SOCK_STREAM, 0);
	for (size_t i = 0; i < COUNT(idle); i++) {
		int a = set(s, IPPROTO_TCP, TCP_KEEPIDLE, idle[i]) < 0 ? errno : 0, b = set(s, IPPROTO_TCP, TCP_KEEPINTVL, idle[i]) < 0 ? errno : 0;
		say("%d: %s %s, %s %s", idle[i], t_errno(a), result(get(s, IPPROTO_TCP, TCP_KEEPIDLE)), t_errno(b), result(get(s, IPPROTO_TCP, TCP_KEEPINTVL)));
	}
	static const int counts[] = {0, 1, 127, 128, -1};
	for (size_t i = 0; i < COUNT(counts); i++) {
		int a = set(s, IPPROTO_TCP, TCP_KEEPCNT, counts[i]) < 0 ? errno : 0;
		say("%d: %s %s", counts[i], t_errno(a), result(get(s, IPPROTO_TCP, TCP_KEEPCNT)));
	}
	static const int linger2[] = {-5, -1, 0, 1, 60, 61, 120, 121, 1000};
	for (size_t i = 0; i < COUNT(linger2); i++) {
		int a = set(s, IPPROTO_TCP, TCP_LINGER2, linger2[i]) < 0 ? errno : 0;
		say("LINGER2 %d: %s %s", linger2[i], t_errno(a), result(get(s, IPPROTO_TCP, TCP_LINGER2)));
	}
	close(s);
	// A limit of what is unsent: not writable beyond it, writable below.
	int p[2];
	connection(p);
	set(p[0], IPPROTO_TCP, TCP_NOTSENT_LOWAT, 16384); // programs do not ask whether it worked
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	static char big[65536];
	long total = 0;
	while (has(p[0], POLLOUT, 50) & POLLOUT) {
		ssize_t n = send(p[0], big, sizeof big, 0);
		if (n <= 0)
			break;
		total += n;
	}
	say("not writable %x", has(p[0], POLLOUT, 0));
	while (total > 0) {
		ssize_t n = recv(p[1], big, sizeof big, 0);
		if (n <= 0)
			break;
		total -= n;
	}
	say("read %ld, writable %x", total, has(p[0], POLLOUT, 2000));
	// Only one of two idle connections probes; nothing is lost, both live.
	set(p[0], SOL_SOCKET, SO_KEEPALIVE, 1), set(p[0], IPPROTO_TCP, TCP_KEEPIDLE, 1), set(p[0], IPPROTO_TCP, TCP_KEEPINTVL, 1), set(p[0], IPPROTO_TCP, TCP_KEEPCNT, 1);
	say("quiet for longer than the keepalive %x", has(p[0], POLLIN, 2500));
	SHOW(send(p[1], "x", 1, 0));
	say("alive %x", has(p[0], POLLIN, 1000));
	close(p[0]), close(p[1]);
}

static void fastopen(void)
{
	int l = made(SOCK_STREAM, AF_INET, "127.0.0.1", 0, 0, 0), s = socket(AF_INET, SOCK_STREAM, 0);
	union address a;
	char b[10];
	on(&a, AF_INET, "127.0.0.1", port_of(l));
	CHECK(listen(l, 5) == 0);
	// A server that asks for it works whether it is there or not.
	errno = 0;
	int r = set(l, IPPROTO_TCP, TCP_FASTOPEN, 16);
	say("there or said not to be %d", r == 0 || errno == ENOPROTOOPT || errno == EOPNOTSUPP);
	r = sendto(s, "hello", 5, MSG_FASTOPEN, &a.sa, sizeof a.v4);
	if (r < 0 && errno == EOPNOTSUPP) // then a program connects
		r = connect(s, &a.sa, sizeof a.v4) == 0 ? send(s, "hello", 5, 0) : -1;
	say("sent %d", r);
	int c = accept(l, NULL, NULL);
	SHOW(recv(c, b, 5, MSG_WAITALL));
	SHOW(sendto(c, "x", 1, MSG_FASTOPEN, &a.sa, sizeof a.v4) < 0);
	close(c), close(s), close(l);
}

// TOS and TTL of a connection, from both ends, before and after.
static void marks(void)
{
	static const int tos[] = {0, 1, 2, 3, 4, 0x10, 0xb8, 0xff, 0x1ff, -1};
	int s = socket(AF_INET, SOCK_STREAM, 0), d = socket(AF_INET, SOCK_DGRAM, 0);
	for (size_t i = 0; i < COUNT(tos); i++) {
		int a = set(s, IPPROTO_IP, IP_TOS, tos[i]) < 0 ? errno : 0, b = set(d, IPPROTO_IP, IP_TOS, tos[i]) < 0 ? errno : 0;
		say("TOS %d: %s %s, %s %s", tos[i], t_errno(a), result(get(s, IPPROTO_IP, IP_TOS)), t_errno(b), result(get(d, IPPROTO_IP, IP_TOS)));
	}
	close(s), close(d);
	s = socket(AF_INET6, SOCK_STREAM, 0), d = socket(AF_INET6, SOCK_DGRAM, 0);
	for (size_t i = 0; i < COUNT(tos); i++) {
		int a = set(s, IPPROTO_IPV6, IPV6_TCLASS, tos[i]) < 0 ? errno : 0, b = set(d, IPPROTO_IPV6, IPV6_TCLASS, tos[i]) < 0 ? errno : 0;
		say("TCLASS %d: %s %s, %s %s", tos[i], t_errno(a), result(get(s, IPPROTO_IPV6, IPV6_TCLASS)), t_errno(b), result(get(d, IPPROTO_IPV6, IPV6_TCLASS)));
	}
	unsigned char one = 0x20;
	SHOW(setsockopt(s, IPPROTO_IP, IP_TOS, &one, 1));
	SHOW(get(s, IPPROTO_IP, IP_TOS));
	close(s), close(d);
}

static const struct t_case cases[] = {
	{"tcp4", tcp4}, {"tcp6", tcp6}, {"udp4", udp4}, {"udp6", udp6}, {"unix", local}, {"lengths", lengths}, {"tcp-info", tcp_info},
	{"buffers", buffers}, {"lingers", lingers}, {"names", names}, {"deferred", deferred}, {"tuned", tuned}, {"fastopen", fastopen}, {"marks", marks},
};

int main(int argc, char **argv)
{
	t_unprivileged();
	return t_main(argc, argv, cases, COUNT(cases));
}
