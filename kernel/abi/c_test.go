package abi

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The package says the same as the C headers: every constant is compared with
// the C constant of the same name, every struct with the C struct's size, and
// every field that has a C name beside it with that member's offset and size.
// The constants and structs are read from this package's own source, so nothing
// can be left out of the comparison.

// headersOf lists the headers that know the constants and structs of a file.
// Files are compiled apart, since libc's and the kernel's headers cannot always
// be included together.
var headersOf = map[string][]string{
	"capability.go": {"linux/capability.h"},
	"elf.go":        {"elf.h"},
	"errno.go":      {"errno.h"},
	"fcntl.go":      {"fcntl.h", "unistd.h", "sys/file.h", "linux/fs.h", "linux/openat2.h", "linux/close_range.h", "linux/xattr.h", "linux/limits.h", "|", "linux/fcntl.h"},
	"file.go":       {"asm/fcntl.h", "asm/stat.h", "linux/stat.h", "linux/time.h", "|", "fcntl.h"},
	"futex.go":      {"linux/futex.h"},
	"inet.go":       {"netinet/in.h", "netinet/udp.h", "|", "linux/in.h", "linux/in6.h"},
	"ioctl.go":      {"asm/termbits.h", "asm/ioctls.h", "linux/sockios.h", "linux/fs.h", "linux/random.h", "linux/tty.h", "linux/termios.h", "linux/fiemap.h"},
	"mman.go":       {"linux/mman.h", "linux/memfd.h", "linux/mempolicy.h", "linux/userfaultfd.h"},
	"mount.go":      {"linux/mount.h", "linux/module.h", "|", "sys/mount.h"},
	"netif.go":      {"sys/socket.h", "linux/if.h", "linux/if_arp.h", "linux/if_ether.h", "linux/route.h"},
	"netlink.go":    {"sys/socket.h", "linux/netlink.h", "linux/rtnetlink.h", "linux/if_addr.h", "linux/if_link.h", "linux/neighbour.h"},
	"poll.go":       {"asm/poll.h", "linux/eventpoll.h", "linux/posix_types.h", "sys/eventfd.h", "linux/signalfd.h", "linux/inotify.h", "|", "sys/select.h"},
	"prctl.go":      {"linux/prctl.h", "asm/prctl.h", "linux/seccomp.h", "linux/filter.h", "linux/audit.h"},
	"process.go":    {"linux/wait.h", "linux/ptrace.h", "sys/ipc.h", "sys/sem.h", "sys/shm.h"},
	"random.go":     {"linux/random.h"},
	"resource.go":   {"linux/resource.h", "linux/sysinfo.h", "linux/utsname.h", "linux/reboot.h", "linux/personality.h"},
	"rseq.go":       {"linux/rseq.h", "linux/membarrier.h"},
	"sched.go":      {"linux/sched.h", "linux/sched/types.h", "linux/resource.h", "linux/ioprio.h"},
	"sigframe.go":   {"linux/signal.h", "asm/sigcontext.h", "asm/ucontext.h"},
	"signal.go":     {"linux/signal.h", "|", "signal.h"},
	"sockaddr.go":   {"netinet/in.h", "sys/un.h", "linux/netlink.h", "linux/vm_sockets.h", "linux/if_packet.h"},
	"socket.go":     {"sys/socket.h", "linux/errqueue.h", "linux/vm_sockets.h", "|", "netinet/in.h", "netinet/tcp.h", "netinet/udp.h"},
	"stat.go":       {"asm/stat.h", "linux/stat.h", "asm/statfs.h", "linux/magic.h", "dirent.h", "sys/statvfs.h"},
	"sysnum.go":     {"sys/syscall.h"},
	"tcp.go":        {"linux/tcp.h", "|", "netinet/tcp.h"},
	"time.go":       {"linux/time.h", "linux/timex.h", "linux/timerfd.h", "linux/times.h", "linux/utime.h", "|", "sys/stat.h"},
	"uio.go":        {"linux/uio.h"},
}

// ownFiles hold nothing that C has.
var ownFiles = []string{"doc.go", "table.go", "family.go", "names.go", "strerror.go"}

