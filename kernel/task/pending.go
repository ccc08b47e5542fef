package task

// queued is one instance of a signal.
type queued struct {
	info SigInfo
	next *queued
	// timer is set for a POSIX timer's signal, whose instance is its own and is
	// given back when it is taken.
	timer *PosixTimer
}

// pending is a set of signals that wait to be taken.
type pending struct {
	set  SigSet
	head *queued
	tail *queued
}

func (p *pending) push(q *queued) {
	q.next = nil
	if p.tail == nil {
		p.head = q
	} else {
		p.tail.next = q
	}
	p.tail = q
	p.set |= Signal(q.info.Signo).Bit()
}

// take removes the first instance of sig.
func (p *pending) take(sig Signal) *queued {
	var prev, found *queued
	more := false
	for q := p.head; q != nil; q = q.next {
		if Signal(q.info.Signo) != sig {
			if found == nil {
				prev = q
			}
			continue
		}
		if found == nil {
			found = q
			continue
		}
		more = true
		break
	}
	if !more {
		p.set &^= sig.Bit()
	}
	if found == nil {
		return nil
	}
	if prev == nil {
		p.head = found.next
	} else {
		prev.next = found.next
	}
	if p.tail == found {
		p.tail = prev
	}
	return found
}

// forget removes the instance of a timer's signal.
func (p *pending) forget(t *PosixTimer) {
	var prev *queued
	sig, more := t.how.Signal, false
	for q := p.head; q != nil; q = q.next {
		if q.timer == t {
			if prev == nil {
				p.head = q.next
			} else {
				prev.next = q.next
			}
			if p.tail == q {
				p.tail = prev
			}
			continue
		}
		more = more || Signal(q.info.Signo) == sig
		prev = q
	}
	if !more {
		p.set &^= sig.Bit()
	}
}

// drop removes all instances of the signals in set and returns how many of
// them counted towards the limit of queued signals.
func (p *pending) drop(set SigSet) (counted int) {
	p.set &^= set
	var prev *queued
	for q := p.head; q != nil; q = q.next {
		if Signal(q.info.Signo).Bit()&set == 0 {
			prev = q
			continue
		}
		if prev == nil {
			p.head = q.next
		} else {
			prev.next = q.next
		}
		if q.timer != nil {
			q.timer.dropped()
		} else {
			counted++
		}
	}
	p.tail = prev
	return counted
}
