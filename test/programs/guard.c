// The gap below the stack: what grows, how far, what faults, and what may be mapped
// there.
#define FAULTS_ON_ALTSTACK
#include "t.h"
#include "faults.h"
#include <alloca.h>
#include <sys/resource.h>

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define MIB (1UL << 20)

// touch stores a byte: "ok", or what came of it.
static const char *touch(char *p)
{
	if (!sigsetjmp(back, 1)) {
		*(volatile char *)p = 1;
		return "ok";
	}
	return fault_text(p);
}

// range finds the mapping that holds an address.
static void range(const void *p, char **low, char **high)
{
	char line[300];
	uintptr_t a, b;
	*low = *high = NULL;
	FILE *f = fopen("/proc/self/maps", "r");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "%lx-%lx", &a, &b) == 2 && a <= (uintptr_t)p && (uintptr_t)p < b)
			*low = (char *)a, *high = (char *)b;
	if (f)
		fclose(f);
	CHECK(*low != NULL);
}

static char *low, *high; // of the stack

static void look(void)
{
	char here;
	range(&here, &low, &high);
}

// hinted asks for a page and tells whether it came where it was asked for.
static const char *hinted(char *at, size_t n)
{
	char *p = mmap(at, n, RW, ANON, -1, 0);
	CHECK(p != MAP_FAILED);
	munmap(p, n);
	return p == at ? "there" : "elsewhere";
}

static const char *fixed(char *at, int prot)
{
	char *p = mmap(at, PAGE, prot, ANON | MAP_FIXED, -1, 0);
	CHECK(p == at || p == MAP_FAILED);
	return p == MAP_FAILED ? t_errno(errno) : "there";
}

