// Is refused something from 4000 places at once, or ("on") one call after another until it
// is ended: what its record has no room for, if nobody reads it.
#include "t.h"
#include <sys/syscall.h>

// many makes 4000 forks, each by an instruction of its own.
static void many(void)
{
	__asm__ volatile(".rept 4000\n\tmov %0, %%eax\n\tsyscall\n\t.endr" : : "i"(SYS_fork) : "rax", "rcx", "r11", "memory");
}

int main(int argc, char **argv)
{
	int on = argc > 1 && !strcmp(argv[1], "on");
	if (!on)
		many();
	say("refused");
	for (int i = 0; i < 600; i++) {
		usleep(50000);
		if (on)
			fork();
	}
	say("unseen for 30 seconds");
	return 3;
}
