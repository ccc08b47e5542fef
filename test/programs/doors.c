// Doors out of ring 3, and into executable memory, that other kernels have or had: the
// vsyscall page, privileged instructions beside those of hostile.c, numbers of calls that
// are none, personalities, and calls with which data becomes code.
#include "t.h"
#include "traps.h"
#include <sys/personality.h>
#include <sys/prctl.h>
#include <ucontext.h>

#define RW (PROT_READ | PROT_WRITE)
#define RX (PROT_READ | PROT_EXEC)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static volatile int armed;

static void caught(int s, siginfo_t *i, void *u)
{
	(void)u;
	if (!armed)
		_exit(90);
	armed = 0;
	got_signal = s, got_code = i->si_code;
	siglongjmp(back, 1);
}

#define TRY(name, ...)                                                                             \
	do {                                                                                       \
		got_signal = got_code = 0, armed = 1;                                              \
		if (!sigsetjmp(back, 1)) {                                                         \
			__VA_ARGS__;                                                               \
		}                                                                                  \
		armed = 0;                                                                         \
		say("%s: %s", name, verdict());                                                    \
	} while (0)

// I is an instruction, with registers that are all zero or point to memory.
static char memory[8192] __attribute__((aligned(4096)));
#define I(text)                                                                                    \
	TRY(text, __asm__ volatile("xorl %%eax, %%eax\nxorl %%ecx, %%ecx\nxorl %%edx, %%edx\n" text ::"D"(memory), "S"(memory + 4096)       \
				   : "rax", "rbx", "rcx", "rdx", "r8", "r11", "memory", "cc"))
// B is one that the assembler need not know.
#define B(name, bytes)                                                                             \
	TRY(name, __asm__ volatile("xorl %%eax, %%eax\nxorl %%ecx, %%ecx\nxorl %%edx, %%edx\n.byte " bytes "\n" ::"D"(memory), "S"(memory + 4096) \
				   : "rax", "rbx", "rcx", "rdx", "r8", "r11", "memory", "cc"))

static void privileged(void)
{
	I("hlt");
	I("cli");
	I("sti");
	I("rdpmc");
	I("rdmsr");
	I("wrmsr");
	I("inb %%dx, %%al");
	I("inl %%dx, %%eax");
	I("outb %%al, %%dx");
	I("outl %%eax, %%dx");
	I("inb $0x70, %%al");
	I("outb %%al, $0xb2"); // a door to system management mode
	I("insb");
	I("rep insb");
	I("outsb");
	I("invd");
	I("lmsw %%ax");
	I("movq %%rax, %%cr0");
	I("movq %%cr2, %%rax");
	I("movq %%cr3, %%rax");
	I("movq %%rax, %%cr4");
	I("movq %%cr8, %%rax");
	I("movq %%rax, %%cr8");
	I("movq %%dr0, %%rax");
	I("movq %%rax, %%dr0");
	I("movq %%rax, %%dr7");
	I("sysexitl");
	I("rsm");
	I("invpcid (%%rdi), %%rax");
	// Virtualization: nothing here talks to a hypervisor.
	I("vmcall");
	I("vmmcall");
	I("vmlaunch");
	I("vmresume");
	I("vmxoff");
	I("vmptrld (%%rdi)");
	I("vmread %%rax, %%rcx");
	I("invept (%%rdi), %%rax");
	I("vmrun");
	I("vmload");
	I("vmsave");
	I("stgi");
	I("clgi");
	I("skinit");
	I("invlpga");
	B("vmfunc", "0x0f, 0x01, 0xd4");
	// Enclaves, trusted execution, shadow stacks, keys, user interrupts.
	B("encls", "0x0f, 0x01, 0xcf");
	B("enclu", "0x0f, 0x01, 0xd7");
	B("enclv", "0x0f, 0x01, 0xc0");
	B("getsec", "0x0f, 0x37");
	B("pconfig", "0x0f, 0x01, 0xc5");
	B("setssbsy", "0xf3, 0x0f, 0x01, 0xe8");
	B("wrssq %rax, (%rdi)", "0x48, 0x0f, 0x38, 0xf6, 0x07");
	B("wrussq %rax, (%rdi)", "0x66, 0x48, 0x0f, 0x38, 0xf5, 0x07");
	B("clrssbsy (%rdi)", "0xf3, 0x0f, 0xae, 0x37");
	B("senduipi %rax", "0xf3, 0x0f, 0xc7, 0xf0");
	B("stui", "0xf3, 0x0f, 0x01, 0xef");
	B("uiret", "0xf3, 0x0f, 0x01, 0xec");
	B("hreset", "0xf3, 0x0f, 0x3a, 0xf0, 0xc0, 0x00");
	B("wrmsrns", "0x0f, 0x01, 0xc6");
	B("seamcall", "0x66, 0x0f, 0x01, 0xcf");
	B("pvalidate", "0xf2, 0x0f, 0x01, 0xff");
	B("psmash", "0xf3, 0x0f, 0x01, 0xff");
	B("rmpupdate", "0xf2, 0x0f, 0x01, 0xfe");
	B("invlpgb", "0x0f, 0x01, 0xfe");
	B("tlbsync", "0x0f, 0x01, 0xff");
	B("xsaves (%rdi)", "0x0f, 0xc7, 0x2f");
	B("xrstors (%rdi)", "0x0f, 0xc7, 0x1f");
	// Gone, or never there in 64 bits.
	B("into", "0xce");
	B("lcall", "0x9a, 0, 0, 0, 0, 0x33, 0");
	B("ljmp", "0xea, 0, 0, 0, 0, 0x33, 0");
	B("push es", "0x06");
	B("lds", "0xc5, 0x07");
	B("salc", "0xd6");
	B("loadall", "0x0f, 0x07, 0x0f, 0x0b"); // sysret here
	B("ud1", "0x0f, 0xb9, 0xc0");
	B("fifteen prefixes", "0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90");
}

