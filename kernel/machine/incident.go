package machine

import (
	"strings"
	"time"

	"skerry/bootrec"
	"skerry/kernel/abi"
	"skerry/kernel/ground"
	"skerry/kernel/ground/frame"
	"skerry/kernel/mm"
	"skerry/kernel/net/socket"
	"skerry/kernel/policy"
	"skerry/kernel/task"
)

// incidentTime is how long a report waits for locks that threads hold that do not end.
const incidentTime = 2 * time.Second

// otherCalls is how many calls of each thread are told but of the one that violated the
// policy, of which all are that it keeps.
const otherCalls = 8

// incident is what the launcher is told of a program that a policy ended, besides what it
// is told of every one that failed. It is for when the network is still as it was.
func (m *Machine) incident(s *task.Status) (frames []byte) {
	parts := make(chan []byte, 4)
	go func() {
		parts <- threads(s)
		parts <- events()
		parts <- m.counters(len(s.Threads))
		parts <- descriptors()
		close(parts)
	}()
	limit := time.After(incidentTime)
	for {
		select {
		case p, ok := <-parts:
			if !ok {
				return frames
			}
			frames = append(frames, p...)
		case <-limit:
			return frames
		}
	}
}

// threads tells of the threads, first of the one that violated the policy, if it is known,
// and of their calls.
func threads(s *task.Status) []byte {
	// The call that it was about has its answer when the thread ends, or goes for good.
	for i := 0; i < 100 && s.Thread != nil && !s.Thread.Ended(); i++ {
		time.Sleep(time.Millisecond)
	}
	list := s.Threads
	for i := range list {
		if list[i].T == s.Thread {
			list[0], list[i] = list[i], list[0]
		}
	}
	list = list[:min(len(list), bootrec.MaxThreads)]
	who, calls := &payload{kind: bootrec.KindThreads}, &payload{kind: bootrec.KindCalls}
	for i := range list {
		t := list[i].T
		who.p = bootrec.AppendThread(who.p, &bootrec.Thread{ID: int(t.TID), Asleep: list[i].Asleep, Name: t.Comm()})
		n := otherCalls
		if t == s.Thread {
			n = task.History
		}
		for _, c := range t.Past(n) {
			e := bootrec.Call{Thread: int(t.TID), Errno: int(c.Errno), PC: c.PC, Name: "no call"}
			if a := abi.Lookup(c.Number); a != nil {
				e.Name = a.Name
			}
			for j, a := range c.Args {
				e.Args[j] = uint64(a)
			}
			calls.room(128)
			calls.p = bootrec.AppendCall(calls.p, &e)
		}
	}
	who.end()
	calls.end()
	return append(who.frames, calls.frames...)
}

func events() []byte {
	w := &payload{kind: bootrec.KindEvents}
	policy.Recent(func(json string) {
		w.room(2 + len(json))
		w.p = bootrec.AppendEvent(w.p, json)
	})
	w.end()
	return w.frames
}

func (m *Machine) counters(threads int) []byte {
	p := task.The
	user, sys := p.Times()
	f, cpu, usage := frame.Read(), describeCPU(), p.MM.Usage(0, mm.Highest)
	c := bootrec.Counters{Uptime: uint64(ground.Nanotime()), User: uint64(user), System: uint64(sys),
		Memory: uint64(f.Total) * frame.Size, Free: uint64(f.Free) * frame.Size, Resident: usage.Rss,
		Threads: uint64(threads), Descriptors: uint64(p.Files.Count()), Entropy: uint64(m.Pool.Credit()),
		CPU: cpu.Name, Features: strings.Join(cpu.Flags, " ")}
	policy.Refusals(func(_ int, _ abi.Errno, n uint32) { c.Calls += uint64(n) })
	return bootrec.AppendCounters(nil, &c)
}

func descriptors() []byte {
	w := &payload{kind: bootrec.KindDescriptors}
	files, fs := task.The.Files, task.The.FS
	n := 0
	for fd, ok := files.Next(0); ok && n < bootrec.MaxDescriptors; fd, ok = files.Next(fd + 1) {
		f, e := files.GetAny(fd)
		if e != abi.OK {
			continue
		}
		d := bootrec.Descriptor{FD: int(fd), Flags: f.Flags(), Name: fs.PathOf(f.Dentry())}
		if s, ok := f.File().(socket.Socket); ok {
			var b [socket.AddrMax]byte
			if n, e := s.LocalAddr(b[:]); e == abi.OK {
				d.Local = string(b[:n])
			}
			if n, e := s.PeerAddr(b[:]); e == abi.OK {
				d.Peer = string(b[:n])
			}
		}
		f.Unref()
		n++
		w.room(14 + len(d.Name) + len(d.Local) + len(d.Peer))
		w.p = bootrec.AppendDescriptor(w.p, &d)
	}
	w.end()
	return w.frames
}
