package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"skerry/image"
	"skerry/vmm"
)

// noIncidents is the value of --incident that has no report written.
const noIncidents = "none"

// maxIncidents is how many reports the user's folder keeps; --incident's are all kept.
const maxIncidents = 100

// incidentDir is the user's folder of reports, $XDG_STATE_HOME/skerry/incidents, by default
// in ~/.local/state.
func incidentDir() (string, error) {
	dir, why := image.UserDir("XDG_STATE_HOME", ".local/state")
	if why != "" {
		return "", errors.New(why + " (--incident DIR names a folder)")
	}
	return filepath.Join(dir, "incidents"), nil
}

// checkIncidents makes the folder of --incident, before anything runs: later it would be
// too late.
func checkIncidents(dir string) error {
	if dir == "" || dir == noIncidents {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return usage("--incident %s: %v", dir, bare(err))
	}
	if err := tryFile(dir); err != nil {
		return usage("--incident %s: cannot be written to: %v", dir, bare(err))
	}
	return nil
}

// writeIncident writes the report of a machine that a policy ended, if r has one, and says
// where.
func writeIncident(p *prepared, dir string, r *vmm.Result) {
	if r == nil || r.Incident == nil || dir == noIncidents {
		return
	}
	m := &p.image.Manifest
	i := r.Incident
	i.Program, i.Image, i.Kernel = m.Program, p.image.ID(), m.Kernel.SHA256
	i.Policy = image.PolicyOf(p.config.Record.Policy)
	sum := sha256.Sum256([]byte(p.config.Record.Policy))
	i.PolicySHA256 = hex.EncodeToString(sum[:])
	path, err := saveIncident(i, m.Name, dir)
	if err != nil {
		r.Report = append(r.Report, fmt.Sprintf("no incident report: %v", err))
		return
	}
	r.IncidentFile = path
	r.Report = append(r.Report, "incident report: "+path+" (and .json)")
}

// saveIncident writes a report as text and as JSON, and returns the name of the text.
func saveIncident(i *vmm.Incident, name, dir string) (path string, err error) {
	own := dir == ""
	if own {
		if dir, err = incidentDir(); err != nil {
			return "", err
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", err
		}
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(i, "", "\t")
	if err != nil {
		return "", err
	}
	// Names in order of time. What is there is not replaced: another machine may have
	// ended in the same moment.
	base := time.Now().UTC().Format("20060102T150405.000000Z") + "-" + name[:min(len(name), 64)]
	write := func(ending string, b []byte) error {
		f, err := os.OpenFile(filepath.Join(dir, base+ending), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = f.Write(b)
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(write(".json", append(text, '\n')), write(".txt", []byte(i.Page()))); err != nil {
		return "", err
	}
	if own {
		forgetIncidents(dir)
	}
	return filepath.Join(dir, base+".txt"), nil
}

// forgetIncidents removes the oldest reports of the user's folder, as a machine that is
// started again and again would fill it.
func forgetIncidents(dir string) {
	list, _ := os.ReadDir(dir) // in order of names, which is that of time
	count := map[string]int{}
	for _, f := range slices.Backward(list) {
		if ending := filepath.Ext(f.Name()); ending == ".txt" || ending == ".json" {
			if count[ending]++; count[ending] > maxIncidents {
				os.Remove(filepath.Join(dir, f.Name()))
			}
		}
	}
}
