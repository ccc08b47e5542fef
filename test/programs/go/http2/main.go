// Command http2 serves HTTP/2, over TLS on the first address and without it on the
// second, in the ways that servers of gRPC use it: streams in both directions, trailers,
// streams that the client gives up.
//
//	http2 TLS-ADDRESS PLAIN-ADDRESS CERT KEY
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

var givenUp atomic.Int64

func main() {
	log.SetFlags(0)
	mux := http.NewServeMux()
	mux.HandleFunc("/proto", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) })
	mux.HandleFunc("/echo", echo)
	mux.HandleFunc("/messages", messages)
	mux.HandleFunc("/data", data)
	mux.HandleFunc("/wait", func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		givenUp.Add(1)
	})
	mux.HandleFunc("/given-up", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, givenUp.Load()) })

	secure := &http.Server{Addr: os.Args[1], Handler: mux}
	plain := &http.Server{Addr: os.Args[2], Handler: mux, Protocols: new(http.Protocols)}
	plain.Protocols.SetUnencryptedHTTP2(true)
	failed := make(chan error, 2)
	go func() { failed <- secure.ListenAndServeTLS(os.Args[3], os.Args[4]) }()
	go func() { failed <- plain.ListenAndServe() }()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	select {
	case err := <-failed:
		log.Fatal(err)
	case <-stop:
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := errors.Join(secure.Shutdown(ctx), plain.Shutdown(ctx)); err != nil {
		log.Fatal(err)
	}
}

// echo sends back what comes while it comes, and its length and checksum behind it.
func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Trailer", "X-Bytes, X-Sum")
	sum := crc32.NewIEEE()
	n, err := io.Copy(io.MultiWriter(w, sum), r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("X-Bytes", strconv.FormatInt(n, 10))
	w.Header().Set("X-Sum", fmt.Sprintf("%08x", sum.Sum32()))
}

// messages answers each message with its bytes in reverse, at once. Messages are as
// gRPC frames them: a byte that says whether they are compressed, and the length.
func messages(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/grpc")
	w.WriteHeader(200)
	w.(http.Flusher).Flush()
	status := "0"
	for {
		var head [5]byte
		if _, err := io.ReadFull(r.Body, head[:]); err != nil {
			if err != io.EOF {
				status = "13"
			}
			break
		}
		b := make([]byte, binary.BigEndian.Uint32(head[1:])&0xfffff)
		if _, err := io.ReadFull(r.Body, b); err != nil {
			status = "13"
			break
		}
		for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
			b[i], b[j] = b[j], b[i]
		}
		w.Write(append(head[:], b...))
		w.(http.Flusher).Flush()
	}
	w.Header().Set(http.TrailerPrefix+"Grpc-Status", status)
}

// data sends n bytes.
func data(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.URL.Query().Get("n"))
	b := make([]byte, 32<<10)
	for i := range b {
		b[i] = byte(i * 7)
	}
	for n > 0 {
		m, err := w.Write(b[:min(n, len(b))])
		if err != nil {
			return
		}
		n -= m
	}
}
