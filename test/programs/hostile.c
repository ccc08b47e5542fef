// Hostile register state: what a program may do to its registers and with its
// instructions must end in a signal or do nothing, and the kernel must live. Each
// row runs many times in its own way; the program is alive at the end and says so.
//
// usage: hostile [ROW]...
#include "t.h"
#include "traps.h"
#include <elf.h>
#include <sys/auxv.h>
#include <ucontext.h>

static volatile uintptr_t got_address, got_ip;

// caught runs with the FS base and the flags that it finds: Linux clears DF, TF
// and RF for a handler, but not AC, with which ordinary code cannot go on.
static uint64_t good_fs;
static int has_fsgsbase;

static void caught(int s, siginfo_t *i, void *u)
{
	__asm__ volatile("pushfq\nandq $~0x44000, (%%rsp)\npopfq" ::: "memory", "cc");
	ucontext_t *c = u;
	if (has_fsgsbase)
		__asm__ volatile("wrfsbase %0" ::"r"(good_fs));
	got_signal = s;
	got_code = i->si_code;
	got_address = (uintptr_t)i->si_addr;
	got_ip = c->uc_mcontext.gregs[REG_RIP];
	siglongjmp(back, 1);
}

// TRY runs a statement until it ends by itself or by a signal.
#define TRY(name, ...)                                                                             \
	do {                                                                                       \
		for (int n_ = 0; n_ < 50; n_++) {                                                  \
			got_signal = got_code = 0;                                                 \
			if (!sigsetjmp(back, 1)) {                                                 \
				__VA_ARGS__;                                                       \
			}                                                                          \
		}                                                                                  \
		say("%s: %s", name, verdict());                                                    \
	} while (0)

#define ASM(text, ...) __asm__ volatile(text ::__VA_ARGS__ : "rax", "rcx", "rdx", "r11", "memory", "cc")

// With a stack pointer that is no stack, a call works and a push faults.
#define WITH_RSP(value)                                                                            \
	__asm__ volatile("movq %%rsp, %%rbx\nmovq %0, %%rsp\nmovl $110, %%eax\nsyscall\nmovl $39, %%eax\nsyscall\n"    \
			 "movq %%rbx, %%rsp\n" ::"r"((uint64_t)(value))                             \
			 : "rax", "rbx", "rcx", "r11", "memory")

#define PUSH_RSP(value)                                                                            \
	__asm__ volatile("movq %%rsp, %%rbx\nmovq %0, %%rsp\npushq %%rax\nmovq %%rbx, %%rsp\n" ::"r"((uint64_t)(value)) : "rax", "rbx", "memory")

static const uint64_t addresses[] = {
	0, 8, 0x7fffffffeff8, 0x7ffffffff000, 0x800000000000, 0xffff800000000000, 0xffff888000001000, 0xffffffff80201000,
	0xfffffffffffffff8, 0x1234567812345678,
};

static void stack_pointers(void)
{
	for (size_t i = 0; i < COUNT(addresses); i++) {
		char name[64];
		snprintf(name, sizeof name, "syscall with rsp %#lx", (long)addresses[i]);
		TRY(name, WITH_RSP(addresses[i]));
	}
	for (size_t i = 0; i < COUNT(addresses); i++) {
		char name[64];
		snprintf(name, sizeof name, "push with rsp %#lx", (long)addresses[i]);
		TRY(name, PUSH_RSP(addresses[i]));
	}
	// An interrupt with such a stack pointer: spin for some ticks.
	for (size_t i = 0; i < COUNT(addresses); i++)
		__asm__ volatile("movq %%rsp, %%rbx\nmovq %0, %%rsp\nmovl $3000000, %%eax\n1: decl %%eax\njnz 1b\nmovq %%rbx, %%rsp\n" ::"r"(
					 addresses[i])
				 : "rax", "rbx", "memory", "cc");
	say("spun");
}

