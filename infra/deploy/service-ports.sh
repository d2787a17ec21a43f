#!/bin/bash
# Opens the ports that the gateway on this machine carries services at in its firewall, as root, and closes those that it
# carries none at any more.
#
#   service-ports.sh [FILE]
#
# FILE has the ports, one a line, as the gateway writes them (/run/getaredis-gateway/service-ports); without it none is
# open. getaredis-service-ports.path runs this when it changes, and the firewall's unit when its rules are loaded anew.
#
# The gateway is reached by strangers, and is believed nothing but numbers: ports of what else runs on this machine for
# this service stay as the firewall has them.
set -eu

readonly TABLE="inet getaredis_control" SET=service_ports MOST=500
# MariaDB, Redis, the API, enrolment.
readonly OTHERS=" 3306 6380 8080 8443 "
readonly FILE=${1:-/run/getaredis-gateway/service-ports}

ports_in() {
	local port
	[ -e "$FILE" ] || return 0
	head -n $MOST "$FILE" | while read -r port; do
		[[ $port =~ ^[1-9][0-9]{0,4}$ ]] && ((port <= 65535)) && [[ $OTHERS != *" $port "* ]] || continue
		echo "$port"
	done | sort -nu | paste --serial --delimiters=,
}

ports=$(ports_in)
# In one transaction: no port is closed for a moment.
printf 'flush set %s %s\n%s\n' "$TABLE" $SET "${ports:+add element $TABLE $SET { $ports \}}" | nft -f -
echo "service-ports: open are now ${ports:-none}"
