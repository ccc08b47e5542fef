package machine

import (
	"sync"
	"time"

	"skerry/bootrec"
	"skerry/kernel/abi"
	"skerry/kernel/clock"
	"skerry/kernel/ground"
	"skerry/kernel/ground/arch"
	"skerry/kernel/policy"
	"skerry/kernel/ports"
	"skerry/kernel/task"
	"skerry/kernel/wait"
)

// patience is how long the end of the machine waits for the launcher to take
// what the program wrote. A launcher that is alive takes it; back-pressure from
// whoever reads the launcher's output may last.
const patience = 60 * time.Second

// unheard is patience with a launcher that does not read what it has to.
const unheard = 2 * time.Second

// handlers is what the launcher can ask for.
func (m *Machine) handlers() ports.Handlers {
	return ports.Handlers{
		Signal: m.signals.arrive,
		Stop:   func() { go m.End(&bootrec.Exit{Reason: bootrec.Stopped}) },
		HangUp: ground.Reset,
		Time: func(t bootrec.Time) {
			s := clock.Sample{Before: t.ID, After: arch.RDTSC(), Wall: t.Wall, Mono: t.Mono}
			select {
			case m.timeIn <- s:
			default:
			}
		},
	}
}

// signals are those that the launcher sends. What comes before the program's
// first thread is there waits for it.
type signals struct {
	mu      sync.Mutex
	started bool
	early   []int
}

// maxEarly bounds how many signals wait; more would not count twice anyway, but
// for real-time ones.
const maxEarly = 64

// arrive takes a signal. It must not block, hence the goroutine.
func (s *signals) arrive(signo int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.started:
		go sendSignal(signo)
	case len(s.early) < maxEarly:
		s.early = append(s.early, signo)
	}
}

// start sends what came early.
func (s *signals) start() {
	s.mu.Lock()
	early := s.early
	s.started, s.early = true, nil
	s.mu.Unlock()
	for _, signo := range early {
		sendSignal(signo)
	}
}

func sendSignal(signo int) {
	task.The.Kill(&task.SigInfo{Signo: int32(signo), Code: abi.SI_USER})
}

// onExit is task's hook: the program has ended.
func (m *Machine) onExit(s task.Status) {
	if s.Origin {
		e := &policy.Event{Rule: policy.RuleOrigin, Point: policy.SingleProcess, Killed: true, Call: callName(s.Thread),
			What: "a system call from memory that the program made executable"}
		e.By(s.Thread)
		policy.Note(e)
	}
	var report []byte
	if s.Origin || s.Policy != "" {
		report = m.incident(&s)
	}
	m.closeNetwork()
	e := &bootrec.Exit{Reason: bootrec.Exited, Code: s.Code}
	switch {
	case s.OOM:
		e = &bootrec.Exit{Reason: bootrec.OutOfMemory, Message: m.memoryMessage()}
	case s.Policy != "":
		e = &bootrec.Exit{Reason: bootrec.Policy, Message: "ended by policy: " + s.Policy}
	case s.Origin:
		e = &bootrec.Exit{Reason: bootrec.Policy, Message: originMessage(s.Thread)}
	case s.Signal != 0:
		e = &bootrec.Exit{Reason: bootrec.Signaled, Signal: int(s.Signal), Message: m.signalMessage(&s)}
	}
	if !s.OOM && (s.Code != 0 || s.Signal != 0) {
		report = append(report, failure(&s)...)
	}
	m.end(e, report)
}

// End ends the machine: what was written goes out, then the exit record, then
// everything stops. It does not return; a second caller waits for the first.
func (m *Machine) End(e *bootrec.Exit) { m.end(e, nil) }

// end is End with frames that go before the exit record.
func (m *Machine) end(e *bootrec.Exit, report []byte) {
	if !m.once.CompareAndSwap(false, true) {
		select {}
	}
	patience := patience
	if policy.Lost() {
		patience = unheard
	}
	if records, events := policy.Close(patience); m.Record.Audit {
		report = bootrec.AppendAudited(report, bootrec.Audited{Records: records, Events: events})
	}
	m.unfinished()
	m.Ports.Report(report, wait.Now()+int64(patience))
	m.Ports.Exit(e, patience)
	ground.Reset()
}
