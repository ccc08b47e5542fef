package known

// ruledOut knows programs of classes that no machine can run, and says which point of
// the model rules each out.
func ruledOut(p *Program) *Facts {
	name := p.Name()
	for _, r := range refused {
		for _, n := range r.names {
			// Debian's Apache and PostgreSQL stand under these names; MPM modules and
			// versions in folders do not matter.
			if name == n || p.Called == n {
				return &Facts{Name: r.what, Notes: []Note{{Level: Refuse, Point: r.point, Text: r.text}}}
			}
		}
	}
	return nil
}

// NoShells is the point of the model that rules out shells.
const NoShells = "no shells"

const (
	oneProcess = "single process"
	noUsers    = "no users"
)

var refused = []struct {
	names             []string
	what, point, text string
}{
	{[]string{"postgres", "postmaster", "edb-postgres"}, "PostgreSQL", oneProcess,
		"PostgreSQL forks a process for each connection and several for its own work; a machine holds one process. SQLite works, and so does a PostgreSQL outside of the machine"},
	{[]string{"apache2", "httpd"}, "Apache httpd", oneProcess,
		"Apache httpd serves from processes that it forks, whichever MPM is loaded (prefork, worker, event); nginx with master_process off, or caddy, serves from one"},
	{[]string{"sshd", "dropbear", "in.telnetd", "telnetd"}, "a login server", NoShells,
		"it forks for each login, changes users and starts a shell; a machine has none of these. Look into a machine from outside (skerry run --log, --strace)"},
	{[]string{"cron", "crond", "anacron", "atd"}, "a scheduler of programs", oneProcess,
		"it starts other programs, and a machine holds one; let the host's scheduler start a machine"},
	{[]string{"systemd", "runit", "s6-svscan", "supervisord", "tini", "dumb-init", "s6-overlay-suexec"}, "a supervisor", oneProcess,
		"it starts other programs, and a machine holds one; name the program that it starts"},
	{[]string{"sh", "bash", "dash", "zsh", "ksh", "mksh", "fish", "ash", "csh", "tcsh", "busybox", "toybox", "rbash"}, "a shell", NoShells,
		"a shell starts other programs for what it does; name the program that it would start, with its arguments"},
	{[]string{"su", "sudo", "doas", "login", "setpriv", "gosu", "su-exec"}, "a program that changes users", noUsers,
		"a machine has one identity; name the program that it would start, with its arguments"},
	{[]string{"dovecot", "exim4", "exim", "sendmail"}, "a mail server", oneProcess,
		"it starts a process for each connection or message; a machine holds one"},
	{[]string{"beam.smp", "beam", "erlexec", "erl"}, "Erlang", oneProcess,
		"Erlang's emulator forks erl_child_setup when it starts, and ends without it; a machine holds one process"},
	{[]string{"varnishd"}, "Varnish", oneProcess,
		"varnishd manages a process that it forks, and that one serves; a machine holds one process. nginx with master_process off caches, too"},
	{[]string{"sbcl"}, "SBCL", oneProcess,
		"it maps its heap from a file of data, as memory that is written and executed, and no byte of a file that is no code becomes executable (W^X)"},
	{[]string{"smbd", "vsftpd", "proftpd", "inetd", "xinetd"}, "a server of processes", oneProcess,
		"it forks a process for each connection; a machine holds one"},
}
