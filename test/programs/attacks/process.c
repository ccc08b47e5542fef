// What an attacker who has a program would do next with its process: start another, fork,
// get a shell or a terminal, become someone else, leave its namespaces. Each attempt works
// on Linux for root and is refused in a machine; see ../attempt.h and the table in
// techniques_test.go.
#include "../t.h"
#include "../attempt.h"
#include <linux/capability.h>
#include <sched.h>
#include <spawn.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <termios.h>

extern char **environ;
static char *itself[] = {"attack", "-", NULL};

// ended: a child that was started has ended well.
static const char *ended(pid_t pid)
{
	int status = 0;
	if (pid < 0)
		return t_errno(errno);
	return worked(waitpid(pid, &status, 0) == pid && status == 0);
}

// written makes a file of /tmp that can be executed, and closes it: an open one is busy.
static const char *written(const char *text, size_t n)
{
	static char path[] = "/tmp/attackXXXXXX";
	strcpy(path + sizeof path - 7, "XXXXXX");
	int fd = mkstemp(path);
	if (fd < 0 || write(fd, text, n) != (ssize_t)n || fchmod(fd, 0755) < 0)
		return NULL;
	close(fd);
	return path;
}

// own is the program's own file.
static char *own(size_t *n)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	struct stat st;
	fstat(fd, &st);
	*n = st.st_size;
	char *p = mmap(NULL, *n, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	return p;
}

static const char *by_execve(void)
{
	return worked(execve("/proc/self/exe", itself, environ) == 0);
}

static const char *by_execveat(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	return worked(syscall(SYS_execveat, fd, "", itself, environ, AT_EMPTY_PATH) == 0);
}

static const char *in_memory(void)
{
	size_t n;
	char *p = own(&n);
	int fd = memfd_create("program", MFD_CLOEXEC);
	if (write(fd, p, n) != (ssize_t)n)
		return t_errno(errno);
	return worked(fexecve(fd, itself, environ) == 0);
}

static const char *in_file(void)
{
	size_t n;
	char *p = own(&n);
	const char *path = written(p, n);
	pid_t pid = path ? vfork() : -1;
	if (pid == 0) {
		execve(path, itself, environ);
		_exit(1);
	}
	if (pid < 0 && path) { // there is no second process, so it is this one's turn
		execve(path, itself, environ);
		int e = errno;
		unlink(path);
		return t_errno(e);
	}
	const char *why = ended(pid);
	unlink(path);
	return why;
}

static const char *by_spawn(void)
{
	pid_t pid;
	int e = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, itself, environ);
	return e ? t_errno(e) : ended(pid);
}

static const char *by_fork(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	return ended(pid);
}

static const char *by_vfork(void)
{
	pid_t pid = vfork();
	if (pid == 0)
		_exit(0);
	return ended(pid);
}

static int leaves(void *arg)
{
	(void)arg;
	_exit(0);
}

static const char *cloned(int flags)
{
	static char stack[65536] __attribute__((aligned(16)));
	return ended(clone(leaves, stack + sizeof stack, flags | SIGCHLD, NULL));
}

static const char *by_clone(void) { return cloned(0); }
static const char *sharing(void) { return cloned(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND); }
static const char *in_namespaces(void) { return cloned(CLONE_NEWPID | CLONE_NEWNS); }

static const char *by_clone3(void)
{
	uint64_t args[11] = {[4] = SIGCHLD};
	pid_t pid = syscall(435, args, sizeof args);
	if (pid == 0)
		_exit(0);
	return ended(pid);
}

static const char *by_system(void) { return worked(system("exit 0") == 0); }

static const char *by_popen(void)
{
	char line[8] = "";
	FILE *f = popen("echo yes", "r");
	if (!f)
		return t_errno(errno);
	int ok = fgets(line, sizeof line, f) && !strcmp(line, "yes\n");
	return worked(pclose(f) == 0 && ok);
}

static const char *by_its_path(void) { return worked(execl("/bin/sh", "sh", "-c", "exit 0", NULL) == 0); }
static const char *by_search(void) { return worked(execlp("sh", "sh", "-c", "exit 0", NULL) == 0); }
static const char *interpreter(void) { return worked(execlp("perl", "perl", "-e", "0", NULL) == 0); }

static const char *script(void)
{
	static const char text[] = "#!/bin/sh\nrm -f \"$0\"\n";
	const char *path = written(text, sizeof text - 1);
	if (path)
		execl(path, path, NULL);
	int e = errno;
	if (path)
		unlink(path);
	return t_errno(e);
}

static const char *from_stdin(void)
{
	int p[2];
	if (pipe(p) < 0 || write(p[1], "exit 0\n", 7) != 7 || dup2(p[0], 0) < 0)
		return t_errno(errno);
	close(p[1]);
	return worked(execl("/bin/sh", "sh", "-s", NULL) == 0);
}

// terminal is one of this process's own; where there is none, stdin.
static int terminal(void)
{
	signal(SIGHUP, SIG_IGN);
	int m = posix_openpt(O_RDWR | O_NOCTTY);
	if (m < 0 || grantpt(m) < 0 || unlockpt(m) < 0)
		return -1;
	return open(ptsname(m), O_RDWR | O_NOCTTY);
}

static int controlling(void)
{
	int t = terminal();
	setsid();
	return ioctl(t < 0 ? 0 : t, TIOCSCTTY, 1) < 0 ? -1 : t;
}

static const char *a_terminal(void)
{
	int t = terminal();
	return worked(t >= 0 && isatty(t));
}

static const char *its_own(void) { return worked(controlling() >= 0 && open("/dev/tty", O_RDWR) >= 0); }

