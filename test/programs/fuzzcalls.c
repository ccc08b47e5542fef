// System calls with arguments drawn at random: valid ones, nearly valid ones and
// wild ones (kernel addresses, the edges of the address space, huge lengths,
// unmapped and half mapped buffers), while another thread rewrites the argument
// blocks. Some buffers are of one byte all over: after each call they are searched for
// addresses of the kernel's. Afterwards the program shows that the kernel still does its
// work, and that its own file is what it was, unless it may be written to (--overlay).
//
//   fuzzcalls FAMILY SEED COUNT
//
// With FUZZ_HOLD in the environment it waits for SIGUSR1 before the first call, and at its
// end for nothing, so that somebody can look at the machine.
//
// FAMILY is one of the names in families[] below, or "all". What would only end or
// cripple this program itself is left out: see tame(). A thread that blocks is
// interrupted by a signal after two milliseconds.
#include "t.h"
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>

// Kinds of arguments: f descriptor, p path, b buffer, l length, i small number, g flags, s signal,
// t time, m signal mask, a page of the arena, z length within the arena, o offset, u clean user
// pointer or 0, w anything.
struct call {
	short nr;
	const char *args;
};

static const struct call memory[] = {
	{9, "azgifo"}, {10, "azi"}, {11, "az"}, {25, "azzia"}, {26, "azi"}, {27, "azb"}, {28, "azi"}, {149, "az"}, {150, "az"}, {325, "azi"},
	{329, "azii"}, {330, "gi"}, {331, "i"}, {151, "i"}, {152, ""}, {12, "w"}, {29, "izg"}, {30, "iag"}, {31, "iib"}, {67, "a"},
	{319, "pg"}, {462, "azi"}, {324, "iii"}, {216, "aziig"}, {237, "azibii"}, {239, "bbiai"}, {279, "ilbbbi"}, {440, "fbiig"}, {310, "ibibii"}, {311, "ibibii"}, {447, "g"},
};
static const struct call files[] = {
	{0, "fbl"}, {1, "fbl"}, {2, "pgi"}, {3, "f"}, {4, "pb"}, {5, "fb"}, {6, "pb"}, {8, "foi"}, {16, "fwb"}, {17, "fblo"}, {18, "fblo"}, {19, "fbi"}, {20, "fbi"},
	{21, "pi"}, {32, "f"}, {33, "ff"}, {40, "ffbl"}, {72, "fiw"}, {73, "fi"}, {74, "f"}, {75, "f"}, {76, "po"}, {77, "fo"}, {78, "fbl"}, {79, "bl"},
	{80, "p"}, {81, "f"}, {82, "pp"}, {83, "pi"}, {84, "p"}, {85, "pi"}, {86, "pp"}, {87, "p"}, {88, "pp"}, {89, "pbl"}, {90, "pi"}, {91, "fi"},
	{92, "pii"}, {93, "fii"}, {94, "pii"}, {95, "i"}, {132, "pb"}, {133, "piw"}, {137, "pb"}, {138, "fb"}, {161, "p"}, {165, "pppgb"}, {166, "pi"},
	{187, "fol"}, {188, "ppbli"}, {189, "ppbli"}, {190, "fpbli"}, {191, "ppbl"}, {192, "ppbl"}, {193, "fpbl"}, {194, "pbl"}, {195, "pbl"}, {196, "fbl"}, {197, "pp"}, {198, "pp"}, {199, "fp"},
	{217, "fbl"}, {221, "foli"}, {235, "pb"}, {257, "fpgi"}, {258, "fpi"}, {259, "fpiw"}, {260, "fpiii"}, {261, "fpb"}, {262, "fpbg"}, {263, "fpi"}, {264, "fpfp"},
	{265, "fpfpg"}, {266, "pfp"}, {267, "fpbl"}, {268, "fpi"}, {269, "fpi"}, {275, "fbfblg"}, {276, "fflg"}, {277, "folg"}, {278, "fbig"}, {280, "fpbg"}, {285, "fioo"},
	{292, "ffg"}, {293, "bg"}, {295, "fbioo"}, {296, "fbioo"}, {316, "fpfpg"}, {326, "fbfblg"}, {327, "fbioog"}, {328, "fbioog"}, {332, "fpgwb"}, {436, "iig"}, {437, "fpbl"}, {439, "fpig"}, {452, "fpig"},
	{22, "b"}, {96, "bb"}, {155, "pp"}, {303, "fpbbg"}, {304, "fbg"}, {306, "f"}, {162, ""}, {425, "ib"}, {428, "fpg"}, {429, "fpfpg"}, {442, "fpgbl"},
};
static const struct call sockets[] = {
	{41, "iii"}, {42, "fbl"}, {43, "fbb"}, {44, "fblgbl"}, {45, "fblgbb"}, {46, "fbg"}, {47, "fbg"}, {48, "fi"}, {49, "fbl"}, {50, "fi"}, {51, "fbb"}, {52, "fbb"},
	{53, "iiib"}, {54, "fiibl"}, {55, "fiibb"}, {288, "fbbg"}, {299, "fbigt"}, {307, "fbig"}, {0, "fbl"}, {1, "fbl"}, {7, "bii"}, {16, "fwb"}, {3, "f"}, {40, "ffbl"},
};
static const struct call events[] = {
	{7, "bii"}, {23, "ibbbt"}, {213, "i"}, {232, "fbii"}, {233, "fifb"}, {253, ""}, {254, "fpw"}, {255, "fi"}, {270, "ibbbtm"}, {271, "bitml"}, {281, "fbiiml"}, {282, "fbl"},
	{283, "ig"}, {284, "i"}, {286, "fgbb"}, {287, "fb"}, {289, "fblg"}, {290, "ig"}, {291, "g"}, {294, "g"}, {441, "fbitml"}, {0, "fbl"}, {1, "fbl"}, {3, "f"}, {206, "ib"}, {300, "gi"},
};
static const struct call signals[] = {
	{13, "subl"}, {14, "imbl"}, {62, "is"}, {127, "bl"}, {128, "bbtl"}, {129, "isb"}, {130, "ml"}, {131, "ub"}, {200, "is"}, {234, "iis"}, {297, "iisb"}, {424, "fsbg"}, {434, "ig"}, {438, "fii"},
	{36, "ib"}, {37, "i"}, {38, "ibb"}, {222, "ibb"}, {223, "igbb"}, {224, "ib"}, {225, "i"}, {226, "i"}, {35, "tb"}, {230, "iitb"}, {227, "ib"}, {228, "ib"}, {229, "ib"}, {305, "ib"}, {159, "b"},
};
static const struct call threads[] = {
	{202, "aiitai"}, {454, "awwi"}, {455, "awwitiw"}, {456, "bgii"}, {449, "bigti"}, {56, "waaaa"}, {435, "bl"}, {57, ""}, {58, ""}, {59, "pbb"}, {322, "fpbbg"}, {24, ""},
	{203, "ilb"}, {204, "ilb"}, {142, "ib"}, {143, "ib"}, {144, "iib"}, {145, "i"}, {146, "i"}, {147, "i"}, {148, "ib"}, {314, "ibg"}, {315, "iblg"}, {140, "ii"}, {141, "iii"}, {218, "u"},
	{273, "ul"}, {274, "ibb"}, {186, ""}, {39, ""}, {309, "bbw"}, {334, "blii"}, {61, "ibgb"}, {247, "iibgb"}, {109, "ii"}, {112, ""}, {121, "i"}, {124, "i"}, {101, "iiww"}, {272, "g"}, {308, "fi"}, {30000, "www"}, {0x40000001, "iww"},
};
static const struct call systems[] = {
	{63, "b"}, {97, "ib"}, {98, "ib"}, {99, "b"}, {100, "b"}, {102, ""}, {105, "i"}, {106, "i"}, {113, "ii"}, {114, "ii"}, {115, "ib"}, {116, "ib"}, {117, "iii"}, {118, "bbb"}, {119, "iii"}, {120, "bbb"},
	{122, "i"}, {123, "i"}, {125, "bb"}, {126, "bb"}, {135, "w"}, {153, ""}, {154, "ibl"}, {156, "b"}, {157, "iwwww"}, {158, "ib"}, {160, "iu"}, {163, "p"}, {164, "bb"}, {167, "pi"}, {169, "wwib"}, {170, "bl"}, {171, "bl"},
	{172, "i"}, {173, "iii"}, {175, "blp"}, {246, "iibi"}, {298, "bbiig"}, {302, "iiub"}, {312, "iiiii"}, {313, "fpg"}, {317, "iib"}, {318, "blg"}, {321, "ibl"}, {323, "g"}, {444, "blg"}, {201, "b"}, {261, "fpb"},
	{64, "iii"}, {65, "ibi"}, {66, "iiib"}, {68, "ii"}, {69, "ibli"}, {70, "iblii"}, {71, "iib"}, {240, "pgib"}, {241, "p"}, {248, "ppbli"}, {250, "iwwww"}, {461, "bbg"}, {457, "bblg"},
};
static const struct {
	const char *name;
	const struct call *calls;
	int n;
} families[] = {
#define F(x) {#x, x, COUNT(x)}
	F(memory), F(files), F(sockets), F(events), F(signals), F(threads), F(systems),
#undef F
};

