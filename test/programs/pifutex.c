// Futexes with an owner: FUTEX_LOCK_PI and its kin, futex(2), and the mutexes that
// are made of them.
#include "t.h"
#include <limits.h>

enum { WAIT, WAKE, REQUEUE = 3, CMP_REQUEUE, WAKE_OP, LOCK, UNLOCK, TRYLOCK, LOCK2 = 13, REALTIME = 256 };
#define WAITERS 0x80000000u
#define DIED 0x40000000u

static long futex(uint32_t *word, int op, uint32_t val, void *timeout, uint32_t *word2, uint32_t val3)
{
	return syscall(SYS_futex, word, op | 128, val, timeout, word2, val3);
}

// shape shows a word without the thread's number.
static const char *shape(uint32_t v, uint32_t owner)
{
	static char b[64];
	snprintf(b, sizeof b, "%s%s%s", v & WAITERS ? "waiters " : "", v & DIED ? "died " : "",
		(v & 0x3fffffff) == 0 ? "free" : (v & 0x3fffffff) == owner ? "owned" : "other");
	return b;
}

static void alone(void)
{
	uint32_t w = 0, me = my_tid();
	SHOW(futex(&w, LOCK, 0, NULL, NULL, 0));
	say("%s", shape(w, me));
	SHOW(futex(&w, LOCK, 0, NULL, NULL, 0));
	SHOW(futex(&w, TRYLOCK, 0, NULL, NULL, 0));
	SHOW(futex(&w, LOCK2, 0, NULL, NULL, 0));
	say("%s", shape(w, me));
	SHOW(futex(&w, UNLOCK, 0, NULL, NULL, 0));
	say("%s", shape(w, me));
	SHOW(futex(&w, UNLOCK, 0, NULL, NULL, 0));
	SHOW(futex(&w, TRYLOCK, 0, NULL, NULL, 0));
	SHOW(futex(&w, UNLOCK, 0, NULL, NULL, 0));
	SHOW(futex(&w, LOCK2, 0, NULL, NULL, 0));
	w |= WAITERS; // nobody there: unlock clears it
	SHOW(futex(&w, UNLOCK, 0, NULL, NULL, 0));
	say("%s", shape(w, me));
	w = DIED;
	SHOW(futex(&w, LOCK, 0, NULL, NULL, 0));
	say("%s", shape(w, me));
	SHOW(futex(&w, UNLOCK, 0, NULL, NULL, 0));
	w = WAITERS;
	SHOW(futex(&w, LOCK, 0, NULL, NULL, 0));
	say("%s", shape(w, me));
	w = 0x3ffffff0; // nobody
	SHOW(futex(&w, LOCK, 0, NULL, NULL, 0));
	SHOW(futex(&w, TRYLOCK, 0, NULL, NULL, 0));
	SHOW(futex(&w, UNLOCK, 0, NULL, NULL, 0));
	w = 0;
	SHOW(futex((void *)((char *)&w + 1), LOCK, 0, NULL, NULL, 0));
	SHOW(futex((void *)8, LOCK, 0, NULL, NULL, 0));
	SHOW(futex(NULL, UNLOCK, 0, NULL, NULL, 0));
	uint32_t *ro = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	SHOW(futex(ro, LOCK, 0, NULL, NULL, 0));
	struct timespec bad = {0, 1000000000};
	SHOW(futex(&w, LOCK, 0, &bad, NULL, 0));
	SHOW(futex(&w, LOCK, 0, (void *)8, NULL, 0));
	SHOW(futex(&w, LOCK | REALTIME, 0, NULL, NULL, 0));
	SHOW(futex(&w, UNLOCK | REALTIME, 0, NULL, NULL, 0));
	w = 0;
	SHOW(futex(&w, LOCK2 | REALTIME, 0, NULL, NULL, 0));
	SHOW(futex(&w, WAIT | REALTIME, 0, NULL, NULL, 0));
	SHOW(futex(&w, UNLOCK, 0, NULL, NULL, 0));
}

static uint32_t word, order[8], turn, stop, owner;
static int answer[8];

static void *queue_up(void *arg)
{
	long i = (long)arg;
	answer[i] = futex(&word, LOCK, 0, NULL, NULL, 0) < 0 ? errno : 0;
	order[__atomic_fetch_add(&turn, 1, __ATOMIC_SEQ_CST)] = i;
	if (!answer[i] && futex(&word, UNLOCK, 0, NULL, NULL, 0) < 0)
		say("FAIL unlock: %s", t_errno(errno));
	return NULL;
}

