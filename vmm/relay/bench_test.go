package relay

import (
	"io"
	"net"
	"testing"
)

// What a relay costs: the same with and without one, against a peer on this host.

func benchmark(b *testing.B, serve func(c *net.TCPConn), f func(b *testing.B, c *net.TCPConn)) {
	to := qemu(b, serve)
	r, at := start(b, 10, to)
	r.Open()
	for name, addr := range map[string]string{"direct": to.String(), "relay": at} {
		b.Run(name, func(b *testing.B) {
			c, err := net.Dial("tcp4", addr)
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			f(b, c.(*net.TCPConn))
		})
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	benchmark(b, echo, func(b *testing.B, c *net.TCPConn) {
		msg := make([]byte, 100)
		for b.Loop() {
			if _, err := c.Write(msg); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(c, msg); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkThroughput(b *testing.B) {
	const size = 1 << 20
	zeros := func(c *net.TCPConn) {
		go func() {
			block := make([]byte, size)
			for {
				if _, err := c.Write(block); err != nil {
					c.Close()
					return
				}
			}
		}()
	}
	benchmark(b, zeros, func(b *testing.B, c *net.TCPConn) {
		b.SetBytes(size)
		block := make([]byte, size)
		for b.Loop() {
			if _, err := io.ReadFull(c, block); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkConnect(b *testing.B) {
	to := qemu(b, func(c *net.TCPConn) { c.Close() })
	r, at := start(b, 10, to)
	r.Open()
	for name, addr := range map[string]string{"direct": to.String(), "relay": at} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				c, err := net.Dial("tcp4", addr)
				if err != nil {
					b.Fatal(err)
				}
				io.ReadAll(c)
				c.Close()
			}
		})
	}
}
