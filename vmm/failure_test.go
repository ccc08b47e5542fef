package vmm

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"skerry/bootrec"
)

func TestMentions(t *testing.T) {
	for _, c := range []struct {
		text, word string
		want       bool
	}{
		{"cannot open /etc/foo.conf: no such file", "/etc/foo.conf", true},
		{"'/etc/foo.conf'", "/etc/foo.conf", true},
		{"reading /etc/foo.conf.", "/etc/foo.conf", true},
		{"reading /etc/foo.conf.d", "/etc/foo.conf", false},
		{"reading /etc/foo.conf/x", "/etc/foo.conf", false},
		{"reading /opt/etc/foo.conf", "/etc/foo.conf", false},
		{"reading ./conf/app.ini", "conf/app.ini", true},
		{"reading x/conf/app.ini", "conf/app.ini", false},
		{"reading x./conf/app.ini", "conf/app.ini", false},
		{"libfoo.so.1: cannot open", "libfoo.so.1", true},
		{"libfoo.so.12: cannot open", "libfoo.so.1", false},
		{"xlibfoo.so.1 and libfoo.so.1", "libfoo.so.1", true},
		{"foo.conf", "foo.conf", true},
		{"", "x", false},
	} {
		if got := mentions(c.text, c.word); got != c.want {
			t.Errorf("%q in %q: %v", c.word, c.text, got)
		}
	}
}

