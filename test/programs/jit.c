// Memory that becomes executable: what a JIT compiler does, how far the budget of
// --jit goes, and what never runs.
//
// usage: jit CASE…; "refused" is for machines without a budget
#include "t.h"
#include <link.h>
#include <setjmp.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

#define RW (PROT_READ | PROT_WRITE)
#define RX (PROT_READ | PROT_EXEC)
#define RWX (RW | PROT_EXEC)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define SHARED (MAP_SHARED | MAP_ANONYMOUS)
#define BUDGET 256 // pages: --jit 1M

static sigjmp_buf back;

static void on_fault(int s, siginfo_t *i, void *u)
{
	(void)u;
	siglongjmp(back, s == SIGSEGV ? i->si_code : 99);
}

// emit writes a function that returns v.
static void emit(volatile unsigned char *p, unsigned v)
{
	p[0] = 0xb8; // mov eax, imm32
	for (int i = 0; i < 4; i++)
		p[1 + i] = v >> 8 * i;
	p[5] = 0xc3; // ret
}

// call runs the function at p: its value, or the code of the SIGSEGV.
static const char *call(void *p)
{
	static char text[4][40];
	static int next;
	char *t = text[next++ % 4];
	struct sigaction a = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
	sigaction(SIGSEGV, &a, NULL);
	sigaction(SIGBUS, &a, NULL);
	int code = sigsetjmp(back, 1);
	if (code)
		snprintf(t, 40, "SEGV code %d", code);
	else
		snprintf(t, 40, "%u", ((unsigned (*)(void))p)());
	return t;
}

static unsigned char *map(void *at, size_t pages, int prot, int flags)
{
	unsigned char *p = mmap(at, pages * PAGE, prot, flags | (at ? MAP_FIXED : 0), -1, 0);
	CHECK(p != MAP_FAILED);
	if (p == MAP_FAILED)
		_exit(97);
	return p;
}

// errno_of is 0 or an errno, as a name.
static const char *errno_of(int failed) { return failed ? t_errno(errno) : "ok"; }

static void *writer(void *p)
{
	emit(p, 77);
	return NULL;
}

