#!/bin/bash
# Makes a stock Debian 12 or Ubuntu 22.04 (or later) machine a gateway of Get a Redis, as root. The first boot's
# user-data leaves this script, the CA's certificate and a one-time token behind; systemd runs it until it has
# succeeded, also over a reboot in its middle.
#
#   /etc/getaredis/gateway.env   GATEWAY_NAME, ENROLMENT_URL
#   /etc/getaredis/ca.pem        the CA to trust: the control plane's
#   /etc/getaredis/token         can be used once, for the enrolment; removed when all is done
#
# What it makes: told.env (settings from the control plane, the password for Redis among them) and own.env (addresses,
# and the secret by which the control plane knows this gateway) beside them; the program in /opt/getaredis. The key of
# the certificate is fetched by the gateway itself.
#
# A control plane that refuses the token ends it with code 77: waiting does not help.
set -eu
umask 077

readonly CONF=/etc/getaredis PROGRAM=/opt/getaredis METADATA=http://169.254.169.254/metadata/v1
readonly LONGEST_PAUSE_SECONDS=30 REFUSED=77 GATEWAY=getaredis-gateway

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

told() { # name of a setting
	sed -n "s/^$1=\"\(.*\)\"$/\1/p" "$CONF/told.env" 2>/dev/null | tail -n 1
}

missing_packages() {
	local name
	for name in haproxy:haproxy openssl:openssl curl:curl tar:tar; do
		command -v "${name%:*}" >/dev/null || echo "${name#*:}"
	done
	[ "$(told APP_RENDERER)" != nginx ] || command -v nginx >/dev/null || echo nginx
}

# The distribution's own HAProxy and nginx must not take the ports: what is masked is not started by its package.
install_packages() {
	local missing
	systemctl mask haproxy.service nginx.service 2>&1 || return 1
	missing=$(missing_packages)
	[ -n "$missing" ] || return 0
	export DEBIAN_FRONTEND=noninteractive
	# An installation that a reboot cut short keeps all others from beginning.
	dpkg --configure -a || return 1
	apt-get -o DPkg::Lock::Timeout=120 update --quiet || return 1
	# shellcheck disable=SC2086 # a list of names
	say "installing" $missing
	# shellcheck disable=SC2086
	apt-get -o DPkg::Lock::Timeout=120 install --yes --quiet --no-install-recommends $missing || return 1
	missing=$(missing_packages)
	[ -z "$missing" ]
}

make_own() {
	local public
	[ ! -s "$CONF/own.env" ] || return 0
	public=$(curl --fail --silent --show-error --max-time 5 "$METADATA/interfaces/public/0/ipv4/address") || return 1
	if ! [[ $public =~ ^[0-9.]+$ ]]; then
		say "the metadata service gave no address"
		return 1
	fi
	printf 'GATEWAY_ADDRESSES=%s\nGATEWAY_SECRET=%s\n' "$public" "$(openssl rand -hex 32)" >"$CONF/own.env.new" || return 1
	put "$CONF/own.env.new" "$CONF/own.env"
}

secret() { sed -n 's/^GATEWAY_SECRET=//p' "$CONF/own.env"; }

# Answers 200 and puts the body into a file, else says why not. The secret by standard input: arguments can be read by
# everybody on the machine.
ask() { # bearer, file for the answer, arguments for curl
	local code bearer=$1 answer=$2
	shift 2
	code=$(printf 'Authorization: Bearer %s\n' "$bearer" | curl --silent --show-error --max-time 300 \
		--cacert "$CONF/ca.pem" --header @- --output "$answer" --write-out '%{http_code}' "$@") || code=000
	case $code in
	200) return 0 ;;
	400 | 401 | 403 | 404)
		say "REFUSED by the control plane ($code): $(head -c 500 "$answer" 2>/dev/null)"
		return "$REFUSED"
		;;
	*)
		say "the control plane does not answer as it should now ($code)"
		return 1
		;;
	esac
}

# It is told the secret's hash alone.
enrol() {
	local hash code=0
	[ ! -s "$CONF/told.env" ] || return 0
	hash=$(secret | tr -d '\n' | sha256sum | cut -d' ' -f1)
	ask "$(cat "$CONF/token")" "$CONF/told.env.new" --header 'Content-Type: text/plain' --data-binary "$hash" \
		"$ENROLMENT_URL/gateways/$GATEWAY_NAME/enrolment" || code=$?
	[ "$code" = 0 ] || return "$code"
	put "$CONF/told.env.new" "$CONF/told.env"
}

fetch_program() {
	local code=0
	[ ! -x "$PROGRAM/node" ] || return 0
	rm -rf "$PROGRAM.new" && mkdir -p "$PROGRAM.new" || return 1
	ask "$(secret)" "$PROGRAM.new/program.tar" "$ENROLMENT_URL/gateways/$GATEWAY_NAME/program" || code=$?
	[ "$code" = 0 ] || return "$code"
	tar --extract --no-same-owner --directory "$PROGRAM.new" --file "$PROGRAM.new/program.tar" || return 1
	rm "$PROGRAM.new/program.tar" || return 1
	install -m 644 "$CONF/ca.pem" "$PROGRAM.new/ca.pem" || return 1
	chmod -R go=rX "$PROGRAM.new" || return 1
	sync -f "$PROGRAM.new" || return 1
	rm -rf "$PROGRAM" && mv "$PROGRAM.new" "$PROGRAM"
}

make_user() {
	getent passwd "$GATEWAY" >/dev/null ||
		useradd --system --user-group --no-create-home --home-dir / --shell /usr/sbin/nologin "$GATEWAY"
}

# shellcheck source=/dev/null
. "$CONF/gateway.env"
until_done make_own
until_done enrol
until_done install_packages
until_done fetch_program
until_done make_user
systemctl enable --quiet getaredis-gateway.service
systemctl start getaredis-gateway.service
rm "$CONF/token"
say "this machine is gateway $GATEWAY_NAME"
