// Package log takes the place of gvisor.dev/gvisor/pkg/log in the kernel's build
// (see cmd/trimgvisor). It has what the IP stack calls of that package and
// nothing else: no files, no JSON, no regular expressions, and never a write to a
// descriptor. Until SetTarget is called, messages are dropped.
//
// It imports only the standard library. All of it may be called from any
// goroutine.
package log

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
)

// Level is how much a message matters; a smaller level matters more.
type Level uint32

// The levels, with gVisor's values.
const (
	Warning Level = iota
	Info
	Debug
)

// Emitter takes messages. depth counts the callers between it and the one who
// logs.
type Emitter interface {
	Emit(depth int, level Level, timestamp time.Time, format string, v ...any)
}

// Logger is what a logger with a rule of its own (a rate) looks like.
type Logger interface {
	Debugf(format string, v ...any)
	Infof(format string, v ...any)
	Warningf(format string, v ...any)
	IsLogging(level Level) bool
}

var (
	target atomic.Pointer[Emitter]
	level  atomic.Uint32 // Warning
)

// SetTarget says where messages go from now on.
func SetTarget(e Emitter) { target.Store(&e) }

// SetLevel says which messages are wanted: those of this level and of smaller
// ones.
func SetLevel(l Level) { level.Store(uint32(l)) }

// IsLogging reports whether messages of a level are wanted and have somewhere to
// go.
func IsLogging(l Level) bool { return uint32(l) <= level.Load() && target.Load() != nil }

func emit(l Level, format string, v []any) {
	if e := target.Load(); e != nil && uint32(l) <= level.Load() {
		(*e).Emit(2, l, time.Now(), format, v...)
	}
}

// Debugf logs at level Debug.
func Debugf(format string, v ...any) { emit(Debug, format, v) }

// Infof logs at level Info.
func Infof(format string, v ...any) { emit(Info, format, v) }

// Warningf logs at level Warning.
func Warningf(format string, v ...any) { emit(Warning, format, v) }

// BugTraceback reports what should never happen, with the stack of its caller.
func BugTraceback(err error) { Warningf("BUG: %v\n%s", err, LocalStack(1)) }

// BugTracebackOnce is BugTraceback, once for the whole of the machine's life: the
// caller may be on a path that packets reach.
func BugTracebackOnce(err error) {
	if !bugSeen.Swap(true) {
		Warningf("BUG: %v\n%s", err, LocalStack(1))
	}
}

var bugSeen atomic.Bool

// maxFrames is how deep LocalStack looks.
const maxFrames = 32

// LocalStack is the stack of the calling goroutine as text, one function a line,
// without the innermost exclude functions above LocalStack itself.
func LocalStack(exclude int) []byte {
	var pcs [maxFrames]uintptr
	n := runtime.Callers(exclude+2, pcs[:])
	frames := runtime.CallersFrames(pcs[:n])
	var b []byte
	for {
		f, more := frames.Next()
		b = fmt.Appendf(b, "%s %s:%d\n", f.Function, f.File, f.Line)
		if !more {
			return b
		}
	}
}

// limited passes on at most one message in each period.
type limited struct {
	every time.Duration
	last  atomic.Int64 // when the last one passed, nanoseconds since start; 0 is never
}

var start = time.Now()

// BasicRateLimitedLogger returns a logger that passes on at most one message in
// each period.
func BasicRateLimitedLogger(every time.Duration) Logger { return &limited{every: every} }

func (l *limited) emit(lv Level, format string, v []any) {
	if !IsLogging(lv) {
		return
	}
	now := max(int64(time.Since(start)), 1)
	last := l.last.Load()
	if last != 0 && now-last < int64(l.every) || !l.last.CompareAndSwap(last, now) {
		return
	}
	emit(lv, format, v)
}

// Debugf implements Logger.
func (l *limited) Debugf(format string, v ...any) { l.emit(Debug, format, v) }

// Infof implements Logger.
func (l *limited) Infof(format string, v ...any) { l.emit(Info, format, v) }

// Warningf implements Logger.
func (l *limited) Warningf(format string, v ...any) { l.emit(Warning, format, v) }

// IsLogging implements Logger.
func (l *limited) IsLogging(lv Level) bool { return IsLogging(lv) }
