package vmm

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"skerry/vmm/kvmprobe"
)

// Check is one thing that `run` needs, or would like to have.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Needed bool   `json:"needed"` // whether `run` fails without it
	Detail string `json:"detail"`
	Mend   string `json:"mend,omitempty"` // if it is not OK
}

// Doctor looks whether a machine could be run here. It tries KVM out again,
// whatever is known, and keeps the result in cacheDir for Run.
func Doctor(cacheDir string) []Check {
	list := []Check{{
		Name: "host", Needed: true, OK: runtime.GOOS == "linux" && runtime.GOARCH == "amd64",
		Detail: runtime.GOOS + "/" + runtime.GOARCH, Mend: "use a Linux x86-64 host",
	}}
	path, err := FindQEMU()
	if err != nil {
		return tidy(append(list, Check{Name: "qemu", Needed: true, Detail: "qemu-system-x86_64 is not in PATH", Mend: HowToInstall}))
	}
	version, major, err := QEMUVersion(path)
	c := Check{Name: "qemu", Needed: true, OK: err == nil && major >= minMajor, Detail: path + ", version " + version,
		Mend: fmt.Sprintf("install QEMU %d.0 or newer", minMajor)}
	if err != nil {
		c.Detail = err.Error()
	}
	list = append(list, c)
	if !c.OK {
		return tidy(list)
	}
	list = append(list, checkMachines(path), checkDevices(path), checkNetwork(path), checkSandbox(path))
	return tidy(append(list, checkKVM(kvmprobe.Fresh(cacheDir)), checkMeltdown(meltdownFile)))
}

// meltdownFile is what the host says of its processor.
const meltdownFile = "/sys/devices/system/cpu/vulnerabilities/meltdown"

// checkMeltdown tells of a processor on which a program could read what its own kernel
// has mapped, since that shares its page tables (docs/SECURITY.md).
func checkMeltdown(file string) Check {
	c := Check{Name: "meltdown", Mend: "under KVM a program could read the memory of its own kernel, never of this host or of other machines; use another processor if that matters"}
	b, err := os.ReadFile(file)
	state := strings.TrimSpace(string(b))
	switch {
	case err != nil:
		c.Detail = "not known: the host does not say whether its processor is affected"
	case state == "Not affected":
		c.OK, c.Detail = true, "the processor is not affected"
	default:
		c.Detail = "the processor is affected (" + printable(state) + ")"
	}
	return c
}

func checkKVM(r kvmprobe.Result) Check {
	c := Check{Name: "kvm", OK: r.Works, Detail: r.Why, Mend: "machines run by translation (TCG), which is slower"}
	if r.Mend != "" {
		c.Mend += "; " + r.Mend
	}
	return c
}

// tidy leaves out mends of what is well.
func tidy(list []Check) []Check {
	for i := range list {
		if list[i].OK {
			list[i].Mend = ""
		}
	}
	return list
}

const fullQEMU = "install a QEMU with all of its x86 devices; " + HowToInstall

func checkMachines(path string) Check {
	out, err := query(path, "-M", "help")
	c := Check{Name: "machine", Needed: true, OK: err == nil && strings.Contains(out, "\n"+MicroVM+" "), Detail: MicroVM, Mend: fullQEMU}
	if !c.OK {
		c.Detail = "this QEMU has no machine type " + MicroVM
	}
	return c
}

func checkDevices(path string) Check {
	c := Check{Name: "devices", Needed: true, Detail: "virtio blk, console, rng, net", Mend: fullQEMU}
	out, err := query(path, "-device", "help")
	if err != nil {
		c.Detail = cause(err)
		return c
	}
	var missing []string
	for _, d := range []string{"virtio-blk-device", "virtio-serial-device", "virtconsole", "virtserialport", "virtio-rng-device", "virtio-net-device", "isa-debug-exit"} {
		if !strings.Contains(out, `"`+d+`"`) {
			missing = append(missing, d)
		}
	}
	if c.OK = len(missing) == 0; !c.OK {
		c.Detail = "this QEMU lacks " + strings.Join(missing, ", ")
	}
	return c
}

// checkNetwork makes a user network, as a machine would have.
func checkNetwork(path string) Check {
	c := Check{Name: "network", Needed: true, Detail: "user network", Mend: "install a QEMU with slirp support; " + HowToInstall}
	l := args(&Config{Network: true}, Accel{}, nil, fds{}, false)
	for i, a := range l {
		if a != "-netdev" {
			continue
		}
		if err := quit(path, "-netdev", l[i+1]); err != nil {
			c.Detail = err.Error()
			return c
		}
	}
	c.OK = true
	return c
}

func checkSandbox(path string) Check {
	c := Check{Name: "sandbox", Detail: "QEMU confines itself with seccomp", Mend: "QEMU runs without a sandbox; install one built with seccomp"}
	l := args(&Config{}, Accel{}, nil, fds{}, true)
	for i, a := range l {
		if a != "-sandbox" {
			continue
		}
		if err := quit(path, "-sandbox", l[i+1]); err != nil {
			c.Detail = err.Error()
			return c
		}
	}
	c.OK = true
	return c
}

// quit starts QEMU without a machine and lets it end at once; an error is what
// QEMU had against the options.
func quit(path string, options ...string) error {
	cmd := exec.Command(path, append(options, "-M", "none", "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "stdio")...)
	cmd.Env = environment(Accel{})
	cmd.Stdin = strings.NewReader("quit\n")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	t := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
	defer t.Stop()
	if err := cmd.Wait(); err != nil {
		line, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n")
		return fmt.Errorf("QEMU: %s (%w)", printable(line), err)
	}
	return nil
}
