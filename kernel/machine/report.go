package machine

import (
	"strconv"

	"skerry/kernel/abi"
	"skerry/kernel/task"
)

// signalNames are those of signal(7).
var signalNames = [...]string{"", "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE",
	"SIGKILL", "SIGUSR1", "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT",
	"SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH",
	"SIGIO", "SIGPWR", "SIGSYS"}

func signalName(s task.Signal) string {
	if int(s) < len(signalNames) {
		return signalNames[s]
	}
	return "signal " + strconv.Itoa(int(s))
}

// callName is the name of the system call that a thread is at.
func callName(t *task.Thread) string {
	if c := abi.Lookup(int(t.Ctx.Regs.AX)); c != nil {
		return c.Name
	}
	return "number " + strconv.FormatUint(t.Ctx.Regs.AX, 10)
}

// originMessage says which system call ended the program by where it came from.
func originMessage(t *task.Thread) string {
	r := &t.Ctx.Regs
	return "ended by policy: a system call (" + callName(t) + ") at " + place(task.The.MM, r.RIP, true) + " in thread " + strconv.Itoa(int(t.TID)) +
		", from memory that the program made executable: only code of the image may make system calls (single process)"
}

// signalMessage says what a fatal signal was about: for a fault the address and
// the place, else nothing (the sender knows why).
func (m *Machine) signalMessage(s *task.Status) string {
	switch s.Signal {
	case task.SIGSEGV, task.SIGBUS, task.SIGILL, task.SIGFPE, task.SIGTRAP, task.SIGSYS:
	default:
		return ""
	}
	if s.Thread == nil || s.Info.Code <= 0 {
		return ""
	}
	addr := s.Info.Union[0]
	msg := signalName(s.Signal)
	if s.Signal == task.SIGSEGV || s.Signal == task.SIGBUS {
		msg += " at address 0x" + strconv.FormatUint(addr, 16)
		if i, ok := task.The.MM.Find(uintptr(addr)); ok {
			name := i.Name
			if name == "" {
				name = "anonymous memory"
			}
			msg += " (" + name + ")"
		} else {
			msg += " (not mapped)"
		}
	}
	return msg + " in thread " + strconv.Itoa(int(s.Thread.TID)) + " at " + place(task.The.MM, s.Thread.Ctx.Regs.RIP, true)
}