func TestPickMissed(t *testing.T) {
	mounts := Config{Record: bootrec.Record{Tmpfs: []bootrec.Tmpfs{{Path: "/etc/mem"}}},
		Mounted: func(p string) bool { return strings.HasPrefix(p+"/", "/tmp/") || strings.HasPrefix(p+"/", "/proc/") }}
	host := map[string]hostKind{"/etc/app.conf": hostFile, "/usr/share/app": hostDir, "/usr/share/app/a": hostFile, "/usr/lib/libx.so.2": hostFile,
		"/etc/ld.so.preload": hostFile, "/etc/localtime": hostFile, "/usr/share/locale": hostDir, "/usr/bin/tool": hostFile, "/usr/lib/x/y z": hostFile,
		"/usr/share/zoneinfo": hostDir, "/usr/share/zoneinfo/Europe/Berlin": hostFile, "/usr/local": hostDir, "/usr/lib/ssl/certs": hostDir, "/usr/lib/ssl/openssl.cnf": hostFile,
		"/usr/lib/python3.11/config-3.11-x86_64-linux-gnu": hostDir,
		"/tmp/here": hostFile, "/etc/a.conf": hostFile, "/etc/b.conf": hostFile, "/etc/c.conf": hostFile, "/etc/d.conf": hostFile}
	for _, c := range []struct {
		name      string
		paths     []string
		output    string
		namedOnly bool
		want      []string
		more      int
	}{
		{name: "nothing"},
		{name: "not here and not named", paths: []string{"/etc/none", "/opt/none"}},
		{name: "here", paths: []string{"/etc/none", "/etc/app.conf"}, want: []string{"/etc/app.conf --file /etc/app.conf:/etc/app.conf"}},
		{name: "named, nowhere", paths: []string{"/etc/none"}, output: "open /etc/none: no", want: []string{"/etc/none --file FILE:/etc/none"}},
		{name: "a folder covers its files", paths: []string{"/usr/share/app/a", "/usr/share/app"}, want: []string{"/usr/share/app --dir /usr/share/app:/usr/share/app"}},
		{name: "usual", paths: []string{"/etc/ld.so.preload", "/etc/localtime", "/usr/share/locale", "/usr/bin/tool"}},
		{name: "what runtimes probe for", paths: []string{"/usr/share/zoneinfo", "/usr/local", "/usr/lib/ssl/certs", "/usr/lib/ssl/openssl.cnf", "/usr/lib/python3.11/config-3.11-x86_64-linux-gnu"}},
		{name: "a time zone", paths: []string{"/usr/share/zoneinfo", "/usr/share/zoneinfo/Europe/Berlin"},
			want: []string{"/usr/share/zoneinfo/Europe/Berlin --file /usr/share/zoneinfo/Europe/Berlin:/usr/share/zoneinfo/Europe/Berlin"}},
		{name: "usual but named", paths: []string{"/etc/localtime"}, output: "no /etc/localtime", want: []string{"/etc/localtime --file /etc/localtime:/etc/localtime"}},
		{name: "a library, one line", paths: []string{"/lib/libx.so.2", "/usr/lib/libx.so.2", "/usr/local/lib/libx.so.2"}, output: "libx.so.2: cannot open shared object file",
			want: []string{"/usr/lib/libx.so.2 --lib /usr/lib/libx.so.2"}},
		{name: "a library that is nowhere", paths: []string{"/lib/libq.so.2", "/usr/lib/libq.so.2"}, output: "libq.so.2: cannot open shared object file",
			want: []string{"/usr/lib/libq.so.2 --lib FILE (this host does not have it there)"}},
		{name: "a name looked for everywhere", paths: []string{"/a/nope.pm", "/b/nope.pm", "/c/nope.pm"}, output: "cannot locate nope.pm"},
		{name: "relative", paths: []string{"/srv/conf/x"}, output: "conf/x: not found", want: []string{"/srv/conf/x --file FILE:/srv/conf/x"}},
		{name: "quoted", paths: []string{"/usr/lib/x/y z"}, want: []string{"/usr/lib/x/y z --file '/usr/lib/x/y z':'/usr/lib/x/y z'"}},
		{name: "where the machine mounts", paths: []string{"/tmp/here", "/proc/x", "/proc", "/etc/mem/x", "/etc/mem"}, output: "/proc/x /proc /tmp/here /etc/mem /etc/mem/x"},
		{name: "beside that", paths: []string{"/etc/memory", "/procs"}, output: "/etc/memory /procs", want: []string{"/procs --file FILE:/procs", "/etc/memory --file FILE:/etc/memory"}},
		{name: "a Go trace", paths: []string{"/etc/app.conf", "/etc/none"}, output: "open /etc/none: no", namedOnly: true, want: []string{"/etc/none --file FILE:/etc/none"}},
		{name: "not clean", paths: []string{"/etc/../etc//app.conf", "/etc/app.conf", "/"}, want: []string{"/etc/app.conf --file /etc/app.conf:/etc/app.conf"}},
		{name: "many, named first, latest first", paths: []string{"/etc/none", "/etc/a.conf", "/etc/b.conf", "/etc/c.conf", "/etc/d.conf", "/etc/app.conf"}, output: "/etc/none?",
			want: []string{"/etc/none --file FILE:/etc/none", "/etc/app.conf --file /etc/app.conf:/etc/app.conf", "/etc/d.conf --file /etc/d.conf:/etc/d.conf", "/etc/c.conf --file /etc/c.conf:/etc/c.conf"}, more: 2},
	} {
		list, more := pickMissed(c.paths, &wanted{output: []string{"", c.output}, cwd: "/srv", host: func(p string) hostKind { return host[p] }, mounted: mounts.mounted, namedOnly: c.namedOnly})
		var got []string
		for _, m := range list {
			got = append(got, m.Path+" "+m.Add)
		}
		if !slices.Equal(got, c.want) || more != c.more {
			t.Errorf("%s: %q and %d, expected %q and %d", c.name, got, more, c.want, c.more)
		}
	}
}

func TestHostLook(t *testing.T) {
	dir := put(t, "here", "")
	dir = dir[:strings.LastIndexByte(dir, '/')]
	look := hostLook([]string{dir}, func(p string) bool { return strings.HasPrefix(p, "/etc/s") })
	for p, want := range map[string]hostKind{dir + "/here": hostFile, dir + "/none": hostNothing, "/etc/passwd": hostFile, "/usr/share": hostDir,
		"/etc/shadow": hostNothing, "/etc/ssl/private": hostNothing, "/etc/ssh": hostNothing, "/root": hostNothing, "/dev/null": hostNothing, dir: hostNothing} {
		if got := look(p); got != want {
			t.Errorf("%s: %v, expected %v", p, got, want)
		}
	}
	if hostLook(nil, nil)(dir+"/here") != hostNothing || hostLook([]string{"/"}, nil)(dir+"/here") != hostNothing {
		t.Error("looked where it should not")
	}
}

