package sysfs

import (
	"os"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/ground/frame"
	"skerry/kernel/usermem"
	"skerry/kernel/vfs"
	"skerry/kernel/wait"
)

func TestMain(m *testing.M) {
	frame.InitHost(256)
	os.Exit(m.Run())
}

func read(t *testing.T, c *vfs.Context, path string) string {
	t.Helper()
	var w wait.Waiter
	d, e := c.OpenFile(&w, abi.AT_FDCWD, path, 0, 0, 0)
	if e != abi.OK {
		t.Errorf("%s: %v", path, e)
		return ""
	}
	defer d.Unref()
	b := make([]byte, 4096)
	var v usermem.Vec
	v.InitBytes(b)
	n, _ := d.Read(&w, &v)
	return string(b[:n])
}

func TestFiles(t *testing.T) {
	c := vfs.NewContext(New(Options{CPUs: 3, HugePages: true,
		Memory:          func() (uint64, uint64) { return 256 << 20, 100 << 20 },
		Vulnerabilities: func() map[string]string { return map[string]string{"meltdown": "Not affected"} },
		Net: func() map[string]map[string]func() string {
			return map[string]map[string]func() string{"eth0": {"mtu": func() string { return "1500" }}}
		}}))
	for path, want := range map[string]string{
		"/devices/system/cpu/online":                        "0-2\n",
		"/devices/system/cpu/possible":                      "0-2\n",
		"/devices/system/cpu/offline":                       "\n",
		"/devices/system/cpu/cpu2/topology/core_id":         "2\n",
		"/devices/system/cpu/cpu2/topology/thread_siblings": "4\n",
		"/devices/system/cpu/cpu0/topology/core_siblings":   "7\n",
		"/devices/system/cpu/vulnerabilities/meltdown":      "Not affected\n",
		"/devices/system/node/node0/cpulist":                "0-2\n",
		"/kernel/mm/transparent_hugepage/hpage_pmd_size":    "2097152\n",
		"/kernel/mm/transparent_hugepage/enabled":           "[always] madvise never\n",
		"/class/net/eth0/mtu":                               "1500\n",
		"/devices/system/node/node0/meminfo":                "Node 0 MemTotal:         262144 kB\nNode 0 MemFree:          102400 kB\nNode 0 MemUsed:          159744 kB\n",
	} {
		if got := read(t, c, path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	var st abi.Stat
	for _, absent := range []string{"/devices/system/cpu/cpu3", "/devices/system/cpu/cpu0/online", "/fs/cgroup", "/firmware"} {
		if e := c.Stat(abi.AT_FDCWD, absent, 0, &st); e != abi.ENOENT {
			t.Errorf("%s: %v", absent, e)
		}
	}
}

func TestMask(t *testing.T) {
	for n, want := range map[int]string{1: "1", 4: "f", 32: "ffffffff", 33: "1,ffffffff", 36: "f,ffffffff", 64: "ffffffff,ffffffff"} {
		if got := mask(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

// TestAsHost: files that the host has too must have the host's form.
func TestAsHost(t *testing.T) {
	b, err := os.ReadFile("/sys/devices/system/node/node0/meminfo")
	if err != nil {
		t.Skip(err)
	}
	c := vfs.NewContext(New(Options{CPUs: 1, Memory: func() (uint64, uint64) { return 1 << 30, 1 << 20 }}))
	got := read(t, c, "/devices/system/node/node0/meminfo")
	at := len("Node 0 MemTotal:")
	if string(b[:at]) != got[:at] || b[len("Node 0 MemTotal:       24684092")] != ' ' || got[len("Node 0 MemTotal:       24684092")] != ' ' {
		t.Errorf("%q, host %q", got[:50], b[:50])
	}
}
