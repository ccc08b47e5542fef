// What an attacker who has a program would do next with the kernel: enter it by old doors,
// put code into it, use what is left out here, read its memory, forge or drown its record.
// Each attempt works for root of a Linux that is a machine of its own, with the modules
// /cpuid.ko and /msr.ko, and is refused in a machine of ours; see ../attempt.h and the table
// in techniques_test.go. It changes the kernel that it runs on: not for a host.
#include "../t.h"
#include "../attempt.h"
#include <asm/ldt.h>
#include <elf.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <dirent.h>
#include <net/if.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

// Old doors.
static const char *by_interrupt(void)
{
	int r;
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20 /* getpid of 32 bits */) : "memory");
	return worked(r == getpid());
}


static long raw(uint64_t n)
{
	long r;
	__asm__ volatile("syscall" : "=a"(r) : "a"(n) : "rcx", "r11", "memory");
	errno = r < 0 ? -r : 0;
	return r;
}

static const char *upper_half(void) { return worked(raw(1ull << 32 | SYS_getpid) == getpid()); }
static const char *x32(void) { return worked(raw(0x40000000 | SYS_getpid) == getpid()); }

// narrow goes to code of 32 bits, which calls the kernel and comes back. The program is
// linked below 4 GiB. A far return would do as well, but the emulator does not emulate it.
static const char *narrow(void)
{
	static uint64_t sp;
	static struct {
		uint32_t at;
		uint16_t segment;
	} __attribute__((packed)) far = {0, 0x23};
	int r;
	__asm__ volatile("movl $1f, %2\n movq %%rsp, %1\n ljmpl *%2\n"
			 ".code32\n 1: movl $20, %%eax\n int $0x80\n ljmp $0x33, $2f\n"
			 ".code64\n 2: movq %1, %%rsp\n"
			 : "=a"(r), "+m"(sp), "+m"(far)::"rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
	return worked(r == getpid());
}

static const char *segment(void)
{
	struct user_desc d = {.entry_number = 1, .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1, .useable = 1};
	int r = syscall(SYS_modify_ldt, 1, &d, sizeof d);
	errno = r < 0 && errno == 0 ? -r : errno;
	return worked(r == 0);
}

static const char *narrow_machine(void)
{
	return worked(personality(PER_LINUX32) >= 0);
}

// Code in the kernel.
static char *contents(const char *path, size_t *n)
{
	int fd = open(path, O_RDONLY);
	struct stat st = {0};
	fstat(fd, &st);
	char *p = calloc(1, st.st_size + 1);
	*n = fd < 0 ? 0 : read(fd, p, st.st_size);
	close(fd);
	return p;
}

static const char *by_bytes(void)
{
	size_t n;
	char *p = contents("/cpuid.ko", &n);
	return worked(syscall(SYS_init_module, p, n, "") == 0);
}

static const char *unloads(void) { return worked(syscall(SYS_delete_module, "cpuid", O_NONBLOCK) == 0); }

static const char *by_file(void)
{
	int fd = open("/msr.ko", O_RDONLY);
	return worked(syscall(SYS_finit_module, fd, "", 0) == 0);
}

// another_kernel is there for the next reboot, which nobody asks for.
static const char *another_kernel(void)
{
	static char code[PAGE] = {0xf4};
	struct {
		void *from;
		size_t size;
		unsigned long to;
		size_t room;
	} s = {code, sizeof code, 64 << 20, sizeof code};
	return worked(syscall(SYS_kexec_load, 64 << 20, 1, &s, 62ul << 16 /* x86-64 */) == 0);
}

static int program(void)
{
	// r0 = 0; exit
	static const struct bpf_insn code[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K}, {.code = BPF_JMP | BPF_EXIT}};
	union bpf_attr a = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insn_cnt = 2, .insns = (uintptr_t)code, .license = (uintptr_t)"GPL"};
	return syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof a);
}

static const char *by_bpf(void) { return worked(program() >= 0); }

