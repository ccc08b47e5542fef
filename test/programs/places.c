// Places that are only there because they were asked for: file systems in memory
// and secrets. It prints what it finds at the paths that its arguments name.
#include "t.h"
#include <dirent.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

static void tmpfs(const char *path)
{
	char name[300];
	struct statvfs v;
	if (statvfs(path, &v)) {
		printf("%s: %s\n", path, t_errno(errno));
		return;
	}
	printf("%s: %lu KiB\n", path, (unsigned long)(v.f_blocks * v.f_frsize / 1024));
	snprintf(name, sizeof name, "%s/file", path);
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0644);
	if (fd < 0) {
		printf("create: %s\n", t_errno(errno));
		return;
	}
	static char block[65536];
	memset(block, 'x', sizeof block);
	long total = 0;
	ssize_t n;
	while (total < 8 << 20 && (n = write(fd, block, sizeof block)) > 0)
		total += n;
	printf("wrote %ld KiB, then %s\n", total / 1024, total < 8 << 20 ? t_errno(errno) : "stopped");
	ftruncate(fd, 4096);
	void *m = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	printf("as code: %s\n", m == MAP_FAILED ? t_errno(errno) : "mapped");
	close(fd);
	printf("unlink: %s\n", unlink(name) ? t_errno(errno) : "done");
}

static void list(const char *path)
{
	DIR *d = opendir(path);
	if (!d) {
		printf("%s: %s\n", path, t_errno(errno));
		return;
	}
	char *names[64];
	int n = 0;
	for (struct dirent *e; (e = readdir(d)) && n < 64;)
		if (e->d_name[0] != '.')
			names[n++] = strdup(e->d_name);
	closedir(d);
	for (int i = 0; i < n; i++)
		for (int j = i + 1; j < n; j++)
			if (strcmp(names[i], names[j]) > 0) {
				char *x = names[i];
				names[i] = names[j], names[j] = x;
			}
	for (int i = 0; i < n; i++) {
		char name[400], text[100] = "";
		struct stat st;
		snprintf(name, sizeof name, "%s/%s", path, names[i]);
		stat(name, &st);
		int fd = open(name, O_RDONLY);
		long k = read(fd, text, sizeof text - 1);
		printf("%s %o %ld '%.*s'\n", name, st.st_mode & 07777, (long)st.st_size, (int)(k > 0 ? k : 0), text);
		close(fd);
	}
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strncmp(argv[i], "list=", 5))
			list(argv[i] + 5);
		else if (!strncmp(argv[i], "env=", 4))
			printf("%s is %s\n", argv[i] + 4, getenv(argv[i] + 4) ? getenv(argv[i] + 4) : "not set");
		else
			tmpfs(argv[i]);
	FILE *f = fopen("/proc/self/mountinfo", "r");
	char line[400];
	while (f && fgets(line, sizeof line, f)) {
		char *s = strstr(line, " / ");
		if (s && strstr(s, "tmpfs tmpfs"))
			printf("mounted %s\n", strtok(s + 3, " "));
	}
	return 0;
}
