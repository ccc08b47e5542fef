package skerrytest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"skerry/test/harness"
)

// TestHTTP2 uses a Go server over HTTP/2 with and without TLS: many streams in one
// connection, streams in both directions with trailers, large bodies, streams that the
// client gives up.
func TestHTTP2(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	program := built(ctx, t, harness.Go, "go/http2")
	cert, key := selfSigned(t)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	daemon(t, &harness.Daemon{
		Path: program, Ports: 2, Memory: 128, Flags: strict,
		Args: func(p harness.Place) []string {
			return []string{net.JoinHostPort(p.Host, strconv.Itoa(p.Ports[0])), net.JoinHostPort(p.Host, strconv.Itoa(p.Ports[1])),
				path.Join(p.Files, "cert.pem"), path.Join(p.Files, "key.pem")}
		},
		Files: func(harness.Place) map[string][]byte {
			return map[string][]byte{"cert.pem": cert, "key.pem": key}
		},
		Ready: func(address string) error {
			c, err := tls.DialWithDialer(&net.Dialer{Timeout: 3 * time.Second}, "tcp", address, &tls.Config{RootCAs: pool, ServerName: "skerry.test"})
			if err == nil {
				c.Close()
			}
			return err
		},
	}, 0, func(t *testing.T, r *harness.Running) {
		for i, scheme := range []string{"https", "http"} {
			var dialed atomic.Int64
			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "skerry.test"}, Protocols: new(http.Protocols),
				DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
					dialed.Add(1)
					return new(net.Dialer).DialContext(ctx, network, address)
				}}
			transport.Protocols.SetHTTP2(true)
			transport.Protocols.SetUnencryptedHTTP2(scheme == "http")
			h := &http2Client{t: t, url: scheme + "://" + r.Addresses[i], c: &http.Client{Transport: transport, Timeout: time.Minute}}
			h.use()
			if n := dialed.Load(); n != 1 {
				t.Errorf("%s: %d connections for all streams", scheme, n)
			}
			transport.CloseIdleConnections()
		}
	})
}

type http2Client struct {
	t   *testing.T
	url string
	c   *http.Client
}

func (h *http2Client) use() {
	if got := h.get("/proto"); got != "HTTP/2.0" {
		h.t.Errorf("%s: the protocol is %s", h.url, got)
	}
	var wg sync.WaitGroup
	each := func(n int, f func(i int) error) {
		for i := range n {
			wg.Add(1)
			go func() {
				defer wg.Done()
				if err := f(i); err != nil {
					h.t.Errorf("%s: %v", h.url, err)
				}
			}()
		}
		wg.Wait()
	}
	each(100, func(i int) error { return h.echo(i * 1000) })
	each(8, h.messages)
	each(2, func(int) error { return h.echo(4 << 20) })
	each(2, func(int) error { return h.data(4 << 20) })
	each(10, func(int) error { return h.giveUp() })
	for i := 0; ; i++ {
		if got := h.get("/given-up"); got == "10" || got == "20" {
			break
		} else if i == 100 {
			h.t.Errorf("%s: the server knows of %s streams that were given up", h.url, got)
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (h *http2Client) get(path string) string {
	r, err := h.c.Get(h.url + path)
	if err != nil {
		h.t.Error(err)
		return ""
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		h.t.Error(err)
	}
	return string(b)
}

// echo sends n bytes and compares what comes back, and the trailers.
func (h *http2Client) echo(n int) error {
	b := make([]byte, n)
	rnd := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), 1})
	rnd.Read(b)
	// No length is told before.
	r, err := h.c.Post(h.url+"/echo", "application/octet-stream", io.MultiReader(bytes.NewReader(b)))
	if err != nil {
		return err
	}
	defer r.Body.Close()
	got, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if want := fmt.Sprintf("%08x", crc32.ChecksumIEEE(b)); !bytes.Equal(got, b) || r.Trailer.Get("X-Sum") != want || r.Trailer.Get("X-Bytes") != strconv.Itoa(n) {
		return fmt.Errorf("echo of %d bytes: %d came back, trailers %v", n, len(got), r.Trailer)
	}
	return nil
}

// messages sends messages, each after the answer to the one before.
func (h *http2Client) messages(seed int) error {
	body, w := io.Pipe()
	defer w.Close()
	request, err := http.NewRequest("POST", h.url+"/messages", body)
	if err != nil {
		return err
	}
	request.Header.Set("TE", "trailers")
	r, err := h.c.Do(request)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	for i := range 60 {
		text := strings.Repeat(string(rune('a'+(seed+i)%26)), 1+i*i%5000) + "end"
		frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(text)))
		if _, err := w.Write(append(frame, text...)); err != nil {
			return err
		}
		got := make([]byte, 5+len(text))
		if _, err := io.ReadFull(r.Body, got); err != nil {
			return err
		}
		if !bytes.Equal(got[:5], frame[:5]) || !bytes.HasPrefix(got[5:], []byte("dne")) || got[len(got)-1] != text[0] {
			return fmt.Errorf("message %d: %.20q", i, got)
		}
	}
	w.Close()
	if rest, err := io.ReadAll(r.Body); err != nil || len(rest) != 0 {
		return fmt.Errorf("behind the last message: %q, %v", rest, err)
	}
	if s := r.Trailer.Get("Grpc-Status"); s != "0" {
		return fmt.Errorf("the status is %q", s)
	}
	return nil
}

func (h *http2Client) data(n int) error {
	r, err := h.c.Get(h.url + "/data?n=" + strconv.Itoa(n))
	if err != nil {
		return err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || len(b) != n {
		return fmt.Errorf("%d of %d bytes: %v", len(b), n, err)
	}
	for i, c := range b {
		if c != byte(i%(32<<10)*7) {
			return fmt.Errorf("byte %d is wrong", i)
		}
	}
	return nil
}

// giveUp begins a stream and leaves it.
func (h *http2Client) giveUp() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", h.url+"/wait", nil)
	if err != nil {
		return err
	}
	r, err := h.c.Do(request)
	if err != nil {
		return err
	}
	cancel()
	return r.Body.Close()
}
