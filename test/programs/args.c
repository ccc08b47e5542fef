// What a program gets from its loader: arguments, environment, auxiliary vector,
// and how the stack is laid out (x86-64 psABI, 3.4.1).
#include "t.h"
#include <elf.h>
#include <sys/auxv.h>

extern char **environ;
extern char __executable_start[] __attribute__((weak));

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char **)a, *(char **)b);
}

static const struct {
	unsigned long type;
	const char *name;
	int shown; // the value is the same everywhere
} known[] = {
	{AT_PHENT, "AT_PHENT", 1}, {AT_PAGESZ, "AT_PAGESZ", 1}, {AT_BASE, "AT_BASE", 1}, {AT_FLAGS, "AT_FLAGS", 1},
	{AT_CLKTCK, "AT_CLKTCK", 1}, {AT_SECURE, "AT_SECURE", 1}, {AT_PHDR, "AT_PHDR", 0}, {AT_PHNUM, "AT_PHNUM", 1},
	{AT_ENTRY, "AT_ENTRY", 0}, {AT_RANDOM, "AT_RANDOM", 0}, {AT_EXECFN, "AT_EXECFN", 0},
	{AT_PLATFORM, "AT_PLATFORM", 0}, {AT_HWCAP, "AT_HWCAP", 0}, {AT_SYSINFO_EHDR, "AT_SYSINFO_EHDR", 0},
};

int main(int argc, char **argv)
{
	say("argc %d", argc);
	for (int i = 0; i < argc; i++)
		say("argv[%d] %s (%zu bytes)", i, i ? argv[i] : "", i ? strlen(argv[i]) : 0);
	CHECK(argv[argc] == NULL);
	int n = 0;
	while (environ[n])
		n++;
	qsort(environ, n, sizeof *environ, by_text);
	for (int i = 0; i < n; i++)
		say("%senv %s", !strncmp(environ[i], "PATH=", 5) || !strncmp(environ[i], "HO", 2) ? "DESIGN " : "", environ[i]);
	// Strings lie above the vectors; the auxiliary vector follows the environment.
	CHECK((char *)(environ + n) < argv[0]);
	const Elf64_auxv_t *aux = (void *)(environ + n + 1);
	CHECK((uintptr_t)argv % 16 == 8); // argc, before it, is aligned to 16
	for (size_t k = 0; k < COUNT(known); k++) {
		const Elf64_auxv_t *a = aux;
		int seen = 0;
		for (; a->a_type != AT_NULL; a++)
			if (a->a_type == known[k].type) {
				seen++;
				// glibc keeps something of its own under AT_HWCAP.
				if (known[k].type != AT_HWCAP && a->a_un.a_val != getauxval(known[k].type))
					say("FAIL %s differs", known[k].name);
			}
		if (known[k].shown)
			say("%s %lu, %d times", known[k].name, getauxval(known[k].type), seen);
		else
			say("%s %s, %d times", known[k].name, getauxval(known[k].type) ? "set" : "null", seen);
	}
	say("AT_PLATFORM %s", (char *)getauxval(AT_PLATFORM));
	say("AT_EXECFN ends as argv[0]: %d", !strcmp(strrchr((char *)getauxval(AT_EXECFN), '/') + 1,
		strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0]));
	const Elf64_Phdr *ph = (void *)getauxval(AT_PHDR);
	int loads = 0, stack = 0;
	for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++) {
		loads += ph[i].p_type == PT_LOAD;
		if (ph[i].p_type == PT_GNU_STACK)
			stack = ph[i].p_flags & PF_X ? 2 : 1;
	}
	say("loads %s, stack header %d", loads ? "some" : "none", stack);
	const unsigned char *random = (void *)getauxval(AT_RANDOM);
	int zero = 1;
	for (int i = 0; i < 16; i++)
		zero &= !random[i];
	CHECK(!zero);
	say("DESIGN uid %lu %lu gid %lu %lu", getauxval(AT_UID), getauxval(AT_EUID), getauxval(AT_GID), getauxval(AT_EGID));
	say("DESIGN getuid %d %d getgid %d %d", getuid(), geteuid(), getgid(), getegid());
	// The binary is where its headers say, in one piece with them.
	CHECK(!memcmp((char *)ph - ((Elf64_Ehdr *)((uintptr_t)ph & ~(PAGE - 1)))->e_phoff, ELFMAG, 4));
	return t_failed;
}
