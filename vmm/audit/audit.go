// Package audit keeps the record of what a machine's kernel refused: a file of JSON
// objects, one a line, in which each line names the hash of the one before it. What is
// removed, reordered or edited later is found by Verify.
//
// A record belongs to the launcher. The program inside a machine has no way to write to
// it: the kernel sends events over a port of its own, in which every string of the
// program's is escaped, and which is bounded by rule and place in the program.
//
// The chain protects a record against edits, not against whoever can write all of it
// anew: the hash of the last line, which Verify returns, has to be kept elsewhere for
// that. It imports the standard library only.
package audit

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Version is the version of the lines, their v.
const Version = 1

// maxLine bounds a line, in bytes.
const maxLine = 64 << 10

// Line is one line of a record. What a line does not have is left out of it.
type Line struct {
	V    int    `json:"v"`
	Seq  uint64 `json:"seq"`  // of the line in the file, from 0
	Prev string `json:"prev"` // SHA-256 of the line before, without its newline; of nothing for the first
	Boot string `json:"boot"` // which machine
	// Rule is what the line is about: Start, End, Lost, or a rule of the kernel's.
	Rule string `json:"rule"`
	Time string `json:"time"` // of the machine's clock, RFC 3339; of Start and End the launcher's

	// Of Start.
	Image  string `json:"image,omitempty"` // SHA-256
	Kernel string `json:"kernel,omitempty"`
	// Policy is what the machine was held to, and PolicySHA256 its SHA-256.
	Policy       string `json:"policy,omitempty"`
	PolicySHA256 string `json:"policy_sha256,omitempty"`
	Program      string `json:"program,omitempty"`
	By           string `json:"by,omitempty"` // who wrote the record

	// Of an event; docs/OPERATIONS.md says what they are. Call, What, At, StackAt and Obj
	// hold text that the program may have chosen, as the addresses of Stack.
	N       uint64   `json:"n,omitempty"`
	Mono    int64    `json:"mono,omitempty"`
	Point   int      `json:"point,omitempty"`
	Action  string   `json:"action,omitempty"`
	Call    string   `json:"call,omitempty"`
	What    string   `json:"what,omitempty"`
	Errno   string   `json:"errno,omitempty"`
	TID     int      `json:"tid,omitempty"`
	PC      string   `json:"pc,omitempty"`
	At      string   `json:"at,omitempty"`
	LeftOut uint64   `json:"left_out,omitempty"`
	Obj     *Object  `json:"obj,omitempty"`
	Stack   []string `json:"stack,omitempty"`
	StackAt []string `json:"stack_at,omitempty"`

	// Of Lost and End.
	Lost uint64 `json:"lost,omitempty"`
	// Of End. Made and Tried are the kernel's counts of its records, and of the events that
	// they stand for; there are none if it could not tell.
	Events uint64  `json:"events,omitempty"`
	Made   *uint64 `json:"made,omitempty"`
	Tried  *uint64 `json:"tried,omitempty"`
	Ended  string  `json:"ended,omitempty"`
	Status *int    `json:"status,omitempty"`
}

// Object is what an event is about: a path; a range of addresses and what was to be mapped
// there; a socket, or the peer that it was to reach; a request to one; a user or a group.
type Object struct {
	Path    *string `json:"path,omitempty"`
	Addr    string  `json:"addr,omitempty"`
	Len     *uint64 `json:"len,omitempty"`
	Prot    string  `json:"prot,omitempty"`
	Map     string  `json:"map,omitempty"`
	Family  *uint32 `json:"family,omitempty"`
	Type    *uint32 `json:"type,omitempty"`
	Proto   *uint32 `json:"proto,omitempty"`
	Request *uint32 `json:"request,omitempty"`
	ID      *uint32 `json:"id,omitempty"`
}

// Rules of lines that are the launcher's own.
const (
	Start   = "start"   // a machine starts
	End     = "end"     // it has ended
	Lost    = "lost"    // events that the kernel counted did not come
	Garbled = "garbled" // something came that is no event
)

// Record writes one machine's part of a record. Its methods may be called by several
// goroutines.
type Record struct {
	mu     sync.Mutex
	w      io.Writer
	boot   string
	seq    uint64
	prev   [sha256.Size]byte
	events uint64
	left   uint64
	lost   uint64
	last   uint64 // n of the last event
	ended  bool
	err    error

	// total is what the kernel counts. It has no lock: it comes while a line may wait to be
	// written, and what comes behind it says how the machine ended.
	total atomic.Pointer[total]
}

