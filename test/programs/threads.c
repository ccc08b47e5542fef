// Threads: creation, joining, condition variables, barriers, thread-local data,
// cancellation, robust mutexes.
#include "t.h"
#include <sched.h>
#include <semaphore.h>

enum { THREADS = 64 };

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int turn;

// Each thread waits for its turn; the turns go round.
static void *takes_turns(void *arg)
{
	long me = (long)arg;
	for (int round = 0; round < 20; round++) {
		pthread_mutex_lock(&mu);
		while (turn % THREADS != me)
			pthread_cond_wait(&cond, &mu);
		turn++;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&mu);
	}
	return (void *)(me * 3);
}

static void conditions(void)
{
	pthread_t t[THREADS];
	turn = 0;
	for (long i = 0; i < THREADS; i++)
		t[i] = go(takes_turns, (void *)i);
	long sum = 0;
	for (int i = 0; i < THREADS; i++) {
		void *r;
		CHECK(pthread_join(t[i], &r) == 0);
		sum += (long)r;
	}
	say("turns %d, sum %ld", turn, sum);
}

// A bounded queue with many producers and consumers loses and doubles nothing.
enum { QUEUE = 7, ITEMS = 2000 };
static int queue[QUEUE], head, tail;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER, not_empty = PTHREAD_COND_INITIALIZER;
static unsigned char seen[16 * ITEMS];

static void *produces(void *arg)
{
	for (int i = 0; i < ITEMS; i++) {
		pthread_mutex_lock(&mu);
		while (head - tail == QUEUE)
			pthread_cond_wait(&not_full, &mu);
		queue[head++ % QUEUE] = (long)arg * ITEMS + i;
		pthread_cond_signal(&not_empty);
		pthread_mutex_unlock(&mu);
	}
	return NULL;
}

static void *consumes(void *arg)
{
	(void)arg;
	for (int i = 0; i < ITEMS; i++) {
		pthread_mutex_lock(&mu);
		while (head == tail)
			pthread_cond_wait(&not_empty, &mu);
		seen[queue[tail++ % QUEUE]]++;
		pthread_cond_signal(&not_full);
		pthread_mutex_unlock(&mu);
	}
	return NULL;
}

static void producers(void)
{
	pthread_t t[32];
	for (long i = 0; i < 32; i++)
		t[i] = go(i % 2 ? consumes : produces, (void *)(i / 2));
	for (int i = 0; i < 32; i++)
		pthread_join(t[i], NULL);
	int bad = 0;
	for (int i = 0; i < 16 * ITEMS; i++)
		bad += seen[i] != 1;
	say("items %d, wrong %d", 16 * ITEMS, bad);
}

static pthread_barrier_t barrier;
static int serials, sums[8];

