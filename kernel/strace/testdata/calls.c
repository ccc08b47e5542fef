// A program that makes a deterministic sequence of system calls with arguments of
// every kind, valid and not, for the comparison with strace(1). Calls between the
// two markers are compared.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/netlink.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#define S(...) syscall(__VA_ARGS__)
#define BAD ((void *)0x1000)

static char buf[4096];
static struct stat st;

static void files(void) {
	int fd = S(SYS_openat, AT_FDCWD, "/etc/hostname-that-is-not", O_RDONLY | O_CLOEXEC);
	S(SYS_openat, AT_FDCWD, BAD, O_RDWR | O_CREAT | O_EXCL, 0600);
	S(SYS_openat, -1, NULL, O_PATH | O_NOFOLLOW | O_DIRECTORY);
	fd = S(SYS_open, "file", O_RDWR | O_CREAT | O_TRUNC | O_NONBLOCK | O_APPEND, 0644);
	S(SYS_write, fd, "hello, \t\n\v\f\r\"\\world\0" "1\1x\377\3777", 30);
	S(SYS_write, fd, "0123456789012345678901234567890123456789", 40);
	S(SYS_write, fd, BAD, 10);
	S(SYS_write, fd, NULL, 0);
	S(SYS_write, fd, "", 0);
	S(SYS_pwrite64, fd, "abc", 3, 100);
	S(SYS_lseek, fd, 0, SEEK_SET);
	S(SYS_lseek, fd, -5, SEEK_CUR);
	S(SYS_lseek, fd, 0, 77);
	S(SYS_read, fd, buf, 16);
	S(SYS_read, fd, buf, sizeof buf);
	S(SYS_read, fd, BAD, 16);
	S(SYS_read, -1, buf, 16);
	S(SYS_pread64, fd, buf, 5, 1);
	struct iovec iov[3] = {{buf, 3}, {buf + 10, 40}, {NULL, 0}};
	S(SYS_lseek, fd, 0, SEEK_SET);
	S(SYS_readv, fd, iov, 3);
	S(SYS_readv, fd, iov, 0);
	S(SYS_readv, fd, NULL, 2);
	S(SYS_writev, fd, iov, 2);
	S(SYS_writev, fd, BAD, 2);
	S(SYS_preadv, fd, iov, 2, 7L);
	S(SYS_pwritev, fd, iov, 2, 7L);
	S(SYS_preadv2, fd, iov, 1, 7L, 0L, RWF_HIPRI);
	S(SYS_pwritev2, fd, iov, 1, -1L, 0L, RWF_DSYNC | RWF_APPEND);
	S(SYS_fstat, fd, &st);
	S(SYS_fstat, -1, &st);
	S(SYS_stat, "/dev/null", &st);
	S(SYS_lstat, ".", &st);
	S(SYS_newfstatat, AT_FDCWD, "file", &st, AT_SYMLINK_NOFOLLOW);
	S(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH);
	struct statx sx;
	S(SYS_statx, AT_FDCWD, "file", AT_STATX_SYNC_AS_STAT, STATX_TYPE | STATX_MODE | STATX_SIZE, &sx);
	S(SYS_statx, AT_FDCWD, "file", AT_STATX_FORCE_SYNC | AT_SYMLINK_NOFOLLOW, STATX_ALL, &sx);
	S(SYS_statx, AT_FDCWD, "no", AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &sx);
	S(SYS_access, "file", R_OK | W_OK);
	S(SYS_access, "file", F_OK);
	S(SYS_faccessat, AT_FDCWD, "file", X_OK);
	S(SYS_faccessat2, AT_FDCWD, "file", R_OK, AT_EACCESS);
	S(SYS_fcntl, fd, F_GETFL);
	S(SYS_fcntl, fd, F_SETFL, O_RDWR | O_NONBLOCK);
	S(SYS_fcntl, fd, F_GETFD);
	S(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
	S(SYS_fcntl, fd, F_GETFD);
	S(SYS_fcntl, fd, F_DUPFD, 20);
	S(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 21);
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 5, .l_len = 10};
	S(SYS_fcntl, fd, F_SETLK, &fl);
	S(SYS_fcntl, fd, F_GETLK, &fl);
	S(SYS_fcntl, fd, F_OFD_SETLK, &fl);
	S(SYS_fcntl, fd, F_SETOWN, 1);
	S(SYS_fcntl, fd, F_GETOWN);
	S(SYS_fcntl, fd, F_SETSIG, SIGUSR1);
	S(SYS_fcntl, fd, F_GETSIG);
	S(SYS_fcntl, fd, 7777, 1);
	S(SYS_flock, fd, LOCK_EX | LOCK_NB);
	S(SYS_fsync, fd);
	S(SYS_fdatasync, -1);
	S(SYS_ftruncate, fd, 1000L);
	S(SYS_truncate, "no-such", 1000L);
	S(SYS_fallocate, fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0L, 10L);
	S(SYS_fadvise64, fd, 0L, 10L, POSIX_FADV_WILLNEED);
	S(SYS_readahead, fd, 0L, 10L);
	S(SYS_sync_file_range, fd, 0L, 10L, SYNC_FILE_RANGE_WRITE);
	S(SYS_dup, fd);
	S(SYS_dup2, fd, 30);
	S(SYS_dup3, fd, 31, O_CLOEXEC);
	S(SYS_close, 30);
	S(SYS_close_range, 31, 40, 0);
	S(SYS_close_range, 41, ~0U, CLOSE_RANGE_CLOEXEC);
	int p[2] = {0};
	S(SYS_pipe2, p, O_CLOEXEC | O_NONBLOCK);
	S(SYS_pipe, BAD);
	loff_t off = 0;
	S(SYS_sendfile, p[1], fd, &off, 20L);
	S(SYS_sendfile, p[1], fd, NULL, 5L);
	off = 3;
	S(SYS_splice, fd, &off, p[1], NULL, 10L, SPLICE_F_NONBLOCK);
	S(SYS_tee, p[0], p[0], 10L, SPLICE_F_NONBLOCK);
	S(SYS_copy_file_range, fd, &off, fd, NULL, 0L, 0);
	struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH};
	S(SYS_openat2, AT_FDCWD, "file", &how, sizeof how);
	S(SYS_mkdir, "dir", 0755);
	S(SYS_mkdirat, AT_FDCWD, "dir", 0700);
	S(SYS_rename, "file", "dir/file");
	S(SYS_renameat2, AT_FDCWD, "dir/file", AT_FDCWD, "file", RENAME_NOREPLACE);
	S(SYS_link, "file", "dir/link");
	S(SYS_linkat, AT_FDCWD, "file", AT_FDCWD, "dir/link2", AT_SYMLINK_FOLLOW);
	S(SYS_symlink, "target", "dir/sym");
	S(SYS_symlinkat, "target", AT_FDCWD, "dir/sym2");
	S(SYS_readlink, "dir/sym", buf, sizeof buf);
	S(SYS_readlinkat, AT_FDCWD, "dir/none", buf, sizeof buf);
	int d = S(SYS_openat, AT_FDCWD, "dir", O_RDONLY | O_DIRECTORY);
	S(SYS_getdents64, d, buf, sizeof buf);
	S(SYS_getdents64, d, buf, sizeof buf);
	S(SYS_chmod, "file", 0640);
	S(SYS_fchmod, fd, 0600);
	S(SYS_fchmodat, AT_FDCWD, "file", 0644);
	S(SYS_chown, "file", -1, -1);
	S(SYS_fchownat, AT_FDCWD, "file", 0, -1, AT_SYMLINK_NOFOLLOW);
	S(SYS_umask, 022);
	S(SYS_umask, 0);
	struct timespec ts[2] = {{1, 2}, {0, UTIME_OMIT}};
	S(SYS_utimensat, AT_FDCWD, "file", ts, 0);
	ts[0].tv_nsec = UTIME_NOW;
	S(SYS_utimensat, AT_FDCWD, "file", ts, AT_SYMLINK_NOFOLLOW);
	S(SYS_utimensat, fd, NULL, NULL, 0);
	struct timeval tv[2] = {{1, 2}, {3, 4}};
	S(SYS_utimes, "file", tv);
	struct utimbuf ut = {1, 2};
	S(SYS_utime, "file", &ut);
	S(SYS_mknod, "dir/fifo", S_IFIFO | 0600, 0);
	S(SYS_mknodat, AT_FDCWD, "dir/none/dev", S_IFCHR | 0600, 0x103);
	S(SYS_mknodat, AT_FDCWD, "dir/plain", 0600, 0);
	S(SYS_setxattr, "file", "user.x", "value", 5L, 0);
	S(SYS_getxattr, "file", "user.none", buf, 10L);
	S(SYS_listxattr, "no-file", buf, 10L);
	S(SYS_removexattr, "no-file", "user.y");
	S(SYS_statfs, "/proc", &(struct statfs){0});
	S(SYS_chdir, "dir");
	S(SYS_chdir, "..");
	S(SYS_unlinkat, AT_FDCWD, "dir", AT_REMOVEDIR);
	S(SYS_unlink, "none");
	S(SYS_rmdir, "none");
	S(SYS_ioctl, fd, TCGETS, buf);
	S(SYS_ioctl, fd, TIOCGWINSZ, buf);
	S(SYS_ioctl, fd, FIONREAD, buf);
	int one = 1;
	S(SYS_ioctl, p[0], FIONBIO, &one);
	S(SYS_ioctl, p[0], FIOCLEX);
	S(SYS_ioctl, fd, 0x800454ff, 5);
	S(SYS_ioctl, fd, 0x1234, 0);
	S(SYS_getcwd, BAD, 100L);
	S(SYS_syncfs, fd);
}

