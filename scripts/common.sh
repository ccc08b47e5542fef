# What the scripts share; sourced, not run. The working directory is the repository's.

say() { printf '%s: %s\n' "$prog" "$*" >&2; }

die() {
	say "$*"
	exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# need_host refuses what cannot run machines, before anything is installed for it.
need_host() {
	case "$(uname -s)/$(uname -m)" in
	Linux/x86_64 | Linux/amd64) ;;
	*) die "this is $(uname -s) on $(uname -m): machines run on Linux x86-64 only (use such a host)" ;;
	esac
}

# need_go wants Go 1.21 or newer: from then on the go command fetches the version that
# go.mod names by itself.
need_go() {
	if ! have go && [ -x /usr/local/go/bin/go ]; then
		PATH="$PATH:/usr/local/go/bin"
		export PATH
	fi
	have go || die "Go is not in PATH (install 1.21 or newer from https://go.dev/dl/, and put its bin folder into PATH)"
	# Outside of the repository, whose go.mod an older Go refuses to read.
	version=$(cd / && GOTOOLCHAIN=local go version | sed -n 's/^go version go\([0-9][0-9.]*\).*/\1/p')
	case "$version" in
	'') return 0 ;; # a development version
	0.* | 1 | 1.[0-9] | 1.[0-9].* | 1.1[0-9] | 1.1[0-9].* | 1.20 | 1.20.*)
		die "$(command -v go) is Go $version, too old (install 1.21 or newer from https://go.dev/dl/; it fetches the pinned version by itself)"
		;;
	esac
	# Some distributions switch the fetching off; whoever did so in the environment means it.
	if [ -z "${GOTOOLCHAIN:-}" ] && ! go version >/dev/null 2>&1; then
		GOTOOLCHAIN=auto
		export GOTOOLCHAIN
	fi
	go version >/dev/null || die "Go $version did not get the version that go.mod names (see the lines above)"
}

# packages APT DNF PACMAN ZYPPER APK installs one package, or several, under the name
# that each package manager knows, and says so first. Without root it prints the command
# and stops.
packages() {
	if have apt-get; then
		first="apt-get update"
		then="apt-get install -y --no-install-recommends $1"
		DEBIAN_FRONTEND=noninteractive
		export DEBIAN_FRONTEND
	elif have dnf; then
		first= then="dnf install -y $2"
	elif have pacman; then
		first= then="pacman -S --needed --noconfirm $3"
	elif have zypper; then
		first= then="zypper --non-interactive install $4"
	elif have apk; then
		first= then="apk add $5"
	else
		die "no package manager that this script knows (install what is $1 on Debian yourself)"
	fi
	if [ "$(id -u)" != 0 ]; then
		say "something is missing that only root can install. Run this, then start again:"
		[ -z "$first" ] || say "    sudo $first"
		say "    sudo $then"
		exit 1
	fi
	[ -z "$first" ] || { say "running: $first" && $first >&2 || say "$first failed; going on with what is known"; }
	say "running: $then"
	$then >&2 || die "that failed (see the lines above)"
}

# need_qemu installs the hypervisor if it is not there.
need_qemu() {
	have qemu-system-x86_64 || [ -x /usr/libexec/qemu-kvm ] && return 0
	say "QEMU is missing; the system's package manager has it"
	packages qemu-system-x86 qemu-system-x86-core qemu-system-x86 qemu-x86 qemu-system-x86_64
	have qemu-system-x86_64 || [ -x /usr/libexec/qemu-kvm ] || die "QEMU was installed, but qemu-system-x86_64 is not in PATH"
}
