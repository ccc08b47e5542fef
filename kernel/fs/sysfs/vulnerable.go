package sysfs

// Bits of IA32_ARCH_CAPABILITIES, Intel SDM vol. 4, table 2-2.
const (
	capRDCL    = 1 << 0 // not vulnerable to rogue data cache load
	capSSB     = 1 << 4
	capMDS     = 1 << 5
	capMCE     = 1 << 6 // machine check on page size change
	capTAA     = 1 << 8
	capSBDR    = 1 << 13
	capFBSDP   = 1 << 14
	capPSDP    = 1 << 15
	capGDS     = 1 << 26
	capRFDS    = 1 << 27
	capMMIOAll = capSBDR | capFBSDP | capPSDP
)

// Vulnerabilities is what the processor says that it does not suffer from, by the
// names of ABI/testing/sysfs-devices-system-cpu. The kernel takes no measure
// against the rest, which all have to do with secrets of others: there is one
// program in the machine, and what protects other machines is the host's. So they
// are "Vulnerable". vendor is CPUID's, caps IA32_ARCH_CAPABILITIES or 0.
func Vulnerabilities(vendor string, caps uint64) map[string]string {
	intel := vendor != "AuthenticAMD" && vendor != "HygonGenuine"
	v := map[string]string{}
	for _, x := range []struct {
		name  string
		intel bool   // only Intel's have it
		free  uint64 // all of these bits say that this one has not; 0: none can
	}{
		{"gather_data_sampling", true, capGDS}, {"itlb_multihit", true, capMCE}, {"l1tf", true, capRDCL}, {"mds", true, capMDS},
		{"meltdown", true, capRDCL}, {"mmio_stale_data", true, capMMIOAll}, {"reg_file_data_sampling", true, capRFDS},
		{"srbds", true, 0}, {"tsx_async_abort", true, capTAA},
		{"spec_store_bypass", false, capSSB}, {"spectre_v1", false, 0}, {"spectre_v2", false, 0}, {"retbleed", false, 0},
	} {
		v[x.name] = "Vulnerable"
		if x.intel && !intel || x.free != 0 && caps&x.free == x.free {
			v[x.name] = "Not affected"
		}
	}
	v["spec_rstack_overflow"] = "Vulnerable"
	if intel {
		v["spec_rstack_overflow"] = "Not affected"
	}
	return v
}