// kept asks for a page that must replace nothing. The gap counts on Skerry.
static const char *kept(char *at)
{
	char *p = mmap(at, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	if (p == MAP_FAILED)
		return t_errno(errno);
	munmap(p, PAGE);
	return p == at ? "there" : "elsewhere";
}

// jumps: the stack grows to where it is touched, within its limit.
static void jumps(void)
{
	catch_faults();
	look();
	char *start = low;
	say("the lowest byte: %s", touch(low));
	say("a page below: %s", touch(low - PAGE));
	look();
	say("grown by %ld pages", (long)(start - low) / (long)PAGE);
	say("zero: %d", low[8] == 0 && low[PAGE - 1] == 0);
	say("1 MiB below: %s", touch(low - MIB));
	look();
	say("grown by %ld pages", (long)(start - low) / (long)PAGE);
	CHECK(setrlimit(RLIMIT_STACK, &(struct rlimit){(size_t)(high - low) + 16 * PAGE, RLIM_INFINITY}) == 0);
	start = low;
	say("beyond a lower limit: %s", touch(low - 17 * PAGE));
	say("just beyond it: %s", touch(low - 16 * PAGE - 1));
	look();
	say("grown by %ld pages", (long)(start - low) / (long)PAGE);
	say("just within it: %s", touch(low - 16 * PAGE));
	look();
	say("grown by %ld pages", (long)(start - low) / (long)PAGE);
	CHECK(setrlimit(RLIMIT_STACK, &(struct rlimit){8 * MIB, RLIM_INFINITY}) == 0);
	say("with the limit as it was: %s", touch(low - PAGE));
	say("the limit: %s", touch(high - 8 * MIB));
	say("beyond the limit: %s", touch(high - 8 * MIB - 1));
	say("far beyond: %s", touch(high - 100 * MIB));
}

__attribute__((noinline)) static void large(size_t n)
{
	volatile char *p = alloca(n);
	p[0] = 1;
	p[n / 2] = 1;
}

__attribute__((noinline)) static int calls(size_t n)
{
	if (sigsetjmp(back, 1))
		return 0;
	large(n);
	return 1;
}

static void allocas(void)
{
	catch_faults();
	look();
	say("7 MiB: %d", calls(7 * MIB));
	say("8 MiB: %d", calls(8 * MIB));
	say("code %d, below the limit: %d", fault_code, fault_address < high - 8 * MIB && fault_address > high - 9 * MIB);
	say("64 MiB: %d", calls(64 * MIB));
	say("code %d", fault_code);
	say("7 MiB again: %d", calls(7 * MIB));
}

// by_kernel: a system call that writes below the stack.
static void by_kernel(void)
{
	catch_faults();
	int fd = open("/dev/zero", O_RDONLY);
	look();
	char *start = low;
	SHOW(read(fd, low - PAGE, 16));
	look();
	say("grown by %ld pages", (long)(start - low) / (long)PAGE);
	SHOW(read(fd, low - PAGE - 8, 16));
	SHOW(read(fd, high - 8 * MIB - 64, 16));
	SHOW(read(fd, high - 100 * MIB, 16));
	close(fd);
}

// mappings: what may be put into the gap, and what that does to growth.
static void mappings(void)
{
	catch_faults();
	look();
	say("hint, right below: %s", hinted(low - PAGE, PAGE));
	say("hint, in the gap: %s", hinted(low - 128 * PAGE, PAGE));
	say("hint, at the gap's end: %s", hinted(low - MIB, PAGE));
	say("hint, just below the gap: %s", hinted(low - MIB - PAGE, PAGE));
	say("hint, into the gap: %s", hinted(low - MIB - PAGE, 2 * PAGE));
	say("DESIGN noreplace, right below: %s", kept(low - PAGE));
	say("DESIGN noreplace, in the gap: %s", kept(low - 128 * PAGE));
	say("DESIGN noreplace, at the gap's end: %s", kept(low - MIB));
	say("noreplace, below the gap: %s", kept(low - MIB - PAGE));
	say("noreplace, in the stack: %s", kept(low));
	say("fixed, right below: %s", fixed(low - PAGE, RW));
	say("growth: %s", touch(low - 2 * PAGE));
	say("it is what it is: %s", touch(low - PAGE));
	munmap(low - PAGE, PAGE);
	say("fixed, two pages below: %s", fixed(low - 2 * PAGE, RW));
	say("growth towards it: %s", touch(low - PAGE));
	CHECK(mprotect(low - 2 * PAGE, PAGE, PROT_NONE) == 0);
	say("growth towards a guard page: %s", touch(low - PAGE));
	munmap(low - 2 * PAGE, PAGE);
	look();
	say("fixed, as far as the gap: %s", fixed(low - 257 * PAGE, RW));
	say("growth by no page: %s", touch(low));
	say("growth by one: %s", touch(low - PAGE));
	munmap(low - 257 * PAGE, PAGE);
	look();
	say("fixed, a page more: %s", fixed(low - 258 * PAGE, RW));
	say("growth by one: %s", touch(low - PAGE));
	look();
	say("growth by another: %s", touch(low - PAGE));
	munmap(low - 257 * PAGE, PAGE);
	say("without it: %s", touch(low - PAGE));
	// Nothing is placed in the gap, however much is wanted.
	look();
	int inside = 0;
	char *all[64];
	for (size_t i = 0; i < COUNT(all); i++) {
		all[i] = mmap(NULL, 1 << (12 + i % 9), RW, ANON, -1, 0);
		CHECK(all[i] != MAP_FAILED);
		inside += all[i] < low && all[i] + (1 << (12 + i % 9)) > low - MIB;
	}
	say("placed in the gap: %d", inside);
	for (size_t i = 0; i < COUNT(all); i++)
		munmap(all[i], 1 << (12 + i % 9));
	say("mremap into the gap: %s", result(mremap(mmap(NULL, PAGE, RW, ANON, -1, 0), PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, low - 8 * PAGE) == low - 8 * PAGE));
	say("growth towards it: %s", touch(low - PAGE));
	munmap(low - 8 * PAGE, PAGE);
	say("without it: %s", touch(low - PAGE));
}

// grows_down: the same for a mapping of the program's own.
static void grows_down(void)
{
	catch_faults();
	char *room = mmap(NULL, 8 * MIB, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
	CHECK(room != MAP_FAILED && munmap(room, 8 * MIB) == 0);
	char *top = room + 8 * MIB - PAGE;
	CHECK(mmap(top, PAGE, RW, ANON | MAP_FIXED | MAP_GROWSDOWN, -1, 0) == top);
	say("own, a page below: %s", touch(top - PAGE));
	say("own, in the middle of a page: %s", touch(top - 2 * PAGE + 100));
	say("own, hint right below: %s", hinted(top - 3 * PAGE, PAGE));
	say("DESIGN own, noreplace: %s", kept(top - 3 * PAGE));
	say("own, fixed: %s", fixed(top - 5 * PAGE, RW));
	say("own, growth: %s", touch(top - 3 * PAGE));
	munmap(top - 5 * PAGE, PAGE);
	say("own, growth again: %s", touch(top - 3 * PAGE));
	char *a, *b;
	range(top, &a, &b);
	say("own, pages: %ld", (long)(b - a) / (long)PAGE);
	say("own, lost no byte: %d", top[-PAGE] == 1 && top[-2 * PAGE + 100] == 1);
	CHECK(munmap(a, b - a) == 0);
	say("own, gone: %s", touch(top));
}

static char *thread_low;

__attribute__((noinline)) static int deep(volatile char *above)
{
	volatile char frame[1024];
	frame[0] = above[0];
	return deep(frame) + frame[0];
}

static void *overflows(void *arg)
{
	(void)arg;
	catch_faults();
	char c = 0;
	if (!sigsetjmp(back, 1))
		deep(&c);
	say("thread: code %d, in the guard: %d", fault_code, fault_address < thread_low && fault_address >= thread_low - PAGE);
	say("thread, the lowest byte: %s", touch(thread_low));
	say("thread, a byte below: %s", touch(thread_low - 1));
	return NULL;
}

// A thread's stack has a guard page of its own and does not grow.
static void threads(void)
{
	pthread_attr_t a;
	pthread_t t;
	char *p = mmap(NULL, 65 * PAGE, RW, ANON | MAP_STACK, -1, 0);
	CHECK(p != MAP_FAILED && mprotect(p, PAGE, PROT_NONE) == 0);
	thread_low = p + PAGE;
	pthread_attr_init(&a);
	CHECK(pthread_attr_setstack(&a, thread_low, 64 * PAGE) == 0);
	CHECK(pthread_create(&t, &a, overflows, NULL) == 0);
	pthread_join(t, NULL);
}

// In this order: what grew stays.
static const struct t_case cases[] = {{"by-kernel", by_kernel}, {"mappings", mappings}, {"grows-down", grows_down}, {"threads", threads}, {"jumps", jumps}, {"allocas", allocas}};

int main(int argc, char **argv)
{
	if (setrlimit(RLIMIT_STACK, &(struct rlimit){8 * MIB, RLIM_INFINITY}) < 0)
		say("FAIL no limit: %s", t_errno(errno));
	return t_main(argc, argv, cases, COUNT(cases));
}
