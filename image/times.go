package image

import (
	"io"
	"io/fs"
	"os"
	"strconv"

	"skerry/image/erofs"
	"skerry/image/known"
)

// clock gives files the times that they have in an image.
type clock struct {
	latest int64 // seconds since the Unix epoch; no file of the image is younger
}

// anyTime is a clock that changes no time.
var anyTime = clock{1<<63 - 1}

// sourceDate is the clock that SOURCE_DATE_EPOCH of the environment sets (the
// specification of that name by reproducible-builds.org): times later than it become it.
func sourceDate() (clock, error) {
	const name = "SOURCE_DATE_EPOCH"
	s, ok := os.LookupEnv(name)
	if !ok || s == "" {
		return anyTime, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return clock{}, failed(name+"="+s, "is not a number of seconds since 1970", "unset it, or set it to such as $(git log -1 --format=%ct)")
	}
	return clock{n}, nil
}

// time is a file's time of last modification in an image, in whole seconds since the Unix
// epoch. Code has none, so that a program which is built anew without a change gives the
// same image.
func (c clock) time(info fs.FileInfo, code bool) int64 {
	if code {
		return erofs.Time
	}
	return max(0, min(info.ModTime().Unix(), c.latest))
}

// source is a file of the host as an image holds it: as it is, but for a module that
// Python would take for stale because its source's time is another there.
func (c clock) source(file string, info fs.FileInfo, code bool) erofs.Source {
	s := erofs.HostFile{Path: file, Bytes: info.Size(), Modified: c.time(info, code)}
	if c == anyTime {
		return s // no module needs to be looked at
	}
	if p := known.TimedPyc(file); p != nil && p.Modified > c.latest {
		return timedPyc{s, p, c.latest}
	}
	return s
}

// timedPyc is such a module, whose new header is as long as the old one.
type timedPyc struct {
	erofs.HostFile
	pyc      *known.Pyc
	modified int64 // the source, in the image
}

// Open reads the module as it is in the image.
func (t timedPyc) Open() (io.ReadCloser, error) { return t.pyc.Open(t.modified) }
