// The first process of the Linux machine that Skerry is measured and tested
// against: it loads the modules named in /vm.conf, brings up lo and eth0, and
// runs one program, in one of two ways.
//
//   exec  becomes the program, which is then process 1 with the console as its
//         output: as little Linux as there can be around a server.
//   run   starts the program with pipes as its standard output and error, copies
//         them to the virtio console ports "stdout" and "stderr", writes its wait
//         status to the port "status", and ends the machine.
//
// /vm.conf is a list of strings, each ended by a NUL; the first byte says what
// the rest is: m a module's file, x exec, r run, p the program's file, a an
// argument, e a string of the environment, n configure eth0, o the program's
// working directory.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX 4200

static char *args[MAX], *envs[MAX];
static int nargs, nenvs;

static void die(const char *what)
{
	dprintf(2, "init: %s: %s\n", what, strerror(errno));
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

static void module(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
		die(path);
	close(fd);
}

static void up(int s, const char *name)
{
	struct ifreq r = {0};
	strcpy(r.ifr_name, name);
	if (ioctl(s, SIOCGIFFLAGS, &r) < 0)
		die(name);
	r.ifr_flags |= IFF_UP;
	if (ioctl(s, SIOCSIFFLAGS, &r) < 0)
		die(name);
}

static void set(int s, unsigned long request, const char *address)
{
	struct ifreq r = {0};
	struct sockaddr_in *a = (struct sockaddr_in *)&r.ifr_addr;
	strcpy(r.ifr_name, "eth0");
	a->sin_family = AF_INET;
	inet_pton(AF_INET, address, &a->sin_addr);
	if (ioctl(s, request, &r) < 0)
		die(address);
}

// The addresses are those of QEMU's user network.
static void network(int s)
{
	set(s, SIOCSIFADDR, "10.0.2.15");
	set(s, SIOCSIFNETMASK, "255.255.255.0");
	up(s, "eth0");
	struct rtentry r = {0};
	struct sockaddr_in *a = (struct sockaddr_in *)&r.rt_gateway;
	a->sin_family = AF_INET;
	inet_pton(AF_INET, "10.0.2.2", &a->sin_addr);
	r.rt_dst.sa_family = r.rt_genmask.sa_family = AF_INET;
	r.rt_flags = RTF_UP | RTF_GATEWAY;
	if (ioctl(s, SIOCADDRT, &r) < 0)
		die("default route");
}

// port opens the virtio console port of that name. Ports appear after the
// module is loaded, when the device has named them.
static int port(const char *name)
{
	for (int tries = 0; tries < 1000; tries++) {
		DIR *d = opendir("/sys/class/virtio-ports");
		struct dirent *e;
		while (d && (e = readdir(d))) {
			char path[300], got[64] = "";
			if (e->d_name[0] == '.')
				continue;
			snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", e->d_name);
			int fd = open(path, O_RDONLY);
			if (fd < 0)
				continue;
			ssize_t n = read(fd, got, sizeof got - 1);
			close(fd);
			if (n <= 0)
				continue;
			got[strcspn(got, "\n")] = 0;
			if (strcmp(got, name))
				continue;
			snprintf(path, sizeof path, "/dev/%s", e->d_name);
			int p = open(path, O_RDWR | O_CLOEXEC);
			if (p >= 0) {
				closedir(d);
				return p;
			}
		}
		if (d)
			closedir(d);
		usleep(5000);
	}
	errno = ENODEV;
	die(name);
	return -1;
}

static void all(int fd, const char *b, ssize_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, b, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return;
		b += w, n -= w;
	}
}

static void run(const char *program, const char *dir)
{
	int out[2], err[2];
	int to[2] = {port("stdout"), port("stderr")}, status = port("status");
	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		die("pipe");
	pid_t child = fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		setsid();
		if (chdir(dir) < 0)
			die(dir);
		dup2(open("/dev/null", O_RDONLY), 0);
		dup2(out[1], 1);
		dup2(err[1], 2);
		execve(program, args, envs);
		dprintf(2, "init: %s: %s\n", program, strerror(errno));
		_exit(127);
	}
	close(out[1]);
	close(err[1]);
	struct pollfd p[2] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
	static char b[65536];
	while (p[0].fd >= 0 || p[1].fd >= 0) {
		if (poll(p, 2, -1) < 0)
			continue;
		for (int i = 0; i < 2; i++) {
			if (p[i].fd < 0 || !p[i].revents)
				continue;
			ssize_t n = read(p[i].fd, b, sizeof b);
			if (n > 0)
				all(to[i], b, n);
			else if (n == 0 || errno != EINTR)
				p[i].fd = -1;
		}
	}
	int st;
	while (waitpid(child, &st, 0) < 0 && errno == EINTR)
		;
	char line[32];
	all(status, line, snprintf(line, sizeof line, "%d\n", st));
	fsync(to[0]);
	// The device has taken what a blocking write wrote; closing waits for the rest.
	close(to[0]);
	close(to[1]);
	close(status);
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

int main(void)
{
	mkdir("/dev", 0755), mkdir("/proc", 0555), mkdir("/sys", 0555), mkdir("/tmp", 01777);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sys", "/sys", "sysfs", 0, NULL);
	mkdir("/dev/shm", 01777);
	mount("shm", "/dev/shm", "tmpfs", 0, NULL);
	mount("tmp", "/tmp", "tmpfs", 0, NULL);
	(void)!symlink("/proc/self/fd", "/dev/fd");
	(void)!symlink("/proc/self/fd/0", "/dev/stdin");
	(void)!symlink("/proc/self/fd/1", "/dev/stdout");
	(void)!symlink("/proc/self/fd/2", "/dev/stderr");
	static char conf[1 << 20];
	int fd = open("/vm.conf", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, conf, sizeof conf - 1);
	if (n <= 0)
		die("/vm.conf");
	close(fd);
	const char *program = NULL, *dir = "/";
	int becomes = 1, s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	up(s, "lo");
	for (char *p = conf; p < conf + n; p += strlen(p) + 1) {
		switch (*p) {
		case 'm': module(p + 1); break;
		case 'n': network(s); break;
		case 'x': becomes = 1; break;
		case 'r': becomes = 0; break;
		case 'p': program = p + 1; break;
		case 'o': dir = p + 1; break;
		case 'a': if (nargs < MAX - 1) args[nargs++] = p + 1; break;
		case 'e': if (nenvs < MAX - 1) envs[nenvs++] = p + 1; break;
		}
	}
	if (!program) {
		errno = EINVAL;
		die("no program");
	}
	close(s);
	if (!becomes)
		run(program, dir);
	if (chdir(dir) == 0)
		execve(program, args, envs);
	die(program);
}
