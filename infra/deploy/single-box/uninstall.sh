#!/bin/bash
# Takes a single box off its machine, as root:
#
#   /opt/getaredis/current/infra/deploy/single-box/uninstall.sh [--yes] [--keep-backups] [--packages]
#
#   --yes           does not ask
#   --keep-backups  makes a last backup, and leaves all of them in /var/backups/getaredis
#   --packages      removes the distribution's packages as well that the set-up has installed
set -eu

readonly ROOT=/opt/getaredis CONF=/etc/getaredis STATE=/var/lib/getaredis UNITS=/etc/systemd/system
readonly BACKUPS=/var/backups/getaredis BEFORE=$STATE/before

fail() {
	echo "uninstall.sh: $*" >&2
	exit 1
}

read_arguments() {
	sure=no keep_backups=no packages=no
	while [ $# != 0 ]; do
		case $1 in
		--yes) sure=yes ;;
		--keep-backups) keep_backups=yes ;;
		--packages) packages=yes ;;
		--help | -h) sed -n '2,/^set/{/^set/d; s/^# \{0,1\}//; p}' "$0" && exit 0 ;;
		*)
			echo "usage: uninstall.sh [--yes] [--keep-backups] [--packages]" >&2
			exit 64
			;;
		esac
		shift
	done
}

ask() {
	local running answer
	[ $sure = no ] || return 0
	running=$(docker ps --quiet --filter label=getaredis.instance 2>/dev/null | wc -l || true)
	echo "This takes Get a Redis off this machine: $running running instances end, and database, settings, certificate and"
	echo "firewall rules go. $([ $keep_backups = yes ] && echo "The backups in $BACKUPS stay." ||
		echo "The backups in $BACKUPS go, too: --keep-backups leaves them.")"
	[ -t 0 ] || fail "nobody is here to say yes: add --yes"
	read -r -p "Type yes to go on: " answer
	[ "$answer" = yes ] || fail "nothing was changed"
}

keep_last_backup() {
	[ $keep_backups = yes ] || return 0
	bash $ROOT/current/infra/deploy/backup.sh || fail "there is no last backup, so nothing was removed"
}

stop_programs() {
	local unit
	for unit in "$UNITS"/getaredis-*; do
		[ -f "$unit" ] || continue
		case ${unit##*/} in
		# The engine is needed once more, to end what it runs, and goes with the firewall.
		getaredis-docker.service | getaredis-firewall.service) continue ;;
		esac
		systemctl disable --quiet --now "${unit##*/}" 2>/dev/null || true
	done
}

was_active() { grep -qsx "$1" "$BEFORE/active"; }

remove_engine() {
	local uid folder
	export DOCKER_HOST=unix:///run/docker.sock
	systemctl start getaredis-docker.service 2>/dev/null || true
	if docker info >/dev/null 2>&1; then
		docker ps --all --quiet --filter label=getaredis.deployment |
			xargs --no-run-if-empty docker rm --force --volumes >/dev/null
		docker network ls --quiet --filter label=getaredis.deployment |
			xargs --no-run-if-empty docker network rm >/dev/null
	fi
	# Before the engine ends, whose chains have a rule of it.
	bash $ROOT/current/infra/host/port-map.sh down 2>/dev/null || true
	systemctl disable --quiet --now getaredis-docker.service getaredis-firewall.service 2>/dev/null || true
	rm -f /run/docker.sock /run/docker.pid
	# Its data are in a folder named after the users that it has shifted.
	uid=$(sed -n 's/^dockremap:\([0-9]*\):.*/\1/p' /etc/subuid 2>/dev/null | head -n 1)
	[ -z "$uid" ] || rm -rf "/var/lib/docker/$uid.$uid"
	if [ ! -e $BEFORE/has-docker ]; then
		for folder in /var/lib/docker /var/lib/containerd; do
			[ ! -d $folder ] || find $folder -mindepth 1 -delete 2>/dev/null || true
			rmdir $folder 2>/dev/null || true
		done
		rm -rf /run/docker /etc/docker
	else
		chown root:root /var/lib/docker
		chmod "$(cat $BEFORE/has-docker)" /var/lib/docker
	fi
	rmdir /opt/containerd/bin /opt/containerd/lib /opt/containerd 2>/dev/null || true
	# Of an engine that did not end well.
	for folder in /sys/class/net/gar-* /sys/class/net/gaw-*; do
		[ ! -e "$folder" ] || ip link delete "${folder##*/}" 2>/dev/null || true
	done
	if [ ! -e $BEFORE/has-dockremap ]; then
		! getent passwd dockremap >/dev/null || userdel dockremap
		! getent group dockremap >/dev/null || groupdel dockremap
		[ ! -e /etc/subuid ] || sed -i '/^dockremap:/d' /etc/subuid /etc/subgid
		rm -f /etc/subuid- /etc/subgid-
	fi
	! getent group getaredis-engine >/dev/null || groupdel getaredis-engine
	! getent passwd getaredis-gateway >/dev/null || userdel getaredis-gateway
	remove_engine_rules
	[ ! -s $BEFORE/not-masked ] || xargs systemctl unmask --quiet <$BEFORE/not-masked 2>/dev/null || true
	for unit in containerd.service docker.socket docker.service; do
		! was_active $unit || systemctl start $unit
	done
}

