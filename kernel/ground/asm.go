package ground

// Functions and data of the assembly files.

func syscallEntry()
func irqEntry()
func excEntry()
func enter(c *Ctx) (r Reason)
func call(fn, a, b, c uintptr) (r uintptr)
func xsave(area uintptr, mask uint64)
func xrstor(area uintptr, mask uint64) (ok bool)
func fxsave(area uintptr)
func fxrstor(area uintptr) (ok bool)

// symbols writes the code addresses that Go cannot take without an ABI wrapper.
//
//go:noescape
func symbols(t *symbolTable)

// symbolTable is filled by symbols.
type symbolTable struct {
	syscallEntry, apEntry, clockGettime uintptr
	xrstor, fxrstor, restoreFailed      uintptr
	textStart, textEnd                  uintptr
	roEnd, dataEnd, end                 uintptr
	trampoline, trampolineEnd           uintptr
}

// stubs holds the address of each vector's entry stub, 0 for none.
var stubs [256]uintptr

// mxcsr is the kernel's floating-point control word: the reset value.
var mxcsr uint32 = 0x1f80

// nmis counts non-maskable interrupts.
var nmis uint64

// The Go functions that assembly calls through their static values.
var (
	fnBoot      = boot
	fnAP        = gAP
	fnSyscall   = gSyscall
	fnIRQ       = gIRQ
	fnTrap      = gTrap
	fnDead      = gDead
	fnEnterSlow = gEnterSlow
)

// bootTables is room for the boot stub's page tables, bootStack the boot CPU's
// stack until it has its own. The stub aligns the former.
var (
	bootTables [6 * 4096]byte
	bootStack  [32 << 10]byte
)

// resume continues M m and does not return.
func resume(m uintptr)
