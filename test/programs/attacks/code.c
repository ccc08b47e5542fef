// What an attacker who has a program would do next with its memory: run bytes that were
// written, change code and what leads to it, put other memory in its place, call the kernel
// from elsewhere or through old doors. Each attempt works on Linux and is refused in a
// machine; see ../attempt.h and the table in techniques_test.go.
//
// usage: code [NAME]; with a budget of --jit, one that is called "a call from …" ends the
// machine
#include "../t.h"
#include "../attempt.h"
#include <sys/auxv.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/uio.h>

#define RW (PROT_READ | PROT_WRITE)
#define RX (PROT_READ | PROT_EXEC)
#define RWX (RW | PROT_EXEC)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define SHARED (MAP_SHARED | MAP_ANONYMOUS)

// Pages of the program's own that nothing else uses: code, constants, relocated data.
#define PAGES(name) ".balign 4096\n" #name ": .fill 8192, 1, 0xc3\n"
__asm__(".pushsection .text\n" PAGES(in_text) ".popsection");
__asm__(".pushsection .rodata\n" PAGES(in_rodata) ".popsection");
__asm__(".pushsection .data.rel.ro, \"aw\"\n" PAGES(in_relro) ".popsection");
extern unsigned char in_text[], in_rodata[], in_relro[];
static unsigned char in_data[2 * PAGE] __attribute__((aligned(PAGE))) = {1};

// returns_42 is mov eax, 42; ret. asks_pid is mov eax, SYS_getpid; syscall; ret.
static const unsigned char returns_42[] = {0xb8, 42, 0, 0, 0, 0xc3}, asks_pid[] = {0xb8, SYS_getpid, 0, 0, 0, 0x0f, 0x05, 0xc3};

static int call(void *p) { return ((int (*)(void))p)(); }

// runs: the bytes can be written to p and run at q, when it has been made executable by
// then, where prot is not 0.
static const char *runs(void *p, void *q, int prot)
{
	if (p == MAP_FAILED || q == MAP_FAILED || p == (void *)-1)
		return t_errno(errno);
	memcpy(p, returns_42, sizeof returns_42);
	if (prot && mprotect((void *)((uintptr_t)q & -PAGE), PAGE, prot) < 0)
		return t_errno(errno);
	return worked(call(q) == 42);
}

static void *map(int prot, int flags) { return mmap(NULL, PAGE, prot, flags, -1, 0); }
static const char *runs_here(void *p, int prot) { return runs(p, p, prot); }

static const char *rwx(void) { return runs_here(map(RWX, ANON), 0); }
static const char *rw_rx(void) { return runs_here(map(RW, ANON), RX); }
static const char *data(void) { return runs_here(in_data + PAGE, RWX); }

static const char *two_views(void)
{
	void *p = map(RW, SHARED);
	return runs(p, mremap(p, 0, PAGE, MREMAP_MAYMOVE), RX);
}

// of_file maps a file twice: to write, and to run.
static const char *of_file(int fd)
{
	if (fd < 0 || ftruncate(fd, PAGE) < 0)
		return t_errno(errno);
	void *p = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0), *q = mmap(NULL, PAGE, RX, MAP_SHARED, fd, 0);
	return runs(p, q, 0);
}

static const char *of_memfd(void) { return of_file(memfd_create("code", MFD_CLOEXEC)); }

static const char *of_tmp(void)
{
	char path[] = "/tmp/attackXXXXXX";
	int fd = mkstemp(path);
	unlink(path);
	return of_file(fd);
}

static const char *of_segment(void)
{
	int id = shmget(IPC_PRIVATE, PAGE, 0700);
	void *p = shmat(id, NULL, 0), *q = shmat(id, NULL, SHM_EXEC | SHM_RDONLY);
	int e = errno;
	shmctl(id, IPC_RMID, NULL);
	errno = e;
	return runs(p, q, 0);
}

static const char *of_program(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	return runs_here(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0), RX);
}

static const char *on_stack(void)
{
	unsigned char here[2 * PAGE], *p = (void *)(((uintptr_t)here + PAGE - 1) & -PAGE);
	return runs_here(p, RWX);
}

static const char *on_heap(void)
{
	char *p = (char *)(((uintptr_t)sbrk(2 * PAGE) + PAGE - 1) & -PAGE);
	return runs_here(p, RX);
}

static const char *by_personality(void)
{
	if (personality(READ_IMPLIES_EXEC) < 0)
		return t_errno(errno);
	return runs_here(map(RW, ANON), 0);
}

static const char *by_key(void)
{
	void *p = map(RW, ANON);
	if (syscall(SYS_pkey_mprotect, p, PAGE, RWX, -1) < 0)
		return t_errno(errno);
	return runs_here(p, 0);
}

// Changes to what is there.
// vdso_at is where the vDSO is, and how long: Linux does not let it be split.
static unsigned char *vdso_at(size_t *n)
{
	uintptr_t at = getauxval(AT_SYSINFO_EHDR), a, b;
	char line[300];
	FILE *f = fopen("/proc/self/maps", "r");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "%lx-%lx", &a, &b) == 2 && a == at)
			*n = b - a;
	fclose(f);
	return (unsigned char *)at;
}

// writable makes memory writable, and changes it.
static const char *writable(unsigned char *p, size_t n, int prot)
{
	if (mprotect(p, n, prot) < 0)
		return t_errno(errno);
	p[100]++;
	return NULL;
}

static const char *own_text(void) { return writable(in_text, PAGE, RWX) ?: runs_here(in_text, 0); }
static const char *relro(void) { return writable(in_relro, PAGE, RW); }
static const char *constants(void) { return writable(in_rodata, PAGE, RW); }

static const char *vdso(void)
{
	size_t n = PAGE;
	unsigned char *p = vdso_at(&n);
	return writable(p, n, RWX);
}