// total is how many records a kernel has made, and of how many events.
type total struct{ made, tried uint64 }

// New begins a machine's part behind what old says is there, with its first line.
func New(w io.Writer, old Summary, start Line) (*Record, error) {
	r := &Record{w: w, boot: start.Boot, seq: old.Lines, prev: old.Last}
	start.Rule = Start
	r.mu.Lock()
	defer r.mu.Unlock()
	r.line(start, time.Now())
	return r, r.err
}

// line writes a line. The lock is held.
func (r *Record) line(l Line, at time.Time) {
	if r.err != nil {
		return
	}
	l.V, l.Seq, l.Prev, l.Boot = Version, r.seq, hex.EncodeToString(r.prev[:]), r.boot
	l.Time = at.UTC().Format(time.RFC3339Nano)
	b, err := encode(l)
	if err != nil {
		r.err = err
		return
	}
	if _, err := r.w.Write(append(b, '\n')); err != nil {
		r.err = err
		return
	}
	r.seq++
	r.prev = sha256.Sum256(b)
}

// encode is a line's JSON, in printable ASCII.
func encode(l Line) ([]byte, error) {
	b, err := json.Marshal(l)
	if err != nil {
		return nil, err
	}
	var ascii []byte
	for _, c := range string(b) {
		switch {
		case c >= ' ' && c < 0x7f:
			ascii = append(ascii, byte(c))
		case c < 0x10000:
			ascii = fmt.Appendf(ascii, `\u%04x`, c)
		default:
			c -= 0x10000
			ascii = fmt.Appendf(ascii, `\u%04x\u%04x`, 0xd800+c>>10, 0xdc00+c&0x3ff)
		}
	}
	return ascii, nil
}

// maxEvent bounds an event of the kernel's, in bytes; the kernel's bound is lower. Escapes
// make six bytes of one.
const maxEvent = maxLine / 8

// own are the rules that no event of the kernel's has.
var own = map[string]bool{"": true, Start: true, End: true, Lost: true, Garbled: true}

// Event is what the kernel sends: something that the model rules out and that was tried.
type Event struct {
	N       uint64   `json:"n"`
	Mono    int64    `json:"mono"`
	Wall    int64    `json:"wall"`
	Rule    string   `json:"rule"`
	Point   int      `json:"point"`
	Action  string   `json:"action"`
	Call    string   `json:"call"`
	What    string   `json:"what"`
	Errno   string   `json:"errno"`
	TID     int      `json:"tid"`
	PC      string   `json:"pc"`
	At      string   `json:"at"`
	LeftOut uint64   `json:"left_out,omitempty"`
	Obj     *Object  `json:"obj,omitempty"`
	Stack   []string `json:"stack,omitempty"`
	StackAt []string `json:"stack_at,omitempty"`
}

// Texts are the strings of an event.
func (e *Event) Texts() []*string {
	list := []*string{&e.Rule, &e.Action, &e.Call, &e.What, &e.Errno, &e.PC, &e.At}
	if o := e.Obj; o != nil {
		list = append(list, &o.Addr, &o.Prot, &o.Map)
		if o.Path != nil {
			list = append(list, o.Path)
		}
	}
	for _, l := range [][]string{e.Stack, e.StackAt} {
		for i := range l {
			list = append(list, &l[i])
		}
	}
	return list
}

// ParseEvent reads an event of the kernel's.
func ParseEvent(b []byte) (*Event, error) {
	var e Event
	if len(b) > maxEvent {
		return nil, errors.New("too long")
	}
	if err := json.Unmarshal(b, &e); err != nil {
		return nil, err
	}
	if own[e.Rule] {
		return nil, errors.New("no rule")
	}
	return &e, nil
}

// Event takes an event of the kernel's.
func (r *Record) Event(b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, err := ParseEvent(b)
	if err != nil || e.N <= r.last {
		r.line(Line{Rule: Garbled}, time.Now())
		return
	}
	at := time.Unix(0, e.Wall)
	if n := e.N - r.last - 1; n > 0 {
		r.lost += n
		r.line(Line{Rule: Lost, Lost: n}, at)
	}
	r.last = e.N
	r.events++
	r.left += e.LeftOut
	r.line(Line{Rule: e.Rule, N: e.N, Mono: e.Mono, Point: e.Point, Action: e.Action, Call: e.Call, What: e.What, Errno: e.Errno,
		TID: e.TID, PC: e.PC, At: e.At, LeftOut: e.LeftOut,
		Obj: e.Obj, Stack: e.Stack, StackAt: e.StackAt}, at)
}