// cTypeOf is the C type of each struct. A "+" after it means that ours is the
// longer one where the headers are older, a "-" that ours is only the beginning.
var cTypeOf = map[string]string{
	"Cachestat": "struct cachestat", "CachestatRange": "struct cachestat_range",
	"CapUserData": "struct __user_cap_data_struct", "CapUserHeader": "struct __user_cap_header_struct",
	"CloneArgs": "struct clone_args", "Cmsghdr": "struct cmsghdr", "Dirent64": "struct dirent64-",
	"Elf64Auxv": "Elf64_auxv_t", "Elf64Ehdr": "Elf64_Ehdr", "Elf64Phdr": "Elf64_Phdr",
	"EpollEvent": "struct epoll_event", "EpollParams": "struct epoll_params",
	"FOwnerEx": "struct f_owner_ex", "FileHandle": "struct file_handle", "Flock": "struct flock",
	"Fpstate": "struct _fpstate_64", "FpxSwBytes": "struct _fpx_sw_bytes", "FutexWaitv": "struct futex_waitv",
	"GroupReq": "struct group_req", "GroupSourceReq": "struct group_source_req",
	"IPMreq": "struct ip_mreq", "IPMreqSource": "struct ip_mreq_source", "IPMreqn": "struct ip_mreqn",
	"IPv6Mreq": "struct ipv6_mreq", "IPv6Mtuinfo": "struct ip6_mtuinfo",
	"IfaCacheinfo": "struct ifa_cacheinfo", "Ifaddrmsg": "struct ifaddrmsg", "Ifconf": "struct ifconf",
	"Ifinfomsg": "struct ifinfomsg", "Ifmap": "struct ifmap", "Ifreq": "struct ifreq",
	"In6Pktinfo": "struct in6_pktinfo", "InPktinfo": "struct in_pktinfo", "InotifyEvent": "struct inotify_event",
	"Iovec": "struct iovec", "Itimerspec": "struct itimerspec", "Itimerval": "struct itimerval",
	"Linger": "struct linger", "Mmsghdr": "struct mmsghdr", "Msghdr": "struct msghdr", "Ndmsg": "struct ndmsg",
	"Nlmsgerr": "struct nlmsgerr", "Nlmsghdr": "struct nlmsghdr", "OpenHow": "struct open_how",
	"PollFD": "struct pollfd", "Rlimit": "struct rlimit64", "RobustListHead": "struct robust_list_head",
	"Rseq": "struct rseq", "RseqCS": "struct rseq_cs", "RtaCacheinfo": "struct rta_cacheinfo",
	"Rtattr": "struct rtattr", "Rtgenmsg": "struct rtgenmsg", "Rtmsg": "struct rtmsg",
	"RtnlLinkStats": "struct rtnl_link_stats", "RtnlLinkStats64": "struct rtnl_link_stats64+", "Rusage": "struct rusage",
	"SchedAttr": "struct sched_attr", "SchedParam": "struct sched_param", "SeccompData": "struct seccomp_data",
	"SigaltStack": "stack_t", "Sigaction": "struct sigaction", "Sigcontext": "struct sigcontext",
	"Sigevent": "struct sigevent", "Siginfo": "siginfo_t", "SiginfoChild": "siginfo_t", "SiginfoFault": "siginfo_t",
	"SiginfoHeader": "siginfo_t-", "SiginfoKill": "siginfo_t", "SiginfoPoll": "siginfo_t", "SiginfoRT": "siginfo_t",
	"SiginfoSys": "siginfo_t", "SiginfoTimer": "siginfo_t", "SignalfdSiginfo": "struct signalfd_siginfo",
	"SockExtendedErr": "struct sock_extended_err", "SockFilter": "struct sock_filter", "SockFprog": "struct sock_fprog",
	"SockaddrIn": "struct sockaddr_in", "SockaddrIn6": "struct sockaddr_in6", "SockaddrLl": "struct sockaddr_ll",
	"SockaddrNl": "struct sockaddr_nl", "SockaddrStorage": "struct sockaddr_storage", "SockaddrUn": "struct sockaddr_un",
	"SockaddrVM": "struct sockaddr_vm", "Stat": "struct stat", "Statfs": "struct statfs", "Statx": "struct statx",
	"StatxTimestamp": "struct statx_timestamp", "Sysinfo": "struct sysinfo", "TCPInfo": "struct tcp_info+",
	"Termios": "struct termios", "Timespec": "struct timespec", "Timeval": "struct timeval", "Timex": "struct timex",
	"Timezone": "struct timezone", "Tms": "struct tms", "Ucontext": "struct ucontext", "Ucred": "struct ucred",
	"Utimbuf": "struct utimbuf", "Utsname": "struct new_utsname", "Winsize": "struct winsize",
	"Xstate": "struct _xstate-", "XstateHeader": "struct _header",
}

