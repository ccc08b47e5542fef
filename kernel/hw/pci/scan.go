package pci

// Registers of the configuration header, PCI 6.1.
const (
	regID        = 0x00 // device << 16 | vendor
	regCommand   = 0x04 // status << 16 | command
	regClass     = 0x08
	regHeader    = 0x0c // header type in bits 23:16
	regBAR0      = 0x10
	regBusNumber = 0x18 // bridges: secondary bus in bits 15:8
	regSubsystem = 0x2c // subsystem id << 16 | subsystem vendor
	regCapPtr    = 0x34

	cmdMemory    = 1 << 1
	cmdMaster    = 1 << 2
	cmdNoINTx    = 1 << 10
	statusCaps   = 1 << 20 // status bit 4
	headerMulti  = 0x80
	headerBridge = 1
	noVendor     = 0xffff
)

// Bounds of a scan. A machine of ours has a handful of functions.
const (
	maxFunctions = 256
	maxCaps      = 48 // 192 bytes of capabilities, 4 each: more is a loop
)

// Function is one PCI function.
type Function struct {
	Addr              Addr
	Vendor, Device    uint16
	SubVendor, SubSys uint16
	Class             uint32 // base class, sub class, interface
	Caps              []Cap

	cfg Config
}

// Cap is one entry of the capability list.
type Cap struct {
	ID  uint8
	Off uint8 // where it begins in configuration space, 0x40 or above
}

// Scan lists the functions on bus 0 and behind the bridges that firmware has
// numbered. Bridges themselves are not listed.
func Scan(cfg Config) []*Function {
	var list []*Function
	var seen [256]bool
	buses := []uint8{0}
	seen[0] = true
	for len(buses) > 0 && len(list) < maxFunctions {
		bus := buses[0]
		buses = buses[1:]
		for dev := uint8(0); dev < 32; dev++ {
			fns := uint8(1)
			for fn := uint8(0); fn < fns && len(list) < maxFunctions; fn++ {
				a := MakeAddr(bus, dev, fn)
				id := cfg.Read(a, regID)
				if id&0xffff == noVendor || id&0xffff == 0 {
					continue
				}
				header := uint8(cfg.Read(a, regHeader) >> 16)
				if fn == 0 && header&headerMulti != 0 {
					fns = 8
				}
				switch header &^ headerMulti {
				case headerBridge:
					second := uint8(cfg.Read(a, regBusNumber) >> 8)
					if second != 0 && !seen[second] {
						seen[second] = true
						buses = append(buses, second)
					}
				case 0:
					list = append(list, read(cfg, a, id))
				}
			}
		}
	}
	return list
}

// read takes down what there is to know of a function.
func read(cfg Config, a Addr, id uint32) *Function {
	sub := cfg.Read(a, regSubsystem)
	f := &Function{
		Addr: a, Vendor: uint16(id), Device: uint16(id >> 16),
		SubVendor: uint16(sub), SubSys: uint16(sub >> 16),
		Class: cfg.Read(a, regClass) >> 8, cfg: cfg,
	}
	if cfg.Read(a, regCommand)&statusCaps == 0 {
		return f
	}
	at := uint8(cfg.Read(a, regCapPtr)) &^ 3
	for n := 0; at >= 0x40 && n < maxCaps; n++ {
		v := cfg.Read(a, at)
		f.Caps = append(f.Caps, Cap{uint8(v), at})
		at = uint8(v>>8) &^ 3
	}
	return f
}

// Word reads an aligned word of the function's configuration space.
func (f *Function) Word(off uint8) uint32 { return f.cfg.Read(f.Addr, off) }

// Enable lets the function answer in memory space and reach memory by itself,
// and turns its pin interrupts off.
func (f *Function) Enable() {
	c := f.cfg.Read(f.Addr, regCommand) & 0xffff // status bits are write-one-to-clear
	f.cfg.Write(f.Addr, regCommand, c|cmdMemory|cmdMaster|cmdNoINTx)
}

// Disable takes that back: the function can reach memory no more.
func (f *Function) Disable() {
	c := f.cfg.Read(f.Addr, regCommand) & 0xffff
	f.cfg.Write(f.Addr, regCommand, c&^(cmdMemory|cmdMaster))
}
