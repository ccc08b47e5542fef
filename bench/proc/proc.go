// Package proc reads how much processor time other processes of this host have
// used, and finds processes by their descent (proc(5)).
//
// It imports the standard library only.
package proc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of times in /proc/PID/stat, USER_HZ, which is 100 on
// every architecture of Linux that runs this.
const clockTick = 10 * time.Millisecond

// Time is the processor time that a process has used, in user and system
// mode, ended threads included: fields 14 and 15 of proc(5)'s /proc/PID/stat.
func Time(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseStat(b)
}

func parseStat(b []byte) (time.Duration, error) {
	// The name, field 2, is in parentheses and may hold anything.
	end := bytes.LastIndexByte(b, ')')
	if end < 0 {
		return 0, fmt.Errorf("stat %q", b)
	}
	f := strings.Fields(string(b[end+1:]))
	if len(f) < 13 {
		return 0, fmt.Errorf("stat %q", b)
	}
	user, err := strconv.ParseInt(f[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(f[12], 10, 64)
	if err != nil {
		return 0, err
	}
	return time.Duration(user+system) * clockTick, nil
}

// PreciseTime adds up the run times of a process's threads in nanoseconds,
// from /proc/PID/task/TID/schedstat. Threads that have ended are not in it, so it
// is for a process that is at rest.
func PreciseTime(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("process %d has no schedstat", pid)
	}
	var sum time.Duration
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended
		}
		first, _, _ := strings.Cut(string(b), " ")
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n)
	}
	return sum, nil
}

// Descendant finds the process below pid whose name begins with prefix.
func Descendant(pid int, prefix string) (int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	parent, name := map[int]int{}, map[int]string{}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		begin, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
		if begin < 0 || end < begin {
			continue
		}
		id, _ := strconv.Atoi(strings.TrimSpace(string(b[:begin])))
		f := strings.Fields(string(b[end+1:]))
		if len(f) < 2 {
			continue
		}
		parent[id], _ = strconv.Atoi(f[1])
		name[id] = string(b[begin+1 : end])
	}
	for id := range parent {
		if !strings.HasPrefix(name[id], prefix) {
			continue
		}
		// A bound, since the list was not read at one moment.
		for p, steps := parent[id], 0; p > 1 && steps < 100; p, steps = parent[p], steps+1 {
			if p == pid {
				return id, nil
			}
		}
	}
	return 0, fmt.Errorf("process %d has no child %s", pid, prefix)
}
