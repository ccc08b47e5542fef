// A fault, caught on an alternative stack: what it was, and on at back.
#include <setjmp.h>

static sigjmp_buf back;
static volatile int fault_signal, fault_code; // the code of another signal than SIGSEGV has 1000 times that added
static char *volatile fault_address;
static char altstack[65536];

static void on_fault(int s, siginfo_t *i, void *u)
{
	(void)u;
#ifdef FAULTS_ON_ALTSTACK
	char here;
	CHECK(&here > altstack && &here < altstack + sizeof altstack);
#endif
	fault_signal = s;
	fault_code = (s == SIGSEGV ? 0 : 1000 * s) + i->si_code;
	fault_address = i->si_addr;
	siglongjmp(back, 1);
}

static void catch_faults(void)
{
	stack_t ss = {.ss_sp = altstack, .ss_size = sizeof altstack};
	struct sigaction a = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	sigaltstack(&ss, NULL);
	sigaction(SIGSEGV, &a, NULL);
	sigaction(SIGBUS, &a, NULL);
}

// fault_text names the last fault, which was to be at p.
__attribute__((unused)) static const char *fault_text(const void *p)
{
	static char text[4][48];
	static int next;
	char *t = text[next++ % 4];
	snprintf(t, sizeof text[0], "%s code %d %s", fault_signal == SIGSEGV ? "SEGV" : "BUS", fault_code % 1000, fault_address == p ? "exact" : "inexact");
	return t;
}
