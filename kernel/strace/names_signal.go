package strace

import "skerry/kernel/abi"

// Names of constants about signals, in the order in which they are printed.
var (
	setSigmask = set{unknown: "SIG_???", names: []named{
		{abi.SIG_BLOCK, "SIG_BLOCK"}, {abi.SIG_UNBLOCK, "SIG_UNBLOCK"}, {abi.SIG_SETMASK, "SIG_SETMASK"},
	}}
	setSaflags = set{unknown: "SA_???", names: []named{
		{abi.SA_RESTORER, "SA_RESTORER"}, {abi.SA_ONSTACK, "SA_ONSTACK"}, {abi.SA_RESTART, "SA_RESTART"},
		{abi.SA_NODEFER, "SA_NODEFER"}, {abi.SA_RESETHAND, "SA_RESETHAND"}, {abi.SA_SIGINFO, "SA_SIGINFO"},
		{abi.SA_NOCLDSTOP, "SA_NOCLDSTOP"}, {abi.SA_NOCLDWAIT, "SA_NOCLDWAIT"}, {abi.SA_UNSUPPORTED, "SA_UNSUPPORTED"},
		{abi.SA_EXPOSE_TAGBITS, "SA_EXPOSE_TAGBITS"},
	}}
	setSsflags = set{unknown: "SS_???", names: []named{
		{abi.SS_ONSTACK, "SS_ONSTACK"}, {abi.SS_DISABLE, "SS_DISABLE"}, {abi.SS_AUTODISARM, "SS_AUTODISARM"},
	}}
	setSigev = set{unknown: "SIGEV_???", names: []named{
		{abi.SIGEV_SIGNAL, "SIGEV_SIGNAL"}, {abi.SIGEV_NONE, "SIGEV_NONE"}, {abi.SIGEV_THREAD, "SIGEV_THREAD"},
		{abi.SIGEV_THREAD_ID, "SIGEV_THREAD_ID"},
	}}
	setSicode = set{unknown: "SI_???", names: []named{
		{abi.SI_USER, "SI_USER"}, {abi.SI_KERNEL, "SI_KERNEL"}, {abi.SI_QUEUE, "SI_QUEUE"}, {abi.SI_TIMER, "SI_TIMER"},
		{abi.SI_MESGQ, "SI_MESGQ"}, {abi.SI_ASYNCIO, "SI_ASYNCIO"}, {abi.SI_SIGIO, "SI_SIGIO"}, {abi.SI_TKILL, "SI_TKILL"},
		{abi.SI_DETHREAD, "SI_DETHREAD"}, {abi.SI_ASYNCNL, "SI_ASYNCNL"},
	}}
	setCodeILL = set{unknown: "ILL_???", names: []named{
		{abi.ILL_ILLOPC, "ILL_ILLOPC"}, {abi.ILL_ILLOPN, "ILL_ILLOPN"}, {abi.ILL_ILLADR, "ILL_ILLADR"},
		{abi.ILL_ILLTRP, "ILL_ILLTRP"}, {abi.ILL_PRVOPC, "ILL_PRVOPC"}, {abi.ILL_PRVREG, "ILL_PRVREG"},
		{abi.ILL_COPROC, "ILL_COPROC"}, {abi.ILL_BADSTK, "ILL_BADSTK"},
	}}
	setCodeFPE = set{unknown: "FPE_???", names: []named{
		{abi.FPE_INTDIV, "FPE_INTDIV"}, {abi.FPE_INTOVF, "FPE_INTOVF"}, {abi.FPE_FLTDIV, "FPE_FLTDIV"},
		{abi.FPE_FLTOVF, "FPE_FLTOVF"}, {abi.FPE_FLTUND, "FPE_FLTUND"}, {abi.FPE_FLTRES, "FPE_FLTRES"},
		{abi.FPE_FLTINV, "FPE_FLTINV"}, {abi.FPE_FLTSUB, "FPE_FLTSUB"}, {abi.FPE_FLTUNK, "FPE_FLTUNK"},
		{abi.FPE_CONDTRAP, "FPE_CONDTRAP"},
	}}
	setCodeSEGV = set{unknown: "SEGV_???", names: []named{
		{abi.SEGV_MAPERR, "SEGV_MAPERR"}, {abi.SEGV_ACCERR, "SEGV_ACCERR"}, {abi.SEGV_BNDERR, "SEGV_BNDERR"},
		{abi.SEGV_PKUERR, "SEGV_PKUERR"}, {abi.SEGV_CPERR, "SEGV_CPERR"},
	}}
	setCodeBUS = set{unknown: "BUS_???", names: []named{
		{abi.BUS_ADRALN, "BUS_ADRALN"}, {abi.BUS_ADRERR, "BUS_ADRERR"}, {abi.BUS_OBJERR, "BUS_OBJERR"},
		{abi.BUS_MCEERR_AR, "BUS_MCEERR_AR"}, {abi.BUS_MCEERR_AO, "BUS_MCEERR_AO"},
	}}
	setCodeTRAP = set{unknown: "TRAP_???", names: []named{
		{abi.TRAP_BRKPT, "TRAP_BRKPT"}, {abi.TRAP_TRACE, "TRAP_TRACE"}, {abi.TRAP_BRANCH, "TRAP_BRANCH"},
		{abi.TRAP_HWBKPT, "TRAP_HWBKPT"}, {abi.TRAP_UNK, "TRAP_UNK"}, {abi.TRAP_PERF, "TRAP_PERF"},
	}}
	setCodeCLD = set{unknown: "CLD_???", names: []named{
		{abi.CLD_EXITED, "CLD_EXITED"}, {abi.CLD_KILLED, "CLD_KILLED"}, {abi.CLD_DUMPED, "CLD_DUMPED"},
		{abi.CLD_TRAPPED, "CLD_TRAPPED"}, {abi.CLD_STOPPED, "CLD_STOPPED"}, {abi.CLD_CONTINUED, "CLD_CONTINUED"},
	}}
	setCodePOLL = set{unknown: "POLL_???", names: []named{
		{abi.POLL_IN, "POLL_IN"}, {abi.POLL_OUT, "POLL_OUT"}, {abi.POLL_MSG, "POLL_MSG"}, {abi.POLL_ERR, "POLL_ERR"},
		{abi.POLL_PRI, "POLL_PRI"}, {abi.POLL_HUP, "POLL_HUP"},
	}}
)