static const char *map_of_bpf(void)
{
	union bpf_attr a = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1};
	return worked(syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof a) >= 0);
}

// What is left out.
static const char *ring(void)
{
	struct io_uring_params p = {0};
	return worked(syscall(SYS_io_uring_setup, 8, &p) >= 0);
}

static const char *faults(void) { return worked(syscall(SYS_userfaultfd, O_CLOEXEC) >= 0); }

static const char *counts(void)
{
	struct perf_event_attr a = {.type = PERF_TYPE_SOFTWARE, .size = sizeof a, .config = PERF_COUNT_SW_CPU_CLOCK};
	return worked(syscall(SYS_perf_event_open, &a, 0, -1, -1, 0) >= 0);
}

static const char *key(void) { return worked(syscall(SYS_add_key, "user", "attack", "x", 1, -2 /* the process's */) >= 0); }
static const char *watch(void) { return worked(syscall(SYS_fanotify_init, 0, O_RDONLY) >= 0); }
static const char *queue(void) { return worked(syscall(SYS_mq_open, "attack", O_CREAT | O_RDWR, 0600, NULL) >= 0); }
static const char *semaphores(void) { return worked(syscall(SYS_semget, 0, 1, 0600) >= 0); }
static const char *packets(void) { return worked(socket(AF_PACKET, SOCK_RAW, 0) >= 0); }
static const char *raw_socket(void) { return worked(socket(AF_INET, SOCK_RAW, 1) >= 0); }

// link_down takes an interface's flags, which are the kernel's configuration.
static const char *link_down(void)
{
	struct ifreq r = {.ifr_name = "lo"};
	return worked(ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFFLAGS, &r) == 0);
}

// The kernel's memory, and the processor's ports.
static const char *reads(const char *path, off_t at, size_t n)
{
	static char b[PAGE];
	int fd = open(path, O_RDWR);
	return worked(fd >= 0 && pread(fd, b, n, at) == (ssize_t)n);
}

static const char *physical(void) { return reads("/dev/mem", 0, 256); }
static const char *register_of(void) { return reads("/dev/cpu/0/msr", 0xc0000082, 8); }

// core reads from the kernel's first mapping that is there.
static const char *core(void)
{
	Elf64_Ehdr h;
	Elf64_Phdr p;
	char b[16];
	int fd = open("/proc/kcore", O_RDONLY);
	if (fd < 0 || pread(fd, &h, sizeof h, 0) != sizeof h)
		return t_errno(errno);
	for (int i = 0; i < h.e_phnum; i++)
		if (pread(fd, &p, sizeof p, h.e_phoff + i * sizeof p) == sizeof p && p.p_type == PT_LOAD && pread(fd, b, sizeof b, p.p_offset) == sizeof b)
			return NULL;
	return "nothing to read";
}

static const char *port(void)
{
	inb(0x80);
	return NULL;
}

static const char *all_ports(void) { return iopl(3) < 0 ? t_errno(errno) : port(); }
static const char *some_ports(void) { return ioperm(0x80, 1, 1) < 0 ? t_errno(errno) : port(); }

static const char *addresses(void)
{
	unsigned long at = 0;
	char line[300];
	FILE *f = fopen("/proc/kallsyms", "r");
	return worked(f && fgets(line, sizeof line, f) && sscanf(line, "%lx", &at) == 1 && fgets(line, sizeof line, f) && sscanf(line, "%lx", &at) == 1);
}

// The record. On Linux it is the kernel's log.
static char logged[1 << 21];

static const char *log_has(const char *text)
{
	int n = klogctl(3 /* READ_ALL */, logged, sizeof logged - 1);
	if (n < 0)
		return t_errno(errno);
	logged[n] = 0;
	return strstr(logged, text) ? NULL : "not there";
}

static const char *read_log(void) { return log_has("Linux version"); }

static int write_log(const char *line)
{
	int fd = open("/dev/kmsg", O_WRONLY);
	return fd >= 0 && write(fd, line, strlen(line)) > 0 ? 0 : -1;
}

