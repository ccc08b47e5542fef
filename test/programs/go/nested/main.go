// Command nested runs in a Linux machine that has KVM: it loads the kernel
// modules, and runs the commands of the file that its argument names, one after
// the other. For each it prints a line of JSON (type result) when it has ended.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// plan is what to do; kvm_test.go writes it.
type plan struct {
	Modules []string
	Jobs    []job
}

// job is a command.
type job struct {
	Name string
	// Args begin with the command's file. REFERENCE_TIME=now becomes the time of
	// this Linux in seconds.
	Args    []string
	Seconds int
	// Get is fetched once the command has printed "listening on"; then it gets
	// SIGTERM.
	Get string
	// Until, if not empty, is what it has to print: it is run again if it does not,
	// up to ten times.
	Until string
}

// result is how a command ended.
type result struct {
	Name           string
	Status         int // 128+n for a signal, -1 if it did not end in time
	Error          string
	Stdout, Stderr string
	Body           string // what Get brought
	Milliseconds   int64
	MixedUp        int    // how often the emulator had destroyed the machine; it was run again
	State          string // of the machine's processors, if it did not end by itself
	Log            string // the Linux kernel's own messages since the job before
}

func main() {
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func work() error {
	b, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	var p plan
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	for _, m := range p.Modules {
		if err := load(m); err != nil {
			return fmt.Errorf("%s: %w", m, err)
		}
	}
	log, err := os.OpenFile("/dev/kmsg", os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	for _, j := range p.Jobs {
		r := run(j)
		for n := 1; n < 10 && !strings.Contains(r.Stdout, j.Until); n++ {
			r = run(j)
		}
		again, resets := 0, 0
		for ; again < maxMixedUp && r.MixedUp != 0; again++ {
			if strings.Contains(r.Stderr, machineReset) {
				if resets++; resets > maxResets {
					break
				}
			}
			r = run(j)
		}
		r.MixedUp = again
		r.Log = messages(log)
		if err := out.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// messages reads what is new in /dev/kmsg, a record with each read.
func messages(log *os.File) string {
	var s strings.Builder
	b := make([]byte, 8192)
	for {
		n, err := syscall.Read(int(log.Fd()), b)
		if err == syscall.EPIPE { // records were overwritten before they were read
			continue
		}
		if err != nil || n <= 0 {
			return s.String()
		}
		s.Write(b[:n])
	}
}

// watched is a buffer that tells when a text has come.
type watched struct {
	mu   sync.Mutex
	b    bytes.Buffer
	text string
	seen chan struct{}
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.b.Write(b)
	if w.seen != nil && strings.Contains(w.b.String(), w.text) {
		close(w.seen)
		w.seen = nil
	}
	return len(b), nil
}

// maxMixedUp is how often a job is run again at most. With two processors and much that goes on
// between them half of the runs end so. Of these at most maxResets were reset.
const maxMixedUp, maxResets = 12, 2

// What the launcher says of machines that the emulator has destroyed.
const (
	// After a VMRUN that injects an interrupt, which QEMU's helper_vmrun delivers, the vector
	// stays in exception_index. If the processor's thread is asked to leave its loop before the
	// machine is left, it is delivered again, whatever the interrupt flag says.
	maskedInterrupt = "an interrupt came while interrupts were off"
	// Behind a VMRUN, the walk through the machine's page tables finds nothing of what is
	// mapped, the descriptor tables neither: a triple fault. It could be the kernel's own.
	machineReset = "the machine reset itself without saying why"
)

func run(j job) result {
	r := result{Name: j.Name, Status: -1}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(j.Seconds)*time.Second)
	defer cancel()
	const reference = "REFERENCE_TIME="
	args := slices.Clone(j.Args)
	if i := slices.Index(args, reference+"now"); i >= 0 {
		args[i] = reference + strconv.FormatInt(begin.Unix(), 10)
	}
	var destroyed atomic.Bool
	var state atomic.Value
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	seen := make(chan struct{})
	out, errs := &watched{text: "listening on", seen: seen}, &watched{}
	cmd.Stdout, cmd.Stderr = out, errs
	cmd.WaitDelay = time.Second
	err := cmd.Start()
	if err == nil {
		go mixedUp(ctx, func() {
			destroyed.Store(true)
			cancel()
		}, &state)
		if j.Get != "" {
			select {
			case <-seen:
				r.Body = get(ctx, j.Get)
				// If it has ended by itself, its status tells.
				_ = cmd.Process.Signal(syscall.SIGTERM)
			case <-ctx.Done():
			}
		}
		err = cmd.Wait()
	}
	var exit *exec.ExitError
	r.Stdout, r.Stderr = out.b.String(), errs.b.String()
	switch {
	case strings.Contains(r.Stderr, maskedInterrupt), strings.Contains(r.Stderr, machineReset):
		r.MixedUp, r.Error = 1, "the emulator destroyed the machine, or the kernel faulted where it cannot tell"
	case destroyed.Load():
		r.MixedUp, r.Error = 1, "the emulator destroyed the machine"
		r.State, _ = state.Load().(string)
	case ctx.Err() != nil:
		r.Error = fmt.Sprintf("did not end in %d s", j.Seconds)
		r.State, _ = state.Load().(string)
	case err != nil && !errors.As(err, &exit):
		r.Error = err.Error()
	default:
		r.Status = cmd.ProcessState.ExitCode()
		if w, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && w.Signaled() {
			r.Status = 128 + int(w.Signal())
		}
	}
	r.Milliseconds = time.Since(begin).Milliseconds()
	return r
}

// get is the answer's body, or the error.
func get(ctx context.Context, url string) string {
	q, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return err.Error()
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		return err.Error()
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
