package vmm

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"skerry/bootrec"
	"skerry/vmm/relay"
)

const (
	// bootTimeoutKVM and bootTimeoutTCG are how long a kernel may take to say
	// hello. A good one takes a tenth of a second, but the host may be loaded.
	bootTimeoutKVM = 30 * time.Second
	bootTimeoutTCG = 60 * time.Second
	// exitGrace is how long QEMU may live on after the exit record.
	exitGrace = 3 * time.Second
	// stopGrace is how long a kernel may take to obey a Stop.
	stopGrace = time.Second
	// drainGrace is how long the program's last output is waited for when the
	// machine was ended from outside.
	drainGrace = 2 * time.Second
	// connGrace is the same for what the program sent over connections.
	connGrace = 5 * time.Second
)

// Run runs a machine to its end. An error means that none was started; a machine
// that started and failed is a Result.
func Run(c *Config) (*Result, error) {
	if err := check(c); err != nil {
		return nil, err
	}
	path := c.QEMU
	if path == "" {
		var err error
		if path, err = FindQEMU(); err != nil {
			return nil, err
		}
	}
	accel := c.Accel
	if accel.Name == "" {
		accel = ChooseAccel(c.CacheDir)
	}
	c.verbose(fmt.Sprintf("CPUs run by %s: %s", strings.ToUpper(accel.Name), accel.Why))

	ports, err := publish(c.Forwards)
	if err != nil {
		return nil, err
	}
	defer ports.close()
	for i, f := range c.Forwards {
		if f.Host.Port() == 0 {
			c.Say("-p " + ports.forwards[i].String())
		}
	}
	sandbox := true
	for try := 1; ; try++ {
		r, err := runOnce(c, path, accel, sandbox, ports)
		switch {
		case r == nil || r.Status != StatusFailed:
		case try < 4 && len(c.Forwards) > 0 && portTaken(r.Detail):
			if err := ports.again(); err != nil {
				return nil, err
			}
			continue
		case sandbox && noSandbox(r.Detail):
			c.Say("this QEMU has no sandbox; it runs without one")
			sandbox = false
			continue
		case c.Accel.Name == "" && accel.Name == KVM && noKVM(r.Detail):
			c.Say("QEMU does not use KVM here, though it works; the machine runs by translation (TCG)")
			accel.Name = TCG
			continue
		}
		return r, err
	}
}

// noKVM recognizes a QEMU that was built without KVM, or does not get it.
func noKVM(lines []string) bool {
	for _, l := range lines {
		for _, s := range []string{"invalid accelerator kvm", "Could not access KVM kernel module", "failed to initialize kvm"} {
			if strings.Contains(l, s) {
				return true
			}
		}
	}
	return false
}

// noSandbox recognizes a QEMU that was built without seccomp.
func noSandbox(lines []string) bool {
	for _, l := range lines {
		if strings.Contains(l, "-sandbox support is not enabled") || strings.Contains(l, "-sandbox: invalid option") {
			return true
		}
	}
	return false
}

// check refuses what no machine can be made of.
func check(c *Config) error {
	switch {
	case c.Machine != "" && c.Machine != MicroVM && c.Machine != Q35:
		return failed("--machine "+c.Machine, "is not a machine type", "it is "+MicroVM+" or "+Q35)
	case strings.ContainsAny(c.CPU, "\x00"):
		return failed("--cpu", "holds a NUL byte", "")
	case c.CPUs < 1 || c.CPUs > MaxCPUs:
		return failed(fmt.Sprintf("--cpus %d", c.CPUs), "impossible number of CPUs", fmt.Sprintf("it is 1 to %d", MaxCPUs))
	case c.Memory < MinMemory || c.Memory > MaxMemory || c.Memory%4096 != 0:
		return failed(fmt.Sprintf("-m %dK", c.Memory>>10), "impossible amount of memory", fmt.Sprintf("it is %dM to %dG", MinMemory>>20, MaxMemory>>30))
	case len(c.Forwards) > 0 && !c.Network:
		return failed("-p "+c.Forwards[0].String(), "the machine has no network", "leave --network none out")
	}
	return nil
}

