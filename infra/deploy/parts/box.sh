# The set-up of a single box; sourced by install.sh after common.sh. It checks the machine, makes a release of the
# code that it lies in, and has that put into service by its own single-box/activate.sh; when a release is not healthy,
# the one before comes back. So each release brings the units and templates that fit it.

readonly ROOT=/opt/getaredis
readonly ACTIVATE=infra/deploy/single-box/activate.sh
# What activate.sh ends with when all is in service but the certificate.
readonly WITHOUT_CERTIFICATE=3
# And with this before it has changed anything that runs.
readonly WRONG_SETTINGS=2

install_box() {
	check_machine
	hold_lock
	note_what_was_there
	upgrade
	have curl curl openssl openssl ip iproute2
	keep_wishes
	make_release
	keep_backup
	go_live
	remove_old_releases
}

# Everything that can be wrong with the machine is found here, before anything is changed.
check_machine() {
	[ "$(id -u)" = 0 ] || fail "this needs root: run it as root, or with sudo"
	check_system
	if [ -e "$ROOT/apps" ]; then
		fail "$ROOT is a checkout, as a fleet's control plane has it: clone to another folder, such as /root/getaredis," \
			"and move this one away"
	fi
	if [ -n "$mail" ] && [[ $name =~ ^[0-9.]+$ ]]; then
		fail "--certbot needs a name in DNS, and $name is an address: Let's Encrypt gives it no certificate"
	fi
	check_name
	[ ! -e "$SETTINGS" ] || return 0
	check_ports
	check_docker
	check_room
}

check_system() {
	local ID='' VERSION_ID=''
	# shellcheck source=/dev/null
	[ ! -r /etc/os-release ] || . /etc/os-release
	case $ID-${VERSION_ID%%.*} in
	debian-1[2-9] | ubuntu-2[4-9]) ;;
	*)
		fail "this is for Debian 12 or Ubuntu 24.04, and later ones; this machine is" \
			"${PRETTY_NAME:-${ID:-unknown} $VERSION_ID}. Older ones have no Redis that instances can be made of"
		;;
	esac
	command -v apt-get >/dev/null || fail "there is no apt-get"
	[ -d /run/systemd/system ] || fail "systemd does not run here: a container has none as a rule, a VPS has"
	case $(uname -m) in
	x86_64 | aarch64) ;;
	*) fail "there is no Node.js for this processor ($(uname -m)): x86_64 and aarch64 are served" ;;
	esac
}

own_addresses() { ip -4 -oneline address show scope global | awk '{ sub("/.*", "", $4); print $4 }'; }

# A name may be made later, and a machine may be behind NAT: neither ends the set-up.
check_name() {
	local leads_to own
	own=$(own_addresses | paste -sd ' ')
	leads_to=$(getent ahostsv4 "$name" | awk '{ print $1 }' | sort -u | paste -sd ' ' || true)
	if [ -z "$leads_to" ]; then
		warn "$name has no IPv4 address yet: make an A record for it that leads here ($own)"
	elif [[ $leads_to != 127.* && " $own " != *" ${leads_to%% *} "* ]]; then
		warn "$name leads to $leads_to, which is no address of this machine ($own): right behind NAT, else correct the record"
	fi
	if getent ahostsv6 "$name" | awk '{ print $1 }' | grep -v '^::ffff:\|^::1$' | grep -q :; then
		warn "$name has an IPv6 address, too, and instances answer on IPv4 alone: remove the AAAA record"
	fi
}

# Programs that listen on a port, apart by blanks; "?" for one that is not known.
listeners() { # port
	ss --no-header --listening --numeric --tcp --processes "sport = :$1" |
		sed -n 's/.*users:(("\([^"]*\)".*/\1/p; t; s/.*/?/p' | sort -u | paste -sd ' '
}

