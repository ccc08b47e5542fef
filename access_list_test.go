package skerry_test

// accessPackages are not looked into: the way to the program's memory itself, what it and
// all others are made of, and a kernel that runs no program.
var accessPackages = []string{"skerry/kernel/usermem", "skerry/kernel/ground/arch", "skerry/kernel/ground/boottest"}

// accessList holds the functions in which a number may become memory, and why no address
// of the program's is among those numbers.
var accessList = []struct{ why, names string }{
	{"page tables: an address of the program's selects an entry, the table's own address comes from the entry above or from a frame",
		`ground.earlyEntry ground.buildTables ground.splitDirect ground.ensure ground.gMapDevice ground.gProtect
		ground.gWalk mm.entry`},
	{"blocks of CPUs, Ms and thread contexts, stacks, descriptor tables: memory that ground took for them, whose addresses it keeps itself",
		`ground.me ground.claim ground.newCPU ground.loadCPU ground.makeIDT ground.startAPs ground.gKick ground.gShoot ground.gTgkill ground.gTimer
		ground.gFetch ground.Interrupts ground.MSI ground.NewCtx ground.gLoadX ground.gSaveX ground.gRestore ground.push ground.pop
		ground.futexRemove ground.wakePoll ground.gClone ground.gCover ground.gExit ground.setTimer ground.untime ground.gReset`},
	{"what the loader and the linker left: the start information, the kernel's own image, the boot record, the runtime's variables",
		`ground.parseStartInfo ground.readImageHeader ground.initFrames ground.Record ground.Cmdline ground.wantCPUs ground.firstThread ground.seedRuntime
		ground.vdsoClockgettimeSym vdso.code`},
	{"system calls and signals of the kernel's own runtime: the entry tells its calls from the program's by where they come from, and gTrap and gBug read frames in ring 0 only",
		`ground.gFutex ground.gNanosleep ground.gPollResult ground.gSigreturn ground.pushFrame ground.simple ground.gTrap ground.gBug`},
	{"functions of ground that assembly or call enter, with addresses that ground's own Go gave them",
		`ground.variables ground.Barrier ground.CheckTables ground.Ctx.Fetch ground.Ctx.Free ground.Ctx.Interrupt ground.CurrentCPU ground.GiveRun
		ground.MaskGSI ground.RouteGSI ground.Seal ground.SealedPage ground.SetClock ground.TakeRun`},
	{"the table of usermem's fix-ups, in a page of its own", "ground.fixup ground.SetFixups"},
	{"devices: registers in the window that ground maps for them",
		`ground.gArm ground.gEOI ground.gIPI ground.gIPIOthers ground.gMaskGSI ground.gRouteGSI ground.gTimerOn ground.initAPIC ground.measureTSC
		ground.measureTimer ground.pairTSC hw/reg.Memory.Load8 hw/reg.Memory.Load16 hw/reg.Memory.Load32 hw/reg.Memory.Store8 hw/reg.Memory.Store16
		hw/reg.Memory.Store32 hw/uart.Port.in hw/uart.Port.out hw/virtio.Doorbell.Ring machine.findTransports`},
	{"devices: rings and buffers in frames that the driver allocated",
		`hw/virtio.Device.Queue hw/virtio.Memory.Bytes hw/virtio.Queue.Add hw/virtio.Queue.AddOne hw/virtio.Queue.ArmAfter hw/virtio.Queue.Disarm
		hw/virtio.Queue.Kick hw/virtio.Queue.Next hw/virtio.Queue.Poll hw/virtio.Queue.commit hw/virtio/blk.Disk.Serial hw/virtio/blk.Disk.answer
		hw/virtio/blk.Disk.take hw/virtio/console.Console.controlIn hw/virtio/net.Card.packet`},
	{"frames and their records, by number, through the direct map",
		`ground/frame.AllocOrderZero ground/frame.AllocZero ground/frame.PFN.Bytes ground/frame.rec ground/frame.thisCPU ground/frame.corrupt`},
	{"frames of the program's before they are mapped: cleared, or filled from another frame",
		"mm.Space.copyOnWrite mm.Space.faultHuge mm.Space.clearHuge mm.copyFrame"},
	{"the vDSO's page of data, in a frame of the kernel's", "loader/mmspace.NewVDSO machine.Machine.Prepare"},
	{"rights in the kernel's half, and translations to drop: nothing is read there", "machine.New machine.tlb.Flush"},
	{"fields of the IP stack's structs, at offsets looked up by name", "net/stack.AcceptQueue net/stack.ReceiveMemory net/stack.SegmentSize net/stack.SendQueue"},
	{"the bytes of a value of the kernel's own", "strace.load machine.identity"},
}
