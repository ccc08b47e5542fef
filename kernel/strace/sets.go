package strace

// nameOfSet is a set of names that a signature can ask for. They are a table and not a map:
// code that fills a map is larger.
type nameOfSet struct {
	name string
	set  *set
}

func sets() map[string]*set {
	all := make(map[string]*set, len(setTable))
	for _, n := range &setTable {
		all[n.name] = n.set
	}
	return all
}

var setTable = [...]nameOfSet{
	{"access", &setAccess},
	{"af", &setAf},
	{"archprctl", &setArchprctl},
	{"at", &setAt},
	{"clock", &setClock},
	{"cloexec", &setCloexec},
	{"clone", &setClone},
	{"closerange", &setCloserange},
	{"epollcreate", &setEpollcreate},
	{"epollop", &setEpollop},
	{"eventfd", &setEventfd},
	{"faccessat", &setFaccessat},
	{"fadvise", &setFadvise},
	{"falloc", &setFalloc},
	{"fcntl", &setFcntl},
	{"flock", &setFlock},
	{"getrandom", &setGetrandom},
	{"inotify", &setInotify},
	{"inotifyinit", &setInotifyinit},
	{"iopriowho", &setIopriowho},
	{"ipccmd", &setIpccmd},
	{"itimer", &setItimer},
	{"linkat", &setLinkat},
	{"madvise", &setMadvise},
	{"mcl", &setMcl},
	{"membarrier", &setMembarrier},
	{"mlock", &setMlock},
	{"module", &setModule},
	{"mount", &setMount},
	{"mpol", &setMpol},
	{"mpolget", &setMpolget},
	{"mpolmove", &setMpolmove},
	{"mremap", &setMremap},
	{"msg", &setMsg},
	{"msync", &setMsync},
	{"open", &setOpen},
	{"pidfdopen", &setPidfdopen},
	{"pkey", &setPkey},
	{"prctl", &setPrctl},
	{"prio", &setPrio},
	{"prot", &setProt},
	{"ptrace", &setPtrace},
	{"reboot", &setReboot},
	{"rebootmagic", &setRebootmagic},
	{"rebootmagic2", &setRebootmagic2},
	{"rename", &setRename},
	{"rlimit", &setRlimit},
	{"rusage", &setRusage},
	{"rwf", &setRwf},
	{"seccomp", &setSeccomp},
	{"seek", &setSeek},
	{"shut", &setShut},
	{"sigmask", &setSigmask},
	{"signalfd", &setSignalfd},
	{"sock", &setSock},
	{"sol", &setSol},
	{"splice", &setSplice},
	{"statx", &setStatx},
	{"syncrange", &setSyncrange},
	{"timerabs", &setTimerabs},
	{"timerfd", &setTimerfd},
	{"timerfdset", &setTimerfdset},
	{"umount", &setUmount},
	{"unlinkat", &setUnlinkat},
	{"userfaultfd", &setUserfaultfd},
	{"wait", &setWait},
	{"waitid", &setWaitid},
	{"xattr", &setXattr},
}
