package kvmprobe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// fake is a guest that leaves as a script says, and has right results in its
// memory unless wrong changes them.
type fake struct {
	exits  []exit
	errs   map[int]error
	delay  map[int]time.Duration // before an exit
	stuck  int                   // exit before which it waits to be kicked, -1 none
	deaf   bool                  // and does not hear
	wrong  func(mem []byte)
	mem    []byte
	n      int
	kicked chan struct{}
	once   sync.Once
	closed chan struct{}
}

func (f *fake) run() (exit, error) {
	n := f.n
	f.n++
	if n == f.stuck {
		if f.deaf {
			select {}
		}
		<-f.kicked
		return exit{reason: exitIntr}, nil
	}
	select {
	case <-f.kicked:
		return exit{reason: exitIntr}, nil
	case <-time.After(f.delay[n]):
	}
	return f.exits[n], f.errs[n]
}

func (f *fake) kick()          { f.once.Do(func() { close(f.kicked) }) }
func (f *fake) memory() []byte { return f.mem }
func (f *fake) close()         { close(f.closed) }

// good is a guest of a KVM that works.
func good() *fake {
	f := &fake{stuck: -1, errs: map[int]error{}, delay: map[int]time.Duration{}, mem: make([]byte, memSize), kicked: make(chan struct{}), closed: make(chan struct{})}
	for _, s := range []byte{stepSSE, stepMSR, stepLoop, stepLoop, stepLoop, stepLoop, stepEnd} {
		f.exits = append(f.exits, exit{reason: exitIO, port: port, out: true, value: s})
	}
	fill(f.mem)
	d := f.mem[dataAt:]
	for i := range 16 {
		d[resXOR+i] = d[operandA+i] ^ d[operandB+i]
	}
	binary.LittleEndian.PutUint32(d[resEFER:], efer|sce|1<<11)
	binary.LittleEndian.PutUint64(d[resLSTAR:], lstar)
	copy(d[resGS:], d[operandA+8:operandA+16])
	return f
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	const limit = 300 * time.Millisecond
	for name, c := range map[string]struct {
		change func(f *fake)
		why    string // "" works
		load   bool
	}{
		"good":                {func(f *fake) {}, "", false},
		"interrupted":         {func(f *fake) { f.exits = append([]exit{{reason: exitIntr}, {reason: exitIntr}}, f.exits...) }, "", false},
		"one slow round":      {func(f *fake) { f.delay[3] = 80 * time.Millisecond }, "", false},
		"no SSE":              {func(f *fake) { f.exits[0] = exit{reason: exitInternal, detail: 1} }, "fails at SSE instructions in ring 0: an instruction cannot be emulated", false},
		"internal error":      {func(f *fake) { f.exits[0] = exit{reason: exitInternal, detail: 3} }, "suberror 3", false},
		"fault":               {func(f *fake) { f.exits[1] = exit{reason: exitShutdown} }, "fails at model-specific registers in ring 0: it took a triple fault", false},
		"no entry":            {func(f *fake) { f.exits[0] = exit{reason: exitFailed, detail: 0x80000021} }, "does not enter it, reason 0x80000021", false},
		"unknown":             {func(f *fake) { f.exits[0] = exit{reason: exitUnknown, detail: 5} }, "unknown reason 0x5", false},
		"astray":              {func(f *fake) { f.exits[2] = exit{reason: exitMMIO} }, "fails at a loop in ring 0: it left its memory", false},
		"halt":                {func(f *fake) { f.exits[6] = exit{reason: exitHalt} }, "fails at its end in ring 0: it halted", false},
		"other reason":        {func(f *fake) { f.exits[0] = exit{reason: 99} }, "exit reason 99", false},
		"wrong order":         {func(f *fake) { f.exits[0], f.exits[1] = f.exits[1], f.exits[0] }, "it wrote 0x32 to port 0x510", false},
		"wrong port":          {func(f *fake) { f.exits[0].port = 0x80 }, "to port 0x80", false},
		"input":               {func(f *fake) { f.exits[0].out = false }, "fails at SSE", false},
		"run fails":           {func(f *fake) { f.errs[0] = fmt.Errorf("KVM_RUN: %w", syscall.ENOEXEC) }, "does not run a machine: KVM_RUN: exec format error", false},
		"wrong xor":           {func(f *fake) { f.mem[dataAt+resXOR+15]++ }, "computes wrongly in ring 0: SSE instructions give", false},
		"wrong EFER":          {func(f *fake) { f.mem[dataAt+resEFER] = 0 }, "EFER", false},
		"wrong LSTAR":         {func(f *fake) { f.mem[dataAt+resLSTAR+7] = 0 }, "LSTAR", false},
		"wrong GS":            {func(f *fake) { f.mem[dataAt+resGS] ^= 1 }, "through GS", false},
		"slow loop":           {slowLoop(60 * time.Millisecond), "too slow: ", true},
		"a thousandth":        {slowLoop(250 * time.Millisecond), "too slow: the trial took more than", true},
		"stuck":               {func(f *fake) { f.stuck = 0 }, "took more than 1s, at SSE instructions", true},
		"stuck in the middle": {func(f *fake) { f.stuck = 4 }, "at a loop", true},
		"deaf":                {func(f *fake) { f.stuck, f.deaf = 2, true }, "does not come back", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := good()
			c.change(f)
			begin := time.Now()
			r := try(func() (guest, error) { return f, nil }, limit)
			if d := time.Since(begin); d > limit+2*kickTime {
				t.Errorf("took %v", d)
			}
			if r.Works != (c.why == "") || !strings.Contains(r.Why, c.why) || r.Why == "" || !r.tried || r.load != c.load {
				t.Errorf("%+v", r)
			}
			if !f.deaf {
				<-f.closed
			}
		})
	}
}

