// The mmap family: errors, splitting and merging, faults with exact addresses,
// stack growth, what memory holds after it was given back.
#include "t.h"
#include "faults.h"
#include <sys/resource.h>
#include <ucontext.h>

#define RW (PROT_READ | PROT_WRITE)
#define PRIV (MAP_PRIVATE | MAP_ANONYMOUS)
#define LAST ((char *)0x7ffffffff000)

enum access { LOAD, STORE, CALL };

// touch tells what an access does: "ok", or the signal, its code, and whether the
// address is exact.
static const char *touch(char *p, enum access how)
{
	fault_signal = 0;
	catch_faults();
	if (!sigsetjmp(back, 1)) {
		if (how == LOAD)
			(void)*(volatile char *)p;
		else if (how == STORE)
			*(volatile char *)p = 1;
		else
			((void (*)(void))p)();
		return "ok";
	}
	return fault_text(p);
}

static char *map(size_t n, int prot)
{
	char *p = mmap(NULL, n, prot, PRIV, -1, 0);
	if (p == MAP_FAILED) {
		say("FAIL map: %s", t_errno(errno));
		_exit(97);
	}
	return p;
}

static int file(size_t size)
{
	char path[] = "/tmp/memoryXXXXXX";
	int fd = mkstemp(path);
	if (fd < 0 || unlink(path) < 0 || ftruncate(fd, size) < 0) {
		say("FAIL file: %s", t_errno(errno));
		_exit(96);
	}
	return fd;
}

static void errors(void)
{
	char *p = map(4 * PAGE, RW);
	int fd = file(PAGE), p2[2];
	CHECK(pipe(p2) == 0);
	OK(mmap(NULL, 0, RW, PRIV, -1, 0));
	OK(mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0));
	OK(mmap(NULL, PAGE, RW, MAP_PRIVATE, -1, 0));
	OK(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 1));
	OK(mmap(NULL, PAGE, RW, MAP_PRIVATE, p2[0], 0));
	OK(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, -PAGE));
	OK(mmap(NULL, 1UL << 48, RW, PRIV, -1, 0));
	OK(mmap(NULL, -PAGE, RW, PRIV, -1, 0));
	OK(mmap(p + 1, PAGE, RW, PRIV | MAP_FIXED, -1, 0));
	OK(mmap(LAST, PAGE, RW, PRIV | MAP_FIXED, -1, 0));
	OK(mmap(LAST - PAGE, 2 * PAGE, RW, PRIV | MAP_FIXED, -1, 0));
	OK(mmap((char *)0xffff800000000000, PAGE, RW, PRIV | MAP_FIXED, -1, 0));
	OK(mmap(p, PAGE, RW, PRIV | 0x100000 /* FIXED_NOREPLACE */, -1, 0));
	OK(mmap(NULL, PAGE, RW, 3 /* SHARED_VALIDATE */ | 0x80000 /* SYNC */, fd, 0));
	OK(mmap(NULL, PAGE, RW, MAP_SHARED, open("/dev/null", O_RDWR), 0));
	OK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, open("/tmp", O_RDONLY), 0));
	OK(munmap(p + 1, PAGE));
	OK(munmap(p, 0));
	OK(munmap(LAST, PAGE));
	OK(munmap(p, -PAGE));
	OK(mprotect(p + 1, PAGE, RW));
	OK(mprotect(p, 0, RW));
	OK(mprotect(p, PAGE, 0x100));
	OK(mprotect(LAST, PAGE, RW));
	OK(madvise(p, PAGE, 9999));
	OK(madvise(p + 1, PAGE, MADV_DONTNEED));
	OK(madvise(p, 0, MADV_DONTNEED));
	OK(msync(p + 1, PAGE, MS_SYNC));
	OK(msync(p, PAGE, MS_SYNC | MS_ASYNC));
	OK(msync(p, PAGE, MS_SYNC));
	unsigned char vec[8];
	OK(syscall(SYS_mincore, p + 1, PAGE, vec));
	OK(syscall(SYS_mincore, p, PAGE, (void *)8));
	munmap(p + PAGE, PAGE);
	OK(madvise(p, 3 * PAGE, MADV_DONTNEED)); // a hole
	OK(mprotect(p, 3 * PAGE, PROT_READ));	 // changes what comes before the hole
	say("before the hole: %s", touch(p, STORE));
	say("after the hole: %s", touch(p + 2 * PAGE, STORE));
	OK(msync(p, 3 * PAGE, MS_SYNC));
	OK(syscall(SYS_mincore, p, 3 * PAGE, vec));
	int ro = open("/proc/self/exe", O_RDONLY);
	OK(mmap(NULL, PAGE, RW, MAP_SHARED, ro, 0));
	OK(mmap(NULL, PAGE, RW, MAP_PRIVATE, ro, 0));
	OK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0));
	int wo = open("/dev/zero", O_WRONLY);
	OK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, wo, 0));
}

