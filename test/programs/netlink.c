// Route netlink, as getifaddrs of glibc, if_nameindex and Go's package net ask it
// (netlink(7), rtnetlink(7)), and many datagrams with one call (sendmmsg(2),
// recvmmsg(2), udp(7)).
#include "t.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

static char buf[65536];

// request asks for one thing and walks through the answer. each is called for each
// message. It gives back the errno of the answer, 0, or -1 if that never came.
static int request(int s, int type, int flags, const void *body, size_t n, int (*each)(struct nlmsghdr *))
{
	static uint32_t seq = 1;
	struct {
		struct nlmsghdr h;
		char body[256];
	} q = {.h = {.nlmsg_len = NLMSG_LENGTH(n), .nlmsg_type = type, .nlmsg_flags = flags, .nlmsg_seq = ++seq}};
	memcpy(q.body, body, n);
	if (send(s, &q, q.h.nlmsg_len, 0) < 0)
		return errno;
	int messages = 0, multi = 0;
	for (;;) {
		struct pollfd p = {s, POLLIN};
		if (poll(&p, 1, 2000) != 1)
			return -1;
		ssize_t len = recv(s, buf, sizeof buf, 0);
		if (len <= 0)
			return -2;
		struct nlmsghdr *h = (void *)buf;
		for (; NLMSG_OK(h, (size_t)len); h = NLMSG_NEXT(h, len)) {
			CHECK(h->nlmsg_seq == q.h.nlmsg_seq);
			struct sockaddr_nl me;
			socklen_t k = sizeof me;
			CHECK(getsockname(s, (void *)&me, &k) == 0 && h->nlmsg_pid == me.nl_pid);
			if (h->nlmsg_type == NLMSG_DONE) {
				CHECK(h->nlmsg_flags & NLM_F_MULTI);
				CHECK(h->nlmsg_len >= NLMSG_LENGTH(4));
				return *(int *)NLMSG_DATA(h) ? -3 : 0;
			}
			if (h->nlmsg_type == NLMSG_ERROR) {
				struct nlmsgerr *e = NLMSG_DATA(h);
				CHECK(e->msg.nlmsg_seq == q.h.nlmsg_seq && e->msg.nlmsg_type == type);
				return -e->error;
			}
			multi |= h->nlmsg_flags & NLM_F_MULTI;
			messages++;
			if (each && each(h))
				return 0;
		}
		CHECK(len == 0);
		if (messages && !multi)
			return 0;
	}
}

static int loopbacks, others, attributes;

static int link_seen(struct nlmsghdr *h)
{
	CHECK(h->nlmsg_type == RTM_NEWLINK && h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifinfomsg)));
	struct ifinfomsg *i = NLMSG_DATA(h);
	int n = IFLA_PAYLOAD(h), has = 0, mtu = 0;
	char name[IFNAMSIZ] = "";
	for (struct rtattr *a = IFLA_RTA(i); RTA_OK(a, n); a = RTA_NEXT(a, n)) {
		if (a->rta_type == IFLA_IFNAME) {
			CHECK(RTA_PAYLOAD(a) == strlen(RTA_DATA(a)) + 1);
			strncpy(name, RTA_DATA(a), IFNAMSIZ - 1), has |= 1;
		} else if (a->rta_type == IFLA_MTU) {
			CHECK(RTA_PAYLOAD(a) == 4);
			mtu = *(int *)RTA_DATA(a), has |= 2;
		} else if (a->rta_type == IFLA_ADDRESS) {
			CHECK(RTA_PAYLOAD(a) == 6);
			has |= 4;
		} else if (a->rta_type == IFLA_BROADCAST) {
			has |= 8;
		} else if (a->rta_type == IFLA_TXQLEN) {
			has |= 16;
		} else if (a->rta_type == IFLA_OPERSTATE) {
			has |= 32;
		} else if (a->rta_type == IFLA_STATS64) {
			CHECK(RTA_PAYLOAD(a) >= 23 * 8);
			has |= 64;
		} else if (a->rta_type == IFLA_STATS) {
			CHECK(RTA_PAYLOAD(a) >= 23 * 4);
			has |= 128;
		}
	}
	CHECK(n == 0);
	CHECK(if_nametoindex(name) == (unsigned)i->ifi_index);
	if (strcmp(name, "lo") == 0) {
		loopbacks++;
		say("lo: family %d, type %d, index %d, flags %x, mtu %d, attributes %x", i->ifi_family, i->ifi_type, i->ifi_index, i->ifi_flags & 0xffff, mtu, has);
	} else {
		others++;
		CHECK(mtu >= 1280);
		attributes |= has;
	}
	return 0;
}

