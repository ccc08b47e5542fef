// The vector and x87 state of threads: every thread keeps its own values in all
// registers, through system calls, signals, faults and preemption; handlers find
// and may change the interrupted state; sigreturn restores it.
#include "t.h"
#include <cpuid.h>
#include <ucontext.h>

struct state {
	uint8_t ymm[16][32] __attribute__((aligned(32)));
	uint8_t st[8][16];
	uint32_t mxcsr;
	uint16_t fcw, pad;
};

static int has_avx;

static void detect(void)
{
	unsigned a, b, c, d;
	if (__get_cpuid(1, &a, &b, &c, &d) && (c & bit_AVX) && (c & bit_OSXSAVE)) {
		unsigned lo, hi;
		__asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
		has_avx = (lo & 6) == 6;
	}
}

// load and store move all registers at once. The compiler is not told: both are
// called from code that is built without vector registers between them.
__attribute__((naked, noinline)) static void load_avx(const struct state *s)
{
	__asm__("vmovdqa 0(%rdi),%ymm0\nvmovdqa 32(%rdi),%ymm1\nvmovdqa 64(%rdi),%ymm2\nvmovdqa 96(%rdi),%ymm3\n"
		"vmovdqa 128(%rdi),%ymm4\nvmovdqa 160(%rdi),%ymm5\nvmovdqa 192(%rdi),%ymm6\nvmovdqa 224(%rdi),%ymm7\n"
		"vmovdqa 256(%rdi),%ymm8\nvmovdqa 288(%rdi),%ymm9\nvmovdqa 320(%rdi),%ymm10\nvmovdqa 352(%rdi),%ymm11\n"
		"vmovdqa 384(%rdi),%ymm12\nvmovdqa 416(%rdi),%ymm13\nvmovdqa 448(%rdi),%ymm14\nvmovdqa 480(%rdi),%ymm15\n"
		"fninit\nfldt 624(%rdi)\nfldt 608(%rdi)\nfldt 592(%rdi)\nfldt 576(%rdi)\nfldt 560(%rdi)\nfldt 544(%rdi)\n"
		"fldt 528(%rdi)\nfldt 512(%rdi)\nldmxcsr 640(%rdi)\nfldcw 644(%rdi)\nret");
}

__attribute__((naked, noinline)) static void store_avx(struct state *s)
{
	__asm__("vmovdqa %ymm0,0(%rdi)\nvmovdqa %ymm1,32(%rdi)\nvmovdqa %ymm2,64(%rdi)\nvmovdqa %ymm3,96(%rdi)\n"
		"vmovdqa %ymm4,128(%rdi)\nvmovdqa %ymm5,160(%rdi)\nvmovdqa %ymm6,192(%rdi)\nvmovdqa %ymm7,224(%rdi)\n"
		"vmovdqa %ymm8,256(%rdi)\nvmovdqa %ymm9,288(%rdi)\nvmovdqa %ymm10,320(%rdi)\nvmovdqa %ymm11,352(%rdi)\n"
		"vmovdqa %ymm12,384(%rdi)\nvmovdqa %ymm13,416(%rdi)\nvmovdqa %ymm14,448(%rdi)\nvmovdqa %ymm15,480(%rdi)\n"
		"fnstcw 644(%rdi)\nstmxcsr 640(%rdi)\nfstpt 512(%rdi)\nfstpt 528(%rdi)\nfstpt 544(%rdi)\nfstpt 560(%rdi)\n"
		"fstpt 576(%rdi)\nfstpt 592(%rdi)\nfstpt 608(%rdi)\nfstpt 624(%rdi)\nfninit\npushq $0x1f80\nldmxcsr (%rsp)\n"
		"addq $8,%rsp\nvzeroupper\nret");
}

