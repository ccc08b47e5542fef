// Package harness builds test programs and runs them: on this host's Linux, in a
// Linux machine, and in machines of Skerry. It compares what came back.
//
// It runs on the host, imports the standard library and skerry/bench/linuxvm, and
// knows nothing of single tests; their table is in the package above.
package harness