# An engine leaves its chains, and a packet filter that forwards nothing else, when it ends.
remove_engine_rules() {
	local tool table rest
	for tool in iptables ip6tables; do
		command -v $tool-save >/dev/null || continue
		rest=$($tool-save 2>/dev/null | grep -v -e DOCKER -e 'gar-' -e 'gaw-' || true)
		# As it was before.
		grep -qs '^:FORWARD DROP' "$BEFORE/$tool" || rest=${rest//:FORWARD DROP/:FORWARD ACCEPT}
		$tool-restore 2>/dev/null <<<"$rest" || true
	done
	for table in 'ip nat' 'ip filter' 'ip6 nat' 'ip6 filter' 'ip raw' 'ip6 raw'; do
		! grep -qsx "table $table" $BEFORE/tables || continue
		# Empty: chains without rules.
		# shellcheck disable=SC2086 # two words
		if nft list table $table 2>/dev/null |
			grep -v -e '^table' -e '^#' -e 'chain ' -e 'type .* hook' -e '^\s*}$' -e '^$' | grep -q .; then
			continue
		fi
		# shellcheck disable=SC2086
		nft delete table $table 2>/dev/null || true
	done
	if [ -e $BEFORE/ip-forward ] && [ ! -e $BEFORE/has-docker ]; then
		cat $BEFORE/ip-forward >/proc/sys/net/ipv4/ip_forward 2>/dev/null || true
	fi
}

remove_firewall() {
	local table
	for table in 'inet getaredis_control' 'inet getaredis' 'inet getaredis_transfer' 'bridge getaredis_transfer'; do
		# shellcheck disable=SC2086 # two words
		nft delete table $table 2>/dev/null || true
	done
}

remove_site() {
	local name
	name=$(cat $CONF/name 2>/dev/null || true)
	rm -f /etc/nginx/sites-enabled/getaredis.conf /etc/nginx/sites-available/getaredis.conf
	if [ -e /etc/nginx/sites-available/default ] && [ -e $BEFORE/has-default-site ]; then
		# Empty: kept by a version that did not write where the link leads.
		ln -sfn "$(grep . $BEFORE/has-default-site || echo ../sites-available/default)" /etc/nginx/sites-enabled/default
	fi
	if was_active nginx.service; then
		systemctl reload-or-restart nginx.service
	else
		systemctl disable --quiet --now nginx.service 2>/dev/null || true
		# Made at its first start.
		[ -e $BEFORE/has-run-nginx ] || rm -rf /var/lib/nginx/{body,fastcgi,proxy,scgi,uwsgi}
	fi
	# With it goes what renews it, and the command that is run after that.
	if [ -n "$name" ] && [ -e "/etc/letsencrypt/renewal/$name.conf" ]; then
		certbot delete --non-interactive --quiet --cert-name "$name" ||
			echo "! certbot could not remove its certificate of $name" >&2
	fi
}

remove_data() {
	local host
	if grep -qs '^MYSQL_URL=.*@127\.0\.0\.1:3306/getaredis$' $CONF/single-box.env; then
		systemctl start mariadb.service
		{
			echo "DROP DATABASE IF EXISTS getaredis;"
			for host in localhost 127.0.0.1; do echo "DROP USER IF EXISTS 'getaredis'@'$host';"; done
		} | mariadb
		was_active mariadb.service || systemctl disable --quiet --now mariadb.service 2>/dev/null || true
	fi
	systemctl disable --quiet --now redis-server@getaredis.service 2>/dev/null || true
	rm -rf /etc/redis/redis-getaredis.conf "$UNITS/redis-server@getaredis.service.d"
}

# Those that the set-up has installed, as it noted them then.
remove_packages() {
	local installed ours
	[ -s $STATE/packages ] || return 0
	installed=$(dpkg-query --show --showformat='${db:Status-Abbrev} ${Package}\n' | awk '/^ii/ { print $2 }' | sort -u)
	ours=$(comm -12 <(sort -u $STATE/packages) <(echo "$installed") | paste -sd ' ')
	[ -n "$ours" ] || return 0
	if [ $packages = no ]; then
		echo "Packages that the set-up installed stay: $ours"
		return
	fi
	# shellcheck disable=SC2086 # a list of names
	DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 -qq --yes purge $ours >/dev/null
	# What packages keep when they go.
	if [[ " $ours " == *" mariadb-server "* ]]; then
		rm -rf /var/lib/mysql /var/log/mysql /etc/mysql/debian.cnf
		! getent passwd mysql >/dev/null || userdel mysql
	fi
	[[ " $ours " != *" certbot "* ]] || rm -rf /etc/letsencrypt /var/lib/letsencrypt /var/log/letsencrypt
	echo "✓ removed the packages $ours"
}

remove_files() {
	rm -f "$UNITS"/getaredis-*.service "$UNITS"/getaredis-*.timer "$UNITS"/getaredis-*.path
	rm -rf "$UNITS"/getaredis-*.d
	systemctl daemon-reload
	systemctl reset-failed 2>/dev/null || true
	rm -rf $ROOT/releases $ROOT/current $ROOT/previous $CONF $STATE /usr/local/lib/getaredis
	rmdir $ROOT 2>/dev/null || true
	[ "$(readlink /usr/local/bin/getaredis)" != $ROOT/current/apps/cli/getaredis ] || rm /usr/local/bin/getaredis
	[ $keep_backups = yes ] || rm -rf $BACKUPS
	rm -f /run/lock/getaredis-set-up
}

main() {
	read_arguments "$@"
	[ "$(id -u)" = 0 ] || fail "this needs root: run it as root, or with sudo"
	[ -e $CONF/single-box.env ] || fail "no single box is set up here"
	exec 9>/run/lock/getaredis-set-up
	flock --nonblock 9 || fail "a set-up of this machine is under way: wait until it is done"
	ask
	keep_last_backup
	stop_programs
	remove_engine
	remove_firewall
	remove_site
	remove_data
	remove_packages
	remove_files
	echo "✓ Get a Redis is gone from this machine"
	[ $keep_backups = no ] || echo "  backups  $BACKUPS"
	echo "The kernel's table of connections keeps its size until the next boot."
}

# Read whole before anything is done: this file goes, too.
main "$@"
exit
