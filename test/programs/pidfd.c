// Descriptors for processes, pidfd_open(2): of the program itself and its threads.
#include "t.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#define SYS_pidfd_send_signal 424
#define SYS_pidfd_getfd 438
#endif
#define THREAD O_EXCL
#define AS_PIDFD 3

static long open_pid(pid_t p, unsigned flags)
{
	return syscall(SYS_pidfd_open, p, flags);
}

static long signal_to(int fd, int sig, void *info, unsigned flags)
{
	return syscall(SYS_pidfd_send_signal, fd, sig, info, flags);
}

static volatile sig_atomic_t got, code, value;

static void handler(int sig, siginfo_t *i, void *c)
{
	got = sig, code = i->si_code, value = i->si_value.sival_int;
}

static void opens(void)
{
	int fd = open_pid(getpid(), 0);
	say("open %d, cloexec %d", fd >= 0, fcntl(fd, F_GETFD));
	say("nonblock %d", !!(fcntl(open_pid(getpid(), O_NONBLOCK), F_GETFL) & O_NONBLOCK));
	SHOW(open_pid(getpid(), 1));
	SHOW(open_pid(0, 0));
	SHOW(open_pid(-1, 0));
	SHOW(open_pid(0x3fffff0, 0));
	SHOW(open_pid(0x3fffff0, THREAD));
	OK(open_pid(my_tid(), THREAD));
	struct pollfd p = {fd, POLLIN};
	SHOW(poll(&p, 1, 20));
	int e = epoll_create1(0);
	struct epoll_event ev = {EPOLLIN, {0}};
	SHOW(epoll_ctl(e, EPOLL_CTL_ADD, fd, &ev));
	SHOW(epoll_wait(e, &ev, 1, 20));
	char b[512], path[64];
	SHOW(read(fd, b, sizeof b));
	SHOW(write(fd, b, 1));
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	memset(b, 0, sizeof b);
	readlink(path, b, sizeof b);
	say("%s", b);
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	FILE *f = fopen(path, "r");
	int pid = 0, nspid = 0;
	while (fgets(b, sizeof b, f))
		sscanf(b, "Pid: %d", &pid), sscanf(b, "NSpid: %d", &nspid);
	fclose(f);
	say("Pid %d, NSpid %d", pid == getpid(), nspid == getpid());
	siginfo_t i;
	SHOW(waitid(AS_PIDFD, fd, &i, WEXITED));
	SHOW(waitid(AS_PIDFD, fd, &i, WEXITED | WNOHANG));
	SHOW(waitid(AS_PIDFD, 0, &i, WEXITED));
	SHOW(waitid(AS_PIDFD, 999, &i, WEXITED));
	SHOW(waitid(AS_PIDFD, -1, &i, WEXITED));
	SHOW(waitid(AS_PIDFD, fd, &i, 0));
	close(fd);
}

static void signals(void)
{
	struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	sigaction(SIGUSR1, &a, NULL);
	sigaction(SIGUSR2, &a, NULL);
	int fd = open_pid(getpid(), 0);
	SHOW(signal_to(fd, 0, NULL, 0));
	SHOW(signal_to(fd, SIGUSR1, NULL, 0));
	say("got %d code %d", (int)got, (int)code);
	SHOW(signal_to(fd, SIGUSR2, NULL, 1)); // to the thread
	say("got %d code %d", (int)got, (int)code);
	SHOW(signal_to(fd, SIGUSR1, NULL, 2)); // to the group of threads
	say("got %d code %d", (int)got, (int)code);
	SHOW(signal_to(fd, SIGUSR1, NULL, 3));
	SHOW(signal_to(fd, SIGUSR1, NULL, 8));
	SHOW(signal_to(fd, 65, NULL, 0));
	SHOW(signal_to(fd, -1, NULL, 0));
	SHOW(signal_to(0, SIGUSR1, NULL, 0));
	SHOW(signal_to(-1, SIGUSR1, NULL, 0));
	SHOW(signal_to(fd, SIGUSR1, (void *)8, 0));
	siginfo_t i = {0};
	i.si_signo = SIGUSR1, i.si_code = SI_QUEUE, i.si_value.sival_int = 77;
	SHOW(signal_to(fd, SIGUSR1, &i, 0));
	say("got %d code %d value %d", (int)got, (int)code, (int)value);
	SHOW(signal_to(fd, SIGUSR2, &i, 0)); // not the one that it says
	close(fd);
}

