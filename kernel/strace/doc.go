// Package strace writes one system call as one line of text in the form of
// strace(1):
//
//	openat(AT_FDCWD, "/etc/hosts", O_RDONLY|O_CLOEXEC) = 3 <0.000012>
//	connect(4, {sa_family=AF_INET, sin_port=htons(80), ...}, 16) = -1 ECONNREFUSED (Connection refused)
//
// A call is decoded in two phases, because it may change the program's memory:
// Enter writes what the kernel reads, before the call, and leaves a mark where
// something is written by the kernel; Exit puts that in, and adds the result.
// Describe writes the short form in which a refused call is reported.
//
// How each call's arguments look is in the signatures of abi.Table; the kinds
// that they are made of are defined here, in the files of their families, and
// the names of constants in names_*.go.
//
// Invariants: arguments are hostile. Whatever they are, nothing here panics,
// memory is reached through Mem only, a line stays under MaxLine bytes, and no
// byte of a program's string reaches the line unescaped, so that a program can
// forge neither a line nor a terminal's escape sequence. The package keeps no
// state but tables built at first use, and may be used from any goroutine. It
// imports abi, usermem (for User) and strconv.
package strace