static int addr_seen(struct nlmsghdr *h)
{
	CHECK(h->nlmsg_type == RTM_NEWADDR && h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifaddrmsg)));
	struct ifaddrmsg *i = NLMSG_DATA(h);
	int n = IFA_PAYLOAD(h), has = 0;
	char text[INET6_ADDRSTRLEN] = "", label[IFNAMSIZ] = "";
	for (struct rtattr *a = IFA_RTA(i); RTA_OK(a, n); a = RTA_NEXT(a, n)) {
		if (a->rta_type < 32)
			has |= 1 << a->rta_type;
		if (a->rta_type == IFA_ADDRESS) {
			CHECK(RTA_PAYLOAD(a) == (i->ifa_family == AF_INET ? 4 : 16));
			inet_ntop(i->ifa_family, RTA_DATA(a), text, sizeof text);
		} else if (a->rta_type == IFA_LABEL)
			strncpy(label, RTA_DATA(a), IFNAMSIZ - 1);
	}
	CHECK(n == 0);
	if (i->ifa_index == 1)
		say("lo: family %d, prefix %d, flags %x, scope %d, %s %s, attributes %x", i->ifa_family, i->ifa_prefixlen, i->ifa_flags, i->ifa_scope, text, label,
			has & (1 << IFA_ADDRESS | 1 << IFA_LOCAL | 1 << IFA_LABEL | 1 << IFA_FLAGS | 1 << IFA_CACHEINFO));
	return 0;
}

static int locals, defaults;

static int route_seen(struct nlmsghdr *h)
{
	CHECK(h->nlmsg_type == RTM_NEWROUTE && h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct rtmsg)));
	struct rtmsg *r = NLMSG_DATA(h);
	int n = RTM_PAYLOAD(h), has = 0;
	for (struct rtattr *a = RTM_RTA(r); RTA_OK(a, n); a = RTA_NEXT(a, n)) {
		has |= 1 << a->rta_type;
		if (a->rta_type == RTA_OIF)
			CHECK(RTA_PAYLOAD(a) == 4 && *(int *)RTA_DATA(a) > 0);
		if (a->rta_type == RTA_DST)
			CHECK(RTA_PAYLOAD(a) == (r->rtm_family == AF_INET ? 4 : 16));
	}
	CHECK(n == 0);
	CHECK(has & 1 << RTA_TABLE);
	CHECK(r->rtm_dst_len == 0 || has & 1 << RTA_DST);
	locals += r->rtm_table == RT_TABLE_LOCAL, defaults += r->rtm_dst_len == 0;
	return 0;
}

static int nothing_seen(struct nlmsghdr *h)
{
	say("answer of type %d", h->nlmsg_type);
	return 1;
}

static int opened(void)
{
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct sockaddr_nl a = {.nl_family = AF_NETLINK};
	CHECK(s >= 0 && bind(s, (void *)&a, sizeof a) == 0);
	return s;
}

static void dumps(void)
{
	int s = opened();
	struct ifinfomsg i = {.ifi_family = AF_UNSPEC};
	struct rtgenmsg g = {.rtgen_family = AF_UNSPEC};
	SHOW(request(s, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, &i, sizeof i, link_seen));
	SHOW(request(s, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, &g, sizeof g, link_seen)); // as glibc asks
	struct ifaddrmsg a = {.ifa_family = AF_INET};
	SHOW(request(s, RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, &a, sizeof a, addr_seen));
	a.ifa_family = AF_INET6;
	SHOW(request(s, RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, &a, sizeof a, addr_seen));
	SHOW(request(s, RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, &g, sizeof g, addr_seen));
	struct rtmsg r = {.rtm_family = AF_INET};
	SHOW(request(s, RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, &r, sizeof r, route_seen));
	r.rtm_family = AF_INET6;
	SHOW(request(s, RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, &r, sizeof r, route_seen));
	say("loopbacks %d, others' attributes as they should be %d", loopbacks, !others || (attributes & 31) == 31);
	close(s);
}

