// The four points: one process, one identity, no shell, little to attack. Nearly
// all lines differ from Linux on purpose; on Linux the calls that would succeed
// are not made, so that the program stays one process there too.
//
// usage: points; SKERRY_POINTS in the environment says that this is not Linux
#include "t.h"
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int on_linux;

#define DESIGN(call)                                                                               \
	do {                                                                                       \
		if (on_linux)                                                                      \
			break;                                                                     \
		errno = 0;                                                                         \
		long r_ = (long)(call);                                                            \
		say("DESIGN %s = %s", #call, result(r_));                                          \
	} while (0)

static char *argv_sh[] = {"sh", "-c", "id", NULL}, *env_none[] = {NULL};

static void processes(void)
{
	DESIGN(syscall(SYS_fork));
	DESIGN(syscall(SYS_vfork));
	DESIGN(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
	DESIGN(syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0));
	DESIGN(syscall(SYS_clone, CLONE_VM | CLONE_SIGHAND, 0, 0, 0, 0));
	DESIGN(syscall(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_NEWNS, 0, 0, 0, 0));
	uint64_t args[11] = {[4] = SIGCHLD};
	DESIGN(syscall(435 /* clone3 */, args, sizeof args));
	DESIGN(execve("/bin/sh", argv_sh, env_none));
	DESIGN(execve("/proc/self/exe", argv_sh, env_none));
	DESIGN(syscall(SYS_execveat, AT_FDCWD, "/bin/sh", argv_sh, env_none, 0));
	DESIGN(execve((char *)8, argv_sh, env_none));
	SHOW(wait(NULL));
	SHOW(waitpid(-1, NULL, WNOHANG));
	SHOW(waitpid(1234567, NULL, WNOHANG));
	DESIGN(getpid());
	DESIGN(getppid());
	DESIGN(getpgid(0));
	DESIGN(getsid(0));
	DESIGN(unshare(CLONE_NEWNS));
	DESIGN(syscall(SYS_setns, 0, 0));
}

static void identity(void)
{
	DESIGN(getuid());
	DESIGN(setuid(0));
	DESIGN(setuid(65532));
	DESIGN(setgid(0));
	DESIGN(setreuid(-1, -1));
	DESIGN(setresuid(65532, 65532, 65532));
	DESIGN(setresgid(0, 0, 0));
	DESIGN(syscall(SYS_setgroups, 0, NULL));
	DESIGN(open("/tmp/f", O_CREAT | O_RDWR | O_EXCL, 0000) >= 0);
	DESIGN(open("/tmp/f", O_RDWR) >= 0); // modes are data
	DESIGN(chown("/tmp/f", 0, 0));
	DESIGN(chown("/tmp/f", 65532, -1));
	DESIGN(chmod("/tmp/f", 06755));
	struct stat st;
	DESIGN(stat("/tmp/f", &st));
	DESIGN(st.st_mode & 07777);
	DESIGN(st.st_uid);
	DESIGN(unlink("/tmp/f"));
}

static void attack(void)
{
	DESIGN(ptrace(PTRACE_TRACEME, 0, 0, 0));
	DESIGN(syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL));
	DESIGN(syscall(SYS_umount2, "/tmp", 0));
	DESIGN(syscall(SYS_pivot_root, "/", "/"));
	DESIGN(chroot("/tmp"));
	DESIGN(syscall(SYS_bpf, 0, NULL, 0));
	DESIGN(syscall(SYS_init_module, NULL, 0, ""));
	DESIGN(syscall(SYS_kexec_load, 0, 0, NULL, 0));
	DESIGN(syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL));
	DESIGN(syscall(SYS_iopl, 3));
	DESIGN(syscall(SYS_ioperm, 0, 100, 1));
	DESIGN(syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0));
	DESIGN(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
	DESIGN(syscall(SYS_userfaultfd, 0));
	DESIGN(syscall(SYS_io_uring_setup, 8, NULL));
	DESIGN(socket(AF_PACKET, SOCK_RAW, 0));
	DESIGN(socket(AF_INET, SOCK_RAW, 1));
	DESIGN(syscall(SYS_settimeofday, NULL, NULL));
	DESIGN(sethostname("x", 1));
	SHOW(syscall(1000));
	SHOW(syscall(-1));
	SHOW(syscall(0x40000000 + SYS_getpid)); // x32
}

static const struct t_case cases[] = {{"processes", processes}, {"identity", identity}, {"attack", attack}};

int main(int argc, char **argv)
{
	on_linux = !getenv("SKERRY_POINTS");
	return t_main(argc, argv, cases, COUNT(cases));
}
