package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// configName is the file that is read if it is there.
const configName = "skerry.toml"

// pathKeys are settings whose value is a path on the host, which in the file is
// relative to the file's folder.
var pathKeys = map[string]bool{"env-file": true, "file": true, "dir": true, "lib": true, "secret": true, "log": true, "strace": true, "audit": true, "incident": true, "policy": true, "status-file": true, "kernel": true}

// rivals are flags that decide the same thing: one given as a flag wins over the
// other in the file.
var rivals = map[string]string{"cpus": "smp", "smp": "cpus", "jit": "no-jit", "no-jit": "jit"}

// readConfig puts the file's settings where no flag was given. Keys are the names
// of the flags of run and build; those of the other verb are checked, too, and
// have no effect.
func (s *settings) readConfig(cmd *cobra.Command) error {
	path, asked := s.config, cmd.Flags().Changed("config")
	if !asked {
		path = configName
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !asked {
		return nil
	}
	if err != nil {
		return usage("%s: %v", path, bare(err))
	}
	keys, err := decodeTOML(path, text)
	if err != nil {
		return err
	}
	if err := policyTable(keys); err != nil {
		return usage("%s: %v", path, err)
	}
	other := newSettings() // takes what is not this verb's
	known := pflag.NewFlagSet("", pflag.ContinueOnError)
	other.imageFlags(known)
	other.runFlags(known)
	names := make([]string, 0, len(keys))
	for name := range keys {
		names = append(names, name)
	}
	// Files of variables come before single ones, which win; else the order in
	// which settings are made has no effect.
	sort.Slice(names, func(i, j int) bool {
		if a, b := names[i] == "env-file", names[j] == "env-file"; a != b {
			return a
		}
		return names[i] < names[j]
	})
	fromFlags := s.env
	s.env = nil
	for _, name := range names {
		f := known.Lookup(name)
		if f == nil || name == "config" || name == "help" {
			return usage("%s: unknown key %q%s", path, name, didYouMean(name, settingNames(known), "keys are the names of the flags of `skerry run`"))
		}
		if own := cmd.Flags().Lookup(name); own != nil {
			// A flag wins; but variables are put together, name by name.
			if (own.Changed || cmd.Flags().Changed(rivals[name])) && !strings.HasPrefix(name, "env") {
				continue
			}
			f = own
		}
		values, err := settingValues(name, keys[name], f)
		if err != nil {
			return usage("%s: %s: %v", path, name, err)
		}
		for _, v := range values {
			noPath := v == "-" || name == "incident" && v == noIncidents || name == "dir" && strings.HasPrefix(v, ":/")
			if pathKeys[name] && !noPath {
				if key, file, ok := strings.Cut(v, "="); ok && name == "secret" {
					v = key + "=" + relativeTo(filepath.Dir(path), file)
				} else {
					v = relativeTo(filepath.Dir(path), v)
				}
			}
			if err := f.Value.Set(v); err != nil {
				return usage("%s: %v", path, err)
			}
		}
	}
	for _, entry := range fromFlags {
		s.env.set(entry)
	}
	return nil
}

// decodeTOML reads the text of a file that messages call name.
func decodeTOML(name string, text []byte) (keys map[string]any, err error) {
	if _, err := toml.Decode(string(text), &keys); err != nil {
		var p toml.ParseError
		if errors.As(err, &p) {
			return nil, usage("%s, line %d: %s", name, p.Position.Line, p.Message)
		}
		return nil, usage("%s: %v", name, err)
	}
	return keys, nil
}

func settingNames(known *pflag.FlagSet) (names []string) {
	known.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && f.Name != "config" {
			names = append(names, f.Name)
		}
	})
	return names
}

// settingValues turns a value of the file into values of a flag.
func settingValues(name string, v any, f *pflag.Flag) ([]string, error) {
	one := func(v any) (string, error) {
		switch v := v.(type) {
		case string:
			if f.Value.Type() == "bool" {
				return "", errors.New("is not true or false (without quotes)")
			}
			return v, nil
		case int64:
			return fmt.Sprint(v), nil
		case bool:
			if f.Value.Type() == "bool" {
				return fmt.Sprint(v), nil
			}
			if v && f.NoOptDefVal != "" {
				return f.NoOptDefVal, nil
			}
		}
		return "", fmt.Errorf("a value of the wrong type (it is %s)", f.Value.Type())
	}
	switch v := v.(type) {
	case []any:
		if !repeatable(f) {
			return nil, errors.New("takes one value, not a list")
		}
		var list []string
		for _, e := range v {
			s, err := one(e)
			if err != nil {
				return nil, err
			}
			list = append(list, s)
		}
		return list, nil
	case map[string]any:
		if name != "env" {
			return nil, errors.New("is not a table")
		}
		var list []string
		for k, e := range v {
			s, err := one(e)
			if b, ok := e.(bool); ok {
				s, err = fmt.Sprint(b), nil
			}
			if err != nil {
				return nil, fmt.Errorf("%s: a value of the wrong type (it is a string)", k)
			}
			list = append(list, k+"="+s)
		}
		sort.Strings(list)
		return list, nil
	}
	if b, ok := v.(bool); ok && !b && f.NoOptDefVal != "" && f.Value.Type() != "bool" {
		return nil, nil // strace = false
	}
	s, err := one(v)
	if err != nil {
		return nil, err
	}
	return []string{s}, nil
}

// repeatable reports whether a flag may be given more than once.
func repeatable(f *pflag.Flag) bool {
	switch f.Value.(type) {
	case *publishValue, *copyValue, *envValue, *listValue, *tmpfsValue, *secretValue, *allowValue, *verdictValue:
		return true
	}
	return false
}

// relativeTo makes a path, or what begins with one, relative to a folder.
func relativeTo(dir, path string) string {
	if dir == "." || filepath.IsAbs(path) {
		return path
	}
	return dir + "/" + path
}
