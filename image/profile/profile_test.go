package profile

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

const sample = `1 brk(NULL)                             = 0x145d67648000 <0.000328>
1 openat(AT_FDCWD, "/etc/ld.so.cache", O_RDONLY|O_CLOEXEC) = 3 <0.000086>
1 newfstatat(3, "", {st_mode=S_IFREG|0444, st_size=2094, ...}, AT_EMPTY_PATH) = 0 <0.000019>
1 close(3)                              = 0 <0.000008>
1 access("/etc/ld.so.preload", R_OK)    = -1 ENOENT (No such file or directory) <0.000551>
1 openat(AT_FDCWD, "/srv", O_RDONLY|O_DIRECTORY) = 3 <0.000008>
1 openat(3, "a b\"\\\303\266, (x)", O_RDONLY) = 4 <0.000008>
1 dup(4) = 9 <0.000001>
1 getdents64(3, [{d_ino=1, d_name="."}], 32768) = 24 <0.000001>
1 fchdir(3)                             = 0 <0.000001>
1 readlink("link/../other", "x", 4096)  = 1 <0.000001>
1 chdir("sub")                          = 0 <0.000001>
1 stat("f", {st_mode=S_IFREG|0644})     = 0 <0.000001>
1 openat(77, "unknown", O_RDONLY)       = 5 <0.000001>
1 openat(AT_FDCWD, 0xffff, O_RDONLY)    = -1 EFAULT (Bad address) <0.000001>
1 openat(AT_FDCWD, "cut"..., O_RDONLY)  = 6 <0.000001>
2 socket(AF_INET6, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP) = 7 <0.000001>
2 bind(7, {sa_family=AF_INET6, sin6_port=htons(8080), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::", &sin6_addr), sin6_scope_id=0}, 28) = 0 <0.000001>
2 listen(7, 128)                        = 0 <0.000001>
2 socket(AF_INET, SOCK_DGRAM, IPPROTO_IP) = 8 <0.000001>
2 connect(8, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.2.3")}, 16) = 0 <0.000001>
2 connect(4, {sa_family=AF_INET, sin_port=htons(1), sin_addr=inet_addr("10.0.2.9")}, 16) = -1 ENOTSOCK (x) <0.000001>
2 connect(7, {sa_family=AF_INET6, sin6_port=htons(443), inet_pton(AF_INET6, "2001:db8::1", &sin6_addr)}, 28) = -1 EINPROGRESS (x) <0.000001>
1 io_uring_setup(8, 0x1)                = -1 ENOSYS (Function not implemented) <0.000001>
1 futex(0x1, FUTEX_WAIT, 0, NULL <unfinished ...>
--- SIGTERM {si_signo=SIGTERM} ---
1 exit_group(0)                         = ?
`

func TestProfile(t *testing.T) {
	p := New("/start")
	for _, line := range strings.Split(sample, "\n") {
		p.Add(line)
	}
	want := map[string]Use{"/etc/ld.so.cache": Opened, "/etc/ld.so.preload": Missed, "/srv": Listed, "/srv/a b\"\\ö, (x)": Opened, "/srv/other": Seen, "/srv/sub": Seen, "/srv/sub/f": Seen}
	if !maps.Equal(p.Paths, want) {
		t.Errorf("paths %v, want %v", p.Paths, want)
	}
	if !slices.Equal(p.Listens, []string{"tcp 8080"}) || !slices.Equal(p.Peers, []string{"udp 10.0.2.3:53", "tcp [2001:db8::1]:443"}) {
		t.Errorf("%q, %q", p.Listens, p.Peers)
	}
	if p.Calls["openat"] != 6 || p.Calls["futex"] != 0 || p.Refused["io_uring_setup"] != "ENOSYS" || len(p.Refused) != 1 {
		t.Errorf("%v, %v", p.Calls, p.Refused)
	}
}

// TestBounded: a program can name as many paths as it likes.
func TestBounded(t *testing.T) {
	p := New("/")
	for i := range 2 * maxNames {
		p.Add(fmt.Sprintf(`1 openat(AT_FDCWD, "/f%d", O_RDONLY) = %d <0.1>`, i, i))
		p.Add(fmt.Sprintf(`1 call%d() = 0 <0.1>`, i))
	}
	if len(p.Paths) > maxNames || len(p.fds) > maxNames+1 || len(p.Calls) > maxNames+1 {
		t.Errorf("%d paths, %d descriptors, %d calls", len(p.Paths), len(p.fds), len(p.Calls))
	}
}

func FuzzAdd(f *testing.F) {
	for _, line := range strings.Split(sample, "\n") {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		p := New("/")
		p.Add(line)
		for name := range p.Paths {
			if !strings.HasPrefix(name, "/") {
				t.Errorf("%q", name)
			}
		}
	})
}

// TestRealTrace reads a trace that a machine wrote, if one is named.
func TestRealTrace(t *testing.T) {
	name := os.Getenv("SKERRY_TRACE")
	if name == "" {
		t.Skip("SKERRY_TRACE names no trace")
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	p, unread := New("/"), 0
	for _, line := range strings.Split(string(b), "\n") {
		if _, ok := parse(line); !ok && line != "" {
			unread++
			if unread < 20 {
				t.Logf("not read: %s", line)
			}
		}
		p.Add(line)
	}
	t.Logf("%d paths, %d calls, %d lines not read, listens %v, peers %v", len(p.Paths), len(p.Calls), unread, p.Listens, p.Peers)
}
