package vmm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// minMajor is the oldest major version of QEMU with everything that is used
// here: microvm without ACPI and RTC, and -blockdev with an offset.
const minMajor = 6

// HowToInstall says how to get QEMU.
const HowToInstall = "install it, on Debian and Ubuntu with: sudo apt-get install --no-install-recommends qemu-system-x86; on Fedora with: sudo dnf install qemu-system-x86-core"

// FindQEMU returns the path of the hypervisor.
func FindQEMU() (string, error) {
	for _, name := range []string{"qemu-system-x86_64", "/usr/libexec/qemu-kvm", "/usr/bin/qemu-kvm"} {
		path, err := exec.LookPath(name)
		if err == nil {
			return path, nil
		}
		if errors.Is(err, exec.ErrDot) {
			return "", failed("qemu-system-x86_64", "is found in the working directory only, which PATH holds", "take . out of PATH")
		}
	}
	return "", failed("qemu-system-x86_64", "not found in PATH", HowToInstall)
}

var versionPattern = regexp.MustCompile(`version (\d+)\.(\d+)(\.\d+)?`)

// QEMUVersion asks QEMU for its version, such as 7.2.22.
func QEMUVersion(path string) (version string, major int, err error) {
	out, err := query(path, "--version")
	if err != nil {
		return "", 0, failed(path, "does not run: "+cause(err), HowToInstall)
	}
	m := versionPattern.FindStringSubmatch(out)
	if m == nil {
		return "", 0, failed(path, "is not QEMU", HowToInstall)
	}
	major, err = strconv.Atoi(m[1])
	if err != nil {
		return "", 0, failed(path, "has the version "+m[0], HowToInstall)
	}
	return m[1] + "." + m[2] + m[3], major, nil
}

// query runs QEMU for its answer.
func query(path string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = environment(Accel{})
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) > 0 {
		err = fmt.Errorf("%w: %s", err, printable(string(out[:min(len(out), 500)])))
	}
	return string(out), err
}

// environment is what QEMU gets of ours: what it needs to load and to make
// temporary files, and nothing that could be a secret. Messages are in English,
// since some are recognized.
func environment(accel Accel) []string {
	env := []string{"LC_ALL=C"}
	if accel.Name == TCG {
		// A translator's heap grows by some MiB while a machine starts. In large pages,
		// taken at once, that costs a twelfth less time to the first answer of a server.
		// It is glibc's to heed (glibc manual, 39.1); other C libraries do not look.
		env = append(env, "GLIBC_TUNABLES=glibc.malloc.top_pad=16777216:glibc.malloc.hugetlb=1")
	}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "TMPDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}
