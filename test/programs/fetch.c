// A client that finds a server by name and fetches from it with HTTP/1.1.
//
// usage: fetch http://NAME:PORT
#include "t.h"
#include <netdb.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <sys/socket.h>

static int dial(const char *name, const char *port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
	int e = getaddrinfo(name, port, &hints, &list), fd = -1;
	if (e) {
		say("FAIL %s: %s", name, gai_strerror(e));
		exit(1);
	}
	for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) < 0)
			close(fd), fd = -1;
	}
	freeaddrinfo(list);
	if (fd < 0) {
		say("FAIL %s port %s: %s", name, port, t_errno(errno));
		exit(1);
	}
	return fd;
}

static void get(const char *name, const char *port, const char *path, int show)
{
	static char b[1 << 16];
	int fd = dial(name, port), n = snprintf(b, sizeof b, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, name);
	CHECK(send(fd, b, n, 0) == n);
	size_t have = 0, total = 0;
	uint64_t sum = 0xcbf29ce484222325ull;
	int head = 1, chunked = 0;
	char *body = NULL;
	for (ssize_t r; (r = recv(fd, b + have, sizeof b - 1 - have, 0)) > 0;) {
		have += r;
		b[have] = 0;
		if (head) {
			char *end = strstr(b, "\r\n\r\n");
			if (!end)
				continue;
			*end = 0;
			char *line = strchr(b, '\r');
			say("%s: %.*s", path, (int)(line ? line - b : end - b), b);
			chunked = strcasestr(b, "transfer-encoding: chunked") != NULL;
			body = end + 4;
			head = 0;
			memmove(b, body, have - (body - b));
			have -= body - b;
		}
		for (size_t i = 0; i < have; i++)
			sum = (sum ^ (unsigned char)b[i]) * 0x100000001b3ull;
		total += have;
		if (show && !chunked)
			say("body %.*s", (int)have - 1, b);
		have = 0;
	}
	// The length of the chunks' frames depends on how the server cut them.
	say("%s: %s", path, chunked ? (total > 5000000 ? "all" : "too short") : "whole");
	close(fd);
}

static void lookups(void)
{
	static const struct {
		const char *name;
		int family, flags;
	} list[] = {
		{"127.0.0.1", AF_UNSPEC, AI_NUMERICHOST}, {"::1", AF_UNSPEC, AI_NUMERICHOST}, {"127.0.0.1", AF_INET6, AI_NUMERICHOST},
		{"name", AF_UNSPEC, AI_NUMERICHOST}, {"localhost", AF_INET, 0}, {"localhost", AF_INET6, 0},
	};
	for (size_t i = 0; i < COUNT(list); i++) {
		struct addrinfo h = {.ai_family = list[i].family, .ai_flags = list[i].flags, .ai_socktype = SOCK_STREAM}, *a = NULL;
		char text[64] = "";
		int e = getaddrinfo(list[i].name, "80", &h, &a);
		if (!e)
			getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
		// Whether localhost has an IPv6 address is for the reference's /etc/hosts to say.
		if (list[i].flags == 0 && list[i].family == AF_INET6)
			CHECK(e || !strcmp(text, "::1"));
		else
			say("%s family %d: %s", list[i].name, list[i].family, e ? "error" : text);
		if (a)
			freeaddrinfo(a);
	}
}

int main(int argc, char **argv)
{
	char name[200], port[20];
	if (argc != 2 || sscanf(argv[1], "http://%199[^:]:%19[0-9]", name, port) != 2) {
		say("FAIL usage: fetch http://NAME:PORT");
		return 2;
	}
	lookups();
	get(name, port, "/hello", 1);
	get(name, port, "/none", 0);
	get(name, port, "/bulk?n=5000000", 0);
	return t_failed;
}
