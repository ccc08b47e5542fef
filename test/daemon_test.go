package skerrytest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"skerry/test/harness"
)

// packaged is the path of a program that the distribution has.
func packaged(t *testing.T, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin"} {
		if err != nil {
			path = filepath.Join(dir, name)
			_, err = os.Stat(path)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no %s here (Debian has it in the package %s)", name, pkg)
	}
	return path
}

// cpuCounts are the numbers of CPUs that a program is tried with: 2, and 1 and 4
// without -short.
func cpuCounts() []int {
	if testing.Short() {
		return []int{2}
	}
	return []int{2, 1, 4}
}

// daemon runs a test of a daemon on Linux and in machines.
func daemon(t *testing.T, d *harness.Daemon, status int, use func(t *testing.T, r *harness.Running)) {
	d.Timeout = 2 * time.Minute
	run := func(skerry string) func(t *testing.T) {
		return func(t *testing.T) {
			slot(t)
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
			defer cancel()
			r, err := d.Start(ctx, skerry, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if t.Failed() {
					t.Logf("output %s", tail([]byte(r.Output()), 3000))
				}
			}()
			begin := time.Now()
			use(t, r)
			t.Logf("used for %v", time.Since(begin).Round(10*time.Millisecond))
			got, err := r.Stop(30 * time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if got != status {
				t.Errorf("status %d after SIGTERM, expected %d", got, status)
			}
		}
	}
	t.Run("linux", run(""))
	skerry := skerryCommand(t)
	for _, cpus := range cpuCounts() {
		d.CPUs = cpus
		t.Run(fmt.Sprint("machine/", cpus), run(skerry))
	}
}

// greets is a Ready that sends a line and expects an answer that begins so.
func greets(ask, answer string) func(address string) error {
	return func(address string) error {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(3 * time.Second))
		if _, err := c.Write([]byte(ask)); err != nil {
			return err
		}
		b := make([]byte, len(answer))
		n, err := c.Read(b)
		if string(b[:n]) != answer {
			return fmt.Errorf("answers %q, %v", b[:n], err)
		}
		return nil
	}
}

// selfSigned makes a certificate for skerry.test, signed by itself, and its key, in PEM.
func selfSigned(t *testing.T) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "skerry.test"}, DNSNames: []string{"skerry.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}
