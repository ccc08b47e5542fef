// Lost wake-ups: pairs of threads hand a token to and fro with random delays
// between the test and the wait. A wake-up that is lost stops a pair for ever; a
// watchdog says which.
//
// usage: wakeups [CASE]... with WAKEUPS_ROUNDS in the environment (default 2000)
#include "t.h"
#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

enum { PAIRS = 8 };

struct pair {
	int id;
	long rounds, done;
	uint64_t seed;
	uint32_t word;
	int there[2], back[2];
	int ep;
	pthread_mutex_t mu;
	pthread_cond_t cond;
	int turn;
	sem_t a, b;
};

static struct pair pairs[PAIRS];
static long rounds = 2000;

static void delay(uint64_t *seed)
{
	uint64_t r = next_random(seed);
	switch (r % 8) {
	case 0:
		for (volatile unsigned i = 0; i < r % 2000; i++)
			;
		break;
	case 1:
		syscall(SYS_sched_yield);
		break;
	case 2:
		if (r % 64 == 2)
			pause_ns(r % 100000);
		break;
	}
}

static long futex(uint32_t *w, int op, uint32_t v)
{
	return syscall(SYS_futex, w, op | 128, v, NULL, NULL, 0);
}

static void futex_wait(struct pair *p, uint32_t want, uint64_t *seed)
{
	uint32_t v;
	while ((v = __atomic_load_n(&p->word, __ATOMIC_SEQ_CST)) != want) {
		delay(seed);
		futex(&p->word, 0, v);
	}
}

static void *futex_peer(void *arg)
{
	struct pair *p = arg;
	uint64_t seed = p->seed ^ 0x9999;
	for (long i = 0; i < p->rounds; i++) {
		futex_wait(p, 1, &seed);
		delay(&seed);
		__atomic_store_n(&p->word, 0, __ATOMIC_SEQ_CST);
		futex(&p->word, 1, 1);
	}
	return NULL;
}

