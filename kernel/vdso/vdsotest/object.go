package vdsotest

import (
	"errors"
	"syscall"
)

// page is the size of each of the two pages.
const page = 4096

// Object is the object mapped into this process as the kernel maps it into the
// program: a page that the code can only read, which Data writes through another
// mapping, and the code behind it.
type Object struct {
	// Data is the address of the writable view; Base that of the object's ELF
	// header, one page above the view that the code reads.
	Data, Base uintptr
	// Out is room for results, in memory that does not move.
	Out []byte
}

// Map maps an image at an address of the system's choosing.
func Map(image []byte) (*Object, error) { return MapAt(image, 0) }

// MapAt maps an image with the Data page at addr, which must be free; 0 leaves
// the choice to the system. The mappings stay until the process ends or Unmap.
func MapAt(image []byte, addr uintptr) (*Object, error) {
	if len(image) != page {
		return nil, errors.New("the image is not one page")
	}
	data, err := Memfd(page)
	if err != nil {
		return nil, err
	}
	defer syscall.Close(data)
	text, err := Memfd(page)
	if err != nil {
		return nil, err
	}
	defer syscall.Close(text)
	if _, err := syscall.Pwrite(text, image, 0); err != nil {
		return nil, err
	}
	const rw = syscall.PROT_READ | syscall.PROT_WRITE
	flags := syscall.MAP_SHARED
	o := &Object{}
	if o.Data, err = Mmap(0, page, rw, flags, data, 0); err != nil {
		return nil, err
	}
	if addr == 0 {
		// Room for both, then over it.
		if addr, err = Mmap(0, 2*page, syscall.PROT_NONE, syscall.MAP_PRIVATE|syscall.MAP_ANON, -1, 0); err != nil {
			return nil, err
		}
		flags |= syscall.MAP_FIXED
	} else {
		flags |= MapFixedNoReplace
	}
	o.Base = addr + page
	if _, err := Mmap(addr, page, syscall.PROT_READ, flags, data, 0); err != nil {
		return nil, err
	}
	if _, err := Mmap(o.Base, page, syscall.PROT_READ|syscall.PROT_EXEC, flags, text, 0); err != nil {
		return nil, err
	}
	out, err := Mmap(0, page, rw, syscall.MAP_PRIVATE|syscall.MAP_ANON, -1, 0)
	if err != nil {
		return nil, err
	}
	o.Out = At(out, page)
	return o, nil
}

// Unmap takes everything away again.
func (o *Object) Unmap() error {
	return errors.Join(Munmap(o.Data, page), Munmap(o.Base-page, 2*page), Munmap(Addr(o.Out), page))
}
