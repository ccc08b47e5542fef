// Registers of which the kernel can make nothing: threads with random general registers, stack
// pointers, FS and GS bases (of the kernel's half, too) and flags (AC, DF, NT, ID, those of
// arithmetic, IOPL, which does not stick, and TF) spin, make calls, store to a page that goes
// away, and are stepped, while a third thread takes memory away and changes its protection,
// which interrupts the other CPU. Everything that must survive has survived.
//
//   registers [ROUNDS]    0: without end, for somebody who does more to the machine
#include "t.h"
#include <sys/auxv.h>

enum { RAX, RBX, RCX, RDX, RSI, RDI, RBP, R8, R9, R10, R11, R12, R13, R14, R15, RSP, FLAGS, FS, GS, SLOTS };
static const char *const names[SLOTS] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rsp", "flags", "fs", "gs"};

// Flags of EFLAGS, Intel SDM vol. 1, 3.4.3.
#define ARITHMETIC 0x8d5UL
#define TF 0x100UL
#define IF 0x200UL
#define DF 0x400UL
#define IOPL 0x3000UL
#define NT 0x4000UL
#define AC 0x40000UL
#define ID 0x200000UL

#define STR_(x) #x
#define STR(x) STR_(x)
#define LOAD(r, k) "movq in" STR_(r) "+8*" #k "(%rip), "

