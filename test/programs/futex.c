// futex(2) by itself, edge cases first.
#include "t.h"

#define WAIT 0
#define WAKE 1
#define FD 2
#define REQUEUE 3
#define CMP_REQUEUE 4
#define WAKE_OP 5
#define WAIT_BITSET 9
#define WAKE_BITSET 10
#define PRIVATE 128
#define REALTIME 256

static long futex(void *word, int op, uint32_t value, const void *timeout, void *word2, uint32_t value3)
{
	return syscall(SYS_futex, word, op, value, timeout, word2, value3);
}

static uint32_t word, word2;

static void arguments(void)
{
	struct timespec t = {0, 1000000}, negative = {-1, 0}, much = {0, 1000000000};
	SHOW(futex(&word, WAIT, 1, NULL, NULL, 0)); // another value
	SHOW(futex((char *)&word + 1, WAIT, 0, NULL, NULL, 0));
	SHOW(futex((char *)&word + 2, WAKE, 1, NULL, NULL, 0));
	SHOW(futex(NULL, WAIT, 0, NULL, NULL, 0));
	SHOW(futex(NULL, WAKE, 1, NULL, NULL, 0));
	SHOW(futex((void *)0x7ffffffff000, WAIT | PRIVATE, 0, NULL, NULL, 0));
	SHOW(futex((void *)0xffff800000000000, WAIT | PRIVATE, 0, NULL, NULL, 0));
	SHOW(futex(&word, WAIT, 0, &negative, NULL, 0));
	SHOW(futex(&word, WAIT, 0, &much, NULL, 0));
	SHOW(futex(&word, WAIT, 0, (void *)8, NULL, 0));
	SHOW(futex(&word, WAIT, 0, &t, NULL, 0));
	SHOW(futex(&word, WAIT | PRIVATE, 0, &t, NULL, 0));
	SHOW(futex(&word, WAIT_BITSET | PRIVATE, 0, &t, NULL, 1)); // absolute: long ago
	SHOW(futex(&word, WAIT_BITSET | PRIVATE | REALTIME, 0, &t, NULL, 1));
	SHOW(futex(&word, WAIT_BITSET | PRIVATE, 0, &t, NULL, 0));
	SHOW(futex(&word, WAKE_BITSET | PRIVATE, 1, NULL, NULL, 0));
	SHOW(futex(&word, WAKE | REALTIME, 1, NULL, NULL, 0));
	SHOW(futex(&word, FD, 0, NULL, NULL, 0));
	SHOW(futex(&word, 99, 0, NULL, NULL, 0));
	SHOW(futex(&word, WAKE | PRIVATE, 0, NULL, NULL, 0));
	SHOW(futex(&word, WAKE | PRIVATE, INT32_MAX, NULL, NULL, 0));
	SHOW(futex(&word, CMP_REQUEUE | PRIVATE, 1, (void *)1, &word2, 5)); // another value
	SHOW(futex(&word, CMP_REQUEUE | PRIVATE, -1, (void *)1, &word2, 0));
	SHOW(futex(&word, REQUEUE | PRIVATE, 1, (void *)1, (char *)&word2 + 1, 0));
	SHOW(futex(&word, REQUEUE | PRIVATE, 1, (void *)1, NULL, 0));
	char *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	SHOW(futex(p, WAIT | PRIVATE, 1, NULL, NULL, 0)); // read-only memory will do for a private wait
	SHOW(futex(p, WAKE | PRIVATE, 1, NULL, NULL, 0));
	munmap(p, PAGE);
	SHOW(futex(p, WAIT | PRIVATE, 0, NULL, NULL, 0));
}

struct waiter {
	uint32_t *word;
	uint32_t bits;
	long got;
	int error;
	int waits; // set before the wait
	pthread_t t;
};

static void *waits(void *arg)
{
	struct waiter *w = arg;
	struct timespec end = ts_of(now_ns(CLOCK_MONOTONIC) + 20000 * MS);
	__atomic_store_n(&w->waits, 1, __ATOMIC_RELEASE);
	w->got = futex(w->word, WAIT_BITSET | PRIVATE, 0, &end, NULL, w->bits);
	w->error = w->got < 0 ? errno : 0;
	__atomic_store_n(&w->waits, 2, __ATOMIC_RELEASE);
	return NULL;
}

// start starts n waiters and gives them time to wait.
static void start(struct waiter *w, int n, const uint32_t *bits)
{
	memset(w, 0, n * sizeof *w);
	for (int i = 0; i < n; i++) {
		w[i].word = &word;
		w[i].bits = bits ? bits[i] : ~0u;
		w[i].t = go(waits, &w[i]);
		while (__atomic_load_n(&w[i].waits, __ATOMIC_ACQUIRE) == 0)
			pause_ns(MS / 10);
		await_blocked(3 * MS); // the order of waiting is that of starting
	}
	await_blocked(30 * MS);
}

