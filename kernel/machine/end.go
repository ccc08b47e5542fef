package machine

import (
	"time"

	"skerry/bootrec"
	"skerry/kernel/clock"
	"skerry/kernel/ground"
	"skerry/kernel/ground/arch"
	"skerry/kernel/ports"
	"skerry/kernel/task"
)

// patience is how long the end of the machine waits for the launcher to take
// what the program wrote. A launcher that is alive takes it; back-pressure from
// whoever reads the launcher's output may last.
const patience = 60 * time.Second

// handlers is what the launcher can ask for.
func (m *Machine) handlers() ports.Handlers {
	return ports.Handlers{
		Signal: func(signo int) {
			if p := task.The; p != nil {
				go p.Kill(&task.SigInfo{Signo: int32(signo), Code: task.SI_USER})
			}
		},
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

// onExit is task's hook: the program has ended.
func (m *Machine) onExit(s task.Status) {
	m.closeNetwork()
	e := &bootrec.Exit{Reason: bootrec.Exited, Code: s.Code}
	switch {
	case s.OOM:
		e = &bootrec.Exit{Reason: bootrec.OutOfMemory, Message: m.memoryMessage()}
	case s.Signal != 0:
		e = &bootrec.Exit{Reason: bootrec.Signaled, Signal: int(s.Signal), Message: m.signalMessage(&s)}
	}
	m.End(e)
}

// End ends the machine: what was written goes out, then the exit record, then
// everything stops. It does not return; a second caller waits for the first.
func (m *Machine) End(e *bootrec.Exit) {
	if !m.once.CompareAndSwap(false, true) {
		select {}
	}
	m.Ports.Exit(e, patience)
	ground.Reset()
}
