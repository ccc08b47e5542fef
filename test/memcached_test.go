package skerrytest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"skerry/test/harness"
)

// memcachedScript is sent in one piece; what comes back must be the same everywhere.
var memcachedScript = "set a 5 0 5\r\nhello\r\nget a\r\ngets none\r\nappend a 0 0 6\r\n world\r\nget a\r\nadd a 0 0 1\r\nx\r\nreplace a 7 0 3\r\nnew\r\nget a\r\n" +
	"set n 0 0 2\r\n10\r\nincr n 32\r\ndecr n 100\r\nincr a 1\r\ncas a 0 0 1 999999\r\nx\r\ntouch n 1000\r\ndelete n\r\nget n a\r\nset e 0 -1 1\r\nx\r\nget e\r\n" +
	"set " + strings.Repeat("k", 251) + " 0 0 1\r\nx\r\nmg a v t f\r\nms b 3\r\nabc\r\nmg b v s\r\nmn\r\nbad\r\nverbosity 0\r\nflush_all\r\nget a b\r\nquit\r\n"

func TestMemcached(t *testing.T) {
	d := &harness.Daemon{
		Path: packaged(t, "memcached", "memcached"), Memory: 128,
		Args: func(p harness.Place) []string {
			args := []string{"-p", strconv.Itoa(p.Ports[0]), "-U", "0", "-l", p.Host, "-m", "32", "-t", "4", "-c", "256"}
			if p.Host == "127.0.0.1" {
				args = append(args, "-u", "root") // which it refuses without, if root starts it
			}
			return args
		},
		Ready: greets("version\r\n", "VERSION"),
	}
	var answers string
	daemon(t, d, 0, func(t *testing.T, r *harness.Running) {
		c, err := net.Dial("tcp", r.Address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(30 * time.Second))
		io.WriteString(c, memcachedScript)
		got, err := io.ReadAll(c)
		if err != nil {
			t.Errorf("%v after %q", err, got)
		}
		if r.Tmp != "" {
			answers = string(got)
		} else if diff := harness.Difference([]byte(answers), got); diff != "" {
			t.Errorf("Linux (-) and Skerry (+): %s", diff)
		}
		const connections, rounds = 32, 60
		begin := time.Now()
		var wg sync.WaitGroup
		for i := range connections {
			wg.Go(func() {
				if err := memcachedLoad(r.Address, i, rounds); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		t.Logf("%.0f sets and gets per second", 2*connections*rounds/time.Since(begin).Seconds())
	})
}

// memcachedLoad sets values of many sizes and reads each back.
func memcachedLoad(address string, id, rounds int) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	in := bufio.NewReader(c)
	for i := range rounds {
		value := bytes.Repeat([]byte{'a' + byte(i%26)}, i*i*7%20000+1)
		if i == rounds/2 && id%8 == 0 {
			value = bytes.Repeat(value[:1], 900<<10) // 1 MiB is the most
		}
		fmt.Fprintf(c, "set key-%d-%d 0 0 %d\r\n%s\r\nget key-%d-%d\r\n", id, i, len(value), value, id, i)
		want := fmt.Sprintf("STORED\r\nVALUE key-%d-%d 0 %d\r\n%s\r\nEND\r\n", id, i, len(value), value)
		got := make([]byte, len(want))
		if n, err := io.ReadFull(in, got); err != nil || string(got) != want {
			return fmt.Errorf("connection %d, round %d: %d bytes of %d, %v: %.80q", id, i, n, len(want), err, got[:n])
		}
	}
	return nil
}
