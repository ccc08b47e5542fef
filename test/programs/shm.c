// System V shared memory within one process, shmget(2), shmat(2), shmctl(2).
#define _GNU_SOURCE
#include "t.h"
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>

#define KEY (0x534b0000 | (getpid() & 0xffff))
#define MODE (IPC_CREAT | 0600)

static long attached(int id)
{
	struct shmid_ds d;
	return shmctl(id, IPC_STAT, &d) < 0 ? -1 : (long)d.shm_nattch;
}

static void gets(void)
{
	int id = shmget(KEY, 10000, MODE | IPC_EXCL);
	say("made %d", id >= 0);
	say("same %d", shmget(KEY, 10000, 0) == id);
	say("smaller %d", shmget(KEY, 1, MODE) == id);
	say("none %d", shmget(KEY, 0, 0) == id);
	SHOW(shmget(KEY, 10001, 0));
	SHOW(shmget(KEY, 10000, MODE | IPC_EXCL));
	SHOW(shmget(KEY, 20000, MODE | IPC_EXCL));
	SHOW(shmget(KEY + 0x10000, 100, 0));
	SHOW(shmget(KEY + 0x10000, 0, MODE));
	SHOW(shmget(IPC_PRIVATE, 0, 0600));
	SHOW(shmget(IPC_PRIVATE, ~0UL, 0600));
	int a = shmget(IPC_PRIVATE, 4096, 0600), b = shmget(IPC_PRIVATE, 4096, 0600);
	say("private ones differ %d", a != b);
	struct shmid_ds d;
	SHOW(shmctl(id, IPC_STAT, &d));
	say("size %zu mode %o attached %ld key %d cpid %d lpid %d atime %d dtime %d ctime %d", d.shm_segsz, d.shm_perm.mode,
		(long)d.shm_nattch, d.shm_perm.__key == KEY, d.shm_cpid == getpid(), d.shm_lpid, d.shm_atime != 0,
		d.shm_dtime != 0, d.shm_ctime != 0);
	say("owner %d %d", d.shm_perm.uid == getuid(), d.shm_perm.cuid == getuid());
	d.shm_perm.mode = 07640;
	SHOW(shmctl(id, IPC_SET, &d));
	shmctl(id, IPC_STAT, &d);
	say("mode %o", d.shm_perm.mode);
	SHOW(shmctl(id, IPC_STAT, (void *)8));
	SHOW(shmctl(id, 99, &d));
	SHOW(shmctl(-1, IPC_STAT, &d));
	SHOW(shmctl(0x7ffffff0, IPC_STAT, &d));
	SHOW(shmctl(id, SHM_LOCK, NULL));
	shmctl(id, IPC_STAT, &d);
	say("mode %o", d.shm_perm.mode);
	SHOW(shmctl(id, SHM_UNLOCK, NULL));
	SHOW(shmctl(a, IPC_RMID, NULL));
	SHOW(shmctl(a, IPC_RMID, NULL));
	SHOW(shmctl(a, IPC_STAT, &d));
	OK(shmat(a, NULL, 0));
	SHOW(shmctl(b, IPC_RMID, NULL));
	SHOW(shmctl(id, IPC_RMID, NULL));
	SHOW(shmget(KEY, 0, 0));
	struct shminfo i;
	OK(shmctl(0, IPC_INFO, (void *)&i));
	say("max %lu min %lu mni %lu", i.shmmax, i.shmmin, i.shmmni);
}

