package load

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestRun(t *testing.T) {
	var seen atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := seen.Add(1)
		switch r.URL.Path {
		case "/bad":
			http.Error(w, "no", 500)
		case "/chunks":
			for range 3 {
				io.WriteString(w, strings.Repeat("x", 1000))
				w.(http.Flusher).Flush()
			}
		default:
			if n%100 == 0 {
				w.Header().Set("Connection", "close")
			}
			io.WriteString(w, "hello")
		}
	}))
	defer srv.Close()
	address := strings.TrimPrefix(srv.URL, "http://")

	r, err := Run(context.Background(), Plan{Address: address, Path: "/chunks", Connections: 4, Requests: 50})
	if err != nil || r.Requests != 50 || r.Bytes != 50*3000 || r.Errors != 0 || r.P50 <= 0 || r.P99 < r.P50 {
		t.Errorf("chunks: %+v %v", r, err)
	}
	r, err = Run(context.Background(), Plan{Address: address, Path: "/bad", Connections: 2, Requests: 10})
	if err != nil || r.Requests != 0 || r.Errors < 2 || r.First == nil {
		t.Errorf("bad: %+v %v", r, err)
	}
	r, err = Run(context.Background(), Plan{Address: address, Path: "/", Connections: 3, Duration: 200 * time.Millisecond})
	if err != nil || r.Requests == 0 || r.Bytes != r.Requests*5 || r.Elapsed > 5*time.Second {
		t.Errorf("time: %+v %v", r, err)
	}
	// A server that is gone ends the run after a bounded number of errors.
	srv.Close()
	r, err = Run(context.Background(), Plan{Address: address, Path: "/", Connections: 2, Duration: time.Minute})
	if err != nil || r.Requests != 0 || r.Errors != maxErrors {
		t.Errorf("gone: %+v %v", r, err)
	}
	if _, err := Run(context.Background(), Plan{Address: address, Connections: 1}); err == nil {
		t.Error("a plan without an end was accepted")
	}
}