// noCType are structs without a C declaration in the headers that programs use.
var noCType = []string{
	"Dirent",  // the kernel's own, getdents(2)
	"Syscall", // ours
}

// absent are names that headers of Linux 6.1 with glibc 2.36 lack: newer than
// they are (up to 6.12), or known to the kernel's sources only. Where the headers
// have them they are compared.
var absent = strings.Fields(`
	ARCH_CET_STATUS ARCH_ENABLE_TAGGED_ADDR ARCH_GET_MAX_TAG_BITS ARCH_GET_UNTAG_MASK ARCH_SHSTK_DISABLE
	ARCH_SHSTK_ENABLE ARCH_SHSTK_LOCK ARCH_SHSTK_STATUS ARCH_SHSTK_UNLOCK AT_HANDLE_FID AT_HANDLE_MNT_ID_UNIQUE
	AT_HWCAP3 AT_HWCAP4 AT_RSEQ_ALIGN AT_RSEQ_FEATURE_SIZE Cachestat Cachestat.* CachestatRange CachestatRange.*
	EPIOCGPARAMS EPIOCSPARAMS ERESTARTBLOCK ERESTARTNOHAND ERESTARTNOINTR ERESTARTSYS EpollParams EpollParams.*
	F_CREATED_QUERY F_DUPFD_QUERY F_SEAL_EXEC FUTEX2_NUMA FUTEX2_PRIVATE FUTEX2_SIZE_MASK FUTEX2_SIZE_U16
	FUTEX2_SIZE_U32 FUTEX2_SIZE_U64 FUTEX2_SIZE_U8 HWCAP2_FSGSBASE HWCAP2_RING3MWAIT IP_LOCAL_PORT_RANGE IP_PROTOCOL
	MAP_ABOVE4G MAP_DROPPABLE MAX_RW_COUNT MEMBARRIER_CMD_GET_REGISTRATIONS MFD_EXEC MFD_NOEXEC_SEAL
	MPOL_WEIGHTED_INTERLEAVE MSG_PROBE MSG_SOCK_DEVMEM PIDFD_SIGNAL_PROCESS_GROUP PIDFD_SIGNAL_THREAD
	PIDFD_SIGNAL_THREAD_GROUP PIDFD_NONBLOCK PIDFD_THREAD PIPEFS_MAGIC PR_GET_AUXV PR_GET_MDWE PR_GET_MEMORY_MERGE
	PR_MDWE_NO_INHERIT PR_MDWE_REFUSE_EXEC_GAIN PR_SET_MDWE PR_SET_MEMORY_MERGE RWF_ATOMIC RWF_NOAPPEND
	Rseq.MmCID Rseq.NodeID SCHED_EXT SCHED_OTHER SCM_PIDFD SCM_SECURITY SEGV_CPERR SHADOW_STACK_SET_TOKEN
	SO_DEVMEM_DMABUF SO_DEVMEM_DONTNEED SO_DEVMEM_LINEAR SO_PASSPIDFD SO_PEERPIDFD STATX_ATTR_WRITE_ATOMIC
	STATX_MNT_ID_UNIQUE STATX_SUBVOL STATX_WRITE_ATOMIC ST_VALID SYS_CACHESTAT SYS_FCHMODAT2 SYS_FUTEX_REQUEUE
	SYS_FUTEX_WAIT SYS_FUTEX_WAKE SYS_LISTMOUNT SYS_LSM_GET_SELF_ATTR SYS_LSM_LIST_MODULES SYS_LSM_SET_SELF_ATTR
	SYS_MAP_SHADOW_STACK SYS_MSEAL SYS_STATMOUNT SYS_URETPROBE Statx.AtomicWriteSegsMax Statx.AtomicWriteUnitMax
	Statx.AtomicWriteUnitMin Statx.Subvol TCPI_OPT_TFO_CHILD TCPI_OPT_USEC_TS TCPInfo.RcvWnd TCPInfo.Rehash
	TCPInfo.TotalRTO TCPInfo.TotalRTORecoveries TCPInfo.TotalRTOTimeMs TCP_AO_ADD_KEY TCP_AO_DEL_KEY TCP_AO_GET_KEYS
	TCP_AO_INFO TCP_AO_REPAIR TCP_IS_MPTCP TCP_NEW_SYN_RECV UNIX_PATH_MAX USER_HZ
`)

