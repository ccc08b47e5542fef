// Package load sends HTTP/1.1 requests over a fixed number of keep-alive
// connections to a server on this host, for a bounded number of requests and a
// bounded time. It parses no more of an answer than it needs, so that the
// generator takes little of the processor that it shares with the machine.
//
// Connections are opened one after another, each with a first request that is not
// counted: QEMU's user network listens with a backlog of one, and connections
// that come together are lost for seconds (slirp: tcpx_listen).
//
// It imports the standard library only.
package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Plan is a load.
type Plan struct {
	Address     string // host:port
	Path        string
	Connections int
	Requests    int64         // 0: until Duration is over
	Duration    time.Duration // 0: until Requests are done
}

// Result is what came of it.
type Result struct {
	Requests int64 // answered with status 200 in full
	Bytes    int64 // of bodies
	Errors   int64
	First    error // the first of them
	Elapsed  time.Duration
	P50, P99 time.Duration
}

// Limits that hold for every plan.
const (
	maxConnections = 1000
	maxDuration    = 10 * time.Minute
	answerTime     = 10 * time.Second // longest wait for an answer
)

// Run carries out a plan.
func Run(ctx context.Context, p Plan) (*Result, error) {
	if p.Connections < 1 || p.Connections > maxConnections {
		return nil, fmt.Errorf("load: %d connections are not between 1 and %d", p.Connections, maxConnections)
	}
	if p.Requests <= 0 && p.Duration <= 0 {
		return nil, errors.New("load: neither a number of requests nor a time")
	}
	if p.Duration <= 0 || p.Duration > maxDuration {
		p.Duration = maxDuration
	}
	var (
		started atomic.Int64
		mu      sync.Mutex
		all     []time.Duration
		r       Result
		wg      sync.WaitGroup
	)
	var opening sync.Mutex
	workers := make([]*worker, p.Connections)
	for i := range workers {
		workers[i] = &worker{plan: &p, started: &started, opening: &opening, request: []byte("GET " + p.Path + " HTTP/1.1\r\nHost: " + p.Address + "\r\n\r\n")}
		if err := workers[i].open(); err != nil {
			workers[i].failed(err) // it tries again when it runs
			if i == 0 {
				break // nobody is there: the others would only wait as long
			}
		}
	}
	start := time.Now()
	end := start.Add(p.Duration)
	for _, w := range workers {
		if w == nil {
			continue
		}
		wg.Go(func() {
			w.end = end
			w.run(ctx)
			mu.Lock()
			defer mu.Unlock()
			r.Requests += w.done
			r.Bytes += w.bytes
			r.Errors += w.errors
			if r.First == nil {
				r.First = w.first
			}
			all = append(all, w.times...)
		})
	}
	wg.Wait()
	r.Elapsed = time.Since(start)
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	if n := len(all); n > 0 {
		r.P50, r.P99 = all[n/2], all[n*99/100]
	}
	return &r, ctx.Err()
}

// worker is one connection, made again after an error.
type worker struct {
	plan    *Plan
	request []byte
	end     time.Time
	started *atomic.Int64
	opening *sync.Mutex // held while a connection is made

	conn   net.Conn
	in     *bufio.Reader
	done   int64
	bytes  int64
	errors int64
	first  error
	times  []time.Duration
}

// maxErrors ends a worker whose server is gone.
const maxErrors = 20

func (w *worker) run(ctx context.Context) {
	defer w.close()
	for w.errors < maxErrors && ctx.Err() == nil {
		if !time.Now().Before(w.end) {
			return
		}
		if w.conn == nil {
			if err := w.open(); err != nil {
				w.failed(err)
				continue
			}
		}
		if w.plan.Requests > 0 && w.started.Add(1) > w.plan.Requests {
			return
		}
		now := time.Now()
		n, err := w.one()
		if err != nil {
			w.failed(err)
			continue
		}
		w.times = append(w.times, time.Since(now))
		w.done++
		w.bytes += n
	}
}

func (w *worker) failed(err error) {
	w.errors++
	if w.first == nil {
		w.first = err
	}
	w.close()
}

// open makes a connection and sees it work.
func (w *worker) open() error {
	w.opening.Lock()
	defer w.opening.Unlock()
	c, err := net.DialTimeout("tcp", w.plan.Address, answerTime)
	if err != nil {
		return err
	}
	w.conn, w.in = c, bufio.NewReaderSize(c, 64<<10)
	_, err = w.one()
	return err
}

func (w *worker) close() {
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}

// one sends a request and reads its answer.
func (w *worker) one() (int64, error) {
	w.conn.SetDeadline(time.Now().Add(answerTime))
	if _, err := w.conn.Write(w.request); err != nil {
		return 0, err
	}
	return ReadAnswer(w.in)
}

// ReadAnswer reads an answer of status 200 and throws its body away. It returns
// the body's length.
func ReadAnswer(in *bufio.Reader) (int64, error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
		return 0, fmt.Errorf("load: answer %q", bytes.TrimSpace(line))
	}
	length, chunked := int64(-1), false
	for {
		line, err = in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.ParseInt(string(value), 10, 64); err != nil || length < 0 {
				return 0, fmt.Errorf("load: length %q", value)
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		}
	}
	switch {
	case chunked:
		return readChunks(in)
	case length < 0:
		return 0, errors.New("load: an answer without a length")
	}
	n, err := io.CopyN(io.Discard, in, length)
	return n, err
}

// readChunks reads a chunked body (RFC 9112, 7.1) without trailers.
func readChunks(in *bufio.Reader) (total int64, err error) {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		size, _, _ := bytes.Cut(bytes.TrimSpace(line), []byte(";"))
		n, err := strconv.ParseInt(string(size), 16, 64)
		if err != nil || n < 0 {
			return 0, fmt.Errorf("load: chunk %q", line)
		}
		if _, err := io.CopyN(io.Discard, in, n+2); err != nil { // with CR LF
			return 0, err
		}
		if n == 0 {
			return total, nil
		}
		total += n
	}
}
