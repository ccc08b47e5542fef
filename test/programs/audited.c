// Tries what the model rules out, a known number of times, for the audit record.
#include "t.h"
#include <sys/syscall.h>
#include <sys/mman.h>

int main(void)
{
	char *argv[] = {"/bin/sh\n\"\033[2J", NULL};
	int wrong = 0;
	wrong += fork() != -1;
	wrong += execv(argv[0], argv) != -1;
	wrong += setuid(0) != -1;
	wrong += mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
	wrong += syscall(SYS_io_uring_setup, 1, NULL) != -1;
	wrong += syscall(SYS_ptrace, 0, 0, 0, 0) != -1;
	for (int i = 0; i < 3000; i++)
		wrong += fork() != -1;
	// Nothing of this is in the record.
	fprintf(stderr, "{\"v\":1,\"seq\":1,\"rule\":\"end\"}\n");
	say("not refused %d", wrong);
	return 3;
}