// Linux lets its root map the null page; nobody may here.
static void null_page(void)
{
	for (uintptr_t a = 0; a < 65536; a += 0xf000) {
		void *p = mmap((void *)a, PAGE, RW, PRIV | MAP_FIXED, -1, 0);
		say("DESIGN map %#lx: %s", (long)a, p == MAP_FAILED ? t_errno(errno) : "ok");
		if (p != MAP_FAILED)
			munmap(p, PAGE);
	}
	char *p = map(PAGE, RW);
	void *q = mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)0);
	say("DESIGN move to 0: %s", q == MAP_FAILED ? t_errno(errno) : "ok");
	if (q != MAP_FAILED)
		munmap(q, PAGE);
	p = mmap((void *)PAGE, PAGE, RW, PRIV, -1, 0); // a hint only
	CHECK(p != MAP_FAILED);
	say("DESIGN hint 4096: %s", (uintptr_t)p < 65536 ? "taken" : "elsewhere");
	munmap(p, PAGE);
}

static void faults(void)
{
	char *p = map(8 * PAGE, RW);
	munmap(p + 3 * PAGE, PAGE);
	mprotect(p + 1 * PAGE, PAGE, PROT_READ);
	mprotect(p + 2 * PAGE, PAGE, PROT_NONE);
	static const struct {
		int page, offset;
		const char *name;
	} list[] = {{0, 0, "writable"}, {1, 17, "read-only"}, {2, 4095, "none"}, {3, 1, "hole"}, {4, 0, "writable"}};
	for (size_t i = 0; i < COUNT(list); i++)
		for (int how = LOAD; how <= STORE; how++)
			say("%s %s: %s", how == LOAD ? "load" : "store", list[i].name, touch(p + list[i].page * PAGE + list[i].offset, how));
	say("load null: %s", touch((char *)0, LOAD));
	say("store 0xfff8: %s", touch((char *)0xfff8, STORE));
	say("call null: %s", touch((char *)0, CALL));
	say("call data: %s", touch(p, CALL));
	say("load last page: %s", touch(LAST, LOAD));
	say("load kernel: %s", touch((char *)0xffffffff80200000, LOAD));
	say("store kernel: %s", touch((char *)0xffff888000001000, STORE));
	say("call kernel: %s", touch((char *)0xffffffff80201000, CALL));
	say("load non-canonical: %s", touch((char *)0x1234567812345678, LOAD));
	say("store text: %s", touch((char *)(uintptr_t)&touch, STORE));
	int fd = file(PAGE + 100);
	char *f = mmap(NULL, 3 * PAGE, RW, MAP_SHARED, fd, 0);
	CHECK(f != MAP_FAILED);
	say("file, tail of the last page: %s", touch(f + PAGE + 200, STORE));
	say("file, beyond: %s", touch(f + 2 * PAGE + 8, LOAD));
	CHECK(ftruncate(fd, 0) == 0);
	say("file, truncated: %s", touch(f + 8, LOAD));
	CHECK(ftruncate(fd, 3 * PAGE) == 0);
	say("file, grown: %s", touch(f + 2 * PAGE + 8, LOAD));
	char *m = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, fd, 0);
	say("private file: %s", touch(m, STORE));
	// An access across two pages faults at the first byte that is not there.
	char *q = map(2 * PAGE, RW);
	munmap(q + PAGE, PAGE);
	fault_address = 0;
	if (!sigsetjmp(back, 1))
		(void)*(volatile uint64_t *)(q + PAGE - 3);
	say("across pages: %d", fault_address == q + PAGE);
}

