package abi

import (
	"strings"
	"testing"
)

// known are the error numbers that a refusal may answer, with the reason that
// makes programs go on.
var known = map[Errno]string{
	ENOSYS:     "Linux without the call",
	EPERM:      "Linux refuses the unprivileged",
	EOPNOTSUPP: "a file system or processor without it",
	ENOSPC:     "a processor without protection keys",
	EINVAL:     "an argument that does not fit",
}

func TestTable(t *testing.T) {
	names := map[string]int{}
	calls := 0
	for nr := range Table {
		s := &Table[nr]
		if gap := nr > SYS_URETPROBE && nr < SYS_PIDFD_SEND_SIGNAL; gap != (s.Name == "") {
			t.Errorf("number %d: name %q", nr, s.Name)
		}
		if s.Name == "" {
			if Lookup(nr) != nil || Denied(nr) != ENOSYS {
				t.Errorf("number %d is there", nr)
			}
			continue
		}
		calls++
		if other, ok := names[s.Name]; ok {
			t.Errorf("%s is %d and %d", s.Name, nr, other)
		}
		names[s.Name] = nr
		if Lookup(nr) != s {
			t.Errorf("Lookup(%d)", nr)
		}
		if strings.HasPrefix(s.Family.String(), "unknown") || strings.HasPrefix(s.Reason.String(), "unknown") {
			t.Errorf("%s: family %d, reason %d", s.Name, s.Family, s.Reason)
		}
		switch {
		case s.Reason == NoReason && s.Note != "":
			t.Errorf("%s: a note on a refusal, but no reason", s.Name)
		case s.Reason != NoReason && known[s.Errno] == "":
			t.Errorf("%s is refused with %v", s.Name, s.Errno)
		case (s.Family == FamilyGone) != (s.Reason == Obsolete):
			t.Errorf("%s: family %v with reason %v", s.Name, s.Family, s.Reason)
		case s.Reason == Obsolete && s.Errno != ENOSYS:
			t.Errorf("%s: Linux answers ENOSYS", s.Name)
		case s.Reason != NoReason && s.Reason != SingleProcess && s.Note == "":
			t.Errorf("%s: refused for %v without a word why", s.Name, s.Reason)
		}
		// "see x" names a call that is there.
		for _, w := range strings.Split(s.Note, "; ") {
			if other, ok := strings.CutPrefix(w, "see "); ok {
				found := false
				for i := range Table {
					found = found || Table[i].Name == other && Table[i].Reason == s.Reason && strings.Contains(Table[i].Note, " ")
				}
				if !found {
					t.Errorf("%s: %q", s.Name, w)
				}
			}
		}
		if e := Denied(nr); e == OK || s.Errno != OK && e != s.Errno {
			t.Errorf("%s answers %v", s.Name, e)
		}
	}
	if calls != 375 {
		t.Errorf("%d calls; Linux 6.12 has 375", calls)
	}
	for _, nr := range []int{-1, MaxSyscall, 1 << 30} {
		if Lookup(nr) != nil || Denied(nr) != ENOSYS {
			t.Errorf("number %d is there", nr)
		}
	}
}

// TestPoints holds what the model rules out (docs/SECURITY.md), so that no change
// of the table loses it unseen.
func TestPoints(t *testing.T) {
	for _, c := range []struct {
		e     Errno
		calls []int
	}{
		{EPERM, []int{SYS_FORK, SYS_VFORK, SYS_EXECVE, SYS_EXECVEAT, SYS_CLONE, SYS_CLONE3, SYS_PTRACE, SYS_UNSHARE, SYS_SETNS,
			SYS_PROCESS_VM_WRITEV, SYS_SETUID, SYS_SETGROUPS, SYS_CAPSET, SYS_MOUNT, SYS_UMOUNT2, SYS_CHROOT, SYS_PIVOT_ROOT,
			SYS_INIT_MODULE, SYS_FINIT_MODULE, SYS_KEXEC_LOAD, SYS_REBOOT, SYS_BPF, SYS_PERF_EVENT_OPEN, SYS_USERFAULTFD,
			SYS_IOPL, SYS_IOPERM, SYS_SETTIMEOFDAY, SYS_CLOCK_SETTIME, SYS_SWAPON, SYS_SYSLOG, SYS_OPEN_BY_HANDLE_AT}},
		{ENOSYS, []int{SYS_IO_URING_SETUP, SYS_IO_URING_ENTER, SYS_IO_SETUP, SYS_KEYCTL, SYS_ADD_KEY, SYS_MODIFY_LDT, SYS_RSEQ,
			SYS_LANDLOCK_CREATE_RULESET, SYS_MEMFD_SECRET, SYS_KCMP, SYS_SEMGET, SYS_MQ_OPEN, SYS_REMAP_FILE_PAGES}},
		{ENOSPC, []int{SYS_PKEY_ALLOC}},
		{ECHILD, []int{SYS_WAIT4, SYS_WAITID}},
	} {
		for _, nr := range c.calls {
			if e := Denied(nr); e != c.e {
				t.Errorf("%s answers %v, not %v", Table[nr].Name, e, c.e)
			}
		}
	}
	for _, nr := range []int{SYS_CLONE, SYS_CLONE3, SYS_WAIT4, SYS_SETUID, SYS_PRCTL, SYS_SECCOMP} {
		if Table[nr].Reason != NoReason {
			t.Errorf("%s is refused, but must be served in part", Table[nr].Name)
		}
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		sig  int
		want string
	}{{-1, ""}, {0, ""}, {1, "SIGHUP"}, {6, "SIGABRT"}, {29, "SIGIO"}, {31, "SIGSYS"}, {32, "SIGRTMIN"}, {33, "SIGRT_1"}, {64, "SIGRT_32"}, {65, ""}} {
		if got := SignalName(c.sig); got != c.want {
			t.Errorf("signal %d is %q, not %q", c.sig, got, c.want)
		}
	}
	for e := EPERM; e <= EHWPOISON; e++ {
		// 41 and 58 are names that other numbers have (EWOULDBLOCK, EDEADLOCK).
		if named := !strings.HasPrefix(e.Error(), "errno "); named != (e.Text() != "") || named == (e == 41 || e == 58) {
			t.Errorf("error %d is %q, %q", int(e), e.Error(), e.Text())
		}
	}
	for _, e := range []Errno{-1, 134, 600, 1 << 30, -1 << 31} {
		if e.Text() != "" {
			t.Errorf("error %d is %q", int(e), e.Text())
		}
	}
}
