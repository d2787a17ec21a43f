#!/bin/bash
# Sets up Get a Redis for good on a machine with systemd, as root. Two ways:
#
#   infra/deploy/install.sh --single-box redis.example.org [--certbot you@example.org]
#     One machine does everything: docs/single-box.md.
#   infra/deploy/install.sh redis.example.org [--certbot you@example.org]
#     A DigitalOcean droplet becomes the control plane of a fleet: README.md beside this file.
#
# Run again, it finds what is done, takes changed settings and a newer checkout into service, and keeps every secret;
# way and name are known by then.
set -eu
umask 022

HERE=$(readlink -f "$(dirname "$(readlink -f "$0")")/../..")
readonly HERE
# shellcheck source=parts/common.sh
. "$HERE/infra/deploy/parts/common.sh"
# shellcheck source=parts/edge.sh
. "$HERE/infra/deploy/parts/edge.sh"

usage() {
	cat <<-'TEXT'
		usage: install.sh --single-box NAME [--certbot MAIL] [--open PORT,...]
		       install.sh NAME [--certbot MAIL]
		       install.sh

		  --single-box NAME  One machine does everything: the service, and the instances it hands out.
		                     NAME is how people reach it: a name in DNS, or an IPv4 address.
		  NAME alone         This DigitalOcean droplet becomes the control plane of a fleet.
		  --certbot MAIL     Gets a certificate from Let's Encrypt, and renews it. MAIL is your address there.
		                     On a control plane with an EDGE_DOMAIN, one for the edge as well.
		                     Without it a single box answers on http://NAME/, which is not encrypted.
		  --open PORT,...    Single box: TCP ports of yours that the firewall leaves open besides SSH, 80, 443
		                     and those of the instances. Kept for later runs; "" closes them again.
		  --help             Shows this.

		Without a name it updates what is set up here: after a git pull, or after a change of the settings.
		Single box: docs/single-box.md. Fleet: infra/deploy/README.md.
	TEXT
}

wrong_use() {
	printf 'install.sh: %s\n\n' "$*" >&2
	usage >&2
	exit 64
}

read_arguments() {
	local way=''
	name='' mail='' open_ports=unchanged
	while [ $# != 0 ]; do
		case $1 in
		--help | -h) usage && exit 0 ;;
		--single-box) way=single-box ;;
		--certbot)
			mail=${2:-}
			[[ $mail =~ ^[^@[:space:]-][^@[:space:]]*@[^@[:space:]]+$ ]] ||
				wrong_use "--certbot wants a mail address, for what Let's Encrypt has to tell you"
			shift
			;;
		--open)
			are_ports "${2-none}" || wrong_use "--open wants ports from 1 to 65535, such as --open 25,993"
			open_ports=$2
			shift
			;;
		-*) wrong_use "there is no option $1" ;;
		*)
			[ -z "$name" ] || wrong_use "there can be one name only, and here are two: $name and $1"
			name=$1
			;;
		esac
		shift
	done
	choose_way "$way"
	[ "$open_ports" = unchanged ] || [ "$is_box" = yes ] || wrong_use "--open is for a single box"
	[ -n "$name" ] || name=$(cat "$CONF/name" 2>/dev/null || true)
	[ -n "$name" ] || wrong_use "the name is missing by which people reach the service, such as redis.example.org"
	[[ $name =~ ^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$ ]] ||
		wrong_use "\"$name\" is no name that people can reach: small letters, digits, dots and dashes, without http://"
}

# Whether a text is a list of ports, apart by commas; none is one, too.
are_ports() {
	local port
	[[ $1 =~ ^([1-9][0-9]{0,4}(,[1-9][0-9]{0,4})*)?$ ]] || return 1
	for port in ${1//,/ }; do ((port <= 65535)) || return 1; done
}

# What this machine is stays what it is.
choose_way() { # single-box, or nothing
	is_box=no
	[ "$1" != single-box ] && [ ! -e "$CONF/single-box.env" ] || is_box=yes
	if [ $is_box = yes ] && [ -e "$CONF/control-plane.env" ]; then
		fail "this machine is the control plane of a fleet ($CONF/control-plane.env), and cannot be a single box as well"
	fi
	if [ "$1" = '' ] && [ $is_box = yes ] && [ -n "$name" ] && [ "$name" != "$(cat "$CONF/name")" ]; then
		fail "this machine is a single box: to give it another name, run install.sh --single-box $name"
	fi
}

read_arguments "$@"
if [ $is_box = yes ]; then
	readonly SETTINGS=$CONF/single-box.env
	# shellcheck source=parts/box.sh
	. "$HERE/infra/deploy/parts/box.sh"
	install_box
else
	readonly SETTINGS=$CONF/control-plane.env
	# shellcheck source=parts/fleet.sh
	. "$HERE/infra/deploy/parts/fleet.sh"
	install_fleet
fi
