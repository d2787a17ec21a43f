#!/bin/bash
# Makes a stock Debian 12 or Ubuntu 22.04 (or later) machine a host of Get a Redis, as root. The first
# boot's user-data leaves this script, its settings, the CA's certificate and a one-time token behind;
# systemd runs it until it has succeeded, also over a reboot in its middle.
#
#   /etc/getaredis/host.env   HOST_NAME, ENROLMENT_URL, HEARTBEAT_*, CONNECTIONS_PER_ADDRESS, LOGIN*, TRANSFER_*, GATEWAY_NETWORK
#   /etc/getaredis/ca.pem     the CA to trust: the control plane's
#   /etc/getaredis/token      can be used once, for the enrolment; removed when all is done
#
# What it makes: addresses.env, server-key.pem, server.pem and heartbeat-password beside them. The key
# never leaves the machine. Each step that was done before is passed over.
#
# A control plane that refuses the token ends it with code 77: waiting does not help.
set -eu
umask 077

readonly CONF=/etc/getaredis METADATA=http://169.254.169.254/metadata/v1
readonly LONGEST_PAUSE_SECONDS=30 REFUSED=77
readonly SERVICES=(
	getaredis-firewall.service getaredis-transfer.service getaredis-docker.service getaredis-expire.service
	getaredis-janitor.service getaredis-port-map.service
	getaredis-heartbeat.service
)

say() { echo "set-up: $*" >&2; }

# Tries a step again and again: networks, registries and the control plane come and go. A step is not
# under `set -e` here: each of its commands has to handle its own failure.
until_done() { # words of a command
	local pause=1 code
	while true; do
		code=0
		"$@" || code=$?
		[ "$code" != 0 ] || return 0
		[ "$code" != "$REFUSED" ] || exit "$REFUSED"
		say "$1 did not work, next try in $pause s"
		sleep "$pause"
		pause=$((pause * 2 < LONGEST_PAUSE_SECONDS ? pause * 2 : LONGEST_PAUSE_SECONDS))
	done
}

# Files appear whole, also when the power goes meanwhile.
put() { # file, where it belongs
	sync "$1" && mv "$1" "$2"
}

read_addresses() {
	local public private
	public=$(curl --fail --silent --show-error --max-time 5 "$METADATA/interfaces/public/0/ipv4/address") || return 1
	private=$(curl --fail --silent --show-error --max-time 5 "$METADATA/interfaces/private/0/ipv4/address") || return 1
	if ! [[ $public =~ ^[0-9.]+$ && $private =~ ^[0-9.]+$ ]]; then
		say "the metadata service gave no addresses"
		return 1
	fi
	printf 'PUBLIC_IP=%s\nPRIVATE_IP=%s\n' "$public" "$private" >"$CONF/addresses.env.new" || return 1
	put "$CONF/addresses.env.new" "$CONF/addresses.env"
}

# One engine a host: ours. The distribution's would listen elsewhere, with other rules, and would be
# started by its package: what is masked is not.
put_distributions_engine_aside() {
	systemctl mask docker.service docker.socket containerd.service 2>&1 || return 1
	# Fails where there was none.
	systemctl stop docker.service docker.socket containerd.service 2>/dev/null || true
}

missing_packages() {
	local name
	for name in dockerd:docker.io docker:docker-cli nft:nftables ip:iproute2 ss:iproute2 nsenter:util-linux \
		iptables:iptables openssl:openssl curl:curl; do
		command -v "${name%:*}" >/dev/null || echo "${name#*:}"
	done
}

install_packages() {
	local missing
	missing=$(missing_packages)
	[ -n "$missing" ] || return 0
	export DEBIAN_FRONTEND=noninteractive
	# An installation that a reboot cut short keeps all others from beginning.
	dpkg --configure -a || return 1
	apt-get -o DPkg::Lock::Timeout=120 update --quiet || return 1
	# Older releases have the client in the engine's package.
	apt-cache show docker-cli >/dev/null 2>&1 || missing=${missing//docker-cli/docker.io}
	# shellcheck disable=SC2086 # a list of names
	say "installing" $missing
	# shellcheck disable=SC2086
	apt-get -o DPkg::Lock::Timeout=120 install --yes --quiet --no-install-recommends $missing || return 1
	missing=$(missing_packages)
	# shellcheck disable=SC2086
	[ -z "$missing" ] || say "still missing:" $missing
	[ -z "$missing" ]
}

make_key() {
	[ ! -s "$CONF/server-key.pem" ] || return 0
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$CONF/server-key.pem.new" 2>/dev/null || return 1
	put "$CONF/server-key.pem.new" "$CONF/server-key.pem"
}

enrol() {
	local code dir=$CONF/enrolment
	[ ! -s "$CONF/server.pem" ] || return 0
	rm -rf "$dir" && mkdir "$dir" || return 1
	openssl req -new -key "$CONF/server-key.pem" -subj "/CN=$HOST_NAME" -out "$dir/request.pem" || return 1
	# The token by standard input: arguments can be read by everybody on the machine.
	code=$(printf 'Authorization: Bearer %s\n' "$(cat "$CONF/token")" | curl --silent --show-error --max-time 20 \
		--cacert "$CONF/ca.pem" --header @- --header 'Content-Type: application/pkcs10' --data-binary "@$dir/request.pem" \
		--output "$dir/answer" --write-out '%{http_code}' "$ENROLMENT_URL/hosts/$HOST_NAME/enrolment") || code=000
	case $code in
	200)
		tar --extract --no-same-owner --no-same-permissions --directory "$dir" --file "$dir/answer" \
			server.pem heartbeat-password || return 1
		[ -s "$dir/server.pem" ] && [ -s "$dir/heartbeat-password" ] || return 1
		put "$dir/heartbeat-password" "$CONF/heartbeat-password" || return 1
		# Last: with it the enrolment counts as done.
		put "$dir/server.pem" "$CONF/server.pem" || return 1
		rm -rf "$dir"
		;;
	400 | 401 | 403 | 404)
		say "REFUSED by the control plane ($code): $(head -c 500 "$dir/answer" 2>/dev/null)"
		return "$REFUSED"
		;;
	*)
		say "the control plane does not enrol this host now ($code)"
		return 1
		;;
	esac
}

# shellcheck source=/dev/null
. "$CONF/host.env"
until_done put_distributions_engine_aside
until_done install_packages
until_done read_addresses
until_done make_key
until_done enrol
systemctl enable --quiet "${SERVICES[@]}"
systemctl start "${SERVICES[@]}"
rm "$CONF/token"
say "this machine is host $HOST_NAME"