static void waiting(void)
{
	pthread_t t[4];
	word = 0, turn = 0;
	futex(&word, LOCK, 0, NULL, NULL, 0);
	for (long i = 0; i < 4; i++) {
		t[i] = go(queue_up, (void *)i);
		pause_ns(40 * MS);
	}
	say("%s", shape(word, my_tid()));
	// Not what waits for a wake-up.
	SHOW(futex(&word, WAKE, 1, NULL, NULL, 0));
	uint32_t other = 0;
	SHOW(futex(&word, REQUEUE, 0, (void *)1, &other, 0));
	SHOW(futex(&other, WAKE_OP, 1, (void *)1, &word, 0));
	SHOW(futex(&word, WAKE, 1, NULL, NULL, 0));
	__atomic_store_n(&word, WAITERS | my_tid(), __ATOMIC_SEQ_CST); // WAKE_OP had written it
	SHOW(futex(&word, UNLOCK, 0, NULL, NULL, 0));
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	say("order %d %d %d %d, answers %d %d %d %d, word %s", order[0], order[1], order[2], order[3], answer[0], answer[1],
		answer[2], answer[3], shape(word, 0));
}

static void *holds(void *arg)
{
	uint32_t *w = arg;
	futex(w, LOCK, 0, NULL, NULL, 0);
	__atomic_store_n(&owner, my_tid(), __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST))
		pause_ns(MS);
	if (stop == 1)
		futex(w, UNLOCK, 0, NULL, NULL, 0);
	return NULL; // 2: dies with it
}

static pthread_t held(uint32_t *w)
{
	owner = stop = 0, *w = 0;
	pthread_t t = go(holds, w);
	while (!__atomic_load_n(&owner, __ATOMIC_SEQ_CST))
		pause_ns(MS);
	return t;
}

static struct timespec in(clockid_t c, int64_t ns)
{
	return ts_of(now_ns(c) + ns);
}

static volatile sig_atomic_t handled;

static void handler(int sig)
{
	handled++;
}