static int one_link(struct nlmsghdr *h)
{
	struct ifinfomsg *i = NLMSG_DATA(h);
	say("answer of type %d, index %d, flags %x", h->nlmsg_type, i->ifi_index, h->nlmsg_flags);
	return 1;
}

// One thing, and what is not there.
static void single(void)
{
	int s = opened();
	struct {
		struct ifinfomsg i;
		struct rtattr a;
		char name[IFNAMSIZ];
	} l = {.i = {.ifi_index = 1}};
	SHOW(request(s, RTM_GETLINK, NLM_F_REQUEST, &l.i, sizeof l.i, one_link));
	l.i.ifi_index = 999;
	SHOW(request(s, RTM_GETLINK, NLM_F_REQUEST, &l.i, sizeof l.i, one_link));
	l.i.ifi_index = 0;
	SHOW(request(s, RTM_GETLINK, NLM_F_REQUEST, &l.i, sizeof l.i, one_link));
	l.a = (struct rtattr){RTA_LENGTH(3), IFLA_IFNAME};
	strcpy(l.name, "lo");
	SHOW(request(s, RTM_GETLINK, NLM_F_REQUEST, &l, sizeof l.i + RTA_SPACE(3), one_link));
	strcpy(l.name, "xx");
	SHOW(request(s, RTM_GETLINK, NLM_F_REQUEST, &l, sizeof l.i + RTA_SPACE(3), one_link));
	SHOW(request(s, RTM_GETLINK, NLM_F_REQUEST, &l, 4, nothing_seen));
	// What changes something.
	SHOW(request(s, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, &l.i, sizeof l.i, nothing_seen));
	SHOW(request(s, RTM_DELLINK, NLM_F_REQUEST | NLM_F_ACK, &l.i, sizeof l.i, nothing_seen));
	struct ifaddrmsg a = {.ifa_family = AF_INET, .ifa_index = 1};
	SHOW(request(s, RTM_NEWADDR, NLM_F_REQUEST | NLM_F_ACK, &a, sizeof a, nothing_seen));
	SHOW(request(s, RTM_DELADDR, NLM_F_REQUEST | NLM_F_ACK, &a, sizeof a, nothing_seen));
	struct rtmsg r = {.rtm_family = AF_INET};
	SHOW(request(s, RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_ACK, &r, sizeof r, nothing_seen));
	// Types that are none.
	SHOW(request(s, 5, NLM_F_REQUEST, &r, sizeof r, nothing_seen) == -1);
	SHOW(request(s, 9999, NLM_F_REQUEST, &r, sizeof r, nothing_seen));
	SHOW(request(s, 9999, NLM_F_REQUEST | NLM_F_DUMP, &r, sizeof r, nothing_seen));
	SHOW(request(s, RTM_GETLINK, 0, &l.i, sizeof l.i, nothing_seen) == -1); // no request: not looked at
	SHOW(request(s, NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK, "", 0, nothing_seen));
	struct rtmsg d = {.rtm_family = 77};
	SHOW(request(s, RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, &d, sizeof d, nothing_seen));
	close(s);
}

