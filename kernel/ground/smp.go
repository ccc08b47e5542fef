package ground

import (
	"sync/atomic"

	"skerry/kernel/ground/arch"
)

// wantCPUs is how many CPUs the boot record (package bootrec) says that the
// machine has: the value tagMachine, a u32. The rest of the record is decoded by
// ordinary Go; this is needed earlier. 1 without a record.
func wantCPUs() uint32 {
	const header, tlv, tagMachine = 16, 8, 6
	at, end := uintptr(header), Boot.RecordLen
	for at+tlv <= end {
		head := *word(Boot.Record + at)
		n := uintptr(head >> 32)
		at += tlv
		if n > end-at {
			break
		}
		if head&0xffff == tagMachine && n >= 4 {
			return *word32(Boot.Record + at)
		}
		at += (n + 7) &^ 7
	}
	return 1
}

// startAPs starts the other CPUs: INIT and start-up IPIs to everyone else (SDM
// vol. 3, 9.4.4.1, without the delays that only old boards need). Each finds
// its block through a counter, so no firmware table has to be believed.
func startAPs() {
	n := wantCPUs()
	if n > MaxCPU {
		n = MaxCPU
	}
	if n <= 1 {
		return
	}
	for i := uint32(1); i < n; i++ {
		newCPU(i)
	}
	// The trampoline needs itself mapped at its physical address while it turns
	// paging on: a table like ours with the first 2 MiB at 0 added.
	tables := bootFrames(4 * pageSize)
	for i := uintptr(256); i < 512; i++ {
		*word(tables + i*8) = *word(direct(rootTable) + i*8)
	}
	pa := uint64(tables - DirectMap)
	*word(tables) = pa + pageSize | pteP | pteW
	*word(tables + pageSize) = pa + 2*pageSize | pteP | pteW
	*word(tables + 2*pageSize) = 0 | pteP | pteW | ptePS
	t := direct(trampolinePhys)
	arch.ZeroPage(t, pageSize)
	for i := uintptr(0); early.sym.trampoline+i < early.sym.trampolineEnd && i < 0xf00; i++ {
		*byteAt(t + i) = *byteAt(early.sym.trampoline + i)
	}
	*word32(t + 0xf00) = uint32(pa)
	*word(t + 0xf08) = uint64(early.sym.apEntry)
	*word32(t + 0xf10) = 1
	*word32(t + 0xf14) = n
	*word(t + 0xf18) = uint64(cpuTableAddr())
	*word(t + 0xf28) = 0x00af9b000000ffff
	*word(t + 0xf30) = 0x00cf93000000ffff
	*word32(t + 0xf40) = 23 | (trampolinePhys+0xf20)<<16
	*word32(t + 0xf44) = 0
	if pa >= 1<<32 {
		fatal("the start-up tables of the other CPUs lie above 4 GiB")
	}
	gIPIOthers(icrInit)
	gDelay(10_000)
	for try := 0; try < 2; try++ {
		gIPIOthers(icrStartUp | trampolinePhys>>12)
		for wait := gNow() + 100_000_000; atomic.LoadUint32(&ncpu) < n && gNow() < wait; {
			arch.Pause()
		}
		if atomic.LoadUint32(&ncpu) == n {
			break
		}
	}
	if atomic.LoadUint32(&ncpu) < n {
		// A loaded host may take its time; what has not come by then never will.
		for wait := gNow() + 10_000_000_000; atomic.LoadUint32(&ncpu) < n && gNow() < wait; {
			arch.Pause()
		}
	}
	if atomic.LoadUint32(&ncpu) < n {
		fatal("a CPU that the machine was said to have did not start")
	}
	arch.ZeroPage(t, pageSize)
}

func gDelay(ns int64) {
	for end := gNow() + ns; gNow() < end; {
		arch.Pause()
	}
}

// gAP is an application processor's first Go: it makes itself at home and
// waits for work.
func gAP(p uintptr) {
	c := cpuAt(p)
	loadCPU(c)
	gEnableVector()
	initAPIC(c)
	gTimerOn()
	arch.WriteCR3(rootTable)
	arch.FlushAll()
	atomic.StoreUint32(&c.online, 1)
	atomic.AddUint32(&ncpu, 1)
	gIdle(c)
}

// shoot serialises TLB shoot-downs.
var shoot arch.Spin

// gShoot drops the translations of [start, end) on every CPU and returns when
// all have done so; both 0 means everything. The caller holds no ground lock.
// A halted CPU is not woken: it flushes everything before it runs anything.
func gShoot(start, end uintptr) {
	if end-start > 64*pageSize {
		start, end = 0, 0
	}
	fl := shoot.Lock()
	self := me()
	arch.ShootStart, arch.ShootEnd = start, end
	n := atomic.LoadUint32(&ncpu)
	for i := uint32(0); i < n; i++ {
		c := cpuAt(cpus[i])
		if c == self {
			continue
		}
		if atomic.LoadUint32(&c.idle) != 0 {
			// It clears idle before it looks at flushed; so either it is still
			// halted now, or it flushes twice.
			atomic.StoreUint32(&c.flushed, 1)
			if atomic.LoadUint32(&c.idle) != 0 {
				continue
			}
		}
		atomic.StoreUint32(&c.Shoot, 1)
		gIPI(c.apicID, vecPoke)
	}
	atomic.StoreUint32(&self.Shoot, 1)
	arch.ServeShoot()
	for i := uint32(0); i < n; i++ {
		c := cpuAt(cpus[i])
		for atomic.LoadUint32(&c.Shoot) != 0 {
			gServe(self)
			arch.Pause()
		}
	}
	shoot.Unlock(fl)
}

// gServe does what other CPUs wait for while this one spins with interrupts
// off: flushes and vector-state fetches.
func gServe(c *percpu) {
	arch.ServeShoot()
	if atomic.LoadUint64(&c.xfetch) != 0 {
		gServeFetch(c)
	}
}

// Barrier returns after every CPU has passed a serialising event.
func Barrier() { call(funcAddr(&fnShoot), pageSize, 2*pageSize, 0) }

// CurrentCPU is the CPU that the caller ran on a moment ago.
func CurrentCPU() int { return int(call(funcAddr(&fnWhich), 0, 0, 0)) }

var fnWhich = gWhich

func gWhich(_, _, _ uintptr) uintptr { return uintptr(me().ID) }
