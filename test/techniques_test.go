package skerrytest

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// technique is a way to what docs/SECURITY.md rules out, with the attacks that try it.
type technique struct {
	name    string
	attacks []attack
	// noScript is why no program in a scripting language tries it, "" if one does.
	noScript string
}

// attack is an attempt that a program makes. It works on Linux and is refused in a machine.
type attack struct {
	program, attempt string
	// refused is what the attempt is refused with in a machine: an errno, a signal, or what
	// the language says.
	refused string
	// record is the rule and the call in the audit record, with the errno where it is
	// another one than the program sees; "" for what no rule names: files that are not
	// there, attributes of files, instructions that fault.
	record string
	// ends is the rule and the call that ended the machine, if there is memory for a JIT
	// compiler, without which there is nothing to jump to.
	ends string
	// root: on Linux it takes root's rights.
	root bool
	// nothing is why there is nothing to succeed with on Linux. Such an attack does not
	// count.
	nothing string
}

const (
	clone   = "call clone"
	process = "call process" // fork, vfork, clone or clone3, as the library likes
	execve  = "call execve"
	unshare = "call unshare"
)

var techniques = []technique{
	{name: "start another program", attacks: []attack{
		{program: "process.c", attempt: "execve", refused: "EPERM", record: execve},
		{program: "process.c", attempt: "execveat", refused: "EPERM", record: "call execveat"},
		{program: "process.c", attempt: "a program in memory", refused: "EPERM", record: "call execveat"},
		{program: "process.c", attempt: "a written program", refused: "EPERM", record: execve},
		{program: "process.c", attempt: "posix_spawn", refused: "EPERM", record: process},
		{program: "python", attempt: "spawn", refused: "EPERM", record: process},
		{program: "python", attempt: "exec", refused: "EPERM", record: execve},
		{program: "python", attempt: "a program in memory", refused: "EPERM", record: "call execveat"},
		{program: "perl", attempt: "a program in memory", refused: "EPERM", record: execve},
		{program: "perl", attempt: "exec", refused: "EPERM", record: execve},
		{program: "node", attempt: "spawn", refused: "EPERM", record: process},
		{program: "node", attempt: "itself", refused: "EPERM", record: process},
		{program: "ruby", attempt: "spawn", refused: "EPERM", record: process},
		{program: "ruby", attempt: "exec", refused: "EPERM", record: execve},
		{program: "php", attempt: "proc_open", refused: "false", record: process + " EPERM"},
		{program: "php", attempt: "mail", refused: "false", record: process + " EPERM"},
		{program: "php", attempt: "execve", refused: "false", record: "call execve EPERM"},
	}},
	{name: "fork", attacks: []attack{
		{program: "process.c", attempt: "fork", refused: "EPERM", record: clone},
		{program: "process.c", attempt: "vfork", refused: "EPERM", record: "call vfork"},
		{program: "process.c", attempt: "clone", refused: "EPERM", record: clone},
		{program: "process.c", attempt: "clone with shared memory", refused: "EPERM", record: clone},
		{program: "process.c", attempt: "clone into namespaces", refused: "EPERM", record: clone, root: true},
		{program: "process.c", attempt: "clone3", refused: "EPERM", record: "call clone3"},
		{program: "python", attempt: "fork", refused: "EPERM", record: process},
		{program: "perl", attempt: "fork", refused: "EPERM", record: process},
		{program: "ruby", attempt: "fork", refused: "EPERM", record: process},
		{program: "php", attempt: "fork", refused: "false", record: process + " EPERM"},
	}},
	{name: "run written bytes", attacks: []attack{
		{program: "code.c", attempt: "written memory", refused: "EACCES", record: "jit mmap"},
		{program: "code.c", attempt: "memory reprotected", refused: "EACCES", record: "jit mprotect"},
		{program: "code.c", attempt: "two views of memory", refused: "EACCES", record: "jit mprotect"},
		{program: "code.c", attempt: "a file in memory", refused: "EACCES", record: "wx mmap"},
		{program: "code.c", attempt: "a written file", refused: "EACCES", record: "wx mmap"},
		{program: "code.c", attempt: "a segment", refused: "EACCES", record: "wx shmat"},
		{program: "code.c", attempt: "the program's file, changed", refused: "EACCES", record: "wx mprotect"},
		{program: "code.c", attempt: "the stack", refused: "EACCES", record: "wx mprotect"},
		{program: "code.c", attempt: "the heap", refused: "EACCES", record: "wx mprotect"},
		{program: "code.c", attempt: "data", refused: "EACCES", record: "wx mprotect"},
		{program: "code.c", attempt: "READ_IMPLIES_EXEC", refused: "EINVAL", record: "call personality"},
		{program: "code.c", attempt: "pkey_mprotect", refused: "EACCES", record: "jit mprotect"},
		{program: "python", attempt: "written memory", refused: "EACCES", record: "jit mmap"},
		{program: "python", attempt: "memory reprotected", refused: "EACCES", record: "jit mprotect"},
		{program: "python", attempt: "a file in memory", refused: "EACCES", record: "wx mmap"},
		{program: "python", attempt: "a written file", refused: "EACCES", record: "wx mmap"},
		{program: "python", attempt: "a copied library", refused: "EACCES", record: "wx mmap"},
		{program: "python", attempt: "the heap", refused: "EACCES", record: "wx mprotect"},
		{program: "perl", attempt: "written memory", refused: "EACCES", record: "jit mmap", ends: "origin exit_group"},
		{program: "perl", attempt: "memory reprotected", refused: "EACCES", record: "jit mprotect"},
		{program: "node", attempt: "a copied library", refused: "EACCES", record: "wx mmap"},
		{program: "ruby", attempt: "written memory", refused: "EACCES", record: "jit mmap"},
		{program: "ruby", attempt: "memory reprotected", refused: "EACCES", record: "jit mprotect"},
		{program: "ruby", attempt: "a copied library", refused: "EACCES", record: "wx mmap"},
		{program: "php", attempt: "written memory", refused: "false", record: "jit mmap EACCES"},
	}},
	{name: "change code and what leads to it", attacks: []attack{
		{program: "code.c", attempt: "code made writable", refused: "EACCES", record: "wx mprotect"},
		{program: "code.c", attempt: "RELRO made writable", refused: "EPERM", record: "sealed mprotect"},
		{program: "code.c", attempt: "constants made writable", refused: "EPERM", record: "sealed mprotect"},
		{program: "code.c", attempt: "the vDSO made writable", refused: "EACCES", record: "wx mprotect"},
		{program: "code.c", attempt: "code by /proc/self/mem", refused: "ENOENT"},
		{program: "code.c", attempt: "constants by /proc/self/mem", refused: "ENOENT"},
		{program: "code.c", attempt: "the vDSO by /proc/self/mem", refused: "ENOENT"},
		{program: "code.c", attempt: "code by ptrace", refused: "EPERM", record: "call ptrace"},
		{program: "code.c", attempt: "a pointer by process_vm_writev", refused: "EPERM", record: "call process_vm_writev"},
		{program: "python", attempt: "code by /proc/self/mem", refused: "ENOENT"},
		{program: "python", attempt: "memory by process_vm_writev", refused: "EPERM", record: "call process_vm_writev"},
		{program: "python", attempt: "ptrace", refused: "EPERM", record: "call ptrace"},
		{program: "perl", attempt: "code by /proc/self/mem", refused: "ENOENT"},
		{program: "perl", attempt: "ptrace", refused: "EPERM", record: "call ptrace"},
		{program: "node", attempt: "code by /proc/self/mem", refused: "ENOENT"},
		{program: "ruby", attempt: "code by /proc/self/mem", refused: "ENOENT"},
		{program: "php", attempt: "code by /proc/self/mem", refused: "false"},
	}},
	{name: "put other memory in the place of sealed code", attacks: []attack{
		{program: "code.c", attempt: "code mapped over", refused: "EPERM", record: "sealed mmap"},
		{program: "code.c", attempt: "code moved over", refused: "EPERM", record: "sealed mremap"},
		{program: "code.c", attempt: "a segment over code", refused: "EPERM", record: "sealed shmat"},
		{program: "code.c", attempt: "code unmapped", refused: "EPERM", record: "sealed munmap"},
		{program: "code.c", attempt: "code withdrawn", refused: "EPERM", record: "sealed mprotect"},
		{program: "code.c", attempt: "RELRO dropped", refused: "EPERM", record: "sealed madvise"},
		{program: "code.c", attempt: "the vDSO moved", refused: "EPERM", record: "sealed mremap"},
		{program: "python", attempt: "code unmapped", refused: "EPERM", record: "sealed munmap"},
		{program: "python", attempt: "code withdrawn", refused: "EPERM", record: "sealed mprotect"},
		{program: "python", attempt: "code mapped over", refused: "EPERM", record: "sealed mmap"},
	}},
	{name: "call the kernel from written memory", attacks: []attack{
		{program: "code.c", attempt: "a call from written memory", refused: "EACCES", record: "jit mmap", ends: "origin getpid"},
		{program: "code.c", attempt: "a call from memory reprotected", refused: "EACCES", record: "jit mprotect", ends: "origin getpid"},
		{program: "code.c", attempt: "a call from a second view", refused: "EACCES", record: "jit mprotect", ends: "origin getpid"},
		{program: "code.c", attempt: "a call from a thread's memory", refused: "EACCES", record: "jit mmap", ends: "origin getpid"},
		{program: "perl", attempt: "written memory", refused: "EACCES", record: "jit mmap", ends: "origin exit_group"},
	}},
	{name: "enter the kernel by old doors", attacks: []attack{
		{program: "kernel.c", attempt: "int 0x80", refused: "SIGSEGV"},
		{program: "kernel.c", attempt: "code of 32 bits", refused: "SIGSEGV"},
		{program: "kernel.c", attempt: "a segment of 32 bits", refused: "ENOSYS", record: "call modify_ldt"},
		{program: "kernel.c", attempt: "the upper half", refused: "ENOSYS", record: "call syscall_0x100000027"},
		{program: "kernel.c", attempt: "PER_LINUX32", refused: "EINVAL", record: "call personality"},
		{program: "kernel.c", attempt: "x32", refused: "ENOSYS", record: "call syscall_0x40000027", nothing: "distributions build Linux without CONFIG_X86_X32_ABI"},
		{program: "code.c", attempt: "vsyscall", refused: "SIGSEGV", nothing: "Linux may be built or started without the page"},
		{program: "python", attempt: "the upper half", refused: "ENOSYS", record: "call syscall_0x100000027"},
		{program: "python", attempt: "PER_LINUX32", refused: "EINVAL", record: "call personality"},
		{program: "perl", attempt: "the upper half", refused: "ENOSYS", record: "call syscall_0x100000027"},
	}},
	{name: "namespaces, mounts, another root", attacks: []attack{
		{program: "process.c", attempt: "unshare", refused: "EPERM", record: unshare, root: true},
		{program: "process.c", attempt: "a user namespace", refused: "EPERM", record: unshare},
		{program: "process.c", attempt: "setns", refused: "EPERM", record: "call setns", root: true},
		{program: "process.c", attempt: "chroot", refused: "EPERM", record: "call chroot", root: true},
		{program: "process.c", attempt: "mount", refused: "EPERM", record: "call mount", root: true},
		{program: "process.c", attempt: "umount", refused: "EPERM", record: "call umount2", root: true},
		{program: "process.c", attempt: "pivot_root", refused: "EPERM", record: "call pivot_root", root: true},
		{program: "process.c", attempt: "open_tree", refused: "EPERM", record: "call open_tree", root: true},
		{program: "process.c", attempt: "fsopen", refused: "EPERM", record: "call fsopen", root: true},
		{program: "process.c", attempt: "sethostname", refused: "EPERM", record: "call sethostname", root: true},
		{program: "python", attempt: "chroot", refused: "EPERM", record: "call chroot", root: true},
		{program: "python", attempt: "mount", refused: "EPERM", record: "call mount", root: true},
		{program: "python", attempt: "a user namespace", refused: "EPERM", record: unshare},
		{program: "perl", attempt: "chroot", refused: "EPERM", record: "call chroot", root: true},
		{program: "ruby", attempt: "chroot", refused: "EPERM", record: "call chroot", root: true},
	}},
	{name: "put code into the kernel", attacks: []attack{
		{program: "kernel.c", attempt: "init_module", refused: "EPERM", record: "call init_module"},
		{program: "kernel.c", attempt: "delete_module", refused: "EPERM", record: "call delete_module"},
		{program: "kernel.c", attempt: "finit_module", refused: "EPERM", record: "call finit_module"},
		{program: "kernel.c", attempt: "kexec_load", refused: "EPERM", record: "call kexec_load"},
		{program: "kernel.c", attempt: "a program of bpf", refused: "EPERM", record: "call bpf"},
		{program: "kernel.c", attempt: "a map of bpf", refused: "EPERM", record: "call bpf"},
		{program: "python", attempt: "a map of bpf", refused: "EPERM", record: "call bpf", root: true},
		{program: "perl", attempt: "a map of bpf", refused: "EPERM", record: "call bpf", root: true},
	}},
	{name: "use what the kernel leaves out", attacks: []attack{
		{program: "kernel.c", attempt: "io_uring", refused: "ENOSYS", record: "call io_uring_setup"},
		{program: "kernel.c", attempt: "userfaultfd", refused: "EPERM", record: "call userfaultfd"},
		{program: "kernel.c", attempt: "perf events", refused: "EPERM", record: "call perf_event_open"},
		{program: "kernel.c", attempt: "a key", refused: "ENOSYS", record: "call add_key"},
		{program: "kernel.c", attempt: "fanotify", refused: "EPERM", record: "call fanotify_init"},
		{program: "kernel.c", attempt: "a message queue", refused: "ENOSYS", record: "call mq_open"},
		{program: "kernel.c", attempt: "semaphores", refused: "ENOSYS", record: "call semget"},
		{program: "kernel.c", attempt: "a packet socket", refused: "EPERM", record: "call socket"},
		{program: "kernel.c", attempt: "a raw socket", refused: "EPERM", record: "call socket"},
		{program: "kernel.c", attempt: "an interface", refused: "EPERM", record: "identity ioctl"},
		{program: "python", attempt: "io_uring", refused: "ENOSYS", record: "call io_uring_setup"},
		{program: "python", attempt: "userfaultfd", refused: "EPERM", record: "call userfaultfd", root: true},
		{program: "python", attempt: "perf events", refused: "EPERM", record: "call perf_event_open", root: true},
		{program: "python", attempt: "a packet socket", refused: "EPERM", record: "call socket", root: true},
		{program: "perl", attempt: "a packet socket", refused: "EPERM", record: "call socket", root: true},
		{program: "ruby", attempt: "a packet socket", refused: "EPERM", record: "call socket", root: true},
	}},
	{name: "become someone else, gain rights", attacks: []attack{
		{program: "process.c", attempt: "setuid", refused: "EPERM", record: "identity setuid", root: true},
		{program: "process.c", attempt: "setresuid", refused: "EPERM", record: "identity setresuid", root: true},
		{program: "process.c", attempt: "setgid", refused: "EPERM", record: "identity setgid", root: true},
		{program: "process.c", attempt: "setgroups", refused: "EPERM", record: "identity setgroups", root: true},
		{program: "process.c", attempt: "a capability", refused: "EPERM", record: "identity capset", root: true},
		{program: "process.c", attempt: "a file's owner", refused: "EPERM", record: "identity fchown", root: true},
		{program: "process.c", attempt: "a file's capability", refused: "EPERM", record: "identity fsetxattr", root: true},
		{program: "process.c", attempt: "set-ID bits", refused: "without them"},
		{program: "process.c", attempt: "a device", refused: "EPERM", record: "identity mknodat", root: true},
		{program: "python", attempt: "another user", refused: "EPERM", record: "identity setresuid", root: true},
		{program: "python", attempt: "another group", refused: "EPERM", record: "identity setgid", root: true},
		{program: "python", attempt: "set-ID bits", refused: "without them"},
		{program: "perl", attempt: "another user", refused: "EPERM", record: "identity setuid", root: true},
		{program: "perl", attempt: "another group", refused: "EPERM", record: "identity setgid", root: true},
		{program: "node", attempt: "another user", refused: "EPERM", record: "identity setuid", root: true},
		{program: "ruby", attempt: "another user", refused: "EPERM", record: "identity setuid", root: true},
		{program: "ruby", attempt: "another group", refused: "EPERM", record: "identity setgid", root: true},
		{program: "php", attempt: "another user", refused: "false", record: "identity setuid EPERM", root: true},
	}},
	{name: "a shell or an interpreter", attacks: []attack{
		{program: "process.c", attempt: "system", refused: "EPERM", record: process},
		{program: "process.c", attempt: "popen", refused: "ENOMEM", record: process + " EPERM"},
		{program: "process.c", attempt: "a shell by its path", refused: "EPERM", record: execve},
		{program: "process.c", attempt: "a shell by PATH", refused: "EPERM", record: execve},
		{program: "process.c", attempt: "an interpreter by PATH", refused: "EPERM", record: execve},
		{program: "process.c", attempt: "a script", refused: "EPERM", record: execve},
		{program: "process.c", attempt: "a shell that reads stdin", refused: "EPERM", record: execve},
		{program: "python", attempt: "system", refused: "EPERM", record: process},
		{program: "python", attempt: "subprocess", refused: "EPERM", record: process},
		{program: "python", attempt: "popen", refused: "EPERM", record: process},
		{program: "python", attempt: "a script", refused: "EPERM", record: process},
		{program: "python", attempt: "a shell in the image", refused: "ENOENT"},
		{program: "perl", attempt: "system", refused: "EPERM", record: process},
		{program: "perl", attempt: "backticks", refused: "EPERM", record: process},
		{program: "perl", attempt: "a pipe", refused: "EPERM", record: process},
		{program: "perl", attempt: "a script", refused: "EPERM", record: process},
		{program: "perl", attempt: "a shell in the image", refused: "ENOENT"},
		{program: "node", attempt: "a shell", refused: "EPERM", record: process},
		{program: "node", attempt: "exec", refused: "EPERM", record: process},
		{program: "node", attempt: "execFile", refused: "EPERM", record: process},
		{program: "node", attempt: "a shell in the image", refused: "ENOENT"},
		{program: "ruby", attempt: "system", refused: "EPERM", record: process},
		{program: "ruby", attempt: "backticks", refused: "EPERM", record: process},
		{program: "ruby", attempt: "a pipe", refused: "EPERM", record: process},
		{program: "ruby", attempt: "a script", refused: "EPERM", record: process},
		{program: "ruby", attempt: "a shell in the image", refused: "ENOENT"},
		{program: "php", attempt: "shell_exec", refused: "false", record: process + " EPERM"},
		{program: "php", attempt: "exec", refused: "false", record: process + " EPERM"},
		{program: "php", attempt: "system", refused: "false", record: process + " EPERM"},
		{program: "php", attempt: "popen", refused: "false", record: process + " EPERM"},
		{program: "php", attempt: "a shell in the image", refused: "false"},
	}},
	{name: "a terminal", attacks: []attack{
		{program: "process.c", attempt: "a terminal", refused: "ENOENT"},
		{program: "process.c", attempt: "a controlling terminal", refused: "ENOTTY"},
		{program: "process.c", attempt: "keys for a terminal", refused: "ENOTTY"},
		{program: "process.c", attempt: "hanging up", refused: "EPERM", record: "call vhangup", root: true},
		{program: "process.c", attempt: "the console", refused: "ENOENT", root: true},
		{program: "python", attempt: "a terminal", refused: "ENOENT"},
		{program: "perl", attempt: "a terminal", refused: "ENOENT"},
		{program: "ruby", attempt: "a terminal", refused: "ENOENT"},
	}},
	{name: "the kernel's memory, the processor's ports", attacks: []attack{
		{program: "kernel.c", attempt: "/dev/mem", refused: "ENOENT"},
		{program: "kernel.c", attempt: "/proc/kcore", refused: "ENOENT"},
		{program: "kernel.c", attempt: "a register by msr", refused: "ENOENT"},
		{program: "kernel.c", attempt: "ports by iopl", refused: "EPERM", record: "call iopl"},
		{program: "kernel.c", attempt: "ports by ioperm", refused: "EPERM", record: "call ioperm"},
		{program: "kernel.c", attempt: "the kernel's addresses", refused: "ENOENT"},
		{program: "kernel.c", attempt: "the kernel's log", refused: "EPERM", record: "call syslog"},
		{program: "python", attempt: "the kernel's addresses", refused: "ENOENT", root: true},
		{program: "python", attempt: "the kernel's log", refused: "EPERM", record: "call syslog", root: true},
		{program: "perl", attempt: "the kernel's log", refused: "EPERM", record: "call syslog", root: true},
	}},
	{name: "forge or drown the record", noScript: "on Linux it would change the log of the host that runs the test", attacks: []attack{
		{program: "kernel.c", attempt: "a forged line", refused: "ENOENT"},
		{program: "kernel.c", attempt: "control bytes in a name", refused: "EPERM", record: execve},
		{program: "kernel.c", attempt: "the launcher's channel", refused: "ENOENT"},
		{program: "kernel.c", attempt: "a flood", refused: "ENOENT", record: "call chroot EPERM"},
		{program: "kernel.c", attempt: "the log cleared", refused: "EPERM", record: "call syslog"},
	}},
}

