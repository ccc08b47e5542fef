package skerrytest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"skerry/bench/linuxvm"
	"skerry/bench/load"
	"skerry/test/harness"
)

// nginxConf serves its folder, takes bodies into /up by the DAV module's PUT where
// there is one, and shows by a redirect that expressions work.
func nginxConf(p harness.Place) string {
	return strings.NewReplacer("HOST", p.Host, "PORT1", fmt.Sprint(p.Ports[0]), "PORT2", fmt.Sprint(p.Ports[1]), "FILES", p.Files, "TMP", p.Tmp).Replace(`
error_log /dev/stderr notice;
pid TMP/nginx.pid;
worker_rlimit_nofile 4096;
events { worker_connections 512; }
http {
	access_log off;
	sendfile on;
	tcp_nopush on;
	types { text/html html; text/plain txt; }
	default_type application/octet-stream;
	client_max_body_size 20m;
	client_body_temp_path TMP/body;
	proxy_temp_path TMP/proxy;
	fastcgi_temp_path TMP/fastcgi;
	uwsgi_temp_path TMP/uwsgi;
	scgi_temp_path TMP/scgi;
	gzip on;
	gzip_types text/plain;
	server {
		listen HOST:PORT1;
		listen HOST:PORT2 ssl;
		ssl_certificate FILES/cert.pem;
		ssl_certificate_key FILES/key.pem;
		keepalive_requests 100000;
		root FILES/site;
		location /up/ {
			alias TMP/up/;
			dav_methods PUT DELETE;
			create_full_put_path on;
		}
		location ~ ^/old/(\w+)$ { return 302 /new/$1; }
		location /list/ { autoindex on; alias FILES/site/; }
		location /back/ { proxy_pass http://127.0.0.1:PORT1/; }
	}
}
`)
}

