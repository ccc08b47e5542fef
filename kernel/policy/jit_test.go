package policy

import (
	"strconv"
	"strings"
	"testing"

	"skerry/kernel/abi"
	"skerry/kernel/mm"
	"skerry/kernel/task"
	"skerry/kernel/vfs"
)

// file is a Mapper that nothing is asked of.
type file struct{ vfs.Mapper }

// told resets what was told and collects lines.
func collect(t *testing.T, exe string) (notices, logs *[]string) {
	notices, logs = new([]string), new([]string)
	oldNotice, oldLog, oldThe := Notice, Log, task.The
	seen.count = nil
	Notice = func(s string) { *notices = append(*notices, s) }
	Log = func(s string) { *logs = append(*logs, s) }
	task.The = &task.Process{Exe: exe}
	t.Cleanup(func() { Notice, Log, task.The, seen.count = oldNotice, oldLog, oldThe, nil })
	return notices, logs
}

// TestExecLines: the first refusal of executable memory is one line that says
// what to do, per runtime.
func TestExecLines(t *testing.T) {
	none := mm.Denial{Rule: mm.RuleJIT, Call: "mmap", Len: 64 << 10, Prot: 7, Errno: abi.EACCES}
	huge := mm.Denial{Rule: mm.RuleJIT, Call: "mmap", Len: 1<<30 + 4096, Prot: 7, Errno: abi.EACCES}
	over := mm.Denial{Rule: mm.RuleJIT, Call: "mprotect", Len: 3 << 20, Prot: 5, Errno: abi.ENOMEM, JIT: 1 << 20, JITUsed: 1020 << 10}
	memfd := mm.Denial{Rule: mm.RuleWriteExec, Call: "mmap", Len: 4096, Prot: 5, File: file{}, Name: "/memfd:doublemapper (deleted)"}
	tmp := mm.Denial{Rule: mm.RuleWriteExec, Call: "mmap", Len: 4096, Prot: 5, File: file{}, Name: "/tmp/a\nb.so"}
	const seems = "refused to make 64 KiB of memory executable (W^X): the program seems to have a JIT compiler: "
	for _, c := range []struct {
		exe  string
		d    mm.Denial
		want string
	}{
		{"/usr/bin/node", none, seems + "--jit 256M, or node --jitless"},
		{"/usr/lib/jvm/bin/java", none, seems + "--jit 256M (Java cannot do without)"},
		{"/usr/bin/php8.2", none, seems + "--jit 128M, or switch it off (-d opcache.jit=off -d pcre.jit=0)"},
		{"/usr/bin/dotnet", none, seems + "--jit 256M, and DOTNET_EnableWriteXorExecute=0"},
		{"/bin/x", none, seems + "--jit 64M, or switch it off (node --jitless, opcache.jit=off, pcre.jit=0 and the like)"},
		{"", none, seems + "--jit 64M, or switch it off (node --jitless, opcache.jit=off, pcre.jit=0 and the like)"},
		{"/bin/x", huge, "refused to make 1024 MiB of memory executable (W^X): the program seems to have a JIT compiler: --jit 2048M, or switch it off (node --jitless, opcache.jit=off, pcre.jit=0 and the like)"},
		{"/bin/x", over, "refused to make 3 MiB more of memory executable: 1020 KiB of the 1 MiB of --jit are in use: --jit 4M"},
		{"/bin/x", memfd, `refused to map "/memfd:doublemapper (deleted)" executable (W^X): a file in memory is data: a JIT compiler that maps its code twice has to be told not to (.NET: DOTNET_EnableWriteXorExecute=0), and needs --jit 64M`},
		{"/bin/x", tmp, `refused to map "/tmp/a\nb.so" executable (W^X): only what the image marks executable is code: pack it when the image is built (--lib, or --file of a shared library)`},
	} {
		notices, logs := collect(t, c.exe)
		for range 5 {
			Mapping(c.d)
		}
		if len(*notices) != 1 || (*notices)[0] != c.want {
			t.Errorf("%s: told %q\nwant %q", c.exe, *notices, c.want)
		}
		if len(*logs) != 1 || !strings.HasPrefix((*logs)[0], "refused "+c.d.Call) {
			t.Errorf("%s: logged %q", c.exe, *logs)
		}
	}
}

// TestExecQuiet: refusals that the user cannot mend are for the log alone.
func TestExecQuiet(t *testing.T) {
	for _, d := range []mm.Denial{
		{Rule: mm.RuleExecGain, Call: "mprotect", Len: 4096, Prot: 5},
		{Rule: mm.RuleWriteExec, Call: "mprotect", Len: 4096, Prot: 5, Name: "[heap]"},
		{Rule: mm.RuleWriteExec, Call: "mprotect", Len: 4096, Prot: 3, File: file{}, Name: "/lib/libc.so.6", Executable: true},
		{Rule: mm.RuleWriteExec, Call: "mmap", Len: 4096, Prot: 3, File: file{}, Name: "/data"},
		{Rule: mm.RuleSealed, Call: "munmap", Len: 4096},
	} {
		notices, logs := collect(t, "/bin/x")
		Mapping(d)
		if len(*notices) != 0 || len(*logs) != 1 {
			t.Errorf("%+v: told %q, logged %q", d, *notices, *logs)
		}
	}
}

// TestBounded: a program that is refused at ever new places takes no more memory
// than the bound.
func TestBounded(t *testing.T) {
	_, logs := collect(t, "/bin/x")
	for i := range 3 * maxPlaces {
		Mapping(mm.Denial{Rule: mm.RuleSealed, Call: "munmap", Addr: uintptr(i) << 12, Len: 4096})
		if i%2 == 0 {
			again("x"+strconv.Itoa(i), uint64(i))
		}
	}
	if len(seen.count) > maxPlaces+1 || len(*logs) > maxPlaces+1 {
		t.Errorf("%d places are kept, %d lines were logged", len(seen.count), len(*logs))
	}
}