// privileged reports whether the test has the rights of root, which one in a container has
// not.
func privileged(t *testing.T) bool {
	const admin = 1 << 21 // CAP_SYS_ADMIN
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "\nCapEff:\t")
	n, _ := strconv.ParseUint(strings.SplitN(rest, "\n", 2)[0], 16, 64)
	return os.Geteuid() == 0 && n&admin != 0
}

// without is what is in a and not in b.
func without(a, b []string) (l []string) {
	for _, s := range a {
		if !slices.Contains(b, s) {
			l = append(l, s)
		}
	}
	return l
}

// TestTechniques: for each technique there are three attacks at least, one of them in C and
// one in a scripting language, and each did what the list says. What attacks do beside
// these is in the list, too.
func TestTechniques(t *testing.T) {
	named := map[string]map[string][]attack{} // by program and attempt
	for _, q := range techniques {
		count, c, script := 0, false, false
		for _, a := range q.attacks {
			m := named[a.program]
			if m == nil {
				m = map[string][]attack{}
				named[a.program] = m
			}
			m[a.attempt] = append(m[a.attempt], a)
			if a.nothing == "" {
				count++
				isC := strings.HasSuffix(a.program, ".c")
				c, script = c || isC, script || !isC
			}
		}
		if count < 3 || !c || script == (q.noScript != "") {
			t.Errorf("%s: %d attacks, in C %v, in a script %v (%s)", q.name, count, c, script, q.noScript)
		}
	}
	for _, p := range attackers {
		t.Run(p.name, func(t *testing.T) {
			got := attempts(t, p)
			want := slices.Sorted(maps.Keys(named[p.name]))
			if made := slices.Sorted(slices.Values(got.names)); !slices.Equal(made, want) {
				t.Errorf("made, and not in the list: %q; in the list, and not made: %q", without(made, want), without(want, made))
			}
			records := map[string]int{}
			for attempt, as := range named[p.name] {
				a := as[0]
				for _, b := range as[1:] {
					if a != b {
						t.Errorf("%s stands in the list twice, as %+v and %+v", attempt, a, b)
					}
				}
				if a.record != "" {
					if strings.Count(a.record, " ") == 1 {
						a.record += " " + a.refused
					}
					records[a.record]++
				}
				if how := got.linux[attempt]; how != "done" && a.nothing == "" && (!a.root || privileged(t)) {
					t.Errorf("Linux: %s: %s", attempt, how)
				}
			}
			for i, m := range got.machines {
				for attempt, as := range named[p.name] {
					if how := m.outcomes[attempt]; how != "refused "+as[0].refused {
						t.Errorf("%d CPUs: %s: %s, want %s", i+1, attempt, how, as[0].refused)
					}
				}
				for what, n := range records {
					if m.records[what] < n {
						t.Errorf("%d CPUs: the record has %d of %q, want %d: %v", i+1, m.records[what], what, n, m.records)
					}
				}
				if _, flood := named[p.name]["a flood"]; flood && m.records["call chroot EPERM"] != 5000 {
					t.Errorf("%d CPUs: the record counts %d of 5000", i+1, m.records["call chroot EPERM"])
				}
			}
			cpus := 0
			for attempt, as := range named[p.name] {
				if as[0].ends == "" {
					continue
				}
				cpus = cpus%2 + 1
				only := []string{}
				if p.c() {
					only = append(only, attempt)
				}
				if m := p.run(t, []string{"--jit", "64K", "--incident", "none", "--cpus", fmt.Sprint(cpus)}, only...); m.status != 121 || m.killed != as[0].ends || m.outcomes[attempt] != "" {
					t.Errorf("%s with --jit: status %d, ended by %q, %s", attempt, m.status, m.killed, m.out)
				}
			}
		})
	}
}
