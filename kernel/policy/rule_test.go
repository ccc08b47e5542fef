package policy

import (
	"strings"
	"testing"

	"skerry/bootrec"
	"skerry/kernel/abi"
)

// TestRules: the rule that a refused call violates is about what it would do. What ends a
// strict machine is a list, so that a call which libraries probe for gets onto it by
// decision only.
func TestRules(t *testing.T) {
	process := map[string]bool{}
	for name := range strings.FieldsSeq("fork vfork clone clone3 execve execveat ptrace process_vm_readv process_vm_writev unshare setns " +
		"init_module finit_module delete_module kexec_load kexec_file_load") {
		process[name] = true
	}
	surface := map[string]bool{}
	for name := range strings.FieldsSeq("semget semop semtimedop semctl msgget msgsnd msgrcv msgctl mq_open mq_unlink mq_timedsend " +
		"mq_timedreceive mq_notify mq_getsetattr kcmp process_madvise process_mrelease io_uring_setup bpf perf_event_open rseq personality") {
		surface[name] = true
	}
	identity := map[string]bool{"mount": true, "reboot": true, "chroot": true, "vhangup": true, "sethostname": true}
	for nr := range abi.MaxSyscall {
		s := abi.Lookup(nr)
		if s == nil {
			continue
		}
		p := CallPoint(nr)
		r := p.Rule()
		if (r == bootrec.RuleProcess) != process[s.Name] {
			t.Errorf("%s: rule %b", s.Name, r)
		}
		if r == bootrec.RuleProcess && s.Reason != abi.NoReason && s.Errno == abi.ENOSYS {
			t.Errorf("%s answers ENOSYS: programs may probe for it", s.Name)
		}
		if surface[s.Name] && r != bootrec.RuleSurface || identity[s.Name] && r != bootrec.RuleIdentity {
			t.Errorf("%s: rule %b", s.Name, r)
		}
		if s.Reason == abi.NoReason && !process[s.Name] && s.Name != "personality" && r != 0 {
			t.Errorf("%s is there, and has rule %b", s.Name, r)
		}
		delete(process, s.Name)
	}
	if len(process) != 0 {
		t.Error("not there:", process)
	}
	if CallPoint(abi.MaxSyscall) != Other || CallPoint(-1) != Other || Other.Rule() != 0 {
		t.Error("a number without a call has a rule")
	}
}