check_ports() {
	local port by site
	for port in 80 443; do
		by=$(listeners $port)
		[ -z "$by" ] || [ "$by" = nginx ] ||
			fail "port $port is taken by $by, and nginx wants 80 and 443: remove or move that server, or take another machine"
	done
	for site in /etc/nginx/sites-enabled/* /etc/nginx/conf.d/*.conf; do
		[ -e "$site" ] && [ "${site##*/}" != default ] || continue
		fail "nginx serves something else here already ($site), and this service wants its ports for itself:" \
			"disable that site, or take another machine"
	done
	for port in 8080 6380; do
		by=$(listeners $port)
		[ -z "$by" ] || fail "port $port is taken by $by, and this service uses it on loopback: move that server"
	done
	if command -v mariadb >/dev/null && mariadb --execute 'USE getaredis' 2>/dev/null; then
		fail "MariaDB has a database getaredis already, and it is not ours: rename or drop it"
	fi
	if command -v ufw >/dev/null && ufw status 2>/dev/null | grep -q '^Status: active'; then
		warn "ufw is active, and what it closes stays closed: ufw allow 80,443/tcp"
	fi
	check_other_servers
}

# The firewall will close what is not said to be open.
check_other_servers() {
	local ports port closing=()
	ports=",80,443,$(ssh_ports),$(open_ports_now),"
	for port in $(ss --no-header --listening --numeric --tcp | awk '$4 !~ /^(127\.|\[::1\]|\[::ffff:127\.)/ { print $4 }' |
		sed 's/.*://' | sort -nu); do
		[[ $ports == *",$port,"* ]] || closing+=("$port ($(listeners "$port"))")
	done
	[ "${#closing[@]}" = 0 ] ||
		warn "the firewall will close these to the network: ${closing[*]}; --open PORT,... leaves ports open"
}

open_ports_now() {
	if [ "$open_ports" != unchanged ]; then echo "$open_ports"; else cat "$CONF/open-ports" 2>/dev/null || true; fi
}

# Two engines on a machine take each other's packet filter away.
check_docker() {
	local containers
	command -v docker >/dev/null && systemctl is-active --quiet docker.service || return 0
	containers=$(docker ps --all --quiet | wc -l)
	[ "$containers" = 0 ] ||
		fail "Docker runs here with $containers containers. This service brings an engine of its own, and two engines" \
			"on a machine break each other's networks: remove them, take another machine, or use npm start"
	warn "Docker runs here without containers: its service is stopped and masked, until this is uninstalled"
}

check_room() {
	local memory_mb disk_mb
	memory_mb=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' /proc/meminfo) / 1024))
	disk_mb=$(($(df --output=avail / | tail -n 1) / 1024))
	((memory_mb >= 900)) || warn "this machine has $memory_mb MB of memory: 1 GB is the least that is of use"
	((disk_mb >= 2500)) || fail "there are $disk_mb MB free on /, and 2500 are needed: packages, two releases, backups"
}

# One at a time: install, roll back, uninstall.
hold_lock() {
	exec 9>/run/lock/getaredis-set-up
	flock --nonblock 9 || fail "another set-up of this machine is under way: wait until it is done"
}

# For the uninstall, which leaves what was there before.
note_what_was_there() {
	local before=$STATE/before unit
	[ ! -e "$before" ] || return 0
	rm -rf "$before.new"
	mkdir -p "$before.new"
	for unit in docker.service docker.socket containerd.service; do
		[ "$(systemctl is-enabled "$unit" 2>/dev/null || true)" = masked ] || echo "$unit"
	done >"$before.new/not-masked"
	for unit in docker.service docker.socket containerd.service nginx.service mariadb.service redis-server.service; do
		! systemctl is-active --quiet "$unit" || echo "$unit"
	done >"$before.new/active"
	cat /proc/sys/net/ipv4/ip_forward >"$before.new/ip-forward"
	{ nft list tables 2>/dev/null || true; } >"$before.new/tables"
	for unit in iptables ip6tables; do
		{ "$unit-save" 2>/dev/null || true; } >"$before.new/$unit"
	done
	[ ! -d /var/lib/docker ] || stat --format=%a /var/lib/docker >"$before.new/has-docker"
	# Where its link leads: versions of the package write it in different ways.
	[ ! -e /etc/nginx/sites-enabled/default ] ||
		{ readlink /etc/nginx/sites-enabled/default || true; } >"$before.new/has-default-site"
	[ ! -d /var/lib/nginx/body ] || touch "$before.new/has-run-nginx"
	getent passwd dockremap >/dev/null && touch "$before.new/has-dockremap" || true
	mv "$before.new" "$before"
}

# What this run was told, for later ones.
keep_wishes() {
	mkdir -p "$CONF" "$STATE/acme"
	echo "$name" >"$CONF/name"
	[ -z "$mail" ] || echo "$mail" >"$CONF/certbot-mail"
	[ "$open_ports" = unchanged ] || echo "$open_ports" >"$CONF/open-ports"
}

