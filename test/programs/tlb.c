// Stale translations: threads on all processors touch pages while others unmap,
// remap and protect them. A signal or the new content is right; old content after
// the change was announced is wrong. Each case is bounded in rounds and in time,
// since a shoot-down may take as long as the host's scheduler likes.
#include "t.h"
#include <setjmp.h>

enum { READERS = 3, ROUNDS = 3000 };
#define LONGEST (4000 * MS)

static char *volatile page;
static volatile uint64_t generation; // of what the page must hold, or 0: anything may happen
static volatile int stop;
static __thread sigjmp_buf back;
static __thread volatile int inside;
static long faults, reads, wrong;

static void on_fault(int s)
{
	(void)s;
	if (!inside)
		_exit(90);
	siglongjmp(back, 1);
}

// A reader checks that what it reads between two looks at an unchanged generation
// is that generation.
static void *reader(void *arg)
{
	(void)arg;
	long f = 0, r = 0, w = 0;
	while (!stop) {
		uint64_t g = __atomic_load_n(&generation, __ATOMIC_SEQ_CST);
		if (sigsetjmp(back, 1)) {
			inside = 0;
			f++;
			continue;
		}
		inside = 1;
		uint64_t v = *(volatile uint64_t *)page;
		inside = 0;
		uint64_t h = __atomic_load_n(&generation, __ATOMIC_SEQ_CST);
		r++;
		if (g == h && g && v != g)
			w++;
	}
	__atomic_add_fetch(&faults, f, __ATOMIC_RELAXED);
	__atomic_add_fetch(&reads, r, __ATOMIC_RELAXED);
	__atomic_add_fetch(&wrong, w, __ATOMIC_RELAXED);
	return NULL;
}

static void catch_faults(void)
{
	struct sigaction a = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};
	sigaction(SIGSEGV, &a, NULL);
	sigaction(SIGBUS, &a, NULL);
}

static void with_readers(void (*change)(uint64_t))
{
	pthread_t t[READERS];
	stop = 0, faults = reads = wrong = 0, generation = 0;
	page = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	catch_faults();
	for (int i = 0; i < READERS; i++)
		t[i] = go(reader, NULL);
	int64_t end = now_ns(CLOCK_MONOTONIC) + LONGEST;
	for (uint64_t n = 1; n <= ROUNDS && now_ns(CLOCK_MONOTONIC) < end; n++) {
		__atomic_store_n(&generation, 0, __ATOMIC_SEQ_CST);
		change(n);
		__atomic_store_n(&generation, n, __ATOMIC_SEQ_CST);
		for (volatile int i = 0; i < 500; i++)
			;
	}
	stop = 1;
	for (int i = 0; i < READERS; i++)
		pthread_join(t[i], NULL);
	say("wrong %ld, read something %d", wrong, reads > 0);
	munmap(page, 4 * PAGE);
}

static void replace(uint64_t n)
{
	CHECK(mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page);
	*(volatile uint64_t *)page = n;
}

static void unmap_map(uint64_t n)
{
	CHECK(munmap(page, PAGE) == 0);
	CHECK(mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page);
	*(volatile uint64_t *)page = n;
}

static void discard(uint64_t n)
{
	CHECK(madvise(page, PAGE, MADV_DONTNEED) == 0);
	CHECK(*(volatile uint64_t *)page == 0);
	*(volatile uint64_t *)page = n;
}

