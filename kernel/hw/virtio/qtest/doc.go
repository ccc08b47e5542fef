// Package qtest runs the drivers against the devices of a real QEMU, from a
// host test: QEMU's processor is halted, its memory is a file that the test
// maps as its frame pool, and registers are reached through QEMU's
// qtest protocol. So the same driver code, the same rings and the same device
// models meet as in a machine, without a kernel between. There is nothing here
// but tests; they are skipped where QEMU is missing.
package qtest