enum { ARENA = 64 };      // pages
static char *arena;       // its last page is never mapped, the one before it is PROT_NONE
static char *edge;        // a mapped page before one that is not
static char *output;      // two pages that no argument's content stands in
static int noisy;         // randomness may have come into a file or a pipe
static int maintid;
static volatile unsigned long done; // calls that came back
static volatile int stop;
static uint64_t state;

static uint64_t rnd(void)
{
	state ^= state << 13, state ^= state >> 7, state ^= state << 17;
	return state;
}
static uint64_t below(uint64_t n) { return rnd() % n; }

// Where the kernel has its direct map, and where its code and heap.
enum { FILL = 0xa5 };
static int kernel(uint64_t v)
{
	return v - 0xffff800000000000 < 1ULL << 30 || v - 0xffffffff80200000 < 1ULL << 24 ||
	       (!noisy && v >= 0xffffc00000000000 && v < 0xffffea0000000000);
}

// mark makes such an address, if the program gives the kernel one, known again when the
// kernel gives it back.
static uint64_t mark(uint64_t v)
{
	return v >= 0xffff800000000000 && v < 0xffffffffff000000 ? (v & ~0xfff000ULL) | 0x5c5000 : v;
}

// leaked looks for an address of the kernel's among what was written to output, and fills
// that anew.
static uint64_t leaked(void)
{
	uint64_t fill, found = 0;
	memset(&fill, FILL, 8);
	for (uint64_t *p = (uint64_t *)output; p < (uint64_t *)(output + 8192); p++) {
		if (*p == fill)
			continue;
		if (kernel(*p) && *p != mark(*p))
			found = *p;
		*p = fill;
	}
	return found;
}

