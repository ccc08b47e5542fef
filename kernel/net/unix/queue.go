package unix

import (
	"sync"

	"skerry/kernel/net/socket"
)

// message is what one send put into a queue, or a part of it on streams.
type message struct {
	next   *message
	from   *Socket // who is charged for it
	name   socket.Unix
	data   []byte // not read yet
	whole  int    // bytes that it had
	room   *room
	rights []socket.Passed
	charge int
}

// room is the memory of a message's data, of one of a few sizes.
type room struct{ b []byte }

var sizes = [...]int{256, 2048, 8192, maxPart}

// maxPart is the most bytes that one message of a stream carries.
const maxPart = 32 << 10

var rooms [len(sizes)]sync.Pool

var messages = sync.Pool{New: func() any { return new(message) }}

// newMessage makes a message with room for n bytes.
func newMessage(n int) *message {
	m := messages.Get().(*message)
	m.whole = n
	for i, size := range sizes {
		if n <= size {
			r, _ := rooms[i].Get().(*room)
			if r == nil {
				r = &room{make([]byte, size)}
			}
			m.room, m.data = r, r.b[:n]
			return m
		}
	}
	m.data = make([]byte, n)
	return m
}

// free gives a message's memory back. Its rights are gone already.
func (m *message) free() {
	if m.room != nil {
		for i, size := range sizes {
			if len(m.room.b) == size {
				rooms[i].Put(m.room)
			}
		}
	}
	*m = message{}
	messages.Put(m)
}

// queue is a list of messages.
type queue struct {
	first, last *message
	n           int // messages
	bytes       int // not read yet
}

func (q *queue) push(m *message) {
	if q.last == nil {
		q.first = m
	} else {
		q.last.next = m
	}
	q.last = m
	q.n++
	q.bytes += len(m.data)
}

func (q *queue) pop() *message {
	m := q.first
	if q.first = m.next; q.first == nil {
		q.last = nil
	}
	m.next = nil
	q.n--
	q.bytes -= len(m.data)
	return m
}