static int awake(struct waiter *w, int n)
{
	int a = 0;
	await_blocked(30 * MS);
	for (int i = 0; i < n; i++)
		a += __atomic_load_n(&w[i].waits, __ATOMIC_ACQUIRE) == 2;
	return a;
}

static void finish(struct waiter *w, int n)
{
	int errors = 0;
	futex(&word, WAKE | PRIVATE, INT32_MAX, NULL, NULL, 0);
	futex(&word2, WAKE | PRIVATE, INT32_MAX, NULL, NULL, 0);
	for (int i = 0; i < n; i++) {
		pthread_join(w[i].t, NULL);
		errors += w[i].got != 0;
	}
	say("errors %d", errors);
}

// awaited is awake once it has reached n, or after a second: who was woken has to
// run first.
static int awaited(struct waiter *w, int count, int n)
{
	for (int i = 0; i < 500 && awake(w, count) < n; i++)
		pause_ns(2 * MS);
	return awake(w, count);
}

static void waking(void)
{
	struct waiter w[6];
	start(w, 6, NULL);
	SHOW(futex(&word, WAKE | PRIVATE, 2, NULL, NULL, 0));
	say("awake %d", awaited(w, 6, 2));
	say("first two: %d", w[0].waits == 2 && w[1].waits == 2);
	SHOW(futex(&word, WAKE | PRIVATE, 100, NULL, NULL, 0));
	say("awake %d", awaited(w, 6, 6));
	SHOW(futex(&word, WAKE | PRIVATE, 1, NULL, NULL, 0));
	finish(w, 6);
}

static void bitset(void)
{
	static const uint32_t bits[] = {1, 2, 4, 3, 0x80000000};
	struct waiter w[5];
	start(w, 5, bits);
	SHOW(futex(&word, WAKE_BITSET | PRIVATE, 10, NULL, NULL, 8));
	SHOW(futex(&word, WAKE_BITSET | PRIVATE, 10, NULL, NULL, 2));
	say("awake %d", awaited(w, 5, 2));
	SHOW(futex(&word, WAKE_BITSET | PRIVATE, 10, NULL, NULL, 0x80000000));
	SHOW(futex(&word, WAKE | PRIVATE, 10, NULL, NULL, 0)); // matches every mask
	say("awake %d", awaited(w, 5, 5));
	finish(w, 5);
}

static void requeue(void)
{
	struct waiter w[6];
	start(w, 6, NULL);
	SHOW(futex(&word, CMP_REQUEUE | PRIVATE, 1, (void *)3, &word2, 0)); // woken and moved
	say("awake %d", awaited(w, 6, 1));
	SHOW(futex(&word2, WAKE | PRIVATE, 100, NULL, NULL, 0));
	say("awake %d", awaited(w, 6, 4));
	SHOW(futex(&word, REQUEUE | PRIVATE, 0, (void *)100, &word2, 0)); // answers only the woken
	SHOW(futex(&word, WAKE | PRIVATE, 100, NULL, NULL, 0));
	SHOW(futex(&word2, WAKE | PRIVATE, 100, NULL, NULL, 0));
	finish(w, 6);
}

static uint32_t encode(int op, int oparg, int cmp, int cmparg)
{
	return (uint32_t)op << 28 | (uint32_t)cmp << 24 | (uint32_t)(oparg & 0xfff) << 12 | (cmparg & 0xfff);
}

static void wake_op(void)
{
	static const struct {
		const char *name;
		uint32_t before;
		int op, oparg, cmp, cmparg;
	} list[] = {
		{"set, eq", 5, 0, 9, 0, 5}, {"add, ne", 5, 1, 3, 1, 5}, {"or, lt", 5, 2, 10, 2, 6}, {"andn, le", 7, 3, 2, 3, 6},
		{"xor, gt", 5, 4, 4095, 4, 4}, {"shift, ge", 5, 2 | 8, 4, 5, 5}, {"set negative", 5, 0, -1, 0, 5},
		{"negative less", -5, 1, 1, 2, -4},
	};
	SHOW(futex(&word, WAKE_OP | PRIVATE, 1, (void *)1, &word2, encode(7, 0, 0, 0)));
	SHOW(futex(&word, WAKE_OP | PRIVATE, 1, (void *)1, &word2, encode(0, 0, 15, 0)));
	SHOW(futex(&word, WAKE_OP | PRIVATE, 1, (void *)1, (void *)64, encode(0, 0, 0, 0)));
	for (size_t i = 0; i < COUNT(list); i++) {
		word2 = list[i].before;
		long r = futex(&word, WAKE_OP | PRIVATE, 1, (void *)1, &word2,
			encode(list[i].op, list[i].oparg, list[i].cmp, list[i].cmparg));
		say("%s: %s, word %x", list[i].name, result(r), word2);
	}
	word2 = 0;
	// Both words are woken if the comparison holds, else the first alone.
	struct waiter w[4], v[2];
	start(w, 4, NULL);
	memset(v, 0, sizeof v);
	for (int i = 0; i < 2; i++) {
		v[i].word = &word2, v[i].bits = ~0u;
		v[i].t = go(waits, &v[i]);
	}
	await_blocked(50 * MS);
	SHOW(futex(&word, WAKE_OP | PRIVATE, 2, (void *)10, &word2, encode(1, 1, 0, 5)));
	SHOW(futex(&word, WAKE_OP | PRIVATE, 1, (void *)10, &word2, encode(1, 1, 0, 1)));
	say("word2 %u", word2);
	say("awake %d and %d", awake(w, 4), awake(v, 2));
	finish(w, 4);
	for (int i = 0; i < 2; i++)
		pthread_join(v[i].t, NULL);
	word2 = 0;
}