// item is one comparison: a C expression that must have the value want.
type item struct {
	name, expr string
	want       uint64
	atMost     bool // C's value may be less
}

// cNamePattern matches what in a field's comment is the C member alone.
var cNamePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z_0-9.]*$`)

// notConstant are constants that C has as pointers or as calls, which it cannot
// compare when it compiles.
var notConstant = []string{"SIG_DFL", "SIG_ERR", "SIG_IGN", "SIGRTMAX"}

// goName matches the package's own names among the constants.
var goName = regexp.MustCompile(`^([A-Z][a-z]+[A-Za-z0-9]*|ID|OK)$`)

func cConst(name string) string {
	if rest, ok := strings.CutPrefix(name, "SIGSYS_"); ok {
		return "SYS_" + rest
	}
	if strings.HasPrefix(name, "LINUX_CAPABILITY_") || strings.HasPrefix(name, "IOC_") {
		return "_" + name
	}
	if slices.Contains([]string{"WNOTHREAD", "WALL", "WCLONE"}, name) {
		return "__" + name
	}
	if rest, ok := strings.CutPrefix(name, "SYS_"); ok {
		return "SYS_" + strings.ToLower(rest)
	}
	return name
}

// items reads the package's source and lists the comparisons for each file.
func items(t *testing.T) map[string][]item {
	t.Helper()
	fset := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, n := range names {
		if strings.HasSuffix(n, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, n, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	pkg, err := (&types.Config{}).Check("abi", fset, files, nil)
	if err != nil {
		t.Fatal(err)
	}
	sizes := types.SizesFor("gc", "amd64")
	out := map[string][]item{}
	for _, f := range files {
		file := fset.Position(f.Pos()).Filename
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range g.Specs {
				switch s := s.(type) {
				case *ast.ValueSpec:
					if g.Tok != token.CONST || slices.Contains(ownFiles, file) {
						continue
					}
					for _, id := range s.Names {
						c := pkg.Scope().Lookup(id.Name).(*types.Const)
						if !id.IsExported() || goName.MatchString(id.Name) || slices.Contains(notConstant, id.Name) {
							continue
						}
						out[file] = append(out[file], item{name: id.Name, expr: cConst(id.Name), want: bits(c.Val())})
					}
				case *ast.TypeSpec:
					st, ok := s.Type.(*ast.StructType)
					if !ok || slices.Contains(noCType, s.Name.Name) {
						continue
					}
					its := structItems(t, sizes, pkg, s.Name.Name, st)
					out[file] = append(out[file], its...)
				}
			}
		}
	}
	return out
}

// structItems lists the comparisons for one struct.
func structItems(t *testing.T, sizes types.Sizes, pkg *types.Package, name string, src *ast.StructType) []item {
	t.Helper()
	c, ok := cTypeOf[name]
	if !ok {
		t.Errorf("struct %s has no C type in cTypeOf", name)
		return nil
	}
	var its []item
	str := pkg.Scope().Lookup(name).Type().Underlying().(*types.Struct)
	size := uint64(sizes.Sizeof(str))
	switch cut := c[len(c)-1]; cut {
	case '+':
		c = c[:len(c)-1]
		its = append(its, item{name: name, expr: "sizeof(" + c + ")", want: size, atMost: true})
	case '-':
		c = c[:len(c)-1]
	default:
		its = append(its, item{name: name, expr: "sizeof(" + c + ")", want: size})
	}
	fields := make([]*types.Var, str.NumFields())
	for i := range fields {
		fields[i] = str.Field(i)
	}
	offsets := sizes.Offsetsof(fields)
	i := 0
	for _, f := range src.Fields.List {
		n := max(len(f.Names), 1)
		member := ""
		if f.Comment != nil {
			member = strings.TrimSpace(strings.TrimPrefix(f.Comment.List[0].Text, "//"))
		}
		if n == 1 && cNamePattern.MatchString(member) {
			its = append(its, item{name: name + "." + fields[i].Name(),
				expr: fmt.Sprintf("offsetof(%s, %s)", c, member), want: uint64(offsets[i])})
			if !fields[i].Embedded() && !strings.HasPrefix(fields[i].Name(), "Pad") {
				its = append(its, item{name: name + "." + fields[i].Name(),
					expr: fmt.Sprintf("sizeof(((%s *)0)->%s)", c, member), want: uint64(sizes.Sizeof(fields[i].Type()))})
			}
		} else if fn := fields[i].Name(); !strings.HasPrefix(fn, "Pad") && fn != "Rest" && fn != "Spare" && fn != "Data" && member == "" {
			t.Errorf("%s.%s has no C member beside it", name, fn)
		}
		i += n
	}
	return its
}

// bits is a constant as C prints it when cast to unsigned long long.
func bits(v constant.Value) uint64 {
	if n, ok := constant.Int64Val(v); ok {
		return uint64(n)
	}
	n, _ := constant.Uint64Val(v)
	return n
}

// gccError matches the line that gcc complains about.
var gccError = regexp.MustCompile(`(?m)^[^:\n]*items\.c:(\d+):\d+: error: (.*)$`)

// compare lets gcc check the items, without running anything: which values C has
// otherwise, and which names it does not know.
func compare(t *testing.T, headers []string, its []item) (wrong, missing []item) {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("#define _GNU_SOURCE\n")
	for _, h := range headers {
		fmt.Fprintf(&b, "#if __has_include(<%s>)\n#include <%s>\n#endif\n", h, h)
	}
	b.WriteString("#include <stddef.h>\n")
	first := bytes.Count(b.Bytes(), []byte("\n")) + 1
	for _, it := range its {
		op := "=="
		if it.atMost {
			op = "<="
		}
		fmt.Fprintf(&b, "_Static_assert((unsigned long long)(%s) %s %dULL, \"differs\");\n", it.expr, op, it.want)
	}
	src := filepath.Join(t.TempDir(), "items.c")
	if err := os.WriteFile(src, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	text, err := exec.Command("gcc", "-w", "-fsyntax-only", "-fmax-errors=0", src).CombinedOutput()
	if err == nil {
		return nil, nil
	}
	seen := map[int]bool{}
	for _, m := range gccError.FindAllStringSubmatch(string(text), -1) {
		n, _ := strconv.Atoi(m[1])
		i := n - first
		switch {
		case i < 0 || i >= len(its):
			t.Fatalf("gcc: %s", text)
		case seen[i]:
		case strings.Contains(m[2], "differs"):
			wrong = append(wrong, its[i])
		case strings.Contains(m[2], "undeclared"), strings.Contains(m[2], "has no member"), strings.Contains(m[2], "incomplete type"),
			strings.Contains(m[2], "undefined type"):
			missing = append(missing, its[i])
		default:
			t.Errorf("gcc: %s: %s", its[i].expr, m[2])
		}
		seen[i] = true
	}
	if len(seen) == 0 {
		t.Fatalf("gcc: %v\n%s", err, text)
	}
	return wrong, missing
}

// headerVersion is the version of the installed headers, 6<<8 + 1 for 6.1.
func headerVersion(t *testing.T) int {
	cmd := exec.Command("gcc", "-E", "-P", "-")
	cmd.Stdin = strings.NewReader("#include <linux/version.h>\nLINUX_VERSION_CODE\n")
	out, err := cmd.Output()
	if err != nil {
		t.Skip("the kernel's headers (linux-libc-dev) are not installed")
	}
	code, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatalf("LINUX_VERSION_CODE: %q", out)
	}
	return code >> 8
}

// isAbsent reports whether the headers may lack a name.
func isAbsent(name string) bool {
	st, _, _ := strings.Cut(name, ".")
	return slices.Contains(absent, name) || slices.Contains(absent, st+".*")
}

func TestLikeC(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("gcc is not installed")
	}
	old := headerVersion(t) < 6<<8+1
	for file, its := range items(t) {
		headers, ok := headersOf[file]
		if !ok {
			t.Errorf("%s: no headers in headersOf", file)
			continue
		}
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			alt := slices.Index(headers, "|")
			if alt < 0 {
				alt = len(headers)
			}
			wrong, missing := compare(t, headers[:alt], its)
			if alt < len(headers) && len(missing) > 0 {
				var more []item
				more, missing = compare(t, headers[alt+1:], missing)
				wrong = append(wrong, more...)
			}
			for _, it := range wrong {
				t.Errorf("%s is %#x, C's %s is not", it.name, it.want, it.expr)
			}
			for _, it := range missing {
				if !isAbsent(it.name) && !old {
					t.Errorf("C knows no %s", it.name)
				}
			}
			t.Logf("%d compared, %d absent in the headers", len(its)-len(missing), len(missing))
		})
	}
}