static void fixed(void)
{
	char *p = map(6 * PAGE, RW);
	memset(p, 'a', 6 * PAGE);
	char *q = mmap(p + 2 * PAGE, 2 * PAGE, PROT_READ, PRIV | MAP_FIXED, -1, 0);
	CHECK(q == p + 2 * PAGE);
	say("kept %c, new %d, kept %c", p[2 * PAGE - 1], p[2 * PAGE], p[4 * PAGE]);
	say("new is read-only: %s", touch(q, STORE));
	OK(munmap(p + PAGE, 4 * PAGE));
	say("first %s", touch(p, STORE));
	say("second %s", touch(p + PAGE, LOAD));
	say("last %s", touch(p + 5 * PAGE, STORE));
	char *hint = p + PAGE;
	say("hint honoured: %d", mmap(hint, 2 * PAGE, RW, PRIV, -1, 0) == hint);
	say("taken hint moved: %d", mmap(hint, 64 * PAGE, RW, PRIV, -1, 0) != hint);
	say("noreplace in a gap: %d", mmap(p + 3 * PAGE, PAGE, RW, PRIV | 0x100000, -1, 0) == p + 3 * PAGE);
	char *low = mmap(NULL, PAGE, RW, PRIV | 0x40 /* 32BIT */, -1, 0);
	say("low 2 GiB: %d", low != MAP_FAILED && (uintptr_t)low < 1UL << 31);
	// A hint counts there as well, if all of it lies below 2 GiB.
	static const uintptr_t hints[] = {0x50000000, 0x20000000, 0x50000000, 0x7ffff000, 0x80000000};
	for (size_t i = 0; i < COUNT(hints); i++) {
		char *at = mmap((void *)hints[i], 2 * PAGE, RW, PRIV | 0x40, -1, 0);
		say("hint %lx: %s", (long)hints[i], (uintptr_t)at == hints[i] ? "honoured" : (uintptr_t)at < 1UL << 31 ? "low" : "not");
	}
	OK(munmap(p, 6 * PAGE)); // holes do not matter
}

static int filled(const char *p, size_t n, char c)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != c)
			return 0;
	return 1;
}

static void advice(void)
{
	char *p = map(4 * PAGE, RW);
	memset(p, 'x', 4 * PAGE);
	OK(madvise(p + PAGE, 2 * PAGE, MADV_DONTNEED));
	say("kept %d, zero %d, kept %d", filled(p, PAGE, 'x'), filled(p + PAGE, 2 * PAGE, 0), filled(p + 3 * PAGE, PAGE, 'x'));
	int fd = file(2 * PAGE);
	CHECK(pwrite(fd, "file", 4, 0) == 4);
	char *f = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, fd, 0);
	memcpy(f, "mine", 4);
	OK(madvise(f, PAGE, MADV_DONTNEED));
	say("private file again: %.4s", f);
	char *s = mmap(NULL, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memcpy(s, "kept", 4);
	OK(madvise(s, PAGE, MADV_DONTNEED));
	say("shared: %.4s", s);
	OK(madvise(s, PAGE, 9 /* REMOVE */));
	say("shared, removed: %d", filled(s, PAGE, 0));
	OK(madvise(p, PAGE, 8 /* FREE */));
	*p = 'y';
	say("written after free: %c", *p);
	OK(madvise(p, 4 * PAGE, MADV_WILLNEED));
	OK(madvise(p, 4 * PAGE, MADV_SEQUENTIAL));
	OK(madvise(p, PAGE, 16 /* DONTDUMP */));
	OK(madvise(p, PAGE, 22 /* POPULATE_READ */));
	OK(madvise(p, PAGE, 23 /* POPULATE_WRITE */));
	unsigned char vec[4];
	OK(syscall(SYS_mincore, p, 4 * PAGE, vec));
	say("in core %d", vec[0] & 1);
}

