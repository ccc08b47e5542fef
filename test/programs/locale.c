// What a program sees of the locale that its environment names.
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

int main(void)
{
	const char *l = setlocale(LC_ALL, "");
	printf("locale %s, character set %s, longest %zu\n", l ? l : "none", nl_langinfo(CODESET), MB_CUR_MAX);
	wchar_t w[16];
	size_t n = mbstowcs(w, "\xc3\xa4\xce\xbb\xe2\x82\xac", 16);
	printf("%zd characters:", n);
	for (size_t i = 0; n != (size_t)-1 && i < n; i++)
		printf(" %04x %d %04x", (unsigned)w[i], iswalpha(w[i]) != 0, (unsigned)towupper(w[i]));
	printf("\n%s, %d\n", nl_langinfo(RADIXCHAR), strcoll("a", "B") < 0);
	return 0;
}
