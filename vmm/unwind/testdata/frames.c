// The program of the record in frames.json, which is what the kernel sent about a run of
// it: it crashes where no frame pointer leads back. The test builds it (framesELF), and
// expects these lines where they are.
#define NOINLINE __attribute__((noinline, noclone))

volatile int sink;
char *volatile nowhere = (char *)8;

NOINLINE int deepest(int n)
{
	volatile char room[100];
	room[n % 100] = 1;
	return *nowhere + room[0];
}

NOINLINE int middle(int n)
{
	volatile int room[30];
	room[n % 30] = n;
	int v = deepest(n + 1);
	return v + room[1] + sink;
}

// recurse has its frame below the stack pointer of whatever size it asks for, so
// that the compiler needs rbp as a frame pointer in this function alone.
NOINLINE int recurse(int n)
{
	volatile char room[n * 16];
	room[n] = 1;
	int v = n == 0 ? middle(3) : recurse(n - 1);
	return v + room[n];
}

NOINLINE int outer(int n)
{
	int a = sink + n, b = sink * n, c = sink - n, d = sink ^ n, e = sink | n, f = sink & n;
	int v = recurse(n);
	return v + a * b - c * d + e * f;
}

void _start(void)
{
	sink = outer(5);
	__asm__ volatile("movl $60, %%eax\n\txorl %%edi, %%edi\n\tsyscall" ::: "rax", "rdi");
}