static void compile(int kind)
{
	unsigned char *p = map(NULL, 2, RWX, kind), *q;
	emit(p, 1);
	say("RWX %s", call(p));
	emit(p, 2); // the old code was run: it must not be remembered
	say("rewritten %s", call(p));
	pthread_join(go(writer, p + PAGE), NULL);
	say("by another thread %s", call(p + PAGE));
	munmap(p, 2 * PAGE);

	p = map(NULL, 2, RW, kind);
	emit(p, 3);
	say("RW %s", call(p));
	SHOW(mprotect(p, 2 * PAGE, RX));
	say("RX %s", call(p));
	SHOW(mprotect(p, 2 * PAGE, RW));
	emit(p, 4);
	say("RW %s", call(p));
	SHOW(mprotect(p, 2 * PAGE, PROT_NONE));
	say("none %s", call(p));
	SHOW(mprotect(p, PAGE, RX));
	say("RX %s, the other %s", call(p), call(p + PAGE));
	SHOW(mprotect(p, 2 * PAGE, RWX));
	emit(p + PAGE - 3, 5); // over the border
	say("RWX %s", call(p + PAGE - 3));
	munmap(p, 2 * PAGE);

	// A reservation of which parts are used, as V8 and HotSpot do it.
	p = map(NULL, 16384, PROT_NONE, kind | MAP_NORESERVE);
	for (int i = 0; i < 8; i++) {
		q = p + i * 2000 * PAGE;
		if (i % 2)
			CHECK(mprotect(q, PAGE, RWX) == 0);
		else
			map(q, 1, RWX, kind);
		emit(q, 100 + i);
	}
	for (int i = 0; i < 8; i++)
		say("piece %d %s", i, call(p + i * 2000 * PAGE));
	map(p, 1, PROT_NONE, kind | MAP_NORESERVE);
	say("replaced %s", call(p));
	CHECK(mprotect(p, PAGE, RWX) == 0);
	emit(p, 6);
	say("replaced, RWX %s", call(p));
	munmap(p, 16384 * PAGE);

	p = map(NULL, 4, RWX, kind);
	emit(p, 7), emit(p + PAGE, 8);
	q = map(NULL, 4, RW, ANON);
	SHOW(mremap(p + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
	say("moved %s", call(q));
	say("where it was %s", call(p + PAGE));
	munmap(q, 4 * PAGE);
	munmap(p, 4 * PAGE);
	if (kind == ANON) {
		p = map(NULL, 2, RW, kind);
		CHECK(mprotect(p, 2 * PAGE, RX) == 0);
		p = mremap(p, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE);
		CHECK(p != MAP_FAILED);
		SHOW(mprotect(p, 4 * PAGE, RWX));
		emit(p + 3 * PAGE, 9);
		say("grown %s", call(p + 3 * PAGE));
		SHOW(madvise(p, 4 * PAGE, MADV_DONTNEED));
		say("discarded %d", p[3 * PAGE]);
		emit(p + 3 * PAGE, 10);
		say("written again %s", call(p + 3 * PAGE));
		munmap(p, 4 * PAGE);
		return;
	}
	// Two views of the same memory: one to write, one to run.
	p = map(NULL, 2, RW, kind);
	q = mremap(p, 0, 2 * PAGE, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED);
	SHOW(mprotect(q, 2 * PAGE, RX));
	emit(p + PAGE, 11);
	say("the view %s, the original %s", call(q + PAGE), call(p + PAGE));
	munmap(p, 2 * PAGE);
	say("the view alone %s", call(q + PAGE));
	munmap(q, 2 * PAGE);
}

static void compile_private(void) { compile(ANON); }
static void compile_shared(void) { compile(SHARED); }

// count grants X page by page until it is refused.
static int count(unsigned char *p, int most)
{
	for (int i = 0; i < most; i++)
		if (mprotect(p + i * PAGE, PAGE, RX) < 0)
			return i;
	return most;
}

static void budget(void)
{
	unsigned char *p = map(NULL, 512, PROT_NONE, ANON), *q = map(NULL, 512, RW, SHARED), *r;
	int n = count(p, 512);
	say("DESIGN pages granted: %d", n);
	say("DESIGN one more: %s", errno_of(mprotect(p + 300 * PAGE, PAGE, RX)));
	say("DESIGN one more, shared: %s", errno_of(mprotect(q, PAGE, RX)));
	say("DESIGN one more by mmap: %s", errno_of(mmap(NULL, PAGE, RWX, ANON, -1, 0) == MAP_FAILED));
	r = mremap(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
	say("DESIGN growth: %s", errno_of(r == MAP_FAILED));
	if (r != MAP_FAILED) {
		munmap(r, 2 * PAGE);
		map(p, 1, RX, ANON);
	}
	SHOW(mprotect(p, BUDGET * PAGE, RWX)); // what was granted stays so
	emit(p + 255 * PAGE, 1);
	say("the last page %s", call(p + 255 * PAGE));
	SHOW(mprotect(p, 256 * PAGE, PROT_NONE));
	SHOW(madvise(p, 256 * PAGE, MADV_DONTNEED));
	say("DESIGN unused, not unmapped: %s", errno_of(mprotect(q, PAGE, RX)));
	munmap(p, 3 * PAGE);
	say("DESIGN three unmapped, again: %d", count(q, 8));
	munmap(q, 512 * PAGE);
	munmap(p, 512 * PAGE);
	r = map(NULL, 256, RWX, ANON);
	map(r, 256, RWX, ANON); // over itself
	emit(r, 2);
	say("all of it %s", call(r));
	map(r, 256, RW, ANON);
	q = map(NULL, 256, RWX, SHARED);
	emit(q + 255 * PAGE, 3);
	say("all of it %s", call(q + 255 * PAGE));
	say("DESIGN a view of it: %s", errno_of(mremap(q, 0, PAGE, MREMAP_MAYMOVE) == MAP_FAILED));
	munmap(r, 256 * PAGE);
	munmap(q, 256 * PAGE);
	say("DESIGN more at once: %s", errno_of(mmap(NULL, 257 * PAGE, RWX, ANON, -1, 0) == MAP_FAILED));
}

// emit_getpid writes a function that makes a system call.
static void emit_getpid(volatile unsigned char *p)
{
	emit(p, SYS_getpid);
	p[5] = 0x0f, p[6] = 0x05, p[7] = 0xc3; // syscall; ret
}

// through_libc: written code may call what makes system calls.
static void through_libc(void)
{
	unsigned char *p = map(NULL, 1, RWX, ANON);
	p[0] = 0x48, p[1] = 0xb8; // mov rax, imm64
	unsigned (*f)(void) = (unsigned (*)(void))getpid;
	memcpy(p + 2, &f, 8);
	p[10] = 0xff, p[11] = 0xe0; // jmp rax
	CHECK((pid_t)((unsigned (*)(void))p)() == getpid());
	munmap(p, PAGE);
}

// The rest ends the program on Skerry: system calls of written code, from private
// and from shared memory, in a thread, at the very end of user space.
static void from(unsigned char *p)
{
	emit_getpid(p);
	say("about to call");
	say("DESIGN it was served: %s", call(p));
}

static void from_private(void) { from(map(NULL, 1, RWX, ANON)); }
static void from_shared(void) { from(map(NULL, 1, RWX, SHARED)); }

static void *in_thread(void *p)
{
	call(p);
	say("DESIGN a thread was served");
	return NULL;
}

static void from_thread(void)
{
	unsigned char *p = map(NULL, 1, RWX, ANON);
	emit_getpid(p);
	say("about to call");
	pthread_join(go(in_thread, p), NULL);
}

static void from_last(void)
{
	unsigned char *p = mmap((void *)0x7fffffffe000, PAGE, RWX, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	if (p != (void *)0x7fffffffe000) {
		say("DESIGN last page: %s", errno_of(1));
		return;
	}
	emit(p + PAGE - 7, SYS_getpid);
	p[PAGE - 2] = 0x0f, p[PAGE - 1] = 0x05;
	say("about to call");
	say("DESIGN it was served: %s", call(p + PAGE - 7));
}

// A page of the program whose last byte is the first one of SYSCALL.
extern char half_page[];
__asm__(".pushsection .text\n.balign 4096\nhalf_page: .fill 4095, 1, 0xc3\n.byte 0x0f\n.popsection");

// from_half makes a call whose instruction begins in code of the program, mapped once more,
// and ends in written memory, where it then goes on.
static void from_half(void)
{
	const ElfW(Phdr) *h = (void *)getauxval(AT_PHDR);
	uintptr_t at = (uintptr_t)half_page, base = 0;
	off_t off = -1;
	for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++)
		if (h[i].p_type == PT_PHDR)
			base = (uintptr_t)h - h[i].p_vaddr;
	for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++)
		if (h[i].p_type == PT_LOAD && at - base - h[i].p_vaddr < h[i].p_filesz)
			off = at - base - h[i].p_vaddr + h[i].p_offset;
	unsigned char *p = map(NULL, 2, RWX, ANON);
	int fd = open("/proc/self/exe", O_RDONLY);
	CHECK(off >= 0 && mmap(p, PAGE, RX, MAP_PRIVATE | MAP_FIXED, fd, off) == p);
	p[PAGE] = 0x05, p[PAGE + 1] = 0xc3; // the rest of syscall; ret
	emit(p + PAGE + 16, SYS_getpid);
	p[PAGE + 21] = 0xe9; // jmp to the byte before this page
	int32_t d = -1 - 26;
	memcpy(p + PAGE + 22, &d, 4);
	say("about to call");
	say("DESIGN it was served: %s", call(p + PAGE + 16));
}

static char data_page[2 * PAGE] __attribute__((aligned(PAGE))) = {1};
static char bss_page[2 * PAGE] __attribute__((aligned(PAGE)));

// Two pages of code that nobody runs.
extern char text_page[];
__asm__(".pushsection .text\n.balign 4096\ntext_page: .fill 8192, 1, 0xc3\n.popsection");

// file_x tries to run what was written to a file: through one mapping, and through
// two of the same file.
static void file_x(const char *what, int fd)
{
	CHECK(fd >= 0 && ftruncate(fd, PAGE) == 0);
	unsigned char *p = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	emit(p, 1);
	say("DESIGN %s, mapped twice: %s", what, errno_of(mmap(NULL, PAGE, RX, MAP_SHARED, fd, 0) == MAP_FAILED));
	say("DESIGN %s, privately: %s", what, errno_of(mmap(NULL, PAGE, RX, MAP_PRIVATE, fd, 0) == MAP_FAILED));
	say("DESIGN %s, then X: %s", what, errno_of(mprotect(p, PAGE, RX)));
	unsigned char *q = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	say("DESIGN %s, read and then X: %s", what, errno_of(mprotect(q, PAGE, RX)));
	munmap(p, PAGE);
	munmap(q, PAGE);
	close(fd);
}

// never is what no budget is for.
static void never(void)
{
	char path[] = "/tmp/jitXXXXXX", shm[] = "/dev/shm/jitXXXXXX";
	file_x("memfd", memfd_create("jit", 0));
	file_x("file in /tmp", mkstemp(path));
	file_x("file in /dev/shm", mkstemp(shm));
	unlink(path);
	unlink(shm);
	char here;
	say("DESIGN stack: %s", errno_of(mprotect((void *)((uintptr_t)&here & -PAGE), PAGE, RWX)));
	say("DESIGN data: %s", errno_of(mprotect(data_page, PAGE, RWX)));
	say("DESIGN bss: %s", errno_of(mprotect(bss_page, PAGE, RWX)));
	char *heap = sbrk(0);
	heap = (char *)(((uintptr_t)heap + PAGE - 1) & -PAGE);
	CHECK(syscall(SYS_brk, heap + 2 * PAGE) >= 0);
	say("DESIGN heap: %s", errno_of(mprotect(heap, PAGE, RWX)));
	say("DESIGN MAP_STACK: %s", errno_of(mmap(NULL, PAGE, RWX, ANON | MAP_STACK, -1, 0) == MAP_FAILED));
	say("DESIGN MAP_GROWSDOWN: %s", errno_of(mmap(NULL, PAGE, RWX, ANON | MAP_GROWSDOWN, -1, 0) == MAP_FAILED));
	// Its own code: a change makes a copy that never runs.
	say("DESIGN text RWX: %s", errno_of(mprotect(text_page, PAGE, RWX)));
	say("DESIGN text RW: %s", errno_of(mprotect(text_page, PAGE, RW)));
	mprotect((void *)((uintptr_t)&here & -PAGE), PAGE, RW);
}

// refused is a machine without a budget.
static void refused(void)
{
	for (int i = 0; i < 2; i++) {
		int kind = i ? SHARED : ANON;
		const char *name = i ? "shared" : "private";
		say("DESIGN %s RWX: %s", name, errno_of(mmap(NULL, PAGE, RWX, kind, -1, 0) == MAP_FAILED));
		say("DESIGN %s RX: %s", name, errno_of(mmap(NULL, PAGE, RX, kind, -1, 0) == MAP_FAILED));
		say("DESIGN %s X: %s", name, errno_of(mmap(NULL, PAGE, PROT_EXEC, kind, -1, 0) == MAP_FAILED));
		unsigned char *p = map(NULL, 2, RW, kind), *q;
		emit(p, 1);
		say("RW %s", call(p));
		say("DESIGN %s RW, then RX: %s", name, errno_of(mprotect(p, PAGE, RX)));
		say("DESIGN %s RW, then RWX: %s", name, errno_of(mprotect(p, 2 * PAGE, RWX)));
		CHECK(mprotect(p, PAGE, PROT_NONE) == 0);
		say("DESIGN %s none, then RX: %s", name, errno_of(mprotect(p, PAGE, RX)));
		q = mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, map(NULL, 1, PROT_NONE, ANON));
		CHECK(q != MAP_FAILED);
		say("DESIGN %s moved, then RX: %s", name, errno_of(mprotect(q, PAGE, RX)));
		munmap(p, 2 * PAGE);
		munmap(q, PAGE);
		p = map(NULL, 1, PROT_NONE, kind | MAP_NORESERVE);
		say("DESIGN %s reserved, then RX: %s", name, errno_of(mprotect(p, PAGE, RX)));
		say("DESIGN %s over it: %s", name, errno_of(mmap(p, PAGE, RWX, kind | MAP_FIXED, -1, 0) == MAP_FAILED));
		munmap(p, PAGE);
	}
}

// wish is PR_GET_MDWE and PR_SET_MDWE.
static void wish(void)
{
	say("DESIGN MDWE %d", prctl(66, 0, 0, 0, 0));
	SHOW(prctl(65, 1, 0, 0, 0));
	SHOW(prctl(65, 1, 0, 0, 0));
	SHOW(prctl(66, 0, 0, 0, 0));
	SHOW((long)mmap(NULL, PAGE, RWX, ANON, -1, 0));
}

static const struct t_case cases[] = {{"private", compile_private}, {"shared", compile_shared}, {"budget", budget}, {"refused", refused}, {"never", never},
	{"through-libc", through_libc}, {"wish", wish}, {"from-private", from_private}, {"from-shared", from_shared}, {"from-thread", from_thread}, {"from-last", from_last}, {"from-half", from_half}};
T_MAIN(cases)