static void remap(void)
{
	char *p = map(4 * PAGE, RW);
	memset(p, 'r', 4 * PAGE);
	OK(mremap(p, 4 * PAGE, 0, 0));
	OK(mremap(p + 1, PAGE, PAGE, 0));
	OK(mremap(p, 4 * PAGE, 2 * PAGE, 4));
	OK(mremap(p, PAGE, PAGE, MREMAP_FIXED, p + PAGE));
	OK(mremap(p, 2 * PAGE, 2 * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, p + PAGE)); // overlaps
	OK(mremap(LAST, PAGE, PAGE, MREMAP_MAYMOVE));
	say("shrunk in place: %d", mremap(p, 4 * PAGE, 2 * PAGE, 0) == p);
	say("cut off: %s", touch(p + 2 * PAGE, LOAD));
	char *wall = mmap(p + 2 * PAGE, PAGE, PROT_NONE, PRIV | MAP_FIXED, -1, 0);
	CHECK(wall == p + 2 * PAGE);
	OK(mremap(p, 2 * PAGE, 8 * PAGE, 0)); // no room
	char *q = mremap(p, 2 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
	say("moved %d, data %d, new %d", q != p, filled(q, 2 * PAGE, 'r'), filled(q + 2 * PAGE, 6 * PAGE, 0));
	say("old place: %s", touch(p, LOAD));
	char *to = map(8 * PAGE, RW);
	memset(to, 't', 8 * PAGE);
	say("to a fixed place: %d", mremap(q, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	say("data %d, old place %s", filled(to, 2 * PAGE, 'r'), touch(q, LOAD));
	// Growing in place where there is room.
	char *room = map(16 * PAGE, RW);
	munmap(room + 4 * PAGE, 12 * PAGE);
	say("grown in place: %d", mremap(room, 4 * PAGE, 8 * PAGE, 0) == room);
	// A part of a mapping.
	say("middle moved: %d", mremap(to + 2 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room + PAGE) == room + PAGE);
	say("hole left: %s", touch(to + 2 * PAGE, LOAD));
	// A shared mapping doubled.
	char *s = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	strcpy(s, "twice");
	char *d = mremap(s, 0, PAGE, MREMAP_MAYMOVE);
	say("doubled: %d %s", d != MAP_FAILED && d != s, d != MAP_FAILED ? d : "");
	OK(mremap(room, 0, PAGE, MREMAP_MAYMOVE)); // private: not so
	mprotect(room, PAGE, PROT_READ);
	OK(mremap(room, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE)); // two mappings
}

static void breaks(void)
{
	char *start = (char *)syscall(SYS_brk, 0);
	char *end = (char *)syscall(SYS_brk, start + 10 * PAGE + 5);
	say("grown by %ld", (long)(end - start));
	say("first byte %s", touch(start, STORE));
	say("page of the end: %s", touch(end, STORE));
	memset(start, 'b', 10 * PAGE);
	say("back: %d", (char *)syscall(SYS_brk, start + PAGE) == start + PAGE);
	say("given back: %s", touch(start + 2 * PAGE, LOAD));
	say("again: %d", (char *)syscall(SYS_brk, start + 4 * PAGE) == start + 4 * PAGE);
	say("zero again: %d", filled(start + 2 * PAGE, PAGE, 0));
	say("below the start is refused: %d", (char *)syscall(SYS_brk, start - (PAGE << 20)) == start + 4 * PAGE);
	say("into the kernel is refused: %d", (char *)syscall(SYS_brk, (char *)0xffff800000000000) == start + 4 * PAGE);
	syscall(SYS_brk, start);
}

static volatile int depth;

__attribute__((noinline)) static int deeper(int n)
{
	volatile char frame[4000];
	memset((char *)frame, n, sizeof frame);
	depth = n;
	return n > 1500 ? frame[0] : deeper(n + 1) + frame[1];
}

__attribute__((noinline)) static int deepest(volatile char *above)
{
	volatile char frame[4096];
	frame[0] = above[0];
	depth++;
	return deepest(frame) + frame[0];
}

static void stack(void)
{
	deeper(0);
	say("6 MB of stack: depth %d", depth);
	struct rlimit l;
	CHECK(getrlimit(RLIMIT_STACK, &l) == 0);
	depth = 0;
	catch_faults();
	char c = 0;
	if (!sigsetjmp(back, 1))
		deepest(&c);
	// The signal came on the alternative stack, below the stack's end.
	say("overflow: signal %d after 7 MB or more: %d", fault_signal == SIGSEGV, depth > 1700);
	say("address is on the stack's side: %d", fault_address < &c && fault_address > &c - 16 * 1024 * 1024);
}

static void sharing(void)
{
	int fd = file(2 * PAGE);
	char *a = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0), *b = mmap(NULL, PAGE, RW, MAP_SHARED, fd, PAGE);
	char *c = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, fd, 0);
	CHECK(a != MAP_FAILED && b != MAP_FAILED && c != MAP_FAILED);
	strcpy(b, "through b");
	say("a %s, c %s", a + PAGE, c + PAGE);
	strcpy(c + PAGE, "only c");
	char text[32] = "";
	CHECK(pread(fd, text, 10, PAGE) == 10);
	say("b %s, file %s, c %s", b, text, c + PAGE);
	CHECK(pwrite(fd, "through write", 14, 0) == 14);
	say("a %s, c %s", a, c);
	strcpy(a, "through a");
	CHECK(pread(fd, text, 10, 0) == 10);
	say("file %s", text);
	OK(msync(a, 2 * PAGE, MS_SYNC));
	close(fd);
	strcpy(a, "without the file");
	say("a %s", a);
	OK(munmap(a, 2 * PAGE));
	mprotect(b, PAGE, PROT_READ);
	say("read-only: %s", touch(b, STORE));
	// Each shared mapping of /dev/zero is memory of its own.
	fd = open("/dev/zero", O_RDWR);
	a = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0), b = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
	int zero = open("/dev/zero", O_RDONLY);
	SHOW(mmap(NULL, PAGE, RW, MAP_SHARED, zero, 0) == MAP_FAILED);
	close(fd);
	close(zero);
	CHECK(a != MAP_FAILED && b != MAP_FAILED);
	strcpy(a + PAGE, "shared zero");
	c = mremap(a, 0, 2 * PAGE, MREMAP_MAYMOVE);
	CHECK(c != MAP_FAILED);
	say("a %s, again %s, b %d", a + PAGE, c + PAGE, b[0]);
}

