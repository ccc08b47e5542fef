// mseal(2): what is sealed stays as it is, whoever sealed it. On Skerry the program's
// text, read-only data, vDSO and RELRO are sealed from the start; on Linux they are not
// and are left alone here, and mseal itself may be missing.
//
// usage: seal; SKERRY_POINTS in the environment says that this is not Linux
#include "t.h"
#include <sys/auxv.h>
#include <sys/shm.h>

#define RW (PROT_READ | PROT_WRITE)
#define RX (PROT_READ | PROT_EXEC)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define OVER (ANON | MAP_FIXED)
#define MSEAL 462
#define DONTUNMAP 4

// Four pages of each kind; the second and third are what is tried on.
#define PAGES(name) ".balign 4096\n" #name ": .fill 16384, 1, 0xc3\n"
__asm__(".pushsection .text\n" PAGES(in_text) ".popsection");
__asm__(".pushsection .rodata\n" PAGES(in_rodata) ".popsection");
__asm__(".pushsection .data.rel.ro, \"aw\"\n" PAGES(in_relro) ".popsection");
extern char in_text[], in_rodata[], in_relro[];

enum { REGIONS = 7, VDSO = 3, READ_ONLY = 4, SHARED = 5, WRITABLE = 6 };
static const char *const names[REGIONS] = {"text", "rodata", "relro", "vdso", "read-only", "shared", "writable"};
static char *regions[REGIONS]; // the page that is tried on; a page follows it
static char copies[REGIONS][PAGE];
static int first; // of those that are tried
static int pipes[2], file, segment;
static char *other, *spare;

static long mseal_(void *p, size_t n, long flags) { return syscall(MSEAL, p, n, flags); }

static char *map(size_t pages, int prot, int flags)
{
	char *p = mmap(NULL, pages * PAGE, prot, flags, -1, 0);
	CHECK(p != MAP_FAILED);
	return p;
}

// as looks at memory that may be gone: "kept", "changed" or "gone".
static const char *as(const char *p, const char *copy)
{
	char now[PAGE];
	if (write(pipes[1], p, PAGE) != PAGE)
		return "gone";
	if (read(pipes[0], now, PAGE) != PAGE)
		_exit(96);
	return memcmp(now, copy, PAGE) ? "changed" : "kept";
}

static long address(void *p) { return p == MAP_FAILED ? -1 : 0; }

// What is tried, with the page at p.
#define CALLS                                                                                      \
	C(munmap(p, PAGE))                                                                         \
	C(munmap(p, 2 * PAGE))                                                                     \
	C(address(mremap(p, PAGE, 2 * PAGE, 0)))                                                   \
	C(address(mremap(p, PAGE, 8 * PAGE, MREMAP_MAYMOVE)))                                      \
	C(address(mremap(p, 2 * PAGE, PAGE, 0)))                                                   \
	C(address(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, spare)))                    \
	C(address(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | DONTUNMAP, NULL)))                        \
	C(address(mremap(other, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p)))                    \
	C(address(mremap(p, 0, PAGE, MREMAP_MAYMOVE)))                                             \
	C(mprotect(p, PAGE, RW))                                                                   \
	C(mprotect(p, PAGE, PROT_NONE))                                                            \
	C(mprotect(p, PAGE, PROT_READ))                                                            \
	C(mprotect(p, PAGE, RX))                                                                   \
	C(mprotect(p, PAGE, RW | PROT_EXEC))                                                       \
	C(syscall(SYS_pkey_mprotect, p, PAGE, PROT_NONE, -1))                                      \
	C(address(mmap(p, PAGE, RW, OVER, -1, 0)))                                                 \
	C(address(mmap(p, 2 * PAGE, PROT_NONE, OVER | MAP_NORESERVE, -1, 0)))                      \
	C(address(mmap(p, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0)))               \
	C(address(mmap(p, PAGE, RW | PROT_EXEC, OVER, -1, 0)))                                     \
	C(address(mmap(p, PAGE, RX, MAP_PRIVATE | MAP_FIXED, file, 0)))                            \
	C(address(mmap(p, PAGE, RW, OVER | MAP_GROWSDOWN, -1, 0)))                                 \
	C(address(mmap(p, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0)))                           \
	C(address(shmat(segment, p, SHM_REMAP)))                                                   \
	C(madvise(p, PAGE, MADV_DONTNEED))                                                         \
	C(madvise(p, PAGE, MADV_FREE))                                                             \
	C(madvise(p, PAGE, MADV_REMOVE))                                                           \
	C(madvise(p, PAGE, 24 /* DONTNEED_LOCKED */))                                              \
	C(madvise(p, PAGE, MADV_DONTFORK))                                                         \
	C(madvise(p, PAGE, MADV_WIPEONFORK))                                                       \
	C(madvise(p, PAGE, MADV_PAGEOUT))                                                          \
	C(madvise(p, PAGE, 23 /* POPULATE_WRITE */))                                               \
	C(mseal_(p, PAGE, 0))

