// What relocation wrote stays read-only: the range of PT_GNU_RELRO, which the C
// library protects at the start, cannot be made writable again on Skerry.
#include "t.h"
#include <link.h>

static void nothing(void)
{
}

// A table of addresses that is constant once it is relocated.
static void (*const table[])(void) = {nothing, nothing};

static uintptr_t low, high;

static int find(struct dl_phdr_info *i, size_t size, void *arg)
{
	(void)size, (void)arg;
	for (int k = 0; k < i->dlpi_phnum; k++)
		if (i->dlpi_phdr[k].p_type == PT_GNU_RELRO) {
			low = (i->dlpi_addr + i->dlpi_phdr[k].p_vaddr) & -PAGE;
			high = (i->dlpi_addr + i->dlpi_phdr[k].p_vaddr + i->dlpi_phdr[k].p_memsz) & -PAGE;
		}
	return low != 0;
}

static void protected_range(void)
{
	dl_iterate_phdr(find, NULL);
	CHECK(low != 0 && low < high);
	table[0]();
	say("mapped %s", t_protection((void *)low));
	say("DESIGN writable again: %s", mprotect((void *)low, PAGE, PROT_READ | PROT_WRITE) < 0 ? t_errno(errno) : "ok");
	say("DESIGN executable: %s", mprotect((void *)low, PAGE, PROT_READ | PROT_EXEC) < 0 ? t_errno(errno) : "ok");
	say("DESIGN gone: %s", mprotect((void *)low, PAGE, PROT_NONE) < 0 ? t_errno(errno) : "ok");
	mprotect((void *)low, PAGE, PROT_READ);
	// What lies behind it can be written as before.
	static int data = 1;
	data++;
	say("data %d", data);
}

static const struct t_case cases[] = {{"protected", protected_range}};
T_MAIN(cases)
