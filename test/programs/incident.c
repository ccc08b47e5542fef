// A server whose handler does what the policy ends it for, with a connection open, other
// threads that wait and compute, and a past of calls: what the report shows.
#include "t.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static int pipes[2];
static volatile int turning;

static void *waits(void *arg)
{
	char c;
	prctl(PR_SET_NAME, "waits\n\033[2J");
	turning++;
	CHECK(read(pipes[0], &c, 1) == -1); // never returns
	return arg;
}

static void *turns(void *arg)
{
	prctl(PR_SET_NAME, "turns");
	turning++;
	for (volatile long i = 0;; i++)
		;
	return arg;
}

__attribute__((noinline)) int handle_request(const char *what)
{
	int r = -1;
	if (!strcmp(what, "exec")) {
		char *argv[] = {"/bin/sh\n", NULL};
		r = execv(argv[0], argv);
	} else if (!strcmp(what, "memory")) {
		r = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
	} else if (!strcmp(what, "egress")) {
		struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(22), .sin_addr.s_addr = htonl(0x0a000202)};
		r = connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&a, sizeof a);
	}
	return r + 1;
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(8080), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	CHECK(argc == 2 && pipe(pipes) == 0);
	go(waits, NULL);
	go(turns, NULL);
	while (turning < 2)
		usleep(1000);
	int l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(bind(l, (void *)&a, sizeof a) == 0 && listen(l, 5) == 0 && connect(c, (void *)&a, sizeof a) == 0);
	int s = accept(l, NULL, NULL);
	CHECK(s > 0 && open("/etc/hosts", O_RDONLY) > 0 && open("/etc/none", O_RDONLY) == -1);
	syscall(SYS_setuid, 0); // of this thread alone
	for (int i = 0; i < 200; i++)
		getppid();
	CHECK(write(c, "GET /", 5) == 5);
	char b[5];
	CHECK(read(s, b, 5) == 5);
	say("not ended: %d", handle_request(argv[1]));
	return 3;
}