static const char *const paths[] = {
	"/tmp/a", "/tmp/b", "/tmp/d", "/tmp/d/x", "/tmp/l", "a", "d/../b", ".", "..", "/", "", "/proc/self/maps", "/proc/self/fd/3", "/proc/self/status", "/proc/self/exe", "/proc/self/task/1/comm",
	"/dev/null", "/dev/zero", "/dev/full", "/dev/urandom", "/dev/shm/s", "/proc", "/sys/devices/system/cpu", "/etc/passwd", "/tmp/a/b", "/tmp/loop", "/proc/sys/kernel/hostname", "/nonexistent", "user.x", "tmpfs",
};

static uint64_t any(void)
{
	static const uint64_t list[] = {
		0, 1, 7, 8, 4095, 4096, 65535, 65536, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7ffffffff000, 0x7fffffffefff, 0x7ffffffffff8, 0x800000000000, 0xffff7fffffffffff,
		0xffff800000000000, 0xffff800000100000, 0xffffc00000000000, 0xffffd00000000000, 0xffffe00000000000, 0xffffe80000000000, 0xffffffff80200000, 0xffffffff80600000, 0xffffffffff600000,
		0xfffffffffffff000, (uint64_t)-4096, (uint64_t)-1, (uint64_t)-2, (uint64_t)-100, 1ULL << 63, (1ULL << 63) - 1, 1ULL << 40, 1ULL << 62,
	};
	switch (below(6)) {
	case 0: return rnd();
	case 1: return rnd() >> below(64);
	case 2: return list[below(COUNT(list))] + (int)below(17) - 8;
	default: return list[below(COUNT(list))];
	}
}
static uint64_t wild(void) { return mark(any()); }

static char *pointer(void)
{
	switch (below(20)) {
	case 6: case 7: case 8: case 9: return output + (below(4096) & ~7UL);
	case 0: return edge + 4096 - below(64);          // runs into an unmapped page
	case 1: return arena + (ARENA - 2) * 4096UL + below(4096);
	case 2: return edge + 4096 + below(4096);
	case 3: return (char *)wild();
	case 4: return NULL;
	case 5: return arena + below((ARENA - 4) * 4096UL);
	default: return arena + (below((ARENA - 8) * 4096UL) & ~7UL);
	}
}