static void move(uint64_t n)
{
	char *other = page + 2 * PAGE;
	*(volatile uint64_t *)other = n;
	CHECK(mremap(other, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, page) == page);
	CHECK(mmap(other, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == other);
}

static void replacing(void) { with_readers(replace); }
static void unmapping(void) { with_readers(unmap_map); }
static void discarding(void) { with_readers(discard); }
static void moving(void) { with_readers(move); }

// After mprotect(PROT_READ) has returned, no other thread's store succeeds.
static volatile int writable; // 1 yes, 0 no, 2 changing
static long late;

static void *writer(void *arg)
{
	volatile uint64_t *word = (uint64_t *)(page + 8 * (1 + (long)arg));
	long l = 0;
	while (!stop) {
		int before = __atomic_load_n(&writable, __ATOMIC_SEQ_CST);
		if (sigsetjmp(back, 1)) {
			inside = 0;
			continue;
		}
		inside = 1;
		(*word)++;
		inside = 0;
		int after = __atomic_load_n(&writable, __ATOMIC_SEQ_CST);
		l += before == 0 && after == 0;
	}
	__atomic_add_fetch(&late, l, __ATOMIC_RELAXED);
	return NULL;
}

static void protecting(void)
{
	pthread_t t[READERS];
	stop = 0, writable = 1;
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	catch_faults();
	for (long i = 0; i < READERS; i++)
		t[i] = go(writer, (void *)i);
	int moved = 0;
	int64_t end = now_ns(CLOCK_MONOTONIC) + LONGEST;
	for (int n = 0; n < ROUNDS && now_ns(CLOCK_MONOTONIC) < end; n++) {
		uint64_t a[READERS], b[READERS];
		__atomic_store_n(&writable, 2, __ATOMIC_SEQ_CST);
		CHECK(mprotect(page, PAGE, PROT_READ) == 0);
		__atomic_store_n(&writable, 0, __ATOMIC_SEQ_CST);
		memcpy(a, page + 8, sizeof a);
		for (volatile int i = 0; i < 500; i++)
			;
		memcpy(b, page + 8, sizeof b);
		moved += memcmp(a, b, sizeof a) != 0;
		__atomic_store_n(&writable, 2, __ATOMIC_SEQ_CST);
		CHECK(mprotect(page, PAGE, PROT_READ | PROT_WRITE) == 0);
		__atomic_store_n(&writable, 1, __ATOMIC_SEQ_CST);
	}
	stop = 1;
	for (int i = 0; i < READERS; i++)
		pthread_join(t[i], NULL);
	say("stores after protection %ld, words that moved %d", late, moved);
}

// Frames that were given back must not be written through old translations: a
// writer hammers pages that come and go while another thread checks that its fresh
// pages are zero and stay what it wrote.
static char *volatile victim;

static void *hammers(void *arg)
{
	(void)arg;
	while (!stop) {
		if (sigsetjmp(back, 1)) {
			inside = 0;
			continue;
		}
		inside = 1;
		*(volatile uint64_t *)(victim + 8) = 0xdeadbeefdeadbeef;
		inside = 0;
	}
	return NULL;
}

static void reuse(void)
{
	pthread_t t[READERS];
	stop = 0;
	victim = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	catch_faults();
	for (int i = 0; i < READERS; i++)
		t[i] = go(hammers, NULL);
	int dirty = 0, changed = 0;
	int64_t end = now_ns(CLOCK_MONOTONIC) + LONGEST;
	for (int n = 0; n < ROUNDS && now_ns(CLOCK_MONOTONIC) < end; n++) {
		madvise(victim, PAGE, MADV_DONTNEED);
		mprotect(victim, PAGE, PROT_NONE); // from here on nobody writes it
		char *fresh = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		madvise(victim, PAGE, MADV_DONTNEED); // its frame goes back
		for (int k = 0; k < 4; k++) {
			dirty += *(volatile uint64_t *)(fresh + k * PAGE + 8) != 0;
			*(volatile uint64_t *)(fresh + k * PAGE + 8) = n;
		}
		for (volatile int i = 0; i < 300; i++)
			;
		for (int k = 0; k < 4; k++)
			changed += *(volatile uint64_t *)(fresh + k * PAGE + 8) != (uint64_t)n;
		munmap(fresh, 4 * PAGE);
		mprotect(victim, PAGE, PROT_READ | PROT_WRITE);
	}
	stop = 1;
	for (int i = 0; i < READERS; i++)
		pthread_join(t[i], NULL);
	say("fresh pages that were not zero %d, that changed %d", dirty, changed);
}

static const struct t_case cases[] = {
	{"replacing", replacing}, {"unmapping", unmapping}, {"discarding", discarding}, {"moving", moving},
	{"protecting", protecting}, {"reuse", reuse},
};
T_MAIN(cases)