// Total takes what the kernel says at its end: how many records it has made, and how many
// events they stand for. The last of them may come later.
func (r *Record) Total(made, tried uint64) {
	r.total.Store(&total{made, tried})
}

// Close ends the machine's part. What the kernel has made and did not come is lost, at the
// end as in between. ended says how the machine ended, with which status.
func (r *Record) Close(ended string, status int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ended {
		r.ended = true
		end := Line{Rule: End, Ended: ended, Status: &status}
		switch t := r.total.Load(); {
		case t == nil:
		case t.made < r.last || t.tried < r.events+r.left: // more came than it counts
			r.line(Line{Rule: Garbled}, time.Now())
		default:
			end.Made, end.Tried = &t.made, &t.tried
			if n := t.made - r.last; n > 0 {
				r.lost += n
				r.line(Line{Rule: Lost, Lost: n}, time.Now())
			}
		}
		end.Events, end.LeftOut, end.Lost = r.events, r.left, r.lost
		r.line(end, time.Now())
	}
	return r.err
}

// Err is the error that stopped the record, if one did.
func (r *Record) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Summary is what Verify finds in a record that is whole.
type Summary struct {
	Lines    uint64
	Machines int // that have a part in it
	// Open are those of them without an end: the number, from 1, of the last line of each.
	// What its kernel counted at last is not known, nor, of the last one, how many lines came
	// behind: none, if the machine was killed, or such as were cut off.
	Open    []uint64
	Events  uint64
	LeftOut uint64 // that were bounded, by rule and place
	Lost    uint64
	// Untold is how many events the lost records stood for, themselves included, and what
	// a kernel could not tell of before its machine ended.
	Untold uint64
	// Uncounted is how many machines have an end, but no count of their kernel's: what was
	// lost behind the last line of theirs is not known.
	Uncounted int
	Last      [sha256.Size]byte // hash of the last line
}

// Verify reads a record and tells whether it is whole: an error names the first line that
// is not what it was, and the summary is of those before it.
func Verify(in io.Reader) (Summary, error) {
	var s Summary
	r := bufio.NewReaderSize(in, maxLine)
	boot, open := "", false
	var events, left, lost uint64
	for {
		b, err := r.ReadSlice('\n')
		if err == io.EOF && len(b) == 0 {
			break
		}
		bad := func(format string, v ...any) (Summary, error) {
			return s, fmt.Errorf("line %d "+format, append([]any{s.Lines + 1}, v...)...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return bad("is longer than any that was written")
		case err == io.EOF:
			return bad("is cut off")
		case err != nil:
			return s, err
		}
		b = bytes.TrimSuffix(b, []byte("\n"))
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		var l Line
		if err := d.Decode(&l); err != nil || l.V != Version {
			return bad("is no line of an audit record")
		}
		if again, err := encode(l); err != nil || !bytes.Equal(again, b) {
			return bad("is not as it was written")
		}
		switch {
		case l.Seq != s.Lines:
			return bad("is number %d of what was written: lines were removed or reordered", l.Seq+1)
		case l.Prev != hex.EncodeToString(s.Last[:]):
			return bad("does not belong behind the one before it, which was changed")
		}
		switch {
		case l.Rule == Start:
			if open {
				s.Open = append(s.Open, s.Lines)
			}
			s.Machines++
			boot, open, events, left, lost = l.Boot, true, 0, 0, 0
		case !open || l.Boot != boot:
			return bad("is of a machine that has not started")
		case l.Rule == End:
			if l.Events != events || l.LeftOut != left || l.Lost != lost {
				return bad("counts %d events, and there are %d", l.Events, events)
			}
			open = false
			switch told := events + left; {
			case l.Made == nil || l.Tried == nil:
				s.Uncounted++
			case *l.Made != events+lost || *l.Tried < told:
				return bad("counts %d records of %d events, and there are %d", *l.Made, *l.Tried, events+lost)
			default:
				s.Untold += *l.Tried - told
			}
		case l.Rule == Lost:
			lost += l.Lost
			s.Lost += l.Lost
		case l.Rule == Garbled:
		default:
			events++
			s.Events++
			left += l.LeftOut
			s.LeftOut += l.LeftOut
		}
		s.Lines++
		s.Last = sha256.Sum256(b)
	}
	if open {
		s.Open = append(s.Open, s.Lines)
	}
	return s, nil
}
