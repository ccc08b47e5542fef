// A nested function of C's whose address is taken: GCC puts a trampoline on the stack.
// Linked with -z noexecstack it faults at its own address. On Linux it runs once a shared
// object was loaded that asks for an executable stack.
//
// usage: trampoline [FILE]; the file has such an object behind its first byte, so that
// nobody takes it for one, and the program is built with DYNAMIC
#include "t.h"
#include "faults.h"
#include <dlfcn.h>

static volatile int loads;

__attribute__((noinline)) static int apply(int (*f)(int), int a)
{
	catch_faults();
	char here;
	if (!sigsetjmp(back, 1))
		return f(a);
	CHECK((uintptr_t)f - (uintptr_t)&here + 2 * PAGE < 4 * PAGE); // it is on the stack
	say("%sSEGV code %d, %s", loads ? "DESIGN " : "", fault_code, fault_address == (void *)f ? "exact" : "inexact");
	return -1;
}

static int nested(int add)
{
	int inner(int a) { return a + add; }
	return apply(inner, 40);
}

#ifdef DYNAMIC
// load makes a file in /tmp of the object and asks for it.
static void load(const char *from)
{
	static char path[] = "/tmp/trampolineXXXXXX", text[65536];
	int a = open(from, O_RDONLY), b = mkstemp(path);
	CHECK(a >= 0 && b >= 0 && lseek(a, 1, SEEK_SET) == 1);
	for (ssize_t n; (n = read(a, text, sizeof text)) > 0;)
		CHECK(write(b, text, n) == n);
	close(a);
	close(b);
	void *m = dlopen(path, RTLD_NOW);
	int (*f)(int) = m ? (int (*)(int))dlsym(m, "answer") : NULL;
	say("DESIGN loaded: %s", m ? "yes" : "no");
	const char *e = m ? NULL : strchr(dlerror(), ':');
	say("DESIGN because%s", e ? e : ":");
	say("DESIGN answer %d", f ? f(2) : 0);
	unlink(path);
}
#endif

int main(int argc, char **argv)
{
	say("trampoline %d", nested(2));
#ifdef DYNAMIC
	if (argc > 1) {
		load(argv[1]);
		loads = 1;
		say("DESIGN trampoline then %d", nested(2));
	}
#endif
	(void)argc, (void)argv;
	return t_failed;
}
