// What is not code does not run: a system call that is placed in each kind of memory
// that holds data faults at its own address before it is made, however the processor
// gets there. What is found in the middle of an instruction of the program's own is
// code.
#include "t.h"
#include <setjmp.h>
#include <sys/shm.h>
#include <ucontext.h>

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

// getpid, and nothing but a return.
#define CODE 0x0f, 0x05, 0xc3, 0xc3
static const unsigned char code[4] = {CODE};

static sigjmp_buf back;
static volatile int fault_code, served;
static volatile uintptr_t fault_address, fault_ip;
static char altstack[65536];

static void on_fault(int s, siginfo_t *i, void *u)
{
	fault_code = s == SIGSEGV ? i->si_code : 1000 + s;
	fault_address = (uintptr_t)i->si_addr;
	fault_ip = ((ucontext_t *)u)->uc_mcontext.gregs[REG_RIP];
	siglongjmp(back, 1);
}

static void catch_faults(void)
{
	static const int list[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP};
	stack_t ss = {.ss_sp = altstack, .ss_size = sizeof altstack};
	struct sigaction a = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
	sigaltstack(&ss, NULL);
	for (size_t i = 0; i < COUNT(list); i++)
		sigaction(list[i], &a, NULL);
}

static const char *verdict(const void *p)
{
	static char text[4][64];
	static int next;
	char *t = text[next++ % 4];
	if (!fault_code)
		return served ? "served" : "ran";
	snprintf(t, 64, "SEGV code %d %s %s", fault_code, fault_address == (uintptr_t)p ? "exact" : "inexact", fault_ip == (uintptr_t)p ? "there" : "elsewhere");
	return t;
}

static long pid;

// jump calls p with the number of getpid.
static const char *jump(const void *p)
{
	fault_code = served = 0;
	if (!sigsetjmp(back, 1)) {
		long r = SYS_getpid;
		__asm__ volatile("call *%1" : "+a"(r) : "r"(p) : "rcx", "r11", "memory", "cc");
		served = r == pid;
	}
	return verdict(p);
}

// ret gets there by a return.
static const char *ret(const void *p)
{
	fault_code = served = 0;
	if (!sigsetjmp(back, 1)) {
		long r = SYS_getpid;
		__asm__ volatile("leaq 1f(%%rip), %%rcx\npushq %%rcx\npushq %1\nret\n1:" : "+a"(r) : "r"(p) : "rcx", "r11", "memory", "cc");
		served = r == pid;
	}
	return verdict(p);
}

static const void *volatile target;

static void redirect(int s, siginfo_t *i, void *u)
{
	(void)s, (void)i;
	((ucontext_t *)u)->uc_mcontext.gregs[REG_RIP] = (greg_t)target;
}

// by_frame: a signal's frame that is changed.
static const char *by_frame(const void *p)
{
	struct sigaction a = {.sa_sigaction = redirect, .sa_flags = SA_SIGINFO};
	sigaction(SIGUSR1, &a, NULL);
	target = p, fault_code = served = 0;
	if (!sigsetjmp(back, 1))
		raise(SIGUSR1);
	return verdict(p);
}

struct kernel_action {
	const void *handler;
	uint64_t flags;
	const void *restorer;
	uint64_t mask;
};

static void nothing(int s) { (void)s; }

// by_action: a signal's handler, or where handlers return to.
static const char *by_action(const void *p, int restorer)
{
	struct kernel_action k = {restorer ? (void *)nothing : p, 0x04000000 /* SA_RESTORER */, restorer ? p : (void *)nothing, 0};
	CHECK(syscall(SYS_rt_sigaction, SIGUSR1, &k, NULL, 8) == 0);
	fault_code = served = 0;
	if (!sigsetjmp(back, 1))
		syscall(SYS_tgkill, getpid(), my_tid(), SIGUSR1);
	return verdict(p);
}

static void try(const char *name, const unsigned char *p)
{
	CHECK(!memcmp(p, code, sizeof code));
	say("%s: %s", name, jump(p));
	say("%s, not a call: %s", name, jump(p + 3));
	say("%s, by ret: %s", name, ret(p));
	say("%s, by a frame: %s", name, by_frame(p));
	say("%s, as a handler: %s", name, by_action(p, 0));
	say("%s, as a restorer: %s", name, by_action(p, 1));
}

static unsigned char in_data[16] = {CODE};
static unsigned char in_bss[16];
static const unsigned char in_rodata[16] = {CODE};
static __thread unsigned char in_tls[16] = {CODE};
static unsigned char in_relro[16] __attribute__((section(".data.rel.ro"))) = {CODE};
extern char **environ;

static unsigned char *put(void *p)
{
	CHECK(p != MAP_FAILED && p != NULL);
	return memcpy(p, code, sizeof code);
}

static void *on_a_thread(void *arg)
{
	(void)arg;
	unsigned char here[16];
	catch_faults();
	try("thread's stack", put(here));
	try("thread's TLS", in_tls);
	catch_faults();
	return NULL;
}

static unsigned char *of_file(int fd, int prot, int flags)
{
	CHECK(fd >= 0 && pwrite(fd, code, sizeof code, 0) == sizeof code && ftruncate(fd, PAGE) == 0);
	unsigned char *p = mmap(NULL, PAGE, prot, flags, fd, 0);
	CHECK(p != MAP_FAILED);
	close(fd);
	return p;
}

