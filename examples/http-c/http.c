/*
 * A small HTTP/1.1 server: one thread, epoll(7), keep-alive, pipelining.
 *
 *	/          a short text
 *	/bulk?n=N  N bytes (at most 1 GiB)
 *
 * Build it with musl-gcc -O2 -static or gcc -O2 -static. It listens on port
 * 8080, or on the port that PORT names, and ends with status 0 on SIGTERM and
 * SIGINT. No POSIX beyond what both C libraries offer is used.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_SIZE 8192 /* the longest head of a request */
#define BLOCK 65536
#define MAX_BULK (1L << 30)

struct conn {
	int fd;
	int closing;      /* after the answer is out */
	unsigned wanted;  /* what epoll waits for */
	size_t have;      /* bytes in in[] */
	size_t from, to;  /* bytes of out[] to send */
	long bulk;        /* bytes of a bulk answer to send after out[] */
	long sent;        /* of that answer */
	char in[IN_SIZE];
	char out[1024];
};

static char block[BLOCK];
static int ep;

static const char page[] = "Hello from a C server.\n";

static void drop(struct conn *c)
{
	close(c->fd); /* which takes it out of the epoll set */
	free(c);
}

/* answer writes the head and a short body into out[]. */
static void answer(struct conn *c, const char *status, const char *body, long length)
{
	int n = snprintf(c->out, sizeof c->out,
		"HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %ld\r\n%s\r\n%s",
		status, length, c->closing ? "Connection: close\r\n" : "", body);
	c->from = 0;
	c->to = n;
}

/* header finds a header's value in a head that is ended by a NUL. */
static const char *header(const char *head, const char *name)
{
	size_t n = strlen(name);
	for (const char *p = strstr(head, "\r\n"); p; p = strstr(p, "\r\n")) {
		p += 2;
		if (!strncasecmp(p, name, n) && p[n] == ':')
			return p + n + 1 + strspn(p + n + 1, " \t");
	}
	return NULL;
}

/* parse takes one request out of in[]; it answers 0 if it is not complete. */
static int parse(struct conn *c)
{
	char *end = memmem(c->in, c->have, "\r\n\r\n", 4);
	if (!end) {
		if (c->have < IN_SIZE)
			return 0;
		c->closing = 1;
		c->have = 0;
		answer(c, "431 Request Header Fields Too Large", "", 0);
		return 1;
	}
	end[2] = 0;
	size_t used = end + 4 - c->in;
	const char *value = header(c->in, "Connection");
	if (value && !strncasecmp(value, "close", 5))
		c->closing = 1;
	if (header(c->in, "Content-Length") || header(c->in, "Transfer-Encoding"))
		c->closing = 1; /* bodies are not read */
	if (strncmp(c->in, "GET ", 4)) {
		c->closing = 1;
		answer(c, "405 Method Not Allowed", "", 0);
	} else if (!strncmp(c->in + 4, "/ ", 2)) {
		answer(c, "200 OK", page, sizeof page - 1);
	} else if (!strncmp(c->in + 4, "/bulk?n=", 8)) {
		char *stop;
		errno = 0;
		long n = strtol(c->in + 12, &stop, 10);
		if (errno || stop == c->in + 12 || *stop != ' ' || n < 0 || n > MAX_BULK) {
			answer(c, "400 Bad Request", "", 0);
		} else {
			answer(c, "200 OK", "", n);
			c->bulk = n;
			c->sent = 0;
		}
	} else {
		answer(c, "404 Not Found", "", 0);
	}
	memmove(c->in, c->in + used, c->have - used);
	c->have -= used;
	return 1;
}

/* flush sends what is to be sent: 1 all, 0 not all, -1 the connection is gone. */
static int flush(struct conn *c)
{
	while (c->from < c->to || c->bulk > 0) {
		const char *b = c->out + c->from;
		size_t n = c->to - c->from;
		if (!n) {
			long at = c->sent % BLOCK;
			b = block + at;
			n = c->bulk < BLOCK - at ? c->bulk : BLOCK - at;
		}
		ssize_t w = send(c->fd, b, n, MSG_NOSIGNAL | (c->from < c->to && c->bulk ? MSG_MORE : 0));
		if (w < 0) {
			if (errno == EINTR)
				continue;
			return errno == EAGAIN ? 0 : -1;
		}
		if (c->from < c->to)
			c->from += w;
		else
			c->bulk -= w, c->sent += w;
	}
	return 1;
}

/* serve goes on with a connection as far as it can be done without waiting. */
static void serve(struct conn *c)
{
	for (;;) {
		int sent = flush(c);
		if (sent < 0 || (sent && c->closing)) {
			drop(c);
			return;
		}
		unsigned wanted = sent ? EPOLLIN : EPOLLOUT;
		if (sent && parse(c))
			continue;
		if (sent) {
			ssize_t n = recv(c->fd, c->in + c->have, IN_SIZE - c->have, 0);
			if (n > 0) {
				c->have += n;
				continue;
			}
			if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
				drop(c);
				return;
			}
		}
		if (wanted != c->wanted) {
			struct epoll_event e = {.events = wanted, .data.ptr = c};
			if (epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e) < 0) {
				drop(c);
				return;
			}
			c->wanted = wanted;
		}
		return;
	}
}

static void take(int l)
{
	for (;;) {
		int fd = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return; /* none left, or no descriptors: the others go on */
		int one = 1;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		struct conn *c = calloc(1, sizeof *c);
		struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
		if (!c || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) < 0) {
			free(c);
			close(fd);
			continue;
		}
		c->fd = fd;
		c->wanted = EPOLLIN;
	}
}

static void must(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		exit(1);
	}
}

int main(void)
{
	const char *text = getenv("PORT");
	int port = text ? atoi(text) : 8080, one = 1, zero = 0;
	for (int i = 0; i < BLOCK; i++)
		block[i] = 'a' + i % 26;
	sigset_t stop;
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	must(sigprocmask(SIG_BLOCK, &stop, NULL) == 0, "sigprocmask");
	int sig = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
	must(sig >= 0, "signalfd");

	/* Both families on one socket, or IPv4 where there is no IPv6. */
	int l = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	if (l >= 0) {
		setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
		setsockopt(l, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
	}
	if (l < 0 || bind(l, (struct sockaddr *)&a6, sizeof a6) < 0) {
		if (l >= 0)
			close(l);
		l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		must(l >= 0, "socket");
		setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
		must(bind(l, (struct sockaddr *)&a4, sizeof a4) == 0, "bind");
	}
	must(listen(l, 1024) == 0, "listen");
	ep = epoll_create1(EPOLL_CLOEXEC);
	must(ep >= 0, "epoll_create1");
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = &l};
	must(epoll_ctl(ep, EPOLL_CTL_ADD, l, &e) == 0, "epoll_ctl");
	e.data.ptr = &sig;
	must(epoll_ctl(ep, EPOLL_CTL_ADD, sig, &e) == 0, "epoll_ctl");
	printf("listening on :%d\n", port);
	fflush(stdout);

	struct epoll_event events[64];
	for (;;) {
		int n = epoll_wait(ep, events, 64, -1);
		must(n >= 0 || errno == EINTR, "epoll_wait");
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &sig)
				return 0;
			if (events[i].data.ptr == &l)
				take(l);
			else
				serve(events[i].data.ptr);
		}
	}
}
