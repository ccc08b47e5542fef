package task

// getg is the address of the running goroutine's g, which tells goroutines apart.
func getg() uintptr

// Current is the thread whose goroutine this is, or nil. For the few places that
// a thread's own state shows through a file (signalfd, /proc/thread-self), where
// the caller is not passed along.
func (p *Process) Current() *Thread {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current()
}

// current is Current with p.mu held.
func (p *Process) current() *Thread {
	g := getg()
	for t := p.threads; t != nil; t = t.next {
		if t.g == g {
			return t
		}
	}
	return nil
}

// begin notes the thread's goroutine. A thread leaves the list before its
// goroutine ends, so no other one is ever taken for it.
func (t *Thread) begin() {
	t.Proc.mu.Lock()
	t.g = getg()
	t.Proc.mu.Unlock()
}
