// Futexes with an owner: FUTEX_LOCK_PI and its kin, futex(2), and the mutexes that
// are made of them.
#include "t.h"
#include <limits.h>

enum { WAIT, WAKE, REQUEUE = 3, CMP_REQUEUE, WAKE_OP, LOCK, UNLOCK, TRYLOCK, WAIT_REQUEUE = 11, REQUEUE_PI, LOCK2, REALTIME = 256 };
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
		await_blocked(40 * MS);
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
	await_blocked(50 * MS);
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	await_blocked(50 * MS);
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
	__atomic_store_n(&turn, 0, __ATOMIC_SEQ_CST);
	pthread_join(p, NULL); // sets stop to 1
	pthread_join(t, NULL);
	t = held(&word);
	pthread_t w = go(queue_up, (void *)5);
	await_blocked(50 * MS);
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
	await_blocked(50 * MS);
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
	await_blocked(50 * MS);
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
	await_blocked(30 * MS);
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

// Condition variables: who waits at one word is moved to a lock, and has it when the
// call returns.
static uint32_t cond_word, lock_word;
static int cond_woken, cond_order[8], cond_tid[8], cond_over[8];
static struct timespec *cond_until;

static void *cond_waits(void *arg)
{
	uint32_t me = my_tid();
	__atomic_store_n(&cond_tid[(long)arg], (int)me, __ATOMIC_SEQ_CST);
	long r = futex(&cond_word, WAIT_REQUEUE, cond_word, cond_until, &lock_word, 0);
	int e = errno;
	__atomic_store_n(&cond_over[(long)arg], 1, __ATOMIC_SEQ_CST);
	if (r < 0)
		return (void *)(long)e;
	CHECK((__atomic_load_n(&lock_word, __ATOMIC_SEQ_CST) & 0x3fffffff) == me);
	cond_order[cond_woken++] = (int)(long)arg; // under the lock
	pause_ns(5 * MS);
	CHECK(futex(&lock_word, UNLOCK, 0, NULL, NULL, 0) == 0);
	return NULL;
}

// asleep waits until a thread does nothing any more.
static void asleep(int i)
{
	for (int k = 0, quiet = 0; k < 3000 && quiet < 20; k++, pause_ns(MS)) {
		int tid = __atomic_load_n(&cond_tid[i], __ATOMIC_SEQ_CST);
		if (tid == 0)
			continue;
		int b = blocks(tid);
		CHECK(b >= 0);
		quiet = b > 0 ? quiet + 1 : 0;
	}
}

static void cond_start(pthread_t *t, int n)
{
	cond_woken = 0;
	for (int i = 0; i < n; i++) {
		cond_tid[i] = cond_over[i] = 0;
		t[i] = go(cond_waits, (void *)(long)i);
		asleep(i); // they come in order
	}
}

static void cond_end(pthread_t *t, int n)
{
	char line[200];
	int k = 0;
	for (int i = 0; i < n; i++) {
		void *r;
		pthread_join(t[i], &r);
		k += snprintf(line + k, sizeof line - k, " %s", r ? t_errno((int)(long)r) : "ok");
	}
	k += snprintf(line + k, sizeof line - k, ", in order");
	for (int i = 0; i < cond_woken; i++)
		k += snprintf(line + k, sizeof line - k, " %d", cond_order[i]);
	say("ended:%s; %s", line, shape(lock_word, 0));
}

static void nothing(int s) { (void)s; }