func slowLoop(d time.Duration) func(*fake) {
	return func(f *fake) {
		for i := 2; i < 2+rounds; i++ {
			f.delay[i] = d
		}
	}
}

func TestOpenFails(t *testing.T) {
	for _, c := range []struct {
		err       error
		why, mend string
		tried     bool
	}{
		{available("/dev/kvm", syscall.ENOENT), "there is no /dev/kvm", "kvm_intel", false},
		{available("/dev/kvm", &os.PathError{Op: "open", Path: "/dev/kvm", Err: syscall.EACCES}), "you may not open /dev/kvm", "usermod -aG kvm", false},
		{available("/dev/kvm", syscall.EPERM), "you may not open /dev/kvm", "usermod", false},
		{available("/dev/kvm", syscall.EMFILE), "cannot be opened: too many open files", "", false},
		{errors.New("KVM_CREATE_VM: nothing"), "makes no machine: KVM_CREATE_VM: nothing", "", true},
	} {
		r := try(func() (guest, error) { return nil, c.err }, time.Second)
		if r.Works || !strings.Contains(r.Why, c.why) || !strings.Contains(r.Mend, c.mend) || (r.Mend == "") != (c.mend == "") || r.tried != c.tried || r.load {
			t.Errorf("%v: %+v", c.err, r)
		}
	}
	// Opening itself may take for ever.
	begin := time.Now()
	if r := try(func() (guest, error) { select {} }, 50*time.Millisecond); r.Works || !strings.Contains(r.Why, "does not come back") {
		t.Errorf("%+v", r)
	}
	if d := time.Since(begin); d > time.Second {
		t.Errorf("took %v", d)
	}
	for path, why := range map[string]string{t.TempDir() + "/kvm": "there is no ", "/dev/null": "KVM makes no machine: its version is"} {
		if r := Try(path); r.Works || !strings.HasPrefix(r.Why, why) {
			t.Errorf("%s: %+v", path, r)
		}
	}
}

// TestHere tries the host's own KVM. What comes out depends on the host; that it
// comes in time, with a reason, and the same twice, does not.
func TestHere(t *testing.T) {
	for range 3 {
		begin := time.Now()
		r := Try(Device)
		t.Logf("%+v after %v", r, time.Since(begin))
		if d := time.Since(begin); d > Limit+2*kickTime || r.Why == "" {
			t.Errorf("took %v: %+v", d, r)
		}
		if want := os.Getenv("SKERRY_TEST_KVM"); want != "" && fmt.Sprint(r.Works) != want {
			t.Errorf("works is %v, and should be %s: %s", r.Works, want, r.Why)
		}
	}
}

// TestKick leaves a real virtual CPU that would run for ever.
func TestKick(t *testing.T) {
	g, err := open(Device)
	if err != nil {
		t.Skip(err)
	}
	// The loop alone, without an end: 1: jmp 1b.
	copy(g.memory()[codeAt:], []byte{0xeb, 0xfe})
	begin := time.Now()
	r := try(func() (guest, error) { return g, nil }, 100*time.Millisecond)
	if d := time.Since(begin); r.Works || !strings.Contains(r.Why, "too slow") || d > 100*time.Millisecond+2*kickTime {
		t.Errorf("%+v after %v", r, d)
	}
}

func TestLayout(t *testing.T) {
	if len(code) > 0x1000 || codeAt+len(code) > dataAt {
		t.Errorf("%d bytes of code", len(code))
	}
	le := binary.LittleEndian
	mem := make([]byte, memSize)
	fill(mem)
	// Walk the tables for an address in the code as a processor does.
	for _, addr := range []uint64{codeAt, dataAt, memSize - 1} {
		e := le.Uint64(mem[pml4+addr>>39&511*8:])
		e = le.Uint64(mem[e&^0xfff+addr>>30&511*8:])
		e = le.Uint64(mem[e&^0xfff+addr>>21&511*8:])
		if e&(present|writable|large) != present|writable|large || e&^0x1fffff != 0 {
			t.Errorf("address %#x has the entry %#x", addr, e)
		}
	}
	if err := verify(mem); err == nil {
		t.Error("a guest that has done nothing is right")
	}
	// Short jumps lead to where their comments say: the displacement counts from
	// the end of the instruction.
	at := strings.Index(string(code), "\xff\xc9\x75")
	if target := at + 4 + int(int8(code[at+3])); target != at {
		t.Errorf("the inner loop jumps to %d instead of %d", target, at)
	}
	outer := strings.Index(string(code), "\xb9\x40\x42\x0f")
	at = strings.Index(string(code), "\xff\xce\x75")
	if target := at + 4 + int(int8(code[at+3])); target != outer {
		t.Errorf("the outer loop jumps to %d instead of %d", target, outer)
	}
	if n := le.Uint32(code[outer+1:]); n != turns {
		t.Errorf("%d turns", n)
	}
}
