package machine

import (
	"skerry/kernel/fs/sysfs"
	"skerry/kernel/ground/arch"
)

// msrArchCapabilities says what the processor is not vulnerable to, Intel SDM
// vol. 4; CPUID.(7,0):EDX bit 29 says that it is there.
const msrArchCapabilities = 0x10a

// vulnerabilities are the files of /sys/devices/system/cpu/vulnerabilities.
func vulnerabilities() map[string]string {
	top, b, c, d := arch.CPUID(0, 0)
	var caps uint64
	if top >= 7 {
		if _, _, _, d7 := arch.CPUID(7, 0); d7>>29&1 != 0 {
			caps = arch.ReadMSR(msrArchCapabilities)
		}
	}
	return sysfs.Vulnerabilities(text4(b, d, c), caps)
}