static void sockets(void)
{
	struct sockaddr_nl a = {.nl_family = AF_NETLINK}, b;
	socklen_t n = sizeof b;
	static const int list[][2] = {{SOCK_RAW, NETLINK_ROUTE}, {SOCK_DGRAM, NETLINK_ROUTE}, {SOCK_STREAM, NETLINK_ROUTE}, {SOCK_RAW, 31}, {SOCK_RAW, 99}, {SOCK_RAW, -1}};
	for (size_t i = 0; i < COUNT(list); i++) {
		int s = socket(AF_NETLINK, list[i][0], list[i][1]);
		say("%d %d: %s", list[i][0], list[i][1], s < 0 ? t_errno(errno) : "ok");
		close(s);
	}
	int s = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), t = opened();
	SHOW(getsockname(s, (void *)&b, &n));
	say("unbound: family %d, length %d, pid %d, groups %d", b.nl_family, (int)n, b.nl_pid, b.nl_groups);
	SHOW(bind(s, (void *)&a, 4));
	SHOW(bind(s, (void *)&a, sizeof a));
	n = sizeof b;
	SHOW(getsockname(s, (void *)&b, &n));
	say("bound: a number %d, the process' %d", b.nl_pid != 0, b.nl_pid == getpid());
	SHOW(bind(s, (void *)&a, sizeof a)); // again: only groups can change
	a.nl_pid = b.nl_pid;
	SHOW(bind(s, (void *)&a, sizeof a));
	a.nl_pid = b.nl_pid + 1;
	SHOW(bind(s, (void *)&a, sizeof a));
	int u = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	a.nl_pid = b.nl_pid;
	SHOW(bind(u, (void *)&a, sizeof a));
	a.nl_family = AF_INET;
	SHOW(bind(u, (void *)&a, sizeof a));
	SHOW(listen(s, 1));
	SHOW(accept(s, NULL, NULL));
	char c[10];
	SHOW(recv(s, c, 10, MSG_DONTWAIT));
	SHOW(send(s, "short", 5, 0));
	SHOW(recv(s, c, 10, MSG_DONTWAIT));
	int v = 0;
	n = sizeof v;
	SHOW(getsockopt(s, SOL_SOCKET, SO_TYPE, &v, &n));
	say("type %d", v);
	SHOW(getsockopt(s, SOL_SOCKET, SO_PROTOCOL, &v, &n));
	say("protocol %d", v);
	SHOW(getsockopt(s, SOL_SOCKET, SO_DOMAIN, &v, &n));
	say("domain %d", v);
	v = 1;
	SHOW(setsockopt(s, SOL_NETLINK, NETLINK_EXT_ACK, &v, sizeof v));
	SHOW(setsockopt(s, SOL_NETLINK, NETLINK_CAP_ACK, &v, sizeof v));
	SHOW(setsockopt(s, SOL_NETLINK, 999, &v, sizeof v));
	// Too small a buffer: the rest of the message is lost, and said so with MSG_TRUNC.
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} q = {{sizeof q, RTM_GETLINK, NLM_F_REQUEST, 7, 0}, {.ifi_index = 1}};
	SHOW(send(t, &q, sizeof q, 0));
	SHOW(recv(t, buf, 16, MSG_PEEK | MSG_TRUNC) > 16);
	struct iovec iov = {buf, 16};
	struct msghdr m = {.msg_name = &b, .msg_namelen = sizeof b, .msg_iov = &iov, .msg_iovlen = 1};
	SHOW(recvmsg(t, &m, 0));
	say("flags %x, name %d, from the kernel %d", m.msg_flags, (int)m.msg_namelen, b.nl_pid == 0);
	SHOW(recv(t, buf, 16, MSG_DONTWAIT));
	// To another process, or a group: not for everybody.
	struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_groups = 1};
	SHOW(sendto(t, &q, sizeof q, 0, (void *)&to, sizeof to));
	to.nl_family = AF_INET;
	SHOW(sendto(t, &q, sizeof q, 0, (void *)&to, sizeof to));
	SHOW(sendto(t, &q, sizeof q, 0, (void *)&to, 4));
	// Two requests in one message are both answered.
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} two[2] = {{{sizeof q, RTM_GETLINK, NLM_F_REQUEST, 8, 0}, {.ifi_index = 1}}, {{sizeof q, RTM_GETLINK, NLM_F_REQUEST, 9, 0}, {.ifi_index = 999}}};
	SHOW(send(t, two, sizeof two, 0));
	for (int i = 0; i < 2; i++) {
		ssize_t k = recv(t, buf, sizeof buf, MSG_DONTWAIT);
		struct nlmsghdr *h = (void *)buf;
		say("%d: type %d, seq %d, whole %d", i, h->nlmsg_type, h->nlmsg_seq, k >= (ssize_t)h->nlmsg_len);
	}
	close(s), close(t), close(u);
}

static void names(void)
{
	struct ifaddrs *all;
	int links = 0, v4 = 0, v6 = 0;
	SHOW(getifaddrs(&all));
	for (struct ifaddrs *i = all; i; i = i->ifa_next) {
		if (strcmp(i->ifa_name, "lo"))
			continue;
		CHECK(i->ifa_flags & IFF_LOOPBACK && i->ifa_flags & IFF_UP);
		if (!i->ifa_addr)
			continue;
		links += i->ifa_addr->sa_family == AF_PACKET, v4 += i->ifa_addr->sa_family == AF_INET, v6 += i->ifa_addr->sa_family == AF_INET6;
		if (i->ifa_addr->sa_family == AF_INET)
			CHECK(((struct sockaddr_in *)i->ifa_netmask)->sin_addr.s_addr == htonl(0xff000000));
	}
	freeifaddrs(all);
	say("lo: %d %d %d", links, v4, v6);
	struct if_nameindex *list = if_nameindex();
	say("first %d %s", list[0].if_index, list[0].if_name);
	if_freenameindex(list);
	SHOW(if_nametoindex("lo"));
	SHOW(if_nametoindex("nothing0"));
	char n[IFNAMSIZ];
	say("%s %s", if_indextoname(1, n), if_indextoname(999, n) ? "?" : t_errno(errno));
}

