// Package rng reads random bytes from a virtio entropy device (virtio 1.2,
// 5.4). It is used by one goroutine, at boot and for reseeding, so it has no
// goroutine of its own and no lock.
//
// The device is one source among several: what it gives is mixed with others by
// the caller, and counted as no more bytes than it really returned. It imports
// kernel/hw/virtio and kernel/wait.
package rng

import (
	"time"

	"skerry/kernel/hw/virtio"
	"skerry/kernel/wait"
)

const (
	bufferSize = 256 // bytes that are asked for at once
	// maxEmpty is how often in a row the device may answer with nothing.
	maxEmpty = 16
	// minVaried is from how many bytes on an answer of one byte value repeated
	// counts as nothing: an honest device gives it once in 2^120 answers.
	minVaried = 16
)

// Source is one device.
type Source struct {
	dev *virtio.Device
	q   *virtio.Queue
	mem virtio.Memory
}

// New takes an entropy device into use.
func New(t virtio.Transport) (*Source, error) {
	dev, err := virtio.Open(t, virtio.TypeEntropy, func(uint64) uint64 { return 0 }, nil)
	if err != nil {
		return nil, err
	}
	s := &Source{dev: dev}
	if s.q, err = dev.Queue(0, 2); err != nil {
		return nil, err
	}
	var ok bool
	if s.mem, ok = dev.Alloc(bufferSize, 8); !ok {
		return nil, dev.Refuse("no memory for its buffer")
	}
	dev.Start()
	return s, nil
}

// Read fills buf from the device until it is full, the deadline (on the clock
// of wait.Now) passes, the device fails, or it answers with nothing too often.
// It answers how many bytes at the start of buf are the device's: the entropy
// to credit is at most that. A device that misses a deadline is reset and not
// asked again, since it may still write to its buffer.
func (s *Source) Read(buf []byte, deadline int64) (n int) {
	timer := time.AfterFunc(time.Duration(deadline-wait.Now()), s.dev.Line().Fire)
	defer timer.Stop()
	for empty := 0; n < len(buf) && empty < maxEmpty && wait.Now() < deadline; {
		got, ok := s.ask(buf[n:], deadline)
		if !ok {
			break
		}
		n += got
		if empty++; got > 0 {
			empty = 0
		}
	}
	return n
}

// ask makes one request and waits for it; the caller's timer ends the wait.
func (s *Source) ask(buf []byte, deadline int64) (n int, ok bool) {
	want := min(len(buf), bufferSize)
	clear(s.mem.Bytes(bufferSize))
	if _, ok := s.q.AddOne(s.mem.Phys, uint32(want), true); !ok {
		return 0, false
	}
	s.q.Kick()
	for s.q.Arm() == 0 {
		if s.dev.Failed() {
			return 0, false
		}
		if wait.Now() >= deadline {
			s.dev.Fail("has not answered in time")
			return 0, false
		}
		s.dev.Wait()
		s.dev.Spurious(s.q.Poll() == 0)
	}
	_, written, ok := s.q.Next()
	if !ok {
		return 0, false
	}
	// Next has checked that written is at most what was asked for.
	n = copy(buf, s.mem.Bytes(written))
	if n >= minVaried && same(buf[:n]) {
		return 0, true
	}
	return n, true
}

// same reports whether all bytes are equal: nothing was written, or nothing
// random.
func same(b []byte) bool {
	for _, v := range b {
		if v != b[0] {
			return false
		}
	}
	return true
}

// Failed is why the device is out of use, "" while it is not.
func (s *Source) Failed() string { return s.dev.Why() }

// Close gives the device up and returns its memory.
func (s *Source) Close() { s.dev.Close() }