static const char *by_mem(unsigned char *p)
{
	int fd = open("/proc/self/mem", O_RDWR);
	unsigned char was = *p;
	return worked(fd >= 0 && pwrite(fd, "\x90", 1, (uintptr_t)p) == 1 && *p == 0x90 && was != 0x90);
}

static const char *text_by_mem(void) { return by_mem(in_text); }
static const char *constants_by_mem(void) { return by_mem(in_rodata); }
static const char *vdso_by_mem(void) { return by_mem((void *)getauxval(AT_SYSINFO_EHDR)); }

// by_ptrace changes a child's code; without one, it is this thread's.
static const char *by_ptrace(void)
{
	pid_t pid = fork();
	int status;
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(call(in_text));
	}
	if (pid < 0) {
		long r = ptrace(PTRACE_SEIZE, my_tid(), 0, 0);
		return worked(r == 0 && ptrace(PTRACE_POKETEXT, my_tid(), in_text, 0) == 0);
	}
	uint64_t words[1] = {0};
	memcpy(words, returns_42, sizeof returns_42);
	int ok = waitpid(pid, &status, 0) == pid && ptrace(PTRACE_POKETEXT, pid, in_text, words[0]) == 0 && ptrace(PTRACE_CONT, pid, 0, 0) == 0;
	return worked(ok && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 42);
}

static int one(void) { return 1; }
static int two(void) { return 2; }
static int (*volatile pointer)(void) = one;

static const char *by_vector(void)
{
	int (*f)(void) = two;
	struct iovec from = {&f, sizeof f}, to = {(void *)&pointer, sizeof pointer};
	return worked(syscall(SYS_process_vm_writev, getpid(), &from, 1, &to, 1, 0) == sizeof f && pointer() == 2);
}

// Other memory in the place of code.
static const char *over(void *p)
{
	return p == in_text ? runs_here(p, RX) : t_errno(errno);
}

static const char *mapped_over(void) { return over(mmap(in_text, PAGE, RW, ANON | MAP_FIXED, -1, 0)); }
static const char *moved_over(void) { return over(mremap(map(RW, ANON), PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, in_text)); }

static const char *attached_over(void)
{
	int id = shmget(IPC_PRIVATE, PAGE, 0700);
	void *p = shmat(id, in_text, SHM_REMAP);
	int e = errno;
	shmctl(id, IPC_RMID, NULL);
	errno = e;
	return over(p);
}

static const char *unmapped(void) { return worked(munmap(in_text, PAGE) == 0); }
static const char *withdrawn(void) { return worked(mprotect(in_text, PAGE, PROT_NONE) == 0); }
static const char *dropped(void) { return worked(madvise(in_relro, PAGE, MADV_DONTNEED) == 0); }

static const char *vdso_moved(void)
{
	size_t n = PAGE;
	unsigned char *from = vdso_at(&n), *to = mmap(NULL, n, PROT_NONE, ANON, -1, 0);
	return worked(mremap(from, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
}

// Calls from elsewhere than the program's text.
static const char *calls(void *p, void *q)
{
	if (p == MAP_FAILED || q == MAP_FAILED)
		return t_errno(errno);
	memcpy(p, asks_pid, sizeof asks_pid);
	return worked(call(q) == getpid());
}

static const char *call_private(void)
{
	void *p = map(RWX, ANON);
	return calls(p, p);
}

static const char *call_reprotected(void)
{
	void *p = map(RW, ANON);
	memcpy(p, asks_pid, sizeof asks_pid);
	return worked(mprotect(p, PAGE, RX) == 0 && call(p) == getpid());
}

static const char *call_shared(void)
{
	void *p = map(RW, SHARED), *q = mremap(p, 0, PAGE, MREMAP_MAYMOVE);
	if (mprotect(q, PAGE, RX) < 0)
		return t_errno(errno);
	return calls(p, q);
}

static void *in_thread(void *arg)
{
	*(const char **)arg = call_private();
	return NULL;
}

static const char *call_in_thread(void)
{
	const char *why = "no answer";
	pthread_join(go(in_thread, &why), NULL);
	return why;
}

static const char *by_vsyscall(void)
{
	return worked(((long (*)(long *))0xffffffffff600400)(NULL) > 0);
}

static const struct attempt attempts[] = {
	{"written memory", rwx}, {"memory reprotected", rw_rx}, {"two views of memory", two_views}, {"a file in memory", of_memfd}, {"a written file", of_tmp},
	{"a segment", of_segment}, {"the program's file, changed", of_program}, {"the stack", on_stack}, {"the heap", on_heap}, {"data", data},
	{"READ_IMPLIES_EXEC", by_personality}, {"pkey_mprotect", by_key},
	{"code made writable", own_text}, {"RELRO made writable", relro}, {"constants made writable", constants}, {"the vDSO made writable", vdso},
	{"code by /proc/self/mem", text_by_mem}, {"constants by /proc/self/mem", constants_by_mem}, {"the vDSO by /proc/self/mem", vdso_by_mem},
	{"code by ptrace", by_ptrace}, {"a pointer by process_vm_writev", by_vector},
	{"code mapped over", mapped_over}, {"code moved over", moved_over}, {"a segment over code", attached_over}, {"code unmapped", unmapped},
	{"code withdrawn", withdrawn}, {"RELRO dropped", dropped}, {"the vDSO moved", vdso_moved},
	{"a call from written memory", call_private}, {"a call from memory reprotected", call_reprotected}, {"a call from a second view", call_shared},
	{"a call from a thread's memory", call_in_thread},
	{"vsyscall", by_vsyscall},
};

int main(int argc, char **argv) { return t_attempts(argc, argv, attempts, COUNT(attempts)); }