// A signal with a stack pointer on which no frame can be built ends the program:
// run as "hostile frame N", its status is SIGSEGV.
static void frame(int n)
{
	struct sigaction a = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};
	sigaction(SIGUSR1, &a, NULL);
	sigaction(SIGSEGV, &a, NULL);
	pid_t pid = getpid();
	__asm__ volatile("movq %0, %%rsp\nmovl $62, %%eax\nmovl $10, %%esi\nsyscall\n1: jmp 1b" ::"r"(addresses[n]), "D"((uint64_t)pid));
}

static void flags(void)
{
	// AC and DF set while the kernel is entered in every way.
	static char data[64] __attribute__((aligned(16)));
	for (int i = 0; i < 100; i++) {
		__asm__ volatile("pushfq\norq $0x40000, (%%rsp)\npopfq\nmovl $39, %%eax\nsyscall\npushfq\nandq $~0x40000, (%%rsp)\npopfq\n" ::: "rax",
			"rcx", "r11", "memory", "cc");
		__asm__ volatile("std\nmovl $39, %%eax\nsyscall\ncld\n" ::: "rax", "rcx", "r11", "memory", "cc");
		int fd = open("/dev/zero", O_RDONLY);
		long r;
		__asm__ volatile("std\nsyscall\ncld\n" : "=a"(r) : "a"(0L), "D"((long)fd), "S"(data), "d"(64L) : "rcx", "r11", "memory", "cc");
		CHECK(r == 64);
		close(fd);
		__asm__ volatile("pushfq\norq $0x4000, (%%rsp)\npopfq\nmovl $39, %%eax\nsyscall\npushfq\nandq $~0x4000, (%%rsp)\npopfq\n" ::: "rax", /* NT */
			"rcx", "r11", "memory", "cc");
	}
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__asm__ volatile("pushfq\norq $0x40400, (%%rsp)\npopfq\nmovb $1, (%0)\npushfq\nandq $~0x40400, (%%rsp)\npopfq\ncld\n" ::"r"(p) : "memory", "cc");
	say("AC, DF, NT: alive");
	TRY("alignment check", __asm__ volatile("pushfq\norq $0x40000, (%%rsp)\npopfq\nmovl 1(%0), %%eax\npushfq\nandq $~0x40000, (%%rsp)\npopfq\n" ::"r"(data)
					: "rax", "memory", "cc"));
	TRY("set IOPL", __asm__ volatile("pushfq\norq $0x3000, (%%rsp)\npopfq\n" ::: "memory", "cc"));
	uint64_t f;
	__asm__ volatile("pushfq\npopq %0" : "=r"(f));
	say("IOPL %d, IF %d", (int)(f >> 12 & 3), (int)(f >> 9 & 1));
}

static volatile long steps;

static void step(int s, siginfo_t *i, void *u)
{
	(void)s, (void)i, (void)u;
	steps++;
}

static void single_step(void)
{
	struct sigaction a = {.sa_sigaction = step, .sa_flags = SA_SIGINFO}, old;
	sigaction(SIGTRAP, &a, &old);
	// Instructions under TF: nop, nop, mov, syscall, nop, popfq's target.
	__asm__ volatile("pushfq\norq $0x100, (%%rsp)\npopfq\nnop\nnop\nmovl $39, %%eax\nsyscall\nnop\npushfq\nandq $~0x100, (%%rsp)\npopfq\nnop\n" ::: "rax",
		"rcx", "r11", "memory", "cc");
	say("steps over a call: %ld", steps);
	steps = 0;
	__asm__ volatile("pushfq\norq $0x100, (%%rsp)\npopfq\nmovl $8, %%eax\n1: decl %%eax\njnz 1b\npushfq\nandq $~0x100, (%%rsp)\npopfq\n" ::: "rax", "memory", "cc");
	say("steps of a loop: %ld", steps);
	sigaction(SIGTRAP, &old, NULL);
}