static void *meets(void *arg)
{
	long me = (long)arg;
	for (int i = 0; i < 200; i++) {
		sums[me]++;
		if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
			__atomic_add_fetch(&serials, 1, __ATOMIC_RELAXED);
		for (int k = 0; k < 8; k++)
			CHECK(__atomic_load_n(&sums[k], __ATOMIC_RELAXED) >= i + 1);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static void barriers(void)
{
	pthread_t t[8];
	pthread_barrier_init(&barrier, NULL, 8);
	for (long i = 0; i < 8; i++)
		t[i] = go(meets, (void *)i);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	say("serial threads %d", serials);
}

static __thread int local = 7;
static __thread char big[10000];
static pthread_key_t key;
static int destroyed;

static void destroy(void *p)
{
	__atomic_add_fetch(&destroyed, (int)(long)p, __ATOMIC_RELAXED);
}

static void *has_locals(void *arg)
{
	CHECK(local == 7 && big[9999] == 0);
	local = (long)arg;
	memset(big, (int)(long)arg, sizeof big);
	pthread_setspecific(key, arg);
	for (int i = 0; i < 50; i++) {
		sched_yield();
		CHECK(local == (long)arg && big[5000] == (char)(long)arg && pthread_getspecific(key) == arg);
	}
	return NULL;
}

static void locals(void)
{
	pthread_t t[16];
	pthread_key_create(&key, destroy);
	local = 99;
	for (long i = 0; i < 16; i++)
		t[i] = go(has_locals, (void *)(i + 1));
	for (int i = 0; i < 16; i++)
		pthread_join(t[i], NULL);
	say("local %d, destroyed %d", local, destroyed);
}

static volatile int cleaned;

static void cleanup(void *arg)
{
	cleaned += (int)(long)arg;
}

static void *sleeps(void *arg)
{
	(void)arg;
	pthread_cleanup_push(cleanup, (void *)1);
	for (;;)
		pause();
	pthread_cleanup_pop(0);
	return NULL;
}

static void *waits_on_condition(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&mu);
	pthread_cleanup_push((void (*)(void *))pthread_mutex_unlock, &mu);
	for (;;)
		pthread_cond_wait(&cond, &mu);
	pthread_cleanup_pop(0);
	return NULL;
}

static void *burns(void *arg)
{
	(void)arg;
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	for (;;)
		__asm__ volatile("pause");
}

static void *reads(void *fd)
{
	char c;
	pthread_cleanup_push(cleanup, (void *)10);
	(void)!read((int)(long)fd, &c, 1);
	pthread_cleanup_pop(0);
	return NULL;
}

static void *resists(void *arg)
{
	(void)arg;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	pause_ns(100 * MS);
	return (void *)5;
}

static void cancellation(void)
{
	int p[2];
	CHECK(pipe(p) == 0);
	struct {
		const char *name;
		void *(*f)(void *);
	} list[] = {{"pause", sleeps}, {"condition", waits_on_condition}, {"spin", burns}, {"read", reads}, {"disabled", resists}};
	for (size_t i = 0; i < COUNT(list); i++) {
		void *r;
		pthread_t t = go(list[i].f, (void *)(long)p[0]);
		pause_ns(20 * MS);
		CHECK(pthread_cancel(t) == 0);
		CHECK(pthread_join(t, &r) == 0);
		say("%s: %s", list[i].name, r == PTHREAD_CANCELED ? "cancelled" : "ended by itself");
	}
	say("cleaned %d, mutex free %d", cleaned, pthread_mutex_trylock(&mu) == 0);
	pthread_mutex_unlock(&mu);
}

static pthread_mutex_t robust;

static void *dies_with_it(void *arg)
{
	(void)arg;
	CHECK(pthread_mutex_lock(&robust) == 0);
	return NULL;
}

static void *waits_for_it(void *arg)
{
	(void)arg;
	int e = pthread_mutex_lock(&robust);
	say("waiter: %s", e ? t_errno(e) : "ok");
	if (e == EOWNERDEAD)
		pthread_mutex_consistent(&robust);
	pthread_mutex_unlock(&robust);
	return NULL;
}

static void *holds_a_while(void *arg)
{
	(void)arg;
	CHECK(pthread_mutex_lock(&robust) == 0);
	await_blocked(50 * MS);
	return NULL; // with the lock: the waiter is woken
}

static void robust_mutexes(void)
{
	pthread_mutexattr_t a;
	pthread_mutexattr_init(&a);
	CHECK(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST) == 0);
	CHECK(pthread_mutex_init(&robust, &a) == 0);
	pthread_join(go(dies_with_it, NULL), NULL);
	int e = pthread_mutex_lock(&robust);
	say("after death: %s", t_errno(e));
	SHOW(pthread_mutex_consistent(&robust));
	SHOW(pthread_mutex_unlock(&robust));
	SHOW(pthread_mutex_lock(&robust));
	SHOW(pthread_mutex_unlock(&robust));
	pthread_t h = go(holds_a_while, NULL);
	await_blocked(10 * MS);
	pthread_t w = go(waits_for_it, NULL);
	pthread_join(h, NULL);
	pthread_join(w, NULL);
	pthread_join(go(dies_with_it, NULL), NULL);
	e = pthread_mutex_lock(&robust);
	pthread_mutex_unlock(&robust); // not made consistent
	say("then: %s, after that: %s", t_errno(e), t_errno(pthread_mutex_lock(&robust)));
}