static uint64_t argument(char kind)
{
	if (below(12) == 0 && !strchr("amzu", kind))
		return wild();
	switch (kind) {
	case 'f': return below(10) ? 3 + below(40) : (uint64_t)(below(2) ? -100 : 4095);
	case 'p': {
		const char *p = paths[below(COUNT(paths))];
		noisy |= !strcmp(p, "/dev/urandom");
		return below(10) ? (uint64_t)p : (uint64_t)pointer();
	}
	case 'b': return (uint64_t)pointer();
	case 'l': return below(4) ? below(8192) : below(40) ? below(64) : wild();
	case 'i': return below(4) ? below(32) : below(2) ? below(4096) : (uint64_t)(int)rnd();
	case 'g': return below(3) ? 1UL << below(24) | (below(2) ? 1UL << below(24) : 0) : below(64);
	case 's': return below(8) ? 1 + below(64) : wild();
	case 't': return below(3) ? (uint64_t)(arena + (below(ARENA - 8) * 4096UL)) : (uint64_t)pointer();
	case 'm': return below(2) ? 0 : (uint64_t)(arena + (ARENA - 5) * 4096UL); // NULL, or an empty mask
	case 'a': return below(8) ? (uint64_t)(arena + below(ARENA - 8) * 4096UL + (below(8) ? 0 : below(4096))) : mark(0x7ffffffff000 + (rnd() << 47));
	case 'z': return below(4) ? below(8) * 4096 : below(8 * 4096);
	case 'o': return below(3) ? below(1 << 20) : wild();
	case 'u': return below(2) ? 0 : mark(0xffff800000000000 + (rnd() >> 20));
	}
	return wild();
}

// tame takes out what would only hurt this program: its end, its own memory, its
// standard streams, its registers, memory without end.
static int tame(int nr, uint64_t *a)
{
	switch (nr) {
	case 3: case 33: case 292: case 72: case 48: case 77: case 285:
		if ((int)a[nr == 33 || nr == 292 ? 1 : 0] < 3)
			return 0;
		break;
	case 1: case 18: case 20: case 296: case 328: case 44: case 46: case 307: case 16: // nothing is written to standard output
		if ((int)a[0] < 3)
			return 0;
		break;
	case 40: case 276: case 278: if ((int)a[0] < 3) return 0; break;
	case 275: case 326: if ((int)a[2] < 3) return 0; break;
	case 436: if ((unsigned)a[0] < 3) return 0; break;
	case 9:
		if (a[1] > 1 << 16 && a[1] < 1ULL << 40) return 0;
		if (!(a[0] >= (uint64_t)arena && a[0] < (uint64_t)arena + ARENA * 4096UL)) a[3] &= ~0x10UL; // MAP_FIXED
		break;
	case 12: if (a[0] && a[0] < 0xffff800000000000) return 0; break;
	case 28: case 440: if (a[1] > 8 * 4096) return 0; break;
	case 25: if (a[2] > 1 << 16 && a[2] < 1ULL << 40) return 0; break;
	case 13: a[1] = below(2) ? 0 : mark(0xffff800000000000); break;
	case 14: if (a[0] == 1) a[0] = 0; break;
	case 29: if (a[1] > 1 << 20 && a[1] < 1ULL << 40) return 0; break;
	case 30: a[2] &= ~040000UL; a[1] &= ~4095UL; break; // SHM_REMAP
	case 37: break;
	case 56: a[0] &= ~0x10000UL; break; // CLONE_THREAD: the new thread would run wild
	case 61: case 247: break;
	case 62: case 200: case 234: case 129: case 297: case 424:
		if ((int)a[nr == 234 || nr == 297 ? 2 : 1] == 9 || (int)a[nr == 234 || nr == 297 ? 2 : 1] == 19) return 0;
		break;
	case 76: case 187: if ((int64_t)a[1] > 1 << 20) return 0; break;
	case 157: if (a[0] == 26 || a[0] == 59 || a[0] == 22) return 0; break; // PR_SET_TSC, user dispatch, seccomp
	case 158: if ((int)a[0] == 0x1001 || (int)a[0] == 0x1002) return 0; break; // ARCH_SET_GS, ARCH_SET_FS
	case 435: return below(2) ? 1 : (a[1] = below(64), 1);
	case 231: case 60: case 15: return 0;
	}
	if (nr == 435 && a[0] >= (uint64_t)arena && a[0] < (uint64_t)arena + ARENA * 4096UL - 8)
		*(uint64_t *)(a[0] & ~7UL) &= ~0x10000UL;
	if (nr == 77 && (int64_t)a[1] > 1 << 20)
		return 0;
	if (nr == 285 && (int64_t)(a[2] + a[3]) > 1 << 20 && a[3] < 1ULL << 40)
		return 0;
	return 1;
}