static void instructions(void)
{
	static char table[16];
	TRY("hlt", ASM("hlt"));
	TRY("cli", ASM("cli"));
	TRY("sti", ASM("sti"));
	TRY("in", ASM("inb $0x60, %%al"));
	TRY("out", ASM("outb %%al, $0x80"));
	TRY("in dx", ASM("movl $0x3f8, %%edx\ninb %%dx, %%al"));
	TRY("lgdt", ASM("lgdt %0", "m"(table)));
	TRY("lidt", ASM("lidt %0", "m"(table)));
	TRY("lldt", ASM("xorl %%eax, %%eax\nlldt %%ax"));
	TRY("ltr", ASM("movl $0x40, %%eax\nltr %%ax"));
	TRY("mov cr0", ASM("movq %%cr0, %%rax"));
	TRY("mov to cr3", ASM("movq %%rax, %%cr3"));
	TRY("mov cr4", ASM("movq %%cr4, %%rax"));
	TRY("mov dr7", ASM("movq %%dr7, %%rax"));
	TRY("rdmsr", ASM("movl $0xc0000080, %%ecx\nrdmsr"));
	TRY("wrmsr", ASM("movl $0xc0000082, %%ecx\nwrmsr"));
	TRY("swapgs", ASM("swapgs"));
	TRY("invlpg", ASM("invlpg (%%rsp)"));
	TRY("wbinvd", ASM("wbinvd"));
	TRY("clts", ASM("clts"));
	TRY("sysret", ASM("sysretq"));
	TRY("xsetbv", ASM("xorl %%ecx, %%ecx\nxorl %%eax, %%eax\nxorl %%edx, %%edx\nxsetbv"));
	TRY("stac", ASM(".byte 0x0f, 0x01, 0xcb"));
	TRY("clac", ASM(".byte 0x0f, 0x01, 0xca"));
	TRY("ud2", ASM("ud2"));
	TRY("int3", ASM("int3"));
	TRY("icebp", ASM(".byte 0xf1"));
	TRY("divide", ASM("xorl %%edx, %%edx\nxorl %%ecx, %%ecx\ndivl %%ecx"));
	TRY("popf with IF clear", ASM("pushfq\nandq $~0x200, (%%rsp)\npopfq"));
	TRY("mov ss, bad", ASM("movl $0x08, %%eax\nmovl %%eax, %%ss"));
	TRY("mov ds, bad", ASM("movl $0xfff8, %%eax\nmovl %%eax, %%ds"));
	TRY("mov ds, null", ASM("xorl %%eax, %%eax\nmovl %%eax, %%ds"));
	TRY("mov es, kernel", ASM("movl $0x10, %%eax\nmovl %%eax, %%es"));
	TRY("mov ss, mov ss, int3", ASM("movl %%ss, %%eax\nmovl %%eax, %%ss\nint3"));
	TRY("lock on a register", ASM(".byte 0xf0, 0x48, 0x89, 0xc0"));
	// Whether these exist and who may use them depends on the processor.
	static char where[16];
	got_signal = 0;
	if (!sigsetjmp(back, 1))
		__asm__ volatile("sgdt %0" : "=m"(where)::"memory");
	say("DESIGN sgdt: %s", verdict());
	got_signal = 0;
	if (!sigsetjmp(back, 1))
		__asm__ volatile("sidt %0" : "=m"(where)::"memory");
	say("DESIGN sidt: %s", verdict());
	got_signal = 0;
	if (!sigsetjmp(back, 1))
		__asm__ volatile("str %%eax" ::: "rax");
	say("DESIGN str: %s", verdict());
	got_signal = 0;
	if (!sigsetjmp(back, 1))
		__asm__ volatile("smsw %%eax" ::: "rax");
	say("DESIGN smsw: %s", verdict());
}

