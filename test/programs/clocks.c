// Clocks and randomness.
//
// REFERENCE_TIME in the environment is the time that the harness sees in seconds.
#include "t.h"
#include <elf.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <sys/time.h>
#include <sys/times.h>

static long reference;

static void clocks(void)
{
	static const struct {
		clockid_t id;
		const char *name;
	} list[] = {
		{CLOCK_REALTIME, "REALTIME"}, {CLOCK_MONOTONIC, "MONOTONIC"}, {CLOCK_PROCESS_CPUTIME_ID, "PROCESS_CPUTIME"},
		{CLOCK_THREAD_CPUTIME_ID, "THREAD_CPUTIME"}, {CLOCK_MONOTONIC_RAW, "MONOTONIC_RAW"}, {CLOCK_REALTIME_COARSE, "REALTIME_COARSE"},
		{CLOCK_MONOTONIC_COARSE, "MONOTONIC_COARSE"}, {CLOCK_BOOTTIME, "BOOTTIME"}, {CLOCK_TAI, "TAI"}, {10, "10"}, {99, "99"}, {-1, "-1"},
	};
	for (size_t i = 0; i < COUNT(list); i++) {
		struct timespec t, r;
		int g = clock_gettime(list[i].id, &t);
		say("%s: %s", list[i].name, g ? t_errno(errno) : t.tv_nsec >= 0 && t.tv_nsec < 1000000000 ? "ok" : "odd");
		g = clock_getres(list[i].id, &r);
		say("%s resolution: %s", list[i].name, g ? t_errno(errno) : r.tv_sec == 0 && r.tv_nsec > 0 && r.tv_nsec <= 10000000 ? "ok" : "odd");
		// The call itself says the same as the vDSO.
		struct timespec s;
		long raw = syscall(SYS_clock_gettime, list[i].id, &s);
		if (!g && !raw) {
			int64_t d = (s.tv_sec - t.tv_sec) * 1000000000LL + s.tv_nsec - t.tv_nsec;
			CHECK(d >= 0 && d < 1000 * MS);
		}
	}
	SHOW(syscall(SYS_clock_gettime, CLOCK_REALTIME, (void *)8));
	SHOW(syscall(SYS_clock_gettime, CLOCK_REALTIME, (void *)0xffff800000000000));
	// Linux takes time(2) from the last tick of its own, 10 ms ago at most.
	int64_t earliest = now_ns(CLOCK_REALTIME) - 20 * MS;
	time_t seconds = time(NULL);
	CHECK(seconds >= earliest / 1000000000 && seconds <= now_ns(CLOCK_REALTIME) / 1000000000);
	struct timeval tv;
	CHECK(gettimeofday(&tv, NULL) == 0 && llabs(tv.tv_sec * 1000000000LL + tv.tv_usec * 1000 - now_ns(CLOCK_REALTIME)) < 1000 * MS);
	CHECK(times(NULL) != (clock_t)-1);
	if (reference)
		say("agrees with the harness %d", labs(time(NULL) - reference) <= 120);
	say("boot time is not before the machine's %d", now_ns(CLOCK_BOOTTIME) >= now_ns(CLOCK_MONOTONIC) - MS);
}

static volatile int stop;
static int64_t shared;

// Time never goes back, in one thread or between threads.
static void *looks(void *arg)
{
	long bad = 0;
	int64_t last = 0;
	while (!stop) {
		int64_t seen = __atomic_load_n(&shared, __ATOMIC_SEQ_CST), t = now_ns(CLOCK_MONOTONIC);
		bad += t < last || t < seen;
		last = t;
		int64_t s = seen;
		while (s < t && !__atomic_compare_exchange_n(&shared, &s, t, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			;
	}
	*(long *)arg = bad;
	return NULL;
}

static void monotonic(void)
{
	pthread_t t[4];
	long bad[4];
	for (int i = 0; i < 4; i++)
		t[i] = go(looks, &bad[i]);
	pause_ns(1000 * MS);
	stop = 1;
	long sum = 0;
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], NULL);
		sum += bad[i];
	}
	say("steps back %ld", sum);
	int64_t c = now_ns(CLOCK_THREAD_CPUTIME_ID), m = now_ns(CLOCK_MONOTONIC);
	while (now_ns(CLOCK_MONOTONIC) - m < 100 * MS)
		;
	c = now_ns(CLOCK_THREAD_CPUTIME_ID) - c;
	say("processor time of a spin %d", c > 5 * MS && c < 1000 * MS);
	c = now_ns(CLOCK_THREAD_CPUTIME_ID);
	pause_ns(200 * MS);
	c = now_ns(CLOCK_THREAD_CPUTIME_ID) - c;
	say("of a sleep %d", c < 100 * MS);
}

