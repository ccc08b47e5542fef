package abi

// Mode bits beside the file types in file.go, inode(7).
const (
	S_ISUID = 0o4000
	S_ISGID = 0o2000
	S_ISVTX = 0o1000
	S_IRWXU = 0o700
	S_IRUSR = 0o400
	S_IWUSR = 0o200
	S_IXUSR = 0o100
	S_IRWXG = 0o70
	S_IRGRP = 0o40
	S_IWGRP = 0o20
	S_IXGRP = 0o10
	S_IRWXO = 0o7
	S_IROTH = 0o4
	S_IWOTH = 0o2
	S_IXOTH = 0o1
)

// Fields asked for and given by statx(2), uapi/linux/stat.h.
const (
	STATX_TYPE          = 1
	STATX_MODE          = 2
	STATX_NLINK         = 4
	STATX_UID           = 8
	STATX_GID           = 0x10
	STATX_ATIME         = 0x20
	STATX_MTIME         = 0x40
	STATX_CTIME         = 0x80
	STATX_INO           = 0x100
	STATX_SIZE          = 0x200
	STATX_BLOCKS        = 0x400
	STATX_BASIC_STATS   = 0x7ff
	STATX_BTIME         = 0x800
	STATX_MNT_ID        = 0x1000
	STATX_DIOALIGN      = 0x2000
	STATX_MNT_ID_UNIQUE = 0x4000
	STATX_SUBVOL        = 0x8000
	STATX_WRITE_ATOMIC  = 0x10000
	STATX_ALL           = 0xfff
	STATX__RESERVED     = 0x80000000
)

// Attributes in Statx.Attributes.
const (
	STATX_ATTR_COMPRESSED   = 4
	STATX_ATTR_IMMUTABLE    = 0x10
	STATX_ATTR_APPEND       = 0x20
	STATX_ATTR_NODUMP       = 0x40
	STATX_ATTR_ENCRYPTED    = 0x800
	STATX_ATTR_AUTOMOUNT    = 0x1000
	STATX_ATTR_MOUNT_ROOT   = 0x2000
	STATX_ATTR_VERITY       = 0x100000
	STATX_ATTR_DAX          = 0x200000
	STATX_ATTR_WRITE_ATOMIC = 0x400000
)

// Types of file systems in Statfs.Type, uapi/linux/magic.h.
const (
	TMPFS_MAGIC           = 0x1021994
	RAMFS_MAGIC           = 0x858458f6
	PROC_SUPER_MAGIC      = 0x9fa0
	SYSFS_MAGIC           = 0x62656572
	DEVPTS_SUPER_MAGIC    = 0x1cd1
	EROFS_SUPER_MAGIC_V1  = 0xe0f5e1e2
	EXT4_SUPER_MAGIC      = 0xef53
	PIPEFS_MAGIC          = 0x50495045
	SOCKFS_MAGIC          = 0x534f434b
	ANON_INODE_FS_MAGIC   = 0x9041934
	HUGETLBFS_MAGIC       = 0x958458f6
	OVERLAYFS_SUPER_MAGIC = 0x794c7630
	CGROUP2_SUPER_MAGIC   = 0x63677270
)

// Flags in Statfs.Flags, statfs(2); include/linux/statfs.h.
const (
	ST_RDONLY      = 1
	ST_NOSUID      = 2
	ST_NODEV       = 4
	ST_NOEXEC      = 8
	ST_SYNCHRONOUS = 0x10
	ST_MANDLOCK    = 0x40
	ST_NOATIME     = 0x400
	ST_NODIRATIME  = 0x800
	ST_RELATIME    = 0x1000
	ST_VALID       = 0x20
)

// Types in d_type of getdents64(2).
const (
	DT_UNKNOWN = 0
	DT_FIFO    = 1
	DT_CHR     = 2
	DT_DIR     = 4
	DT_BLK     = 6
	DT_REG     = 8
	DT_LNK     = 10
	DT_SOCK    = 12
	DT_WHT     = 14
)

// StatxTimestamp is struct statx_timestamp.
type StatxTimestamp struct {
	Sec  int64  // tv_sec
	Nsec uint32 // tv_nsec
	Pad  int32
}

// Statx is struct statx, 256 bytes. The fields from Subvol on are of Linux 6.10
// and 6.11 and lie in what was spare before.
type Statx struct {
	Mask               uint32 // stx_mask
	Blksize            uint32 // stx_blksize
	Attributes         uint64 // stx_attributes
	Nlink              uint32 // stx_nlink
	UID                uint32 // stx_uid
	GID                uint32 // stx_gid
	Mode               uint16 // stx_mode
	Pad1               uint16
	Ino                uint64         // stx_ino
	Size               uint64         // stx_size
	Blocks             uint64         // stx_blocks
	AttributesMask     uint64         // stx_attributes_mask
	Atime              StatxTimestamp // stx_atime
	Btime              StatxTimestamp // stx_btime
	Ctime              StatxTimestamp // stx_ctime
	Mtime              StatxTimestamp // stx_mtime
	RdevMajor          uint32         // stx_rdev_major
	RdevMinor          uint32         // stx_rdev_minor
	DevMajor           uint32         // stx_dev_major
	DevMinor           uint32         // stx_dev_minor
	MntID              uint64         // stx_mnt_id
	DioMemAlign        uint32         // stx_dio_mem_align
	DioOffsetAlign     uint32         // stx_dio_offset_align
	Subvol             uint64         // stx_subvol
	AtomicWriteUnitMin uint32         // stx_atomic_write_unit_min
	AtomicWriteUnitMax uint32         // stx_atomic_write_unit_max
	AtomicWriteSegsMax uint32         // stx_atomic_write_segments_max
	Pad2               uint32
	Spare              [9]uint64
}

// Statfs is struct statfs of x86-64, 120 bytes.
type Statfs struct {
	Type    int64    // f_type
	Bsize   int64    // f_bsize
	Blocks  uint64   // f_blocks
	Bfree   uint64   // f_bfree
	Bavail  uint64   // f_bavail
	Files   uint64   // f_files
	Ffree   uint64   // f_ffree
	Fsid    [2]int32 // f_fsid
	Namelen int64    // f_namelen
	Frsize  int64    // f_frsize
	Flags   int64    // f_flags
	Spare   [4]int64 // f_spare
}

// Dirent64 is the fixed beginning of struct linux_dirent64 of getdents64(2); the
// name with its NUL follows Type at offset Dirent64NameOffset, and Reclen rounds
// the whole up to a multiple of 8.
type Dirent64 struct {
	Ino    uint64 // d_ino
	Off    int64  // d_off
	Reclen uint16 // d_reclen
	Type   uint8  // d_type
	Pad    [5]byte
}

// Dirent64NameOffset is where the name begins in a directory entry.
const Dirent64NameOffset = 19

// Dirent is the fixed beginning of struct linux_dirent of the old getdents(2);
// the name follows Reclen at offset 18, and the type is the record's last byte.
type Dirent struct {
	Ino    uint64
	Off    uint64
	Reclen uint16
	Pad    [6]byte
}
