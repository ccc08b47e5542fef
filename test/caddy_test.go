package skerrytest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"skerry/test/harness"
)

// caddyfile is a site with TLS by a certificate authority of caddy's own, a plain one
// behind it, and the administration's port.
func caddyfile(p harness.Place) string {
	return strings.NewReplacer("HOST", p.Host, "HTTPS", strconv.Itoa(p.Ports[0]), "ADMIN", strconv.Itoa(p.Ports[1]), "PLAIN", strconv.Itoa(p.Ports[2]), "FILES", p.Files).Replace(`{
	admin HOST:ADMIN
	auto_https disable_redirects
	skip_install_trust
	default_bind HOST
}
https://skerry.test:HTTPS {
	tls internal
	root * FILES/site
	encode gzip
	header X-Who "{http.request.proto} {tls_version}"
	redir /old/* /new{uri} 302
	handle_path /back/* {
		reverse_proxy 127.0.0.1:PLAIN
	}
	handle /limited {
		request_body {
			max_size 1MB
		}
		reverse_proxy 127.0.0.1:PLAIN
	}
	handle {
		file_server
	}
}
http://:PLAIN {
	root * FILES/site
	@post method POST
	respond @post "{http.request.body}" 200
	file_server
}
`)
}

// caddyRoot asks caddy for the certificate of its authority, which also tells that it
// is ready.
func caddyRoot(address string) (*x509.CertPool, error) {
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	r, err := client.Get("http://" + address + "/pki/ca/local")
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	var ca struct {
		Root string `json:"root_certificate"`
	}
	pool := x509.NewCertPool()
	if err := json.NewDecoder(r.Body).Decode(&ca); err != nil {
		return nil, err
	}
	if !pool.AppendCertsFromPEM([]byte(ca.Root)) {
		return nil, errors.New("no certificate in the answer")
	}
	return pool, nil
}

