package abi

// Flags of getrandom(2), uapi/linux/random.h.
const (
	GRND_NONBLOCK = 1
	GRND_RANDOM   = 2
	GRND_INSECURE = 4
)