static void handler(int sig) { (void)sig; }

// A fault of this program itself comes again and again and ends it; the same signal
// out of a call, which may say anything of where it came from, does not.
static void fault(int sig)
{
	static unsigned long at, again;
	if (at != done)
		at = done, again = 0;
	if (++again > 1000)
		signal(sig, SIG_DFL);
}

// sigaction by number, since a C library keeps some signals to itself.
static void catchall(void)
{
	struct {
		void (*h)(int);
		unsigned long flags;
		void (*restorer)(void);
		unsigned long mask;
	} act;
	struct sigaction own = {.sa_handler = handler};
	sigaction(SIGUSR2, &own, NULL);
	syscall(SYS_rt_sigaction, SIGUSR2, NULL, &act, 8); // with the library's restorer
	for (int s = 1; s <= 64; s++)
		if (s != SIGKILL && s != SIGSTOP)
			syscall(SYS_rt_sigaction, s, &act, NULL, 8);
	struct sigaction f = {.sa_handler = fault};
	int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};
	for (size_t i = 0; i < COUNT(faults); i++)
		sigaction(faults[i], &f, NULL);
}

// watch interrupts the main thread when it does not come back, and meanwhile
// rewrites what the arguments point to.
static void *watch(void *arg)
{
	uint64_t s = (uint64_t)(uintptr_t)arg | 1;
	unsigned long last = 0;
	while (!stop) {
		for (int i = 0; i < 50; i++) {
			s ^= s << 13, s ^= s >> 7, s ^= s << 17;
			uint64_t v = s & 3 ? mark(s >> (s & 63)) : (uint64_t)(arena + (s >> 20) % ((ARENA - 8) * 4096UL));
			// The arena's pages may be gone for a moment: write through the kernel.
			struct {
				void *p;
				size_t n;
			} from = {&v, 8}, to = {arena + ((s >> 8) % ((ARENA - 8) * 512UL)) * 8, 8};
			static int p[2] = {-1, -1};
			if (p[0] < 0 && pipe2(p, O_NONBLOCK | O_CLOEXEC) == 0)
				p[0] = fcntl(p[0], F_DUPFD, 900), p[1] = fcntl(p[1], F_DUPFD, 900);
			if (writev(p[1], (void *)&from, 1) == 8)
				if (readv(p[0], (void *)&to, 1) != 8) {
					char drop[64];
					while (read(p[0], drop, sizeof drop) > 0)
						;
				}
		}
		struct timespec ms = {0, 1000000};
		nanosleep(&ms, NULL);
		if (done == last)
			syscall(SYS_tgkill, getpid(), maintid, SIGUSR2);
		last = done;
	}
	return NULL;
}

