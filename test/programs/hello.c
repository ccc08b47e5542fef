// The smallest program with a C library: buffered output, both streams, a status.
#include <stdio.h>

int main(int argc, char **argv)
{
	printf("hello, %s\n", argc > 1 ? argv[1] : "world");
	fprintf(stderr, "to stderr\n");
	return argc > 2 ? 3 : 0;
}
