#!/bin/bash
# Puts the release that it lies in into service, as root, and ends well when that is healthy: settings, units, firewall,
# nginx, image, schema, programs. What is as it should be is left alone, and instances run on. install.sh and
# roll-back.sh run this; alone it is of use to nobody.
set -eu
umask 022

HERE=$(readlink -f "$(dirname "$0")/../../..")
readonly HERE ROOT=/opt/getaredis SETTINGS=/etc/getaredis/single-box.env
# shellcheck source=../parts/common.sh
. "$HERE/infra/deploy/parts/common.sh"
# shellcheck source=../parts/edge.sh
. "$HERE/infra/deploy/parts/edge.sh"

readonly NODE=$HERE/node_modules/.bin/node BOX=$HERE/infra/deploy/single-box UNITS=/etc/systemd/system
readonly GROUP=getaredis-engine
readonly HOST_SERVICES=(getaredis-firewall getaredis-transfer getaredis-docker getaredis-expire getaredis-janitor
	getaredis-port-map getaredis-heartbeat)
PROGRAMS=(getaredis-jobs getaredis-api)
readonly TIMERS=(getaredis-backup.timer getaredis-image.timer)
readonly HEALTHY_WITHIN_SECONDS=60 WRONG_SETTINGS=2 WITHOUT_CERTIFICATE=3

changes=0
did() {
	changes=$((changes + 1))
	say "$@"
}
version=$(basename "$HERE")
name=$(cat "$CONF/name")
mail=$(cat "$CONF/certbot-mail" 2>/dev/null || true)

collect_facts() {
	local open
	ssh_ports=$(ssh_ports)
	open=$(cat "$CONF/open-ports" 2>/dev/null || true)
	facts=(-e "s|<name>|$name|g" -e "s|<private address>||g" -e 's|<metrics from>|127.0.0.1|g')
	[ -e "$SETTINGS" ] || return 0
	facts+=(-e "s|<open ports>|$ssh_ports, 80, 443$(edge_ports)${open:+, $open}|g")
	facts+=(-e "s|<instance ports>|$(host_setting INSTANCE_PORTS)|g" -e "s|<password hash>|$(sha256 "$(redis_password)")|g"
		-e "s|<heartbeat hash>|$(sha256 "$(cat "$CONF/heartbeat-password" 2>/dev/null || true)")|g")
	if has_known_certificate; then
		facts+=(-e '/^<plain>/d' -e 's/^<tls>//' -e 's|<hsts>|max-age=31536000|g')
	else
		facts+=(-e '/^<tls>/d' -e 's/^<plain>//' -e 's|<hsts>||g')
	fi
	if [[ $name =~ ^[0-9.]+$ ]]; then facts+=(-e '/^<by name>/d'); else facts+=(-e 's/^<by name>//'); fi
	# A kernel without IPv6 gives nginx no such sockets.
	[ -e /proc/net/if_inet6 ] || facts+=(-e '/listen \[::\]/d')
}

# Out of the settings and of this machine's memory: host-settings.ts knows the rule.
host_setting() { # name
	sed -n "s/^$1=//p" "$CONF/host.env" 2>/dev/null || true
}

# One that an authority has signed: certbot's, or one that the operator has put there.
has_known_certificate() {
	local hashes
	hashes=$(openssl x509 -in "$CONF/tls/fullchain.pem" -noout -subject_hash -issuer_hash 2>/dev/null | sort -u | wc -l)
	[ "$hashes" = 2 ]
}

make_settings() {
	local made=no
	if [ ! -e "$SETTINGS" ]; then
		collect_facts
		render single-box/single-box.env.example "$SETTINGS" 600 root
		made=yes
	fi
	# What the name has made of itself elsewhere follows it.
	if [ "$(setting PUBLIC_HOST)" != "$name" ]; then
		sed -i -e "s|^PUBLIC_HOST=.*|PUBLIC_HOST=$name|" -e "s|^ALLOWED_HOSTS=.*|ALLOWED_HOSTS=$name|" "$SETTINGS"
		did "the name is $name"
	fi
	if [ ! -e "$CONF/heartbeat-password" ]; then
		(umask 077 && openssl rand -hex 24 >"$CONF/heartbeat-password")
	fi
	check_settings
	[ $made = no ] || did "settings in $SETTINGS, for $(host_setting INSTANCES) instances at once"
	collect_facts
}

