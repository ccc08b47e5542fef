package abi

// Flags of mount(2) and umount2(2), uapi/linux/mount.h and mount(2). Mounting is
// refused; the names serve the message.
const (
	MS_RDONLY       = 0x1
	MS_NOSUID       = 0x2
	MS_NODEV        = 0x4
	MS_NOEXEC       = 0x8
	MS_SYNCHRONOUS  = 0x10
	MS_REMOUNT      = 0x20
	MS_MANDLOCK     = 0x40
	MS_DIRSYNC      = 0x80
	MS_NOATIME      = 0x400
	MS_NODIRATIME   = 0x800
	MS_BIND         = 0x1000
	MS_MOVE         = 0x2000
	MS_REC          = 0x4000
	MS_SILENT       = 0x8000
	MS_POSIXACL     = 0x10000
	MS_UNBINDABLE   = 0x20000
	MS_PRIVATE      = 0x40000
	MS_SLAVE        = 0x80000
	MS_SHARED       = 0x100000
	MS_RELATIME     = 0x200000
	MS_STRICTATIME  = 0x1000000
	MS_LAZYTIME     = 0x2000000
	MNT_FORCE       = 1
	MNT_DETACH      = 2
	MNT_EXPIRE      = 4
	UMOUNT_NOFOLLOW = 8
)

// Flags of the newer mount calls.
const (
	OPEN_TREE_CLONE                = 1
	FSOPEN_CLOEXEC                 = 1
	FSMOUNT_CLOEXEC                = 1
	FSPICK_CLOEXEC                 = 1
	MOVE_MOUNT_F_EMPTY_PATH        = 4
	MOVE_MOUNT_T_EMPTY_PATH        = 0x40
	MODULE_INIT_IGNORE_MODVERSIONS = 1
	MODULE_INIT_IGNORE_VERMAGIC    = 2
)
