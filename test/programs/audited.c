// Tries what the model rules out, a known number of times, for the audit record.
#include "t.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

// Functions with frame pointers, of which the innermost makes a call that is refused.
#define FRAMED __attribute__((noinline, noclone, optimize("no-omit-frame-pointer", "no-optimize-sibling-calls")))
static volatile long fell;

FRAMED static void inner(void)
{
	long r;
	__asm__ volatile("syscall" : "=a"(r) : "0"((long)SYS_ptrace), "D"(0L), "S"(0L), "d"(0L) : "rcx", "r11", "memory");
	fell = r;
}
FRAMED static void middle(void) { inner(); fell--; }
FRAMED static void outer(void) { middle(); fell--; }

// A frame pointer that leads to a string on the stack, and into the kernel.
FRAMED static long astray(long nr, void *frame)
{
	register long r __asm__("rax") = nr;
	__asm__ volatile("push %%rbp; mov %1, %%rbp; syscall; pop %%rbp" : "+r"(r) : "r"(frame) : "rcx", "r11", "memory");
	return r;
}

// netlink_ asks for a route to be made, twice in one datagram.
static int netlink_(void)
{
	struct { // struct nlmsghdr and struct rtmsg
		uint32_t len;
		uint16_t type, flags;
		uint32_t seq, pid;
		unsigned char family, rest[11];
	} q[2] = {0};
	for (int i = 0; i < 2; i++) {
		q[i].len = sizeof q[i];
		q[i].type = 24;  // RTM_NEWROUTE
		q[i].flags = 5; // NLM_F_REQUEST, NLM_F_ACK
		q[i].family = AF_INET;
	}
	int32_t a[64]; // struct nlmsghdr and struct nlmsgerr
	int s = socket(AF_NETLINK, SOCK_RAW, 0);
	return s < 0 || send(s, q, sizeof q, 0) != sizeof q || recv(s, a, sizeof a, 0) < 20 || a[4] != -EPERM;
}

// brk_ has a sealed page in the heap, and one in its way.
static int brk_(void)
{
	char *p = (char *)((syscall(SYS_brk, 0) + 4095) & ~4095UL);
	int wrong = (char *)syscall(SYS_brk, p + 3 * 4096) != p + 3 * 4096;
	wrong += syscall(462, p + 4096, 4096UL, 0) != 0; // mseal
	wrong += (char *)syscall(SYS_brk, p) != p + 3 * 4096;
	char *q = mmap(p + 8 * 4096, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	wrong += syscall(462, q, 4096UL, 0) != 0;
	wrong += (char *)syscall(SYS_brk, p + 16 * 4096) != p + 3 * 4096;
	wrong += (char *)syscall(SYS_brk, p + 2 * 4096) != p + 2 * 4096; // above what is sealed
	return wrong;
}

int main(void)
{
	char *argv[] = {"/bin/sh\n\"\033[2J", NULL};
	uintptr_t secret[4] = {0, 0x736563726574, 0, 0};
	struct sockaddr_in host = {.sin_family = AF_INET, .sin_port = htons(22), .sin_addr.s_addr = htonl(0x0a000202)};
	int wrong = 0;
	wrong += fork() != -1;
	wrong += execv(argv[0], argv) != -1;
	wrong += setuid(0) != -1;
	wrong += mknod("/tmp/device", S_IFCHR | 0600, 0x501) != -1;
	wrong += syscall(SYS_setgroups, 0, NULL) != -1;
	wrong += mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
	wrong += syscall(SYS_io_uring_setup, 1, NULL) != -1;
	outer();
	wrong += fell != -EPERM - 2;
	for (int i = 0; i < 3000; i++)
		wrong += fork() != -1;
	wrong += socket(AF_PACKET, SOCK_RAW, 0) != -1;
	wrong += connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&host, sizeof host) != -1;
	wrong += netlink_();
	wrong += brk_();
	wrong += astray(SYS_vfork, secret) != -EPERM;
	wrong += astray(SYS_unshare, (void *)0xffffffff80201000) != -EPERM;
	// Nothing of this is in the record.
	fprintf(stderr, "{\"v\":1,\"seq\":1,\"rule\":\"end\"}\n");
	say("not refused %d", wrong);
	return 3;
}