static void *pokes(void *arg)
{
	pause_ns(50 * MS);
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	pause_ns(50 * MS);
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void ends(void)
{
	pthread_t t = held(&word);
	struct timespec at = in(CLOCK_REALTIME, 40 * MS);
	SHOW(futex(&word, LOCK, 0, &at, NULL, 0));
	at = in(CLOCK_MONOTONIC, 40 * MS);
	SHOW(futex(&word, LOCK2, 0, &at, NULL, 0));
	at = in(CLOCK_REALTIME, 40 * MS);
	SHOW(futex(&word, LOCK2 | REALTIME, 0, &at, NULL, 0));
	at = ts_of(0);
	SHOW(futex(&word, LOCK, 0, &at, NULL, 0));
	SHOW(futex(&word, TRYLOCK, 0, NULL, NULL, 0));
	SHOW(futex(&word, UNLOCK, 0, NULL, NULL, 0));
	say("%s", shape(word, owner));
	// A handler runs, whatever its flags, and the call goes on.
	struct sigaction a = {.sa_handler = handler};
	sigaction(SIGUSR1, &a, NULL);
	pthread_t self = pthread_self(), p = go(pokes, &self);
	SHOW(futex(&word, LOCK, 0, NULL, NULL, 0));
	say("handled %d, %s", (int)handled, shape(word, my_tid()));
	pthread_join(t, NULL), pthread_join(p, NULL);
	SHOW(futex(&word, UNLOCK, 0, NULL, NULL, 0));
	say("%s", shape(word, 0));
	// The owner dies, without telling anybody that it holds it.
	t = held(&word);
	p = go(pokes, &self);
	pause_ns(20 * MS);
	stop = 0;
	__atomic_store_n(&turn, 0, __ATOMIC_SEQ_CST);
	pthread_join(p, NULL); // sets stop to 1
	pthread_join(t, NULL);
	t = held(&word);
	pthread_t w = go(queue_up, (void *)5);
	pause_ns(50 * MS);
	__atomic_store_n(&stop, 2, __ATOMIC_SEQ_CST);
	pthread_join(t, NULL), pthread_join(w, NULL);
	say("waiter of a dead one: %s, %s", t_errno(answer[5]), shape(word, 0));
	t = held(&word);
	__atomic_store_n(&stop, 2, __ATOMIC_SEQ_CST);
	pthread_join(t, NULL);
	pause_ns(20 * MS);
	SHOW(futex(&word, LOCK, 0, NULL, NULL, 0));
	say("%s", shape(word, owner));
}

static uint32_t one, two;
static int crossed;

static void *crosses(void *arg)
{
	futex(&two, LOCK, 0, NULL, NULL, 0);
	__atomic_store_n(&owner, my_tid(), __ATOMIC_SEQ_CST);
	crossed = futex(&one, LOCK, 0, NULL, NULL, 0) < 0 ? errno : 0;
	if (!crossed)
		futex(&one, UNLOCK, 0, NULL, NULL, 0);
	futex(&two, UNLOCK, 0, NULL, NULL, 0);
	return NULL;
}

static void deadlock(void)
{
	owner = one = two = 0;
	futex(&one, LOCK, 0, NULL, NULL, 0);
	pthread_t t = go(crosses, NULL);
	while (!__atomic_load_n(&owner, __ATOMIC_SEQ_CST))
		pause_ns(MS);
	pause_ns(50 * MS);
	SHOW(futex(&two, LOCK, 0, NULL, NULL, 0));
	SHOW(futex(&one, UNLOCK, 0, NULL, NULL, 0));
	pthread_join(t, NULL);
	say("other: %s, then %s", crossed ? t_errno(crossed) : "ok", shape(one, 0));
	say("and %s", shape(two, 0));
}

static uint32_t plain;

static void *sleeps(void *arg)
{
	futex(&plain, WAIT, plain, NULL, NULL, 0);
	return arg;
}

static void mixed(void)
{
	plain = my_tid();
	pthread_t t = go(sleeps, NULL);
	pause_ns(50 * MS);
	SHOW(futex(&plain, UNLOCK, 0, NULL, NULL, 0)); // who waits is no waiter of this kind
	plain = 0x1000;
	SHOW(futex(&plain, LOCK, 0, NULL, NULL, 0));
	SHOW(futex(&plain, WAKE, 1, NULL, NULL, 0));
	pthread_join(t, NULL);
}

#define THREADS 6
#define ROUNDS 3000
static uint32_t busy;
static long counter;

static void lock_busy(void)
{
	uint32_t free = 0;
	if (!__atomic_compare_exchange_n(&busy, &free, my_tid(), 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		CHECK(futex(&busy, LOCK, 0, NULL, NULL, 0) == 0);
}

static void unlock_busy(void)
{
	uint32_t mine = my_tid();
	if (!__atomic_compare_exchange_n(&busy, &mine, 0, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		CHECK(futex(&busy, UNLOCK, 0, NULL, NULL, 0) == 0);
}

static void *works(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		lock_busy();
		counter++;
		if (i % 64 == 0)
			sched_yield();
		unlock_busy();
		if (i % 32 == 0)
			sched_yield();
	}
	return arg;
}

static void contended(void)
{
	pthread_t t[THREADS];
	for (int i = 0; i < THREADS; i++)
		t[i] = go(works, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	say("counted %ld, %s", counter, shape(busy, 0));
}

static pthread_mutex_t m;

static void *locks_and_dies(void *arg)
{
	pthread_mutex_lock(&m);
	pause_ns((long)arg * MS);
	return NULL;
}

static void *library_works(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&m);
		counter++;
		if (i % 50 == 0)
			sched_yield();
		pthread_mutex_unlock(&m);
	}
	return arg;
}

static void library(void)
{
	pthread_mutexattr_t a;
	pthread_mutexattr_init(&a);
	say("protocol: %s", t_errno(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT)));
	pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK);
	say("init: %s", t_errno(pthread_mutex_init(&m, &a)));
	say("lock %d", pthread_mutex_lock(&m));
	say("again %s", t_errno(pthread_mutex_lock(&m)));
	say("try %s", t_errno(pthread_mutex_trylock(&m)));
	say("unlock %d", pthread_mutex_unlock(&m));
	say("unlock %s", t_errno(pthread_mutex_unlock(&m)));
	pthread_t t[4];
	counter = 0;
	for (int i = 0; i < 4; i++)
		t[i] = go(library_works, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	say("counted %ld", counter);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&m, &a);
	pthread_t d = go(locks_and_dies, (void *)80L);
	pause_ns(30 * MS);
	say("waiter: %s", t_errno(pthread_mutex_lock(&m)));
	say("consistent %d", pthread_mutex_consistent(&m));
	say("unlock %d", pthread_mutex_unlock(&m));
	pthread_join(d, NULL);
	pthread_join(go(locks_and_dies, NULL), NULL);
	struct timespec at = in(CLOCK_REALTIME, 1000 * MS);
	say("later: %s", t_errno(pthread_mutex_timedlock(&m, &at)));
	say("unlock %d", pthread_mutex_unlock(&m)); // not made consistent
	say("then: %s", t_errno(pthread_mutex_lock(&m)));
}

static const struct t_case cases[] = {{"alone", alone}, {"waiting", waiting}, {"ends", ends}, {"deadlock", deadlock},
	{"mixed", mixed}, {"contended", contended}, {"library", library}};

T_MAIN(cases)
