package stack

import (
	"container/list"
	"reflect"
	"sync/atomic"
	"unsafe"

	"gvisor.dev/gvisor/pkg/sync"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// Offsets of fields of tcp.Endpoint that have no accessor. They are looked up
// once by name; a gVisor without them fails TestTCPState, not the machine.
var (
	rcvMemUsed = fieldOffset("rcvMemUsed")
	sndBufUsed = fieldOffset("sndQueueInfo", "TCPSndBufState", "SndBufUsed")
	sender     = fieldOffset("snd")
	maxPayload = pointeeOffset("snd", "TCPSenderState", "MaxPayloadSize")
	acceptMu   = fieldOffset("acceptMu")
	accepted   = fieldOffset("acceptQueue", "endpoints")
	acceptCap  = fieldOffset("acceptQueue", "capacity")
)

// fieldOffset is the offset of a possibly nested field, or 0 if there is none.
func fieldOffset(path ...string) uintptr {
	return offsetIn(reflect.TypeOf(tcp.Endpoint{}), path)
}

func offsetIn(t reflect.Type, path []string) uintptr {
	off := uintptr(0)
	for _, name := range path {
		f, ok := t.FieldByName(name)
		if !ok {
			return 0
		}
		off += f.Offset
		t = f.Type
	}
	return off
}

// pointeeOffset is the offset of a field inside what a pointer of the endpoint
// points to, or 0 if there is none.
func pointeeOffset(pointer string, path ...string) uintptr {
	f, ok := reflect.TypeOf(tcp.Endpoint{}).FieldByName(pointer)
	if !ok || f.Type.Kind() != reflect.Pointer {
		return 0
	}
	return offsetIn(f.Type.Elem(), path)
}

// ReceiveMemory is the memory in bytes of the segments that an endpoint has
// received and not handed on, headers and bookkeeping included.
func ReceiveMemory(ep *tcp.Endpoint) int {
	if rcvMemUsed == 0 {
		return 0
	}
	return int(atomic.LoadInt32((*int32)(unsafe.Add(unsafe.Pointer(ep), rcvMemUsed))))
}

// SendQueue is the number of bytes that an endpoint has not seen acknowledged.
// The caller holds the endpoint's lock (LockUser or TryLock).
func SendQueue(ep *tcp.Endpoint) int {
	if sndBufUsed == 0 {
		return 0
	}
	return *(*int)(unsafe.Add(unsafe.Pointer(ep), sndBufUsed))
}

// AcceptQueue is how many connections a listener has that wait to be accepted, and how
// many that may be.
func AcceptQueue(ep *tcp.Endpoint) (n, most int) {
	if acceptMu == 0 || accepted == 0 || acceptCap == 0 {
		return 0, 0
	}
	mu := (*sync.Mutex)(unsafe.Add(unsafe.Pointer(ep), acceptMu))
	mu.Lock()
	n = (*list.List)(unsafe.Add(unsafe.Pointer(ep), accepted)).Len()
	most = *(*int)(unsafe.Add(unsafe.Pointer(ep), acceptCap))
	mu.Unlock()
	return n, most
}

// SegmentSize is the most payload bytes that an endpoint's segments carry, 0
// before it is connected. The caller holds the endpoint's lock.
func SegmentSize(ep *tcp.Endpoint) int {
	if sender == 0 || maxPayload == 0 {
		return 0
	}
	snd := *(*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(ep), sender))
	if snd == nil {
		return 0
	}
	return *(*int)(unsafe.Add(snd, maxPayload))
}