# By the program that reads them for the host's scripts: it tells of every fault of every setting.
check_settings() {
	if ! "$NODE" --env-file="$SETTINGS" "$BOX/host-settings.ts" >"$CONF/host.env.new"; then
		rm "$CONF/host.env.new"
		echo "install.sh: $SETTINGS cannot be used, as said above: correct it, and run install.sh again. Until then all" \
			"goes on as before" >&2
		exit $WRONG_SETTINGS
	fi
	if has_edge && [ -z "$(setting EDGE_CERT_DIR)" ]; then
		rm "$CONF/host.env.new"
		echo "install.sh: EDGE_DOMAIN is set in $SETTINGS, and EDGE_CERT_DIR is not: name the folder with the certificate for" \
			"*.$(setting EDGE_DOMAIN). Until then all goes on as before" >&2
		exit $WRONG_SETTINGS
	fi
	put "$CONF/host.env.new" "$CONF/host.env" 644 root
}

# One engine a machine: ours. The distribution's would be started by its package: what is masked is not.
set_up_engine() {
	local unit address
	for unit in docker.service docker.socket containerd.service; do
		[ "$(systemctl is-enabled "$unit" 2>/dev/null || true)" = masked ] || systemctl mask --quiet --now "$unit" 2>&1
	done
	have dockerd docker.io nft nftables iptables iptables ss iproute2 nsenter util-linux
	# Newer releases have the client apart from the engine.
	have docker docker-cli
	if ! getent group $GROUP >/dev/null; then
		groupadd --system $GROUP
		did "group $GROUP, for the engine's socket"
	fi
	# systemd's environment file of the host's scripts.
	address=$(ip -4 route get 192.0.2.1 2>/dev/null | sed -n 's/.* src \([0-9.]*\).*/\1/p')
	[ -n "$address" ] || address=$(ip -4 -oneline address show scope global | awk '{ sub("/.*", "", $4); print $4; exit }')
	printf 'PUBLIC_IP=%s\nPRIVATE_IP=\n' "${address:-127.0.0.1}" >"$CONF/addresses.env.new"
	put "$CONF/addresses.env.new" "$CONF/addresses.env" 644 root
	ln -sfn $ROOT/current/infra/host /usr/local/lib/getaredis
	link_command_line $ROOT/current
}

set_up_redis() {
	have_redis
	[ -n "$(redis_password)" ] || return 0
	render redis.conf /etc/redis/redis-getaredis.conf.new 640 redis
	# The heartbeat's user is there from the start; in a fleet, the jobs make one for each host.
	echo "user host-box reset on #$(sha256 "$(cat "$CONF/heartbeat-password")") %W~host:box %W~port-map-state:box +set" \
		"%R~port-map:box +hget ~port-map-nudge:box +blpop +ping" \
		>>/etc/redis/redis-getaredis.conf.new
	start_redis
	[ $has_changed = no ] || did "Redis for heartbeats and rates, on loopback"
}

set_up_database() {
	local had=yes
	[ -d /var/lib/mysql/getaredis ] || had=no
	set_up_mariadb
	[ $had = yes ] || [ -z "$(mysql_password)" ] || did "MariaDB, database getaredis"
}