static void *futex_first(void *arg)
{
	struct pair *p = arg;
	for (long i = 0; i < p->rounds; i++) {
		delay(&p->seed);
		__atomic_store_n(&p->word, 1, __ATOMIC_SEQ_CST);
		futex(&p->word, 1, 1);
		futex_wait(p, 0, &p->seed);
		__atomic_store_n(&p->done, i + 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

// Descriptors: each side reads eight bytes and writes eight.
static void pass(struct pair *p, int from, int to, uint64_t *seed, int first)
{
	uint64_t one = 1, v;
	for (long i = 0; i < p->rounds; i++) {
		delay(seed);
		if (first)
			CHECK(write(to, &one, 8) == 8);
		CHECK(read(from, &v, 8) == 8 && v == 1);
		if (!first)
			CHECK(write(to, &one, 8) == 8);
		if (first)
			__atomic_store_n(&p->done, i + 1, __ATOMIC_RELAXED);
	}
}

static void *fd_peer(void *arg)
{
	struct pair *p = arg;
	uint64_t seed = p->seed ^ 0x9999;
	pass(p, p->there[0], p->back[1], &seed, 0);
	return NULL;
}

static void *fd_first(void *arg)
{
	struct pair *p = arg;
	pass(p, p->back[0], p->there[1], &p->seed, 1);
	return NULL;
}

// The same where each side waits with epoll or poll before it reads.
static void wait_fd(int fd, int ep, uint64_t *seed)
{
	if (next_random(seed) % 2) {
		struct epoll_event e;
		CHECK(epoll_wait(ep, &e, 1, -1) == 1);
	} else {
		struct pollfd q = {fd, POLLIN, 0};
		CHECK(poll(&q, 1, -1) == 1);
	}
}

static void poll_pass(struct pair *p, int from, int to, uint64_t *seed, int first)
{
	uint64_t one = 1, v;
	int ep = epoll_create1(0);
	struct epoll_event e = {.events = EPOLLIN | EPOLLET};
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, from, &e) == 0);
	for (long i = 0; i < p->rounds; i++) {
		delay(seed);
		if (first)
			CHECK(write(to, &one, 8) == 8);
		// Edge-triggered: one event for each arrival, unless poll took its place.
		struct epoll_event drop;
		wait_fd(from, ep, seed);
		CHECK(read(from, &v, 8) == 8);
		while (epoll_wait(ep, &drop, 1, 0) == 1)
			;
		if (!first)
			CHECK(write(to, &one, 8) == 8);
		if (first)
			__atomic_store_n(&p->done, i + 1, __ATOMIC_RELAXED);
	}
	close(ep);
}

static void *poll_peer(void *arg)
{
	struct pair *p = arg;
	uint64_t seed = p->seed ^ 0x9999;
	poll_pass(p, p->there[0], p->back[1], &seed, 0);
	return NULL;
}

static void *poll_first(void *arg)
{
	struct pair *p = arg;
	poll_pass(p, p->back[0], p->there[1], &p->seed, 1);
	return NULL;
}

static void cond_pass(struct pair *p, int me, uint64_t *seed)
{
	for (long i = 0; i < p->rounds; i++) {
		delay(seed);
		pthread_mutex_lock(&p->mu);
		while (p->turn != me)
			pthread_cond_wait(&p->cond, &p->mu);
		p->turn = !me;
		if (next_random(seed) % 2) {
			pthread_cond_signal(&p->cond);
			pthread_mutex_unlock(&p->mu);
		} else {
			pthread_mutex_unlock(&p->mu);
			pthread_cond_signal(&p->cond);
		}
		if (me == 0)
			__atomic_store_n(&p->done, i + 1, __ATOMIC_RELAXED);
	}
}

static void *cond_peer(void *arg)
{
	struct pair *p = arg;
	uint64_t seed = p->seed ^ 0x9999;
	cond_pass(p, 1, &seed);
	return NULL;
}

static void *cond_first(void *arg)
{
	struct pair *p = arg;
	cond_pass(p, 0, &p->seed);
	return NULL;
}

// A signal that interrupts a wait counts as its wake-up: sigsuspend's mask and the
// wait are one step.
static void *signal_peer(void *arg)
{
	struct pair *p = arg;
	uint64_t seed = p->seed ^ 0x9999;
	sigset_t m;
	int s;
	sigemptyset(&m);
	sigaddset(&m, SIGUSR1);
	for (long i = 0; i < p->rounds; i++) {
		while (sigwait(&m, &s) != 0)
			;
		delay(&seed);
		sem_post(&p->b);
	}
	return NULL;
}

static pthread_t peers[PAIRS];

static void *signal_first(void *arg)
{
	struct pair *p = arg;
	for (long i = 0; i < p->rounds; i++) {
		delay(&p->seed);
		CHECK(pthread_kill(peers[p->id], SIGUSR1) == 0);
		while (sem_wait(&p->b) < 0)
			;
		__atomic_store_n(&p->done, i + 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static volatile int finished;

static void *watches(void *arg)
{
	long last[PAIRS] = {0};
	for (int quiet = 0; !finished;) {
		pause_ns(500 * MS);
		int moved = 0;
		for (int i = 0; i < PAIRS; i++) {
			long d = __atomic_load_n(&pairs[i].done, __ATOMIC_RELAXED);
			moved |= d != last[i];
			last[i] = d;
		}
		quiet = moved ? 0 : quiet + 1;
		if (quiet == 40 && !finished) { // 20 s without any progress
			for (int i = 0; i < PAIRS; i++)
				say("FAIL %s: pair %d stands after %ld of %ld rounds", (char *)arg, i, last[i], pairs[i].rounds);
			_exit(1);
		}
	}
	return NULL;
}

enum { NONE, PIPE, EVENT, STREAM };

static void run(char *name, void *(*first)(void *), void *(*peer)(void *), int kind)
{
	pthread_t t[PAIRS], w;
	finished = 0;
	for (int i = 0; i < PAIRS; i++) {
		struct pair *p = &pairs[i];
		memset(p, 0, sizeof *p);
		p->id = i, p->rounds = rounds, p->seed = 77 + i;
		pthread_mutex_init(&p->mu, NULL);
		pthread_cond_init(&p->cond, NULL);
		sem_init(&p->a, 0, 0);
		sem_init(&p->b, 0, 0);
		if (kind == PIPE)
			CHECK(pipe(p->there) == 0 && pipe(p->back) == 0);
		if (kind == EVENT) {
			p->there[0] = p->there[1] = eventfd(0, 0);
			p->back[0] = p->back[1] = eventfd(0, 0);
		}
		if (kind == STREAM) {
			int s[2];
			CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
			p->there[1] = p->back[0] = s[0];
			p->there[0] = p->back[1] = s[1];
		}
	}
	w = go(watches, name);
	for (int i = 0; i < PAIRS; i++) {
		peers[i] = go(peer, &pairs[i]);
		t[i] = go(first, &pairs[i]);
	}
	long sum = 0;
	for (int i = 0; i < PAIRS; i++) {
		pthread_join(t[i], NULL);
		pthread_join(peers[i], NULL);
		sum += pairs[i].done;
		if (kind != NONE)
			close(pairs[i].there[0]), close(pairs[i].there[1]);
		if (kind == PIPE || kind == EVENT)
			close(pairs[i].back[0]);
		if (kind == PIPE)
			close(pairs[i].back[1]);
	}
	finished = 1;
	pthread_join(w, NULL);
	say("%s: %ld rounds, all done %d", name, rounds, sum == rounds * PAIRS);
}

static void futexes(void) { run("futex", futex_first, futex_peer, NONE); }
static void pipes(void) { run("pipe", fd_first, fd_peer, PIPE); }
static void events(void) { run("eventfd", fd_first, fd_peer, EVENT); }
static void streams(void) { run("socketpair", fd_first, fd_peer, STREAM); }
static void polled_pipes(void) { run("pipe with epoll and poll", poll_first, poll_peer, PIPE); }
static void polled_events(void) { run("eventfd with epoll and poll", poll_first, poll_peer, EVENT); }
static void conditions(void) { run("condition variable", cond_first, cond_peer, NONE); }
static void signals(void) { run("sigwait", signal_first, signal_peer, NONE); }

static const struct t_case cases[] = {
	{"futex", futexes}, {"pipe", pipes}, {"eventfd", events}, {"socketpair", streams}, {"polled-pipe", polled_pipes},
	{"polled-eventfd", polled_events}, {"condition", conditions}, {"signal", signals},
};

int main(int argc, char **argv)
{
	const char *n = getenv("WAKEUPS_ROUNDS");
	sigset_t m;
	sigemptyset(&m);
	sigaddset(&m, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &m, NULL); // all threads inherit it
	if (n)
		rounds = atol(n);
	return t_main(argc, argv, cases, COUNT(cases));
}