func TestRefusedMemory(t *testing.T) {
	const m = 1 << 20
	for _, c := range []struct {
		list []bootrec.Asked
		want *Memory
	}{
		{nil, nil},
		{[]bootrec.Asked{{Size: 96 * m, Free: 41 * m}}, &Memory{96 * m, 41 * m, 128 * m, 192 * m}},
		{[]bootrec.Asked{{Size: 96 * m, Free: 41 * m}, {Size: 30 * m, Free: 41 * m}}, &Memory{96 * m, 41 * m, 128 * m, 192 * m}}, // the last had another reason
		{[]bootrec.Asked{{Size: 1 << 45, Free: 41 * m}}, nil},                                                                    // address space
		{[]bootrec.Asked{{Size: 1<<64 - 1, Free: 1<<64 - 1}, {Size: 1<<64 - 1, Free: 0}}, nil},
		{[]bootrec.Asked{{Size: 200 * m, Free: 110 * m}, {Size: 300 * m, Free: 100 * m}}, &Memory{300 * m, 100 * m, 128 * m, 384 * m}},
	} {
		if got := refusedMemory(c.list, 128*m); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v: %+v, expected %+v", c.list, got, c.want)
		}
	}
}

func TestRefusedLine(t *testing.T) {
	if s := refusedLine(refusedCalls([]bootrec.RefusedCall{{Name: "rseq", Errno: 38, Count: 3}}, nil)); s != "" {
		t.Error(s)
	}
	if s := refusedLine(refusedCalls([]bootrec.RefusedCall{{Name: "fork", Errno: 1, Count: 1}, {Name: "x\x1b", Errno: 4000, Count: 7}}, nil)); s !=
		`the program used system calls that are not supported: fork (EPERM), x\x1b (errno 4000, 7 times)` {
		t.Error(s)
	}
	probe := []bootrec.RefusedCall{{Name: "io_uring_setup", Errno: 38, Count: 1}}
	if s := refusedLine(refusedCalls(probe, []string{"oh no", "Error: x"})); s != "" {
		t.Error(s)
	}
	if s := refusedLine(refusedCalls(probe, []string{"", "cannot set up io_uring: Function not implemented"})); !strings.HasSuffix(s, "io_uring_setup (ENOSYS)") {
		t.Error(s)
	}
	var many []bootrec.RefusedCall
	for i := range 20 {
		many = append(many, bootrec.RefusedCall{Name: fmt.Sprint("call", i), Errno: 38, Count: 1})
	}
	if s := refusedLine(refusedCalls(many, nil)); !strings.HasSuffix(s, "call7 (ENOSYS), 12 more") {
		t.Error(s)
	}
}

// TestBuilderSays: where a mend is one for the builder of an image, it is said so.
func TestBuilderSays(t *testing.T) {
	const seems = "refused to make 4 KiB of memory executable (W^X): the program seems to have a JIT compiler: "
	for _, c := range []struct{ notice, image, small string }{
		{seems + "--jit 64M, or node --jitless", seems + "skerry build --jit 64M, or node --jitless", seems + "--jit 64M, or node --jitless"},
		{"1020 KiB of the 1 MiB of --jit are in use: --jit 4M", "1020 KiB of the 1 MiB of --jit are in use: skerry build --jit 4M", "1020 KiB of the 1 MiB of --jit are in use: --jit 4M"},
		{"(.NET: X=0), and needs --jit 64M", "(.NET: X=0), and needs skerry build --jit 64M", "(.NET: X=0), and needs --jit 64M"},
		{"the 64 MiB of --jit are in use: --jit 128M", "the 64 MiB of --jit are in use: skerry build --jit 128M", "the 64 MiB of --jit are in use: skerry build --jit 128M"},
		{"denied fork()", "denied fork()", "denied fork()"},
	} {
		for want, cfg := range map[*string]*Config{&c.notice: {}, &c.image: {Built: true}, &c.small: {Built: true, BuiltJIT: 64 << 20}} {
			if got := cfg.builderSays(c.notice); got != *want {
				t.Errorf("%+v: %q, expected %q", cfg.BuiltJIT, got, *want)
			}
		}
	}
	for built, want := range map[bool]string{false: "/usr/lib/liba.so is not in the image; add --lib /usr/lib/liba.so", true: "/usr/lib/liba.so is not in the image; build it with --lib /usr/lib/liba.so"} {
		list, _ := pickMissed([]string{"/usr/lib/liba.so"}, &wanted{built: built, host: func(string) hostKind { return hostFile }, mounted: func(string) bool { return false }})
		if len(list) != 1 || list[0].line() != want {
			t.Errorf("%+v, expected %s", list, want)
		}
	}
}

