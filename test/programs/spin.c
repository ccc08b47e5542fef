// A thread that computes on every processor beside a pair that echoes over a
// socket: the echo must not wait for the spinners' time slices. Prints the
// distribution of round trips on standard error and a verdict on standard output.
//
// usage: spin [ROUNDS [LIMIT-OF-P99-IN-MS]]
#include "t.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static volatile int stop;
static int s[2];

static void *spins(void *arg)
{
	volatile uint64_t *n = arg;
	while (!stop)
		++*n;
	return NULL;
}

static void *echoes(void *arg)
{
	char c;
	(void)arg;
	while (recv(s[1], &c, 1, 0) == 1)
		if (send(s[1], &c, 1, 0) != 1)
			break;
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(int64_t *)a, y = *(int64_t *)b;
	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 500, cpus = sysconf(_SC_NPROCESSORS_ONLN), one = 1;
	double limit = argc > 2 ? atof(argv[2]) : 0;
	if (rounds < 10 || rounds > 100000 || cpus < 1 || cpus > 64)
		return 64;
	static uint64_t counts[64][8];
	static int64_t times[100000];
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof a;
	int l = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(bind(l, (void *)&a, sizeof a) == 0 && listen(l, 1) == 0 && getsockname(l, (void *)&a, &n) == 0);
	s[0] = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(connect(s[0], (void *)&a, sizeof a) == 0);
	s[1] = accept(l, NULL, NULL);
	for (int i = 0; i < 2; i++)
		setsockopt(s[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (t_failed)
		return 1;
	pthread_t e = go(echoes, NULL), t[64];
	for (int i = 0; i < cpus; i++)
		t[i] = go(spins, counts[i]);
	pause_ns(50 * MS);
	for (int i = 0; i < rounds; i++) {
		char c = 'x';
		int64_t start = now_ns(CLOCK_MONOTONIC);
		CHECK(send(s[0], &c, 1, 0) == 1 && recv(s[0], &c, 1, 0) == 1);
		times[i] = now_ns(CLOCK_MONOTONIC) - start;
		pause_ns(MS / 2);
	}
	stop = 1;
	int moved = 0;
	for (int i = 0; i < cpus; i++) {
		pthread_join(t[i], NULL);
		moved += counts[i][0] > 0;
	}
	shutdown(s[0], SHUT_WR);
	pthread_join(e, NULL);
	qsort(times, rounds, sizeof *times, by_value);
	double p50 = times[rounds / 2] / 1e6, p99 = times[(long)rounds * 99 / 100] / 1e6;
	fprintf(stderr, "round trips in ms: p50 %.3f p99 %.3f max %.3f, %d processors\n", p50, p99, times[rounds - 1] / 1e6, cpus);
	say("spinners that ran: %s", moved == cpus ? "all" : "not all");
	if (limit > 0 && p99 > limit)
		say("FAIL p99 %.3f ms is over %.3f ms", p99, limit);
	return t_failed;
}
