# The gateway of this machine; sourced by install.sh after common.sh. All of it is left out while the settings name
# no EDGE_DOMAIN.

# certbot's name for the edge's certificate.
readonly EDGE_LINEAGE=getaredis-edge

has_edge() { [ -n "$(setting EDGE_DOMAIN)" ]; }

# Whether the fleet keeps gateways on droplets of their own.
has_gateways() { [ "$(setting GATEWAYS 0)" != 0 ]; }

# What was set up for this machine's gateway alone would shut those on droplets out of the instances.
open_hosts_to_gateways() {
	[ "$(setting GATEWAY_NETWORK)" = "$private_address/32" ] || return 0
	sed -i "s|^GATEWAY_NETWORK=.*|GATEWAY_NETWORK=$private_network|" "$SETTINGS"
	say "GATEWAY_NETWORK is $private_network now: hosts from before let this machine in alone, so drain them"
}

# They fetch the certificate where they have enrolled, each renewed one as well.
let_enrolment_give_certificate() {
	local folder=/etc/systemd/system/getaredis-enrolment.service.d
	if has_gateways; then
		mkdir -p "$folder"
		install -m 644 "$HERE/infra/deploy/units/enrolment-gateways.conf" "$folder/gateways.conf"
	else
		rm -f "$folder/gateways.conf"
	fi
	systemctl daemon-reload
}

# Ports for the firewall, each after a comma.
edge_ports() {
	local port
	has_edge || return 0
	for port in "$(setting EDGE_PORT 6379)" "$(setting EDGE_PLAIN_PORT)"; do [ -z "$port" ] || printf ', %s' "$port"; done
}

# Everything that can be wrong with it is found here, before anything is changed.
check_edge() {
	local domain name
	domain=$(setting EDGE_DOMAIN)
	[[ $domain =~ ^[a-z0-9]([a-z0-9.-]{0,234}[a-z0-9])?$ && $domain == *.* ]] ||
		fail "EDGE_DOMAIN in $SETTINGS is \"$domain\": it must be a domain in small letters, such as redis.example.org"
	[[ $(setting GATEWAYS 0) =~ ^[0-9]{1,2}$ ]] || fail "GATEWAYS in $SETTINGS must be a whole number"
	for name in EDGE_PORT EDGE_PLAIN_PORT; do
		[[ $(setting "$name" 1) =~ ^[1-9][0-9]{0,4}$ ]] || fail "$name in $SETTINGS must be a port"
	done
	[ -n "$(setting EDGE_CERT_DIR)" ] || [ -e "/etc/letsencrypt/live/$EDGE_LINEAGE" ] || can_ask_certbot ||
		fail "EDGE_DOMAIN is set, and there is no certificate for *.$domain: name its folder as EDGE_CERT_DIR in" \
			"$SETTINGS; or, where DigitalOcean serves the domain and there is a DIGITALOCEAN_TOKEN, run" \
			"install.sh $(cat "$CONF/name") --certbot you@example.org"
}

can_ask_certbot() { [ -n "$mail" ] && [ -n "$(setting DIGITALOCEAN_TOKEN)" ]; }

# Installs the distribution's HAProxy without its own instance: the gateway runs one of its own.
have_haproxy() {
	local was_there=yes
	command -v haproxy >/dev/null || was_there=no
	have haproxy haproxy
	[ $was_there = yes ] || systemctl disable --quiet --now haproxy.service
}

# nginx for HTTP applications, where the settings want that in HAProxy's place: the gateway runs one of its own, and the
# distribution's is left as it is.
have_renderer() {
	local was_there=yes
	[ "$(setting APP_RENDERER haproxy)" = nginx ] || return 0
	command -v nginx >/dev/null || was_there=no
	have nginx nginx
	[ $was_there = yes ] || systemctl disable --quiet --now nginx.service
}

# Rights that the gateway's unit has only where a setting needs them, as a drop-in.
put_gateway_rights() { # folder of units
	local folder=$1/getaredis-gateway.service.d
	if [ -z "$(setting EDGE_SHARED_ADDRESS)" ]; then
		rm -f "$folder/shared-address.conf"
		[ ! -d "$folder" ] || rmdir --ignore-fail-on-non-empty "$folder"
		return
	fi
	mkdir -p "$folder"
	cat >"$folder/shared-address.conf" <<-'UNIT'
		# For EDGE_SHARED_ADDRESS: the address, and the rules of which connections are this gateway's. install.sh takes it
		# away with the setting.
		[Service]
		AmbientCapabilities=CAP_NET_ADMIN
		CapabilityBoundingSet=CAP_NET_ADMIN
	UNIT
	chmod 644 "$folder/shared-address.conf"
}

provide_edge_certificate() {
	[ -n "$(setting EDGE_CERT_DIR)" ] || ask_certbot_for_edge "$(setting EDGE_DOMAIN)"
	bash "$HERE/infra/deploy/edge-certificate.sh"
}

# By a record in DigitalOcean's DNS: only so is there a certificate for all names of a domain.
ask_certbot_for_edge() { # domain
	local credentials=$CONF/certbot-digitalocean.ini
	have certbot certbot
	[ -n "$(dpkg-query --show --showformat='${Version}' python3-certbot-dns-digitalocean 2>/dev/null)" ] ||
		have certbot-dns-digitalocean python3-certbot-dns-digitalocean
	# The token of now: renewals read this file.
	(umask 077 && printf 'dns_digitalocean_token = %s\n' "$(setting DIGITALOCEAN_TOKEN)" >"$credentials.new")
	mv "$credentials.new" "$credentials"
	[ ! -e "/etc/letsencrypt/live/$EDGE_LINEAGE/privkey.pem" ] || edge_names_changed "$1" || return 0
	DIGITALOCEAN_END_POINT=$(setting DIGITALOCEAN_URL https://api.digitalocean.com/v2)/ \
		certbot certonly --quiet --non-interactive --agree-tos --email "$mail" --cert-name "$EDGE_LINEAGE" \
		--dns-digitalocean --dns-digitalocean-credentials "$credentials" \
		--domain "*.$1" --renew-with-new-domains --deploy-hook "bash $HERE/infra/deploy/edge-certificate.sh" ||
		fail "certbot got no certificate for *.$1: what it said is above"
	say "a certificate for *.$1, which certbot.timer renews"
}

edge_names_changed() { # domain
	[ -n "$mail" ] && ! openssl x509 -in "/etc/letsencrypt/live/$EDGE_LINEAGE/fullchain.pem" -noout \
		-checkhost "any.$1" | grep -q 'does match'
}
