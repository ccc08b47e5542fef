package bootrec

import "net/netip"

// Magic is how a boot record begins.
const Magic = "SKERRYBR"

// RecordVersion is the version of the record that this package reads and
// writes. A change that an older kernel could misread raises it; a change that
// it may ignore is a new tag with flagIgnorable.
const RecordVersion = 1

// Limits of a record. Encode refuses to write, and Decode to read, beyond them.
const (
	MaxRecord   = 1 << 20     // bytes in all
	MaxArgs     = 4096        // entries of argv
	MaxEnv      = 4096        // entries of the environment
	MaxString   = 128<<10 - 1 // bytes of one of them: MAX_ARG_STRLEN without its NUL (execve(2))
	MaxPath     = 4095        // PATH_MAX without its NUL (path_resolution(7))
	MaxHostname = 64          // HOST_NAME_MAX (gethostname(2))
	MaxCPUs     = 256
	MaxDNS      = 8
	MaxSearch   = 16
	MaxHosts    = 256
	MaxNames    = 16  // names of one address
	MaxName     = 253 // bytes of a domain name (RFC 1035, 2.3.4, in text form)
	MaxDeny     = 256
	MaxMTU      = 65535
	MaxPolicy   = 512 << 10
	MaxJIT      = 1<<47 - 4096 // bytes: all of user memory
	MaxTmpfs    = 64
	MaxSecrets  = 64
	MaxSecret   = 512 << 10 // bytes of all secrets together
)

// Record is everything that the kernel has to know before it starts the program.
type Record struct {
	// Program is the absolute, clean path of the program in the image.
	Program string
	// Args is argv, argv[0] first; there is at least that.
	Args []string
	// Env is the environment, NAME=value each.
	Env []string
	// Cwd is the absolute, clean path of the working directory.
	Cwd string
	// Hostname is what uname(2) answers as nodename.
	Hostname string

	// CPUs and Memory (bytes) are what the launcher gave to the machine. The
	// kernel counts for itself and may report a difference.
	CPUs   int
	Memory uint64

	// Wall is the time when the record was written, nanoseconds since the Unix
	// epoch.
	Wall int64
	// StopTimeout is how long, in nanoseconds, the launcher waits after a
	// request to stop before it ends the machine.
	StopTimeout int64
	// Seed is fresh randomness of the launcher's kernel. All zero: there is none, and the
	// machine has to find some elsewhere.
	Seed [32]byte
	// Early is more of it, for what draws before the record is decoded: the kernel's own
	// runtime, which takes in the beginning of the record as it stands. All zero: none.
	Early [32]byte

	// Trace asks for Strace frames.
	Trace bool
	// Verbose says that somebody reads the Log frames; without it, what is only
	// for the log need not be made.
	Verbose bool
	// Audit asks for Audit frames.
	Audit bool
	// Data says that a second, read-only disk with data files is there.
	Data bool

	Net Net

	// JIT is how many bytes of anonymous memory the program may make executable, a
	// multiple of 4096. 0: none.
	JIT uint64

	// Tmpfs are file systems in memory that the program finds mounted.
	Tmpfs []Tmpfs
	// Overlay says that the whole root can be written to, in memory; OverlaySize is the
	// most bytes that its files may take there, a multiple of 4096; 0 leaves it to the
	// kernel.
	Overlay     bool
	OverlaySize uint64
	// Secrets are files that the kernel makes below /run/secrets, in memory.
	Secrets []Secret

	// Policy is of EncodePolicy; the kernel does not start if it cannot read it.
	Policy []byte
}

// Tmpfs is a file system in memory at an absolute, clean path. Size is the most
// bytes that its files may take, a multiple of 4096; 0 leaves it to the kernel.
type Tmpfs struct {
	Path string
	Size uint64
}

// Secret is a file below /run/secrets.
type Secret struct {
	Name string // one component of a path
	Data []byte
}

// NetMode says where the network configuration comes from.
type NetMode uint32

// Network modes.
const (
	NetNone   NetMode = iota // no device is used, only loopback
	NetDHCP                  // IPv4 by DHCP; IPv6 as given in V6
	NetStatic                // as given in V4 and V6, at least one of them
)

// Net is the network configuration.
type Net struct {
	Mode NetMode
	// MTU in bytes; 0 leaves it to the device. At least 576 (RFC 791), and
	// 1280 with IPv6 (RFC 8200, 5).
	MTU    int
	V4, V6 Iface
	DNS    []netip.Addr
	Search []string
	// Hosts are further lines of /etc/hosts.
	Hosts []Host
	// Deny lists destinations that the program may not reach: connections and
	// datagrams that it begins. Answers to peers that spoke first are not
	// meant; the machine's own addresses and port 53 of an address in DNS are
	// exempt.
	Deny []netip.Prefix
}

// Iface is an address with its prefix length, and the gateway if there is one.
// The zero value means that the family is not configured.
type Iface struct {
	Addr    netip.Prefix
	Gateway netip.Addr
}

// Host is one line of /etc/hosts.
type Host struct {
	Addr  netip.Addr
	Names []string
}

// Tag names a field of the encoded record.
type Tag uint16

// Tags, in the order in which they stand in a record.
const (
	// TagEarly is first so that it stands where a kernel looks before it decodes
	// anything, however long the arguments are. It has flagIgnorable: kernels that do
	// not know it skip a value with that, whatever its tag, and take it in all the same.
	TagEarly Tag = iota // 32 bytes, not all zero

	TagProgram  // string
	TagArgs     // strings
	TagEnv      // strings
	TagCwd      // string
	TagHostname // string
	TagMachine  // u32 CPUs, u32 zero, u64 memory
	TagClock    // i64 wall, i64 stop timeout
	TagSeed     // 32 bytes, not all zero
	TagOptions  // u32 of option bits
	TagNet      // u32 mode, u32 MTU
	TagV4       // address with prefix length, address or zeros
	TagV6       // the same
	TagDNS      // u32 count, addresses
	TagSearch   // strings
	TagHosts    // u32 count, each: address, strings
	TagDeny     // u32 count, addresses with prefix length
	TagPolicy   // bytes
	TagJIT      // u64, not 0
	TagTmpfs    // u32 count, each: u64 size, u32 length, path
	TagSecrets  // u32 count, each: u32 length, name, u32 length, bytes
	TagOverlay  // u64 bytes, 0: the kernel's choice
	tagEnd
)

// mandatory holds the tags without which a record is refused, a bit each.
const mandatory = 1<<TagProgram | 1<<TagArgs | 1<<TagCwd | 1<<TagHostname |
	1<<TagMachine | 1<<TagClock | 1<<TagOptions | 1<<TagNet

// Bits of TagOptions.
const (
	optTrace = 1 << iota
	optVerbose
	optData
	optAudit
	optAll = optTrace | optVerbose | optData | optAudit
)

// Layout of the encoding: a header, then tagged values.
const (
	headerSize = 8 + 4 + 4 // magic, u32 total length, u32 version
	tlvSize    = 2 + 2 + 4 // u16 tag, u16 flags, u32 length of the data

	// flagIgnorable in a value's flags: who does not know the tag skips it.
	flagIgnorable = 1

	// addrSize is an encoded address: u8 family (0 none, 4, 6), u8 prefix
	// length, u16 zero, 16 bytes of which IPv4 uses the first four.
	addrSize = 20
)