// Everything stands at fixed addresses, since there is no register left for one. N is the
// thread's number. Way 0 spins, 1 stores to a page, 2 makes calls.
#define KEEPER(N)                                                                                  \
	__attribute__((visibility("hidden"))) uint64_t in##N[SLOTS], out##N[SLOTS], kept##N[2];    \
	__attribute__((visibility("hidden"))) uint64_t bases##N;                                   \
	__asm__(".text\n.balign 16\n"                                                              \
		".macro enter" #N "\n"                                                             \
		"pushq %rbx\npushq %rbp\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"         \
		"movq %rsp, kept" #N "(%rip)\n"                                                    \
		"cmpq $0, bases" #N "(%rip)\nje 1f\n"                                              \
		"rdfsbase %rax\nmovq %rax, kept" #N "+8(%rip)\n"                                   \
		"movq in" #N "+8*17(%rip), %rax\nwrfsbase %rax\n"                                  \
		"movq in" #N "+8*18(%rip), %rax\nwrgsbase %rax\n1:\n"                              \
		"movq in" #N "(%rip), %rax\nmovq in" #N "+8(%rip), %rbx\nmovq in" #N "+16(%rip), %rcx\nmovq in" #N "+24(%rip), %rdx\n"      \
		"movq in" #N "+32(%rip), %rsi\nmovq in" #N "+40(%rip), %rdi\nmovq in" #N "+48(%rip), %rbp\nmovq in" #N "+56(%rip), %r8\n"   \
		"movq in" #N "+64(%rip), %r9\nmovq in" #N "+72(%rip), %r10\nmovq in" #N "+80(%rip), %r11\nmovq in" #N "+88(%rip), %r12\n"   \
		"movq in" #N "+96(%rip), %r13\nmovq in" #N "+104(%rip), %r14\nmovq in" #N "+112(%rip), %r15\n"                              \
		"pushq in" #N "+8*16(%rip)\npopfq\nmovq in" #N "+8*15(%rip), %rsp\n.endm\n"        \
		".macro leave" #N "\n"                                                             \
		"movq %rsp, out" #N "+8*15(%rip)\nmovq kept" #N "(%rip), %rsp\npushfq\npopq out" #N "+8*16(%rip)\npushq $2\npopfq\n"        \
		"movq %rax, out" #N "(%rip)\nmovq %rbx, out" #N "+8(%rip)\nmovq %rcx, out" #N "+16(%rip)\nmovq %rdx, out" #N "+24(%rip)\n"  \
		"movq %rsi, out" #N "+32(%rip)\nmovq %rdi, out" #N "+40(%rip)\nmovq %rbp, out" #N "+48(%rip)\nmovq %r8, out" #N "+56(%rip)\n" \
		"movq %r9, out" #N "+64(%rip)\nmovq %r10, out" #N "+72(%rip)\nmovq %r11, out" #N "+80(%rip)\nmovq %r12, out" #N "+88(%rip)\n" \
		"movq %r13, out" #N "+96(%rip)\nmovq %r14, out" #N "+104(%rip)\nmovq %r15, out" #N "+112(%rip)\n"                           \
		"cmpq $0, bases" #N "(%rip)\nje 1f\n"                                              \
		"rdfsbase %rax\nmovq %rax, out" #N "+8*17(%rip)\nrdgsbase %rax\nmovq %rax, out" #N "+8*18(%rip)\n"                          \
		"movq kept" #N "+8(%rip), %rax\nwrfsbase %rax\n1:\n"                               \
		"popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbp\npopq %rbx\nret\n.endm\n"   \
		"spin" #N ": enter" #N "\n1: leaq -1(%rcx), %rcx\njrcxz 2f\njmp 1b\n2: leave" #N "\n"                                      \
		"store" #N ": enter" #N "\n1: movq %rax, race(%rip)\nleaq -1(%rcx), %rcx\njrcxz 2f\njmp 1b\n2: leave" #N "\n"               \
		"calls" #N ": enter" #N "\n1: movl $110, %eax\nsyscall\nleaq -1(%r15), %r15\nmovq %r15, %rcx\njrcxz 2f\njmp 1b\n2: leave" #N "\n"); \
	void spin##N(void), store##N(void), calls##N(void);

__attribute__((visibility("hidden"))) char race[PAGE] __attribute__((aligned(PAGE)));
KEEPER(0)
KEEPER(1)

static uint64_t *const ins[] = {in0, in1}, *const outs[] = {out0, out1}, *const bases[] = {&bases0, &bases1};
static void (*const ways[2][3])(void) = {{spin0, store0, calls0}, {spin1, store1, calls1}};

static int has_fsgsbase;
static long rounds = 1500;
static volatile long working = 2, steps, moves;

// stepped runs with the FS base that it finds, so it uses nothing of the C library's.
static void stepped(int s)
{
	(void)s;
	__atomic_add_fetch(&steps, 1, __ATOMIC_RELAXED);
}

// canonical makes an address of which one half is the kernel's.
static uint64_t canonical(uint64_t *seed)
{
	static const uint64_t edges[] = {0, 8, 0x7fffffffeff8, 0x7ffffffff000, 0xffff800000000000, 0xffff888000001000, 0xffffe00000000000, 0xffffffff80201000, 0xfffffffffffffff8};
	uint64_t v = next_random(seed);
	return v & 1 ? edges[(v >> 8) % COUNT(edges)] : (uint64_t)((int64_t)(v << 16) >> 16);
}

static void *keeps(void *arg)
{
	int me = (int)(long)arg;
	static char stacks[2][65536];
	stack_t ss = {.ss_sp = stacks[me], .ss_size = sizeof stacks[me]};
	uint64_t seed = 4711 + me, *in = ins[me], *out = outs[me];
	sigaltstack(&ss, NULL);
	for (long n = 0; n < rounds || !rounds; n++) {
		int way = n % 3, step = n % 16 == 5;
		for (int r = RAX; r <= R15; r++)
			in[r] = next_random(&seed) % 4 ? next_random(&seed) : canonical(&seed);
		in[way == 2 ? R15 : RCX] = 1 + next_random(&seed) % (step ? 8 : way == 2 ? 100 : way == 1 ? 3000 : 20000);
		in[RSP] = canonical(&seed); // IRETQ refuses others on some processors, which ends the program
		in[FLAGS] = (next_random(&seed) & (ARITHMETIC | DF | IOPL | NT | AC | ID)) | IF | 2 | (step ? TF : 0);
		in[FS] = canonical(&seed), in[GS] = canonical(&seed);
		*bases[me] = has_fsgsbase;
		int called = !has_fsgsbase || n % 5 == 0;
		if (called) {
			in[GS] &= 0x7fffffffe000;
			syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, in[GS]);
		}
		long before = steps;
		ways[me][way]();
		if (step && steps == before)
			say("FAIL thread %d: not stepped", me);
		if (!has_fsgsbase) {
			out[FS] = in[FS];
			syscall(SYS_arch_prctl, 0x1004 /* ARCH_GET_GS */, &out[GS]);
		}
		for (int r = 0; r < SLOTS; r++) {
			uint64_t want = in[r], got = out[r];
			if (way == 2 && (r == RAX || r == RCX || r == R11 || r == R15))
				continue;
			if (r == RCX)
				want = 0;
			if (r == FLAGS) // NT is set, but Linux loses it
				want &= ~IOPL, want &= ~NT, got &= ARITHMETIC | TF | IF | DF | IOPL | AC | ID | 2;
			if (got != want) {
				t_failed = 1;
				say("FAIL thread %d, way %d: %s is %lx, not %lx", me, way, names[r], (long)got, (long)want);
				_exit(1);
			}
		}
	}
	__atomic_sub_fetch(&working, 1, __ATOMIC_RELAXED);
	return NULL;
}

// takes interrupts the other CPU by taking memory away and changing its rights.
static void takes(void)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	while (working) {
		char *p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
		CHECK(p != MAP_FAILED);
		memset(p, 1, 8 * PAGE);
		CHECK(mprotect(p, 4 * PAGE, PROT_READ) == 0);
		CHECK(madvise(race, PAGE, MADV_DONTNEED) == 0);
		CHECK(munmap(p, 8 * PAGE) == 0);
		moves++;
	}
}

int main(int argc, char **argv)
{
	struct sigaction a = {.sa_handler = stepped, .sa_flags = SA_ONSTACK};
	has_fsgsbase = getauxval(AT_HWCAP2) >> 1 & 1; // HWCAP2_FSGSBASE
	if (argc > 1)
		rounds = atol(argv[1]);
	sigaction(SIGTRAP, &a, NULL);
	pthread_t t[2];
	for (long i = 0; i < 2; i++)
		t[i] = go(keeps, (void *)i);
	say("at work");
	takes();
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	CHECK(moves > 0 && steps > 0);
	// The kernel serves on.
	int p[2];
	char b[8] = "";
	CHECK(pipe(p) == 0 && write(p[1], "alive", 5) == 5 && read(p[0], b, sizeof b) == 5);
	say("%s", b);
	return t_failed;
}
