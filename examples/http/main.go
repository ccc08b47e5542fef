// Command http is a small web server of Go's standard library.
//
//	/          a page with the machine's name, its uptime and the number of requests
//	/bulk?n=N  N bytes (at most 1 GiB)
//	/time      the time, in RFC 3339 with nanoseconds
//
// It listens on port 8080, or on the port that PORT names, prints one line when
// it does, and ends when it has answered what was under way after SIGTERM or
// SIGINT.
package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	maxBulk      = 1 << 30 // bytes that one request may ask for
	shutdownTime = 5 * time.Second
)

type server struct {
	name     string
	started  time.Time
	requests atomic.Int64
	block    [64 << 10]byte // what /bulk sends again and again
}

func newServer() *server {
	s := &server{started: time.Now()}
	s.name, _ = os.Hostname() // an empty name is shown as such
	for i := range s.block {
		s.block[i] = 'a' + byte(i%26)
	}
	return s
}

func (s *server) page(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<!DOCTYPE html>\n<title>Hello</title>\n<p>Hello from %s.\n<p>Up %.3f s, request %d.\n",
		html.EscapeString(s.name), time.Since(s.started).Seconds(), s.requests.Load())
}

func (s *server) bulk(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseInt(r.URL.Query().Get("n"), 10, 64)
	if err != nil || n < 0 || n > maxBulk {
		http.Error(w, fmt.Sprintf("n is a number of bytes, 0 to %d", maxBulk), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	for n > 0 {
		m, err := w.Write(s.block[:min(n, int64(len(s.block)))])
		if err != nil {
			return // the client has gone
		}
		n -= int64(m)
	}
}

func (s *server) time(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	fmt.Fprintln(w, time.Now().UTC().Format(time.RFC3339Nano))
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /bulk", s.bulk)
	mux.HandleFunc("GET /time", s.time)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		mux.ServeHTTP(w, r)
	})
}

func run() error {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	l, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	fmt.Println("listening on :" + port)
	srv := &http.Server{Handler: newServer().handler(), ReadHeaderTimeout: 10 * time.Second}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	done := make(chan error, 1)
	go func() {
		<-stop
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
		defer cancel()
		done <- srv.Shutdown(ctx)
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-done
}

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal("http: ", err)
	}
}