static void places(void)
{
	unsigned char here[16];
	catch_faults();
	try("stack", put(here));
	try("alternative stack", put(altstack + 16));
	try("data", in_data);
	try("bss", put(in_bss));
	try("rodata", in_rodata);
	try("relro", in_relro);
	try("TLS", in_tls);
	char *brk = (char *)syscall(SYS_brk, 0);
	CHECK((char *)syscall(SYS_brk, brk + 2 * PAGE) == brk + 2 * PAGE);
	try("brk", put(brk));
	try("malloc", put(malloc(64)));
	try("malloc, large", put(malloc(1 << 20)));
	unsigned char *p = put(mmap(NULL, PAGE, RW, ANON, -1, 0));
	try("anonymous", p);
	mprotect(p, PAGE, PROT_READ);
	try("anonymous, read-only", p);
	p = put(mmap(NULL, 4 << 20, RW, ANON, -1, 0));
	madvise(p, 4 << 20, MADV_HUGEPAGE);
	try("anonymous, large", p + PAGE == put(p + PAGE) ? p + PAGE : p);
	try("anonymous, shared", put(mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0)));
	try("anonymous, below 4 GiB", put(mmap(NULL, PAGE, RW, ANON | MAP_32BIT, -1, 0)));
	try("anonymous, MAP_STACK", put(mmap(NULL, PAGE, RW, ANON | MAP_STACK, -1, 0)));
	try("memfd", of_file(memfd_create("nx", 0), RW, MAP_SHARED));
	try("memfd, readable", of_file(memfd_create("nx", 0), PROT_READ, MAP_SHARED));
	try("memfd, private", of_file(memfd_create("nx", 0), PROT_READ, MAP_PRIVATE));
	char path[] = "/tmp/nxXXXXXX", shm[] = "/dev/shm/nxXXXXXX";
	try("file in /tmp", of_file(mkstemp(path), PROT_READ, MAP_PRIVATE));
	try("file in /dev/shm", of_file(mkstemp(shm), RW, MAP_SHARED));
	unlink(path);
	unlink(shm);
	int id = shmget(IPC_PRIVATE, PAGE, 0600);
	try("segment", put(shmat(id, NULL, 0)));
	shmctl(id, IPC_RMID, NULL);
	pthread_join(go(on_a_thread, NULL), NULL);
	catch_faults();
}

// A page of code, once mapped as it is, once for reading only.
extern unsigned char own_code[];
__asm__(".pushsection .text\n.balign 4096\nown_code: .byte 0x0f, 0x05, 0xc3, 0xc3\n.balign 4096, 0xc3\n.popsection");

static void own(void)
{
	char line[300];
	uintptr_t a, b, at = (uintptr_t)own_code;
	unsigned long off = 0;
	catch_faults();
	FILE *f = fopen("/proc/self/maps", "r");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "%lx-%lx %*s %lx", &a, &b, &off) == 3 && a <= at && at < b)
			break;
	if (f)
		fclose(f);
	int fd = open("/proc/self/exe", O_RDONLY);
	unsigned char *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, off + at - a), *q = mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, off + at - a);
	CHECK(p != MAP_FAILED && q != MAP_FAILED);
	try("own code, readable", p);
	try("own code, a copy", put(q));
	say("own code: %s", jump(own_code));
	say("own code, by ret: %s", ret(own_code));
	p = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, off + at - a);
	CHECK(p != MAP_FAILED);
	say("own code, a second view: %s", jump(p));
	CHECK(mprotect(p, PAGE, PROT_READ) == 0);
	say("own code, no longer executable: %s", jump(p));
	CHECK(munmap(p, PAGE) == 0);
	say("own code, unmapped: %s", jump(p));
	close(fd);
}

// A system call that no compiler wrote: the end of an immediate.
extern unsigned char immediate[], displacement[];
__asm__(".pushsection .text\nimmediate: .byte 0xb8, 0x0f, 0x05, 0xc3, 0x00\nret\n"
	"displacement: .byte 0x48, 0x8d, 0x80, 0x0f, 0x05, 0xc3, 0x00\nret\n.popsection");

static void hidden(void)
{
	catch_faults();
	long r;
	__asm__ volatile("call immediate" : "=a"(r) : : "memory");
	say("as it was meant: %#lx", r);
	say("immediate: %s", jump(immediate + 1));
	say("displacement: %s", jump(displacement + 3));
}

// The first address behind the program's code.
extern char etext[];

static void border(void)
{
	catch_faults();
	char *end = (char *)(((uintptr_t)etext + PAGE - 1) & -PAGE);
	static char scratch[16];
	fault_code = 0;
	if (!sigsetjmp(back, 1)) {
		if (end[-1] || end[-2])
			fault_code = SEGV_ACCERR, fault_address = fault_ip = (uintptr_t)end; // no room
		else // add %al, (%rax), and on
			__asm__ volatile("call *%1" : : "a"(scratch), "r"(end - 2) : "memory", "cc");
	}
	say("over the end of code: %s", verdict(end));
	say("behind the code: %s", jump(end));
	// The data that the kernel shares with the vDSO.
	char line[300];
	uintptr_t a, b;
	FILE *f = fopen("/proc/self/maps", "r");
	while (f && fgets(line, sizeof line, f))
		if (strstr(line, "[vvar]") && sscanf(line, "%lx-%lx", &a, &b) == 2)
			say("vvar: %s", jump((void *)a));
	if (f)
		fclose(f);
}

static const struct t_case cases[] = {{"places", places}, {"own", own}, {"hidden", hidden}, {"border", border}};

int main(int argc, char **argv)
{
	pid = getpid();
	return t_main(argc, argv, cases, COUNT(cases));
}