# The fleet's units, as they are on a box: where releases are, its settings, no certificates of a fleet.
render_units() { # folder
	local unit units=(api.service jobs.service migrate.service {backup,image}.{service,timer})
	! has_edge || units+=(gateway.service edge-certificate.{service,timer} service-ports.{service,path})
	for unit in "${units[@]}"; do
		sed -e "s|/opt/getaredis\b|$ROOT/current|g" -e 's|control-plane\.env|single-box.env|' -e '/^LoadCredential=/d' \
			-e 's| PKI_DIR=%d||' -e 's| HOST_FILES_DIR=[^ ]*||' \
			"$HERE/infra/deploy/units/getaredis-$unit" >"$1/getaredis-$unit"
	done
	for unit in firewall transfer docker expire janitor port-map heartbeat; do
		cp "$HERE/infra/host/units/getaredis-$unit.service" "$1"
	done
	cp -r "$BOX"/units/* "$1"
	! has_edge || put_gateway_rights "$1"
}

set_up_units() {
	local made changed=no path
	made=$(mktemp --directory)
	render_units "$made"
	while read -r path; do
		mkdir -p "$(dirname "$UNITS/$path")"
		if ! cmp --silent "$made/$path" "$UNITS/$path"; then
			install -m 644 "$made/$path" "$UNITS/$path"
			changed=yes
			[[ $path != getaredis-docker* ]] || restart_engine=yes
		fi
	done < <(cd "$made" && find . -type f -printf '%P\n')
	# Of a release that had more.
	while read -r path; do
		[ ! -e "$made/$path" ] || continue
		systemctl disable --quiet --now "$path" 2>/dev/null || true
		rm -f "$UNITS/$path"
		changed=yes
	done < <(cd $UNITS && find getaredis-* -type f -printf '%p\n' 2>/dev/null)
	rm -r "$made"
	if [ $changed = yes ]; then
		systemctl daemon-reload
		did "units of systemd"
	fi
	enable getaredis-ports.service getaredis-migrate.service "${HOST_SERVICES[@]/%/.service}" "${PROGRAMS[@]/%/.service}"
	enable --now "${TIMERS[@]}"
	! has_edge || enable --now getaredis-edge-certificate.timer getaredis-service-ports.path
}

set_up_firewall() {
	render single-box/firewall.nft "$CONF/firewall.nft" 644 root
	if [ $has_changed = yes ] || ! nft list table inet getaredis_control >/dev/null 2>&1; then
		systemctl restart getaredis-ports.service
		if has_edge; then
			did "firewall: $ssh_ports, 80, 443$(edge_ports) are open, the rest is closed"
		else
			did "firewall: $ssh_ports, 80, 443 and the instances' ports are open, the rest is closed"
		fi
	fi
}

# nginx first, which shows Let's Encrypt the proofs.
set_up_nginx() {
	local was
	have nginx nginx
	provide_certificate
	collect_facts
	was=$(cat "$CONF/nginx-app.conf" /etc/nginx/sites-available/getaredis.conf 2>/dev/null || true)
	render nginx-app.conf "$CONF/nginx-app.conf" 644 root
	render nginx-site.conf /etc/nginx/sites-available/getaredis.conf 644 root
	[ "$was" != "$(cat "$CONF/nginx-app.conf" /etc/nginx/sites-available/getaredis.conf)" ] ||
		! systemctl is-active --quiet nginx.service || return 0
	enable_site
	did "nginx for $(address)"
}

address() { if has_known_certificate; then echo "https://$name/"; else echo "http://$name/"; fi; }

get_certificate() {
	[ -n "$mail" ] && [ ! -e "/etc/letsencrypt/live/$name/privkey.pem" ] || return 0
	if ask_certbot; then
		did "a certificate for $name, which certbot.timer renews"
		set_up_nginx
	else
		lacks_certificate=yes
	fi
}

set_up_edge() {
	has_edge || return 0
	have_haproxy
	have_renderer
	bash "$HERE/infra/deploy/edge-certificate.sh" ||
		fail "the edge has no certificate that can be used, as said above: put that right, and run install.sh again"
}

make_image() {
	local reference said
	reference=$(setting INSTANCE_IMAGE)
	if [ -n "$reference" ]; then
		: >"$IMAGE_SETTINGS"
	elif [ ! -s "$IMAGE_SETTINGS" ] || [ ! -s "$STATE/redis-image.tar" ]; then
		said=$(noting_packages "$NODE" "$HERE/infra/deploy/image.ts" "$STATE/redis-image.tar" "$IMAGE_SETTINGS") ||
			fail "the image of instances cannot be made: $said"
		did "image of instances${said##*✓}"
	fi
}

provide_image() { bash "$HERE/infra/deploy/image.sh" provide; }

# A word for all that the programs run by: when it is another than at the last time, they start again.
state_of_things() {
	cat "$SETTINGS" "$IMAGE_SETTINGS" "$CONF/host.env" "$CONF/addresses.env" "$UNITS"/getaredis-*.service \
		"$UNITS"/getaredis-*.d/* | sha256sum | cut -d' ' -f1
}

run_programs() {
	local state="$version $(state_of_things)" unit
	if [ "$(cat "$STATE/in-service" 2>/dev/null || true)" = "$state" ] &&
		systemctl is-active --quiet "${HOST_SERVICES[@]}" "${PROGRAMS[@]}" getaredis-migrate.service; then
		provide_image
		return 0
	fi
	rm -f "$STATE/in-service"
	ln -sfn "releases/$version" $ROOT/current.new
	mv --no-target-directory $ROOT/current.new $ROOT/current
	# Containers outlive a restart of their engine.
	[ "$restart_engine" = no ] || systemctl stop getaredis-docker.service
	systemctl reload-or-restart getaredis-firewall.service
	systemctl restart getaredis-transfer.service
	systemctl start getaredis-docker.service
	provide_image
	timeout 180 systemctl restart getaredis-migrate.service || return 1
	# A release that was not healthy leaves its count of restarts behind where systemd was about to start it once more.
	systemctl reset-failed "${PROGRAMS[@]/%/.service}" 2>/dev/null || true
	systemctl restart getaredis-{expire,janitor,port-map,heartbeat}.service "${PROGRAMS[@]/%/.service}"
	is_healthy || return 1
	echo "$state" >"$STATE/in-service"
	did "version $version is in service"
}

is_healthy() {
	local second unit
	for ((second = 0; second < HEALTHY_WITHIN_SECONDS; second++)); do
		for unit in "${PROGRAMS[@]}"; do
			# Started again by systemd: it ends by itself.
			(($(systemctl show --property=NRestarts --value "$unit.service") < 2)) || return 1
		done
		if curl --silent --fail --max-time 5 --output /dev/null http://127.0.0.1:8080/readyz &&
			systemctl is-active --quiet "${PROGRAMS[@]}"; then
			return 0
		fi
		sleep 1
	done
	return 1
}

tell() {
	if [ $changes = 0 ]; then
		echo "Nothing to do: version $version is in service, and all is as it should be."
		return
	fi
	printf '\nGet a Redis runs: %s\n' "$(address)"
	printf '  ops     https://%s/ops with the token OPS_TOKEN of %s\n' "$name" "$SETTINGS"
	printf '  logs    journalctl -fu "getaredis-*"\n'
	has_known_certificate && [ -z "$lacks_certificate" ] || printf '%s\n' \
		"! NOT ENCRYPTED: pages and API are at http://$name/, and whoever is on the way can read them." \
		"  /ops is at https alone, with a certificate that browsers warn of. For a real one: --certbot you@example.org" >&2
}

restart_engine=no lacks_certificate=''
make_settings
! has_edge || PROGRAMS+=(getaredis-gateway)
set_up_engine
set_up_database
set_up_redis
make_image
set_up_units
set_up_firewall
set_up_nginx
get_certificate
set_up_edge
run_programs || exit 1
tell
if [ -n "$lacks_certificate" ]; then
	warn "certbot got no certificate: what it said is above. Most often $name does not lead to this machine yet, or a" \
		"firewall before it closes port 80. Put that right, and run install.sh again"
	exit $WITHOUT_CERTIFICATE
fi
