package machine

import (
	"strings"
	"testing"

	"skerry/bootrec"
	"skerry/kernel/abi"
	"skerry/kernel/ground"
	"skerry/kernel/policy"
	"skerry/kernel/task"
)

// TestRefusedKept: nobody has asked for an audit or a log, and still the last refused calls
// are there for a report, by their numbers; telling them costs no memory. rseq, for which
// every C library asks, is none.
func TestRefusedKept(t *testing.T) {
	m := &Machine{Record: &bootrec.Record{}}
	m.traceHooks()
	thread := &task.Thread{TID: 7, Ctx: new(ground.Ctx)}
	thread.Ctx.Regs.RIP = 0x401000
	count := func() (n int, last string) {
		policy.Recent(func(json string) { n, last = n+1, json })
		return n, last
	}
	args := [6]uintptr{0x1234, 2}
	before, _ := count()
	m.refused(thread, abi.SYS_RSEQ, &args, abi.ENOSYS)
	if n, last := count(); n != before || strings.Contains(last, "rseq") {
		t.Error("rseq is kept:", last)
	}
	for _, c := range []struct {
		nr   uint64
		call string
		e    abi.Errno
	}{
		{abi.SYS_MQ_OPEN, `"call":"mq_open","what":"mq_open(0x1234, O_RDWR`, abi.ENOSYS},
		{abi.SYS_BPF, `"call":"bpf","what":"bpf(`, abi.EPERM},
		{abi.SYS_CREATE_MODULE, `"call":"create_module","what":"create_module(0x1234`, abi.ENOSYS},
		{1 << 40, `"call":"syscall_0x10000000000","what":"syscall_0x10000000000(0x1234`, abi.ENOSYS},
		{1<<63 | 39, `"call":"syscall_0x8000000000000027","what":"syscall_0x8000000000000027(0x1234`, abi.ENOSYS},
	} {
		m.refused(thread, c.nr, &args, c.e)
		n, last := count()
		if n == 0 || !strings.Contains(last, c.call) || !strings.Contains(last, `"errno":"`+c.e.Error()+`"`) || !strings.Contains(last, `"tid":7,"pc":"0x401000"`) {
			t.Errorf("%s: %d kept, the last %s", c.call, n, last)
		}
		if a := testing.AllocsPerRun(100, func() { m.refused(thread, c.nr, &args, c.e) }); a != 0 {
			t.Errorf("%s: %v allocations", c.call, a)
		}
	}
}