// control is a command of the fake machine that sends frames.
func control(frames []byte) string { return "raw-control:" + hex.EncodeToString(frames) }

// crashFrames are a report about a program that crashed where no file says anything.
func crashFrames(c *bootrec.Crash, maps ...bootrec.Mapping) []byte {
	b := bootrec.AppendCrash(nil, c)
	var p []byte
	for i := range maps {
		p = bootrec.AppendMapping(p, &maps[i])
	}
	b = bootrec.AppendFrame(b, bootrec.KindMappings, p)
	return append(bootrec.AppendStackHeader(b, 0x10000, 8), make([]byte, 8)...)
}

func TestFailureReport(t *testing.T) {
	t.Parallel()
	missed := bootrec.AppendFrame(nil, bootrec.KindMissed, bootrec.AppendMissed(nil, "/etc/passwd-\x1b[31m"))
	missed = bootrec.AppendFrame(missed, bootrec.KindMissed, bootrec.AppendMissed(nil, "/srv/none.conf"))
	refused := bootrec.AppendFrame(nil, bootrec.KindRefused, bootrec.AppendRefused(nil, &bootrec.RefusedCall{Name: "io_setup", Errno: 38, Count: 2}))
	memory := bootrec.AppendFrame(nil, bootrec.KindMemory, bootrec.AppendAsked(nil, bootrec.Asked{Size: 96 << 20, Free: 31 << 20}))
	all := slices.Concat(missed, refused, memory)
	crash := crashFrames(&bootrec.Crash{Thread: 3, Name: "worker\x1b", Signal: 11, Code: 1, Addr: 8, Fault: bootrec.FaultPage,
		Reg: [bootrec.Regs]uint64{bootrec.RegIP: 0x400123}}, bootrec.Mapping{Start: 0x400000, End: 0x401000, Offset: 0x1000, Flags: bootrec.MapRead | bootrec.MapExec | bootrec.MapFile, Name: "/bin/app\n"})
	for _, c := range []struct {
		name    string
		script  []string
		message string
		report  []string
	}{
		{"exit 1", []string{"hello", "err:/srv/none.conf: not found\n", control(all), "exit:1"}, "", []string{
			"out of memory: the program asked for 96 MiB, 31 of 64 MiB are free: -m 192M",
			"the program used system calls that are not supported: io_setup (ENOSYS, 2 times)",
			"/srv/none.conf is not in the image; add --file FILE:/srv/none.conf"}},
		{"a read-only root", []string{"hello", "err:app: /srv/cache: Read-only file system\n", "exit:1"}, "", []string{
			"the image is read-only: --tmpfs DIR makes a folder writable, --overlay all of it, in memory"}},
		{"a read-only root in JavaScript", []string{"hello", "err:Error: EROFS: read-only file system, mkdir '/srv'\n", "exit:1"}, "", []string{
			"the image is read-only: --tmpfs DIR makes a folder writable, --overlay all of it, in memory"}},
		{"exit 0", []string{"hello", "err:/srv/none.conf: not found\n", control(all), "exit:0"}, "", nil},
		{"a Go program", []string{"hello", "err:panic: /srv/none.conf\n\ngoroutine 1 [running]:\n", control(slices.Concat(missed, refused)), "exit:2"}, "",
			[]string{"/srv/none.conf is not in the image; add --file FILE:/srv/none.conf"}},
		{"crash", []string{"hello", control(crash), "signaled:11"},
			`the program was ended by SIGSEGV: read of address 0x8 (null pointer) in thread 3 (worker\x1b) at app\x0a+0x1123 (/bin/app\x0a)`,
			[]string{`  #0 app\x0a+0x1123 (/bin/app\x0a)`}},
		{"another signal", []string{"hello", control(crash), "signaled:6"}, "the program was ended by SIGABRT: at 0x10", nil},
		{"terminated", []string{"hello", control(all), "signaled:15"}, "the program was ended by SIGTERM: at 0x10", nil},
		{"too late", []string{"hello", "exit:1", control(all)}, "", nil},
		{"out of memory", []string{"hello", control(all), "reason:3"}, `out of memory: because\x1b[31m (give the machine more with -m)`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newSession(t, c.script...).run(t)
			if r.Message != c.message || !slices.Equal(r.Report, c.report) {
				t.Errorf("got %q and %q\nexpected %q and %q", r.Message, r.Report, c.message, c.report)
			}
			if b, err := json.Marshal(r); err != nil || strings.ContainsAny(string(b), "\x1b\n") || strings.Contains(string(b), `\u001b`) {
				t.Errorf("%s, %v", b, err)
			}
		})
	}
	for name, b := range map[string][]byte{
		"missed":   bootrec.AppendFrame(nil, bootrec.KindMissed, []byte{9, 9, 9}),
		"crash":    bootrec.AppendFrame(nil, bootrec.KindCrash, []byte{1}),
		"mappings": bootrec.AppendFrame(crashFrames(&bootrec.Crash{Signal: 11}, bootrec.Mapping{Start: 5, End: 6}), bootrec.KindMappings, bootrec.AppendMapping(nil, &bootrec.Mapping{Start: 1, End: 2})),
	} {
		if r := newSession(t, "hello", control(b)).run(t); r.Status != StatusKernelBug || !strings.Contains(r.Message, "no frame") {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestReportIsBounded sends as much as fits and more.
func TestReportIsBounded(t *testing.T) {
	f := &failure{}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var missed, refused, maps, threads, calls, files, events []byte
		for i := range 100 {
			threads = bootrec.AppendThread(threads, &bootrec.Thread{ID: i})
			calls = bootrec.AppendCall(calls, &bootrec.Call{Thread: i, Name: "read"})
			files = bootrec.AppendDescriptor(files, &bootrec.Descriptor{FD: i})
			events = bootrec.AppendEvent(events, "{}")
			missed = bootrec.AppendMissed(missed, fmt.Sprint("/", i))
			refused = bootrec.AppendRefused(refused, &bootrec.RefusedCall{Name: "x", Errno: 1, Count: rnd.Uint32() | 1})
			at := f.end() + uint64(i)*2
			maps = bootrec.AppendMapping(maps, &bootrec.Mapping{Start: at, End: at + 1})
		}
		for k, p := range map[bootrec.Kind][]byte{bootrec.KindMissed: missed, bootrec.KindRefused: refused, bootrec.KindMappings: maps,
			bootrec.KindMemory: bootrec.AppendAsked(nil, bootrec.Asked{Size: 1}), bootrec.KindStack: make([]byte, 100),
			bootrec.KindThreads: threads, bootrec.KindCalls: calls, bootrec.KindDescriptors: files, bootrec.KindEvents: events} {
			if err := f.add(bootrec.Frame{Kind: k, Payload: p}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(f.missed) != bootrec.MaxMissed || len(f.refused) != bootrec.MaxRefused || len(f.asked) != bootrec.MaxAsked || len(f.mappings) != bootrec.MaxMappings || len(f.stack) != 92 {
		t.Error(len(f.missed), len(f.refused), len(f.asked), len(f.mappings), len(f.stack))
	}
	if len(f.threads) != bootrec.MaxThreads || len(f.calls) != bootrec.MaxCalls || len(f.descriptors) != bootrec.MaxDescriptors || len(f.events) != bootrec.MaxEvents {
		t.Error(len(f.threads), len(f.calls), len(f.descriptors), len(f.events))
	}
}

func (f *failure) end() uint64 {
	if n := len(f.mappings); n > 0 {
		return f.mappings[n-1].End
	}
	return 0
}

func TestLastOutput(t *testing.T) {
	var l lastOutput
	rnd := rand.New(rand.NewPCG(5, 6))
	var all []byte
	for range 500 {
		b := make([]byte, rnd.IntN(3000)*rnd.IntN(4))
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		all = append(all, b...)
		l.add(b)
		if got, want := l.text(), string(all[max(0, len(all)-lastSize):]); got != want {
			t.Fatal("not the end of the output")
		}
	}
}
