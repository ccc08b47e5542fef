// stress-ng starts a process for each of its stressors. With this preloaded the
// process goes on as that child, and, where the environment has NOFORK_CHILDREN=2, as the
// one that the stressor starts for its work and waits for; another one is told of, and
// ends the program.
#define _GNU_SOURCE
#include <unistd.h>
#include <stdio.h>
#include <stdlib.h>
#include <spawn.h>
#include <sys/types.h>
static int n;
static pid_t one(const char *what)
{
	const char *most = getenv("NOFORK_CHILDREN");
	if (n++ < (most ? atoi(most) : 1))
		return 0;
	dprintf(2, "ANOTHER PROCESS by %s\n", what);
	_exit(77);
}
static pid_t none(const char *what)
{
	n = 1000;
	return one(what);
}
pid_t fork(void) { return one("fork"); }
pid_t vfork(void) { return one("vfork"); }
int execve(const char *p, char *const a[], char *const e[]) { (void)p, (void)a, (void)e; return none("execve"); }
int posix_spawn(pid_t *p, const char *f, const posix_spawn_file_actions_t *x, const posix_spawnattr_t *y, char *const a[], char *const e[]) { return none("posix_spawn"); }
int clone(int (*f)(void *), void *s, int flags, void *arg, ...) { return none("clone"); }
