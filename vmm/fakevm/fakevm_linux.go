// Package fakevm is a QEMU that holds no machine: it takes QEMU's command line and
// speaks on the ports what the arguments in the boot record tell it to. Tests of
// the launcher run their own binary under another name and call Main in it, so
// that signals, statuses, timeouts and hostile ports are tried without a kernel.
//
// It runs on Linux and is linked into tests only.
package fakevm

import (
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"skerry/bootrec"

	"golang.org/x/sys/unix"
)

// leave ends the process at once; under the race detector os.Exit takes a second.
func leave(code int) { syscall.RawSyscall(unix.SYS_EXIT_GROUP, uintptr(code), 0, 0) }

// fake is the machine's side of the ports.
type fake struct {
	rec    *bootrec.Record
	port   [bootrec.Ports]*os.File
	uart   *os.File
	reader *bootrec.Reader
	rest   []byte
	args   []string

	listener net.Listener // after listen
}

// Option returns the value behind a QEMU option, the nth one of that name.
func Option(args []string, name string, n int) string {
	for i, a := range args {
		if a == name {
			if n == 0 {
				return args[i+1]
			}
			n--
		}
	}
	fmt.Fprintln(os.Stderr, "fake-qemu: no option", name)
	leave(1)
	return ""
}

// Main is the main function of the fake: args are QEMU's, argv[0] first. Each
// argument of the record's program is a command, NAME or NAME:VALUE (see do);
// after the last one the machine ends as if it had been reset.
func Main(args []string) {
	f := &fake{args: args, reader: bootrec.NewReader(bootrec.MaxToMachine)}
	fd := func(id string) *os.File {
		for i := range 8 {
			o := Option(args, "-chardev", i)
			if strings.HasPrefix(o, "socket,id="+id+",fd=") {
				n, _ := strconv.Atoi(o[strings.LastIndexByte(o, '=')+1:])
				return os.NewFile(uintptr(n), id)
			}
		}
		return nil
	}
	if slices.Contains(args, "-readconfig") {
		if b, err := os.ReadFile(Option(args, "-readconfig", 0)); err != nil || len(b) > 0 {
			fmt.Fprintln(os.Stderr, "fake-qemu: settings:", string(b), err)
			leave(1)
		}
	}
	for i := range f.port {
		f.port[i] = fd("port" + strconv.Itoa(i))
	}
	f.uart = fd("uart")
	b, err := os.ReadFile(Option(args, "-initrd", 0))
	if err == nil {
		f.rec, err = bootrec.Decode(b)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fake-qemu:", err)
		leave(1)
	}
	for _, cmd := range f.rec.Args[1:] {
		f.do(cmd)
	}
	leave(0)
}

