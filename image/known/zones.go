package known

// utf8Locale is the locale of glibc that programs with LANG=C.UTF-8 read.
var utf8Locale = Path{Host: "/usr/lib/locale/C.utf8", Why: "the locale C.UTF-8"}

// zones is where the system has the time zones.
const zones = "/usr/share/zoneinfo"

// TimeZones are all of them, for a program or the library of a language that looks a zone up
// by its name.
// A link to the zone of this host is not among them: machines have UTC.
func TimeZones() Path { return Path{Host: zones, Why: "time zones", Skip: zoneSkip} }

// zoneSkip leaves out the second and third form of each time zone, and the host's own.
func zoneSkip(rel string, dir bool) bool {
	return dir && (rel == "posix" || rel == "right") || !dir && rel == "localtime"
}