static void all(void)
{
	char was[REGIONS][8];
	for (int i = first; i < REGIONS; i++)
		strcpy(was[i], t_protection(regions[i]));
#define C(call)                                                                                    \
	{                                                                                          \
		char line[256];                                                                    \
		size_t n = 0;                                                                      \
		for (int i = first; i < REGIONS; i++) {                                            \
			char *p = regions[i];                                                      \
			errno = 0;                                                                 \
			n += snprintf(line + n, sizeof line - n, " %s", result(call));             \
			const char *now = as(p, copies[i]);                                        \
			/* What may be written may be discarded, too. */                           \
			if (i >= SHARED && !strcmp(now, "changed") && !strncmp(#call, "madvise", 7)) {     \
				n += snprintf(line + n, sizeof line - n, " (emptied)");            \
				if (i == WRITABLE)                                                 \
					memcpy(p, copies[i], PAGE);                                \
				else                                                               \
					memcpy(copies[i], p, PAGE);                                \
			} else if (strcmp(now, "kept") || strcmp(was[i], t_protection(p))) {         \
				say("FAIL %s is %s, %s after %s", names[i], now, t_protection(p), #call);            \
				_exit(1);                                                          \
			}                                                                          \
		}                                                                                  \
		say("DESIGN %s:%s", #call, line);                                                  \
	}
	CALLS
	for (int i = first; i < REGIONS; i++)
		CHECK(!strcmp(t_protection(regions[i]), was[i]));
	// They are as usable as before.
	if (first == 0)
		((void (*)(void))in_text)(), ((void (*)(void))regions[0])();
	regions[WRITABLE][5] = 1;
	say("alive");
}

// around: a sealed page in the middle of a range, whose other pages are not lost where
// the whole call is refused.
static void around(void)
{
	static char full[PAGE];
	memset(full, 'a', PAGE);
	char *p = map(8, RW, ANON);
	for (int i = 0; i < 8; i++)
		memcpy(p + i * PAGE, full, PAGE);
	mprotect(p + 4 * PAGE, PAGE, PROT_READ);
	CHECK(mseal_(p + 4 * PAGE, PAGE, 0) == 0);
	say("DESIGN around, munmap: %s", result(munmap(p, 8 * PAGE)));
	say("DESIGN around, mmap: %s", result(address(mmap(p, 8 * PAGE, RW, OVER, -1, 0))));
	say("DESIGN around, mremap to there: %s", result(address(mremap(map(8, RW, ANON), 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p))));
	say("DESIGN around, mremap: %s", result(address(mremap(p, 8 * PAGE, 2 * PAGE, 0))));
	for (int i = 0; i < 8; i++)
		CHECK(!strcmp(as(p + i * PAGE, full), "kept"));
	// These go page by page, and stop there.
	say("DESIGN around, mprotect: %s", result(mprotect(p, 8 * PAGE, PROT_NONE)));
	say("DESIGN around, the sealed page: %s %s", as(p + 4 * PAGE, full), t_protection(p + 4 * PAGE));
	say("DESIGN around, behind it: %s %s", as(p + 7 * PAGE, full), t_protection(p + 7 * PAGE));
	mprotect(p, 4 * PAGE, RW);
	say("DESIGN around, madvise: %s", result(madvise(p, 8 * PAGE, MADV_DONTNEED)));
	say("DESIGN around, the sealed page: %s", as(p + 4 * PAGE, full));
	// Unsealed neighbours go.
	say("DESIGN around, before and behind: %s %s", result(munmap(p, 4 * PAGE)), result(munmap(p + 5 * PAGE, 3 * PAGE)));
	say("DESIGN around, alone: %s", as(p + 4 * PAGE, full));
}

// many seals while others use the mapping, and unmap what is beside it.
static char *volatile shared_range;

static void *unmaps(void *arg)
{
	(void)arg;
	long done = 0;
	for (int i = 0; i < 2000; i++) {
		char *p = shared_range;
		done += p && munmap(p, 2 * PAGE) == 0;
		done += p && mprotect(p, 2 * PAGE, PROT_NONE) == 0;
	}
	return (void *)done;
}

static void race(void)
{
	pthread_t t = go(unmaps, NULL);
	int lost = 0;
	for (int i = 0; i < 200; i++) {
		char *p = map(2, RW, ANON);
		p[0] = p[PAGE] = 7;
		CHECK(mprotect(p, 2 * PAGE, PROT_READ) == 0 && mseal_(p, 2 * PAGE, 0) == 0);
		shared_range = p;
		for (int k = 0; k < 50; k++)
			lost += p[0] != 7 || p[PAGE] != 7;
	}
	void *done;
	pthread_join(t, &done);
	say("DESIGN race: lost %d, done %ld", lost, (long)done);
}

static void errors(void)
{
	char *p = map(4, RW, ANON);
	munmap(p + 2 * PAGE, PAGE);
	say("DESIGN flags: %s", result(mseal_(p, PAGE, 1)));
	say("DESIGN unaligned: %s", result(mseal_(p + 1, PAGE, 0)));
	say("DESIGN a hole: %s", result(mseal_(p, 4 * PAGE, 0)));
	say("DESIGN nothing there: %s", result(mseal_(p + 2 * PAGE, PAGE, 0)));
	say("DESIGN wraps: %s", result(mseal_(p, -PAGE, 0)));
	say("DESIGN of the kernel: %s", result(mseal_((void *)0xffffffff80201000, PAGE, 0)));
	say("DESIGN no length: %s", result(mseal_(p, 0, 0)));
	say("DESIGN not sealed by any of these: %s", result(munmap(p, 4 * PAGE)));
}

static const struct t_case cases[] = {{"errors", errors}, {"all", all}, {"around", around}, {"race", race}};

int main(int argc, char **argv)
{
	int skerry = getenv("SKERRY_POINTS") != NULL;
	if (mseal_(NULL, 0, 0) < 0 && errno == ENOSYS && !skerry) {
		for (size_t i = 0; i < COUNT(cases); i++)
			say("case %s%s", cases[i].name, i == 1 ? "\nalive" : "");
		return 0; // nothing to learn
	}
	first = skerry ? 0 : READ_ONLY;
	CHECK(pipe(pipes) == 0);
	file = open("/proc/self/exe", O_RDONLY);
	segment = shmget(IPC_PRIVATE, PAGE, 0600);
	CHECK(file >= 0 && segment >= 0);
	other = map(1, RW, ANON);
	spare = map(1, RW, ANON);
	regions[0] = in_text + PAGE, regions[1] = in_rodata + PAGE, regions[2] = in_relro + PAGE;
	regions[VDSO] = (char *)getauxval(AT_SYSINFO_EHDR);
	for (int i = READ_ONLY; i < REGIONS; i++) {
		regions[i] = map(4, RW, i == SHARED ? MAP_SHARED | MAP_ANONYMOUS : ANON) + PAGE;
		memset(regions[i] - PAGE, 's', 4 * PAGE);
		CHECK(mprotect(regions[i] - PAGE, 4 * PAGE, i == READ_ONLY ? PROT_READ : i == SHARED ? PROT_READ : RW) == 0);
		CHECK(mseal_(regions[i] - PAGE, 4 * PAGE, 0) == 0);
	}
	for (int i = 0; i < REGIONS; i++)
		memcpy(copies[i], regions[i], PAGE);
	int r = t_main(argc, argv, cases, COUNT(cases));
	shmctl(segment, IPC_RMID, NULL);
	return r;
}