// Far returns. QEMU's emulator (7.2) reads their frames with the kernel's rights,
// so that with SMAP they end in a page fault that says "supervisor" and comes from
// ring 3; Linux dies of it. What signal comes is not compared; the kernel lives.
static void far_returns(void)
{
	TRY("far jump to a kernel selector", ASM("pushq $0x08\nlea 1f(%%rip), %%rax\npushq %%rax\nlretq\n1:"));
	TRY("far jump to a null selector", ASM("pushq $0\nlea 1f(%%rip), %%rax\npushq %%rax\nlretq\n1:"));
	TRY("iret to the kernel", ASM("movq %%rsp, %%rax\npushq $0x10\npushq %%rax\npushfq\npushq $0x08\nlea 1f(%%rip), %%rax\npushq %%rax\niretq\n1:"));
	TRY("iret to nowhere", ASM("movq %%ss, %%rcx\nmovq %%rsp, %%rax\npushq %%rcx\npushq %%rax\npushfq\nmovq %%cs, %%rcx\npushq %%rcx\nmovabs $0x8000000000000000, %%rax\npushq %%rax\niretq\n1:"));
}

// Every software interrupt but 3 and 4 is a general protection fault; 0x80 is
// Linux's 32-bit entry, which does not exist here.
static void interrupts(void)
{
#define INT(n) TRY("int " #n, ASM("movl $0x14, %%eax\nint $" #n))
	INT(0); INT(1); INT(2); INT(4); INT(5); INT(6); INT(7); INT(8); INT(9); INT(10); INT(11); INT(12); INT(13); INT(14);
	INT(16); INT(17); INT(18); INT(19); INT(31); INT(32); INT(33); INT(48); INT(64); INT(100); INT(127); INT(129);
	INT(200); INT(236); INT(240); INT(251); INT(253); INT(254); INT(255);
	got_signal = 0;
	long r = 0;
	if (!sigsetjmp(back, 1))
		__asm__ volatile("int $0x80" : "=a"(r) : "a"(20) : "memory");
	say("DESIGN int 0x80: %s", verdict());
	got_signal = 0;
	if (!sigsetjmp(back, 1))
		__asm__ volatile("movq %%rsp, %%rbx\nsysenter\nmovq %%rbx, %%rsp" ::: "rax", "rbx", "rcx", "rdx", "memory");
	say("DESIGN sysenter: %s", verdict());
}

// FS and GS bases that point anywhere, while the kernel is entered.
static void bases(void)
{
	SHOW(syscall(SYS_arch_prctl, 0x1002 /* ARCH_SET_FS */, 0xffff800000000000));
	SHOW(syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, 0xffffffff80000000));
	SHOW(syscall(SYS_arch_prctl, 0x1001, 0x800000000000));
	SHOW(syscall(SYS_arch_prctl, 0x1003 /* ARCH_GET_FS */, 8));
	SHOW(syscall(SYS_arch_prctl, 0x1001, 0x5000));
	uint64_t v = 0;
	SHOW(syscall(SYS_arch_prctl, 0x1004 /* ARCH_GET_GS */, &v));
	say("gs %lx", (long)v);
	SHOW(syscall(SYS_arch_prctl, 0x1001, 0));
	if (!has_fsgsbase) {
		say("DESIGN fsgsbase: absent");
		return;
	}
	say("DESIGN fsgsbase: present");
	for (int round = 0; round < 20; round++)
		for (size_t i = 0; i < 9; i++) { // the last is not canonical
			if (addresses[i] == 0x800000000000)
				continue;
			// A call, an interrupt, a fault, with these bases.
			__asm__ volatile("wrgsbase %0\nmovl $39, %%eax\nsyscall\nmovl $100000, %%eax\n1: decl %%eax\njnz 1b\nrdgsbase %%rax\n"
					 "cmpq %0, %%rax\nje 2f\nud2\n2: xorl %%eax, %%eax\nwrgsbase %%rax" ::"r"(addresses[i])
					 : "rax", "rcx", "r11", "memory", "cc");
			__asm__ volatile("wrfsbase %0\nmovl $39, %%eax\nsyscall\nmovl $100000, %%eax\n1: decl %%eax\njnz 1b\nrdfsbase %%rax\n"
					 "cmpq %0, %%rax\nje 2f\nud2\n2: wrfsbase %1" ::"r"(addresses[i]),
					 "r"(good_fs)
					 : "rax", "rcx", "r11", "memory", "cc");
			char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			__asm__ volatile("wrgsbase %1\nmovb $1, (%0)\nxorl %%eax, %%eax\nwrgsbase %%rax" ::"r"(p), "r"(addresses[i]) : "rax", "memory");
			munmap(p, PAGE);
		}
	say("bases kept");
	TRY("wrgsbase, not canonical", __asm__ volatile("wrgsbase %0" ::"r"(0x1234567812345678)));
	TRY("load through a kernel gs base",
		__asm__ volatile("wrgsbase %0\nmovq %%gs:0, %%rax\nxorl %%eax, %%eax\nwrgsbase %%rax" ::"r"(0xffffffff80201000) : "rax", "memory"));
	TRY("fault with a kernel fs base", __asm__ volatile("wrfsbase %0\nmovq 0x10, %%rax" ::"r"(0xffff888000000000) : "rax", "memory"));
	__asm__ volatile("xorl %%eax, %%eax\nwrgsbase %%rax" ::: "rax");
}

