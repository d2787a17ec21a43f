# The set-up of a fleet's control plane; sourced by install.sh after common.sh.

readonly METADATA=http://169.254.169.254/metadata/v1
PROGRAMS=(getaredis-enrolment.service getaredis-jobs.service getaredis-api.service)

check_place() {
	[ "$(id -u)" = 0 ] || fail "run this as root"
	[ "$HERE" = /opt/getaredis ] ||
		fail "the units look for the checkout in /opt/getaredis: clone it there, and run" \
			"/opt/getaredis/infra/deploy/install.sh; or do you want one machine that does everything? Then add --single-box"
	command -v apt-get >/dev/null || fail "this is for Debian and Ubuntu"
}

metadata() {
	curl --fail --silent --show-error --max-time 5 "$METADATA/$1" ||
		fail "the droplet's metadata do not answer: is this a droplet with a private network?"
}

read_addresses() {
	private_address=$(metadata interfaces/private/0/ipv4/address)
	private_network=$(ip -4 route show proto kernel |
		awk -v source="$private_address" '{ for (i = 1; i < NF; i++) if ($i == "src" && $(i + 1) == source) print $1 }')
	[[ $private_network == */* ]] || fail "no route leads to the private network of $private_address"
	public_address=$(metadata interfaces/public/0/ipv4/address)
	region=$(metadata region)
	ssh_ports=$(ssh_ports)
}

collect_facts() {
	facts=(-e "s|<name>|$name|g" -e "s|<region>|$region|g" -e "s|<ssh ports>|$ssh_ports|g"
		-e "s|<public address>|$public_address|g" -e "s|<private address>|$private_address|g" -e "s|<private network>|$private_network|g")
	[ ! -e "$SETTINGS" ] || facts+=(-e "s|<connections of an address>|$(setting PRIVATE_CONNECTIONS_PER_ADDRESS 8)|g"
		-e "s|<connects a minute>|$(setting PRIVATE_CONNECTS_PER_MINUTE 120)|g"
		-e "s|<connections>|$(setting PRIVATE_CONNECTIONS 1000)|g"
		-e "s|<edge ports>|$(edge_ports)|g" -e "s|<password hash>|$(sha256 "$(redis_password)")|g")
}

make_settings() {
	mkdir -p "$CONF" "$STATE/acme"
	echo "$name" >"$CONF/name"
	if [ ! -e "$SETTINGS" ]; then
		collect_facts
		render control-plane.env.example "$SETTINGS" 600 root
		say "settings in $SETTINGS"
	fi
	if has_edge; then
		check_edge
		complete_settings EDGE_HOST 0.0.0.0 GATEWAY_ADDRESSES "$public_address" GATEWAY_NETWORK "$private_address/32"
		! has_gateways || open_hosts_to_gateways
	fi
	private_address=$(setting ENROLMENT_HOST) private_network=$(setting PRIVATE_NETWORK)
	collect_facts
}

take_checkout() {
	[ -x "$HERE/node_modules/.bin/node" ] || have npm npm
	# Whatever it runs, it installs the npm packages first, when they are missing or have changed.
	sh "$HERE/infra/run.sh" infra/pki/main.ts --help >/dev/null
	# Every program runs as a user of its own, and each reads the checkout.
	chmod go=rx "$HERE"
	chmod -R go=rX "$HERE/apps" "$HERE/infra" "$HERE/migrations" "$HERE/public" "$HERE/node_modules" "$HERE/package.json"
	link_command_line "$HERE"
	say "checkout $HERE with its npm packages"
}

set_up_redis() {
	# Wherever the control plane's own Redis is: its program is what instances run.
	have_redis
	[ -n "$(redis_password)" ] || { say "REDIS_URL names another Redis: none is set up here" && return; }
	render redis.conf /etc/redis/redis-getaredis.conf.new 640 redis
	start_redis
	say "Redis for heartbeats on $private_address"
}

make_image() {
	if [ -n "$(setting INSTANCE_IMAGE)" ]; then
		: >"$IMAGE_SETTINGS"
		say "droplets pull the image $(setting INSTANCE_IMAGE)"
	else
		"$HERE/node_modules/.bin/node" "$HERE/infra/deploy/image.ts" "$STATE/redis-image.tar" "$IMAGE_SETTINGS"
	fi
}

set_up_units() {
	install -m 644 "$HERE"/infra/deploy/units/getaredis-* /etc/systemd/system/
	put_gateway_rights /etc/systemd/system
	systemctl daemon-reload
	systemctl enable --quiet --now getaredis-pki.timer getaredis-backup.timer getaredis-image.timer
	bash "$HERE/infra/deploy/pki.sh"
}

set_up_firewall() {
	local name
	have nft nftables
	for name in PRIVATE_CONNECTIONS_PER_ADDRESS PRIVATE_CONNECTS_PER_MINUTE PRIVATE_CONNECTIONS; do
		[[ $(setting "$name" 1) =~ ^[1-9][0-9]{0,5}$ ]] || fail "$name in $SETTINGS must be a whole number"
	done
	render firewall.nft "$CONF/firewall.nft" 644 root
	systemctl enable --quiet getaredis-firewall.service
	systemctl restart getaredis-firewall.service
	say "firewall: $ssh_ports, 80, 443$(edge_ports) are open, and to $private_network 6380 and 8443"
}

set_up_nginx() {
	have nginx nginx
	provide_certificate
	facts+=(-e "s|<metrics from>|$private_network|g" -e 's|<hsts>|max-age=31536000|g')
	facts+=(-e '/^<plain>/d' -e 's/^<tls>//' -e 's/^<by name>//')
	render nginx-app.conf "$CONF/nginx-app.conf" 644 root
	render nginx-site.conf /etc/nginx/sites-available/getaredis.conf 644 root
	enable_site
	say "nginx for https://$name/"
}

get_certificate() {
	[ -n "$mail" ] || return 0
	[ ! -e "/etc/letsencrypt/live/$name/privkey.pem" ] || return 0
	ask_certbot
	set_up_nginx
}

set_up_edge() {
	if ! has_edge; then
		systemctl disable --quiet --now getaredis-gateway.service getaredis-edge-certificate.timer \
			getaredis-service-ports.path
		systemctl start getaredis-service-ports.service
		return
	fi
	have_haproxy
	have_renderer
	provide_edge_certificate
	systemctl enable --quiet --now getaredis-edge-certificate.timer getaredis-service-ports.path
	let_enrolment_give_certificate
	# One that carries clients goes on until the operator stops it: droplets take minutes to come.
	if has_gateways && ! systemctl is-active --quiet getaredis-gateway.service; then
		say "$(setting GATEWAYS) gateways on droplets for *.$(setting EDGE_DOMAIN)"
		return
	fi
	PROGRAMS+=(getaredis-gateway.service)
	say "gateway for *.$(setting EDGE_DOMAIN)"
}

send_image() {
	PKI_DIR=$CONF/pki "$HERE/node_modules/.bin/node" \
		--env-file="$IMAGE_SETTINGS" --env-file="$SETTINGS" "$HERE/infra/deploy/send-image.ts"
}

start() {
	if [ -z "$(setting DIGITALOCEAN_TOKEN)" ]; then
		printf '\nOne thing is left: set DIGITALOCEAN_TOKEN in %s, look over the rest of it, and run\n  %s\n' \
			"$SETTINGS" "$HERE/infra/deploy/install.sh"
		return
	fi
	systemctl enable --quiet getaredis-migrate.service "${PROGRAMS[@]}"
	systemctl restart getaredis-migrate.service
	send_image
	systemctl restart "${PROGRAMS[@]}"
	# To hosts that have joined meanwhile, with the image of before.
	send_image
	curl --silent --fail --retry 30 --retry-delay 1 --retry-connrefused --output /dev/null http://127.0.0.1:8080/healthz ||
		fail "the API does not answer: journalctl -u getaredis-api"
	printf '\nGet a Redis runs: https://%s/\n' "$name"
	printf '  ops     the token is OPS_TOKEN in %s\n  logs    journalctl -fu "getaredis-*"\n' "$SETTINGS"
}

install_fleet() {
	check_place
	mkdir -p "$STATE"
	upgrade
	have curl curl openssl openssl ip iproute2
	read_addresses
	make_settings
	take_checkout
	set_up_mariadb
	[ -z "$(mysql_password)" ] || say "MariaDB, database getaredis"
	set_up_redis
	make_image
	set_up_units
	set_up_firewall
	set_up_nginx
	get_certificate
	set_up_edge
	start
}