__attribute__((naked, noinline)) static void load_sse(const struct state *s)
{
	__asm__("movdqa 0(%rdi),%xmm0\nmovdqa 32(%rdi),%xmm1\nmovdqa 64(%rdi),%xmm2\nmovdqa 96(%rdi),%xmm3\n"
		"movdqa 128(%rdi),%xmm4\nmovdqa 160(%rdi),%xmm5\nmovdqa 192(%rdi),%xmm6\nmovdqa 224(%rdi),%xmm7\n"
		"movdqa 256(%rdi),%xmm8\nmovdqa 288(%rdi),%xmm9\nmovdqa 320(%rdi),%xmm10\nmovdqa 352(%rdi),%xmm11\n"
		"movdqa 384(%rdi),%xmm12\nmovdqa 416(%rdi),%xmm13\nmovdqa 448(%rdi),%xmm14\nmovdqa 480(%rdi),%xmm15\n"
		"fninit\nfldt 624(%rdi)\nfldt 608(%rdi)\nfldt 592(%rdi)\nfldt 576(%rdi)\nfldt 560(%rdi)\nfldt 544(%rdi)\n"
		"fldt 528(%rdi)\nfldt 512(%rdi)\nldmxcsr 640(%rdi)\nfldcw 644(%rdi)\nret");
}

__attribute__((naked, noinline)) static void store_sse(struct state *s)
{
	__asm__("movdqa %xmm0,0(%rdi)\nmovdqa %xmm1,32(%rdi)\nmovdqa %xmm2,64(%rdi)\nmovdqa %xmm3,96(%rdi)\n"
		"movdqa %xmm4,128(%rdi)\nmovdqa %xmm5,160(%rdi)\nmovdqa %xmm6,192(%rdi)\nmovdqa %xmm7,224(%rdi)\n"
		"movdqa %xmm8,256(%rdi)\nmovdqa %xmm9,288(%rdi)\nmovdqa %xmm10,320(%rdi)\nmovdqa %xmm11,352(%rdi)\n"
		"movdqa %xmm12,384(%rdi)\nmovdqa %xmm13,416(%rdi)\nmovdqa %xmm14,448(%rdi)\nmovdqa %xmm15,480(%rdi)\n"
		"fnstcw 644(%rdi)\nstmxcsr 640(%rdi)\nfstpt 512(%rdi)\nfstpt 528(%rdi)\nfstpt 544(%rdi)\nfstpt 560(%rdi)\n"
		"fstpt 576(%rdi)\nfstpt 592(%rdi)\nfstpt 608(%rdi)\nfstpt 624(%rdi)\nfninit\npushq $0x1f80\nldmxcsr (%rsp)\n"
		"addq $8,%rsp\nret");
}

#define load(s) (has_avx ? load_avx(s) : load_sse(s))
#define store(s) (has_avx ? store_avx(s) : store_sse(s))

// fill makes the state of an owner. x87 registers hold whole numbers in the
// extended format, so that loading and storing changes no bit.
static void fill(struct state *s, uint64_t seed)
{
	memset(s, 0, sizeof *s);
	seed = seed * 2654435761u + 1;
	for (int i = 0; i < 16; i++)
		for (int j = 0; j < (has_avx ? 32 : 16); j++)
			s->ymm[i][j] = next_random(&seed);
	for (int i = 0; i < 8; i++) {
		uint64_t m = next_random(&seed) | 1ull << 63;
		uint16_t e = 16383 + 10 + next_random(&seed) % 40;
		memcpy(s->st[i], &m, 8);
		memcpy(s->st[i] + 8, &e, 2);
	}
	s->mxcsr = 0x1f80 | (next_random(&seed) % 4) << 13 | (next_random(&seed) & 1) << 15;
	s->fcw = 0x037f | (next_random(&seed) % 4) << 10;
}

// same compares what a store found; status bits of MXCSR are not compared.
static int same(const struct state *a, const struct state *b)
{
	for (int i = 0; i < 8; i++)
		if (memcmp(a->st[i], b->st[i], 10)) // of 16, FSTP writes ten
			return 0;
	return !memcmp(a->ymm, b->ymm, sizeof a->ymm) &&
		(a->mxcsr & 0xffc0) == (b->mxcsr & 0xffc0) && a->fcw == b->fcw;
}

