package strace

import (
	"strings"
	"sync"

	"skerry/kernel/abi"
)

// kind is how an argument is decoded. in writes, before the call, what the
// kernel reads, and reports false if the argument is not shown at all; out
// writes, after it, what the kernel wrote. i is the argument's index.
type kind struct {
	in  func(c *call, i int) bool
	out func(c *call, i int)
}

// param is an argument of a signature. set and index are the kind's parameter,
// where it has one; index is -1 where not.
type param struct {
	name  string
	kind  *kind
	set   *set
	index int
}

// sig is a parsed signature.
type sig struct {
	name   string
	args   []param
	result func(c *call)
}

// kindSet is kinds by name. Its methods make the kinds, since code that does so in place
// is larger.
type kindSet map[string]*kind

// kinds are all kinds by name, gathered from the files of the families.
func kinds() kindSet {
	all := kindSet{}
	for _, f := range []func(kindSet){
		scalarKinds, bufferKinds, fileKinds, eventKinds, timeKinds, socketKinds, messageKinds,
		memoryKinds, threadKinds, cloneKinds, futexKinds, signalKinds, systemKinds, controlKinds, optionKinds,
	} {
		f(all)
	}
	return all
}

// signatures parses abi.Table, once, when the first call is decoded: a machine
// that is not traced does not pay for it.
var signatures = sync.OnceValue(func() *[abi.MaxSyscall]*sig {
	ks, ss := kinds(), sets()
	all := new([abi.MaxSyscall]*sig)
	for nr := range abi.Table {
		row := &abi.Table[nr]
		if row.Name == "" {
			continue
		}
		if s, ok := parse(row.Name, row.Args, ks, ss); ok {
			all[nr] = s
		}
	}
	return all
})

// sigOf is the signature of a call, or nil if there is none.
func sigOf(nr int) *sig {
	all := signatures()
	if nr < 0 || nr >= len(all) {
		return nil
	}
	return all[nr]
}

// parse reads a signature in the form that abi.Table describes. It reports false
// if it is not one; a test holds that all rows are.
func parse(name, text string, ks kindSet, ss map[string]*set) (*sig, bool) {
	s := &sig{name: name}
	args, result, found := strings.Cut(text, "= ")
	if found {
		if s.result = resultOf(result); s.result == nil {
			return nil, false
		}
	}
	for f := range strings.FieldsSeq(args) {
		p := param{index: -1}
		var k string
		p.name, k, found = strings.Cut(f, ":")
		k, arg, has := strings.Cut(k, "/")
		if p.kind = ks[k]; p.kind == nil || !found {
			return nil, false
		}
		if has {
			if len(arg) == 1 && arg[0] >= '0' && arg[0] <= '5' {
				p.index = int(arg[0] - '0')
			} else if p.set = ss[arg]; p.set == nil {
				return nil, false
			}
		}
		s.args = append(s.args, p)
	}
	return s, len(s.args) <= 6
}

// at is the value of the argument that argument i's parameter points to, or 0.
func (c *call) at(i int) uint64 {
	if n := c.sig.args[i].index; n >= 0 && n < len(c.args) {
		return c.args[n]
	}
	return 0
}
