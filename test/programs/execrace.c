// A page of code that other threads execute, while it is unmapped, replaced by memory
// with other code written into it, protected, dropped and mapped again, and while its
// frames are wanted elsewhere: what was written never runs.
//
// usage: execrace LIBRARY ROUNDS; the library has, at the start of a page, 16 bytes of
// mark and then code that returns 42.
#include "t.h"
#include <setjmp.h>
#include <sys/stat.h>

enum { RUNNERS = 3, SPARE = 8 };
static const unsigned char mark[16] = "execrace's mark";
static const unsigned char evil[] = {0xb8, 0x9a, 0x02, 0, 0, 0xc3}; // mov $666, %eax; ret

static char *page;
static volatile int stop;
static __thread sigjmp_buf back;
static __thread volatile int inside;
static volatile long runs[RUNNERS], faults[RUNNERS];
static long wrong;

static void on_fault(int s)
{
	(void)s;
	if (!inside)
		_exit(90);
	siglongjmp(back, 1);
}

static void *runner(void *arg)
{
	int me = (int)(long)arg;
	while (!stop) {
		if (sigsetjmp(back, 1)) {
			inside = 0;
			faults[me]++;
			sched_yield();
			continue;
		}
		inside = 1;
		int v = ((int (*)(void))(page + sizeof mark))();
		inside = 0;
		runs[me]++;
		if (v != 42)
			__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

// with_code puts code that must not run where the other code stands, and all over the page.
static void with_code(char *p)
{
	for (int i = sizeof mark; i + (int)sizeof evil <= PAGE; i += 64)
		memcpy(p + i, evil, sizeof evil);
}

int main(int argc, char **argv)
{
	CHECK(argc == 3);
	int fd = open(argv[1], O_RDONLY);
	struct stat st;
	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	char *all = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(all != MAP_FAILED);
	off_t at = 0;
	while (at < st.st_size && memcmp(all + at, mark, sizeof mark))
		at += PAGE;
	CHECK(at < st.st_size);
	munmap(all, st.st_size);

	struct sigaction a = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};
	sigaction(SIGSEGV, &a, NULL);
	sigaction(SIGBUS, &a, NULL);
	page = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, at);
	CHECK(page != MAP_FAILED);
	char *spare = mmap(NULL, SPARE * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t t[RUNNERS];
	for (long i = 0; i < RUNNERS; i++)
		t[i] = go(runner, (void *)i);
	long rounds = atol(argv[2]), failed = 0;
	for (long n = 0; n < rounds; n++) {
		switch (n % 5) {
		case 0: // gone, then something else there, then gone, then back
			munmap(page, PAGE);
			failed += mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != page;
			with_code(page);
			munmap(page, PAGE);
			break;
		case 1: // replaced in one go
			failed += mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != page;
			with_code(page);
			break;
		case 2: // replaced by a writable view of the same file
			failed += mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, at) != page;
			with_code(page);
			break;
		case 3: // moved away, and other memory moved here
			failed += mremap(page, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, spare) != spare;
			failed += mmap(spare, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != spare;
			with_code(spare);
			failed += mremap(spare, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, page) != page;
			failed += mmap(spare, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != spare;
			break;
		case 4: // dropped: its frames go elsewhere, and come back
			mprotect(page, PAGE, PROT_NONE);
			mprotect(page, PAGE, PROT_READ | PROT_EXEC);
			madvise(page, PAGE, MADV_DONTNEED);
			posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
			for (int i = 0; i < SPARE; i++)
				with_code(spare + i * PAGE);
			madvise(spare, SPARE * PAGE, MADV_DONTNEED);
			break;
		}
		failed += mmap(page, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, at) != page;
		failed += ((int (*)(void))(page + sizeof mark))() != 42;
	}
	// Each of them has executed it.
	for (int i = 0; i < RUNNERS; i++)
		for (int more = 0; runs[i] == 0 && more < 300; more++)
			pause_ns(100 * MS);
	stop = 1;
	int idle = 0;
	for (int i = 0; i < RUNNERS; i++) {
		pthread_join(t[i], NULL);
		idle += runs[i] == 0;
	}
	say("rounds %ld, failed %ld, wrong %ld, idle %d", rounds, failed, wrong, idle);
	return 0;
}
