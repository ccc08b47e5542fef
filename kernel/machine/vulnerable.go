package machine

import (
	"skerry/kernel/fs/sysfs"
	"skerry/kernel/ground/arch"
)

// vulnerabilities are the files of /sys/devices/system/cpu/vulnerabilities.
func vulnerabilities() map[string]string {
	_, b, c, d := arch.CPUID(0, 0)
	return sysfs.Vulnerabilities(text4(b, d, c), arch.Capabilities())
}
