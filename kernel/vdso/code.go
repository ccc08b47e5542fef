package vdso

import (
	"bytes"

	"skerry/kernel/ground/arch"
)

// The functions of the object, code_amd64.s. Never called from here.
func clockGettime()
func gettimeofday()
func time()
func clockGetres()
func getcpu()

// entries stores their addresses, in this order.
func entries(e *[functions]uintptr)

const (
	functions = 5

	// maxCode is how far the end of a function is looked for, in bytes.
	maxCode = 512
	// endCode ends the bytes of a function; vvarHole is where the distance to
	// the Data page goes.
	endCode  = "end code"
	vvarHole = "vvar"
)

// code returns the bytes of function i, as the linker placed them.
func code(i int) []byte {
	var at [functions]uintptr
	entries(&at)
	// Text of the kernel itself, behind which there is always more text: the
	// entries come from the assembler and the marker ends the search.
	p := arch.Bytes(at[i], maxCode)
	n := bytes.Index(p, []byte(endCode))
	if n < 0 {
		panic("vdso: a function without end")
	}
	return p[:n]
}

// relocate fills in the displacements of a function that begins at offset off
// of the image: the LEAQ counts from the byte after the displacement.
func relocate(c []byte, off int) {
	for i := 0; ; {
		n := bytes.Index(c[i:], []byte(vvarHole))
		if n < 0 {
			return
		}
		i += n
		le.PutUint32(c[i:], uint32(-ImageOffset-(off+i+4)))
		i += 4
	}
}
