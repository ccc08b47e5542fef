package vmm

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"skerry/bootrec"
	"skerry/vmm/fakevm"
)

// The tests run this test binary under other names: as a QEMU without a machine,
// and as a launcher that can be killed.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "fake-qemu":
		fakevm.Main(os.Args)
	case "fake-launcher":
		launcherMain(os.Args)
	}
	os.Exit(m.Run())
}

// asName returns a path under which this test binary is another program.
func asName(t testing.TB, name string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// launcherMain runs a machine until it is killed: ARGS are the fake QEMU and its
// script.
func launcherMain(args []string) {
	c := &Config{
		QEMU: args[1], CPUs: 1, Memory: 64 << 20, Accel: Accel{TCG, "a test"}, Kernel: kernelOf("k"),
		Stdout: os.Stdout, Stderr: os.Stderr, Say: func(string) {}, StopTimeout: time.Minute, Network: true,
		Record: bootrec.Record{Program: "/p", Args: append([]string{"p"}, args[2:]...), Cwd: "/", Hostname: "h"},
	}
	c.Root.File, _ = os.Open("/dev/null")
	_, err := Run(c)
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func kernelOf(s string) *io.SectionReader {
	return io.NewSectionReader(strings.NewReader(s), 0, int64(len(s)))
}
