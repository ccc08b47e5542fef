// Statistics of getrandom(2) and /dev/urandom: each value is right with a probability of
// all but one in 10^9, on any system.
//
// usage: random MIB
#include "t.h"
#include <math.h>
#include <sys/random.h>

enum { BLOCK = 1 << 20 };
static unsigned char block[BLOCK];
static unsigned long long bytes[256], pairs[65536], same, words, runs;
static unsigned last_bit, last_word;

static void count(void)
{
	for (int i = 0; i < BLOCK; i++) {
		bytes[block[i]]++;
		// Runs of equal bits, across bytes, too: changes within, and at the border.
		unsigned b = block[i];
		runs += __builtin_popcount((b ^ b >> 1) & 0x7f) + ((b & 1) != last_bit);
		last_bit = b >> 7;
	}
	for (int i = 0; i < BLOCK; i += 2)
		pairs[block[i] << 8 | block[i + 1]]++;
	for (int i = 0; i < BLOCK; i += 4) {
		unsigned w;
		memcpy(&w, block + i, 4);
		same += w == last_word, words++;
		last_word = w;
	}
}

// far is how many standard deviations a chi-squared value is from its mean (Wilson and
// Hilferty).
static double far(const unsigned long long *n, int kinds, double total)
{
	double x = 0, want = total / kinds, k = kinds - 1;
	for (int i = 0; i < kinds; i++)
		x += (n[i] - want) * (n[i] - want) / want;
	return (cbrt(x / k) - (1 - 2 / (9 * k))) / sqrt(2 / (9 * k));
}

static int good(double sigmas) { return fabs(sigmas) < 6.2; }

static void judge(const char *name, double total)
{
	double bits = 8 * total, ones = 0;
	for (int i = 0; i < 256; i++)
		ones += (double)bytes[i] * __builtin_popcount(i);
	say("%s: ones %s, bytes %s, pairs %s, runs %s, repeated words %s", name, good((2 * ones - bits) / sqrt(bits)) ? "ok" : "BAD",
	    good(far(bytes, 256, total)) ? "ok" : "BAD", good(far(pairs, 65536, total / 2)) ? "ok" : "BAD",
	    good((2.0 * runs - bits) / sqrt(bits)) ? "ok" : "BAD", same <= words / 4294967296.0 + 10 ? "ok" : "BAD");
	memset(bytes, 0, sizeof bytes), memset(pairs, 0, sizeof pairs);
	same = words = runs = 0;
}

int main(int argc, char **argv)
{
	int mib = argc > 1 ? atoi(argv[1]) : 4;
	for (int i = 0; i < mib; i++) {
		// In pieces of many sizes: each draw is of another key.
		for (unsigned at = 0, n = 1; at < BLOCK; at += n, n = n * 5 % 4099 + 1) {
			n = n < BLOCK - at ? n : BLOCK - at;
			CHECK(getrandom(block + at, n, 0) == n);
		}
		count();
	}
	judge("getrandom", (double)mib * BLOCK);
	int fd = open("/dev/urandom", O_RDONLY);
	for (int i = 0; i < mib; i++) {
		CHECK(read(fd, block, BLOCK) == BLOCK);
		count();
	}
	judge("/dev/urandom", (double)mib * BLOCK);
	// What is counted can fail.
	for (int i = 0; i < BLOCK; i++)
		block[i] = i % 255;
	count();
	judge("no random numbers", BLOCK);
	return t_failed;
}
