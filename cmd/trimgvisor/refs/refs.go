// Package refs takes the place of gvisor.dev/gvisor/pkg/refs in the kernel's
// build (see cmd/trimgvisor): the names that gVisor's generated reference counts
// mention. gVisor's package can keep a map of every counted object to find leaks
// at exit; the kernel never turns that on, and without it the map, its lock and
// the formatting of stacks need not be there.
package refs

// CheckedObject is what a leak check would ask an object.
type CheckedObject interface {
	RefType() string
	LeakMessage() string
	LogRefs() bool
}

// Register would begin to watch an object.
func Register(CheckedObject) {}

// Unregister would end watching it.
func Unregister(CheckedObject) {}

// LogIncRef would log a reference taken, for objects whose LogRefs is true; none
// is in this build.
func LogIncRef(CheckedObject, int64) {}

// LogTryIncRef likewise.
func LogTryIncRef(CheckedObject, int64) {}

// LogDecRef likewise.
func LogDecRef(CheckedObject, int64) {}