// quiet calls the kernel without a C library in between, so that no register is
// touched on the way.
static inline long quiet(long n, long a, long b, long c)
{
	long r;
	register long r10 __asm__("r10") = 0;
	register long r8 __asm__("r8") = 0;
	__asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
	return r;
}

static volatile int stop;
static volatile long rounds[8];
static int bad[8];
static char *fault_page[8];

static void check(int me, const struct state *want, struct state *got, int how)
{
	if (!same(want, got)) {
		bad[me]++;
		say("FAIL thread %d, way %d: ymm %d x87 %d mxcsr %x/%x fcw %x/%x", me, how, !memcmp(want->ymm, got->ymm, sizeof got->ymm),
			!memcmp(want->st, got->st, sizeof got->st), want->mxcsr, got->mxcsr, want->fcw, got->fcw);
	}
}

static void *keeps(void *arg)
{
	int me = (int)(long)arg;
	struct state want, got;
	memset(&got, 0, sizeof got); // SSE stores no upper halves
	pid_t pid = getpid(), tid = my_tid();
	struct timespec little = {0, 200000};
	while (!stop && !bad[me]) {
		fill(&want, rounds[me] * 8 + me);
		int how = rounds[me] % 7;
		load(&want);
		switch (how) {
		case 0: // a call that does not block
			quiet(SYS_getppid, 0, 0, 0);
			break;
		case 1: // one that does
			quiet(SYS_nanosleep, (long)&little, 0, 0);
			break;
		case 2:
			quiet(SYS_sched_yield, 0, 0, 0);
			break;
		case 3: // a signal whose handler uses the registers
			quiet(SYS_tgkill, pid, tid, SIGUSR1);
			break;
		case 4: // a page fault
			*(volatile char *)fault_page[me] = 1;
			break;
		case 5: // preemption
			for (volatile int i = 0; i < 200000; i++)
				;
			break;
		case 6: // a call that answers an error
			quiet(SYS_read, -1, 0, 0);
			break;
		}
		store(&got);
		check(me, &want, &got, how);
		if (how == 4)
			quiet(SYS_madvise, (long)fault_page[me], PAGE, MADV_DONTNEED);
		rounds[me]++;
	}
	return NULL;
}

static void scribbles(int s)
{
	struct state other;
	fill(&other, 999 + s);
	load(&other);
	store(&other);
}

static void *disturbs(void *arg)
{
	pthread_t *t = arg;
	uint64_t seed = 3;
	while (!stop) {
		pthread_kill(t[next_random(&seed) % 8], SIGUSR2);
		pause_ns(300000);
	}
	return NULL;
}

static void threads(void)
{
	pthread_t t[8], d;
	struct sigaction a = {.sa_handler = scribbles, .sa_flags = SA_RESTART};
	sigaction(SIGUSR1, &a, NULL);
	sigaction(SIGUSR2, &a, NULL);
	for (long i = 0; i < 8; i++) {
		fault_page[i] = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		t[i] = go(keeps, (void *)i);
	}
	d = go(disturbs, t);
	pause_ns(4000 * MS);
	// On a busy host four emulated CPUs have little time in four seconds; a thread
	// that never gets any stays below the number of rounds.
	for (int more = 0; more < 400; more++) {
		int waits = 0;
		for (int i = 0; i < 8; i++)
			waits += rounds[i] < 20 && !bad[i];
		if (!waits)
			break;
		pause_ns(100 * MS);
	}
	stop = 1;
	pthread_join(d, NULL);
	int wrong = 0, few = 0;
	for (int i = 0; i < 8; i++) {
		pthread_join(t[i], NULL);
		wrong += bad[i];
		few += rounds[i] < 20;
	}
	say("wrong %d, threads with few rounds %d", wrong, few);
}

// A handler sees the interrupted registers in its frame, and what it writes there
// is what the program goes on with.
static struct state changed_to;
static int seen_x87, seen_sse, seen_avx, magic;

