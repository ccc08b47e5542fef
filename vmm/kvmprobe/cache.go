package kvmprobe

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Device is where KVM is.
const Device = "/dev/kvm"

const (
	cacheFile = "kvm.json"
	// cacheVersion changes with what a trial does.
	cacheVersion = 1
	// cacheMax is the size of a cache file at most, in bytes.
	cacheMax = 4096
	// loadTime is how long a result counts that may be due to the host's load.
	loadTime = 10 * time.Minute
)

// cached is the content of the cache file.
type cached struct {
	Version int    `json:"version"`
	Boot    string `json:"boot"`            // boot_id of the host, random(4)
	Device  string `json:"device"`          // of the device file
	Until   int64  `json:"until,omitempty"` // Unix time, 0 is for as long as the host is up
	Result
}

// where says what is tried and where results are kept; tests change it.
type where struct {
	device, bootID string
	dir            string
	try            func(device string) Result
	now            func() time.Time
}

func here(dir string) *where {
	return &where{Device, "/proc/sys/kernel/random/boot_id", dir, Try, time.Now}
}

// Known returns the result of an earlier trial since the host was started, which
// a file in the folder dir holds, or else tries. With an empty dir it always
// tries. What needs no guest to be seen, such as that there is no device, is never
// taken from the file, so that a mend takes effect at once.
func Known(dir string) Result { return here(dir).known() }

// Fresh tries, and keeps the result for Known.
func Fresh(dir string) Result { return here(dir).fresh() }

func (w *where) known() Result {
	f, err := os.OpenFile(w.device, os.O_RDWR, 0)
	if err != nil {
		n := available(w.device, err).(*notAvailable)
		return Result{Why: n.why, Mend: n.mend}
	}
	f.Close()
	if r, ok := w.load(); ok {
		return r
	}
	return w.fresh()
}

func (w *where) fresh() Result {
	r := w.try(w.device)
	if r.tried {
		w.store(r)
	}
	return r
}

func (w *where) boot() string {
	b, err := os.ReadFile(w.bootID)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func (w *where) load() (Result, bool) {
	if w.dir == "" {
		return Result{}, false
	}
	path := filepath.Join(w.dir, cacheFile)
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() || info.Size() > cacheMax {
		return Result{}, false
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return Result{}, false
	}
	var c cached
	if json.Unmarshal(b, &c) != nil || c.Version != cacheVersion || c.Boot == "" || c.Boot != w.boot() || c.Device != deviceID(w.device) {
		return Result{}, false
	}
	if now := w.now().Unix(); c.Until != 0 && (now >= c.Until || now < c.Until-int64(loadTime/time.Second)) {
		return Result{}, false
	}
	return c.Result, c.Why != ""
}

// store writes the cache file. Without one the next call only tries again, so
// nothing is said of errors.
func (w *where) store(r Result) {
	c := cached{Version: cacheVersion, Boot: w.boot(), Device: deviceID(w.device), Result: r}
	if w.dir == "" || c.Boot == "" {
		return
	}
	if r.load {
		c.Until = w.now().Add(loadTime).Unix()
	}
	b, err := json.Marshal(c)
	if err != nil || os.MkdirAll(w.dir, 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(w.dir, ".kvm-") // mode 0600
	if err != nil {
		return
	}
	_, err = f.Write(append(b, '\n'))
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(w.dir, cacheFile))
	}
	if err != nil {
		os.Remove(f.Name())
	}
}
