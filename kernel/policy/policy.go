// Package policy is the four-point model as decisions and messages: what was
// denied, by which point, and one line about it that names the call, its
// arguments and the place in the program. What is denied is decided where the
// call is served; here it is told.
//
// Refusals are counted by call, for the report about a program that failed.
//
// A program that repeats itself is not repeated: per place and rule the first
// few are told, the rest are counted. It imports bootrec, task, mm, usermem, ground and
// abi.
package policy

import (
	"strconv"
	"sync"
	"sync/atomic"

	"skerry/bootrec"
	"skerry/kernel/abi"
	"skerry/kernel/mm"
	"skerry/kernel/task"
)

// Point is the promise that a denial keeps (docs/SECURITY.md).
type Point int

// The points.
const (
	Other Point = iota
	SingleProcess
	NoUsers
	NoShells
	AttackSurface
)

func (p Point) String() string {
	switch p {
	case SingleProcess:
		return "single process"
	case NoUsers:
		return "no users"
	case NoShells:
		return "no shells"
	case AttackSurface:
		return "attack surface"
	}
	return "not supported"
}

// Notice takes a line for the user. Set at boot.
var Notice func(string)

// Log takes a line for the kernel's log: calls that are merely not there.
var Log func(string)

// Place names the code at an address of the program: its symbol, or file and
// offset. Set at boot.
var Place = hex

// Violated records that thread t, nil if it is not known, violated a rule of the policy,
// and ends the machine if the policy says so, which it reports. more is said behind what
// was tried.
func Violated(t *task.Thread, rule bootrec.Rules, e *Event, more string) bool {
	e.Killed = Kills(rule)
	if t != nil {
		e.By(t)
	}
	Note(e)
	if !e.Killed {
		return false
	}
	why := e.What + more
	if t != nil {
		why += " in thread " + strconv.Itoa(int(e.TID)) + " at " + Place(e.PC)
	}
	if e.Point != Other {
		why += " (" + e.Point.String() + ")"
	}
	task.The.EndByPolicy(t, why)
	return true
}

// CallPoint is the point that refuses a call, by its number.
func CallPoint(nr int) Point {
	switch nr { // what has a handler and is refused for some arguments
	case abi.SYS_CLONE, abi.SYS_CLONE3:
		return SingleProcess
	case abi.SYS_PERSONALITY:
		return AttackSurface
	}
	s := abi.Lookup(nr)
	if s == nil {
		return Other
	}
	switch s.Reason {
	case abi.SingleProcess:
		return SingleProcess
	case abi.NoUsers:
		return NoUsers
	case abi.NoShells:
		return NoShells
	case abi.AttackSurface:
		return AttackSurface
	}
	return Other
}

// Rule is the rule of a policy that a call violates which p refuses, 0 for none. It is
// about what the call would have done: start, become or trace another program or put code
// into the kernel; do what takes a privilege, as hanging up a terminal does; use what is
// not there.
func (p Point) Rule() bootrec.Rules {
	switch p {
	case NoUsers, NoShells:
		return bootrec.RuleIdentity
	case SingleProcess:
		return bootrec.RuleProcess
	case AttackSurface:
		return bootrec.RuleSurface
	}
	return 0
}

// tried is Violated for a system call.
func tried(t *task.Thread, p Point, rule, what string, o Object, e abi.Errno) bool {
	return Violated(t, p.Rule(), &Event{Rule: rule, Point: p, Call: call(what), What: what, Object: o, Errno: e}, "")
}

// told bounds how often one place is told of for one rule.
const told = 3

// maxPlaces bounds the memory of what was told; beyond it all that is new counts
// as one.
const maxPlaces = 4096

var seen struct {
	mu    sync.Mutex
	count map[key]int
}

// refusals counts refused calls by number, the last one those that no table has;
// errno is what the last refusal answered.
var refusals [abi.MaxSyscall + 1]struct {
	n     atomic.Uint32
	errno atomic.Int32
}