static const char *typed(void)
{
	int t = controlling();
	char c = 0;
	return worked(ioctl(t < 0 ? 0 : t, TIOCSTI, "\n") == 0 && read(t, &c, 1) == 1 && c == '\n');
}

static const char *hangs_up(void)
{
	controlling();
	errno = 0;
	return worked(vhangup() == 0);
}

static const char *console(void) { return worked(open("/dev/console", O_WRONLY | O_NOCTTY) >= 0); }

static const char *as_user(void) { return worked(setuid(1000) == 0 && getuid() == 1000); }
static const char *as_all(void) { return worked(setresuid(1000, 1000, 1000) == 0); }
static const char *as_group(void) { return worked(setgid(1000) == 0); }
static const char *as_groups(void) { return worked(syscall(SYS_setgroups, 1, &(gid_t){1000}) == 0); }

static const char *capable(void)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2] = {{1u << CAP_SYS_ADMIN, 1u << CAP_SYS_ADMIN, 1u << CAP_SYS_ADMIN}};
	return worked(syscall(SYS_capset, &h, d) == 0);
}

// of_file is an attempt at a file of the process's own.
static const char *of_file(int (*f)(int fd))
{
	char path[] = "/tmp/attackXXXXXX";
	int fd = mkstemp(path);
	unlink(path);
	errno = 0;
	const char *why = worked(fd >= 0 && f(fd) == 0);
	close(fd);
	return why;
}

static int chowns(int fd) { return fchown(fd, 0, 1000); }
static int attributes(int fd)
{
	uint32_t caps[5] = {0x02000001, 1u << CAP_SYS_ADMIN};
	return fsetxattr(fd, "security.capability", caps, sizeof caps, 0);
}

static const char *owner(void) { return of_file(chowns); }
static const char *file_capability(void) { return of_file(attributes); }

// set_ids: the bits are not stored, and nobody is told.
static const char *set_ids(void)
{
	char path[] = "/tmp/attackXXXXXX";
	struct stat st = {0};
	int fd = mkstemp(path);
	unlink(path);
	if (fchmod(fd, 06755) < 0 || fstat(fd, &st) < 0)
		return t_errno(errno);
	close(fd);
	return st.st_mode & 06000 ? NULL : "without them";
}

static const char *device(void)
{
	int r = syscall(SYS_mknodat, AT_FDCWD, "/tmp/attack-device", S_IFCHR | 0600, 1 << 8 | 3);
	const char *why = worked(r == 0);
	unlink("/tmp/attack-device");
	return why;
}

// apart: the namespace of this process is not the host's. A machine refuses that, too, and
// is asked for what comes next.
static int apart(int namespace)
{
	if (unshare(namespace) < 0)
		return t_alone;
	return namespace != CLONE_NEWNS || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static const char *unshares(void) { return worked(unshare(CLONE_NEWNS) == 0); }
static const char *unshares_user(void) { return worked(unshare(CLONE_NEWUSER) == 0); }

static const char *enters(void)
{
	int fd = open("/proc/self/ns/uts", O_RDONLY);
	return worked(syscall(SYS_setns, fd, CLONE_NEWUTS) == 0);
}

static const char *another_root(void) { return worked(chroot("/tmp") == 0); }

static const char *mounts(void)
{
	return worked(apart(CLONE_NEWNS) && mount("none", "/tmp", "tmpfs", 0, NULL) == 0);
}

static const char *unmounts(void)
{
	if (!apart(CLONE_NEWNS))
		return t_errno(errno);
	return worked((t_alone || mount("none", "/tmp", "tmpfs", 0, NULL) == 0) && umount2("/tmp", MNT_DETACH) == 0);
}

static const char *pivots(void)
{
	if (!apart(CLONE_NEWNS))
		return t_errno(errno);
	return worked((t_alone || (mount("none", "/tmp", "tmpfs", 0, NULL) == 0 && chdir("/tmp") == 0)) && syscall(SYS_pivot_root, ".", ".") == 0);
}

static const char *opens_tree(void) { return worked(syscall(428, AT_FDCWD, "/", 1 /* OPEN_TREE_CLONE */) >= 0); }
static const char *opens_fs(void) { return worked(syscall(430, "tmpfs", 0) >= 0); }

static const char *names(void) { return worked(apart(CLONE_NEWUTS) && sethostname("attack", 6) == 0); }

static const struct attempt attempts[] = {
	{"execve", by_execve}, {"execveat", by_execveat}, {"a program in memory", in_memory}, {"a written program", in_file}, {"posix_spawn", by_spawn},
	{"fork", by_fork}, {"vfork", by_vfork}, {"clone", by_clone}, {"clone with shared memory", sharing}, {"clone into namespaces", in_namespaces}, {"clone3", by_clone3},
	{"system", by_system}, {"popen", by_popen}, {"a shell by its path", by_its_path}, {"a shell by PATH", by_search}, {"an interpreter by PATH", interpreter},
	{"a script", script}, {"a shell that reads stdin", from_stdin},
	{"a terminal", a_terminal}, {"a controlling terminal", its_own}, {"keys for a terminal", typed}, {"hanging up", hangs_up}, {"the console", console},
	{"setuid", as_user}, {"setresuid", as_all}, {"setgid", as_group}, {"setgroups", as_groups}, {"a capability", capable}, {"a file's owner", owner},
	{"a file's capability", file_capability}, {"set-ID bits", set_ids}, {"a device", device},
	{"unshare", unshares}, {"a user namespace", unshares_user}, {"setns", enters}, {"chroot", another_root}, {"mount", mounts}, {"umount", unmounts},
	{"pivot_root", pivots}, {"open_tree", opens_tree}, {"fsopen", opens_fs}, {"sethostname", names},
};

int main(int argc, char **argv) { return t_attempts(argc, argv, attempts, COUNT(attempts)); }