// afresh makes the arena, the descriptors and the files again.
static void afresh(void)
{
	noisy = 0;
	for (int i = 0; i < 64; i++)
		syscall(SYS_timer_delete, i);
	struct itimerval off = {{0, 0}, {0, 0}};
	for (int i = 0; i < 3; i++)
		setitimer(i, &off, NULL);
	for (int i = 0; i < 256; i++)
		if (syscall(SYS_shmctl, i, 0, NULL) && errno == ENOSYS)
			break;
	munlockall();
	syscall(SYS_close_range, 3, 899, 0);
	for (size_t i = 0; i < COUNT(paths); i++)
		if (!strncmp(paths[i], "/tmp/", 5) || !strncmp(paths[i], "/dev/shm/", 9)) {
			unlink(paths[i]);
			rmdir(paths[i]);
		}
	chdir("/tmp");
	for (;;) { // a sealed arena cannot be replaced: the next one lies behind it
		char *low = arena - 4 * 4096;
		if (mmap(low, (ARENA + 8) * 4096UL, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == low &&
		    mmap(arena, (ARENA - 2) * 4096UL, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == arena &&
		    munmap(arena + (ARENA - 1) * 4096UL, 4096) == 0)
			break;
		arena += (ARENA + 8) * 4096UL;
	}
	for (int i = 0; i < (ARENA - 8) * 512; i++)
		((uint64_t *)arena)[i] = below(3) ? below(64) : below(2) ? (uint64_t)pointer() : wild();
	memset(arena + (ARENA - 5) * 4096UL, 0, 4096);
	for (int i = 0; i < ARENA - 8; i += 2) { // times of up to 2 ms, addresses
		uint64_t *p = (uint64_t *)(arena + i * 4096UL);
		p[0] = 0, p[1] = below(2000000);
		struct sockaddr_in *in = (void *)(p + 8);
		*in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(1024 + below(64)), .sin_addr = {htonl(INADDR_LOOPBACK)}};
		struct sockaddr_un *un = (void *)(p + 16);
		un->sun_family = AF_UNIX, strcpy(un->sun_path, "/tmp/s");
	}
	unlink("/tmp/s");
	mkdir("/tmp/d", 0755);
	symlink("loop", "/tmp/loop");
	symlink("a", "/tmp/l");
	int fd = open("/tmp/a", O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (write(fd, arena, 8192) != 8192)
		perror("write");
	open("/tmp/b", O_RDWR | O_CREAT | O_NONBLOCK, 0644);
	open("/tmp", O_RDONLY | O_DIRECTORY);
	open("/proc/self/maps", O_RDONLY);
	open("/etc/passwd", O_RDONLY);
	open("/dev/zero", O_RDWR);
	int p[2];
	pipe(p);
	pipe2(p, O_NONBLOCK);
	socketpair(AF_UNIX, SOCK_STREAM, 0, p);
	socketpair(AF_UNIX, SOCK_DGRAM, 0, p);
	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p);
	for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++)
		for (int family = AF_UNIX; family <= AF_INET; family++)
			socket(family, type, 0);
	socket(AF_INET6, SOCK_STREAM, 0);
	socket(AF_NETLINK, SOCK_RAW, 0);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof any;
	bind(listener, (void *)&any, sizeof any);
	listen(listener, 8);
	getsockname(listener, (void *)&any, &n);
	int c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	connect(c, (void *)&any, n);
	accept(listener, NULL, NULL);
	int e = epoll_create1(0);
	struct epoll_event ev = {EPOLLIN, {.u64 = 1}};
	epoll_ctl(e, EPOLL_CTL_ADD, p[0], &ev);
	eventfd(1, EFD_NONBLOCK);
	timerfd_create(CLOCK_MONOTONIC, 0);
	inotify_init1(IN_NONBLOCK);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGURG);
	signalfd(-1, &set, SFD_NONBLOCK);
	memfd_create("m", MFD_ALLOW_SEALING);
}

// sum is a checksum of the program's own file, which the image holds and nothing can write to.
static uint64_t sum(void)
{
	static unsigned char b[1 << 16];
	uint64_t h = 14695981039346656037ULL; // FNV-1a
	int fd = open("/proc/self/exe", O_RDONLY);
	for (ssize_t n; (n = read(fd, b, sizeof b)) > 0;)
		for (ssize_t i = 0; i < n; i++)
			h = (h ^ b[i]) * 1099511628211;
	close(fd);
	return h;
}

static void *echo(void *arg)
{
	int fd = accept(*(int *)arg, NULL, NULL);
	char b[64];
	ssize_t n;
	while ((n = read(fd, b, sizeof b)) > 0)
		if (write(fd, b, n) != n)
			break;
	close(fd);
	return NULL;
}

