package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestServer(t *testing.T) {
	srv := httptest.NewServer(newServer().handler())
	defer srv.Close()
	tests := []struct {
		path   string
		status int
		check  func(body string) bool
	}{
		{"/", 200, func(b string) bool { return strings.Contains(b, "request 1.") }},
		{"/", 200, func(b string) bool { return strings.Contains(b, "request 2.") }},
		{"/nothing", 404, nil},
		{"/bulk", 400, nil},
		{"/bulk?n=-1", 400, nil},
		{"/bulk?n=1073741825", 400, nil},
		{"/bulk?n=99999999999999999999", 400, nil},
		{"/bulk?n=0", 200, func(b string) bool { return b == "" }},
		{"/bulk?n=65537", 200, func(b string) bool { return len(b) == 65537 && b[65536] == 'a' }},
		{"/time", 200, func(b string) bool {
			at, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(b))
			return err == nil && time.Since(at).Abs() < time.Minute
		}},
	}
	for _, test := range tests {
		r, err := http.Get(srv.URL + test.path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != test.status || test.check != nil && !test.check(string(b)) {
			t.Errorf("%s: status %d, %d bytes %.80q, %v", test.path, r.StatusCode, len(b), b, err)
		}
	}
}
