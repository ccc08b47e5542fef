package machine

import (
	"math/rand"
	"strings"
	"sync"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/net"
	"skerry/kernel/net/stack"
)

// TestSocketRefused: what is told of a refused socket is what the program is answered, and
// names what it asked for.
func TestSocketRefused(t *testing.T) {
	var mu sync.Mutex
	rng := rand.New(rand.NewSource(1))
	st := stack.New(stack.Config{Memory: 256 << 20, Random: func(b []byte) { mu.Lock(); rng.Read(b); mu.Unlock() }})
	defer st.Close()
	told, errno := "", abi.OK
	n := net.New(st, func(domain, typ, proto int, e abi.Errno) { told, errno = socketCall(domain, typ, proto), e })
	seen := map[string]bool{}
	for domain := range abi.AF_MAX {
		for typ := range abi.SOCK_PACKET + 1 {
			for proto := range 64 {
				told = ""
				s, e := n.Socket(domain, typ, proto)
				if s != nil {
					s.Release()
				}
				if told == "" {
					continue
				}
				if e == abi.OK || e != errno {
					t.Errorf("%s: %v, and told of with %v", told, e, errno)
				}
				seen[strings.TrimRight(strings.Split(told, ",")[0], ")")+strings.Split(told, ",")[1]] = true
			}
		}
	}
	for _, want := range []string{"socket(AF_PACKET SOCK_RAW", "socket(AF_INET SOCK_RAW", "socket(AF_INET6 SOCK_RAW", "socket(AF_ALG SOCK_SEQPACKET",
		"socket(AF_VSOCK SOCK_STREAM", "socket(AF_XDP SOCK_RAW", "socket(AF_KEY SOCK_RAW", "socket(AF_NETLINK SOCK_RAW"} {
		if !seen[want] {
			t.Errorf("not told of: %s", want)
		}
	}
	if t.Failed() {
		t.Log(seen)
	}
}
