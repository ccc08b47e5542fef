// stress-ng starts a process for each of its stressors. With this preloaded the
// process goes on as that child; a second one is told of, and ends the program.
#define _GNU_SOURCE
#include <unistd.h>
#include <stdio.h>
#include <stdlib.h>
#include <spawn.h>
#include <sys/types.h>
static int n;
static pid_t one(const char *what)
{
	if (n++ == 0)
		return 0;
	dprintf(2, "SECOND PROCESS by %s\n", what);
	_exit(77);
}
pid_t fork(void) { return one("fork"); }
pid_t vfork(void) { return one("vfork"); }
int execve(const char *p, char *const a[], char *const e[]) { (void)p, (void)a, (void)e; n = 1; return one("execve"); }
int posix_spawn(pid_t *p, const char *f, const posix_spawn_file_actions_t *x, const posix_spawnattr_t *y, char *const a[], char *const e[]) { n = 1; return one("posix_spawn"); }
int clone(int (*f)(void *), void *s, int flags, void *arg, ...) { n = 1; return one("clone"); }
