package vmm

import (
	"fmt"
	"strconv"
	"strings"

	"skerry/bootrec"
)

// fds are the numbers that descriptors have in the QEMU process.
type fds struct {
	kernel, record int
	port           [bootrec.Ports]int
	uart           int
	gate           int // 0 if there is nothing to wait for
	root, data     int // data is 0 if there is no such disk
}

// Names of the disks, which the kernel reads as their serial numbers (virtio 1.2,
// 5.2.6.1, VIRTIO_BLK_T_GET_ID).
const (
	serialRoot = "skerry-root"
	serialData = "skerry-data"
)

// args is QEMU's command line. Everything in it may be seen by everybody on the
// host, so it holds numbers and the machine's name only.
func args(c *Config, a Accel, forwards []Forward, f fds, sandbox bool) []string {
	q35 := c.Machine == Q35
	device := func(name, options string) []string {
		if q35 {
			name, options = name+"-pci", ",disable-legacy=on"+options
		} else {
			name += "-device"
		}
		return []string{"-device", name + options}
	}
	var l []string
	add := func(s ...string) { l = append(l, s...) }

	if f.gate != 0 {
		// An empty file of settings. It is a pipe, and QEMU reads it to its end
		// before it opens anything else.
		add("-readconfig", fdPath(f.gate))
	}

	if c.Name != "" {
		add("-name", "guest="+escape(c.Name))
	}
	if q35 {
		add("-M", "q35,usb=off,sata=off,smbus=off,smm=off,vmport=off")
	} else {
		add("-M", "microvm,acpi=off,pit=off,pic=off,rtc=off,isa-serial=on,auto-kernel-cmdline=on",
			"-global", "virtio-mmio.force-legacy=false")
	}
	accel, cpu := "tcg,thread=multi", "max"
	if a.Name == KVM {
		// A machine that never migrates may be told that the counter is invariant
		// and how fast it is (CPUID 80000007 and 40000010), where the host knows.
		accel, cpu = "kvm", "host,migratable=off"
	}
	if c.CPU != "" {
		cpu = c.CPU
	}
	smp := strconv.Itoa(c.CPUs)
	if a.Name != KVM && c.CPUs == 1 {
		// For a machine that can only have one CPU, QEMU before 8.0 translates locked
		// instructions and fences as plain ones (tcg_gen_mb looks at CF_PARALLEL),
		// but its devices run in a thread of their own: the driver and the device
		// then miss each other's notifications.
		smp = "1,maxcpus=2"
	}
	add("-accel", accel, "-cpu", cpu,
		"-smp", smp,
		"-m", strconv.FormatInt(c.Memory>>10, 10)+"K",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot")
	if sandbox {
		add("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny")
	}

	add("-kernel", fdPath(f.kernel), "-initrd", fdPath(f.record))
	add("-chardev", fmt.Sprintf("socket,id=uart,fd=%d", f.uart), "-serial", "chardev:uart",
		"-device", fmt.Sprintf("isa-debug-exit,iobase=%#x,iosize=2", bootrec.BugPort))

	add(device("virtio-serial", fmt.Sprintf(",id=ports,max_ports=%d", bootrec.FirstPort+bootrec.Ports))...)
	for i, fd := range f.port {
		add("-chardev", fmt.Sprintf("socket,id=port%d,fd=%d", i, fd),
			"-device", fmt.Sprintf("virtserialport,bus=ports.0,nr=%d,chardev=port%d", bootrec.FirstPort+i, i))
	}

	disk := func(name, serial string, fd int, d *Disk) {
		if d.NBD {
			add("-blockdev", fmt.Sprintf("driver=nbd,node-name=%s,read-only=on,server.type=fd,server.str=%d", name, fd))
			add(device("virtio-blk", ",drive="+name+",serial="+serial)...)
			return
		}
		// The image is not written by anybody, and QEMU's locks would only make
		// it fail where files cannot be locked.
		add("-blockdev", fmt.Sprintf("driver=raw,node-name=%s,read-only=on,offset=%d,size=%d,"+
			"file.driver=file,file.filename=%s,file.read-only=on,file.locking=off", name, d.Offset, d.Size, fdPath(fd)))
		add(device("virtio-blk", ",drive="+name+",serial="+serial)...)
	}
	disk("root", serialRoot, f.root, &c.Root)
	if c.Data != nil {
		disk("data", serialData, f.data, c.Data)
	}
	add(device("virtio-rng", "")...)
	if c.Network {
		user := fmt.Sprintf("user,id=net,ipv4=on,ipv6=on,net=%s,host=%s,dns=%s,dhcpstart=%s,ipv6-net=%s,ipv6-host=%s,ipv6-dns=%s",
			netV4, hostV4, resolverV4, machineV4, netV6, hostV6, resolverV6)
		for _, fw := range forwards {
			user += fmt.Sprintf(",hostfwd=%s:%v-%s:%d", fw.Proto, fw.Host, machineV4, fw.Guest)
		}
		add("-netdev", user)
		options := ",netdev=net"
		if q35 {
			options += ",romfile=" // no boot ROM, which takes time to load
		}
		add(device("virtio-net", options)...)
	}
	return append(l, c.Extra...)
}

func fdPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// escape doubles commas, which end a value in QEMU's options, and leaves out what
// is not printable.
func escape(s string) string { return strings.ReplaceAll(printable(s), ",", ",,") }