static void handler(int s)
{
	(void)s;
}

static void *interrupts(void *arg)
{
	for (int i = 0; i < 200 && !__atomic_load_n(&t_failed, __ATOMIC_RELAXED); i++) {
		pause_ns(20 * MS);
		if (pthread_kill(*(pthread_t *)arg, SIGUSR1))
			break;
		if (__atomic_load_n(&word2, __ATOMIC_RELAXED) == 77)
			break;
	}
	return NULL;
}

// A wait with a timeout ends with EINTR even after a handler with SA_RESTART (it
// is restarted only where no handler ran); one without a timeout does not.
static void interrupted(void)
{
	pthread_t me = pthread_self();
	for (int restart = 0; restart < 2; restart++) {
		struct sigaction a = {.sa_handler = handler, .sa_flags = restart ? SA_RESTART : 0};
		struct timespec rel = ts_of(200 * MS), end;
		sigaction(SIGUSR1, &a, NULL);
		word2 = 0;
		pthread_t t = go(interrupts, &me);
		end = ts_of(now_ns(CLOCK_MONOTONIC) + 200 * MS);
		SHOW(futex(&word, WAIT_BITSET | PRIVATE, 0, &end, NULL, ~0u));
		SHOW(futex(&word, WAIT | PRIVATE, 0, &rel, NULL, 0));
		if (!restart)
			SHOW(futex(&word, WAIT | PRIVATE, 0, NULL, NULL, 0));
		__atomic_store_n(&word2, 77, __ATOMIC_RELAXED);
		pthread_join(t, NULL);
	}
	word2 = 0;
}

// A word in a shared mapping is one futex at both its addresses.
static void shared(void)
{
	char path[] = "/dev/shm/futexXXXXXX";
	int fd = mkstemp(path);
	CHECK(fd >= 0);
	unlink(path);
	CHECK(ftruncate(fd, PAGE) == 0);
	uint32_t *a = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	uint32_t *b = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(a != MAP_FAILED && b != MAP_FAILED && a != b);
	if (t_failed)
		return;
	struct timespec t = ts_of(20 * MS);
	SHOW(futex(a, WAIT, 0, &t, NULL, 0));
	b[0] = 1;
	SHOW(futex(a, WAIT, 0, &t, NULL, 0));
	close(fd);
	munmap(a, PAGE);
	munmap(b, PAGE);
}

static uint32_t *alias_a, *alias_b;

static void *waits_shared(void *arg)
{
	struct timespec t = ts_of(20000 * MS);
	*(long *)arg = futex(alias_a, WAIT, 0, &t, NULL, 0);
	return NULL;
}

static void aliases(void)
{
	int fd = syscall(SYS_memfd_create, "futex", 0);
	CHECK(fd >= 0 && ftruncate(fd, PAGE) == 0);
	alias_a = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	alias_b = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(alias_a != MAP_FAILED && alias_b != MAP_FAILED);
	long got = 99;
	pthread_t t = go(waits_shared, &got);
	long woken = 0;
	for (int i = 0; i < 1000 && woken == 0; i++) {
		pause_ns(5 * MS);
		woken = futex(alias_b, WAKE, 1, NULL, NULL, 0);
	}
	pthread_join(t, NULL);
	say("woken %ld, got %ld", woken, got);
}

static const struct t_case cases[] = {
	{"arguments", arguments}, {"waking", waking}, {"bitset", bitset}, {"requeue", requeue},
	{"wake_op", wake_op}, {"interrupted", interrupted}, {"shared", shared}, {"aliases", aliases},
};
T_MAIN(cases)