// record fills in what only the launcher knows, at the last moment.
func record(c *Config) ([]byte, error) {
	r := c.Record
	r.CPUs, r.Memory, r.StopTimeout = c.CPUs, uint64(c.Memory), int64(max(c.StopTimeout, 0))
	r.Data, r.Verbose, r.Trace, r.Audit = c.Data != nil, c.Verbose != nil || c.Log != nil, c.Strace != nil, c.Audit != nil
	r.Net = bootrec.Net{}
	if c.Network {
		r.Net = network(c.HostAccess, "/etc/resolv.conf")
	}
	for _, b := range [][]byte{r.Seed[:], r.Early[:]} {
		if _, err := rand.Read(b); err != nil {
			return nil, failed("randomness", cause(err), "")
		}
	}
	r.Wall, _ = clocks()
	b, err := bootrec.Encode(&r)
	clear(r.Seed[:])
	clear(r.Early[:])
	if err != nil {
		return nil, failed("the machine's configuration", err.Error(), "")
	}
	return b, nil
}

func runOnce(c *Config, path string, accel Accel, sandbox bool, ports *published) (*Result, error) {
	rec, err := record(c)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	p, err := start(path, c, rec, environment(accel), func(n fds) []string {
		l := args(c, accel, ports.qemu, n, sandbox)
		c.verbose("starting " + path + " " + strings.Join(l, " "))
		ports.release() // as late as can be
		return l
	})
	clear(rec)
	if err != nil {
		return nil, err
	}
	defer p.close()
	m := &machine{c: c, p: p, ports: carry(c, p, begin), relay: ports.relay, boot: bootTimeoutTCG}
	if accel.Name == KVM {
		m.boot = bootTimeoutKVM
	}
	if c.BootTimeout > 0 {
		m.boot = c.BootTimeout
	}
	return m.run(), nil
}

// machine is a running machine, and what is known of its end.
type machine struct {
	c     *Config
	p     *process
	ports *ports
	relay *relay.Relay
	boot  time.Duration

	hello     bool
	exit      *bootrec.Exit
	protocol  error // a port's bytes are no frames
	unseen    error // what the kernel refuses cannot be recorded
	timedOut  bool  // --timeout
	killed    bool  // by the user, or since it did not stop in time
	bootLate  bool  // no hello in time
	badHello  uint32
	asked     bool // INT or TERM was passed on
	stop, end <-chan time.Time
}

// run waits for the end, whatever it is, and decides what it means.
func (m *machine) run() *Result {
	boot := time.NewTimer(m.boot)
	defer boot.Stop()
	var timeout <-chan time.Time
	if m.c.Timeout > 0 {
		t := time.NewTimer(m.c.Timeout)
		defer t.Stop()
		timeout = t.C
	}
	for {
		select {
		case s := <-m.c.Signals:
			m.signal(s)
		case v := <-m.ports.hello:
			m.sayHello(v)
		case e := <-m.ports.exit:
			if m.exit == nil { // the first one counts
				m.exit = &e
			}
			m.endWithin(exitGrace)
		case err := <-m.ports.protocol:
			m.protocol = err
			m.endWithin(exitGrace) // it may still say why, on the serial port
		case m.unseen = <-m.ports.unseen:
			m.ports.send(bootrec.AppendStop(nil))
			m.endWithin(stopGrace)
		case <-boot.C:
			if !m.hello && m.exit == nil {
				m.bootLate = true
				m.p.kill()
			}
		case <-timeout:
			m.timedOut = true
			if m.hello {
				m.askToStop(int(syscall.SIGTERM))
			} else {
				m.p.kill()
			}
		case <-m.stop:
			m.stop = nil
			m.killed = true
			m.ports.send(bootrec.AppendStop(nil))
			m.endWithin(stopGrace)
		case <-m.end:
			m.p.kill()
		case st := <-m.p.exited:
			m.drain()
			return m.result(st)
		}
	}
}

// endWithin kills QEMU if it still runs after d. The first to ask counts.
func (m *machine) endWithin(d time.Duration) {
	if m.end == nil {
		m.end = time.After(d)
	}
}

func (m *machine) sayHello(version uint32) {
	if version != bootrec.ProtocolVersion {
		m.badHello = version
		m.p.kill()
		return
	}
	m.hello = true
	m.relay.Open()
}

// signal passes a signal on. The second Ctrl-C ends the machine.
func (m *machine) signal(s os.Signal) {
	n := signalNumber(s)
	switch {
	case m.exit != nil:
		// The program has ended; what is asked to stop is the rest.
		if s == os.Interrupt || s == syscall.SIGTERM {
			m.killed = true
			m.p.kill()
		}
	case s == os.Interrupt && m.asked:
		m.killed = true
		m.p.kill()
	case s == os.Interrupt || s == syscall.SIGTERM:
		m.asked = true
		m.askToStop(n)
	default:
		m.ports.send(bootrec.AppendSignal(nil, n))
	}
}

