package vmm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"skerry/vmm/kvmprobe"
)

func TestDoctor(t *testing.T) {
	if _, err := FindQEMU(); err != nil {
		t.Skip(err)
	}
	names := ""
	for _, c := range Doctor("") {
		names += c.Name + " "
		if c.Needed && !c.OK || c.Detail == "" || (c.Mend == "") != c.OK {
			t.Errorf("%+v", c)
		}
	}
	if names != "host qemu machine devices network sandbox kvm meltdown " {
		t.Error(names)
	}
}

// TestDoctorFinds tries QEMUs that something is wrong with.
func TestDoctorFinds(t *testing.T) {
	find := func(script string) map[string]Check {
		dir := t.TempDir()
		if script != "" {
			if err := os.WriteFile(filepath.Join(dir, "qemu-system-x86_64"), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv("PATH", dir+":/bin:/usr/sbin")
		m := map[string]Check{}
		for _, c := range Doctor("") {
			m[c.Name] = c
		}
		return m
	}
	if _, err := os.Stat("/bin/qemu-system-x86_64"); err != nil {
		if _, err := os.Stat("/usr/libexec/qemu-kvm"); err != nil {
			if c := find("")["qemu"]; c.OK || !strings.Contains(c.Mend, "apt-get") {
				t.Errorf("none: %+v", c)
			}
		}
	}
	for script, want := range map[string]string{
		"echo 'QEMU emulator version 4.2.1'": "qemu",
		"exit 1":                             "qemu",
		"echo hi":                            "qemu",
		"echo 'QEMU emulator version 7.2.1'; echo '\nmicrovm x'":                                         "devices",
		"echo 'QEMU emulator version 7.2.1'; echo 'pc x'":                                                "machine",
		"[ \"$1\" != --version ] && echo 'no backend' >&2 && exit 1; echo 'QEMU emulator version 7.2.1'": "network",
	} {
		if c := find(script)[want]; c.OK || c.Name != want || c.Mend == "" || c.Detail == "" {
			t.Errorf("%s: %+v", script, c)
		}
	}
}

// TestCheckKVM: what the probe says reaches the user, with the mend.
func TestCheckKVM(t *testing.T) {
	for _, c := range []struct {
		r    kvmprobe.Result
		ok   bool
		mend string
		name string
	}{
		{kvmprobe.Result{Works: true, Why: "tried out"}, true, "", KVM},
		{kvmprobe.Result{Why: "fails at SSE"}, false, "slower", TCG},
		{kvmprobe.Result{Why: "you may not open it", Mend: "usermod -aG kvm"}, false, "slower; usermod -aG kvm", TCG},
	} {
		got := tidy([]Check{checkKVM(c.r)})[0]
		if got.OK != c.ok || got.Needed || got.Detail != c.r.Why || !strings.Contains(got.Mend, c.mend) || (got.Mend == "") != (c.mend == "") {
			t.Errorf("%+v gives %+v", c.r, got)
		}
		if a := accelFor(c.r); a.Name != c.name || a.Why != c.r.Why {
			t.Errorf("%+v gives %+v", c.r, a)
		}
	}
}

func TestMeltdown(t *testing.T) {
	file := filepath.Join(t.TempDir(), "meltdown")
	for state, want := range map[string]bool{"Not affected\n": true, "Mitigation: PTI\n": false, "Vulnerable\n": false, "": false} {
		if state != "" {
			if err := os.WriteFile(file, []byte(state), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c := tidy([]Check{checkMeltdown(file)})[0]
		if c.OK != want || c.Needed || c.Detail == "" || want == (c.Mend != "") {
			t.Errorf("%q: %+v", state, c)
		}
		os.Remove(file)
	}
}