// Many messages with one call.
static int pair[2];
static struct sockaddr_in to;

static void sockets_of(void)
{
	socklen_t n = sizeof to;
	to = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	pair[0] = socket(AF_INET, SOCK_DGRAM, 0), pair[1] = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(bind(pair[1], (void *)&to, sizeof to) == 0 && getsockname(pair[1], (void *)&to, &n) == 0 && connect(pair[0], (void *)&to, sizeof to) == 0);
}

enum { MANY = 8 };
static struct mmsghdr out[MANY], in[MANY];
static struct iovec ov[MANY], iv[MANY];
static char text[MANY][64], got[MANY][64];

static void vectors(void)
{
	memset(out, 0, sizeof out), memset(in, 0, sizeof in), memset(got, 0, sizeof got);
	for (int i = 0; i < MANY; i++) {
		int n = snprintf(text[i], 64, "message %d%.*s", i, i, "........");
		ov[i] = (struct iovec){text[i], n}, iv[i] = (struct iovec){got[i], 64};
		out[i].msg_hdr.msg_iov = ov + i, out[i].msg_hdr.msg_iovlen = 1, in[i].msg_hdr.msg_iov = iv + i, in[i].msg_hdr.msg_iovlen = 1;
		out[i].msg_len = in[i].msg_len = 777;
	}
}

static void arrived(const char *what, int n)
{
	char line[200];
	int k = snprintf(line, sizeof line, "%s:", what);
	for (int i = 0; i < n; i++)
		k += snprintf(line + k, sizeof line - k, " %d", (int)in[i].msg_len);
	say("%s", line);
}

static void *late(void *arg)
{
	for (int i = 0; i < (int)(long)arg; i++) {
		pause_ns(300 * MS);
		send(pair[0], "late", 4, 0);
	}
	return NULL;
}

// musl has these calls of its own, which call one at a time.
#define SENDMMSG(fd, v, n, f) syscall(SYS_sendmmsg, fd, v, n, f)
#define RECVMMSG(fd, v, n, f, t) syscall(SYS_recvmmsg, fd, v, n, f, t)

