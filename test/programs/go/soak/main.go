// Soak is a server that uses much of a kernel for each of its answers, and tells
// how much memory the machine has left. It prints "listening on" when it listens.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello\n") })
	http.HandleFunc("/file", file)
	http.HandleFunc("/map", mapped)
	http.HandleFunc("/pipes", pipes)
	http.HandleFunc("/timers", timers)
	http.HandleFunc("/self", self)
	http.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	http.HandleFunc("/memory", memory)
	l, err := net.Listen("tcp", ":"+port)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", port)
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	server := &http.Server{}
	go server.Serve(l)
	<-end
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	server.Shutdown(ctx)
}

// check ends a request that found something wrong with status 500.
func check(w http.ResponseWriter, err error) bool {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
	return err == nil
}

// file writes, reads, renames and removes a file of up to a megabyte.
func file(w http.ResponseWriter, r *http.Request) {
	dir, err := os.MkdirTemp("/tmp", "soak")
	if !check(w, err) {
		return
	}
	defer os.RemoveAll(dir)
	b := bytes.Repeat([]byte(dir), 1+int(time.Now().UnixNano()%1000)*40)
	a, c := filepath.Join(dir, "a"), filepath.Join(dir, "c")
	if !check(w, os.WriteFile(a, b, 0o644)) || !check(w, os.Rename(a, c)) {
		return
	}
	got, err := os.ReadFile(c)
	if check(w, err) && sha256.Sum256(got) != sha256.Sum256(b) {
		http.Error(w, "the file has other bytes", http.StatusInternalServerError)
	}
}

// mapped maps memory, shared and private, and takes it back.
func mapped(w http.ResponseWriter, r *http.Request) {
	for _, flags := range []int{syscall.MAP_PRIVATE, syscall.MAP_SHARED} {
		m, err := syscall.Mmap(-1, 0, 1<<20, syscall.PROT_READ|syscall.PROT_WRITE, flags|syscall.MAP_ANON)
		if !check(w, err) {
			return
		}
		for i := 0; i < len(m); i += 4096 {
			if m[i] != 0 {
				http.Error(w, "memory that is not zero", http.StatusInternalServerError)
			}
			m[i] = 1
		}
		if !check(w, syscall.Mprotect(m[:len(m)/2], syscall.PROT_READ)) || !check(w, syscall.Munmap(m)) {
			return
		}
	}
}

// pipes passes data through a pipe, a socket pair and a connection to itself.
func pipes(w http.ResponseWriter, r *http.Request) {
	pr, pw, err := os.Pipe()
	if !check(w, err) {
		return
	}
	defer pr.Close()
	go func() { io.WriteString(pw, strings.Repeat("x", 100000)); pw.Close() }()
	n, err := io.Copy(io.Discard, pr)
	if !check(w, err) {
		return
	}
	l, err := net.Listen("unix", "")
	if !check(w, err) {
		return
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			io.Copy(c, c)
			c.Close()
		}
	}()
	c, err := net.Dial("unix", l.Addr().String())
	if !check(w, err) {
		return
	}
	defer c.Close()
	var b [5]byte
	io.WriteString(c, "hello")
	if _, err = io.ReadFull(c, b[:]); check(w, err) && (n != 100000 || string(b[:]) != "hello") {
		http.Error(w, "other bytes", http.StatusInternalServerError)
	}
}

// timers waits for many timers and threads.
func timers(w http.ResponseWriter, r *http.Request) {
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			time.Sleep(time.Duration(i) * time.Millisecond / 10)
			if i%10 == 0 { // a thread that ends
				runtime.LockOSThread()
			}
		})
	}
	wg.Wait()
}

// self reads what the kernel says of the program.
func self(w http.ResponseWriter, r *http.Request) {
	for _, name := range []string{"/proc/self/maps", "/proc/self/status", "/proc/self/stat", "/proc/meminfo", "/proc/net/tcp"} {
		if _, err := os.ReadFile(name); !check(w, err) {
			return
		}
	}
}

// memory gives the program's own memory back and tells what the machine has left,
// and how many descriptors and threads the program has.
func memory(w http.ResponseWriter, r *http.Request) {
	debug.FreeOSMemory()
	b, err := os.ReadFile("/proc/meminfo")
	if !check(w, err) {
		return
	}
	_, rest, _ := strings.Cut(string(b), "MemFree:")
	free, err := strconv.Atoi(strings.Fields(rest)[0])
	if !check(w, err) {
		return
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if !check(w, err) {
		return
	}
	b, err = os.ReadFile("/proc/self/statm")
	if !check(w, err) {
		return
	}
	resident, _ := strconv.Atoi(strings.Fields(string(b))[1])
	fmt.Fprintf(w, "%d %d %d\n", free, resident*4, len(fds))
}
