package policy

import (
	"strconv"
	"strings"

	"skerry/kernel/abi"
	"skerry/kernel/mm"
)

// execLine is the line for the user about memory that did not become executable,
// "" where the log is enough. exe is the program's path: a runtime that is known
// by its name is told its own switch.
func execLine(d *mm.Denial, exe string) string {
	switch {
	case d.Rule == mm.RuleJIT && d.JIT == 0:
		return "refused to make " + size(uint64(d.Len)) + " of memory executable (W^X): the program seems to have a JIT compiler: " + withBudget(exe, budget(64<<20, uint64(d.Len)))
	case d.Rule == mm.RuleJIT:
		return "refused to make " + size(uint64(d.Len)) + " more of memory executable: " + size(d.JITUsed) + " of the " + size(d.JIT) +
			" of --jit are in use: " + budget(d.JIT, d.JITUsed+uint64(d.Len))
	case d.Rule != mm.RuleWriteExec || d.File == nil || d.Executable || d.Prot&abi.PROT_EXEC == 0:
		return ""
	case strings.HasPrefix(d.Name, "/memfd:"):
		return "refused to map " + strconv.Quote(d.Name) + " executable (W^X): a file in memory is data: a JIT compiler that maps its code twice has to be told not to (.NET: DOTNET_EnableWriteXorExecute=0), and needs --jit 64M"
	}
	return "refused to map " + strconv.Quote(d.Name) + " executable (W^X): only what the image marks executable is code: pack it when the image is built (--lib, or --file of a shared library)"
}

// budget is the flag for at least n bytes: the least budget, doubled until they fit.
func budget(least, n uint64) string {
	for least < n && least < 1<<46 {
		least *= 2
	}
	return "--jit " + strconv.FormatUint((least+1<<20-1)>>20, 10) + "M"
}

// withBudget is what to do for a runtime; least is the flag where nothing is known of it.
func withBudget(exe, least string) string {
	switch name := exe[strings.LastIndexByte(exe, '/')+1:]; {
	case name == "node" || name == "nodejs":
		return "--jit 256M, or node --jitless"
	case name == "java":
		return "--jit 256M (Java cannot do without)"
	case strings.HasPrefix(name, "php"):
		return "--jit 128M, or switch it off (-d opcache.jit=off -d pcre.jit=0)"
	case name == "dotnet":
		return "--jit 256M, and DOTNET_EnableWriteXorExecute=0"
	}
	return least + ", or switch it off (node --jitless, opcache.jit=off, pcre.jit=0 and the like)"
}

// size is a number of bytes, which is one of whole pages, for people.
func size(n uint64) string {
	if n >= 1<<20 && (n%(1<<20) == 0 || n >= 16<<20) {
		return strconv.FormatUint(n>>20, 10) + " MiB"
	}
	return strconv.FormatUint((n+1023)>>10, 10) + " KiB"
}