static void many(void)
{
	sockets_of();
	vectors();
	SHOW(SENDMMSG(pair[0], out, MANY, 0));
	say("lengths %d %d %d", (int)out[0].msg_len, (int)out[7].msg_len, (int)ov[7].iov_len);
	SHOW(RECVMMSG(pair[1], in, MANY, MSG_DONTWAIT, NULL));
	arrived("all", MANY);
	CHECK(!memcmp(got, text, sizeof got));
	SHOW(RECVMMSG(pair[1], in, MANY, MSG_DONTWAIT, NULL));
	SHOW(SENDMMSG(pair[0], out, 0, 0));
	SHOW(RECVMMSG(pair[1], in, 0, MSG_DONTWAIT, NULL));
	SHOW(SENDMMSG(-1, out, 0, 0));
	SHOW(SENDMMSG(1, out, 1, 0)); // no socket
	SHOW(SENDMMSG(pair[0], (void *)8, 1, 0));
	SHOW(RECVMMSG(pair[1], (void *)8, 1, MSG_DONTWAIT, NULL));
	// An error in the middle: what went before counts, and the error is not kept.
	vectors();
	out[3].msg_hdr.msg_iov = (void *)8;
	SHOW(SENDMMSG(pair[0], out, MANY, 0));
	say("length after it %d", (int)out[3].msg_len);
	SHOW(SENDMMSG(pair[0], out + 3, MANY - 3, 0));
	SHOW(RECVMMSG(pair[1], in, MANY, MSG_DONTWAIT, NULL));
	arrived("three", 3);
	vectors();
	out[1].msg_hdr.msg_iovlen = 2000;
	SHOW(SENDMMSG(pair[0], out, 2, 0));
	SHOW(SENDMMSG(pair[0], out + 1, 1, 0));
	RECVMMSG(pair[1], in, MANY, MSG_DONTWAIT, NULL);
	// While receiving: what came before counts, the error is there the next time.
	vectors();
	SENDMMSG(pair[0], out, 4, 0);
	in[2].msg_hdr.msg_iov = (void *)8;
	SHOW(RECVMMSG(pair[1], in, 4, MSG_DONTWAIT, NULL));
	int v = -1;
	socklen_t n = sizeof v;
	getsockopt(pair[1], SOL_SOCKET, SO_ERROR, &v, &n);
	say("kept %s", v ? t_errno(v) : "nothing");
	in[2].msg_hdr.msg_iov = iv + 2;
	SHOW(RECVMMSG(pair[1], in, 4, MSG_DONTWAIT, NULL));
	// Truncation is each message's own.
	vectors();
	SENDMMSG(pair[0], out, 3, 0);
	iv[1].iov_len = 4;
	SHOW(RECVMMSG(pair[1], in, 3, MSG_DONTWAIT, NULL));
	arrived("cut", 3);
	say("flags %x %x %x", in[0].msg_hdr.msg_flags, in[1].msg_hdr.msg_flags, in[2].msg_hdr.msg_flags);
	// Names are filled in for each.
	struct sockaddr_in from[2];
	vectors();
	for (int i = 0; i < 2; i++)
		in[i].msg_hdr.msg_name = from + i, in[i].msg_hdr.msg_namelen = sizeof *from;
	SENDMMSG(pair[0], out, 2, 0);
	SHOW(RECVMMSG(pair[1], in, 2, 0, NULL));
	say("names %d %d", in[0].msg_hdr.msg_namelen, from[1].sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	close(pair[0]), close(pair[1]);
}

static void waiting(void)
{
	sockets_of();
	vectors();
	// Waits for the first only.
	pthread_t t = go(late, (void *)1);
	SHOW(RECVMMSG(pair[1], in, MANY, MSG_WAITFORONE, NULL));
	pthread_join(t, NULL);
	// The timeout is looked at when a message has come.
	struct timespec ts = {0, 100 * MS};
	vectors();
	int64_t start = now_ns(CLOCK_MONOTONIC);
	t = go(late, (void *)1);
	SHOW(RECVMMSG(pair[1], in, MANY, 0, &ts));
	int64_t took = now_ns(CLOCK_MONOTONIC) - start;
	CHECK(took >= 250 * MS && took < 20000 * MS);
	say("left %d %d", (int)ts.tv_sec, (int)ts.tv_nsec);
	pthread_join(t, NULL);
	ts = (struct timespec){100, 0};
	vectors();
	SENDMMSG(pair[0], out, 2, 0);
	SHOW(RECVMMSG(pair[1], in, 2, 0, &ts));
	say("left some %d", ts.tv_sec < 100 && ts.tv_sec >= 50);
	ts = (struct timespec){0, 0};
	SENDMMSG(pair[0], out, 3, 0);
	SHOW(RECVMMSG(pair[1], in, 3, 0, &ts)); // over at once, after one
	ts = (struct timespec){0, 1000000000};
	SHOW(RECVMMSG(pair[1], in, 3, MSG_DONTWAIT, &ts));
	ts = (struct timespec){-1, 0};
	SHOW(RECVMMSG(pair[1], in, 3, MSG_DONTWAIT, &ts));
	SHOW(RECVMMSG(pair[1], in, 3, MSG_DONTWAIT, (void *)8));
	// A receive timeout of the socket.
	RECVMMSG(pair[1], in, MANY, MSG_DONTWAIT, NULL);
	struct timeval tv = {0, 50000};
	setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	SENDMMSG(pair[0], out, 2, 0);
	SHOW(RECVMMSG(pair[1], in, MANY, 0, NULL));
	SHOW(RECVMMSG(pair[1], in, MANY, 0, NULL));
	close(pair[0]), close(pair[1]);
	// A stream has no messages.
	int s[2];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	vectors();
	SHOW(SENDMMSG(s[0], out, 3, 0));
	SHOW(RECVMMSG(s[1], in, 1, 0, NULL));
	arrived("of a stream", 1);
	close(s[0]);
	SHOW(RECVMMSG(s[1], in, 2, 0, NULL));
	signal(SIGPIPE, SIG_IGN);
	SHOW(SENDMMSG(s[1], out, 2, 0));
	close(s[1]);
}

static int set(int fd, int level, int name, int v) { return setsockopt(fd, level, name, &v, sizeof v); }

static long get(int fd, int level, int name)
{
	int v = 0;
	socklen_t n = sizeof v;
	return getsockopt(fd, level, name, &v, &n) < 0 ? -1 : v;
}

static ssize_t segments(int fd, const char *data, size_t n, int size, int len)
{
	union {
		struct cmsghdr h;
		char b[CMSG_SPACE(8)];
	} c;
	memset(&c, 0, sizeof c);
	c.h.cmsg_len = CMSG_LEN(len), c.h.cmsg_level = IPPROTO_UDP, c.h.cmsg_type = UDP_SEGMENT;
	uint16_t k = size;
	memcpy(CMSG_DATA(&c.h), &k, 2);
	struct iovec v = {(void *)data, n};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = CMSG_SPACE(len)};
	return sendmsg(fd, &m, 0);
}

