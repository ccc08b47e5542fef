//go:build !linux

package vmm

import (
	"os"
	"runtime"
	"time"

	"skerry/bootrec"
)

// process is as in start_linux.go; here there is never one.
type process struct {
	port   [bootrec.Ports]*os.File
	uart   *os.File
	stderr tail
	exited chan *os.ProcessState
}

func start(string, *Config, []byte, []string, func(fds) []string) (*process, error) {
	return nil, failed("skerry", "runs machines on Linux only, and this is "+runtime.GOOS, "use a Linux x86-64 host")
}

func (p *process) kill()  {}
func (p *process) close() {}

func clocks() (wall, mono int64) { return time.Now().UnixNano(), 0 }

func signalNumber(os.Signal) int { return 0 }