static long raw(uint64_t n)
{
	long r;
	__asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(0L), "S"(0L), "d"(0L) : "rcx", "r11", "memory");
	return r;
}

// numbers: calls that do not exist, and what the upper half of the register does.
static void numbers(void)
{
	long pid = getpid();
	static const uint64_t none[] = {400, 423, 1000, 4096, 0x3fffffff, 0x7fffffff, 0x80000000, 0xffffffff, ~0ull}, halves[] = {~0ull << 32, 1ull << 63};
	for (size_t i = 0; i < COUNT(none); i++)
		say("call %#lx: %ld", (long)none[i], raw(none[i]));
	for (size_t i = 0; i < COUNT(halves); i++)
		say("DESIGN upper half %#lx: %ld", (long)halves[i], raw(halves[i]));
	for (int bit = 32; bit < 64; bit += 15)
		say("DESIGN getpid with bit %d: %d", bit, raw(1ull << bit | SYS_getpid) == pid);
	say("DESIGN x32 getpid: %ld", raw(0x40000000 | SYS_getpid) == pid ? 0 : raw(0x40000000 | SYS_getpid));
	say("DESIGN x32 execve: %ld", raw(0x40000000 | 520));
	say("DESIGN x32 getpid with bit 32: %d", raw(1ull << 32 | 0x40000000 | SYS_getpid) == pid);
}

static void vsyscall(void)
{
	static const uintptr_t at[] = {0xffffffffff600000, 0xffffffffff600400, 0xffffffffff600800, 0xffffffffff600001, 0xffffffffff5ff000, 0xffffffffff601000};
	for (size_t i = 0; i < COUNT(at); i++) {
		char name[64];
		snprintf(name, sizeof name, "DESIGN load %#lx", at[i]);
		TRY(name, (void)*(volatile char *)at[i]);
		snprintf(name, sizeof name, "DESIGN store %#lx", at[i]);
		TRY(name, *(volatile char *)at[i] = 1);
		snprintf(name, sizeof name, "DESIGN call %#lx", at[i]);
		TRY(name, ((long (*)(void *, void *))at[i])(memory, memory + 64));
	}
	// The kernel does not find anything there either.
	int fd = open("/dev/null", O_WRONLY);
	say("DESIGN write from it: %s", result(write(memfd_create("v", 0), (void *)at[0], 16)));
	close(fd);
	say("DESIGN map it: %s", mmap((void *)at[0], PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0) == MAP_FAILED ? t_errno(errno) : "ok");
}

static void *map(int prot, int flags)
{
	void *p = mmap(NULL, PAGE, prot, flags, -1, 0);
	CHECK(p != MAP_FAILED);
	return p;
}

