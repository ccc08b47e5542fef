package mm

// The JIT budget: how much anonymous memory may become executable.
//
// The right is a number of bytes and not a range of addresses, since runtimes
// reserve far more than they use, without access, before they ask. Memory that
// may become executable has vmMayExec from birth, like text, and only while there
// is a budget at all: private and shared anonymous memory, but the heap (brk),
// stacks (the first one, MAP_GROWSDOWN and MAP_STACK) and a program's own data.
// The first grant of PROT_EXEC marks the range with vmJIT and takes its pages from
// the budget; the mark goes where the range goes, survives every later protection,
// and ends when the range is unmapped. So at no time can more than the budget's
// bytes be such that the program wrote them and they run. A second view of shared
// memory counts a second time.
//
// Without a budget the answer is EACCES, as of a kernel that never allows it
// (SELinux' execmem, PR_SET_MDWE), which runtimes that can do without a compiler
// look for; when the budget is used up it is ENOMEM, as for other limits on
// mappings (RLIMIT_DATA, mmap(2)).

// budget is the budget in pages.
func (s *Space) budget() uint64 { return s.opt.JIT >> pageShift }

// jitKind reports whether a mapping without a file is of the kind that the budget
// is for.
func jitKind(flags uint32) bool {
	return flags&(vmData|vmHeap|vmGrowsDown|vmStack|vmSpecial) == 0
}

// mayMark reports whether n more pages may be marked, of which over pages that
// are marked now go. The caller holds mu for writing.
func (s *Space) mayMark(n, over uint64) bool {
	return s.jit.Load()+s.jitHeld+n-over <= s.budget()
}

// marked counts the marked pages in a range. The caller holds mu.
func (s *Space) marked(start, end uintptr) (n uint64) {
	if s.jit.Load() == 0 {
		return 0
	}
	s.set.each(start, func(v *vma) bool {
		if v.start >= end {
			return false
		}
		if v.flags&vmJIT != 0 {
			n += uint64(min(v.end, end)-max(v.start, start)) >> pageShift
		}
		return true
	})
	return n
}

// JITBudget is Options.JIT and what of it is used, in bytes.
func (s *Space) JITBudget() (budget, used uint64) {
	return s.budget() << pageShift, s.jit.Load() << pageShift
}

// execRule is the rule by which firstGrant refuses a mapping: a budget is what is
// missing only where one would have helped.
func (s *Space) execRule(flags uint32, memory bool) Rule {
	if memory && jitKind(flags) && s.budget() == 0 {
		return RuleJIT
	}
	return RuleWriteExec
}