static void memory(void) {
	char *p = (void *)S(SYS_mmap, NULL, 8192L, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L);
	S(SYS_mmap, 0x10000000L, 4096L, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0L);
	S(SYS_mmap, NULL, 4096L, PROT_READ | PROT_EXEC, MAP_SHARED, 99, 0x1000L);
	S(SYS_mmap, NULL, 0L, PROT_READ | 0x100, MAP_SHARED_VALIDATE | MAP_SYNC, -1, 0L);
	S(SYS_mmap, NULL, 1L << 21, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | (21 << MAP_HUGE_SHIFT), -1, 0L);
	S(SYS_mprotect, p, 4096L, PROT_READ | PROT_WRITE);
	S(SYS_mprotect, 1L, 4096L, PROT_READ | PROT_GROWSDOWN);
	S(SYS_madvise, p, 4096L, MADV_DONTNEED);
	S(SYS_madvise, p, 4096L, 777);
	S(SYS_msync, p, 4096L, MS_SYNC | MS_INVALIDATE);
	p[0] = 1;
	S(SYS_mincore, p, 8192L, buf);
	S(SYS_mlock, p, 4096L);
	S(SYS_mlock2, p, 4096L, MLOCK_ONFAULT);
	S(SYS_munlock, p, 4096L);
	S(SYS_mlockall, 0);
	p = (void *)S(SYS_mremap, p, 8192L, 16384L, MREMAP_MAYMOVE);
	S(SYS_mremap, p, 8192L, 16384L, MREMAP_MAYMOVE | MREMAP_FIXED, 0x20000000L);
	S(SYS_munmap, 0x10000000L, 4096L);
	S(SYS_brk, NULL);
	S(SYS_brk, 0x1000L);
	S(SYS_memfd_create, "name", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	S(SYS_pkey_alloc, 0L, 8L);
	S(SYS_pkey_mprotect, p, 4096L, PROT_READ, -1);
	S(SYS_get_mempolicy, NULL, NULL, 0L, NULL, 99L);
}

static void events(void) {
	int p[2];
	S(SYS_pipe2, p, 0);
	struct pollfd f[3] = {{p[0], POLLIN | POLLPRI, 0}, {p[1], POLLOUT | POLLRDHUP, 0}, {-1, POLLIN, 0}};
	S(SYS_poll, f, 3, 1000);
	S(SYS_poll, f, 1, 0);
	S(SYS_poll, NULL, 0, 0);
	S(SYS_poll, BAD, 2, 0);
	struct timespec ts = {1, 5};
	uint64_t set = 1 << (SIGINT - 1);
	S(SYS_ppoll, f, 2, &ts, &set, 8L);
	ts.tv_sec = 0;
	S(SYS_ppoll, f, 1, &ts, NULL, 8L);
	fd_set r, w;
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(p[0], &r);
	FD_SET(p[1], &w);
	struct timeval tv = {0, 0};
	S(SYS_select, p[1] + 1, &r, &w, NULL, &tv);
	FD_SET(p[0], &r);
	S(SYS_select, p[0] + 1, &r, NULL, NULL, &tv);
	S(SYS_select, 0, NULL, NULL, NULL, &tv);
	S(SYS_select, -1, NULL, NULL, BAD, NULL);
	FD_SET(p[1], &w);
	ts.tv_nsec = 0;
	struct { void *s; long n; } sm = {&set, 8};
	S(SYS_pselect6, p[1] + 1, NULL, &w, NULL, &ts, &sm);
	int e = S(SYS_epoll_create1, EPOLL_CLOEXEC);
	S(SYS_epoll_create, 8);
	struct epoll_event ev = {EPOLLOUT | EPOLLET, {.u64 = 0x1234567890}}, out[4];
	S(SYS_epoll_ctl, e, EPOLL_CTL_ADD, p[1], &ev);
	ev.data.u64 = 7;
	S(SYS_epoll_ctl, e, EPOLL_CTL_MOD, p[1], &ev);
	S(SYS_epoll_wait, e, out, 4, 0);
	S(SYS_epoll_pwait, e, out, 4, 0, &set, 8L);
	S(SYS_epoll_pwait2, e, out, 4, &ts, NULL, 8L);
	S(SYS_epoll_ctl, e, EPOLL_CTL_DEL, p[1], &ev);
	S(SYS_epoll_ctl, e, 77, p[1], &ev);
	S(SYS_epoll_wait, e, out, 4, 0);
	S(SYS_epoll_wait, -1, out, 4, 0);
	S(SYS_eventfd2, 7, EFD_CLOEXEC | EFD_NONBLOCK);
	S(SYS_signalfd4, -1, &set, 8L, SFD_CLOEXEC);
	int t = S(SYS_timerfd_create, CLOCK_MONOTONIC, TFD_NONBLOCK);
	struct itimerspec its = {{0, 0}, {100000, 0}}, old;
	S(SYS_timerfd_settime, t, TFD_TIMER_ABSTIME, &its, NULL);
	S(SYS_timerfd_settime, t, 0, NULL, &old);
	int n = S(SYS_inotify_init1, IN_NONBLOCK | IN_CLOEXEC);
	S(SYS_inotify_add_watch, n, ".", IN_CREATE | IN_DELETE | IN_ONLYDIR);
	S(SYS_inotify_rm_watch, n, 1);
}

static void signals(void) {
	struct { void *h; unsigned long flags; void *restorer; uint64_t mask; } act = {(void *)0x401000, SA_RESTART | SA_SIGINFO | 0x04000000, (void *)0x402000, 1UL << (SIGTERM - 1)}, old;
	S(SYS_rt_sigaction, SIGUSR1, &act, &old, 8L);
	S(SYS_rt_sigaction, SIGUSR1, NULL, &old, 8L);
	act.mask = ~0UL;
	act.flags = 0;
	act.h = SIG_IGN;
	S(SYS_rt_sigaction, SIGUSR1, &act, NULL, 8L);
	act.h = SIG_DFL;
	act.mask = 0;
	S(SYS_rt_sigaction, 34, &act, NULL, 8L);
	S(SYS_rt_sigaction, 99, &act, NULL, 8L);
	S(SYS_rt_sigaction, SIGUSR1, BAD, NULL, 8L);
	uint64_t set = 1UL << (SIGUSR2 - 1) | 1UL << (SIGINT - 1) | 1UL << 33, o;
	S(SYS_rt_sigprocmask, SIG_BLOCK, &set, &o, 8L);
	S(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &o, 8L);
	S(SYS_rt_sigprocmask, 77, &set, NULL, 4L);
	S(SYS_kill, getpid(), SIGUSR2);
	S(SYS_rt_sigpending, &o, 8L);
	siginfo_t info = {0};
	struct timespec ts = {0, 0};
	S(SYS_rt_sigtimedwait, &set, &info, &ts, 8L);
	S(SYS_rt_sigtimedwait, &set, &info, &ts, 8L);
	info.si_code = SI_QUEUE;
	info.si_signo = SIGUSR2;
	info.si_pid = 1;
	info.si_value.sival_int = 77;
	S(SYS_rt_sigqueueinfo, getpid(), SIGUSR2, &info);
	S(SYS_rt_sigtimedwait, &set, &info, NULL, 8L);
	S(SYS_tgkill, 1 << 29, 1 << 29, SIGTERM);
	S(SYS_tkill, -1, 0);
	S(SYS_kill, 1 << 29, 0);
	stack_t ss = {.ss_sp = (void *)0x500000, .ss_size = 8192, .ss_flags = 0}, os;
	S(SYS_sigaltstack, &ss, &os);
	ss.ss_flags = SS_DISABLE;
	S(SYS_sigaltstack, &ss, &os);
}

static void times(void) {
	struct timespec ts = {0, 1000}, rem;
	S(SYS_nanosleep, &ts, NULL);
	S(SYS_nanosleep, &ts, &rem);
	ts.tv_nsec = -1;
	S(SYS_nanosleep, &ts, &rem);
	ts.tv_nsec = 1;
	S(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
	S(SYS_clock_gettime, 77, &ts);
	S(SYS_clock_getres, CLOCK_MONOTONIC, &ts);
	S(SYS_clock_getres, CLOCK_REALTIME_COARSE, NULL);
	S(SYS_clock_settime, CLOCK_MONOTONIC, &ts);
	struct itimerval iv = {{0, 0}, {0, 0}}, ov;
	S(SYS_setitimer, ITIMER_REAL, &iv, &ov);
	S(SYS_getitimer, ITIMER_PROF, &ov);
	S(SYS_alarm, 0);
	struct sigevent sev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
	int id = 0;
	S(SYS_timer_create, CLOCK_REALTIME, &sev, &id);
	sev.sigev_notify = SIGEV_NONE;
	sev.sigev_value.sival_int = 5;
	S(SYS_timer_create, CLOCK_MONOTONIC, &sev, &id);
	struct itimerspec its = {{1, 2}, {100000, 4}}, old;
	S(SYS_timer_settime, id, TIMER_ABSTIME, &its, &old);
	S(SYS_timer_settime, 999, 0, &its, &old);
	S(SYS_timer_getoverrun, id);
	S(SYS_timer_delete, id);
	S(SYS_settimeofday, NULL, NULL);
	S(SYS_gettimeofday, BAD, NULL);
}

static void threads(void) {
	uint32_t word = 1;
	struct timespec ts = {0, 1000};
	S(SYS_futex, &word, FUTEX_WAIT, 2, &ts);
	S(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 1, &ts);
	S(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1);
	S(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 2, NULL, NULL, FUTEX_BITSET_MATCH_ANY);
	S(SYS_futex, &word, FUTEX_WAIT_BITSET, 2, &ts, NULL, 5);
	S(SYS_futex, &word, FUTEX_WAKE_BITSET, 2, NULL, NULL, 5);
	S(SYS_futex, &word, FUTEX_REQUEUE, 1, 2L, &word);
	S(SYS_futex, &word, FUTEX_CMP_REQUEUE_PRIVATE, 1, 2L, &word, 7);
	S(SYS_futex, &word, FUTEX_WAKE_OP_PRIVATE, 1, 1L, &word, FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_GT, 3));
	S(SYS_futex, &word, FUTEX_LOCK_PI, 1, &ts);
	word = 0;
	S(SYS_futex, &word, FUTEX_UNLOCK_PI_PRIVATE);
	S(SYS_futex, &word, FUTEX_TRYLOCK_PI);
	S(SYS_futex, &word, 99, 1, 2L, &word, 4);
	struct futex_waitv wv = {1, (uintptr_t)&word, 2 | FUTEX_PRIVATE_FLAG, 0};
	S(SYS_futex_waitv, &wv, 1, 0, NULL, CLOCK_MONOTONIC);
	S(SYS_set_robust_list, 0x404000L, 24L);
	S(SYS_set_tid_address, NULL);
	S(SYS_get_robust_list, 0, BAD, BAD);
	S(SYS_sched_yield);
	uint64_t mask[16] = {1};
	S(SYS_sched_getaffinity, 0, 128, mask);
	S(SYS_sched_setaffinity, 1 << 29, 8, mask);
	int prio = 0;
	S(SYS_sched_getscheduler, 0);
	S(SYS_sched_setscheduler, 1 << 29, SCHED_FIFO | SCHED_RESET_ON_FORK, &prio);
	S(SYS_sched_getparam, 0, &prio);
	S(SYS_sched_setparam, 0, &prio);
	S(SYS_sched_get_priority_max, SCHED_FIFO);
	S(SYS_sched_get_priority_min, SCHED_OTHER);
	uint64_t sa[7] = {0};
	S(SYS_sched_getattr, 0, sa, sizeof sa, 0);
	S(SYS_sched_setattr, 1 << 29, sa, 0);
	S(SYS_getpriority, PRIO_PROCESS, 0);
	S(SYS_setpriority, PRIO_PROCESS, 1 << 29, 5);
	S(SYS_ioprio_get, 1, 0);
	S(SYS_arch_prctl, 0x3001, 0x404000L);
	S(SYS_arch_prctl, 0x1003, BAD);
	S(SYS_prctl, PR_SET_NAME, "a-name");
	S(SYS_prctl, PR_GET_NAME, buf);
	S(SYS_prctl, PR_GET_DUMPABLE);
	S(SYS_prctl, PR_SET_DUMPABLE, 1);
	S(SYS_prctl, PR_SET_PDEATHSIG, 0);
	S(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	S(SYS_prctl, PR_CAPBSET_READ, CAP_SYS_ADMIN);
	S(SYS_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, 0L, 0L, "name");
	S(SYS_prctl, PR_SET_SECCOMP, 7, 0L);
	S(SYS_prctl, PR_GET_SECCOMP);
	S(SYS_prctl, 9999, 1L, 2L, 3L, 4L);
	S(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 1, NULL);
	S(SYS_membarrier, 0, 0, 0);
	S(SYS_membarrier, 16, 0, 0);
	S(SYS_getcpu, NULL, NULL, NULL);
	S(SYS_clone, 0x10000L, NULL, NULL, NULL, 0L);
	S(SYS_clone3, (uint64_t[8]){CLONE_THREAD, 0, 0, 0, SIGCHLD, 0, 0, 0}, 64L);
	S(SYS_clone3, BAD, 64L);
	S(SYS_unshare, 1);
	S(SYS_setns, -1, CLONE_NEWNET);
	int status;
	struct rusage ru;
	S(SYS_wait4, -1, &status, WNOHANG | WUNTRACED, &ru);
	siginfo_t info;
	S(SYS_waitid, P_ALL, 0, &info, WEXITED | WNOHANG, NULL);
	S(SYS_ptrace, 16, 1 << 29, 0L, 0L);
	S(SYS_kcmp, 1, 2, 0, 1L, 1L);
	S(SYS_pidfd_open, -1, 0);
	S(SYS_getpgid, 1 << 29);
	S(SYS_setpgid, 1 << 29, 0);
	S(SYS_execve, "./no-such-program", (char *[]){"sh", "-c", "a b", NULL}, (char *[]){"A=1", "B=2", NULL});
	S(SYS_execve, BAD, NULL, NULL);
	S(SYS_execveat, AT_FDCWD, "./no-such-program", (char *[]){NULL}, (char *[]){"A=1", NULL}, AT_SYMLINK_NOFOLLOW);
	S(SYS_personality, 0xffffffffL);
	S(SYS_rseq, BAD, 0, 0, 0);
}

static void sockets(void) {
	int s = S(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	S(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	S(SYS_socket, 77, 12, 5);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(0), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int one = 1;
	S(SYS_setsockopt, s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	S(SYS_setsockopt, s, SOL_TCP, TCP_NODELAY, &one, sizeof one);
	struct linger lg = {1, 5};
	S(SYS_setsockopt, s, SOL_SOCKET, SO_LINGER, &lg, sizeof lg);
	struct timeval tv = {1, 2};
	S(SYS_setsockopt, s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	S(SYS_setsockopt, s, SOL_IP, IP_TTL, &one, sizeof one);
	S(SYS_setsockopt, s, 999, 5, &one, sizeof one);
	S(SYS_setsockopt, s, SOL_SOCKET, 999, NULL, 0);
	S(SYS_bind, s, &a, sizeof a);
	S(SYS_bind, s, &a, 3);
	S(SYS_bind, s, BAD, 16);
	S(SYS_listen, s, 128);
	struct sockaddr_storage ss;
	socklen_t n = sizeof ss;
	S(SYS_getpeername, s, &ss, &n);
	n = sizeof one;
	S(SYS_getsockopt, s, SOL_SOCKET, SO_TYPE, &one, &n);
	S(SYS_getsockopt, s, SOL_SOCKET, SO_ERROR, &one, &n);
	S(SYS_getsockopt, s, SOL_SOCKET, SO_ACCEPTCONN, &one, &n);
	S(SYS_getsockopt, s, SOL_TCP, 999, &one, &n);
	n = sizeof ss;
	S(SYS_accept4, s, &ss, &n, SOCK_CLOEXEC);
	S(SYS_accept, -1, NULL, NULL);
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
	inet_pton(AF_INET6, "fe80::1:0:0:5", &a6.sin6_addr);
	a6.sin6_scope_id = 9999;
	S(SYS_connect, -1, &a6, sizeof a6);
	inet_pton(AF_INET6, "::ffff:1.2.3.4", &a6.sin6_addr);
	S(SYS_connect, -1, &a6, sizeof a6);
	inet_pton(AF_INET6, "::", &a6.sin6_addr);
	S(SYS_connect, -1, &a6, sizeof a6);
	struct sockaddr_nl nl = {.nl_family = AF_NETLINK, .nl_pid = 5, .nl_groups = 0x11};
	S(SYS_bind, -1, &nl, sizeof nl);
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/no/such"};
	S(SYS_connect, -1, &un, sizeof un);
	memcpy(un.sun_path, "\0abs\0t", 6);
	S(SYS_connect, -1, &un, 8);
	S(SYS_connect, -1, &un, 2);
	S(SYS_shutdown, s, SHUT_RDWR);
	int v[2];
	S(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, v);
	S(SYS_sendto, v[0], "datagram", 8L, MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0);
	n = sizeof ss;
	S(SYS_recvfrom, v[1], buf, 100L, MSG_DONTWAIT, &ss, &n);
	S(SYS_recvfrom, v[1], buf, 100L, MSG_DONTWAIT, NULL, NULL);
	struct iovec iov = {"message", 7};
	struct { struct cmsghdr h; int fd; int pad; } cm = {{20, SOL_SOCKET, SCM_RIGHTS}, v[0], 0};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &cm, .msg_controllen = sizeof cm};
	S(SYS_sendmsg, v[0], &m, 0);
	S(SYS_sendmsg, -1, BAD, 0);
	struct iovec riov = {buf, 100};
	char ctl[64];
	struct msghdr rm = {.msg_name = &ss, .msg_namelen = sizeof ss, .msg_iov = &riov, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof ctl};
	S(SYS_recvmsg, v[1], &rm, MSG_CMSG_CLOEXEC);
	S(SYS_recvmsg, v[1], &rm, MSG_DONTWAIT);
	struct mmsghdr mm[2] = {{{.msg_iov = &iov, .msg_iovlen = 1}}, {{.msg_iov = &iov, .msg_iovlen = 1}}};
	S(SYS_sendmmsg, v[0], mm, 2, 0);
	mm[0].msg_hdr.msg_iov = mm[1].msg_hdr.msg_iov = &riov;
	S(SYS_recvmmsg, v[1], mm, 2, MSG_WAITFORONE, NULL);
	S(SYS_recvmmsg, v[1], mm, 2, MSG_DONTWAIT, NULL);
	int u = S(SYS_socket, AF_INET, SOCK_DGRAM, IPPROTO_IP);
	a.sin_port = htons(9);
	S(SYS_sendto, u, "x", 1L, MSG_MORE, &a, sizeof a);
	S(SYS_connect, u, &a, sizeof a);
	n = sizeof ss;
	S(SYS_getpeername, u, &ss, &n);
	n = 4;
	S(SYS_getpeername, u, &ss, &n);
}

static void system_(void) {
	struct utsname un;
	S(SYS_uname, &un);
	S(SYS_uname, BAD);
	struct rlimit64 rl;
	S(SYS_prlimit64, 0, RLIMIT_STACK, NULL, &rl);
	S(SYS_getrlimit, RLIMIT_NOFILE, &rl);
	S(SYS_getrlimit, RLIMIT_CORE, &rl);
	S(SYS_setrlimit, RLIMIT_CORE, &rl);
	S(SYS_getrlimit, 77, &rl);
	S(SYS_getrandom, BAD, 10L, 1);
	S(SYS_sysinfo, BAD);
	S(SYS_getrusage, 77, BAD);
	S(SYS_getuid);
	S(SYS_setuid, -1);
	unsigned r, e, v;
	S(SYS_getresuid, &r, &e, &v);
	S(SYS_setresuid, -1, -1, -1);
	S(SYS_getgroups, 0, NULL);
	S(SYS_setgroups, 0, BAD);
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2];
	S(SYS_capget, &h, NULL);
	S(SYS_mount, "src", "/no/such/target", "tmpfs", 2L, NULL);
	S(SYS_umount2, "/no/such/target", 2);
	S(SYS_reboot, 1, 2, 3, 0L);
	S(SYS_keyctl, 9999, 0L, 0L, 0L, 0L);
	S(SYS_bpf, 9999, NULL, 0);
	S(SYS_shmget, 0x1234, 4096L, 0600);
	S(SYS_syslog, 99, NULL, 0);
	S(500, 1L, 2L, 3L, 4L, 5L, 6L);
}

int main(void) {
	S(SYS_close, -4242);
	files();
	memory();
	events();
	times();
	threads();
	sockets();
	system_();
	signals();
	S(SYS_close, -4242);
	S(SYS_exit_group, 3);
}
