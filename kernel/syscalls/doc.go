// Package syscalls is the system-call table: for each Linux x86-64 call a
// handler that decodes the arguments, calls the package that does the work, and
// encodes the answer. One file per family.
//
// A handler trusts no argument: lengths and flags are checked first, each user
// word is fetched once through usermem, and an unknown flag is an error. A call
// that has no handler answers the errno that kernel/abi's table gives for it,
// and policy hears of those that the model rules out.
package syscalls
