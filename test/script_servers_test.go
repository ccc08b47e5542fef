package skerrytest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"skerry/bench/load"
	"skerry/test/harness"
)

// asks makes requests and writes down what comes back.
type asks struct {
	t      *testing.T
	client *http.Client
	base   string
	got    strings.Builder
}

func newAsks(t *testing.T, address string) *asks {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &asks{t: t, client: &http.Client{Jar: jar, Transport: transport, Timeout: time.Minute}, base: "http://" + address}
}

func (a *asks) do(method, path, kind string, body []byte) string {
	a.t.Helper()
	q, err := http.NewRequest(method, a.base+path, bytes.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	if kind != "" {
		q.Header.Set("Content-Type", kind)
	}
	r, err := a.client.Do(q)
	if err != nil {
		a.t.Errorf("%s %s: %v", method, path, err)
		return ""
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		a.t.Errorf("%s %s: %v", method, path, err)
	}
	fmt.Fprintf(&a.got, "%s %s %d %s\n%s\n", method, path, r.StatusCode, r.Header.Get("Content-Type"), b)
	return string(b)
}

// compare holds what came back against Linux's, which it keeps.
func (a *asks) compare(linux bool, want *string) {
	a.t.Helper()
	if linux {
		*want = a.got.String()
	} else if d := harness.Difference([]byte(*want), []byte(a.got.String())); d != "" {
		a.t.Errorf("Linux (-) and Skerry (+): %s", d)
	}
}

func (a *asks) load(path string, connections int, requests int64) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	l, err := load.Run(ctx, load.Plan{Address: strings.TrimPrefix(a.base, "http://"), Path: path, Connections: connections, Requests: requests, Duration: time.Minute})
	if err != nil || l.Requests != requests || l.Errors != 0 {
		a.t.Fatalf("%v; %+v", err, l)
	}
	a.t.Logf("%.0f requests per second, p50 %v", float64(l.Requests)/l.Elapsed.Seconds(), l.P50)
}

// TestPHP uses a form of a PHP application through PHP's own server.
func TestPHP(t *testing.T) {
	d := &harness.Daemon{
		Path: packaged(t, "php", "php-cli, php-sqlite3"), Memory: 128, Flags: strict,
		Args: func(p harness.Place) []string {
			return []string{"-d", "opcache.enable_cli=1", "-d", "session.save_path=" + p.Tmp, "-d", "upload_max_filesize=8M", "-d", "sys_temp_dir=" + p.Tmp, "-d", "display_errors=1",
				"-S", fmt.Sprintf("%s:%d", p.Host, p.Ports[0]), "-t", p.Files}
		},
		Files: func(p harness.Place) map[string][]byte {
			form := strings.Replace(text(t, "scripts/php/form.php"), "getenv('TMP_DIR') ?: '/tmp'", "'"+p.Tmp+"'", 1)
			return map[string][]byte{"form.php": []byte(form), "plain.html": []byte("<p>plain</p>\n")}
		},
		Ready: greets("GET /plain.html HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK"),
	}
	var want string
	daemon(t, d, 143, func(t *testing.T, r *harness.Running) {
		a := newAsks(t, r.Address)
		a.do("GET", "/plain.html", "", nil)
		a.do("GET", "/form.php", "", nil)
		a.do("POST", "/form.php", "application/x-www-form-urlencoded", []byte("text=%3Cb%3Ebold%3C%2Fb%3E+%C3%BC"))
		for _, n := range []int{0, 100, 3 << 20} {
			var body bytes.Buffer
			w := multipart.NewWriter(&body)
			w.WriteField("text", fmt.Sprintf("with %d bytes", n))
			f, _ := w.CreateFormFile("file", "f.bin")
			f.Write(bytes.Repeat([]byte("data"), n/4))
			w.Close()
			a.do("POST", "/form.php", w.FormDataContentType(), body.Bytes())
		}
		last := a.do("GET", "/form.php", "", nil)
		a.do("GET", "/none.php", "", nil)
		if !strings.Contains(last, "session 4\n") || !strings.Contains(last, "3145728") || !strings.Contains(last, "2001-09-09T03:46:40+02:00") || !strings.HasSuffix(last, "opcache\n") {
			t.Errorf("the form ends with %s", last)
		}
		a.compare(r.Tmp != "", &want)
		// It closes each connection after its answer.
		for range 100 {
			if got := a.do("GET", "/form.php?again", "", nil); got != last {
				t.Fatalf("%q", got)
			}
		}
	})
}

// TestRuby serves with WEBrick, which has a thread for each connection.
func TestRuby(t *testing.T) {
	d := &harness.Daemon{
		Path: packaged(t, "ruby", "ruby, ruby-webrick"), Memory: 128,
		Args: func(p harness.Place) []string {
			return []string{p.Files + "/webrick.rb", p.Host, fmt.Sprint(p.Ports[0]), p.Tmp}
		},
		Files: func(p harness.Place) map[string][]byte {
			return map[string][]byte{"webrick.rb": []byte(text(t, "scripts/webrick.rb"))}
		},
		Ready: greets("GET /echo HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK"),
	}
	var want string
	daemon(t, d, 7, func(t *testing.T, r *harness.Running) {
		linux := r.Tmp != ""
		a := newAsks(t, r.Address)
		a.do("GET", "/echo/path?x=1&y=two", "", nil)
		a.do("POST", "/echo", "text/plain", bytes.Repeat([]byte("body "), 200000))
		a.do("PUT", "/echo", "application/octet-stream", make([]byte, 3<<20))
		a.do("HEAD", "/echo", "", nil)
		if work := a.do("GET", "/work", "", nil); !strings.Contains(work, "STRASSE") || !strings.Contains(work, "raised") {
			t.Errorf("%q", work)
		}
		a.compare(linux, &want)
		expected := "forked"
		if !linux {
			expected = "Errno::EPERM"
		}
		if got := a.do("GET", "/fork", "", nil); got != expected {
			t.Errorf("fork: %q", got)
		}
		a.load("/echo", 10, 200)
	})
}
