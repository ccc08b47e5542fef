// How a dynamic program is bound to its library, lazily or at once, with functions that
// are chosen when it starts (IFUNC), and what of that stays writable: of each object that
// was loaded, nothing in PT_GNU_RELRO.
//
// It is built twice: with LIBRARY it is the library.
#include "t.h"

int lib_plain(int a), lib_chosen(int a), lib_calls_back(int (*f)(int), int a);

#ifdef LIBRARY

static int two(int a) { return a + 2; }
static int (*choose(void))(int) { return two; }

int lib_chosen(int a) __attribute__((ifunc("choose")));
int lib_plain(int a) { return a * 10; }
int lib_calls_back(int (*f)(int), int a) { return lib_chosen(f(a)); }

#else

#include "faults.h"
#include <link.h>

// store writes what is there already.
static const char *store(void *p)
{
	catch_faults();
	if (!sigsetjmp(back, 1)) {
		*(volatile long *)p = *(volatile long *)p;
		return "writable";
	}
	return fault_text(p);
}

static int three(int a) { return a + 3; }
static int (*choose_own(void))(int) { return three; }
static int own_chosen(int a) __attribute__((ifunc("choose_own")));
int visible(int a) { return a - 1; }

static int (*const table[])(int) = {visible, lib_plain, lib_chosen, own_chosen};

static void calls(void)
{
	for (int i = 0; i < 2; i++) // bound, if not before, by the first
		say("%d %d %d %d", lib_plain(4), lib_chosen(4), own_chosen(4), lib_calls_back(visible, 4));
	for (size_t i = 0; i < COUNT(table); i++)
		say("through the table %d", ((int (*)(int))((void *volatile *)table)[i])(5));
	say("the same address %d %d", table[1] == lib_plain, table[2] == lib_chosen);
}

// slots are the words through which the program calls its library.
static void slots(void)
{
	const ElfW(Rela) *r = NULL;
	size_t n = 0;
	struct link_map *m = _r_debug.r_map; // the program comes first
	for (const ElfW(Dyn) *d = m->l_ld; d->d_tag != DT_NULL; d++) {
		if (d->d_tag == DT_JMPREL)
			r = (void *)d->d_un.d_ptr;
		if (d->d_tag == DT_PLTRELSZ)
			n = d->d_un.d_val / sizeof *r;
		if (d->d_tag == DT_FLAGS && d->d_un.d_val & DF_BIND_NOW)
			say("bound at once");
	}
	CHECK(r && n > 0);
	int protected = 0, writable = 0, other = 0;
	for (size_t i = 0; r && i < n; i++) {
		const char *s = store((char *)m->l_addr + r[i].r_offset);
		if (!strcmp(s, "writable"))
			writable++;
		else if (!strcmp(s, "SEGV code 2 exact"))
			protected++;
		else
			other++;
	}
	say("slots: protected %s, writable %s, other %d", protected ? "some" : "none", writable ? "some" : "none", other);
}

static const char *base(const char *path)
{
	const char *p = strrchr(path, '/');
	return p ? p + 1 : *path ? path : "program";
}

static int relro(struct dl_phdr_info *i, size_t size, void *arg)
{
	(void)size, (void)arg;
	for (int k = 0; k < i->dlpi_phnum; k++) {
		const ElfW(Phdr) *h = &i->dlpi_phdr[k];
		if (h->p_type != PT_GNU_RELRO)
			continue;
		char *low = (char *)((i->dlpi_addr + h->p_vaddr) & -PAGE), *high = (char *)((i->dlpi_addr + h->p_vaddr + h->p_memsz) & -PAGE);
		const char *name = base(i->dlpi_name);
		if (low >= high) {
			say("%s: less than a page", name);
			continue;
		}
		say("%s, first: %s", name, store(low));
		say("%s, last: %s", name, store(high - sizeof(long)));
		int zero = open("/dev/zero", O_RDONLY);
		say("%s, by the kernel: %s", name, result(read(zero, low, 8)));
		close(zero);
		int r = mprotect(low, PAGE, PROT_READ | PROT_WRITE);
		say("DESIGN %s, writable again: %s", name, r < 0 ? t_errno(errno) : store(low));
		say("DESIGN %s, discarded: %s", name, r == 0 ? "not tried" : madvise(low, PAGE, MADV_DONTNEED) < 0 ? t_errno(errno) : "ok");
		mprotect(low, PAGE, PROT_READ);
	}
	return 0;
}

static void objects(void) { dl_iterate_phdr(relro, NULL); }

static const struct t_case cases[] = {{"calls", calls}, {"slots", slots}, {"objects", objects}};
T_MAIN(cases)

#endif
