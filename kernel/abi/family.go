package abi

// Family groups the system calls in the documentation.
type Family uint8

// Families, in the order of docs/ABI.md.
const (
	FamilyIO Family = iota
	FamilyPath
	FamilyEvent
	FamilySocket
	FamilyMemory
	FamilyThread
	FamilyProcess
	FamilySignal
	FamilyTime
	FamilyIdentity
	FamilySystem
	FamilyIPC
	FamilyAdmin
	FamilyGone

	NumFamilies = int(FamilyGone) + 1
)

var familyNames = [NumFamilies]string{
	FamilyIO:       "Descriptors and input/output",
	FamilyPath:     "Paths and file systems",
	FamilyEvent:    "Readiness and events",
	FamilySocket:   "Sockets",
	FamilyMemory:   "Memory",
	FamilyThread:   "Threads and scheduling",
	FamilyProcess:  "Processes",
	FamilySignal:   "Signals",
	FamilyTime:     "Clocks and timers",
	FamilyIdentity: "Identity",
	FamilySystem:   "System information and limits",
	FamilyIPC:      "Interprocess objects and keys",
	FamilyAdmin:    "Administration of a machine",
	FamilyGone:     "Numbers without a call in Linux",
}

func (f Family) String() string {
	if int(f) < NumFamilies {
		return familyNames[f]
	}
	return "unknown family"
}

// Reason says why a call has no handler and is not going to have one. The
// points are those of docs/SECURITY.md.
type Reason uint8

// Reasons. NoReason is of calls that are implemented or meant to be.
const (
	NoReason Reason = iota
	// SingleProcess: there is one process, which is never replaced, and no code beside
	// it: none is loaded into the kernel. A policy may end the machine for a try, so
	// what libraries merely probe for is not among these.
	SingleProcess
	// NoUsers: there is one identity without privileges, so what Linux keeps for
	// a superuser is nobody's.
	NoUsers
	// NoShells: there is no terminal and nobody to sit at it.
	NoShells
	// AttackSurface: what it gives does not pay for the code or the power that
	// it would put within the program's reach.
	AttackSurface
	// NoDevice: the hardware that it is about is not there.
	NoDevice
	// Obsolete: Linux has removed it or never had it.
	Obsolete

	NumReasons = int(Obsolete) + 1
)

var reasonNames = [NumReasons]string{
	NoReason:      "none",
	SingleProcess: "point 1: single process",
	NoUsers:       "point 2: no users",
	NoShells:      "point 3: no shells",
	AttackSurface: "point 4: attack surface",
	NoDevice:      "no such device",
	Obsolete:      "obsolete: Linux answers ENOSYS too",
}

func (r Reason) String() string {
	if int(r) < NumReasons {
		return reasonNames[r]
	}
	return "unknown reason"
}

// Syscall is one row of the table.
type Syscall struct {
	// Name is the call's name in syscall_64.tbl. Numbers without a row have "".
	Name string
	// Args is the signature, from which the call is decoded: see Table.
	Args   string
	Family Family
	// Reason is why it has no handler and will have none, and Note its detail.
	Reason Reason
	// Errno is what the call answers as long as it has no handler; OK stands for
	// ENOSYS.
	Errno Errno
	Note  string
}

// Lookup is the row of a number, or nil if there is no such call in Linux 6.12.
func Lookup(nr int) *Syscall {
	if nr < 0 || nr >= len(Table) || Table[nr].Name == "" {
		return nil
	}
	return &Table[nr]
}

// Denied is what a call without a handler answers.
func Denied(nr int) Errno {
	if s := Lookup(nr); s != nil && s.Errno != OK {
		return s.Errno
	}
	return ENOSYS
}
