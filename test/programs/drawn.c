// drawn prints what this process was given that nobody may guess, 16 bytes each: AT_RANDOM,
// of which a C library makes its stack canary (getauxval(3)), getrandom(2) and
// /dev/urandom.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <unistd.h>

static void show(const char *name, const unsigned char *b) {
	printf("%s ", name);
	for (int i = 0; i < 16; i++)
		printf("%02x", b[i]);
	puts("");
}

int main(void) {
	unsigned char b[16];
	const unsigned char *at = (const unsigned char *)getauxval(AT_RANDOM);
	if (!at)
		return 1;
	show("AT_RANDOM", at);
	memset(b, 0, sizeof b);
	if (getrandom(b, sizeof b, 0) != sizeof b)
		return 2;
	show("getrandom", b);
	memset(b, 0, sizeof b);
	int fd = open("/dev/urandom", O_RDONLY);
	if (fd < 0 || read(fd, b, sizeof b) != sizeof b)
		return 3;
	show("urandom", b);
	return 0;
}