static void protect(void)
{
	char *p = map(3 * PAGE, RW);
	memset(p, 'p', 3 * PAGE);
	for (int i = 0; i < 200; i++) {
		CHECK(mprotect(p + PAGE, PAGE, PROT_NONE) == 0);
		CHECK(mprotect(p + PAGE, PAGE, RW) == 0);
	}
	say("data kept: %d", filled(p, 3 * PAGE, 'p'));
	CHECK(mprotect(p, 3 * PAGE, PROT_READ) == 0);
	char c;
	int fd = open("/dev/zero", O_RDONLY);
	SHOW(read(fd, p, 10)); // the kernel obeys the protection too
	SHOW(read(fd, p + 3 * PAGE - 4, 1));
	mprotect(p + PAGE, PAGE, RW);
	SHOW(read(fd, p + 2 * PAGE - 4, 10)); // short: what could be written
	SHOW(read(fd, p + PAGE - 4, 10));
	int t = file(PAGE);
	SHOW(write(t, p + 3 * PAGE - 4, 10) > 0 ? 4 : -1);
	SHOW(write(t, (void *)0xffff800000000000, 1));
	SHOW(read(fd, &c, 1));
	close(fd);
}

static void big(void)
{
	// Address space costs nothing until it is used.
	size_t n = 64UL << 30;
	char *p = mmap(NULL, n, PROT_NONE, PRIV | MAP_NORESERVE, -1, 0);
	CHECK(p != MAP_FAILED);
	CHECK(mprotect(p + n / 2, 16 << 20, RW) == 0);
	for (size_t i = 0; i < 16 << 20; i += 1 << 20)
		p[n / 2 + i] = 1;
	CHECK(munmap(p, n) == 0);
	// Many mappings.
	char *q = map(2000 * PAGE, RW);
	for (int i = 0; i < 2000; i += 2)
		CHECK(mprotect(q + i * PAGE, PAGE, PROT_READ) == 0);
	for (int i = 1; i < 2000; i += 2)
		q[i * PAGE] = i;
	for (int i = 0; i < 2000; i += 2)
		CHECK(munmap(q + i * PAGE, PAGE) == 0);
	int good = 1;
	for (int i = 1; i < 2000; i += 2)
		good &= q[i * PAGE] == (char)i;
	say("many mappings: %d", good);
	CHECK(munmap(q, 2000 * PAGE) == 0);
	// A large region is zero throughout, in large pages or small.
	char *z = map(32 << 20, RW);
	uint64_t sum = 0;
	for (size_t i = 0; i < 32 << 20; i += 512)
		sum += z[i];
	for (size_t i = 0; i < 32 << 20; i += 4096)
		z[i] = 1;
	CHECK(munmap(z + (3 << 20) + PAGE, 5 << 20) == 0); // splits large pages
	int kept = 1;
	for (size_t i = 0; i < 3 << 20; i += 4096)
		kept &= z[i] == 1;
	say("zero %d, kept %d", sum == 0, kept);
	CHECK(munmap(z, 32 << 20) == 0);
	OK(mlock(q, 0));
	OK(munlock(z, PAGE));
}

static const struct t_case cases[] = {
	{"errors", errors}, {"null", null_page}, {"faults", faults}, {"fixed", fixed}, {"advice", advice}, {"remap", remap},
	{"brk", breaks}, {"stack", stack}, {"sharing", sharing}, {"protect", protect}, {"big", big},
};
T_MAIN(cases)
