// Package loader turns an ELF file into a program that is ready to start: it
// reads and checks the file and its interpreter's, decides where everything
// goes, and makes the first stack.
//
// The steps, each pure data until the last:
//
//	Draw   where the parts of the address space are, this time (Layout)
//	Load   reads the program and its interpreter (Parse), and plans the
//	       mappings (Plan)
//	NewStack   arguments, environment and auxiliary vector as bytes (Stack)
//	Apply  makes the mappings in an AddressSpace
//
// What holds of every Plan: mappings are page-aligned, lie in the part of the
// address space that Layout has for them, do not overlap, and none is both
// writable and executable; only file contents are executable. The files may be
// hostile: every field is checked before it is used, and what cannot run is
// refused with an Error that says why and what to do.
//
// The package holds no lock and keeps no state. It imports abi, usermem (the
// user limit) and vdso (its size).
package loader