// The vDSO is an ELF object with the names that C libraries look for.
static void vdso(void)
{
	const Elf64_Ehdr *h = (void *)getauxval(AT_SYSINFO_EHDR);
	if (!h || memcmp(h, ELFMAG, SELFMAG)) {
		say("FAIL no vDSO");
		return;
	}
	const Elf64_Phdr *p = (void *)((char *)h + h->e_phoff);
	uintptr_t load = 0, found = 0;
	const Elf64_Dyn *dyn = NULL;
	for (int i = 0; i < h->e_phnum; i++) {
		if (p[i].p_type == PT_LOAD && !found)
			load = (uintptr_t)h + p[i].p_offset - p[i].p_vaddr, found = 1;
		if (p[i].p_type == PT_DYNAMIC)
			dyn = (void *)((char *)h + p[i].p_offset);
	}
	CHECK(found && dyn);
	const char *str = NULL;
	const Elf64_Sym *sym = NULL;
	const uint32_t *hash = NULL;
	for (; dyn && dyn->d_tag; dyn++) {
		if (dyn->d_tag == DT_STRTAB)
			str = (void *)(load + dyn->d_un.d_ptr);
		if (dyn->d_tag == DT_SYMTAB)
			sym = (void *)(load + dyn->d_un.d_ptr);
		if (dyn->d_tag == DT_HASH)
			hash = (void *)(load + dyn->d_un.d_ptr);
	}
	if (!str || !sym) {
		say("FAIL no symbols");
		return;
	}
	static const char *const names[] = {"__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time", "__vdso_clock_getres", "__vdso_getcpu"};
	int seen = 0;
	// Linux has dropped DT_HASH in some builds; the table ends where strings begin.
	uint32_t n = hash ? hash[1] : ((char *)str - (char *)sym) / sizeof *sym;
	for (uint32_t i = 0; i < n; i++)
		for (size_t k = 0; k < COUNT(names); k++)
			seen += !strcmp(str + sym[i].st_name, names[k]) && sym[i].st_shndx != SHN_UNDEF;
	say("names %d", seen);
}

static void randomness(void)
{
	static unsigned char a[1 << 16], b[1 << 16];
	SHOW(getrandom(a, sizeof a, 0));
	SHOW(getrandom(b, 256, GRND_NONBLOCK));
	SHOW(getrandom(b, sizeof b, GRND_RANDOM | GRND_NONBLOCK) > 0);
	SHOW(getrandom(b, 1, 0x10));
	SHOW(getrandom(b, 1, GRND_RANDOM | 4 /* INSECURE */));
	SHOW(getrandom((void *)8, 1, 0));
	SHOW(getrandom(b, 0, 0));
	CHECK(memcmp(a, b, 256));
	// Each byte value is about as frequent as the others: 256 expected, 6 sigma = 96.
	int count[256] = {0}, odd = 0;
	for (size_t i = 0; i < sizeof a; i++)
		count[a[i]]++;
	for (int i = 0; i < 256; i++)
		odd += count[i] < 160 || count[i] > 352;
	say("odd counts %d", odd);
	int fd = open("/dev/urandom", O_RDWR);
	CHECK(read(fd, b, sizeof b) == sizeof b && memcmp(a, b, sizeof a));
	SHOW(write(fd, "seed", 4));
	close(fd);
	unsigned char *r = (void *)getauxval(AT_RANDOM);
	CHECK(r && memcmp(r, a, 16));
}

static const struct t_case cases[] = {{"clocks", clocks}, {"monotonic", monotonic}, {"vdso", vdso}, {"randomness", randomness}};

int main(int argc, char **argv)
{
	const char *r = getenv("REFERENCE_TIME");
	if (r)
		reference = atol(r);
	return t_main(argc, argv, cases, COUNT(cases));
}
