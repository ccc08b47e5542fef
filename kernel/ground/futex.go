package ground

// Futexes of the kernel's own runtime: its Ms wait on words of its own memory.
// Buckets of waiting Ms, guarded by sched.

const futexBuckets = 64

var futexTable [futexBuckets]struct{ head, tail uintptr }

func bucket(addr uintptr) uintptr { return addr * 0x9e3779b97f4a7c15 >> 58 }

// gFutex: FUTEX_WAIT and FUTEX_WAKE, private, relative timeouts.
func gFutex(c *percpu, m *mstate) uintptr {
	r := &m.regs
	addr := uintptr(r.DI)
	const wait, wakeOp, private = 0, 1, 128
	switch r.SI &^ private {
	case wait:
		at := int64(0)
		if ts := uintptr(r.R10); ts != 0 {
			ns := *word(ts)*1e9 + *word(ts + 8)
			if int64(ns) < 0 || *word(ts) > 1<<33 {
				ns = 1 << 62 / 4
			}
			at = gNow() + int64(ns)
		}
		// The word may not be present yet; touch it before the lock is held. It
		// stays: nothing unmaps a lock that someone waits on.
		ensure(addr, 4)
		fl := sched.Lock()
		if *word32(addr) != uint32(r.DX) {
			sched.Unlock(fl)
			r.AX = uint64(fail(eAGAIN))
			return gBack(m)
		}
		r.AX = 0
		m.state, m.waitAddr = mFutex, addr
		b := &futexTable[bucket(addr)]
		m.next, m.prev = 0, b.tail
		if b.tail == 0 {
			b.head = m.addr()
		} else {
			mAt(b.tail).next = m.addr()
		}
		b.tail = m.addr()
		if at != 0 {
			setTimer(m, at)
		}
		return gNext(c, fl)
	case wakeOp:
		n := uint64(0)
		fl := sched.Lock()
		b := &futexTable[bucket(addr)]
		for p := b.head; p != 0 && n < uint64(uint32(r.DX)); {
			w := mAt(p)
			p = w.next
			if w.waitAddr == addr {
				futexRemove(w)
				wake(w, whyWoken)
				n++
			}
		}
		sched.Unlock(fl)
		r.AX = n
		return gBack(m)
	}
	r.AX = uint64(fail(eNOSYS))
	return gBack(m)
}

// futexRemove takes m out of its bucket. sched is held.
func futexRemove(m *mstate) {
	b := &futexTable[bucket(m.waitAddr)]
	if m.prev == 0 {
		b.head = m.next
	} else {
		mAt(m.prev).next = m.next
	}
	if m.next == 0 {
		b.tail = m.prev
	} else {
		mAt(m.next).prev = m.prev
	}
	m.next, m.prev, m.waitAddr = 0, 0, 0
}