func TestNginx(t *testing.T) {
	path := packaged(t, "nginx", "nginx")
	cert, key := selfSigned(t)
	big := make([]byte, 10<<20)
	for i := range big {
		big[i] = byte(i>>16) ^ byte(i*7)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	d := &harness.Daemon{
		Path: path, Memory: 96, Ports: 2, Flags: strict,
		Args: func(p harness.Place) []string {
			return []string{"-c", p.Files + "/nginx.conf", "-g", "master_process off; daemon off;"}
		},
		Files: func(p harness.Place) map[string][]byte {
			return map[string][]byte{
				"nginx.conf": []byte(nginxConf(p)), "cert.pem": cert, "key.pem": key,
				"site/index.html": []byte("<p>hello</p>\n"), "site/big": big, "site/long.txt": bytes.Repeat([]byte("compress me\n"), 10000),
			}
		},
		Ready: greets("GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK"),
	}
	var answers string
	daemon(t, d, 0, func(t *testing.T, r *harness.Running) {
		var got strings.Builder
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "skerry.test"}}
		defer transport.CloseIdleConnections()
		client := &http.Client{Transport: transport, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		do := func(base, method, path string, body []byte, header ...string) []byte {
			q, err := http.NewRequest(method, base+path, bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if len(header) == 2 {
				q.Header.Set(header[0], header[1])
			}
			a, err := client.Do(q)
			if err != nil {
				t.Errorf("%s %s: %v", method, path, err)
				return nil
			}
			defer a.Body.Close()
			b, err := io.ReadAll(a.Body)
			if err != nil {
				t.Errorf("%s %s: %v after %d bytes", method, path, err, len(b))
			}
			where := a.Header.Get("Location")
			if u, err := url.Parse(where); err == nil {
				where = u.Path // the port is another
			}
			modified := a.Header.Get("Last-Modified") + " " + a.Header.Get("ETag")
			if strings.HasPrefix(path, "/up/") {
				modified = "" // now
			}
			fmt.Fprintf(&got, "%s %s %s %d %d %x %s %s %s %s\n", base[:5], method, path, a.StatusCode, len(b), sha256.Sum256(b), a.Header.Get("Content-Type"), a.Header.Get("Content-Range"), where, modified)
			return b
		}
		for i, base := range []string{"http://" + r.Addresses[0], "https://" + r.Addresses[1]} {
			do(base, "GET", "/", nil)
			do(base, "HEAD", "/big", nil)
			if b := do(base, "GET", "/big", nil); !bytes.Equal(b, big) {
				t.Errorf("the large file came wrong over %s", base)
			}
			do(base, "GET", "/big", nil, "Range", "bytes=1000000-2000000")
			do(base, "GET", "/big", nil, "Range", "bytes=5-6,9000000-9000001")
			do(base, "GET", "/long.txt", nil, "Accept-Encoding", "identity")
			do(base, "GET", "/none", nil)
			do(base, "GET", "/old/page", nil)
			do(base, "GET", "/back/long.txt", nil)
			up := fmt.Sprintf("/up/a%d/file", i)
			do(base, "PUT", up, big)
			if b := do(base, "GET", up, nil); !bytes.Equal(b, big) {
				t.Errorf("what was put came back wrong over %s", base)
			}
			do(base, "DELETE", up, nil)
			do(base, "GET", up, nil)
			do(base, "PUT", "/up/toolarge", make([]byte, 21<<20))
		}
		if r.Tmp != "" {
			answers = got.String()
		} else if diff := harness.Difference([]byte(answers), []byte(got.String())); diff != "" {
			t.Errorf("Linux (-) and Skerry (+): %s", diff)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		l, err := load.Run(ctx, load.Plan{Address: r.Address, Path: "/", Connections: 100, Requests: 3000, Duration: time.Minute})
		if err != nil || l.Requests != 3000 || l.Errors != 0 {
			t.Fatalf("%v; %+v", err, l)
		}
		t.Logf("%.0f requests per second, p50 %v, p99 %v", float64(l.Requests)/l.Elapsed.Seconds(), l.P50, l.P99)
	})
}

// TestNginxAsPackaged runs nginx with the configuration of Debian's package: its site is
// served, bodies that do not fit into memory go through /var/lib/nginx, and its logs
// come out of the machine.
func TestNginxAsPackaged(t *testing.T) {
	path := packaged(t, "nginx", "nginx")
	const site, conf = "/var/www/html", "/etc/nginx/nginx.conf"
	b, err := os.ReadFile(conf)
	if err != nil || !bytes.Contains(b, []byte("/var/log/nginx/access.log")) || !exists("/etc/nginx/sites-enabled/default") {
		t.Skipf("%s is not the package's: %v", conf, err)
	}
	slot(t)
	skerry := skerryCommand(t)
	if out, _, _ := skerryIn(context.Background(), skerry, "/")("check", path, "-g", "master_process off; daemon off;"); exists(site) && !strings.Contains(out, "root "+site+" is not packed: add --dir "+site+":"+site) {
		t.Errorf("check does not name the site: %s", out)
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "index.html"), "hello\n")
	// A second site takes bodies, which nginx writes to files when they are large.
	extra := filepath.Join(t.TempDir(), "up.conf")
	writeFile(t, extra, "server { listen 81; client_max_body_size 9m; location / { add_header X-Body $request_body_file; proxy_pass http://127.0.0.1:80/; proxy_method GET; proxy_pass_request_body off; proxy_set_header Content-Length \"\"; } }\n")
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var ports [2]int
	for i := range ports {
		if ports[i], err = linuxvm.FreePort(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := harness.Start(exec.CommandContext(ctx, skerry, "run", "-m", "96M", "-p", fmt.Sprintf("%d:80", ports[0]), "-p", fmt.Sprintf("%d:81", ports[1]),
		"--dir", dir+":"+site, "--file", extra+":/etc/nginx/conf.d/up.conf", path, "-g", "master_process off; daemon off;"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if t.Failed() {
			t.Log(s.Output())
		}
	}()
	client := &http.Client{Timeout: time.Minute}
	var answer *http.Response
	for {
		if answer, err = client.Get(fmt.Sprintf("http://127.0.0.1:%d/", ports[0])); err == nil || ctx.Err() != nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || answer.StatusCode != 200 || string(got) != "hello\n" {
		t.Errorf("%v, %s: %q", err, answer.Status, got)
	}
	if answer, err = client.Post(fmt.Sprintf("http://127.0.0.1:%d/", ports[1]), "text/plain", bytes.NewReader(make([]byte, 8<<20))); err != nil {
		t.Fatal(err)
	}
	got, err = io.ReadAll(answer.Body)
	answer.Body.Close()
	if file := answer.Header.Get("X-Body"); err != nil || answer.StatusCode != 200 || string(got) != "hello\n" || !strings.HasPrefix(file, "/var/lib/nginx/body/") {
		t.Errorf("a large body: %v, %s, in %q: %q", err, answer.Status, file, got)
	}
	if answer, err = client.Get(fmt.Sprintf("http://127.0.0.1:%d/none", ports[0])); err != nil || answer.StatusCode != 404 {
		t.Errorf("%v, %+v", err, answer)
	} else {
		answer.Body.Close()
	}
	if status, err := s.Stop(30 * time.Second); err != nil || status != 0 {
		t.Errorf("%v, status %d", err, status)
	}
	for _, want := range []string{`"GET / HTTP/1.1" 200 `, `"POST / HTTP/1.1" 200 `, `"GET /none HTTP/1.1" 404 `} {
		if !strings.Contains(s.Output(), want) {
			t.Errorf("the logs do not have %s", want)
		}
	}
	if strings.Contains(s.Output(), "skerry: warning") {
		t.Error("it warns")
	}
}