// do runs one command, NAME or NAME:VALUE.
func (f *fake) do(cmd string) {
	name, value, _ := strings.Cut(cmd, ":")
	n, _ := strconv.Atoi(value)
	out, err, log, control := f.port[0], f.port[1], f.port[2], f.port[3]
	switch name {
	case "hello":
		control.Write(bootrec.AppendHello(nil))
	case "hello-version":
		b := bootrec.AppendHello(nil)
		b[bootrec.FrameHeader] = byte(n)
		control.Write(b)
	case "out":
		io.WriteString(out, value)
	case "err":
		io.WriteString(err, value)
	case "uart":
		io.WriteString(f.uart, value)
	case "stderr":
		io.WriteString(os.Stderr, value)
	case "notice":
		log.Write(bootrec.AppendText(nil, bootrec.KindNotice, value))
	case "log":
		log.Write(bootrec.AppendText(nil, bootrec.KindLog, value))
	case "audit":
		log.Write(bootrec.AppendText(nil, bootrec.KindAudit, value))
	case "audited": // how many records there were, each of one event
		control.Write(bootrec.AppendAudited(nil, bootrec.Audited{Records: uint64(n), Events: uint64(n)}))
	case "strace":
		log.Write(bootrec.AppendText(nil, bootrec.KindStrace, value))
	case "exit":
		control.Write(bootrec.AppendExit(nil, &bootrec.Exit{Reason: bootrec.Exited, Code: n}))
	case "signaled":
		control.Write(bootrec.AppendExit(nil, &bootrec.Exit{Reason: bootrec.Signaled, Signal: n, Message: "at 0x10"}))
	case "reason":
		control.Write(bootrec.AppendExit(nil, &bootrec.Exit{Reason: bootrec.Reason(n), Message: "because\x1b[31m"}))
	case "raw-log", "raw-control": // bytes in hexadecimal
		b, _ := hex.DecodeString(value)
		if name == "raw-log" {
			log.Write(b)
		} else {
			control.Write(b)
		}
	case "taken": // FILE: in the first n starts somebody else has the port; FILE lists them
		times, file, _ := strings.Cut(value, ":")
		n, _ := strconv.Atoi(times)
		was, _ := os.ReadFile(file)
		_, rule, _ := strings.Cut(Option(f.args, "-netdev", 0), "hostfwd=")
		os.WriteFile(file, append(was, rule+"\n"...), 0o600)
		if strings.Count(string(was), "\n") < n {
			fmt.Fprintf(os.Stderr, "fake-qemu: -netdev user: Could not set up host forwarding rule '%s'\n", rule)
			leave(1)
		}
	case "exit-on-log":
		log.Write(bootrec.AppendExit(nil, &bootrec.Exit{Reason: bootrec.Exited}))
	case "big": // n bytes of a pattern on both outputs
		for i := 0; i < n; i += 4096 {
			b := make([]byte, min(4096, n-i))
			for j := range b {
				b[j] = byte((i + j) * 7 >> 3)
			}
			out.Write(b)
			err.Write(b)
		}
	case "closed": // reports whether the launcher hangs up port 0
		out.SetReadDeadline(time.Now().Add(5 * time.Second))
		for {
			if _, e := out.Write(make([]byte, 65536)); e != nil {
				fmt.Fprintf(err, "hung up: %v", e)
				return
			}
		}
	case "record":
		fmt.Fprintf(out, "%+v", *f.rec)
	case "argv":
		io.WriteString(out, strings.Join(f.args, "\n"))
	case "environ":
		io.WriteString(out, strings.Join(os.Environ(), "\n"))
	case "pid":
		fmt.Fprintln(out, os.Getpid())
	case "group":
		fmt.Fprint(out, syscall.Getpgrp() == os.Getpid())
	case "stdin":
		b, e := io.ReadAll(os.Stdin)
		fmt.Fprintf(out, "%d %v", len(b), e)
	case "kernel":
		b, _ := os.ReadFile(Option(f.args, "-kernel", 0))
		out.Write(b)
		w, e := os.OpenFile(Option(f.args, "-kernel", 0), os.O_WRONLY, 0)
		if e == nil {
			_, e = w.Write([]byte("x"))
		}
		fmt.Fprintf(out, " writable=%v", e == nil)
	case "disk":
		o := Option(f.args, "-blockdev", n)
		path := o[strings.Index(o, "/proc/"):]
		path, _, _ = strings.Cut(path, ",")
		b, e := os.ReadFile(path)
		fmt.Fprintf(out, "%s %v", b, e)
	case "time":
		control.Write(bootrec.AppendTimeReq(nil, uint64(n)))
		fr := f.frame()
		t, e := bootrec.ParseTime(fr.Payload)
		var mono unix.Timespec
		unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono)
		near := func(d int64) bool { return d >= 0 && d < int64(5*time.Second) }
		fmt.Fprintf(out, "kind=%#x id=%d near=%v err=%v\n", fr.Kind, t.ID, near(time.Now().UnixNano()-t.Wall) && near(mono.Nano()-t.Mono), e)
	case "signals": // answer n signals
		for range n {
			fr := f.frame()
			s, e := bootrec.ParseSignal(fr.Payload)
			if e != nil {
				fmt.Fprintf(out, "kind=%#x ", fr.Kind)
				continue
			}
			fmt.Fprintf(out, "signal=%d ", s)
		}
	case "stop": // obey a Stop, and nothing else
		for f.frame().Kind != bootrec.KindStop {
		}
		control.Write(bootrec.AppendExit(nil, &bootrec.Exit{Reason: bootrec.Stopped}))
	case "listen": // on the port of the first forward, with QEMU's backlog
		f.listen()
	case "echo": // answer n connections, one after another, what they send
		for range n {
			c, e := f.listener.Accept()
			if e != nil {
				fmt.Fprintln(os.Stderr, "fake-qemu:", e)
				leave(1)
			}
			io.Copy(c, c)
			c.Close()
		}
	case "send": // accept a connection, send n bytes and close it
		c, e := f.listener.Accept()
		if e == nil {
			// QEMU reads what comes as long as the machine takes it. What has come is read
			// before the end: a socket closed with something unread is reset, and the
			// reset drops what the other side has not taken.
			read := make(chan struct{})
			go func() {
				io.Copy(io.Discard, c)
				close(read)
			}()
			_, e = c.Write(make([]byte, n))
			c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			<-read
		}
		if e != nil {
			fmt.Fprintln(os.Stderr, "fake-qemu:", e)
			leave(1)
		}
		c.Close()
	case "sleep":
		time.Sleep(time.Duration(n) * time.Millisecond)
	case "hang":
		time.Sleep(time.Minute)
	case "status":
		leave(n)
	case "kill":
		syscall.Kill(os.Getpid(), syscall.Signal(n))
		time.Sleep(time.Minute)
	default:
		fmt.Fprintln(os.Stderr, "fake-qemu: what is", cmd)
		leave(1)
	}
}

// listen listens where the first forward of TCP comes from.
func (f *fake) listen() {
	_, rule, _ := strings.Cut(Option(f.args, "-netdev", 0), "hostfwd=tcp:")
	host, _, _ := strings.Cut(rule, "-")
	at, err := netip.ParseAddrPort(host)
	var fd int
	if err == nil {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())})
	}
	if err == nil {
		err = unix.Listen(fd, 1)
	}
	if err == nil {
		f.listener, err = net.FileListener(os.NewFile(uintptr(fd), "listener"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fake-qemu: listen:", err)
		leave(1)
	}
}

// frame reads the next frame from the control port.
func (f *fake) frame() bootrec.Frame {
	for {
		fr, rest, ok, err := f.reader.Next(f.rest)
		if err != nil {
			fmt.Fprintln(os.Stderr, "fake-qemu:", err)
			leave(1)
		}
		f.rest = rest
		if ok {
			fr.Payload = append([]byte(nil), fr.Payload...)
			return fr
		}
		b := make([]byte, 256)
		n, err := f.port[bootrec.PortControl].Read(b)
		if err != nil {
			leave(0)
		}
		f.rest = b[:n]
	}
}
