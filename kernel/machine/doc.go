// Package machine puts the kernel together: it finds the devices, starts what
// runs beside the program, builds the program's world and ends the machine.
// kernel/main.go reads like a table of contents of it.
//
// It may import everything in the kernel; nothing but main imports it.
package machine
