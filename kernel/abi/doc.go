// Package abi holds the Linux x86-64 binary interface as data: error numbers,
// system-call numbers, constants and structs exactly as a program lays them out
// in memory. It has no behaviour and imports nothing, so every other package of
// the kernel and the host-side tools may import it.
//
// Sources: the Linux uapi headers (include/uapi, arch/x86/include/uapi) of
// Linux 6.12 and the man pages named beside each item.
package abi
