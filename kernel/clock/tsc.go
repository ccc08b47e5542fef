package clock

import "skerry/kernel/ground/arch"

func counter() uint64 { return arch.RDTSC() }
