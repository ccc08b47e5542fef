package skerrytest

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"skerry/test/harness"
)

// TestUDPServer asks a UDP server on a published port, from this host: it answers who asked
// and, in a machine, nobody else on this host's loopback, nor from another port.
func TestUDPServer(t *testing.T) {
	path := built(t.Context(), t, harness.Musl, "udpserver")
	for _, cpus := range []int{0, 1, 2} {
		name, want := fmt.Sprintf("machine/%d", cpus), "EACCES"
		if cpus == 0 {
			name, want = "linux", "ok"
		}
		t.Run(name, func(t *testing.T) {
			slot(t)
			udpServer(t, path, cpus, want)
		})
	}
}

func udpServer(t *testing.T, path string, cpus int, want string) {
	l, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.LocalAddr().(*net.UDPAddr).Port
	l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, strconv.Itoa(port))
	if cpus > 0 {
		cmd = exec.CommandContext(ctx, skerryCommand(t), "run", "--cpus", strconv.Itoa(cpus), "-m", "64M", "-p", fmt.Sprintf("127.0.0.1:%d:9000/udp", port), path, "9000")
	}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	defer func() {
		cancel()
		<-done
	}()
	c, err := net.Dial("udp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := make([]byte, 65536)
	// ask repeats a question until it is answered: datagrams may be lost.
	ask := func(q, want string) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); ; {
			c.Write([]byte(q)) // refused until the server is there
			c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
			n, err := c.Read(b)
			if err == nil && string(b[:n]) == want {
				return
			}
			// An earlier question's answer may come late.
			if got := string(b[:n]); time.Now().After(end) || err == nil && got[0] == q[0] {
				t.Fatalf("%q: %q, %v, expected %q", q[:1], got[:min(n, 20)], err, want[:min(len(want), 20)])
			}
			select {
			case err := <-done:
				done <- err
				t.Fatalf("it ended: %v", err)
			default:
			}
		}
	}
	ask("e first", "e first")
	for _, n := range []int{1, 100, 1400, 1472, 2000, 4000} {
		q := "e" + strings.Repeat("x", n)
		ask(q, q)
	}
	ask("c connected", "c connected")
	ask("p", "p "+want)
	ask("o", "o "+want)
	ask("e last", "e last")
	c.Write([]byte("q"))
	select {
	case err := <-done:
		done <- err
		if err != nil {
			t.Errorf("it ended: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it did not end")
	}
	if s := out.String(); cpus > 0 && strings.Count(s, "denied a connection to 10.0.2.2:") != 2 {
		t.Errorf("%s", s)
	}
}