// askToStop sends the program a signal to end by, and gives it the stop timeout.
func (m *machine) askToStop(signo int) {
	if m.c.StopTimeout <= 0 {
		m.killed = true
		m.p.kill()
		return
	}
	m.ports.send(bootrec.AppendSignal(nil, signo))
	if m.stop == nil {
		m.stop = time.After(m.c.StopTimeout)
	}
}

// drain waits until everything that QEMU wrote was handed on. A slow reader of
// the program's output is waited for, unless the user wants the end; one at the
// other end of a connection for a while only.
func (m *machine) drain() {
	outputs := m.ports.done
	var conns <-chan struct{}
	if m.hello || m.exit != nil { // else QEMU may be started once more (Run)
		conns = m.relay.End()
	}
	var limit <-chan time.Time
	if m.killed || m.timedOut || m.bootLate || m.unseen != nil || m.exit != nil && auditLost(m.exit) {
		limit = time.After(drainGrace)
	}
	connLimit := time.After(connGrace)
	for outputs != nil || conns != nil {
		select {
		case <-outputs:
			outputs = nil
		case <-conns:
			conns = nil
		case <-connLimit:
			conns = nil
		case <-limit:
			return
		case s := <-m.c.Signals:
			// The program is gone; a request to stop is for what is left of us.
			if s == os.Interrupt || s == syscall.SIGTERM {
				return
			}
		}
	}
}

// result says how the machine ended. What it said of itself counts most, but for
// a timeout, which the user asked to hear of.
func (m *machine) result(st *os.ProcessState) *Result {
	r := m.outcome(st)
	if m.unseen != nil {
		return r.LoseAudit(m.unseen)
	}
	return r
}

// outcome is result for a machine whose record was written.
func (m *machine) outcome(st *os.ProcessState) *Result {
	// These may have come together with the end.
	select {
	case e := <-m.ports.exit:
		if m.exit == nil {
			m.exit = &e
		}
	default:
	}
	select {
	case err := <-m.ports.protocol:
		m.protocol = err
	default:
	}
	select {
	case err := <-m.ports.unseen:
		m.unseen = err
	default:
	}
	code, signal := st.ExitCode(), 0
	if w, ok := st.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		signal = int(w.Signal())
	}
	uart, stderr := m.ports.uart.lines(), m.p.stderr.lines()
	switch {
	case m.timedOut:
		return &Result{Reason: "timeout", Status: StatusTimeout, Message: fmt.Sprintf("ended: the timeout of %v is over", m.c.Timeout)}
	case m.exit != nil:
		r := exited(*m.exit)
		r.AuditLost = auditLost(m.exit)
		if m.failed(r) {
			m.explain(r)
		} else if f := &m.ports.failure; m.exit.Reason == bootrec.Policy {
			m.describeEnd(r, f)
		}
		if m.exit.Reason == bootrec.KernelBug {
			r.Detail = lastWords(uart, 60)
		}
		if m.exit.Reason == bootrec.Stopped {
			r.Message = m.killMessage()
		}
		return r
	case m.killed:
		return &Result{Reason: "killed", Status: StatusKilled, Signal: int(syscall.SIGKILL), Message: m.killMessage()}
	case m.badHello != 0:
		return &Result{Reason: "failed", Status: StatusFailed, Message: fmt.Sprintf(
			"the kernel in the image speaks version %d of the port protocol, and this skerry version %d (use a newer skerry, or build the image again)",
			m.badHello, bootrec.ProtocolVersion)}
	case m.bootLate:
		r := died(-1, 0, uart, stderr)
		if r.Status == StatusFailed {
			r.Message = fmt.Sprintf("the kernel did not come up within %v", m.boot)
		}
		return r
	case m.protocol != nil:
		return &Result{Reason: bootrec.KernelBug.String(), Status: StatusKernelBug, Message: "the kernel sent what is no frame: " + m.protocol.Error(),
			Detail: lastWords(uart, 60)}
	}
	return died(code, signal, uart, stderr)
}

func (m *machine) killMessage() string {
	if m.asked && m.stop == nil && m.c.StopTimeout > 0 {
		return fmt.Sprintf("ended: the program did not stop within %v", m.c.StopTimeout)
	}
	return "ended"
}