static const char *forged(void)
{
	static const char line[] = "audit: type=1400 denied nothing\n";
	if (write_log(line) < 0)
		return t_errno(errno);
	return log_has("denied nothing");
}

// in_names: a command for a terminal and a line of its own, as the name of what is told of.
static const char *in_names(void)
{
	static char name[] = "x\033[2J\n{\"v\":1}";
	prctl(PR_SET_NAME, name);
	execve(name, (char *[]){name, NULL}, (char *[]){NULL});
	if (errno != ENOENT)
		return t_errno(errno);
	pid_t pid = fork();
	if (pid == 0) { // told of by its name
		signal(SIGSEGV, SIG_DFL);
		*(volatile char *)8 = 1;
	}
	waitpid(pid, NULL, 0);
	return log_has("x\033[2J");
}

// drowned: so much is told that what was told first is gone.
static const char *drowned(void)
{
	if (write_log("attack: the first\n") < 0) {
		int e = errno;
		for (int i = 0; i < 5000; i++)
			chroot("/tmp");
		return t_errno(e);
	}
	int limit = open("/proc/sys/kernel/printk_devkmsg", O_WRONLY), fd = open("/dev/kmsg", O_WRONLY);
	char line[400];
	CHECK(write(limit, "on\n", 3) == 3);
	memset(line, 'x', sizeof line);
	for (int i = 0; i < 5000; i++)
		if (write(fd, line, sizeof line) < 0)
			return t_errno(errno);
	const char *why = log_has("attack: the first");
	return why && !strcmp(why, "not there") ? NULL : "still there";
}

static const char *cleared(void)
{
	if (klogctl(5 /* CLEAR */, NULL, 0) < 0)
		return t_errno(errno);
	return log_has("Linux version") ? NULL : "still there";
}

// channel opens what leads to whoever started the machine.
static const char *channel(void)
{
	DIR *d = opendir("/dev");
	int found = 0, e = ENOENT;
	for (struct dirent *x; d && (x = readdir(d));) {
		char path[300];
		snprintf(path, sizeof path, "/dev/%s", x->d_name);
		if (strncmp(x->d_name, "vport", 5) && strncmp(x->d_name, "hvc", 3) && strncmp(x->d_name, "ttyS", 4))
			continue;
		int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY);
		found += fd >= 0, e = errno;
		close(fd);
	}
	return found ? NULL : t_errno(e);
}

static const struct attempt attempts[] = {
	{"int 0x80", by_interrupt}, {"code of 32 bits", narrow}, {"a segment of 32 bits", segment}, {"the upper half", upper_half}, {"x32", x32},
	{"PER_LINUX32", narrow_machine},
	{"init_module", by_bytes}, {"delete_module", unloads}, {"finit_module", by_file}, {"kexec_load", another_kernel}, {"a program of bpf", by_bpf},
	{"a map of bpf", map_of_bpf},
	{"io_uring", ring}, {"userfaultfd", faults}, {"perf events", counts}, {"a key", key}, {"fanotify", watch}, {"a message queue", queue},
	{"semaphores", semaphores}, {"a packet socket", packets}, {"a raw socket", raw_socket}, {"an interface", link_down},
	{"/dev/mem", physical}, {"/proc/kcore", core}, {"a register by msr", register_of}, {"ports by iopl", all_ports}, {"ports by ioperm", some_ports},
	{"the kernel's addresses", addresses}, {"the kernel's log", read_log},
	{"a forged line", forged}, {"control bytes in a name", in_names}, {"the launcher's channel", channel}, {"a flood", drowned}, {"the log cleared", cleared},
};

int main(int argc, char **argv)
{
	if (!getenv("SKERRY_POINTS") && access("/cpuid.ko", F_OK) < 0)
		return 2; // a host
	return t_attempts(argc, argv, attempts, COUNT(attempts));
}