# Files that a release is made of.
readonly PARTS=(apps infra migrations public docs package.json package-lock.json README.md SECURITY.md LICENSE)

# The release of this code, in a folder of its own that nobody changes any more: "0.1.0-3f2a90c1". The second half is a
# hash of the files, so that any change makes another release, with or without a commit.
make_release() {
	local hash new
	if [ "$(dirname "$HERE")" = $ROOT/releases ]; then
		version=$(basename "$HERE")
		return
	fi
	[ -x "$HERE/node_modules/.bin/node" ] || have npm npm
	# Whatever it runs, it installs the npm packages first, when they are missing or have changed.
	sh "$HERE/infra/run.sh" infra/deploy/single-box/box-name.ts
	hash=$(cd "$HERE" && find "${PARTS[@]}" -type f -print0 | sort --zero-terminated |
		xargs --null sha256sum | sha256sum | cut -c1-8)
	version=$(sed -n 's/^  "version": "\([^"]*\)".*/\1/p' "$HERE/package.json")-$hash
	new=$ROOT/releases/$version
	[ ! -e "$new" ] || return 0
	rm -rf "$new.new"
	mkdir -p "$new.new"
	(cd "$HERE" && cp --archive "${PARTS[@]}" "$new.new")
	copy_packages "$new.new"
	chown -R root:root "$new.new"
	# Every program runs as a user of its own, and each reads the release.
	chmod -R u=rwX,go=rX "$new.new"
	mv "$new.new" "$new"
	say "release $version"
}

# npm packages that programs load: most of the bytes are of those for development. A file that the release before has
# as well takes no room again.
copy_packages() { # folder of the new release
	local node=$HERE/node_modules/.bin/node
	if cmp --silent "$HERE/package-lock.json" "$ROOT/current/package-lock.json"; then
		cp --archive --link "$(readlink -f "$ROOT/current")/node_modules" "$1"
		return
	fi
	(cd "$HERE" && "$node" --print '
		const { packages } = JSON.parse(require("fs").readFileSync("node_modules/.package-lock.json", "utf8"));
		Object.keys(packages).filter((path) => packages[path].dev).join("\n")') >"$1/not-needed"
	tar --create --directory "$HERE" --anchored --no-wildcards --exclude-from="$1/not-needed" node_modules |
		tar --extract --directory "$1"
	rm "$1/not-needed"
}

# Migrations only ever add, so the release before runs on the newer schema. The backup is for everything else.
keep_backup() {
	[ -e "$ROOT/current" ] && [ "$(current_version)" != "$version" ] || return 0
	bash "$ROOT/current/infra/deploy/backup.sh"
}

current_version() { basename "$(readlink "$ROOT/current")"; }

go_live() {
	local former='' code=0
	[ ! -e "$ROOT/current" ] || former=$(current_version)
	bash "$ROOT/releases/$version/$ACTIVATE" || code=$?
	if [ $code = 0 ] || [ $code = $WITHOUT_CERTIFICATE ]; then
		[ -z "$former" ] || [ "$former" = "$version" ] || ln -sfn "releases/$former" "$ROOT/previous"
		[ $code = 0 ] || exit 1
		return
	fi
	[ $code != $WRONG_SETTINGS ] || exit 1
	[ -n "$former" ] && [ "$former" != "$version" ] ||
		fail "version $version is not healthy: journalctl -u 'getaredis-*' has the reason. Once that is put right, run" \
			"this again"
	warn "version $version is not healthy: $former comes back. What the new one said:"
	journalctl --unit=getaredis-migrate --unit=getaredis-api --unit=getaredis-jobs --lines=20 --output=cat >&2 || true
	bash "$ROOT/releases/$former/$ACTIVATE" ||
		fail "version $former is not healthy either: journalctl -u 'getaredis-*' has the reason"
	rm -rf "${ROOT:?}/releases/$version"
	fail "version $version was not healthy, so version $former is in service again"
}

remove_old_releases() {
	local release kept
	kept=" $(current_version) $(basename "$(readlink "$ROOT/previous" || true)") "
	for release in "$ROOT"/releases/*; do
		[[ $kept == *" ${release##*/} "* ]] || rm -rf "$release"
	done
}