static void attaches(void)
{
	int id = shmget(IPC_PRIVATE, 3 * PAGE - 100, 0600);
	char *p = shmat(id, NULL, 0);
	say("attached %d, aligned %d", p != (void *)-1, ((uintptr_t)p & 4095) == 0);
	say("zero %d, last page %d", p[0], p[3 * PAGE - 1]);
	strcpy(p + 5000, "shared");
	char *q = shmat(id, NULL, SHM_RDONLY);
	say("%s, other place %d, attached %ld", q + 5000, p != q, attached(id));
	SHOW(mprotect(q, PAGE, PROT_READ | PROT_WRITE));
	SHOW(shmdt(p + 1));
	SHOW(shmdt(p + PAGE));
	SHOW(shmdt(p + 100 * PAGE * 1024));
	SHOW(shmdt(NULL));
	SHOW(shmdt(q));
	SHOW(shmdt(q));
	say("attached %ld", attached(id));
	struct shmid_ds d;
	shmctl(id, IPC_STAT, &d);
	say("lpid %d atime %d dtime %d", d.shm_lpid == getpid(), d.shm_atime != 0, d.shm_dtime != 0);
	// Where one asks for it.
	char *room = mmap(NULL, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	OK(shmat(id, room, 0)); // something is there
	munmap(room, 16 * PAGE);
	say("there %d", shmat(id, room, 0) == room);
	say("there %s", room + 5000);
	OK(shmat(id, room + 100, 0));
	OK(shmat(id, room + PAGE, 0));
	say("rounded %d", shmat(id, room + 4 * PAGE + 100, SHM_RND) == room + 4 * PAGE);
	say("remapped %d", shmat(id, room + PAGE, SHM_REMAP) == room + PAGE);
	say("attached %ld", attached(id));
	OK(shmat(id, NULL, SHM_REMAP));
	OK(shmat(id, (void *)100, SHM_RND | SHM_REMAP));
	OK(shmat(-1, NULL, 0));
	OK(shmat(0x7ffffff0, NULL, 0));
	// The first page of the first is left of it.
	SHOW(shmdt(room));
	say("attached %ld", attached(id));
	SHOW(shmdt(room + PAGE));
	say("attached %ld", attached(id));
	SHOW(shmdt(room + 4 * PAGE));
	say("attached %ld", attached(id));
	// In parts.
	char *r = shmat(id, NULL, 0);
	SHOW(munmap(r + PAGE, PAGE));
	say("attached %ld", attached(id));
	SHOW(shmdt(r));
	say("attached %ld", attached(id));
	r = shmat(id, NULL, 0);
	mprotect(r + PAGE, PAGE, PROT_READ);
	say("attached %ld", attached(id));
	mprotect(r + PAGE, PAGE, PROT_READ | PROT_WRITE);
	SHOW(shmdt(r));
	SHOW(shmdt(p));
	say("attached %ld", attached(id));
	char *s = shmat(id, NULL, 0);
	say("still %s", s + 5000);
	shmdt(s);
	void *plain = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	SHOW(shmdt(plain));
	shmctl(id, IPC_RMID, NULL);
}

static void removes(void)
{
	struct shmid_ds d;
	int id = shmget(KEY, PAGE, MODE | IPC_EXCL);
	char *p = shmat(id, NULL, 0);
	strcpy(p, "kept");
	SHOW(shmctl(id, IPC_RMID, NULL));
	say("%s", p);
	SHOW(shmget(KEY, PAGE, 0));
	SHOW(shmctl(id, IPC_STAT, &d));
	say("mode %o key %d attached %ld", d.shm_perm.mode, d.shm_perm.__key, (long)d.shm_nattch);
	char *q = shmat(id, NULL, 0); // Linux lets it be attached still
	say("%s", q == (void *)-1 ? t_errno(errno) : q);
	SHOW(shmdt(p));
	SHOW(shmctl(id, IPC_RMID, NULL));
	int again = shmget(KEY, PAGE, MODE | IPC_EXCL);
	say("key is free %d, another number %d", again >= 0, again != id);
	SHOW(shmdt(q));
	SHOW(shmctl(id, IPC_STAT, &d));
	p = shmat(again, NULL, 0);
	say("empty %d", p[0]);
	shmctl(again, IPC_RMID, NULL);
	SHOW(munmap(p, PAGE)); // the last attachment, without shmdt
	SHOW(shmctl(again, IPC_STAT, &d));
	OK(shmat(again, NULL, 0));
}

// listed reads the line of a segment in /proc/sysvipc/shm.
static void listed(void)
{
	int id = shmget(IPC_PRIVATE, 2 * PAGE, 0640), n = 0;
	char *p = shmat(id, NULL, 0), line[512];
	p[0] = 1;
	FILE *f = fopen("/proc/sysvipc/shm", "r");
	fgets(line, sizeof line, f);
	say("%s", line);
	while (fgets(line, sizeof line, f)) {
		int key, i, cpid, lpid, uid;
		unsigned mode;
		unsigned long size, count;
		if (sscanf(line, "%d %d %o %lu %d %d %lu %d", &key, &i, &mode, &size, &cpid, &lpid, &count, &uid) == 8 && i == id) {
			say("mode %o size %lu attached %lu, we %d %d %d", mode, size, count, cpid == getpid(), lpid == getpid(), uid == getuid());
			n++;
		}
	}
	fclose(f);
	say("lines %d", n);
	f = fopen("/proc/self/maps", "r");
	while (fgets(line, sizeof line, f))
		if (strstr(line, "/SYSV")) {
			char rights[8], name[64];
			unsigned long off;
			sscanf(line, "%*x-%*x %7s %lx %*s %*d %63[^\n]", rights, &off, name);
			say("%s %lx %s", rights, off, name);
		}
	fclose(f);
	shmdt(p);
	shmctl(id, IPC_RMID, NULL);
}

// A futex in two attachments of one segment is one futex.
static uint32_t *first, *second;

static void *waiter(void *arg)
{
	syscall(SYS_futex, second, 0 /* FUTEX_WAIT */, 0, NULL, NULL, 0);
	return arg;
}

static void futex_in_it(void)
{
	int id = shmget(IPC_PRIVATE, PAGE, 0600);
	first = shmat(id, NULL, 0), second = shmat(id, NULL, 0);
	pthread_t t = go(waiter, NULL);
	while (syscall(SYS_futex, first, 1 /* FUTEX_WAKE */, 1, NULL, NULL, 0) == 0)
		pause_ns(MS);
	pthread_join(t, NULL);
	say("woken");
	shmdt(first), shmdt(second);
	shmctl(id, IPC_RMID, NULL);
}

// Never executable here, as all memory that was written (docs/SECURITY.md).
static void executable(void)
{
	int id = shmget(IPC_PRIVATE, PAGE, 0700);
	char *p = shmat(id, NULL, SHM_EXEC);
	say("DESIGN attached executable: %s", p == (void *)-1 ? t_errno(errno) : "ok");
	p = shmat(id, NULL, 0);
	say("DESIGN made executable: %s", mprotect(p, PAGE, PROT_READ | PROT_EXEC) < 0 ? t_errno(errno) : "ok");
	shmdt(p);
	shmctl(id, IPC_RMID, NULL);
}

static const struct t_case cases[] = {{"gets", gets}, {"attaches", attaches}, {"removes", removes}, {"listed", listed},
	{"futex", futex_in_it}, {"executable", executable}};

T_MAIN(cases)