static int has_data(int fd)
{
	struct pollfd p = {fd, POLLIN};
	return poll(&p, 1, 20) == 1;
}

static void counted(const char *what)
{
	char line[600], b[4096];
	int n = snprintf(line, sizeof line, "%s:", what), k = 0;
	for (ssize_t r; has_data(pair[1]) && (r = recv(pair[1], b, sizeof b, MSG_DONTWAIT)) >= 0; k++) {
		if (k < 5)
			n += snprintf(line + n, sizeof line - n, " %d%c%c", (int)r, r ? b[0] : '-', r ? b[r - 1] : '-');
	}
	say("%s, %d in all", line, k);
}

// Segmentation offload: one send, many datagrams.
static void offload(void)
{
	static char data[70000];
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = 'a' + i / 1000 % 26;
	sockets_of();
	SHOW(get(pair[0], IPPROTO_UDP, UDP_SEGMENT));
	static const int values[] = {-1, 0, 1, 1000, 65535, 65536};
	for (size_t i = 0; i < COUNT(values); i++) {
		int r = set(pair[0], IPPROTO_UDP, UDP_SEGMENT, values[i]);
		say("set %d: %s, %s", values[i], r < 0 ? t_errno(errno) : "ok", result(get(pair[0], IPPROTO_UDP, UDP_SEGMENT)));
	}
	SHOW(set(pair[0], IPPROTO_UDP, UDP_SEGMENT, 1000));
	SHOW(send(pair[0], data, 3500, 0));
	counted("3500 by 1000");
	SHOW(send(pair[0], data, 1000, 0));
	counted("1000 by 1000");
	SHOW(send(pair[0], data, 10, 0));
	counted("10 by 1000");
	SHOW(send(pair[0], data, 0, 0));
	counted("none by 1000");
	SHOW(send(pair[0], data, 64 * 1000, 0));
	counted("64000 by 1000");
	SHOW(set(pair[0], IPPROTO_UDP, UDP_SEGMENT, 100));
	SHOW(send(pair[0], data, 65000, 0)); // more than may be
	SHOW(send(pair[0], data, 65508, 0));
	SHOW(set(pair[0], IPPROTO_UDP, UDP_SEGMENT, 0));
	SHOW(segments(pair[0], data, 2500, 1000, 2));
	counted("2500 by a message of 1000");
	SHOW(segments(pair[0], data, 2500, 1000, 4));
	SHOW(segments(pair[0], data, 2500, 0, 2));
	counted("0 is none");
	SHOW(send(pair[0], data, 2500, 0));
	counted("not for the next");
	// Its own size goes before the socket's.
	SHOW(set(pair[0], IPPROTO_UDP, UDP_SEGMENT, 500));
	SHOW(segments(pair[0], data, 2000, 2000, 2));
	counted("2000 by its own");
	SHOW(set(pair[0], IPPROTO_UDP, UDP_SEGMENT, 0));
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	SHOW(set(s, IPPROTO_UDP, UDP_SEGMENT, 3));
	SHOW(sendto(s, "abcdefgh", 8, 0, (void *)&to, sizeof to));
	counted("to an address");
	close(s);
	close(pair[0]), close(pair[1]);
}

static const struct t_case cases[] = {{"dumps", dumps}, {"single", single}, {"sockets", sockets}, {"names", names}, {"many", many}, {"waiting", waiting}, {"offload", offload}};

int main(int argc, char **argv)
{
	t_unprivileged();
	return t_main(argc, argv, cases, COUNT(cases));
}
