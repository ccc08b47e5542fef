// What programs of attacks/ share: an attempt is a function that answers NULL if it worked,
// else why not. It ends in a line, "NAME: done" or "NAME: refused WHY". On Linux each is
// made in a process of its own, so that none spoils the next; in a machine, which has no
// second process, in the program itself.
#include <setjmp.h>
#include <sys/wait.h>

struct attempt {
	const char *name;
	const char *(*make)(void);
};

static int t_alone; // there is no second process
static sigjmp_buf t_back;

static const char *t_signal(int s)
{
	static char other[24];
	static const struct {
		int s;
		const char *name;
	} names[] = {{SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"}, {SIGILL, "SIGILL"}, {SIGTRAP, "SIGTRAP"}, {SIGSYS, "SIGSYS"}, {SIGHUP, "SIGHUP"}};
	for (size_t i = 0; i < COUNT(names); i++)
		if (names[i].s == s)
			return names[i].name;
	snprintf(other, sizeof other, "signal %d", s);
	return other;
}

static void t_fault(int s)
{
	siglongjmp(t_back, s);
}

// t_try makes an attempt here; an instruction that faults is refused with its signal.
static const char *t_try(const struct attempt *a)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGSYS};
	static char stack[65536];
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof stack};
	struct sigaction s = {.sa_handler = t_fault, .sa_flags = SA_NODEFER | SA_ONSTACK};
	sigaltstack(&ss, NULL);
	for (size_t i = 0; i < COUNT(faults); i++)
		sigaction(faults[i], &s, NULL);
	int signal = sigsetjmp(t_back, 1);
	if (signal)
		return t_signal(signal);
	errno = 0;
	return a->make();
}

// worked is what an attempt answers.
static const char *worked(int ok)
{
	return ok ? NULL : t_errno(errno);
}

static void t_attempt(const struct attempt *a)
{
	char why[64] = "";
	if (t_alone) {
		const char *w = t_try(a);
		snprintf(why, sizeof why, "%s", w ? w : "");
	} else {
		int p[2], status;
		pid_t pid = pipe2(p, O_CLOEXEC) < 0 ? -1 : fork();
		if (pid < 0)
			_exit(97);
		if (pid == 0) {
			const char *w = t_try(a);
			_exit(w && write(p[1], w, strlen(w)) > 0);
		}
		close(p[1]);
		CHECK(read(p[0], why, sizeof why - 1) >= 0);
		close(p[0]);
		CHECK(waitpid(pid, &status, 0) == pid);
		if (!*why && status)
			snprintf(why, sizeof why, "%s", WIFSIGNALED(status) ? t_signal(WTERMSIG(status)) : "by its status");
	}
	say("%s: %s%s", a->name, *why ? "refused " : "done", why);
}

// t_attempts makes all attempts, or the one that is named. "-" is what attempts start.
static int t_attempts(int argc, char **argv, const struct attempt *l, size_t n)
{
	if (argc > 1 && !strcmp(argv[1], "-"))
		return 0;
	t_alone = getenv("SKERRY_POINTS") != NULL;
	for (size_t i = 0; i < n; i++)
		if (argc < 2 || !strcmp(argv[1], l[i].name))
			t_attempt(&l[i]);
	return t_failed;
}
