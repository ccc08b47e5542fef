// Package nbd serves a read-only disk over a connection, as the Network Block
// Device protocol describes it ("The NBD protocol", NetworkBlockDevice/nbd
// doc/proto.md: fixed newstyle negotiation, simple replies). A machine's disk can
// so be made up while it is read.
//
// The peer is QEMU; it is not trusted with more than the disk: lengths and offsets
// are checked, and what breaks the protocol ends the connection. It imports the
// standard library only.
package nbd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Numbers of the protocol.
const (
	magicInit    = 0x4e42444d41474943 // "NBDMAGIC"
	magicOption  = 0x49484156454f5054 // "IHAVEOPT"
	magicReply   = 0x0003e889045565a9
	magicRequest = 0x25609513
	magicSimple  = 0x67446698

	flagFixedNewstyle = 1 << 0
	flagNoZeroes      = 1 << 1

	optExportName = 1
	optAbort      = 2
	optInfo       = 6
	optGo         = 7

	repAck      = 1
	repInfo     = 3
	repErrUnsup = 1<<31 + 1

	infoExport    = 0
	infoBlockSize = 3

	sendHasFlags = 1 << 0
	sendReadOnly = 1 << 1

	cmdRead  = 0
	cmdDisc  = 2
	cmdFlush = 3

	errPerm  = 1
	errIO    = 5
	errInval = 22
)

// Limits: what one option or one read may ask for.
const (
	maxOption = 64 << 10
	maxRead   = 32 << 20
	block     = 4096
)

// Disk is what is served: whole blocks of 4096 bytes.
type Disk interface {
	io.ReaderAt
	Size() int64
}

// Serve serves d on c until the peer leaves, which is no error.
func Serve(c io.ReadWriter, d Disk) error {
	s := &server{c: c, d: d}
	err := s.negotiate()
	if err == nil {
		err = s.transmit()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, errLeft) {
		return nil
	}
	return err
}

var errLeft = errors.New("nbd: the peer left")

type server struct {
	c io.ReadWriter
	d Disk
}

func (s *server) read(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(s.c, b)
	return b, err
}

func (s *server) write(parts ...any) error {
	var b []byte
	for _, p := range parts {
		b, _ = binary.Append(b, binary.BigEndian, p) // fixed sizes only: it cannot fail
	}
	_, err := s.c.Write(b)
	return err
}

// negotiate goes through the handshake up to the export that is asked for.
func (s *server) negotiate() error {
	if err := s.write(uint64(magicInit), uint64(magicOption), uint16(flagFixedNewstyle|flagNoZeroes)); err != nil {
		return err
	}
	b, err := s.read(4)
	if err != nil {
		return err
	}
	noZeroes := binary.BigEndian.Uint32(b)&flagNoZeroes != 0
	for {
		h, err := s.read(16)
		if err != nil {
			return err
		}
		option, length := binary.BigEndian.Uint32(h[8:]), binary.BigEndian.Uint32(h[12:])
		if binary.BigEndian.Uint64(h) != magicOption || length > maxOption {
			return fmt.Errorf("nbd: option %d of %d bytes", option, length)
		}
		if _, err := s.read(int(length)); err != nil { // which export does not matter: there is one
			return err
		}
		reply := func(kind uint32, data ...any) error {
			n := 0
			for _, d := range data {
				n += binary.Size(d)
			}
			return s.write(append([]any{uint64(magicReply), option, kind, uint32(n)}, data...)...)
		}
		switch option {
		case optExportName:
			if err := s.write(uint64(s.d.Size()), uint16(sendHasFlags|sendReadOnly)); err != nil || noZeroes {
				return err
			}
			return s.write(make([]byte, 124))
		case optGo, optInfo:
			err := reply(repInfo, uint16(infoExport), uint64(s.d.Size()), uint16(sendHasFlags|sendReadOnly))
			if err == nil {
				err = reply(repInfo, uint16(infoBlockSize), uint32(1), uint32(block), uint32(maxRead))
			}
			if err == nil {
				err = reply(repAck)
			}
			if err != nil || option == optGo {
				return err
			}
		case optAbort:
			reply(repAck)
			return errLeft
		default:
			if err := reply(repErrUnsup); err != nil {
				return err
			}
		}
	}
}

// transmit answers requests, one after another.
func (s *server) transmit() error {
	head := make([]byte, 28)
	var buf []byte
	for {
		if _, err := io.ReadFull(s.c, head); err != nil {
			return err
		}
		be := binary.BigEndian
		if be.Uint32(head) != magicRequest {
			return errors.New("nbd: not a request")
		}
		kind, cookie, off, n := be.Uint16(head[6:]), be.Uint64(head[8:]), be.Uint64(head[16:]), be.Uint32(head[24:])
		answer := func(e uint32, data []byte) error {
			b := be.AppendUint32(nil, magicSimple)
			b = be.AppendUint32(b, e)
			b = be.AppendUint64(b, cookie)
			_, err := s.c.Write(b)
			if err == nil && len(data) > 0 {
				_, err = s.c.Write(data)
			}
			return err
		}
		var err error
		switch size := uint64(s.d.Size()); kind {
		case cmdDisc:
			return errLeft
		case cmdFlush:
			err = answer(0, nil)
		case cmdRead:
			if n > maxRead || off > size || uint64(n) > size-off {
				err = answer(errInval, nil)
				break
			}
			if int(n) > len(buf) {
				buf = make([]byte, n)
			}
			if _, e := s.d.ReadAt(buf[:n], int64(off)); e != nil && e != io.EOF {
				err = answer(errIO, nil)
				break
			}
			err = answer(0, buf[:n])
		case 1: // a write, whose data follows
			if _, err = io.CopyN(io.Discard, s.c, int64(n)); err == nil {
				err = answer(errPerm, nil)
			}
		default:
			err = answer(errInval, nil)
		}
		if err != nil {
			return err
		}
	}
}