static void condition(void)
{
	uint32_t me = my_tid(), other = 0;
	pthread_t t[4];
	struct timespec bad = {0, 1000000000}, soon;
	// Errors.
	SHOW(futex(&cond_word, WAIT_REQUEUE, 0, NULL, &cond_word, 0));
	SHOW(futex(&cond_word, WAIT_REQUEUE, 1, NULL, &lock_word, 0));
	SHOW(futex(&cond_word, WAIT_REQUEUE, 0, &bad, &lock_word, 0));
	SHOW(futex((void *)8, WAIT_REQUEUE, 0, NULL, &lock_word, 0));
	SHOW(futex((void *)((char *)&cond_word + 2), WAIT_REQUEUE, 0, NULL, &lock_word, 0));
	SHOW(futex(&cond_word, WAIT_REQUEUE, 0, NULL, (void *)((char *)&lock_word + 2), 0));
	soon = in(CLOCK_MONOTONIC, 30 * MS);
	SHOW(futex(&cond_word, WAIT_REQUEUE, 0, &soon, &lock_word, 0));
	soon = in(CLOCK_REALTIME, 30 * MS);
	SHOW(futex(&cond_word, WAIT_REQUEUE | REALTIME, 0, &soon, &lock_word, 0));
	SHOW(futex(&cond_word, REQUEUE_PI, 1, (void *)1, &cond_word, 0));
	SHOW(futex(&cond_word, REQUEUE_PI, 2, (void *)1, &lock_word, 0));
	SHOW(futex(&cond_word, REQUEUE_PI, 0, (void *)1, &lock_word, 0));
	SHOW(futex(&cond_word, REQUEUE_PI, 1, (void *)-1L, &lock_word, 0));
	SHOW(futex(&cond_word, REQUEUE_PI, 1, (void *)1, &lock_word, 1));
	SHOW(futex(&cond_word, REQUEUE_PI, 1, (void *)1, &lock_word, 0)); // nobody
	// The lock is free: the first has it at once, the others wait for it.
	cond_start(t, 4);
	SHOW(futex(&cond_word, WAKE, 1, NULL, NULL, 0)); // not so
	SHOW(futex(&cond_word, REQUEUE, 1, (void *)1, &lock_word, 0));
	SHOW(futex(&cond_word, CMP_REQUEUE, 1, (void *)1, &lock_word, 0));
	SHOW(futex(&cond_word, REQUEUE_PI, 1, (void *)1, &other, 0)); // another lock than they said
	say("%s", shape(other, me));
	SHOW(futex(&cond_word, REQUEUE_PI, 1, (void *)10, &lock_word, 0));
	cond_end(t, 4);
	// The lock is ours: they wait until it is let go.
	SHOW(futex(&lock_word, LOCK, 0, NULL, NULL, 0));
	cond_start(t, 3);
	SHOW(futex(&cond_word, REQUEUE_PI, 1, (void *)0, &lock_word, 0)); // one
	say("%s", shape(lock_word, me));
	SHOW(futex(&cond_word, REQUEUE_PI, 1, (void *)1, &lock_word, 0)); // the other two
	say("woken %d", cond_woken);
	SHOW(futex(&lock_word, UNLOCK, 0, NULL, NULL, 0));
	cond_end(t, 3);
	// One only, with the lock free: the word does not say that others wait.
	cond_start(t, 1);
	SHOW(futex(&cond_word, REQUEUE_PI, 1, (void *)0, &lock_word, 0));
	cond_end(t, 1);
	// A deadline that passes while it waits for the lock, and before.
	SHOW(futex(&lock_word, LOCK, 0, NULL, NULL, 0));
	soon = in(CLOCK_MONOTONIC, 1000 * MS);
	cond_until = &soon;
	cond_start(t, 2);
	SHOW(futex(&cond_word, REQUEUE_PI, 1, (void *)0, &lock_word, 0));
	while (!__atomic_load_n(&cond_over[0], __ATOMIC_SEQ_CST) || !__atomic_load_n(&cond_over[1], __ATOMIC_SEQ_CST))
		pause_ns(MS);
	SHOW(futex(&lock_word, UNLOCK, 0, NULL, NULL, 0));
	cond_end(t, 2);
	cond_until = NULL;
	// A signal: before it is moved the wait goes on, behind it ends with EAGAIN.
	struct sigaction sa = {.sa_handler = nothing};
	sigaction(SIGUSR1, &sa, NULL);
	SHOW(futex(&lock_word, LOCK, 0, NULL, NULL, 0));
	cond_start(t, 2);
	pthread_kill(t[1], SIGUSR1);
	asleep(1);
	SHOW(futex(&cond_word, REQUEUE_PI, 1, (void *)1, &lock_word, 0));
	pthread_kill(t[0], SIGUSR1);
	while (!__atomic_load_n(&cond_over[0], __ATOMIC_SEQ_CST))
		pause_ns(MS);
	SHOW(futex(&lock_word, UNLOCK, 0, NULL, NULL, 0));
	cond_end(t, 2);
	// A plain waiter among them.
	lock_word = 0x3ffffff0; // nobody
	cond_start(t, 1);
	SHOW(futex(&cond_word, REQUEUE_PI, 1, (void *)1, &lock_word, 0));
	lock_word = 0;
	SHOW(futex(&cond_word, REQUEUE_PI, 1, (void *)1, &lock_word, 0));
	cond_end(t, 1);
}

// A monitor, used a lot: nobody is lost.
static uint32_t mon_lock, mon_cond;
static int mon_turn, mon_done;

static void mon_enter(void)
{
	uint32_t zero = 0;
	if (!__atomic_compare_exchange_n(&mon_lock, &zero, my_tid(), 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		CHECK(futex(&mon_lock, LOCK, 0, NULL, NULL, 0) == 0);
}

static void mon_leave(void)
{
	uint32_t mine = my_tid();
	if (!__atomic_compare_exchange_n(&mon_lock, &mine, 0, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		CHECK(futex(&mon_lock, UNLOCK, 0, NULL, NULL, 0) == 0);
}

static void *takes_turns(void *arg)
{
	int me = (int)(long)arg;
	for (int i = 0; i < 500; i++) {
		mon_enter();
		while (mon_turn % 3 != me) {
			uint32_t seen = mon_cond;
			mon_leave();
			if (futex(&mon_cond, WAIT_REQUEUE, seen, NULL, &mon_lock, 0) < 0)
				mon_enter();
		}
		mon_turn++, mon_done++;
		mon_cond++;
		while (futex(&mon_cond, REQUEUE_PI, 1, (void *)100, &mon_lock, mon_cond) < 0)
			CHECK(errno == EAGAIN);
		mon_leave();
	}
	return NULL;
}

static void monitor(void)
{
	pthread_t t[3];
	for (long i = 0; i < 3; i++)
		t[i] = go(takes_turns, (void *)i);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	say("turns %d, lock %s", mon_done, shape(mon_lock, 0));
}

static const struct t_case cases[] = {{"alone", alone}, {"waiting", waiting}, {"ends", ends}, {"deadlock", deadlock},
	{"mixed", mixed}, {"contended", contended}, {"library", library}, {"condition", condition}, {"monitor", monitor}};

T_MAIN(cases)