static void kernel_addresses(void)
{
	for (size_t i = 3; i < COUNT(addresses); i++) {
		char name[64];
		snprintf(name, sizeof name, "load %#lx", (long)addresses[i]);
		TRY(name, (void)*(volatile char *)addresses[i]);
		snprintf(name, sizeof name, "store %#lx", (long)addresses[i]);
		TRY(name, *(volatile char *)addresses[i] = 1);
		snprintf(name, sizeof name, "call %#lx", (long)addresses[i]);
		TRY(name, ((void (*)(void))addresses[i])());
	}
	// The end of the user half: an instruction that runs into what is never mapped.
	char *last = mmap((void *)0x7fffffffe000, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (last == (void *)0x7fffffffe000) {
		memcpy(last + PAGE - 2, "\x0f\x05", 2); // syscall; what follows is not there
		TRY("DESIGN syscall at the end of user space", __asm__ volatile("movl $39, %%eax\njmp *%0" ::"r"(last + PAGE - 2) : "rax", "rcx", "r11", "memory"));
		munmap(last, PAGE);
	} else {
		say("DESIGN last page: %s", last == MAP_FAILED ? t_errno(errno) : "elsewhere");
		if (last != MAP_FAILED)
			munmap(last, PAGE);
	}
}

// Frames that a handler changes before sigreturn takes them.
static int change;
static const char *const changes[] = {
	"rip kernel", "rip not canonical", "rip null", "rsp kernel", "rsp not canonical", "flags all ones", "flags zero",
	"cs kernel", "cs null", "cs bad", "ss kernel", "ss null", "cs 32 bit", "fs gs words", "nothing",
};

static void spoils(int s, siginfo_t *i, void *u)
{
	(void)s, (void)i;
	ucontext_t *c = u;
	greg_t *g = c->uc_mcontext.gregs;
	uint16_t seg[4]; // cs, gs, fs, ss
	memcpy(seg, &g[REG_CSGSFS], 8);
	switch (change) {
	case 0: g[REG_RIP] = 0xffffffff80201000; break;
	case 1: g[REG_RIP] = 0x1234567812345678; break;
	case 2: g[REG_RIP] = 0; break;
	case 3: g[REG_RSP] = 0xffff888000001000; break;
	case 4: g[REG_RSP] = 0x1234567812345678; break;
	case 5: g[REG_EFL] = ~0x100L; break; // all but TF
	case 6: g[REG_EFL] = 0; break;
	case 7: seg[0] = 0x10; break;
	case 8: seg[0] = 0; break;
	case 9: seg[0] = 0xfff8; break;
	case 10: seg[3] = 0x18; break;
	case 11: seg[3] = 0; break;
	case 12: seg[0] = 0x23; break;
	case 13: seg[1] = seg[2] = 0xfff8; break;
	}
	memcpy(&g[REG_CSGSFS], seg, 8);
}

static void sigreturns(void)
{
	struct sigaction a = {.sa_sigaction = spoils, .sa_flags = SA_SIGINFO};
	sigaction(SIGUSR1, &a, NULL);
	pid_t pid = getpid(), tid = my_tid();
	for (change = 0; change < (int)COUNT(changes); change++) {
		// What becomes of selectors is the kernel's business: here they are ignored.
		int ours = change >= 7 && change <= 13;
		for (int n = 0; n < 20; n++) {
			got_signal = got_code = 0;
			if (!sigsetjmp(back, 1)) {
				long r;
				// The stack pointer is kept in a register, since a frame may change it.
				__asm__ volatile("movq %%rsp, %%rbx\nsyscall\nmovq %%rbx, %%rsp\npushfq\nandq $~0x44400, (%%rsp)\npopfq\ncld"
						 : "=a"(r)
						 : "a"((long)SYS_tgkill), "D"((long)pid), "S"((long)tid), "d"((long)SIGUSR1)
						 : "rbx", "rcx", "r11", "memory", "cc");
			}
		}
		say("%ssigreturn with %s: %s", ours ? "DESIGN " : "", changes[change], verdict());
	}
	uint64_t f;
	__asm__ volatile("pushfq\npopq %0" : "=r"(f));
	say("IOPL %d, IF %d", (int)(f >> 12 & 3), (int)(f >> 9 & 1));
	// sigreturn without any frame.
	TRY("sigreturn from nowhere", __asm__ volatile("movq %%rsp, %%rbx\nmovq %0, %%rsp\nmovl $15, %%eax\nsyscall\nmovq %%rbx, %%rsp" ::"r"(0x10L)
					: "rax", "rbx", "rcx", "r11", "memory"));
	TRY("sigreturn on the kernel's stack", __asm__ volatile("movq %%rsp, %%rbx\nmovq %0, %%rsp\nmovl $15, %%eax\nsyscall\nmovq %%rbx, %%rsp" ::"r"(
								0xffff888000001000)
						 : "rax", "rbx", "rcx", "r11", "memory"));
}

// Handlers, restorers and entry points of threads that are no addresses.
static void entries(void)
{
	struct {
		uint64_t handler, flags, restorer, mask;
	} k = {0, SA_SIGINFO | 0x04000000 /* SA_RESTORER */, 0, 0};
	for (size_t i = 3; i < COUNT(addresses); i++) {
		char name[64];
		k.handler = addresses[i];
		snprintf(name, sizeof name, "handler at %#lx", (long)addresses[i]);
		if (syscall(SYS_rt_sigaction, SIGUSR1, &k, NULL, 8) < 0)
			say("%s refused", name);
		else
			TRY(name, syscall(SYS_tgkill, getpid(), my_tid(), SIGUSR1));
	}
	k.handler = (uint64_t)(uintptr_t)step;
	k.restorer = 0xffffffff80201000;
	if (syscall(SYS_rt_sigaction, SIGUSR1, &k, NULL, 8) == 0)
		TRY("restorer in the kernel", syscall(SYS_tgkill, getpid(), my_tid(), SIGUSR1));
	k.restorer = 0, k.flags = SA_SIGINFO;
	if (syscall(SYS_rt_sigaction, SIGUSR1, &k, NULL, 8) == 0)
		TRY("no restorer", syscall(SYS_tgkill, getpid(), my_tid(), SIGUSR1));
	// clone with a stack in the kernel: the thread faults on its first push, which
	// the handler (on the alternative stack that a new thread does not have) cannot
	// take; so that is a run of its own: "hostile clone".
}

// Random registers and flags in frames, again and again. The place to go on is the
// right one or one of the bad addresses, never another place of this program, and
// what is needed there is loaded from memory.
static uint64_t seed = 88172645463325252ull;
static uint64_t kept_rsp, kept_rbp;

static void randomizes(int s, siginfo_t *i, void *u)
{
	(void)s, (void)i;
	greg_t *g = ((ucontext_t *)u)->uc_mcontext.gregs;
	for (int n = 1 + next_random(&seed) % 4; n > 0; n--) {
		int r = next_random(&seed) % (REG_CSGSFS + 1);
		uint64_t v = next_random(&seed);
		switch (next_random(&seed) % 6) {
		case 0: v = addresses[v % COUNT(addresses)]; break;
		case 1: v &= 0x7fffffffffff; break;
		case 2: v |= 0xffff800000000000; break;
		case 3: v = g[r] ^ 1ull << v % 64; break;
		case 4: v &= 0xffff; break;
		}
		if (r == REG_RIP)
			v = addresses[v % COUNT(addresses)];
		if (r == REG_EFL)
			v &= ~0x100ull; // steps are another row
		g[r] = v;
	}
}

static void fuzz(long rounds)
{
	struct sigaction a = {.sa_sigaction = randomizes, .sa_flags = SA_SIGINFO};
	sigaction(SIGUSR1, &a, NULL);
	pid_t pid = getpid(), tid = my_tid();
	static volatile long n, signals;
	for (n = 0; n < rounds; n++) {
		got_signal = 0;
		if (!sigsetjmp(back, 1)) {
			long r, pid_ = pid, tid_ = tid, sig_ = SIGUSR1;
			__asm__ volatile("movq %%rsp, kept_rsp(%%rip)\nmovq %%rbp, kept_rbp(%%rip)\nsyscall\n"
					 "movq kept_rsp(%%rip), %%rsp\nmovq kept_rbp(%%rip), %%rbp\npushfq\nandq $~0x44400, (%%rsp)\npopfq"
					 : "=a"(r), "+m"(kept_rsp), "+m"(kept_rbp), "+D"(pid_), "+S"(tid_), "+d"(sig_)
					 : "a"((long)SYS_tgkill)
					 : "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
		}
		signals += got_signal != 0;
	}
	say("alive after %ld frames, signals %d", n, signals > rounds / 100);
}

static const struct t_case cases[] = {
	{"stack", stack_pointers}, {"flags", flags}, {"step", single_step}, {"instructions", instructions},
	{"interrupts", interrupts}, {"bases", bases}, {"kernel", kernel_addresses}, {"sigreturn", sigreturns},
	{"entries", entries},
};

int main(int argc, char **argv)
{
	has_fsgsbase = getauxval(AT_HWCAP2) >> 1 & 1; // HWCAP2_FSGSBASE
	if (has_fsgsbase)
		__asm__ volatile("rdfsbase %0" : "=r"(good_fs));
	if (argc == 3 && !strcmp(argv[1], "frame")) {
		frame(atoi(argv[2]));
		return 1;
	}
	catch_all();
	if (argc == 3 && !strcmp(argv[1], "fuzz")) {
		fuzz(atol(argv[2]));
		return t_failed;
	}
	if (argc == 2 && !strcmp(argv[1], "far")) {
		far_returns();
		say("alive");
		return t_failed;
	}
	if (argc == 2 && !strcmp(argv[1], "clone")) {
		syscall(SYS_clone, 0x50f00, 0xffff888000001000, 0, 0, 0);
		for (;;)
			pause();
	}
	return t_main(argc, argv, cases, COUNT(cases));
}
