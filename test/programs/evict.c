// Code whose pages the page cache gives up and reads again, over and over, while threads
// on all CPUs execute it: memory runs short, since another thread takes nearly all there
// is, gives it back, and reads the file meanwhile. Each function returns a number of its
// own, so a page with the contents of another, or of none, is seen.
//
// usage: evict SECONDS, in a machine of little memory
#include "t.h"
#include <sched.h>
#include <setjmp.h>

// Four functions to a page; LEAVE pages are left to the kernel.
enum { PAGES = 3072, RUNNERS = 4, LEAVE = 2048, ENOUGH = PAGES + PAGES / 4, FIRST = 0x5a000000 };
#define FUNCTION(k) "movl $(number * 4 + 0x5a000000 + " #k "), %eax\nret\n.balign 1024, 0xcc\n"
extern unsigned char many[];
__asm__(".pushsection .text\n.balign 4096\nmany:\n.set number, 0\n.rept 3072\n" FUNCTION(0) FUNCTION(1) FUNCTION(2) FUNCTION(3)
	".set number, number + 1\n.endr\n.popsection");

static volatile int stop;
static volatile long calls[RUNNERS];
static long wrong, faults;
static __thread sigjmp_buf back;
static __thread volatile int inside;

static void on_fault(int s)
{
	(void)s;
	if (!inside)
		_exit(90);
	siglongjmp(back, 1);
}

static void *runner(void *arg)
{
	long me = (long)arg;
	uint64_t seed = 88172645463325252ull * (me + 1);
	static __thread volatile uint64_t r;
	while (!stop) {
		r = next_random(&seed) % (PAGES * 4);
		if (sigsetjmp(back, 1)) {
			inside = 0;
			if (__atomic_fetch_add(&faults, 1, __ATOMIC_RELAXED) < 5)
				say("FAIL function %ld faulted", (long)r);
			continue;
		}
		// A run of functions, since runs of pages are read at a time.
		for (int i = 0; i < 16 && !stop; i++, r = (r + 5) % (PAGES * 4)) {
			inside = 1;
			int v = ((int (*)(void))(many + r * 1024))();
			inside = 0;
			calls[me]++;
			if (v != (int)(FIRST + r) && __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED) < 5)
				say("FAIL function %ld returned %#x", (long)r, v);
		}
	}
	return NULL;
}

// figure reads a number of a file in /proc, in its own unit.
static long figure(const char *path, const char *name)
{
	char text[4096], *p;
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	close(fd);
	text[n < 0 ? 0 : n] = 0;
	p = strstr(text, name);
	return p ? atol(p + strlen(name)) : -1;
}

static long available(void) { return figure("/proc/meminfo", "MemAvailable:") / 4; }
static long read_again(void) { return figure("/proc/self/io", "\nread_bytes:") / (long)PAGE; }

// absent counts the pages of code that are not in memory.
static long absent(void)
{
	static unsigned char in[PAGES];
	long n = 0;
	CHECK(mincore(many, PAGES * PAGE, in) == 0);
	for (int i = 0; i < PAGES; i++)
		n += !(in[i] & 1);
	return n;
}

static off_t offset;

// look_up finds where the code lies in the program's file.
static void look_up(void)
{
	char line[300];
	uintptr_t a, b;
	unsigned long off;
	FILE *f = fopen("/proc/self/maps", "r");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "%lx-%lx %*s %lx", &a, &b, &off) == 3 && a <= (uintptr_t)many && (uintptr_t)many < b)
			offset = off + ((uintptr_t)many - a);
	if (f)
		fclose(f);
}

// check reads a page of code as a file.
static void check(int fd, long page)
{
	unsigned char text[PAGE];
	uint32_t v;
	CHECK(pread(fd, text, PAGE, offset + page * PAGE) == PAGE);
	for (int k = 0; k < 4; k++) {
		memcpy(&v, text + k * 1024 + 1, 4);
		if (text[k * 1024] != 0xb8 || v != FIRST + page * 4 + k || text[k * 1024 + 1023] != 0xcc)
			__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
	}
}

int main(int argc, char **argv)
{
	int64_t end = now_ns(CLOCK_MONOTONIC) + (argc > 1 ? atoi(argv[1]) : 5) * 1000 * MS, last = end + 30000 * MS;
	int list[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE};
	struct sigaction a = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};
	for (size_t i = 0; i < COUNT(list); i++)
		sigaction(list[i], &a, NULL);
	cpu_set_t cpus;
	CHECK(sched_getaffinity(0, sizeof cpus, &cpus) == 0);
	int runners = CPU_COUNT(&cpus) < 2 ? 2 : CPU_COUNT(&cpus) > RUNNERS ? RUNNERS : CPU_COUNT(&cpus);
	look_up();
	int fd = open("/proc/self/exe", O_RDONLY);
	CHECK(fd >= 0 && offset != 0);

	pthread_t t[RUNNERS];
	for (long i = 0; i < runners; i++)
		t[i] = go(runner, (void *)i);
	long rounds = 0, evicted = 0, before = read_again(), again = 0, size = 0;
	uint64_t seed = 1;
	do {
		// Nearly all memory, a little at a time, until code is gone, or as far as is safe.
		long most = available() - LEAVE, chunk = 32;
		size = most > size ? most : size;
		char *p = mmap(NULL, (most + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(p != MAP_FAILED);
		for (long at = 0; at + chunk <= most && available() > LEAVE && now_ns(CLOCK_MONOTONIC) < last; at += chunk)
			for (long i = 0; i < chunk; i++)
				p[(at + i) * PAGE] = i;
		evicted += absent();
		for (int i = 0; i < 16; i++)
			check(fd, next_random(&seed) % PAGES);
		pause_ns(20 * MS);
		munmap(p, (most + 1) * PAGE);
		rounds++;
		for (int i = 0; i < 64; i++)
			check(fd, (rounds * 64 + i) % PAGES);
		again = read_again() - before;
		// A slow machine gets more time.
	} while (now_ns(CLOCK_MONOTONIC) < (evicted == 0 || again < ENOUGH ? last : end));
	stop = 1;
	long all = 0, idle = 0;
	for (int i = 0; i < runners; i++) {
		pthread_join(t[i], NULL);
		all += calls[i];
		idle += calls[i] == 0;
	}
	say("rounds %ld, calls %ld, pages missing %ld, pages read %ld of %d, memory %ld pages", rounds, all, evicted, again, PAGES, size);
	say("wrong %ld, faults %ld, idle %ld", wrong, faults, idle);
	if (evicted == 0 || again < ENOUGH)
		say("FAIL no page was read again");
	return t_failed || wrong || faults || idle || evicted == 0 || again < ENOUGH;
}