static void inherit(void)
{
	pthread_mutexattr_t a;
	pthread_mutex_t m;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
	int e = pthread_mutex_init(&m, &a);
	if (e == 0)
		e = pthread_mutex_lock(&m);
	if (e == 0)
		e = pthread_mutex_unlock(&m);
	say("priority inheritance: %s", e ? t_errno(e) : "ok");
}

static void timed(void)
{
	struct timespec t;
	sem_t s;
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	// Before the deadline is chosen: however long the host lets this thread
	// wait between the two, 20 ms pass.
	int64_t start = now_ns(CLOCK_MONOTONIC);
	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += 20 * MS;
	if (t.tv_nsec >= 1000000000)
		t.tv_sec++, t.tv_nsec -= 1000000000;
	sem_init(&s, 0, 0);
	pthread_mutex_lock(&m);
	SHOW(sem_timedwait(&s, &t));
	CHECK(now_ns(CLOCK_MONOTONIC) - start >= 19 * MS);
	say("mutex: %s", t_errno(pthread_mutex_timedlock(&m, &t)));
	pthread_mutex_lock(&mu);
	say("condition: %s", t_errno(pthread_cond_timedwait(&cond, &mu, &t)));
	pthread_mutex_unlock(&mu);
}

static void *counts(void *arg)
{
	__atomic_add_fetch((int *)arg, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void *sets(void *arg)
{
	pause_ns(5 * MS);
	return counts(arg);
}

static void many(void)
{
	static int n;
	for (int i = 0; i < 2000; i++)
		CHECK(pthread_join(go(counts, &n), NULL) == 0);
	say("one after another: %d", n);
	pthread_attr_t a;
	pthread_attr_init(&a);
	pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&a, 65536);
	n = 0;
	for (int i = 0; i < 200; i++) {
		pthread_t t;
		CHECK(pthread_create(&t, &a, sets, &n) == 0);
	}
	for (int i = 0; i < 2000 && __atomic_load_n(&n, __ATOMIC_RELAXED) < 200; i++)
		pause_ns(5 * MS);
	say("detached: %d", n);
}

static void identity(void)
{
	CHECK(getpid() == my_tid()); // of the first thread
	cpu_set_t set;
	CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
	CHECK(CPU_COUNT(&set) == sysconf(_SC_NPROCESSORS_ONLN));
	SHOW(syscall(SYS_tgkill, getpid(), 999999, 0));
	SHOW(syscall(SYS_tgkill, -1, my_tid(), 0));
	SHOW(syscall(SYS_tkill, my_tid(), 0));
	SHOW(syscall(SYS_tkill, my_tid(), 65));
	SHOW(sched_getscheduler(0));
	struct sched_param p;
	SHOW(sched_getparam(0, &p));
	SHOW(sched_get_priority_max(SCHED_FIFO));
	SHOW(sched_get_priority_min(SCHED_OTHER));
	char name[16] = "";
	SHOW(pthread_setname_np(pthread_self(), "fifteen letters"));
	SHOW(pthread_setname_np(pthread_self(), "sixteen letters!") == ERANGE);
	syscall(SYS_prctl, 16 /* PR_GET_NAME */, name);
	say("name %s", name);
}

static const struct t_case cases[] = {
	{"conditions", conditions}, {"producers", producers}, {"barriers", barriers}, {"locals", locals},
	{"cancellation", cancellation}, {"robust", robust_mutexes}, {"inherit", inherit}, {"timed", timed},
	{"many", many}, {"identity", identity},
};
T_MAIN(cases)
