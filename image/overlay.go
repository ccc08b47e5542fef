package image

import (
	"errors"
)

// Overlay is a writable layer in memory over the whole root. What is in it is data:
// none of it can be executed.
type Overlay struct {
	Size int64 `json:"size,omitempty"` // bytes that its files may take; 0: half of the machine's memory
}

// OverlayHalf is the size that stands for half of the machine's memory.
const OverlayHalf = "half"

// String is the flag as a user would write it.
func (o *Overlay) String() string {
	if o.Size == 0 {
		return "--overlay"
	}
	return "--overlay=" + withUnit(o.Size)
}

// check refuses an impossible size. No overlay is no error.
func (o *Overlay) check() error {
	if o != nil && (o.Size < 0 || o.Size%4096 != 0 || o.Size > 1<<52) {
		return errors.New("has a size that is not a number of pages")
	}
	return nil
}

// ParseOverlay reads the value of --overlay: a size with K, M or G, or OverlayHalf.
func ParseOverlay(value string) (*Overlay, error) {
	if value == OverlayHalf {
		return new(Overlay), nil
	}
	n, ok := sizeWithUnit(value)
	if !ok {
		return nil, failed("--overlay="+value, "is not a size (a number with K, M or G)", "it is --overlay, or --overlay=SIZE, such as --overlay=64M")
	}
	o := &Overlay{n}
	if err := o.check(); err != nil {
		return nil, failed("--overlay="+value, err.Error(), "")
	}
	return o, nil
}