// alive uses a little of everything.
static int alive(void)
{
	syscall(SYS_close_range, 3, 899, 0);
	char *m = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m == MAP_FAILED)
		return printf("mmap: %s\n", strerror(errno)), 0;
	for (int i = 0; i < 1 << 20; i++)
		if (m[i])
			return puts("new memory is not zero"), 0;
	memset(m, 7, 1 << 20);
	int fd = open("/tmp/alive", O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || write(fd, m, 1 << 16) != 1 << 16 || pread(fd, m + (1 << 19), 1 << 16, 0) != 1 << 16 || memcmp(m, m + (1 << 19), 1 << 16))
		return printf("file: %s\n", strerror(errno)), 0;
	close(fd);
	munmap(m, 1 << 20);
	int l = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof a;
	if (l < 0 || bind(l, (void *)&a, n) || listen(l, 1) || getsockname(l, (void *)&a, &n))
		return printf("listen: %s\n", strerror(errno)), 0;
	pthread_t t;
	if (pthread_create(&t, NULL, echo, &l))
		return puts("no thread"), 0;
	int c = socket(AF_INET, SOCK_STREAM, 0);
	char b[6];
	if (connect(c, (void *)&a, n) || write(c, "hello", 5) != 5 || read(c, b, 5) != 5 || memcmp(b, "hello", 5))
		return printf("echo: %s\n", strerror(errno)), 0;
	close(c);
	pthread_join(t, NULL);
	struct timespec ts = {0, 1000000};
	if (nanosleep(&ts, NULL))
		return puts("sleep"), 0;
	return 1;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return puts("usage: fuzzcalls FAMILY SEED COUNT"), 2;
	setvbuf(stdout, NULL, _IONBF, 0);
	uint64_t seed = strtoull(argv[2], NULL, 0), count = strtoull(argv[3], NULL, 0);
	state = seed * 0x9e3779b97f4a7c15 + 1;
	maintid = syscall(SYS_gettid);
	char *all = mmap(NULL, 1UL << 40, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	edge = all + (1 << 20);
	mmap(edge, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	munmap(edge + 4096, 4096);
	arena = all + (1 << 22);
	output = all + (1 << 21);
	CHECK(mmap(output, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == output);
	memset(output, FILL, 8192);
	if (getenv("FUZZ_HOLD")) {
		sigset_t go_on;
		int s;
		sigemptyset(&go_on), sigaddset(&go_on, SIGUSR1);
		sigprocmask(SIG_BLOCK, &go_on, NULL);
		puts("holding");
		sigwait(&go_on, &s);
		sigprocmask(SIG_UNBLOCK, &go_on, NULL);
	}
	catchall();
	int own = open("/proc/self/exe", O_WRONLY | O_APPEND);
	uint64_t before = own < 0 ? sum() : 0;
	if (own >= 0)
		close(own);
	afresh();
	pthread_t t;
	if (pthread_create(&t, NULL, watch, (void *)(uintptr_t)(seed * 77 + 1)))
		return perror("pthread_create"), 1;
	for (uint64_t i = 0; i < count; i++) {
		if (i % 2048 == 0)
			afresh();
		int f = below(COUNT(families));
		if (strcmp(argv[1], "all"))
			for (f = 0; f < (int)COUNT(families) && strcmp(families[f].name, argv[1]); f++)
				;
		if (f == (int)COUNT(families))
			return printf("no family %s\n", argv[1]), 2;
		const struct call *c = &families[f].calls[below(families[f].n)];
		uint64_t a[6];
		for (int k = 0; k < 6; k++)
			a[k] = c->args[k < (int)strlen(c->args) ? k : (int)strlen(c->args)] ? argument(c->args[k]) : wild();
		if (!tame(c->nr, a))
			continue;
		if (getenv("FUZZ_TRACE")) {
			char line[200];
			int len = snprintf(line, sizeof line, "%lu: %d(%lx, %lx, %lx, %lx, %lx, %lx)\n", (long)i, c->nr, (long)a[0], (long)a[1], (long)a[2], (long)a[3], (long)a[4], (long)a[5]);
			syscall(SYS_write, 2, line, len);
		}
		long r = syscall(c->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
		done++;
		if (c->nr == 9 && r != -1 && !((char *)r >= arena && (char *)r < arena + ARENA * 4096UL))
			munmap((void *)r, a[1]);
		if (c->nr == 30 && r != -1)
			syscall(SYS_shmdt, r);
		if (c->nr == 25 && r != -1 && !((char *)r >= arena && (char *)r < arena + ARENA * 4096UL))
			munmap((void *)r, a[2]);
		uint64_t leak = leaked();
		if (leak && c->nr != 318) { // getrandom
			printf("FAIL: call %d wrote %lx, an address of the kernel's\n", c->nr, leak);
			return 1;
		}
		uint64_t none = 0;
		syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8);
	}
	stop = 1;
	pthread_join(t, NULL);
	if (!alive())
		return puts("FAIL: not alive"), 1;
	if (own < 0 && sum() != before)
		return puts("FAIL: a file of the image has changed"), 1;
	puts("alive");
	while (getenv("FUZZ_HOLD"))
		pause();
	return 0;
}
