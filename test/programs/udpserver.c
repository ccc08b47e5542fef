// A UDP server: argv[1] is its port. The first byte of a datagram says what it does:
//
//   e  answers with what it got
//   c  answers from a second socket of the same port that is connected to the sender, as
//      servers of QUIC and DTLS do
//   p  tries to send to another port of the sender's address; answers how that went
//   o  tries to send to the sender from a socket with another port; answers how that went
//   q  ends
#include "t.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static int made(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int one = 1, s = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(s >= 0 && setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
	CHECK(bind(s, (void *)&a, sizeof a) == 0);
	return s;
}

int main(int argc, char **argv)
{
	int port = argc > 1 ? atoi(argv[1]) : 9000, s = made(port);
	for (char b[65536]; !t_failed;) {
		struct sockaddr_in from, to;
		socklen_t n = sizeof from;
		ssize_t got = recvfrom(s, b, sizeof b, 0, (void *)&from, &n);
		CHECK(got >= 0);
		if (got <= 0)
			continue;
		char answer[64];
		int other;
		switch (b[0]) {
		case 'e':
			if (sendto(s, b, got, 0, (void *)&from, n) != got)
				say("answer: %s", t_errno(errno));
			continue;
		case 'c':
			other = made(port);
			if (connect(other, (void *)&from, n) < 0 || send(other, b, got, 0) != got)
				say("connected answer: %s", t_errno(errno));
			close(other);
			continue;
		case 'p':
			to = from;
			to.sin_port = htons(ntohs(from.sin_port) == 9 ? 10 : 9);
			snprintf(answer, sizeof answer, "p %s", sendto(s, "x", 1, 0, (void *)&to, n) == 1 ? "ok" : t_errno(errno));
			break;
		case 'o':
			other = made(0);
			snprintf(answer, sizeof answer, "o %s", sendto(other, "x", 1, 0, (void *)&from, n) == 1 ? "ok" : t_errno(errno));
			close(other);
			break;
		default:
			return 0;
		}
		sendto(s, answer, strlen(answer), 0, (void *)&from, n);
	}
	return 1;
}
