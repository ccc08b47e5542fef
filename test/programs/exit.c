// Ways to end: each run of this program is one of them, and its status is what
// counts.
#include "t.h"
#include <sys/resource.h>

static void *exits(void *arg)
{
	exit((int)(long)arg);
}

static void *late(void *arg)
{
	(void)arg;
	pause_ns(50 * MS);
	say("the last thread ends");
	return NULL;
}

static void *spins(void *arg)
{
	(void)arg;
	for (;;)
		__asm__ volatile("pause");
}

static void at_exit(void)
{
	say("at exit");
}

static int recurse(volatile char *p)
{
	volatile char big[4096];
	big[0] = *p;
	return recurse(big) + big[0];
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 64;
	const char *how = argv[1];
	long n = argc > 2 ? atol(argv[2]) : 0;
	// No core files where the host would write them.
	struct rlimit none = {0, 0};
	setrlimit(RLIMIT_CORE, &none);
	printf("about to: %s\n", how);
	fflush(stdout);
	if (!strcmp(how, "return"))
		return n;
	if (!strcmp(how, "exit")) {
		atexit(at_exit);
		printf("not flushed by us");
		exit(n);
	}
	if (!strcmp(how, "_exit")) {
		printf("lost, since nothing flushes it");
		_exit(n);
	}
	if (!strcmp(how, "thread-exit")) { // exit in a thread while others run and wait
		go(spins, NULL);
		go(exits, (void *)n);
		for (;;)
			pause();
	}
	if (!strcmp(how, "main-ends")) { // the process lives until its last thread ends
		go(late, NULL);
		pthread_exit(NULL);
	}
	if (!strcmp(how, "raw-exit")) { // exit(2), not exit_group(2), of the only thread
		syscall(SYS_exit, n);
	}
	if (!strcmp(how, "abort"))
		abort();
	if (!strcmp(how, "segv"))
		*(volatile int *)16 = 1;
	if (!strcmp(how, "trap"))
		__builtin_trap();
	if (!strcmp(how, "int3"))
		__asm__ volatile("int3");
	if (!strcmp(how, "divide"))
		__asm__ volatile("idivl %0" ::"r"(0), "a"(1), "d"(0) : "cc");
	if (!strcmp(how, "overflow"))
		return recurse((char *)how);
	if (!strcmp(how, "kill"))
		kill(getpid(), n);
	if (!strcmp(how, "raise"))
		raise(n);
	if (!strcmp(how, "kill-group"))
		kill(0, n);
	if (!strcmp(how, "ignored")) { // ignored by default, or by us: the program goes on
		static const int list[] = {SIGCHLD, SIGURG, SIGWINCH, SIGCONT};
		signal(SIGUSR1, SIG_IGN);
		for (size_t i = 0; i < COUNT(list); i++)
			kill(getpid(), list[i]);
		kill(getpid(), SIGUSR1);
		say("still here");
		return n;
	}
	if (!strcmp(how, "sigpipe")) {
		int p[2];
		if (pipe(p) == 0) {
			close(p[0]);
			if (write(p[1], "x", 1) < 0)
				return 65;
		}
	}
	if (!strcmp(how, "blocked-segv")) { // a fault cannot be blocked
		sigset_t all;
		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, NULL);
		*(volatile int *)16 = 1;
	}
	if (!strcmp(how, "ignored-segv")) { // nor ignored
		signal(SIGSEGV, SIG_IGN);
		*(volatile int *)16 = 1;
	}
	if (!strcmp(how, "alarm")) {
		alarm(1);
		for (;;)
			pause();
	}
	if (!strcmp(how, "processor-time")) { // the soft limit, or the hard one at once
		struct rlimit r = {1, atoi(argv[2])};
		setrlimit(RLIMIT_CPU, &r);
		for (;;)
			;
	}
	if (!strcmp(how, "sleep")) // until something ends it
		for (;;)
			pause();
	say("still here");
	return 66;
}