// data that would become code.
static void code(void)
{
	char *p = map(RW, ANON), *q;
	*p = (char)0xc3;
	say("personality: %s", result(personality(0xffffffff)));
	say("DESIGN READ_IMPLIES_EXEC: %s", result(personality(READ_IMPLIES_EXEC)));
	say("DESIGN it is: %#x", (unsigned)personality(0xffffffff));
	q = map(RW, ANON);
	*q = (char)0xc3;
	say("DESIGN mapped then: %s", t_protection(q));
	say("DESIGN protected then: %s", (mprotect(q, PAGE, PROT_NONE), mprotect(q, PAGE, PROT_READ), t_protection(q)));
	say("mapped before: %s", t_protection(p));
	TRY("run before", ((void (*)(void))p)());
	TRY("DESIGN run then", ((void (*)(void))q)());
	say("DESIGN PER_LINUX32: %s", result(personality(PER_LINUX32)));
	say("DESIGN ADDR_NO_RANDOMIZE: %s", result(personality(ADDR_NO_RANDOMIZE)));
	say("DESIGN MMAP_PAGE_ZERO: %s", result(personality(MMAP_PAGE_ZERO)));
	say("PER_LINUX: %d", personality(0) != -1);

	q = map(RW, MAP_SHARED | MAP_ANONYMOUS);
	say("DESIGN remap_file_pages: %s", result(syscall(SYS_remap_file_pages, q, PAGE, 0, 0, 0)));
	say("DESIGN remap_file_pages, executable: %s", result(syscall(SYS_remap_file_pages, q, PAGE, PROT_EXEC, 0, 0) == 0 ? 0 : -1));
	say("then: %s", t_protection(q));
	for (int key = -1; key < 3; key++) {
		say("DESIGN pkey_mprotect RX, key %d: %s", key, result(syscall(SYS_pkey_mprotect, p, PAGE, RX, key)));
		say("DESIGN pkey_mprotect X, key %d: %s", key, result(syscall(SYS_pkey_mprotect, p, PAGE, PROT_EXEC, key)));
		say("DESIGN pkey_mprotect RWX, key %d: %s", key, result(syscall(SYS_pkey_mprotect, p, PAGE, RW | PROT_EXEC, key)));
	}
	say("DESIGN pkey_alloc: %s", result(syscall(SYS_pkey_alloc, 0, 0) >= 0 ? 0 : -1));
	say("DESIGN then: %s", t_protection(p));
	mprotect(p, PAGE, RW);
	say("DESIGN MFD_EXEC: %s", result(memfd_create("x", 0x10) >= 0 ? 0 : -1));
	int fd = memfd_create("x", 0x8 /* NOEXEC_SEAL */);
	say("DESIGN MFD_NOEXEC_SEAL: %s", result(fd >= 0 ? 0 : -1));
	say("DESIGN mapped executable: %s", mmap(NULL, PAGE, RX, MAP_PRIVATE, fd, 0) == MAP_FAILED ? t_errno(errno) : "ok");
	int z = open("/dev/zero", O_RDWR);
	say("DESIGN /dev/zero executable: %s", mmap(NULL, PAGE, RX, MAP_PRIVATE, z, 0) == MAP_FAILED ? t_errno(errno) : "ok");
	say("DESIGN /dev/zero, shared: %s", mmap(NULL, PAGE, RW | PROT_EXEC, MAP_SHARED, z, 0) == MAP_FAILED ? t_errno(errno) : "ok");
	say("DESIGN modify_ldt: %s", result(syscall(SYS_modify_ldt, 0, memory, 16)));
	say("DESIGN map_shadow_stack: %s", result(syscall(453, 0, PAGE, 0)));
	say("DESIGN memfd_secret: %s", result(syscall(447, 0) >= 0 ? 0 : -1));
	say("DESIGN ARCH_SHSTK_ENABLE: %s", result(syscall(SYS_arch_prctl, 0x5001, 1)));
	say("DESIGN ARCH_MAP_VDSO_64: %s", result(syscall(SYS_arch_prctl, 0x2003, 0x10000000) >= 0 ? 0 : -1));
	say("DESIGN PR_SET_MM: %s", result(prctl(PR_SET_MM, PR_SET_MM_START_CODE, p, 0, 0)));
	say("DESIGN PR_SET_SYSCALL_USER_DISPATCH: %s", result(prctl(59, 0, 0, 0, 0)));
	static const char *const files[] = {"/dev/mem", "/dev/kmem", "/dev/port", "/proc/kcore", "/dev/cpu/0/msr", "/dev/kvm", "/proc/self/mem", "/dev/userfaultfd"};
	for (size_t i = 0; i < COUNT(files); i++)
		say("DESIGN %s: %s", files[i], result(open(files[i], O_RDWR) >= 0 ? 0 : -1));
}

static const struct t_case cases[] = {{"privileged", privileged}, {"numbers", numbers}, {"vsyscall", vsyscall}, {"code", code}};

int main(int argc, char **argv)
{
	catch_all();
	return t_main(argc, argv, cases, COUNT(cases));
}