static void changes(int s, siginfo_t *info, void *u)
{
	(void)s, (void)info;
	ucontext_t *c = u;
	uint8_t *fp = (uint8_t *)c->uc_mcontext.fpregs;
	static struct state expect;
	fill(&expect, 5);
	seen_x87 = !memcmp(fp + 32, expect.st[0], 10) && !memcmp(fp + 32 + 7 * 16, expect.st[7], 10);
	seen_sse = 1;
	for (int i = 0; i < 16; i++)
		seen_sse &= !memcmp(fp + 160 + 16 * i, expect.ymm[i], 16);
	uint32_t magic1, size;
	memcpy(&magic1, fp + 464, 4);
	memcpy(&size, fp + 464 + 16, 4);
	magic = magic1 == 0x46505853; // FP_XSTATE_MAGIC1
	if (has_avx && magic) {
		seen_avx = 1;
		for (int i = 0; i < 16; i++)
			seen_avx &= !memcmp(fp + 576 + 16 * i, expect.ymm[i] + 16, 16);
	}
	fill(&changed_to, 6);
	for (int i = 0; i < 16; i++) {
		memcpy(fp + 160 + 16 * i, changed_to.ymm[i], 16);
		if (has_avx && magic)
			memcpy(fp + 576 + 16 * i, changed_to.ymm[i] + 16, 16);
	}
	for (int i = 0; i < 8; i++)
		memcpy(fp + 32 + 16 * i, changed_to.st[i], 10);
	memcpy(fp + 24, &changed_to.mxcsr, 4);
	memcpy(fp, &changed_to.fcw, 2);
}

static void frames(void)
{
	struct sigaction a = {.sa_sigaction = changes, .sa_flags = SA_SIGINFO};
	struct state s, got;
	memset(&got, 0, sizeof got);
	sigaction(SIGUSR1, &a, NULL);
	fill(&s, 5);
	pid_t pid = getpid(), tid = my_tid();
	load(&s);
	quiet(SYS_tgkill, pid, tid, SIGUSR1);
	store(&got);
	say("x87 seen %d, sse seen %d, avx seen or absent %d", seen_x87, seen_sse, has_avx ? seen_avx : 1);
	say("changed state taken %d", same(&changed_to, &got));
}

// Bad states in a frame must hurt nobody but the program: MXCSR with reserved
// bits, a header with reserved bits. What Linux does is SIGSEGV.
static int spoil;


static void spoils(int s, siginfo_t *info, void *u)
{
	(void)s, (void)info;
	ucontext_t *c = u;
	uint8_t *fp = (uint8_t *)c->uc_mcontext.fpregs;
	uint32_t all = 0xffffffff;
	uint64_t bits = ~0ull;
	if (spoil == 0)
		memcpy(fp + 24, &all, 4); // MXCSR
	if (spoil == 1)
		memcpy(fp + 512, &bits, 8); // XSTATE_BV
	if (spoil == 2)
		memcpy(fp + 520, &bits, 8); // XCOMP_BV
	if (spoil == 3)
		memcpy(fp + 528, &bits, 8); // reserved bytes of the header
	if (spoil == 4)
		memcpy(fp + 464, &all, 4); // no magic: the legacy part alone counts
	if (spoil == 5)
		c->uc_mcontext.fpregs = (void *)0x1001; // not mapped
	if (spoil == 6)
		c->uc_mcontext.fpregs = (void *)0xffff800000000000; // the kernel's
	if (spoil == 7)
		c->uc_mcontext.fpregs = NULL; // initial state
}

int main(int argc, char **argv)
{
	static const struct t_case cases[] = {{"threads", threads}, {"frames", frames}};
	detect();
	if (argc == 3 && !strcmp(argv[1], "spoil")) {
		struct sigaction a = {.sa_sigaction = spoils, .sa_flags = SA_SIGINFO};
		spoil = atoi(argv[2]);
		sigaction(SIGUSR1, &a, NULL);
		raise(SIGUSR1);
		say("survived %d", spoil);
		return 0;
	}
	return t_main(argc, argv, cases, COUNT(cases));
}