// caddyClient is a client of the site, over HTTP/2 and nothing else. Certificates are
// made at the first handshake.
func caddyClient(pool *x509.CertPool, address string) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, Protocols: new(http.Protocols),
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		}}
	transport.Protocols.SetHTTP2(true)
	return &http.Client{Transport: transport, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// TestCaddy fetches from a site of caddy over TLS and HTTP/2, checks its certificate,
// and gives it another configuration while it runs.
func TestCaddy(t *testing.T) {
	path := packaged(t, "caddy", "caddy")
	big := pattern(10 << 20)
	d := &harness.Daemon{
		Path: path, Memory: 256, Ports: 3,
		Args: func(p harness.Place) []string { return []string{"run", "--config", p.Files + "/Caddyfile"} },
		Files: func(p harness.Place) map[string][]byte {
			return map[string][]byte{
				"Caddyfile": []byte(caddyfile(p)), "site/index.html": []byte("<p>hello</p>\n"), "site/big": big,
				"site/long.txt": bytes.Repeat([]byte("compress me\n"), 10000), "site/style.css": []byte("p { color: red }\n"),
			}
		},
		// In a machine the places are those that package known gives.
		HostEnv: func(p harness.Place) []string {
			return []string{"XDG_DATA_HOME=" + p.Tmp, "XDG_CONFIG_HOME=" + p.Tmp}
		},
		// The HTTPS port is asked for a certificate that the host has not got yet.
		Ready: func(address string) error {
			c, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", address, &tls.Config{ServerName: "skerry.test", InsecureSkipVerify: true})
			if err == nil {
				c.Close()
			}
			return err
		},
	}
	var want string
	daemon(t, d, 0, func(t *testing.T, r *harness.Running) {
		linux := r.Tmp != ""
		pool, err := caddyRoot(r.Addresses[1])
		if err != nil {
			t.Fatal(err)
		}
		c := caddyClient(pool, r.Addresses[0])
		defer c.CloseIdleConnections()
		a := newAsks(t, r.Address)
		u := &caddyUse{t: t, c: c, got: &a.got, site: "https://skerry.test:" + strings.TrimPrefix(r.Addresses[0], "127.0.0.1:")}
		u.fetch(big)
		a.compare(linux, &want)
		u.together(60)
		u.reload(r.Addresses[1])
	})
}

type caddyUse struct {
	t    *testing.T
	c    *http.Client
	site string
	got  *strings.Builder
}

// do makes a request and writes down what came back.
func (u *caddyUse) do(method, path string, body []byte, header ...string) []byte {
	q, err := http.NewRequest(method, u.site+path, bytes.NewReader(body))
	if err != nil {
		u.t.Fatal(err)
	}
	if len(header) == 2 {
		q.Header.Set(header[0], header[1])
	}
	r, err := u.c.Do(q)
	if err != nil {
		u.t.Errorf("%s %s: %v", method, path, err)
		return nil
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.ProtoMajor != 2 || r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		u.t.Errorf("%s %s: %v after %d bytes of %s", method, path, err, len(b), r.Proto)
	}
	h := r.Header
	fmt.Fprintf(u.got, "%s %s %d %d %x", method, path, r.StatusCode, len(b), sha256.Sum256(b))
	for _, name := range []string{"Content-Type", "Content-Encoding", "Content-Range", "Content-Length", "Location", "X-Who", "Server", "Via"} {
		fmt.Fprintf(u.got, " %q", h.Get(name))
	}
	u.got.WriteByte('\n')
	return b
}

func (u *caddyUse) fetch(big []byte) {
	if b := u.do("GET", "/", nil); string(b) != "<p>hello</p>\n" {
		u.t.Errorf("%q", b)
	}
	u.do("HEAD", "/big", nil)
	if b := u.do("GET", "/big", nil); !bytes.Equal(b, big) {
		u.t.Errorf("the large file came wrong, %d bytes", len(b))
	}
	u.do("GET", "/big", nil, "Range", "bytes=1000000-2000000")
	u.do("GET", "/big", nil, "Range", "bytes=20000000-")
	u.do("GET", "/style.css", nil)
	u.do("GET", "/long.txt", nil, "Accept-Encoding", "gzip")
	u.do("GET", "/long.txt", nil, "Accept-Encoding", "identity")
	u.do("GET", "/none", nil)
	u.do("GET", "/../Caddyfile", nil)
	u.do("POST", "/", []byte("to a file"))
	u.do("GET", "/old/page?q=1", nil)
	if b := u.do("GET", "/back/big", nil); !bytes.Equal(b, big) {
		u.t.Errorf("the large file came wrong through the proxy, %d bytes", len(b))
	}
	for _, n := range []int{1, 100_000, 4 << 20} {
		text := bytes.Repeat([]byte("body\n"), n/5+1)
		if b := u.do("POST", "/back/echo", text); !bytes.Equal(b, text) {
			u.t.Errorf("%d of %d bytes came back through the proxy", len(b), len(text))
		}
	}
	u.do("POST", "/limited", make([]byte, 900_000))
	u.do("POST", "/limited", make([]byte, 1_100_000))
}

// together fetches over many streams of one connection at a time.
func (u *caddyUse) together(n int) {
	var wait sync.WaitGroup
	for range n {
		wait.Go(func() {
			r, err := u.c.Get(u.site + "/long.txt")
			if err != nil {
				u.t.Error(err)
				return
			}
			defer r.Body.Close()
			if b, err := io.ReadAll(r.Body); err != nil || len(b) != 120000 {
				u.t.Errorf("%d bytes, %v", len(b), err)
			}
		})
	}
	wait.Wait()
}

// reload gives caddy its own configuration back with another answer in it, over the
// administration's port, while the site is used.
func (u *caddyUse) reload(admin string) {
	r, err := http.Get("http://" + admin + "/config/")
	if err != nil {
		u.t.Fatal(err)
	}
	config, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil || bytes.Count(config, []byte("{http.request.proto}")) != 1 {
		u.t.Fatalf("%v: %s", err, config)
	}
	config = bytes.Replace(config, []byte("{http.request.proto}"), []byte("reloaded {http.request.proto}"), 1)
	if r, err = http.Post("http://"+admin+"/load", "application/json", bytes.NewReader(config)); err != nil {
		u.t.Fatal(err)
	}
	text, _ := io.ReadAll(r.Body)
	r.Body.Close()
	if r.StatusCode != http.StatusOK {
		u.t.Fatalf("load: %s: %s", r.Status, text)
	}
	// The listener that was there goes after the answer, and may take a connection yet.
	got := ""
	for deadline := time.Now().Add(20 * time.Second); got != "reloaded HTTP/2.0 tls1.3" && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		u.c.CloseIdleConnections()
		if r, err = u.c.Get(u.site + "/"); err != nil {
			u.t.Fatal(err)
		}
		r.Body.Close()
		got = r.Header.Get("X-Who")
	}
	if got != "reloaded HTTP/2.0 tls1.3" {
		u.t.Errorf("after the reload: %q", got)
	}
}
