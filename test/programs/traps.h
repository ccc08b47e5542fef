// Every signal that an instruction can raise, caught on an alternative stack: what it was,
// and on at back. The program has the handler.
#include <setjmp.h>

static sigjmp_buf back;
static volatile int got_signal, got_code;
static char altstack[65536];

static void caught(int s, siginfo_t *i, void *u);

static void catch_all(void)
{
	static const int list[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGSTKFLT};
	stack_t ss = {.ss_sp = altstack, .ss_size = sizeof altstack};
	struct sigaction a = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
	sigaltstack(&ss, NULL);
	for (size_t i = 0; i < COUNT(list); i++)
		sigaction(list[i], &a, NULL);
}

static const char *verdict(void)
{
	static char text[64];
	if (!got_signal)
		return "nothing";
	snprintf(text, sizeof text, "signal %d code %d", got_signal, got_code);
	return text;
}