// Count counts a call that was refused with e.
func Count(nr uint64, e abi.Errno) {
	r := &refusals[min(nr, abi.MaxSyscall)]
	r.n.Add(1)
	r.errno.Store(int32(e))
}

// Refusals calls f for each call that was refused.
func Refusals(f func(nr int, e abi.Errno, n uint32)) {
	for nr := range refusals {
		if n := refusals[nr].n.Load(); n != 0 {
			f(nr, abi.Errno(refusals[nr].errno.Load()), n)
		}
	}
}

type key struct {
	what string
	pc   uint64
}

// again counts a denial and reports how often it was seen before.
func again(what string, pc uint64) int {
	seen.mu.Lock()
	defer seen.mu.Unlock()
	if seen.count == nil {
		seen.count = map[key]int{}
	}
	k := key{what, pc}
	if _, ok := seen.count[k]; !ok && len(seen.count) >= maxPlaces {
		k = key{}
	}
	n := seen.count[k]
	seen.count[k] = n + 1
	return n
}

// lines counts what was told for the user.
var lines atomic.Int32

// maxLines bounds it: a program that is refused something from everywhere would
// bury its own output.
const maxLines = 200

// Denied tells of a denied action of thread t, which answered e: the call with its
// arguments, as a trace shows it, and what it is about.
func Denied(t *task.Thread, p Point, rule, what string, o Object, e abi.Errno) {
	pc := t.Ctx.Regs.RIP
	if tried(t, p, rule, what, o, e) {
		return
	}
	if line := denied(pc, t.TID, p, what); line != "" {
		Notice(line)
	}
}

// denied is the line for a denial, empty if enough was told of that call from that
// place.
func denied(pc uint64, tid int32, p Point, what string) string {
	n := again(call(what), pc)
	if n >= told {
		return ""
	}
	l := lines.Add(1)
	if l > maxLines {
		return ""
	}
	line := "denied " + what + " in thread " + strconv.Itoa(int(tid)) + " at " + Place(pc) + " (" + p.String() + ")"
	if n == told-1 {
		line += "; further ones from there are not shown"
	}
	if l == maxLines {
		line += "; further denials are not shown"
	}
	return line
}

// call is the name of a call in a description of it.
func call(what string) string {
	for i := range len(what) {
		if what[i] == '(' {
			return what[:i]
		}
	}
	return what
}

// Missing tells the log, once per call, of one that is not there. It is a violation of
// the rule about such calls unless every program makes it.
func Missing(t *task.Thread, p Point, what string, o Object, e abi.Errno, violation bool) {
	if violation && tried(t, p, RuleCall, what, o, e) {
		return
	}
	if again(what, 0) == 0 {
		Log("not supported: " + what + " answers " + e.Error() + " at " + Place(t.Ctx.Regs.RIP))
	}
}

// Mapping is mm's hook for what its rules refused. Runtimes try again, and libraries
// probe: the user is told of the first attempt at executable memory, and of the first at
// a file.
func Mapping(d mm.Denial) {
	what := d.Call + " of " + strconv.FormatUint(uint64(d.Len), 10) + " bytes at 0x" + strconv.FormatUint(uint64(d.Addr), 16)
	if d.Call == mm.CallJump {
		what = "jump to 0x" + strconv.FormatUint(uint64(d.Addr), 16)
	}
	if d.Name != "" {
		what += " of " + strconv.Quote(d.Name)
	}
	o := Object{Members: aMapping, Text: d.Name, N: [3]uint64{uint64(d.Addr), uint64(d.Len), uint64(d.Prot)}}
	if Violated(task.The.Current(), bootrec.RuleMemory, &Event{Rule: d.Rule.Name(), Point: SingleProcess, Call: d.Call, What: what, Object: o, Errno: d.Errno}, ": "+d.Rule.String()) {
		return
	}
	kind := "executable memory"
	if d.File != nil {
		kind = "executable file"
	}
	if line := execLine(&d, task.The.Exe); line != "" && again(kind, 0) == 0 {
		Notice(line)
	}
	if again(what, 0) == 0 {
		Log("refused " + what + ": " + d.Rule.String())
	}
}