static void descriptors(void)
{
	int fd = open_pid(getpid(), 0), p[2];
	pipe(p);
	int copy = syscall(SYS_pidfd_getfd, fd, p[1], 0);
	say("copy %d, cloexec %d", copy >= 0, fcntl(copy, F_GETFD));
	SHOW(write(copy, "abc", 3));
	char b[8];
	SHOW(read(p[0], b, sizeof b));
	SHOW(syscall(SYS_pidfd_getfd, fd, 999, 0));
	SHOW(syscall(SYS_pidfd_getfd, fd, -1, 0));
	SHOW(syscall(SYS_pidfd_getfd, fd, p[1], 1));
	SHOW(syscall(SYS_pidfd_getfd, p[0], p[1], 0));
	SHOW(syscall(SYS_pidfd_getfd, -1, p[1], 0));
	close(fd);
}

static pid_t tid;
static int hold[2];

static void *thread(void *arg)
{
	__atomic_store_n(&tid, my_tid(), __ATOMIC_SEQ_CST);
	char c;
	while (read(hold[0], &c, 1) < 0)
		;
	return arg;
}

static void of_threads(void)
{
	pipe(hold);
	pthread_t t = go(thread, NULL);
	while (!__atomic_load_n(&tid, __ATOMIC_SEQ_CST))
		pause_ns(MS);
	int fd = open_pid(tid, THREAD);
	say("open %d", fd >= 0);
	struct pollfd p = {fd, POLLIN};
	SHOW(poll(&p, 1, 20));
	SHOW(signal_to(fd, 0, NULL, 0));
	got = 0;
	SHOW(signal_to(fd, SIGUSR1, NULL, 0));
	while (!got)
		pause_ns(MS);
	say("got %d code %d", (int)got, (int)code);
	write(hold[1], "", 1);
	SHOW(poll(&p, 1, 5000));
	say("readable %d", !!(p.revents & POLLIN));
	pthread_join(t, NULL);
	await_blocked(50 * MS);
	SHOW(signal_to(fd, 0, NULL, 0));
	SHOW(open_pid(tid, THREAD));
	close(fd);
}

// The first kernels with pidfd_send_signal took directories of /proc; they all do.
static void directories(void)
{
	char path[64];
	struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	sigaction(SIGUSR1, &a, NULL);
	snprintf(path, sizeof path, "/proc/%d", getpid());
	const char *paths[] = {path, "/proc/self", "/proc", "/proc/self/task", "/proc/self/fd", "/proc/self/stat", "/"};
	for (size_t i = 0; i < COUNT(paths); i++) {
		int fd = open(paths[i], O_RDONLY);
		got = 0;
		long r = signal_to(fd, SIGUSR1, NULL, 0);
		say("%s: %s, got %d code %d", i ? paths[i] : "own", result(r), (int)got, got ? (int)code : 0);
		close(fd);
	}
	int fd = open(path, O_RDONLY | O_DIRECTORY);
	SHOW(signal_to(fd, 0, NULL, 0));
	SHOW(signal_to(fd, 99, NULL, 0));
	SHOW(syscall(SYS_pidfd_getfd, fd, 0, 0));
	close(fd);
	fd = open(path, O_PATH);
	SHOW(signal_to(fd, 0, NULL, 0));
	close(fd);
}

static const struct t_case cases[] = {{"directories", directories}, {"opens", opens}, {"signals", signals}, {"descriptors", descriptors}, {"threads", of_threads}};

T_MAIN(cases)
