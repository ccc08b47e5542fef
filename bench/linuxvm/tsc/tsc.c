// Prints the frequency of this processor's time-stamp counter in kHz.
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

// sample reads both clocks as closely together as it can: the best of 100.
static void sample(uint64_t *ns, uint64_t *tsc)
{
	uint64_t best = ~0ull;
	for (int i = 0; i < 100; i++) {
		struct timespec t;
		uint64_t a = __rdtsc();
		clock_gettime(CLOCK_MONOTONIC_RAW, &t);
		uint64_t b = __rdtsc();
		if (b - a < best) {
			best = b - a;
			*tsc = a + (b - a) / 2;
			*ns = t.tv_sec * 1000000000ull + t.tv_nsec;
		}
	}
}

int main(void)
{
	uint64_t n0, t0, n1, t1;
	struct timespec wait = {0, 100000000};
	sample(&n0, &t0);
	nanosleep(&wait, NULL);
	sample(&n1, &t1);
	printf("%.0f\n", (double)(t1 - t0) * 1e6 / (double)(n1 - n0));
	return 0;
}
